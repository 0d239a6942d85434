package openpgp

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// backupAlphabet is what backup codes are made of: no O and no 0.
const backupAlphabet = "123456789ABCDEFGHIJKLMNPQRSTUVWXYZ"

// NewBackupCode returns a random code for [Backup]: "24 upper case characters
// from the Latin alphabet and numbers without 'O' and '0', grouped into
// 4-character chunks" (XEP-0373, section 5.4), which is 122 bits. It is shown to
// the user, who writes it down, and is kept nowhere else.
func NewBackupCode() string {
	code := make([]byte, 0, 29)
	for n := 0; n < 24; {
		var b [1]byte
		_, _ = rand.Read(b[:]) // never fails
		// Of the 256 values 238 are seven times the alphabet.
		if b[0] >= byte(7*len(backupAlphabet)) {
			continue
		}
		if n > 0 && n%4 == 0 {
			code = append(code, '-')
		}
		code = append(code, backupAlphabet[int(b[0])%len(backupAlphabet)])
		n++
	}
	return string(code)
}

// ParseBackupCode returns the code as [Backup] wants it from what somebody has
// typed: in lower case, with or without dashes and spaces. The error is an
// ErrPassphrase if it cannot be a code.
func ParseBackupCode(typed string) (string, error) {
	var b strings.Builder
	n := 0
	for _, c := range strings.ToUpper(typed) {
		switch {
		case c == '-' || c == ' ' || c == '\t' || c == '\n' || c == '\r':
			continue
		case !strings.ContainsRune(backupAlphabet, c):
			return "", fmt.Errorf("%w: %q cannot be in a backup code", ErrPassphrase, c)
		}
		if n > 0 && n%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteRune(c)
		n++
	}
	if n != 24 {
		return "", fmt.Errorf("%w: a backup code has 24 characters, not %d", ErrPassphrase, n)
	}
	return b.String(), nil
}

// Backup encrypts secret keys, which must be unlocked, with a backup code, dashes
// included (XEP-0373, section 5.4): an OpenPGP message with the keys in their
// transferable form, without passphrases of their own. The error is an ErrLocked,
// ErrNoKey if one is not secret, or ErrPassphrase if code is not a backup code.
func Backup(code string, keys ...*Key) ([]byte, error) {
	if canonical, err := ParseBackupCode(code); err != nil {
		return nil, err
	} else if canonical != code {
		return nil, fmt.Errorf("%w: not written as a backup code", ErrPassphrase)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no keys to back up", ErrNoKey)
	}
	var out bytes.Buffer
	w, err := pgp.SymmetricallyEncrypt(&out, []byte(code), nil, config(time.Now(), false))
	if err != nil {
		return nil, fmt.Errorf("openpgp: backup: %w", err)
	}
	for _, k := range keys {
		switch {
		case !k.IsSecret():
			return nil, fmt.Errorf("%w: %s is not a secret key", ErrNoKey, k)
		case k.IsLocked():
			return nil, fmt.Errorf("%w: %s", ErrLocked, k)
		}
		if _, err := w.Write(k.data); err != nil {
			return nil, fmt.Errorf("openpgp: backup: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("openpgp: backup: %w", err)
	}
	return out.Bytes(), nil
}

// Restore decrypts what [Backup] or another program made, and returns the secret
// keys in it. The error is an ErrPassphrase if the code is wrong.
func Restore(backup []byte, code string, l Limits) ([]*Key, error) {
	l = l.withDefaults()
	if len(backup) > l.MaxKeyData {
		return nil, fmt.Errorf("%w: a backup of more than %d bytes", ErrTooLarge, l.MaxKeyData)
	}
	if err := checkBackup(backup); err != nil {
		return nil, err
	}
	c := config(time.Now(), false)
	decompressed := int64(l.MaxKeyData) + 1<<10
	c.MaxDecompressedMessageSize = &decompressed
	tried := false
	md, err := pgp.ReadMessage(bytes.NewReader(backup), pgp.EntityList(nil), func([]pgp.Key, bool) ([]byte, error) {
		if tried {
			return nil, ErrPassphrase
		}
		tried = true
		return []byte(code), nil
	}, c)
	if err != nil {
		// With a wrong code one finds out now or later that nothing fits.
		return nil, fmt.Errorf("%w, or %w", ErrPassphrase, wrap(err, ErrMalformed))
	}
	data, err := io.ReadAll(io.LimitReader(md.UnverifiedBody, int64(l.MaxKeyData)+1))
	if err != nil {
		return nil, fmt.Errorf("%w, or %w", ErrPassphrase, wrap(err, ErrMalformed))
	}
	keys, err := ReadKeys(bytes.NewReader(data), l)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if !k.IsSecret() {
			return nil, fmt.Errorf("%w: a public key in the backup", ErrMalformed)
		}
	}
	return keys, nil
}

// checkBackup checks that a backup is encrypted with one passphrase, that the
// work to be done for it is bounded, and that it is encrypted at all. A passphrase
// by the rules of RFC 9580 could ask for terabytes of memory; XEP-0373 has those
// of RFC 4880.
func checkBackup(backup []byte) error {
	r := packet.NewOpaqueReader(bytes.NewReader(backup))
	p, err := r.Next()
	if err != nil || p.Tag != tagPassphrase || len(p.Contents) < 3 {
		return fmt.Errorf("%w: not encrypted with a passphrase", ErrMalformed)
	}
	if version, s2k := p.Contents[0], p.Contents[2]; version != 4 || s2k > 3 {
		return fmt.Errorf("%w: a passphrase of another kind than in RFC 4880", ErrMalformed)
	}
	if p, err = r.Next(); err != nil || p.Tag == tagPassphrase || p.Tag == tagEncryptedKey {
		return fmt.Errorf("%w: encrypted with more than a passphrase", ErrMalformed)
	}
	return nil
}
