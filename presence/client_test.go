package presence

import (
	"context"
	"encoding/xml"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// session is a Host, and the Sender of a session.
type session struct {
	mux      *xmpp.Mux
	server   bool
	features []xml.Name // of the stream
	fail     error      // of Send

	mu   sync.Mutex
	sent []*stanza.Stanza
}

func (s *session) LocalAddr() jid.JID        { return jid.MustParse("juliet@example.com/balcony") }
func (s *session) Mux() *xmpp.Mux            { return s.mux }
func (s *session) IsServer() bool            { return s.server }
func (s *session) Features(jid.JID) []string { return nil }

func (s *session) HasStreamFeature(n xml.Name) bool { return slices.Contains(s.features, n) }

func (s *session) Do(context.Context, *stanza.Stanza) (*stanza.Stanza, error) {
	return nil, errors.New("nothing is asked here")
}

func (s *session) Send(_ context.Context, st *stanza.Stanza) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.sent = append(s.sent, st)
	return nil
}

var idAttr = regexp.MustCompile(` id='[A-Z2-7]{26}'`)

// take returns what was sent since the last call, as XML, an id that was chosen
// as ID.
func (s *session) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, st := range s.sent {
		b.WriteString(idAttr.ReplaceAllString(st.String(), " ID"))
	}
	s.sent = nil
	return b.String()
}

func TestClient(t *testing.T) {
	orchard := jid.MustParse("romeo@example.net/orchard")
	for _, tt := range []struct {
		name string
		do   func(context.Context, xmpp.Sender) error
		want string
	}{
		{"CORE-6.4.1-3 subscribe", func(ctx context.Context, s xmpp.Sender) error { return Subscribe(ctx, s, romeo, "") },
			"<presence type='subscribe' ID to='romeo@example.net'/>"},
		{"CORE-6.4.2-2 with a reason, to the bare address", func(ctx context.Context, s xmpp.Sender) error {
			return Subscribe(ctx, s, orchard, "Hi, it is <me>.")
		}, "<presence type='subscribe' ID to='romeo@example.net'><status>Hi, it is &lt;me&gt;.</status></presence>"},
		{"CORE-6.4.1-4 subscribed", func(ctx context.Context, s xmpp.Sender) error { return Approve(ctx, s, orchard) },
			"<presence type='subscribed' ID to='romeo@example.net'/>"},
		{"CORE-6.4.1-5 unsubscribe", func(ctx context.Context, s xmpp.Sender) error { return Unsubscribe(ctx, s, romeo) },
			"<presence type='unsubscribe' ID to='romeo@example.net'/>"},
		{"CORE-6.4.1-6 unsubscribed, to deny", func(ctx context.Context, s xmpp.Sender) error { return Deny(ctx, s, romeo) },
			"<presence type='unsubscribed' ID to='romeo@example.net'/>"},
		{"CORE-6.4.1-6 unsubscribed, to cancel", func(ctx context.Context, s xmpp.Sender) error { return Cancel(ctx, s, romeo) },
			"<presence type='unsubscribed' ID to='romeo@example.net'/>"},
		{"R6121-3.4-1 pre-approval", func(ctx context.Context, s xmpp.Sender) error { return PreApprove(ctx, s, romeo) },
			"<presence type='subscribed' ID to='romeo@example.net'/>"},
		{"IM-5.1-1 initial presence", func(ctx context.Context, s xmpp.Sender) error { return Available(ctx, s, "", "", 0) },
			"<presence/>"},
		{"CORE-6.4.2-1 one show, status and priority", func(ctx context.Context, s xmpp.Sender) error {
			return Available(ctx, s, stanza.ShowDoNotDisturb, "Wooing", -1)
		}, "<presence><show>dnd</show><status>Wooing</status><priority>-1</priority></presence>"},
		{"CORE-6.4.1-2 unavailable", func(ctx context.Context, s xmpp.Sender) error { return Unavailable(ctx, s, "") },
			"<presence type='unavailable'/>"},
		{"IM-5.6-1 unavailable with a reason", func(ctx context.Context, s xmpp.Sender) error { return Unavailable(ctx, s, "Gone.") },
			"<presence type='unavailable'><status>Gone.</status></presence>"},
		{"IM-5-1 directed presence", func(ctx context.Context, s xmpp.Sender) error {
			return Directed(ctx, s, orchard, stanza.Presence{Show: stanza.ShowChat})
		}, "<presence to='romeo@example.net/orchard'><show>chat</show></presence>"},
		{"IM-5-1 directed presence ends", func(ctx context.Context, s xmpp.Sender) error {
			return Directed(ctx, s, orchard, stanza.Presence{Type: stanza.TypeUnavailable})
		}, "<presence type='unavailable' to='romeo@example.net/orchard'/>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &session{features: []xml.Name{{Space: NSPreApproval, Local: "sub"}}}
			if err := tt.do(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if got := s.take(); got != tt.want {
				t.Errorf("sent %s, want %s", got, tt.want)
			}
		})
	}
}

