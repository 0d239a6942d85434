package register

import (
	"cmp"
	"strings"

	"github.com/etherx-go/xmpp/stanza"
)

// nsForm is the namespace of data forms (XEP-0004); nsOOB that of addresses
// (XEP-0066).
const (
	nsForm = "jabber:x:data"
	nsOOB  = "jabber:x:oob"
)

// The form types of XEP-0077, section 13.4.
const (
	formRegister = NS
	formCancel   = NS + ":cancel"
	formPassword = NS + ":changepassword"
)

// labels are what XEP-0077, section 13.4.1, says that the fields are.
var labels = map[string]string{
	"username": "User name",
	"nick":     "Nickname",
	"password": "Password",
	"name":     "Full name",
	"first":    "Given name",
	"last":     "Family name",
	"email":    "Email address",
	"address":  "Street",
	"city":     "City",
	"state":    "Region",
	"zip":      "Postal code",
	"phone":    "Telephone number",
	"url":      "Web page",
	"date":     "Date",
}

// form returns the data form for these fields with their values, all of which are
// required (XEP-0077, section 4). The field key only comes back as it is.
func form(instructions string, fields []Field) stanza.Raw {
	dst := append([]byte(nil), "<x xmlns='"+nsForm+"' type='form'>"...)
	dst = stanza.AppendTextElement(dst, "instructions", instructions)
	dst = append(dst, "<field type='hidden' var='FORM_TYPE'><value>"+formRegister+"</value></field>"...)
	for _, f := range fields {
		kind := "text-single"
		switch f.Name {
		case "password":
			kind = "text-private"
		case "key":
			kind = "hidden"
		}
		dst = stanza.AppendAttr(append(dst, "<field"...), "type", kind)
		dst = stanza.AppendAttr(dst, "label", cmp.Or(labels[f.Name], f.Name))
		dst = append(stanza.AppendAttr(dst, "var", f.Name), '>')
		if f.Value != "" {
			dst = stanza.AppendTextElement(dst, "value", f.Value)
		}
		if f.Name != "key" {
			dst = append(dst, "<required/>"...)
		}
		dst = append(dst, "</field>"...)
	}
	return stanza.Raw(append(dst, "</x>"...))
}

// submission is what a request of type set comes down to, be it in fields or in
// a form.
type submission struct {
	remove   bool
	alone    bool // there is nothing beside remove that may not be there
	formType string
	key      string
	fields   []Field
}

// submission reads the request. "The x:data form shall take precedence over the
// iq:register fields" (XEP-0077, section 4).
func (q *Query) submission() (*submission, error) {
	s := &submission{remove: q.Remove, fields: q.Fields}
	s.key, _ = q.Get("key")
	others := len(q.Fields)
	if _, ok := q.Get("key"); ok {
		others--
	}
	s.alone = others == 0 && q.Instructions == "" && q.Form == "" && q.URL == "" && !q.Registered
	if q.Form == "" {
		return s, nil
	}
	x, err := q.Form.Element()
	if err != nil || !x.Is(nsForm, "x") || x.Attr("type") != "submit" {
		return nil, stanza.NewError(stanza.BadRequest, "a form of type submit is needed")
	}
	s.fields = nil
	for f := range x.Children() {
		name, value := f.Attr("var"), f.ChildText(nsForm, "value")
		if !f.Is(nsForm, "field") || name == "" {
			continue
		}
		if name == "FORM_TYPE" {
			s.formType = strings.TrimSpace(value)
		} else if _, dup := get(s.fields, name); !dup {
			s.fields = append(s.fields, Field{name, value})
		}
	}
	if s.formType == formCancel {
		s.alone = !q.Remove
		s.remove = true
	}
	if k, ok := get(s.fields, "key"); ok {
		s.key = k
	}
	return s, nil
}

func get(fields []Field, name string) (string, bool) {
	for _, f := range fields {
		if f.Name == name {
			return f.Value, true
		}
	}
	return "", false
}
