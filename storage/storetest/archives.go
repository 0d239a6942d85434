package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// RunArchives tests an [archive.Store].
func RunArchives(t *testing.T, open func(t *testing.T) archive.Store) {
	t.Run("field", func(t *testing.T) {
		runField(t, func(t *testing.T) field { return archiveField(open(t)) })
	})
	for name, test := range map[string]func(*testing.T, *archiveTest){
		"the stanza comes back whole":       archiveWhole,
		"ids are in order":                  archiveIDs,
		"the clock is set back":             archiveClock,
		"several at once, or none":          archiveAtomic,
		"many writers at once":              archiveAtOnce,
		"filters":                           archiveFilters,
		"ids that are not there":            archiveNotFound,
		"pages, against what is all there":  archivePages,
		"pages while others append":         archivePagesWhile,
		"pages are bounded in bytes":        archiveBytes,
		"metadata":                          archiveMetadata,
		"purge by number":                   archivePurgeKeep,
		"purge by age":                      archivePurgeAge,
		"purge leaves no holes":             archivePurgeHoles,
		"purge of all":                      archivePurgeAll,
		"ids are not used again":            archiveNotAgain,
		"the store has a copy of its own":   archiveCopies,
		"the preferences come back whole":   archivePreferences,
		"what the account has is forgotten": archiveRemove,
	} {
		t.Run(name, func(t *testing.T) { test(t, &archiveTest{Store: open(t)}) })
	}
}

// noon is a time that archives keep: to the millisecond.
var noon = time.Date(2026, time.March, 1, 12, 0, 0, 123_000_000, time.UTC)

// everything is one page.
var everything = archive.Paging{Max: 1 << 20, MaxBytes: -1}

// archiveField puts the value into the body of a message; the last one counts.
func archiveField(s archive.Store) field {
	return field{
		put: func(ctx context.Context, account jid.JID, value string) error {
			st, err := (&stanza.Message{Body: value}).Stanza()
			if err != nil {
				return err
			}
			_, err = s.Append(ctx, archive.Entry{Archive: account, With: nurse, At: noon, Stanza: st})
			return err
		},
		get: func(ctx context.Context, account jid.JID) (string, error) {
			page, err := s.Query(ctx, account, archive.Filter{}, archive.Paging{Max: 1, Backward: true, MaxBytes: -1})
			if err != nil || len(page.Messages) == 0 {
				return "", err
			}
			return page.Messages[0].Stanza.Message().Body, nil
		},
		remove: s.RemoveAccount,
	}
}

// archiveTest has what the tests of an archive.Store share, and keeps a list of
// what is in Juliet's archive.
type archiveTest struct {
	archive.Store
	mu   sync.Mutex
	want []kept
}

// kept is a message that is archived.
type kept struct {
	id string
	archive.Entry
}

// entry returns an entry for an archive, from or to with.
func entry(t *testing.T, of, with jid.JID, at time.Time, body string) archive.Entry {
	t.Helper()
	m := &stanza.Message{To: of, From: with, Type: stanza.TypeChat, ID: "m", Body: body}
	st, err := m.Stanza()
	if err != nil {
		t.Fatal(err)
	}
	return archive.Entry{Archive: of, With: with, At: at, Stanza: st}
}

