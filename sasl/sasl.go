package sasl

import (
	"context"
	"crypto"
	"crypto/rand"
	_ "crypto/sha1"   // makes crypto.SHA1 available
	_ "crypto/sha256" // makes crypto.SHA256 available
	_ "crypto/sha512" // makes crypto.SHA512 available
	"encoding/base64"
	"io"
	"slices"
	"strings"
)

// Names of the mechanisms, as offered on the wire.
const (
	External        = "EXTERNAL"
	SCRAMSHA512Plus = "SCRAM-SHA-512-PLUS"
	SCRAMSHA256Plus = "SCRAM-SHA-256-PLUS"
	SCRAMSHA1Plus   = "SCRAM-SHA-1-PLUS"
	SCRAMSHA512     = "SCRAM-SHA-512"
	SCRAMSHA256     = "SCRAM-SHA-256"
	SCRAMSHA1       = "SCRAM-SHA-1"
	OAuthBearer     = "OAUTHBEARER"
	DigestMD5       = "DIGEST-MD5"
	Plain           = "PLAIN"
	Anonymous       = "ANONYMOUS"
)

// DefaultMaxMessage is the default bound, in bytes, on one message of the
// other side.
const DefaultMaxMessage = 16 << 10

// Client is the client side of one exchange. It is made by [Choose] or
// [NewClient], used once, and not safe for concurrent use.
//
// A nil message and an empty one differ: nil means that nothing is sent or was
// received, an empty non-nil slice is a message without content ("=" as an
// initial response in RFC 6120 section 6.4.2).
type Client interface {
	// Start returns the initial response; nil if the mechanism has none.
	Start() (initial []byte, err error)
	// Next answers a challenge. An error means that the exchange must be
	// aborted.
	Next(challenge []byte) (response []byte, err error)
	// Finish is called when the server reports success, with the additional
	// data it sent (nil if none). It returns nil only if the exchange was at
	// its end and, for SCRAM and DIGEST-MD5, the server has proven that it
	// knows the user's secret (errors.Is(err, ErrServerNotVerified) otherwise).
	Finish(additional []byte) error
}

// Server is the server side of one exchange. It is made by [NewServer], used
// once, and not safe for concurrent use.
type Server interface {
	// Next takes a message of the client, nil if it sent none yet, and returns
	// the next challenge, or with done the additional data that goes with the
	// success (nil if none). A nil challenge without done does not occur: an
	// empty challenge is empty and non-nil.
	//
	// The error is always a *Failure whose Condition and Text may go to the
	// client. After an error or done the exchange is over. ctx is passed on to
	// the functions of Credentials.
	Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error)
	// Username is the authentication identity, valid after done.
	Username() string
	// AuthzID is the authorization identity as the client asked for it, empty
	// if it did not; valid after done, and allowed by then.
	AuthzID() string
}

// mechanism is what the choice of a mechanism needs to know of it.
type mechanism struct {
	name  string
	scram crypto.Hash // 0 if not of the SCRAM family
	plus  bool        // with channel binding
	clear bool        // needs a confidential channel (or AllowPlaintext)

	ht      crypto.Hash // 0 if not of the HT family
	binding string      // of the HT family: channel binding type, "" for none
}

// mechanisms lists the known ones, strongest first: what never lets the server
// see a secret before what does, bound to the channel before unbound.
func mechanisms() []mechanism {
	return []mechanism{
		{name: External},
		{name: SCRAMSHA512Plus, scram: crypto.SHA512, plus: true},
		{name: SCRAMSHA256Plus, scram: crypto.SHA256, plus: true},
		{name: SCRAMSHA1Plus, scram: crypto.SHA1, plus: true},
		{name: SCRAMSHA512, scram: crypto.SHA512},
		{name: SCRAMSHA256, scram: crypto.SHA256},
		{name: SCRAMSHA1, scram: crypto.SHA1},
		{name: OAuthBearer, clear: true},
		{name: DigestMD5, clear: true},
		{name: Plain, clear: true},
		{name: Anonymous},
	}
}

func lookup(name string) (mechanism, bool) {
	all := append(mechanisms(), tokenMechanisms()...)
	i := slices.IndexFunc(all, func(m mechanism) bool { return m.name == name })
	if i < 0 {
		return mechanism{}, false
	}
	return all[i], true
}

// offersPlus reports whether a mechanism list shows that the server supports
// channel binding.
func offersPlus(names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, "-PLUS") })
}

// newNonce returns 192 random bits in base64, which is free of commas and
// quotes and so good for SCRAM and DIGEST-MD5.
func newNonce(r io.Reader) (string, error) {
	if r == nil {
		r = rand.Reader
	}
	var b [24]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b[:]), nil
}
