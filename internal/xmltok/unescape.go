package xmltok

import (
	"math/bits"
	"unicode/utf8"
)

// AppendUnescaped appends to dst the character data that s, the raw content of
// an element without child elements, stands for: references become their
// characters, CDATA sections their content, and CR LF and a lone CR become LF
// (XML 1.0 section 2.11; a CR given as a reference stays).
//
// s is taken to have been checked by a [Scanner]. On anything else it neither
// fails nor panics: a reference that is none is copied as it is, one to no
// character of XML 1.0 becomes U+FFFD, and an unfinished CDATA section reaches to
// the end of s. The result is never longer than s, so dst may have the same
// memory as s if both begin in the same place (s[:0]).
//
// It keeps no reference to s and is safe for concurrent use.
func AppendUnescaped[S ~string | ~[]byte](dst []byte, s S) []byte {
	done, i := 0, 0 // s[:done] is written, s[done:i] is plain
	for i < len(s) {
		if len(s)-i >= 8 {
			x := load(s[i : i+8])
			hit := ((x ^ ones*'&') - ones) | ((x ^ ones*'\r') - ones) | ((x ^ ones*'<') - ones)
			if hit &= tops &^ x; hit == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(hit) / 8
		}
		switch s[i] {
		case '&':
			if r, n := reference(s[i:]); n > 0 {
				dst = append(dst, s[done:i]...)
				dst = utf8.AppendRune(dst, r)
				i += n
				done = i
				continue
			}
		case '\r':
			dst = append(append(dst, s[done:i]...), '\n')
			if i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
			done = i + 1
		case '<':
			if hasPrefix(s[i:], cdataOpen) {
				dst = append(dst, s[done:i]...)
				i += len(cdataOpen)
				n := cdataLen(s[i:])
				dst = appendLines(dst, s[i:i+n])
				i = min(i+n+len(cdataClose), len(s))
				done = i
				continue
			}
		}
		i++
	}
	return append(dst, s[done:]...)
}

// AppendUnescapedAttr appends to dst the value that s, an attribute value
// without its quotes, stands for: references become their characters, and each
// literal tab, LF, CR and CR LF becomes one space (XML 1.0 sections 2.11 and
// 3.3.3; given as references they stay).
//
// What it does with s that no [Scanner] has checked, and with the memory of s, is
// the same as with [AppendUnescaped]. It is safe for concurrent use.
func AppendUnescapedAttr[S ~string | ~[]byte](dst []byte, s S) []byte {
	done, i := 0, 0 // s[:done] is written, s[done:i] is plain
	for i < len(s) {
		if len(s)-i >= 8 {
			x := load(s[i : i+8])
			hit := (x - ones*0x20) | ((x ^ ones*'&') - ones)
			if hit &= tops &^ x; hit == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(hit) / 8
		}
		switch c := s[i]; c {
		case '&':
			if r, n := reference(s[i:]); n > 0 {
				dst = append(dst, s[done:i]...)
				dst = utf8.AppendRune(dst, r)
				i += n
				done = i
				continue
			}
		case '\t', '\n', '\r':
			dst = append(append(dst, s[done:i]...), ' ')
			if c == '\r' && i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
			done = i + 1
		}
		i++
	}
	return append(dst, s[done:]...)
}

// appendLines appends s to dst with each CR LF and each lone CR made an LF.
func appendLines[S ~string | ~[]byte](dst []byte, s S) []byte {
	done := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '\r' {
			continue
		}
		dst = append(append(dst, s[done:i]...), '\n')
		if i+1 < len(s) && s[i+1] == '\n' {
			i++
		}
		done = i + 1
	}
	return append(dst, s[done:]...)
}

const (
	cdataOpen  = "<![CDATA["
	cdataClose = "]]>"
)

// cdataLen is the number of bytes in s before the end of its CDATA section.
func cdataLen[S ~string | ~[]byte](s S) int {
	for i := 0; i+len(cdataClose) <= len(s); i++ {
		if s[i] == ']' && hasPrefix(s[i:], cdataClose) {
			return i
		}
	}
	return len(s)
}

// hasPrefix compares without making a copy of either.
func hasPrefix[S ~string | ~[]byte](s S, prefix string) bool {
	return len(s) >= len(prefix) && string(s[:len(prefix)]) == prefix
}

// reference reads the entity or character reference that s begins with: one of
// the five of XML 1.0 section 4.6, or a number. n is its length with & and ;, 0
// if it is none of these.
func reference[S ~string | ~[]byte](s S) (r rune, n int) {
	switch {
	case hasPrefix(s, "&#"):
		return number(s)
	case hasPrefix(s, "&amp;"):
		return '&', len("&amp;")
	case hasPrefix(s, "&lt;"):
		return '<', len("&lt;")
	case hasPrefix(s, "&gt;"):
		return '>', len("&gt;")
	case hasPrefix(s, "&apos;"):
		return '\'', len("&apos;")
	case hasPrefix(s, "&quot;"):
		return '"', len("&quot;")
	}
	return 0, 0
}

// number reads the character reference that s, which begins with "&#", begins
// with. A number that is no character of XML 1.0 gives U+FFFD.
func number[S ~string | ~[]byte](s S) (r rune, n int) {
	base, first := rune(10), len("&#")
	if len(s) > first && s[first] == 'x' {
		base, first = 16, first+1
	}
	for n = first; n < len(s); n++ {
		d := digit(s[n])
		if d >= base {
			break
		}
		// Whatever is above the last code point stays there, however long it is.
		r = min(r*base+d, utf8.MaxRune+1)
	}
	if n == first || n == len(s) || s[n] != ';' {
		return 0, 0
	}
	if !isChar(r) {
		r = utf8.RuneError
	}
	// U+FFFD takes three bytes, "&#0;" has four: a result never outgrows its source.
	return r, n + 1
}

// digit is the value of a hexadecimal digit, or something above all of them.
func digit(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10
	}
	return utf8.MaxRune
}

// isChar reports whether r is in Char of XML 1.0 section 2.2.
func isChar(r rune) bool {
	switch {
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	case r < 0xD800:
		return true
	case r < 0xE000:
		return false
	}
	return r <= utf8.MaxRune && r != 0xFFFE && r != 0xFFFF
}
