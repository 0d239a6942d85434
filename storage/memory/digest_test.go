package memory_test

import (
	"errors"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/auth"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/storage/memory"
)

// TestDigest: the digest of jabber:iq:auth is verified if passwords are kept, and
// they are kept only if that is asked for.
func TestDigest(t *testing.T) {
	a := &memory.Accounts{Iterations: 4096}
	if err := a.Register(t.Context(), juliet, "r0m30"); err != nil {
		t.Fatal(err)
	}
	if a.Digest("example.org") != nil {
		t.Error("offered without being asked for")
	}
	a.Passwords = true // too late for juliet
	if err := a.Register(t.Context(), jid.MustParse("romeo@example.org"), "jul13t"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		domain, user, password string
		ok                     bool
	}{
		{"example.org", "romeo", "jul13t", true},
		{"example.org", "romeo", "Jul13t", false},
		{"example.org", "romeo", "", false},
		{"example.net", "romeo", "jul13t", false},
		{"example.org", "juliet", "r0m30", false},
		{"example.org", "juliet", "", false},
		{"example.org", "nobody", "", false},
		{"example.org", "no body", "", false},
	} {
		err := a.Digest(tt.domain)(t.Context(), tt.user, "id", auth.DigestOf("id", tt.password))
		if tt.ok != (err == nil) || !tt.ok && !errors.Is(err, sasl.NotAuthorized) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	if err := a.SetPassword(t.Context(), juliet, "new"); err != nil {
		t.Fatal(err)
	}
	if err := a.Digest("example.org")(t.Context(), "juliet", "x", auth.DigestOf("x", "new")); err != nil {
		t.Error(err)
	}
}
