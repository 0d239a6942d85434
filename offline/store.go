package offline

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// ErrFull is returned by [Store.Add] when the account has as many messages as it
// may have.
var ErrFull = errors.New("offline: too many messages are stored")

// Message is a stored message.
type Message struct {
	ID     int64 // identifies it in its store
	At     time.Time
	Stanza *stanza.Stanza
}

// Store keeps messages for accounts that are not there to receive them
// (XEP-0160). account is a bare address. Methods are safe for concurrent use;
// what they have done is durable when they return: a message that Add has taken
// survives the end of the process.
type Store interface {
	// Add stores a message. max bounds how many the account may have; -1 = no
	// limit. The error is ErrFull if it has max already.
	Add(ctx context.Context, account jid.JID, st *stanza.Stanza, at time.Time, max int) error
	// Messages yields the account's messages in the order in which they were
	// stored. An error ends the sequence. Messages may be added and deleted
	// while it runs.
	Messages(ctx context.Context, account jid.JID) iter.Seq2[Message, error]
	// Delete deletes messages; it is no error if one is not there.
	Delete(ctx context.Context, account jid.JID, ids ...int64) error
	// Count returns how many messages the account has.
	Count(ctx context.Context, account jid.JID) (int, error)
	// RemoveAccount forgets the account's messages.
	RemoveAccount(ctx context.Context, account jid.JID) error
}
