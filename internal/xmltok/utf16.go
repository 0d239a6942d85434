package xmltok

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// decoder turns UTF-16 into UTF-8 piece by piece.
type decoder struct {
	order binary.ByteOrder // nil: the input is UTF-8
	rest  [4]byte          // the beginning of a character whose end is not there yet
	n     int
}

// utf16Order tells UTF-16 by the first two bytes of a document (XML 1.0
// appendix F): a byte order mark, or a < or white space with a zero byte.
func utf16Order(c0, c1 byte) binary.ByteOrder {
	switch {
	case c0 == 0xFE && c1 == 0xFF, c0 == 0 && (c1 == '<' || class[c1] == white):
		return binary.BigEndian
	case c0 == 0xFF && c1 == 0xFE, c1 == 0 && (c0 == '<' || class[c0] == white):
		return binary.LittleEndian
	}
	return nil
}

// decode appends the characters of src to dst. If it reports false, what
// follows the appended ones is not UTF-16. An unfinished character waits for
// the next call.
func (d *decoder) decode(dst, src []byte) ([]byte, bool) {
	for {
		for d.n < 2 && len(src) > 0 {
			d.rest[d.n], src = src[0], src[1:]
			d.n++
		}
		if d.n < 2 {
			return dst, true
		}
		r := rune(d.order.Uint16(d.rest[:]))
		if utf16.IsSurrogate(r) {
			if r >= 0xDC00 {
				return dst, false
			}
			for d.n < 4 && len(src) > 0 {
				d.rest[d.n], src = src[0], src[1:]
				d.n++
			}
			if d.n < 4 {
				return dst, true
			}
			if r = utf16.DecodeRune(r, rune(d.order.Uint16(d.rest[2:]))); r == utf8.RuneError {
				return dst, false
			}
		}
		d.n = 0
		dst = utf8.AppendRune(dst, r)
	}
}
