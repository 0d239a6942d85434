package privacy

import (
	"math"
	"slices"
	"strconv"

	"github.com/etherx-go/xmpp/jid"
)

// The list of blocked addresses of XEP-0191 is a view of the default list: "each
// blocked JID is represented as a privacy list item of type "jid" and action
// "deny"" (section 5), for all kinds of stanzas.

// blocklist is the name of the default list that the first block makes.
const blocklist = "blocklist"

func (it *Item) isBlock() bool { return it.Type == ByJID && it.Deny && it.Kinds == 0 }

// Blocked returns the blocked addresses: those of the default list's items by
// address that deny everything.
func (l *Lists) Blocked() []jid.JID {
	var jids []jid.JID
	if list := l.byDefault(); list != nil {
		for i := range list.Items {
			if list.Items[i].isBlock() {
				jids = append(jids, list.Items[i].JID)
			}
		}
	}
	return jids
}

// byDefault returns the default list, nil if there is none.
func (l *Lists) byDefault() *List {
	if l.Default == "" {
		return nil
	}
	return l.Find(l.Default)
}

// Block adds the addresses to those that are blocked, in front of everything
// else in the default list: "The priority of blocked (jid+deny) items in the
// privacy list SHOULD be such that they come first" (XEP-0191, section 5). If
// there is no default list one is made.
func (l *Lists) Block(jids ...jid.JID) {
	list := List{Name: l.unusedName()}
	if d := l.byDefault(); d != nil {
		list = *d
	}
	head := 0 // how many blocks are in front already
	seen := make(map[jid.JID]bool)
	for head < len(list.Items) && list.Items[head].isBlock() {
		seen[list.Items[head].JID] = true
		head++
	}
	items := slices.Clone(list.Items[:head])
	for _, j := range jids {
		if !j.IsZero() && !seen[j] {
			seen[j] = true
			items = append(items, Item{Type: ByJID, JID: j, Deny: true})
		}
	}
	if len(items) == head {
		return
	}
	for _, it := range list.Items[head:] {
		if !it.isBlock() || !seen[it.JID] {
			items = append(items, it)
		}
	}
	list.Items = items
	list.ascend(head)
	l.Put(list)
	l.Default = list.Name
}

// Unblock removes the addresses, or all if none are given, from those that are
// blocked. A default list that has nothing else is removed with the last.
func (l *Lists) Unblock(jids ...jid.JID) {
	d := l.byDefault()
	if d == nil {
		return
	}
	which := make(map[jid.JID]bool, len(jids))
	for _, j := range jids {
		which[j] = true
	}
	list := List{Name: d.Name}
	for _, it := range d.Items {
		if !it.isBlock() || len(jids) > 0 && !which[it.JID] {
			list.Items = append(list.Items, it)
		}
	}
	switch len(list.Items) {
	case len(d.Items):
	case 0:
		l.Delete(list.Name)
	default:
		l.Put(list)
	}
}

// unusedName returns a name for a new default list.
func (l *Lists) unusedName() string {
	name := blocklist
	for n := 2; l.Find(name) != nil; n++ {
		name = blocklist + "-" + strconv.Itoa(n)
	}
	return name
}

// ascend makes the orders ascend from the item i on, and leaves those that do
// as they are.
func (l *List) ascend(i int) {
	for ; i < len(l.Items); i++ {
		var last uint32
		if i > 0 {
			last = l.Items[i-1].Order
		}
		if last == math.MaxUint32 {
			l.number()
			return
		}
		l.Items[i].Order = max(l.Items[i].Order, last+1)
	}
}

// number gives the items the orders 1, 2, ...
func (l *List) number() {
	for i := range l.Items {
		l.Items[i].Order = uint32(i) + 1
	}
}
