package roster

import "github.com/etherx-go/xmpp/jid"

// Subscription is the state of the presence subscriptions between a user and a
// contact (RFC 6121, section 2.1.2.5). To and From are bits, Both is both of
// them.
type Subscription uint8

// The states of a subscription.
const (
	None Subscription = 0         // neither
	To   Subscription = 1         // the user has a subscription to the contact
	From Subscription = 2         // the contact has a subscription to the user
	Both Subscription = To | From // each has one to the other
	// Remove is not a state: in a roster set or push it takes the item out.
	Remove Subscription = 4
)

// Item is a contact in a roster (RFC 6121, section 2.1.2).
type Item struct {
	JID          jid.JID // nearly always a bare address
	Name         string  // the user's name for the contact
	Groups       []string
	Subscription Subscription
	// Ask: the user has asked for a subscription, and there is no answer yet
	// (ask='subscribe').
	Ask bool
	// Approved: a request of the contact is approved before it has come
	// (RFC 6121, section 3.4).
	Approved bool
}
