// Package privilege implements privileged entities (XEP-0356): components that may
// do for the users of a server what only these could do themselves.
//
// A server grants it by its settings, and tells the component by a message with a
// [Grant]. The component uses [Roster], [SetRosterItem], [Do] and [Send]; an
// [Extension] keeps what was granted, and takes the pushes of rosters.
package privilege

import (
	"encoding/xml"
	"maps"
	"slices"

	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace, which is also the feature for service discovery.
const NS = "urn:xmpp:privilege:2"

// Access says what requests may be made. The zero Access is none.
type Access uint8

// What may be granted.
const (
	Get Access = 1 << iota
	Set
	Both = Get | Set
)

// Allows reports whether a request of type t may be made.
func (a Access) Allows(t stanza.Type) bool {
	return t == stanza.TypeGet && a&Get != 0 || t == stanza.TypeSet && a&Set != 0
}

// String returns the value on the wire.
func (a Access) String() string {
	switch a & Both {
	case Get:
		return "get"
	case Set:
		return "set"
	case Both:
		return "both"
	}
	return "none"
}

// parseAccess takes what it does not know for none.
func parseAccess(s string) Access {
	for _, a := range []Access{Get, Set, Both} {
		if a.String() == s {
			return a
		}
	}
	return 0
}

// Presence says whose presence is told. Each includes those before.
type Presence uint8

// What may be granted.
const (
	NoPresence Presence = iota
	// Users is the presence of the users of the server: when a resource becomes
	// available, and when it becomes unavailable.
	Users
	// Contacts is the presence that users get of their contacts, too, also of
	// those who are elsewhere. It needs Get access to rosters.
	Contacts
)

// String returns the value on the wire.
func (p Presence) String() string {
	switch p {
	case Users:
		return "managed_entity"
	case Contacts:
		return "roster"
	}
	return "none"
}

// Grant is what a component may do. As a payload it is the element <privilege/> that
// the server sends when the component has connected. The zero Grant grants nothing.
type Grant struct {
	// Roster is what it may do with the rosters of users; NoPush that it is not
	// told of changes, as it is by default if it may get them.
	Roster Access
	NoPush bool
	// Message: it may send messages in the name of the server and of its users.
	Message bool
	// Presence is whose presence it is told.
	Presence Presence
	// IQ is what it may ask others in the name of users, by the namespace of the
	// payload.
	IQ map[string]Access
}

// Push reports whether the component is told of changes of rosters.
func (g *Grant) Push() bool { return g.Roster&Get != 0 && !g.NoPush }

// IsZero reports whether nothing is granted.
func (g *Grant) IsZero() bool {
	return g.Roster == 0 && !g.Message && g.Presence == NoPresence && len(g.IQ) == 0
}

var elementName = xml.Name{Space: NS, Local: "privilege"}

// XMLName returns the name of the element.
func (Grant) XMLName() xml.Name { return elementName }

// AppendXML appends the element.
func (g Grant) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<privilege xmlns='"+NS+"'>"...)
	if g.Roster != 0 {
		dst = append(dst, "<perm access='roster' type='"+g.Roster.String()+"'"...)
		if g.NoPush {
			dst = append(dst, " push='false'"...)
		}
		dst = append(dst, "/>"...)
	}
	if g.Message {
		dst = append(dst, "<perm access='message' type='outgoing'/>"...)
	}
	if len(g.IQ) > 0 {
		dst = append(dst, "<perm access='iq'>"...)
		for _, ns := range slices.Sorted(maps.Keys(g.IQ)) {
			dst = stanza.AppendAttr(append(dst, "<namespace"...), "ns", ns)
			dst = append(stanza.AppendAttr(dst, "type", g.IQ[ns].String()), "/>"...)
		}
		dst = append(dst, "</perm>"...)
	}
	if g.Presence != NoPresence {
		dst = append(dst, "<perm access='presence' type='"+g.Presence.String()+"'/>"...)
	}
	return append(dst, "</privilege>"...), nil
}

// ParseXML reads the element. What it does not know is not granted. It does not
// fail.
func (g *Grant) ParseXML(e stanza.Element) error {
	*g = Grant{}
	for c := range e.Children() {
		if !c.Is(NS, "perm") {
			continue
		}
		switch t := c.Attr("type"); c.Attr("access") {
		case "roster":
			g.Roster = parseAccess(t)
			push := c.Attr("push")
			g.NoPush = push == "false" || push == "0"
		case "message":
			g.Message = t == "outgoing"
		case "presence":
			for _, p := range []Presence{Users, Contacts} {
				if p.String() == t {
					g.Presence = p
				}
			}
		case "iq":
			g.parseIQ(c)
		}
	}
	return nil
}

func (g *Grant) parseIQ(e stanza.Element) {
	for c := range e.Children() {
		if a := parseAccess(c.Attr("type")); c.Is(NS, "namespace") && a != 0 {
			if g.IQ == nil {
				g.IQ = make(map[string]Access)
			}
			g.IQ[c.Attr("ns")] = a
		}
	}
}