func TestClientErrors(t *testing.T) {
	ctx, s := t.Context(), new(session)
	for name, err := range map[string]error{
		"Subscribe": Subscribe(ctx, s, jid.JID{}, ""), "Unsubscribe": Unsubscribe(ctx, s, jid.JID{}),
		"Approve": Approve(ctx, s, jid.JID{}), "Deny": Deny(ctx, s, jid.JID{}), "Cancel": Cancel(ctx, s, jid.JID{}),
		"Directed": Directed(ctx, s, jid.JID{}, stanza.Presence{}),
	} {
		if err != ErrNoAddress {
			t.Errorf("%s to nobody: %v", name, err)
		}
	}
	if err := Directed(ctx, s, romeo, stanza.Presence{Type: stanza.TypeProbe}); err == nil {
		t.Error("a probe was sent")
	}
	if err := PreApprove(ctx, s, romeo); !errors.Is(err, ErrNotOffered) {
		t.Errorf("R6121-3.4-1: not offered: %v", err)
	}
	// A Sender that does not know.
	if err := PreApprove(ctx, struct{ xmpp.Sender }{s}, romeo); !errors.Is(err, ErrNotOffered) {
		t.Errorf("not known: %v", err)
	}
	if got := s.take(); got != "" {
		t.Errorf("sent %s", got)
	}
}

// receive has the handlers take a presence from Romeo.
func (s *session) receive(t *testing.T, xml string) error {
	t.Helper()
	st, err := stanza.Parse(xml)
	if err != nil {
		t.Fatalf("%s: %v", xml, err)
	}
	return s.mux.HandleXMPP(t.Context(), s, st)
}

func TestRequests(t *testing.T) {
	decide := func(d Decision) func(context.Context, jid.JID, *stanza.Presence) Decision {
		return func(context.Context, jid.JID, *stanza.Presence) Decision { return d }
	}
	const (
		subscribe   = "<presence type='subscribe' from='romeo@example.net' id='1'><status>Me</status></presence>"
		unsubscribe = "<presence type='unsubscribe' from='romeo@example.net'/>"
		approval    = "<presence type='subscribed' ID to='romeo@example.net'/>"
	)
	for _, tt := range []struct {
		name     string
		r        Requests
		in, want string
	}{
		{"nothing is decided", Requests{}, subscribe, ""},
		{"left", Requests{Decide: decide(Leave), Mutual: true}, subscribe, ""},
		{"SUB-ACK-1 allowed", Requests{Decide: AllowAll}, subscribe, approval},
		{"SUB-ACK-1 refused", Requests{Decide: decide(Refuse), Mutual: true}, subscribe, "<presence type='unsubscribed' ID to='romeo@example.net'/>"},
		{"R3921-8.3-1 mutual", Requests{Decide: decide(Allow), Mutual: true}, subscribe,
			approval + "<presence type='subscribe' ID to='romeo@example.net'/>"},
		{"by whom nobody knows", Requests{Decide: AllowAll, Mutual: true}, "<presence type='subscribe'/>", ""},
		{"the end", Requests{Decide: AllowAll}, unsubscribe, ""},
		{"the end, mutual", Requests{Mutual: true}, unsubscribe, "<presence type='unsubscribe' ID to='romeo@example.net'/>"},
		{"the end, by whom nobody knows", Requests{Mutual: true}, "<presence type='unsubscribe'/>", ""},
		{"no request", Requests{Decide: AllowAll}, "<presence from='romeo@example.net'/>", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &session{mux: new(xmpp.Mux)}
			if err := tt.r.Attach(s); err != nil {
				t.Fatal(err)
			}
			if err := s.receive(t, tt.in); err != nil {
				t.Fatal(err)
			}
			if got := s.take(); got != tt.want {
				t.Errorf("sent %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("what Decide gets", func(t *testing.T) {
		s := &session{mux: new(xmpp.Mux), fail: xmpp.ErrNotConnected}
		r := Requests{Mutual: true, Decide: func(_ context.Context, from jid.JID, p *stanza.Presence) Decision {
			if from != romeo || p.Status != "Me" || p.ID != "1" {
				t.Errorf("%s: %+v", from, p)
			}
			return Allow
		}}
		if err := r.Attach(s); err != nil {
			t.Fatal(err)
		}
		if err := s.receive(t, subscribe); !errors.Is(err, xmpp.ErrNotConnected) {
			t.Errorf("error %v", err)
		}
	})
	if err := new(Requests).Attach(&session{mux: new(xmpp.Mux), server: true}); err == nil {
		t.Error("attached to a server")
	}
}
