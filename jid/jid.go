// Package jid implements XMPP addresses ("Jabber identifiers", JIDs).
//
// An address has the form [localpart@]domainpart[/resourcepart]; only the domainpart is required (RFC 7622 section 3.1).
// A [JID] is always in its canonical form: the localpart prepared with the PRECIS profile UsernameCaseMapped, the
// domainpart as an IDNA2008 name in lower case with U-labels (or an IP literal), the resourcepart prepared with the PRECIS
// profile OpaqueString. Two addresses are the same address if and only if the two values are equal with ==, so a JID can
// be a map key, and the zero JID means "no address".
//
// The package also has the escaping of characters that a localpart cannot hold (XEP-0106: [EscapeLocal],
// [UnescapeLocal]) and links to XMPP entities (RFC 5122 and XEP-0147: [URI]).
//
// # Where the rules leave a choice
//
//   - A domainpart may hold LOW LINE ("_") in labels that are otherwise ASCII. IDNA does not know such labels, but names
//     of machines on local networks do have them, and nothing in XMPP gives the character a meaning.
//   - Every name that satisfies RFC 952 and RFC 1123 is a valid domainpart, also one with "--" in the third and fourth
//     place. The one exception are labels that begin with "xn--": they must be valid A-labels, and become U-labels.
//   - Each label is limited to the 63 octets of the DNS (in its A-label form); the whole domainpart only to the 1023
//     octets of RFC 7622. [JID.CheckLegacyLimits] has the narrower limits of old peers and of the DNS.
//   - Domains are mapped as in UTS #46 before they are checked, which covers the mappings of RFC 5895 and those of
//     nameprep in RFC 3920: case, width, normalization, and U+3002, U+FF0E and U+FF61 as label separators. One separator
//     at the end is removed.
//   - An IPv6 address is written in brackets and in the form of RFC 5952. One without brackets, as RFC 3920 had it, is
//     accepted and gets them.
//   - A resourcepart may begin and end with spaces: OpaqueString allows it. Example 18 in RFC 7622 section 3.5 says
//     otherwise, which RFC erratum 4560 corrects.
//   - A few strings change again when a PRECIS profile is applied to its own output. Preparation is repeated until
//     nothing changes, and a string that does not settle is refused.
package jid

