package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// TestApp: a user of the app logs in with the app's password over TLS, and the
// bot answers from the app's own data.
func TestApp(t *testing.T) {
	crt, err := server.SelfSigned("localhost")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{map[string]string{"juliet": "r0m30", "romeo": "jul13t", "nurse": "angelica"}}
	s, err := newServer(a, crt)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, s, l) }()

	roots := x509.NewCertPool()
	roots.AddCert(crt.Leaf)
	answers := make(chan *stanza.Message, 1)
	mux := new(xmpp.Mux)
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) error {
		answers <- msg
		return nil
	})
	down := make(chan error, 1)
	clientCtx, cancel := context.WithCancel(t.Context())
	cfg := client.Config{
		JID: jid.MustParse("juliet@localhost"), Password: "r0m30", Handler: mux,
		Dialer:  &stream.Dialer{Addr: l.Addr().String()},
		TLS:     &tls.Config{RootCAs: roots},
		Backoff: func(int) time.Duration { cancel(); return 0 },
		OnDown:  func(_ xmpp.Sender, reason error) { down <- reason },
	}
	juliet, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- juliet.Run(clientCtx) }()
	if err := juliet.WaitReady(clientCtx); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ question, answer string }{
		{"Well, how many users are there?", "There are 3."},
		{"What is in a name?", "I know one question: how many users are there?"},
	} {
		err := xmpp.Send(t.Context(), juliet, &stanza.Message{To: jid.MustParse("bot.localhost"), Body: tt.question})
		if err != nil {
			t.Fatal(err)
		}
		if got := <-answers; got.Body != tt.answer || got.From.String() != "bot.localhost" {
			t.Errorf("%q is answered with %q by %s", tt.question, got.Body, got.From)
		}
	}

	for _, wrong := range []struct{ account, password string }{{"juliet@localhost", "jul13t"}, {"tybalt@localhost", "x"}} {
		cfg.JID, cfg.Password, cfg.OnDown = jid.MustParse(wrong.account), wrong.password, nil
		c, err := client.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Run(t.Context()); !errors.Is(err, sasl.NotAuthorized) {
			t.Errorf("%s with a wrong password: %v", wrong.account, err)
		}
	}

	stop()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	if err := <-down; !errors.Is(err, stream.SystemShutdown) {
		t.Errorf("juliet's session ended with %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("juliet: %v", err)
	}
}

// TestServeFails: serve ends when the listener does.
func TestServeFails(t *testing.T) {
	crt, err := server.SelfSigned("localhost")
	if err != nil {
		t.Fatal(err)
	}
	s, err := newServer(new(app), crt)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := serve(t.Context(), s, l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestVerify(t *testing.T) {
	a := &app{map[string]string{"juliet": "r0m30", "empty": ""}}
	for _, tt := range []struct {
		user, password string
		ok             bool
	}{{"juliet", "r0m30", true}, {"juliet", "R0m30", false}, {"juliet", "", false}, {"romeo", "r0m30", false}, {"romeo", "", false}} {
		err := a.verify(t.Context(), jid.MustParse(tt.user+"@localhost"), tt.password)
		if (err == nil) != tt.ok || !tt.ok && !errors.Is(err, sasl.NotAuthorized) {
			t.Errorf("%s with %q: %v", tt.user, tt.password, err)
		}
	}
}
