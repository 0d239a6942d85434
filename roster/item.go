package roster

import (
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/jid"
)

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

// String returns the value of the attribute subscription, "" for what is none
// of the constants.
func (s Subscription) String() string {
	switch s {
	case None:
		return "none"
	case To:
		return "to"
	case From:
		return "from"
	case Both:
		return "both"
	case Remove:
		return "remove"
	}
	return ""
}

// ParseSubscription reads the value of the attribute subscription. "" is None:
// "if the subscription attribute is not included then the state is to be
// understood as "none"" (RFC 6121, section 2.1.2.5). ok is false, and the state
// None, for a value that is not defined; such values are to be ignored.
func ParseSubscription(value string) (s Subscription, ok bool) {
	switch value {
	case "", "none":
		return None, true
	case "to":
		return To, true
	case "from":
		return From, true
	case "both":
		return Both, true
	case "remove":
		return Remove, true
	}
	return None, false
}

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

// Clone returns a copy that shares no memory with it. An item that was read
// from a stanza shares the memory of that: Clone what outlives it.
func (it Item) Clone() Item {
	it.JID = it.JID.Clone()
	it.Name = strings.Clone(it.Name)
	it.Groups = cloneStrings(it.Groups)
	return it
}

// equal reports whether two items say the same.
func (it Item) equal(other Item) bool {
	return it.JID == other.JID && it.Name == other.Name && it.Subscription == other.Subscription &&
		it.Ask == other.Ask && it.Approved == other.Approved && slices.Equal(it.Groups, other.Groups)
}

func cloneStrings(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	clone := make([]string, len(list))
	for i, s := range list {
		clone[i] = strings.Clone(s)
	}
	return clone
}
