package private

import (
	"context"
	"encoding/xml"
	"errors"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// ErrFull is returned by [Store.SetPrivate] when the account has as many
// elements as it may have.
var ErrFull = errors.New("private: too many elements are stored")

// Store keeps the private XML of a server's accounts (XEP-0049), by the name of
// the element. account is a bare address. Methods are safe for concurrent use;
// what they have done is durable when they return.
type Store interface {
	// Private returns the element of that name, "" if there is none.
	Private(ctx context.Context, account jid.JID, name xml.Name) (stanza.Raw, error)
	// SetPrivate replaces the element of that name; "" removes it. max bounds
	// how many elements the account may have, -1 = no limit; the error is
	// ErrFull if this one is new and it has max already.
	SetPrivate(ctx context.Context, account jid.JID, name xml.Name, el stanza.Raw, max int) error
	// RemoveAccount forgets the account's elements.
	RemoveAccount(ctx context.Context, account jid.JID) error
}
