package memory_test

import (
	"crypto"
	"encoding/xml"
	"testing"

	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/storage/storetest"
)

var (
	_ server.AccountManager  = (*memory.Accounts)(nil)
	_ server.SCRAMParameters = (*memory.Accounts)(nil)
	_ server.Upgrader        = (*memory.Accounts)(nil)
)

// TestEngine runs the public suite: "GUIDE-3-arch-7", storage modules can be
// replaced by others, which pass the same tests.
func TestEngine(t *testing.T) {
	t.Run("GUIDE-3-arch-7 New", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Engine { return memory.New() })
	})
	t.Run("zero value", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Engine { return new(memory.Store) })
	})
	t.Run("Accounts", func(t *testing.T) {
		storetest.RunAccounts(t, func(t *testing.T) storetest.Accounts {
			a := memory.New().Accounts()
			a.Iterations = 4096
			return a
		})
	})
	t.Run("Upgrades", func(t *testing.T) {
		storetest.RunUpgrades(t, func(t *testing.T) func(...crypto.Hash) storetest.Upgradable {
			a := memory.New().Accounts()
			a.Iterations, a.Hashes = 4096, []crypto.Hash{crypto.SHA1}
			return func(upgrades ...crypto.Hash) storetest.Upgradable {
				a.Upgrades = upgrades
				return a
			}
		})
	})
}

// TestSetPrivateNothing: an element is removed by setting nothing.
func TestSetPrivateNothing(t *testing.T) {
	s := memory.New().Private()
	name := xml.Name{Space: "urn:example", Local: "x"}
	for _, el := range []stanza.Raw{"", "<x xmlns='urn:example'/>", "", ""} {
		if err := s.SetPrivate(t.Context(), juliet, name, el, 1); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Private(t.Context(), juliet, name); got != el || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, el)
		}
	}
	other := xml.Name{Space: "urn:example", Local: "y"}
	if err := s.SetPrivate(t.Context(), juliet, other, "<y xmlns='urn:example'/>", 1); err != nil {
		t.Errorf("what was removed counts: %v", err)
	}
}
