package gateway

import (
	"context"
	"iter"

	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Network is the foreign network. Methods are called concurrently, but for one
// user one after the other.
//
// Errors of a Network and its Sessions that hold a stanza error or a condition are
// what the user is told: not-authorized for a wrong password, conflict for an account
// that somebody else has logged in with, item-not-found for a name that there is not,
// service-unavailable for somebody who is away. All others count as
// remote-server-timeout, and are logged.
type Network interface {
	// Login opens a session with the account. What comes on it is told to in,
	// also while Login runs. p is what the user shows of himself, and available.
	// ctx is for the log-in only, not for the session.
	Login(ctx context.Context, a Account, p Presence, in *Inbound) (Session, error)
}

// Verifier is a Network that can say whether an account is what it should be
// before it is kept (XEP-0100, section 4.1.1).
type Verifier interface {
	// Verify returns nil if the account can be used. not-authorized is told as
	// not-acceptable, as section 4.1.2 wants it.
	Verify(ctx context.Context, a Account) error
}

// Session is an open session of one user. Methods are called one after the other.
// They should not take long, for what comes behind waits; ctx ends after
// [Gateway.Timeout]. name is that of somebody on the network.
type Session interface {
	// Send sends a message, which has a body.
	Send(ctx context.Context, name string, m *stanza.Message) error
	// SetPresence shows the presence of the user, who stays available.
	SetPresence(ctx context.Context, p Presence) error
	// Subscribe asks for the presence of somebody: he is put on the contact list
	// there. What he answers, now or later, is told to the Inbound. text is what
	// the user says.
	Subscribe(ctx context.Context, name, text string) error
	// Unsubscribe takes somebody from the contact list.
	Unsubscribe(ctx context.Context, name string) error
	// Approve says whether somebody may see the user's presence, be it the answer
	// to a request of his, or later. Who may not must not get it any more.
	Approve(ctx context.Context, name string, may bool) error
	// Contacts returns the contact list that the network keeps, if it does. It is
	// called once, after Login, and suggested to the user (section 7).
	Contacts(ctx context.Context) ([]Contact, error)
	// Logout ends the session. Nothing may be told to the Inbound any more.
	Logout(ctx context.Context) error
}

// Director is a Session of a network where presence can be shown to one contact
// only (XEP-0100, section 4.5.2).
type Director interface {
	// Direct shows somebody the presence, which may be an unavailable one.
	Direct(ctx context.Context, name string, p Presence) error
}

// Presence is the presence of somebody. The zero Presence is unavailable.
type Presence struct {
	Available bool
	Show      stanza.Show
	Status    string
}

// Contact is somebody on a contact list of the network.
type Contact struct {
	Name   string // as the network writes it
	Nick   string // what the user calls him
	Groups []string
}

// Account is a registration: who, and the account on the network.
type Account struct {
	User jid.JID // a bare address
	// Fields are those that the user filled in; see [Gateway.Fields]. A gateway
	// has to have the password as it is, to log in with it (XEP-0100, section
	// 9): keep it well.
	Fields []register.Field
	// Suggested are the names that were suggested as contacts before.
	Suggested []string
}

// Get returns the value of a field, "" if it is not there.
func (a *Account) Get(field string) string {
	for _, f := range a.Fields {
		if f.Name == field {
			return f.Value
		}
	}
	return ""
}

// Store keeps the registrations. user is a bare address. Methods are safe for
// concurrent use; what they have done is durable when they return.
type Store interface {
	// Account returns a registration, and whether there is one.
	Account(ctx context.Context, user jid.JID) (a Account, ok bool, err error)
	// SetAccount adds or replaces the registration of a.User.
	SetAccount(ctx context.Context, a Account) error
	// RemoveAccount removes one; that there is none is not an error.
	RemoveAccount(ctx context.Context, user jid.JID) error
	// Accounts returns all of them, in any order.
	Accounts(ctx context.Context) iter.Seq2[Account, error]
}
