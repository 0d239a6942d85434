package openpgp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// DefaultSkew is the default of Keyring.Skew.
const DefaultSkew = 2 * time.Minute

// Keyring is an [Engine] that does its work in this process, with secret keys in
// memory. The zero Keyring has no keys of its own: it verifies, and encrypts
// without signing. The fields are set before it is used; then it is safe for
// concurrent use.
type Keyring struct {
	// Own are the own secret keys, unlocked. The first signs; all of them
	// decrypt, so that old ones can be kept for what was encrypted to them.
	Own []*Key
	// Limits bound what is read and written.
	Limits Limits
	// Skew is how far the clocks of others may be ahead of this one: signatures
	// and keys that are not older than that are good. Default 2 minutes,
	// negative for none.
	Skew time.Duration
	// Weak also takes what was usual around the year 2000 and is not safe any
	// more: DSA and ElGamal keys, RSA keys from 1024 bits, signatures with SHA-1,
	// keys that do not tell what they are for. Only for peers that have nothing
	// else.
	Weak bool
	// Unprotected also reads encrypted messages without integrity protection,
	// such as programs before the year 2000 sent. Whoever is on the way can
	// change them, and by watching what happens find out what is in them.
	Unprotected bool
	// Now is the clock, nil for [time.Now].
	Now func() time.Time
}

// now returns the time, or at if that is not zero.
func (k *Keyring) now(at time.Time) time.Time {
	switch {
	case !at.IsZero():
		return at
	case k.Now != nil:
		return k.Now()
	}
	return time.Now()
}

// later returns the last moment that counts as the moment at.
func (k *Keyring) later(at time.Time) time.Time {
	skew := k.Skew
	if skew == 0 {
		skew = DefaultSkew
	}
	return k.now(at).Add(max(skew, 0))
}

// Keys returns the public parts of the own keys.
func (k *Keyring) Keys() []*Key {
	keys := make([]*Key, 0, len(k.Own))
	for _, key := range k.Own {
		keys = append(keys, key.Public())
	}
	return keys
}

// signer returns the key that signs, to be given back.
func (k *Keyring) signer() (*pgp.Entity, error) {
	switch {
	case len(k.Own) == 0 || !k.Own[0].IsSecret():
		return nil, fmt.Errorf("%w: no secret key to sign with", ErrNoKey)
	case k.Own[0].IsLocked():
		return nil, ErrLocked
	}
	e, err := k.Own[0].take()
	if err != nil {
		return nil, err
	}
	now := k.now(time.Time{})
	if _, ok := e.SigningKey(now, config(now, k.Weak)); !ok {
		if _, err := e.VerifyPrimaryKey(now, config(now, k.Weak)); err != nil {
			return nil, wrap(err, ErrNoKey)
		}
		return nil, fmt.Errorf("%w: no part of the own key is for signatures", ErrNoKey)
	}
	return e, nil
}

// Sign makes a detached signature with the first of the own keys.
func (k *Keyring) Sign(_ context.Context, data []byte) ([]byte, error) {
	e, err := k.signer()
	if err != nil {
		return nil, err
	}
	defer k.Own[0].give(e)
	var out bytes.Buffer
	err = pgp.DetachSign(&out, []*pgp.Entity{e}, bytes.NewReader(data), config(k.now(time.Time{}), k.Weak))
	if err != nil {
		return nil, fmt.Errorf("openpgp: sign: %w", err)
	}
	return out.Bytes(), nil
}

// Seal signs with the first of the own keys, and encrypts.
func (k *Keyring) Seal(_ context.Context, plain []byte, to []*Key, sign bool) ([]byte, error) {
	l := k.Limits.withDefaults()
	switch {
	case len(plain) > l.MaxPlain:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, l.MaxPlain)
	case len(to) > l.MaxRecipients:
		return nil, fmt.Errorf("%w: more than %d recipients", ErrTooLarge, l.MaxRecipients)
	case len(to) == 0 && !sign:
		return nil, fmt.Errorf("%w: neither signed nor encrypted", ErrNoKey)
	}
	var signers []*pgp.Entity
	if sign {
		e, err := k.signer()
		if err != nil {
			return nil, err
		}
		defer k.Own[0].give(e)
		signers = []*pgp.Entity{e}
	}
	var out bytes.Buffer
	w, err := k.writer(&out, to, signers)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("openpgp: seal: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("openpgp: seal: %w", err)
	}
	return out.Bytes(), nil
}

