// Package markers implements Displayed Markers (XEP-0333): a client says up to
// which message a chat was displayed to its user.
//
// "Displayed Markers do not mark each individual message, nor do they assume a
// reliable transport" (section 1): they are a hint. They also tell that one is
// there, so one "SHOULD NOT send Displayed Markers to recipients who are not
// otherwise authorized to view its presence" (section 7), and should be able to
// opt out (section 8).
package markers

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery
// (section 3).
const NS = "urn:xmpp:chat-markers:0"

// Markable is the element <markable/>: the sender would like to know when the
// message is displayed. The message must have an id.
type Markable struct{}

// XMLName returns the element's name.
func (Markable) XMLName() xml.Name { return xml.Name{Space: NS, Local: "markable"} }

// AppendXML appends the element.
func (Markable) AppendXML(dst []byte) ([]byte, error) {
	return append(dst, "<markable xmlns='"+NS+"'/>"...), nil
}

// ParseXML reads the element, in which nothing is looked for.
func (*Markable) ParseXML(stanza.Element) error { return nil }

// Displayed is the element <displayed/>: all is displayed up to the message
// with this id.
type Displayed struct{ ID string }

// XMLName returns the element's name.
func (Displayed) XMLName() xml.Name { return xml.Name{Space: NS, Local: "displayed"} }

// AppendXML appends the element; the error is a bad-request if there is no id.
func (d Displayed) AppendXML(dst []byte) ([]byte, error) {
	if d.ID == "" {
		return nil, errNoID()
	}
	dst = stanza.AppendAttr(append(dst, "<displayed xmlns='"+NS+"'"...), "id", d.ID)
	return append(dst, "/>"...), nil
}

// ParseXML reads the element; the error is a bad-request if there is no id.
func (d *Displayed) ParseXML(e stanza.Element) error {
	if d.ID = e.Attr("id"); d.ID == "" {
		return errNoID()
	}
	return nil
}

func errNoID() error { return stanza.NewError(stanza.BadRequest, "a marker without an id") }

// Reply returns the marker for messages of one contact that were displayed, in
// their order: for the last that asks for it, as one "SHOULD only send a
// <displayed/> marker for the most recent" (section 4.2); nil if none does. own
// is the own address: what one has sent oneself, from whatever resource, is not
// answered (section 5), nor is what is a marker itself. It goes to the contact's
// bare address. For rooms there is [ReplyRoom].
func Reply(own jid.JID, displayed ...*stanza.Message) *stanza.Message {
	for i := len(displayed) - 1; i >= 0; i-- {
		m := displayed[i]
		if m.Type == stanza.TypeGroupChat || m.From.IsZero() || m.From.Bare() == own.Bare() {
			continue
		}
		if _, st, ok := payload.Of[Markable](m); !ok || m.ID == "" || isMarker(st) {
			continue
		}
		return &stanza.Message{To: m.From.Bare(), Type: m.Type, Thread: m.Thread, Payloads: []any{Displayed{m.ID}}}
	}
	return nil
}

// ReplyRoom returns the marker for a message of a room that was displayed; nil
// if there is no id to name it by, or it is a marker itself. Nobody needs to have
// asked for it: "the Displayed Marker MAY be sent opportunistically" (section
// 4.3). Not to answer one's own messages is up to the caller, who knows which
// occupant one is. stableIDs is as for [RoomID].
func ReplyRoom(m *stanza.Message, stableIDs bool) *stanza.Message {
	id, ok := RoomID(m, stableIDs)
	st := payload.Stanza(m)
	if !ok || st == nil || isMarker(st) {
		return nil
	}
	return &stanza.Message{To: m.From.Bare(), Type: stanza.TypeGroupChat, Thread: m.Thread, Payloads: []any{Displayed{id}}}
}

// RoomID returns the id that a message of a room is marked by. stableIDs says
// that the room announces [stanzaid.NS]: "then clients MUST always use the
// MUC-assigned id" (section 4.3); otherwise such an id "should be considered
// spoofed", and the message's own is used.
func RoomID(m *stanza.Message, stableIDs bool) (id string, ok bool) {
	if m.Type != stanza.TypeGroupChat {
		return "", false
	}
	if stableIDs {
		return stanzaid.By(m, m.From.Bare())
	}
	return m.ID, m.ID != ""
}

func isMarker(st *stanza.Stanza) bool { return !st.Child(NS, "displayed").IsZero() }
