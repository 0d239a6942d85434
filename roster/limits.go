package roster

import (
	"math"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Defaults of [Limits]. Names are bounded like the resourceparts of addresses,
// with which they may be compared (RFC 6121, section 2.1.2.4).
const (
	DefaultItems      = 1000
	DefaultGroups     = 50
	DefaultNameBytes  = 1023
	DefaultGroupBytes = 1023
)

// Limits bounds the rosters of a server's accounts. A field is 0 for its
// default, and negative where there is to be no bound.
type Limits struct {
	// Items is how many contacts an account may have, those included that are
	// remembered only for a request that waits. Default 1000. It is for who
	// updates the [Store] to watch over it.
	Items int
	// Groups is how many groups an item may be in. Default 50.
	Groups int
	// NameBytes bounds the name of an item, GroupBytes the name of a group, in
	// bytes of UTF-8. Defaults 1023.
	NameBytes, GroupBytes int
	// DropEmptyGroups takes a group without a name for no group, as the Jabber
	// Programmers Guide has it (chapter 11, group). Otherwise it is refused.
	DropEmptyGroups bool
}

// CheckSet reads the query of a roster set and returns the item that it is
// about. It is JID and Name and Groups as they are to be stored, Subscription
// Remove if the item is to be removed (then there is nothing but the address),
// else None: "the server MUST ignore any value of the 'subscription' attribute
// other than "remove"" (RFC 6121, section 2.1.5), and ask and approved are not
// the client's to set. The item shares no memory with query.
//
// The error is the [*stanza.Error] to answer with (RFC 6121, section 2.3.3):
// bad-request if there is not exactly one item, if its address is missing or
// malformed, and if a group comes twice, where groups are compared like
// resourceparts; not-acceptable if a name is too long, if a group has no name,
// and if there are too many groups. Whether the sender may change the roster
// (forbidden), and whether an item that is to be removed is there
// (item-not-found), is for the server to say.
func (l Limits) CheckSet(query stanza.Element) (Item, error) {
	var el stanza.Element
	for c := range query.Children() {
		if !c.Is(NS, "item") {
			continue
		}
		if !el.IsZero() {
			return Item{}, stanza.NewError(stanza.BadRequest, "A roster set has one item.")
		}
		el = c
	}
	if el.IsZero() {
		return Item{}, stanza.NewError(stanza.BadRequest, "A roster set has an item.")
	}
	j, err := jid.Parse(el.Attr("jid"))
	if err != nil {
		return Item{}, stanza.NewError(stanza.BadRequest, "The item has no valid address.")
	}
	it := Item{JID: j.Clone()}
	if el.Attr("subscription") == "remove" {
		it.Subscription = Remove
		return it, nil
	}
	it.Name = strings.Clone(el.Attr("name"))
	if len(it.Name) > limit(l.NameBytes, DefaultNameBytes) {
		return Item{}, stanza.NewError(stanza.NotAcceptable, "The name is too long.")
	}
	it.Groups, err = l.checkGroups(el)
	if err != nil {
		return Item{}, err
	}
	return it, nil
}

// checkGroups reads the groups of an item, and stops at the first that is
// wrong.
func (l Limits) checkGroups(item stanza.Element) (groups []string, err error) {
	maxGroups, maxBytes := limit(l.Groups, DefaultGroups), limit(l.GroupBytes, DefaultGroupBytes)
	seen := make(map[string]bool)
	for c := range item.Children() {
		if !c.Is(NS, "group") {
			continue
		}
		g := c.Text()
		key := groupKey(g)
		switch {
		case g == "" && l.DropEmptyGroups:
			continue
		case g == "":
			return nil, stanza.NewError(stanza.NotAcceptable, "A group has no name.")
		case len(g) > maxBytes:
			return nil, stanza.NewError(stanza.NotAcceptable, "The name of a group is too long.")
		case seen[key]:
			return nil, stanza.NewError(stanza.BadRequest, "A group comes twice.")
		case len(groups) >= maxGroups:
			return nil, stanza.NewError(stanza.NotAcceptable, "There are too many groups.")
		}
		seen[key] = true
		groups = append(groups, strings.Clone(g))
	}
	return groups, nil
}

// groupKey returns what group names are compared by: "one possible comparison
// method for determining duplicates is that described for XMPP resourceparts"
// (RFC 6121, section 2.3.3). What could not be a resourcepart is compared as it
// is.
func groupKey(group string) string {
	if j, err := jid.New("", "localhost", group); err == nil {
		return j.Resource()
	}
	return group
}

// limit returns the bound that v stands for.
func limit(v, byDefault int) int {
	switch {
	case v == 0:
		return byDefault
	case v < 0:
		return math.MaxInt
	}
	return v
}
