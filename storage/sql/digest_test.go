package sql_test

import (
	"errors"
	"testing"

	"github.com/etherx-go/xmpp/legacy/auth"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/storage/sql"
)

// TestDigest: the digest of jabber:iq:auth is verified if passwords are kept, and
// they are kept only if that is asked for: not those that were set before, nor
// after it was switched off again.
func TestDigest(t *testing.T) {
	path := made(t, 0)
	plain := mustOpen(t, sql.Config{Path: path})
	if plain.Accounts().Digest("capulet.example") != nil {
		t.Error("offered without being asked for")
	}
	if err := plain.Accounts().Register(t.Context(), romeo, "jul13t"); err != nil {
		t.Fatal(err)
	}
	db := mustOpen(t, sql.Config{Path: path, Passwords: true})
	if err := db.Accounts().Register(t.Context(), juliet, "r0m30"); err != nil {
		t.Fatal(err)
	}
	try := func(domain, user, password string) error {
		return db.Accounts().Digest(domain)(t.Context(), user, "id", auth.DigestOf("id", password))
	}
	for _, tt := range []struct {
		domain, user, password string
		want                   error
	}{
		{"capulet.example", "juliet", "r0m30", nil},
		{"capulet.example", "Juliet", "r0m30", nil},
		{"capulet.example", "juliet", "R0m30", sasl.NotAuthorized},
		{"capulet.example", "juliet", "", sasl.NotAuthorized},
		{"elsewhere.example", "juliet", "r0m30", sasl.NotAuthorized},
		{romeo.Domain(), "romeo", "jul13t", sasl.NotAuthorized},
		{romeo.Domain(), "romeo", "", sasl.NotAuthorized},
		{"capulet.example", "nobody", "", sasl.NotAuthorized},
		{"capulet.example", "no body", "", sasl.ErrUnknownUser},
	} {
		if err := try(tt.domain, tt.user, tt.password); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	if err := db.Accounts().SetPassword(t.Context(), romeo, "new"); err != nil {
		t.Fatal(err)
	}
	if err := try(romeo.Domain(), "romeo", "new"); err != nil {
		t.Error(err)
	}
	if err := plain.Accounts().SetPassword(t.Context(), romeo, "newer"); err != nil {
		t.Fatal(err)
	}
	for _, old := range []string{"new", "newer"} {
		if err := try(romeo.Domain(), "romeo", old); !errors.Is(err, sasl.NotAuthorized) {
			t.Errorf("%s: %v", old, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := try("capulet.example", "juliet", "r0m30"); err == nil {
		t.Error("verified by a database that is closed")
	}
}