// append appends to Juliet's archive.
func (s *archiveTest) append(t *testing.T, entries ...archive.Entry) []string {
	t.Helper()
	ids, err := s.Append(t.Context(), entries...)
	if err != nil || len(ids) != len(entries) {
		t.Fatalf("Append: %q, %v", ids, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range entries {
		if e.Archive == juliet {
			s.want = append(s.want, kept{ids[i], e})
		}
	}
	return ids
}

// say appends messages with these bodies, a second apart.
func (s *archiveTest) say(t *testing.T, bodies ...string) (ids []string) {
	t.Helper()
	for i, b := range bodies {
		ids = append(ids, s.append(t, entry(t, juliet, romeo, noon.Add(time.Duration(i)*time.Second), b))...)
	}
	return ids
}

// page queries Juliet's archive.
func (s *archiveTest) page(t *testing.T, f archive.Filter, p archive.Paging) archive.Page {
	t.Helper()
	page, err := s.Query(t.Context(), juliet, f, p)
	if err != nil {
		t.Fatalf("%+v, %+v: %v", f, p, err)
	}
	return page
}

func bodies(page archive.Page) (all []string) {
	for _, m := range page.Messages {
		all = append(all, m.Stanza.Message().Body)
	}
	return all
}

// wants checks what is in an archive.
func (s *archiveTest) wants(t *testing.T, of jid.JID, want ...string) {
	t.Helper()
	page, err := s.Query(t.Context(), of, archive.Filter{}, everything)
	if got := bodies(page); err != nil || !slices.Equal(got, want) || !page.Complete {
		t.Fatalf("%v: got %.300q, %v, complete %v, want %.300q", of, got, err, page.Complete, want)
	}
	if n, err := s.Count(t.Context(), of, archive.Filter{}); n != len(want) || err != nil {
		t.Fatalf("%v: count %d, %v, want %d", of, n, err, len(want))
	}
}

func archiveWhole(t *testing.T, s *archiveTest) {
	for name, text := range stanzas("message") {
		st, err := stanza.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		at := noon.Add(456789 * time.Nanosecond)
		ids := s.append(t, archive.Entry{Archive: juliet, With: romeo, At: at, Stanza: st})
		page := s.page(t, archive.Filter{IDs: ids}, everything)
		if len(page.Messages) != 1 {
			t.Fatalf("%s: %d messages", name, len(page.Messages))
		}
		m := page.Messages[0]
		if m.Stanza.String() != st.String() || !m.At.Equal(noon) || m.ID != ids[0] {
			t.Errorf("%s: got %v at %v as %s\nwant %v at %v as %s", name, m.Stanza, m.At, m.ID, st, noon, ids[0])
		}
	}
}

func archiveIDs(t *testing.T, s *archiveTest) {
	var all []string
	for i := range 200 {
		all = append(all, s.append(t, entry(t, juliet, romeo, noon, fmt.Sprint(i)))...) // all at once
	}
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("the ids are not in order, or come twice: %q", all)
	}
	for i, m := range s.page(t, archive.Filter{}, everything).Messages {
		if m.ID != all[i] || m.Stanza.Message().Body != fmt.Sprint(i) {
			t.Fatalf("message %d is %v as %s, want the id %s", i, m.Stanza, m.ID, all[i])
		}
	}
}

// archiveClock: the order is that of appending, the times are as they were given,
// and filters go by them.
func archiveClock(t *testing.T, s *archiveTest) {
	for i, d := range []time.Duration{
		0, time.Hour, -time.Hour, -59 * time.Minute, 30 * time.Minute, time.Hour + 500*time.Millisecond, time.Hour,
	} {
		s.append(t, entry(t, juliet, romeo, noon.Add(d), fmt.Sprint(i)))
	}
	s.wants(t, juliet, "0", "1", "2", "3", "4", "5", "6")
	for i, m := range s.page(t, archive.Filter{}, everything).Messages {
		if !m.At.Equal(s.want[i].At) {
			t.Errorf("%d was at %v, want %v", i, m.At, s.want[i].At)
		}
	}
	for _, f := range []archive.Filter{
		{Start: noon}, {End: noon}, {Start: noon.Add(-time.Hour), End: noon.Add(-time.Minute)},
		{Start: noon.Add(time.Hour)}, {End: noon.Add(-2 * time.Hour)}, {Start: noon, End: noon},
	} {
		s.compare(t, f, everything)
	}
}

func archiveAtomic(t *testing.T, s *archiveTest) {
	ids := s.append(t, entry(t, juliet, romeo, noon, "1"), entry(t, romeo, juliet, noon, "2"),
		entry(t, juliet, romeo, noon, "3"))
	if ids[0] >= ids[2] || ids[0] == ids[1] {
		t.Errorf("ids %q", ids)
	}
	s.wants(t, juliet, "1", "3")
	s.wants(t, romeo, "2")
	if ids, err := s.Append(t.Context()); len(ids) != 0 || err != nil {
		t.Errorf("nothing: %q, %v", ids, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	want := []string{"1", "3"}
	switch ids, err := s.Append(ended, entry(t, juliet, romeo, noon, "4"), entry(t, juliet, romeo, noon, "5")); {
	case err == nil && len(ids) == 2:
		want = append(want, "4", "5")
	case !errors.Is(err, context.Canceled):
		t.Errorf("%q, %v", ids, err)
	}
	s.wants(t, juliet, want...)
}

// archiveAtOnce: what one sender has sent keeps its order, ids are in the order of
// what is there, and nothing that comes later gets in front of what was seen.
func archiveAtOnce(t *testing.T, s *archiveTest) {
	const senders, each = 8, 25
	var wg sync.WaitGroup
	for i := range senders {
		var entries []archive.Entry
		for n := range each {
			entries = append(entries, entry(t, juliet, romeo, noon, fmt.Sprintf("%d %d", i, n)))
		}
		wg.Go(func() {
			for _, e := range entries {
				if _, err := s.Append(t.Context(), e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var seen []string
	last := ""
	for len(seen) < senders*each {
		page := s.page(t, archive.Filter{}, archive.Paging{After: last, Max: 7, MaxBytes: -1})
		for _, m := range page.Messages {
			seen = append(seen, m.ID)
			last = m.ID
		}
		if t.Failed() {
			break
		}
	}
	wg.Wait()
	all := s.page(t, archive.Filter{}, everything)
	if len(all.Messages) != senders*each {
		t.Fatalf("%d messages are there", len(all.Messages))
	}
	var next [senders]int
	for k, m := range all.Messages {
		var i, n int
		body := m.Stanza.Message().Body
		if _, err := fmt.Sscan(body, &i, &n); err != nil || n != next[i] {
			t.Fatalf("%q comes when %d should (%v)", body, next[i], err)
		}
		next[i]++
		if seen[k] != m.ID {
			t.Fatalf("message %d was %s when it was read page by page, and is %s", k, seen[k], m.ID)
		}
	}
}

// matching returns what a query has to find.
func (s *archiveTest) matching(f archive.Filter, p archive.Paging) (all []kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := true
	after := max(f.AfterID, p.After)
	if after != "" {
		in = false
	}
	for _, k := range s.want {
		if k.id == f.BeforeID || k.id == p.Before {
			break
		}
		e := k.Entry
		e.At = e.At.Truncate(time.Millisecond)
		if in && f.Matches(k.id, &e) {
			all = append(all, k)
		}
		in = in || k.id == after
	}
	return all
}

// compare compares one page, and the count, with what they have to be.
func (s *archiveTest) compare(t *testing.T, f archive.Filter, p archive.Paging) archive.Page {
	t.Helper()
	want := s.matching(f, p)
	page := s.page(t, f, p)
	n := min(len(want), p.Max)
	part := want[:n]
	if p.Backward {
		part = want[len(want)-n:]
	}
	var ids, got []string
	for _, k := range part {
		ids = append(ids, k.id)
	}
	for _, m := range page.Messages {
		got = append(got, m.ID)
	}
	if !slices.Equal(got, ids) || page.Complete != (n == len(want)) {
		t.Fatalf("%+v, %+v:\ngot  %q, complete %v\nwant %q of %d", f, p, got, page.Complete, ids, len(want))
	}
	if p.After == "" && p.Before == "" {
		if n, err := s.Count(t.Context(), juliet, f); n != len(want) || err != nil {
			t.Fatalf("%+v: count %d, %v, want %d", f, n, err, len(want))
		}
	}
	return page
}

// fill appends messages with people of all kinds, at random times that mostly go
// forward.
func (s *archiveTest) fill(t *testing.T, rnd *rand.Rand, n int) {
	t.Helper()
	with := slices.Concat([]jid.JID{juliet, romeo, romeo, romeo, jid.MustParse("romeo@montague.example/orchard"),
		jid.MustParse("romeo@montague.example/Orchard")}, contacts()[:4])
	at := noon
	for i := range n {
		e := entry(t, juliet, with[rnd.IntN(len(with))], at, fmt.Sprint(i))
		if rnd.IntN(5) == 0 {
			e.Stanza.Type = stanza.TypeGroupChat
		}
		s.append(t, e)
		if rnd.IntN(3) == 0 {
			s.append(t, entry(t, nurse, romeo, at, "of somebody else"))
		}
		if rnd.IntN(3) > 0 {
			at = at.Add(time.Duration(rnd.IntN(3_000_000)) * time.Microsecond)
		}
	}
}

// filter returns a random filter.
func (s *archiveTest) filter(rnd *rand.Rand) (f archive.Filter) {
	pick := func() kept { return s.want[rnd.IntN(len(s.want))] }
	one := func() bool { return rnd.IntN(3) == 0 }
	if one() {
		f.With = pick().With
		if one() {
			f.With = f.With.Bare()
		}
	}
	if one() {
		f.Start = pick().At
	}
	if one() {
		f.End = pick().At
	}
	if one() {
		f.AfterID = pick().id
	}
	if one() {
		f.BeforeID = pick().id
	}
	if one() {
		f.GroupChat = archive.Exclude
	}
	if rnd.IntN(6) == 0 {
		for range rnd.IntN(9) + 1 {
			f.IDs = append(f.IDs, pick().id)
		}
	}
	return f
}

func archiveFilters(t *testing.T, s *archiveTest) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	s.fill(t, rnd, 120)
	bare := s.page(t, archive.Filter{With: romeo}, everything)
	full := s.page(t, archive.Filter{With: jid.MustParse("romeo@montague.example/orchard")}, everything)
	if len(bare.Messages) <= len(full.Messages) {
		t.Errorf("%d messages with the bare address, %d with the full one", len(bare.Messages), len(full.Messages))
	}
	for range 300 {
		f := s.filter(rnd)
		p := everything
		if rnd.IntN(2) == 0 {
			p.Max, p.Backward = 1+rnd.IntN(20), rnd.IntN(2) == 0
		}
		s.compare(t, f, p)
	}
}

func archiveNotFound(t *testing.T, s *archiveTest) {
	id := s.say(t, "1", "2")[0]
	other := s.append(t, entry(t, nurse, romeo, noon, "x"))[0]
	one := archive.Paging{Max: 1, MaxBytes: -1}
	for _, bad := range []string{other, "x", id + "0", "'; DROP TABLE archives; --", strings.Repeat("x", 10000)} {
		after, before := one, one
		after.After, before.Before = bad, bad
		for _, tt := range []struct {
			f archive.Filter
			p archive.Paging
		}{
			{archive.Filter{AfterID: bad}, one}, {archive.Filter{BeforeID: bad}, one},
			{archive.Filter{IDs: []string{id, bad}}, one},
			{archive.Filter{}, after}, {archive.Filter{}, before},
		} {
			page, err := s.Query(t.Context(), juliet, tt.f, tt.p)
			if !errors.Is(err, archive.ErrNotFound) || len(page.Messages) > 0 {
				t.Errorf("%+v, %+v: %v, %v", tt.f, tt.p, page, err)
			}
			if tt.p != one {
				continue
			}
			if n, err := s.Count(t.Context(), juliet, tt.f); !errors.Is(err, archive.ErrNotFound) || n != 0 {
				t.Errorf("count of %+v: %d, %v", tt.f, n, err)
			}
		}
	}
	if page := s.page(t, archive.Filter{IDs: []string{}}, one); len(page.Messages) > 0 {
		t.Errorf("no ids: %v", page)
	}
}

// archivePages: paging with pages of random sizes, in either direction, gives what
// there is all at once.
func archivePages(t *testing.T, s *archiveTest) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	s.fill(t, rnd, 150)
	for round := range 60 {
		f := s.filter(rnd)
		if round == 0 {
			f = archive.Filter{}
		}
		want := s.page(t, f, everything).Messages
		var got []archive.Message
		p := archive.Paging{MaxBytes: -1, Backward: round%2 == 1}
		for range len(want) + 2 {
			p.Max = 1 + rnd.IntN(40)
			page := s.compare(t, f, p)
			if p.Backward {
				got = append(slices.Clone(page.Messages), got...)
			} else {
				got = append(got, page.Messages...)
			}
			if page.Complete {
				break
			}
			if p.Backward {
				p.Before = page.Messages[0].ID
			} else {
				p.After = page.Messages[len(page.Messages)-1].ID
			}
		}
		if !slices.EqualFunc(got, want, func(a, b archive.Message) bool { return a.ID == b.ID }) {
			t.Fatalf("%+v, backward %v: %d messages in pages, %d at once", f, p.Backward, len(got), len(want))
		}
	}
}

// archivePagesWhile: who pages forward gets all that is appended meanwhile, and
// who pages backward nothing of it.
func archivePagesWhile(t *testing.T, s *archiveTest) {
	for i := range 50 {
		s.append(t, entry(t, juliet, romeo, noon, fmt.Sprint(i)))
	}
	var got []string
	p := archive.Paging{Max: 7, MaxBytes: -1}
	for i := 50; ; i++ {
		page := s.page(t, archive.Filter{}, p)
		got = append(got, bodies(page)...)
		if page.Complete {
			break
		}
		p.After = page.Messages[len(page.Messages)-1].ID
		s.append(t, entry(t, juliet, romeo, noon, fmt.Sprint(i)))
	}
	for i, b := range got {
		if b != fmt.Sprint(i) {
			t.Fatalf("%q at %d", b, i)
		}
	}
	if len(got) != len(s.want) || len(got) < 55 {
		t.Errorf("%d messages, want %d", len(got), len(s.want))
	}
	there := len(got)
	got = nil
	for p := (archive.Paging{Max: 7, MaxBytes: -1, Backward: true}); ; {
		page := s.page(t, archive.Filter{}, p)
		got = append(bodies(page), got...)
		if page.Complete {
			break
		}
		p.Before = page.Messages[0].ID
		s.append(t, entry(t, juliet, romeo, noon, "new"))
	}
	if len(got) != there || slices.Contains(got, "new") {
		t.Errorf("%d messages backward, want %d", len(got), there)
	}
}

func archiveBytes(t *testing.T, s *archiveTest) {
	long := strings.Repeat("x", 10_000)
	s.say(t, long+"1", long+"2", long+"3", long+"4")
	for limit, want := range map[int]int{0: 1, 1: 1, 15_000: 2, 25_000: 3, 1 << 20: 4, -1: 4} {
		for _, backward := range []bool{false, true} {
			page := s.page(t, archive.Filter{}, archive.Paging{Max: 10, MaxBytes: limit, Backward: backward})
			if len(page.Messages) != want || page.Complete != (want == 4) {
				t.Errorf("with %d bytes, backward %v: %d messages, complete %v, want %d",
					limit, backward, len(page.Messages), page.Complete, want)
			}
		}
	}
}

func archiveMetadata(t *testing.T, s *archiveTest) {
	wants := func(want archive.Metadata) {
		t.Helper()
		if got, err := s.Metadata(t.Context(), juliet); !reflect.DeepEqual(got, want) || err != nil {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	wants(archive.Metadata{})
	s.append(t, entry(t, nurse, romeo, noon, "x"))
	wants(archive.Metadata{})
	ids := s.say(t, "1", "2", "3")
	first, last := archive.Edge{ID: ids[0], At: noon}, archive.Edge{ID: ids[2], At: noon.Add(2 * time.Second)}
	wants(archive.Metadata{Start: first, End: last})
	s.purge(t, juliet, time.Time{}, 1, 2)
	wants(archive.Metadata{Start: last, End: last})
	s.purge(t, juliet, time.Time{}, 0, 1)
	wants(archive.Metadata{})
}

func (s *archiveTest) purge(t *testing.T, of jid.JID, before time.Time, keep, want int) {
	t.Helper()
	if n, err := s.Purge(t.Context(), of, before, keep); n != want || err != nil {
		t.Fatalf("Purge: %d, %v, want %d", n, err, want)
	}
}

func archivePurgeKeep(t *testing.T, s *archiveTest) {
	s.purge(t, juliet, time.Time{}, 0, 0)
	ids := s.say(t, "1", "2", "3", "4", "5")
	s.append(t, entry(t, nurse, romeo, noon, "x"))
	s.purge(t, juliet, time.Time{}, -1, 0)
	s.purge(t, juliet, time.Time{}, 5, 0)
	s.purge(t, juliet, time.Time{}, 2, 3)
	s.wants(t, juliet, "4", "5")
	s.wants(t, nurse, "x")
	_, err := s.Query(t.Context(), juliet, archive.Filter{}, archive.Paging{After: ids[2], Max: 1})
	if !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("behind one that is gone: %v", err)
	}
	s.say(t, "6")
	s.wants(t, juliet, "4", "5", "6")
	for range 1200 { // more than an engine may remove at once
		s.append(t, entry(t, juliet, romeo, noon, "x"))
	}
	s.purge(t, juliet, time.Time{}, 1, 1202)
	s.wants(t, juliet, "x")
}

func archivePurgeAge(t *testing.T, s *archiveTest) {
	s.say(t, "1", "2", "3", "4", "5")
	s.purge(t, juliet, noon, -1, 0)
	s.purge(t, juliet, noon.Add(time.Second), 5, 1)
	s.wants(t, juliet, "2", "3", "4", "5")
	s.purge(t, juliet, noon.Add(1500*time.Millisecond), 3, 1)
	s.wants(t, juliet, "3", "4", "5")
	s.purge(t, juliet, noon.Add(2500*time.Millisecond), 1, 2)
	s.wants(t, juliet, "5")
	s.purge(t, juliet, noon.Add(time.Hour), -1, 1)
	s.wants(t, juliet)
}

// archivePurgeHoles: an old message behind a newer one stays.
func archivePurgeHoles(t *testing.T, s *archiveTest) {
	for i, d := range []time.Duration{0, time.Hour, -time.Hour} {
		s.append(t, entry(t, juliet, romeo, noon.Add(d), fmt.Sprint(i)))
	}
	s.purge(t, juliet, noon.Add(time.Minute), -1, 1)
	s.wants(t, juliet, "1", "2")
}

func archivePurgeAll(t *testing.T, s *archiveTest) {
	all := accounts()
	for _, account := range all {
		s.append(t, entry(t, account, romeo, noon, "1"), entry(t, account, romeo, noon.Add(time.Second), "2"))
	}
	for i := range 100 {
		j, err := jid.New(fmt.Sprint("user", i), "capulet.example", "")
		if err != nil {
			t.Fatal(err)
		}
		s.append(t, entry(t, j, romeo, noon, "1"))
	}
	s.purge(t, jid.JID{}, time.Time{}, 1, len(all))
	for _, account := range all {
		s.wants(t, account, "2")
	}
	s.purge(t, jid.JID{}, noon.Add(time.Hour), -1, len(all)+100)
}

func archiveNotAgain(t *testing.T, s *archiveTest) {
	seen := make(map[string]bool)
	last := ""
	for range 50 {
		id := s.append(t, entry(t, juliet, romeo, noon, "x"))[0]
		if seen[id] || id <= last {
			t.Fatalf("%s after %s", id, last)
		}
		seen[id], last = true, id
		s.purge(t, juliet, time.Time{}, 0, 1)
	}
	for range 50 {
		if err := s.RemoveAccount(t.Context(), juliet); err != nil {
			t.Fatal(err)
		}
		id := s.append(t, entry(t, juliet, romeo, noon, "x"))[0]
		if seen[id] {
			t.Fatalf("%s once more", id)
		}
		seen[id] = true
	}
}

func archiveCopies(t *testing.T, s *archiveTest) {
	e := entry(t, juliet, romeo, noon, "x")
	want := e.Stanza.String()
	s.append(t, e)
	e.Stanza.ID, e.Stanza.To = "changed", nurse
	if got := s.page(t, archive.Filter{}, everything).Messages[0].Stanza.String(); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func archivePreferences(t *testing.T, s *archiveTest) {
	wants := func(of jid.JID, want archive.Preferences) {
		t.Helper()
		if got, err := s.Preferences(t.Context(), of); !reflect.DeepEqual(got, want) || err != nil {
			t.Fatalf("%.80v: got %.2000v, %v, want %.2000v", of, got, err, want)
		}
	}
	wants(juliet, archive.Preferences{})
	all := contacts()
	for i, p := range []archive.Preferences{
		{Default: archive.Roster, Always: all, Never: all[:3]}, {Default: archive.Never},
		{Default: archive.Always, Never: all[5:6]},
	} {
		given := p
		given.Always, given.Never, given.Space = slices.Clone(p.Always), slices.Clone(p.Never), archive.NS0
		if err := s.SetPreferences(t.Context(), juliet, given); err != nil {
			t.Fatal(i, err)
		}
		for i := range given.Always {
			given.Always[i] = nurse // the store has its own copy
		}
		wants(juliet, p)
		wants(nurse, archive.Preferences{})
	}
	for i, account := range accounts() {
		p := archive.Preferences{Default: archive.Never, Never: all[i : i+1]}
		if err := s.SetPreferences(t.Context(), account, p); err != nil {
			t.Fatal(err)
		}
	}
	for i, account := range accounts() {
		wants(account, archive.Preferences{Default: archive.Never, Never: all[i : i+1]})
	}
}

func archiveRemove(t *testing.T, s *archiveTest) {
	s.say(t, "1")
	s.append(t, entry(t, nurse, romeo, noon, "x"))
	for _, account := range []jid.JID{juliet, nurse} {
		if err := s.SetPreferences(t.Context(), account, archive.Preferences{Default: archive.Never}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.RemoveAccount(t.Context(), juliet); err != nil {
		t.Fatal(err)
	}
	s.wants(t, juliet)
	s.wants(t, nurse, "x")
	if p, err := s.Preferences(t.Context(), juliet); p.Default != "" || err != nil {
		t.Errorf("the preferences are still there: %+v, %v", p, err)
	}
	if p, err := s.Preferences(t.Context(), nurse); p.Default != archive.Never || err != nil {
		t.Errorf("those of others are gone: %+v, %v", p, err)
	}
}
