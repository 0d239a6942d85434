package openpgp_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/internal/opgptest"
)

func FuzzReadKeys(f *testing.F) {
	for _, name := range []string{"juliet.sec.asc", "mercutio.sec.asc", "paris.pub.asc", "tybalt.sec.asc"} {
		f.Add([]byte(opgptest.Text(f, name)))
		f.Add(opgptest.Data(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := openpgp.ReadKeys(bytes.NewReader(data), openpgp.Limits{})
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%v, %v", keys, err)
		}
		for _, k := range keys {
			// What was read can be used, and read again as it is.
			_ = k.Check(opgptest.At)
			_ = k.HasAddress(opgptest.Juliet, opgptest.At)
			again, err := openpgp.ReadKeys(bytes.NewReader(k.Bytes()), openpgp.Limits{})
			if err != nil || len(again) != 1 || again[0].Fingerprint() != k.Fingerprint() ||
				again[0].IsSecret() != k.IsSecret() {
				t.Fatalf("%v is read as %v, %v", k, again, err)
			}
		}
	})
}

func FuzzOpen(f *testing.F) {
	for _, name := range []string{"body.asc", "body-signed.asc", "body-hidden.asc", "ox.b64", "backup.b64"} {
		f.Add(opgptest.Data(f, name))
	}
	ring := opgptest.Ring(f, "juliet")
	from := []*openpgp.Key{opgptest.Key(f, "romeo")}
	signed, err := opgptest.Ring(f, "juliet").Seal(f.Context(), status, nil, true)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Fuzz(func(t *testing.T, message []byte) {
		o, err := ring.Open(t.Context(), message, from, time.Time{})
		if err == nil && (o.Signature == nil) == (o.Err == nil) {
			t.Fatalf("%+v", o)
		}
		// Nobody but Romeo could have made a signature.
		if err == nil && o.Signature != nil && o.Signature.Key.Fingerprint() != from[0].Fingerprint() {
			t.Fatalf("signed by %v", o.Signature.Key)
		}
	})
}

func FuzzVerify(f *testing.F) {
	ring := opgptest.Ring(f)
	from := []*openpgp.Key{opgptest.Key(f, "juliet")}
	for _, name := range []string{"juliet.sig.asc", "romeo.sig.asc", "romeo-text.sig.asc"} {
		f.Add(opgptest.Data(f, name))
	}
	f.Fuzz(func(t *testing.T, sig []byte) {
		if _, err := ring.Verify(t.Context(), []byte("Offline"), sig, from, time.Time{}); err == nil {
			t.Fatal("a forged signature")
		}
	})
}

func FuzzRestore(f *testing.F) {
	f.Add(opgptest.Data(f, "backup.b64"))
	f.Add(opgptest.Data(f, "body.asc"))
	f.Fuzz(func(t *testing.T, backup []byte) {
		keys, err := openpgp.Restore(backup, "TWNK-KD5Y-MT3T-E1GS-DRDB-KVTW", openpgp.Limits{})
		for _, k := range keys {
			if err != nil || !k.IsSecret() {
				t.Fatalf("%v, %v", k, err)
			}
		}
	})
}
