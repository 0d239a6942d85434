package vcard4

import (
	"slices"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/vcard"
)

// FromTemp returns the card in this format (XEP-0292, section 11).
//
// What vCard4 has no property for (MAILER, CLASS, LABEL, the card of an AGENT, the
// PHONETIC of a SOUND) is kept as it is in Other, where [Card.Temp] finds it
// again. Lost are types of addresses and telephone numbers that vCard4 does not
// have, such as PARCEL and BBS, and the version.
func FromTemp(t *vcard.Card) *Card {
	c := new(Card)
	c.addTemp(t)
	return c
}

// addTemp adds the properties of t to those of c.
func (c *Card) addTemp(t *vcard.Card) {
	addText(&c.FormattedName, t.FormattedName)
	c.addName(t)
	if nicks := vcard.List(t.Nickname); nicks != nil {
		c.Nicknames = append(c.Nicknames, Text(nicks...))
	}
	addMedia(&c.Photos, &t.Photo)
	addMedia(&c.Logos, &t.Logo)
	setOnce(&c.Birthday, dateValue(t.Birthday))
	c.addContact(t)
	addText(&c.Titles, t.Title)
	addText(&c.Roles, t.Role)
	if !t.Org.IsZero() {
		c.Organizations = append(c.Organizations, Text(slices.Concat([]string{t.Org.Name}, t.Org.Units)...))
	}
	if t.Agent != nil && t.Agent.URI != "" {
		v := URI(t.Agent.URI)
		v.Types = []string{"agent"}
		c.Related = append(c.Related, v)
	}
	if t.Categories != nil {
		c.Categories = append(c.Categories, Text(t.Categories...))
	}
	addText(&c.Notes, t.Note)
	addText(&c.Notes, t.Description)
	if c.ProductID == "" {
		c.ProductID = t.ProductID
	}
	if at, ok := t.RevisedAt(); ok && c.Revision == "" {
		c.Revision = at.UTC().Format(layoutStamp)
	}
	addMedia(&c.Sounds, &vcard.Media{Data: t.Sound.Data, URI: t.Sound.URI})
	if t.UID != "" {
		v := Text(t.UID)
		if isURI(t.UID) {
			v.Type = "uri"
		}
		setOnce(&c.UID, v)
	}
	if t.URL != "" {
		c.URLs = append(c.URLs, URI(t.URL))
	}
	if t.Key != (vcard.Key{}) {
		v := Text(t.Key.Credential)
		v.MediaType = t.Key.Type
		c.Keys = append(c.Keys, v)
	}
	c.keep(t)
}

// keep takes over what there is no property for, and what is in t.Other: more of
// the properties above, and those that came from vCard4.
func (c *Card) keep(t *vcard.Card) {
	rest := vcard.Card{Mailer: t.Mailer, Class: t.Class, Sound: vcard.Sound{Phonetic: t.Sound.Phonetic}}
	for _, l := range t.Labels {
		if !c.label(l) {
			rest.Labels = append(rest.Labels, l)
		}
	}
	if t.Agent != nil && t.Agent.Card != nil {
		rest.Agent = &vcard.Agent{Card: t.Agent.Card}
	}
	if _, ok := t.RevisedAt(); !ok {
		rest.Revised = t.Revised
	}
	c.Other = append(c.Other, parts(&rest)...)
	for _, raw := range t.Other {
		e, err := raw.Element()
		if err != nil {
			continue
		}
		var more vcard.Card
		switch {
		case e.Name().Space == NS && c.property(e):
		case e.Name().Space == vcard.NS && isOne(e, &more):
			c.addTemp(&more)
		default:
			c.Other = append(c.Other, raw)
		}
	}
}

// isOne reads one property of vcard-temp, and reports whether it is one that this
// package knows in both formats.
func isOne(e stanza.Element, card *vcard.Card) bool {
	switch e.Name().Local {
	case "MAILER", "CLASS", "LABEL", "AGENT", "SOUND", "REV", "N", "BDAY", "UID", "PRODID", "SORT-STRING", "SORTSTR":
		return false // can be kept as it is only, or is there already
	}
	wrapped, err := stanza.Raw("<vCard xmlns='" + vcard.NS + "'>" + string(e.Raw()) + "</vCard>").Element()
	return err == nil && card.ParseXML(wrapped) == nil && len(card.Other) == 0 && !card.IsZero()
}

// parts returns the child elements of a payload. What cannot be written has none.
func parts(p stanza.Payload) (raws []stanza.Raw) {
	b, err := p.AppendXML(nil)
	if err != nil {
		return nil
	}
	e, err := stanza.Raw(b).Element()
	if err != nil {
		return nil
	}
	for c := range e.Children() {
		raws = append(raws, c.Raw())
	}
	return raws
}

