package roster

import (
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

// What a server does to an entry. Nothing here is durable: these are for the
// function that [Store.Update] is given.

// Apply carries out a roster set, as [Limits.CheckSet] has read it: name and
// groups become exactly what it says (RFC 6121, section 2.4.1), and the contact
// is in the roster from then on. Subscription, Ask, Approved and a waiting
// Request stay: they are the server's. It is not for removals.
func (e *Entry) Apply(set Item) {
	e.Name = strings.Clone(set.Name)
	e.Groups = cloneStrings(set.Groups)
	e.Hidden = false
}

// Clear carries out a removal: nothing is remembered about the contact but its
// address. So there is no request that waits any more, either: "the server MUST
// treat a roster remove request as equivalent to sending both" unsubscribe and
// unsubscribed (RFC 3921, section 9.4). Ask [RemoveEffects] before.
func (e *Entry) Clear() { *e = Entry{Item: Item{JID: e.JID}, Hidden: true} }

// RemoveEffects returns the types of the presence stanzas that the server sends
// to the contact, in this order, when the entry e is removed from the roster
// (RFC 6121, section 2.5.2): unsubscribe if the user has a subscription, or has
// asked for one, which would otherwise be granted in vain; unsubscribed if the
// contact has one, or waits for one.
//
// If the contact has a subscription (From), it also gets unavailable presence of
// the user's available resources, before unsubscribed (section 3.2.2).
func RemoveEffects(e Entry) (types []stanza.Type) {
	if e.Subscription&To != 0 || e.Ask {
		types = append(types, stanza.TypeUnsubscribe)
	}
	if e.Subscription&From != 0 || e.Request != "" {
		types = append(types, stanza.TypeUnsubscribed)
	}
	return types
}
