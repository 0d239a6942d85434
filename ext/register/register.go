package register

import (
	"encoding/xml"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

const (
	// NS is the namespace of registration.
	NS = "jabber:iq:register"
	// NSFeature is the namespace of the stream feature that offers it
	// (XEP-0077, section 8).
	NSFeature = "http://jabber.org/features/iq-register"
)

// fieldNames are the fields of XEP-0077, section 14.1, and those that the
// Jabber Programmers Guide has beside.
var fieldNames = map[string]bool{
	"username": true, "nick": true, "password": true, "name": true, "first": true, "last": true, "email": true,
	"address": true, "city": true, "state": true, "zip": true, "phone": true, "url": true, "date": true,
	"misc": true, "text": true, "key": true,
}

// Field is one field of a registration form, in the order of the form.
type Field struct{ Name, Value string }

// Query is a registration request or form: what a service wants to know (empty
// fields in a result), or what it is told (filled fields in a set).
type Query struct {
	Instructions string
	Registered   bool // there is a registration, its values are in Fields
	Remove       bool // cancel the registration
	Fields       []Field
	// URL is where to register instead (XEP-0077, section 5).
	URL string
	// Form is a data form (XEP-0004), the element <x/>, which asks for the same
	// as Fields and more, or answers that. "" if there is none.
	Form stanza.Raw
}

// name is the name of the payload's element.
var name = xml.Name{Space: NS, Local: "query"}

// Get returns the value of a field and whether it is there.
func (q *Query) Get(field string) (string, bool) { return get(q.Fields, field) }

// XMLName returns the name of the element.
func (q *Query) XMLName() xml.Name { return name }

// AppendXML appends the element.
func (q *Query) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<query xmlns='"+NS+"'>"...)
	if q.Registered {
		dst = append(dst, "<registered/>"...)
	}
	if q.Instructions != "" {
		dst = stanza.AppendTextElement(dst, "instructions", q.Instructions)
	}
	for _, f := range q.Fields {
		if fieldNames[f.Name] {
			dst = stanza.AppendTextElement(dst, f.Name, f.Value)
		}
	}
	if q.Remove {
		dst = append(dst, "<remove/>"...)
	}
	dst, err := stanza.AppendPayload(dst, rawOrNil(q.Form))
	if err != nil {
		return nil, err
	}
	if q.URL != "" {
		dst = stanza.AppendTextElement(append(dst, "<x xmlns='"+nsOOB+"'>"...), "url", q.URL)
		dst = append(dst, "</x>"...)
	}
	return append(dst, "</query>"...), nil
}

func rawOrNil(r stanza.Raw) any {
	if r == "" {
		return nil
	}
	return r
}

// ParseXML reads the element. Fields that are not defined are left out; of
// those that come twice the first counts.
func (q *Query) ParseXML(e stanza.Element) error {
	*q = Query{}
	for c := range e.Children() {
		n := c.Name()
		switch {
		case c.Is(nsForm, "x") && q.Form == "":
			q.Form = c.Raw()
		case c.Is(nsOOB, "x") && q.URL == "":
			q.URL = strings.TrimSpace(c.ChildText(nsOOB, "url"))
		}
		if n.Space != NS {
			continue
		}
		switch n.Local {
		case "instructions":
			q.Instructions = c.Text()
		case "registered":
			q.Registered = true
		case "remove":
			q.Remove = true
		default:
			if _, dup := q.Get(n.Local); fieldNames[n.Local] && !dup {
				q.Fields = append(q.Fields, Field{n.Local, c.Text()})
			}
		}
	}
	return nil
}
