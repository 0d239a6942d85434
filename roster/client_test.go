package roster

import (
	"context"
	"encoding/xml"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var juliet = jid.MustParse("juliet@example.com/balcony")

func jidOf(s string) jid.JID { return jid.MustParse(s) }

// session is a Host, and the Sender of a session, whose requests are answered by
// a function.
type session struct {
	mux      *xmpp.Mux
	server   bool
	answer   func(iq *stanza.Stanza) (*stanza.Stanza, error)
	features []xml.Name // of the stream

	mu   sync.Mutex
	sent []*stanza.Stanza
}

func (s *session) LocalAddr() jid.JID        { return juliet }
func (s *session) Mux() *xmpp.Mux            { return s.mux }
func (s *session) IsServer() bool            { return s.server }
func (s *session) Features(jid.JID) []string { return nil }

func (s *session) HasStreamFeature(n xml.Name) bool { return slices.Contains(s.features, n) }

func (s *session) Send(_ context.Context, st *stanza.Stanza) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, st)
	return nil
}

func (s *session) Do(_ context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	s.Send(context.Background(), iq)
	reply, err := s.answer(iq)
	if err == nil {
		err = reply.Err()
	}
	return reply, err
}

// take returns what was sent since the last call, as XML.
func (s *session) take() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.sent {
		list = append(list, st.String())
	}
	s.sent = nil
	return list
}

// replies makes an answer of what a server sends.
func replies(t *testing.T, xml string) func(*stanza.Stanza) (*stanza.Stanza, error) {
	t.Helper()
	st, err := stanza.Parse(xml)
	if err != nil {
		t.Fatalf("%s: %v", xml, err)
	}
	return func(*stanza.Stanza) (*stanza.Stanza, error) { return st, nil }
}

func TestGet(t *testing.T) {
	for _, tt := range []struct {
		name, reply string
		want        []Item
		err         error
	}{
		{"IM-8.1-1 the roster", "<iq type='result'><query xmlns='jabber:iq:roster'><item jid='nurse@example.com' subscription='to'/></query></iq>",
			[]Item{{JID: nurse, Subscription: To}}, nil},
		{"R6121-2.1.4-1 empty", "<iq type='result'><query xmlns='jabber:iq:roster'/></iq>", nil, nil},
		{"IM-8.1-3 from the server", "<iq type='result' from='example.com'><query xmlns='jabber:iq:roster'><item jid='nurse@example.com'/></query></iq>",
			[]Item{{JID: nurse}}, nil},
		{"a removal has no meaning here", "<iq type='result'><query xmlns='jabber:iq:roster'><item jid='nurse@example.com' subscription='remove'/></query></iq>",
			[]Item{{JID: nurse}}, nil},
		{"R6121-2.1.4-1 no roster", "<iq type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
			nil, stanza.ItemNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &session{answer: replies(t, tt.reply)}
			items, err := Get(t.Context(), s)
			if !reflect.DeepEqual(items, tt.want) || !errors.Is(err, tt.err) || tt.err == nil && err != nil {
				t.Errorf("%+v, %v", items, err)
			}
			if got := s.take(); !slices.Equal(got, []string{"<iq type='get'><query xmlns='jabber:iq:roster'/></iq>"}) {
				t.Errorf("asked %s", got)
			}
		})
	}
}

func TestSet(t *testing.T) {
	const open, end = "<iq type='set'><query xmlns='jabber:iq:roster'>", "</query></iq>"
	for _, tt := range []struct {
		name string
		it   Item
		want string
	}{
		{"IM-8.2-1 an addition", Item{JID: nurse, Name: "Nurse", Groups: []string{"Servants"}},
			"<item jid='nurse@example.com' name='Nurse'><group>Servants</group></item>"},
		{"IM-8.2-4 an update in the same way", Item{JID: nurse}, "<item jid='nurse@example.com'/>"},
		{"GUIDE-9-roster-1 only what is the client's", Item{JID: nurse, Name: "N", Subscription: Both, Ask: true, Approved: true},
			"<item jid='nurse@example.com' name='N'/>"},
		{"IM-8.3-1 a removal", Item{JID: nurse, Name: "N", Groups: []string{"A"}, Subscription: Remove},
			"<item jid='nurse@example.com' name='N' subscription='remove'/>"},
		{"GUIDE-11-group-2 no empty groups", Item{JID: nurse, Groups: []string{"", "A"}},
			"<item jid='nurse@example.com'><group>A</group></item>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &session{answer: replies(t, "<iq type='result'/>")}
			if err := Set(t.Context(), s, tt.it); err != nil {
				t.Fatal(err)
			}
			if got := s.take(); !slices.Equal(got, []string{open + tt.want + end}) {
				t.Errorf("sent %s", got)
			}
		})
	}
	s := &session{answer: replies(t, "<iq type='error'><error type='modify'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")}
	if err := Set(t.Context(), s, Item{JID: nurse}); !errors.Is(err, stanza.NotAcceptable) {
		t.Errorf("error %v", err)
	}
	s.take()
	if err := Set(t.Context(), s, Item{Name: "nobody"}); err == nil || len(s.take()) != 0 {
		t.Errorf("an item without address: %v", err)
	}
}

func TestDelete(t *testing.T) {
	t.Run("IM-8.3-1 subscription remove", func(t *testing.T) {
		s := &session{answer: replies(t, "<iq type='result'/>")}
		if err := Delete(t.Context(), s, nurse); err != nil {
			t.Fatal(err)
		}
		want := "<iq type='set'><query xmlns='jabber:iq:roster'><item jid='nurse@example.com' subscription='remove'/></query></iq>"
		if got := s.take(); !slices.Equal(got, []string{want}) {
			t.Errorf("sent %s", got)
		}
	})
	t.Run("R6121-2.1.5-1 who is not there", func(t *testing.T) {
		s := &session{answer: replies(t, "<iq type='error'><error type='modify'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")}
		if err := Delete(t.Context(), s, nurse); !errors.Is(err, stanza.ItemNotFound) {
			t.Errorf("error %v", err)
		}
	})
}
