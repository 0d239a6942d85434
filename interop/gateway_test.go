//go:build interop

package interop

import (
	"context"
	"errors"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/gateway"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/interop/internal/peer"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/stanza"
)

// TestGateway runs the gateway of examples/gateway, as the program that it is, on every
// server: XEP0100-1, XEP0100-2, XEP0100-3.
func TestGateway(t *testing.T) {
	data := t.TempDir() // ours would forget the roster when it is restarted
	for _, tt := range []struct {
		name  string
		start func(testing.TB) *peer.Server
	}{
		{"Prosody", peer.Prosody{Components: components}.Start},
		{"ejabberd", peer.Ejabberd{Components: components}.Start},
		{"Etherx", peer.Etherx{Root: "..", Components: components, Data: data}.Start},
	} {
		t.Run(tt.name, func(t *testing.T) { testGateway(t, tt.start(t)) })
	}
}

// watched is one of our clients, with the presence that comes from a domain.
type watched struct {
	*running
	t        *testing.T
	presence chan string
}

func watch(t *testing.T, r *running, domain string) *watched {
	w := &watched{running: r, t: t, presence: make(chan string, 1000)}
	r.Mux().OnPresence(func(_ context.Context, _ xmpp.Sender, p *stanza.Presence) error {
		if p.From.Domain() == domain {
			w.presence <- p.From.String() + " " + string(p.Type) + string(p.Show)
		}
		return nil
	})
	return w
}

// sees waits until something comes, and passes over what is before.
func (w *watched) sees(want string) {
	w.t.Helper()
	for got := ""; got != want; {
		got = waitFor(w.t, want, w.presence)
	}
}

// forgets passes over what has come.
func (w *watched) forgets() {
	for {
		select {
		case <-w.presence:
		default:
			return
		}
	}
}

func (w *watched) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func testGateway(t *testing.T, s *peer.Server) {
	const domain = "gw.localhost"
	g := peer.Gateway{Root: "..", Domain: domain, Secret: components[domain],
		Numbers: []string{"1234567:juliet", "7654321:romeo"}}.Start(t, s)
	account := newAccount(t, s)
	juliet := watch(t, run(t, s, config(t, s, account, false)), domain)
	juliet.session(t)
	romeo := g.Enter(t, "7654321", "romeo")
	ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
	defer cancel()
	gw := jid.MustParse(domain)

	// Register.
	fields := func(password string) []register.Field {
		return []register.Field{{Name: "username", Value: "1234567"}, {Name: "password", Value: password}}
	}
	err := register.Register(ctx, juliet, gw, fields("wrong")...)
	for !errors.Is(err, stanza.NotAcceptable) { // the gateway may not be there yet
		if ctx.Err() != nil {
			t.Fatalf("a wrong password: %v", err)
		}
		err = register.Register(ctx, juliet, gw, fields("wrong")...)
	}
	if info, err := disco.GetInfo(ctx, juliet, gw, ""); err != nil || !info.Is("gateway", "chat") {
		t.Errorf("it is %+v, %v", info, err)
	}
	juliet.must(register.Register(ctx, juliet, gw, fields("juliet")...))
	juliet.sees("gw.localhost subscribe")
	juliet.must(presence.Approve(ctx, juliet, gw))
	juliet.must(presence.Subscribe(ctx, juliet, gw, ""))
	juliet.sees("gw.localhost ") // Prosody does not tell her that she is subscribed

	// Become contacts.
	romeoAt, err := gateway.Translate(ctx, juliet, gw, "765-4321")
	juliet.must(err)
	juliet.must(presence.Subscribe(ctx, juliet, romeoAt, "It is I."))
	romeo.Expect(t, "* ASK 1234567 It is I.")
	romeo.Say(t, "ALLOW 1234567")
	juliet.sees("7654321@gw.localhost ")
	romeo.Say(t, "ADD 1234567 And I.")
	juliet.sees("7654321@gw.localhost subscribe")
	juliet.must(presence.Approve(ctx, juliet, romeoAt))
	romeo.Expect(t, "* ALLOWED 1234567")

	// Presence and messages.
	juliet.must(presence.Available(ctx, juliet, stanza.ShowAway, "On the balcony", 0))
	romeo.Expect(t, "* STATUS 1234567 away On the balcony")
	romeo.Say(t, "STATUS busy")
	juliet.sees("7654321@gw.localhost dnd")
	talk := func() {
		t.Helper()
		juliet.send(t, romeoAt.String(), "Wherefore\nart thou?")
		romeo.Expect(t, `* MESSAGE 1234567 Wherefore\nart thou?`)
		romeo.Say(t, "SEND 1234567 I take thee at thy word.")
		if m := waitFor(t, "message", juliet.messages); m.From != romeoAt || m.Body != "I take thee at thy word." {
			t.Errorf("arrived as %+v", m)
		}
	}
	talk()
	juliet.send(t, "5550100@gw.localhost", "Nurse?")
	if m := waitFor(t, "error", juliet.messages); m.Error == nil || m.Error.Condition != stanza.ItemNotFound {
		t.Errorf("a number that is not there: %+v", m)
	}

	// The server goes, and the gateway logs her in again when it is back.
	s.Restart(t)
	romeo.Expect(t, "* STATUS 1234567 offline")
	juliet.session(t)
	romeo.Expect(t, "* STATUS 1234567 online")
	juliet.sees("7654321@gw.localhost dnd")
	talk()

	// The gateway is killed, and knows her when it is back.
	juliet.forgets()
	g.Restart(t)
	juliet.sees("gw.localhost ")
	romeo = g.Enter(t, "7654321", "romeo")
	talk()

	// Unregister.
	juliet.must(register.Remove(ctx, juliet, gw))
	juliet.sees("gw.localhost unavailable")
	juliet.send(t, romeoAt.String(), "Romeo?")
	if m := waitFor(t, "error", juliet.messages); m.Error == nil || m.Error.Condition != stanza.RegistrationRequired {
		t.Errorf("without a registration: %+v", m)
	}
}
