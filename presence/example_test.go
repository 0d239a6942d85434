package presence_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// A bot that everybody may add as a contact, and that adds them in turn.
func ExampleRequests() {
	bot, err := client.New(client.Config{
		JID:        jid.MustParse("bot@example.org"),
		Password:   "secret",
		Extensions: []xmpp.Extension{&presence.Requests{Decide: presence.AllowAll, Mutual: true}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(bot.IsServer()) // bot.Run(ctx) does the rest
	// Output: false
}

// A bot that only people of its own domain may add.
func ExampleRequests_decide() {
	r := &presence.Requests{Decide: func(_ context.Context, from jid.JID, _ *stanza.Presence) presence.Decision {
		if from.Domain() == "example.org" {
			return presence.Allow
		}
		return presence.Refuse
	}}
	for _, from := range []string{"juliet@example.org", "mallory@example.net"} {
		fmt.Println(r.Decide(context.Background(), jid.MustParse(from), nil) == presence.Allow)
	}
	// Output:
	// true
	// false
}

// A program that writes to a contact only when it is there.
func ExampleTracker() {
	tracker := new(presence.Tracker)
	c, err := client.New(client.Config{
		JID:        jid.MustParse("bot@example.org"),
		Password:   "secret",
		Extensions: []xmpp.Extension{tracker},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	remind := func(ctx context.Context, who jid.JID) error {
		p := tracker.Best(who)
		if p == nil || p.Show == stanza.ShowDoNotDisturb {
			return nil
		}
		return xmpp.Send(ctx, c, &stanza.Message{To: p.From, Type: stanza.TypeChat, Body: "Tea is ready."})
	}
	fmt.Println(remind(context.Background(), jid.MustParse("juliet@example.org")))
	// Output: <nil>
}

// What a client says about subscriptions, each in a line.
func ExampleSubscribe() {
	ctx, s, juliet := context.Background(), printer{}, jid.MustParse("juliet@example.org")
	presence.Subscribe(ctx, s, juliet, "It is me, Romeo.")
	presence.Approve(ctx, s, juliet)
	presence.Unsubscribe(ctx, s, juliet)
	presence.Cancel(ctx, s, juliet)
	// Output:
	// subscribe juliet@example.org "It is me, Romeo."
	// subscribed juliet@example.org ""
	// unsubscribe juliet@example.org ""
	// unsubscribed juliet@example.org ""
}

// How a client says that it is there.
func ExampleAvailable() {
	ctx, s := context.Background(), printer{}
	presence.Available(ctx, s, stanza.ShowAway, "Having tea", 5)
	presence.Directed(ctx, s, jid.MustParse("balcony@rooms.example.org/romeo"), stanza.Presence{Status: "Just looking"})
	presence.Unavailable(ctx, s, "Good night")
	// Output:
	// available  "Having tea"
	// available balcony@rooms.example.org/romeo "Just looking"
	// unavailable  "Good night"
}

// printer is a Sender that shows what it is given; in a program it is the
// client.
type printer struct{ xmpp.Sender }

func (printer) Send(_ context.Context, st *stanza.Stanza) error {
	p := st.Presence()
	kind := string(p.Type)
	if p.Type == stanza.TypeAvailable {
		kind = "available"
	}
	fmt.Printf("%s %s %q\n", kind, p.To, p.Status)
	return nil
}

// What a server does when a user approves a request.
func ExampleOutbound() {
	e := roster.Entry{
		Item:    roster.Item{JID: jid.MustParse("romeo@example.net")},
		Hidden:  true,
		Request: "<presence xmlns='jabber:client' type='subscribe' from='romeo@example.net' to='juliet@example.com'/>",
	}
	fmt.Println(presence.StateOf(e))
	effect := presence.Outbound(&e, stanza.TypeSubscribed)
	fmt.Println(presence.StateOf(e))
	fmt.Println(effect.Route, effect.Push, effect.Announce == presence.AnnounceAvailable)
	// Output:
	// None + Pending In
	// From
	// true true true
}
