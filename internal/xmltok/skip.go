package xmltok

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// Skipping comments and processing instructions. Where they may be, the scanner
// first finds them as the fault that they are by default, so what has none, or is
// not to have any, is read as if this file did not exist.
//
// Between elements they are dropped while they are read. Inside an element they
// stay where they are until it is finished, each with a mark at its end, and then
// are cut out all at once: taken out one by one, many of them would make the
// bytes behind them move again and again.

// A skipped comment or processing instruction ends with its length in four
// bytes and cutMark, which XML does not allow, so nothing else has it. The
// shortest, <?a?>, has just the room.
const cutMark = 0x01

// SkipComments says whether comments and processing instructions are skipped,
// between the first-level elements and inside them, in the rest of the document
// after its start tag. They must be well-formed, and count towards the limit of
// an element: that which they are in, or one of their own. By default they are
// refused with class [Restricted] (RFC 6120 section 11.1); peers of before RFC
// 6120 were to ignore them (draft-miller-xmpp-core-02 section 4.2, RFC 3920
// section 11.1). Document type declarations and entities are refused in any case,
// as are comments outside of the root.
//
// An [Elem] has nothing of what was skipped, and the text around it is one. So
// that this has its meaning still, a ] before it that could be read as part of
// "]]>" becomes &#93;, and a CR before it that could be read as part of CR LF
// becomes &#10;.
//
// It may be called between events; [Scanner.Restart] and [Scanner.ResetReader]
// switch it off again.
func (s *Scanner) SkipComments(ok bool) { s.skip = ok }

// skips makes w ready to skip what its fault is about, which begins at w.i. It
// reports false if that is nothing to skip.
func (w *work) skips(f fault) bool {
	switch f {
	case faultComment:
		w.mode, w.search = inComment, w.i+len("<!--")
	case faultPI:
		w.mode, w.search = inTarget, w.i+len("<?")
	default:
		return false
	}
	return true
}

// skipTop begins to skip what begins between elements, if f is about that.
func (s *Scanner) skipTop(f fault) bool {
	if f != faultComment && f != faultPI {
		return false
	}
	s.begin(s.scope, false)
	s.w.skips(f)
	s.state = inMisc
	return true
}

// misc goes on with what is skipped between elements. w.i is where that began,
// which may be before the buffered bytes.
func (s *Scanner) misc() Event {
	b, n := s.in.rest()
	w := s.w
	switch w.pass(b, n, w.i+s.lim.Element) {
	case done:
		return s.event(Space, w.search, inStream)
	case bad:
		return s.fail(w.faultAt, w.fault, n+1)
	}
	// One byte stays, for something has begun: see Buffered.
	k := min(w.search, n-1)
	s.advance(k)
	w.i, w.search = w.i-k, w.search-k
	return None
}

// cutElement goes on with an element in which something is skipped.
func (s *Scanner) cutElement() Event {
	for {
		if w := s.w; w.mode >= inComment {
			b, n := s.in.rest()
			switch w.pass(b, n, w.lim.Element) {
			case more:
				return None
			case bad:
				return s.fail(w.faultAt, w.fault, n+1)
			}
			w.mark(b)
		}
		switch st := s.run(); {
		case st == done:
			b, _ := s.in.rest()
			s.advance(s.w.cutOut(b[:s.w.end]))
			s.ready = true
			return s.event(Element, s.w.end, inStream)
		case st == more || s.err != nil:
			return None
		}
	}
}

// pass goes on in a comment or processing instruction, at w.search. Once it is
// done w.search is the place after it. It must end at limit.
func (w *work) pass(b []byte, n, limit int) status {
	at, f := w.passPart(b)
	switch {
	case f == 0 && w.search <= limit:
		return done
	case f != 0 && at < min(n, limit):
		w.faultAt, w.fault = at, f
		return bad
	case f != 0 && n < limit:
		return more
	}
	w.faultAt, w.fault = limit, limitElement
	return bad
}

// passPart moves w.search to the end or, with a fault, to where to go on when
// there is more. The place is that of the byte that decides.
func (w *work) passPart(b []byte) (at int, f fault) {
	if w.mode == inTarget {
		if at, f = w.target(b); f != 0 {
			return at, f
		}
		w.mode = inPI
	}
	if w.mode == inPI {
		w.search, at, f = passUntil(b, w.search, '?')
		return at, f
	}
	w.search, at, f = passUntil(b, w.search, '-')
	return at, f
}

