package client_test

import (
	"context"
	"fmt"
	"log"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/stream"
)

// A bot that echoes what it is told. It stays connected until ctx ends.
func bot(ctx context.Context, cfg client.Config) error {
	mux := new(xmpp.Mux)
	mux.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
		return xmpp.Send(ctx, s, msg.Reply("You said: "+msg.Body))
	})
	cfg.Handler = mux
	c, err := client.New(cfg)
	if err != nil {
		return err
	}
	return c.Run(ctx)
}

func Example() {
	// For the example there is a server in the same process; a real bot leaves
	// Dial out, and the server is found by the domain of the JID.
	accounts := new(memory.Accounts)
	srv, err := server.New(server.Config{Domains: []string{"example.org"}, Accounts: accounts})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	ctx, cancel := context.WithCancel(context.Background())
	config := func(address string) client.Config {
		j := jid.MustParse(address)
		if err := accounts.SetPassword(ctx, j.Bare(), "secret"); err != nil {
			log.Fatal(err)
		}
		return client.Config{JID: j, Password: "secret",
			Dial: func(context.Context) (stream.Transport, error) { return srv.Pipe(), nil }}
	}
	done := make(chan error)
	go func() { done <- bot(ctx, config("bot@example.org/here")) }()

	// Somebody who talks to it, as soon as it is there.
	cfg := config("juliet@example.org")
	mux := new(xmpp.Mux)
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) error {
		fmt.Println(msg.Body)
		cancel()
		return nil
	})
	mux.OnError(func(ctx context.Context, s xmpp.Sender, _ *stanza.Stanza, _ *stanza.Error) error {
		return hello(ctx, s)
	})
	cfg.Handler = mux
	cfg.OnUp = func(ctx context.Context, s xmpp.Sender) { hello(ctx, s) }
	juliet, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	if err := juliet.Run(ctx); err != nil {
		log.Fatal(err)
	}
	if err := <-done; err != nil {
		log.Fatal(err)
	}
	// Output: You said: hello
}

func hello(ctx context.Context, s xmpp.Sender) error {
	return xmpp.Send(ctx, s, &stanza.Message{To: jid.MustParse("bot@example.org/here"), Type: stanza.TypeChat, Body: "hello"})
}
