package xmltok

import "bytes"

const (
	xmlNS   = "http://www.w3.org/XML/1998/namespace"
	xmlnsNS = "http://www.w3.org/2000/xmlns/"
)

// xmlURI is what the prefix xml is bound to in every element.
var xmlURI = []byte(xmlNS)

// uri is a namespace name, given by where it is.
type uri struct {
	off, n uint32
	src    source
}

// source is where a namespace name is.
type source uint8

const (
	srcNone    source = iota // the empty name
	srcRaw                   // in the element
	srcArena                 // in the arena
	srcHeader                // off is an index of the header's bindings
	srcDefault               // the header's default
	srcXML                   // xmlNS
)

// name is an element's name.
type name struct {
	start, colon, end uint32 // colon 0: none
	ns                uri
}

// binding is a prefix that is bound inside the element.
type binding struct {
	prefix, prefixEnd uint32
	uri               uri
	depth             int
	content           bool
}

// contentDefault is a default namespace declared at a depth. They are only kept
// from the moment on that an element with a prefix declares a content namespace
// as the default, for then not it but some descendant is put into it.
type contentDefault struct {
	depth   int
	content bool
}

// scope is what the stream header declares.
type scope struct {
	def      []byte
	bindings []Binding
	content  []bool // which bindings are to a content namespace
	// lens has a bit for each length of a namespace name that matters when it is
	// declared, see lenBit.
	lens uint64
}

// noScope is that of an element that stands by itself.
var noScope = newScope(nil, nil)

func newScope(def []byte, bindings []Binding) *scope {
	s := &scope{def: def, bindings: bindings}
	for _, n := range []int{
		len(xmlNS), len(xmlnsNS), len(def),
		len("jabber:client"), len("jabber:server"), len("jabber:component:accept"),
	} {
		s.lens |= lenBit(n)
	}
	for _, b := range bindings {
		s.content = append(s.content, s.isContent(b.URI))
	}
	return s
}

func lenBit(n int) uint64 { return 1 << min(n, 63) }

// isContent reports whether u is a content namespace: the stream's default, or
// one of those that RFC 6120 section 4.8.2 and XEP-0114 define.
func (s *scope) isContent(u []byte) bool {
	switch string(u) {
	case "":
		return false
	case "jabber:client", "jabber:server", "jabber:component:accept":
		return true
	}
	return bytes.Equal(u, s.def)
}

// value returns the namespace name of u.
func (w *work) value(b []byte, u uri) []byte {
	switch u.src {
	case srcRaw:
		return b[u.off : u.off+u.n : u.off+u.n]
	case srcArena:
		return w.arena[u.off : u.off+u.n : u.off+u.n]
	case srcHeader:
		return w.scope.bindings[u.off].URI
	case srcDefault:
		return w.scope.def
	case srcXML:
		return xmlURI
	}
	return nil
}

// declared returns the namespace name that the value of a declares.
func (w *work) declared(b []byte, a *attr) uri {
	if !a.escaped {
		return uri{src: srcRaw, off: a.val, n: a.valEnd - a.val}
	}
	off := len(w.arena)
	w.arena = AppendUnescapedAttr(w.arena, b[a.val:a.valEnd])
	return uri{src: srcArena, off: uint32(off), n: uint32(len(w.arena) - off)}
}

// declareDefault takes in xmlns='...'.
func (w *work) declareDefault(b []byte, a *attr) fault {
	a.kind = declares
	w.def.src, w.def.off, w.def.n = srcRaw, a.val, a.valEnd-a.val
	if !a.escaped && w.scope.lens&lenBit(int(w.def.n)) == 0 {
		return 0
	}
	w.def = w.declared(b, a)
	u := w.value(b, w.def)
	if string(u) == xmlNS || string(u) == xmlnsNS {
		return faultReservedURI
	}
	if w.scope.isContent(u) {
		w.special |= specialContent
	}
	return 0
}

