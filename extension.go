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
// extension may have: [Watcher], [Resumer], [Binder], [Describer], [AccountRemover].
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

// Watcher is an Extension that wants to know when there is a session. A session may
// outlive its connection (XEP-0198): then it goes on, and a Watcher is told nothing,
// unless it is a [Resumer].
type Watcher interface {
	// SessionUp is called when a session has been established, in a goroutine
	// of its own. ctx ends with the session. Where the program goes on with the
	// session that an earlier process has left, s has a method Resumed() bool that
	// returns true.
	SessionUp(ctx context.Context, s Sender)
	// SessionDown is called when a session has ended, with the reason.
	SessionDown(s Sender, reason error)
}

// Resumer is a [Watcher] that wants to know about the connections of a session, too.
// It is called in the same goroutine as SessionUp and SessionDown, between them: not
// before SessionUp has returned.
type Resumer interface {
	Watcher
	// SessionSuspended is called when the connection is lost, with the reason, and
	// the session waits for another one. What is sent is queued. If it has another
	// one already when it could be called, it is not.
	SessionSuspended(s Sender, reason error)
	// SessionResumed is called when the session goes on, on another connection. The
	// server has kept what it was told in the session: presence, rooms, what was
	// enabled; what belongs to a connection, such as the state of a client
	// (XEP-0352), begins anew. ctx ends with the session. What happens several times
	// while it runs is told once.
	SessionResumed(ctx context.Context, s Sender)
}

// Binder is a [Watcher] that has something enabled in each session, for which a client
// can ask already as it binds its resource (XEP-0386): it costs no round trip then, and
// nothing is missed between the two. The Sender that SessionUp gets has a method
// Enabled(feature string) bool, which says whether it was enabled so.
type Binder interface {
	Watcher
	// BindRequest returns the name of the feature by which a server offers it, and the
	// element that asks for it; none if nothing is to be asked for.
	BindRequest() (feature string, request stanza.Raw)
}

// Enabled reports whether a feature was enabled as the resource of the session was bound,
// whose Sender s is; see [Binder].
func Enabled(s Sender, feature string) bool {
	e, ok := s.(interface{ Enabled(feature string) bool })
	return ok && e.Enabled(feature)
}
