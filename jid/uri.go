package jid

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// URI is a link to an XMPP entity (RFC 5122), for example xmpp:romeo@montague.net?message;subject=Hello. Links are for
// use outside of XMPP, in web pages and documents; they never stand in an address of a stanza (RFC 6121 section 9).
type URI struct {
	// Authority is the account that the user should log in with; usually zero. It has a localpart and no resourcepart. "The
	// processing application SHOULD ignore the authority component if it has been configured with a set of default
	// credentials" (RFC 5122 section 2.8.1).
	Authority JID
	// JID is the entity that the link points to. It is zero only if the link has nothing but an authority.
	JID JID
	// Query is the query type, what to do with the entity: message, roster, remove, subscribe, unsubscribe (XEP-0147), join,
	// register, and others. A program that does not know it "MUST ignore the query component" (RFC 5122 section 2.5).
	Query string
	// Params are the keys and values of the query in their order; a key may be there several times.
	Params []Param
	// Fragment has no general meaning in XMPP.
	Fragment string
}

// Param is a key with its value in the query of a link.
type Param struct{ Key, Value string }

// Get returns the value of the first parameter with the key, and whether there is one.
func (u URI) Get(key string) (string, bool) {
	for _, p := range u.Params {
		if p.Key == key {
			return p.Value, true
		}
	}
	return "", false
}

var (
	errScheme    = errors.New("scheme is not xmpp, im, pres or jabber")
	errCharacter = errors.New("space or control character")
	errPercent   = errors.New("bad percent-encoding")
	errAuthority = errors.New("authority is not of the form node@host")
	errNoAddress = errors.New("no address")
)

// ParseURI reads a link. The error is an [*Error], about [PartURI] or about the part of the address that is not valid.
//
// Besides xmpp: URIs and IRIs it reads the im: and pres: links of RFC 3860 and RFC 3859, whose header fields it drops and
// whose mailbox it escapes as in XEP-0106 section 5.4, and the "jabber://" in front of an address of the Jabber
// Programmers Guide chapter 4, which has no authority. Schemes are not case-sensitive.
func ParseURI(s string) (URI, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		return URI{}, newError(PartURI, ReasonSyntax, s, errScheme)
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return URI{}, newError(PartURI, ReasonSyntax, s, errCharacter)
		}
	}
	var u URI
	rest, fragment, _ := strings.Cut(rest, "#")
	path, query, _ := strings.Cut(rest, "?")
	err := error(errScheme)
	switch strings.ToLower(scheme) {
	case "xmpp":
		if err = u.parseHier(path); err == nil {
			err = u.parseQuery(query)
		}
	case "jabber":
		if u.JID, err = parsePath(strings.TrimPrefix(path, "//")); err == nil {
			err = u.parseQuery(query)
		}
	case "im", "pres":
		u.JID, err = parseMailbox(path)
	}
	if err == nil {
		u.Fragment, err = unpercent(fragment)
	}
	if err != nil {
		if e, ok := err.(*Error); ok {
			return URI{}, e
		}
		return URI{}, newError(PartURI, ReasonSyntax, s, err)
	}
	return u, nil
}

// parseHier reads what is between the scheme and the query: ihierxmpp in RFC 5122 section 2.2.
func (u *URI) parseHier(path string) (err error) {
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		authority, rest, more := strings.Cut(rest, "/")
		if u.Authority, err = parsePath(authority); err != nil {
			return err
		}
		if u.Authority.local == 0 {
			return errAuthority
		}
		if !more || rest == "" {
			return nil
		}
		path = rest
	}
	u.JID, err = parsePath(path)
	return err
}

// parsePath reads an address whose parts are percent-encoded. They are told apart before they are decoded.
func parsePath(s string) (JID, error) {
	at, end := split(s)
	return parseParts(s, at, end, false)
}

// parseMailbox reads the address of an im: or pres: link. A mailbox may have a "/" in front of the "@", so the "@" counts
// first; RFC 3860 has no resource, but XMPP addresses with nothing but another scheme in front do exist.
func parseMailbox(s string) (JID, error) {
	at := strings.IndexByte(s, '@')
	_, end := split(s[at+1:])
	return parseParts(s, at, at+1+end, true)
}

