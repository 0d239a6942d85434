package presence_test

import (
	"context"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/xmpptest"
)

// person is a client with all that there is for contacts.
type person struct {
	xmpp.Sender
	roster  *roster.Extension
	tracker *presence.Tracker
	items   chan roster.Item        // what the roster has come to say
	seen    chan *stanza.Presence   // whose presence has come
	got     chan xmpp.Sender        // the roster has come
	cards   map[jid.JID]roster.Item // the last of items
	there   map[jid.JID]stanza.Type // the last of seen
}

func join(t *testing.T, srv *xmpptest.Server, name string, more ...xmpp.Extension) *person {
	t.Helper()
	p := &person{
		items: make(chan roster.Item, 100), seen: make(chan *stanza.Presence, 100), got: make(chan xmpp.Sender, 1),
		cards: map[jid.JID]roster.Item{}, there: map[jid.JID]stanza.Type{},
	}
	p.roster = &roster.Extension{
		OnChange: func(it roster.Item) { p.items <- it },
		OnRoster: func(_ context.Context, s xmpp.Sender, err error) {
			if err != nil {
				t.Errorf("%s: the roster: %v", name, err)
			}
			p.got <- s
		},
	}
	p.tracker = &presence.Tracker{OnChange: func(_ context.Context, _ xmpp.Sender, pr *stanza.Presence) { p.seen <- pr }}
	cfg := srv.ClientConfig(name, nil)
	cfg.Extensions = append(more, p.roster, p.tracker)
	p.Sender = srv.Start(cfg)
	<-p.got
	return p
}

// wait waits until what has come is so.
func (p *person) wait(t *testing.T, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !so() {
		select {
		case it := <-p.items:
			p.cards[it.JID] = it
		case pr := <-p.seen:
			p.there[pr.From] = pr.Type
		case <-ctx.Done():
			t.Fatalf("%s: %+v, %v", what, p.cards, p.there)
		}
	}
}

func (p *person) waitFor(t *testing.T, contact jid.JID, s roster.Subscription, ask bool) {
	t.Helper()
	p.wait(t, s.String(), func() bool {
		it, ok := p.cards[contact]
		return ok && it.Subscription == s && it.Ask == ask
	})
}

// TestClientsAndServer has two clients become contacts, and part again.
func TestClientsAndServer(t *testing.T) {
	srv := xmpptest.NewServer(t)
	romeo := join(t, srv, "romeo/orchard", &presence.Requests{Decide: presence.AllowAll})
	juliet := join(t, srv, "juliet/balcony", &presence.Requests{Decide: presence.AllowAll, Mutual: true})
	r, j := romeo.LocalAddr(), juliet.LocalAddr()
	ctx := t.Context()

	if err := presence.Subscribe(ctx, romeo, j, "It is me."); err != nil {
		t.Fatal(err)
	}
	romeo.waitFor(t, j.Bare(), roster.Both, false)
	juliet.waitFor(t, r.Bare(), roster.Both, false)
	romeo.wait(t, "Juliet's presence", func() bool { typ, ok := romeo.there[j]; return ok && typ == "" })
	juliet.wait(t, "Romeo's presence", func() bool { typ, ok := juliet.there[r]; return ok && typ == "" })
	if p := romeo.tracker.Best(j); p == nil || p.From != j {
		t.Errorf("Juliet is not there: %+v", p)
	}

	if err := roster.Set(ctx, romeo, roster.Item{JID: j.Bare(), Name: "Juliet", Groups: []string{"Loved"}}); err != nil {
		t.Fatal(err)
	}
	romeo.wait(t, "name", func() bool { return romeo.cards[j.Bare()].Name == "Juliet" })
	if it, ok := romeo.roster.Item(j); !ok || it.Subscription != roster.Both || len(it.Groups) != 1 {
		t.Errorf("%+v, %v", it, ok)
	}
	items, err := roster.Get(ctx, romeo)
	if err != nil || len(items) != 1 || items[0].Name != "Juliet" {
		t.Errorf("%+v, %v", items, err)
	}

	if err := roster.Delete(ctx, romeo, j.Bare()); err != nil {
		t.Fatal(err)
	}
	romeo.waitFor(t, j.Bare(), roster.Remove, false)
	juliet.waitFor(t, r.Bare(), roster.None, false)
	juliet.wait(t, "Romeo is gone", func() bool { return juliet.tracker.Best(r) == nil })
}
