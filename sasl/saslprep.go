package sasl

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// ranges is a sorted table of inclusive code point ranges.
type ranges [][2]rune

func (t ranges) contains(r rune) bool {
	i := sort.Search(len(t), func(i int) bool { return t[i][1] >= r })
	return i < len(t) && t[i][0] <= r
}

// Prepare applies SASLprep (RFC 4013) to a user name or password: non-ASCII
// spaces become spaces, invisible characters go, the rest is put into
// normalization form KC; control, private and similar characters and strings of
// mixed direction are errors. Code points that Unicode 3.2 had not assigned
// pass unchanged, as in a query string (RFC 3454 section 7); so do the libraries
// of the common servers, and a password may hold an emoji. The error wraps
// ErrBadString; so does an empty result.
func Prepare(s string) (string, error) {
	p, err := saslprep(s)
	if err == nil && p == "" {
		err = fmt.Errorf("%w: empty", ErrBadString)
	}
	return p, err
}

func saslprep(s string) (string, error) {
	if isPlainASCII(s) {
		return s, nil
	}
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("%w: not UTF-8", ErrBadString)
	}
	mapped := strings.Map(func(r rune) rune {
		switch {
		case mappedToSpace.contains(r): // first: U+200B is in both tables
			return ' '
		case mappedToNothing.contains(r):
			return -1
		}
		return r
	}, s)
	out := normalize32(mapped)
	return out, checkString(out, prohibitedPrep)
}

// isPlainASCII reports whether s has only printable ASCII characters, which
// SASLprep leaves alone.
func isPlainASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// normalize32 is form KC as of Unicode 3.2: later characters, which had no
// decomposition then, are passed over. The one difference to that version are
// the five compatibility ideographs that Unicode's Corrigendum 4 put right.
func normalize32(s string) string {
	var b strings.Builder
	start := 0
	for i, r := range s {
		if unassigned.contains(r) {
			b.WriteString(norm.NFKC.String(s[start:i]))
			b.WriteRune(r)
			start = i + utf8.RuneLen(r)
		}
	}
	b.WriteString(norm.NFKC.String(s[start:]))
	return b.String()
}

// checkString looks for prohibited characters and applies RFC 3454 section 6:
// a string with a right-to-left character must begin and end with one and have
// no left-to-right one.
func checkString(s string, prohibited ranges) error {
	var rtl, ltr bool
	for _, r := range s {
		if prohibited.contains(r) {
			return fmt.Errorf("%w: character U+%04X is prohibited", ErrBadString, r)
		}
		rtl = rtl || randALCat.contains(r)
		ltr = ltr || lCat.contains(r)
	}
	if !rtl {
		return nil
	}
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	if ltr || !randALCat.contains(first) || !randALCat.contains(last) {
		return fmt.Errorf("%w: mixed writing directions", ErrBadString)
	}
	return nil
}
