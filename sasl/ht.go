package sasl

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"hash"
	"unicode/utf8"
)

// Names of the hashed token mechanisms (draft-schmaus-kitten-sasl-ht-09). The last
// part is the channel binding: tls-exporter, tls-unique, tls-server-end-point, or
// none.
const (
	HTSHA512Expr = "HT-SHA-512-EXPR"
	HTSHA512Uniq = "HT-SHA-512-UNIQ"
	HTSHA512Endp = "HT-SHA-512-ENDP"
	HTSHA512None = "HT-SHA-512-NONE"
	HTSHA256Expr = "HT-SHA-256-EXPR"
	HTSHA256Uniq = "HT-SHA-256-UNIQ"
	HTSHA256Endp = "HT-SHA-256-ENDP"
	HTSHA256None = "HT-SHA-256-NONE"
)

// tokenMechanisms lists the hashed token mechanisms, strongest first: what binds
// closer to the channel before the longer hash. They stand apart from the others
// because they are not offered among them: what they take is no password, and is
// good for one of them alone.
func tokenMechanisms() []mechanism {
	ht := func(name string, h crypto.Hash, binding string) mechanism {
		return mechanism{name: name, ht: h, binding: binding, clear: true}
	}
	return []mechanism{
		ht(HTSHA512Expr, crypto.SHA512, TLSExporter),
		ht(HTSHA256Expr, crypto.SHA256, TLSExporter),
		ht(HTSHA512Uniq, crypto.SHA512, TLSUnique),
		ht(HTSHA256Uniq, crypto.SHA256, TLSUnique),
		ht(HTSHA512Endp, crypto.SHA512, TLSServerEndPoint),
		ht(HTSHA256Endp, crypto.SHA256, TLSServerEndPoint),
		ht(HTSHA512None, crypto.SHA512, ""),
		ht(HTSHA256None, crypto.SHA256, ""),
	}
}

// IsTokenMechanism reports whether a mechanism takes a hashed token.
func IsTokenMechanism(name string) bool {
	m, ok := lookup(name)
	return ok && m.ht != 0
}

// TokenMechanisms returns the hashed token mechanisms that are possible on a
// channel, strongest first. state and leaf are as for [BindingTypes]; a nil state
// is a channel that is confidential without TLS, and leaves those without channel
// binding.
func TokenMechanisms(state *tls.ConnectionState, leaf *x509.Certificate) []string {
	var names []string
	for _, m := range tokenMechanisms() {
		if _, err := tokenBinding(m, state, leaf); err == nil {
			names = append(names, m.name)
		}
	}
	return names
}

// tokenBinding returns the cb-data of a hashed token mechanism, and whether it can
// be used on the channel: that "MUST [have] had the session hash extension
// negotiated, or session resumption MUST NOT have been used" (section 6).
func tokenBinding(m mechanism, state *tls.ConnectionState, leaf *x509.Certificate) ([]byte, error) {
	if state != nil && state.DidResume && state.Version < tls.VersionTLS13 {
		if _, err := exporter(state); err != nil {
			return nil, errors.New("sasl: the TLS session was resumed without extended master secret")
		}
	}
	if m.binding == "" {
		return nil, nil
	}
	return bindingData(m.binding, state, leaf)
}

// hashedToken is initiator-hashed-token or responder-msg, by who.
func hashedToken(h crypto.Hash, token, who string, data []byte) []byte {
	m := hmac.New(func() hash.Hash { return h.New() }, []byte(token))
	m.Write([]byte(who))
	m.Write(data)
	return m.Sum(nil)
}

const (
	htInitiator = "Initiator"
	htResponder = "Responder"
)

// htClient is the client side of the hashed token mechanisms.
type htClient struct {
	cfg     ClientConfig
	mech    mechanism
	data    []byte // of the channel binding
	started bool
}

func newHTClient(m mechanism, cfg ClientConfig) (*htClient, error) {
	data, err := tokenBinding(m, cfg.TLS, cfg.leaf())
	return &htClient{cfg: cfg, mech: m, data: data}, err
}

func (c *htClient) Start() ([]byte, error) {
	if c.started {
		return nil, ErrUnexpected
	}
	c.started = true
	user, err := Prepare(c.cfg.Username)
	if err != nil {
		return nil, err
	}
	// There is no NUL in what is prepared.
	return append(append([]byte(user), 0), hashedToken(c.mech.ht, c.cfg.HashedToken, htInitiator, c.data)...), nil
}

func (c *htClient) Next([]byte) ([]byte, error) { return nil, ErrUnexpected }

// Finish verifies the server: "The initiating entity MUST verify the responder-msg
// to achieve mutual authentication."
func (c *htClient) Finish(additional []byte) error {
	if !c.started {
		return ErrUnexpected
	}
	if !hmac.Equal(additional, hashedToken(c.mech.ht, c.cfg.HashedToken, htResponder, c.data)) {
		return ErrServerNotVerified
	}
	return nil
}

// htServer is the server side of the hashed token mechanisms.
type htServer struct {
	serverBase
	mech     mechanism
	compared int // tokens, with what was sent
}

// parseHT splits authcid NUL initiator-hashed-token.
func parseHT(msg []byte) (user string, proof []byte, err error) {
	name, proof, ok := bytes.Cut(msg, []byte{0})
	switch {
	case !ok || len(proof) == 0:
		return "", nil, malformed("a hashed token needs a user name, NUL and a hash")
	case len(name) == 0 || len(name) > maxName || !utf8.Valid(name):
		return "", nil, malformed("unusable user name before a hashed token")
	}
	return string(name), proof, nil
}

// htCandidates is how many tokens are compared, whoever the user is: as many as a
// client may have ([HashedTokens]).
const htCandidates = 2

func (s *htServer) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if err := s.enter(response); err != nil {
		return nil, false, err
	}
	if s.step == 0 && response == nil {
		return s.challenge([]byte{})
	}
	name, proof, err := parseHT(response)
	if err != nil {
		return nil, false, err
	}
	data, err := tokenBinding(s.mech, s.cfg.TLS, s.cfg.Certificate)
	if err != nil {
		return nil, false, fail(TemporaryAuthFailure, err)
	}
	var answer []byte
	match := func(token string) bool {
		s.compared++
		if token == "" || !hmac.Equal(proof, hashedToken(s.mech.ht, token, htInitiator, data)) {
			return false
		}
		answer = hashedToken(s.mech.ht, token, htResponder, data)
		return true
	}
	user, err := s.prepareUser(name)
	if err != nil {
		err = ErrUnknownUser
	} else {
		err = s.cfg.Credentials.HashedToken(ctx, user, s.mech.name, match)
	}
	proven := answer // what follows is for the time that it takes: anybody can prove it
	for s.compared < htCandidates {
		match("nobody's")
	}
	switch {
	case err != nil:
		return nil, false, wireError(err)
	case proven == nil:
		return nil, false, fail(NotAuthorized, nil)
	}
	return s.success(ctx, user, "", proven)
}
