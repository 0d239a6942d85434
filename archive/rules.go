package archive

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/ext/hints"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/internal/mucuser"
	"github.com/etherx-go/xmpp/stanza"
)

// Keeps reports whether a message is one that the archive of an account has, if
// its preferences allow it: messages of type normal or chat with a body, "that
// hold meaningful content, rather than state changes" (XEP-0313, sections 3 and
// 6.1.1), and what makes sense only together with these, so that all clients of
// the account agree: receipts and markers, encrypted content, invitations to
// rooms, calls, reactions, retractions. What is said in private in a room is a
// message of type chat like others. Errors, headlines, and messages of rooms,
// which have archives of their own, are not kept; nor is what only says that
// somebody writes.
//
// Hints count (XEP-0334): no-store and no-permanent-store keep a message out, store
// lets one in, but for messages of those other types.
//
// It looks at nothing but the names of the payloads, and of what is in an <x/> of
// a room.
func Keeps(st *stanza.Stanza) bool { return inspect(st).keeps }

// found is what the names of a message's payloads say.
type found struct {
	keeps bool // it is archived
	ids   bool // there are stanza ids
}

// inspect finds out about a message for the archive of an account.
func inspect(st *stanza.Stanza) (f found) {
	if st.Kind != stanza.KindMessage {
		return f
	}
	var h hints.Hints
	content := false
	for e := range st.Payloads() {
		switch n := e.Name(); n.Space {
		case hints.NS:
			h.NoStore = h.NoStore || n.Local == string(hints.NoStore)
			h.NoPermanentStore = h.NoPermanentStore || n.Local == string(hints.NoPermanentStore)
			h.Store = h.Store || n.Local == string(hints.Store)
		case stanzaid.NS:
			f.ids = f.ids || n.Local == "stanza-id"
		default:
			content = content || isContent(n) || mucuser.IsInvitation(e)
		}
	}
	switch st.Type.MessageType() {
	case stanza.TypeNormal, stanza.TypeChat:
		f.keeps = h.Archive(content)
	}
	return f
}

// isContent reports whether a payload is a reason to archive a message.
func isContent(n xml.Name) bool {
	switch n.Space {
	case stanza.NSClient:
		return n.Local == "body" || n.Local == "subject"
	case "urn:xmpp:receipts":
		return n.Local == "received"
	case "urn:xmpp:chat-markers:0":
		return n.Local != "markable" // which only asks for one
	case "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:1", "urn:xmpp:omemo:2", // XEP-0384
		"urn:xmpp:openpgp:0",          // XEP-0373
		"jabber:x:encrypted",          // XEP-0027
		"urn:xmpp:eme:0",              // XEP-0380
		"jabber:x:conference",         // XEP-0249
		"jabber:x:oob",                // XEP-0066
		"urn:xmpp:reactions:0",        // XEP-0444
		"urn:xmpp:fasten:0",           // XEP-0422
		"urn:xmpp:message-retract:0",  // XEP-0424
		"urn:xmpp:message-retract:1",  // XEP-0424
		"urn:xmpp:jingle-message:0",   // XEP-0353
		"urn:xmpp:jingle-message:1",   // XEP-0353
		"urn:xmpp:call-invites:0",     // XEP-0482
		"urn:xmpp:sfs:0",              // XEP-0447
		"urn:xmpp:message-correct:0",  // XEP-0308
		"urn:xmpp:message-moderate:1": // XEP-0425
		return true
	}
	return false
}