func (k *Keyring) writer(out io.Writer, to []*Key, signers []*pgp.Entity) (io.WriteCloser, error) {
	c := config(k.now(time.Time{}), k.Weak)
	if len(to) == 0 {
		w, err := pgp.SignWithParams(out, signers, &pgp.SignParams{Config: c})
		return w, wrap(err, ErrNoKey)
	}
	// Each key once: the own account may be among the recipients.
	entities, seen := make([]*pgp.Entity, 0, len(to)), map[string]bool{}
	at := k.later(time.Time{})
	for _, key := range to {
		if seen[key.Fingerprint()] {
			continue
		}
		seen[key.Fingerprint()] = true
		e, err := parse(key.public)
		if err != nil {
			return nil, err
		}
		if _, err := e.EncryptionKeyWithError(at, config(at, k.Weak)); err != nil {
			return nil, fmt.Errorf("openpgp: encrypt to %s: %w", key, wrap(err, ErrNoKey))
		}
		entities = append(entities, e)
	}
	w, err := pgp.EncryptWithParams(out, entities, nil, &pgp.EncryptParams{Signers: signers, EncryptionTime: &at,
		Config: c})
	return w, wrap(err, ErrNoKey)
}

// Verify checks a detached signature. If there are several in signature, one that
// is good is enough.
func (k *Keyring) Verify(_ context.Context, data, signature []byte, from []*Key, at time.Time) (*Signature, error) {
	l := k.Limits.withDefaults()
	if len(signature) > l.MaxMessage || len(data) > l.MaxPlain {
		return nil, fmt.Errorf("%w: a signature", ErrTooLarge)
	}
	if err := checkSignatures(signature, l); err != nil {
		return nil, err
	}
	ring, err := ringOf(from, nil)
	if err != nil {
		return nil, err
	}
	c := k.readConfig(at)
	md, err := pgp.VerifyDetachedSignatureReader(ring, bytes.NewReader(data), bytes.NewReader(signature), c)
	switch {
	case errors.Is(err, pgperrors.ErrUnknownIssuer): // before anything was verified
		return nil, ErrNotSigned
	case err != nil:
		return nil, wrap(err, ErrMalformed)
	}
	if _, err := io.Copy(io.Discard, md.UnverifiedBody); err != nil {
		return nil, wrap(err, ErrMalformed)
	}
	return k.verdict(md, ring.signers, at)
}

// Open decrypts a message, if it is encrypted, and verifies it, if it is signed.
// That it is signed by several is taken as signed by the first whose signature is
// good.
func (k *Keyring) Open(_ context.Context, message []byte, from []*Key, at time.Time) (*Opened, error) {
	l := k.Limits.withDefaults()
	if len(message) > l.MaxMessage {
		return nil, fmt.Errorf("%w: a message of more than %d bytes", ErrTooLarge, l.MaxMessage)
	}
	if err := countPackets(message, l); err != nil {
		return nil, err
	}
	ring, err := ringOf(from, k.Own)
	if err != nil {
		return nil, err
	}
	defer ring.release()
	md, err := pgp.ReadMessage(bytes.NewReader(message), ring, nil, k.readConfig(at))
	if err != nil {
		err = wrap(err, ErrMalformed)
		if errors.Is(err, ErrNoKey) && slices.ContainsFunc(k.Own, (*Key).IsLocked) {
			err = fmt.Errorf("%w, unless it is one that is locked: %w", ErrNoKey, ErrLocked)
		}
		return nil, err
	}
	if len(md.SignatureCandidates) > l.MaxSignatures {
		return nil, fmt.Errorf("%w: more than %d signatures", ErrTooLarge, l.MaxSignatures)
	}
	plain, err := io.ReadAll(io.LimitReader(md.UnverifiedBody, int64(l.MaxPlain)+1))
	switch {
	case err != nil:
		return nil, wrap(err, ErrMalformed)
	case len(plain) > l.MaxPlain:
		return nil, fmt.Errorf("%w: more than %d bytes in the message", ErrTooLarge, l.MaxPlain)
	}
	o := &Opened{Plain: plain, Encrypted: md.IsEncrypted, Err: ErrNotSigned}
	if md.IsSigned {
		o.Signature, o.Err = k.verdict(md, ring.signers, at)
	}
	return o, nil
}

