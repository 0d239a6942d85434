package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
)

var errRefused = errors.New("refused by the function")

// RunRosters tests a [roster.Store].
func RunRosters(t *testing.T, open func(t *testing.T) roster.Store) {
	t.Run("field", func(t *testing.T) {
		runField(t, func(t *testing.T) field { return rosterField(open(t)) })
	})
	for name, test := range map[string]func(*testing.T, rosterTest){
		"all of an entry comes back":       rosterWhole,
		"contacts do not mix":              rosterContacts,
		"new entries are hidden":           rosterNew,
		"empty entries are removed":        rosterEmpty,
		"errors change nothing":            rosterError,
		"a panic changes nothing":          rosterPanic,
		"entries are in order":             rosterOrder,
		"large":                            rosterLarge,
		"versions":                         rosterVersions,
		"version and entries are one":      rosterSnapshot,
		"updates of one entry at once":     rosterOneEntry,
		"updates of many entries at once":  rosterManyEntries,
		"the store has a copy of its own":  rosterCopies,
		"the address of an entry is fixed": rosterAddress,
	} {
		t.Run(name, func(t *testing.T) { test(t, rosterTest{open(t)}) })
	}
}

// rosterField puts the value into the name of a contact.
func rosterField(s roster.Store) field {
	return field{
		put: func(ctx context.Context, account jid.JID, value string) error {
			_, err := s.Update(ctx, account, nurse, func(e *roster.Entry, _ int) error {
				e.Hidden, e.Name = false, value
				return nil
			})
			return err
		},
		get: func(ctx context.Context, account jid.JID) (string, error) {
			e, _, err := s.Entry(ctx, account, nurse)
			return e.Name, err
		},
		remove: s.RemoveAccount,
	}
}

// rosterTest has what the tests of a roster.Store share.
type rosterTest struct{ roster.Store }

