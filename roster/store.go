package roster

import (
	"context"

	"github.com/etherx-go/xmpp/jid"
)

// Entry is all that a server knows of a contact of an account: an item of the
// roster, and what is not shown there.
type Entry struct {
	Item
	// Hidden: the contact is not in the roster; something is to be remembered
	// about it nevertheless. "A contact's server MUST NOT create a roster item
	// for the user" when a request comes in (RFC 6121, section 3.1.3).
	Hidden bool
	// Request is the complete presence stanza of type subscribe that waits for
	// the user's answer, as XML with its namespace (RFC 6121, section 3.1.3);
	// "" if there is none.
	Request string
}

// IsEmpty reports whether there is nothing to remember.
func (e *Entry) IsEmpty() bool {
	return e.Hidden && e.Request == "" && e.Subscription == None && !e.Ask && !e.Approved
}

// Store keeps the rosters of a server's accounts. account is a bare address.
// Methods are safe for concurrent use; what they have done is durable when they
// return.
type Store interface {
	// Entries returns all that is kept for the account, in the order of their
	// addresses, and the version of the roster: an opaque string that changes
	// with each update; "" for a roster that has never had an entry.
	Entries(ctx context.Context, account jid.JID) (entries []Entry, version string, err error)

	// Entry returns what is kept about one contact; ok is false if that is
	// nothing.
	Entry(ctx context.Context, account, contact jid.JID) (e Entry, ok bool, err error)

	// Update changes what is kept about a contact, atomically. fn gets the
	// entry, or, if there is none, a hidden one with nothing but the contact's
	// address, and the number of entries that the account has. What fn leaves
	// is stored, and removed if it is empty. If fn returns an error nothing is
	// changed, and Update returns that error as it is. fn may be called more
	// than once; it must not call the store, nor keep e. version is that of
	// the roster afterwards.
	Update(ctx context.Context, account, contact jid.JID, fn func(e *Entry, n int) error) (version string, err error)

	// RemoveAccount forgets the account's roster.
	RemoveAccount(ctx context.Context, account jid.JID) error
}
