// Package forward implements stanza forwarding (XEP-0297): a stanza inside another
// one. It is a part of other protocols, which say who may forward what.
package forward

import (
	"encoding/xml"
	"errors"

	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery.
const NS = "urn:xmpp:forward:0"

// Forwarded is the element <forwarded/>.
type Forwarded struct {
	// Stanza is what is forwarded. Its addresses are what somebody says that they
	// are.
	Stanza *stanza.Stanza
	// Delay says when it was sent originally; nil if that is not said.
	Delay *delay.Delay
}

var errEmpty = errors.New("forward: there is no stanza to forward")

// XMLName returns the name of the element.
func (Forwarded) XMLName() xml.Name { return xml.Name{Space: NS, Local: "forwarded"} }

// AppendXML appends the element, with the stanza in the namespace jabber:client.
func (f Forwarded) AppendXML(dst []byte) (_ []byte, err error) {
	if f.Stanza == nil {
		return dst, errEmpty
	}
	dst = append(dst, "<forwarded xmlns='"+NS+"'>"...)
	if f.Delay != nil {
		if dst, err = f.Delay.AppendXML(dst); err != nil {
			return dst, err
		}
	}
	dst = f.Stanza.AppendXML(dst, stanza.NSClient)
	return append(dst, "</forwarded>"...), nil
}

// ParseXML reads the element. It is a bad-request if there is not one stanza in it,
// in the namespace jabber:client or that of the stream, with addresses that are some.
func (f *Forwarded) ParseXML(e stanza.Element) error {
	*f = Forwarded{}
	for c := range e.Children() {
		if c.Is(delay.NS, "delay") && f.Delay == nil {
			f.Delay = new(delay.Delay)
			if err := c.Decode(f.Delay); err != nil {
				f.Delay = nil
			}
			continue
		}
		if c.Name().Space != stanza.NSClient || stanza.KindOf(c.Name().Local) == 0 {
			continue
		}
		if f.Stanza != nil {
			return stanza.NewError(stanza.BadRequest, "one stanza is forwarded at a time")
		}
		st, err := c.Stanza()
		if err != nil {
			return stanza.NewError(stanza.BadRequest, "what is forwarded: "+err.Error())
		}
		f.Stanza = st
	}
	if f.Stanza == nil {
		return stanza.NewError(stanza.BadRequest, "there is no stanza in what is forwarded")
	}
	return nil
}

// In returns what is forwarded inside an element.
func In(e stanza.Element) (f Forwarded, err error) {
	for c := range e.Children() {
		if c.Is(NS, "forwarded") {
			return f, f.ParseXML(c)
		}
	}
	return f, stanza.NewError(stanza.BadRequest, "nothing is forwarded")
}
