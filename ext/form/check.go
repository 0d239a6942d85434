package form

import (
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

// Unwrap returns the stanza error that the sender of the form gets.
func (e *FieldError) Unwrap() error { return stanza.NewError(stanza.NotAcceptable, e.text()) }

// Check checks what was submitted against the form d, and returns it with what
// counts only, in the order of the form and with its types: fields that the
// form does not have are left out ("the form-processing entity MUST ignore any
// fields that it does not understand", XEP-0004, section 3.1), as are addresses
// and options that come twice, and lines are split. A field that was not
// submitted is not in the result, and "SHOULD keep [its] current value"
// (section 3.5); one that was emptied is there without values.
//
// The error is a [*FieldError]: not a submission, another FORM_TYPE, a field
// twice, a required field that is missing or empty, or a value that is not of
// the field's type. Hidden fields are not checked, for protocols may let them
// be changed.
func (d *Data) Check(submitted *Data) (Data, error) {
	if submitted.Type != Submit {
		return Data{}, &FieldError{"", "is not a submission"}
	}
	if got := submitted.FormType(); got != "" && d.FormType() != "" && got != d.FormType() {
		return Data{}, &FieldError{FormType, "is that of another form"}
	}
	given := make(map[string]*Field, len(submitted.Fields))
	for i := range submitted.Fields {
		f := &submitted.Fields[i]
		if given[f.Var] != nil && d.Field(f.Var) != nil {
			return Data{}, f.wrong("is there more than once")
		}
		given[f.Var] = f
	}
	checked := Data{Type: Submit}
	for i := range d.Fields {
		f := &d.Fields[i]
		if f.Var == "" || f.Type == Fixed {
			continue
		}
		g := given[f.Var]
		if f.Required && f.Type != Hidden && (g == nil || g.IsEmpty()) {
			return Data{}, f.wrong("is required")
		}
		if g == nil {
			continue
		}
		values, err := f.accept(g)
		if err != nil {
			return Data{}, err
		}
		checked.Fields = append(checked.Fields, Field{Var: f.Var, Type: f.Type.Effective(), Values: values})
	}
	return checked, nil
}

// accept returns the values of g, which was submitted for the field f of a
// form, as they are in f's type; none if g is empty.
func (f *Field) accept(g *Field) ([]string, error) {
	t := f.Type.Effective()
	if t == Hidden {
		return slices.Clone(g.Values), nil
	}
	if g.IsEmpty() {
		return nil, nil
	}
	if len(g.Values) > 1 && !t.IsMulti() {
		return nil, f.wrong("has more than one value")
	}
	switch t {
	case Boolean:
		v, err := g.Bool()
		return []string{formatBool(v)}, err
	case JIDSingle, JIDMulti:
		all, err := g.JIDs()
		return formatJIDs(all), err
	case ListSingle, ListMulti:
		return f.choose(g.Values)
	case TextMulti:
		return lines(g.Text()), nil
	}
	if strings.ContainsAny(g.Values[0], "\r\n") {
		return nil, f.wrong("has more than one line")
	}
	return slices.Clone(g.Values), nil
}

// choose returns the options that were chosen, in the order of the form: who
// submits "MUST NOT modify the order of items" (XEP-0004, section 3.3).
func (f *Field) choose(values []string) ([]string, error) {
	chosen := make(map[string]bool, len(values))
	for _, v := range values {
		if v != "" {
			chosen[v] = true
		}
	}
	var all []string
	for _, o := range f.Options {
		if chosen[o.Value] {
			all = append(all, o.Value)
			delete(chosen, o.Value)
		}
	}
	if len(chosen) > 0 {
		return nil, f.wrong("has a value that is not among its options")
	}
	return all, nil
}
