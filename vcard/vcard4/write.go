package vcard4

import (
	"slices"
	"strconv"

	"github.com/etherx-go/xmpp/stanza"
)

// writer writes elements. Its first error stops it.
type writer struct {
	dst []byte
	err error
}

func (w *writer) open(name string)       { w.dst = append(append(append(w.dst, '<'), name...), '>') }
func (w *writer) close(name string)      { w.dst = append(append(append(w.dst, "</"...), name...), '>') }
func (w *writer) text(name, text string) { w.dst = stanza.AppendTextElement(w.dst, name, text) }

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

// AppendXML appends the element, the properties in the order of RFC 6351,
// Appendix A. The error is that of something in an Other that is not an element.
func (c *Card) AppendXML(dst []byte) ([]byte, error) {
	w := writer{dst: append(dst, "<vcard xmlns='"+NS+"'>"...)}
	start := len(w.dst)
	for i := range properties {
		w.property(c, &properties[i])
	}
	w.other(c.Other)
	if w.err != nil {
		return nil, w.err
	}
	if len(w.dst) == start {
		return append(w.dst[:start-1], "/>"...), nil
	}
	return append(w.dst, "</vcard>"...), nil
}

// IsZero reports whether there is nothing in the card.
func (c *Card) IsZero() bool {
	var w writer
	for i := range properties {
		w.property(c, &properties[i])
	}
	return len(w.dst) == 0 && len(c.Other) == 0
}

func (w *writer) property(c *Card, k *property) {
	switch {
	case k.list != nil:
		for _, v := range *k.list(c) {
			w.value(k, &v)
		}
	case k.one != nil:
		if v := *k.one(c); v != nil {
			w.value(k, v)
		}
	case k.text != nil:
		if t := *k.text(c); t != "" {
			w.value(k, &Value{Values: []string{t}})
		}
	case k.name == "n" && c.Name != nil:
		w.components("n", &c.Name.Params, c.Name.components())
	case k.name == "adr":
		for i := range c.Addresses {
			w.components("adr", &c.Addresses[i].Params, c.Addresses[i].components())
		}
	case k.name == "gender" && c.Gender != nil:
		w.open("gender")
		w.text("sex", c.Gender.Sex)
		if c.Gender.Identity != "" {
			w.text("identity", c.Gender.Identity)
		}
		w.close("gender")
	}
}

// value writes a property. One without value is left out.
func (w *writer) value(k *property, v *Value) {
	if len(v.Values) == 0 {
		return
	}
	typ := v.Type
	if !slices.Contains(valueTypes, typ) {
		typ = k.typ
	}
	w.open(k.name)
	w.params(&v.Params)
	for _, s := range v.Values {
		w.text(typ, s)
	}
	w.close(k.name)
}

// components writes a structured value: "element surname { text }+", of each part
// at least one.
func (w *writer) components(name string, p *Params, parts []component) {
	w.open(name)
	w.params(p)
	for _, c := range parts {
		if len(*c.values) == 0 {
			w.text(c.name, "")
		}
		for _, s := range *c.values {
			w.text(c.name, s)
		}
	}
	w.close(name)
}

func (w *writer) params(p *Params) {
	if p.IsZero() {
		return
	}
	w.open("parameters")
	w.param("language", "language-tag", p.Language)
	if p.Pref != 0 {
		w.param("pref", "integer", strconv.Itoa(p.Pref))
	}
	w.param("altid", "text", p.AltID)
	w.param("pid", "text", p.PID...)
	w.param("type", "text", p.Types...)
	w.param("mediatype", "text", p.MediaType)
	w.param("calscale", "text", p.Calendar)
	w.param("sort-as", "text", p.SortAs...)
	w.param("geo", "uri", p.Geo)
	w.param("label", "text", p.Label)
	w.other(p.Other)
	w.close("parameters")
}

// param writes a parameter, unless it has no values but an empty one.
func (w *writer) param(name, typ string, values ...string) {
	if len(values) == 0 || len(values) == 1 && values[0] == "" {
		return
	}
	w.open(name)
	for _, v := range values {
		w.text(typ, v)
	}
	w.close(name)
}
