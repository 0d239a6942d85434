package xmltok

// The steps of a Scanner: what is read in which state.

// step goes on with the buffered bytes. It returns None if it needs more, or if
// it has set s.err.
func (s *Scanner) step() Event {
	if s.state == afterOpen {
		return s.event(Close, 0, inEpilog)
	}
	for s.in.pos < s.in.end {
		switch s.state {
		case inStream:
			ev, again := s.top()
			if !again {
				return ev
			}
		case inElement:
			return s.element()
		case atStart:
			if s.again && !s.skipBlank() {
				return None
			}
			ok, f := s.detect()
			if f != 0 {
				return s.fail(0, f, 1)
			}
			if !ok {
				return None
			}
			s.state = atDecl
		case atDecl:
			ok, at, f := s.declaration()
			if f != 0 {
				return s.fail(at, f, at+1)
			}
			if !ok {
				return None
			}
			s.state = inProlog
		case inProlog:
			if !s.prolog() {
				return None
			}
		case inHeader:
			return s.header()
		case inEnd:
			return s.end()
		case inEpilog:
			if !s.epilog() {
				return None
			}
		case inMisc:
			return s.misc()
		case inCutElement:
			return s.cutElement()
		}
	}
	return None
}

// top looks what begins between the elements of the stream. It reports whether
// to go on in another state.
func (s *Scanner) top() (ev Event, again bool) {
	b, n := s.in.rest()
	switch c := b[0]; {
	case c == '<':
		if n < 2 {
			return None, false
		}
		switch b[1] {
		case '/':
			s.state, s.search = inEnd, 0
			return None, true
		case '!', '?':
			at, f := markup(b, 0)
			if s.skip && at < n && s.skipTop(f) {
				return None, true
			}
			if f == 0 {
				f = faultStray // CDATA
			}
			return s.fail(at, f, n), false
		}
		s.begin(s.scope, false)
		s.state = inElement
		return None, true
	case class[c] == white:
		k := 1
		for class[b[k]] == white {
			k++
		}
		return s.event(Space, k, inStream), false
	case c == '&':
		at, f := skipRef(b, 0)
		if f == 0 {
			at, f = 0, faultStray
		}
		return s.fail(at, f, n), false
	}
	at, f := badChar(b, 0, faultStray)
	return s.fail(at, f, n), false
}

// begin makes s.w ready for an element.
func (s *Scanner) begin(sc *scope, header bool) {
	if s.w == nil {
		s.w = getWork()
	}
	s.w.reset(sc, &s.lim, header)
}

// run goes on with the element or header at the beginning of the bytes. If it
// comes upon something to skip it returns bad, without an error.
func (s *Scanner) run() status {
	b, n := s.in.rest()
	st := s.w.run(b, n)
	if st == more {
		if at, f := s.w.overLimit(n); f != 0 {
			if st = s.w.last(b, n); st == more {
				s.w.faultAt, s.w.fault, st = at, f, bad
			}
		}
	}
	if st == bad {
		if s.skip && s.w.skips(s.w.fault) {
			s.state = inCutElement
			return bad
		}
		// The limit may be at the end of what is there.
		s.fail(s.w.faultAt, s.w.fault, n+1)
	}
	return st
}

func (s *Scanner) element() Event {
	if s.run() != done {
		if s.state == inCutElement {
			return s.cutElement()
		}
		return None
	}
	s.ready = true
	return s.event(Element, s.w.end, inStream)
}

func (s *Scanner) header() Event {
	if s.run() != done {
		return None
	}
	b, _ := s.in.rest()
	s.root = s.w.tag(b[:s.w.end])
	s.root.Declaration = s.decl
	s.scope = newScope(s.root.Default, s.root.Bindings)
	next := inStream
	if s.w.depth == 0 {
		next = afterOpen
	}
	return s.event(Open, s.w.end, next)
}

// skipBlank goes over the white space between two documents. It reports whether
// anything else is there.
func (s *Scanner) skipBlank() bool {
	b, n := s.in.rest()
	k := 0
	for class[b[k]] == white {
		k++
	}
	s.advance(k)
	return k < n
}

// prolog goes over the white space before the root. It reports whether the
// root, or more white space, is there.
func (s *Scanner) prolog() bool {
	b, n := s.in.rest()
	k := 0
	for class[b[k]] == white {
		k++
	}
	if k > 0 {
		s.advance(k)
		return true
	}
	switch {
	case b[0] == '<' && n < 2:
		return false
	case b[0] != '<' || b[1] == '/' || b[1] == '!' || b[1] == '?':
		at, f := notElement(b, 0)
		s.fail(at, f, n)
		return false
	}
	s.begin(noScope, true)
	s.state = inHeader
	return true
}

// rootName returns the name of the root as it was written.
func (s *Scanner) rootName() []byte {
	n := len(s.root.Name)
	if p := len(s.root.Prefix); p > 0 {
		n += p + 1
	}
	return s.root.Raw[1 : 1+n]
}

// end reads the end tag of the root. Each byte is looked at once until the tag's
// end is there.
func (s *Scanner) end() Event {
	b, n := s.in.rest()
	if s.search > 0 {
		for s.search < n && b[s.search] != '>' {
			s.search++
		}
		if s.search == n && n < s.lim.Tag {
			return None
		}
	}
	s.search = n
	next, f := closeTag(b, 0, s.rootName())
	switch {
	case f != 0 && next < min(n, s.lim.Tag):
		return s.fail(next, f, n)
	case f == 0 && next <= s.lim.Tag:
		return s.event(Close, next, inEpilog)
	case n >= s.lim.Tag:
		return s.fail(s.lim.Tag, limitTag, s.lim.Tag+1)
	}
	return None
}

// epilog goes over the white space behind the root.
func (s *Scanner) epilog() bool {
	b, n := s.in.rest()
	k := 0
	for class[b[k]] == white {
		k++
	}
	if k > 0 {
		s.advance(k)
		return true
	}
	at, f := badChar(b, 0, faultEpilog)
	if b[0] == '<' && (n < 2 || b[1] == '!' || b[1] == '?') {
		if at, f = markup(b, 0); f == 0 {
			f = faultEpilog
		}
	}
	s.fail(at, f, n)
	return false
}
