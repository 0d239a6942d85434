package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp/ext/gateway"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/ext/search"
	"github.com/etherx-go/xmpp/jid"
)

// The gateways of the tests.
var (
	icq = jid.MustParse("icq.capulet.example")
	aim = jid.MustParse("aim.capulet.example")
)

// RunDirectory tests a [search.Store].
func RunDirectory(t *testing.T, open func(t *testing.T) search.Store) {
	t.Run("field", func(t *testing.T) {
		runField(t, func(t *testing.T) field { return directoryField(open(t)) })
	})
	t.Run("entries come back whole", func(t *testing.T) { directoryWhole(t, open(t)) })
	t.Run("the store has a copy of its own", func(t *testing.T) { directoryCopies(t, open(t)) })
	runSequence(t, func(t *testing.T) sequence {
		s := open(t)
		return sequence{
			all: func(ctx context.Context) iter.Seq2[jid.JID, error] {
				return userOf(s.Entries(ctx), func(it search.Item) jid.JID { return it.JID })
			},
			field: directoryField(s),
		}
	})
}

// RunGateway tests a [gateway.Store]. open opens an empty engine, and returns the
// stores that it has for gateways.
func RunGateway(t *testing.T, open func(t *testing.T) func(at jid.JID) gateway.Store) {
	t.Run("field", func(t *testing.T) {
		runField(t, func(t *testing.T) field { return gatewayField(open(t)(icq)) })
	})
	t.Run("registrations come back whole", func(t *testing.T) { gatewayWhole(t, open(t)(icq)) })
	t.Run("the store has a copy of its own", func(t *testing.T) { gatewayCopies(t, open(t)(icq)) })
	t.Run("gateways do not mix", func(t *testing.T) { gatewaysApart(t, open(t)) })
	runSequence(t, func(t *testing.T) sequence {
		s := open(t)(icq)
		return sequence{
			all: func(ctx context.Context) iter.Seq2[jid.JID, error] {
				return userOf(s.Accounts(ctx), func(a gateway.Account) jid.JID { return a.User })
			},
			field: gatewayField(s),
		}
	})
}

// directoryField puts the value into the only field of the entry.
func directoryField(s search.Store) field {
	return field{
		put: func(ctx context.Context, account jid.JID, value string) error {
			return s.SetEntry(ctx, search.Item{JID: account, Fields: []search.Field{{Name: search.Nick, Value: value}}})
		},
		get: func(ctx context.Context, account jid.JID) (value string, err error) {
			for it, err := range s.Entries(ctx) {
				if err != nil {
					return "", err
				}
				if it.JID == account {
					value = it.Get(search.Nick)
				}
			}
			return value, nil
		},
		remove: s.RemoveEntry,
	}
}

// gatewayField puts the value into the only field of the registration.
func gatewayField(s gateway.Store) field {
	return field{
		put: func(ctx context.Context, account jid.JID, value string) error {
			return s.SetAccount(ctx, gateway.Account{User: account, Fields: []register.Field{{Name: "password", Value: value}}})
		},
		get: func(ctx context.Context, account jid.JID) (string, error) {
			a, ok, err := s.Account(ctx, account)
			if err == nil && ok != (a.User == account) {
				err = fmt.Errorf("there is one: %v; it is %v", ok, a.User)
			}
			return a.Get("password"), err
		},
		remove: s.RemoveAccount,
	}
}

// fieldsOf returns fields that must come back as they are, in their order.
func fieldsOf[F search.Field | register.Field]() (fields []F) {
	for i, value := range []string{"", `<&>"'`, "first", "ü \U0001F339", "first"} {
		fields = append(fields, F(search.Field{Name: fmt.Sprint("f", 9-i), Value: value}))
	}
	return fields
}

