// Command push is the push service of an app (XEP-0357), a component: servers tell it
// that something has come for a user, and it prints what a real one would send to the
// user's device in the way of its platform.
//
//	go run ./examples/push -addr 127.0.0.1:5347 push.localhost s3cret
//
// An app says to its server: notify push.localhost, at the node that is this device.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/component"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// newService makes the component. A real one looks the device up by d.Node, which it has
// made up for the app itself, and asks its platform to wake it.
func newService(domain jid.JID, secret, addr string, out io.Writer) (*component.Component, error) {
	deliver := func(_ context.Context, d push.Delivery) error {
		if d.Node == "" {
			return stanza.NewError(stanza.ItemNotFound, "no such device") // the server forgets it
		}
		_, err := fmt.Fprintf(out, "wake %s: %d new messages, says %s\n", d.Node, d.Notification.Messages, d.From)
		return err
	}
	return component.New(component.Config{
		Domain: domain, Secret: secret, Addr: addr, Log: slog.Default(),
		Extensions: []xmpp.Extension{
			&push.Service{Deliver: deliver},
			&disco.Extension{Identities: []disco.Identity{push.Identity()}},
		},
	})
}

func run(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("push", flag.ContinueOnError)
	addr := fs.String("addr", component.DefaultAddr, "`host:port` of the server for components")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() != 2 {
		return errors.New("usage: push [flags] domain secret")
	}
	domain, err := jid.Parse(fs.Arg(0))
	if err != nil {
		return err
	}
	c, err := newService(domain, fs.Arg(1), *addr, out)
	if err != nil {
		return err
	}
	return c.Run(ctx)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal(err)
	}
}
