//go:build interop

package interop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/component"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/interop/internal/peer"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// The components that every server here lets in.
var components = peer.Components{"gw.localhost": "s3cret & <more>", "py.localhost": "other"}

// componentServers are the servers that components are run on.
var componentServers = []struct {
	name  string
	start func(testing.TB) *peer.Server
	// away is what is answered for a component that is not there.
	away string
	// unknown is how one that is not known is refused.
	unknown stream.Condition
}{
	{"Prosody", peer.Prosody{Components: components}.Start, "remote-server-timeout", stream.HostUnknown},
	// It takes the domain for that of another server, and refuses who says nothing
	// but a wrong handshake.
	{"ejabberd", peer.Ejabberd{Components: components}.Start, "forbidden", stream.NotAuthorized},
	{"Etherx", peer.Etherx{Root: "..", Components: components}.Start, "remote-server-timeout", stream.HostUnknown},
}

// ourComponent returns the settings of one that echoes what begins with "echo ".
func ourComponent(t testing.TB, s *peer.Server) component.Config {
	mux := new(xmpp.Mux)
	mux.OnMessage(func(ctx context.Context, s xmpp.Sender, m *stanza.Message) error {
		if len(m.Body) > 5 && m.Body[:5] == "echo " {
			return xmpp.Send(ctx, s, m.Reply(m.Body[5:]))
		}
		return nil
	})
	return component.Config{
		Domain: jid.MustParse("gw.localhost"), Secret: components["gw.localhost"], Addr: s.ComponentAddr["gw.localhost"], Handler: mux,
		Server:     jid.MustParse(s.Domain),
		Extensions: []xmpp.Extension{&disco.Extension{Identities: []disco.Identity{{Category: "gateway", Type: "sms"}}}},
		Backoff:    func(int) time.Duration { return 50 * time.Millisecond },
		Log:        slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// runComponent runs one of ours, until the test ends, and waits until it is connected.
func runComponent(t *testing.T, cfg component.Config) *component.Component {
	t.Helper()
	c, err := component.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	ready, cancelReady := context.WithTimeout(t.Context(), limit)
	defer cancelReady()
	if err := c.WaitReady(ready); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestComponents runs our component, and that of slixmpp, on every server.
func TestComponents(t *testing.T) {
	t.Parallel()
	for _, tt := range componentServers {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.start(t)
			t.Run("away", func(t *testing.T) { testComponentAway(t, s, tt.away) })
			t.Run("CORE-2.4-1 XEP0114-1 XEP0114-2 ours", func(t *testing.T) { testOurComponent(t, s) })
			t.Run("XEP0114-1 XEP0114-2 XEP0114-4 slixmpp", func(t *testing.T) { testSlixmppComponent(t, s) })
			t.Run("CORE-2.4-1 both", func(t *testing.T) { testBothComponents(t, s) })
			t.Run("XEP0114-2 XEP0114-3 refused", func(t *testing.T) { testComponentRefused(t, s, tt.unknown) })
			t.Run("the server is killed", func(t *testing.T) { testComponentReconnects(t, s) })
		})
	}
}

func testComponentAway(t *testing.T, s *peer.Server, condition string) {
	j := peer.Slixmpp{Account: newAccount(t, s)}.Start(t, s)
	j.Session(t)
	j.Send(t, "1234567@gw.localhost", "Is anybody there?")
	if e := j.Expect(t, "message_error"); e.From != "1234567@gw.localhost" || e.Condition != condition {
		t.Errorf("got %+v, want condition %s", e, condition)
	}
}

func testOurComponent(t *testing.T, s *peer.Server) {
	c := runComponent(t, ourComponent(t, s))
	juliet := newAccount(t, s)
	j := peer.Slixmpp{Account: juliet}.Start(t, s)
	julietJID := j.Session(t)
	for i, from := range []string{"gw.localhost", "1234567@gw.localhost", "1234567@gw.localhost/phone"} {
		body := fmt.Sprintf("line %d: <žluťoučký> & 'all' 𝄞", i)
		j.Send(t, from, "echo "+body)
		if e := j.ExpectMessage(t, body); e.From != from || e.To != julietJID {
			t.Errorf("the answer arrived as %+v", e)
		}
		if answer := j.Ping(t, from); answer.Condition != "" || answer.From != from {
			t.Errorf("%s answered %+v", from, answer)
		}
	}
	msg := &stanza.Message{From: jid.MustParse("9@gw.localhost"), To: jid.MustParse(juliet.JID()), Type: stanza.TypeChat, Body: "unasked"}
	if err := xmpp.Send(t.Context(), c, msg); err != nil {
		t.Fatal(err)
	}
	if e := j.ExpectMessage(t, "unasked"); e.From != "9@gw.localhost" {
		t.Errorf("arrived as %+v", e)
	}
	if err := ping.Ping(t.Context(), c, jid.MustParse(s.Domain)); err != nil {
		t.Errorf("ping of the server: %v", err)
	}
	j.Greet(t, "gw.localhost")
	if err := ping.Ping(t.Context(), c, jid.MustParse(julietJID)); err != nil {
		t.Errorf("ping of a client: %v", err)
	}
	// As the component does that is not told the server's name, to see whether the
	// connection is alive.
	if err := ping.Ping(t.Context(), c, c.LocalAddr()); err != nil {
		t.Errorf("ping of itself: %v", err)
	}
	// The server lists it, and it says what it is.
	ours := run(t, s, config(t, s, newAccount(t, s), false))
	ours.session(t)
	items, err := disco.GetItems(t.Context(), ours, jid.MustParse(s.Domain), "")
	listed := false
	for _, it := range items {
		listed = listed || it.JID == c.LocalAddr()
	}
	if err != nil || !listed {
		t.Errorf("the server lists %+v, %v", items, err)
	}
	if info, err := disco.GetInfo(t.Context(), ours, c.LocalAddr(), ""); err != nil || !info.Is("gateway", "sms") {
		t.Errorf("it is %+v, %v", info, err)
	}
}

func testSlixmppComponent(t *testing.T, s *peer.Server) {
	c := peer.SlixmppComponent{Domain: "py.localhost", Secret: components["py.localhost"]}.Start(t, s)
	if name := c.Session(t); name != "py.localhost" {
		t.Errorf("session of %s", name)
	}
	juliet := newAccount(t, s)
	ours := run(t, s, config(t, s, juliet, false))
	addr := ours.session(t)
	for i, from := range []string{"py.localhost", "1234567@py.localhost", "1234567@py.localhost/phone"} {
		body := fmt.Sprintf("line %d: <žluťoučký> & 'all' 𝄞", i)
		if err := xmpp.Send(t.Context(), ours, &stanza.Message{To: jid.MustParse(from), Type: stanza.TypeChat, Body: "echo " + body}); err != nil {
			t.Fatal(err)
		}
		if e := c.ExpectMessage(t, "echo "+body); e.From != addr.String() || e.To != from || e.Type != "chat" {
			t.Errorf("arrived as %+v", e)
		}
		if m := waitFor(t, "answer", ours.messages); m.From.String() != from || m.Body != body {
			t.Errorf("the answer arrived as %+v", m)
		}
	}
	c.SendFrom(t, "9@py.localhost/x", juliet.JID(), "unasked")
	if m := waitFor(t, "message", ours.messages); m.From.String() != "9@py.localhost/x" || m.Body != "unasked" {
		t.Errorf("arrived as %+v", m)
	}
	if err := ping.Ping(t.Context(), ours, jid.MustParse("py.localhost")); err != nil {
		t.Errorf("ping: %v", err)
	}
	if answer := c.IQFrom(t, "9@py.localhost", s.Domain, "get", "urn:xmpp:ping", "ping"); answer.Condition != "" || answer.To != "9@py.localhost" {
		t.Errorf("ping of the server: %+v", answer)
	}
	if answer := c.IQFrom(t, "py.localhost", "nobody@"+s.Domain, "get", "jabber:iq:version", "query"); answer.Condition != "service-unavailable" {
		t.Errorf("an account that is not there: %+v", answer)
	}
	c.SendFrom(t, "9@py.localhost", "nobody@"+s.Domain, "lost")
	if e := c.Expect(t, "message_error"); e.Condition != "service-unavailable" {
		t.Errorf("to nobody: %+v", e)
	}
	c.Disconnect(t)
	c.Expect(t, "disconnected")
}

// testBothComponents: two components of one server write to each other.
func testBothComponents(t *testing.T, s *peer.Server) {
	c := peer.SlixmppComponent{Domain: "py.localhost", Secret: components["py.localhost"]}.Start(t, s)
	c.Session(t)
	ours := runComponent(t, ourComponent(t, s))
	c.SendFrom(t, "a@py.localhost", "b@gw.localhost", "echo there and back")
	if e := c.ExpectMessage(t, "there and back"); e.From != "b@gw.localhost" || e.To != "a@py.localhost" {
		t.Errorf("arrived as %+v", e)
	}
	if err := ping.Ping(t.Context(), ours, jid.MustParse("py.localhost")); err != nil {
		t.Error(err)
	}
}

func testComponentRefused(t *testing.T, s *peer.Server, unknown stream.Condition) {
	for _, tt := range []struct {
		name, domain, secret string
		want                 stream.Condition
	}{
		{"a wrong secret", "gw.localhost", "guess", stream.NotAuthorized},
		{"an unknown name", "no.localhost", "s3cret", unknown},
	} {
		cfg := ourComponent(t, s)
		cfg.Domain, cfg.Secret = jid.MustParse(tt.domain), tt.secret
		c, err := component.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		if err := c.Run(ctx); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
	bad := peer.SlixmppComponent{Domain: "py.localhost", Secret: "guess"}.Start(t, s)
	if e := bad.Expect(t, "stream_error"); e.Condition != "not-authorized" {
		t.Errorf("slixmpp with a wrong secret: %+v", e)
	}
	bad.Disconnect(t)
}

// testComponentReconnects: when the server is there again, so is the component.
func testComponentReconnects(t *testing.T, s *peer.Server) {
	c := runComponent(t, ourComponent(t, s))
	s.Kill(t)
	s.Restart(t)
	client := peer.Slixmpp{Account: newAccount(t, s)}.Start(t, s)
	client.Session(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := c.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	client.Send(t, "1@gw.localhost", "echo again")
	client.ExpectMessage(t, "again")
}
