// Package attention implements Attention (XEP-0224): a message that asks for its
// reader in a more assertive way than by its text, a nudge.
package attention

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery
// (section 5).
const NS = "urn:xmpp:attention:0"

// Attention is the element <attention/>.
type Attention struct{}

// XMLName returns the element's name.
func (Attention) XMLName() xml.Name { return xml.Name{Space: NS, Local: "attention"} }

// AppendXML appends the element.
func (Attention) AppendXML(dst []byte) ([]byte, error) {
	return append(dst, "<attention xmlns='"+NS+"'/>"...), nil
}

// ParseXML reads the element, in which nothing is looked for.
func (*Attention) ParseXML(stanza.Element) error { return nil }

// New returns a message that asks for the attention of to, with a text that may
// be empty. It is of type headline, as it should be "to avoid offline storage"
// (section 4).
func New(to jid.JID, body string) *stanza.Message {
	return &stanza.Message{To: to, Type: stanza.TypeHeadline, Body: body, Payloads: []any{Attention{}}}
}

// Of reports whether a message, a *stanza.Stanza or a *stanza.Message, asks for
// attention now. It does not if it was delayed: then "attention extensions MUST
// be ignored" (section 4).
func Of(m interface {
	Stanza() (*stanza.Stanza, error)
}) bool {
	_, st, ok := payload.Of[Attention](m)
	return ok && st.Kind == stanza.KindMessage && len(delay.All(st)) == 0
}
