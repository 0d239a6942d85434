// Command echobot logs in and repeats what it is told.
//
//	go run ./examples/echobot -addr 127.0.0.1:5222 -ca etherx-data/cert.pem romeo@localhost jul13t
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

func main() {
	addr := flag.String("addr", "", "host:port of the server; empty: ask the DNS")
	ca := flag.String("ca", "", "certificate `file` to trust; empty: the system's")
	flag.Parse()
	account, err := jid.Parse(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	mux := new(xmpp.Mux)
	mux.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
		return xmpp.Send(ctx, s, msg.Reply(msg.Body))
	})
	bot, err := client.New(client.Config{
		JID:      account,
		Password: flag.Arg(1),
		Handler:  mux,
		Dialer:   &stream.Dialer{Addr: *addr},
		TLS:      trust(*ca),
		Log:      slog.Default(),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := bot.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

// trust returns a config that trusts the certificate in a file.
func trust(file string) *tls.Config {
	if file == "" {
		return nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: roots}
}
