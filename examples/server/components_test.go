package main

import (
	"context"
	"crypto/tls"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/component"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// TestComponent: a component connects to the ready server, which lists it, and its
// users reach it.
func TestComponent(t *testing.T) {
	r := start(t, "-data", "memory", "-user", "juliet:r0m30", "-listen-component", "127.0.0.1:0",
		"-component", "gw.localhost=s3cret", "-component", "sms.localhost=other")
	m := regexp.MustCompile(`msg=listening for=components addr=(\S+)`).FindStringSubmatch(r.stderr.String())
	if m == nil {
		t.Fatalf("it does not listen for components: %s", r.stderr)
	}
	mux := new(xmpp.Mux)
	mux.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
		return xmpp.Send(ctx, s, msg.Reply("you said "+msg.Body))
	})
	cfg := component.Config{Domain: jid.MustParse("gw.localhost"), Secret: "s3cret", Addr: m[1], Handler: mux}
	c, err := component.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- c.Run(ctx) }()
	if err := c.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}

	in, answers := new(xmpp.Mux), make(chan *stanza.Message, 1)
	in.OnMessage(func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) error {
		answers <- msg
		return nil
	})
	jc := r.config("juliet@localhost/balcony", "r0m30", false, &tls.Config{InsecureSkipVerify: true})
	jc.Handler = in
	juliet := login(t, jc)
	sms := jid.MustParse("1234567@gw.localhost")
	if err := xmpp.Send(t.Context(), juliet, &stanza.Message{To: sms, Type: stanza.TypeChat, Body: "hello"}); err != nil {
		t.Fatal(err)
	}
	if msg := <-answers; msg.From != sms || msg.Body != "you said hello" {
		t.Errorf("got %+v", msg)
	}
	items, err := disco.GetItems(t.Context(), juliet, jid.MustParse("localhost"), "")
	if err != nil || !slices.ContainsFunc(items, func(it disco.Item) bool { return it.JID == cfg.Domain }) {
		t.Errorf("the server lists %+v, %v", items, err)
	}

	cfg.Secret = "wrong"
	cfg.Domain = jid.MustParse("sms.localhost")
	if c, err := component.New(cfg); err != nil {
		t.Error(err)
	} else if err := c.Run(t.Context()); !errors.Is(err, stream.NotAuthorized) {
		t.Errorf("with a wrong secret: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if strings.Contains(r.stderr.String(), "s3cret") {
		t.Error("a secret is in the log")
	}
}

// TestNoComponents: nobody listens where nobody is to come.
func TestNoComponents(t *testing.T) {
	for _, flags := range [][]string{{}, {"-component", "gw.localhost=s3cret", "-listen-component", ""}} {
		r := start(t, append(flags, "-data", "memory")...)
		if strings.Contains(r.stderr.String(), "for=components") {
			t.Errorf("%q: %s", flags, r.stderr)
		}
	}
}
