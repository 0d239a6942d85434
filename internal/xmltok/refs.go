package xmltok

// skipRef checks the reference whose & is at b[i]: one of the five predefined
// entities (XML 1.0 section 4.6) or a character reference. It returns the place
// after its semicolon; with a fault, that of the byte that decides.
func skipRef(b []byte, i int) (int, fault) {
	switch v := word(b, i+1); {
	case v&0xFFFFFF == 'l'|'t'<<8|';'<<16, v&0xFFFFFF == 'g'|'t'<<8|';'<<16:
		return i + 4, 0
	case v&0xFFFFFFFF == 'a'|'m'<<8|'p'<<16|';'<<24:
		return i + 5, 0
	case v&0xFFFFFFFFFF == 'q'|'u'<<8|'o'<<16|'t'<<24|';'<<32,
		v&0xFFFFFFFFFF == 'a'|'p'<<8|'o'<<16|'s'<<24|';'<<32:
		return i + 6, 0
	case v&0xFF == '#':
		return skipCharRef(b, i)
	}
	return otherEntity(b, i)
}

// skipCharRef checks a character reference, &#...; or &#x...;.
func skipCharRef(b []byte, i int) (int, fault) {
	end := i + maxReference
	i += 2
	base := rune(10)
	if b[i] == 'x' {
		base = 16
		i++
	}
	var r rune
	for digits := 0; ; i, digits = i+1, digits+1 {
		c := b[i]
		switch {
		case i >= end:
			if c == 0 {
				return i, faultReference
			}
			return i, limitReference
		case c >= '0' && c <= '9':
			r = r*base + rune(c-'0')
		case base == 16 && c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r*base + rune(c|0x20-'a'+10)
		case c == ';' && digits > 0:
			if !isChar(r) {
				return i, faultCharRef
			}
			return i + 1, 0
		default:
			return i, faultReference
		}
		if r > 0x10FFFF {
			r = 0x110000 // stays too large
		}
	}
}

// otherEntity tells a reference to an entity that XMPP does not have from one
// that is malformed.
func otherEntity(b []byte, i int) (int, fault) {
	end := i + maxReference
	i++
	at := i
	for {
		for class[b[i]]&nameByte != 0 || b[i] == ':' {
			if i++; i >= end {
				return i, faultEntity
			}
		}
		if b[i] < 0x80 {
			break
		}
		next, f := wideRune(b, i)
		if f != 0 {
			return next, f
		}
		if i = next; i >= end {
			return i, faultEntity
		}
	}
	if b[i] == ';' && i > at && class[b[at]]&(nameStart|nameByte) != nameByte {
		return i, faultEntity
	}
	return i, faultReference
}
