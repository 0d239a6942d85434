package privilege

import (
	"encoding/xml"
	"errors"

	"github.com/etherx-go/xmpp/ext/forward"
	"github.com/etherx-go/xmpp/stanza"
)

// Wrapped is the element <privilege/> with a stanza in it: a message that is to be
// sent in the name of somebody, or the answer to an iq that was. (The same element
// without one is a [Grant].)
type Wrapped struct{ Stanza *stanza.Stanza }

// XMLName returns the name of the element.
func (Wrapped) XMLName() xml.Name { return elementName }

// AppendXML appends the element.
func (w Wrapped) AppendXML(dst []byte) ([]byte, error) {
	dst, err := forward.Forwarded{Stanza: w.Stanza}.AppendXML(append(dst, "<privilege xmlns='"+NS+"'>"...))
	return append(dst, "</privilege>"...), err
}

// ParseXML reads the element. It is a bad-request if no stanza is forwarded in it.
func (w *Wrapped) ParseXML(e stanza.Element) error {
	f, err := forward.In(e)
	w.Stanza = f.Stanza
	return err
}

// Request is the element <privileged_iq/>: an iq that is to be sent in the name of
// whom the iq around it is addressed to.
type Request struct{ IQ *stanza.Stanza }

var errNoIQ = errors.New("privilege: there is no iq in the request")

// XMLName returns the name of the element.
func (Request) XMLName() xml.Name { return xml.Name{Space: NS, Local: "privileged_iq"} }

// AppendXML appends the element, with the iq in the namespace jabber:client.
func (r Request) AppendXML(dst []byte) ([]byte, error) {
	if r.IQ == nil || r.IQ.Kind != stanza.KindIQ {
		return dst, errNoIQ
	}
	dst = r.IQ.AppendXML(append(dst, "<privileged_iq xmlns='"+NS+"'>"...), stanza.NSClient)
	return append(dst, "</privileged_iq>"...), nil
}

// ParseXML reads the element. "The server MUST refuse the request with a <forbidden/>
// error if [...] the namespace of the encapsulated <iq/> stanza is not
// 'jabber:client'" (section 6.3); what is no iq at all is a bad-request.
func (r *Request) ParseXML(e stanza.Element) error {
	r.IQ = nil
	for c := range e.Children() {
		if c.Name().Local != "iq" {
			continue
		}
		if c.Name().Space != stanza.NSClient {
			return stanza.NewError(stanza.Forbidden, "the iq is not in the namespace jabber:client")
		}
		st, err := c.Stanza()
		if err != nil {
			return stanza.NewError(stanza.BadRequest, err.Error())
		}
		r.IQ = st
		return nil
	}
	return stanza.NewError(stanza.BadRequest, "there is no iq in the request")
}
