package client_test

import (
	"context"
	"errors"
	"testing"

	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

func TestRegister(t *testing.T) {
	start := func(r *register.Server) (*xmpptest.Server, client.Config) {
		s := xmpptest.NewServer(t, func(c *server.Config) { c.Registration = r })
		return s, client.Config{
			JID: jid.MustParse("mercutio@example.org"), Password: xmpptest.Password,
			Dial: func(context.Context) (stream.Transport, error) { return s.Pipe(), nil },
		}
	}
	t.Run("IM-A.1-3 IM-A.1-5 an account is made, once", func(t *testing.T) {
		s, cfg := start(&register.Server{Open: true})
		if err := client.Register(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		if err := client.Register(t.Context(), cfg); !errors.Is(err, stanza.Conflict) {
			t.Errorf("the second time: %v", err)
		}
		c := s.Start(cfg)
		if got := c.LocalAddr().Bare(); got != cfg.JID {
			t.Errorf("logged in as %v", got)
		}
	})
	t.Run("more fields are asked for", func(t *testing.T) {
		_, cfg := start(&register.Server{Open: true, Fields: []string{"email"}})
		var missing *register.MissingError
		if err := client.Register(t.Context(), cfg); !errors.As(err, &missing) {
			t.Errorf("without: %v", err)
		}
		if err := client.Register(t.Context(), cfg, register.Field{Name: "email", Value: "m@example.org"}); err != nil {
			t.Error(err)
		}
	})
	t.Run("the server has none", func(t *testing.T) {
		_, cfg := start(nil)
		err := client.Register(t.Context(), cfg)
		var ce *client.ConnectError
		if !errors.Is(err, client.ErrNoRegistration) || !errors.As(err, &ce) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nobody is there", func(t *testing.T) {
		_, cfg := start(nil)
		lost := errors.New("lost")
		cfg.Dial = func(context.Context) (stream.Transport, error) { return nil, lost }
		if err := client.Register(t.Context(), cfg); !errors.Is(err, lost) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a bad config", func(t *testing.T) {
		if err := client.Register(t.Context(), client.Config{}); err == nil {
			t.Error("no error")
		}
	})
}
