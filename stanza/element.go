package stanza

import (
	"encoding/xml"
	"errors"
	"iter"
)

// Element is a view of one element inside a stanza. It decodes nothing until
// it is asked: names, attributes and text are read from the stanza's bytes,
// which it shares and which never change. It is a small value, safe for
// concurrent use; the zero Element is absent ([Element.IsZero]): it has no
// name, attributes, children or text.
type Element struct {
	src   string // from "<" to the ">" of the end tag
	def   string // namespace of an unprefixed element here (the element's own xmlns applied)
	scope *binding
	outer *binding // scope without what the element itself declares
	head  int      // length of the start tag
	inner int      // where the end tag starts; head for <a/>
	name  xml.Name
}

var errNoElement = errors.New("stanza: no element")

// IsZero reports whether there is no element.
func (e Element) IsZero() bool { return e.src == "" }

// Name returns the element's expanded name. Elements in the namespace of the
// stanza itself have the space [NSClient], whatever stream they came from.
func (e Element) Name() xml.Name { return e.name }

// Is reports whether the element has this namespace and local name.
func (e Element) Is(space, local string) bool {
	return e.name.Local == local && e.name.Space == space
}

// Attr returns the value of the attribute without a namespace that has this
// name, or "" if there is none.
func (e Element) Attr(local string) string {
	v, _ := e.LookupAttr("", local)
	return v
}

// Lang returns the element's own xml:lang, "" if it has none.
func (e Element) Lang() string {
	v, _ := e.LookupAttr(nsXML, "lang")
	return v
}

// LookupAttr returns the value of an attribute by its expanded name, and
// whether it is there.
func (e Element) LookupAttr(space, local string) (string, bool) {
	if e.src == "" {
		return "", false
	}
	var a attr
	for i, ok := a.next(e.src, nameEnd(e.src, 1)); ok; i, ok = a.next(e.src, i) {
		if a.local == local && !a.isDecl() && e.attrSpace(&a) == space {
			return unescapeAttr(a.value), true
		}
	}
	return "", false
}

// Attrs yields all attributes but namespace declarations, in their order.
func (e Element) Attrs() iter.Seq2[xml.Name, string] {
	return func(yield func(xml.Name, string) bool) {
		if e.src == "" {
			return
		}
		var a attr
		for i, ok := a.next(e.src, nameEnd(e.src, 1)); ok; i, ok = a.next(e.src, i) {
			if a.isDecl() {
				continue
			}
			if !yield(xml.Name{Space: e.attrSpace(&a), Local: a.local}, unescapeAttr(a.value)) {
				return
			}
		}
	}
}

// attrSpace returns the namespace of an attribute: without a prefix it has
// none (Namespaces in XML, section 6.2).
func (e *Element) attrSpace(a *attr) string {
	if a.prefix == "" {
		return ""
	}
	return e.scope.lookup(a.prefix)
}

// Children yields the child elements.
func (e Element) Children() iter.Seq[Element] {
	return children(e.src[e.head:e.inner], e.def, e.scope)
}

// Child returns the first child element with this name; the zero Element if
// there is none.
func (e Element) Child(space, local string) Element {
	return find(e.src[e.head:e.inner], e.def, e.scope, space, local)
}

// FirstChild returns the first child element of any name; the zero Element if
// there is none.
func (e Element) FirstChild() Element {
	for c := range e.Children() {
		return c
	}
	return Element{}
}

// Text returns the character data directly inside the element, unescaped; that
// of child elements is not part of it.
func (e Element) Text() string { return textOf(e.src[e.head:e.inner]) }

// ChildText returns the text of the first child element with this name, "" if
// there is none.
func (e Element) ChildText(space, local string) string { return e.Child(space, local).Text() }

// Raw returns the element as XML that stands on its own: what it inherits from
// around it (default namespace, prefixes) is declared on it.
func (e Element) Raw() Raw {
	if e.src == "" {
		return ""
	}
	if e.outer == nil && (e.def == "" || hasDefault(e.src)) {
		return Raw(e.src)
	}
	w := rewriter{lost: e.outer, budget: unbounded}
	w.opaque(e)
	return Raw(w.dst)
}

// Decode fills v, a pointer: by its ParseXML method if it has one ([Parser]),
// else by encoding/xml. An *Element or *Raw becomes the element itself.
func (e Element) Decode(v any) error {
	if e.src == "" {
		return errNoElement
	}
	switch p := v.(type) {
	case Parser:
		return p.ParseXML(e)
	case *Element:
		*p = e
		return nil
	case *Raw:
		*p = e.Raw()
		return nil
	}
	return xml.Unmarshal([]byte(e.Raw()), v)
}

// Stanza returns the element, which must be a message, presence or iq in one
// of the namespaces that qualify stanzas, as a stanza. It is for stanzas inside
// others, such as the forwarded ones of XEP-0297. The error is [ErrNotStanza],
// or an [*AddressError] with a stanza beside it.
func (e Element) Stanza() (*Stanza, error) {
	if !IsContentNamespace(e.name.Space) {
		return nil, ErrNotStanza
	}
	return fromElement(e, e.name.Space, unbounded)
}

// children walks the elements at the top of inner, in whose scope they are.
func children(inner, def string, scope *binding) iter.Seq[Element] {
	return func(yield func(Element) bool) {
		for i := nextTag(inner, 0); i < len(inner); i = nextTag(inner, i) {
			e := elementAt(inner[i:], def, scope)
			if !yield(e) {
				return
			}
			i += len(e.src)
		}
	}
}

// find returns the first element of that name at the top of inner.
func find(inner, def string, scope *binding, space, local string) Element {
	for i := nextTag(inner, 0); i < len(inner); i = nextTag(inner, i) {
		e := startAt(inner[i:], def, scope)
		e.close(inner[i:])
		if e.Is(space, local) {
			return e
		}
		i += len(e.src)
	}
	return Element{}
}

// elementAt reads the element at the beginning of s.
func elementAt(s, def string, scope *binding) Element {
	e := startAt(s, def, scope)
	e.close(s)
	return e
}

// startAt reads the start tag at the beginning of s.
func startAt(s, def string, scope *binding) Element {
	e := Element{def: def, scope: scope, outer: scope}
	n := nameEnd(s, 1)
	var a attr
	i, ok := a.next(s, n)
	for ; ok; i, ok = a.next(s, i) {
		switch {
		case a.prefix == "xmlns":
			if a.local != "xml" {
				e.scope = &binding{a.local, unescapeAttr(a.value), e.scope}
			}
		case a.isDefault():
			e.def = unescapeAttr(a.value)
		}
	}
	e.head = i + 1
	if s[i] == '/' {
		e.head++
	}
	prefix, local := splitName(s[1:n])
	e.name.Space, e.name.Local = e.def, local
	if prefix != "" {
		e.name.Space = e.scope.lookup(prefix)
	}
	return e
}

// close finds the end of the element at the beginning of s.
func (e *Element) close(s string) {
	e.inner = e.head
	if s[e.head-2] == '/' {
		e.src = s[:e.head]
		return
	}
	e.inner = endTag(s, e.head)
	e.src = s[:e.inner+tagLen(s[e.inner:])]
}
