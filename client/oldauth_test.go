package client_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

const (
	noVersion = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='shakespeare.lit' id='3EE948B0'>"
	get       = "<iq type='get' id='$get'><query xmlns='jabber:iq:auth'><username>bill</username></query></iq>"
	allFields = "<iq type='result' id='$get'><query xmlns='jabber:iq:auth'><username/><password/><digest/><resource/></query></iq>"
	digest    = "<iq type='set' id='$set'><query xmlns='jabber:iq:auth'><username>bill</username>" +
		"<digest>48fc78be9ec8f86d8ce1c39c320c97c21d62334d</digest><resource>globe</resource></query></iq>"
	shown = "<iq type='set' id='$set'><query xmlns='jabber:iq:auth'><username>bill</username><password>Calli0pe</password><resource>globe</resource></query></iq>"
	good  = "<iq type='result' id='$set'/>"
)

// attempt lets a client connect once to a server that plays a script, and returns
// what came of it; nil if it has a session.
func attempt(t *testing.T, change func(*client.Config), script func(p *xmpptest.Peer)) (jid.JID, error) {
	t.Helper()
	near, far := net.Pipe()
	p := xmpptest.NewPeer(t, far)
	script(p)
	cfg := client.Config{JID: jid.MustParse("bill@shakespeare.lit/globe"), Password: "Calli0pe",
		OldAuth: true, AllowPlaintext: true, NoPresence: true,
		Dial: func(context.Context) (stream.Transport, error) {
			if near == nil {
				return nil, errors.New("once is enough")
			}
			tr := stream.NewTransport(near)
			near = nil
			return tr, nil
		},
		Backoff: func(int) time.Duration { return time.Hour }}
	cfg.DrainTimeout = time.Second
	if change != nil {
		change(&cfg)
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	ready := make(chan error, 1)
	go func() { ready <- c.WaitReady(ctx) }()
	select {
	case err = <-done:
		cancel()
		<-ready
		return jid.JID{}, err
	case err = <-ready:
	}
	addr := c.LocalAddr()
	cancel()
	<-done
	return addr, err
}

// TestOldLogin: what the client says to servers of before RFC 3920.
func TestOldLogin(t *testing.T) {
	refused := func(answer string) func(p *xmpptest.Peer) {
		return func(p *xmpptest.Peer) {
			p.Expect("<stream:stream to='shakespeare.lit' version='1.0'>")
			p.Send(noVersion)
			p.Expect(get)
			p.Send(allFields)
			p.Expect(digest)
			p.Send(answer)
			p.ExpectEnd()
		}
	}
	end := func(p *xmpptest.Peer) {
		p.ExpectEnd()
		p.Send("</stream:stream>")
	}
	for _, tt := range []struct {
		name   string
		change func(*client.Config)
		script func(p *xmpptest.Peer)
		want   string // part of the error, "" for a session
		is     error
	}{
		{"IM-2-3 IM-B-3 IM-B-4 by digest", nil, func(p *xmpptest.Peer) {
			p.Expect("<stream:stream to='shakespeare.lit' version='1.0'>")
			p.Send(noVersion)
			p.Expect(get)
			p.Send(allFields)
			p.Expect(digest)
			p.Send(good)
			end(p)
		}, "", nil},
		{"no version of its own either", func(c *client.Config) { c.OldStream = true }, func(p *xmpptest.Peer) {
			p.Expect("<stream:stream to='shakespeare.lit' version='!'>")
			p.Send(noVersion)
			p.Expect(get)
			p.Send(allFields)
			p.Expect(digest)
			p.Send(good)
			end(p)
		}, "", nil},
		{"IM-B-1 get is not used by the server", nil, func(p *xmpptest.Peer) {
			p.Expect("<stream:stream>")
			p.Send(noVersion)
			p.Expect(get)
			p.Send("<iq type='error' id='$get'><error code='501'>Not Implemented</error></iq>")
			p.Expect(digest)
			p.Send(good)
			end(p)
		}, "", nil},
		{"the password where no digest is taken", nil, func(p *xmpptest.Peer) {
			p.Expect("<stream:stream>")
			p.Send(noVersion)
			p.Expect(get)
			p.Send("<iq type='result' id='$get'><query xmlns='jabber:iq:auth'><username/><password/><resource/></query></iq>")
			p.Expect(shown)
			p.Send(good)
			end(p)
		}, "", nil},
		{"but not if it must not be shown", func(c *client.Config) { c.SASL.Refuse = []string{sasl.Plain} }, func(p *xmpptest.Peer) {
			p.Expect("<stream:stream>")
			p.Send(noVersion)
			p.Expect(get)
			p.Send("<iq type='result' id='$get'><query xmlns='jabber:iq:auth'><username/><password/><resource/></query></iq>")
			p.ExpectEnd()
		}, "takes no digest", nil},
		{"not without TLS", func(c *client.Config) { c.AllowPlaintext = false }, func(p *xmpptest.Peer) {
			p.Expect("<stream:stream>")
			p.Send(noVersion)
			p.ExpectEnd()
		}, "refused without TLS", nil},
		{"not without being asked for", func(c *client.Config) { c.OldAuth = false }, func(p *xmpptest.Peer) {
			p.Expect("<stream:stream>")
			p.Send(noVersion)
			p.ExpectEnd()
		}, "the peer's stream has no version", nil},
		{"not with a token only", func(c *client.Config) {
			c.Password, c.SASL.Token = "", "token"
		}, func(p *xmpptest.Peer) {
			p.Expect("<stream:stream>")
			p.Send(noVersion)
			p.ExpectEnd()
		}, "needs the user name and the password", nil},
		{"SASL is preferred", nil, func(p *xmpptest.Peer) {
			p.Expect("<stream:stream>")
			p.Send(strings.Replace(noVersion, "id=", "version='1.0' id=", 1) + "<stream:features><auth xmlns='http://jabber.org/features/iq-auth'/>" +
				"<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>")
			p.Expect("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>")
			p.Send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>")
			p.ExpectEnd()
		}, "not-authorized", sasl.NotAuthorized},
		{"XEP-0078 section 4: the feature", nil, func(p *xmpptest.Peer) {
			p.Expect("<stream:stream>")
			p.Send(strings.Replace(noVersion, "id=", "version='1.0' id=", 1) + "<stream:features><auth xmlns='http://jabber.org/features/iq-auth'/></stream:features>")
			p.Expect(get)
			p.Send(allFields)
			p.Expect(digest)
			p.Send(good)
			end(p)
		}, "", nil},
		{"service-unavailable is heard from a server of today", nil, func(p *xmpptest.Peer) {
			p.Expect("<stream:stream>")
			p.Send(strings.Replace(noVersion, "id=", "version='1.0' id=", 1) + "<stream:features><auth xmlns='http://jabber.org/features/iq-auth'/></stream:features>")
			p.Expect(get)
			p.Send("<iq type='error' id='$get'><error code='503'/></iq>")
			p.ExpectEnd()
		}, "service-unavailable", stanza.ServiceUnavailable},
		{"GUIDE-9-auth-4 Wrong Password", nil, refused("<iq type='error' id='$set'> <error code='400'>Wrong Password</error> </iq>"), "Wrong Password", stanza.BadRequest},
		{"IM-B-5 Unauthorized", nil, refused("<iq type='error' from='shakespeare.lit' id='$set'><query xmlns='jabber:iq:auth'><username>bill</username>" +
			"<digest>x</digest><resource>globe</resource></query><error code='401'>Unauthorized</error></iq>"), "Unauthorized", stanza.NotAuthorized},
		{"XEP0078-5-1 conflict", nil, refused("<iq type='error' id='$set'><error code='409' type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"), "conflict", stanza.Conflict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr, err := attempt(t, tt.change, tt.script)
			if tt.want == "" {
				if err != nil || addr.String() != "bill@shakespeare.lit/globe" {
					t.Errorf("session of %s, %v", addr, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestOldLoginHere: our client and our server, in the manner of 2001, beside a
// session of today.
func TestOldLoginHere(t *testing.T) {
	for _, tt := range []struct {
		name      string
		passwords bool // the server takes digests
		old       func(*client.Config)
	}{
		{"IM-2-3 digest", true, func(c *client.Config) { c.OldAuth, c.OldStream = true, true }},
		{"password", false, func(c *client.Config) { c.OldAuth, c.OldStream = true, true }},
		{"IM-3-1 IM-3-2 a resource after the old SASL", false, func(c *client.Config) { c.OldSASL, c.OldStream = true, true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := xmpptest.NewServer(t, func(c *server.Config) { c.OldStreams = true })
			s.Accounts.Passwords = tt.passwords
			got := make(chan *stanza.Message, 10)
			keep := new(xmpp.Mux)
			keep.OnMessage(func(_ context.Context, _ xmpp.Sender, m *stanza.Message) error {
				got <- m
				return nil
			})
			echo := new(xmpp.Mux)
			echo.OnMessage(func(ctx context.Context, s xmpp.Sender, m *stanza.Message) error {
				return xmpp.Send(ctx, s, m.Reply("you said "+m.Body))
			})
			cfg := s.ClientConfig("juliet", echo) // no resource: the client makes one
			tt.old(&cfg)
			old := s.Start(cfg)
			if r := old.LocalAddr(); r.Bare() != cfg.JID || r.Resource() == "" {
				t.Errorf("session of %s", r)
			}
			today := s.Client("romeo/orchard", keep)
			if err := xmpp.Send(t.Context(), today, &stanza.Message{To: old.LocalAddr(), Body: "hi"}); err != nil {
				t.Fatal(err)
			}
			if m := <-got; m.Body != "you said hi" || m.From != old.LocalAddr() {
				t.Errorf("got %+v", m)
			}
			if _, err := roster.Get(t.Context(), old); err != nil {
				t.Error(err)
			}
			// An error of the server, in the old form, is the same error.
			_, err := xmpp.Call[*stanza.Error](t.Context(), old, stanza.TypeGet, jid.MustParse("nowhere.example"), stanza.Raw("<q xmlns='urn:q'/>"))
			if !errors.Is(err, stanza.RemoteServerNotFound) {
				t.Errorf("got %v", err)
			}
			if err := presence.Available(t.Context(), old, stanza.ShowAway, "", 0); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("IM-B-5 a wrong password", func(t *testing.T) {
		s := xmpptest.NewServer(t, func(c *server.Config) { c.OldStreams = true })
		cfg := s.ClientConfig("juliet/x", nil)
		cfg.OldAuth, cfg.OldStream, cfg.Password = true, true, "wrong"
		c, err := client.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Run(t.Context()); !errors.Is(err, stanza.NotAuthorized) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a server that has proven itself by SCRAM is not shown less", func(t *testing.T) {
		s := xmpptest.NewServer(t, func(c *server.Config) { c.OldStreams = true })
		cfg := s.ClientConfig("juliet/x", nil)
		cfg.OldAuth = true
		dial, n := cfg.Dial, 0
		cfg.Dial = func(ctx context.Context) (stream.Transport, error) {
			n++
			if n == 1 {
				return dial(ctx)
			}
			near, far := net.Pipe()
			p := xmpptest.NewPeer(t, far)
			p.Expect("<stream:stream>")
			p.Send("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='example.org' id='1'>")
			p.ExpectEnd()
			return stream.NewTransport(near), nil
		}
		cfg.AllowPlaintext = true
		cfg.Backoff = func(int) time.Duration { return time.Millisecond }
		c, err := client.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- c.Run(t.Context()) }()
		if err := c.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err == nil || !strings.Contains(err.Error(), "has proven itself by SCRAM") {
			t.Errorf("got %v", err)
		}
	})
	for _, cfg := range []client.Config{
		{JID: jid.MustParse("a@b"), Password: "p", OldStream: true},                                     // no way to log in
		{JID: jid.MustParse("b"), SASL: sasl.ClientConfig{Username: "a", Password: "p"}, OldAuth: true}, // nor an address
	} {
		if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), "Config.Old") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
