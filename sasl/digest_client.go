package sasl

import (
	"crypto/md5"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxStale bounds how often a server may call a nonce stale.
const maxStale = 2

// digestClient is the client side of RFC 2831 with quality of protection
// "auth": no security layer, TLS does that.
type digestClient struct {
	cfg ClientConfig

	state  digestState
	stale  int
	sums   digestSums
	cnonce string // fixed by tests
}

type digestState int

const (
	digestInitial  digestState = iota
	digestStarted              // waits for the digest-challenge
	digestAnswered             // waits for rspauth
	digestVerified             // rspauth was right
	digestOver
)

// Start implements Client. DIGEST-MD5 has no initial response in an initial
// authentication.
func (c *digestClient) Start() ([]byte, error) {
	if c.state != digestInitial {
		return nil, ErrUnexpected
	}
	c.state = digestStarted
	return nil, nil
}

func (c *digestClient) Next(challenge []byte) ([]byte, error) {
	state := c.state
	c.state = digestOver // an error ends the exchange
	if state != digestStarted && state != digestAnswered {
		return nil, ErrUnexpected
	}
	if len(challenge) > maxDigestChallenge {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, maxDigestChallenge)
	}
	d, err := parseDirectives(challenge)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if state == digestAnswered && len(d.all("rspauth")) > 0 {
		if err := c.verify(d); err != nil {
			return nil, err
		}
		c.state = digestVerified
		return []byte{}, nil
	}
	ch, err := parseDigestChallenge(d)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if state == digestAnswered {
		// Only a nonce that timed out is a reason to ask again.
		if c.stale++; !ch.stale || ch.nonce == c.sums.nonce || c.stale > maxStale {
			return nil, ErrUnexpected
		}
	}
	response, err := c.respond(ch)
	if err != nil {
		return nil, err
	}
	c.state = digestAnswered
	return response, nil
}

func (c *digestClient) Finish(additional []byte) error {
	state := c.state
	c.state = digestOver
	switch {
	case state == digestVerified && len(additional) == 0:
		return nil
	case state != digestAnswered || len(additional) == 0:
		return ErrServerNotVerified
	case len(additional) > maxDigestChallenge:
		return fmt.Errorf("%w: longer than %d bytes", ErrMalformed, maxDigestChallenge)
	}
	d, err := parseDirectives(additional)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return c.verify(d)
}

// verify checks the server's rspauth.
func (c *digestClient) verify(d directives) error {
	got, err := d.need("rspauth")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if subtle.ConstantTimeCompare([]byte(got), []byte(c.sums.server())) != 1 {
		return ErrServerNotVerified
	}
	return nil
}

// digestChallenge is what matters of a digest-challenge.
type digestChallenge struct {
	realms []string
	nonce  string
	utf8   bool
	stale  bool
}

func parseDigestChallenge(d directives) (ch digestChallenge, err error) {
	if ch.nonce, err = d.need("nonce"); err != nil {
		return ch, err
	}
	if ch.nonce == "" {
		return ch, errors.New("sasl: empty nonce")
	}
	alg, err := d.need("algorithm")
	if err != nil {
		return ch, err
	}
	qop, hasQOP, err1 := d.one("qop")
	charset, hasCharset, err2 := d.one("charset")
	stale, _, err3 := d.one("stale")
	_, _, err4 := d.one("maxbuf")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return ch, err
	}
	if !strings.EqualFold(alg, "md5-sess") {
		return ch, fmt.Errorf("sasl: unknown algorithm %q", alg)
	}
	if hasQOP && !slices.ContainsFunc(splitList(qop), func(q string) bool { return strings.EqualFold(q, "auth") }) {
		return ch, errors.New(`sasl: quality of protection "auth" is not offered`)
	}
	if hasCharset && !strings.EqualFold(charset, "utf-8") {
		return ch, fmt.Errorf("sasl: unknown charset %q", charset)
	}
	ch.realms, ch.utf8, ch.stale = d.all("realm"), hasCharset, strings.EqualFold(stale, "true")
	if ch.utf8 && slices.ContainsFunc(ch.realms, func(r string) bool { return !utf8.ValidString(r) }) {
		return ch, errors.New("sasl: realm is not UTF-8")
	}
	return ch, nil
}

// realm chooses one in UTF-8.
func (c *digestClient) realm(ch digestChallenge) (string, error) {
	offered := slices.Clone(ch.realms)
	if !ch.utf8 {
		for i, r := range offered {
			offered[i] = fromLatin1(r)
		}
	}
	if c.cfg.Realm != nil {
		return c.cfg.Realm(offered)
	}
	if len(offered) == 0 || slices.Contains(offered, c.cfg.Host) {
		return c.cfg.Host, nil
	}
	return offered[0], nil
}

// respond writes the digest-response.
func (c *digestClient) respond(ch digestChallenge) ([]byte, error) {
	realm, err := c.realm(ch)
	if err != nil {
		return nil, err
	}
	cnonce := c.cnonce
	if cnonce == "" {
		if cnonce, err = newNonce(c.cfg.Rand); err != nil {
			return nil, err
		}
	}
	user, ha1 := c.cfg.Username, DigestHA1(c.cfg.Username, realm, c.cfg.Password)
	if !ch.utf8 {
		// Without charset everything is ISO 8859-1 (RFC 2831 section 2.1.1).
		var ok1, ok2, ok3 bool
		var password string
		user, ok1 = toLatin1(user)
		realm, ok2 = toLatin1(realm)
		password, ok3 = toLatin1(c.cfg.Password)
		if !ok1 || !ok2 || !ok3 {
			return nil, fmt.Errorf("%w: the server understands ISO 8859-1 only", ErrBadString)
		}
		ha1 = md5.Sum([]byte(user + ":" + realm + ":" + password))
	}
	service := c.cfg.Service
	if service == "" {
		service = "xmpp"
	}
	c.sums = digestSums{
		ha1: ha1, nonce: ch.nonce, cnonce: cnonce, uri: service + "/" + c.cfg.Host,
		authzid: c.cfg.AuthzID, hasAuthzid: c.cfg.AuthzID != "",
	}
	return c.format(ch, user, realm)
}

func (c *digestClient) format(ch digestChallenge, user, realm string) ([]byte, error) {
	var b strings.Builder
	if ch.utf8 {
		b.WriteString("charset=utf-8,")
	}
	b.WriteString("username=" + quote(user))
	if realm != "" || len(ch.realms) > 0 {
		b.WriteString(",realm=" + quote(realm))
	}
	b.WriteString(",nonce=" + quote(ch.nonce) + ",nc=" + firstUse + ",cnonce=" + quote(c.sums.cnonce) +
		",digest-uri=" + quote(c.sums.uri) + ",response=" + c.sums.client() + ",qop=auth")
	if c.sums.hasAuthzid {
		b.WriteString(",authzid=" + quote(c.sums.authzid))
	}
	if b.Len() > maxDigestResponse {
		return nil, fmt.Errorf("%w: too long for DIGEST-MD5", ErrBadString)
	}
	for _, s := range []string{user, realm, c.sums.uri, c.sums.authzid} {
		if hasControl(s) {
			return nil, fmt.Errorf("%w: control character", ErrBadString)
		}
	}
	return []byte(b.String()), nil
}
