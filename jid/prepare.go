package jid

import (
	"errors"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/bidirule"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

const (
	maxLabelLen = 63     // octets of a label of a domain name, in its ASCII form (RFC 1034 section 3.1)
	acePrefix   = "xn--" // begins an A-label (RFC 5890 section 2.3.2.1)
	zoneMark    = "%25"  // begins the zone of an IPv6 literal (RFC 6874 section 2)
)

var (
	// username is UsernameCaseMapped of RFC 8265 section 3.3 but for its directionality rule, which is in prepareLocal:
	// precis.UsernameCaseMapped applies the Bidi Rule to every string, so that it refuses names such as "1\u00e9" and
	// "\u65e5_". RFC 8265 wants it for "strings that contain right-to-left code points" alone.
	username = precis.NewIdentifier(precis.FoldWidth, precis.LowerCase(), precis.Norm(norm.NFC))

	// idnaMapping maps as UTS #46 does and turns A-labels into U-labels. Which ASCII characters and which hyphens are
	// allowed is checked in checkLabel.
	idnaMapping = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false), idna.CheckHyphens(false))

	// identifierClass holds, beyond ASCII, the code points that are PVALID, CONTEXTJ or CONTEXTO also in RFC 5892, with
	// their contextual rules. UTS #46 allows more, for example symbols.
	identifierClass = precis.NewIdentifier()
)

// appendLocal appends the localpart s, prepared with UsernameCaseMapped and checked for the characters that RFC 7622
// section 3.3.1 excludes.
func appendLocal(dst []byte, s string) ([]byte, error) {
	if err := checkRaw(PartLocal, s); err != nil {
		return nil, err
	}
	if !isASCII(s) {
		var err error
		if s, err = settle(PartLocal, s, prepareLocal); err != nil {
			return nil, err
		}
	}
	start := len(dst)
	for i := range len(s) {
		c := lower(s[i])
		if c < utf8.RuneSelf && class[c]&inLocal == 0 {
			return nil, newError(PartLocal, ReasonDisallowed, s, runeError(c))
		}
		dst = append(dst, c)
	}
	return dst, checkLen(PartLocal, dst[start:])
}

// prepareLocal applies UsernameCaseMapped once.
func prepareLocal(s string) (string, error) {
	p, err := username.String(s)
	if err != nil {
		return "", disallowed(PartLocal, s, username, err)
	}
	if bidirule.DirectionString(p) == bidi.RightToLeft && !bidirule.ValidString(p) {
		return "", newError(PartLocal, ReasonBidi, s, nil)
	}
	return p, nil
}

// prepareResource applies OpaqueString once.
func prepareResource(s string) (string, error) {
	p, err := precis.OpaqueString.String(s)
	if err != nil {
		return "", disallowed(PartResource, s, precis.OpaqueString, err)
	}
	return p, nil
}

// disallowed makes the error of a PRECIS profile about s an *Error, which names the character if one alone is to blame.
func disallowed(part Part, s string, profile *precis.Profile, err error) error {
	allowed, tries := profile.Allowed(), 32 // so that a refusal is never dear
	for _, r := range s {
		if allowed.Contains(r) {
			continue
		}
		if tries--; tries < 0 {
			break
		}
		if _, bad := profile.String(string(r)); bad != nil {
			return newError(part, ReasonDisallowed, s, runeError(r))
		}
	}
	return newError(part, ReasonDisallowed, s, err)
}

// appendResource appends the resourcepart s, prepared with OpaqueString.
func appendResource(dst []byte, s string) ([]byte, error) {
	if err := checkRaw(PartResource, s); err != nil {
		return nil, err
	}
	if !all(s, inResource) {
		var err error
		if s, err = settle(PartResource, s, prepareResource); err != nil {
			return nil, err
		}
	}
	start := len(dst)
	dst = append(dst, s...)
	return dst, checkLen(PartResource, dst[start:])
}

// appendDomain appends the domainpart s: an IP literal, or a domain name with U-labels in lower case.
func appendDomain(dst []byte, s string) ([]byte, error) {
	if err := checkRaw(PartDomain, s); err != nil {
		return nil, err
	}
	s = trimSeparator(s)
	if s == "" {
		return nil, newError(PartDomain, ReasonEmpty, s, nil)
	}
	start := len(dst)
	switch {
	case s[0] == '[' || strings.Count(s, ":") > 1: // one colon would be a port, which no domainpart has
		return appendIP(dst, s)
	case !isASCII(s) || hasACE(s):
		name, err := settle(PartDomain, s, mapName)
		if err != nil {
			return nil, err
		}
		dst = append(dst, name...)
	default:
		for i := range len(s) {
			dst = append(dst, lower(s[i]))
		}
		if !isCanonicalName(dst[start:]) {
			if err := checkLabels(string(dst[start:])); err != nil {
				return nil, err
			}
		}
	}
	return dst, checkLen(PartDomain, dst[start:])
}

// trimSeparator removes one label separator from the end of a name: "This character MUST be stripped" (RFC 7622 section
// 3.2). The ideographic, the fullwidth and the halfwidth full stop are separators too (RFC 3490 section 3.1).
func trimSeparator(s string) string {
	for _, sep := range []string{".", "\u3002", "\uff0e", "\uff61"} {
		if rest, ok := strings.CutSuffix(s, sep); ok {
			return rest
		}
	}
	return s
}

