package memory_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
)

var juliet = jid.MustParse("juliet@example.org")

func TestAccounts(t *testing.T) {
	ctx := t.Context()
	a := &memory.Accounts{Iterations: 4096}
	if ok, err := a.Exists(ctx, juliet); ok || err != nil {
		t.Errorf("an empty store has an account (%v)", err)
	}
	if err := a.Register(ctx, juliet, "r0m30"); err != nil {
		t.Fatal(err)
	}
	if err := a.Register(ctx, jid.MustParse("Juliet@example.org/x"), "other"); !errors.Is(err, stanza.Conflict) {
		t.Errorf("got %v, want conflict", err)
	}
	if err := a.Register(ctx, jid.MustParse("nurse@example.org"), "\x00"); !errors.Is(err, sasl.ErrBadString) {
		t.Errorf("got %v, want that the password is unusable", err)
	}
	c := a.Credentials("example.org")
	keys, err := c.SCRAM(ctx, "juliet", crypto.SHA256)
	if err != nil || keys.Iterations != 4096 {
		t.Errorf("%+v, %v", keys, err)
	}
	for _, tt := range []struct {
		user string
		hash crypto.Hash
	}{{"juliet", crypto.SHA512}, {"romeo", crypto.SHA256}, {"a b", crypto.SHA256}} {
		if _, err := c.SCRAM(ctx, tt.user, tt.hash); !errors.Is(err, sasl.ErrUnknownUser) {
			t.Errorf("%s %v: got %v, want unknown user", tt.user, tt.hash, err)
		}
	}
	if _, err := a.Credentials("elsewhere").SCRAM(ctx, "juliet", crypto.SHA256); !errors.Is(err, sasl.ErrUnknownUser) {
		t.Errorf("hosts mix: %v", err)
	}
	if c.HA1 != nil {
		t.Error("what DIGEST-MD5 needs is kept without being asked for")
	}
	if err := a.SetPassword(ctx, juliet, "new"); err != nil {
		t.Fatal(err)
	}
	if again, _ := c.SCRAM(ctx, "juliet", crypto.SHA256); string(again.StoredKey) == string(keys.StoredKey) {
		t.Error("the password is still the old one")
	}
	a.Remove(ctx, juliet)
	if ok, _ := a.Exists(ctx, juliet); ok {
		t.Error("the account is still there")
	}
}

func TestLegacy(t *testing.T) {
	ctx := t.Context()
	a := &memory.Accounts{Iterations: 4096, Legacy: true}
	if err := a.Register(ctx, juliet, "r0m30"); err != nil {
		t.Fatal(err)
	}
	c := a.Credentials("example.org")
	got, err := c.HA1(ctx, "juliet", "example.org")
	if err != nil || got != sasl.DigestHA1("juliet", "example.org", "r0m30") {
		t.Errorf("%x, %v", got, err)
	}
	for _, tt := range [][2]string{{"juliet", "elsewhere"}, {"romeo", "example.org"}} {
		if _, err := c.HA1(ctx, tt[0], tt[1]); !errors.Is(err, sasl.ErrUnknownUser) {
			t.Errorf("%v: got %v, want unknown user", tt, err)
		}
	}
}

// TestConcurrent: of many who register the same name at once, one succeeds.
func TestConcurrent(t *testing.T) {
	a := &memory.Accounts{Iterations: 4096, Hashes: []crypto.Hash{crypto.SHA256}}
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = a.Register(context.Background(), juliet, fmt.Sprint("pw", i)) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else if !errors.Is(err, stanza.Conflict) {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d accounts were made", made)
	}
}
