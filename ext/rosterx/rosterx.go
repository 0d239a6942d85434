// Package rosterx implements Roster Item Exchange (XEP-0144): somebody suggests
// that contacts be added to a roster, deleted from it or changed. The form of
// old, jabber:x:roster (XEP-0093), is understood, and sent by option.
//
// Suggestions are suggestions. Unless they are of a service that the user trusts
// with the roster, the receiving application "MUST prompt a human user" (section
// 7.1); this package never changes a roster by itself. [Suggestion.Changes] says
// what the rules make of one.
package rosterx

import (
	"context"
	"encoding/xml"
	"slices"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	legacy "github.com/etherx-go/xmpp/legacy/rosterx"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery
// (section 4).
const NS = "http://jabber.org/protocol/rosterx"

// Action is what is suggested.
type Action string

// The actions. The zero Action is Add, which is also what unknown ones count as
// (section 3.1). Human users, and bots, should only suggest to add (section 7.1).
const (
	Add    Action = "add"
	Delete Action = "delete"
	Modify Action = "modify"
)

// Item is a contact that a suggestion is about.
type Item struct {
	JID    jid.JID
	Name   string
	Groups []string
}

// Suggestion is the element <x/>, a payload of a message or an iq of type set. It
// has one action for all items: one "MUST NOT send additions, deletions, and
// modifications in the same <x/> element" (section 6).
type Suggestion struct {
	Action Action
	Items  []Item
}

// XMLName returns the element's name.
func (Suggestion) XMLName() xml.Name { return xml.Name{Space: NS, Local: "x"} }

// AppendXML appends the element. The error is a bad-request if there is no item,
// one without an address, or an action that is not defined.
func (s Suggestion) AppendXML(dst []byte) ([]byte, error) {
	a := s.Action.orAdd()
	if a != Add && a != Delete && a != Modify || len(s.Items) == 0 {
		return nil, errMalformed("no roster item, or no action")
	}
	dst = append(dst, "<x xmlns='"+NS+"'>"...)
	for _, it := range s.Items {
		if it.JID.IsZero() {
			return nil, errMalformed("a roster item without an address")
		}
		dst = it.appendXML(dst, a)
	}
	return append(dst, "</x>"...), nil
}

func (it *Item) appendXML(dst []byte, a Action) []byte {
	dst = stanza.AppendAttr(append(dst, "<item"...), "action", a)
	dst = stanza.AppendAttr(dst, "jid", it.JID.String())
	if it.Name != "" {
		dst = stanza.AppendAttr(dst, "name", it.Name)
	}
	if len(it.Groups) == 0 {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	for _, g := range it.Groups {
		dst = stanza.AppendTextElement(dst, "group", g)
	}
	return append(dst, "</item>"...)
}

// ParseXML reads the element. Items without an address that is one are left
// out, and of those with the same address all but the first. The error is a
// bad-request if nothing is left, or the actions differ.
func (s *Suggestion) ParseXML(e stanza.Element) error {
	*s = Suggestion{}
	seen := make(map[jid.JID]bool)
	for c := range e.Children() {
		if !c.Is(NS, "item") {
			continue
		}
		a := parseAction(c.Attr("action"))
		if s.Action != "" && s.Action != a {
			return errMalformed("different actions in one suggestion")
		}
		s.Action = a
		if j, err := jid.Parse(c.Attr("jid")); err == nil && !seen[j] {
			seen[j] = true
			s.Items = append(s.Items, Item{j, c.Attr("name"), groups(c)})
		}
	}
	if len(s.Items) == 0 {
		return errMalformed("no roster item")
	}
	return nil
}

func parseAction(s string) Action {
	if a := Action(s); a == Delete || a == Modify {
		return a
	}
	return Add
}

func groups(e stanza.Element) (groups []string) {
	for c := range e.Children() {
		if g := c.Text(); c.Is(NS, "group") && g != "" && !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	return groups
}

func errMalformed(text string) error { return stanza.NewError(stanza.BadRequest, text) }

func (a Action) orAdd() Action {
	if a == "" {
		return Add
	}
	return a
}

// fromLegacy returns what the old form says, which can only add.
func fromLegacy(x legacy.Items) Suggestion {
	s := Suggestion{Action: Add}
	for _, it := range x {
		s.Items = append(s.Items, Item(it))
	}
	return s
}

// Message returns a message with a suggestion, and a text that may be empty.
// alsoLegacy puts the old form beside it, which only old peers know, if it is to
// add.
func Message(to jid.JID, body string, s Suggestion, alsoLegacy bool) *stanza.Message {
	m := &stanza.Message{To: to, Body: body, Payloads: []any{s}}
	if !alsoLegacy || s.Action.orAdd() != Add {
		return m
	}
	var old legacy.Items
	for _, it := range s.Items {
		old = append(old, legacy.Item(it))
	}
	m.Payloads = append(m.Payloads, old)
	return m
}

// Send sends a suggestion as section 5 recommends: to a full address in an iq,
// whose answer it waits for, to a bare one in a message, which all resources get.
func Send(ctx context.Context, s xmpp.Sender, to jid.JID, what Suggestion) error {
	if !to.IsFull() {
		return xmpp.Send(ctx, s, Message(to, "", what, false))
	}
	iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet, To: to}, what)
	if err != nil {
		return err
	}
	_, err = s.Do(ctx, iq)
	return err
}
