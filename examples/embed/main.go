// Command embed is an app that has an XMPP server in it: the app's own users
// log in with the app's own passwords, and talk to a bot that is a part of the
// app.
//
//	go run ./examples/embed
package main

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
)

// app is what there was before: users with passwords, and something to ask. A
// real app keeps hashes.
type app struct{ passwords map[string]string }

// verify is the app's own check of a password.
func (a *app) verify(_ context.Context, account jid.JID, password string) error {
	want, ok := a.passwords[account.Local()]
	if subtle.ConstantTimeCompare([]byte(want), []byte(password)) == 0 || !ok {
		return sasl.NotAuthorized
	}
	return nil
}

// answer is the bot.
func (a *app) answer(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
	reply := "I know one question: how many users are there?"
	if strings.Contains(msg.Body, "how many users") {
		reply = fmt.Sprintf("There are %d.", len(a.passwords))
	}
	return xmpp.Send(ctx, s, msg.Reply(reply))
}

// newServer puts a server and a bot into the app.
func newServer(a *app, crt tls.Certificate) (*server.Server, error) {
	s, err := server.New(server.Config{
		Domains:  []string{"localhost"},
		Accounts: server.VerifyFunc(a.verify),
		TLS:      &tls.Config{Certificates: []tls.Certificate{crt}},
	})
	if err != nil {
		return nil, err
	}
	mux := new(xmpp.Mux)
	mux.OnMessage(a.answer)
	if _, err := s.Local(jid.MustParse("bot.localhost"), mux); err != nil {
		return nil, err
	}
	return s, nil
}

// serve lets the users in until ctx ends.
func serve(ctx context.Context, s *server.Server, l net.Listener) error {
	if err := s.Serve(ctx, l); ctx.Err() == nil {
		return errors.Join(err, s.Close())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return s.Shutdown(ctx)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	crt, err := server.SelfSigned("localhost")
	if err != nil {
		log.Fatal(err)
	}
	s, err := newServer(&app{map[string]string{"juliet": "r0m30", "romeo": "jul13t"}}, crt)
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:5222")
	if err != nil {
		log.Fatal(err)
	}
	log.Print("log in as juliet@localhost (r0m30), and write to bot.localhost")
	if err := serve(ctx, s, l); err != nil {
		log.Fatal(err)
	}
}
