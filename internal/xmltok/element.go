package xmltok

// work reads one element, or the stream header. It is what a Scanner needs only
// while there are bytes, so it is pooled. All places are offsets from the
// element's first byte: the buffer may move or grow under it.
type work struct {
	lim   Limits
	scope *scope

	header bool // only a start tag is read

	// Where reading goes on.
	mode   mode
	i      int  // the next byte of content
	search int  // in a tag: the next byte to look for its end in; in what is skipped: the next byte
	quote  byte // in a tag: the quote of the value that search is in

	// The elements that are open, and what their tags declared.
	depth   int
	open    []open
	binds   []binding
	defs    []contentDefault
	arena   []byte // namespace names that had to be unescaped
	touched bool   // binds or defs are in use

	// The start tag being read.
	attrs   []attr
	base    int // the first attribute's index; those before are the root's
	nattrs  int // the last attribute's index, plus one
	def     uri // the default namespace that it declares
	special uint8

	// The record of the element.
	root, child name
	rootDefault uri
	tagEnd      int // after the root's start tag
	innerEnd    int // before the root's end tag
	end         int // after the element
	flags       Flags
	elements    int  // at the first level
	children    int  // in all
	text        bool // the root has character data of its own
	built       bool // elem is filled
	elem        Elem
	elemAttrs   []Attr
	faultAt     int
	fault       fault
}

// mode is where in an element its last byte so far is.
type mode uint8

const (
	inContent mode = iota
	inTag          // at w.i begins a tag whose end is not there yet
	inCDATA
	// What is skipped; run is not called in these.
	inComment
	inTarget // of a processing instruction
	inPI     // behind its target
)

// status is how reading ended.
type status uint8

const (
	more status = iota // the data ended first
	done               // w.end is the place after it
	bad                // w.fault, w.faultAt
)

// open is an element whose end tag is to come.
type open struct {
	w0, w1 uint64 // the first 16 bytes from the name on
	name   uint32
	n      uint32
}

// masks[n] keeps the first n of 16 bytes.
var masks = makeMasks()

func makeMasks() (m [17][2]uint64) {
	for n := range m {
		m[n][0] = 1<<(8*min(n, 8)) - 1
		m[n][1] = 1<<(8*max(n-8, 0)) - 1
	}
	return m
}

// reset makes w ready for the next element.
func (w *work) reset(sc *scope, lim *Limits, header bool) {
	w.scope, w.lim, w.header = sc, *lim, header
	w.mode, w.i = inContent, 0
	w.depth, w.base, w.nattrs = 0, 0, 0
	w.binds, w.defs, w.arena, w.touched = w.binds[:0], w.defs[:0], w.arena[:0], false
	w.flags, w.elements, w.children, w.text, w.built = 0, 0, 0, false, false
}

// run goes on with the element that begins at b[0], of which n bytes are there.
func (w *work) run(b []byte, n int) status {
	switch w.mode {
	case inTag:
		if !w.tagEnds(b, n) {
			return more
		}
		w.mode = inContent
	case inCDATA:
		if s := w.cdata(b, n); s != done {
			return s
		}
	}
	if w.header {
		return w.headerTag(b, n)
	}
	i := w.i
	for {
		if b[i] != '<' {
			at := i
			i = text(b, i)
			if w.depth == 1 && !w.text {
				w.text = !blank(b, at, i)
			}
			if b[i] != '<' {
				w.i = i
				at, f := textFault(b, i)
				return w.stuck(at, f, n)
			}
		}
		switch c := b[i+1]; {
		case c == '/':
			o := &w.open[w.depth-1]
			next := i + 3 + int(o.n)
			m := &masks[min(o.n, 16)]
			if (word(b, i+2)^o.w0)&m[0]|(word(b, i+10)^o.w1)&m[1] != 0 || o.n > 16 || b[next-1] != '>' {
				var f fault
				if next, f = closeTag(b, i, b[o.name:o.name+o.n]); f == 0 && next-i > w.lim.Tag {
					next, f = i+w.lim.Tag, limitTag
				}
				if f != 0 {
					return w.tagStuck(i, next, f, n)
				}
			}
			w.depth--
			if w.touched {
				w.unwind(w.depth)
			}
			if w.depth == 0 {
				return w.finish(i, next)
			}
			i = next
		case c == '!' || c == '?':
			w.i = i
			at, f := markup(b, i)
			if f != 0 {
				return w.stuck(at, f, n)
			}
			w.i = at
			w.mode = inCDATA
			w.flags |= HasCDATA
			if s := w.cdata(b, n); s != done {
				return s
			}
			i = w.i
		default:
			next, f := w.startTag(b, i)
			if f != 0 {
				return w.tagStuck(i, next, f, n)
			}
			if w.depth == 0 {
				return w.finish(next, next)
			}
			i = next
		}
	}
}