// readConfig returns the settings for reading what came at the moment at.
func (k *Keyring) readConfig(at time.Time) *packet.Config {
	c := config(k.later(at), k.Weak)
	c.InsecureAllowUnauthenticatedMessages = k.Unprotected
	// With room for the packets around what is in the message.
	decompressed := int64(k.Limits.withDefaults().MaxPlain) + 64<<10
	c.MaxDecompressedMessageSize = &decompressed
	return c
}

// ring is the keys for one task.
type ring struct {
	pgp.EntityList
	signers map[*pgp.Entity]*Key
	own     map[*pgp.Entity]*Key
}

// ringOf makes a key ring of the keys of signers and the own ones. Signers come
// first in it, for the library takes the first key with an ID to verify.
func ringOf(from, own []*Key) (*ring, error) {
	r := &ring{nil, make(map[*pgp.Entity]*Key, len(from)), make(map[*pgp.Entity]*Key, len(own))}
	for _, key := range from {
		e, err := parse(key.public)
		if err != nil {
			return nil, err
		}
		r.signers[e] = key.Public()
		r.EntityList = append(r.EntityList, e)
	}
	for _, key := range own {
		e, err := key.take()
		if err != nil {
			return nil, err
		}
		r.own[e] = key
		r.EntityList = append(r.EntityList, e)
	}
	return r, nil
}

// release gives the own keys back.
func (r *ring) release() {
	for e, key := range r.own {
		key.give(e)
	}
}

// Tags of packets (RFC 4880, section 4.3; RFC 9580, section 5.14).
const (
	tagEncryptedKey = 1
	tagSignature    = 2
	tagPassphrase   = 3
	tagMarker       = 10
	tagPadding      = 21
)

// countPackets checks how many recipients and signatures stand at the beginning
// of a message, before anything is done for them.
func countPackets(message []byte, l Limits) error {
	r := packet.NewOpaqueReader(bytes.NewReader(message))
	recipients, signatures := 0, 0
	for {
		p, err := r.Next()
		if err != nil {
			return nil // the end, or what the library will complain about
		}
		switch p.Tag {
		case tagEncryptedKey, tagPassphrase:
			recipients++
		case tagSignature:
			signatures++
		}
		switch {
		case recipients > l.MaxRecipients:
			return fmt.Errorf("%w: more than %d recipients", ErrTooLarge, l.MaxRecipients)
		case signatures > l.MaxSignatures:
			return fmt.Errorf("%w: more than %d signatures", ErrTooLarge, l.MaxSignatures)
		}
	}
}

// checkSignatures checks that what should be detached signatures is nothing else,
// and that there are not too many.
func checkSignatures(data []byte, l Limits) error {
	r := packet.NewOpaqueReader(bytes.NewReader(data))
	for signatures := 0; ; {
		p, err := r.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return wrap(err, ErrMalformed)
		case p.Tag == tagMarker || p.Tag == tagPadding:
			continue
		case p.Tag != tagSignature:
			return fmt.Errorf("%w: not a signature", ErrMalformed)
		}
		if signatures++; signatures > l.MaxSignatures {
			return fmt.Errorf("%w: more than %d signatures", ErrTooLarge, l.MaxSignatures)
		}
	}
}
