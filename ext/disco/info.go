package disco

import (
	"encoding/xml"
	"slices"

	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/stanza"
)

// The namespaces, which are also the features (XEP-0030, section 10.2).
const (
	NSInfo  = "http://jabber.org/protocol/disco#info"
	NSItems = "http://jabber.org/protocol/disco#items"
)

// Identity says what an entity is, in the categories and types of the registry
// (https://xmpp.org/registrar/disco-categories.html).
type Identity struct {
	Category, Type string
	Name           string // for people
	Lang           string // the language of Name
}

// Info is what an entity is and can do, the element <query/> of disco#info. The
// zero Info asks for it.
type Info struct {
	// Node is what is asked about at the address, "" for the address itself.
	Node       string
	Identities []Identity
	Features   []string
	// Forms are further information (XEP-0128).
	Forms []form.Data

	// Lang is the language of what has none of its own. It is what [GetInfo]
	// found around the answer, and not written.
	Lang string
	// Unknown counts child elements that were none of these. An answer that
	// has some cannot be verified by a hash (XEP-0390, section 4.1).
	Unknown int
}

// XMLName returns the name of the element.
func (Info) XMLName() xml.Name { return xml.Name{Space: NSInfo, Local: "query"} }

// Has reports whether the entity has a feature. Every entity that answers has
// [NSInfo], for some "are known not to advertise" it (XEP-0030, section 3.1).
func (i *Info) Has(feature string) bool {
	return slices.Contains(i.Features, feature) ||
		feature == NSInfo && (len(i.Features) > 0 || len(i.Identities) > 0)
}

// Is reports whether the entity has an identity of that category and type; ""
// stands for any type.
func (i *Info) Is(category, typ string) bool {
	return slices.ContainsFunc(i.Identities, func(id Identity) bool {
		return id.Category == category && (id.Type == typ || typ == "")
	})
}

// Form returns the form with that FORM_TYPE, nil if there is none.
func (i *Info) Form(formType string) *form.Data {
	n := slices.IndexFunc(i.Forms, func(d form.Data) bool { return d.FormType() == formType })
	if n < 0 {
		return nil
	}
	return &i.Forms[n]
}

// AppendXML appends the element.
func (i Info) AppendXML(dst []byte) ([]byte, error) {
	dst = appendQuery(dst, NSInfo, i.Node)
	if len(i.Identities) == 0 && len(i.Features) == 0 && len(i.Forms) == 0 {
		return append(dst, "/>"...), nil
	}
	dst = append(dst, '>')
	for _, id := range i.Identities {
		dst = append(dst, "<identity"...)
		dst = stanza.AppendAttr(dst, "category", id.Category)
		dst = stanza.AppendAttr(dst, "type", id.Type)
		if id.Name != "" {
			dst = stanza.AppendAttr(dst, "name", id.Name)
		}
		if id.Lang != "" {
			dst = stanza.AppendAttr(dst, "xml:lang", id.Lang)
		}
		dst = append(dst, "/>"...)
	}
	for _, f := range i.Features {
		dst = stanza.AppendAttr(append(dst, "<feature"...), "var", f)
		dst = append(dst, "/>"...)
	}
	for _, f := range i.Forms {
		var err error
		if dst, err = f.AppendXML(dst); err != nil {
			return nil, err
		}
	}
	return append(dst, "</query>"...), nil
}

// appendQuery appends the start tag of a query, but for its end.
func appendQuery(dst []byte, ns, node string) []byte {
	dst = append(append(append(dst, "<query xmlns='"...), ns...), '\'')
	if node != "" {
		dst = stanza.AppendAttr(dst, "node", node)
	}
	return dst
}

// ParseXML reads the element. It does not fail; what is not defined is counted.
func (i *Info) ParseXML(e stanza.Element) error {
	*i = Info{Node: e.Attr("node"), Lang: e.Lang()}
	for c := range e.Children() {
		switch {
		case c.Is(NSInfo, "identity"):
			i.Identities = append(i.Identities,
				Identity{Category: c.Attr("category"), Type: c.Attr("type"), Name: c.Attr("name"), Lang: c.Lang()})
		case c.Is(NSInfo, "feature"):
			i.Features = append(i.Features, c.Attr("var"))
		case c.Is(form.NS, "x"):
			var d form.Data
			if err := d.ParseXML(c); err != nil {
				return err
			}
			i.Forms = append(i.Forms, d)
		default:
			i.Unknown++
		}
	}
	return nil
}