import (
	"cmp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Limits of RFC 7622 section 3.1, in octets of UTF-8 after preparation.
const (
	MaxPartLen = 1023             // of the localpart, the domainpart and the resourcepart, each
	MaxLen     = 3*MaxPartLen + 2 // of a whole address with its "@" and "/"
	maxRawPart = 4 * MaxPartLen   // of a part before preparation, which can make it shorter
	maxRawLen  = 3*maxRawPart + 3 // of a whole address before preparation
	maxPasses  = 4                // applications of a profile after which a string must have settled
)

// JID is an XMPP address in canonical form (RFC 7622). It is comparable: == and use as a map key are comparison of
// addresses. The zero value means that there is no address.
//
// A JID is immutable and safe for concurrent use. It may share memory with the string that it was parsed from; see
// [JID.Clone].
type JID struct {
	s      string // the whole address; its parts are substrings
	local  uint16 // length of the localpart, 0 if there is none; its "@" follows
	domain uint16 // where the domainpart ends in s; a "/" follows if there is a resourcepart
}

// Local returns the localpart, "" if there is none. It does not allocate.
func (j JID) Local() string { return j.s[:j.local] }

// Domain returns the domainpart, "" only for the zero JID. Internationalized labels are U-labels, an IPv6 address is in
// brackets; [JID.ASCIIDomain] has the form for DNS and TLS. It does not allocate.
func (j JID) Domain() string {
	if j.local == 0 {
		return j.s[:j.domain]
	}
	return j.s[j.local+1 : j.domain]
}

// Resource returns the resourcepart, "" if there is none. It does not allocate.
func (j JID) Resource() string {
	if int(j.domain) == len(j.s) {
		return ""
	}
	return j.s[j.domain+1:]
}

// String returns the canonical address, "" for the zero JID. It does not allocate.
func (j JID) String() string { return j.s }

// IsZero reports whether j is the zero JID: no address.
func (j JID) IsZero() bool { return j.s == "" }

// IsBare reports whether j is an address without a resourcepart, localpart@domainpart or a mere domainpart. The zero
// JID is not bare.
func (j JID) IsBare() bool { return j.s != "" && int(j.domain) == len(j.s) }

// IsFull reports whether j has a resourcepart.
func (j JID) IsFull() bool { return int(j.domain) != len(j.s) }

// IsDomain reports whether j is a mere domainpart, the address of a server or a service.
func (j JID) IsDomain() bool { return j.IsBare() && j.local == 0 }

// Bare returns j without its resourcepart. It does not allocate.
func (j JID) Bare() JID {
	j.s = j.s[:j.domain]
	return j
}

// DomainJID returns the address of the domain of j alone, without localpart and resourcepart. It does not allocate.
func (j JID) DomainJID() JID {
	d := j.Domain()
	return JID{s: d, domain: uint16(len(d))}
}

// WithResource returns j with the given resourcepart instead of its own, or the bare JID if resource is "". The error
// is an [*Error]: the resourcepart is not valid, or j is zero.
func (j JID) WithResource(resource string) (JID, error) {
	if j.IsZero() {
		return JID{}, newError(PartDomain, ReasonEmpty, "", nil)
	}
	if resource == "" {
		return j.Bare(), nil
	}
	var stack [bufferSize]byte
	b := append(stack[:0], j.s[:j.domain]...)
	b, err := appendResource(append(b, '/'), resource)
	if err != nil {
		return JID{}, err
	}
	j.s = string(b)
	return j, nil
}

// Clone returns j in memory of its own. A JID parsed from a larger string keeps that string alive: clone what is kept
// longer than the stanza that it came from.
func (j JID) Clone() JID {
	j.s = strings.Clone(j.s)
	return j
}

// Compare orders addresses by domainpart, then localpart, then resourcepart, each by octets; a missing part comes
// first. It is 0 if and only if j == k, and suits [slices.SortFunc].
func (j JID) Compare(k JID) int {
	return cmp.Or(
		strings.Compare(j.Domain(), k.Domain()),
		strings.Compare(j.Local(), k.Local()),
		strings.Compare(j.Resource(), k.Resource()),
	)
}

// ASCIIDomain returns the domainpart in the form that DNS lookups, TLS server names and certificates want: A-labels
// instead of U-labels (RFC 5890 section 2.3.2.1), and an IP address without the brackets, its zone as in
// "fe80::1%eth0".
func (j JID) ASCIIDomain() string {
	d := j.Domain()
	if strings.HasPrefix(d, "[") {
		return strings.Replace(d[1:len(d)-1], zoneMark, "%", 1)
	}
	if isASCII(d) {
		return d
	}
	// A canonical domain was converted once already, to measure its labels: this cannot fail.
	d, _ = idna.Punycode.ToASCII(d)
	return d
}

// CheckLegacyLimits reports whether j is within the limits of the oldest peers, and returns an [*Error] with
// [ReasonTooLong] that names the part if it is not. draft-miller-xmpp-core-02 section 3 has 255 octets for the domain
// and 256 for node and resource; the Jabber Programmers Guide chapter 4 has 255 characters for user names. The domain is
// measured in the ASCII form, so a name that the DNS could not hold does not pass either.
func (j JID) CheckLegacyLimits() error {
	const domainMax, partMax, userMax = 255, 256, 255
	switch local := j.Local(); {
	case len(local) > partMax || utf8.RuneCountInString(local) > userMax:
		return newError(PartLocal, ReasonTooLong, local, nil)
	case len(j.ASCIIDomain()) > domainMax || len(j.Domain()) > domainMax:
		return newError(PartDomain, ReasonTooLong, j.Domain(), nil)
	case len(j.Resource()) > partMax:
		return newError(PartResource, ReasonTooLong, j.Resource(), nil)
	}
	return nil
}