// headerTag goes on with a stream header.
func (w *work) headerTag(b []byte, n int) status {
	next, f := w.startTag(b, 0)
	if f != 0 {
		return w.tagStuck(0, next, f, n)
	}
	w.end = next
	return done
}

// finish ends the element before next, its content before inner.
func (w *work) finish(inner, next int) status {
	if next > w.lim.Element {
		w.fault, w.faultAt = limitElement, w.lim.Element
		return bad
	}
	w.innerEnd, w.end = inner, next
	if w.text && w.elements > 0 {
		w.flags |= StrayText
	}
	return done
}

// stuck judges the fault f with its deciding byte at at: a place at the end of
// the data says nothing yet, one beyond the limit is not looked at. So the
// outcome is the same however the input was cut.
func (w *work) stuck(at int, f fault, n int) status {
	switch {
	case at >= n:
		return more
	case at >= w.lim.Element:
		at, f = w.lim.Element, limitElement
	}
	w.fault, w.faultAt = f, at
	return bad
}

// tagStuck is stuck for a fault in the tag at tag. If the tag has no end yet
// it will be read again when it has.
func (w *work) tagStuck(tag, at int, f fault, n int) status {
	if at >= tag+w.lim.Tag && at < n {
		at, f = tag+w.lim.Tag, limitTag
	}
	s := w.stuck(at, f, n)
	if s == more {
		w.i = tag
		if tag+1 < n { // else it might not be a tag but a CDATA section
			w.mode, w.search, w.quote = inTag, tag+1, 0
		}
	}
	return s
}

// tagEnds looks for the end of the tag at w.i, in the bytes that are new, each
// of which it looks at once. A < decides too: it is wrong in every tag.
func (w *work) tagEnds(b []byte, n int) bool {
	for ; w.search < n; w.search++ {
		switch c := b[w.search]; {
		case c == '<':
			return true
		case w.quote != 0:
			if c == w.quote {
				w.quote = 0
			}
		case c == '>':
			return true
		case c == '\'' || c == '"':
			w.quote = c
		}
	}
	return false
}

// last is asked when there will be no more than these n bytes (the input ends,
// or a limit is reached): is it a fault already?
func (w *work) last(b []byte, n int) status {
	if w.mode != inTag {
		return more
	}
	w.mode = inContent
	return w.run(b, n)
}

// overLimit returns the limit that n bytes of an unfinished element exceed.
func (w *work) overLimit(n int) (int, fault) {
	if w.mode == inTag && n-w.i >= w.lim.Tag {
		return w.i + w.lim.Tag, limitTag
	}
	if n >= w.lim.Element {
		return w.lim.Element, limitElement
	}
	return 0, 0
}

// closeTag checks the end tag at b[i:], which must be that of name. It returns
// the place after it; with a fault, that of the byte that decides.
func closeTag(b []byte, i int, name []byte) (int, fault) {
	i += 2
	for _, c := range name {
		if b[i] != c {
			return i, faultEndTag
		}
		i++
	}
	for class[b[i]] == white {
		i++
	}
	if b[i] != '>' {
		return i, faultEndTag
	}
	return i + 1, 0
}

// markup tells what <! or <? begins at b[i:]. Only a CDATA section may be: it
// returns the place of its content.
func markup(b []byte, i int) (int, fault) {
	if b[i+1] == '?' {
		for k, c := range "xml" {
			if b[i+2+k]|0x20 != byte(c) {
				return i + 2 + k, faultPI
			}
		}
		if class[b[i+5]]&nameByte != 0 || b[i+5] >= 0x80 {
			return i + 5, faultPI
		}
		return i + 5, faultDeclPlace
	}
	const cdata, doctype = "[CDATA[", "DOCTYPE"
	switch b[i+2] {
	case '-':
		if b[i+3] == '-' {
			return i + 3, faultComment
		}
		return i + 3, faultMarkup
	case cdata[0]:
		for k := range len(cdata) {
			if b[i+2+k] != cdata[k] {
				return i + 2 + k, faultMarkup
			}
		}
		return i + 2 + len(cdata), 0
	case doctype[0]:
		for k := range len(doctype) {
			if b[i+2+k] != doctype[k] {
				return i + 2 + k, faultMarkup
			}
		}
		return i + 1 + len(doctype), faultDoctype
	}
	return i + 2, faultMarkup
}
