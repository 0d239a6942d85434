package vcard

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

// Limits of what is read. They are far beyond what cards have.
const (
	// MaxProperties is how many child elements a card may have. One with more is
	// not read.
	MaxProperties = 1000
	// MaxAgents is how many cards deep the agents of agents are read. What is
	// deeper is kept as it is, in Card.Other.
	MaxAgents = 4
)

// ParseXML reads the element. It takes what old programs have written as well
// (see the fields), and never fails but for a card with too many properties, with
// not-acceptable.
func (c *Card) ParseXML(e stanza.Element) error { return c.parse(e, 0) }

func (c *Card) parse(e stanza.Element, depth int) error {
	*c = Card{Version: e.Attr("version")}
	n := 0
	for p := range e.Children() {
		if n++; n > MaxProperties {
			return stanza.NewError(stanza.NotAcceptable, "the vCard has too many properties")
		}
		if p.Name().Space != e.Name().Space || !c.property(p, depth) {
			c.Other = append(c.Other, p.Raw())
		}
	}
	return nil
}

// Add adds a property to the card, an element of vcard-temp, and reports whether
// there is a field for all of it; if not the card is as it was, or has more of the
// property, but not all.
func (c *Card) Add(p stanza.Element) bool { return p.Name().Space == NS && c.property(p, 0) }

// text returns the field of a property that is text.
func (c *Card) text(name string) *string {
	switch name {
	case "FN":
		return &c.FormattedName
	case "NICKNAME":
		return &c.Nickname
	case "BDAY":
		return &c.Birthday
	case "JABBERID":
		return &c.JabberID
	case "MAILER":
		return &c.Mailer
	case "TZ":
		return &c.TimeZone
	case "TITLE":
		return &c.Title
	case "ROLE":
		return &c.Role
	case "NOTE":
		return &c.Note
	case "PRODID":
		return &c.ProductID
	case "REV":
		return &c.Revised
	case "SORT-STRING", "SORTSTR": // the DTD of the Jabber Programmers Guide has both
		return &c.SortString
	case "UID":
		return &c.UID
	case "URL":
		return &c.URL
	case "DESC":
		return &c.Description
	}
	return nil
}

// property takes one property and reports whether it has found a place for all
// of it.
func (c *Card) property(p stanza.Element, depth int) bool {
	if t := c.text(p.Name().Local); t != nil {
		return setText(t, p)
	}
	switch p.Name().Local {
	case "VERSION":
		if c.Version == "" {
			c.Version = strings.TrimSpace(p.Text())
		}
		return true
	case "N":
		return c.Name.IsZero() && c.Name.parse(p)
	case "PHOTO":
		return c.Photo.parse(p)
	case "LOGO":
		return c.Logo.parse(p)
	case "ADR":
		c.Addresses = append(c.Addresses, parseAddress(p))
	case "LABEL":
		c.Labels = append(c.Labels, parseLabel(p))
	case "TEL":
		c.Phones = append(c.Phones, parsePhone(p))
	case "EMAIL":
		c.Emails = append(c.Emails, parseEmail(p))
	case "GEO":
		return c.parseGeo(p)
	case "AGENT":
		return c.parseAgent(p, depth)
	case "ORG":
		return c.Org.IsZero() && c.Org.parse(p)
	case "CATEGORIES":
		return c.parseCategories(p)
	case "SOUND":
		return c.Sound.parse(p)
	case "CLASS":
		return c.parseClass(p)
	case "KEY":
		return c.Key.parse(p)
	default:
		return false
	}
	return true
}

// setText sets a field to the text of e if it is empty, and reports whether
// nothing of e is lost.
func setText(t *string, e stanza.Element) bool {
	s := e.Text()
	switch {
	case !e.FirstChild().IsZero():
		return false
	case *t == "":
		*t = s
		return true
	}
	return s == ""
}

// fields hands the child elements of p to take, and returns those that it
// does not take.
func fields(p stanza.Element, take func(name string, e stanza.Element) bool) (other []stanza.Raw) {
	for e := range p.Children() {
		if e.Name().Space != p.Name().Space || !take(e.Name().Local, e) {
			other = append(other, e.Raw())
		}
	}
	return other
}

// flags is fields for what has flags, too.
func flags(p stanza.Element, f *Flags, take func(name string, e stanza.Element) bool) []stanza.Raw {
	return fields(p, func(name string, e stanza.Element) bool {
		if bit := flagOf(name); bit != 0 {
			*f |= bit
			return true
		}
		return take(name, e)
	})
}

func (n *Name) parse(p stanza.Element) bool {
	n.Other = fields(p, func(name string, e stanza.Element) bool {
		switch name {
		case "FAMILY":
			return setText(&n.Family, e)
		case "GIVEN":
			return setText(&n.Given, e)
		case "MIDDLE":
			return setText(&n.Middle, e)
		case "PREFIX":
			return setText(&n.Prefix, e)
		case "SUFFIX":
			return setText(&n.Suffix, e)
		}
		return false
	})
	return true
}

