package client_test

import (
	"context"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/xmpptest"
)

// TestGoodbye: a client that ends says that it is unavailable, once: what the
// program has said before stands.
func TestGoodbye(t *testing.T) {
	s := xmpptest.NewServer(t)
	seen := make(chan *stanza.Presence, 10)
	mux := new(xmpp.Mux)
	mux.OnPresence(func(_ context.Context, _ xmpp.Sender, p *stanza.Presence) error {
		if p.From.Resource() == "leaving" || p.Status == "last" {
			seen <- p
		}
		return nil
	})
	watcher := s.Client("juliet/watching", mux)
	for _, tt := range []struct {
		name   string
		before func(s xmpp.Sender) error
		want   string // the status of the only unavailable presence
	}{
		{"by itself", func(xmpp.Sender) error { return nil }, ""},
		{"with words", func(s xmpp.Sender) error { return presence.Unavailable(t.Context(), s, "to bed") }, "to bed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := s.Client("juliet/leaving", nil)
			if p := <-seen; p.Type != stanza.TypeAvailable {
				t.Fatalf("got %+v", p)
			}
			if err := tt.before(c); err != nil {
				t.Fatal(err)
			}
			c.Close()
			if p := <-seen; p.Type != stanza.TypeUnavailable || p.Status != tt.want {
				t.Errorf("got %+v", p)
			}
			if err := presence.Available(t.Context(), watcher, "", "last", 0); err != nil {
				t.Fatal(err)
			}
			if p := <-seen; p.Status != "last" {
				t.Errorf("a second one: %+v", p)
			}
		})
	}
}
