package flexoffline

import (
	"context"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// fieldCount is the field that says how many messages there are.
const fieldCount = "number_of_messages"

// Header is what is known of a stored message that has not been taken.
type Header struct {
	Node string  // names it
	From jid.JID // who has sent it; zero if the server says something that is no address
}

// Supported asks the server of the own account whether it has all this.
func Supported(ctx context.Context, s xmpp.Sender) (bool, error) {
	return disco.Supports(ctx, s, s.LocalAddr().DomainJID(), NS)
}

// Count asks how many messages are stored. A server that does not say so is
// answered for with [disco.ErrNoAnswer].
func Count(ctx context.Context, s xmpp.Sender) (int, error) {
	info, err := disco.GetInfo(ctx, s, jid.JID{}, NS)
	if err != nil {
		return 0, err
	}
	f := info.Form(NS)
	if f == nil {
		return 0, disco.ErrNoAnswer
	}
	n, err := strconv.Atoi(strings.TrimSpace(f.Text(fieldCount)))
	if err != nil || n < 0 {
		return 0, disco.ErrNoAnswer
	}
	return n, nil
}

// Headers asks for the headers of all messages that are stored, in their order.
func Headers(ctx context.Context, s xmpp.Sender) ([]Header, error) {
	items, err := disco.GetItems(ctx, s, jid.JID{}, NS)
	if err != nil {
		return nil, err
	}
	var all []Header
	for _, it := range items {
		if it.Node == "" {
			continue
		}
		h := Header{Node: it.Node}
		if from, err := jid.Parse(it.Name); err == nil {
			h.From = from
		}
		all = append(all, h)
	}
	return all, nil
}

// View asks for messages. They come as others do, and [Node] knows them; they are
// still stored then. The error is item-not-found if one is not there.
func View(ctx context.Context, s xmpp.Sender, nodes ...string) error {
	return call(ctx, s, stanza.TypeGet, items(ActionView, nodes))
}

// Remove removes messages. The error is item-not-found if one is not there, and
// then all stay.
func Remove(ctx context.Context, s xmpp.Sender, nodes ...string) error {
	return call(ctx, s, stanza.TypeSet, items(ActionRemove, nodes))
}

// Fetch asks for all messages, as View does.
func Fetch(ctx context.Context, s xmpp.Sender) error {
	return call(ctx, s, stanza.TypeGet, Offline{Fetch: true})
}

// Purge removes all messages.
func Purge(ctx context.Context, s xmpp.Sender) error {
	return call(ctx, s, stanza.TypeSet, Offline{Purge: true})
}

// Node returns by which node a message was stored, and whether it comes from there:
// a *stanza.Stanza or a *stanza.Message. Anybody can write so into a message; only
// one that was asked for is meant.
func Node(m interface {
	Stanza() (*stanza.Stanza, error)
}) (node string, ok bool) {
	o, _, ok := payload.Of[Offline](m)
	if !ok || len(o.Items) != 1 {
		return "", false
	}
	return o.Items[0].Node, true
}

func items(a Action, nodes []string) (o Offline) {
	for _, n := range nodes {
		o.Items = append(o.Items, Item{a, n})
	}
	return o
}

func call(ctx context.Context, s xmpp.Sender, t stanza.Type, o Offline) error {
	_, err := xmpp.Call[stanza.Element](ctx, s, t, jid.JID{}, o)
	return err
}
