package openpgp_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/internal/opgptest"
)

func TestReadKeys(t *testing.T) {
	juliet, romeo := opgptest.Text(t, "juliet.sec.asc"), opgptest.Text(t, "romeo.sec.asc")
	binary := slices.Concat(opgptest.Data(t, "juliet.sec.asc"), opgptest.Data(t, "paris.pub.asc"))
	version3, err := hex.DecodeString("9900" + "0d" + "03" + "00000000" + "0000" + "01" + "000801" + "0203")
	if err != nil {
		t.Fatal(err)
	}
	fpr := func(names ...string) (all []string) {
		for _, n := range names {
			all = append(all, opgptest.Key(t, n).Fingerprint())
		}
		return all
	}
	for _, tt := range []struct {
		name string
		in   io.Reader
		l    openpgp.Limits
		want []string
		err  error
	}{
		{name: "armour", in: strings.NewReader(juliet), want: fpr("juliet")},
		{name: "two blocks, with text around", in: strings.NewReader("Mine:\n" + juliet + "\nHis:\r\n" + romeo + "\n"),
			want: fpr("juliet", "romeo")},
		{name: "binary, secret and public", in: bytes.NewReader(binary), want: fpr("juliet", "paris")},
		{name: "one byte at a time", in: iotest.OneByteReader(bytes.NewReader(binary)), want: fpr("juliet", "paris")},
		{name: "blocks of other kinds are left out", in: strings.NewReader(opgptest.Text(t, "body.asc") + juliet),
			want: fpr("juliet")},
		{name: "nothing", in: strings.NewReader(""), err: openpgp.ErrMalformed},
		{name: "no key", in: strings.NewReader("Hello"), err: openpgp.ErrMalformed},
		{name: "a message", in: strings.NewReader(opgptest.Text(t, "body.asc")), err: openpgp.ErrMalformed},
		{name: "half of a header", in: strings.NewReader("-----BEGIN PGP PUBLIC"), err: openpgp.ErrMalformed},
		{name: "damaged armour", in: strings.NewReader("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!!\n-----END"),
			err: openpgp.ErrMalformed},
		{name: "version 3", in: bytes.NewReader(version3), err: openpgp.ErrMalformed},
		{name: "version 3 and a good one", in: bytes.NewReader(append(version3, binary...)), want: fpr("juliet", "paris")},
		{name: "too large", in: bytes.NewReader(binary), l: openpgp.Limits{MaxKeyData: 100}, err: openpgp.ErrTooLarge},
		{name: "too many", in: bytes.NewReader(binary), l: openpgp.Limits{MaxKeys: 1}, err: openpgp.ErrTooLarge},
		{name: "an error", in: iotest.ErrReader(io.ErrUnexpectedEOF), err: io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := openpgp.ReadKeys(tt.in, tt.l)
			var got []string
			for _, k := range keys {
				got = append(got, k.String())
			}
			if !slices.Equal(got, tt.want) || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("got %v, %v, want %v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestKey(t *testing.T) {
	juliet := opgptest.Key(t, "juliet")
	if !juliet.IsSecret() || juliet.IsLocked() || juliet.Public().IsSecret() || juliet.Public().Public() == nil {
		t.Error("what Juliet's key is")
	}
	if f := juliet.Fingerprint(); len(f) != 40 || f != strings.ToUpper(f) || juliet.ID() != f[24:] {
		t.Errorf("fingerprint %s, ID %s", f, juliet.ID())
	}
	if want := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC); !juliet.Created().Equal(want) {
		t.Errorf("created %v", juliet.Created())
	}
	if got := juliet.UserIDs(); !slices.Equal(got, []string{"xmpp:juliet@example.org"}) {
		t.Errorf("user IDs %q", got)
	}
	if bytes.Contains(juliet.Public().Bytes(), juliet.Bytes()[:20]) {
		t.Error("the public part is the secret one")
	}
	for _, k := range []*openpgp.Key{juliet, juliet.Public()} {
		again, err := openpgp.ReadKeys(strings.NewReader(k.Armor()), openpgp.Limits{})
		if err != nil || len(again) != 1 || again[0].IsSecret() != k.IsSecret() || !bytes.Equal(again[0].Bytes(), k.Bytes()) {
			t.Errorf("read again: %v, %v", again, err)
		}
	}
	data := juliet.Bytes()
	data[0] = 0
	if bytes.Equal(juliet.Bytes(), data) {
		t.Error("Bytes is not a copy")
	}
}

func TestCheck(t *testing.T) {
	for name, want := range map[string]error{
		"juliet": nil, "romeo": nil, "mercutio": nil, "tybalt": openpgp.ErrKeyExpired, "paris": openpgp.ErrKeyRevoked,
		"benvolio": openpgp.ErrKeyRevoked, "nurse": openpgp.ErrWeak,
	} {
		if err := opgptest.Key(t, name).Check(time.Time{}); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if err := opgptest.Key(t, "tybalt").Check(time.Date(2020, 1, 5, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Errorf("before it expired: %v", err)
	}
}

func TestHasAddress(t *testing.T) {
	juliet := opgptest.Key(t, "juliet")
	for _, tt := range []struct {
		addr string
		at   time.Time
		want bool
	}{
		{"juliet@example.org", time.Time{}, true},
		{"juliet@example.org", opgptest.At, true},
		{"juliet@example.org/balcony", opgptest.At, true},
		{"JULIET@EXAMPLE.ORG", opgptest.At, true},
		{"juliet@example.org", opgptest.At.AddDate(-1, 0, 0), false},
		{"juliet@example.com", opgptest.At, false},
		{"example.org", opgptest.At, false},
	} {
		if got := juliet.HasAddress(jid.MustParse(tt.addr), tt.at); got != tt.want {
			t.Errorf("%s at %v: %t", tt.addr, tt.at, got)
		}
	}
	if juliet.HasAddress(jid.JID{}, opgptest.At) {
		t.Error("nobody's")
	}
}

func TestGenerate(t *testing.T) {
	for addr, id := range map[string]string{
		"juliet@example.org/balcony": "xmpp:juliet@example.org",
		"jülia@bücher.example":       "xmpp:jülia@bücher.example",
		"a(b)@example.org":           "xmpp:a%28b%29@example.org",
		"100%@example.org":           "xmpp:100%25@example.org",
		"example.org":                "xmpp:example.org",
	} {
		k, err := openpgp.Generate(jid.MustParse(addr), 0)
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		if got := k.UserIDs(); !slices.Equal(got, []string{id}) || !k.HasAddress(jid.MustParse(addr), time.Now()) {
			t.Errorf("%s: user IDs %q", addr, got)
		}
		if err := k.Check(time.Now().AddDate(50, 0, 0)); err != nil || !k.IsSecret() || k.IsLocked() {
			t.Errorf("%s: in 50 years: %v", addr, err)
		}
	}
	k, err := openpgp.GenerateAt(opgptest.Juliet, 24*time.Hour, opgptest.At)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Check(opgptest.At.Add(23 * time.Hour)); err != nil {
		t.Errorf("after 23 hours: %v", err)
	}
	if err := k.Check(opgptest.At.Add(25 * time.Hour)); !errors.Is(err, openpgp.ErrKeyExpired) {
		t.Errorf("after 25 hours: %v", err)
	}
	for _, lifetime := range []time.Duration{-1, 1 << 62} {
		if _, err := openpgp.Generate(opgptest.Juliet, lifetime); err == nil {
			t.Errorf("a lifetime of %v", lifetime)
		}
	}
	if _, err := openpgp.Generate(jid.JID{}, 0); err == nil {
		t.Error("a key of nobody")
	}
}

func TestUnlock(t *testing.T) {
	mercutio := opgptest.Key(t, "mercutio")
	if !mercutio.IsSecret() || !mercutio.IsLocked() || mercutio.Public().IsLocked() {
		t.Error("what Mercutio's key is")
	}
	if _, err := mercutio.Unlock([]byte("orchard")); !errors.Is(err, openpgp.ErrPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	open, err := mercutio.Unlock([]byte("balcony"))
	if err != nil || open.IsLocked() || !mercutio.IsLocked() {
		t.Fatalf("unlocked: %v", err)
	}
	ring := opgptest.Ring(t)
	ring.Own = []*openpgp.Key{open}
	sig, err := ring.Sign(t.Context(), status)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Verify(t.Context(), status, sig, []*openpgp.Key{mercutio}, time.Time{}); err != nil {
		t.Errorf("signature: %v", err)
	}
	if same, err := open.Unlock(nil); err != nil || same != open {
		t.Errorf("unlocked twice: %v", err)
	}
	if _, err := open.Public().Unlock(nil); !errors.Is(err, openpgp.ErrNoKey) {
		t.Errorf("a public key unlocked: %v", err)
	}

	locked, err := open.Lock([]byte("again"))
	if err != nil || !locked.IsLocked() {
		t.Fatalf("locked: %v", err)
	}
	if again, err := locked.Unlock([]byte("again")); err != nil || !bytes.Equal(again.Bytes(), open.Bytes()) {
		t.Errorf("locked and unlocked: %v", err)
	}
	for _, tt := range []struct {
		k    *openpgp.Key
		pass string
		want error
	}{{locked, "x", openpgp.ErrLocked}, {open.Public(), "x", openpgp.ErrNoKey}, {open, "", openpgp.ErrPassphrase}} {
		if _, err := tt.k.Lock([]byte(tt.pass)); !errors.Is(err, tt.want) {
			t.Errorf("locked %v: got %v, want %v", tt.k, err, tt.want)
		}
	}
}
