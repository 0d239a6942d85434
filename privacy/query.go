package privacy

import (
	"encoding/xml"
	"slices"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// NS is the namespace of privacy lists, which is also the feature for service
// discovery.
const NS = "jabber:iq:privacy"

// Query is the payload of every request, answer and push about privacy lists.
// What it means depends on what is there:
//
//	get     nothing: which lists are there? One list, by its name: what is in it?
//	set     Active: use this list in this session, "" for none.
//	        Default: use it where no list is active, "" for none.
//	        One list: make or replace it; one without items: remove it.
//	result  of a get: Active, Default and the names of the lists, or one list.
//	push    a set with the name of a list that has changed.
type Query struct {
	Active  *string // new("name"), new("") to decline
	Default *string
	Lists   []List
	// Old is the form that items have in draft-ietf-xmpp-im-02, section 7 and
	// appendix D.3: <item jid='…' subscription='…' type='deny'/>, in their
	// order. Not every list can be written in it: there are no groups, no
	// subscription none, and no difference between presence in and out.
	Old bool
}

// XMLName returns the element's name.
func (Query) XMLName() xml.Name { return xml.Name{Space: NS, Local: "query"} }

// AppendXML appends the element. The error is a bad-request if a list is not as
// it has to be, with ascending orders and all values defined, or cannot be
// written in the old form.
func (q Query) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<query xmlns='"+NS+"'>"...)
	dst = appendChoice(dst, "active", q.Active)
	dst = appendChoice(dst, "default", q.Default)
	for i := range q.Lists {
		l := &q.Lists[i]
		if err := l.check(); err != nil {
			return nil, err
		}
		if q.Old && !l.isOld() {
			return nil, badRequest("the old form cannot express the list " + strconv.Quote(l.Name))
		}
		dst = l.appendXML(dst, q.Old)
	}
	return append(dst, "</query>"...), nil
}

func appendChoice(dst []byte, element string, name *string) []byte {
	if name == nil {
		return dst
	}
	dst = append(append(dst, '<'), element...)
	if *name != "" {
		dst = stanza.AppendAttr(dst, "name", *name)
	}
	return append(dst, "/>"...)
}

