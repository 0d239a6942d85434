package jid

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Part says which part of an address an [Error] is about.
type Part uint8

// The parts of an address, and the two wholes.
const (
	PartAddress  Part = iota // the address as a whole
	PartLocal                // the localpart
	PartDomain               // the domainpart
	PartResource             // the resourcepart
	PartURI                  // the link around an address
)

var partNames = [...]string{"address", "localpart", "domainpart", "resourcepart", "URI"}

// String returns the name of the part as RFC 7622 has it.
func (p Part) String() string {
	if int(p) < len(partNames) {
		return partNames[p]
	}
	return fmt.Sprintf("Part(%d)", uint8(p))
}

// Reason says what is wrong with a part of an address.
type Reason uint8

// The reasons for which an address is refused.
const (
	ReasonEmpty      Reason = iota + 1 // no octets, or none left after preparation
	ReasonTooLong                      // too many octets
	ReasonEncoding                     // not UTF-8
	ReasonDisallowed                   // has a character that may not be there, or may not be there in this context
	ReasonBidi                         // breaks the Bidi Rule of RFC 5893
	ReasonLabel                        // has a label that is not a valid name under IDNA2008
	ReasonIP                           // is not a valid IP literal
	ReasonUnstable                     // has no canonical form: preparation changes it again and again
	ReasonSyntax                       // is not built as it should be
)

var reasonTexts = [...]string{"", "is empty", "is too long", "is not UTF-8", "has a character that is not allowed",
	"breaks the rule for right-to-left text", "has an invalid label", "is not a valid IP address", "has no canonical form",
	"has a syntax error"}

// String returns a phrase such as "is too long".
func (r Reason) String() string {
	if r > 0 && int(r) < len(reasonTexts) {
		return reasonTexts[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// Error says why an address or a link is not valid. On the wire it is <jid-malformed/> (RFC 6120 section 8.3.3.8).
type Error struct {
	Part   Part
	Reason Reason
	Value  string // the offending text, cut to at most 64 octets; not canonical, so never an address to use
	Err    error  // more about it, for people; may be nil
}

// maxErrorValue bounds what an error repeats of its input.
const maxErrorValue = 64

// newError makes an error that does not keep the memory of value, which is usually that of a whole stanza.
func newError(p Part, r Reason, value string, err error) *Error {
	return &Error{Part: p, Reason: r, Value: strings.Clone(clip(value)), Err: err}
}

// detail keeps of a foreign error, which may hold all of the input, the beginning of what it says.
func detail(err error) error { return errors.New(strings.Clone(clip(err.Error()))) }

// clip cuts s to at most maxErrorValue octets, between characters.
func clip(s string) string {
	if len(s) <= maxErrorValue {
		return s
	}
	cut := maxErrorValue
	for cut > maxErrorValue-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

// Error returns one line such as `jid: localpart "foo bar" has a character that is not allowed: U+0020`.
func (e *Error) Error() string {
	msg := fmt.Sprintf("jid: %v %q %v", e.Part, e.Value, e.Reason)
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// runeError names the character that is not allowed.
type runeError rune

func (r runeError) Error() string { return fmt.Sprintf("%U", rune(r)) }
