package vcard4

import (
	"slices"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

// MaxProperties is how many child elements a card may have. One with more is not
// read.
const MaxProperties = 1000

// ParseXML reads the element. "A vCard XML parser MUST ignore XML elements and
// attributes for which it doesn't recognize the expanded name" (RFC 6351, section
// 5.1); it keeps the elements, in Other. It never fails but for a card with too
// many properties, with not-acceptable.
func (c *Card) ParseXML(e stanza.Element) error {
	*c = Card{}
	n := 0
	for p := range e.Children() {
		if n++; n > MaxProperties {
			return stanza.NewError(stanza.NotAcceptable, "the vCard has too many properties")
		}
		if p.Name().Space != NS || !c.property(p) {
			c.Other = append(c.Other, p.Raw())
		}
	}
	return nil
}

// property takes one property, and reports whether it has found a place for all
// of it.
func (c *Card) property(p stanza.Element) bool {
	i := slices.IndexFunc(properties, func(k property) bool { return k.name == p.Name().Local })
	if i < 0 {
		return false
	}
	switch k := &properties[i]; k.name {
	case "n":
		var n Name
		if c.Name != nil || !parseComponents(p, &n.Params, n.components()) {
			return false
		}
		c.Name = &n
	case "adr":
		var a Address
		if !parseComponents(p, &a.Params, a.components()) {
			return false
		}
		c.Addresses = append(c.Addresses, a)
	case "gender":
		return c.parseGender(p)
	default:
		v, ok := parseValue(p)
		return ok && k.set(c, v)
	}
	return true
}

// set gives c the value, and reports whether there is room for it.
func (k *property) set(c *Card, v Value) bool {
	switch {
	case k.list != nil:
		l := k.list(c)
		*l = append(*l, v)
	case k.one != nil:
		if *k.one(c) != nil {
			return false
		}
		*k.one(c) = &v
	default:
		t := k.text(c)
		if *t != "" || len(v.Values) != 1 || v.Values[0] == "" || v.Type != k.typ || !v.Params.IsZero() {
			return false
		}
		*t = v.Values[0]
	}
	return true
}

// parseValue reads parameters and values, all of one type.
func parseValue(p stanza.Element) (v Value, ok bool) {
	for e := range p.Children() {
		name := e.Name().Local
		switch {
		case e.Name().Space != NS:
			return v, false
		case name == "parameters":
			v.Params.parse(e)
		case !slices.Contains(valueTypes, name) || v.Type != "" && v.Type != name || !e.FirstChild().IsZero():
			return v, false
		default:
			v.Type = name
			v.Values = append(v.Values, e.Text())
		}
	}
	return v, v.Type != ""
}

// parseComponents reads parameters and the parts of a structured value. Parts
// that are empty are as good as none.
func parseComponents(p stanza.Element, params *Params, parts []component) bool {
	for e := range p.Children() {
		name := e.Name().Local
		i := slices.IndexFunc(parts, func(c component) bool { return c.name == name })
		switch {
		case e.Name().Space != NS:
			return false
		case name == "parameters":
			params.parse(e)
		case i < 0 || !e.FirstChild().IsZero():
			return false
		case e.Text() != "":
			*parts[i].values = append(*parts[i].values, e.Text())
		}
	}
	return true
}

// parseGender reads the sex, also in the element text of XEP-0292, example 2.
func (c *Card) parseGender(p stanza.Element) bool {
	var g Gender
	for e := range p.Children() {
		text := e.Text()
		if t := e.Child(NS, "text"); !t.IsZero() {
			text = t.Text()
		}
		switch {
		case e.Is(NS, "sex"):
			g.Sex = strings.TrimSpace(text)
		case e.Is(NS, "identity"):
			g.Identity = text
		default:
			return false
		}
	}
	if c.Gender != nil {
		return false
	}
	c.Gender = &g
	return true
}

// parse reads parameters. Old ones in XEP-0292 have their value as text, without
// an element for its type.
func (p *Params) parse(e stanza.Element) {
	for q := range e.Children() {
		if q.Name().Space != NS || !p.set(q.Name().Local, paramValues(q)) {
			p.Other = append(p.Other, q.Raw())
		}
	}
}

// paramValues returns the values of a parameter.
func paramValues(q stanza.Element) (values []string) {
	for v := range q.Children() {
		if t := strings.TrimSpace(v.Text()); t != "" {
			values = append(values, t)
		}
	}
	if t := strings.TrimSpace(q.Text()); t != "" && values == nil {
		values = []string{t}
	}
	return values
}

// set gives a parameter its values, and reports whether there is one of that name
// that can have them.
func (p *Params) set(name string, values []string) bool {
	if len(values) == 0 {
		return true
	}
	var one *string
	switch name {
	case "type":
		for _, v := range values {
			p.Types = append(p.Types, strings.ToLower(v))
		}
		return true
	case "pref":
		n, err := strconv.Atoi(strings.TrimSpace(values[0]))
		if err != nil || n < 1 || n > 100 || p.Pref != 0 || len(values) > 1 {
			return false
		}
		p.Pref = n
		return true
	case "pid":
		p.PID = append(p.PID, values...)
		return true
	case "sort-as":
		p.SortAs = append(p.SortAs, values...)
		return true
	case "language":
		one = &p.Language
	case "altid":
		one = &p.AltID
	case "mediatype":
		one = &p.MediaType
	case "calscale":
		one = &p.Calendar
	case "geo":
		one = &p.Geo
	case "label":
		one = &p.Label
	}
	if one == nil || *one != "" || len(values) > 1 {
		return false
	}
	*one = values[0]
	return true
}