func (l *List) appendXML(dst []byte, old bool) []byte {
	dst = append(dst, "<list"...)
	dst = stanza.AppendAttr(dst, "name", l.Name)
	if len(l.Items) == 0 {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	for i := range l.Items {
		if old {
			dst = l.Items[i].appendOld(dst)
		} else {
			dst = l.Items[i].appendXML(dst)
		}
	}
	return append(dst, "</list>"...)
}

var (
	itemTypes     = [...]string{ByJID: "jid", ByGroup: "group", BySubscription: "subscription"}
	subscriptions = [...]string{roster.None: "none", roster.To: "to", roster.From: "from", roster.Both: "both"}
)

// kindNames are the names of the elements, by the number of the bit.
var kindNames = [...]string{"message", "iq", "presence-in", "presence-out"}

const allKinds = Message | IQ | PresenceIn | PresenceOut

func (it *Item) appendXML(dst []byte) []byte {
	dst = append(dst, "<item"...)
	if it.Type != Any {
		dst = stanza.AppendAttr(dst, "type", itemTypes[it.Type])
		dst = stanza.AppendAttr(dst, "value", it.value())
	}
	dst = stanza.AppendAttr(dst, "action", it.action())
	dst = append(dst, " order='"...)
	dst = strconv.AppendUint(dst, uint64(it.Order), 10)
	if it.Kinds == 0 {
		return append(dst, "'/>"...)
	}
	dst = append(dst, "'>"...)
	for i, name := range kindNames {
		if it.Kinds&(1<<i) != 0 {
			dst = append(append(append(dst, '<'), name...), "/>"...)
		}
	}
	return append(dst, "</item>"...)
}

func (it *Item) value() string {
	switch it.Type {
	case ByJID:
		return it.JID.String()
	case ByGroup:
		return it.Group
	}
	return subscriptions[it.Subscription]
}

func (it *Item) action() string {
	if it.Deny {
		return "deny"
	}
	return "allow"
}

// ParseXML reads the element, its items in the form of RFC 3921 or in the old
// one, but not in both. The error is a bad-request, or jid-malformed for the
// address of an item, if something is not as section 10.1 of RFC 3921 wants it:
// a list without name, an item without action or order, an order that comes
// twice in a list. How many of the elements there may be depends on what the
// query is for, and is not looked at, except that there is one active or
// default at most. Items get sorted by their order.
func (q *Query) ParseXML(e stanza.Element) error {
	p := queryParser{names: make(map[string]bool)}
	for c := range e.Children() {
		if c.Name().Space != NS {
			continue
		}
		var err error
		switch c.Name().Local {
		case "active":
			err = parseChoice(&p.q.Active, c)
		case "default":
			err = parseChoice(&p.q.Default, c)
		case "list":
			err = p.list(c)
		}
		if err != nil {
			return err
		}
	}
	*q = p.q
	return nil
}

func badRequest(text string) error { return stanza.NewError(stanza.BadRequest, text) }

func parseChoice(dst **string, e stanza.Element) error {
	name, ok := e.LookupAttr("", "name")
	switch {
	case *dst != nil:
		return badRequest("there is more than one " + e.Name().Local)
	case ok && name == "":
		return badRequest("an empty name")
	}
	*dst = &name
	return nil
}

type queryParser struct {
	q      Query
	names  map[string]bool // of the lists
	modern bool            // there is an item in the form of RFC 3921
}

func (p *queryParser) list(e stanza.Element) error {
	l := List{Name: e.Attr("name")}
	switch {
	case l.Name == "":
		return badRequest("a list without name")
	case p.names[l.Name]:
		return badRequest("a list that comes twice")
	}
	p.names[l.Name] = true
	for c := range e.Children() {
		if !c.Is(NS, "item") {
			continue
		}
		it, err := p.item(c, uint32(len(l.Items))+1)
		if err != nil {
			return err
		}
		l.Items = append(l.Items, it)
	}
	byOrder := func(a, b Item) int { return int(int64(a.Order) - int64(b.Order)) }
	slices.SortFunc(l.Items, byOrder)
	for i := 1; i < len(l.Items); i++ {
		if l.Items[i].Order == l.Items[i-1].Order {
			return badRequest("two items with the same order")
		}
	}
	p.q.Lists = append(p.q.Lists, l)
	return nil
}

// item reads an item that is the nth of its list.
func (p *queryParser) item(e stanza.Element, n uint32) (it Item, err error) {
	if isOldItem(e) {
		p.q.Old = true
		it, err = parseOldItem(e, n)
	} else {
		p.modern = true
		it, err = parseItem(e)
	}
	if err == nil && p.modern && p.q.Old {
		err = badRequest("items in two forms")
	}
	return it, err
}

func parseItem(e stanza.Element) (it Item, err error) {
	if it.Deny, err = parseAction(e.Attr("action")); err != nil {
		return it, err
	}
	order, err := strconv.ParseUint(strings.TrimSpace(e.Attr("order")), 10, 32)
	if err != nil {
		return it, badRequest("an item without a valid order")
	}
	it.Order = uint32(order)
	for c := range e.Children() {
		if i := slices.Index(kindNames[:], c.Name().Local); i >= 0 && c.Name().Space == NS {
			it.Kinds |= 1 << i
		}
	}
	typ, ok := e.LookupAttr("", "type")
	if !ok {
		return it, nil // the value, if there is one, says nothing
	}
	value, _ := e.LookupAttr("", "value")
	switch typ {
	case "jid":
		return it, it.byJID(value)
	case "group":
		it.Type, it.Group = ByGroup, value
		if value == "" {
			return it, badRequest("an item without a group")
		}
	case "subscription":
		return it, it.bySubscription(value)
	default:
		return it, badRequest("there is no such type of item")
	}
	return it, nil
}

func parseAction(s string) (deny bool, err error) {
	switch s {
	case "allow":
		return false, nil
	case "deny":
		return true, nil
	}
	return false, badRequest("the action of an item is allow or deny")
}

func (it *Item) byJID(value string) error {
	j, err := jid.Parse(value)
	if err != nil {
		return stanza.NewError(stanza.JIDMalformed, err.Error())
	}
	it.Type, it.JID = ByJID, j
	return nil
}

func (it *Item) bySubscription(value string) error {
	i := slices.Index(subscriptions[:], value)
	if i < 0 {
		return badRequest("there is no such subscription")
	}
	it.Type, it.Subscription = BySubscription, roster.Subscription(i)
	return nil
}