// prefixedAttr takes in an attribute with a prefix, which may declare one.
func (w *work) prefixedAttr(b []byte, a *attr) fault {
	w.special |= specialPrefix
	if string(b[a.name:a.colon]) != "xmlns" {
		a.kind = prefixed
		return 0
	}
	a.kind = declares
	prefix := b[a.colon+1 : a.nameEnd]
	d := w.declared(b, a)
	u := w.value(b, d)
	switch {
	case string(prefix) == "xml":
		// It may be declared, as what it is (Namespaces in XML section 3).
		if string(u) != xmlNS {
			return faultReservedPrefix
		}
		return 0
	case string(prefix) == "xmlns":
		return faultReservedPrefix
	case len(u) == 0:
		return faultUndeclare
	case string(u) == xmlNS || string(u) == xmlnsNS:
		return faultReservedURI
	case len(w.binds)+len(w.scope.bindings) >= bindingsPerAttr*w.lim.Attrs:
		return limitBindings
	}
	w.binds = append(w.binds, binding{
		prefix: a.colon + 1, prefixEnd: a.nameEnd,
		uri: d, depth: w.depth, content: w.scope.isContent(u),
	})
	return 0
}

// namespaces finds the namespaces of the start tag just read that has
// something special, and takes in what it declares.
func (w *work) namespaces(b []byte, n *name) fault {
	if w.special&specialPrefix != 0 {
		if f := w.attrNamespaces(b); f != 0 {
			return f
		}
	}
	if w.depth == 0 {
		w.rootFlags(b, n)
	}
	if n.colon == 0 {
		w.noteDefault(false)
		w.touched = len(w.binds)+len(w.defs) > 0
		return 0
	}
	prefix := b[n.start:n.colon]
	if string(prefix) == "xmlns" {
		return faultXmlnsElement
	}
	u, content, ok := w.lookup(b, prefix)
	if !ok {
		return faultUnbound
	}
	n.ns = u
	if content && w.depth > 0 {
		w.flags |= InnerContent
	}
	w.noteDefault(true)
	w.touched = len(w.binds)+len(w.defs) > 0
	return 0
}

// rootFlags sets the flags for the declarations on the root.
func (w *work) rootFlags(b []byte, n *name) {
	if n.colon != 0 || len(w.binds) > 0 {
		w.flags |= RootPrefix
	}
}

// noteDefault keeps InnerContent exact: does the tag, directly or through what
// was declared above it, put an element without prefix into a content namespace?
func (w *work) noteDefault(hasPrefix bool) {
	if w.depth == 0 {
		return
	}
	content := w.special&specialContent != 0
	switch {
	case w.def.src != srcNone:
		if content && !hasPrefix {
			w.flags |= InnerContent
		}
		if len(w.defs) > 0 || content && hasPrefix {
			w.defs = append(w.defs, contentDefault{w.depth, content})
		}
	case !hasPrefix && len(w.defs) > 0 && w.defs[len(w.defs)-1].content:
		w.flags |= InnerContent
	}
}

// attrNamespaces finds the namespaces of the attributes with prefixes, and
// checks that no two have the same expanded name (Namespaces in XML section 6.3).
func (w *work) attrNamespaces(b []byte) fault {
	for k := w.base; k < w.nattrs; k++ {
		a := &w.attrs[k]
		if a.kind != prefixed {
			continue
		}
		u, _, ok := w.lookup(b, b[a.name:a.colon])
		if !ok {
			return faultUnbound
		}
		a.ns = u
		for j := w.base; j < k; j++ {
			o := &w.attrs[j]
			if o.kind == prefixed && equalLocal(b, o, a) && bytes.Equal(w.value(b, o.ns), w.value(b, u)) {
				return faultDuplicate
			}
		}
	}
	return 0
}

// lookup finds what a prefix is bound to.
func (w *work) lookup(b, prefix []byte) (u uri, content, ok bool) {
	if string(prefix) == "xml" {
		return uri{src: srcXML}, false, true
	}
	for k := len(w.binds) - 1; k >= 0; k-- {
		if d := &w.binds[k]; bytes.Equal(b[d.prefix:d.prefixEnd], prefix) {
			return d.uri, d.content, true
		}
	}
	for k := range w.scope.bindings {
		if bytes.Equal(w.scope.bindings[k].Prefix, prefix) {
			if w.depth > 0 {
				w.flags |= OuterPrefix
			}
			return uri{src: srcHeader, off: uint32(k)}, w.scope.content[k], true
		}
	}
	return uri{}, false, false
}

// unwind forgets what elements at the given depth and below declared.
func (w *work) unwind(depth int) {
	for len(w.binds) > 0 && w.binds[len(w.binds)-1].depth >= depth {
		w.binds = w.binds[:len(w.binds)-1]
	}
	for len(w.defs) > 0 && w.defs[len(w.defs)-1].depth >= depth {
		w.defs = w.defs[:len(w.defs)-1]
	}
	w.touched = len(w.binds)+len(w.defs) > 0
}
