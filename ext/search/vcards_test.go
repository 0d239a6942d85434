package search_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp/ext/search"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/vcard"
)

var errBroken = errors.New("broken")

// store is a search.Store.
type store struct {
	mu    sync.Mutex
	items map[jid.JID]search.Item
	err   error
}

func (s *store) Entries(context.Context) iter.Seq2[search.Item, error] {
	return func(yield func(search.Item, error) bool) {
		for _, it := range s.items {
			if !yield(it, s.err) {
				return
			}
		}
	}
}

func (s *store) SetEntry(_ context.Context, it search.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.items[it.JID] = it
	}
	return s.err
}

func (s *store) RemoveEntry(_ context.Context, user jid.JID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.items, user)
	return s.err
}

func names(t *testing.T, x *search.Index, fields ...search.Field) (names []string) {
	t.Helper()
	found, err := x.Search(t.Context(), jid.JID{}, fields, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range found {
		names = append(names, it.JID.Local())
	}
	return names
}

// TestIndexStore: what is entered is there after a restart.
func TestIndexStore(t *testing.T) {
	kept := &store{items: make(map[jid.JID]search.Item)}
	x := &search.Index{Store: kept}
	hamlet := search.Field{Name: search.First, Value: "Hamlet"}
	for _, n := range []string{"king", "hamlet", "ghost"} {
		if err := x.SetEntry(t.Context(), jid.MustParse(n+"@denmark"), []search.Field{hamlet}); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.RemoveEntry(t.Context(), jid.MustParse("ghost@denmark")); err != nil {
		t.Fatal(err)
	}
	again := &search.Index{Store: kept}
	if err := errors.Join(again.Load(t.Context()), again.Load(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := names(t, again, hamlet); !slices.Equal(got, []string{"hamlet", "king"}) {
		t.Errorf("after a restart: %v", got)
	}
	kept.err = errBroken
	for _, err := range []error{
		again.Load(t.Context()),
		x.SetEntry(t.Context(), jid.MustParse("yorick@denmark"), []search.Field{hamlet}),
		x.RemoveEntry(t.Context(), jid.MustParse("king@denmark")),
	} {
		if !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
	}
	if got := names(t, x, hamlet); !slices.Equal(got, []string{"hamlet", "king"}) {
		t.Errorf("what was not stored counts: %v", got)
	}
}

// brokenCards is a vcard.Store that fails.
type brokenCards struct{ vcard.Store }

func (brokenCards) VCard(context.Context, jid.JID) (stanza.Raw, error)  { return "", errBroken }
func (brokenCards) SetVCard(context.Context, jid.JID, stanza.Raw) error { return errBroken }
func (brokenCards) RemoveAccount(context.Context, jid.JID) error        { return errBroken }
func accounts(all ...jid.JID) iter.Seq2[jid.JID, error] {
	return func(yield func(jid.JID, error) bool) {
		for _, j := range all {
			if !yield(j, nil) {
				return
			}
		}
	}
}

// TestVCards: cards that are set are found, and those that are gone are not.
func TestVCards(t *testing.T) {
	const name = "<N><FAMILY>Prince</FAMILY><GIVEN>Hamlet,William</GIVEN></N><NICKNAME>Ham,Hammy</NICKNAME>" +
		"<EMAIL><USERID>a@x</USERID></EMAIL><EMAIL><PREF/><USERID>b@x</USERID></EMAIL>"
	hamlet := jid.MustParse("hamlet@denmark")
	v := &search.VCards{Store: memory.New().VCards(), Index: new(search.Index)}
	set := func(card string) {
		t.Helper()
		if err := v.SetVCard(t.Context(), hamlet, stanza.Raw(card)); err != nil {
			t.Fatal(err)
		}
	}
	entry := func() []search.Field {
		fields, _, _ := v.Index.Entry(t.Context(), hamlet)
		return fields
	}
	set("<vCard xmlns='vcard-temp'>" + name + "</vCard>")
	want := []search.Field{{Name: "first", Value: "Hamlet William"}, {Name: "last", Value: "Prince"},
		{Name: "nick", Value: "Ham, Hammy"}, {Name: "email", Value: "b@x"}}
	if got := entry(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := names(t, v.Index, search.Field{Name: "nick", Value: "hammy"}); len(got) != 1 {
		t.Errorf("found %v", got)
	}
	for what, card := range map[string]string{
		"private":             "<vCard xmlns='vcard-temp'>" + name + "<CLASS><PRIVATE/></CLASS></vCard>",
		"confidential":        "<vCard xmlns='vcard-temp'>" + name + "<CLASS><CONFIDENTIAL/></CLASS></vCard>",
		"nothing to be found": "<vCard xmlns='vcard-temp'><ROLE>Prince</ROLE></vCard>",
		"not a card":          "<vCard xmlns='vcard-temp'>" + strings.Repeat("<NOTE/>", 1001) + "</vCard>",
		"removed":             "",
	} {
		set("<vCard xmlns='vcard-temp'>" + name + "</vCard>")
		if set(card); entry() != nil {
			t.Errorf("%s: is found by %v", what, entry())
		}
	}
	set("<vCard xmlns='vcard-temp'><NICKNAME>" + strings.Repeat("ä", 200) + "</NICKNAME></vCard>")
	if got := entry(); len(got) != 1 || len(got[0].Value) != 256 {
		t.Errorf("a long one: %v", got)
	}
	v.Listed = func(jid.JID) bool { return false }
	if set("<vCard xmlns='vcard-temp'>" + name + "</vCard>"); entry() != nil {
		t.Error("one that is not listed is found")
	}
	v.Listed = nil
	if err := v.Load(t.Context(), accounts(hamlet, jid.MustParse("nobody@denmark"))); err != nil || len(entry()) != 4 {
		t.Errorf("loaded: %v, %v", entry(), err)
	}
	if err := v.RemoveAccount(t.Context(), hamlet); err != nil || entry() != nil {
		t.Errorf("removed: %v, %v", entry(), err)
	}
	if card, err := v.VCard(t.Context(), hamlet); card != "" || err != nil {
		t.Errorf("removed: %v, %v", card, err)
	}
	v.Store = brokenCards{}
	unknown := func(yield func(jid.JID, error) bool) { yield(hamlet, errBroken) }
	for _, err := range []error{v.SetVCard(t.Context(), hamlet, ""), v.RemoveAccount(t.Context(), hamlet),
		v.Load(t.Context(), accounts(hamlet)), v.Load(t.Context(), unknown)} {
		if !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
	}
}

// TestHost: each domain has a directory of its own, in one Index.
func TestHost(t *testing.T) {
	kept := &store{items: make(map[jid.JID]search.Item)}
	x := &search.Index{Store: kept}
	first := search.Field{Name: search.First, Value: "Hamlet"}
	for _, user := range []string{"b@denmark", "a@norway", "a@denmark", "c@denmark", "a@aa", "denmark"} {
		if err := x.SetEntry(t.Context(), jid.MustParse(user), []search.Field{first}); err != nil {
			t.Fatal(err)
		}
	}
	again := &search.Index{Store: kept}
	if err := again.SetEntry(t.Context(), jid.MustParse("bb@denmark"), []search.Field{first}); err != nil {
		t.Fatal(err)
	}
	if err := again.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		x     *search.Index
		host  string
		limit int
		want  string
	}{
		{x, "denmark", 10, "denmark a@denmark b@denmark c@denmark"},
		{x, "somebody@denmark", 10, "denmark a@denmark b@denmark c@denmark"},
		{again, "denmark", 10, "denmark a@denmark b@denmark bb@denmark c@denmark"},
		{x, "denmark", 2, "denmark a@denmark"},
		{x, "norway", 10, "a@norway"}, {x, "aa", 10, "a@aa"}, {x, "a", 10, ""}, {x, "zz", 10, ""},
	} {
		found, err := tt.x.Host(jid.MustParse(tt.host)).Search(t.Context(), jid.JID{}, []search.Field{first}, tt.limit)
		var got []string
		for _, it := range found {
			got = append(got, it.JID.String())
		}
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %v, %v, want %s", tt.host, got, err, tt.want)
		}
	}
}

// TestVCardsFull: a card is stored also when the directory is full, and an entry that
// is there already can change.
func TestVCardsFull(t *testing.T) {
	v := &search.VCards{Store: memory.New().VCards(), Index: &search.Index{MaxEntries: 1}}
	for _, tt := range []struct{ user, nick, found string }{
		{"hamlet@denmark", "Ham", "hamlet"}, {"ghost@denmark", "Ham", "hamlet"}, {"hamlet@denmark", "Hammy", ""},
	} {
		card := stanza.Raw("<vCard xmlns='vcard-temp'><NICKNAME>" + tt.nick + "</NICKNAME></vCard>")
		if err := v.SetVCard(t.Context(), jid.MustParse(tt.user), card); err != nil {
			t.Fatal(err)
		}
		if got, err := v.VCard(t.Context(), jid.MustParse(tt.user)); got != card || err != nil {
			t.Errorf("stored: %v, %v", got, err)
		}
		if got := strings.Join(names(t, v.Index, search.Field{Name: search.Nick, Value: "Ham"}), " "); got != tt.found {
			t.Errorf("found: %s, want %s", got, tt.found)
		}
	}
	err := v.Index.SetEntry(t.Context(), jid.MustParse("king@denmark"), []search.Field{{Name: search.Nick, Value: "x"}})
	if !errors.Is(err, stanza.ResourceConstraint) {
		t.Errorf("who enters himself is told: %v", err)
	}
}

// TestIndexUnchanged: what is the same is not stored again.
func TestIndexUnchanged(t *testing.T) {
	kept := &store{items: make(map[jid.JID]search.Item)}
	x := &search.Index{Store: kept}
	hamlet := jid.MustParse("hamlet@denmark")
	fields := []search.Field{{Name: search.First, Value: "Hamlet"}}
	if err := x.SetEntry(t.Context(), hamlet, fields); err != nil {
		t.Fatal(err)
	}
	kept.err = errBroken
	if err := x.SetEntry(t.Context(), hamlet, fields); err != nil {
		t.Errorf("the same: %v", err)
	}
	fields[0].Value = "Yorick"
	if err := x.SetEntry(t.Context(), hamlet, fields); !errors.Is(err, errBroken) {
		t.Errorf("another: %v", err)
	}
}
