package openpgp_test

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/internal/opgptest"
)

// entity is a key as the OpenPGP library has it, to make messages that no Keyring
// makes.
func entity(t *testing.T, k *openpgp.Key) *pgp.Entity {
	t.Helper()
	list, err := pgp.ReadKeyRing(bytes.NewReader(k.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

// sealedBy makes a message to a key that it has signed n times.
func sealedBy(t *testing.T, n int, k *openpgp.Key) []byte {
	t.Helper()
	e := entity(t, k)
	var signers []*pgp.Entity
	for range n {
		signers = append(signers, e)
	}
	c := &packet.Config{Time: func() time.Time { return opgptest.At }}
	var out bytes.Buffer
	w, err := pgp.Encrypt(&out, []*pgp.Entity{e}, nil, signers, nil, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(status); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Before 2000 messages were encrypted without integrity protection: they are read
// by option only.
func TestUnprotected(t *testing.T) {
	juliet := opgptest.Key(t, "juliet")
	e := entity(t, juliet)
	key, ok := e.EncryptionKey(opgptest.At, nil)
	if !ok {
		t.Fatal("no key")
	}
	session := sha256.Sum256([]byte("session"))
	var message bytes.Buffer
	if err := packet.SerializeEncryptedKey(&message, key.PublicKey, packet.CipherAES256, session[:], nil); err != nil {
		t.Fatal(err)
	}
	var literal bytes.Buffer
	w, err := packet.SerializeLiteral(nopCloser{&literal}, true, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(status); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(session[:])
	if err != nil {
		t.Fatal(err)
	}
	iv := make([]byte, block.BlockSize())
	if _, err := rand.Read(iv); err != nil {
		t.Fatal(err)
	}
	stream, prefix := packet.NewOCFBEncrypter(block, iv, packet.OCFBResync)
	body := append(prefix, make([]byte, literal.Len())...)
	stream.XORKeyStream(body[len(prefix):], literal.Bytes())
	message.Write([]byte{0xc0 | 9, byte(len(body))}) // Symmetrically Encrypted Data
	message.Write(body)

	ring := opgptest.Ring(t, "juliet")
	if o, err := ring.Open(t.Context(), message.Bytes(), nil, time.Time{}); !errors.Is(err, openpgp.ErrMalformed) {
		t.Errorf("without the option: %+v, %v", o, err)
	}
	ring.Unprotected = true
	o, err := ring.Open(t.Context(), message.Bytes(), nil, time.Time{})
	if err != nil || string(o.Plain) != string(status) || !o.Encrypted {
		t.Errorf("with the option: %+v, %v", o, err)
	}
}

type nopCloser struct{ *bytes.Buffer }

func (nopCloser) Close() error { return nil }

// A message to many who are not told costs a try each: their number is bounded
// before the first.
func TestManyRecipients(t *testing.T) {
	message := opgptest.Data(t, "body-hidden.asc")
	r := packet.NewOpaqueReader(bytes.NewReader(message))
	p, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	var session bytes.Buffer
	if err := p.Serialize(&session); err != nil {
		t.Fatal(err)
	}
	many := append(bytes.Repeat(session.Bytes(), 256), message...)
	ring := opgptest.Ring(t, "juliet")
	if _, err := ring.Open(t.Context(), many, nil, time.Time{}); !errors.Is(err, openpgp.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	few := append(bytes.Repeat(session.Bytes(), 3), message...)
	if o, err := ring.Open(t.Context(), few, nil, time.Time{}); err != nil || string(o.Plain) != "O Romeo, Romeo!" {
		t.Errorf("got %+v, %v", o, err)
	}
}

// A subkey for signatures may expire before the key does.
func TestSigningSubkey(t *testing.T) {
	c := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return opgptest.At }}
	e, err := pgp.NewEntity("xmpp:juliet@example.org", "", "", c)
	if err != nil {
		t.Fatal(err)
	}
	c.KeyLifetimeSecs = 24 * 60 * 60
	if err := e.AddSigningSubkey(c); err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := e.SerializePrivate(&buf, c); err != nil {
		t.Fatal(err)
	}
	keys, err := openpgp.ReadKeys(&buf, openpgp.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	ring := opgptest.Ring(t)
	ring.Own = keys
	sig, err := ring.Sign(t.Context(), status)
	if err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]error{time.Hour: nil, 25 * time.Hour: openpgp.ErrKeyExpired} {
		got, err := ring.Verify(t.Context(), status, sig, ring.Keys(), opgptest.At.Add(after))
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("after %v: %v, %v, want %v", after, got, err, want)
		}
	}
}

// Who extends the life of a key signs it anew: what it has signed before is as good
// as it was.
func TestRenewedKey(t *testing.T) {
	for _, tt := range []struct {
		name     string
		sealed   bool          // a message, not a detached signature
		lifetime time.Duration // of the renewed key
		after    time.Duration // when it is looked at
		data     string
		want     error
	}{
		{name: "renewed", lifetime: 48 * time.Hour, after: 26 * time.Hour},
		{name: "renewed, a message", sealed: true, lifetime: 48 * time.Hour, after: 26 * time.Hour},
		{name: "expired in spite of it", lifetime: 48 * time.Hour, after: 49 * time.Hour, want: openpgp.ErrKeyExpired},
		{name: "of something else", lifetime: 48 * time.Hour, after: 26 * time.Hour, data: "Offline",
			want: openpgp.ErrBadSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old, err := openpgp.GenerateAt(opgptest.Juliet, 24*time.Hour, opgptest.At)
			if err != nil {
				t.Fatal(err)
			}
			renewed := []*openpgp.Key{renew(t, old, tt.lifetime)}
			ring := opgptest.Ring(t, "romeo")
			hers := opgptest.Ring(t)
			hers.Own = []*openpgp.Key{old}
			data, at := status, opgptest.At.Add(tt.after)
			var got *openpgp.Signature
			if tt.sealed {
				m, sealErr := hers.Seal(t.Context(), data, ring.Keys(), true)
				if sealErr != nil {
					t.Fatal(sealErr)
				}
				o, openErr := ring.Open(t.Context(), m, renewed, at)
				if openErr != nil {
					t.Fatal(openErr)
				}
				got, err = o.Signature, o.Err
			} else {
				sig, signErr := hers.Sign(t.Context(), data)
				if signErr != nil {
					t.Fatal(signErr)
				}
				if tt.data != "" {
					data = []byte(tt.data)
				}
				got, err = ring.Verify(t.Context(), data, sig, renewed, at)
			}
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || (got == nil) != (err != nil) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

// reencrypt decrypts a message to one key and encrypts what is in it, signature
// and all, to another: what a recipient can do who wants to pretend that it was
// meant for somebody else.
func reencrypt(t *testing.T, message []byte, from, to *openpgp.Key) []byte {
	t.Helper()
	packets := packet.NewReader(bytes.NewReader(message))
	own, ok := entity(t, from).EncryptionKey(opgptest.At, nil)
	if !ok {
		t.Fatal("no key to decrypt with")
	}
	var session *packet.EncryptedKey
	for {
		p, err := packets.Next()
		if err != nil {
			t.Fatal(err)
		}
		switch p := p.(type) {
		case *packet.EncryptedKey:
			if p.KeyId == own.PublicKey.KeyId {
				session = p
			}
			continue
		case *packet.SymmetricallyEncrypted:
			if err := session.Decrypt(own.PrivateKey, nil); err != nil {
				t.Fatal(err)
			}
			inner, err := p.Decrypt(session.CipherFunc, session.Key)
			if err != nil {
				t.Fatal(err)
			}
			theirs, ok := entity(t, to).EncryptionKey(opgptest.At, nil)
			if !ok {
				t.Fatal("no key to encrypt to")
			}
			var out bytes.Buffer
			if err := packet.SerializeEncryptedKey(&out, theirs.PublicKey, session.CipherFunc, session.Key, nil); err != nil {
				t.Fatal(err)
			}
			w, err := packet.SerializeSymmetricallyEncrypted(&out, session.CipherFunc, false, packet.CipherSuite{},
				session.Key, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(w, inner); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			return out.Bytes()
		}
	}
}

// A message that was signed for one is not taken as signed by another who was sent
// it, also if the signer's key was renewed since.
func TestSurreptitiousForwarding(t *testing.T) {
	romeo, mercutio := opgptest.Key(t, "romeo"), opgptest.Key(t, "mercutio")
	open, err := mercutio.Unlock([]byte("balcony"))
	if err != nil {
		t.Fatal(err)
	}
	hers, err := openpgp.GenerateAt(opgptest.Juliet, 24*time.Hour, opgptest.At)
	if err != nil {
		t.Fatal(err)
	}
	sender, victim := opgptest.Ring(t), opgptest.Ring(t)
	sender.Own, victim.Own = []*openpgp.Key{hers}, []*openpgp.Key{open}
	message, err := sender.Seal(t.Context(), status, []*openpgp.Key{romeo}, true)
	if err != nil {
		t.Fatal(err)
	}
	forged := reencrypt(t, message, romeo, open)
	for name, from := range map[string]*openpgp.Key{"as it was": hers, "renewed": renew(t, hers, 48*time.Hour)} {
		at := opgptest.At.Add(2 * time.Hour)
		o, err := victim.Open(t.Context(), forged, []*openpgp.Key{from}, at)
		if err != nil || string(o.Plain) != string(status) || o.Signature != nil || !errors.Is(o.Err,
			openpgp.ErrBadSignature) {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
}

// renew signs a key anew, an hour after it was made, for another lifetime.
func renew(t *testing.T, k *openpgp.Key, lifetime time.Duration) *openpgp.Key {
	t.Helper()
	e := entity(t, k)
	c := &packet.Config{Time: func() time.Time { return opgptest.At.Add(time.Hour) }}
	seconds := uint32(lifetime / time.Second)
	for _, id := range e.Identities {
		for _, sig := range id.SelfCertifications {
			sig.Packet.KeyLifetimeSecs, sig.Packet.CreationTime = &seconds, c.Now()
		}
		if err := id.ReSign(c); err != nil {
			t.Fatal(err)
		}
	}
	var buf bytes.Buffer
	if err := e.Serialize(&buf); err != nil {
		t.Fatal(err)
	}
	keys, err := openpgp.ReadKeys(&buf, openpgp.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return keys[0]
}
