package storetest

import (
	"context"
	"crypto"
	"errors"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
)

// Upgradable are accounts that keys can be added to. The further methods are those of
// server.Upgrader.
type Upgradable interface {
	Accounts
	UpgradeHashes() []crypto.Hash
	AddKeys(ctx context.Context, account jid.JID, keys sasl.SCRAMKeys) error
}

// RunUpgrades tests accounts that keys can be added to. open makes a new and empty
// store, and returns what opens it: with keys for SHA-1, and with those that it gets as
// upgrades. It is called several times, and finds the same accounts each time; the
// accounts that it returned before are not used any more then. The iteration count is
// best low.
func RunUpgrades(t *testing.T, open func(t *testing.T) func(upgrades ...crypto.Hash) Upgradable) {
	for name, test := range map[string]func(*testing.T, upgradesTest){
		"keys that an account lacks":              upgradesLacking,
		"keys that are there stay":                upgradesStay,
		"a new password has keys for all":         upgradesPassword,
		"what is not wanted":                      upgradesRefused,
		"no account":                              upgradesNoAccount,
		"keys for several hashes come together":   upgradesTogether,
		"keys for the same hash come at the same": upgradesAtOnce,
		"the store has a copy of its own":         upgradesCopies,
	} {
		t.Run(name, func(t *testing.T) { test(t, upgradesTest{open(t)}) })
	}
}

// upgradesTest has what the tests of upgrades share.
type upgradesTest struct {
	open func(upgrades ...crypto.Hash) Upgradable
}

// old makes an account with keys for SHA-1 alone, and opens the store with upgrades.
func (u upgradesTest) old(t *testing.T, upgrades ...crypto.Hash) Upgradable {
	t.Helper()
	accountsTest{u.open()}.mustRegister(t, juliet, "r0m30")
	return u.open(upgrades...)
}

func keysOf(t *testing.T, h crypto.Hash, password string) sasl.SCRAMKeys {
	t.Helper()
	keys, err := sasl.NewSCRAMKeys(h, password, 4096)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func mustAdd(t *testing.T, a Upgradable, keys sasl.SCRAMKeys) {
	t.Helper()
	if err := a.AddKeys(t.Context(), juliet, keys); err != nil {
		t.Fatal(err)
	}
}

// wantKeys checks that the keys for a hash are those of the password; that there are
// none if it is "".
func wantKeys(t *testing.T, a Upgradable, h crypto.Hash, password string) {
	t.Helper()
	keys, err := a.Credentials(juliet.Domain()).SCRAM(t.Context(), juliet.Local(), h)
	switch {
	case password == "" && !errors.Is(err, sasl.ErrUnknownUser):
		t.Errorf("%v: got %v, want unknown user", h, err)
	case password != "" && (err != nil || keys.Hash != h || !keys.Verify(password)):
		t.Errorf("%v: the keys are not those of %q (%v)", h, password, err)
	}
}

func upgradesLacking(t *testing.T, u upgradesTest) {
	a := u.old(t, crypto.SHA512, crypto.SHA256)
	if got := a.UpgradeHashes(); len(got) != 2 || got[0] != crypto.SHA512 || got[1] != crypto.SHA256 {
		t.Errorf("the upgrades are %v", got)
	}
	if got, _ := a.SCRAMParameters(); len(got) != 1 || got[0] != crypto.SHA1 {
		t.Errorf("what can be offered is %v", got)
	}
	wantKeys(t, a, crypto.SHA512, "")
	mustAdd(t, a, keysOf(t, crypto.SHA512, "r0m30"))
	for range 2 {
		wantKeys(t, a, crypto.SHA1, "r0m30")
		wantKeys(t, a, crypto.SHA512, "r0m30")
		wantKeys(t, a, crypto.SHA256, "")
		a = u.open(crypto.SHA512, crypto.SHA256)
	}
	full := jid.MustParse(juliet.String() + "/balcony")
	if err := a.AddKeys(t.Context(), full, keysOf(t, crypto.SHA256, "r0m30")); err != nil {
		t.Fatal(err)
	}
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA512} {
		wantKeys(t, a, h, "r0m30")
	}
}

