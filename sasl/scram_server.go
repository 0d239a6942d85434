package sasl

import (
	"bytes"
	"context"
	"crypto"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strconv"
)

// scramServer is the server side of RFC 5802.
type scramServer struct {
	serverBase
	mech mechanism

	nonce   string // the server's part
	gs2     gs2Header
	data    []byte // binding data, with flag 'p'
	login   string // the prepared user name
	known   bool   // keys are those of an account
	keys    SCRAMKeys
	message string // client-first-message-bare "," server-first-message
	full    string // both nonces
}

func (s *scramServer) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if err := s.enter(response); err != nil {
		return nil, false, err
	}
	switch {
	case s.step == 0 && response == nil:
		return s.challenge([]byte{})
	case s.message == "":
		return s.first(ctx, response)
	}
	return s.final(ctx, response)
}

// first answers the client-first-message.
func (s *scramServer) first(ctx context.Context, msg []byte) ([]byte, bool, error) {
	gs2, bare, err := parseGS2(msg)
	if err != nil {
		return nil, false, fail(MalformedRequest, err)
	}
	attrs, err := parseAttrs(bare)
	if err != nil {
		return nil, false, fail(MalformedRequest, err)
	}
	v, _, err := expect(attrs, "nr")
	if err != nil {
		return nil, false, fail(MalformedRequest, err)
	}
	name, err := parseSASLName(v[0])
	if err != nil || !isPrintable(v[1]) {
		return nil, false, fail(MalformedRequest, SCRAMInvalidUsernameEncoding)
	}
	s.gs2 = gs2
	if err := s.checkBinding(); err != nil {
		return nil, false, err
	}
	if s.nonce == "" {
		if s.nonce, err = newNonce(s.cfg.Rand); err != nil {
			return nil, false, fail(TemporaryAuthFailure, err)
		}
	}
	if err := s.lookup(ctx, name); err != nil {
		return nil, false, err
	}
	s.full = string(v[1]) + s.nonce
	reply := "r=" + s.full + ",s=" + base64.StdEncoding.EncodeToString(s.keys.Salt) + ",i=" + strconv.Itoa(s.keys.Iterations)
	if !s.cfg.NoDowngradeProtection {
		reply += ",h=" + offerHash(s.mech.scram, s.cfg.Offered, s.cfg.BindingTypes)
		if s.cfg.TLS != nil {
			reply += ",t=" + tlsVersion(s.cfg.TLS.Version)
		}
	}
	s.message = string(bare) + "," + reply
	return s.challenge([]byte(reply))
}

// checkBinding applies RFC 5802 section 6.
func (s *scramServer) checkBinding() error {
	switch {
	case s.gs2.flag == 'p' && !s.mech.plus:
		return fail(NotAuthorized, SCRAMBindingNotSupported)
	case s.gs2.flag == 'y' && (s.mech.plus || offersPlus(s.cfg.Offered)):
		// "This is an indication that there has been a downgrade attack."
		return fail(NotAuthorized, SCRAMServerDoesSupportBinding)
	case s.gs2.flag != 'p' && s.mech.plus:
		return fail(MalformedRequest, SCRAMBindingsDontMatch)
	case s.gs2.flag != 'p':
		return nil
	}
	for _, t := range s.cfg.bindings() {
		if t == s.gs2.binding {
			var err error
			if s.data, err = bindingData(t, s.cfg.TLS, s.cfg.Certificate); err != nil {
				return fail(TemporaryAuthFailure, err)
			}
			return nil
		}
	}
	return &Failure{Condition: NotAuthorized, Text: "unsupported channel binding type", Err: SCRAMUnsupportedBindingType}
}

// lookup finds the user's keys, or makes some that nobody has the password of.
func (s *scramServer) lookup(ctx context.Context, name string) error {
	var err error
	s.login, s.keys, s.known, err = s.findKeys(ctx, name, s.mech.scram)
	return err
}

// findKeys does the same work whether or not the user exists. The error is a
// *Failure of the store itself.
func (b *serverBase) findKeys(ctx context.Context, name string, h crypto.Hash) (user string, keys SCRAMKeys, known bool, err error) {
	user, err = b.prepareUser(name)
	fake := b.cfg.fakeKeys(user, h)
	if err != nil {
		return user, fake, false, nil
	}
	keys, err = b.cfg.Credentials.SCRAM(ctx, user, h)
	switch {
	case err == nil && !keys.valid(h):
		return user, fake, false, fail(TemporaryAuthFailure, errors.New("sasl: store returned unusable SCRAM keys"))
	case err == nil:
		return user, keys, true, nil
	case isUnknown(err):
		return user, fake, false, nil
	}
	return user, fake, false, wireError(err)
}

// fakeKeys are the keys of an unknown user: always the same for one name, so
// that asking twice tells nothing.
func (cfg *ServerConfig) fakeKeys(user string, h crypto.Hash) SCRAMKeys {
	return SCRAMKeys{
		Hash:       h,
		Salt:       cfg.derive(saltSize, "salt", h.String(), user),
		Iterations: orDefault(cfg.Iterations, DefaultIterations),
		StoredKey:  cfg.derive(h.Size(), "stored", h.String(), user),
		ServerKey:  cfg.derive(h.Size(), "server", h.String(), user),
	}
}

// final checks the client-final-message and proves the server.
func (s *scramServer) final(ctx context.Context, msg []byte) ([]byte, bool, error) {
	at := bytes.LastIndex(msg, []byte(",p="))
	attrs, err := parseAttrs(msg)
	if err != nil || at < 0 {
		return nil, false, malformed("malformed client-final-message")
	}
	v, ext, err := expect(attrs, "cr")
	if err != nil {
		return nil, false, fail(MalformedRequest, err)
	}
	if len(ext) == 0 || ext[len(ext)-1].name != 'p' {
		return nil, false, malformed("the proof is not last")
	}
	bound, err1 := unbase64(v[0])
	proof, err2 := unbase64(ext[len(ext)-1].value)
	if err := errors.Join(err1, err2); err != nil {
		return nil, false, fail(MalformedRequest, err)
	}
	if string(v[1]) != s.full {
		return nil, false, fail(NotAuthorized, errors.New("sasl: wrong nonce"))
	}
	authMessage := s.message + "," + string(msg[:at])
	sameChannel := subtle.ConstantTimeCompare(bound, append(bytes.Clone(s.gs2.raw), s.data...)) == 1
	if !s.checkProof(proof, authMessage) {
		if !s.known {
			return nil, false, fail(NotAuthorized, SCRAMUnknownUser)
		}
		return nil, false, fail(NotAuthorized, SCRAMInvalidProof)
	}
	if !sameChannel {
		return nil, false, fail(NotAuthorized, SCRAMBindingsDontMatch)
	}
	sig := mac(s.mech.scram, s.keys.ServerKey, authMessage)
	return s.success(ctx, s.login, s.gs2.authzid, []byte("v="+base64.StdEncoding.EncodeToString(sig)))
}

// checkProof recovers the ClientKey from the proof and compares its hash with
// the StoredKey.
func (s *scramServer) checkProof(proof []byte, authMessage string) bool {
	h := s.mech.scram
	if len(proof) != h.Size() {
		return false
	}
	clientKey := xor(proof, mac(h, s.keys.StoredKey, authMessage))
	same := subtle.ConstantTimeCompare(digest(h, clientKey), s.keys.StoredKey) == 1
	return same && s.known
}
