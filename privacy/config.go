package privacy

import (
	"context"
	"math"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Limits bound what an account may store. Fields that are 0 have the default,
// negative ones mean that there is no limit. Who goes over one gets
// policy-violation.
type Limits struct {
	// Lists is how many lists an account may have. The default is 50.
	Lists int
	// Items is how many items a list may have. The default is 1000.
	Items int
	// Text is how many bytes the name of a list or group may have. The default
	// is 1023.
	Text int
}

// Refusal says what a blocked sender is told when a message of it is not
// delivered. A request, an iq of type get or set, is always answered, a presence
// never is.
type Refusal uint8

const (
	// Silent: a message is dropped. "The user's server SHOULD silently drop
	// the stanza and MUST NOT return an error to the sending entity"
	// (RFC 3921, section 10.14).
	Silent Refusal = iota
	// Unavailable: a message is answered with service-unavailable, as if
	// nobody was there. So it is recommended since version 1.6 of XEP-0016
	// (section 2.14) and in XEP-0191 (section 3.3).
	Unavailable
	// Revealed: messages and requests are answered with not-allowed, 405 in
	// numbers, as in draft-ietf-xmpp-im-02, section 7.5. It shows that there
	// is a block; only for networks where that is wanted.
	Revealed
)

// Config is what an [Engine] needs to know of its server. All functions must be
// safe for concurrent use. Store, Sessions, Groups and Old are called while the
// account's lists are kept from changing, and must not wait for something that
// is held by who is in [Engine.Allow]. account is always a bare address, session
// a full one.
type Config struct {
	// Store keeps the lists. Without one there are none: everything is
	// allowed, and requests are answered with service-unavailable.
	Store Store
	// Sessions returns the full addresses of the account's connected
	// resources, available or not. Only they may manage lists; nil: there are
	// none.
	Sessions func(account jid.JID) []jid.JID
	// Contact returns what the account's roster says about the address of a
	// contact, full or bare. nil stands for empty rosters. It is called for
	// each stanza that a list must know it for, which only those with items by
	// group or subscription do, so that a change of the roster takes effect at
	// once; it should answer from memory. Contact.JID need not be set.
	Contact func(ctx context.Context, account, contact jid.JID) (Contact, error)
	// Groups returns the groups of the account's roster. Lists with other ones
	// are refused; nil accepts all.
	Groups func(ctx context.Context, account jid.JID) ([]string, error)
	// Push sends an iq of type set with this payload to a connected resource,
	// from the account's bare address, and does not wait for the answer, which
	// is of no interest. nil: nothing is pushed.
	Push func(ctx context.Context, session jid.JID, payload stanza.Payload)
	// Announce tells a contact that has been blocked or unblocked the presence
	// of a connected resource (XEP-0191, sections 3.3 and 3.4), if the contact
	// may know it by its subscription, or by a directed presence. It is called
	// when the change is in force, so that what it sends as unavailable must
	// not be held up by [Engine.Allow]. contact is the address of the command:
	// full, bare, or a domain, which stands for all contacts that it covers; see
	// [Covers]. To each of those an available presence goes only if Allow says
	// so, for it may be blocked by itself, too. nil: nothing is announced.
	Announce func(ctx context.Context, session, contact jid.JID, available bool)
	// Limits bound what is stored.
	Limits Limits
	// Refusal is what [Engine.ErrorFor] tells blocked senders.
	Refusal Refusal
	// Cache is for how many accounts the lists, or that there are none, are
	// kept in memory. Those that have a connected resource do not have to make
	// room. The default is 1000.
	Cache int
	// Old reports whether a session speaks the form of draft-ietf-xmpp-im-02
	// from its beginning, such as one on a stream without version. Every
	// session does once it has sent an item in that form. nil: none.
	Old func(session jid.JID) bool
	// OldActiveIsDefault makes the active list of a session that speaks the
	// form of draft-ietf-xmpp-im-02 the default list too, for there "active"
	// means both.
	OldActiveIsDefault bool
}

const (
	defaultLists = 50
	defaultItems = 1000
	defaultText  = 1023
	defaultCache = 1000
)

// withDefaults fills in what is zero.
func (l Limits) withDefaults() Limits {
	for _, f := range [...]struct {
		field *int
		value int
	}{{&l.Lists, defaultLists}, {&l.Items, defaultItems}, {&l.Text, defaultText}} {
		switch {
		case *f.field == 0:
			*f.field = f.value
		case *f.field < 0:
			*f.field = math.MaxInt
		}
	}
	return l
}

// check reports what is too much in a list that has been put into l, where had
// lists were before.
func (m Limits) check(l *Lists, list *List, had int) error {
	over := func(what string) error { return stanza.NewError(stanza.PolicyViolation, what) }
	switch {
	case len(l.Lists) > m.Lists && len(l.Lists) > had:
		return over("too many lists")
	case len(list.Items) > m.Items:
		return over("too many items")
	case len(list.Name) > m.Text:
		return over("a name that is too long")
	}
	for i := range list.Items {
		if len(list.Items[i].Group) > m.Text {
			return over("a group whose name is too long")
		}
	}
	return nil
}
