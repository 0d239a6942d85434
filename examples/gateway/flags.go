package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"

	"github.com/etherx-go/xmpp/component"
	"github.com/etherx-go/xmpp/examples/gateway/chat"
	"github.com/etherx-go/xmpp/ext/gateway"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/storage/sql"
)

// options are the flags.
type options struct {
	component.Config
	chat    string
	numbers [][2]string // with their passwords
	data    string
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{Config: component.Config{Log: slog.New(slog.NewTextHandler(stderr, nil))}}
	fs := flag.NewFlagSet("gateway", flag.ContinueOnError)
	fs.SetOutput(stderr)
	domain := fs.String("domain", "gw.localhost", "the gateway's `domain`")
	fs.StringVar(&o.Addr, "server", "127.0.0.1:5347", "`host:port` of the XMPP server, for components")
	fs.StringVar(&o.Secret, "secret", "", "`secret` that the gateway shares with the server")
	fs.StringVar(&o.chat, "chat", "127.0.0.1:5190", "`host:port` of the chat")
	fs.StringVar(&o.data, "data", "", "`folder` for the registrations; empty: in memory")
	fs.Func("number", "run the chat here, with this `number:password`; may be repeated", func(v string) error {
		n, password, _ := strings.Cut(v, ":")
		if n, err := number(n); err == nil && password != "" {
			o.numbers = append(o.numbers, [2]string{n, password})
			return nil
		}
		return errors.New("want number:password")
	})
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 || o.Secret == "" {
		return nil, errors.New("usage: gateway -secret secret [flags]")
	}
	var err error
	o.Domain, err = jid.Parse(*domain)
	return o, err
}

// run does what the flags say until ctx ends.
func run(ctx context.Context, args []string, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	var accounts gateway.Store
	if o.data != "" {
		db, err := sql.Open(ctx, sql.Config{Path: filepath.Join(o.data, "gateway.db")})
		if err != nil {
			return err
		}
		defer db.Close()
		accounts = db.Gateway(o.Domain)
	}
	stop, err := o.startChat(ctx)
	if err != nil {
		return err
	}
	defer stop()
	c, g, err := newGateway(o.Config, &network{dial: o.dialChat, log: o.Log}, accounts)
	if err != nil {
		return err
	}
	return serve(ctx, c, g)
}

func (o *options) dialChat(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", o.chat)
}

// startChat runs the chat if there are numbers for it.
func (o *options) startChat(ctx context.Context) (stop func(), err error) {
	if o.numbers == nil {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", o.chat)
	if err != nil {
		return nil, err
	}
	o.chat = l.Addr().String()
	s := new(chat.Server)
	for _, n := range o.numbers {
		s.SetUser(n[0], n[1])
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it outlives the gateway
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Serve(ctx, l); err != nil {
			o.Log.Error("chat", "err", err)
		}
	})
	o.Log.Info("the chat is here", "addr", o.chat)
	return func() {
		cancel()
		running.Wait()
	}, nil
}
