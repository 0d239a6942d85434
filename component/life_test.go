package component_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/component"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

// wire connects to the server and keeps the connections.
type wire struct {
	s      *xmpptest.Server
	faults func(n int) []xmpptest.Fault // of the nth connection, as the component sees it

	mu    sync.Mutex
	conns []*xmpptest.FaultConn
}

func (w *wire) dial(ctx context.Context) (stream.Transport, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, b := net.Pipe()
	go w.s.ServeComponentConn(context.WithoutCancel(ctx), b)
	var faults []xmpptest.Fault
	if w.faults != nil {
		faults = w.faults(len(w.conns))
	}
	w.conns = append(w.conns, xmpptest.NewFaultConn(a, faults...))
	return stream.NewTransport(w.conns[len(w.conns)-1]), nil
}

func (w *wire) last() *xmpptest.FaultConn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conns[len(w.conns)-1]
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.conns)
}

// TestReconnect: a connection that is lost is made anew, OnUp and OnDown are told,
// and what was queued is sent.
func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		w := &wire{s: s}
		mux, in := inbox()
		juliet := s.Client("juliet", mux)
		var ups atomic.Int32
		down := make(chan error, 10)
		cfg := config(s, nil)
		cfg.Dial = w.dial
		cfg.OnUp = func(context.Context, xmpp.Sender) { ups.Add(1) }
		cfg.OnDown = func(_ xmpp.Sender, reason error) { down <- reason }
		c := run(t, cfg)
		for i := range 3 {
			w.last().Cut()
			if err := <-down; err == nil || errors.Is(err, xmpp.ErrClosed) {
				t.Errorf("the session ended with %v", err)
			}
			if err := xmpp.Send(t.Context(), c, &stanza.Message{To: juliet.LocalAddr(), Body: "x"}); !errors.Is(err, xmpp.ErrNotConnected) {
				t.Errorf("without a session: %v", err)
			}
			if err := c.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := xmpp.Send(t.Context(), c, &stanza.Message{To: juliet.LocalAddr(), Body: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
			if msg := <-in; msg.Body != fmt.Sprint(i) {
				t.Errorf("got %q", msg.Body)
			}
		}
		synctest.Wait()
		if ups.Load() != 4 || w.count() != 4 {
			t.Errorf("%d sessions, %d connections", ups.Load(), w.count())
		}
	})
}

// TestUnsent: what was queued, and not written when the connection broke, is the first
// in the next session, but for requests, which have failed.
func TestUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		w := &wire{s: s}
		mux, in := inbox()
		juliet := s.Client("juliet", mux)
		var stalled atomic.Int64
		w.faults = func(n int) []xmpptest.Fault {
			if n == 0 {
				return []xmpptest.Fault{xmpptest.StallWriteAfter(stalled.Load())}
			}
			return nil
		}
		stalled.Store(300) // after the handshake
		cfg := config(s, nil)
		cfg.Dial = w.dial
		c := run(t, cfg)
		for i := range 20 {
			if err := xmpp.Send(t.Context(), c, &stanza.Message{To: juliet.LocalAddr(), Body: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		asked := make(chan error)
		go func() { asked <- ping.Ping(t.Context(), c, juliet.LocalAddr()) }()
		synctest.Wait()
		w.last().Cut()
		if err := <-asked; !errors.Is(err, xmpp.ErrSessionLost) {
			t.Errorf("the request: %v", err)
		}
		seen := make(map[string]int)
		for range 20 {
			seen[(<-in).Body]++
		}
		synctest.Wait()
		if len(seen) != 20 || len(in) != 0 {
			t.Errorf("%d messages came, and %d again", len(seen), len(in))
		}
	})
}

