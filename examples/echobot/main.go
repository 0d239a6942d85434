// Command echobot logs in and repeats what it is told.
//
//	go run ./examples/echobot -jid romeo@localhost -password jul13t -addr 127.0.0.1:5222 -ca etherx-data/cert.pem
package main

import (
	"context"
	"log"
	"os"
	"os/signal"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/stanza"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	mux := new(xmpp.Mux)
	mux.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
		return xmpp.Send(ctx, s, msg.Reply(msg.Body))
	})
	c, err := client.New(config(mux))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(c.Run(ctx))
}
