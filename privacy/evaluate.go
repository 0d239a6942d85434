package privacy

import (
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
)

// Contact is what an item can match: an address, and what the user's roster says
// about it. Who is not in the roster has the subscription None and no groups.
type Contact struct {
	JID          jid.JID
	Subscription roster.Subscription
	Groups       []string
}

// Allows reports whether the list lets a stanza of kind k pass that is from or
// for the contact. k is one of the four kinds, or 0 for everything that has
// none: what the user sends but presence notifications, and presences about
// subscriptions; only items for all kinds match that. The items are looked at
// in their order, the first match decides, and what nothing matches is allowed
// (RFC 3921, section 10.2). A nil List allows everything.
func (l *List) Allows(k Kinds, c Contact) bool {
	allowed, _ := l.decide(k, c.JID, &c)
	return allowed
}

// decide is Allows, but it may not know the contact: ok is false if c is nil and
// would have been needed.
func (l *List) decide(k Kinds, j jid.JID, c *Contact) (allowed, ok bool) {
	if l == nil {
		return true, true
	}
	for i := range l.Items {
		it := &l.Items[i]
		if it.Kinds != 0 && it.Kinds&k == 0 {
			continue
		}
		switch it.Type {
		case ByJID:
			if !Covers(it.JID, j) {
				continue
			}
		case ByGroup:
			if c == nil {
				return false, false
			}
			if !slices.Contains(c.Groups, it.Group) {
				continue
			}
		case BySubscription:
			if c == nil {
				return false, false
			}
			if it.Subscription != c.Subscription&roster.Both {
				continue
			}
		}
		return !it.Deny, true
	}
	return true, true
}

// Covers reports whether the address of an item stands for the address j: an
// address with a resource for itself only, a bare address of an account for all
// its resources, and a domain for "the domain itself [...], as does any
// user@domain, domain/resource, or address containing a subdomain" (RFC 3921,
// section 10.1).
func Covers(item, j jid.JID) bool {
	switch {
	case item.IsZero() || j.IsZero():
		return false
	case item.IsFull():
		return item == j
	case item.Local() != "":
		return item == j.Bare()
	}
	d, sub := item.Domain(), j.Domain()
	return sub == d || len(sub) > len(d) && sub[len(sub)-len(d)-1] == '.' && strings.HasSuffix(sub, d)
}