// TestConflict: a name that is in use is tried again until it is free; who is thrown
// out for another does not come back.
func TestConflict(t *testing.T) {
	t.Run("XEP0114-3 the newer is refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t)
			first := run(t, config(s, nil))
			second, err := component.New(config(s, nil))
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { done <- second.Run(ctx) }()
			time.Sleep(time.Minute)
			if len(done) > 0 {
				t.Errorf("gave up: %v", <-done)
			}
			first.Close()
			if err := second.WaitReady(t.Context()); err != nil {
				t.Errorf("when the name was free: %v", err)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("the older is replaced", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, func(c *server.Components) { c.ReplaceOld = true })
			first, err := component.New(config(s, nil))
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- first.Run(t.Context()) }()
			if err := first.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			second := run(t, config(s, echo()))
			if err := <-done; !errors.Is(err, stream.Conflict) {
				t.Errorf("got %v", err)
			}
			if err := ping.Ping(t.Context(), s.Client("juliet", nil), second.LocalAddr()); err != nil {
				t.Error(err)
			}
		})
	})
}

// TestSlow: a component that does not read is disconnected; all that it has not taken
// is answered, and others do not wait for it.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, func(c *server.Components) { c.Stream = &stream.Config{MaxOutbox: 10_000} })
		w := &wire{s: s, faults: func(int) []xmpptest.Fault { return []xmpptest.Fault{xmpptest.StallReadAfter(1000)} }}
		cfg := config(s, nil)
		cfg.Dial = w.dial
		down := make(chan error, 100)
		cfg.OnDown = func(_ xmpp.Sender, reason error) { down <- reason }
		cfg.Backoff = func(int) time.Duration { return time.Hour }
		run(t, cfg)
		var refused atomic.Int32
		mux := new(xmpp.Mux)
		mux.OnError(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza, err *stanza.Error) error {
			if err.Condition != stanza.RemoteServerTimeout || st.From != sms {
				t.Errorf("got %s", st)
			}
			refused.Add(1)
			return nil
		})
		juliet := s.Client("juliet", mux)
		const n = 50
		for range n {
			msg := &stanza.Message{To: sms, Type: stanza.TypeChat, Body: strings.Repeat("x", 500)}
			if err := xmpp.Send(t.Context(), juliet, msg); err != nil {
				t.Fatal(err)
			}
		}
		<-down
		synctest.Wait()
		// Two or so were read, or were on their way.
		if got := refused.Load(); got < n-4 || got > n {
			t.Errorf("%d of %d are answered", got, n)
		}
		if len(s.Components()) != 0 {
			t.Error("it is still connected")
		}
	})
}

// TestShutdown: a server that shuts down lets clients go first, so that components
// hear of it, and components then.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		mux := new(xmpp.Mux)
		gone := make(chan *stanza.Presence, 1)
		mux.OnPresence(func(_ context.Context, _ xmpp.Sender, p *stanza.Presence) error {
			if p.Type == stanza.TypeUnavailable {
				gone <- p
			}
			return nil
		})
		cfg := config(s, mux)
		down := make(chan error, 1)
		cfg.OnDown = func(_ xmpp.Sender, reason error) { down <- reason }
		c := run(t, cfg)
		juliet := s.Client("juliet", nil)
		addr := juliet.LocalAddr()
		if err := xmpp.Send(t.Context(), juliet, &stanza.Presence{To: sms}); err != nil {
			t.Fatal(err)
		}
		if err := ping.Ping(t.Context(), c, addr); err != nil {
			t.Fatal(err)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if p := <-gone; p.From != addr || p.To != sms {
			t.Errorf("got %+v", p)
		}
		if err := <-down; !errors.Is(err, stream.SystemShutdown) {
			t.Errorf("the session ended with %v", err)
		}
	})
}

// cable is a connection that can be cut without anybody noticing: what is written
// goes nowhere, and nothing comes.
type cable struct {
	net.Conn
	cut atomic.Bool
}

func (c *cable) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.cut.Load() {
			return n, err
		}
	}
}

