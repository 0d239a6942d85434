// Command echobot logs in and repeats what it is told.
//
//	go run ./examples/echobot -addr 127.0.0.1:5222 -ca etherx-data/cert.pem romeo@localhost jul13t
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"log"
	"log/slog"
	"os"
	"os/signal"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// echo logs in and repeats what it is told, until ctx ends.
func echo(ctx context.Context, account jid.JID, password, addr string, trust *tls.Config) error {
	mux := new(xmpp.Mux)
	mux.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
		return xmpp.Send(ctx, s, msg.Reply(msg.Body))
	})
	bot, err := client.New(client.Config{
		JID:      account,
		Password: password,
		Dialer:   &stream.Dialer{Addr: addr}, // "" asks the DNS
		TLS:      trust,                      // nil trusts whom the system trusts
		Handler:  mux,
		Log:      slog.Default(),
	})
	if err != nil {
		return err
	}
	return bot.Run(ctx) // connects, and again when the connection is lost
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("echobot", flag.ContinueOnError)
	addr := fs.String("addr", "", "`host:port` of the server; empty: ask the DNS")
	ca := fs.String("ca", "", "certificate `file` to trust; empty: the system's")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() != 2 {
		return errors.New("usage: echobot [flags] account password")
	}
	account, err := jid.Parse(fs.Arg(0))
	if err != nil {
		return err
	}
	trust, err := trustFile(*ca)
	if err != nil {
		return err
	}
	return echo(ctx, account, fs.Arg(1), *addr, trust)
}

// trustFile returns settings that trust the certificates in a file, nil if none
// is named.
func trustFile(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New(file + ": no certificate")
	}
	return &tls.Config{RootCAs: roots}, nil
}
