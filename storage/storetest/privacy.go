package storetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/privacy"
	"github.com/etherx-go/xmpp/roster"
)

// privacyField puts the value into the groups of items, in pieces, as attributes
// are not to be large.
func privacyField(s privacy.Store) field {
	return field{
		put: func(ctx context.Context, account jid.JID, value string) error {
			var items []privacy.Item
			for piece := range slices.Chunk([]rune(value), 1000) {
				item := privacy.Item{Type: privacy.ByGroup, Group: string(piece), Order: uint32(len(items))}
				items = append(items, item)
			}
			return s.UpdatePrivacyLists(ctx, account, func(l *privacy.Lists) error {
				*l = listsOf("public", items...)
				return nil
			})
		},
		get: func(ctx context.Context, account jid.JID) (value string, err error) {
			l, err := s.PrivacyLists(ctx, account)
			if err != nil || len(l.Lists) == 0 {
				return "", err
			}
			for _, item := range l.Lists[0].Items {
				value += item.Group
			}
			return value, nil
		},
		remove: s.RemoveAccount,
	}
}

func listsOf(name string, items ...privacy.Item) privacy.Lists {
	return privacy.Lists{Lists: []privacy.List{{Name: name, Items: items}}}
}

// RunPrivacy tests a [privacy.Store].
func RunPrivacy(t *testing.T, open func(t *testing.T) privacy.Store) {
	t.Run("field", func(t *testing.T) {
		runField(t, func(t *testing.T) field { return privacyField(open(t)) })
	})
	for name, test := range map[string]func(*testing.T, privacyTest){
		"all of the lists comes back":     privacyWhole,
		"large":                           privacyLarge,
		"errors change nothing":           privacyError,
		"a panic changes nothing":         privacyPanic,
		"updates at once":                 privacyAtOnce,
		"the store has a copy of its own": privacyCopies,
	} {
		t.Run(name, func(t *testing.T) { test(t, privacyTest{open(t)}) })
	}
}

// privacyTest has what the tests of a privacy.Store share.
type privacyTest struct{ privacy.Store }

func (s privacyTest) set(t *testing.T, account jid.JID, lists privacy.Lists) {
	t.Helper()
	err := s.UpdatePrivacyLists(t.Context(), account, func(l *privacy.Lists) error {
		*l = lists.Clone()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s privacyTest) wants(t *testing.T, account jid.JID, want privacy.Lists) {
	t.Helper()
	got, err := s.PrivacyLists(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	samePrivacy(t, got, want)
	err = s.UpdatePrivacyLists(t.Context(), account, func(l *privacy.Lists) error {
		samePrivacy(t, *l, want)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func samePrivacy(t *testing.T, got, want privacy.Lists) {
	t.Helper()
	if len(got.Lists) == 0 && len(want.Lists) == 0 {
		got.Lists, want.Lists = nil, nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %.1000q, want %.1000q", fmt.Sprint(got), fmt.Sprint(want))
	}
}

func privacyWhole(t *testing.T, s privacyTest) {
	s.wants(t, juliet, privacy.Lists{})
	all := privacy.Lists{Default: "b"}
	a, b := privacy.List{Name: "a"}, privacy.List{Name: "b"}
	for i, contact := range contacts() {
		a.Items = append(a.Items, privacy.Item{
			Type: privacy.ByJID, JID: contact, Order: uint32(i), Deny: i%2 == 0, Kinds: privacy.Kinds(i % 16),
		})
	}
	b.Items = []privacy.Item{
		{Type: privacy.ByGroup, Group: "<Friends & 'foes'>", Order: 1, Kinds: privacy.Message | privacy.IQ},
		{Type: privacy.BySubscription, Subscription: roster.None, Order: 2, Deny: true},
		{Type: privacy.BySubscription, Subscription: roster.Both, Order: 3, Kinds: privacy.PresenceIn},
		{Order: 1<<32 - 1, Deny: true, Kinds: privacy.PresenceOut},
	}
	all.Lists = []privacy.List{a, b}
	s.set(t, juliet, all)
	s.wants(t, juliet, all)
	all.Default = ""
	s.set(t, juliet, all)
	s.wants(t, juliet, all)
	s.wants(t, nurse, privacy.Lists{})
	s.set(t, juliet, privacy.Lists{})
	s.wants(t, juliet, privacy.Lists{})
}

func privacyLarge(t *testing.T, s privacyTest) {
	var all privacy.Lists
	for i := range 20 {
		l := privacy.List{Name: fmt.Sprintf("list %02d %s", i, strings.Repeat("n", 1000))}
		for n := range 200 {
			contact := jid.MustParse(fmt.Sprintf("user%d@capulet.example", n))
			l.Items = append(l.Items, privacy.Item{Type: privacy.ByJID, JID: contact, Order: uint32(n), Deny: true})
		}
		all.Lists = append(all.Lists, l)
	}
	s.set(t, juliet, all)
	s.wants(t, juliet, all)
}

func privacyError(t *testing.T, s privacyTest) {
	before := listsOf("public", privacy.Item{Order: 1, Deny: true})
	before.Default = "public"
	s.set(t, juliet, before)
	for account, want := range map[jid.JID]privacy.Lists{juliet: before, nurse: {}} {
		err := s.UpdatePrivacyLists(t.Context(), account, func(l *privacy.Lists) error {
			for i := range l.Lists {
				l.Lists[i].Items[0].Deny = false
			}
			l.Default = ""
			l.Lists = append(l.Lists, privacy.List{Name: "x"})
			return errRefused
		})
		if err != errRefused { // as it is, not wrapped
			t.Errorf("got %v", err)
		}
		s.wants(t, account, want)
	}
}

func privacyPanic(t *testing.T, s privacyTest) {
	before := listsOf("public", privacy.Item{Order: 1, Deny: true})
	s.set(t, juliet, before)
	func() {
		defer func() {
			if v := recover(); v != errRefused {
				t.Errorf("recovered %v", v)
			}
		}()
		s.UpdatePrivacyLists(t.Context(), juliet, func(l *privacy.Lists) error {
			l.Lists[0].Items[0].Deny = false
			panic(errRefused)
		})
	}()
	s.wants(t, juliet, before)
}

func privacyAtOnce(t *testing.T, s privacyTest) {
	const callers, each = 8, 10
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				err := s.UpdatePrivacyLists(t.Context(), juliet, func(l *privacy.Lists) error {
					if len(l.Lists) == 0 {
						*l = listsOf("public")
					}
					items := l.Lists[0].Items
					l.Lists[0].Items = append(items, privacy.Item{Order: uint32(len(items))})
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	l, err := s.PrivacyLists(t.Context(), juliet)
	if err != nil || len(l.Lists) != 1 || len(l.Lists[0].Items) != callers*each {
		t.Fatalf("%v, %v", l, err)
	}
	for i, item := range l.Lists[0].Items {
		if item.Order != uint32(i) {
			t.Fatalf("update %d did not see the one before", i)
		}
	}
}

func privacyCopies(t *testing.T, s privacyTest) {
	lists := listsOf("public", privacy.Item{Order: 1, Deny: true})
	err := s.UpdatePrivacyLists(t.Context(), juliet, func(l *privacy.Lists) error {
		*l = lists
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	lists.Lists[0].Items[0].Deny = false
	s.wants(t, juliet, listsOf("public", privacy.Item{Order: 1, Deny: true}))
}