func (c *cable) Write(p []byte) (int, error) {
	if c.cut.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// TestGone: both sides notice that nothing comes any more; the server only from a
// component that has answered a ping before.
func TestGone(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server jid.JID
		silent bool // the component asks for no sign of life
	}{{"the component asks itself", jid.JID{}, false}, {"it asks the server", jid.MustParse("example.org"), false},
		{"the server asks", jid.JID{}, true}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, func(c *server.Components) {
					if !tt.silent {
						c.KeepAlive = -1
					}
				})
				first, dials := new(cable), 0
				down := make(chan error, 100)
				cfg := config(s, nil)
				cfg.Server = tt.server
				cfg.Dial = func(ctx context.Context) (stream.Transport, error) {
					if dials++; dials > 1 {
						return nil, errors.New("nobody is there")
					}
					a, b := net.Pipe()
					first.Conn = a
					go s.ServeComponentConn(context.WithoutCancel(ctx), b)
					return stream.NewTransport(first), nil
				}
				if tt.silent {
					cfg.KeepAlive = -1
				}
				cfg.OnDown = func(_ xmpp.Sender, reason error) { down <- reason }
				run(t, cfg)
				time.Sleep(10 * time.Minute)
				if len(down) > 0 {
					t.Fatalf("given up: %v", <-down)
				}
				first.cut.Store(true)
				begin := time.Now()
				err := <-down
				if lasted := time.Since(begin); lasted < 20*time.Second || lasted > 4*time.Minute {
					t.Errorf("after %v: %v", lasted, err)
				}
				if errors.Is(err, component.ErrUnresponsive) == tt.silent {
					t.Errorf("the session ended with %v", err)
				}
				synctest.Wait()
				if len(s.Components()) > 0 {
					t.Error("it is still connected")
				}
			})
		})
	}
}

// TestSilentComponent: one that answers nothing is not taken for dead.
func TestSilentComponent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		w := &wire{s: s}
		mux := new(xmpp.Mux)
		cfg := config(s, nil)
		cfg.Dial, cfg.KeepAlive = w.dial, -1
		cfg.Extensions = []xmpp.Extension{new(ping.Extension)}
		cfg.Handler = mux
		c := run(t, cfg)
		// What pings are answered with by a component that does not answer.
		mux.Handle(xmpp.Pattern{Kind: stanza.KindIQ, Types: []stanza.Type{stanza.TypeGet}, Payload: ping.Payload{}.XMLName()},
			xmpp.HandlerFunc(func(ctx context.Context, _ xmpp.Sender, _ *stanza.Stanza) error { return nil }))
		time.Sleep(time.Hour)
		if w.count() != 1 {
			t.Errorf("%d connections", w.count())
		}
		if err := ping.Ping(t.Context(), c, jid.MustParse("example.org")); err != nil {
			t.Errorf("after an hour: %v", err)
		}
	})
}

