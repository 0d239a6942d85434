package presence

import (
	"context"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Store keeps, for each account, the last presence of type unavailable, with
// which probes are answered while nobody is there (RFC 6121, section 4.3.2) and
// from which the last activity is known (XEP-0012). account is a bare address.
// Methods are safe for concurrent use.
type Store interface {
	// LastPresence returns the presence and when it came; nil if there is none.
	LastPresence(ctx context.Context, account jid.JID) (*stanza.Stanza, time.Time, error)
	// SetLastPresence replaces it.
	SetLastPresence(ctx context.Context, account jid.JID, st *stanza.Stanza, at time.Time) error
	// RemoveAccount forgets it.
	RemoveAccount(ctx context.Context, account jid.JID) error
}
