package csi

import (
	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/ext/chatstates"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/ext/forward"
	"github.com/etherx-go/xmpp/ext/hints"
	"github.com/etherx-go/xmpp/ext/markers"
	"github.com/etherx-go/xmpp/ext/receipts"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/internal/mucuser"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Urgency says how a stanza is treated for a client that nobody looks at.
type Urgency uint8

const (
	// Urgent stanzas are sent at once, and with them all that was kept back.
	Urgent Urgency = iota
	// Waits stanzas are kept back, each of them.
	Waits
	// Latest stanzas are kept back; only the last of its kind from a sender says
	// anything, so an earlier one is dropped.
	Latest
)

const (
	nsEvent      = "http://jabber.org/protocol/pubsub#event"
	nsOccupantID = "urn:xmpp:occupant-id:0"
)

// UrgencyOf says what becomes of a stanza. Presence of contacts is Latest. Messages
// in which there are only chat states are Latest too; those with only receipts,
// markers, or events of subscriptions (as of XEP-0163) wait. A copy of a message
// (XEP-0280) is treated like the message, but never urgent if one of the account's
// other clients has sent it. All else is urgent: what is not known may be important.
func UrgencyOf(st *stanza.Stanza) Urgency {
	u, _ := classify(st)
	return u
}

// key is of what only the last says anything.
type key struct {
	from jid.JID
	to   jid.JID
	kind stanza.Kind
}

func keyOf(st *stanza.Stanza) key { return key{st.From, st.To, st.Kind} }

// classify says what becomes of a stanza, and what a Latest one is the latest of: of
// a copy that of the message in it.
func classify(st *stanza.Stanza) (Urgency, key) {
	switch st.Kind {
	case stanza.KindPresence:
		return ofPresence(st), keyOf(st)
	case stanza.KindMessage:
		return ofMessage(st)
	}
	return Urgent, keyOf(st)
}

func ofPresence(st *stanza.Stanza) Urgency {
	if st.Type != stanza.TypeAvailable && st.Type != stanza.TypeUnavailable {
		return Urgent // somebody asks or answers, or something has failed
	}
	if x := st.Child(mucuser.NS, "x"); !x.IsZero() {
		// The client waits for its own presence to know that it is in, and
		// people may be told why it is out (XEP-0045, section 7.2.2).
		for c := range x.Children() {
			if c.Is(mucuser.NS, "status") && c.Attr("code") == "110" {
				return Urgent
			}
		}
	}
	return Latest
}

func ofMessage(st *stanza.Stanza) (Urgency, key) {
	k := keyOf(st)
	if st.Type == stanza.TypeError {
		return Urgent, k
	}
	states, others := false, false
	for e := range st.Payloads() {
		switch weigh(e) {
		case light:
		case state:
			states = true
		case other:
			others = true
		case copied:
			if st.From != st.To.Bare() {
				return Urgent, k // it only looks like one
			}
			u, inner, ok := ofCopied(e)
			if !ok {
				return Urgent, k
			}
			if k = inner; u == Urgent {
				return Urgent, k
			}
			states, others = states || u == Latest, others || u == Waits
		default:
			return Urgent, k
		}
	}
	switch {
	case others:
		return Waits, k
	case states:
		return Latest, k
	}
	return Urgent, k
}

// weight is how urgent one payload makes a message.
type weight uint8

const (
	heavy  weight = iota // urgent
	other                // it waits
	state                // only the last counts
	light                // says nothing to anybody
	copied               // as what is in it
)

func weigh(e stanza.Element) weight {
	switch n := e.Name(); n.Space {
	case chatstates.NS:
		return state
	case receipts.NS, markers.NS:
		if n.Local == "request" || n.Local == "markable" {
			return heavy // it is a message that wants an answer
		}
		return other
	case nsEvent:
		return other
	case hints.NS, stanzaid.NS, delay.NS, nsOccupantID:
		return light
	case mucuser.NS:
		if n.Local == "x" && e.FirstChild().IsZero() {
			return light // it only marks what is private in a room
		}
	case stanza.NSClient:
		if n.Local == "thread" {
			return light
		}
	case carbons.NS:
		if n.Local == "private" {
			return light
		}
		return copied
	}
	return heavy
}

// ofCopied is classify for what is in a copy; ok is false if there is no message.
func ofCopied(e stanza.Element) (u Urgency, k key, ok bool) {
	f, err := forward.In(e)
	if err != nil || f.Stanza.Kind != stanza.KindMessage {
		return Urgent, k, false
	}
	for inner := range f.Stanza.Payloads() {
		if weigh(inner) == copied {
			return Urgent, k, false // a copy of a copy is nothing that a server makes
		}
	}
	u, k = ofMessage(f.Stanza)
	if u == Urgent && e.Name().Local == "sent" {
		u = Waits
	}
	return u, k, true
}
