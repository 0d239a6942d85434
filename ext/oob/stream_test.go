package oob_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/oob"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/xmpptest"
)

// Both roles, by way of a server.
func TestStreams(t *testing.T) {
	s := xmpptest.NewServer(t)
	cfg := s.ClientConfig("horatio/home", nil)
	cfg.Extensions = []xmpp.Extension{&oob.Extension{Fetch: func(_ context.Context, from jid.JID, url, _ string) error {
		switch {
		case from.Local() != "sailor":
			return oob.ErrRefused
		case !strings.HasSuffix(url, ".html"):
			return errors.New("404 Not Found")
		}
		return nil
	}}}
	horatio := s.Start(cfg).LocalAddr()
	for _, tt := range []struct {
		name, user, url string
		want            error
	}{
		{"GUIDE-9-oob-1 accepted", "sailor", "http://denmark.example/letter-1.html", nil},
		{"GUIDE-9-oob-1 refused", "claudius", "http://denmark.example/letter-1.html", stanza.NotAcceptable},
		{"GUIDE-9-oob-2 not found", "sailor", "http://denmark.example/letter-2", stanza.ItemNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := s.Client(tt.user, nil)
			if err := oob.Send(t.Context(), c, horatio, oob.Offer{URL: tt.url}); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
