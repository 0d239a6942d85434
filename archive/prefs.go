package archive

import (
	"context"
	"encoding/xml"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Policy says what is archived of those who are in no list (XEP-0441, section
// 2.1.1).
type Policy string

// The policies.
const (
	Always Policy = "always" // everything
	Never  Policy = "never"  // nothing
	Roster Policy = "roster" // what is with contacts of the roster
)

// Preferences say with whom messages are archived (XEP-0441), the element
// <prefs/>. The zero Preferences ask for those that there are.
type Preferences struct {
	Space   string // the namespace; "" stands for [NS]
	Default Policy
	// Always and Never are who messages are archived with, or not, whatever
	// Default says. A bare address stands for all its resources.
	Always, Never []jid.JID
}

// Allow reports whether messages with an address are archived: for a message that
// was sent that is its to, for one that came its from (XEP-0441, section 2.3). Of
// the lists a full address counts more than a bare one, and Never more than
// Always. inRoster is asked only if the answer depends on it.
func (p *Preferences) Allow(
	ctx context.Context, with jid.JID, inRoster func(ctx context.Context, contact jid.JID) (bool, error),
) (bool, error) {
	for _, j := range []jid.JID{with, with.Bare()} {
		switch {
		case slices.Contains(p.Never, j):
			return false, nil
		case slices.Contains(p.Always, j):
			return true, nil
		}
	}
	switch p.Default {
	case Never:
		return false, nil
	case Roster:
		return inRoster(ctx, with.Bare())
	}
	return true, nil
}

// XMLName returns the name of the element.
func (p Preferences) XMLName() xml.Name { return xml.Name{Space: orNS(p.Space), Local: "prefs"} }

// AppendXML appends the element. With a Default both lists are there, "even if
// empty".
func (p Preferences) AppendXML(dst []byte) ([]byte, error) {
	dst = open(dst, "prefs", p.Space)
	if p.Default == "" && len(p.Always) == 0 && len(p.Never) == 0 {
		return append(dst, "/>"...), nil
	}
	if p.Default != "" {
		dst = stanza.AppendAttr(dst, "default", p.Default)
	}
	dst = appendList(append(dst, '>'), "always", p.Always)
	return append(appendList(dst, "never", p.Never), "</prefs>"...), nil
}

func appendList(dst []byte, name string, list []jid.JID) []byte {
	dst = append(append(dst, '<'), name...)
	if len(list) == 0 {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	for _, j := range list {
		dst = stanza.AppendTextElement(dst, "jid", j.String())
	}
	dst = append(append(dst, "</"...), name...)
	return append(dst, '>')
}

// ParseXML reads the element. A policy that is not defined is a bad-request, what
// is not an address in a list jid-malformed. An address that comes twice counts
// once.
func (p *Preferences) ParseXML(e stanza.Element) (err error) {
	*p = Preferences{}
	read := Preferences{Space: spaceOf(e), Default: Policy(e.Attr("default"))}
	switch read.Default {
	case "", Always, Never, Roster:
	default:
		return stanza.NewError(stanza.BadRequest, "the default is always, never or roster")
	}
	space := e.Name().Space
	if read.Always, err = parseList(e.Child(space, "always")); err != nil {
		return err
	}
	if read.Never, err = parseList(e.Child(space, "never")); err != nil {
		return err
	}
	*p = read
	return nil
}

func parseList(e stanza.Element) (list []jid.JID, err error) {
	if e.IsZero() {
		return nil, nil
	}
	seen := make(map[jid.JID]bool)
	for c := range e.Children() {
		if !c.Is(e.Name().Space, "jid") {
			continue
		}
		j, err := jid.Parse(c.Text())
		if err != nil { // a resource may end with a space
			j, err = jid.Parse(strings.TrimSpace(c.Text()))
		}
		if err != nil {
			return nil, stanza.NewError(stanza.JIDMalformed, "an entry of the list "+e.Name().Local+" is not an address")
		}
		if !seen[j] {
			seen[j] = true
			list = append(list, j)
		}
	}
	return list, nil
}
