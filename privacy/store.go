package privacy

import (
	"context"

	"github.com/etherx-go/xmpp/jid"
)

// Store keeps the privacy lists of a server's accounts. account is a bare
// address. Methods are safe for concurrent use; what they have done is durable
// when they return. An engine may keep what [Lists.MarshalText] gives.
type Store interface {
	// PrivacyLists returns the account's lists, which the caller must not
	// change; the zero Lists if it has none.
	PrivacyLists(ctx context.Context, account jid.JID) (Lists, error)
	// UpdatePrivacyLists changes them atomically. If fn returns an error
	// nothing is changed, and that error is returned as it is. fn may be
	// called more than once; it must not call the store, nor keep the Lists.
	UpdatePrivacyLists(ctx context.Context, account jid.JID, fn func(*Lists) error) error
	// RemoveAccount forgets the account's lists.
	RemoveAccount(ctx context.Context, account jid.JID) error
}
