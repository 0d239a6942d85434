package archive

import (
	"context"
	"errors"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// ErrNotFound is returned by a [Store] if there is no message with an id that was
// given: in Filter.IDs, AfterID or BeforeID, or in Paging.
var ErrNotFound = errors.New("archive: there is no message with this id")

// Entry is a message that is archived.
type Entry struct {
	// Archive is the address of the archive, a bare one: the account's.
	Archive jid.JID
	// With is who the message is to or from, as seen from the archive, with the
	// resource, if it has one.
	With jid.JID
	// At is when. Stores keep it to the millisecond, cutting off the rest.
	At     time.Time
	Stanza *stanza.Stanza
}

// Paging says which page of the messages that match is wanted.
type Paging struct {
	// After and Before are ids of messages that the page is behind, and before;
	// "" if there is no such bound.
	After, Before string
	// Backward: if there are more than fit, those that come last are the page.
	Backward bool
	// Max is how many messages a page may have; it is at least 1. MaxBytes is
	// after how many bytes of stanzas it ends even so; negative for no bound. It
	// has always at least one message.
	Max, MaxBytes int
}

// Page is a page of the messages that match.
type Page struct {
	Messages []Message // in the order of the archive
	// Complete: between the bounds of the Paging there are no other messages that
	// match.
	Complete bool
}

// Store keeps archives. archive and account are bare addresses. Methods are safe
// for concurrent use; what they have done is durable when they return: a message
// that Append has taken survives the end of the process.
//
// The order of an archive is that in which entries were appended to it, and at
// the same time that of their ids, as strings: a message whose id can be seen is
// never followed by one that gets a smaller id.
type Store interface {
	// Append adds entries at the end of their archives, in their order, all or
	// none, and returns their ids, which the store makes by [NextID]. Ids are
	// never used again.
	Append(ctx context.Context, entries ...Entry) (ids []string, err error)
	// Query returns a page of the messages that match. The error is ErrNotFound
	// for an id that is not in the archive.
	Query(ctx context.Context, archive jid.JID, f Filter, p Paging) (Page, error)
	// Count returns how many messages match. The error is as for Query.
	Count(ctx context.Context, archive jid.JID, f Filter) (int, error)
	// Metadata returns the ends of an archive.
	Metadata(ctx context.Context, archive jid.JID) (Metadata, error)
	// Purge removes the oldest messages of an archive, or of all archives if it is
	// zero: those before the moment, up to the first that is not, and, if there
	// are more than keep then, so many that there are keep. A zero moment and a
	// negative keep are no bounds. It returns how many were removed.
	Purge(ctx context.Context, archive jid.JID, before time.Time, keep int) (removed int, err error)
	// Preferences returns what the account prefers; zero if nothing was set.
	Preferences(ctx context.Context, account jid.JID) (Preferences, error)
	// SetPreferences replaces them; the Space is not kept.
	SetPreferences(ctx context.Context, account jid.JID, p Preferences) error
	// RemoveAccount forgets the account's archive and preferences.
	RemoveAccount(ctx context.Context, account jid.JID) error
}
