// Package rosterx holds the payload of Roster Item Exchange in its old form,
// jabber:x:roster (XEP-0093): contacts attached to a message. What to do with
// them, and the form of today, is in package ext/rosterx, which reads both.
package rosterx

import (
	"encoding/xml"
	"slices"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace.
const NS = "jabber:x:roster"

// Item is a contact that somebody recommends.
type Item struct {
	JID    jid.JID
	Name   string
	Groups []string
}

// Items is the element <x/>, a payload of a message. Nothing may be done with
// them that the user has not agreed to.
type Items []Item

// XMLName returns the element's name.
func (Items) XMLName() xml.Name { return xml.Name{Space: NS, Local: "x"} }

// AppendXML appends the element. The error is a bad-request if there is no
// item, or one without an address.
func (x Items) AppendXML(dst []byte) ([]byte, error) {
	if len(x) == 0 {
		return nil, errNoItem()
	}
	dst = append(dst, "<x xmlns='"+NS+"'>"...)
	for _, it := range x {
		if it.JID.IsZero() {
			return nil, errNoItem()
		}
		dst = stanza.AppendAttr(append(dst, "<item"...), "jid", it.JID.String())
		if it.Name != "" {
			dst = stanza.AppendAttr(dst, "name", it.Name)
		}
		if len(it.Groups) == 0 {
			dst = append(dst, "/>"...)
			continue
		}
		dst = append(dst, '>')
		for _, g := range it.Groups {
			dst = stanza.AppendTextElement(dst, "group", g)
		}
		dst = append(dst, "</item>"...)
	}
	return append(dst, "</x>"...), nil
}

// ParseXML reads the element. Items without an address that is one are left out,
// and of those with the same address all but the first; so are empty groups, and
// what "should not be present" (Jabber Programmers Guide, chapter 11): the
// attributes subscription and ask. The error is a bad-request if nothing is left.
func (x *Items) ParseXML(e stanza.Element) error {
	var items Items
	seen := make(map[jid.JID]bool)
	for c := range e.Children() {
		j, err := jid.Parse(c.Attr("jid"))
		if !c.Is(NS, "item") || err != nil || seen[j] {
			continue
		}
		seen[j] = true
		items = append(items, Item{j, c.Attr("name"), groups(c)})
	}
	if *x = items; len(items) == 0 {
		return errNoItem()
	}
	return nil
}

func groups(e stanza.Element) (groups []string) {
	for c := range e.Children() {
		if g := c.Text(); c.Is(NS, "group") && g != "" && !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	return groups
}

func errNoItem() error { return stanza.NewError(stanza.BadRequest, "no roster item") }
