package openpgp_test

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/internal/opgptest"
)

// The code of XEP-0373, section 5.4.
const code = "TWNK-KD5Y-MT3T-E1GS-DRDB-KVTW"

func TestBackupCode(t *testing.T) {
	form := regexp.MustCompile(`^([1-9A-NP-Z]{4}-){5}[1-9A-NP-Z]{4}$`)
	seen := map[string]bool{}
	for range 100 {
		c := openpgp.NewBackupCode()
		if !form.MatchString(c) || seen[c] {
			t.Fatalf("%q", c)
		}
		seen[c] = true
		if again, err := openpgp.ParseBackupCode(c); err != nil || again != c {
			t.Errorf("%q is read as %q, %v", c, again, err)
		}
	}
	for typed, want := range map[string]string{
		code:                               code,
		strings.ToLower(code):              code,
		"TWNKKD5YMT3TE1GSDRDBKVTW":         code,
		" twnk kd5y\tmt3t e1gs-drdbkvtw\n": code,
		"":                                 "",
		code + "-AAAA":                     "",
		"0WNK-KD5Y-MT3T-E1GS-DRDB-KVTW":    "",
		"OWNK-KD5Y-MT3T-E1GS-DRDB-KVTW":    "",
		"ÄWNK-KD5Y-MT3T-E1GS-DRDB-KVTW":    "",
	} {
		got, err := openpgp.ParseBackupCode(typed)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, openpgp.ErrPassphrase) {
			t.Errorf("%q is read as %q, %v", typed, got, err)
		}
	}
}

func TestBackup(t *testing.T) {
	juliet, romeo := opgptest.Key(t, "juliet"), opgptest.Key(t, "romeo")
	backup, err := openpgp.Backup(code, juliet, romeo)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := openpgp.Restore(backup, code, openpgp.Limits{})
	if err != nil || len(keys) != 2 || !bytes.Equal(keys[0].Bytes(), juliet.Bytes()) ||
		!bytes.Equal(keys[1].Bytes(), romeo.Bytes()) {
		t.Errorf("got %v, %v", keys, err)
	}
	for _, tt := range []struct {
		name, code string
		keys       []*openpgp.Key
		want       error
	}{
		{"no keys", code, nil, openpgp.ErrNoKey},
		{"a public key", code, []*openpgp.Key{juliet.Public()}, openpgp.ErrNoKey},
		{"a locked key", code, []*openpgp.Key{opgptest.Key(t, "mercutio")}, openpgp.ErrLocked},
		{"no code", "", []*openpgp.Key{juliet}, openpgp.ErrPassphrase},
		{"a code without dashes", strings.ReplaceAll(code, "-", ""), []*openpgp.Key{juliet}, openpgp.ErrPassphrase},
		{"some passphrase", "balcony", []*openpgp.Key{juliet}, openpgp.ErrPassphrase},
	} {
		if b, err := openpgp.Backup(tt.code, tt.keys...); !errors.Is(err, tt.want) || b != nil {
			t.Errorf("%s: got %d bytes, %v, want %v", tt.name, len(b), err, tt.want)
		}
	}
}

func TestRestore(t *testing.T) {
	theirs := opgptest.Data(t, "backup.b64") // by GnuPG
	damaged := bytes.Clone(theirs)
	damaged[len(damaged)/2] ^= 1
	secret := opgptest.Key(t, "juliet")
	for _, tt := range []struct {
		name   string
		backup []byte
		code   string
		l      openpgp.Limits
		want   error
	}{
		{name: "of GnuPG", backup: theirs, code: code},
		{name: "a wrong code", backup: theirs, code: "TWNK-KD5Y-MT3T-E1GS-DRDB-KVTV", want: openpgp.ErrPassphrase},
		{name: "damaged", backup: damaged, code: code, want: openpgp.ErrMalformed},
		{name: "cut", backup: theirs[:40], code: code, want: openpgp.ErrMalformed},
		{name: "nothing", code: code, want: openpgp.ErrMalformed},
		{name: "not with a passphrase", backup: opgptest.Data(t, "body.asc"), code: code, want: openpgp.ErrMalformed},
		{name: "not encrypted", backup: secret.Bytes(), code: code, want: openpgp.ErrMalformed},
		{name: "too large", backup: theirs, code: code, l: openpgp.Limits{MaxKeyData: 1000}, want: openpgp.ErrTooLarge},
		{name: "a public key", backup: sealed(t, secret.Public().Bytes(), nil), code: code, want: openpgp.ErrMalformed},
		{name: "no key", backup: sealed(t, status, nil), code: code, want: openpgp.ErrMalformed},
		{name: "a bomb", backup: sealed(t, make([]byte, 10<<20),
			&packet.Config{DefaultCompressionAlgo: packet.CompressionZLIB}),
			code: code, want: openpgp.ErrTooLarge},
		{name: "with much memory", backup: sealed(t, secret.Bytes(), &packet.Config{
			S2KConfig: &s2k.Config{S2KMode: s2k.Argon2S2K}}), code: code, want: openpgp.ErrMalformed},
		{name: "for two passphrases", backup: append(theirs[:15:15], theirs...), code: code, want: openpgp.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := openpgp.Restore(tt.backup, tt.code, tt.l)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil && (len(keys) != 1 || keys[0].Fingerprint() != opgptest.Key(t, "romeo").Fingerprint() ||
				!keys[0].IsSecret() || keys[0].IsLocked()) {
				t.Errorf("got %v", keys)
			}
		})
	}
}

// sealed encrypts with the code, in a way that Backup does not.
func sealed(t *testing.T, data []byte, c *packet.Config) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := pgp.SymmetricallyEncrypt(&out, []byte(code), nil, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
