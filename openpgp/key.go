package openpgp

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/etherx-go/xmpp/jid"
)

// Key is an OpenPGP key: a primary key with its subkeys and user IDs, public or
// secret. It is immutable and safe for concurrent use.
type Key struct {
	// data is the key in its transferable form. The library keeps notes in the
	// values that it makes of it, without locks: so each task has its own.
	data   []byte
	public []byte // the public part of data
	// pool has values of data that nobody uses: to make one of a secret key is
	// to check its numbers, which takes a while.
	pool        *sync.Pool
	fingerprint string
	created     time.Time
	secret      bool
	locked      bool
}

// ReadKeys reads public or secret keys from r, with or without ASCII armour,
// several of them in one block or in several. Of what is in them only what is
// needed is kept: signatures of other keys are dropped (XEP-0373, section 7.2).
// Keys of versions below 4 and other unknown ones are left out (section 6.1). The
// error is an ErrMalformed if nothing is left, or an ErrTooLarge.
func ReadKeys(r io.Reader, l Limits) ([]*Key, error) {
	l = l.withDefaults()
	data, err := io.ReadAll(io.LimitReader(r, int64(l.MaxKeyData)+1))
	if err != nil {
		return nil, fmt.Errorf("openpgp: keys: %w", err)
	}
	if len(data) > l.MaxKeyData {
		return nil, fmt.Errorf("%w: more than %d bytes of keys", ErrTooLarge, l.MaxKeyData)
	}
	if data, err = unarmorKeys(data); err != nil {
		return nil, err
	}
	entities, err := pgp.ReadKeyRing(bytes.NewReader(data))
	switch {
	case err != nil:
		return nil, wrap(err, ErrMalformed)
	case len(entities) == 0:
		return nil, fmt.Errorf("%w: no keys", ErrMalformed)
	case len(entities) > l.MaxKeys:
		return nil, fmt.Errorf("%w: more than %d keys", ErrTooLarge, l.MaxKeys)
	}
	var keys []*Key
	for _, e := range entities {
		k, err := newKey(e)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// unarmorKeys takes the armour off all blocks of keys in data, if there is any.
func unarmorKeys(data []byte) (out []byte, err error) {
	const begin = "-----BEGIN PGP "
	if !bytes.Contains(data, []byte(begin)) {
		return data, nil
	}
	for _, part := range strings.Split(string(data), begin)[1:] {
		block, err := armor.Decode(strings.NewReader(begin + part))
		if err != nil {
			return nil, fmt.Errorf("%w: armour: %w", ErrMalformed, err)
		}
		if block.Type != pgp.PublicKeyType && block.Type != pgp.PrivateKeyType {
			continue
		}
		b, err := io.ReadAll(block.Body)
		if err != nil {
			return nil, fmt.Errorf("%w: armour: %w", ErrMalformed, err)
		}
		out = append(out, b...)
	}
	return out, nil
}

// newKey makes a Key of what the library knows of it.
func newKey(e *pgp.Entity) (*Key, error) {
	k := &Key{
		fingerprint: fmt.Sprintf("%X", e.PrimaryKey.Fingerprint),
		created:     e.PrimaryKey.CreationTime,
		secret:      e.PrivateKey != nil,
	}
	for _, id := range e.Identities {
		id.OtherCertifications = nil
	}
	var buf bytes.Buffer
	if err := e.Serialize(&buf); err != nil {
		return nil, wrap(err, ErrMalformed)
	}
	k.public = buf.Bytes()
	k.data = k.public
	if k.secret {
		var buf bytes.Buffer
		if err := e.SerializePrivateWithoutSigning(&buf, nil); err != nil {
			return nil, wrap(err, ErrMalformed)
		}
		k.data, k.locked, k.pool = buf.Bytes(), isLocked(e), new(sync.Pool)
		k.give(e)
	}
	return k, nil
}

// isLocked reports whether one of the secret keys has a passphrase.
func isLocked(e *pgp.Entity) bool {
	locked := func(p *packet.PrivateKey) bool { return p != nil && p.Encrypted && !p.Dummy() }
	return locked(e.PrivateKey) || slices.ContainsFunc(e.Subkeys, func(s pgp.Subkey) bool { return locked(s.PrivateKey) })
}

// take returns a value of the key that the library can use, and nobody else has:
// until it is given back.
func (k *Key) take() (*pgp.Entity, error) {
	if k.pool != nil {
		if e, ok := k.pool.Get().(*pgp.Entity); ok {
			return e, nil
		}
	}
	return parse(k.data)
}

func (k *Key) give(e *pgp.Entity) {
	if k.pool != nil {
		k.pool.Put(e)
	}
}

// parse makes a value of a key in its transferable form.
func parse(data []byte) (*pgp.Entity, error) {
	e, err := pgp.ReadEntity(packet.NewReader(bytes.NewReader(data)))
	return e, wrap(err, ErrMalformed)
}

// Generate makes a secret key for the bare address of addr, with a user ID as in
// XEP-0373, section 8.5, "xmpp:juliet@example.org". It is good for lifetime, and
// forever if that is 0: an Ed25519 key for signatures, and one of Curve25519 for
// encryption, which GnuPG reads from version 2.1 on.
func Generate(addr jid.JID, lifetime time.Duration) (*Key, error) {
	return generate(addr, lifetime, time.Now())
}

func generate(addr jid.JID, lifetime time.Duration, now time.Time) (*Key, error) {
	if addr.IsZero() || lifetime < 0 || lifetime/time.Second > 1<<32-1 {
		return nil, errors.New("openpgp: a key needs an address, and a lifetime that it can have")
	}
	c := config(now, false)
	c.Algorithm = packet.PubKeyAlgoEdDSA
	c.KeyLifetimeSecs = uint32(lifetime / time.Second)
	e, err := pgp.NewEntity(userID(addr), "", "", c)
	if err != nil {
		return nil, fmt.Errorf("openpgp: new key: %w", err)
	}
	return newKey(e)
}

// userID returns the user ID for an address: the address as people write it, or
// as a URI where it has characters that user IDs may not have or that would be
// read as something else.
func userID(addr jid.JID) string {
	id := "xmpp:" + addr.Bare().String()
	if !strings.ContainsAny(id, "()<>%?#") {
		return id
	}
	return strings.NewReplacer("(", "%28", ")", "%29").Replace(jid.URI{JID: addr.Bare()}.String())
}

// Fingerprint returns the fingerprint of the primary key in upper-case
// hexadecimal digits: the "OpenPGP v4 fingerprint string" of XEP-0373.
func (k *Key) Fingerprint() string { return k.fingerprint }

// ID returns the key ID of the primary key, 16 upper-case hexadecimal digits. It
// is for people: others can make a key with the same.
func (k *Key) ID() string {
	if len(k.fingerprint) > 40 {
		return k.fingerprint[:16] // version 6: RFC 9580, section 5.5.4.3
	}
	return k.fingerprint[len(k.fingerprint)-16:]
}

// String returns the fingerprint.
func (k *Key) String() string { return k.fingerprint }

// Created returns when the primary key was made, as it says itself.
func (k *Key) Created() time.Time { return k.created }

// IsSecret reports whether the key has a secret part.
func (k *Key) IsSecret() bool { return k.secret }

// IsLocked reports whether the secret part is locked with a passphrase.
func (k *Key) IsLocked() bool { return k.locked }

// UserIDs returns the user IDs that the key has signed itself and not revoked,
// sorted. They are what its owner says.
func (k *Key) UserIDs() []string { return k.userIDs(time.Time{}) }

func (k *Key) userIDs(at time.Time) (ids []string) {
	e, err := parse(k.public)
	if err != nil {
		return nil
	}
	for _, id := range e.Identities {
		if _, err := id.Verify(at, config(at, true)); err == nil {
			ids = append(ids, id.Name)
		}
	}
	slices.Sort(ids)
	return ids
}

// HasAddress reports whether the key has, at the moment at (zero: at any), a user
// ID of the form "xmpp:juliet@example.org" that is the bare address of addr
// (XEP-0373, sections 3.2 and 7.3).
func (k *Key) HasAddress(addr jid.JID, at time.Time) bool {
	return !addr.IsZero() && slices.ContainsFunc(k.userIDs(at), func(id string) bool {
		const scheme = "xmpp:"
		if len(id) < len(scheme) || !strings.EqualFold(id[:len(scheme)], scheme) {
			return false
		}
		u, err := jid.ParseURI(id)
		return err == nil && u.Query == "" && u.JID.Bare() == addr.Bare()
	})
}

// Check reports whether the key can be encrypted to at the moment at, now if it
// is zero. The error is an ErrKeyExpired, ErrKeyRevoked, ErrWeak, or ErrNoKey if
// no part of it is for encryption.
func (k *Key) Check(at time.Time) error {
	e, err := parse(k.public)
	if err != nil {
		return err
	}
	if at.IsZero() {
		at = time.Now()
	}
	_, err = e.EncryptionKeyWithError(at, config(at, false))
	return wrap(err, ErrNoKey)
}

// Public returns the public part of the key, the key itself if it has no other.
func (k *Key) Public() *Key {
	if !k.secret {
		return k
	}
	public := *k
	public.data, public.secret, public.locked, public.pool = k.public, false, false, nil
	return &public
}

// Bytes returns the key in its transferable form (RFC 4880, section 11), with its
// secret part if it has one: use Public before giving it away.
func (k *Key) Bytes() []byte { return slices.Clone(k.data) }

// Armor returns what Bytes does as a block of text, with ASCII armour.
func (k *Key) Armor() string {
	kind := pgp.PublicKeyType
	if k.secret {
		kind = pgp.PrivateKeyType
	}
	var b strings.Builder
	w, err := armor.Encode(&b, kind, nil)
	if err == nil {
		_, err = w.Write(k.data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil { // a strings.Builder takes everything
		return ""
	}
	return b.String()
}

// Unlock returns the secret key without passphrase, itself if it has none. The
// error is an ErrPassphrase, or an ErrNoKey if the key is not a secret one.
func (k *Key) Unlock(passphrase []byte) (*Key, error) {
	if !k.secret {
		return nil, fmt.Errorf("%w: not a secret key", ErrNoKey)
	}
	if !k.locked {
		return k, nil
	}
	e, err := parse(k.data)
	if err != nil {
		return nil, err
	}
	if err := e.DecryptPrivateKeys(passphrase); err != nil {
		return nil, ErrPassphrase
	}
	return newKey(e)
}

// Lock returns the secret key locked with a passphrase, to keep it in a file. The
// error is an ErrNoKey if the key is not a secret one, an ErrLocked if it is
// locked already.
func (k *Key) Lock(passphrase []byte) (*Key, error) {
	switch {
	case !k.secret:
		return nil, fmt.Errorf("%w: not a secret key", ErrNoKey)
	case k.locked:
		return nil, ErrLocked
	case len(passphrase) == 0:
		return nil, fmt.Errorf("%w: it is empty", ErrPassphrase)
	}
	e, err := parse(k.data)
	if err != nil {
		return nil, err
	}
	if err := e.EncryptPrivateKeys(passphrase, config(time.Now(), false)); err != nil {
		return nil, fmt.Errorf("openpgp: lock: %w", err)
	}
	return newKey(e)
}

// config returns settings for the library that judge everything at the moment at.
func config(at time.Time, weak bool) *packet.Config {
	c := &packet.Config{
		Time:          func() time.Time { return at },
		DefaultCipher: packet.CipherAES256,
		DefaultHash:   crypto.SHA256,
	}
	if weak {
		c.MinRSABits = 1024
		c.RejectPublicKeyAlgorithms = map[packet.PublicKeyAlgorithm]bool{}
		c.RejectMessageHashAlgorithms = map[crypto.Hash]bool{crypto.MD5: true, crypto.RIPEMD160: true}
		c.InsecureAllowAllKeyFlagsWhenMissing = true
	}
	return c
}
