package archive_test

import (
	"context"
	"fmt"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/rsm"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// What was said with somebody in the last week.
func ExampleClient_Messages() {
	mam := new(archive.Client) // in client.Config.Extensions
	show := func(ctx context.Context, s xmpp.Sender, with jid.JID) error {
		q := archive.Query{Filter: archive.Filter{With: with, Start: time.Now().AddDate(0, 0, -7)}}
		for m, err := range mam.Messages(ctx, s, jid.JID{}, q) {
			if err != nil {
				return err
			}
			if m.Stanza != nil { // nil: its content was removed
				fmt.Println(m.At, m.Stanza.From, m.Stanza.Message().Body)
			}
		}
		return nil
	}
	_ = show
}

// The newest twenty messages, the newest first.
func ExampleClient_Page() {
	mam := new(archive.Client)
	newest := func(ctx context.Context, s xmpp.Sender) ([]archive.Message, error) {
		p, err := mam.Page(ctx, s, jid.JID{}, archive.Query{Set: rsm.Request{Max: 20, Last: true}})
		return p.Messages, err
	}
	_ = newest
}

// A bot that answers each message once, whatever happens to its connections. save
// keeps the state beyond the end of the program.
func ExampleCatchUp() {
	bot := func(account jid.JID, saved archive.State, save func(archive.State), handle func(archive.Message)) client.Config {
		mam := new(archive.Client)
		cu := &archive.CatchUp{Account: account}
		cu.Restore(saved)
		mux := new(xmpp.Mux)
		mux.OnMessage(func(_ context.Context, s xmpp.Sender, msg *stanza.Message) error {
			st, err := msg.Stanza()
			if err != nil {
				return err
			}
			if m, ok := cu.Live(s, st); ok {
				handle(m)
				cu.Done(m)
				save(cu.State())
			}
			return nil
		})
		return client.Config{
			JID: account, Handler: mux, Extensions: []xmpp.Extension{mam},
			OnUp: func(ctx context.Context, s xmpp.Sender) {
				for m, err := range cu.Run(ctx, mam, s) {
					if err != nil {
						return // the next session goes on
					}
					handle(m)
				}
				save(cu.State())
			},
		}
	}
	_ = bot
}

// Who may be archived: everybody but one.
func ExampleSetPreferences() {
	forget := func(ctx context.Context, s xmpp.Sender, who jid.JID) error {
		p, err := archive.GetPreferences(ctx, s)
		if err != nil {
			return err
		}
		p.Never = append(p.Never, who)
		_, err = archive.SetPreferences(ctx, s, p)
		return err
	}
	_ = forget
}

// A service that does not want to keep what is sent to it in private.
func ExampleKeeps() {
	st, err := (&stanza.Message{Type: stanza.TypeChat, Body: "Burn this.",
		Payloads: []any{stanza.Raw("<no-store xmlns='urn:xmpp:hints'/>")}}).Stanza()
	fmt.Println(archive.Keeps(st), err)
	// Output: false <nil>
}
