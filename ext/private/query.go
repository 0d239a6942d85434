package private

import (
	"encoding/xml"
	"errors"

	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery.
const NS = "jabber:iq:private"

// Query is the element <query/>: the elements that are stored, asked for, or
// returned.
type Query struct{ Elements []stanza.Element }

// XMLName returns the name of the element.
func (Query) XMLName() xml.Name { return xml.Name{Space: NS, Local: "query"} }

// AppendXML appends the element.
func (q Query) AppendXML(dst []byte) ([]byte, error) {
	if len(q.Elements) == 0 {
		return append(dst, "<query xmlns='"+NS+"'/>"...), nil
	}
	dst = append(dst, "<query xmlns='"+NS+"'>"...)
	for _, e := range q.Elements {
		dst = append(dst, e.Raw()...)
	}
	return append(dst, "</query>"...), nil
}

// ParseXML reads the element, with all children that it has. It does not fail.
func (q *Query) ParseXML(e stanza.Element) error {
	*q = Query{}
	for c := range e.Children() {
		q.Elements = append(q.Elements, c)
	}
	return nil
}

// hasOwnNamespace reports whether an element is "scoped by its own namespace"
// (XEP-0049, section 2.1).
func hasOwnNamespace(n xml.Name) bool { return n.Space != "" && n.Space != NS }

// empty returns an element of that name without anything in it.
func empty(n xml.Name) (stanza.Element, error) {
	b := stanza.AppendAttr(append([]byte{'<'}, n.Local...), "xmlns", n.Space)
	e, err := stanza.Raw(append(b, "/>"...)).Element()
	if err == nil && e.Name() != n {
		err = errName
	}
	return e, err
}

var errName = errors.New("not the name of an element")

// isEmpty reports whether there is nothing in the element, as in one that was
// never stored.
func isEmpty(e stanza.Element) bool {
	for range e.Attrs() {
		return false
	}
	return e.FirstChild().IsZero() && e.Text() == ""
}
