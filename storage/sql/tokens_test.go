package sql_test

import (
	"context"
	"crypto"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/storage/sql"
)

// issue gives a token to the phone of juliet, in a transaction whose other errors are
// those of the database.
func issue(ctx context.Context, db *sql.DB) error {
	return db.Tokens().UpdateTokens(ctx, juliet, "phone", func(t *sasl.HashedTokens) error {
		t.Issue(sasl.HTSHA256None, time.Now().Add(time.Hour))
		return nil
	})
}

// TestTokensFail: an error of the database is one that the caller hears.
func TestTokensFail(t *testing.T) {
	path := made(t, 0)
	db := mustOpen(t, sql.Config{Path: path})
	other := raw(t, path)
	for _, tt := range []struct {
		damage, says string
		call         func() error
	}{
		{"CREATE TRIGGER full BEFORE DELETE ON login_tokens BEGIN SELECT RAISE(ABORT, 'not deleted'); END", "not deleted", func() error {
			return db.Tokens().RemoveTokens(t.Context(), juliet, "phone")
		}},
		{"CREATE TRIGGER shut BEFORE INSERT ON login_tokens BEGIN SELECT RAISE(ABORT, 'not written'); END", "not written", func() error {
			return issue(t.Context(), db)
		}},
		{"DROP TABLE login_tokens", "no such table: login_tokens", func() error {
			return issue(t.Context(), db)
		}},
	} {
		if err := issue(t.Context(), db); err != nil && !strings.Contains(err.Error(), "not written") {
			t.Fatal(err)
		}
		mustExec(t, other, tt.damage)
		if err := tt.call(); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("after %s: got %v", tt.damage, err)
		}
	}
}

// TestTokensContext: a context that has ended ends the call, and no token is used up.
func TestTokensContext(t *testing.T) {
	db := mustOpen(t, sql.Config{})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := issue(ended, db); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := db.Tokens().RemoveTokens(ended, juliet, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	keys, err := sasl.NewSCRAMKeys(crypto.SHA256, "r0m30", 4096)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Accounts().AddKeys(ended, juliet, keys); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestKeysOnce: for each hash there are keys once, however often they come.
func TestKeysOnce(t *testing.T) {
	path := made(t, 0)
	db := mustOpen(t, sql.Config{Path: path, Upgrades: []crypto.Hash{crypto.SHA512, crypto.SHA1}})
	if err := db.Accounts().Register(t.Context(), juliet, "r0m30"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		keys, err := sasl.NewSCRAMKeys(crypto.SHA512, "r0m30", 4096)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Accounts().AddKeys(t.Context(), juliet, keys); err != nil {
			t.Fatal(err)
		}
	}
	var scram string
	if err := raw(t, path).QueryRow("SELECT scram FROM accounts").Scan(&scram); err != nil {
		t.Fatal(err)
	}
	if got := len(strings.Fields(scram)); got != 3 {
		t.Errorf("there are %d keys, want those of SHA-256, SHA-1 and SHA-512", got)
	}
}

// TestAddKeysDamaged: keys are not stored beside what cannot be read.
func TestAddKeysDamaged(t *testing.T) {
	path := made(t, 0)
	db := mustOpen(t, sql.Config{Path: path, Upgrades: []crypto.Hash{crypto.SHA512}})
	if err := db.Accounts().Register(t.Context(), juliet, "r0m30"); err != nil {
		t.Fatal(err)
	}
	keys, err := sasl.NewSCRAMKeys(crypto.SHA512, "r0m30", 4096)
	if err != nil {
		t.Fatal(err)
	}
	other := raw(t, path)
	for _, tt := range [][2]string{
		{"UPDATE accounts SET scram = 'x'", "SCRAM"}, {"DROP TABLE accounts", "no such table: accounts"},
	} {
		mustExec(t, other, tt[0])
		if err := db.Accounts().AddKeys(t.Context(), juliet, keys); err == nil || !strings.Contains(err.Error(), tt[1]) {
			t.Errorf("after %s: got %v", tt[0], err)
		}
	}
}