// upgradesStay: who has logged in with a password that is changed meanwhile does not
// get it back by keys.
func upgradesStay(t *testing.T, u upgradesTest) {
	a := u.old(t, crypto.SHA512)
	stale := keysOf(t, crypto.SHA512, "r0m30")
	if err := a.SetPassword(t.Context(), juliet, "new"); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, a, stale)
	mustAdd(t, a, keysOf(t, crypto.SHA1, "r0m30"))
	wantKeys(t, a, crypto.SHA512, "new")
	wantKeys(t, a, crypto.SHA1, "new")
}

func upgradesPassword(t *testing.T, u upgradesTest) {
	a := u.open(crypto.SHA512, crypto.SHA1) // one of them twice
	accountsTest{a}.mustRegister(t, juliet, "r0m30")
	wantKeys(t, a, crypto.SHA512, "r0m30")
	wantKeys(t, a, crypto.SHA1, "r0m30")
	wantKeys(t, a, crypto.SHA256, "")
	if err := a.SetPassword(t.Context(), juliet, "new"); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, a, crypto.SHA512, "new")
	wantKeys(t, a, crypto.SHA1, "new")
}

// upgradesRefused: keys for a hash that a change of the password would not replace are
// not stored, nor such that cannot be used.
func upgradesRefused(t *testing.T, u upgradesTest) {
	a := u.old(t, crypto.SHA512)
	broken := keysOf(t, crypto.SHA512, "r0m30")
	broken.StoredKey = broken.StoredKey[1:]
	for _, keys := range []sasl.SCRAMKeys{keysOf(t, crypto.SHA256, "r0m30"), broken, {Hash: crypto.SHA512}, {}} {
		if err := a.AddKeys(t.Context(), juliet, keys); err == nil {
			t.Errorf("%v: no error", keys.Hash)
		}
	}
	wantKeys(t, a, crypto.SHA1, "r0m30")
	wantKeys(t, a, crypto.SHA256, "")
	wantKeys(t, a, crypto.SHA512, "")
}

func upgradesNoAccount(t *testing.T, u upgradesTest) {
	a := u.open(crypto.SHA512)
	if err := a.AddKeys(t.Context(), juliet, keysOf(t, crypto.SHA512, "r0m30")); !errors.Is(err, sasl.ErrUnknownUser) {
		t.Errorf("got %v, want unknown user", err)
	}
	if ok, err := a.Exists(t.Context(), juliet); ok || err != nil {
		t.Errorf("there is an account now (%v)", err)
	}
	wantKeys(t, a, crypto.SHA512, "")
}

func upgradesTogether(t *testing.T, u upgradesTest) {
	a := u.old(t, crypto.SHA512, crypto.SHA256)
	var wg sync.WaitGroup
	for _, h := range []crypto.Hash{crypto.SHA512, crypto.SHA256} {
		keys := keysOf(t, h, "r0m30")
		wg.Go(func() {
			if err := a.AddKeys(t.Context(), juliet, keys); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() { // while others log in
			if _, err := a.Credentials(juliet.Domain()).SCRAM(t.Context(), "juliet", crypto.SHA1); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA512} {
		wantKeys(t, a, h, "r0m30")
	}
}

func upgradesAtOnce(t *testing.T, u upgradesTest) {
	a := u.old(t, crypto.SHA512)
	var wg sync.WaitGroup
	for range 4 {
		keys := keysOf(t, crypto.SHA512, "r0m30") // each with its own salt
		wg.Go(func() {
			if err := a.AddKeys(t.Context(), juliet, keys); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantKeys(t, a, crypto.SHA512, "r0m30")
}

func upgradesCopies(t *testing.T, u upgradesTest) {
	a := u.old(t, crypto.SHA512)
	keys := keysOf(t, crypto.SHA512, "r0m30")
	mustAdd(t, a, keys)
	for _, b := range [][]byte{keys.Salt, keys.StoredKey, keys.ServerKey} {
		b[0]++
	}
	wantKeys(t, a, crypto.SHA512, "r0m30")
}
