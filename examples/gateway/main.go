// Command gateway is a gateway to a small chat in which people are numbers: an
// external component (XEP-0114) of any XMPP server, whose users have the people there
// as contacts (XEP-0100), as 7654321@gw.localhost.
//
//	go run ./examples/server -user juliet:r0m30 -component gw.localhost=s3cret
//	go run ./examples/gateway -secret s3cret -number 1234567:juliet -number 7654321:romeo
//
// With -number the chat itself is in it, for trying out. Network.go is the gateway, and
// package chat what is on the other side; talk to that by nc 127.0.0.1 5190.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/component"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/gateway"
	"github.com/etherx-go/xmpp/ext/version"
	"github.com/etherx-go/xmpp/legacy/agents"
)

// newGateway puts it together. cfg says where the server is, and accounts keeps who is
// registered; nil: nobody does.
func newGateway(cfg component.Config, n *network, accounts gateway.Store) (
	*component.Component, *gateway.Gateway, error) {
	g := &gateway.Gateway{
		Network:      n,
		Accounts:     accounts,
		Addresses:    gateway.Addresses{Normalize: number},
		Instructions: "Enter the number and the password that you have in the chat.",
		Prompt: func(lang string) (desc, prompt string) {
			return "Enter the number of the person that you want to add.", "Number"
		},
		Log: cfg.Log,
	}
	about := &disco.Extension{Identities: []disco.Identity{{Category: "gateway", Type: "chat", Name: "Chat"}}}
	cfg.Extensions = []xmpp.Extension{
		g, about, // what it is, and the same for clients of old
		&agents.Extension{Info: about.Info, Self: agents.Agent{Transport: "Number"}},
		&version.Extension{Name: "Chat gateway"},
	}
	c, err := component.New(cfg)
	return c, g, err
}

// serve runs the gateway until ctx ends; then it logs all out while there is a stream.
func serve(ctx context.Context, c *component.Component, g *gateway.Gateway) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done := make(chan error, 1)
	go func() { done <- c.Run(running) }()
	select {
	case err := <-done: // for good: a wrong secret
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(running, 5*time.Second)
	defer cancel()
	err := g.Close(patience)
	if errors.Is(err, xmpp.ErrNotConnected) {
		err = nil // there was nobody to tell
	}
	stop()
	return errors.Join(err, <-done)
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}
