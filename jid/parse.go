package jid

import (
	"strings"
	"unicode/utf8"
)

// bufferSize is what a canonical address is assembled in on the stack. Longer ones cost one allocation more.
const bufferSize = 256

// Parse returns the address that s stands for. The error is an [*Error].
//
// The first "/" begins the resourcepart, and the first "@" before it ends the localpart (RFC 7622 section 3.2). If s is
// ASCII and already canonical, as nearly all addresses in a stream are, Parse does not allocate and the JID is s itself;
// otherwise its text is newly allocated.
func Parse(s string) (JID, error) {
	if j, ok := scan(s); ok {
		return j, nil
	}
	if s == "" {
		return JID{}, newError(PartAddress, ReasonEmpty, "", nil)
	}
	if len(s) > maxRawLen {
		return JID{}, newError(PartAddress, ReasonTooLong, s, nil)
	}
	at, end := split(s)
	var local, resource string
	if at >= 0 {
		if local = s[:at]; local == "" {
			return JID{}, newError(PartLocal, ReasonEmpty, "", nil)
		}
	}
	if end < len(s) {
		if resource = s[end+1:]; resource == "" {
			return JID{}, newError(PartResource, ReasonEmpty, "", nil)
		}
	}
	return New(local, s[at+1:end], resource)
}

// ParseBytes is [Parse] for a byte slice, which it copies: one allocation for an address that is already canonical.
func ParseBytes(b []byte) (JID, error) {
	if len(b) > maxRawLen {
		return JID{}, newError(PartAddress, ReasonTooLong, string(b[:maxErrorValue+1]), nil)
	}
	return Parse(string(b))
}

// MustParse is [Parse] for addresses that are written in the program, in package variables and tests. It panics if s is
// not valid.
func MustParse(s string) JID {
	j, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return j
}

// New returns the address made of the given parts. An empty localpart or resourcepart means that there is none; the
// domainpart is required. Separators are not looked for in the parts, so New is the way to make an address from a user
// name or a nickname that somebody typed. The error is an [*Error].
func New(local, domain, resource string) (JID, error) {
	var (
		stack [bufferSize]byte
		b     = stack[:0]
		j     JID
		err   error
	)
	if local != "" {
		if b, err = appendLocal(b, local); err != nil {
			return JID{}, err
		}
		j.local = uint16(len(b))
		b = append(b, '@')
	}
	if b, err = appendDomain(b, domain); err != nil {
		return JID{}, err
	}
	j.domain = uint16(len(b))
	if resource != "" {
		if b, err = appendResource(append(b, '/'), resource); err != nil {
			return JID{}, err
		}
	}
	j.s = string(b)
	return j, nil
}

// split finds the separators of RFC 7622 section 3.2 in s: at is the index of the "@", -1 if there is none, and end is
// where the domainpart ends, len(s) if there is no "/". It comes before any mapping, which could produce separators.
func split(s string) (at, end int) {
	end = strings.IndexByte(s, '/')
	if end < 0 {
		end = len(s)
	}
	return strings.IndexByte(s[:end], '@'), end
}

// scan is the fast path: it accepts s if it is ASCII and canonical, so that nothing needs to be prepared.
func scan(s string) (JID, bool) {
	at, end := split(s)
	local, domain := 0, s[at+1:end]
	if at >= 0 {
		if local = at; local == 0 || local > MaxPartLen || !all(s[:at], inLocal) {
			return JID{}, false
		}
	}
	if !isCanonicalName(domain) {
		return JID{}, false
	}
	if end < len(s) {
		if r := s[end+1:]; r == "" || len(r) > MaxPartLen || !all(r, inResource) {
			return JID{}, false
		}
	}
	return JID{s: s, local: uint16(local), domain: uint16(end)}, true
}

// Where an ASCII character may be in a canonical address.
const (
	inLocal    = 1 << iota // in a localpart: RFC 7622 section 3.3.1 and no upper case
	inDomain               // in a label of a domainpart
	inResource             // in a resourcepart
)

var class = func() (t [256]uint8) {
	for c := ' '; c <= '~'; c++ {
		t[c] |= inResource
		if c > ' ' && !strings.ContainsRune(`"&'/:<>@`, c) && (c < 'A' || c > 'Z') {
			t[c] |= inLocal
		}
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			t[c] |= inDomain
		}
	}
	return t
}()

// all reports whether all octets of s are of the class.
func all(s string, where uint8) bool {
	for i := range len(s) {
		if class[s[i]]&where == 0 {
			return false
		}
	}
	return true
}

// isCanonicalName reports whether s is an ASCII domain name that needs no preparation.
func isCanonicalName[T string | []byte](s T) bool {
	if len(s) > MaxPartLen {
		return false
	}
	start := 0
	for i := range len(s) {
		if c := s[i]; c == '.' {
			if !isCanonicalLabel(s[start:i]) {
				return false
			}
			start = i + 1
		} else if class[c]&inDomain == 0 {
			return false
		}
	}
	return isCanonicalLabel(s[start:])
}

// isCanonicalLabel checks what the characters of an ASCII label do not show.
func isCanonicalLabel[T string | []byte](s T) bool {
	return len(s) > 0 && len(s) <= maxLabelLen && s[0] != '-' && s[len(s)-1] != '-' &&
		(len(s) < len(acePrefix) || string(s[:len(acePrefix)]) != acePrefix)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
