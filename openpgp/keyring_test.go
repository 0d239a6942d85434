package openpgp_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/internal/opgptest"
)

var status = []byte("Online")

// Signatures that GnuPG has made.
func TestVerify(t *testing.T) {
	later := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name, file, from string
		data             string
		at               time.Time
		weak             bool
		want             error
	}{
		{name: "RSA", file: "romeo", from: "romeo"},
		{name: "RSA, signed as text", file: "romeo-text", from: "romeo"},
		{name: "Ed25519", file: "juliet", from: "juliet"},
		{name: "another text", file: "juliet", from: "juliet", data: "Offline", want: openpgp.ErrBadSignature},
		{name: "another case", file: "juliet", from: "juliet", data: "online", want: openpgp.ErrBadSignature},
		{name: "with white space", file: "juliet", from: "juliet", data: "Online ", want: openpgp.ErrBadSignature},
		{name: "of somebody else", file: "juliet", from: "romeo", want: openpgp.ErrUnknownSigner},
		{name: "from nobody", file: "juliet", want: openpgp.ErrUnknownSigner},
		{name: "a year later", file: "juliet", from: "juliet", at: opgptest.At.AddDate(1, 0, 0)},
		{name: "before it was made", file: "juliet", from: "juliet", at: opgptest.At.Add(-time.Hour),
			want: openpgp.ErrKeyExpired},
		{name: "within what clocks may differ", file: "juliet", from: "juliet", at: opgptest.At.Add(-90 * time.Second)},
		{name: "expired, when it was not", file: "tybalt", from: "tybalt", at: time.Date(2020, 1, 6, 0, 0, 0, 0, time.UTC)},
		{name: "expired", file: "tybalt", from: "tybalt", want: openpgp.ErrKeyExpired},
		{name: "revoked for no reason counts from the beginning", file: "paris", from: "paris", want: openpgp.ErrKeyRevoked},
		{name: "superseded", file: "benvolio", from: "benvolio", at: later, want: openpgp.ErrKeyRevoked},
		{name: "an old key", file: "nurse", from: "nurse", want: openpgp.ErrWeak},
		{name: "an old key, allowed", file: "nurse", from: "nurse", weak: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var from []*openpgp.Key
			if tt.from != "" {
				from = append(from, opgptest.Key(t, "mercutio"), opgptest.Key(t, tt.from))
			}
			data := status
			if tt.data != "" {
				data = []byte(tt.data)
			}
			ring := opgptest.Ring(t)
			ring.Weak = tt.weak
			sig, err := ring.Verify(t.Context(), data, opgptest.Data(t, tt.file+".sig.asc"), from, tt.at)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if tt.want != nil {
				return
			}
			made := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
			if tt.from == "tybalt" {
				made = time.Date(2020, 1, 5, 12, 0, 0, 0, time.UTC)
			}
			if sig.Key.Fingerprint() != from[1].Fingerprint() || sig.Key.IsSecret() || !sig.Time.Equal(made) {
				t.Errorf("signed by %v at %v", sig.Key, sig.Time)
			}
		})
	}
}

