package xmltok

import (
	"encoding/binary"
	"math/bits"
)

// The data that is read always has slack zero bytes behind it. XML allows no
// zero byte, so reading functions stop at the end of the data by themselves,
// without asking where it is, and words may be loaded across it.
const slack = 32

// Bits of class.
const (
	nameStart = 1 << iota // ASCII that may begin a name, without the colon
	nameByte              // ASCII that may be in a name, without the colon
	white                 // white space
)

// class tells what a byte may be.
var class = makeClass()

func makeClass() (t [256]uint8) {
	for c := 'a'; c <= 'z'; c++ {
		t[c] = nameStart | nameByte
		t[c-'a'+'A'] = nameStart | nameByte
	}
	t['_'] = nameStart | nameByte
	for c := '0'; c <= '9'; c++ {
		t[c] = nameByte
	}
	t['-'], t['.'] = nameByte, nameByte
	for _, c := range " \t\r\n" {
		t[c] = white
	}
	return t
}

// word returns the eight bytes at b[i:], the first one lowest.
func word(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i : i+8 : i+8]) }

// The tests below set the top bit of each byte that may need a closer look. A
// borrow can only come out of a byte that is itself marked, so the lowest mark
// is always exact.

// textStops marks < > & control characters and all that is not ASCII.
func textStops(v uint64) uint64 {
	// < and > differ in one bit, which is taken out.
	return ((v - 0x20*ones) | ((v&^(0x02*ones) ^ '<'*ones) - ones) | ((v ^ '&'*ones) - ones) | v) & tops
}

// cdataStops marks ] control characters and all that is not ASCII.
func cdataStops(v uint64) uint64 {
	return ((v - 0x20*ones) | ((v ^ ']'*ones) - ones) | v) & tops
}

// valueStops marks < & control characters, all that is not ASCII and the quote
// that & becomes when it loses the bits of drop.
func valueStops(v, drop uint64) uint64 {
	return ((v - 0x20*ones) | ((v&^drop ^ '&'*ones&^drop) - ones) | ((v ^ '<'*ones) - ones) | v) & tops
}

// Each quote differs from & in one bit.
const (
	dropSingle = ('&' ^ '\'') * ones
	dropDouble = ('&' ^ '"') * ones
)

// first returns the index of the lowest byte that stops marks.
func first(stops uint64) int { return bits.TrailingZeros64(stops) >> 3 }

// wide goes over the characters beyond ASCII at b[i:], and over single spaces
// between them. It returns the place of the first other byte; that one is not
// ASCII only if there is something wrong with it, which wideRune tells.
func wide(b []byte, i int) int {
	for {
		c := b[i]
		switch {
		case c < 0x80:
			if c == ' ' && b[i+1] >= 0x80 {
				i++
				continue
			}
			return i
		case c < 0xE0:
			if c < 0xC2 || b[i+1]&0xC0 != 0x80 {
				return i
			}
			i += 2
		case c < 0xF0:
			v := binary.LittleEndian.Uint32(b[i:])
			if v&0xC0C000 != 0x808000 || c == 0xE0 || c >= 0xED {
				// The rare ones have further rules.
				next, f := wideRune(b, i)
				if f != 0 {
					return i
				}
				i = next
				continue
			}
			i += 3
		default:
			next, f := wideRune(b, i)
			if f != 0 {
				return i
			}
			i = next
		}
	}
}

// wideRune checks the one character beyond ASCII at b[i:] (RFC 3629 section 4,
// and Char of XML 1.0 section 2.2, which excludes U+FFFE and U+FFFF). It
// returns the place after it; with a fault, that of the byte that decides.
func wideRune(b []byte, i int) (int, fault) {
	c := b[i]
	n, lo, hi := 0, byte(0x80), byte(0xBF)
	switch {
	case c >= 0xC2 && c <= 0xDF:
		n = 2
	case c >= 0xE0 && c <= 0xEF:
		n = 3
		switch c {
		case 0xE0:
			lo = 0xA0 // shorter forms exist below
		case 0xED:
			hi = 0x9F // surrogates above
		}
	case c >= 0xF0 && c <= 0xF4:
		n = 4
		switch c {
		case 0xF0:
			lo = 0x90
		case 0xF4:
			hi = 0x8F // U+10FFFF is the last
		}
	default:
		return i, faultUTF8
	}
	for k := 1; k < n; k++ {
		if b[i+k] < lo || b[i+k] > hi {
			return i + k, faultUTF8
		}
		lo, hi = 0x80, 0xBF
	}
	if c == 0xEF && b[i+1] == 0xBF && b[i+2] >= 0xBE {
		return i + 2, faultChar
	}
	return i + n, 0
}

// badChar tells what is wrong with the byte or character at b[i:], which no
// rule allows where it is, other being the fault of an allowed character.
func badChar(b []byte, i int, other fault) (int, fault) {
	switch c := b[i]; {
	case c >= 0x80:
		if at, f := wideRune(b, i); f != 0 {
			return at, f
		}
	case c < 0x20 && class[c] != white:
		return i, faultChar
	}
	return i, other
}
