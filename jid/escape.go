package jid

import "strings"

// The characters that XEP-0106 section 3.2 escapes, each as "\" and its code point in two lower-case hexadecimal digits.
const escaped = " \"&'/:<>@\\"

const hexDigits = "0123456789abcdef"

// EscapeLocal returns s with the characters that a localpart cannot hold escaped as in XEP-0106, for example "d'artagnan"
// as `d\27artagnan`. A backslash is escaped only where s would otherwise read as an escape sequence. s is one localpart,
// for example the user name of a foreign network, not a whole address.
//
// `\20` "MUST NOT be the first or last character of an escaped localpart" (section 3.2), so there is no escaped form of a
// text that begins or ends with a space. Such a space is left as it is, and [New] will refuse the result.
//
// Sequences count only in lower case (section 3.1: "CASE IS SIGNIFICANT"), and a localpart is folded to lower case
// afterwards: fold a text first if it may hold things like `\2F` and must come back from [UnescapeLocal] unchanged.
func EscapeLocal(s string) string {
	if !strings.ContainsAny(s, escaped) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for i := range len(s) {
		c := s[i]
		switch {
		case strings.IndexByte(escaped, c) < 0,
			c == '\\' && unescape(s[i:]) == 0,
			c == ' ' && (i == 0 || i == len(s)-1):
			b.WriteByte(c)
		default:
			b.Write([]byte{'\\', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}

// UnescapeLocal returns the localpart s for people and for foreign networks, with the sequences of XEP-0106 replaced by
// the characters that they stand for. Other uses of the backslash stay as they are, and so does a `\20` at the beginning
// or the end, where it is not a valid escape. The result must never be compared with or used as an address (section 4.1).
// UnescapeLocal(EscapeLocal(s)) is s for every s.
func UnescapeLocal(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		c := unescape(s[i:])
		if c == 0 || c == ' ' && (i == 0 || i == len(s)-3) {
			b.WriteByte(s[i])
			i++
			continue
		}
		b.WriteByte(c)
		i += 3
	}
	return b.String()
}

// unescape returns the character that the escape sequence at the beginning of s stands for, 0 if there is none.
func unescape(s string) byte {
	if len(s) < 3 || s[0] != '\\' {
		return 0
	}
	hi, lo := strings.IndexByte(hexDigits, s[1]), strings.IndexByte(hexDigits, s[2])
	if hi < 0 || lo < 0 {
		return 0
	}
	c := byte(hi<<4 | lo)
	if strings.IndexByte(escaped, c) < 0 {
		return 0
	}
	return c
}
