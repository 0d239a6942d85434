package roster

import (
	"encoding/xml"
	"errors"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	// NS is the namespace of rosters.
	NS = "jabber:iq:roster"
	// NSVersioning is the namespace of the stream feature <ver/>, by which a
	// server says that its rosters have versions (RFC 6121, section 2.6.1).
	NSVersioning = "urn:xmpp:features:rosterver"
)

var errNoAddress = errors.New("roster: an item without address")

// name is the name of the payload's element.
var name = xml.Name{Space: NS, Local: "query"}

// Query is the payload of roster gets, results, sets and pushes (RFC 6121,
// section 2.1).
type Query struct {
	// Ver is the version of the roster, which only the server gives meaning to
	// (RFC 6121, section 2.1.1). HasVer says that it is there, for there is a
	// difference between an empty one and none: a client that has no version
	// yet asks with the empty one. A Ver that is not empty is written in any
	// case.
	Ver    string
	HasVer bool
	Items  []Item
}

// XMLName returns the element's name.
func (Query) XMLName() xml.Name { return name }

// AppendXML appends the element, with the subscription of each item. Groups
// without a name are left out. An item without address is an error.
func (q Query) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<query xmlns='"+NS+"'"...)
	if q.HasVer || q.Ver != "" {
		dst = stanza.AppendAttr(dst, "ver", q.Ver)
	}
	if len(q.Items) == 0 {
		return append(dst, "/>"...), nil
	}
	dst = append(dst, '>')
	for i := range q.Items {
		it := &q.Items[i]
		if it.JID.IsZero() {
			return nil, errNoAddress
		}
		dst = it.appendStart(dst)
		if v := it.Subscription.String(); v != "" {
			dst = stanza.AppendAttr(dst, "subscription", v)
		}
		if it.Ask {
			dst = append(dst, " ask='subscribe'"...)
		}
		if it.Approved {
			dst = append(dst, " approved='true'"...)
		}
		dst = it.appendGroups(dst)
	}
	return append(dst, "</query>"...), nil
}

// appendStart appends the start tag with what the user decides about.
func (it *Item) appendStart(dst []byte) []byte {
	dst = stanza.AppendAttr(append(dst, "<item"...), "jid", it.JID.String())
	if it.Name != "" {
		dst = stanza.AppendAttr(dst, "name", it.Name)
	}
	return dst
}

// appendGroups ends the start tag, and appends the rest of the element.
func (it *Item) appendGroups(dst []byte) []byte {
	empty := true
	for _, g := range it.Groups {
		if g == "" {
			continue
		}
		if empty {
			dst, empty = append(dst, '>'), false
		}
		dst = stanza.AppendTextElement(dst, "group", g)
	}
	if empty {
		return append(dst, "/>"...)
	}
	return append(dst, "</item>"...)
}

// ParseXML reads the element as a client does that gets a result or a push. It
// never fails: items whose address is missing or malformed are left out, so
// that one of them does not cost the others; values of attributes that are not
// defined are ignored (RFC 6121, section 2.1.2.5), among them the
// ask='unsubscribe' of old servers; a group without a name is no group. What
// was read shares memory with e.
//
// A server reads a roster set by [Limits.CheckSet], which is strict.
func (q *Query) ParseXML(e stanza.Element) error {
	*q = Query{}
	q.Ver, q.HasVer = e.LookupAttr("", "ver")
	for c := range e.Children() {
		if !c.Is(NS, "item") {
			continue
		}
		if it, err := parseItem(c); err == nil {
			q.Items = append(q.Items, it)
		}
	}
	return nil
}

// parseItem reads an item. The error is that of its address.
func parseItem(e stanza.Element) (it Item, err error) {
	address := ""
	for n, v := range e.Attrs() {
		if n.Space != "" {
			continue
		}
		switch n.Local {
		case "jid":
			address = v
		case "name":
			it.Name = v
		case "subscription":
			it.Subscription, _ = ParseSubscription(v)
		case "ask":
			it.Ask = v == "subscribe"
		case "approved":
			it.Approved = v == "true" || v == "1"
		}
	}
	if it.JID, err = jid.Parse(address); err != nil {
		return it, err
	}
	for c := range e.Children() {
		if !c.Is(NS, "group") {
			continue
		}
		if g := c.Text(); g != "" {
			it.Groups = append(it.Groups, g)
		}
	}
	return it, nil
}

// request is the query of a roster set. It says only what is the client's to
// say: "A client MUST NOT include" ask and approved (RFC 6121, sections 2.1.2.1
// and 2.1.2.2), and any subscription but remove is ignored.
type request struct{ Item }

func (request) XMLName() xml.Name { return name }

func (r request) AppendXML(dst []byte) ([]byte, error) {
	if r.JID.IsZero() {
		return nil, errNoAddress
	}
	dst = r.appendStart(append(dst, "<query xmlns='"+NS+"'>"...))
	if r.Subscription == Remove {
		dst = append(dst, " subscription='remove'/>"...)
	} else {
		dst = r.appendGroups(dst)
	}
	return append(dst, "</query>"...), nil
}
