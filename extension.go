package xmpp

import (
	"context"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Extension is a protocol that can be plugged into a client, a component or a
// server. Attach is called once, before any stream is open, and adds handlers
// and whatever else the host offers. Further abilities are interfaces that the
// extension may have: [Watcher], [Describer], [AccountRemover].
type Extension interface {
	Attach(h Host) error
}

// Host is what an Extension is attached to.
type Host interface {
	Sender
	// Mux is where the extension adds its handlers.
	Mux() *Mux
	// IsServer tells a server from a client or component.
	IsServer() bool
	// Features returns the features (XEP-0030, section 3) that the entity at
	// the address at has, sorted: those of the host itself and what its
	// extensions that are a [Describer] say. A client has one address; a
	// server has those of its domains, and the bare ones of its accounts.
	Features(at jid.JID) []string
}

// Describer is an Extension with features for service discovery (XEP-0030).
// Features must be safe for concurrent use.
type Describer interface {
	// Features returns the features that the extension gives to the entity at
	// the address at, which is one of the host's; see [Host].
	Features(at jid.JID) []string
}

// AccountRemover is an Extension that keeps data of a server's accounts.
type AccountRemover interface {
	// RemoveAccount forgets all that is kept for the account, which is
	// removed from the server. An error keeps the account.
	RemoveAccount(ctx context.Context, account jid.JID) error
}

// Users is what a Host that is a server tells its extensions about its
// accounts. They find it by h.(xmpp.Users). Methods are safe for concurrent
// use; contact may be a full or bare address, account is a bare one.
type Users interface {
	Host
	// HasAccount reports whether there is such an account.
	HasAccount(ctx context.Context, account jid.JID) (bool, error)
	// MaySee reports whether contact may know the presence of account: it is
	// the account itself, or has a subscription (from or both in the account's
	// roster).
	MaySee(ctx context.Context, contact, account jid.JID) (bool, error)
	// Resources returns the full addresses of the account's available
	// resources, in the order of their log-in.
	Resources(account jid.JID) []jid.JID
	// LastPresence returns the presence of type unavailable that the last
	// resource of account left, and when it did; nil if there is none.
	LastPresence(ctx context.Context, account jid.JID) (*stanza.Stanza, time.Time, error)
}

// Watcher is an Extension that wants to know when there is a session.
type Watcher interface {
	// SessionUp is called when a session has been established, in a goroutine
	// of its own. ctx ends with the session.
	SessionUp(ctx context.Context, s Sender)
	// SessionDown is called when a session has ended, with the reason.
	SessionDown(s Sender, reason error)
}
