// Package correct implements Last Message Correction (XEP-0308): a message that
// takes the place of the one its sender has sent before.
//
// A corrected message can mean something else altogether: "A client SHOULD alert
// the user that the displayed message has been edited" (section 4).
package correct

import (
	"crypto/rand"
	"encoding/xml"

	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/jid"
	legacy "github.com/etherx-go/xmpp/legacy/delay"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery
// (section 2).
const NS = "urn:xmpp:message-correct:0"

// Correction is the element <replace/>: the message corrects the one with this
// id. "If the same message is to be corrected several times, the id of the
// original message is used in each case" (section 4).
type Correction struct{ ID string }

// XMLName returns the element's name.
func (Correction) XMLName() xml.Name { return xml.Name{Space: NS, Local: "replace"} }

// AppendXML appends the element; the error is a bad-request if there is no id.
func (c Correction) AppendXML(dst []byte) ([]byte, error) {
	if c.ID == "" {
		return nil, errNoID()
	}
	dst = stanza.AppendAttr(append(dst, "<replace xmlns='"+NS+"'"...), "id", c.ID)
	return append(dst, "/>"...), nil
}

// ParseXML reads the element; the error is a bad-request if there is no id.
func (c *Correction) ParseXML(e stanza.Element) error {
	if c.ID = e.Attr("id"); c.ID == "" {
		return errNoID()
	}
	return nil
}

func errNoID() error { return stanza.NewError(stanza.BadRequest, "a correction without an id") }

// Of returns the correction that a message, a *stanza.Stanza or a
// *stanza.Message, is, and whether it is one. Whether it may correct anything is
// what [Correction.Applies] says.
func Of(m interface {
	Stanza() (*stanza.Stanza, error)
}) (Correction, bool) {
	c, st, ok := payload.Of[Correction](m)
	if !ok || st.Kind != stanza.KindMessage || c.ID == st.ID {
		return Correction{}, false
	}
	return c, true
}

// Applies reports whether the message by, which c was found in, may take the
// place of the message original: whether "both the original message and
// correction originate from the same sender". "In direct conversations, this
// means the bare-JID must match the original bare-JID, in MUCs and MUC-PMs the
// correction's full-JID must match the original full-JID" (section 4). inRoom
// says that the messages are private ones of a room; those of type groupchat show
// it by themselves.
//
// It cannot know whether original is the last message of its sender, nor whether
// the occupant of a room is still the same one; [Extension] does. Nor does it
// look at payloads: "correction MUST NOT be used to turn a chat message into a
// pubsub notification" (section 4).
func (c Correction) Applies(original, by *stanza.Message, inRoom bool) bool {
	if c.ID == "" || c.ID != original.ID || c.ID == by.ID {
		return false
	}
	if original.Type == stanza.TypeError || by.Type == stanza.TypeError {
		return false
	}
	return sender(original, inRoom) == sender(by, inRoom)
}

// source is who is speaking to whom, and where.
type source struct {
	from, to jid.JID
	room     bool // of type groupchat
}

func sender(m *stanza.Message, inRoom bool) source {
	s := source{m.From.Bare(), m.To.Bare(), m.Type == stanza.TypeGroupChat}
	if inRoom || s.room {
		s.from = m.From
	}
	return s
}

// nonMessaging are the namespaces of payloads that do something, and so cannot
// be corrected.
var nonMessaging = map[string]bool{
	"http://jabber.org/protocol/rosterx":      true,
	"jabber:x:roster":                         true,
	"http://jabber.org/protocol/pubsub#event": true,
	"http://jabber.org/protocol/ibb":          true,
	"http://jabber.org/protocol/si":           true,
	"http://jabber.org/protocol/muc#user":     true, // invitations
	"jabber:x:conference":                     true,
	"urn:xmpp:jingle-message:0":               true,
}

// New returns a message that corrects original, which one has sent, to have this
// body. It is the whole message once more, with another id: "the sender MUST
// re-send the entire stanza, only altering id and the payloads being corrected"
// (section 4). What names or dates the original is left out, and so are other
// forms of its body, as XHTML, which would not say the same. original may be a
// correction itself.
//
// The error is not-allowed if original has no id, is an error, or has "non-messaging
// payloads": "a sender MUST NOT include a correction for a roster item exchange
// request or a file transfer part".
func New(original *stanza.Message, body string) (*stanza.Message, error) {
	st, err := original.Stanza()
	if err != nil {
		return nil, err
	}
	m := st.Message()
	if m.ID == "" || m.Type == stanza.TypeError {
		return nil, stanza.NewError(stanza.NotAllowed, "a message without an id cannot be corrected")
	}
	replace := Correction{m.ID}
	if c, ok := Of(st); ok {
		replace = c
	}
	m.ID, m.Body, m.Bodies, m.Payloads = rand.Text(), body, nil, nil
	for e := range st.Payloads() {
		switch ns := e.Name().Space; {
		case nonMessaging[ns]:
			return nil, stanza.NewError(stanza.NotAllowed, "a message with "+ns+" cannot be corrected")
		case ns != stanza.NSClient && !isOfOne(e):
			m.Payloads = append(m.Payloads, e)
		}
	}
	m.Payloads = append(m.Payloads, replace)
	return m, nil
}

// isOfOne reports whether a payload belongs to one message or to its body, and
// not to its correction.
func isOfOne(e stanza.Element) bool {
	switch e.Name().Space {
	case NS, stanzaid.NS, delay.NS, legacy.NS, "http://jabber.org/protocol/xhtml-im":
		return true
	}
	return false
}
