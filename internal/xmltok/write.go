package xmltok

import "math/bits"

// Runs of plain bytes are looked for eight at a time, in one uint64: each test
// below leaves the top bit of a byte set that needs a second look. A borrow can
// only start in a byte that is itself a hit, so the lowest bit set is always exact,
// and the bytes above it are looked at again anyway.
const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// replacement stands in for what XML 1.0 cannot carry.
const replacement = "\uFFFD"

// AppendText appends s to dst as the character data of an element: & < and >
// become entity references (> too, so that no "]]>" can come about), a carriage
// return becomes &#xD;, for XML processors would otherwise read it as a line
// feed (XML 1.0 section 2.11). Each character that XML 1.0 forbids (section 2.2)
// and each byte that is not part of valid UTF-8 is replaced by U+FFFD.
//
// It keeps no reference to s and is safe for concurrent use.
func AppendText[S ~string | ~[]byte](dst []byte, s S) []byte {
	for done := 0; ; {
		i := plainText(s, done)
		dst = append(dst, s[done:i]...)
		if i == len(s) {
			return dst
		}
		dst, done = appendReplaced(dst, s, i)
	}
}

// AppendAttr appends s to dst as the value of an attribute, for either kind of
// quote, which the caller writes. Beside what [AppendText] escapes, these are
// both quotes, and tab and line feed as references, for XML processors would
// otherwise read them as spaces (XML 1.0 section 3.3.3). Forbidden characters
// and invalid UTF-8 become U+FFFD, as with AppendText.
//
// It keeps no reference to s and is safe for concurrent use.
func AppendAttr[S ~string | ~[]byte](dst []byte, s S) []byte {
	for done := 0; ; {
		i := plainAttr(s, done)
		dst = append(dst, s[done:i]...)
		if i == len(s) {
			return dst
		}
		dst, done = appendReplaced(dst, s, i)
	}
}

// appendReplaced appends what is written for the character at s[i], which cannot
// stand for itself, and returns the place of the next one.
func appendReplaced[S ~string | ~[]byte](dst []byte, s S, i int) ([]byte, int) {
	ref, n := replacement, 1
	switch s[i] {
	case '&':
		ref = "&amp;"
	case '<':
		ref = "&lt;"
	case '>':
		ref = "&gt;"
	case '\'':
		ref = "&apos;"
	case '"':
		ref = "&quot;"
	case '\t':
		ref = "&#x9;"
	case '\n':
		ref = "&#xA;"
	case '\r':
		ref = "&#xD;"
	default:
		n, _ = charLen(s[i:])
	}
	return append(dst, ref...), i + n
}

// plainText is the first place in s, from i on, that does not stand for itself in
// character data, or len(s).
func plainText[S ~string | ~[]byte](s S, i int) int {
	for {
		var hit uint64
		for len(s)-i >= 8 && hit == 0 {
			hit = textHits(load(s[i : i+8]))
			i += 8
		}
		if hit != 0 {
			i -= 8
		} else {
			hit = textHits(loadTail(s, i))
		}
		if i += bits.TrailingZeros64(hit) / 8; i >= len(s) {
			return len(s)
		}
		switch c := s[i]; {
		case c >= 0x80:
			n := charsLen(s[i:])
			if n == 0 {
				return i
			}
			i += n
		case c == '\t', c == '\n':
			i++
		default:
			return i
		}
	}
}

// textHits finds the controls, & < > and what is outside ASCII.
func textHits(x uint64) uint64 {
	return ((x - ones*0x20) | (x ^ ones*'&' - ones) | ((x | ones*2) ^ ones*'>' - ones) | x) & tops
}

// plainAttr is the first place in s, from i on, that does not stand for itself in
// an attribute value, or len(s).
func plainAttr[S ~string | ~[]byte](s S, i int) int {
	for {
		var hit uint64
		for len(s)-i >= 8 && hit == 0 {
			hit = attrHits(load(s[i : i+8]))
			i += 8
		}
		if hit != 0 {
			i -= 8
		} else {
			hit = attrHits(loadTail(s, i))
		}
		if i += bits.TrailingZeros64(hit) / 8; i >= len(s) {
			return len(s)
		}
		n := 0
		if s[i] >= 0x80 {
			n = charsLen(s[i:])
		}
		if n == 0 {
			return i
		}
		i += n
	}
}

// attrHits finds the controls, & < > ' " and what is outside ASCII. & and ' differ
// in bit 0, < and > in bit 1.
func attrHits(x uint64) uint64 {
	return ((x - ones*0x20) | ((x | ones) ^ ones*'\'' - ones) | (x ^ ones*'"' - ones) |
		((x | ones*2) ^ ones*'>' - ones) | x) & tops
}

// load is s[:8] as a little-endian integer. The compiler makes one load of it.
func load[S ~string | ~[]byte](s S) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// loadTail is the at most seven bytes of s from i on, and zeros behind them: a
// control, so that something is found at the end of s at the latest.
func loadTail[S ~string | ~[]byte](s S, i int) (x uint64) {
	if n := len(s); n >= 8 {
		return load(s[n-8:]) >> (64 - 8*(n-i))
	}
	switch k := len(s) - i; {
	case k >= 4: // two halves, which may overlap
		return load4(s[i:i+4]) | load4(s[len(s)-4:])<<(8*(k-4))
	case k > 0: // the first byte, that in the middle and the last: all there are
		return uint64(s[i]) | uint64(s[i+k/2])<<(8*(k/2)) | uint64(s[len(s)-1])<<(8*(k-1))
	}
	return 0
}

func load4[S ~string | ~[]byte](s S) uint64 {
	_ = s[3]
	return uint64(uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24)
}

// charsLen is the length of the run of allowed characters outside ASCII that s
// begins with.
func charsLen[S ~string | ~[]byte](s S) (n int) {
	for n < len(s) && s[n] >= 0x80 {
		k, ok := charLen(s[n:])
		if !ok {
			break
		}
		n += k
	}
	return n
}

// charLen is the length of the character outside ASCII that s begins with, and
// whether that is in Char of XML 1.0 section 2.2. Of what is not UTF-8 (RFC 3629)
// it takes one byte.
func charLen[S ~string | ~[]byte](s S) (n int, ok bool) {
	switch c := s[0]; {
	case c < 0xC2 || c > 0xF4:
	case c < 0xE0:
		if len(s) >= 2 && s[1]&0xC0 == 0x80 {
			return 2, true
		}
	case c < 0xF0:
		if len(s) < 3 || s[1]&0xC0 != 0x80 || s[2]&0xC0 != 0x80 ||
			c == 0xE0 && s[1] < 0xA0 || // overlong
			c == 0xED && s[1] > 0x9F { // surrogate
			return 1, false
		}
		return 3, c != 0xEF || s[1] != 0xBF || s[2] < 0xBE // U+FFFE, U+FFFF
	default:
		if len(s) < 4 || s[1]&0xC0 != 0x80 || s[2]&0xC0 != 0x80 || s[3]&0xC0 != 0x80 ||
			c == 0xF0 && s[1] < 0x90 || // overlong
			c == 0xF4 && s[1] > 0x8F { // above U+10FFFF
			return 1, false
		}
		return 4, true
	}
	return 1, false
}
