package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/offline"
	"github.com/etherx-go/xmpp/stanza"
)

// RunOffline tests an [offline.Store].
func RunOffline(t *testing.T, open func(t *testing.T) offline.Store) {
	t.Run("field", func(t *testing.T) {
		runField(t, func(t *testing.T) field { return offlineField(open(t)) })
	})
	for name, test := range map[string]func(*testing.T, offlineTest){
		"the stanza comes back whole":       offlineWhole,
		"in the order of storing":           offlineOrder,
		"ids":                               offlineIDs,
		"bounds":                            offlineFull,
		"bound for many at once":            offlineFullAtOnce,
		"many senders at once":              offlineAtOnce,
		"many and large messages":           offlineLarge,
		"the sequence can be left":          offlineBreak,
		"added while it runs":               offlineAddWhile,
		"deleted while it runs":             offlineDeleteWhile,
		"others write while it runs":        offlineOthersWhile,
		"the context ends while it runs":    offlineContext,
		"the account is removed meanwhile":  offlineRemoveWhile,
		"deleting what is not there":        offlineDeleteNothing,
		"sequences inside of each other":    offlineNested,
		"the store has a copy of its own":   offlineCopies,
		"count of what is there for others": offlineCounts,
	} {
		t.Run(name, func(t *testing.T) { test(t, offlineTest{open(t)}) })
	}
}

// offlineField puts the value into the body of a message; the last one counts.
func offlineField(s offline.Store) field {
	return field{
		put: func(ctx context.Context, account jid.JID, value string) error {
			st, err := (&stanza.Message{Body: value}).Stanza()
			if err != nil {
				return err
			}
			return s.Add(ctx, account, st, moment, -1)
		},
		get: func(ctx context.Context, account jid.JID) (body string, err error) {
			for m, err := range s.Messages(ctx, account) {
				if err != nil {
					return "", err
				}
				body = m.Stanza.Message().Body
			}
			return body, nil
		},
		remove: s.RemoveAccount,
	}
}

// offlineTest has what the tests of an offline.Store share.
type offlineTest struct{ offline.Store }

func message(t *testing.T, body string) *stanza.Stanza {
	t.Helper()
	st, err := (&stanza.Message{To: juliet, From: romeo, ID: "m", Body: body}).Stanza()
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func (s offlineTest) add(t *testing.T, account jid.JID, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := s.Add(t.Context(), account, message(t, body), moment, -1); err != nil {
			t.Fatal(err)
		}
	}
}

