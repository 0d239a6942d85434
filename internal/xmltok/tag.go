package xmltok

import "bytes"

// attr is an attribute of a start tag.
type attr struct {
	name, nameEnd uint32
	val, valEnd   uint32
	colon         uint32 // 0: none
	kind          attrKind
	escaped       bool
	ns            uri // if kind is prefixed
}

type attrKind uint8

const (
	plain    attrKind = iota
	declares          // xmlns or xmlns:...
	prefixed
)

// Bits of work.special: what a start tag has that most have not.
const (
	specialPrefix  = 1 << iota // a prefix: of the element, an attribute, or declared
	specialContent             // a default namespace that is a content namespace
)

// startTag reads the start tag at b[i:] and opens its element, unless it is
// empty. It returns the place after the tag; with a fault, that of the byte
// that decides, and then nothing has changed.
func (w *work) startTag(b []byte, i int) (int, fault) {
	start := i + 1
	p := start
	colon := 0
	if class[b[p]]&nameStart != 0 {
		p++
		for class[b[p]]&nameByte != 0 {
			p++
		}
	}
	if p == start || b[p] == ':' || b[p] >= 0x80 {
		var f fault
		if p, colon, f = qname(b, start); f != 0 {
			return p, f
		}
	}
	end := p
	w.special, w.def.src, w.nattrs = 0, srcNone, w.base
	binds := len(w.binds)
	if b[p] != '>' {
		var f fault
		if p, f = w.attributes(b, p); f != 0 {
			w.binds = w.binds[:binds]
			return p, f
		}
	}
	n := name{start: uint32(start), colon: uint32(colon), end: uint32(end)}
	if w.special != 0 || colon != 0 || w.touched {
		if f := w.namespaces(b, &n); f != 0 {
			w.binds = w.binds[:binds]
			return p, f
		}
	}
	next := p + 1
	empty := b[p] == '/'
	if empty {
		next++
	}
	if f := w.tagLimits(next - i); f != 0 {
		w.binds = w.binds[:binds]
		return p, f
	}
	if w.depth <= 1 {
		w.note(&n, next)
	}
	if empty {
		if w.touched && !w.header { // a header's declarations are for the stream
			w.unwind(w.depth)
		}
		return next, 0
	}
	if w.depth == len(w.open) {
		w.open = append(w.open, open{})
		w.open = w.open[:cap(w.open)]
	}
	o := &w.open[w.depth]
	o.w0, o.w1 = word(b, start), word(b, start+8)
	o.name, o.n = uint32(start), uint32(end-start)
	w.depth++
	return next, 0
}

// tagLimits checks the limits for a start tag of the given size.
func (w *work) tagLimits(size int) fault {
	switch {
	case size > w.lim.Tag:
		return limitTag
	case w.depth >= w.lim.Depth:
		return limitDepth
	case w.depth > 0 && w.children >= w.lim.Children:
		return limitChildren
	}
	w.children++
	return 0
}

// note records the start tag of the root, or of one of its children.
func (w *work) note(n *name, next int) {
	if w.depth == 0 {
		w.children = 0
		w.base = w.nattrs
		w.tagEnd = next
		w.rootDefault = w.def
		if w.def.src == srcNone {
			w.rootDefault.src = srcDefault
		}
		w.root = *n
		if n.colon == 0 {
			w.root.ns = w.rootDefault
		}
		return
	}
	if w.elements++; w.elements > 1 {
		return
	}
	w.child = *n
	if n.colon == 0 {
		w.child.ns = w.def
		if w.def.src == srcNone {
			w.child.ns = w.rootDefault
		}
	}
}

// hashFactor spreads the first eight bytes of some thirty usual attribute names
// over 64 values without collision (it was found by trying).
const hashFactor = 0x225082AA15286927

const xmlnsWord = 'x' | 'm'<<8 | 'l'<<16 | 'n'<<24 | 's'<<32

