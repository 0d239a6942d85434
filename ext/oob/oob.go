// Package oob implements Out of Band Data (XEP-0066): a URL as an attachment of a
// message (jabber:x:oob), and as an offer that the other one fetches and
// acknowledges (jabber:iq:oob).
//
// Whoever fetches a URL that somebody else has sent tells that one his network
// address, and may reach into networks that the sender cannot: see
// [Extension.Fetch].
package oob

import (
	"encoding/xml"
	"strings"

	"github.com/etherx-go/xmpp/ext/internal/payload"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	// NS is the namespace of attachments, which is also their feature for
	// service discovery (section 4).
	NS = "jabber:x:oob"
	// NSOffer is the namespace of offers, which is also their feature.
	NSOffer = "jabber:iq:oob"
)

// Data is an attached URL, a payload of a message or presence. There may be
// several in one stanza.
type Data struct {
	URL  string // not checked but for being there
	Desc string // for people, optional
}

// XMLName returns the element's name.
func (Data) XMLName() xml.Name { return xml.Name{Space: NS, Local: "x"} }

// AppendXML appends the element; the error is a bad-request if there is no URL.
func (d Data) AppendXML(dst []byte) ([]byte, error) {
	dst, err := appendURL(append(dst, "<x xmlns='"+NS+"'>"...), d.URL, d.Desc)
	return append(dst, "</x>"...), err
}

// ParseXML reads the element, with the white space around the URL and the
// description cut off. The error is a bad-request if there is no URL.
func (d *Data) ParseXML(e stanza.Element) error {
	d.URL, d.Desc = trimmed(e, "url"), trimmed(e, "desc")
	if d.URL == "" {
		return errNoURL()
	}
	return nil
}

// Offer is the payload of an iq of type set that offers a URL.
type Offer struct {
	URL  string // not checked but for being there
	Desc string // for people, optional
	SID  string // the stream that was negotiated by XEP-0095, if any (section 6)
}

// XMLName returns the element's name.
func (Offer) XMLName() xml.Name { return xml.Name{Space: NSOffer, Local: "query"} }

// AppendXML appends the element; the error is a bad-request if there is no URL.
func (o Offer) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<query xmlns='"+NSOffer+"'"...)
	if o.SID != "" {
		dst = stanza.AppendAttr(dst, "sid", o.SID)
	}
	dst, err := appendURL(append(dst, '>'), o.URL, o.Desc)
	return append(dst, "</query>"...), err
}

// ParseXML reads the element, whose children may stand in any order, with the
// white space around them cut off. The error is a bad-request if there is no URL.
func (o *Offer) ParseXML(e stanza.Element) error {
	*o = Offer{trimmed(e, "url"), trimmed(e, "desc"), e.Attr("sid")}
	if o.URL == "" {
		return errNoURL()
	}
	return nil
}

func errNoURL() error { return stanza.NewError(stanza.BadRequest, "out-of-band data without a URL") }

func appendURL(dst []byte, url, desc string) ([]byte, error) {
	if strings.TrimSpace(url) == "" {
		return nil, errNoURL()
	}
	dst = stanza.AppendTextElement(dst, "url", url)
	if desc != "" {
		dst = stanza.AppendTextElement(dst, "desc", desc)
	}
	return dst, nil
}

// trimmed returns the text of a child element.
func trimmed(e stanza.Element, name string) string {
	return strings.TrimSpace(e.ChildText(e.Name().Space, name))
}

// All returns the URLs that are attached to a message or presence, in their
// order, as a *stanza.Stanza or one of its faces. What has no URL is left out.
func All(m interface {
	Stanza() (*stanza.Stanza, error)
}) (all []Data) {
	st := payload.Stanza(m)
	if st == nil || st.Kind == stanza.KindIQ || st.Type == stanza.TypeError {
		return nil
	}
	for e := range st.Payloads() {
		var d Data
		if e.Is(NS, "x") && e.Decode(&d) == nil {
			all = append(all, d)
		}
	}
	return all
}