// pipes is a listener of in-memory connections.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case nc := <-p.conns:
		return nc, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context) (stream.Transport, error) {
	a, b := net.Pipe()
	select {
	case p.conns <- b:
		return stream.NewTransport(a), nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestConnect is the other direction: the server connects, and again when the
// connection is lost.
func TestConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		var mu sync.Mutex
		var last stream.Transport
		s := newServer(t, func(c *server.Components) {
			c.Known = map[string]server.Component{
				"gw.example.org":   {Secret: "s3cret", Addr: "gw.internal:5347"},
				"away.example.org": {Secret: "s3cret", Addr: "away.internal:5347"},
				"in.example.org":   {Secret: "s3cret"},
			}
			c.Dial = func(ctx context.Context, domain jid.JID, addr string) (stream.Transport, error) {
				if addr != "gw.internal:5347" || domain != gateway {
					return nil, errors.New("nobody is there")
				}
				tr, err := l.dial(ctx)
				mu.Lock()
				defer mu.Unlock()
				last = tr
				return tr, err
			}
		})
		connected := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { connected <- s.ConnectComponents(ctx) }()
		cfg := config(s, echo())
		cfg.Dial = nil
		c, err := component.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- c.Serve(t.Context(), l) }()
		mux, in := inbox()
		juliet := s.Client("juliet", mux)
		for i := range 3 {
			if err := c.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if err := xmpp.Send(t.Context(), juliet, &stanza.Message{To: sms, Type: stanza.TypeChat, Body: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
			if msg := <-in; msg.From != sms || msg.Body != fmt.Sprintf("you said %d", i) {
				t.Errorf("got %+v", msg)
			}
			if err := ping.Ping(t.Context(), c, juliet.LocalAddr()); err != nil {
				t.Error(err)
			}
			if i == 2 {
				break
			}
			mu.Lock()
			last.Close()
			mu.Unlock()
			synctest.Wait()
		}
		cancel()
		if err := <-connected; !errors.Is(err, context.Canceled) {
			t.Errorf("ConnectComponents: %v", err)
		}
		if err := ping.Ping(t.Context(), c, juliet.LocalAddr()); err != nil {
			t.Errorf("the connection is gone with ConnectComponents: %v", err)
		}
		c.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// TestConnectReplaces: a server that connects again takes the place of the connection
// that there is.
func TestConnectReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		cfg := component.Config{Domain: gateway, Secret: "s3cret"}
		down := make(chan error, 10)
		cfg.OnDown = func(_ xmpp.Sender, reason error) { down <- reason }
		c, err := component.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- c.Serve(t.Context(), l) }()
		for range 2 {
			s := newServer(t, func(c *server.Components) {
				c.Known = map[string]server.Component{"gw.example.org": {Secret: "s3cret", Addr: "gw"}}
				c.Dial = func(ctx context.Context, _ jid.JID, _ string) (stream.Transport, error) { return l.dial(ctx) }
				c.Backoff = func(int) time.Duration { return time.Hour }
			})
			go s.ConnectComponents(t.Context())
			synctest.Wait()
			if err := ping.Ping(t.Context(), s.Client("juliet", nil), sms); err != nil {
				t.Error(err)
			}
		}
		if err := <-down; !errors.Is(err, stream.Conflict) {
			t.Errorf("the first session ended with %v", err)
		}
		l.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
}

// TestTCP: components on real connections, with and without TLS, in both directions.
func TestTCP(t *testing.T) {
	crt, err := server.SelfSigned("localhost")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(crt.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(leaf)
	withTLS := &tls.Config{Certificates: []tls.Certificate{crt}}
	trusting := &tls.Config{RootCAs: roots, ServerName: "localhost"}
	for _, tt := range []struct {
		name         string
		tls, connect bool
	}{{"plaintext", false, false}, {"TLS", true, false}, {"plaintext, the server connects", false, true}, {"TLS, the server connects", true, true}} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			known := server.Component{Secret: "s3cret"}
			if tt.connect {
				known.Addr = l.Addr().String()
				if tt.tls {
					known.TLS = trusting
				}
			}
			s := newServer(t, func(c *server.Components) {
				c.Known = map[string]server.Component{"gw.example.org": known}
				c.TLS = withTLS
			})
			cfg := component.Config{Domain: gateway, Secret: "s3cret", Addr: l.Addr().String()}
			if tt.tls {
				cfg.TLS = trusting
				if tt.connect {
					cfg.TLS = withTLS
				}
			}
			c, err := component.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			defer wg.Wait()
			defer cancel()
			if tt.connect {
				wg.Go(func() { s.ConnectComponents(ctx) })
				wg.Go(func() { c.Serve(ctx, l) })
			} else {
				wg.Go(func() { s.ServeComponents(ctx, l) })
				wg.Go(func() { c.Run(ctx) })
			}
			if err := c.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := ping.Ping(t.Context(), c, jid.MustParse("example.org")); !ping.Answered(err) {
				t.Error(err)
			}
		})
	}
}
