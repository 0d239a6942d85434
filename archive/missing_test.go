package archive_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/ext/hints"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/xmpptest"
)

// TestMissing: what has arrived is told from what has not by the archive, and what the
// archive would not have is not called missing.
func TestMissing(t *testing.T) {
	s := xmpptest.NewServer(t, func(c *server.Config) {
		m := memory.New()
		c.Stores.Rosters = m.Rosters()
		c.Extensions = []xmpp.Extension{&archive.Server{Store: m.Archives()}}
	})
	romeo := s.Client("romeo/orchard", nil).LocalAddr().Bare()
	paris := s.Client("paris/street", nil).LocalAddr()
	mam := new(archive.Client)
	cfg := s.ClientConfig("juliet/balcony", nil)
	cfg.Extensions = []xmpp.Extension{mam}
	juliet := s.Start(cfg)
	var sent []*stanza.Stanza
	add := func(arrives bool, m stanza.Message) {
		st, err := m.Stanza()
		if err == nil && arrives {
			err = juliet.Confirm(t.Context(), st)
		}
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, st)
	}
	chat := func(to jid.JID, id string, payloads ...any) stanza.Message {
		return stanza.Message{To: to, ID: id, Type: stanza.TypeChat, Body: "text of " + id, Payloads: payloads}
	}
	for i := range 300 { // several pages
		add(true, chat(romeo, fmt.Sprint("early ", i)))
	}
	add(true, chat(romeo, "1"))
	add(false, chat(romeo, "2"))
	add(true, chat(paris, "3"))
	add(false, chat(paris, "4"))
	add(false, chat(juliet.LocalAddr().Bare(), "5"))
	add(true, chat(romeo, "other id", stanzaid.OriginID{ID: "6"}))
	add(false, chat(romeo, "1 ", stanzaid.OriginID{ID: "7"}))
	add(false, chat(romeo, ""))                    // is not known again
	add(false, chat(romeo, "8", hints.NoStore))    // is in no archive
	add(false, stanza.Message{To: romeo, ID: "9"}) // says nothing
	add(false, chat(jid.MustParse("x@y.lit"), "10"))
	missing := func(t *testing.T, want ...string) {
		t.Helper()
		got, err := mam.Missing(t.Context(), juliet, time.Now(), sent)
		var ids []string
		for _, st := range got {
			ids = append(ids, st.ID)
		}
		if err != nil || !slices.Equal(ids, want) {
			t.Errorf("got %q, %v, want %q", ids, err, want)
		}
	}
	missing(t, "2", "4", "5", "1 ", "10")
	prefer := func(p archive.Preferences) {
		t.Helper()
		if _, err := archive.SetPreferences(t.Context(), juliet, p); err != nil {
			t.Fatal(err)
		}
	}
	prefer(archive.Preferences{Default: archive.Always, Never: []jid.JID{romeo}})
	missing(t, "4", "5", "10")
	prefer(archive.Preferences{Default: archive.Never, Always: []jid.JID{romeo}})
	missing(t, "2", "1 ")
	// Too many have come behind them.
	for i := range 1001 {
		st, err := (&stanza.Message{To: romeo, ID: fmt.Sprint("late ", i), Type: stanza.TypeChat, Body: "x"}).Stanza()
		if err == nil && i < 1000 {
			err = juliet.Send(t.Context(), st)
		} else if err == nil {
			err = juliet.Confirm(t.Context(), st)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got, err := mam.Missing(t.Context(), juliet, time.Now(), sent); err == nil {
		t.Errorf("got %v", got)
	}
	// What was long before is not looked at.
	got, err := mam.Missing(t.Context(), juliet, time.Now().AddDate(0, 0, 3), sent[301:302])
	if err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := mam.Missing(ctx, juliet, time.Now(), sent); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Without an archive nothing is known.
func TestMissingWithoutArchive(t *testing.T) {
	s := xmpptest.NewServer(t)
	mam := new(archive.Client)
	cfg := s.ClientConfig("juliet/balcony", nil)
	cfg.Extensions = []xmpp.Extension{mam}
	juliet := s.Start(cfg)
	st, err := (&stanza.Message{To: juliet.LocalAddr(), ID: "1", Body: "x"}).Stanza()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := mam.Missing(t.Context(), juliet, time.Now(), []*stanza.Stanza{st}); len(got) > 0 || err == nil {
		t.Errorf("got %v, %v", got, err)
	}
}