func (s offlineTest) all(t *testing.T, account jid.JID) (all []offline.Message) {
	t.Helper()
	for m, err := range s.Messages(t.Context(), account) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func body(m offline.Message) string { return m.Stanza.Message().Body }

// wants checks the bodies and their number.
func (s offlineTest) wants(t *testing.T, account jid.JID, want ...string) {
	t.Helper()
	var got []string
	for _, m := range s.all(t, account) {
		got = append(got, body(m))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %.200q, want %.200q", got, want)
	}
	if n, err := s.Count(t.Context(), account); n != len(want) || err != nil {
		t.Fatalf("count %d, %v, want %d", n, err, len(want))
	}
}

func offlineWhole(t *testing.T, s offlineTest) {
	var want []*stanza.Stanza
	var times []time.Time
	for _, text := range stanzas("message") {
		st, at := mustParse(t, text), moment.Add(time.Duration(len(want))*time.Microsecond)
		if err := s.Add(t.Context(), juliet, st, at, -1); err != nil {
			t.Fatal(err)
		}
		want, times = append(want, st), append(times, at)
	}
	all := s.all(t, juliet)
	if len(all) != len(want) {
		t.Fatalf("there are %d messages, want %d", len(all), len(want))
	}
	for i, m := range all {
		sameStanza(t, m.Stanza, want[i])
		if !m.At.Equal(times[i]) {
			t.Errorf("at %v, want %v", m.At, times[i])
		}
	}
}

// offlineOrder: the order is that of storing, not of the times.
func offlineOrder(t *testing.T, s offlineTest) {
	var want []string
	for i := range 150 {
		want = append(want, fmt.Sprint("message ", i))
		at := moment.Add(-time.Duration(i) * time.Hour)
		if err := s.Add(t.Context(), juliet, message(t, want[i]), at, -1); err != nil {
			t.Fatal(err)
		}
		s.add(t, nurse, "of another account")
	}
	s.wants(t, juliet, want...)
	seq := s.Messages(t.Context(), juliet)
	for range 2 { // a sequence can be run again
		n := 0
		for m, err := range seq {
			if err != nil || body(m) != want[n] {
				t.Fatalf("%d: %v, %v", n, m, err)
			}
			n++
		}
	}
}

// offlineIDs: an id stands for one message of one account, also when that is
// gone.
func offlineIDs(t *testing.T, s offlineTest) {
	seen := make(map[int64]bool)
	s.add(t, romeo, "kept")
	kept := s.all(t, romeo)[0].ID
	seen[kept] = true
	for i := range 5 {
		s.add(t, juliet, fmt.Sprint(i))
		id := s.all(t, juliet)[0].ID
		if seen[id] {
			t.Fatalf("the id %d has been there", id)
		}
		seen[id] = true
		for old := range seen {
			if old != id {
				if err := s.Delete(t.Context(), juliet, old); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.wants(t, juliet, fmt.Sprint(i))
		if err := s.Delete(t.Context(), juliet, id); err != nil {
			t.Fatal(err)
		}
		s.wants(t, juliet)
	}
	s.wants(t, romeo, "kept")
}

func offlineFull(t *testing.T, s offlineTest) {
	add := func(max int) error { return s.Add(t.Context(), juliet, message(t, "x"), moment, max) }
	if err := add(0); !errors.Is(err, offline.ErrFull) {
		t.Errorf("no message is allowed: %v", err)
	}
	s.wants(t, juliet)
	for _, max := range []int{1, 2, 3, -1} {
		if err := add(max); err != nil {
			t.Errorf("with the bound %d: %v", max, err)
		}
	}
	for _, max := range []int{0, 1, 3, 4} {
		if err := add(max); !errors.Is(err, offline.ErrFull) {
			t.Errorf("the fifth with the bound %d: %v", max, err)
		}
	}
	s.wants(t, juliet, "x", "x", "x", "x")
	if err := s.Add(t.Context(), romeo, message(t, "x"), moment, 1); err != nil {
		t.Errorf("messages of others count: %v", err)
	}
	if err := s.Delete(t.Context(), juliet, s.all(t, juliet)[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := add(4); err != nil {
		t.Errorf("where one was deleted: %v", err)
	}
}

func offlineFullAtOnce(t *testing.T, s offlineTest) {
	const callers, bound = 40, 15
	var taken atomic.Int64
	st := message(t, "x")
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			switch err := s.Add(t.Context(), juliet, st, moment, bound); {
			case err == nil:
				taken.Add(1)
			case !errors.Is(err, offline.ErrFull):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(s.all(t, juliet)); n != bound || taken.Load() != bound {
		t.Errorf("%d were taken, %d are there, want %d", taken.Load(), n, bound)
	}
}

// offlineAtOnce: what one sender has sent keeps its order, and nothing is lost.
func offlineAtOnce(t *testing.T, s offlineTest) {
	const senders, each = 8, 20
	var wg sync.WaitGroup
	for i := range senders {
		var sts []*stanza.Stanza
		for n := range each {
			sts = append(sts, message(t, fmt.Sprintf("%d %d", i, n)))
		}
		wg.Go(func() {
			for _, st := range sts {
				if err := s.Add(t.Context(), juliet, st, moment, -1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var next [senders]int
	for _, m := range s.all(t, juliet) {
		var i, n int
		if _, err := fmt.Sscan(body(m), &i, &n); err != nil || n != next[i] {
			t.Fatalf("%q comes when %d should (%v)", body(m), next[i], err)
		}
		next[i]++
	}
	for i, n := range next {
		if n != each {
			t.Errorf("of sender %d there are %d messages", i, n)
		}
	}
}

func offlineLarge(t *testing.T, s offlineTest) {
	var want []string
	for i := range 300 {
		size := 10
		if i%30 == 0 {
			size = 300 << 10
		}
		want = append(want, fmt.Sprint(i, strings.Repeat("x", size)))
	}
	s.add(t, juliet, want...)
	s.wants(t, juliet, want...)
}

func offlineBreak(t *testing.T, s offlineTest) {
	s.add(t, juliet, "1", "2", "3")
	for range 20 { // also if that holds something
		for m, err := range s.Messages(t.Context(), juliet) {
			if err != nil || body(m) != "1" {
				t.Fatal(m, err)
			}
			break
		}
	}
	s.wants(t, juliet, "1", "2", "3")
}

// offlineAddWhile: it ends, even if there is a new message for each that is
// taken.
func offlineAddWhile(t *testing.T, s offlineTest) {
	for i := range 100 {
		s.add(t, juliet, fmt.Sprint(i))
	}
	n := 0
	for m, err := range s.Messages(t.Context(), juliet) {
		if n == 1000 {
			t.Fatal("it does not end")
		}
		if err != nil || n < 100 && body(m) != fmt.Sprint(n) {
			t.Fatal(n, m, err)
		}
		s.add(t, juliet, "new")
		n++
	}
	if count, err := s.Count(t.Context(), juliet); n < 100 || count != 100+n || err != nil {
		t.Errorf("%d came, and then there are %d, %v", n, count, err)
	}
}

// offlineDeleteWhile is how messages are delivered.
func offlineDeleteWhile(t *testing.T, s offlineTest) {
	const messages = 200
	for i := range messages {
		s.add(t, juliet, fmt.Sprint(i))
	}
	n := 0
	for m, err := range s.Messages(t.Context(), juliet) {
		if err != nil || body(m) != fmt.Sprint(n) {
			t.Fatal(n, m, err)
		}
		if err := s.Delete(t.Context(), juliet, m.ID); err != nil {
			t.Fatal(err)
		}
		n++
		if count, err := s.Count(t.Context(), juliet); count != messages-n || err != nil {
			t.Fatalf("after %d: %d, %v", n, count, err)
		}
	}
	if n != messages {
		t.Errorf("%d messages came", n)
	}
	s.wants(t, juliet)
}

// offlineOthersWhile: what was there at the start and stays comes once and in
// order, whatever happens to the rest.
func offlineOthersWhile(t *testing.T, s offlineTest) {
	const messages = 300
	for i := range messages {
		s.add(t, juliet, fmt.Sprint(i))
	}
	ids := make(map[string]int64)
	for _, m := range s.all(t, juliet) {
		ids[body(m)] = m.ID
	}
	added := message(t, "new")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; i < messages; i += 2 {
			if err := s.Delete(t.Context(), juliet, ids[fmt.Sprint(i)]); err != nil {
				t.Error(err)
			}
			if err := s.Add(t.Context(), juliet, added, moment, -1); err != nil {
				t.Error(err)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	last, even := -1, 0
	for m, err := range s.Messages(t.Context(), juliet) {
		if err != nil {
			t.Fatal(err)
		}
		if body(m) == "new" {
			continue
		}
		var i int
		if _, err := fmt.Sscan(body(m), &i); err != nil || i <= last {
			t.Fatalf("%q after %d (%v)", body(m), last, err)
		}
		last = i
		if i%2 == 0 {
			even++
		}
	}
	close(stop)
	wg.Wait()
	if even != messages/2 {
		t.Errorf("%d of the %d that stayed have come", even, messages/2)
	}
}

func offlineContext(t *testing.T, s offlineTest) {
	for i := range 200 {
		s.add(t, juliet, fmt.Sprint(i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	n, failed := 0, false
	for m, err := range s.Messages(ctx, juliet) {
		if failed {
			t.Fatal("it goes on after an error")
		}
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the error is %v", err)
			}
			failed = true
			continue
		}
		if body(m) != fmt.Sprint(n) {
			t.Fatalf("%q, want %d", body(m), n)
		}
		if n++; n == 10 {
			cancel()
		}
	}
	cancel()
	if !failed && n != 200 {
		t.Errorf("it ends without an error after %d of 200", n)
	}
}

func offlineRemoveWhile(t *testing.T, s offlineTest) {
	for i := range 200 {
		s.add(t, juliet, fmt.Sprint(i))
	}
	n := 0
	for _, err := range s.Messages(t.Context(), juliet) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			if err := s.RemoveAccount(t.Context(), juliet); err != nil {
				t.Fatal(err)
			}
			s.add(t, juliet, "new")
		}
	}
	if n > 201 {
		t.Errorf("%d came", n)
	}
	s.wants(t, juliet, "new")
}

func offlineDeleteNothing(t *testing.T, s offlineTest) {
	s.add(t, juliet, "1", "2", "3")
	all := s.all(t, juliet)
	for _, tt := range []struct {
		account jid.JID
		ids     []int64
	}{
		{juliet, nil}, {juliet, []int64{-1, 0, 1 << 62}}, {nurse, []int64{all[0].ID}}, {romeo, nil},
	} {
		if err := s.Delete(t.Context(), tt.account, tt.ids...); err != nil {
			t.Errorf("%v: %v", tt.ids, err)
		}
	}
	s.wants(t, juliet, "1", "2", "3")
	if err := s.Delete(t.Context(), juliet, all[2].ID, -1, all[0].ID, all[0].ID); err != nil {
		t.Error(err)
	}
	s.wants(t, juliet, "2")
}

// offlineNested: a sequence holds nothing that another one could wait for.
func offlineNested(t *testing.T, s offlineTest) {
	s.add(t, juliet, "x")
	var nest func(depth int) int
	nest = func(depth int) (n int) {
		for _, err := range s.Messages(t.Context(), juliet) {
			if err != nil {
				t.Fatal(err)
			}
			if n = 1; depth > 0 {
				n += nest(depth - 1)
			}
		}
		return n
	}
	if n := nest(40); n != 41 {
		t.Errorf("%d messages", n)
	}
}

func offlineCopies(t *testing.T, s offlineTest) {
	st := message(t, "x")
	want := st.String()
	if err := s.Add(t.Context(), juliet, st, moment, -1); err != nil {
		t.Fatal(err)
	}
	st.ID, st.To = "changed", romeo
	if got := s.all(t, juliet)[0].Stanza.String(); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func offlineCounts(t *testing.T, s offlineTest) {
	s.add(t, juliet, "1", "2")
	s.add(t, nurse, "1")
	for account, want := range map[jid.JID]int{juliet: 2, nurse: 1, romeo: 0} {
		if n, err := s.Count(t.Context(), account); n != want || err != nil {
			t.Errorf("%v: %d, %v, want %d", account, n, err, want)
		}
	}
	if err := s.RemoveAccount(t.Context(), juliet); err != nil {
		t.Fatal(err)
	}
	s.wants(t, juliet)
	s.wants(t, nurse, "1")
}
