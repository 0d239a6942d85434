package search

import (
	"context"
	"iter"

	"github.com/etherx-go/xmpp/jid"
)

// Directory is what a [Service] searches. Methods are safe for concurrent use.
type Directory interface {
	// Search returns those who match all of the fields, none of which is
	// empty, for who asks; at most limit of them, which is above 0, always the
	// same first. The names of the fields are those that the service has.
	Search(ctx context.Context, who jid.JID, fields []Field, limit int) ([]Item, error)
}

// Registry is a Directory that users enter themselves into. user is a bare
// address.
type Registry interface {
	Directory
	// Entry returns the fields of the user's entry, and whether there is one.
	Entry(ctx context.Context, user jid.JID) (fields []Field, ok bool, err error)
	// SetEntry makes an entry, or puts it in the place of the one there is.
	SetEntry(ctx context.Context, user jid.JID, fields []Field) error
	// RemoveEntry removes it; that there is none is not an error.
	RemoveEntry(ctx context.Context, user jid.JID) error
}

// Store keeps the entries of an [Index]; one Store is for one Index. Methods are safe for concurrent use; what
// they have done is durable when they return.
type Store interface {
	// Entries returns all entries, in any order.
	Entries(ctx context.Context) iter.Seq2[Item, error]
	// SetEntry adds or replaces the entry of it.JID, a bare address.
	SetEntry(ctx context.Context, it Item) error
	// RemoveEntry removes it; that there is none is not an error.
	RemoveEntry(ctx context.Context, user jid.JID) error
}
