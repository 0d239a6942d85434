package sasl

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of RFC 2831: "The size of a digest-challenge MUST be less than 2048
// bytes" (section 2.1.1), of a digest-response less than 4096 (2.1.2).
const (
	maxDigestChallenge  = 2047
	maxDigestResponse   = 4095
	maxDigestDirectives = 64
)

// firstUse is the nonce count of an initial authentication.
const firstUse = "00000001"

// DigestHA1 makes what a server stores of a password for DIGEST-MD5 in one
// realm: H(username ":" realm ":" password) of RFC 2831 section 2.1.2.1, where
// user name and password are each put into ISO 8859-1 if all their characters
// are in it. It is equivalent to the password for logging in with DIGEST-MD5 in
// that realm, and quick to guess against: store it only for clients that know
// nothing better (RFC 6331).
func DigestHA1(username, realm, password string) [16]byte {
	return md5.Sum([]byte(latin1IfPossible(username) + ":" + realm + ":" + latin1IfPossible(password)))
}

// toLatin1 converts UTF-8 to ISO 8859-1.
func toLatin1(s string) (string, bool) {
	if !utf8.ValidString(s) {
		return "", false
	}
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return "", false
		}
		out = append(out, byte(r))
	}
	return string(out), true
}

func latin1IfPossible(s string) string {
	if l, ok := toLatin1(s); ok {
		return l
	}
	return s
}

// fromLatin1 converts ISO 8859-1 to UTF-8.
func fromLatin1(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// digestSums computes the response-value of the client and that of the server
// (RFC 2831 sections 2.1.2.1 and 2.1.3) for qop "auth", in lower-case hex.
type digestSums struct {
	ha1        [16]byte
	nonce      string
	cnonce     string
	uri        string
	authzid    string
	hasAuthzid bool
}

func (d *digestSums) client() string { return d.sum("AUTHENTICATE:") }
func (d *digestSums) server() string { return d.sum(":") }

func (d *digestSums) sum(method string) string {
	a1 := string(d.ha1[:]) + ":" + d.nonce + ":" + d.cnonce
	if d.hasAuthzid {
		a1 += ":" + d.authzid
	}
	return hexMD5(hexMD5(a1) + ":" + d.nonce + ":" + firstUse + ":" + d.cnonce + ":auth:" + hexMD5(method+d.uri))
}

func hexMD5(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// directives are the parsed elements of a challenge or response, names in lower
// case, values without quotes.
type directives []directive

type directive struct{ name, value string }

// all returns the values of a directive.
func (d directives) all(name string) (values []string) {
	for _, x := range d {
		if x.name == name {
			values = append(values, x.value)
		}
	}
	return values
}

// one returns the value of a directive that may appear at most once.
func (d directives) one(name string) (value string, ok bool, err error) {
	v := d.all(name)
	switch len(v) {
	case 0:
		return "", false, nil
	case 1:
		return v[0], true, nil
	}
	return "", false, fmt.Errorf("sasl: directive %s is repeated", name)
}

// need returns the value of a directive that must appear exactly once.
func (d directives) need(name string) (string, error) {
	v, ok, err := d.one(name)
	if err == nil && !ok {
		err = fmt.Errorf("sasl: directive %s is missing", name)
	}
	return v, err
}

// parseDirectives reads 1#( token "=" ( token | quoted-string ) ), the list of
// RFC 2831 section 7.1: commas, linear white space anywhere between words, and
// empty elements.
func parseDirectives(msg []byte) (directives, error) {
	p := digestParser{s: string(msg)}
	var out directives
	for {
		for p.space(); p.accept(','); p.space() {
		}
		if p.end() {
			break
		}
		d, err := p.directive()
		if err != nil {
			return nil, err
		}
		if out = append(out, d); len(out) > maxDigestDirectives {
			return nil, errors.New("sasl: too many directives")
		}
		if p.space(); !p.end() && !p.accept(',') {
			return nil, errors.New("sasl: no comma after directive")
		}
	}
	if len(out) == 0 {
		return nil, errors.New("sasl: no directives")
	}
	return out, nil
}

type digestParser struct {
	s string
	i int
}

func (p *digestParser) end() bool { return p.i >= len(p.s) }

func (p *digestParser) accept(c byte) bool {
	if p.end() || p.s[p.i] != c {
		return false
	}
	p.i++
	return true
}

func (p *digestParser) space() {
	for !p.end() && strings.IndexByte(" \t\r\n", p.s[p.i]) >= 0 {
		p.i++
	}
}

func (p *digestParser) directive() (d directive, err error) {
	d.name = strings.ToLower(p.token())
	p.space()
	if d.name == "" || !p.accept('=') {
		return d, errors.New("sasl: malformed directive")
	}
	p.space()
	if p.accept('"') {
		d.value, err = p.quoted()
		return d, err
	}
	if d.value = p.token(); d.value == "" {
		return d, errors.New("sasl: directive without value")
	}
	return d, nil
}

// token reads the longest run of token characters.
func (p *digestParser) token() string {
	start := p.i
	for !p.end() && isTokenChar(p.s[p.i]) {
		p.i++
	}
	return p.s[start:p.i]
}

func isTokenChar(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`()<>@,;:\"/[]?={}`, c) < 0
}

// quoted reads the rest of a quoted-string and undoes its escapes.
func (p *digestParser) quoted() (string, error) {
	var b strings.Builder
	for !p.end() {
		c := p.s[p.i]
		p.i++
		if c == '"' {
			return b.String(), nil
		}
		if c == '\\' {
			if p.end() {
				break
			}
			c = p.s[p.i]
			p.i++
		}
		if c < ' ' && c != '\t' || c == 0x7f {
			return "", errors.New("sasl: control character in quoted string")
		}
		b.WriteByte(c)
	}
	return "", errors.New("sasl: quoted string does not end")
}

// quote makes a quoted-string.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// hasControl reports whether s cannot be put into a quoted-string.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// splitList splits the value of qop or cipher at commas.
func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
}
