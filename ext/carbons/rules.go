package carbons

import (
	"github.com/etherx-go/xmpp/ext/chatstates"
	"github.com/etherx-go/xmpp/ext/hints"
	"github.com/etherx-go/xmpp/ext/markers"
	"github.com/etherx-go/xmpp/ext/receipts"
	"github.com/etherx-go/xmpp/internal/mucuser"
	"github.com/etherx-go/xmpp/stanza"
)

const nsInvitation = "jabber:x:conference" // XEP-0249

// Copied reports whether a message is to be copied, by the rules of section 6.1
// with one exception: whether an error answers a message that was copied cannot be
// seen in it, so for errors it is false, see [Ring].
//
// Of a message from a room's participant the room itself sends copies to all
// clients that are in it; so it is copied only where the account has sent it.
func Copied(d Direction, st *stanza.Stanza) bool {
	if st.Kind != stanza.KindMessage {
		return false
	}
	eligible, normal, inRoom := false, false, false
	switch st.Type.MessageType() {
	case stanza.TypeError, stanza.TypeGroupChat:
		return false
	case stanza.TypeChat:
		eligible = true
	case stanza.TypeNormal:
		normal = true
	}
	for e := range st.Payloads() {
		switch n := e.Name(); n.Space {
		case stanza.NSClient:
			eligible = eligible || normal && n.Local == "body"
		case NS:
			// What looks like a copy itself is nothing that somebody has written.
			if n.Local == "private" || n.Local == "sent" || n.Local == "received" {
				return false
			}
		case hints.NS:
			// For a bare address it has no meaning (XEP-0334, section 4.3).
			if n.Local == string(hints.NoCopy) && st.To.IsFull() {
				return false
			}
		case receipts.NS, chatstates.NS, markers.NS:
			eligible = true
		case nsInvitation:
			eligible = eligible || n.Local == "x"
		case mucuser.NS:
			inRoom = inRoom || n.Local == "x"
			eligible = eligible || mucuser.IsInvitation(e)
		}
	}
	if inRoom && d == Received && st.From.IsFull() {
		return false
	}
	return eligible
}