// attributes reads what follows the name in a start tag, from b[i] on. It
// returns the place of the > or / that ends the tag; with a fault, that of the
// byte that decides.
func (w *work) attributes(b []byte, i int) (int, fault) {
	var seen uint64 // hashes of the names so far
	n := w.base
	for class[b[i]] == white {
		i++
		if class[b[i]]&nameStart == 0 {
			for class[b[i]] == white {
				i++
			}
			if b[i] == '>' || b[i] == '/' {
				break
			}
		}
		start := i
		for class[b[i]]&nameByte != 0 {
			i++
		}
		colon := 0
		if class[b[start]]&nameStart == 0 || b[i] == ':' || b[i] >= 0x80 {
			var f fault
			if i, colon, f = qname(b, start); f != 0 {
				return badName(b, i, f)
			}
		}
		end := i

		if n == len(w.attrs) {
			w.growAttrs()
		}
		a := &w.attrs[n]
		a.name, a.nameEnd, a.colon = uint32(start), uint32(end), uint32(colon)
		head := word(b, start) & masks[min(end-start, 8)][0]
		bit := uint64(1) << (head * hashFactor >> 58)
		if seen&bit != 0 && w.duplicate(b, n) {
			return i, faultDuplicate
		}
		if n-w.base >= w.lim.Attrs {
			return i, limitAttrs
		}
		seen |= bit
		n++

		if b[i] != '=' || b[i+1] != '"' && b[i+1] != '\'' {
			var f fault
			if i, f = equals(b, i); f != 0 {
				return i, f
			}
		}
		quote := b[i+1]
		i += 2
		a.val, a.kind, a.escaped = uint32(i), plain, false
		drop := uint64(dropSingle)
		if quote == '"' {
			drop = dropDouble
		}
		i = plainValue(b, i, drop)
		if b[i] != quote {
			var f fault
			if i, f = restOfValue(b, i, quote, drop, a); f != 0 {
				return i, f
			}
		}
		a.valEnd = uint32(i)
		i++

		switch {
		case head == xmlnsWord:
			if f := w.declareDefault(b, a); f != 0 {
				return i - 1, f
			}
		case colon != 0:
			if f := w.prefixedAttr(b, a); f != 0 {
				return i - 1, f
			}
		}
	}
	w.nattrs = n
	switch {
	case b[i] == '>':
		return i, 0
	case b[i] == '/':
		if b[i+1] == '>' {
			return i, 0
		}
		return i + 1, faultSlash
	case n > w.base:
		return badChar(b, i, faultSpace)
	}
	return badChar(b, i, faultName)
}

// badName refines the fault of a name at b[i:].
func badName(b []byte, i int, f fault) (int, fault) {
	if f == faultName {
		return badChar(b, i, f)
	}
	return i, f
}

// growAttrs makes room for more attributes.
func (w *work) growAttrs() {
	w.attrs = append(w.attrs, attr{})
	w.attrs = w.attrs[:cap(w.attrs)]
}

// duplicate reports whether an attribute of the tag before the one at n has the
// same name.
func (w *work) duplicate(b []byte, n int) bool {
	a := &w.attrs[n]
	s := b[a.name:a.nameEnd]
	for k := w.base; k < n; k++ {
		if o := &w.attrs[k]; string(b[o.name:o.nameEnd]) == string(s) {
			return true
		}
	}
	return false
}

// equals reads white space, = and white space before the quote of a value. It
// returns the place of the byte before the quote.
func equals(b []byte, i int) (int, fault) {
	for class[b[i]] == white {
		i++
	}
	if b[i] != '=' {
		return badChar(b, i, faultEquals)
	}
	i++
	for class[b[i]] == white {
		i++
	}
	if b[i] != '"' && b[i] != '\'' {
		return badChar(b, i, faultQuote)
	}
	return i - 1, 0
}

// plainValue returns the place of the first byte from b[i] on that is not plain
// in a value with the quote that drop stands for.
func plainValue(b []byte, i int, drop uint64) int {
	for {
		if stops := valueStops(word(b, i), drop); stops != 0 {
			return i + first(stops)
		}
		i += 8
	}
}

// restOfValue reads a value on from b[i], which is not plain, and returns the
// place of the closing quote.
func restOfValue(b []byte, i int, quote byte, drop uint64, a *attr) (int, fault) {
	for {
		switch c := b[i]; {
		case c == quote:
			return i, 0
		case c >= 0x80:
			if i = wide(b, i); b[i] >= 0x80 {
				return wideRune(b, i)
			}
		case c == '&':
			next, f := skipRef(b, i)
			if f != 0 {
				return next, f
			}
			i = next
			a.escaped = true
		case class[c] == white:
			// Each becomes a space (XML 1.0 section 3.3.3).
			a.escaped = a.escaped || c != ' '
			i++
		case c == '<':
			return i, faultValueLess
		case c < 0x20:
			return i, faultChar
		}
		i = plainValue(b, i, drop)
	}
}

// equalLocal reports whether two attributes have the same local name.
func equalLocal(b []byte, x, y *attr) bool {
	return bytes.Equal(b[x.colon+1:x.nameEnd], b[y.colon+1:y.nameEnd])
}
