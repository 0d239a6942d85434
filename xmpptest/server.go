package xmpptest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/stream"
)

// Domain is the domain of a test server, unless its settings say otherwise.
const Domain = "example.org"

// Password is the password of the accounts that [Server.ClientConfig] makes.
const Password = "secret"

// patience is how long a test server waits for something that takes a moment.
const patience = 10 * time.Second

// Server is an XMPP server in the test's process. Clients reach it by
// in-memory connections: it needs no port and no certificate, and works inside
// a testing/synctest bubble. It ends with the test, after the clients that were
// started with it. Like the test itself, Client, ClientConfig and Start are for
// the goroutine of the test.
type Server struct {
	*server.Server
	// Accounts can be added to at any time; Client does so by itself.
	Accounts *memory.Accounts

	t testing.TB
}

// NewServer starts a server for [Domain]. The functions change its settings
// first; the accounts should stay those that they find in Config.Accounts.
func NewServer(t testing.TB, change ...func(*server.Config)) *Server {
	t.Helper()
	// The lowest count that RFC 7677, section 4, allows: tests have better to do.
	s := &Server{t: t, Accounts: &memory.Accounts{Iterations: 4096}}
	cfg := server.Config{Domains: []string{Domain}, Accounts: s.Accounts, AnswerStrangers: true}
	for _, fn := range change {
		fn(&cfg)
	}
	var err error
	if s.Server, err = server.New(cfg); err != nil {
		t.Fatalf("xmpptest: %v", err)
	}
	t.Cleanup(func() {
		// In order, so that no goroutine of the server is left behind.
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("xmpptest: the server did not end: %v", err)
		}
	})
	return s
}

// ClientConfig returns the settings of a client for an account of the server's
// first domain, which is made, with [Password], if it does not exist. name is a
// user name, or a user name and a resource, as "juliet/balcony".
func (s *Server) ClientConfig(name string, h xmpp.Handler) client.Config {
	s.t.Helper()
	user, resource, _ := strings.Cut(name, "/")
	j, err := jid.New(user, s.LocalAddr().Domain(), resource)
	if err == nil {
		err = s.Accounts.Register(s.t.Context(), j.Bare(), Password)
	}
	if err != nil && !errors.Is(err, stanza.Conflict) {
		s.t.Fatalf("xmpptest: user %q: %v", name, err)
	}
	return client.Config{
		JID: j, Password: Password, Handler: h,
		Dial: func(context.Context) (stream.Transport, error) { return s.Pipe(), nil },
	}
}

// Client starts a client, as [Server.ClientConfig] describes it, and waits
// until it is connected. It ends with the test.
func (s *Server) Client(name string, h xmpp.Handler) *client.Client {
	s.t.Helper()
	return s.Start(s.ClientConfig(name, h))
}

// Start starts a client with these settings, and waits until it is connected.
// It ends with the test. An error that ends it before is reported; a test that
// wants one calls Run itself.
func (s *Server) Start(cfg client.Config) *client.Client {
	s.t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		s.t.Fatalf("xmpptest: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	ready := false
	s.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && ready {
			s.t.Errorf("xmpptest: client %s: %v", cfg.JID, err)
		}
	})
	wait, cancelWait := context.WithTimeout(ctx, patience)
	defer cancelWait()
	if err := c.WaitReady(wait); err != nil {
		s.t.Fatalf("xmpptest: client %s is not connected: %v", cfg.JID, err)
	}
	ready = true
	return c
}