// target goes over the target of a processing instruction, which is a name
// without colon (Namespaces in XML section 7), and perhaps the white space that
// must be behind it if anything is.
func (w *work) target(b []byte) (at int, f fault) {
	i := w.search
	begins := i == w.i+len("<?")
	if begins && class[b[i]]&(nameStart|nameByte) == nameByte {
		return i, faultTarget
	}
	for {
		for class[b[i]]&nameByte != 0 {
			i++
			begins = false
		}
		w.search = i
		if b[i] < 0x80 {
			break
		}
		next, f := wideRune(b, i)
		if f != 0 {
			return next, f
		}
		if r, _ := utf8.DecodeRune(b[i:next]); !isNameRune(r, begins) {
			return i, faultTarget
		}
		i, begins = next, false
	}
	switch c := b[i]; {
	case begins || c != '?' && class[c] != white:
		return badChar(b, i, faultTarget)
	case c == '?' && b[i+1] != '>':
		return i + 1, faultTarget
	}
	return 0, 0
}

// passUntil goes over the content of a comment, c being -, or over that of a
// processing instruction, c being ?, from b[i] on. It returns the place after the
// end; with a fault, the place to go on from and that of the byte that decides.
func passUntil(b []byte, i int, c byte) (next, at int, f fault) {
	for {
		stops := passStops(word(b, i), uint64(c)*ones)
		if stops == 0 {
			i += 8
			continue
		}
		i += first(stops)
		switch d := b[i]; {
		case d == c && c == '?' && b[i+1] == '>':
			return i + 2, 0, 0
		case d == c && b[i+1] == 0:
			return i, i + 1, faultChar
		case d == c && c == '-' && b[i+1] == '-':
			// "the string "--" (double-hyphen) MUST NOT occur within comments"
			// (XML 1.0 section 2.5).
			if b[i+2] != '>' {
				return i, i + 2, faultHyphens
			}
			return i + 3, 0, 0
		case d == c || class[d] == white:
			i++
		default:
			if d >= 0x80 {
				if i = wide(b, i); b[i] < 0x80 {
					continue
				}
			}
			at, f = badChar(b, i, faultChar)
			return i, at, f
		}
	}
}

// passStops marks control characters, all that is not ASCII, and the byte that
// fills c.
func passStops(v, c uint64) uint64 {
	return ((v - 0x20*ones) | ((v ^ c) - ones) | v) & tops
}

// mark marks what was skipped inside the element, for cutOut. Reading goes on
// behind it.
func (w *work) mark(b []byte) {
	end := w.search
	binary.LittleEndian.PutUint32(b[end-5:], uint32(end-w.i))
	b[end-1] = cutMark
	w.i, w.mode = end, inContent
}

// cutOut takes what is marked out of b, the finished element. What is left is at
// the end of b; its place there is returned.
func (w *work) cutOut(b []byte) int {
	// b[to:] is what is left of what was behind b[:from].
	from, to := len(b), len(b)
	child := 0 // bytes taken out before the first child
	for {
		end := bytes.LastIndexByte(b[:from], cutMark) + 1
		to -= copy(b[to-(from-end):], b[end:from])
		if end == 0 {
			break
		}
		gap := to - end
		from = end - int(binary.LittleEndian.Uint32(b[end-5:]))
		from, to = seam(b, from, to)
		if end <= int(w.child.start) {
			child += to - from - gap
		}
	}
	w.innerEnd, w.end = w.innerEnd-to, w.end-to
	if w.elements > 0 {
		w.child.move(uint32(child))
	}
	return to
}

// seam sees to it that b[:from] and b[to:], one after the other, mean what they
// mean apart. At least five bytes are between them.
func seam(b []byte, from, to int) (int, int) {
	var ref string
	switch before, behind := b[from-1], b[to]; {
	case before == ']' && (behind == ']' || behind == '>'):
		ref = "&#93;"
	case before == '\r' && behind == '\n': // a CR alone is an LF
		ref = "&#10;"
	default:
		return from, to
	}
	to -= copy(b[to-len(ref):], ref)
	return from - 1, to
}

// move notes that the element's tag is k bytes nearer to the front.
func (n *name) move(k uint32) {
	if n.ns.src == srcRaw && n.ns.off > n.start { // declared by the tag itself
		n.ns.off -= k
	}
	if n.colon != 0 {
		n.colon -= k
	}
	n.start, n.end = n.start-k, n.end-k
}
