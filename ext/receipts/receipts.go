// Package receipts implements Message Delivery Receipts (XEP-0184): the sender of
// a message asks to be told that it has reached a client.
//
// A receipt says that the message was delivered, not that anybody has read it,
// and one that does not come says nothing: "the sender SHOULD NOT impute any
// meaning to the fact that it has not received an ack message" (section 4).
package receipts

import (
	"crypto/rand"
	"encoding/xml"

	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery
// (section 6).
const NS = "urn:xmpp:receipts"

// Request is the element <request/>: the message asks for a receipt. It must
// have an id.
type Request struct{}

// XMLName returns the element's name.
func (Request) XMLName() xml.Name { return xml.Name{Space: NS, Local: "request"} }

// AppendXML appends the element.
func (Request) AppendXML(dst []byte) ([]byte, error) {
	return append(dst, "<request xmlns='"+NS+"'/>"...), nil
}

// ParseXML reads the element, in which nothing is looked for.
func (*Request) ParseXML(stanza.Element) error { return nil }

// Received is the element <received/>: the message with this id has arrived.
type Received struct{ ID string }

// XMLName returns the element's name.
func (Received) XMLName() xml.Name { return xml.Name{Space: NS, Local: "received"} }

// AppendXML appends the element; the error is a bad-request if there is no id.
func (r Received) AppendXML(dst []byte) ([]byte, error) {
	if r.ID == "" {
		return nil, errNoID()
	}
	dst = stanza.AppendAttr(append(dst, "<received xmlns='"+NS+"'"...), "id", r.ID)
	return append(dst, "/>"...), nil
}

// ParseXML reads the element; the error is a bad-request if there is no id.
func (r *Received) ParseXML(e stanza.Element) error {
	if r.ID = e.Attr("id"); r.ID == "" {
		return errNoID()
	}
	return nil
}

func errNoID() error { return stanza.NewError(stanza.BadRequest, "a receipt without an id") }

// Reply returns the receipt that the message m asks for, nil if it asks for
// none. It has the type of m (section 7), an id, and nothing else in it. There
// is none for a message that is a receipt itself, "to prevent looping" (section
// 5.4), for one without an id, for a groupchat, where asking is "NOT
// RECOMMENDED" (section 5.3), and for an error.
//
// Whether to send it is another question: see [Extension.Allow]. And it is to
// be sent only when the message has come, not when it is seen again in an
// archive (section 5.5).
func Reply(m *stanza.Message) *stanza.Message {
	_, st, asked := payload.Of[Request](m)
	if !asked || m.ID == "" || m.From.IsZero() || m.Type == stanza.TypeGroupChat || isReceipt(st) {
		return nil
	}
	return &stanza.Message{To: m.From, ID: rand.Text(), Type: m.Type, Payloads: []any{Received{m.ID}}}
}

func isReceipt(st *stanza.Stanza) bool { return !st.Child(NS, "received").IsZero() }
