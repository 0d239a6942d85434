package xmltok

// text goes over character data from b[i] on. It returns the place of the next
// <, or of something that textFault has to judge.
func text(b []byte, i int) int {
	for {
		stops := textStops(word(b, i))
		if stops == 0 {
			i += 8
			continue
		}
		i += first(stops)
		if b[i] == '<' {
			return i
		}
		next := textItem(b, i)
		if next == i {
			return i
		}
		i = next
	}
}

// textItem goes over one thing in character data that is not a plain character.
// It returns i if it cannot.
func textItem(b []byte, i int) int {
	switch c := b[i]; {
	case c >= 0x80:
		return wide(b, i)
	case c == '&':
		if next, f := skipRef(b, i); f == 0 {
			return next
		}
	case c == '>':
		// Before the text there is a > or a ; so that looking back is safe.
		if b[i-1] != ']' || b[i-2] != ']' {
			return i + 1
		}
	case class[c] == white:
		return i + 1
	}
	return i
}

// textFault says why text stopped at b[i].
func textFault(b []byte, i int) (int, fault) {
	switch b[i] {
	case '&':
		return skipRef(b, i)
	case '>':
		return i, faultCDATAEnd
	}
	return badChar(b, i, faultChar)
}

// cdata goes on in a CDATA section at w.i.
func (w *work) cdata(b []byte, n int) status {
	at := w.i
	i := at
	for {
		stops := cdataStops(word(b, i))
		if stops == 0 {
			i += 8
			continue
		}
		i += first(stops)
		c := b[i]
		if c == ']' {
			if b[i+1] == ']' && b[i+2] == '>' {
				break
			}
			if i+1 >= n || b[i+1] == ']' && i+2 >= n {
				return w.cdataPart(b, at, i)
			}
			i++
			continue
		}
		if class[c] == white {
			i++
			continue
		}
		if c >= 0x80 {
			if i = wide(b, i); b[i] < 0x80 {
				continue
			}
		}
		w.cdataPart(b, at, i)
		place, f := badChar(b, i, faultChar)
		return w.stuck(place, f, n)
	}
	w.cdataPart(b, at, i)
	w.i = i + 3
	w.mode = inContent
	return done
}

// cdataPart notes that the section is read up to i.
func (w *work) cdataPart(b []byte, at, i int) status {
	w.i = i
	if w.depth == 1 && !w.text {
		w.text = !blankBytes(b[at:i])
	}
	return more
}

// blank reports whether the character data b[at:end] is white space, also where
// it is given by reference.
func blank(b []byte, at, end int) bool {
	for at < end {
		switch {
		case class[b[at]] == white:
			at++
		case b[at] == '&' && b[at+1] == '#':
			next, _ := skipCharRef(b, at)
			var c [4]byte
			if s := AppendUnescaped(c[:0], b[at:next]); !blankBytes(s) {
				return false
			}
			at = next
		default:
			return false
		}
	}
	return true
}

func blankBytes(s []byte) bool {
	for _, c := range s {
		if class[c] != white {
			return false
		}
	}
	return true
}
