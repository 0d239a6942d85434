package vcard

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

// writer writes elements. Its first error stops it.
type writer struct {
	dst []byte
	err error
}

func (w *writer) open(name string)  { w.dst = append(append(append(w.dst, '<'), name...), '>') }
func (w *writer) close(name string) { w.dst = append(append(append(w.dst, "</"...), name...), '>') }

// text writes an element with text, unless there is none.
func (w *writer) text(name, value string) {
	if value != "" {
		w.dst = stanza.AppendTextElement(w.dst, name, value)
	}
}

// data writes an element with binary data, unless there is none.
func (w *writer) data(name string, b []byte) {
	if len(b) > 0 {
		w.open(name)
		w.dst = base64.StdEncoding.AppendEncode(w.dst, b)
		w.close(name)
	}
}

// other writes what has no field.
func (w *writer) other(raws []stanza.Raw) {
	for _, r := range raws {
		if w.err != nil {
			return
		}
		dst, err := stanza.AppendPayload(w.dst, r)
		if err != nil {
			w.err = err
			return
		}
		w.dst = dst
	}
}

// AppendXML appends the element, the properties in the order of the DTD. The
// error is that of something in an Other that is not an element.
func (c *Card) AppendXML(dst []byte) ([]byte, error) {
	w := writer{dst: dst}
	w.card(c)
	if w.err != nil {
		return nil, w.err
	}
	return w.dst, nil
}

func (w *writer) card(c *Card) {
	w.dst = append(w.dst, "<vCard xmlns='"+NS+"'"...)
	if c.Version != "" {
		w.dst = stanza.AppendAttr(w.dst, "version", c.Version)
	}
	w.dst = append(w.dst, '>')
	start := len(w.dst)
	w.head(c)
	w.contact(c)
	w.rest(c)
	w.other(c.Other)
	if len(w.dst) == start {
		w.dst = append(w.dst[:start-1], "/>"...)
		return
	}
	w.close("vCard")
}

// head writes who it is.
func (w *writer) head(c *Card) {
	w.text("FN", c.FormattedName)
	if n := &c.Name; !n.IsZero() {
		w.open("N")
		w.text("FAMILY", n.Family)
		w.text("GIVEN", n.Given)
		w.text("MIDDLE", n.Middle)
		w.text("PREFIX", n.Prefix)
		w.text("SUFFIX", n.Suffix)
		w.other(n.Other)
		w.close("N")
	}
	w.text("NICKNAME", c.Nickname)
	w.media("PHOTO", &c.Photo)
	w.text("BDAY", c.Birthday)
}

// contact writes where he can be reached.
func (w *writer) contact(c *Card) {
	for i := range c.Addresses {
		w.address(&c.Addresses[i])
	}
	for _, l := range c.Labels {
		w.open("LABEL")
		w.dst = l.Flags.appendXML(w.dst)
		for _, line := range l.Lines {
			w.dst = stanza.AppendTextElement(w.dst, "LINE", line)
		}
		w.other(l.Other)
		w.close("LABEL")
	}
	for _, t := range c.Phones {
		w.open("TEL")
		w.dst = t.Flags.appendXML(w.dst)
		// "If no telephone number is included in a <TEL/> element, an empty
		// <NUMBER/> child MUST be included" (XEP-0054, section 8).
		w.dst = stanza.AppendTextElement(w.dst, "NUMBER", t.Number)
		w.other(t.Other)
		w.close("TEL")
	}
	for _, m := range c.Emails {
		w.open("EMAIL")
		w.dst = m.Flags.appendXML(w.dst)
		w.dst = stanza.AppendTextElement(w.dst, "USERID", m.Address)
		w.other(m.Other)
		w.close("EMAIL")
	}
	w.text("JABBERID", c.JabberID)
	w.text("MAILER", c.Mailer)
	w.text("TZ", c.TimeZone)
	if g := c.Geo; g != nil {
		w.open("GEO")
		w.text("LAT", decimal(g.Lat))
		w.text("LON", decimal(g.Lon))
		w.close("GEO")
	}
}

func (w *writer) address(a *Address) {
	w.open("ADR")
	w.dst = a.Flags.appendXML(w.dst)
	w.text("POBOX", a.POBox)
	w.text("EXTADD", a.Extended)
	w.text("STREET", a.Street)
	w.text("LOCALITY", a.Locality)
	w.text("REGION", a.Region)
	w.text("PCODE", a.Code)
	w.text("CTRY", a.Country)
	w.other(a.Other)
	w.close("ADR")
}

// rest writes everything else.
func (w *writer) rest(c *Card) {
	w.text("TITLE", c.Title)
	w.text("ROLE", c.Role)
	w.media("LOGO", &c.Logo)
	if a := c.Agent; a != nil {
		w.open("AGENT")
		if a.Card != nil {
			w.card(a.Card)
		}
		w.text("EXTVAL", a.URI)
		w.close("AGENT")
	}
	if o := &c.Org; !o.IsZero() {
		w.open("ORG")
		w.text("ORGNAME", o.Name)
		for _, unit := range o.Units {
			w.text("ORGUNIT", unit)
		}
		w.other(o.Other)
		w.close("ORG")
	}
	if len(c.Categories) > 0 {
		w.open("CATEGORIES")
		for _, word := range c.Categories {
			w.text("KEYWORD", word)
		}
		w.close("CATEGORIES")
	}
	w.text("NOTE", c.Note)
	w.text("PRODID", c.ProductID)
	w.text("REV", c.Revised)
	w.text("SORT-STRING", c.SortString)
	if s := &c.Sound; !s.IsZero() {
		w.open("SOUND")
		w.text("PHONETIC", s.Phonetic)
		w.data("BINVAL", s.Data)
		w.text("EXTVAL", s.URI)
		w.close("SOUND")
	}
	w.text("UID", c.UID)
	w.text("URL", c.URL)
	if c.Class != "" {
		w.class(c.Class)
	}
	if c.Key != (Key{}) {
		w.open("KEY")
		w.text("TYPE", c.Key.Type)
		w.dst = stanza.AppendTextElement(w.dst, "CRED", c.Key.Credential)
		w.close("KEY")
	}
	w.text("DESC", c.Description)
}

func (w *writer) class(class Class) {
	switch class {
	case Public, Private, Confidential:
		w.dst = append(append(append(w.dst, "<CLASS><"...), class...), "/></CLASS>"...)
	}
}

func (w *writer) media(name string, m *Media) {
	if m.IsZero() {
		return
	}
	w.open(name)
	typ := m.Type
	if typ == "" && len(m.Data) > 0 {
		typ = m.ContentType() // "(TYPE, BINVAL)"
	}
	w.text("TYPE", typ)
	w.data("BINVAL", m.Data)
	w.text("EXTVAL", m.URI)
	w.other(m.Other)
	w.close(name)
}

// decimal writes decimal degrees: "The value should be specified to six decimal
// places", more if there are.
func decimal(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "0.000000"
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	i := strings.IndexByte(s, '.')
	if i < 0 {
		s += "."
		i = len(s) - 1
	}
	return s + strings.Repeat("0", max(0, 7-(len(s)-i)))
}
