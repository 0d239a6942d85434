package sql_test

import (
	"crypto"
	"path/filepath"
	"testing"

	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/storage/sql"
	"github.com/etherx-go/xmpp/storage/storetest"
)

var (
	_ server.AccountManager  = (*sql.Accounts)(nil)
	_ server.SCRAMParameters = (*sql.Accounts)(nil)
	_ server.Upgrader        = (*sql.Accounts)(nil)
)

// mustOpen opens a database that is closed with the test. Without a path it is a
// new one.
func mustOpen(t testing.TB, cfg sql.Config) *sql.DB {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(t.TempDir(), "etherx.db")
	}
	if cfg.Iterations == 0 {
		cfg.Iterations = 1 // for speed: no client logs in that would refuse it
	}
	db, err := sql.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestEngine(t *testing.T) {
	for name, cfg := range map[string]sql.Config{
		"GUIDE-3-arch-7 default": {},
		"no batches, one reader": {Batch: 1, Readers: 1, Sync: sql.SyncNormal},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Engine { return mustOpen(t, cfg) })
			t.Run("Accounts", func(t *testing.T) {
				storetest.RunAccounts(t, func(t *testing.T) storetest.Accounts { return mustOpen(t, cfg).Accounts() })
			})
			t.Run("Upgrades", func(t *testing.T) {
				storetest.RunUpgrades(t, func(t *testing.T) func(...crypto.Hash) storetest.Upgradable {
					return openUpgrades(t, cfg)
				})
			})
		})
	}
}

// openUpgrades returns what opens one database with keys for SHA-1 and for others that
// come later.
func openUpgrades(t *testing.T, cfg sql.Config) func(...crypto.Hash) storetest.Upgradable {
	cfg.Path, cfg.Hashes = filepath.Join(t.TempDir(), "etherx.db"), []crypto.Hash{crypto.SHA1}
	var last *sql.DB
	return func(upgrades ...crypto.Hash) storetest.Upgradable {
		if last != nil {
			if err := last.Close(); err != nil {
				t.Error(err)
			}
		}
		cfg.Upgrades = upgrades
		last = mustOpen(t, cfg)
		return last.Accounts()
	}
}
