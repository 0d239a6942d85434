package sasl

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxName bounds each of authorization identity, user name and password, in
// bytes. RFC 4616 section 2 wants at least 255; XMPP's names go to 1023 and its
// full addresses to 3071.
const maxName = 3071

// plainClient is the client side of RFC 4616.
type plainClient struct {
	cfg     ClientConfig
	started bool
}

func (c *plainClient) Start() ([]byte, error) {
	if c.started {
		return nil, ErrUnexpected
	}
	c.started = true
	parts := []string{c.cfg.AuthzID, c.cfg.Username, c.cfg.Password}
	for _, p := range parts {
		if strings.ContainsRune(p, 0) || !utf8.ValidString(p) || len(p) > maxName {
			return nil, fmt.Errorf("%w: PLAIN cannot carry it", ErrBadString)
		}
	}
	return []byte(strings.Join(parts, "\x00")), nil
}

func (c *plainClient) Next([]byte) ([]byte, error) { return nil, ErrUnexpected }

// Finish ignores additional data: the mechanism has none, and the server
// proves nothing.
func (c *plainClient) Finish([]byte) error {
	if !c.started {
		return ErrUnexpected
	}
	return nil
}

// parsePlain splits [authzid] NUL authcid NUL passwd.
func parsePlain(msg []byte) (authzid, user, password string, err error) {
	parts := bytes.Split(msg, []byte{0})
	if len(parts) != 3 || !utf8.Valid(msg) {
		return "", "", "", malformed("PLAIN needs three UTF-8 strings between two NULs")
	}
	for i, p := range parts {
		if len(p) > maxName || i > 0 && len(p) == 0 {
			return "", "", "", malformed("empty or too long string in PLAIN")
		}
	}
	return string(parts[0]), string(parts[1]), string(parts[2]), nil
}

// plainServer is the server side of RFC 4616.
type plainServer struct{ serverBase }

func (s *plainServer) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if err := s.enter(response); err != nil {
		return nil, false, err
	}
	if s.step == 0 && response == nil {
		return s.challenge([]byte{})
	}
	authzid, name, password, err := parsePlain(response)
	if err != nil {
		return nil, false, err
	}
	// "If preparation fails or results in an empty string, verification SHALL
	// fail" (RFC 4616 section 2): for every user alike.
	if password, err = Prepare(password); err != nil {
		return nil, false, fail(NotAuthorized, err)
	}
	user, ok, err := s.check(ctx, name, password)
	if err != nil {
		return nil, false, err
	}
	if !ok {
		return nil, false, fail(NotAuthorized, nil)
	}
	return s.success(ctx, user, authzid, nil)
}

// check compares the password with what is stored.
func (s *plainServer) check(ctx context.Context, name, password string) (user string, ok bool, err error) {
	verify := s.cfg.Credentials.Verify
	if verify == nil {
		return s.checkSCRAM(ctx, name, password)
	}
	if user, err = s.prepareUser(name); err != nil {
		return user, false, nil
	}
	if err := verify(ctx, user, password); err != nil {
		return user, false, wireError(err)
	}
	return user, true, nil
}

// checkSCRAM verifies a password against SCRAM keys: it asks for the keys of
// every hash and salts the password once, whether or not the user exists.
func (s *plainServer) checkSCRAM(ctx context.Context, name, password string) (user string, ok bool, err error) {
	var keys SCRAMKeys
	var known bool
	for i, h := range s.cfg.hashes() {
		u, k, found, err := s.findKeys(ctx, name, h)
		if err != nil {
			return "", false, err
		}
		if i == 0 || found && !known {
			user, keys, known = u, k, found
		}
	}
	hi := s.cfg.hi
	if hi == nil {
		hi = func(h crypto.Hash, password string, salt []byte, iterations int) ([]byte, error) {
			return saltPrepared(h, password, salt, iterations)
		}
	}
	salted, err := hi(keys.Hash, password, keys.Salt, keys.Iterations)
	if err != nil {
		return "", false, fail(TemporaryAuthFailure, err)
	}
	return user, keys.matches(salted) && known, nil
}
