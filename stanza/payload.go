package stanza

import (
	"encoding/xml"
	"fmt"
	"reflect"
	"strings"

	"github.com/etherx-go/xmpp/internal/xmltok"
)

// Payload is a child element that writes itself, without reflection. Its bytes
// are not checked again: AppendXML appends exactly one element that is
// well-formed and declares its own namespace.
type Payload interface {
	XMLName() xml.Name
	AppendXML(dst []byte) ([]byte, error)
}

// Parser is a payload that reads itself, without reflection. XMLName says, for
// the zero value, which element it is.
type Parser interface {
	XMLName() xml.Name
	ParseXML(Element) error
}

// Raw is one complete XML element that stands on its own: it declares the
// prefixes that it uses. As a payload it is in the namespace of the stanza if it
// declares no default namespace.
type Raw string

// local are the limits for what does not come from a stream: there are none for
// size.
var local = xmltok.Limits{Element: -1, Children: -1}

// Element returns a view of r after checking it.
func (r Raw) Element() (Element, error) {
	if err := xmltok.Check([]byte(r), local); err != nil {
		return Element{}, err
	}
	return elementAt(string(r), "", nil), nil
}

// AppendPayload appends one payload of any of the kinds that [New] takes, as
// it stands inside a stanza.
func AppendPayload(dst []byte, payload any) ([]byte, error) {
	if payload == nil {
		return dst, nil
	}
	if v := reflect.ValueOf(payload); v.Kind() == reflect.Pointer && v.IsNil() {
		return dst, nil
	}
	switch p := payload.(type) {
	case Payload:
		return p.AppendXML(dst)
	case *Error:
		return p.appendXML(dst), nil
	case Element:
		if p.IsZero() {
			return dst, nil
		}
		return appendNeutral(dst, p.src, p.def, p.outer), nil
	case Raw:
		if err := xmltok.Check([]byte(p), local); err != nil {
			return nil, fmt.Errorf("payload: %w", err)
		}
		return appendNeutral(dst, string(p), NSClient, nil), nil
	}
	b, err := xml.Marshal(payload)
	if err == nil {
		err = xmltok.Check(b, local)
	}
	if err != nil {
		return nil, fmt.Errorf("payload %T: %w", payload, err)
	}
	return appendNeutral(dst, string(b), NSClient, nil), nil
}

// appendNeutral appends the element src as it stands in a body; def and scope
// are what is declared around it.
func appendNeutral(dst []byte, src, def string, scope *binding) []byte {
	w := rewriter{dst: dst, content: NSClient, lost: scope, budget: unbounded}
	w.element(src, def, scope)
	return w.dst
}

// AppendText appends s with the characters escaped that character data may not
// hold. What XML cannot express at all becomes U+FFFD. For writing a
// [Payload].
func AppendText[S ~string | ~[]byte](dst []byte, s S) []byte { return xmltok.AppendText(dst, s) }

// AppendAttr appends a space and the attribute name='value', value escaped.
// For writing a [Payload].
func AppendAttr[S ~string | ~[]byte](dst []byte, name string, value S) []byte {
	return appendAttr(dst, name, value)
}

func appendAttr[S ~string | ~[]byte](dst []byte, name string, value S) []byte {
	dst = append(append(append(dst, ' '), name...), '=', '\'')
	return append(xmltok.AppendAttr(dst, value), '\'')
}

// AppendTextElement appends <name>text</name>. For writing a [Payload].
func AppendTextElement(dst []byte, name, text string) []byte {
	dst = append(append(append(dst, '<'), name...), '>')
	dst = xmltok.AppendText(dst, text)
	dst = append(append(dst, "</"...), name...)
	return append(dst, '>')
}

// Decode finds the first payload of s that T describes and decodes it: by T's
// XMLName and ParseXML methods if *T has them ([Parser]), otherwise by the
// XMLName field and the tags of encoding/xml. A T without any name takes the
// first payload, also [Element] and [Raw] as they are. T may be a pointer to
// any of these. ok is false if s has no such payload.
func Decode[T any](s *Stanza) (v T, ok bool, err error) {
	name := PayloadName[T]()
	for e := range s.Payloads() {
		if name.Local != "" && e.name.Local != name.Local || name.Space != "" && e.name.Space != name.Space {
			continue
		}
		if t := reflect.TypeFor[T](); t.Kind() == reflect.Pointer {
			v = reflect.New(t.Elem()).Interface().(T)
			return v, true, e.Decode(v)
		}
		err = e.Decode(&v)
		return v, true, err
	}
	return v, false, nil
}

// PayloadName returns the name of the element that T, or what it points to,
// describes: what XMLName of a [Parser] or [Payload] says, or the tag of an
// XMLName field. Both parts are "" if T does not say.
func PayloadName[T any]() xml.Name {
	var v T
	p := any(&v)
	t := reflect.TypeFor[T]()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
		p = reflect.New(t).Interface()
	}
	if n, ok := p.(interface{ XMLName() xml.Name }); ok {
		return n.XMLName()
	}
	if t.Kind() != reflect.Struct {
		return xml.Name{}
	}
	f, ok := t.FieldByName("XMLName")
	if !ok || f.Type != reflect.TypeFor[xml.Name]() {
		return xml.Name{}
	}
	return tagName(f.Tag.Get("xml"))
}

// tagName reads the "space local,flags" of a struct tag.
func tagName(tag string) xml.Name {
	tag, _, _ = strings.Cut(tag, ",")
	if space, local, ok := strings.Cut(tag, " "); ok {
		return xml.Name{Space: space, Local: local}
	}
	return xml.Name{Local: tag}
}
