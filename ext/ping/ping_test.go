package ping

import (
	"context"
	"errors"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// host is a Host whose requests are answered by a function.
type host struct {
	mux    xmpp.Mux
	answer func(iq *stanza.Stanza) (*stanza.Stanza, error)
	sent   []*stanza.Stanza
}

func (h *host) LocalAddr() jid.JID { return jid.MustParse("juliet@capulet.lit/balcony") }
func (h *host) Mux() *xmpp.Mux     { return &h.mux }
func (h *host) IsServer() bool     { return false }

func (h *host) Features(jid.JID) []string { return nil }

func (h *host) Send(_ context.Context, st *stanza.Stanza) error {
	h.sent = append(h.sent, st)
	return nil
}

func (h *host) Do(_ context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) { return h.answer(iq) }

func TestPayload(t *testing.T) {
	b, err := Payload{}.AppendXML(nil)
	if err != nil || string(b) != "<ping xmlns='urn:xmpp:ping'/>" {
		t.Fatalf("%s, %v", b, err)
	}
	st, err := stanza.Parse("<iq type='get' id='c2s1'><p:ping xmlns:p='urn:xmpp:ping'/></iq>")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := stanza.Decode[Payload](st); !ok || err != nil {
		t.Errorf("Decode: %v, %v", ok, err)
	}
	st, err = stanza.Parse("<iq type='get' id='c2s1'><ping xmlns='urn:xmpp:pong'/></iq>")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := stanza.Decode[Payload](st); ok {
		t.Error("another namespace was taken for a ping")
	}
}

func TestPing(t *testing.T) {
	lost := errors.New("lost")
	tests := []struct {
		name, to string
		reply    error
		want     error
		answered bool
	}{
		{"pong", "", nil, nil, true},
		{"server without ping", "", stanza.NewError(stanza.ServiceUnavailable, ""), nil, true},
		{"account without ping", "juliet@capulet.lit", stanza.NewError(stanza.ServiceUnavailable, ""), nil, true},
		{"domain without ping", "montague.lit", stanza.NewError(stanza.ServiceUnavailable, ""), nil, true},
		{"old server", "", stanza.NewError(stanza.FeatureNotImplemented, ""), nil, true},
		{"client without ping", "romeo@montague.lit/home", stanza.NewError(stanza.FeatureNotImplemented, ""), nil, true},
		{"nobody there", "romeo@montague.lit/home", stanza.NewError(stanza.ServiceUnavailable, ""), stanza.ServiceUnavailable, true},
		{"not found", "nowhere.lit", stanza.NewError(stanza.RemoteServerNotFound, ""), stanza.RemoteServerNotFound, true},
		{"lost", "", lost, lost, false},
		{"too late", "", context.DeadlineExceeded, context.DeadlineExceeded, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var to jid.JID
			if tt.to != "" {
				to = jid.MustParse(tt.to)
			}
			h := &host{answer: func(iq *stanza.Stanza) (*stanza.Stanza, error) {
				if iq.Type != stanza.TypeGet || iq.To != to || !iq.Payload().Is(NS, "ping") {
					t.Errorf("sent %s", iq)
				}
				return nil, tt.reply
			}}
			err := Ping(t.Context(), h, to)
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if Answered(err) != tt.answered {
				t.Errorf("Answered: %v", !tt.answered)
			}
		})
	}
}

func TestExtension(t *testing.T) {
	romeo := jid.MustParse("romeo@montague.lit/home")
	for _, tt := range []struct {
		name  string
		ext   *Extension
		query string
		want  error
	}{
		{"all", &Extension{}, "<iq type='get' id='1' from='romeo@montague.lit/home'><ping xmlns='urn:xmpp:ping'/></iq>", nil},
		{"allowed", &Extension{Allow: func(j jid.JID) bool { return j == romeo }},
			"<iq type='get' id='1' from='romeo@montague.lit/home'><ping xmlns='urn:xmpp:ping'/></iq>", nil},
		{"refused", &Extension{Allow: func(j jid.JID) bool { return j != romeo }},
			"<iq type='get' id='1' from='romeo@montague.lit/home'><ping xmlns='urn:xmpp:ping'/></iq>", stanza.ServiceUnavailable},
		{"set", &Extension{}, "<iq type='set' id='1' from='romeo@montague.lit/home'><ping xmlns='urn:xmpp:ping'/></iq>", stanza.ServiceUnavailable},
		{"another namespace", &Extension{}, "<iq type='get' id='1' from='romeo@montague.lit/home'><ping xmlns='urn:x'/></iq>", stanza.ServiceUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := new(host)
			if err := tt.ext.Attach(h); err != nil {
				t.Fatal(err)
			}
			st, err := stanza.Parse(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.mux.HandleXMPP(t.Context(), h, st); err != nil {
				t.Fatal(err)
			}
			if len(h.sent) != 1 {
				t.Fatalf("%d replies", len(h.sent))
			}
			r := h.sent[0]
			if r.ID != "1" || r.To != romeo || tt.want == nil && (r.Type != stanza.TypeResult || !r.IsEmpty()) || !errors.Is(r.Err(), tt.want) {
				t.Errorf("reply %s, want %v", r, tt.want)
			}
		})
	}
}