// set makes the entry what it is to be.
func (s rosterTest) set(t *testing.T, account jid.JID, e roster.Entry) (version string) {
	t.Helper()
	version, err := s.Update(t.Context(), account, e.JID, func(old *roster.Entry, _ int) error {
		*old = e
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func (s rosterTest) entries(t *testing.T, account jid.JID) ([]roster.Entry, string) {
	t.Helper()
	entries, version, err := s.Entries(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return entries, version
}

// wants checks the whole roster.
func (s rosterTest) wants(t *testing.T, account jid.JID, want ...roster.Entry) (version string) {
	t.Helper()
	got, version := s.entries(t, account)
	if len(got) != len(want) {
		t.Fatalf("there are %d entries, want %d", len(got), len(want))
	}
	for i := range want {
		same(t, got[i], want[i])
		e, ok, err := s.Entry(t.Context(), account, want[i].JID)
		if err != nil || !ok {
			t.Fatalf("%v: %v, %v", want[i].JID, ok, err)
		}
		same(t, e, want[i])
	}
	return version
}

func same(t *testing.T, got, want roster.Entry) {
	t.Helper()
	if len(got.Groups) == 0 && len(want.Groups) == 0 {
		got.Groups, want.Groups = nil, nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %.1000q, want %.1000q", fmt.Sprint(got), fmt.Sprint(want))
	}
}

func entryOf(contact jid.JID, name string) roster.Entry {
	return roster.Entry{Item: roster.Item{JID: contact, Name: name}}
}

func rosterWhole(t *testing.T, s rosterTest) {
	if got, version := s.entries(t, juliet); len(got) != 0 || version != "" {
		t.Errorf("at first: %v, version %q", got, version)
	}
	if _, ok, err := s.Entry(t.Context(), juliet, romeo); ok || err != nil {
		t.Errorf("at first: %v, %v", ok, err)
	}
	groups := [][]string{nil, {"Friends"}, {"b", "a", "b,c", "", "\n", `"['`, `x","y`, "Ψ"}, {""}}
	for i := range 1 << 5 {
		e := entryOf(romeo, "Romeo")
		e.Subscription = roster.Subscription(i & 3)
		e.Ask, e.Approved, e.Hidden = i&4 != 0, i&8 != 0, i&16 != 0
		e.Groups = groups[i%len(groups)]
		e.Request = "<presence xmlns='jabber:client' type='subscribe' from='romeo@montague.example'>" +
			"<status>&lt;it&apos;s me></status></presence>"
		s.set(t, juliet, e)
		s.wants(t, juliet, e)
	}
}

func rosterContacts(t *testing.T, s rosterTest) {
	var want []roster.Entry
	for i, contact := range contacts() {
		e := entryOf(contact, fmt.Sprint("contact ", i))
		e.Groups = []string{fmt.Sprint("group ", i)}
		s.set(t, juliet, e)
		want = append(want, e)
	}
	slices.SortFunc(want, func(a, b roster.Entry) int { return a.JID.Compare(b.JID) })
	s.wants(t, juliet, want...)
	for len(want) > 0 {
		s.set(t, juliet, roster.Entry{Item: roster.Item{JID: want[0].JID}, Hidden: true})
		want = want[1:]
		if len(want)%16 == 0 {
			s.wants(t, juliet, want...)
		}
	}
}

func rosterNew(t *testing.T, s rosterTest) {
	for i, contact := range []jid.JID{romeo, nurse} {
		_, err := s.Update(t.Context(), juliet, contact, func(e *roster.Entry, n int) error {
			same(t, *e, roster.Entry{Item: roster.Item{JID: contact}, Hidden: true})
			if n != i {
				t.Errorf("there are %d entries, want %d", n, i)
			}
			e.Request = "<presence type='subscribe'/>"
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Update(t.Context(), juliet, nurse, func(e *roster.Entry, n int) error {
		if n != 2 || e.Request == "" || !e.Hidden {
			t.Errorf("entry %v of %d", e, n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func rosterEmpty(t *testing.T, s rosterTest) {
	// Of what was never there nothing stays, the version included.
	s.set(t, juliet, roster.Entry{Item: roster.Item{JID: romeo}, Hidden: true})
	if version := s.wants(t, juliet); version != "" {
		t.Errorf("a roster that has never had an entry has the version %q", version)
	}
	first := s.set(t, juliet, entryOf(romeo, "Romeo"))
	second := s.set(t, juliet, roster.Entry{Item: roster.Item{JID: romeo, Name: "Romeo"}, Hidden: true})
	if _, ok, err := s.Entry(t.Context(), juliet, romeo); ok || err != nil {
		t.Errorf("an empty entry is kept (%v)", err)
	}
	if version := s.wants(t, juliet); version != second || version == first || version == "" {
		t.Errorf("version %q, then %q; the store says %q", first, second, version)
	}
}

func rosterError(t *testing.T, s rosterTest) {
	e := entryOf(romeo, "Romeo")
	e.Groups = []string{"one", "two"}
	version := s.set(t, juliet, e)
	for _, contact := range []jid.JID{romeo, nurse} {
		_, err := s.Update(t.Context(), juliet, contact, func(e *roster.Entry, _ int) error {
			if len(e.Groups) > 0 {
				e.Groups[0] = "changed"
			}
			e.Name, e.Subscription, e.Hidden = "changed", roster.Both, false
			return errRefused
		})
		if err != errRefused { // as it is, not wrapped
			t.Errorf("got %v", err)
		}
	}
	if got := s.wants(t, juliet, e); got != version {
		t.Errorf("the version was %q and is %q", version, got)
	}
}

func rosterPanic(t *testing.T, s rosterTest) {
	e := entryOf(romeo, "Romeo")
	s.set(t, juliet, e)
	func() {
		defer func() {
			if v := recover(); v != errRefused {
				t.Errorf("recovered %v", v)
			}
		}()
		s.Update(t.Context(), juliet, romeo, func(e *roster.Entry, _ int) error {
			e.Name = "changed"
			panic(errRefused)
		})
	}()
	s.wants(t, juliet, e)
	s.set(t, romeo, entryOf(nurse, "Nurse"))
}

func rosterOrder(t *testing.T, s rosterTest) {
	// By string, and by the order of making, it is another one.
	for _, contact := range []string{"b@z.example", "c@a.example", "a@z.example", "a.example", "c@a.example/r"} {
		s.set(t, juliet, entryOf(jid.MustParse(contact), contact))
	}
	var got []string
	entries, _ := s.entries(t, juliet)
	for _, e := range entries {
		got = append(got, e.JID.String())
	}
	want := []string{"a.example", "c@a.example", "c@a.example/r", "a@z.example", "b@z.example"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func rosterLarge(t *testing.T, s rosterTest) {
	e := entryOf(nurse, strings.Repeat("n", 1<<16))
	e.Request = "<presence>" + strings.Repeat("r", 1<<18) + "</presence>"
	for i := range 10_000 {
		e.Groups = append(e.Groups, fmt.Sprint("group ", i))
	}
	s.set(t, romeo, e)
	s.wants(t, romeo, e)

	const n = 500
	var want []roster.Entry
	for i := range n {
		want = append(want, entryOf(jid.MustParse(fmt.Sprintf("user%04d@capulet.example", i)), "x"))
		s.set(t, juliet, want[i])
	}
	got, _ := s.entries(t, juliet)
	if len(got) != n {
		t.Fatalf("there are %d entries", len(got))
	}
	for i := range got {
		same(t, got[i], want[i])
	}
}

func rosterVersions(t *testing.T, s rosterTest) {
	seen := make(map[string]bool)
	add := func(version string) {
		t.Helper()
		if seen[version] || version == "" {
			t.Errorf("%q has been there", version)
		}
		seen[version] = true
		if _, got := s.entries(t, juliet); got != version {
			t.Errorf("Update said %q, Entries %q", version, got)
		}
	}
	for range 3 { // removed and made anew
		for i := range 5 {
			add(s.set(t, juliet, entryOf(romeo, fmt.Sprint(i))))
			add(s.set(t, juliet, entryOf(nurse, fmt.Sprint(i))))
		}
		for _, contact := range []jid.JID{romeo, nurse} {
			add(s.set(t, juliet, roster.Entry{Item: roster.Item{JID: contact}, Hidden: true}))
		}
		if err := s.RemoveAccount(t.Context(), juliet); err != nil {
			t.Fatal(err)
		}
		if version := s.wants(t, juliet); version != "" {
			t.Errorf("a removed roster has the version %q", version)
		}
	}
	before := s.set(t, juliet, entryOf(romeo, "Romeo"))
	s.set(t, romeo, entryOf(juliet, "Juliet"))
	if _, version := s.entries(t, juliet); version != before {
		t.Error("an update of another roster changes the version")
	}
}

// rosterSnapshot: entries and version that are read together belong together.
func rosterSnapshot(t *testing.T, s rosterTest) {
	const rounds = 50
	contents := func(entries []roster.Entry) (text string) {
		for _, e := range entries {
			text += e.JID.String() + "=" + e.Name + " "
		}
		return text
	}
	var mu sync.Mutex
	wanted := map[string]string{"": ""} // by version
	seen := make(map[string]string)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				entries, version, err := s.Entries(t.Context(), juliet)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if old, ok := seen[version]; ok && old != contents(entries) {
					t.Errorf("with version %q: %q and %q", version, old, contents(entries))
				}
				seen[version] = contents(entries)
				mu.Unlock()
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	var now []roster.Entry
	for i := range rounds {
		e := entryOf(jid.MustParse(fmt.Sprintf("user%02d@capulet.example", i)), fmt.Sprint(i))
		now = append(now, e)
		wanted[s.set(t, juliet, e)] = contents(now)
	}
	close(done)
	wg.Wait()
	for version, text := range seen {
		if wanted[version] != text {
			t.Errorf("version %q had %q, want %q", version, text, wanted[version])
		}
	}
}

func rosterOneEntry(t *testing.T, s rosterTest) {
	const callers, each = 8, 10
	versions := make(chan string, callers*each)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				version, err := s.Update(t.Context(), juliet, romeo, func(e *roster.Entry, _ int) error {
					e.Hidden = false
					e.Groups = append(e.Groups, fmt.Sprint(len(e.Groups)))
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				versions <- version
			}
		})
	}
	wg.Wait()
	close(versions)
	seen := make(map[string]bool)
	for version := range versions {
		seen[version] = true
	}
	if len(seen) != callers*each {
		t.Errorf("%d updates had %d versions", callers*each, len(seen))
	}
	e, _, err := s.Entry(t.Context(), juliet, romeo)
	if err != nil || len(e.Groups) != callers*each {
		t.Fatalf("%d of %d updates are there, %v", len(e.Groups), callers*each, err)
	}
	for i, g := range e.Groups {
		if g != fmt.Sprint(i) {
			t.Fatalf("update %d did not see the one before: %q", i, e.Groups)
		}
	}
}

// rosterManyEntries: a bound on the number of entries that fn checks holds.
func rosterManyEntries(t *testing.T, s rosterTest) {
	const callers, bound = 40, 25
	var wg sync.WaitGroup
	for i := range callers {
		contact := jid.MustParse(fmt.Sprintf("user%d@capulet.example", i))
		wg.Go(func() {
			_, err := s.Update(t.Context(), juliet, contact, func(e *roster.Entry, n int) error {
				if n >= bound {
					return errRefused
				}
				e.Hidden = false
				return nil
			})
			if err != nil && err != errRefused {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if entries, _ := s.entries(t, juliet); len(entries) != bound {
		t.Errorf("there are %d entries, want %d", len(entries), bound)
	}
}

func rosterCopies(t *testing.T, s rosterTest) {
	groups := []string{"one", "two"}
	want := entryOf(romeo, "Romeo")
	want.Groups = slices.Clone(groups)
	_, err := s.Update(t.Context(), juliet, romeo, func(e *roster.Entry, _ int) error {
		e.Hidden, e.Name, e.Groups = false, "Romeo", groups
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	groups[0] = "changed"
	s.wants(t, juliet, want)
	entries, _ := s.entries(t, juliet)
	entries[0].Groups[0] = "changed"
	s.wants(t, juliet, want)
	e, _, err := s.Entry(t.Context(), juliet, romeo)
	if err != nil {
		t.Fatal(err)
	}
	e.Groups[0] = "changed"
	s.wants(t, juliet, want)
}

func rosterAddress(t *testing.T, s rosterTest) {
	_, err := s.Update(t.Context(), juliet, romeo, func(e *roster.Entry, _ int) error {
		*e = entryOf(nurse, "Romeo")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.wants(t, juliet, entryOf(romeo, "Romeo"))
}
