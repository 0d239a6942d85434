package xmpptest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// inbox is a handler that keeps the messages that come.
func inbox() (*xmpp.Mux, <-chan *stanza.Message) {
	mux, messages := new(xmpp.Mux), make(chan *stanza.Message, 100)
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) error {
		messages <- msg
		return nil
	})
	return mux, messages
}

func send(t *testing.T, c xmpp.Sender, to, body string) {
	t.Helper()
	err := xmpp.Send(t.Context(), c, &stanza.Message{To: jid.MustParse(to), Type: stanza.TypeChat, Body: body})
	if err != nil {
		t.Fatal(err)
	}
}

func TestServer(t *testing.T) {
	s := NewServer(t)
	mux, messages := inbox()
	juliet := s.Client("juliet/balcony", mux)
	romeo := s.Client("romeo", nil)
	if got := juliet.LocalAddr().String(); got != "juliet@example.org/balcony" {
		t.Errorf("juliet is %s", got)
	}
	send(t, romeo, "juliet@example.org/balcony", "O")
	msg := <-messages
	if msg.Body != "O" || msg.From != romeo.LocalAddr() {
		t.Errorf("got %+v", msg)
	}
	if err := ping.Ping(t.Context(), juliet, romeo.LocalAddr()); err != nil {
		t.Errorf("ping: %v", err)
	}
	// A second resource of an account that exists.
	if got := s.Client("romeo/orchard", nil).LocalAddr().String(); got != "romeo@example.org/orchard" {
		t.Errorf("the second romeo is %s", got)
	}
}

func TestServerSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(t, func(c *server.Config) { c.Domains = []string{"capulet.example", "montague.example"} },
			func(c *server.Config) { c.MaxResources = 1 })
		juliet := s.Client("juliet/balcony", nil)
		if got := juliet.LocalAddr().String(); got != "juliet@capulet.example/balcony" {
			t.Errorf("juliet is %s", got)
		}
		c, err := client.New(s.ClientConfig("juliet/garden", nil))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		go c.Run(ctx)
		if err := c.WaitReady(t.Context()); !errors.Is(err, xmpp.ErrClosed) {
			t.Errorf("a second resource: %v, want none before the end", err)
		}
	})
}

// TestServerInBubble shows that everything ends with the test: a goroutine that
// is left would be a deadlock of the bubble.
func TestServerInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(t)
		mux, messages := inbox()
		s.Client("juliet/balcony", mux)
		romeo := s.Client("romeo", nil)
		time.Sleep(24 * time.Hour) // of the bubble: pings keep both connected
		send(t, romeo, "juliet@example.org/balcony", "still there?")
		synctest.Wait()
		select {
		case msg := <-messages:
			if msg.Body != "still there?" {
				t.Errorf("got %q", msg.Body)
			}
		default:
			t.Error("nothing has come")
		}
	})
}

// TestServerEndsEarly: a test may end server and clients by itself.
func TestServerEndsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(t)
		down := make(chan error, 1)
		cfg := s.ClientConfig("juliet", nil)
		cfg.OnDown = func(_ xmpp.Sender, reason error) { down <- reason }
		s.Start(cfg)
		s.Client("romeo", nil).Close()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-down; !errors.Is(err, stream.SystemShutdown) {
			t.Errorf("juliet's session ended with %v", err)
		}
	})
}

// TestServerFaults: the client comes back, wherever its connection breaks.
func TestServerFaults(t *testing.T) {
	for _, cut := range []int64{0, 1, 300, 700} {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewServer(t)
				cfg := s.ClientConfig("juliet", nil)
				cfg.AllowPlaintext = true // nobody knows of a FaultConn that it is private
				dials := 0
				cfg.Dial = func(context.Context) (stream.Transport, error) {
					dials++
					if dials > 1 {
						return s.Pipe(), nil
					}
					return stream.NewTransport(NewFaultConn(s.Pipe(), CutReadAfter(cut))), nil
				}
				s.Start(cfg)
				synctest.Wait()
				if dials != 2 {
					t.Errorf("%d connections, want 2", dials)
				}
			})
		})
	}
}

