// Package delay implements Delayed Delivery (XEP-0203): a stanza that was stored
// on its way says when it was sent, and who stored it. Both forms are read, that
// of today and jabber:x:delay (XEP-0091).
//
// "A recipient SHOULD NOT rely on delayed delivery notations to provide a
// completely accurate representation of the delivery path or timing" (XEP-0203,
// section 5): anybody on the way may have made them. [Of] chooses the one that
// is most likely to be true, [By] reads that of one entity; a server takes away
// with [Strip] what others wrote in its name.
package delay

import (
	"encoding/xml"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/ext/datetime"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace of XEP-0203.
const NS = "urn:xmpp:delay"

// Delay says when a stanza was sent that comes late.
type Delay struct {
	// From is who sent the stanza originally, or, as is usual, who delayed it: a
	// server, a room. Zero if that is not said.
	From jid.JID
	// Stamp is when the stanza was sent, to the millisecond.
	Stamp time.Time
	// Reason describes the reason for people.
	Reason string
}

// XMLName returns the element's name.
func (Delay) XMLName() xml.Name { return xml.Name{Space: NS, Local: "delay"} }

// AppendXML appends the element. The error is a bad-request if there is no
// stamp, for which "Inclusion" is "REQUIRED" (XEP-0203, section 2).
func (d Delay) AppendXML(dst []byte) ([]byte, error) {
	if d.Stamp.IsZero() {
		return nil, errNoStamp()
	}
	dst = append(dst, "<delay xmlns='"+NS+"'"...)
	if !d.From.IsZero() {
		dst = stanza.AppendAttr(dst, "from", d.From.String())
	}
	dst = append(datetime.Append(append(dst, " stamp='"...), d.Stamp), '\'')
	if d.Reason == "" {
		return append(dst, "/>"...), nil
	}
	return append(stanza.AppendText(append(dst, '>'), d.Reason), "</delay>"...), nil
}

// ParseXML reads the element. Without a stamp that can be read the error is a
// bad-request. A from that is not an address is left out.
func (d *Delay) ParseXML(e stanza.Element) error {
	stamp, err := datetime.Parse(e.Attr("stamp"))
	if err != nil || stamp.Year() < 1 || stamp.UTC().Year() > 9999 {
		return errNoStamp()
	}
	stamp = stamp.UTC().Truncate(time.Millisecond)
	if stamp.IsZero() {
		return errNoStamp()
	}
	*d = Delay{Stamp: stamp, Reason: strings.TrimSpace(e.Text())}
	if from, err := jid.Parse(e.Attr("from")); err == nil {
		d.From = from
	}
	return nil
}

func errNoStamp() error { return stanza.NewError(stanza.BadRequest, "a delay without a stamp") }
