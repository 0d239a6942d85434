// Package eme has the mark of encrypted messages (XEP-0380).
package eme

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery.
const NS = "urn:xmpp:eme:0"

// Encryption says by what a message is encrypted, for clients that cannot decrypt
// it.
type Encryption struct {
	Namespace string // of the encryption
	Name      string // for people; "SHOULD NOT" be there for those that the XEP lists
}

// XMLName returns the element's name.
func (Encryption) XMLName() xml.Name { return xml.Name{Space: NS, Local: "encryption"} }

// AppendXML appends the element; the error is a bad-request without a namespace.
func (e Encryption) AppendXML(dst []byte) ([]byte, error) {
	if e.Namespace == "" {
		return nil, errNoNamespace()
	}
	dst = stanza.AppendAttr(append(dst, "<encryption xmlns='"+NS+"'"...), "namespace", e.Namespace)
	if e.Name != "" {
		dst = stanza.AppendAttr(dst, "name", e.Name)
	}
	return append(dst, "/>"...), nil
}

// ParseXML reads the element; the error is a bad-request without a namespace.
func (e *Encryption) ParseXML(el stanza.Element) error {
	*e = Encryption{el.Attr("namespace"), el.Attr("name")}
	if e.Namespace == "" {
		return errNoNamespace()
	}
	return nil
}

func errNoNamespace() error {
	return stanza.NewError(stanza.BadRequest, "a mark of encryption without a namespace")
}
