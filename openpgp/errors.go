package openpgp

import (
	"errors"
	"fmt"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
)

// Errors of engines. They come wrapped, with more about what has happened.
var (
	// ErrNoKey: there is no key to do it with: none of ours that the message is
	// encrypted to, none to sign with, none of theirs to encrypt to.
	ErrNoKey = errors.New("openpgp: no key for this")
	// ErrLocked: the secret key that is needed is locked with a passphrase.
	ErrLocked = errors.New("openpgp: the key is locked")
	// ErrPassphrase: the passphrase or backup code is not the right one.
	ErrPassphrase = errors.New("openpgp: wrong passphrase")
	// ErrMalformed: the data is not what OpenPGP asks for, or was changed on the
	// way. What is wrong with an encrypted message is not told in more detail:
	// an answer to that would help whoever makes such messages.
	ErrMalformed = errors.New("openpgp: malformed or damaged")
	// ErrTooLarge: one of the [Limits] is exceeded.
	ErrTooLarge = errors.New("openpgp: too large")
	// ErrNotSigned: there is no signature, or none of a version that is known.
	ErrNotSigned = errors.New("openpgp: not signed")
	// ErrUnknownSigner: the signature is by another key than those that were
	// expected.
	ErrUnknownSigner = errors.New("openpgp: signed by an unknown key")
	// ErrBadSignature: the signature does not fit what is signed.
	ErrBadSignature = errors.New("openpgp: bad signature")
	// ErrKeyExpired: the key, or the signature itself, has expired, or is of a
	// time to come.
	ErrKeyExpired = errors.New("openpgp: expired")
	// ErrKeyRevoked: the key was revoked.
	ErrKeyRevoked = errors.New("openpgp: the key is revoked")
	// ErrWeak: a key or algorithm that is not safe any more; see Keyring.Weak.
	ErrWeak = errors.New("openpgp: the algorithm is too weak")
)

// known are the errors of the OpenPGP library that have a meaning of their own.
var known = []struct{ from, to error }{
	{pgperrors.ErrKeyExpired, ErrKeyExpired},
	{pgperrors.ErrSignatureExpired, ErrKeyExpired},
	{pgperrors.ErrKeyRevoked, ErrKeyRevoked},
	{pgperrors.ErrUnknownIssuer, ErrUnknownSigner},
	{pgperrors.ErrKeyIncorrect, ErrNoKey},
	{pgperrors.ErrMessageTooLarge, ErrTooLarge},
}

// wrap gives an error of the OpenPGP library its meaning; other is the one of
// those that have none of their own.
func wrap(err, other error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[pgperrors.ErrEncryptionKeySelection](err); ok {
		err = errors.Join(e.PrimaryKeyErr, e.EncSelectionErr)
	} else if e, ok := errors.AsType[*pgperrors.ErrEncryptionKeySelection](err); ok {
		err = errors.Join(e.PrimaryKeyErr, e.EncSelectionErr)
	}
	for _, k := range known {
		if errors.Is(err, k.from) {
			return k.to
		}
	}
	if _, ok := errors.AsType[pgperrors.WeakAlgorithmError](err); ok {
		other = ErrWeak
	}
	return fmt.Errorf("%w: %w", other, err)
}
