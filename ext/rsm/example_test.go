package rsm_test

import (
	"context"
	"encoding/xml"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/rsm"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// rooms is a disco#items request or answer with a page in it.
type rooms struct {
	Items disco.Items
	Ask   rsm.Request
	Set   rsm.Result
}

func (rooms) XMLName() xml.Name { return disco.Items{}.XMLName() }

func (r rooms) AppendXML(dst []byte) ([]byte, error) {
	dst, err := r.Ask.AppendXML(append(dst, "<query xmlns='"+disco.NSItems+"'>"...))
	return append(dst, "</query>"...), err
}

func (r *rooms) ParseXML(e stanza.Element) error {
	if set := e.Child(rsm.NS, "set"); !set.IsZero() {
		if err := set.Decode(&r.Set); err != nil {
			return err
		}
	}
	return e.Decode(&r.Items)
}

// All rooms of a service, however many there are.
func ExampleAll() {
	list := func(ctx context.Context, s xmpp.Sender, service jid.JID) error {
		get := func(ctx context.Context, r rsm.Request) (rsm.Page[disco.Item], error) {
			answer, err := xmpp.Call[rooms](ctx, s, stanza.TypeGet, service, rooms{Ask: r})
			return rsm.Page[disco.Item]{Items: answer.Items.Items, Result: answer.Set}, err
		}
		for room, err := range rsm.All(ctx, rsm.Request{Max: 100}, get) {
			if err != nil {
				return err
			}
			fmt.Println(room.JID)
		}
		return nil
	}
	_ = list
}

// What a service answers that has its items in a slice.
func ExampleSlice() {
	names := []string{"adium", "airhitch", "argia", "beer"}
	page, set, err := rsm.Slice(names, func(s string) string { return s }, rsm.Request{Max: 2, After: "adium"}, 50, 250)
	fmt.Println(page, set.Index, set.Count, err)
	// Output: [airhitch argia] 1 4 <nil>
}
