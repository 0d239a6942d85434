// Package opgptest has keys and messages that GnuPG has made, and a service for
// personal events, for tests.
package opgptest

import (
	"bytes"
	"embed"
	"encoding/base64"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/stanza"
)

//go:embed testdata/*.asc testdata/*.b64
var files embed.FS

// At is shortly after the messages in the files were made.
var At = time.Date(2026, 1, 2, 12, 1, 0, 0, time.UTC)

// Addresses of those who have keys.
var (
	Juliet = jid.MustParse("juliet@example.org")
	Romeo  = jid.MustParse("romeo@example.org")
)

// Text returns a file as it is.
func Text(t testing.TB, name string) string {
	t.Helper()
	b, err := files.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Data returns what is in a file without its armour or Base64.
func Data(t testing.TB, name string) []byte {
	t.Helper()
	text := Text(t, name)
	var r io.Reader = base64.NewDecoder(base64.StdEncoding, strings.NewReader(text))
	if strings.HasSuffix(name, ".asc") {
		block, err := armor.Decode(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r = block.Body
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var keys sync.Map // by name

// Key returns somebody's key: the secret one if that is in the files.
func Key(t testing.TB, name string) *openpgp.Key {
	t.Helper()
	if k, ok := keys.Load(name); ok {
		return k.(*openpgp.Key)
	}
	k, _ := keys.LoadOrStore(name, readKey(t, name))
	return k.(*openpgp.Key)
}

func readKey(t testing.TB, name string) *openpgp.Key {
	t.Helper()
	b, err := files.ReadFile("testdata/" + name + ".sec.asc")
	if err != nil {
		b = []byte(Text(t, name+".pub.asc"))
	}
	keys, err := openpgp.ReadKeys(bytes.NewReader(b), openpgp.Limits{})
	if err != nil || len(keys) != 1 {
		t.Fatalf("%s: %v, %v", name, keys, err)
	}
	return keys[0]
}

// Ring returns an engine with these people's keys, at the moment At.
func Ring(t testing.TB, names ...string) *openpgp.Keyring {
	t.Helper()
	k := &openpgp.Keyring{Now: func() time.Time { return At }}
	for _, name := range names {
		k.Own = append(k.Own, Key(t, name))
	}
	return k
}

// Parse reads a stanza.
func Parse(t testing.TB, src string) *stanza.Stanza {
	t.Helper()
	st, err := stanza.Parse(src)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return st
}

// Decode reads one element as a T, by way of a stanza.
func Decode[T any](t testing.TB, src string) (T, error) {
	t.Helper()
	v, ok, err := stanza.Decode[T](Parse(t, "<message>"+src+"</message>"))
	if !ok {
		t.Fatalf("%s is not a %T", src, v)
	}
	return v, err
}
