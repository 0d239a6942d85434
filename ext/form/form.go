package form

import (
	"encoding/xml"
	"slices"

	"github.com/etherx-go/xmpp/jid"
)

// NS is the namespace, which is also the feature for service discovery
// (XEP-0004, section 6).
const NS = "jabber:x:data"

// FormType is the name of the field that says what the names of the other
// fields mean (XEP-0068, section 3.1).
const FormType = "FORM_TYPE"

// Type says what a form is for (XEP-0004, section 3.1).
type Type string

// The types of forms.
const (
	Form   Type = "form"   // to be filled in
	Submit Type = "submit" // filled in
	Cancel Type = "cancel" // not to be filled in
	Result Type = "result" // a report, or data of any kind
)

// Data is a form, the element <x/>. The zero Data has no type, which no form on
// the wire should have. Copies share the fields.
type Data struct {
	Type         Type
	Title        string
	Instructions []string
	Fields       []Field
	// Reported describes the fields of Items, nil if there is no such
	// description: a result that is a table has one (XEP-0004, section 3.4).
	Reported []Field
	Items    [][]Field
}

// FieldType is the type of a field (XEP-0004, section 3.3).
type FieldType string

// The types of fields.
const (
	Boolean     FieldType = "boolean"
	Fixed       FieldType = "fixed"
	Hidden      FieldType = "hidden"
	JIDMulti    FieldType = "jid-multi"
	JIDSingle   FieldType = "jid-single"
	ListMulti   FieldType = "list-multi"
	ListSingle  FieldType = "list-single"
	TextMulti   FieldType = "text-multi"
	TextPrivate FieldType = "text-private"
	TextSingle  FieldType = "text-single"
)

// Effective returns the type that t stands for in a form that is to be filled
// in: [TextSingle] if there is none, or one that is not known (XEP-0004,
// sections 3.2 and 3.3).
func (t FieldType) Effective() FieldType {
	switch t {
	case Boolean, Fixed, Hidden, JIDMulti, JIDSingle, ListMulti, ListSingle, TextMulti, TextPrivate:
		return t
	}
	return TextSingle
}

// IsMulti reports whether fields of the type may have more than one value.
func (t FieldType) IsMulti() bool {
	switch t {
	case JIDMulti, ListMulti, TextMulti, Hidden:
		return true
	}
	return false
}

// Field is a field of a form.
type Field struct {
	// Var is the field's name, unique in the form. Only a field of type Fixed
	// may have none.
	Var string
	// Type is as it was received. It may be missing in a submission or a
	// result, where the context says it; see [FieldType.Effective].
	Type     FieldType
	Label    string // the name for people
	Desc     string // a description for people
	Required bool
	Values   []string
	Options  []Option // of the list types
}

// Option is one of the choices of a list.
type Option struct{ Label, Value string }

// XMLName returns the name of the element.
func (Data) XMLName() xml.Name { return xml.Name{Space: NS, Local: "x"} }

// Field returns the first field of that name, nil if there is none. It is the
// one in d, not a copy.
func (d *Data) Field(name string) *Field { return find(d.Fields, name) }

func find(fields []Field, name string) *Field {
	i := slices.IndexFunc(fields, func(f Field) bool { return f.Var == name })
	if i < 0 {
		return nil
	}
	return &fields[i]
}

// Text returns the text of the field of that name, "" if there is none; see
// [Field.Text].
func (d *Data) Text(name string) string {
	if f := d.Field(name); f != nil {
		return f.Text()
	}
	return ""
}

// Set gives the field of that name these values; one that is not there is
// added. It changes d only, not the copies that share its fields.
func (d *Data) Set(name string, values ...string) {
	d.Fields = slices.Clone(d.Fields)
	if f := d.Field(name); f != nil {
		f.Values = values
		return
	}
	d.Fields = append(d.Fields, Field{Var: name, Values: values})
}

// SetBool sets a field to true or false.
func (d *Data) SetBool(name string, v bool) { d.Set(name, formatBool(v)) }

// SetJIDs sets a field to addresses.
func (d *Data) SetJIDs(name string, addrs ...jid.JID) { d.Set(name, formatJIDs(addrs)...) }

// SetText sets a field to lines of text, one value for each.
func (d *Data) SetText(name, text string) { d.Set(name, lines(text)...) }

// FormType returns the value of the field FORM_TYPE, "" if there is none that
// counts: "If the FORM_TYPE field is not hidden in a form with type="form" or
// type="result", it MUST be ignored as a context indicator" (XEP-0068, section
// 4.3). In a submission the type may be left out (section 5).
func (d *Data) FormType() string {
	f := d.Field(FormType)
	if f == nil || len(f.Values) == 0 {
		return ""
	}
	if f.Type == Hidden || f.Type == "" && d.Type == Submit {
		return f.Values[0]
	}
	return ""
}

// New returns a form with a FORM_TYPE, "" for none, and these fields. In a
// submission no types are written, for the form says them.
func New(t Type, formType string, fields ...Field) Data {
	d := Data{Type: t}
	if formType != "" {
		ft := Field{Var: FormType, Values: []string{formType}}
		if t != Submit {
			ft.Type = Hidden
		}
		d.Fields = append(d.Fields, ft)
	}
	d.Fields = append(d.Fields, fields...)
	return d
}

// Answer returns the submission of a form as it is: its hidden fields and what
// is filled in already. The other values are for [Data.Set] and its kin.
func (d *Data) Answer() Data {
	a := Data{Type: Submit}
	for _, f := range d.Fields {
		if f.Var == "" || f.Type == Fixed || len(f.Values) == 0 {
			continue
		}
		a.Fields = append(a.Fields, Field{Var: f.Var, Values: slices.Clone(f.Values)})
	}
	return a
}
