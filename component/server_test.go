package component_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/component"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

var (
	gateway = jid.MustParse("gw.example.org")
	sms     = jid.MustParse("1234567@gw.example.org")
)

// newServer makes a server that knows the component.
func newServer(t *testing.T, change ...func(*server.Components)) *xmpptest.Server {
	cs := &server.Components{Known: map[string]server.Component{"gw.example.org": {Secret: "s3cret", Name: "Messages"}}}
	for _, fn := range change {
		fn(cs)
	}
	return xmpptest.NewServer(t, func(c *server.Config) { c.Components = cs })
}

// config returns the settings of a component that connects to s.
func config(s *xmpptest.Server, h xmpp.Handler) component.Config {
	return component.Config{
		Domain: gateway, Secret: "s3cret", Handler: h, Dial: dial(s),
		Server: jid.MustParse("example.org"),
	}
}

// dial connects to the server in memory.
func dial(s *xmpptest.Server) func(context.Context) (stream.Transport, error) {
	return func(ctx context.Context) (stream.Transport, error) {
		a, b := stream.Pipe()
		go s.ServeComponentConn(context.WithoutCancel(ctx), b)
		return a, nil
	}
}

// run runs a component until the test ends.
func run(t *testing.T, cfg component.Config) *component.Component {
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
	if err := c.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// inbox is a handler that keeps the messages.
func inbox() (*xmpp.Mux, <-chan *stanza.Message) {
	mux, in := new(xmpp.Mux), make(chan *stanza.Message, 100)
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) error {
		in <- msg
		return nil
	})
	return mux, in
}

// echo answers every message.
func echo() *xmpp.Mux {
	mux := new(xmpp.Mux)
	mux.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
		return xmpp.Send(ctx, s, msg.Reply("you said "+msg.Body))
	})
	return mux
}

// TestMessages: what is sent to an address of the component gets there, and what it
// answers comes from there.
func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		c := run(t, config(s, echo()))
		mux, in := inbox()
		juliet := s.Client("juliet", mux)
		for _, to := range []string{"gw.example.org", "1234567@gw.example.org", "a@gw.example.org/b", "gw.example.org/x"} {
			addr := jid.MustParse(to)
			if err := xmpp.Send(t.Context(), juliet, &stanza.Message{To: addr, Type: stanza.TypeChat, Body: "hello"}); err != nil {
				t.Fatal(err)
			}
			if msg := <-in; msg.From != addr || msg.Body != "you said hello" || msg.To != juliet.LocalAddr() {
				t.Errorf("%s: got %+v", to, msg)
			}
		}
		if err := xmpp.Send(t.Context(), c, &stanza.Message{To: juliet.LocalAddr(), From: sms, Body: "unasked"}); err != nil {
			t.Fatal(err)
		}
		if msg := <-in; msg.From != sms || msg.Body != "unasked" {
			t.Errorf("got %+v", msg)
		}
	})
}

// TestRequests asks in both directions, from and to addresses of the component.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		c := run(t, config(s, nil))
		juliet := s.Client("juliet", nil)
		if err := ping.Ping(t.Context(), juliet, sms); err != nil {
			t.Errorf("the component was asked: %v", err)
		}
		if err := ping.Ping(t.Context(), c, juliet.LocalAddr()); err != nil {
			t.Errorf("the component asks: %v", err)
		}
		if err := ping.Ping(t.Context(), c, jid.JID{}); err != nil {
			t.Errorf("the component asks the server: %v", err)
		}
		iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, From: sms, To: juliet.LocalAddr()}, ping.Payload{})
		if err != nil {
			t.Fatal(err)
		}
		if reply, err := c.Do(t.Context(), iq); err != nil || reply.To != sms {
			t.Errorf("from another address: %v, %v", reply, err)
		}
	})
}

// TestRefused: what is wrong with the settings ends Run at once.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*component.Config)
		want   error
	}{
		{"XEP0114-2 wrong secret", func(c *component.Config) { c.Secret = "guess" }, stream.NotAuthorized},
		{"XEP0114-3 unknown name", func(c *component.Config) { c.Domain = jid.MustParse("other.example.org") }, stream.HostUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config(newServer(t), nil)
				tt.change(&cfg)
				c, err := component.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				err = c.Run(t.Context())
				if e, ok := errors.AsType[*component.ConnectError](err); !ok || !errors.Is(err, tt.want) {
					t.Errorf("got %v (%v), want %v", err, e, tt.want)
				}
			})
		})
	}
}

// TestAway: what is for a component that is not there is answered.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		juliet := s.Client("juliet", nil)
		if err := ping.Ping(t.Context(), juliet, gateway); !errors.Is(err, stanza.RemoteServerTimeout) {
			t.Errorf("before: %v", err)
		}
		c, err := component.New(config(s, nil))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- c.Run(context.Background()) }()
		if err := c.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := ping.Ping(t.Context(), juliet, gateway); err != nil {
			t.Errorf("while it is there: %v", err)
		}
		c.Close()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		synctest.Wait()
		if err := ping.Ping(t.Context(), juliet, gateway); !errors.Is(err, stanza.RemoteServerTimeout) {
			t.Errorf("after: %v", err)
		}
		if err := ping.Ping(t.Context(), c, juliet.LocalAddr()); !errors.Is(err, xmpp.ErrClosed) {
			t.Errorf("the component asks: %v", err)
		}
	})
}

var _ = client.Config{}
var _ = time.Second
