package privacy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

var (
	romeo   = jid.MustParse("romeo@example.net")
	orchard = jid.MustParse("romeo@example.net/orchard")
	home    = jid.MustParse("romeo@example.net/home")
	juliet  = jid.MustParse("juliet@example.com/chamber")
	tybalt  = jid.MustParse("tybalt@example.com/pda")
)

// memStore is a Store that keeps text, and runs every update twice.
type memStore struct {
	mu     sync.Mutex
	texts  map[jid.JID]string
	reads  int
	writes int
	fail   error
}

func (s *memStore) get(account jid.JID) (l Lists, err error) {
	err = l.UnmarshalText([]byte(s.texts[account]))
	return l, errors.Join(err, s.fail)
}

func (s *memStore) PrivacyLists(_ context.Context, account jid.JID) (Lists, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return s.get(account)
}

func (s *memStore) UpdatePrivacyLists(_ context.Context, account jid.JID, fn func(*Lists) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	for range 2 {
		l, err := s.get(account)
		if err != nil {
			return err
		}
		if err := fn(&l); err != nil {
			return err
		}
		text, err := l.MarshalText()
		if err != nil {
			return err
		}
		defer func() { s.texts[account] = string(text) }()
	}
	return nil
}

func (s *memStore) RemoveAccount(_ context.Context, account jid.JID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail == nil {
		delete(s.texts, account)
	}
	return s.fail
}

// world is a server with one user, romeo, who has two connected resources, and
// his roster. It notes what is sent, in its order.
type world struct {
	t     testing.TB
	store memStore
	eng   *Engine
	mux   xmpp.Mux

	mu       sync.Mutex
	sessions map[jid.JID][]jid.JID
	contacts map[jid.JID]Contact
	lookups  int
	fail     error // of the roster
	events   []string
}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	w := &world{t: t, store: memStore{texts: make(map[jid.JID]string)}}
	w.sessions = map[jid.JID][]jid.JID{romeo: {orchard, home}}
	w.contacts = map[jid.JID]Contact{
		juliet.Bare(): {Subscription: roster.Both, Groups: []string{"Friends"}},
		tybalt.Bare(): {Subscription: roster.To, Groups: []string{"Enemies"}},
	}
	cfg := Config{
		Store: &w.store,
		Sessions: func(account jid.JID) []jid.JID {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(w.sessions[account])
		},
		Contact: func(_ context.Context, _, contact jid.JID) (Contact, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.lookups++
			return w.contacts[contact.Bare()], w.fail
		},
		Groups: func(context.Context, jid.JID) ([]string, error) {
			return []string{"Friends", "Enemies"}, w.fail
		},
		Push: func(_ context.Context, session jid.JID, p stanza.Payload) {
			b, err := p.AppendXML(nil)
			if err != nil {
				t.Error(err)
			}
			w.note("push to " + session.Resource() + ": " + string(b))
		},
		Announce: func(_ context.Context, session, contact jid.JID, available bool) {
			w.note(fmt.Sprintf("announce %s to %s: %v", session.Resource(), contact, available))
		},
	}
	for _, fn := range change {
		fn(&cfg)
	}
	w.eng = NewEngine(cfg)
	if err := w.eng.Attach(w); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) LocalAddr() jid.JID        { return romeo.DomainJID() }
func (w *world) Mux() *xmpp.Mux            { return &w.mux }
func (w *world) IsServer() bool            { return true }
func (w *world) Features(jid.JID) []string { return nil }

func (w *world) Send(_ context.Context, st *stanza.Stanza) error {
	w.note(st.String())
	return nil
}

func (w *world) Do(context.Context, *stanza.Stanza) (*stanza.Stanza, error) {
	return nil, xmpp.ErrNotConnected
}

func (w *world) note(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, s)
}

// take returns what has happened since it was called last.
func (w *world) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events = nil
	return events
}

// handle lets the server handle a stanza, and returns what happens: the reply,
// first, as "ok", as a payload or as the condition of an error, then the rest.
func (w *world) handle(st *stanza.Stanza) []string {
	w.t.Helper()
	if err := w.mux.HandleXMPP(w.t.Context(), w, st); err != nil {
		w.note("log: " + err.Error())
	}
	events := w.take()
	if len(events) == 0 {
		w.t.Fatal("no reply")
	}
	reply, err := stanza.Parse(events[0])
	if err != nil {
		w.t.Fatalf("%s: %v", events[0], err)
	}
	if reply.ID != st.ID || reply.To != st.From {
		w.t.Errorf("%s answers %s", reply, st)
	}
	if err := reply.Err(); err != nil {
		events[0] = string(stanza.AsError(err).Condition)
	} else if reply.IsEmpty() {
		events[0] = "ok"
	} else {
		events[0] = string(reply.Payload().Raw())
	}
	return events
}

func (w *world) iq(from jid.JID, to string, typ stanza.Type, payload string) []string {
	w.t.Helper()
	h := stanza.Header{Kind: stanza.KindIQ, Type: typ, ID: "1", From: from, To: from.Bare()}
	if to != "" {
		h.To = jid.MustParse(to)
	}
	st, err := stanza.New(h, stanza.Raw(payload))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.handle(st)
}

func query(inner string) string { return "<query xmlns='jabber:iq:privacy'>" + inner + "</query>" }

func (w *world) set(from jid.JID, inner string) []string {
	w.t.Helper()
	return w.iq(from, "", stanza.TypeSet, query(inner))
}

func (w *world) get(from jid.JID, inner string) []string {
	w.t.Helper()
	return w.iq(from, "", stanza.TypeGet, query(inner))
}

// must is set for what has to succeed.
func (w *world) must(from jid.JID, inner string) []string {
	w.t.Helper()
	got := w.set(from, inner)
	if got[0] != "ok" {
		w.t.Fatalf("%s: %s", inner, got)
	}
	return got
}

func (w *world) allow(session, other jid.JID, k Kinds) bool {
	w.t.Helper()
	ok, err := w.eng.Allow(w.t.Context(), romeo, session, other, k)
	if err != nil {
		w.t.Fatal(err)
	}
	return ok
}

// expect compares what has happened.
func (w *world) expect(got []string, want ...string) {
	w.t.Helper()
	if !slices.Equal(got, want) {
		w.t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// stored returns the lists of romeo as they are stored.
func (w *world) stored() string {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	return w.store.texts[romeo]
}

// The lists of RFC 3921, section 10.3.
const (
	listPublic = "<list name='public'><item type='jid' value='tybalt@example.com' action='deny' order='1'/>" +
		"<item action='allow' order='2'/></list>"
	listPrivate = "<list name='private'><item type='subscription' value='both' action='allow' order='10'/>" +
		"<item action='deny' order='15'/></list>"
	listSpecial = "<list name='special'><item type='jid' value='juliet@example.com' action='allow' order='6'/>" +
		"<item type='jid' value='benvolio@example.org' action='allow' order='7'/>" +
		"<item type='jid' value='mercutio@example.org' action='allow' order='42'/>" +
		"<item action='deny' order='666'/></list>"
)

// withLists is a world in which romeo has these three lists.
func withLists(t testing.TB, change ...func(*Config)) *world {
	w := newWorld(t, change...)
	for _, l := range []string{listPublic, listPrivate, listSpecial} {
		w.must(orchard, l)
	}
	return w
}
