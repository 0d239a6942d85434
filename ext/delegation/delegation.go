// Package delegation implements namespace delegation (XEP-0355), in the form that the
// server's administrator sets up: requests to the server, or to the accounts of its
// users, with payloads of certain namespaces are answered by a component.
//
// The server tells the component by a message with a [List] what it is to answer. The
// component has an [Extension], in whose Mux are the handlers for what is delegated:
// they get the requests of users as the server would.
package delegation

import (
	"encoding/xml"
	"slices"

	"github.com/etherx-go/xmpp/ext/forward"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	// NS is the namespace, which is also the feature for service discovery.
	NS = "urn:xmpp:delegation:2"
	// AccountInfo and AccountItems stand for service discovery of the accounts of
	// users: for information about nodes that the server does not know, and for
	// items, without a node or with one that the server does not know.
	AccountInfo  = NS + ":bare:disco#info:*"
	AccountItems = NS + ":bare:disco#items:*"
)

// Namespace is what is delegated: requests with a payload of that namespace which has
// all of the attributes.
type Namespace struct {
	Name       string
	Attributes []string
}

// Matches reports whether a payload is one of the namespace.
func (n *Namespace) Matches(payload stanza.Element) bool {
	return payload.Name().Space == n.Name && !slices.ContainsFunc(n.Attributes, func(a string) bool {
		_, ok := payload.LookupAttr("", a)
		return !ok
	})
}

var elementName = xml.Name{Space: NS, Local: "delegation"}

// List is the element <delegation/> by which the server says what is delegated.
type List []Namespace

// XMLName returns the name of the element.
func (List) XMLName() xml.Name { return elementName }

// AppendXML appends the element.
func (l List) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<delegation xmlns='"+NS+"'>"...)
	for _, n := range l {
		dst = stanza.AppendAttr(append(dst, "<delegated"...), "namespace", n.Name)
		if len(n.Attributes) == 0 {
			dst = append(dst, "/>"...)
			continue
		}
		dst = append(dst, '>')
		for _, a := range n.Attributes {
			dst = append(stanza.AppendAttr(append(dst, "<attribute"...), "name", a), "/>"...)
		}
		dst = append(dst, "</delegated>"...)
	}
	return append(dst, "</delegation>"...), nil
}

// ParseXML reads the element. It does not fail.
func (l *List) ParseXML(e stanza.Element) error {
	*l = nil
	for c := range e.Children() {
		if !c.Is(NS, "delegated") || c.Attr("namespace") == "" {
			continue
		}
		n := Namespace{Name: c.Attr("namespace")}
		for a := range c.Children() {
			if a.Is(NS, "attribute") && a.Attr("name") != "" {
				n.Attributes = append(n.Attributes, a.Attr("name"))
			}
		}
		*l = append(*l, n)
	}
	return nil
}

// Wrapped is the element <delegation/> with a request in it, or the answer to one.
type Wrapped struct{ IQ *stanza.Stanza }

// XMLName returns the name of the element.
func (Wrapped) XMLName() xml.Name { return elementName }

// AppendXML appends the element.
func (w Wrapped) AppendXML(dst []byte) ([]byte, error) {
	dst, err := forward.Forwarded{Stanza: w.IQ}.AppendXML(append(dst, "<delegation xmlns='"+NS+"'>"...))
	return append(dst, "</delegation>"...), err
}

// ParseXML reads the element. It is a bad-request if no iq is forwarded in it.
func (w *Wrapped) ParseXML(e stanza.Element) error {
	f, err := forward.In(e)
	if err == nil && f.Stanza.Kind != stanza.KindIQ {
		err = stanza.NewError(stanza.BadRequest, "what is delegated is an iq")
	}
	w.IQ = f.Stanza
	return err
}
