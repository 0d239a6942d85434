package openpgp

import (
	"context"
	"time"
)

// Engine does the cryptography with the own secret keys. [Keyring] does it in
// Go; an Engine of the program's own may leave it to gpg-agent, a smart card, or
// another process. Methods must be safe for concurrent use.
//
// Messages and signatures are binary: no ASCII armour.
type Engine interface {
	// Keys returns the own public keys: what others encrypt to, and the first of
	// them what is signed with.
	Keys() []*Key
	// Sign returns a detached signature of data.
	Sign(ctx context.Context, data []byte) ([]byte, error)
	// Verify checks a detached signature of data. Only the keys in from count
	// as signers, and they are judged at the moment at, now if it is zero. The
	// error is one of ErrNotSigned, ErrUnknownSigner, ErrBadSignature,
	// ErrKeyExpired, ErrKeyRevoked, ErrWeak, ErrTooLarge, wrapped.
	Verify(ctx context.Context, data, signature []byte, from []*Key, at time.Time) (*Signature, error)
	// Seal makes an OpenPGP message of plain: signed if sign is true, and
	// encrypted to the keys in to, unless there are none. One of both must be.
	Seal(ctx context.Context, plain []byte, to []*Key, sign bool) ([]byte, error)
	// Open reads an OpenPGP message, which may be encrypted to one of the own
	// keys. from and at are as for Verify. That a signature is not good is no
	// error of Open, but in the result.
	Open(ctx context.Context, message []byte, from []*Key, at time.Time) (*Opened, error)
}

// Signature is a signature that was verified.
type Signature struct {
	// Key is the key that has signed.
	Key *Key
	// Time is when it was made, as the signer says.
	Time time.Time
}

// Opened is what was in an OpenPGP message.
type Opened struct {
	Plain []byte
	// Encrypted says that the message was encrypted to one of the own keys.
	Encrypted bool
	// Signature is the signature; nil if there is none that is good.
	Signature *Signature
	// Err says why Signature is nil: ErrNotSigned or one of the other errors of
	// Engine.Verify.
	Err error
}
