package storetest

import (
	"crypto"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// RunAccounts tests accounts that are kept by their SCRAM keys. open opens a new
// and empty store, whose iteration count is best low.
func RunAccounts(t *testing.T, open func(t *testing.T) Accounts) {
	for name, test := range map[string]func(*testing.T, accountsTest){
		"register":                  accountsRegister,
		"set password":              accountsSetPassword,
		"remove":                    accountsRemove,
		"unknown":                   accountsUnknown,
		"unusable passwords":        accountsBadPassword,
		"accounts do not mix":       accountsApart,
		"one of many registers":     accountsAtOnce,
		"parameters are those kept": accountsParameters,
	} {
		t.Run(name, func(t *testing.T) { test(t, accountsTest{open(t)}) })
	}
}

// accountsTest has what the tests of accounts share.
type accountsTest struct{ Accounts }

func (a accountsTest) mustRegister(t *testing.T, account jid.JID, password string) {
	t.Helper()
	if err := a.Register(t.Context(), account, password); err != nil {
		t.Fatalf("%.80v: %v", account, err)
	}
}

// hash is the first that there are keys for.
func (a accountsTest) hash() crypto.Hash {
	hashes, _ := a.SCRAMParameters()
	return hashes[0]
}

// wants checks that there is the account with the password; without one if it is
// "".
func (a accountsTest) wants(t *testing.T, account jid.JID, password string) {
	t.Helper()
	if ok, err := a.Exists(t.Context(), account); ok != (password != "") || err != nil {
		t.Errorf("%.80v: exists %v, %v", account, ok, err)
	}
	keys, err := a.Credentials(account.Domain()).SCRAM(t.Context(), account.Local(), a.hash())
	switch {
	case password == "":
		if !errors.Is(err, sasl.ErrUnknownUser) {
			t.Errorf("%.80v: got %v, want unknown user", account, err)
		}
	case err != nil:
		t.Errorf("%.80v: %v", account, err)
	case !keys.Verify(password):
		t.Errorf("%.80v: the keys are not those of %q", account, password)
	}
}

func accountsRegister(t *testing.T, a accountsTest) {
	a.wants(t, juliet, "")
	a.mustRegister(t, juliet, "r0m30")
	a.wants(t, juliet, "r0m30")
	if err := a.Register(t.Context(), juliet, "other"); !errors.Is(err, stanza.Conflict) {
		t.Errorf("got %v, want conflict", err)
	}
	a.wants(t, juliet, "r0m30")
	if _, err := a.Credentials(juliet.Domain()).SCRAM(t.Context(), "JULIET", a.hash()); err != nil {
		t.Errorf("user names are not prepared: %v", err)
	}
}

func accountsSetPassword(t *testing.T, a accountsTest) {
	a.mustRegister(t, juliet, "r0m30")
	if err := a.SetPassword(t.Context(), juliet, "'ψ\U0001F339 new"); err != nil {
		t.Fatal(err)
	}
	a.wants(t, juliet, "'ψ\U0001F339 new")
	if err := a.SetPassword(t.Context(), romeo, "made"); err != nil {
		t.Fatal(err)
	}
	a.wants(t, romeo, "made")
}

func accountsRemove(t *testing.T, a accountsTest) {
	a.mustRegister(t, juliet, "r0m30")
	a.mustRegister(t, romeo, "jul13t")
	for range 2 { // also if there is none
		if err := a.Remove(t.Context(), juliet); err != nil {
			t.Fatal(err)
		}
		a.wants(t, juliet, "")
	}
	a.wants(t, romeo, "jul13t")
	a.mustRegister(t, juliet, "again")
	a.wants(t, juliet, "again")
}

func accountsUnknown(t *testing.T, a accountsTest) {
	a.mustRegister(t, juliet, "r0m30")
	for _, tt := range []struct {
		user, domain string
		hash         crypto.Hash
	}{
		{"romeo", juliet.Domain(), a.hash()}, {"juliet", "elsewhere", a.hash()}, {"a b", juliet.Domain(), a.hash()},
		{"", juliet.Domain(), a.hash()}, {"juliet", juliet.Domain(), crypto.MD5}, {"%", juliet.Domain(), a.hash()},
	} {
		_, err := a.Credentials(tt.domain).SCRAM(t.Context(), tt.user, tt.hash)
		if !errors.Is(err, sasl.ErrUnknownUser) {
			t.Errorf("%q at %q, %v: got %v, want unknown user", tt.user, tt.domain, tt.hash, err)
		}
	}
}

// accountsBadPassword: what SASLprep refuses makes no account and changes none.
func accountsBadPassword(t *testing.T, a accountsTest) {
	if err := a.Register(t.Context(), juliet, "\x00"); !errors.Is(err, sasl.ErrBadString) {
		t.Errorf("got %v", err)
	}
	a.wants(t, juliet, "")
	a.mustRegister(t, juliet, "r0m30")
	if err := a.SetPassword(t.Context(), juliet, ""); !errors.Is(err, sasl.ErrBadString) {
		t.Errorf("got %v", err)
	}
	a.wants(t, juliet, "r0m30")
}

func accountsApart(t *testing.T, a accountsTest) {
	var users []jid.JID
	for _, account := range accounts() {
		if account.Local() != "" {
			users = append(users, account)
		}
	}
	for i, account := range users {
		a.mustRegister(t, account, fmt.Sprint("password ", i))
	}
	for i, account := range users {
		a.wants(t, account, fmt.Sprint("password ", i))
		if err := a.Remove(t.Context(), account); err != nil {
			t.Fatal(err)
		}
		a.wants(t, account, "")
	}
}

func accountsAtOnce(t *testing.T, a accountsTest) {
	var made atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			switch err := a.Register(t.Context(), juliet, fmt.Sprint("password ", i)); {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, stanza.Conflict):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("%d accounts were made", made.Load())
	}
}

func accountsParameters(t *testing.T, a accountsTest) {
	a.mustRegister(t, juliet, "r0m30")
	hashes, iterations := a.SCRAMParameters()
	if iterations == 0 {
		iterations = sasl.DefaultIterations
	}
	if len(hashes) == 0 {
		t.Fatal("no hashes")
	}
	for _, h := range hashes {
		keys, err := a.Credentials(juliet.Domain()).SCRAM(t.Context(), "juliet", h)
		if err != nil || keys.Hash != h || keys.Iterations != iterations || !keys.Verify("r0m30") {
			t.Errorf("%v: %v with %d iterations, %v", h, keys.Hash, keys.Iterations, err)
		}
	}
}
