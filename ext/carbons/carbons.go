// Package carbons implements Message Carbons (XEP-0280): a server gives those of
// an account's clients that want it a copy of every message that the others send
// or get, so that all of them show the whole conversation.
//
// A client says [Enable], or has an [Extension] say it in each session, and reads
// what comes with [Of]. A server asks [Copied] which messages are to be copied and
// makes the copies with [Wrap].
package carbons

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/ext/forward"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	// NS is the namespace, which is also the feature for service discovery.
	NS = "urn:xmpp:carbons:2"
	// NSRules is the feature of a server that follows all the rules of section
	// 6.1, as [Copied] does.
	NSRules = "urn:xmpp:carbons:rules:0"
)

// Direction says on which way of an account's messages a copy was made.
type Direction bool

const (
	// Received is the direction of messages for the account.
	Received Direction = false
	// Sent is that of messages by one of its clients.
	Sent Direction = true
)

// String returns the local name of the element, "received" or "sent".
func (d Direction) String() string {
	if d == Sent {
		return "sent"
	}
	return "received"
}

// Private is the element <private/>, by which a sender asks for no copies of a
// message. It goes with [hints.NoCopy] (section 9).
//
// [hints.NoCopy]: https://pkg.go.dev/github.com/etherx-go/xmpp/ext/hints#NoCopy
type Private struct{}

// XMLName returns the name of the element.
func (Private) XMLName() xml.Name { return xml.Name{Space: NS, Local: "private"} }

// AppendXML appends the element.
func (Private) AppendXML(dst []byte) ([]byte, error) {
	return append(dst, "<private xmlns='"+NS+"'/>"...), nil
}

// ParseXML reads the element, in which nothing is looked for.
func (*Private) ParseXML(stanza.Element) error { return nil }

// Switch is the payload of the request to begin or to end copying.
type Switch struct{ On bool }

// XMLName returns the name of the element, which is <enable/> or <disable/>.
func (s Switch) XMLName() xml.Name {
	if s.On {
		return EnableName
	}
	return DisableName
}

// EnableName and DisableName are the names of [Switch] on the wire. Bind 2
// (XEP-0386) has the first of them inline.
var (
	EnableName  = xml.Name{Space: NS, Local: "enable"}
	DisableName = xml.Name{Space: NS, Local: "disable"}
)

// AppendXML appends the element.
func (s Switch) AppendXML(dst []byte) ([]byte, error) {
	return append(append(append(dst, '<'), s.XMLName().Local...), " xmlns='"+NS+"'/>"...), nil
}

// ParseXML reads the element.
func (s *Switch) ParseXML(e stanza.Element) error {
	switch e.Name() {
	case EnableName:
		s.On = true
	case DisableName:
		s.On = false
	default:
		return stanza.NewError(stanza.BadRequest, "neither enable nor disable")
	}
	return nil
}

// copied is the element <received/> or <sent/>.
type copied struct {
	direction Direction
	st        *stanza.Stanza
}

func (c copied) XMLName() xml.Name { return xml.Name{Space: NS, Local: c.direction.String()} }

func (c copied) AppendXML(dst []byte) ([]byte, error) {
	name := c.direction.String()
	dst = append(append(append(dst, '<'), name...), " xmlns='"+NS+"'>"...)
	dst, err := forward.Forwarded{Stanza: c.st}.AppendXML(dst)
	if err != nil {
		return dst, err
	}
	return append(append(append(dst, "</"...), name...), '>'), nil
}

// Wrap returns the copy of a message for the clients of an account, which is a
// bare address, with the type of the message (sections 7 and 8). It has no to: the
// server sets that for each of them, which costs no second copy of the bytes.
func Wrap(d Direction, account jid.JID, st *stanza.Stanza) (*stanza.Stanza, error) {
	return stanza.New(stanza.Header{Kind: stanza.KindMessage, Type: st.Type, From: account}, copied{d, st})
}