// hasACE reports whether a label of the ASCII name s looks like an A-label.
func hasACE(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if len(label) >= len(acePrefix) && strings.EqualFold(label[:len(acePrefix)], acePrefix) {
			return true
		}
	}
	return false
}

// mapName returns the name s mapped to lower case, normalized, with U-labels, and checked.
func mapName(s string) (string, error) {
	name, err := idnaMapping.ToUnicode(s)
	if err != nil {
		return "", newError(PartDomain, ReasonLabel, s, detail(err))
	}
	if len(name) > MaxPartLen { // before the labels, whose check is not linear
		return "", newError(PartDomain, ReasonTooLong, name, nil)
	}
	return name, checkLabels(name)
}

// checkLabels checks each label of a mapped name.
func checkLabels(name string) error {
	for label := range strings.SplitSeq(name, ".") {
		if err := checkLabel(label); err != nil {
			return newError(PartDomain, ReasonLabel, name, err)
		}
	}
	return nil
}

var (
	errLabelEmpty  = errors.New("empty label")
	errLabelLong   = errors.New("label of more than 63 octets")
	errLabelHyphen = errors.New("hyphen in the wrong place")
	errLabelIDNA   = errors.New("label not allowed by IDNA2008")
)

// checkLabel checks a mapped label: an ASCII label of letters, digits, hyphens and low lines, or a U-label.
func checkLabel(s string) error {
	ascii := s
	if !isASCII(s) {
		if err := checkULabel(s); err != nil {
			return err
		}
		var err error
		if ascii, err = idna.Punycode.ToASCII(s); err != nil {
			return errLabelIDNA
		}
	} else if strings.HasPrefix(s, acePrefix) {
		return errLabelIDNA // an A-label would not be here any more
	}
	switch {
	case s == "":
		return errLabelEmpty
	case len(ascii) > maxLabelLen:
		return errLabelLong
	case s[0] == '-' || s[len(s)-1] == '-':
		return errLabelHyphen
	}
	for i := range len(s) {
		if c := s[i]; c < utf8.RuneSelf && class[c]&inDomain == 0 {
			return runeError(c)
		}
	}
	return nil
}

// checkULabel checks what distinguishes a U-label: the code points of RFC 5892, and RFC 5891 section 4.2.3.1, no "--" in
// the third and fourth place.
func checkULabel(s string) error {
	if utf8.RuneCountInString(s) > maxLabelLen-len(acePrefix) { // each takes an octet at least; spares the rest its cost
		return errLabelLong
	}
	if p, err := identifierClass.String(s); err != nil || p != s || strings.Contains(s, "_") {
		return errLabelIDNA
	}
	if r := []rune(s); len(r) >= 4 && r[2] == '-' && r[3] == '-' {
		return errLabelHyphen
	}
	return nil
}

// appendIP appends an IPv6 address in brackets, in the form of RFC 5952, with its zone if it has one (RFC 6874).
func appendIP(dst []byte, s string) ([]byte, error) {
	text, zone, hasZone := s, "", false
	if strings.HasPrefix(s, "[") {
		if !strings.HasSuffix(s, "]") {
			return nil, newError(PartDomain, ReasonIP, s, nil)
		}
		text = s[1 : len(s)-1]
		if text, zone, hasZone = strings.Cut(text, zoneMark); !hasZone {
			text, zone, hasZone = strings.Cut(text, "%")
		}
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return nil, newError(PartDomain, ReasonIP, s, detail(err))
	}
	if !addr.Is6() || addr.Zone() != "" || hasZone && !isZone(zone) {
		return nil, newError(PartDomain, ReasonIP, s, nil)
	}
	start := len(dst)
	dst = addr.AppendTo(append(dst, '['))
	if hasZone {
		dst = append(append(dst, zoneMark...), zone...)
	}
	dst = append(dst, ']')
	return dst, checkLen(PartDomain, dst[start:])
}

// isZone reports whether s is a zone identifier of unreserved characters (RFC 6874 section 2).
func isZone(s string) bool {
	for i := range len(s) {
		if !isUnreserved(s[i]) {
			return false
		}
	}
	return s != ""
}

// settle applies prepare to s until nothing changes any more.
func settle(part Part, s string, prepare func(string) (string, error)) (string, error) {
	for range maxPasses {
		p, err := prepare(s)
		if err != nil {
			return "", err
		}
		if p == s {
			return s, nil
		}
		s = p
	}
	return "", newError(part, ReasonUnstable, s, nil)
}

// checkRaw checks a part before preparation. The bound keeps the cost of preparation small; no sensible text gets four
// times shorter.
func checkRaw(part Part, s string) error {
	if len(s) > maxRawPart {
		return newError(part, ReasonTooLong, s, nil)
	}
	if !utf8.ValidString(s) {
		return newError(part, ReasonEncoding, s, nil)
	}
	return nil
}

// checkLen checks a part after preparation.
func checkLen(part Part, b []byte) error {
	if len(b) == 0 {
		return newError(part, ReasonEmpty, "", nil)
	}
	if len(b) > MaxPartLen {
		return newError(part, ReasonTooLong, string(b), nil)
	}
	return nil
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
