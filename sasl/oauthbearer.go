package sasl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kvsep separates the pairs of OAUTHBEARER (RFC 7628 section 3.1).
const kvsep = 0x01

// TokenError is the error of a bearer token as RFC 7628 section 3.2.2 sends it.
// Returned by Credentials.Token it goes to the client; on the client it comes
// from [FailureCause].
type TokenError struct {
	Status              string `json:"status"`                         // as of RFC 6750 section 3.1, for example "invalid_token"
	Scope               string `json:"scope,omitempty"`                // scope that a token would need
	OpenIDConfiguration string `json:"openid-configuration,omitempty"` // URL of the provider's metadata
}

// Error names status and scope.
func (e *TokenError) Error() string {
	s := "sasl: token refused: " + strconv.Quote(e.Status)
	if e.Scope != "" {
		s += ", needs scope " + strconv.Quote(e.Scope)
	}
	return s
}

// oauthClient is the client side of RFC 7628.
type oauthClient struct {
	cfg     ClientConfig
	started bool
	failed  bool
	err     *TokenError
}

func (c *oauthClient) Start() ([]byte, error) {
	if c.started {
		return nil, ErrUnexpected
	}
	c.started = true
	if !isBearerToken([]byte(c.cfg.Token)) {
		return nil, errors.New("sasl: the token has characters that no bearer token has")
	}
	if strings.ContainsRune(c.cfg.AuthzID, 0) || !utf8.ValidString(c.cfg.AuthzID) || !isKeyValue([]byte(c.cfg.Host)) {
		return nil, fmt.Errorf("%w: authorization identity or host", ErrBadString)
	}
	msg := append(appendGS2(nil, 'n', "", c.cfg.AuthzID), kvsep)
	if c.cfg.Host != "" {
		msg = fmt.Appendf(msg, "host=%s\x01", c.cfg.Host)
	}
	if c.cfg.Port != 0 {
		msg = fmt.Appendf(msg, "port=%d\x01", c.cfg.Port)
	}
	return fmt.Appendf(msg, "auth=Bearer %s\x01\x01", c.cfg.Token), nil
}

// Next takes the server's error, which the client must answer with a single
// separator before the server fails the exchange (RFC 7628 section 3.2.3).
func (c *oauthClient) Next(challenge []byte) ([]byte, error) {
	if !c.started || c.failed {
		return nil, ErrUnexpected
	}
	c.failed = true
	if c.cfg.tooLong(challenge) {
		return nil, fmt.Errorf("%w: too long", ErrMalformed)
	}
	var e TokenError
	if err := json.Unmarshal(challenge, &e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	c.err = &e
	return []byte{kvsep}, nil
}

func (c *oauthClient) Finish([]byte) error {
	if !c.started || c.failed {
		return ErrUnexpected
	}
	return nil
}

func (c *oauthClient) cause() error {
	if c.err == nil {
		return nil
	}
	return c.err
}

// oauthServer is the server side of RFC 7628.
type oauthServer struct {
	serverBase
	err *TokenError // sent, and to be confirmed by the client
}

func (s *oauthServer) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if err := s.enter(response); err != nil {
		return nil, false, err
	}
	if s.err != nil {
		return nil, false, fail(NotAuthorized, s.err)
	}
	if s.step == 0 && response == nil {
		return s.challenge([]byte{})
	}
	authzid, token, err := parseOAuth(response)
	if err != nil {
		return nil, false, fail(MalformedRequest, err)
	}
	user, err := s.cfg.Credentials.Token(ctx, authzid, token)
	if err == nil {
		return s.success(ctx, user, authzid, nil)
	}
	if !errors.As(err, &s.err) {
		if !isUnknown(err) {
			return nil, false, wireError(err)
		}
		s.err = &TokenError{Status: "invalid_token"}
	}
	out, err := json.Marshal(s.err)
	if err != nil {
		return nil, false, fail(NotAuthorized, err)
	}
	return s.challenge(out)
}

// parseOAuth reads client-resp = gs2-header kvsep *kvpair kvsep and returns the
// bearer token. Keys other than auth are checked for syntax only.
func parseOAuth(msg []byte) (authzid, token string, err error) {
	gs2, rest, err := parseGS2(msg)
	if err != nil {
		return "", "", err
	}
	if gs2.flag == 'p' {
		return "", "", errors.New("sasl: OAUTHBEARER has no channel binding")
	}
	if len(rest) < 3 || rest[0] != kvsep || !bytes.HasSuffix(rest, []byte{kvsep, kvsep}) {
		return "", "", errors.New("sasl: malformed key-value list")
	}
	seen := map[string]string{}
	for pair := range bytes.SplitSeq(rest[1:len(rest)-2], []byte{kvsep}) {
		key, value, ok := bytes.Cut(pair, []byte{'='})
		if _, dup := seen[string(key)]; !ok || dup || !isKey(key) || !isKeyValue(value) {
			return "", "", errors.New("sasl: malformed key-value pair")
		}
		seen[string(key)] = string(value)
	}
	scheme, token, ok := strings.Cut(seen["auth"], " ")
	token = strings.Trim(token, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || !isBearerToken([]byte(token)) {
		return "", "", errors.New("sasl: no bearer token")
	}
	return gs2.authzid, token, nil
}

// isKey checks key = 1*(ALPHA).
func isKey(b []byte) bool {
	for _, c := range b {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return len(b) > 0
}

// isKeyValue checks value = *(VCHAR / SP / HTAB / CR / LF).
func isKeyValue(b []byte) bool {
	for _, c := range b {
		if (c < ' ' || c > '~') && c != '\t' && c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

// isBearerToken checks b64token of RFC 6750 section 2.1.
func isBearerToken(b []byte) bool {
	b = bytes.TrimRight(b, "=")
	for _, c := range b {
		if !isAlphaNum(c) && !strings.ContainsRune("-._~+/", rune(c)) {
			return false
		}
	}
	return len(b) > 0
}
