package search

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery and the
// FORM_TYPE of forms (XEP-0055, section 7).
const NS = "jabber:iq:search"

// The fields of XEP-0055, section 8. Services of old may have others: "The
// children of this namespace is dependent on the server being queried" (Jabber
// Programmers Guide, chapter 9).
const (
	First = "first" // the given name, wherever it stands in the full one
	Last  = "last"  // the family name
	Nick  = "nick"
	Email = "email"
)

// Field is something that people are found by. Its value is empty in what a
// service asks for.
type Field struct{ Name, Value string }

// Item is somebody who was found.
type Item struct {
	JID    jid.JID
	Fields []Field
}

// Get returns the value of a field, "" if it is not there.
func (it *Item) Get(field string) string { return get(it.Fields, field) }

// Query is the element <query/>: the zero Query asks what can be searched for;
// the answer has empty Fields, or a Form, or both; a search has them filled in;
// and its answer has Items, or a Form that is a table.
type Query struct {
	Instructions string // for people
	Fields       []Field
	// Key is what services of old give out, and get back (see [Query.Answer]).
	Key string
	// Form is the data form (XEP-0055, section 3), nil if there is none.
	Form  *form.Data
	Items []Item
	// Truncated: there is more that was found (Jabber Programmers Guide,
	// chapter 11).
	Truncated bool
}

// XMLName returns the name of the element.
func (Query) XMLName() xml.Name { return xml.Name{Space: NS, Local: "query"} }

// Get returns the value of a field, "" if it is not there.
func (q *Query) Get(field string) string { return get(q.Fields, field) }

func get(fields []Field, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// isField reports whether an element of that name can be a field.
func isField(name string) bool {
	switch name {
	case "", "instructions", "key", "item", "truncated", "x":
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return true
}

// AppendXML appends the element. The error is a bad-request for a field with a
// name that none can have, and for an item without an address.
func (q Query) AppendXML(dst []byte) (_ []byte, err error) {
	start := len(dst)
	dst = append(dst, "<query xmlns='"+NS+"'>"...)
	empty := len(dst)
	if q.Instructions != "" {
		dst = stanza.AppendTextElement(dst, "instructions", q.Instructions)
	}
	if dst, err = appendFields(dst, q.Fields); err != nil {
		return nil, err
	}
	if q.Key != "" {
		dst = stanza.AppendTextElement(dst, "key", q.Key)
	}
	if q.Form != nil {
		if dst, err = q.Form.AppendXML(dst); err != nil {
			return nil, err
		}
	}
	for _, it := range q.Items {
		if it.JID.IsZero() {
			return nil, stanza.NewError(stanza.BadRequest, "an item without an address")
		}
		dst = stanza.AppendAttr(append(dst, "<item"...), "jid", it.JID.String())
		if dst, err = appendFields(append(dst, '>'), it.Fields); err != nil {
			return nil, err
		}
		dst = append(dst, "</item>"...)
	}
	if q.Truncated {
		dst = append(dst, "<truncated/>"...)
	}
	if len(dst) == empty {
		return append(dst[:start], "<query xmlns='"+NS+"'/>"...), nil
	}
	return append(dst, "</query>"...), nil
}

func appendFields(dst []byte, fields []Field) ([]byte, error) {
	for _, f := range fields {
		if !isField(f.Name) {
			return nil, stanza.NewError(stanza.BadRequest, "the field has a name that none can have")
		}
		if f.Value == "" {
			dst = append(append(append(dst, '<'), f.Name...), "/>"...)
		} else {
			dst = stanza.AppendTextElement(dst, f.Name, f.Value)
		}
	}
	return dst, nil
}

// ParseXML reads the element. Items without an address that is one are left out;
// of fields that come twice the first counts. It does not fail.
func (q *Query) ParseXML(e stanza.Element) error {
	*q = Query{}
	for c := range e.Children() {
		n := c.Name()
		if c.Is(form.NS, "x") && q.Form == nil {
			q.Form = new(form.Data)
			if err := q.Form.ParseXML(c); err != nil {
				return err
			}
		}
		if n.Space != NS {
			continue
		}
		switch n.Local {
		case "instructions":
			q.Instructions = c.Text()
		case "key":
			q.Key = c.Text()
		case "truncated":
			q.Truncated = true
		case "item":
			if j, err := jid.Parse(c.Attr("jid")); err == nil {
				q.Items = append(q.Items, Item{j, parseFields(c)})
			}
		default:
			q.Fields = addField(q.Fields, c)
		}
	}
	return nil
}

func parseFields(e stanza.Element) (fields []Field) {
	for c := range e.Children() {
		if c.Name().Space == NS {
			fields = addField(fields, c)
		}
	}
	return fields
}

// addField adds the field that c is, if it is one that is not there.
func addField(fields []Field, c stanza.Element) []Field {
	name := c.Name().Local
	if !isField(name) || has(fields, name) {
		return fields
	}
	return append(fields, Field{name, c.Text()})
}

func has(fields []Field, name string) bool {
	for _, f := range fields {
		if f.Name == name {
			return true
		}
	}
	return false
}
