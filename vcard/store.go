package vcard

import (
	"context"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Store keeps the vCards of a server's accounts, as their owners wrote them.
// account is a bare address. Methods are safe for concurrent use; what they have
// done is durable when they return.
type Store interface {
	// VCard returns the element <vCard/>, "" if there is none.
	VCard(ctx context.Context, account jid.JID) (stanza.Raw, error)
	// SetVCard replaces it; "" removes it.
	SetVCard(ctx context.Context, account jid.JID, card stanza.Raw) error
	// RemoveAccount forgets it.
	RemoveAccount(ctx context.Context, account jid.JID) error
}
