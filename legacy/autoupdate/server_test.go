package autoupdate_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/autoupdate"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/xmpptest"
)

// service is a host in the server's process.
type service struct {
	xmpp.Sender
	mux *xmpp.Mux
}

func (s *service) Mux() *xmpp.Mux            { return s.mux }
func (s *service) IsServer() bool            { return false }
func (s *service) Features(jid.JID) []string { return nil }

// TestServer goes through chapter 7 on a real server: announce, be told, ask.
func TestServer(t *testing.T) {
	s := xmpptest.NewServer(t)
	v := &service{mux: new(xmpp.Mux)}
	local, err := s.Local(jid.MustParse("update.example.org"), v.mux)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { local.Close() })
	v.Sender = local
	newest := &autoupdate.Version{Priority: autoupdate.Mandatory, Number: "2.0", URL: "https://example.org/"}
	err = (&autoupdate.Service{Versions: func(context.Context, string) (autoupdate.Versions, error) {
		return autoupdate.Versions{Release: newest}, nil
	}}).Attach(v)
	if err != nil {
		t.Fatal(err)
	}

	program := jid.MustParse("bot@update.example.org")
	notices := make(chan autoupdate.Received, 1)
	cfg := s.ClientConfig("hamlet/castle", nil)
	cfg.Extensions = append(cfg.Extensions, &autoupdate.Extension{Services: []jid.JID{program},
		OnNotice: func(_ context.Context, r autoupdate.Received) error { notices <- r; return nil }})
	hamlet := s.Start(cfg)
	if err := autoupdate.Announce(t.Context(), hamlet, program, "1.0"); err != nil {
		t.Fatalf("GUIDE-7-update-1: %v", err)
	}
	select {
	case r := <-notices:
		if r.Ask != program || r.From != program {
			t.Errorf("GUIDE-7-update-2: %+v", r)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("GUIDE-7-update-2: no notice has come")
	}
	got, err := autoupdate.Ask(t.Context(), hamlet, program)
	if err != nil || got.Release == nil || *got.Release != *newest || got.Newer("1.0") == nil {
		t.Errorf("GUIDE-7-update-3: %+v, %v", got, err)
	}
	_, err = xmpp.Call[autoupdate.Versions](t.Context(), hamlet, stanza.TypeSet, program, got)
	if !errors.Is(err, stanza.BadRequest) {
		t.Errorf("GUIDE-7-update-9: %v", err)
	}
}
