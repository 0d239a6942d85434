package sasl

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxSalt bounds the salt, in bytes, that a server may send.
const maxSalt = 1024

// scramClient is the client side of RFC 5802.
type scramClient struct {
	cfg   ClientConfig
	mech  mechanism
	flag  byte
	cb    string // binding type, with flag 'p'
	data  []byte // binding data
	proof bool   // the server must send attribute "h" (XEP-0474 section 7, rule 6)

	step      int // messages handled
	nonce     string
	header    []byte // GS2 header
	firstBare string
	keys      ClientKeys
	signature []byte // the ServerSignature to come
	verified  bool
	err       error // what the server's "e=" said
}

func newSCRAMClient(m mechanism, cfg ClientConfig) (*scramClient, error) {
	c := &scramClient{cfg: cfg, mech: m, flag: 'n'}
	possible := BindingTypes(cfg.TLS, cfg.leaf())
	switch {
	case m.plus:
		c.flag, c.cb = 'p', cfg.binding()
		data, err := bindingData(c.cb, cfg.TLS, cfg.leaf())
		if err != nil {
			return nil, err
		}
		c.data = data
	case len(possible) == 0:
		// The client does not support channel binding.
	case cfg.Offered != nil && !offersPlus(cfg.Offered):
		// "The client does support channel binding but thinks the server does
		// not": the server can tell if its list was cut.
		c.flag = 'y'
	case cfg.binding() == "" && len(cfg.BindingTypes) > 0 && !slices.Contains(cfg.BindingTypes, TLSServerEndPoint):
		// Every server must announce tls-server-end-point (XEP-0440), so the list
		// may have been changed; only the server's hash of it can tell.
		c.proof = true
	}
	return c, nil
}

func (c *scramClient) Start() ([]byte, error) {
	if c.step != 0 {
		return nil, ErrUnexpected
	}
	c.step = 1
	user, err := Prepare(c.cfg.Username)
	if err != nil {
		return nil, err
	}
	if c.nonce == "" {
		if c.nonce, err = newNonce(c.cfg.Rand); err != nil {
			return nil, err
		}
	}
	if strings.ContainsRune(c.cfg.AuthzID, 0) {
		return nil, fmt.Errorf("%w: NUL in authorization identity", ErrBadString)
	}
	c.header = appendGS2(nil, c.flag, c.cb, c.cfg.AuthzID)
	c.firstBare = "n=" + escapeSASLName(user) + ",r=" + c.nonce
	return append(bytes.Clone(c.header), c.firstBare...), nil
}

func (c *scramClient) Next(challenge []byte) ([]byte, error) {
	if c.cfg.tooLong(challenge) {
		return nil, fmt.Errorf("%w: too long", ErrMalformed)
	}
	step := c.step
	c.step = -1 // an error ends the exchange
	switch step {
	case 1:
		response, err := c.final(challenge)
		if err != nil {
			return nil, err
		}
		c.step = 2
		return response, nil
	case 2:
		// Some servers send their signature as a challenge and success after it.
		if err := c.verify(challenge); err != nil {
			return nil, err
		}
		c.step = 3
		return []byte{}, nil
	}
	return nil, ErrUnexpected
}

func (c *scramClient) Finish(additional []byte) error {
	step := c.step
	c.step = -1
	if step == 2 && len(additional) > 0 {
		if c.cfg.tooLong(additional) {
			return fmt.Errorf("%w: too long", ErrMalformed)
		}
		if err := c.verify(additional); err != nil {
			return err
		}
	} else if step == 3 && len(additional) > 0 {
		return ErrUnexpected
	}
	if !c.verified {
		return ErrServerNotVerified
	}
	if c.cfg.SaveKeys != nil {
		c.cfg.SaveKeys(c.keys)
	}
	return nil
}

func (c *scramClient) cause() error { return c.err }

// serverFirst is the server-first-message.
type serverFirst struct {
	nonce      string
	salt       []byte
	iterations int
	ext        []attr
}

func parseServerFirst(msg []byte) (f serverFirst, err error) {
	attrs, err := parseAttrs(msg)
	if err != nil {
		return f, err
	}
	v, ext, err := expect(attrs, "rsi")
	if err != nil {
		return f, err
	}
	f.nonce, f.ext = string(v[0]), ext
	if !isPrintable(v[0]) {
		return f, errors.New("sasl: nonce is not printable")
	}
	if f.salt, err = unbase64(v[1]); err != nil || len(f.salt) == 0 || len(f.salt) > maxSalt {
		return f, errors.New("sasl: bad salt")
	}
	n, ok := parseIterations(v[2])
	if !ok {
		return f, errors.New("sasl: bad iteration count")
	}
	f.iterations = n
	return f, nil
}

