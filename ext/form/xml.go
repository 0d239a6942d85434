package form

import (
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

// AppendXML appends the element.
func (d Data) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<x xmlns='"+NS+"'"...)
	if d.Type != "" {
		dst = stanza.AppendAttr(dst, "type", d.Type)
	}
	dst = append(dst, '>')
	if d.Title != "" {
		dst = stanza.AppendTextElement(dst, "title", d.Title)
	}
	for _, s := range d.Instructions {
		dst = stanza.AppendTextElement(dst, "instructions", s)
	}
	dst = appendFields(dst, d.Fields)
	if d.Reported != nil {
		dst = append(appendFields(append(dst, "<reported>"...), d.Reported), "</reported>"...)
	}
	for _, item := range d.Items {
		dst = append(appendFields(append(dst, "<item>"...), item), "</item>"...)
	}
	return append(dst, "</x>"...), nil
}

func appendFields(dst []byte, fields []Field) []byte {
	for i := range fields {
		dst = fields[i].appendXML(dst)
	}
	return dst
}

func (f *Field) appendXML(dst []byte) []byte {
	dst = append(dst, "<field"...)
	for _, a := range [...]struct{ name, value string }{{"var", f.Var}, {"type", string(f.Type)}, {"label", f.Label}} {
		if a.value != "" {
			dst = stanza.AppendAttr(dst, a.name, a.value)
		}
	}
	if f.Desc == "" && !f.Required && len(f.Values) == 0 && len(f.Options) == 0 {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	if f.Desc != "" {
		dst = stanza.AppendTextElement(dst, "desc", f.Desc)
	}
	if f.Required {
		dst = append(dst, "<required/>"...)
	}
	for _, v := range f.Values {
		dst = stanza.AppendTextElement(dst, "value", v)
	}
	for _, o := range f.Options {
		dst = append(dst, "<option"...)
		if o.Label != "" {
			dst = stanza.AppendAttr(dst, "label", o.Label)
		}
		dst = stanza.AppendTextElement(append(dst, '>'), "value", o.Value)
		dst = append(dst, "</option>"...)
	}
	return append(dst, "</field>"...)
}

// ParseXML reads the element. It takes what is there in any order, "as there
// might still be implementations which do not implement a strict ordering"
// (XEP-0004, section 3.4), and leaves out what is not defined, options without
// a value among it. It does not fail.
func (d *Data) ParseXML(e stanza.Element) error {
	*d = Data{Type: Type(e.Attr("type"))}
	for c := range e.Children() {
		n := c.Name()
		if n.Space != NS {
			continue
		}
		switch n.Local {
		case "title":
			d.Title = c.Text()
		case "instructions":
			d.Instructions = append(d.Instructions, c.Text())
		case "field":
			d.Fields = append(d.Fields, parseField(c))
		case "reported":
			if d.Reported == nil {
				d.Reported = parseFields(c)
			}
		case "item":
			d.Items = append(d.Items, parseFields(c))
		}
	}
	return nil
}

// parseFields returns the fields in e; not nil, also if there are none.
func parseFields(e stanza.Element) []Field {
	fields := []Field{}
	for c := range e.Children() {
		if c.Is(NS, "field") {
			fields = append(fields, parseField(c))
		}
	}
	return fields
}

func parseField(e stanza.Element) Field {
	f := Field{Var: e.Attr("var"), Type: FieldType(strings.TrimSpace(e.Attr("type"))), Label: e.Attr("label")}
	for c := range e.Children() {
		n := c.Name()
		if n.Space != NS {
			continue
		}
		switch n.Local {
		case "desc":
			f.Desc = c.Text()
		case "required":
			f.Required = true
		case "value":
			f.Values = append(f.Values, c.Text())
		case "option":
			if v := c.Child(NS, "value"); !v.IsZero() {
				f.Options = append(f.Options, Option{Label: c.Attr("label"), Value: v.Text()})
			}
		}
	}
	return f
}
