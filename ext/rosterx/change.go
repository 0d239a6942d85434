package rosterx

import (
	"slices"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
)

// Change is what a suggestion comes to for one contact, if the user agrees: a
// roster set of Item.
type Change struct {
	// Item is the item of the roster as it is to be. Its subscription is Remove
	// if the contact is to go.
	Item roster.Item
	// New: the contact is not in the roster. After the roster set one "SHOULD
	// also send a <presence/> stanza of type "subscribe"" (section 3.1).
	New bool
}

// Changes returns what is to be done about the suggestion by the rules of
// section 3, in the order of the items. current returns what the roster has for
// an address, and whether it has anything. What would change nothing is left
// out: for that one "MUST NOT prompt a human user". All that is left "SHOULD" be
// presented "at the same time" (section 6).
func (s Suggestion) Changes(current func(jid.JID) (roster.Item, bool)) (changes []Change) {
	for _, it := range s.Items {
		now, ok := current(it.JID)
		c, changed := Change{}, false
		switch s.Action.orAdd() {
		case Delete:
			c.Item, changed = it.remove(now, ok)
		case Modify:
			c.Item, changed = it.modify(now, ok)
		default:
			c.New = !ok
			c.Item, changed = it.add(now, ok)
		}
		if changed {
			changes = append(changes, c)
		}
	}
	return changes
}

// add puts the contact into the roster; one that is there gets the groups that
// it does not have (section 3.1).
func (it *Item) add(now roster.Item, ok bool) (roster.Item, bool) {
	if !ok {
		return roster.Item{JID: it.JID, Name: it.Name, Groups: slices.Clone(it.Groups)}, true
	}
	next := now
	next.Groups = slices.Clone(now.Groups)
	for _, g := range it.Groups {
		if !slices.Contains(next.Groups, g) {
			next.Groups = append(next.Groups, g)
		}
	}
	return next, len(next.Groups) > len(now.Groups)
}

// remove takes the contact out of the groups that are named; if it is in no
// other, or none is named, out of the roster (section 3.2).
func (it *Item) remove(now roster.Item, ok bool) (roster.Item, bool) {
	if !ok {
		return now, false
	}
	next := now
	next.Groups = slices.DeleteFunc(slices.Clone(now.Groups), func(g string) bool { return slices.Contains(it.Groups, g) })
	switch {
	case len(it.Groups) > 0 && len(next.Groups) == len(now.Groups):
		return now, false // it is in none of them
	case len(it.Groups) > 0 && len(next.Groups) > 0:
		return next, true
	}
	return roster.Item{JID: now.JID, Subscription: roster.Remove}, true
}

// modify gives the contact the name, and the groups, that are said (section
// 3.3).
func (it *Item) modify(now roster.Item, ok bool) (roster.Item, bool) {
	if !ok {
		return now, false
	}
	next := now
	if it.Name != "" {
		next.Name = it.Name
	}
	if len(it.Groups) > 0 && !sameGroups(it.Groups, now.Groups) {
		next.Groups = slices.Clone(it.Groups)
		return next, true
	}
	return next, next.Name != now.Name
}

// sameGroups compares groups, whose order does not matter.
func sameGroups(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