func addText(to *[]Value, text string) {
	if text != "" {
		*to = append(*to, Text(text))
	}
}

func setOnce(to **Value, v Value) {
	if *to == nil && v.String() != "" {
		*to = &v
	}
}

// addMedia adds a photo or the like: "mapped to a 'data:' URI in vCard4".
func addMedia(to *[]Value, m *vcard.Media) {
	switch {
	case len(m.Data) > 0:
		*to = append(*to, URI(DataURI(m.ContentType(), m.Data)))
	case m.URI != "":
		*to = append(*to, URI(m.URI))
	}
}

func (c *Card) addName(t *vcard.Card) {
	if c.Name != nil || t.Name.IsZero() && t.SortString == "" {
		return
	}
	c.Name = &Name{
		Surname: vcard.List(t.Name.Family), Given: vcard.List(t.Name.Given), Additional: vcard.List(t.Name.Middle),
		Prefix: vcard.List(t.Name.Prefix), Suffix: vcard.List(t.Name.Suffix),
	}
	if t.SortString != "" {
		c.Name.SortAs = []string{t.SortString}
	}
}

// types are the flags that vCard4 has, too.
var types = []struct {
	flag vcard.Flags
	name string
}{
	{vcard.Work, "work"}, {vcard.Home, "home"}, {vcard.Voice, "voice"}, {vcard.Fax, "fax"}, {vcard.Cell, "cell"},
	{vcard.Video, "video"}, {vcard.Pager, "pager"},
}

func paramsOf(f vcard.Flags) (p Params) {
	for _, t := range types {
		if f&t.flag != 0 {
			p.Types = append(p.Types, t.name)
		}
	}
	if f&vcard.Preferred != 0 {
		p.Pref = 1
	}
	return p
}

func flagsOf(p *Params) (f vcard.Flags) {
	for _, t := range types {
		if p.Has(t.name) {
			f |= t.flag
		}
	}
	if p.Pref == 1 {
		f |= vcard.Preferred
	}
	return f
}

func (c *Card) addContact(t *vcard.Card) {
	for _, a := range t.Addresses {
		c.Addresses = append(c.Addresses, Address{
			Params: paramsOf(a.Flags),
			POBox:  vcard.List(a.POBox), Extended: vcard.List(a.Extended), Street: vcard.List(a.Street),
			Locality: vcard.List(a.Locality), Region: vcard.List(a.Region), Code: vcard.List(a.Code),
			Country: vcard.List(a.Country),
		})
	}
	for _, tel := range t.Phones {
		if tel.Number == "" {
			continue
		}
		v := Text(tel.Number)
		if uri, ok := telURI(tel.Number); ok {
			v = URI(uri)
		}
		v.Params = paramsOf(tel.Flags)
		c.Phones = append(c.Phones, v)
	}
	for _, m := range t.Emails {
		if m.Address != "" {
			v := Text(m.Address)
			v.Params = paramsOf(m.Flags)
			c.Emails = append(c.Emails, v)
		}
	}
	if j, err := jid.Parse(strings.TrimSpace(t.JabberID)); err == nil && !j.IsZero() {
		c.IMPP = append(c.IMPP, URI(jid.URI{JID: j}.String()))
	} else if t.JabberID != "" {
		c.Other = append(c.Other, parts(&vcard.Card{JabberID: t.JabberID})...)
	}
	if t.TimeZone != "" {
		c.TimeZones = append(c.TimeZones, zoneValue(t))
	}
	if g := t.Geo; g != nil {
		c.Geo = append(c.Geo, URI("geo:"+decimal(g.Lat)+","+decimal(g.Lon)))
	}
}

// label gives a label to the address that has the same flags.
func (c *Card) label(l vcard.Label) bool {
	if len(l.Other) > 0 || l.Flags&^(vcard.Home|vcard.Work|vcard.Preferred) != 0 || len(l.Lines) == 0 {
		return false
	}
	for i := range c.Addresses {
		a := &c.Addresses[i]
		if a.Label == "" && flagsOf(&a.Params) == l.Flags {
			a.Label = strings.Join(l.Lines, "\n")
			return true
		}
	}
	return false
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// isURI reports whether s begins with a scheme.
func isURI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789+-."
	return ok && len(scheme) > 1 && rest != "" && strings.Trim(strings.ToLower(scheme), allowed) == ""
}

// telURI returns the URI of a telephone number with a country code; others have
// none that would mean the same everywhere (RFC 3966, section 5.1).
func telURI(number string) (string, bool) {
	n := strings.ReplaceAll(strings.TrimSpace(number), " ", "-")
	if !strings.HasPrefix(n, "+") || strings.Trim(n, "+0123456789-.()") != "" || strings.LastIndexByte(n, '+') != 0 {
		return "", false
	}
	return "tel:" + n, true
}
