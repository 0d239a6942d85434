package roster

import (
	"context"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Get asks the server for the account's roster (RFC 6121, section 2.2), and
// from then on gets its pushes; an [Extension] follows them. The order of the
// items is the server's. item-not-found says that there is no roster.
func Get(ctx context.Context, s xmpp.Sender) ([]Item, error) {
	q, err := xmpp.Call[Query](ctx, s, stanza.TypeGet, jid.JID{}, Query{})
	if err != nil {
		return nil, err
	}
	ignoreRemove(q.Items)
	return q.Items, nil
}

// ignoreRemove ignores a value of subscription that has no meaning in a result
// (RFC 6121, section 2.1.2.5).
func ignoreRemove(items []Item) {
	for i := range items {
		if items[i].Subscription == Remove {
			items[i].Subscription = None
		}
	}
}

// Set adds an item to the roster, or changes it: name and groups become exactly
// those of it (RFC 6121, sections 2.3 and 2.4). What is said about subscriptions
// is left out, except that Remove removes the item. The server answers
// not-acceptable if a name is too long for it, and bad-request if a group comes
// twice.
func Set(ctx context.Context, s xmpp.Sender, it Item) error {
	iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet}, request{it})
	if err != nil {
		return err
	}
	_, err = s.Do(ctx, iq)
	return err
}

// Delete removes a contact from the roster, and ends the subscriptions in both
// directions (RFC 6121, section 2.5). item-not-found says that it was not there.
func Delete(ctx context.Context, s xmpp.Sender, contact jid.JID) error {
	return Set(ctx, s, Item{JID: contact, Subscription: Remove})
}