func parseAddress(p stanza.Element) (a Address) {
	a.Other = flags(p, &a.Flags, func(name string, e stanza.Element) bool {
		switch name {
		case "POBOX":
			return setText(&a.POBox, e)
		case "EXTADD", "EXTADR":
			return setText(&a.Extended, e)
		case "STREET":
			return setText(&a.Street, e)
		case "LOCALITY":
			return setText(&a.Locality, e)
		case "REGION":
			return setText(&a.Region, e)
		case "PCODE":
			return setText(&a.Code, e)
		case "CTRY", "COUNTRY":
			return setText(&a.Country, e)
		}
		return false
	})
	return a
}

func parseLabel(p stanza.Element) (l Label) {
	l.Other = flags(p, &l.Flags, func(name string, e stanza.Element) bool {
		if name != "LINE" || !e.FirstChild().IsZero() {
			return false
		}
		l.Lines = append(l.Lines, e.Text())
		return true
	})
	return l
}

func parsePhone(p stanza.Element) (t Phone) {
	t.Other = flags(p, &t.Flags, func(name string, e stanza.Element) bool {
		return name == "NUMBER" && setText(&t.Number, e)
	})
	if t.Number == "" {
		t.Number = strings.TrimSpace(p.Text()) // "not included as CDATA", but it is
	}
	return t
}

func parseEmail(p stanza.Element) (m Email) {
	m.Other = flags(p, &m.Flags, func(name string, e stanza.Element) bool {
		return name == "USERID" && setText(&m.Address, e)
	})
	if m.Address == "" {
		m.Address = strings.TrimSpace(p.Text()) // as in the Jabber Programmers Guide, chapter 9
	}
	return m
}

func (o *Organization) parse(p stanza.Element) bool {
	o.Other = fields(p, func(name string, e stanza.Element) bool {
		switch name {
		case "ORGNAME":
			return setText(&o.Name, e)
		case "ORGUNIT":
			var unit string
			if !setText(&unit, e) {
				return false
			}
			if unit != "" {
				o.Units = append(o.Units, unit)
			}
			return true
		}
		return false
	})
	return true
}

func (c *Card) parseGeo(p stanza.Element) bool {
	var lat, lon string
	other := fields(p, func(name string, e stanza.Element) bool {
		switch name {
		case "LAT":
			return setText(&lat, e)
		case "LON":
			return setText(&lon, e)
		}
		return false
	})
	if other == nil && lat == "" && lon == "" {
		return true
	}
	y, ok1 := degrees(lat, 90)
	x, ok2 := degrees(lon, 180)
	if c.Geo != nil || other != nil || !ok1 || !ok2 {
		return false
	}
	c.Geo = &Geo{Lat: y, Lon: x}
	return true
}

// degrees reads decimal degrees.
func degrees(s string, max float64) (float64, bool) {
	s = strings.TrimSpace(s)
	if strings.Trim(s, "+-.0123456789") != "" {
		return 0, false // what ParseFloat knows beside decimal numbers
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && math.Abs(f) <= max
}

func (c *Card) parseAgent(p stanza.Element, depth int) bool {
	var a Agent
	bad := false
	other := fields(p, func(name string, e stanza.Element) bool {
		switch name {
		case "EXTVAL":
			return setText(&a.URI, e)
		case "vCard":
			if a.Card != nil || depth == MaxAgents {
				return false
			}
			a.Card = new(Card)
			bad = bad || a.Card.parse(e, depth+1) != nil
			return true
		}
		return false
	})
	switch {
	case other == nil && !bad && a == Agent{}:
		return true
	case c.Agent != nil || other != nil || bad:
		return false
	}
	c.Agent = &a
	return true
}

func (c *Card) parseCategories(p stanza.Element) bool {
	var words []string
	other := fields(p, func(name string, e stanza.Element) bool {
		var word string
		if name != "KEYWORD" || !setText(&word, e) {
			return false
		}
		if word != "" {
			words = append(words, word)
		}
		return true
	})
	if other != nil {
		return false
	}
	c.Categories = slices.Concat(c.Categories, words)
	return true
}

func (s *Sound) parse(p stanza.Element) bool {
	var got Sound
	var data string
	other := fields(p, func(name string, e stanza.Element) bool {
		switch name {
		case "PHONETIC":
			return setText(&got.Phonetic, e)
		case "BINVAL":
			return setText(&data, e)
		case "EXTVAL":
			return setText(&got.URI, e)
		}
		return false
	})
	var ok bool
	if got.Data, ok = decodeBase64(data); !ok || other != nil {
		return false
	}
	if s.IsZero() {
		*s = got
		return true
	}
	return got.IsZero()
}

func (c *Card) parseClass(p stanza.Element) bool {
	var class Class
	other := fields(p, func(name string, e stanza.Element) bool {
		switch k := Class(name); k {
		case Public, Private, Confidential:
			if class == "" {
				class = k
				return true
			}
		}
		return false
	})
	if other != nil || c.Class != "" && class != "" {
		return false
	}
	if class != "" {
		c.Class = class
	}
	return true
}

func (k *Key) parse(p stanza.Element) bool {
	var got Key
	other := fields(p, func(name string, e stanza.Element) bool {
		switch name {
		case "TYPE":
			return setText(&got.Type, e)
		case "CRED":
			return setText(&got.Credential, e)
		}
		return false
	})
	if other != nil || *k != (Key{}) && got != (Key{}) {
		return false
	}
	if got != (Key{}) {
		*k = got
	}
	return true
}
