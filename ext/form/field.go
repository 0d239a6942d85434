package form

import (
	"fmt"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/jid"
)

// String returns a field with one line of text.
func String(name, value string) Field {
	return Field{Var: name, Type: TextSingle, Values: []string{value}}
}

// Text returns a field with lines of text, one value for each: an application
// should not send newlines, but "split the data into multiple strings"
// (XEP-0004, section 3.3).
func Text(name, text string) Field {
	return Field{Var: name, Type: TextMulti, Values: lines(text)}
}

// Bool returns a field that is true or false.
func Bool(name string, v bool) Field {
	return Field{Var: name, Type: Boolean, Values: []string{formatBool(v)}}
}

// JID returns a field with an address; a zero one leaves it empty.
func JID(name string, addr jid.JID) Field {
	f := Field{Var: name, Type: JIDSingle}
	if !addr.IsZero() {
		f.Values = []string{addr.String()}
	}
	return f
}

// JIDs returns a field with addresses.
func JIDs(name string, addrs ...jid.JID) Field {
	return Field{Var: name, Type: JIDMulti, Values: formatJIDs(addrs)}
}

// Text returns the values as one text, a line for each.
func (f *Field) Text() string { return strings.Join(f.Values, "\n") }

// IsEmpty reports whether there is no value that is not empty: XEP-0004,
// section 3.6, has <field/> and <field><value/></field> for the same.
func (f *Field) IsEmpty() bool {
	return !slices.ContainsFunc(f.Values, func(v string) bool { return v != "" })
}

// Bool returns the value as true or false; an empty field is false, the default
// of the type (XEP-0004, section 3.3). The error is a [*FieldError].
func (f *Field) Bool() (bool, error) {
	if f.IsEmpty() {
		return false, nil
	}
	if len(f.Values) > 1 {
		return false, f.wrong("has more than one value")
	}
	switch strings.TrimSpace(f.Values[0]) {
	case "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	}
	return false, f.wrong("is not true or false")
}

// JID returns the value as an address, zero if the field is empty. The error is
// a [*FieldError].
func (f *Field) JID() (jid.JID, error) {
	all, err := f.JIDs()
	switch {
	case err != nil || len(all) == 0:
		return jid.JID{}, err
	case len(all) > 1:
		return jid.JID{}, f.wrong("has more than one value")
	}
	return all[0], nil
}

// JIDs returns the values as addresses, each once: "duplicate JIDs MUST be
// ignored" (XEP-0004, section 3.3). Empty values are left out. The error is a
// [*FieldError].
func (f *Field) JIDs() ([]jid.JID, error) {
	var all []jid.JID
	seen := make(map[jid.JID]bool)
	for _, v := range f.Values {
		v = strings.TrimSpace(v)
		if v == "" {
			continue
		}
		j, err := jid.Parse(v)
		if err != nil {
			return nil, f.wrong("has a value that is not an address")
		}
		if !seen[j] {
			seen[j] = true
			all = append(all, j)
		}
	}
	return all, nil
}

func (f *Field) wrong(reason string) *FieldError { return &FieldError{f.Var, reason} }

func formatBool(v bool) string {
	if v {
		return "1"
	}
	return "0"
}

func formatJIDs(addrs []jid.JID) []string {
	all := make([]string, len(addrs))
	for i, a := range addrs {
		all[i] = a.String()
	}
	return all
}

// lines splits a text at its newlines, of whatever platform they are.
func lines(text string) []string {
	return strings.Split(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"), "\n")
}

// FieldError says what is wrong with a field. For a handler that returns it, it
// is the stanza error not-acceptable (XEP-0004, section 4).
type FieldError struct {
	Var    string // the name of the field, "" if the form itself is wrong
	Reason string // the rest of a sentence that begins with the name
}

// Error describes the error in one line.
func (e *FieldError) Error() string { return "form: " + e.text() }

func (e *FieldError) text() string {
	if e.Var == "" {
		return "the form " + e.Reason
	}
	name := e.Var
	if len(name) > 80 {
		name = strings.ToValidUTF8(name[:80], "") + "..."
	}
	return fmt.Sprintf("the field %q %s", name, e.Reason)
}
