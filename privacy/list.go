package privacy

import (
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
)

// ItemType says by what an [Item] matches the other entity (XEP-0016, section
// 2.1).
type ItemType uint8

// The types of items.
const (
	Any            ItemType = iota // everybody: the fall-through case
	ByJID                          // by address
	ByGroup                        // by a group of the user's roster
	BySubscription                 // by the subscription between the two
)

// Kinds is a set of kinds of stanzas. 0 stands for all of them.
type Kinds uint8

// The kinds of stanzas that an item may be limited to. What a user sends is only
// ever matched by PresenceOut, and by 0.
const (
	Message     Kinds = 1 << iota // messages to the user
	IQ                            // iqs to the user
	PresenceIn                    // presence notifications to the user
	PresenceOut                   // presence notifications of the user
)

// Item is one rule of a privacy list.
type Item struct {
	Type         ItemType
	JID          jid.JID             // of ByJID
	Group        string              // of ByGroup
	Subscription roster.Subscription // of BySubscription
	Deny         bool                // action deny; else allow
	Order        uint32              // unique in the list
	Kinds        Kinds
}

// List is a privacy list: its items by ascending order.
type List struct {
	Name  string
	Items []Item
}

// Lists are the privacy lists of an account.
type Lists struct {
	Default string // name of the default list, "" if there is none
	Lists   []List // by name
}
