// Command server is the ready XMPP server: everything embedded, one command.
//
//	go run ./examples/server -user juliet:r0m30 -user romeo:jul13t
//
// It prints one line "ready" on standard output when every listener accepts,
// and stops in order on SIGINT and SIGTERM. Each domain has a user directory at
// users.<domain>, in which its users find those who have published a vCard that is
// not called private. All that it does is in the library;
// what is here is only how the flags are read.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/entitytime"
	"github.com/etherx-go/xmpp/ext/flexoffline"
	"github.com/etherx-go/xmpp/ext/last"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/ext/private"
	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/ext/version"
	"github.com/etherx-go/xmpp/legacy/agents"
	iqtime "github.com/etherx-go/xmpp/legacy/time"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/vcard"
)

// shutdownTimeout is how long clients have to close their streams.
const shutdownTimeout = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	st, err := o.openStores(ctx)
	if err != nil {
		return err
	}
	defer st.close()
	if err := o.addUsers(ctx, st.accounts); err != nil {
		return err
	}
	cfg, err := o.config(st)
	if err != nil {
		return err
	}
	cfg.Log = slog.New(slog.NewTextHandler(stderr, nil))
	s, err := server.New(cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := o.attachServices(s, st); err != nil {
		return err
	}
	return serve(ctx, s, o, cfg.Log, stdout)
}

// serve opens the listeners, says so, and serves until ctx ends.
func serve(ctx context.Context, s *server.Server, o *options, log *slog.Logger, stdout io.Writer) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer s.Close()
	failed := make(chan error, 4)
	for _, l := range []struct {
		name, addr string
		serve      func(context.Context, net.Listener) error
	}{{"STARTTLS", o.listen, s.Serve}, {"direct TLS", o.listenTLS, s.ServeTLS}, {"servers", o.listenS2S, s.ServeS2S},
		{"components", o.componentAddr(), s.ServeComponents}} {
		if l.addr == "" {
			continue
		}
		ln, err := net.Listen("tcp", l.addr)
		if err != nil {
			return err
		}
		log.Info("listening", "for", l.name, "addr", ln.Addr())
		wg.Go(func() {
			if err := l.serve(ctx, ln); !errors.Is(err, server.ErrServerClosed) && ctx.Err() == nil {
				failed <- err
			}
		})
	}
	fmt.Fprintln(stdout, "ready")
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := s.Shutdown(patience); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// config makes the server's settings from the flags.
func (o *options) config(st *stores) (server.Config, error) {
	crt, err := o.certificate()
	if err != nil {
		return server.Config{}, err
	}
	fed, err := o.federation()
	if err != nil {
		return server.Config{}, err
	}
	cfg := server.Config{
		Domains:        o.domains,
		Accounts:       st.accounts,
		Stores:         st.Stores,
		Registration:   &register.Server{Open: o.register, MaxPerHour: -1, AllowPlaintext: o.allowPlaintext},
		Extensions:     extensions(st),
		AllowPlaintext: o.allowPlaintext,
		OldStreams:     o.legacy,
		TLS:            &tls.Config{Certificates: []tls.Certificate{crt}},
		Rate:           o.rate,
		Federation:     fed,
		Components:     o.externals(),
	}
	cfg.Stream.MaxStanza = o.maxStanza
	return cfg, nil
}

func (o *options) certificate() (tls.Certificate, error) {
	switch {
	case o.cert != "":
		return tls.LoadX509KeyPair(o.cert, o.key)
	case o.data == "memory":
		return server.SelfSigned(o.domains...)
	}
	return server.SelfSignedIn(o.data, o.domains...)
}

// extensions are the protocols that the server speaks beside those that every
// server does.
func extensions(st *stores) []xmpp.Extension {
	d := &disco.Extension{}
	return []xmpp.Extension{
		d,
		&agents.Extension{Info: d.Info},
		&ping.Extension{},
		&version.Extension{},
		&entitytime.Extension{},
		&iqtime.Extension{},
		&last.Extension{},
		&private.Server{Store: st.private},
		&vcard.Server{Store: st.vcards},
		&archive.Server{Store: st.archives},
		&push.Server{Store: st.push},
		&flexoffline.Server{Disco: d},
	}
}
