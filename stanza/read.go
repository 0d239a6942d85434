package stanza

import (
	"errors"
	"slices"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/jid"
)

// ErrNotStanza is returned for an element that is not a message, presence or
// iq in the stream's content namespace.
var ErrNotStanza = errors.New("stanza: not a message, presence or iq")

// AddressError says that the to or from attribute is not an address; to, if
// neither is. The stanza that is returned beside it is whole but for that
// attribute, so that jid-malformed can be answered (RFC 6120, section
// 8.3.3.8).
type AddressError struct {
	Attr string // "to" or "from"
	Err  error
}

// Error gives the attribute, its value, and the reason.
func (e *AddressError) Error() string { return "stanza: attribute " + e.Attr + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *AddressError) Unwrap() error { return e.Err }

// Read makes a stanza of an element that a scanner has just found, in a stream
// with the given header (nil: it stands alone) and content namespace. It copies
// the bytes once. The error is [ErrNotStanza]; an [*AddressError] with a stanza
// beside it; or an [*xmltok.Error] of the class Limit, if the namespaces that
// the stanza has from the header are too long to be declared on its parts.
//
// A presence of type "available" (Jabber Programmers Guide, chapter 8) is read as
// what it means: one without type.
func Read(el *xmltok.Elem, header *xmltok.Tag, content string) (*Stanza, error) {
	kind := KindOf(el.Name)
	if kind == 0 || string(el.NS) != content {
		return nil, ErrNotStanza
	}
	src := string(el.Raw)
	if !isNeutral(el, src, header, content) {
		def, scope := scopeOf(header)
		return fromElement(elementAt(src, def, scope), content, maxDeclared+len(src))
	}
	s := &Stanza{Header: Header{Kind: kind}}
	escaped := slices.ContainsFunc(el.Attrs, func(a xmltok.Attr) bool { return a.Escaped })
	head, err := s.readStartTag(src, escaped, header, nil)
	if len(s.extra) > maxDeclared+len(src) {
		return nil, errDeclared
	}
	if n := len(el.Inner); n > 0 {
		s.body = src[head : head+n]
	}
	return s, err
}

// ReadElement makes an Element of what a scanner has just found, in a stream
// with the given header. It copies the bytes once.
func ReadElement(el *xmltok.Elem, header *xmltok.Tag) Element {
	def, scope := scopeOf(header)
	return elementAt(string(el.Raw), def, scope)
}

// isNeutral reports whether the content of the element src can be a body as it
// is: it uses no prefix from outside, and has what is in the content namespace
// without prefix and declaration.
func isNeutral(el *xmltok.Elem, src string, header *xmltok.Tag, content string) bool {
	switch {
	case el.Flags&(xmltok.OuterPrefix|xmltok.RootPrefix) != 0:
		return false
	case content == NSConnect && (header == nil || string(header.Default) != NSConnect):
		return false // a content namespace that the scanner does not know
	case el.Flags&xmltok.InnerContent == 0:
		return true
	case el.Elements == 1:
		// Mostly it is a stanza inside something else, as a message carbon.
		return string(el.FirstChild.NS) != content
	}
	head := tagLen(src)
	for c := range children(src[head:head+len(el.Inner)], content, nil) {
		if c.name.Space == content && !isPlain(c) {
			return false
		}
	}
	return true
}

// isPlain reports whether e has neither prefix nor namespace nor child elements.
func isPlain(e Element) bool {
	inner := e.src[e.head:e.inner]
	return nameEnd(e.src, 1) == 1+len(e.name.Local) && !hasDefault(e.src) && nextTag(inner, 0) == len(inner)
}

// fromElement makes a stanza of an element whose body may depend on what is
// around it. Declarations in the body may take budget bytes.
func fromElement(e Element, content string, budget int) (*Stanza, error) {
	kind := KindOf(e.name.Local)
	if kind == 0 || e.name.Space != content {
		return nil, ErrNotStanza
	}
	s := &Stanza{Header: Header{Kind: kind}}
	w := rewriter{content: content, lost: e.scope, budget: budget}
	if e.head != e.inner {
		w.inner(e.src[:e.inner], e.head, e.def, e.scope)
		s.body = string(w.dst)
	}
	_, err := s.readStartTag(e.src, true, nil, e.scope)
	if w.budget-len(s.extra) < 0 {
		return nil, errDeclared
	}
	return s, err
}

// readStartTag takes the header from the start tag at the beginning of src,
// which it shares, and returns the length of the tag. escaped says whether
// values may need to be unescaped. The prefixes of attributes are looked up in
// scope, or else in the stream header.
func (s *Stanza) readStartTag(src string, escaped bool, header *xmltok.Tag, scope *binding) (int, error) {
	var to, from error
	var extra extraAttrs
	var a attr
	i, ok := a.next(src, nameEnd(src, 1))
	for ; ok; i, ok = a.next(src, i) {
		value := a.value
		if escaped {
			value = unescapeAttr(value)
		}
		switch {
		case a.prefix == "":
			switch a.local {
			case "to":
				s.To, to = readAddress("to", value)
			case "from":
				s.From, from = readAddress("from", value)
			case "id":
				s.ID = value
			case "type":
				s.Type = Type(value)
			case "xmlns":
			default:
				extra.add(&a, nil)
			}
		case a.prefix == "xml":
			if a.local == "lang" {
				s.Lang = value
			} else {
				extra.add(&a, nil)
			}
		case a.prefix != "xmlns":
			if scope == nil {
				_, scope = scopeOf(header)
			}
			extra.add(&a, scope)
		}
	}
	if s.Kind == KindPresence {
		s.Type = presenceType(s.Type)
	}
	s.extra = string(extra.xml)
	if src[i] == '/' {
		i++
	}
	if to == nil {
		to = from
	}
	return i + 1, to
}

// extraAttrs are the attributes of a stanza that have no place in its Header,
// with the prefixes that they use declared beside them.
type extraAttrs struct {
	xml      []byte
	prefixes []string // declared
}

func (x *extraAttrs) add(a *attr, scope *binding) {
	if scope != nil && !slices.Contains(x.prefixes, a.prefix) {
		x.prefixes = append(x.prefixes, a.prefix)
		x.xml = appendAttr(x.xml, "xmlns:"+a.prefix, scope.lookup(a.prefix))
	}
	x.xml = append(append(x.xml, ' '), a.raw...)
}

func readAddress(attr, value string) (jid.JID, error) {
	j, err := jid.Parse(value)
	if err != nil {
		return j, &AddressError{attr, err}
	}
	return j, nil
}