// final answers the server-first-message with the client-final-message.
func (c *scramClient) final(challenge []byte) ([]byte, error) {
	if err := c.serverError(challenge); err != nil {
		return nil, err
	}
	f, err := parseServerFirst(challenge)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(f.nonce) <= len(c.nonce) || !strings.HasPrefix(f.nonce, c.nonce) {
		return nil, fmt.Errorf("%w: the nonce does not extend ours", ErrMalformed)
	}
	if err := c.checkExtensions(f.ext); err != nil {
		return nil, err
	}
	if err := c.deriveKeys(f); err != nil {
		return nil, err
	}
	h := c.mech.scram
	bound := base64.StdEncoding.EncodeToString(append(bytes.Clone(c.header), c.data...))
	withoutProof := "c=" + bound + ",r=" + f.nonce
	authMessage := c.firstBare + "," + string(challenge) + "," + withoutProof
	proof := xor(c.keys.ClientKey, mac(h, digest(h, c.keys.ClientKey), authMessage))
	c.signature = mac(h, c.keys.ServerKey, authMessage)
	return []byte(withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// checkExtensions verifies the attributes of XEP-0474 ("h") and XEP-0515 ("t")
// and ignores others, as RFC 5802 wants.
func (c *scramClient) checkExtensions(ext []attr) error {
	seen := false
	for i, a := range ext {
		if (a.name == 'h' || a.name == 't') && slices.ContainsFunc(ext[:i], func(b attr) bool { return a.name == b.name }) {
			return fmt.Errorf("%w: attribute %q is repeated", ErrMalformed, a.name)
		}
		switch {
		case a.name == 'h' && c.cfg.Offered != nil:
			if string(a.value) != offerHash(c.mech.scram, c.cfg.Offered, c.cfg.BindingTypes) {
				return fmt.Errorf("%w: the server announced other mechanisms or channel binding types than arrived", ErrDowngrade)
			}
			seen = true
		case a.name == 't' && c.cfg.TLS != nil:
			if string(a.value) != tlsVersion(c.cfg.TLS.Version) {
				return fmt.Errorf("%w: the server speaks another version of TLS", ErrDowngrade)
			}
		}
	}
	if c.proof && !seen {
		return fmt.Errorf("%w: no announced channel binding type is known, and the server does not confirm the list", ErrDowngrade)
	}
	return nil
}

// deriveKeys takes saved keys if they fit, and otherwise makes them.
func (c *scramClient) deriveKeys(f serverFirst) error {
	if err := c.cfg.CheckIterations(f.iterations); err != nil {
		return err
	}
	h := c.mech.scram
	for _, k := range c.cfg.Keys {
		if k.Hash == h && k.Iterations == f.iterations && bytes.Equal(k.Salt, f.salt) &&
			len(k.ClientKey) == h.Size() && len(k.ServerKey) == h.Size() {
			c.keys = k
			return nil
		}
	}
	if c.cfg.Password == "" {
		return ErrKeysMismatch
	}
	salted, err := SaltedPassword(h, c.cfg.Password, f.salt, f.iterations)
	if err != nil {
		return err
	}
	c.keys = ClientKeys{
		Hash: h, Salt: f.salt, Iterations: f.iterations,
		ClientKey: mac(h, salted, "Client Key"), ServerKey: mac(h, salted, "Server Key"),
	}
	return nil
}

// CheckIterations returns an error that wraps ErrIterations if a server asks for
// fewer or more iterations than MinIterations and MaxIterations allow.
func (cfg *ClientConfig) CheckIterations(n int) error {
	lo := orDefault(cfg.MinIterations, DefaultMinIterations)
	hi := orDefault(cfg.MaxIterations, DefaultMaxIterations)
	if n < lo || n > hi {
		return fmt.Errorf("%w: %d, not within %d to %d", ErrIterations, n, lo, hi)
	}
	return nil
}

// serverError looks for "e=", with which a server may end the exchange.
func (c *scramClient) serverError(msg []byte) error {
	value, ok := bytes.CutPrefix(msg, []byte("e="))
	if !ok {
		return nil
	}
	value, _, _ = bytes.Cut(value, []byte{','})
	e := SCRAMError(value)
	if len(value) == 0 || !isPrintable(value) {
		e = SCRAMOtherError
	}
	c.err = e
	return fail(e.condition(), e)
}

// verify checks the server-final-message.
func (c *scramClient) verify(msg []byte) error {
	if err := c.serverError(msg); err != nil {
		return err
	}
	attrs, err := parseAttrs(msg)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	v, _, err := expect(attrs, "v")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	sig, err := unbase64(v[0])
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if subtle.ConstantTimeCompare(sig, c.signature) != 1 {
		return ErrServerNotVerified
	}
	c.verified = true
	return nil
}
