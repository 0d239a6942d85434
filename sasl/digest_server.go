package sasl

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// digestServer is the server side of RFC 2831 with quality of protection
// "auth". It does not remember nonces between exchanges, so a client that tries
// a subsequent authentication (section 2.2) is told that its nonce is stale.
type digestServer struct {
	serverBase
	nonce  string
	login  string // proven user, not yet authorized
	authz  string
	proven bool
}

func (s *digestServer) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if err := s.enter(response); err != nil {
		return nil, false, err
	}
	switch {
	case s.step == 0:
		return s.greet(response)
	case !s.proven:
		return s.check(ctx, response)
	case len(response) > 0:
		return nil, false, malformed("the answer to rspauth is not empty")
	}
	return s.success(ctx, s.login, s.authz, nil)
}

// greet sends the digest-challenge.
func (s *digestServer) greet(response []byte) ([]byte, bool, error) {
	if s.nonce == "" {
		var err error
		if s.nonce, err = newNonce(s.cfg.Rand); err != nil {
			return nil, false, fail(TemporaryAuthFailure, err)
		}
	}
	var b strings.Builder
	for _, r := range s.realms() {
		b.WriteString("realm=" + quote(r) + ",")
	}
	b.WriteString("nonce=" + quote(s.nonce) + `,qop="auth",algorithm=md5-sess,charset=utf-8`)
	if len(response) > 0 {
		b.WriteString(",stale=true")
	}
	return s.challenge([]byte(b.String()))
}

func (s *digestServer) realms() []string {
	if s.cfg.Realms == nil {
		return []string{s.cfg.Host}
	}
	return s.cfg.Realms
}

// digestResponse is what matters of a digest-response. Strings are UTF-8.
type digestResponse struct {
	user  string
	realm string
	proof string
	sums  digestSums
}

func parseDigestResponse(msg []byte) (r digestResponse, err error) {
	if len(msg) > maxDigestResponse {
		return r, errors.New("sasl: digest-response too long")
	}
	d, err := parseDirectives(msg)
	if err != nil {
		return r, err
	}
	var nc, qop, charset string
	var hasQOP, hasCharset bool
	errs := make([]error, 12)
	r.user, errs[0] = d.need("username")
	r.realm, _, errs[1] = d.one("realm") // missing counts as empty
	r.sums.nonce, errs[2] = d.need("nonce")
	r.sums.cnonce, errs[3] = d.need("cnonce")
	nc, errs[4] = d.need("nc")
	qop, hasQOP, errs[5] = d.one("qop")
	r.sums.uri, errs[6] = d.need("digest-uri")
	r.proof, errs[7] = d.need("response")
	charset, hasCharset, errs[8] = d.one("charset")
	r.sums.authzid, r.sums.hasAuthzid, errs[9] = d.one("authzid")
	_, _, errs[10] = d.one("maxbuf")
	_, _, errs[11] = d.one("cipher")
	if err := errors.Join(errs...); err != nil {
		return r, err
	}
	switch {
	case r.user == "", r.sums.cnonce == "", len(r.proof) != 32, nc != firstUse,
		hasQOP && !strings.EqualFold(qop, "auth"), hasCharset && !strings.EqualFold(charset, "utf-8"),
		!utf8.ValidString(r.sums.authzid):
		return r, errors.New("sasl: value not allowed in a digest-response")
	}
	if !hasCharset {
		r.user, r.realm = fromLatin1(r.user), fromLatin1(r.realm)
	} else if !utf8.ValidString(r.user) || !utf8.ValidString(r.realm) {
		return r, errors.New("sasl: digest-response is not UTF-8")
	}
	return r, nil
}

// check verifies the digest-response and answers with rspauth.
func (s *digestServer) check(ctx context.Context, msg []byte) ([]byte, bool, error) {
	r, err := parseDigestResponse(msg)
	if err != nil {
		return nil, false, fail(MalformedRequest, err)
	}
	switch {
	case r.sums.nonce != s.nonce:
		return nil, false, fail(NotAuthorized, errors.New("sasl: wrong nonce"))
	case !slices.Contains(s.realms(), r.realm):
		return nil, false, fail(NotAuthorized, errors.New("sasl: realm was not offered"))
	case !s.isOurs(r.sums.uri):
		return nil, false, fail(NotAuthorized, errors.New("sasl: digest-uri names another service"))
	}
	user, known, err := s.findHA1(ctx, &r)
	if err != nil {
		return nil, false, err
	}
	if subtle.ConstantTimeCompare([]byte(r.sums.client()), []byte(r.proof)) != 1 || !known {
		return nil, false, fail(NotAuthorized, nil)
	}
	s.login, s.authz, s.proven = user, r.sums.authzid, true
	return s.challenge([]byte("rspauth=" + r.sums.server()))
}

// findHA1 does the same work whether or not the user exists.
func (s *digestServer) findHA1(ctx context.Context, r *digestResponse) (user string, known bool, err error) {
	user, err = s.prepareUser(r.user)
	r.sums.ha1 = [16]byte(s.cfg.derive(16, "ha1", user, r.realm))
	if err != nil {
		return user, false, nil
	}
	ha1, err := s.cfg.Credentials.HA1(ctx, user, r.realm)
	switch {
	case err == nil:
		r.sums.ha1 = ha1
		return user, true, nil
	case isUnknown(err):
		return user, false, nil
	}
	return user, false, wireError(err)
}

// isOurs checks a digest-uri: serv-type "/" host [ "/" serv-name ], where
// serv-name, if there is one, is the name of the service, and host otherwise.
func (s *digestServer) isOurs(uri string) bool {
	service, host, _ := strings.Cut(uri, "/")
	if _, name, ok := strings.Cut(host, "/"); ok {
		host = name
	}
	accepted := s.cfg.Services
	if accepted == nil {
		accepted = []string{"xmpp"}
	}
	return strings.EqualFold(host, s.cfg.Host) &&
		slices.ContainsFunc(accepted, func(a string) bool { return strings.EqualFold(a, service) })
}
