// Package autoupdate implements client update notification, jabber:x:autoupdate
// and jabber:iq:autoupdate (Jabber Programmers Guide, chapters 7, 9 and 11): a
// program tells an update service which version it is, is told that there is a
// newer one, and asks where.
//
// Nothing here happens by itself. [Announce] tells somebody else who runs which
// program where, so only call it for users who have agreed; [Ask] returns what
// the service says, and whether anything is fetched from there is for people to
// decide: the service is believed no more than anybody else on the network.
// [Extension] hands on the messages of those services only that it was told of.
// [Service] is the other side.
package autoupdate

import (
	"cmp"
	"encoding/xml"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// The namespaces, which are also the features for service discovery.
const (
	NS       = "jabber:iq:autoupdate" // asks for the versions there are
	NSNotice = "jabber:x:autoupdate"  // says whom to ask
)

// Notice is the element <x/> in a message which says that there is a newer
// version.
type Notice struct {
	Ask jid.JID // whom to ask for it
}

// XMLName returns the name of the element.
func (Notice) XMLName() xml.Name { return xml.Name{Space: NSNotice, Local: "x"} }

// AppendXML appends the element. The error is a bad-request if there is no
// address.
func (n Notice) AppendXML(dst []byte) ([]byte, error) {
	if n.Ask.IsZero() {
		return nil, stanza.NewError(stanza.BadRequest, "a notice of an update without an address")
	}
	dst = stanza.AppendText(append(dst, "<x xmlns='"+NSNotice+"'>"...), n.Ask.String())
	return append(dst, "</x>"...), nil
}

// ParseXML reads the element. The error is a bad-request if there is no address
// that is one.
func (n *Notice) ParseXML(e stanza.Element) (err error) {
	if n.Ask, err = jid.Parse(strings.TrimSpace(e.Text())); err != nil {
		return stanza.NewError(stanza.BadRequest, "a notice of an update without an address")
	}
	return nil
}

// Priority says how important an update is. The zero Priority is Optional.
type Priority string

const (
	// Optional is "not a critical update and user should be given a choice of
	// updating or not".
	Optional Priority = "optional"
	// Mandatory "often indicates a severe security fix". It is a word of who
	// publishes the program, not a licence to install anything.
	Mandatory Priority = "mandatory"
)

// Version is a version that can be had.
type Version struct {
	Priority Priority
	Number   string // such as "0.9.1.1"
	URL      string // where it is; not checked
	Desc     string // what is new, for people
}

// Versions are those of a program, the element <query/>; nil is one that there is
// not. The zero Versions ask for them.
type Versions struct{ Release, Beta, Dev *Version }

// XMLName returns the name of the element.
func (Versions) XMLName() xml.Name { return xml.Name{Space: NS, Local: "query"} }

// AppendXML appends the element.
func (v Versions) AppendXML(dst []byte) ([]byte, error) {
	if v == (Versions{}) {
		return append(dst, "<query xmlns='"+NS+"'/>"...), nil
	}
	dst = append(dst, "<query xmlns='"+NS+"'>"...)
	for _, c := range [...]struct {
		name string
		v    *Version
	}{{"release", v.Release}, {"beta", v.Beta}, {"dev", v.Dev}} {
		if c.v != nil {
			dst = c.v.appendXML(dst, c.name)
		}
	}
	return append(dst, "</query>"...), nil
}

// appendXML appends the version as the element of that name. Its children are
// there also if they are empty, as the Guide shows them.
func (v *Version) appendXML(dst []byte, name string) []byte {
	p := Optional
	if v.Priority == Mandatory {
		p = Mandatory
	}
	dst = stanza.AppendAttr(append(append(dst, '<'), name...), "priority", p)
	dst = append(dst, '>')
	for _, c := range [...]struct{ name, text string }{{"ver", v.Number}, {"desc", v.Desc}, {"url", v.URL}} {
		if c.text == "" {
			dst = append(append(append(dst, '<'), c.name...), "/>"...)
		} else {
			dst = stanza.AppendTextElement(dst, c.name, c.text)
		}
	}
	return append(append(append(dst, "</"...), name...), '>')
}

// ParseXML reads the element. Of two versions of one kind the first counts; a
// priority that is missing, or not known, is Optional; the number may be in an
// element version, as the text of the Guide calls it. It does not fail; white
// space around texts is cut off.
func (v *Versions) ParseXML(e stanza.Element) error {
	*v = Versions{}
	for c := range e.Children() {
		if c.Name().Space != NS {
			continue
		}
		var at **Version
		switch c.Name().Local {
		case "release":
			at = &v.Release
		case "beta":
			at = &v.Beta
		case "dev":
			at = &v.Dev
		}
		if at != nil && *at == nil {
			*at = parseVersion(c)
		}
	}
	return nil
}

func parseVersion(e stanza.Element) *Version {
	text := func(name string) string { return strings.TrimSpace(e.ChildText(NS, name)) }
	v := &Version{Priority: Optional, Number: text("ver"), URL: text("url"), Desc: text("desc")}
	if v.Number == "" {
		v.Number = text("version")
	}
	if strings.TrimSpace(e.Attr("priority")) == string(Mandatory) {
		v.Priority = Mandatory
	}
	return v
}

// Newer returns the version that who has installed one should be told of, nil if
// there is none: a newer release, or for those who have something newer than the
// release a newer beta, or dev.
func (v *Versions) Newer(installed string) *Version {
	for _, c := range [...]*Version{v.Release, v.Beta, v.Dev} {
		if c == nil {
			continue
		}
		switch n := Compare(c.Number, installed); {
		case n > 0:
			return c
		case n == 0:
			return nil
		}
	}
	return nil
}

// Compare compares the numbers of two versions, part by part, and returns -1, 0 or
// +1. Digits are compared as numbers, anything else as text; parts that are missing
// count as 0, so that 1.0 is 1; a word, as in 1.0-beta, is before everything.
func Compare(a, b string) int {
	pa, pb := parts(a), parts(b)
	for i := range max(len(pa), len(pb)) {
		x, y := "0", "0"
		if i < len(pa) {
			x = pa[i]
		}
		if i < len(pb) {
			y = pb[i]
		}
		if n := comparePart(x, y); n != 0 {
			return n
		}
	}
	return 0
}

// parts splits a number where digits begin or end, without what is between them.
func parts(s string) (all []string) {
	const between = ".-_+ "
	s = strings.ToLower(strings.TrimSpace(s))
	for i := 0; i < len(s); {
		if strings.IndexByte(between, s[i]) >= 0 {
			i++
			continue
		}
		j := i + 1
		for j < len(s) && isDigit(s[j]) == isDigit(s[i]) && strings.IndexByte(between, s[j]) < 0 {
			j++
		}
		all = append(all, s[i:j])
		i = j
	}
	return all
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func comparePart(x, y string) int {
	dx, dy := isDigit(x[0]), isDigit(y[0])
	switch {
	case dx && !dy:
		return 1
	case !dx && dy:
		return -1
	case dx:
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if len(x) != len(y) {
			return cmp.Compare(len(x), len(y))
		}
	}
	return strings.Compare(x, y)
}
