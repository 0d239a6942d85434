package xmltok

import "bytes"

// Elem is a first-level element of a stream, checked. All its slices are parts
// of memory that the [Scanner] owns: they are valid until its next call of Next,
// and must not be changed.
type Elem struct {
	Raw    []byte // the whole element as received, as UTF-8
	Name   []byte // the local name of its root
	Prefix []byte // the prefix of its root, mostly empty
	NS     []byte // the namespace of its root, empty if it has none
	Inner  []byte // what is between start and end tag; empty for <a/>
	Attrs  []Attr // the attributes of the root in order, without xmlns declarations
	Flags  Flags
	// Elements is the number of child elements of the root.
	Elements int
	// FirstChild is the first of them; its fields are nil if there is none.
	FirstChild Child
}

// Child is the name of a child element.
type Child struct {
	Name, Prefix []byte
	NS           []byte // empty if it is in no namespace
}

// Flags say what has to be thought of when the bytes of an element are put
// into another place than where they came from.
type Flags uint8

const (
	// OuterPrefix: inside (not on the root) a prefix is used that the stream
	// header binds.
	OuterPrefix Flags = 1 << iota
	// RootPrefix: the root has a prefix or declares one.
	RootPrefix
	// RootDefault: the root declares a default namespace that is not the
	// stream's.
	RootDefault
	// InnerContent: inside, an element is put into a content namespace (the
	// stream's default namespace, jabber:client, jabber:server or
	// jabber:component:accept) by a declaration inside, or by a prefix.
	InnerContent
	// HasCDATA: there is a CDATA section.
	HasCDATA
	// StrayText: the root has both child elements and character data of its own
	// that is not white space.
	StrayText
)

// Attr is an attribute of a start tag. Its slices live as long as those of the
// [Elem] or [Tag] that it is from.
type Attr struct {
	Name   []byte // the local name
	Prefix []byte // mostly empty
	NS     []byte // the namespace; empty if it has no prefix
	Value  []byte // as received, see Escaped
	Raw    []byte // name='value' as received
	// Escaped: Value is not what it stands for: it has references in it, or
	// white space that is to become spaces.
	Escaped bool
}

// Append appends to dst what the value of the attribute stands for: references
// are replaced, and white space is normalised (XML 1.0 section 3.3.3).
func (a Attr) Append(dst []byte) []byte {
	if !a.Escaped {
		return append(dst, a.Value...)
	}
	return AppendUnescapedAttr(dst, a.Value)
}

// Tag is a start tag with what it declares. Its slices are memory of its own.
type Tag struct {
	Name, Prefix []byte
	NS           []byte // the namespace of the element, empty if it has none
	Attrs        []Attr // in order, without xmlns declarations
	Default      []byte // the default namespace that it declares, or empty
	Bindings     []Binding
	Declaration  Declaration
	Raw          []byte // as received, as UTF-8
}

// Binding is a namespace declaration with a prefix.
type Binding struct {
	Prefix, URI []byte
}

// Declaration is an XML declaration (XML 1.0 section 2.8). All is empty if
// there was none.
type Declaration struct {
	Version    string // 1.0 in practice
	Encoding   string // as given, or empty
	Standalone string // yes, no or empty; without meaning here
}

// local and prefix are the parts of a name in b.
func (n *name) local(b []byte) []byte {
	if n.colon == 0 {
		return b[n.start:n.end:n.end]
	}
	return b[n.colon+1 : n.end : n.end]
}

func (n *name) prefix(b []byte) []byte {
	if n.colon == 0 {
		return nil
	}
	return b[n.start:n.colon:n.colon]
}

// fill makes the record of the finished element, whose bytes are b.
func (w *work) fill(b []byte) *Elem {
	if w.built {
		return &w.elem
	}
	w.built = true
	e := &w.elem
	e.Raw = b
	e.Name, e.Prefix, e.NS = w.root.local(b), w.root.prefix(b), w.value(b, w.root.ns)
	e.Inner = nil
	if w.tagEnd < w.innerEnd {
		e.Inner = b[w.tagEnd:w.innerEnd:w.innerEnd]
	}
	w.elemAttrs = w.appendAttrs(w.elemAttrs[:0], b)
	e.Attrs = w.elemAttrs
	e.Elements = w.elements
	e.FirstChild = Child{}
	if w.elements > 0 {
		e.FirstChild.Name, e.FirstChild.Prefix = w.child.local(b), w.child.prefix(b)
		e.FirstChild.NS = w.value(b, w.child.ns)
	}
	e.Flags = w.flags
	if w.rootDefault.src != srcDefault && !bytes.Equal(w.value(b, w.rootDefault), w.scope.def) {
		e.Flags |= RootDefault
	}
	return e
}

// appendAttrs appends the attributes of the root.
func (w *work) appendAttrs(to []Attr, b []byte) []Attr {
	for k := range w.attrs[:w.base] {
		r := &w.attrs[k]
		if r.kind == declares {
			continue
		}
		to = append(to, Attr{})
		a := &to[len(to)-1]
		local := r.name
		if r.colon != 0 {
			local = r.colon + 1
			a.Prefix = b[r.name:r.colon:r.colon]
			a.NS = w.value(b, r.ns)
		}
		a.Name = b[local:r.nameEnd:r.nameEnd]
		a.Value = b[r.val:r.valEnd:r.valEnd]
		a.Raw = b[r.name : r.valEnd+1 : r.valEnd+1]
		a.Escaped = r.escaped
	}
	return to
}

// tag makes the record of a stream header out of memory of its own.
func (w *work) tag(raw []byte) *Tag {
	b := bytes.Clone(raw)
	t := &Tag{
		Name: w.root.local(b), Prefix: w.root.prefix(b), NS: w.value(b, w.root.ns),
		Default: w.value(b, w.rootDefault),
		Attrs:   w.appendAttrs(nil, b),
		Raw:     b,
	}
	for _, d := range w.binds {
		t.Bindings = append(t.Bindings, Binding{
			Prefix: b[d.prefix:d.prefixEnd:d.prefixEnd],
			URI:    w.value(b, d.uri),
		})
	}
	w.arena = nil // it is the tag's now
	return t
}

// forget drops what the record refers to.
func (w *work) forget() {
	w.elem = Elem{}
	clear(w.elemAttrs)
}