func mustAll[T any](t *testing.T, seq iter.Seq2[T, error]) (all []T) {
	t.Helper()
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

func directoryWhole(t *testing.T, s search.Store) {
	want := search.Item{JID: juliet, Fields: fieldsOf[search.Field]()}
	for range 2 { // replaced by the same
		if err := s.SetEntry(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if all := mustAll(t, s.Entries(t.Context())); len(all) != 1 || !reflect.DeepEqual(all[0], want) {
			t.Fatalf("got %+v", all)
		}
	}
	if err := s.SetEntry(t.Context(), search.Item{JID: juliet}); err != nil {
		t.Fatal(err)
	}
	if all := mustAll(t, s.Entries(t.Context())); len(all) != 1 || all[0].JID != juliet || len(all[0].Fields) != 0 {
		t.Errorf("without fields: %+v", all)
	}
}

func directoryCopies(t *testing.T, s search.Store) {
	fields := fieldsOf[search.Field]()
	if err := s.SetEntry(t.Context(), search.Item{JID: juliet, Fields: fields}); err != nil {
		t.Fatal(err)
	}
	fields[0].Value = "changed"
	for range 2 {
		for _, it := range mustAll(t, s.Entries(t.Context())) {
			if it.Fields[0].Value != "" {
				t.Fatal("the caller has changed what is stored")
			}
			it.Fields[0].Value = "changed"
		}
	}
}

func gatewayWhole(t *testing.T, s gateway.Store) {
	if a, ok, err := s.Account(t.Context(), juliet); ok || err != nil || !reflect.DeepEqual(a, gateway.Account{}) {
		t.Errorf("at first: %+v, %v, %v", a, ok, err)
	}
	for _, suggested := range [][]string{nil, {"nurse", "Friar \U0001F339", "<'\">", ""}} {
		want := gateway.Account{User: juliet, Fields: fieldsOf[register.Field](), Suggested: suggested}
		if err := s.SetAccount(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		got, ok, err := s.Account(t.Context(), juliet)
		if all := mustAll(t, s.Accounts(t.Context())); len(all) != 1 || !sameAccount(all[0], want) {
			t.Errorf("all are %+v", all)
		}
		if !ok || err != nil || !sameAccount(got, want) {
			t.Errorf("got %+v, %v, %v", got, ok, err)
		}
	}
}

func sameAccount(a, b gateway.Account) bool {
	return a.User == b.User && slices.Equal(a.Fields, b.Fields) && slices.Equal(a.Suggested, b.Suggested)
}

func gatewayCopies(t *testing.T, s gateway.Store) {
	a := gateway.Account{User: juliet, Fields: fieldsOf[register.Field](), Suggested: []string{"nurse"}}
	if err := s.SetAccount(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a.Fields[0].Value, a.Suggested[0] = "changed", "changed"
		var err error
		if a, _, err = s.Account(t.Context(), juliet); err != nil || a.Fields[0].Value != "" || a.Suggested[0] != "nurse" {
			t.Fatalf("the caller has changed what is stored: %+v, %v", a, err)
		}
	}
}

func gatewaysApart(t *testing.T, of func(at jid.JID) gateway.Store) {
	first, second := gatewayField(of(icq)), gatewayField(of(aim))
	first.mustPut(t, juliet, "one")
	second.wants(t, juliet, "")
	second.mustPut(t, juliet, "two")
	first.wants(t, juliet, "one")
	again := gatewayField(of(icq)) // the same store
	again.wants(t, juliet, "one")
	if err := second.remove(t.Context(), juliet); err != nil {
		t.Fatal(err)
	}
	first.wants(t, juliet, "one")
	if all := mustAll(t, of(aim).Accounts(t.Context())); len(all) != 0 {
		t.Errorf("of the other gateway: %+v", all)
	}
}

// sequence is a store whose users can be gone through.
type sequence struct {
	field
	all func(ctx context.Context) iter.Seq2[jid.JID, error]
}

func userOf[T any](seq iter.Seq2[T, error], user func(T) jid.JID) iter.Seq2[jid.JID, error] {
	return func(yield func(jid.JID, error) bool) {
		seq(func(v T, err error) bool { return yield(user(v), err) })
	}
}

// runSequence tests a sequence of all users. open opens an empty store.
func runSequence(t *testing.T, open func(t *testing.T) sequence) {
	// More than an engine reads at once.
	filled := func(t *testing.T) (s sequence, want []jid.JID) {
		s = open(t)
		var wg sync.WaitGroup
		for i := range 150 {
			user, err := jid.New(fmt.Sprint("user", i), "capulet.example", "")
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				if err := s.put(t.Context(), user, "x"); err != nil {
					t.Error(err)
				}
			})
			want = append(want, user)
		}
		wg.Wait()
		return s, want
	}
	t.Run("all, each once", func(t *testing.T) {
		s, want := filled(t)
		got := mustAll(t, s.all(t.Context()))
		slices.SortFunc(got, jid.JID.Compare)
		slices.SortFunc(want, jid.JID.Compare)
		if !slices.Equal(got, want) {
			t.Errorf("%d users, want %d", len(got), len(want))
		}
	})
	t.Run("the sequence can be left", func(t *testing.T) {
		s, _ := filled(t)
		for range 20 {
			for range s.all(t.Context()) {
				break
			}
		}
		s.mustPut(t, juliet, "x")
	})
	t.Run("changed while it runs", func(t *testing.T) {
		s, _ := filled(t)
		for user, err := range s.all(t.Context()) {
			if err == nil && user.Local()[len(user.Local())-1]%2 == 0 {
				err = s.remove(t.Context(), user)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if left := mustAll(t, s.all(t.Context())); len(left) != 75 {
			t.Errorf("%d are left, want 75", len(left))
		}
	})
	t.Run("sequences inside of each other", func(t *testing.T) {
		s := open(t)
		for _, user := range []jid.JID{juliet, nurse, romeo} {
			s.mustPut(t, user, "x")
		}
		n := 0
		for range mustAll(t, s.all(t.Context())) {
			for range s.all(t.Context()) {
				n++
			}
		}
		for range s.all(t.Context()) {
			n += len(mustAll(t, s.all(t.Context())))
		}
		if n != 18 {
			t.Errorf("%d steps, want 18", n)
		}
	})
	t.Run("the context ends while it runs", func(t *testing.T) { sequenceContext(t, filled) })
}

// sequenceContext: the sequence ends with the context's error, or goes on to its end.
func sequenceContext(t *testing.T, filled func(t *testing.T) (sequence, []jid.JID)) {
	s, want := filled(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var failed error
	for _, err := range s.all(ctx) {
		if failed != nil {
			t.Fatal("it goes on behind an error")
		}
		if failed = err; err == nil {
			n++
		}
		cancel()
	}
	if failed != nil && !errors.Is(failed, context.Canceled) || failed == nil && n != len(want) {
		t.Errorf("%d of %d, then %v", n, len(want), failed)
	}
}