// TestTLS: the settings fit each other, for STARTTLS on a real connection, and
// for a scripted peer.
func TestTLS(t *testing.T) {
	forServer, forClient := TLS(t)
	s := NewServer(t, func(c *server.Config) { c.TLS = forServer })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(t.Context(), l) }()
	t.Cleanup(func() {
		if err := <-served; !errors.Is(err, context.Canceled) {
			t.Errorf("Serve: %v", err)
		}
	})
	cfg := s.ClientConfig("juliet", nil)
	cfg.Dial, cfg.Dialer, cfg.TLS = nil, &stream.Dialer{Addr: l.Addr().String()}, forClient
	s.Start(cfg)

	_, stranger := TLS(t)
	cfg.TLS = stranger
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](c.Run(t.Context())); !ok {
		t.Error("the certificate of another call is trusted")
	}
	_, err = tls.Dial("tcp", l.Addr().String(), forClient)
	if err == nil {
		t.Error("the port for STARTTLS begins with TLS")
	}
}

func TestTLSDomains(t *testing.T) {
	forServer, _ := TLS(t, "capulet.example", "montague.example")
	leaf := forServer.Certificates[0].Leaf
	if want := []string{"capulet.example", "montague.example"}; !slices.Equal(leaf.DNSNames, want) {
		t.Errorf("names %q", leaf.DNSNames)
	}
	got := runFake(func(ft *strictT) { TLS(ft, "a domain") })
	if !strings.Contains(got, "certificate for [\"a domain\"]") {
		t.Errorf("reported %q", got)
	}
}

// strictT is a test that may fail: it collects what is reported, and ends its
// goroutine where a test would.
type strictT struct {
	testing.TB
	mu       sync.Mutex
	reports  []string
	cleanups []func()
}

func (f *strictT) Helper() {}

func (f *strictT) Context() context.Context { return context.Background() }

func (f *strictT) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }

func (f *strictT) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reports = append(f.reports, fmt.Sprintf(format, args...))
}

func (f *strictT) Fatalf(format string, args ...any) {
	f.Errorf("fatal: "+format, args...)
	runtime.Goexit()
}

// runFake runs fn as a test, with its cleanups, and returns what it reports.
func runFake(fn func(*strictT)) string {
	f := new(strictT)
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(f)
	}()
	<-done
	for _, fn := range slices.Backward(f.cleanups) {
		fn()
	}
	return strings.Join(f.reports, "\n")
}

func TestServerReports(t *testing.T) {
	tests := []struct {
		name string
		test func(*strictT)
		want string // what the only report begins with, "" for none
	}{
		{"nothing", func(t *strictT) { NewServer(t).Client("juliet", nil) }, ""},
		{"bad settings", func(t *strictT) {
			NewServer(t, func(c *server.Config) { c.Domains = nil })
		}, "fatal: xmpptest: server: Config.Domains is empty"},
		{"bad user", func(t *strictT) { NewServer(t).Client("a b", nil) }, `fatal: xmpptest: user "a b": `},
		{"bad client", func(t *strictT) { NewServer(t).Start(client.Config{}) }, "fatal: xmpptest: client: Config.JID is not set"},
		{"wrong password", func(t *strictT) {
			s := NewServer(t)
			cfg := s.ClientConfig("juliet", nil)
			cfg.Password = "wrong"
			s.Start(cfg)
		}, "fatal: xmpptest: client juliet@example.org is not connected: xmpp: closed: "},
		{"thrown out", func(t *strictT) {
			s := NewServer(t)
			down := make(chan struct{})
			cfg := s.ClientConfig("juliet/balcony", nil)
			cfg.OnDown = func(xmpp.Sender, error) { close(down) }
			s.Start(cfg)
			s.Client("juliet/balcony", nil)
			<-down
			synctest.Wait() // Run has returned
		}, "xmpptest: client juliet@example.org/balcony: stream error"},
		{"stuck", func(t *strictT) {
			s := NewServer(t)
			cfg := s.ClientConfig("juliet", nil)
			cfg.Dial = func(ctx context.Context) (stream.Transport, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			s.Start(cfg)
		}, "fatal: xmpptest: client juliet@example.org is not connected: context deadline exceeded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := runFake(tt.test)
				if !strings.HasPrefix(got, tt.want) || strings.Contains(got, "\n") || tt.want == "" && got != "" {
					t.Errorf("reported %q, want %q", got, tt.want)
				}
			})
		})
	}
}