// parseParts decodes the parts of s: "@" is at the index at, or -1, and the domainpart ends at end.
func parseParts(s string, at, end int, escape bool) (JID, error) {
	if s == "" {
		return JID{}, errNoAddress
	}
	var local, resource string
	var err error
	if at >= 0 {
		if local, err = unpercent(s[:at]); err != nil {
			return JID{}, err
		}
		if local == "" {
			return JID{}, newError(PartLocal, ReasonEmpty, "", nil)
		}
		if escape {
			local = EscapeLocal(local)
		}
	}
	domain := s[at+1 : end]
	if !strings.HasPrefix(domain, "[") { // in an IP literal %25 is meant literally
		if domain, err = unpercent(domain); err != nil {
			return JID{}, err
		}
	}
	if end < len(s) {
		if resource, err = unpercent(s[end+1:]); err != nil {
			return JID{}, err
		}
		if resource == "" {
			return JID{}, newError(PartResource, ReasonEmpty, "", nil)
		}
	}
	return New(local, domain, resource)
}

// parseQuery reads querytype *(";" key "=" value).
func (u *URI) parseQuery(s string) (err error) {
	action, pairs, _ := strings.Cut(s, ";")
	if u.Query, err = unpercent(action); err != nil {
		return err
	}
	for pair := range strings.SplitSeq(pairs, ";") {
		if pair == "" {
			continue
		}
		var p Param
		key, value, _ := strings.Cut(pair, "=")
		if p.Key, err = unpercent(key); err != nil {
			return err
		}
		if p.Value, err = unpercent(value); err != nil {
			return err
		}
		u.Params = append(u.Params, p)
	}
	return nil
}

// String returns the link as an xmpp: URI, in ASCII, whatever scheme it was read from. It is "" for a link without any
// address.
func (u URI) String() string {
	b, _ := u.AppendText(nil)
	return string(b)
}

// AppendText appends [URI.String] to b. It implements [encoding.TextAppender]; the error is always nil.
func (u URI) AppendText(b []byte) ([]byte, error) {
	if u.Authority.IsZero() && u.JID.IsZero() {
		return b, nil
	}
	b = append(b, "xmpp:"...)
	if a := u.Authority.Bare(); !a.IsZero() {
		b = appendPath(append(b, "//"...), a)
		if !u.JID.IsZero() {
			b = append(b, '/')
		}
	}
	b = appendPath(b, u.JID)
	if u.Query != "" || len(u.Params) > 0 {
		b = appendPercent(append(b, '?'), u.Query, "")
		for _, p := range u.Params {
			b = appendPercent(append(b, ';'), p.Key, "")
			b = appendPercent(append(b, '='), p.Value, "")
		}
	}
	if u.Fragment != "" {
		b = appendPercent(append(b, '#'), u.Fragment, "!$&'()*+,;=:@/?")
	}
	return b, nil
}

// MarshalText returns [URI.String]. It implements [encoding.TextMarshaler]; the error is always nil.
func (u URI) MarshalText() ([]byte, error) { return u.AppendText(nil) }

// UnmarshalText is [ParseURI]; empty text gives the zero URI. On error u is unchanged.
func (u *URI) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*u = URI{}
		return nil
	}
	p, err := ParseURI(string(text))
	if err == nil {
		*u = p
	}
	return err
}

// appendPath appends pathxmpp of RFC 5122 section 3.3.
func appendPath(b []byte, j JID) []byte {
	if l := j.Local(); l != "" {
		b = append(appendPercent(b, l, "!$()*+,;="), '@')
	}
	if d := j.Domain(); strings.HasPrefix(d, "[") {
		b = append(b, d...)
	} else {
		b = appendPercent(b, d, "")
	}
	if r := j.Resource(); r != "" {
		b = appendPercent(append(b, '/'), r, "!$&'()*+,:;=")
	}
	return b
}

// appendPercent appends s percent-encoded, but for the unreserved characters of RFC 3986 and those in allowed.
func appendPercent(b []byte, s, allowed string) []byte {
	const upper = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; isUnreserved(c) || strings.IndexByte(allowed, c) >= 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', upper[c>>4], upper[c&15])
		}
	}
	return b
}

// unpercent decodes percent-encoded UTF-8.
func unpercent(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 && utf8.ValidString(s) {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if len(s)-i < 3 {
				return "", errPercent
			}
			hi := strings.IndexByte(hexDigits, lower(s[i+1]))
			lo := strings.IndexByte(hexDigits, lower(s[i+2]))
			if hi < 0 || lo < 0 {
				return "", errPercent
			}
			c = byte(hi<<4 | lo)
			i += 2
		}
		b = append(b, c)
	}
	if !utf8.Valid(b) {
		return "", errPercent
	}
	return string(b), nil
}

// isUnreserved reports whether c is one of the unreserved characters of RFC 3986 section 2.3.
func isUnreserved(c byte) bool {
	return 'a' <= lower(c) && lower(c) <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