func TestVerifyMalformed(t *testing.T) {
	ring := opgptest.Ring(t, "juliet")
	from := []*openpgp.Key{opgptest.Key(t, "juliet")}
	sig := opgptest.Data(t, "juliet.sig.asc")
	for name, tt := range map[string]struct {
		sig  []byte
		want error
	}{
		"nothing":             {nil, openpgp.ErrNotSigned},
		"no OpenPGP":          {[]byte("Hello"), openpgp.ErrMalformed},
		"cut":                 {sig[:20], openpgp.ErrMalformed},
		"a message":           {opgptest.Data(t, "body.asc"), openpgp.ErrMalformed},
		"a key":               {opgptest.Key(t, "romeo").Public().Bytes(), openpgp.ErrMalformed},
		"a key in front":      {append(opgptest.Key(t, "romeo").Bytes(), sig...), openpgp.ErrMalformed},
		"too many":            {bytes.Repeat(sig, 17), openpgp.ErrTooLarge},
		"too large":           {make([]byte, 1<<20+1), openpgp.ErrTooLarge},
		"with a marker":       {append([]byte("\xca\x03PGP"), sig...), nil},
		"an unknown version":  {[]byte{0xc2, 2, 9, 0}, openpgp.ErrNotSigned},
		"a marker is no more": {[]byte("\xca\x03PGP"), openpgp.ErrNotSigned},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ring.Verify(t.Context(), status, tt.sig, from, time.Time{})
			if !errors.Is(err, tt.want) || (got == nil) != (tt.want != nil) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
	t.Run("every bit counts", func(t *testing.T) {
		for i := range sig {
			bad := slices.Clone(sig)
			bad[i] ^= 0x10
			if got, err := ring.Verify(t.Context(), status, bad, from, time.Time{}); err == nil && !isUnhashed(i, len(sig)) {
				t.Errorf("byte %d changed: signed by %v", i, got.Key)
			}
		}
	})
	t.Run("one of several", func(t *testing.T) {
		both := append(opgptest.Data(t, "romeo.sig.asc"), sig...)
		if got, err := ring.Verify(t.Context(), status, both, from, time.Time{}); err != nil || got.Key.Fingerprint() !=
			from[0].Fingerprint() {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

// isUnhashed reports whether a byte of a signature by GnuPG is in the part that
// only helps to find the key.
func isUnhashed(i, size int) bool { return i > 34 && i < size-66 }

// Messages that GnuPG has made.
func TestOpen(t *testing.T) {
	const text = "O Romeo, Romeo!"
	tests := []struct {
		name, file, own, from string
		set                   func(*openpgp.Keyring)
		err                   error  // of Open
		sig                   error  // of the signature
		by                    string // who has signed
	}{
		{name: "encrypted", file: "body", own: "juliet", sig: openpgp.ErrNotSigned},
		{name: "to somebody who is not told", file: "body-hidden", own: "juliet", sig: openpgp.ErrNotSigned},
		{name: "to somebody else", file: "body", own: "romeo", err: openpgp.ErrNoKey},
		{name: "hidden, to somebody else", file: "body-hidden", own: "romeo", err: openpgp.ErrNoKey},
		{name: "without keys", file: "body", err: openpgp.ErrNoKey},
		{name: "with a locked key", file: "body", own: "mercutio", err: openpgp.ErrLocked},
		{name: "with a passphrase", file: "backup.b64", own: "juliet", err: openpgp.ErrNoKey},
		{name: "signed", file: "body-signed", own: "juliet", from: "romeo", by: "romeo"},
		{name: "signed by somebody else", file: "body-signed", own: "juliet", from: "tybalt", sig: openpgp.ErrUnknownSigner},
		{name: "signed by nobody one knows", file: "body-signed", own: "juliet", sig: openpgp.ErrUnknownSigner},
		{name: "an old key", file: "body-nurse", own: "nurse", sig: openpgp.ErrNotSigned},
		{name: "a bomb", file: "bomb", own: "juliet", err: openpgp.ErrTooLarge},
		{name: "a little bomb", file: "body", own: "juliet", err: openpgp.ErrTooLarge,
			set: func(k *openpgp.Keyring) { k.Limits.MaxPlain = 14 }},
		{name: "just as large as may be", file: "body", own: "juliet", sig: openpgp.ErrNotSigned,
			set: func(k *openpgp.Keyring) { k.Limits.MaxPlain = 15 }},
		{name: "a large message", file: "body", own: "juliet", err: openpgp.ErrTooLarge,
			set: func(k *openpgp.Keyring) { k.Limits.MaxMessage = 100 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ring := opgptest.Ring(t)
			if tt.own != "" {
				ring = opgptest.Ring(t, tt.own)
			}
			if tt.set != nil {
				tt.set(ring)
			}
			var from []*openpgp.Key
			if tt.from != "" {
				from = []*openpgp.Key{opgptest.Key(t, tt.from)}
			}
			file := tt.file
			if !strings.Contains(file, ".") {
				file += ".asc"
			}
			o, err := ring.Open(t.Context(), opgptest.Data(t, file), from, time.Time{})
			if !errors.Is(err, tt.err) || (err != nil) != (tt.err != nil) {
				t.Fatalf("got %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			if string(o.Plain) != text || !o.Encrypted {
				t.Errorf("got %q, encrypted %t", o.Plain, o.Encrypted)
			}
			if !errors.Is(o.Err, tt.sig) || (o.Err != nil) != (tt.sig != nil) || (o.Signature != nil) != (tt.by != "") {
				t.Errorf("signature %v, %v, want %v", o.Signature, o.Err, tt.sig)
			}
			if tt.by != "" && o.Signature.Key.Fingerprint() != opgptest.Key(t, tt.by).Fingerprint() {
				t.Errorf("signed by %v", o.Signature.Key)
			}
		})
	}
}

// Whatever byte is changed of an encrypted message, nothing of it is shown.
func TestTampering(t *testing.T) {
	ring := opgptest.Ring(t, "juliet")
	from := []*openpgp.Key{opgptest.Key(t, "romeo")}
	message := opgptest.Data(t, "body-signed.asc")
	good := 0
	for i := range message {
		bad := slices.Clone(message)
		bad[i] ^= 1
		o, err := ring.Open(t.Context(), bad, from, time.Time{})
		if err != nil {
			continue
		}
		// What is not protected: the version of a packet's length, for example.
		if good++; string(o.Plain) != "O Romeo, Romeo!" || o.Signature == nil {
			t.Errorf("byte %d changed: %q, %v", i, o.Plain, o.Err)
		}
	}
	if good > len(message)/20 {
		t.Errorf("%d of %d changes were not found", good, len(message))
	}
	for i := range message {
		if _, err := ring.Open(t.Context(), message[:i], from, time.Time{}); err == nil {
			t.Errorf("cut at byte %d", i)
		}
	}
}

// What is written can be read, in every combination.
func TestSealOpen(t *testing.T) {
	juliet, romeo := opgptest.Key(t, "juliet"), opgptest.Key(t, "romeo")
	plain := []byte("Wherefore art thou Romeo?\r\nÄ\x00")
	for _, tt := range []struct {
		name string
		to   []*openpgp.Key
		sign bool
		own  string // who opens it
		err  error  // of Open
		sig  error
	}{
		{"signed", nil, true, "nobody", nil, nil},
		{"encrypted", []*openpgp.Key{romeo}, false, "romeo", nil, openpgp.ErrNotSigned},
		{"both", []*openpgp.Key{romeo}, true, "romeo", nil, nil},
		{"to two, and one twice", []*openpgp.Key{romeo, juliet, romeo.Public()}, true, "juliet", nil, nil},
		{"to an old one", []*openpgp.Key{opgptest.Key(t, "nurse")}, true, "nurse", nil, nil},
		{"to somebody else", []*openpgp.Key{juliet}, true, "romeo", openpgp.ErrNoKey, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sender := opgptest.Ring(t, "juliet")
			sender.Weak = true
			message, err := sender.Seal(t.Context(), plain, tt.to, tt.sign)
			if err != nil {
				t.Fatal(err)
			}
			if len(tt.to) > 0 && bytes.Contains(message, plain) {
				t.Error("the text is there to read")
			}
			ring := opgptest.Ring(t)
			if tt.own != "nobody" {
				ring = opgptest.Ring(t, "mercutio", tt.own)
			}
			ring.Weak = true
			o, err := ring.Open(t.Context(), message, []*openpgp.Key{juliet}, time.Time{})
			if !errors.Is(err, tt.err) {
				t.Fatalf("got %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			if !bytes.Equal(o.Plain, plain) || o.Encrypted != (len(tt.to) > 0) || !errors.Is(o.Err, tt.sig) ||
				(o.Err == nil) != tt.sign {
				t.Errorf("got %q, encrypted %t, %v", o.Plain, o.Encrypted, o.Err)
			}
			if tt.sign && o.Signature.Key.Fingerprint() != juliet.Fingerprint() {
				t.Errorf("signed by %v", o.Signature.Key)
			}
		})
	}
}

// A message that was signed and encrypted to one cannot be sent on to another as
// if it was meant for him, and one's own key is nobody else's signature.
func TestForwarding(t *testing.T) {
	juliet, romeo := opgptest.Key(t, "juliet"), opgptest.Key(t, "romeo")
	ring := opgptest.Ring(t, "juliet")
	message, err := ring.Seal(t.Context(), status, []*openpgp.Key{juliet}, true)
	if err != nil {
		t.Fatal(err)
	}
	o, err := ring.Open(t.Context(), message, []*openpgp.Key{romeo}, time.Time{})
	if err != nil || o.Signature != nil || !errors.Is(o.Err, openpgp.ErrUnknownSigner) {
		t.Errorf("an own signature as Romeo's: %+v, %v", o, err)
	}
	o, err = ring.Open(t.Context(), message, []*openpgp.Key{juliet}, time.Time{})
	if err != nil || o.Signature == nil {
		t.Errorf("an own signature as one's own: %+v, %v", o, err)
	}
}

func TestSealErrors(t *testing.T) {
	romeo := opgptest.Key(t, "romeo")
	many := make([]*openpgp.Key, 257)
	for i := range many {
		many[i] = romeo
	}
	for _, tt := range []struct {
		name string
		own  string
		to   []*openpgp.Key
		sign bool
		set  func(*openpgp.Keyring)
		want error
	}{
		{"neither", "juliet", nil, false, nil, openpgp.ErrNoKey},
		{"signed without a key", "", nil, true, nil, openpgp.ErrNoKey},
		{"signed with a public key", "paris", nil, true, nil, openpgp.ErrNoKey},
		{"signed with a locked key", "mercutio", nil, true, nil, openpgp.ErrLocked},
		{"signed with an expired key", "tybalt", nil, true, nil, openpgp.ErrKeyExpired},
		{"signed with a weak key", "nurse", nil, true, nil, openpgp.ErrNoKey},
		{"encrypted to an expired key", "juliet", []*openpgp.Key{opgptest.Key(t, "tybalt")}, true, nil,
			openpgp.ErrKeyExpired},
		{"encrypted to a revoked key", "juliet", []*openpgp.Key{romeo, opgptest.Key(t, "paris")}, true, nil,
			openpgp.ErrKeyRevoked},
		{"encrypted to a weak key", "juliet", []*openpgp.Key{opgptest.Key(t, "nurse")}, true, nil, openpgp.ErrWeak},
		{"too many recipients", "juliet", many, true, nil, openpgp.ErrTooLarge},
		{"too much text", "juliet", []*openpgp.Key{romeo}, true, func(k *openpgp.Keyring) { k.Limits.MaxPlain = 5 },
			openpgp.ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ring := opgptest.Ring(t)
			if tt.own != "" {
				ring = opgptest.Ring(t, tt.own)
			}
			if tt.set != nil {
				tt.set(ring)
			}
			if b, err := ring.Seal(t.Context(), status, tt.to, tt.sign); !errors.Is(err, tt.want) || b != nil {
				t.Errorf("got %d bytes, %v, want %v", len(b), err, tt.want)
			}
			if tt.sign && tt.to == nil {
				if b, err := ring.Sign(t.Context(), status); !errors.Is(err, tt.want) || b != nil {
					t.Errorf("Sign: got %d bytes, %v, want %v", len(b), err, tt.want)
				}
			}
		})
	}
}

func TestLimits(t *testing.T) {
	juliet, romeo := opgptest.Key(t, "juliet"), opgptest.Key(t, "romeo")
	ring := opgptest.Ring(t, "juliet")
	message, err := ring.Seal(t.Context(), status, []*openpgp.Key{juliet, romeo}, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		l    openpgp.Limits
		want error
	}{
		{"defaults", openpgp.Limits{}, nil},
		{"no bounds", openpgp.Limits{MaxMessage: -1, MaxPlain: -1, MaxRecipients: -1, MaxSignatures: -1}, nil},
		{"recipients", openpgp.Limits{MaxRecipients: 1}, openpgp.ErrTooLarge},
		{"bytes", openpgp.Limits{MaxMessage: 10}, openpgp.ErrTooLarge},
		{"text", openpgp.Limits{MaxPlain: 5}, openpgp.ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ring := opgptest.Ring(t, "juliet")
			ring.Limits = tt.l
			if _, err := ring.Open(t.Context(), message, []*openpgp.Key{juliet}, time.Time{}); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	t.Run("signatures inside", func(t *testing.T) {
		for n, want := range map[int]error{1: nil, 2: openpgp.ErrTooLarge} {
			ring := opgptest.Ring(t, "juliet")
			ring.Limits.MaxSignatures = 1
			message := sealedBy(t, n, juliet)
			if _, err := ring.Open(t.Context(), message, []*openpgp.Key{juliet}, time.Time{}); !errors.Is(err, want) {
				t.Errorf("%d: got %v, want %v", n, err, want)
			}
		}
	})
}

// A key ring is used by many at once.
func TestConcurrency(t *testing.T) {
	ring := opgptest.Ring(t, "juliet")
	juliet := opgptest.Key(t, "juliet")
	keys := []*openpgp.Key{juliet}
	var wg sync.WaitGroup
	errs := make(chan error, 64)
	for i := range 4 {
		wg.Go(func() {
			for range 3 {
				want := fmt.Sprint("message ", i)
				message, err := ring.Seal(t.Context(), []byte(want), keys, true)
				if err != nil {
					errs <- err
					continue
				}
				o, err := ring.Open(t.Context(), message, keys, time.Time{})
				if err != nil || string(o.Plain) != want || o.Signature == nil {
					errs <- fmt.Errorf("%+v, %w", o, err)
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

// Without a clock of its own a key ring has that of the machine.
func TestClock(t *testing.T) {
	key, err := openpgp.Generate(opgptest.Juliet, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ring := &openpgp.Keyring{Own: []*openpgp.Key{key}, Skew: -1}
	sig, err := ring.Sign(t.Context(), status)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ring.Verify(t.Context(), status, sig, ring.Keys(), time.Time{})
	if err != nil || time.Since(got.Time) > time.Minute {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := ring.Verify(t.Context(), status, sig, ring.Keys(), time.Now().Add(2*time.Hour)); !errors.Is(err,
		openpgp.ErrKeyExpired) {
		t.Errorf("two hours later: %v", err)
	}
}
