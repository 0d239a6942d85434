package vcard

import (
	"context"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// ErrNoCard is returned by [Get] where there is no card, or nobody who could have
// one: servers do not tell the difference (XEP-0054, section 3.3).
var ErrNoCard = errors.New("vcard: there is no vCard")

// Get returns somebody's card; with a zero to, one's own. The address is a bare
// one, but for the occupants of a room. The card is never nil; where there is
// none, it is empty, and errors.Is(err, ErrNoCard).
func Get(ctx context.Context, s xmpp.Sender, to jid.JID) (*Card, error) {
	c, err := xmpp.Call[*Card](ctx, s, stanza.TypeGet, to, new(Card))
	if c == nil {
		c = new(Card)
	}
	switch {
	case errors.Is(err, stanza.ItemNotFound) || errors.Is(err, stanza.ServiceUnavailable):
		// "applications SHOULD appropriately handle both errors"
		return c, fmt.Errorf("%w: %w", ErrNoCard, err)
	case err == nil && c.IsZero():
		return c, ErrNoCard
	}
	return c, err
}

// Set replaces one's own card. "Currently there is no method for partial updates
// of a vCard" (XEP-0054, section 3.2): to change one, get it first, and set it
// whole. An empty card removes it.
func Set(ctx context.Context, s xmpp.Sender, c *Card) error {
	if c == nil {
		c = new(Card)
	}
	_, err := xmpp.Call[*Card](ctx, s, stanza.TypeSet, jid.JID{}, c)
	return err
}
