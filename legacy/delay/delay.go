// Package delay holds the payload of delayed delivery in its old form,
// jabber:x:delay (XEP-0091): when a stanza was sent that was stored on its way.
// Peers of today use that of package ext/delay, which reads both.
package delay

import (
	"encoding/xml"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/ext/datetime"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace.
const NS = "jabber:x:delay"

// Delay says when a stanza was sent that comes late. Its fields are those of
// the Delay in package ext/delay; either can be converted to the other.
type Delay struct {
	// From is who delayed the stanza, zero if that is not said: "In the case of
	// a message, the from attribute is equal to the JID of the recipient", whose
	// filter stored it, "in the case of presence [...] the JID of the sender"
	// (Jabber Programmers Guide, chapter 10). XEP-0091 has the server or the room.
	From jid.JID
	// Stamp is when the stanza was sent, to the second.
	Stamp time.Time
	// Reason describes the reason for people.
	Reason string
}

// XMLName returns the element's name.
func (Delay) XMLName() xml.Name { return xml.Name{Space: NS, Local: "x"} }

// AppendXML appends the element. The stamp is written in UTC as
// CCYYMMDDThh:mm:ss (XEP-0091, section 4); the error is a bad-request if there
// is none.
func (d Delay) AppendXML(dst []byte) ([]byte, error) {
	if d.Stamp.IsZero() {
		return nil, stanza.NewError(stanza.BadRequest, "a delay without a stamp")
	}
	dst = append(dst, "<x xmlns='"+NS+"'"...)
	if !d.From.IsZero() {
		dst = stanza.AppendAttr(dst, "from", d.From.String())
	}
	dst = stanza.AppendAttr(dst, "stamp", datetime.FormatLegacy(d.Stamp))
	if d.Reason == "" {
		return append(dst, "/>"...), nil
	}
	return append(stanza.AppendText(append(dst, '>'), d.Reason), "</x>"...), nil
}

// ParseXML reads the element. The stamp may also have the form of XEP-0082; the
// time zone "is to be understood as UTC" (XEP-0091, section 4). Without a stamp
// that can be read the error is a bad-request. A from that is not an address
// is left out.
func (d *Delay) ParseXML(e stanza.Element) error {
	stamp, err := datetime.ParseLegacy(e.Attr("stamp"))
	if err != nil || stamp.IsZero() {
		return stanza.NewError(stanza.BadRequest, "a delay without a stamp")
	}
	*d = Delay{Stamp: stamp.UTC().Truncate(time.Second), Reason: strings.TrimSpace(e.Text())}
	if from, err := jid.Parse(e.Attr("from")); err == nil {
		d.From = from
	}
	return nil
}
