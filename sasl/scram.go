package sasl

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// DefaultIterations is the iteration count for new SCRAM keys. With it a login
// costs the client some milliseconds and the server, except for PLAIN, nothing.
const DefaultIterations = 10000

// saltSize is the length of salts made here, and of those shown for unknown
// users.
const saltSize = 16

// SCRAMKeys is what a server stores of a password for the SCRAM mechanisms of
// one hash (RFC 5802 section 3). The password cannot be read from it, but it
// can be guessed against it, and ServerKey lets its holder pose as the server.
type SCRAMKeys struct {
	Hash       crypto.Hash // SHA1, SHA256 or SHA512
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// ClientKeys is what a client can keep in place of a password (RFC 5802 section
// 5.1: "a client implementation MAY cache ClientKey&ServerKey"). It is good for
// one hash, salt and iteration count, and as secret as the password for logging
// in to the one server.
type ClientKeys struct {
	Hash       crypto.Hash
	Salt       []byte
	Iterations int
	ClientKey  []byte
	ServerKey  []byte
}

// SCRAMHash returns the hash of a SCRAM mechanism, with or without -PLUS; false
// for any other name.
func SCRAMHash(mechanism string) (crypto.Hash, bool) {
	m, ok := lookup(mechanism)
	return m.scram, ok && m.scram != 0
}

// NewSCRAMKeys makes keys from a password with a random salt. iterations 0 is
// DefaultIterations; RFC 7677 section 4 asks for at least 4096. The error wraps
// ErrBadString if SASLprep refuses the password.
func NewSCRAMKeys(h crypto.Hash, password string, iterations int) (SCRAMKeys, error) {
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	if iterations == 0 {
		iterations = DefaultIterations
	}
	salted, err := SaltedPassword(h, password, salt, iterations)
	if err != nil {
		return SCRAMKeys{}, err
	}
	return KeysFromSaltedPassword(h, salted, salt, iterations)
}

// SaltedPassword computes Hi(Normalize(password), salt, i) of RFC 5802 section
// 2.2, which a client also sends in an upgrade task of XEP-0480. The error
// wraps ErrBadString if SASLprep refuses the password.
func SaltedPassword(h crypto.Hash, password string, salt []byte, iterations int) ([]byte, error) {
	prepared, err := Prepare(password)
	if err != nil {
		return nil, err
	}
	return saltPrepared(h, prepared, salt, iterations)
}

func saltPrepared(h crypto.Hash, prepared string, salt []byte, iterations int) ([]byte, error) {
	if err := checkHash(h); err != nil {
		return nil, err
	}
	if len(salt) == 0 || iterations < 1 {
		return nil, errors.New("sasl: SCRAM needs a salt and a positive iteration count")
	}
	return pbkdf2.Key(h.New, prepared, salt, iterations, h.Size())
}

func checkHash(h crypto.Hash) error {
	if h != crypto.SHA1 && h != crypto.SHA256 && h != crypto.SHA512 {
		return fmt.Errorf("sasl: no SCRAM mechanism uses %v", h)
	}
	return nil
}

// KeysFromSaltedPassword makes the server's keys from a SaltedPassword, as a
// server does at the end of an upgrade task of XEP-0480.
func KeysFromSaltedPassword(h crypto.Hash, salted, salt []byte, iterations int) (SCRAMKeys, error) {
	if err := checkHash(h); err != nil {
		return SCRAMKeys{}, err
	}
	if len(salted) != h.Size() {
		return SCRAMKeys{}, fmt.Errorf("sasl: a salted password of %v has %d bytes, not %d", h, h.Size(), len(salted))
	}
	return SCRAMKeys{
		Hash: h, Salt: slices.Clone(salt), Iterations: iterations,
		StoredKey: digest(h, mac(h, salted, "Client Key")),
		ServerKey: mac(h, salted, "Server Key"),
	}, nil
}

// Verify reports whether password is the one that the keys were made from. It
// costs Iterations rounds.
func (k SCRAMKeys) Verify(password string) bool {
	salted, err := SaltedPassword(k.Hash, password, k.Salt, k.Iterations)
	return err == nil && k.matches(salted)
}

// matches compares in constant time.
func (k SCRAMKeys) matches(salted []byte) bool {
	return subtle.ConstantTimeCompare(digest(k.Hash, mac(k.Hash, salted, "Client Key")), k.StoredKey) == 1
}

// valid reports whether the keys can serve an exchange with hash h.
func (k SCRAMKeys) valid(h crypto.Hash) bool {
	return k.Hash == h && len(k.Salt) > 0 && k.Iterations > 0 &&
		len(k.StoredKey) == h.Size() && len(k.ServerKey) == h.Size()
}

// MarshalText writes the keys in the form of RFC 5803:
// SCRAM-SHA-1$iterations:salt$StoredKey:ServerKey.
func (k SCRAMKeys) MarshalText() ([]byte, error) {
	if checkHash(k.Hash) != nil || !k.valid(k.Hash) {
		return nil, errors.New("sasl: incomplete SCRAM keys")
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, "SCRAM-%v$%d:%s$%s:%s", k.Hash, k.Iterations, b64(k.Salt), b64(k.StoredKey), b64(k.ServerKey)), nil
}

// UnmarshalText reads the form of RFC 5803.
func (k *SCRAMKeys) UnmarshalText(text []byte) error {
	bad := errors.New("sasl: malformed SCRAM keys")
	parts := strings.Split(string(text), "$")
	if len(parts) != 3 {
		return bad
	}
	h, ok := SCRAMHash(parts[0])
	iter, salt, ok1 := strings.Cut(parts[1], ":")
	stored, server, ok2 := strings.Cut(parts[2], ":")
	n, ok3 := parseIterations([]byte(iter))
	if !ok || !ok1 || !ok2 || !ok3 || strings.HasSuffix(parts[0], "-PLUS") {
		return bad
	}
	out := SCRAMKeys{Hash: h, Iterations: n}
	var err1, err2, err3 error
	out.Salt, err1 = unbase64([]byte(salt))
	out.StoredKey, err2 = unbase64([]byte(stored))
	out.ServerKey, err3 = unbase64([]byte(server))
	if errors.Join(err1, err2, err3) != nil || !out.valid(h) {
		return bad
	}
	*k = out
	return nil
}

// SCRAMError is a server-error-value of RFC 5802 section 7. As a client's error
// it is what the server said; on the server it is the cause of a Failure, which
// does not go to the client ("to prevent information disclosure, the server may
// substitute the real reason").
type SCRAMError string

// The values of RFC 5802.
const (
	SCRAMInvalidEncoding          SCRAMError = "invalid-encoding"
	SCRAMExtensionsNotSupported   SCRAMError = "extensions-not-supported"
	SCRAMInvalidProof             SCRAMError = "invalid-proof"
	SCRAMBindingsDontMatch        SCRAMError = "channel-bindings-dont-match"
	SCRAMServerDoesSupportBinding SCRAMError = "server-does-support-channel-binding"
	SCRAMBindingNotSupported      SCRAMError = "channel-binding-not-supported"
	SCRAMUnsupportedBindingType   SCRAMError = "unsupported-channel-binding-type"
	SCRAMUnknownUser              SCRAMError = "unknown-user"
	SCRAMInvalidUsernameEncoding  SCRAMError = "invalid-username-encoding"
	SCRAMNoResources              SCRAMError = "no-resources"
	SCRAMOtherError               SCRAMError = "other-error"
)

// Error names the value.
func (e SCRAMError) Error() string { return "sasl: SCRAM " + string(e) }

// condition is the failure of RFC 6120 that comes nearest.
func (e SCRAMError) condition() Condition {
	switch e {
	case SCRAMInvalidEncoding, SCRAMExtensionsNotSupported, SCRAMInvalidUsernameEncoding:
		return MalformedRequest
	case SCRAMNoResources:
		return TemporaryAuthFailure
	}
	return NotAuthorized
}

// Arithmetic.

func mac(h crypto.Hash, key []byte, msg string) []byte {
	m := hmac.New(func() hash.Hash { return h.New() }, key)
	m.Write([]byte(msg))
	return m.Sum(nil)
}

func digest(h crypto.Hash, b []byte) []byte {
	d := h.New()
	d.Write(b)
	return d.Sum(nil)
}

func xor(a, b []byte) []byte {
	out := make([]byte, len(a))
	subtle.XORBytes(out, a, b)
	return out
}

// Syntax.

// strict is base64 that refuses set trailing bits; line breaks, which
// encoding/base64 would skip, are refused by unbase64.
var strict = base64.StdEncoding.Strict()

func unbase64(b []byte) ([]byte, error) {
	if bytes.ContainsAny(b, "\r\n") {
		return nil, errors.New("sasl: line break in base64")
	}
	return strict.AppendDecode(nil, b)
}

// attr is one attribute of a SCRAM message.
type attr struct {
	name  byte
	value []byte
}

// maxAttrs bounds the attributes of one message.
const maxAttrs = 32

// parseAttrs splits a message into attributes, each one letter, "=" and a
// value that is not empty.
func parseAttrs(msg []byte) ([]attr, error) {
	if !utf8.Valid(msg) || bytes.IndexByte(msg, 0) >= 0 {
		return nil, errors.New("sasl: message is not text")
	}
	if bytes.Count(msg, []byte{','}) >= maxAttrs {
		return nil, errors.New("sasl: too many attributes")
	}
	var attrs []attr
	for part := range bytes.SplitSeq(msg, []byte{','}) {
		if len(part) < 3 || part[1] != '=' || part[0]|0x20 < 'a' || part[0]|0x20 > 'z' {
			return nil, errors.New("sasl: malformed attribute")
		}
		attrs = append(attrs, attr{part[0], part[2:]})
	}
	return attrs, nil
}

// expect takes the attributes that a message must begin with, in order, and
// returns their values. A mandatory extension ("m=") is refused wherever it is.
func expect(attrs []attr, names string) (values [][]byte, rest []attr, err error) {
	if slices.ContainsFunc(attrs, func(a attr) bool { return a.name == 'm' }) {
		return nil, nil, SCRAMExtensionsNotSupported
	}
	if len(attrs) < len(names) {
		return nil, nil, errors.New("sasl: missing attribute")
	}
	for i := range len(names) {
		if attrs[i].name != names[i] {
			return nil, nil, fmt.Errorf("sasl: expected attribute %q", names[i])
		}
		values = append(values, attrs[i].value)
	}
	return values, attrs[len(names):], nil
}

// isPrintable checks a nonce: printable ASCII but for the comma.
func isPrintable(b []byte) bool {
	for _, c := range b {
		if c < 0x21 || c > 0x7e || c == ',' {
			return false
		}
	}
	return len(b) > 0
}

// parseIterations reads a positive number without leading zero.
func parseIterations(b []byte) (int, bool) {
	if len(b) == 0 || len(b) > 10 || b[0] < '1' || b[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(string(b), 10, 32)
	return int(n), err == nil
}

// Downgrade protection.

// offerHash is the value of the attribute "h" of XEP-0474 section 6.1.
func offerHash(h crypto.Hash, mechs, bindings []string) string {
	const between, section = "\x1e", "\x1f"
	s := strings.Join(slices.Sorted(slices.Values(mechs)), between)
	if len(bindings) > 0 {
		s += section + strings.Join(slices.Sorted(slices.Values(bindings)), between)
	}
	return base64.StdEncoding.EncodeToString(digest(h, []byte(s)))
}

// tlsVersion is the value of the attribute "t" of XEP-0515 section 4.1.
func tlsVersion(v uint16) string { return fmt.Sprintf("%04x", v) }
