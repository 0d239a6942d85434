// Package mucuser knows of rooms (XEP-0045) what everybody has to know who decides
// about messages without being a room.
package mucuser

import "github.com/etherx-go/xmpp/stanza"

// NS is the namespace of what a room says of its occupants, and of invitations.
const NS = "http://jabber.org/protocol/muc#user"

// Is reports whether an element is the <x/> of this namespace.
func Is(e stanza.Element) bool { return e.Is(NS, "x") }

// IsInvitation reports whether an element invites somebody to a room, or declines
// that (XEP-0045, section 7.8.2). An empty one only marks what is said in private,
// and a status is no news later.
func IsInvitation(e stanza.Element) bool {
	return Is(e) && (!e.Child(NS, "invite").IsZero() || !e.Child(NS, "decline").IsZero())
}
