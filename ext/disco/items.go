package disco

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Item is something that belongs to an entity: an address, or a node at one.
type Item struct {
	JID  jid.JID
	Node string
	Name string // for people
}

// Items are what belongs to an entity, the element <query/> of disco#items. The
// zero Items asks for them.
type Items struct {
	// Node is what is asked about at the address, "" for the address itself.
	Node  string
	Items []Item
}

// XMLName returns the name of the element.
func (Items) XMLName() xml.Name { return xml.Name{Space: NSItems, Local: "query"} }

// AppendXML appends the element.
func (i Items) AppendXML(dst []byte) ([]byte, error) {
	dst = appendQuery(dst, NSItems, i.Node)
	if len(i.Items) == 0 {
		return append(dst, "/>"...), nil
	}
	dst = append(dst, '>')
	for _, it := range i.Items {
		dst = stanza.AppendAttr(append(dst, "<item"...), "jid", it.JID.String())
		if it.Node != "" {
			dst = stanza.AppendAttr(dst, "node", it.Node)
		}
		if it.Name != "" {
			dst = stanza.AppendAttr(dst, "name", it.Name)
		}
		dst = append(dst, "/>"...)
	}
	return append(dst, "</query>"...), nil
}

// ParseXML reads the element. Items without an address, which each must have,
// are left out. It does not fail.
func (i *Items) ParseXML(e stanza.Element) error {
	*i = Items{Node: e.Attr("node")}
	for c := range e.Children() {
		if !c.Is(NSItems, "item") {
			continue
		}
		j, err := jid.Parse(c.Attr("jid"))
		if err != nil {
			continue
		}
		i.Items = append(i.Items, Item{JID: j, Node: c.Attr("node"), Name: c.Attr("name")})
	}
	return nil
}
