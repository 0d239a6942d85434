package server_test

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/stream"
)

// upgradable has juliet with keys for SHA-1 only, and wants others.
func upgradable(t *testing.T, upgrades ...crypto.Hash) *memory.Accounts {
	t.Helper()
	a := &memory.Accounts{Iterations: 5000, Hashes: []crypto.Hash{crypto.SHA1}}
	if err := a.Register(t.Context(), jid.MustParse("juliet@localhost"), "r0m30"); err != nil {
		t.Fatal(err)
	}
	a.Upgrades = upgrades
	return a
}

// hasKeys reports whether juliet has keys for the hash, of this password.
func hasKeys(t *testing.T, a *memory.Accounts, h crypto.Hash, password string) bool {
	t.Helper()
	keys, err := a.Credentials("localhost").SCRAM(t.Context(), "juliet", h)
	if err != nil && !errors.Is(err, sasl.ErrUnknownUser) {
		t.Fatal(err)
	}
	return err == nil && keys.Iterations == 5000 && keys.Verify(password)
}

// upgradeLogin logs juliet in by XEP-0388 with these mechanisms refused, and returns
// what was said on the wire.
func upgradeLogin(t *testing.T, s *server.Server, password string, refuse ...string) (said string, err error) {
	t.Helper()
	var mu sync.Mutex
	var b strings.Builder
	cfg := stream.Config{Trace: func(_ bool, data []byte) {
		mu.Lock()
		defer mu.Unlock()
		b.Write(data)
	}}
	features := []stream.Feature{stream.SASL2{
		Config: func() sasl.ClientConfig {
			return sasl.ClientConfig{Username: "juliet", Password: password, Refuse: refuse}
		},
		UserAgent:      stream.UserAgent{ID: stream.NewUserAgentID()},
		Bind:           &stream.Bind2{Tag: "Test"},
		UnboundUpgrade: true, // a pipe has no channel binding
	}.Feature()}
	h := stream.Header{To: jid.MustParse("localhost"), From: jid.MustParse("juliet@localhost"), Version: stream.V1}
	c, err := stream.Initiate(t.Context(), s.Pipe(), cfg, h, features)
	if err == nil {
		c.Close()
	}
	mu.Lock()
	defer mu.Unlock()
	return b.String(), err
}

// TestUpgrade: an account of before gets the keys that it lacks, once, from a client
// that logs in by its password (XEP-0480); then it can log in with them.
func TestUpgrade(t *testing.T) {
	const upgrade512, task512 = "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>", "<task>UPGR-SCRAM-SHA-512</task>"
	for _, tt := range []struct {
		by     string
		refuse []string
	}{{"SCRAM-SHA-1", nil}, {"PLAIN", []string{"SCRAM-SHA-1"}}} {
		t.Run(tt.by, func(t *testing.T) {
			accounts := upgradable(t, crypto.SHA256, crypto.SHA512)
			s := newServer(t, func(c *server.Config) { c.Accounts = accounts })
			said, err := upgradeLogin(t, s, "r0m30", tt.refuse...)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"mechanism='" + tt.by + "'", upgrade512, "<task>UPGR-SCRAM-SHA-256</task>", task512} {
				if !strings.Contains(said, want) {
					t.Errorf("%s is not in %s", want, said)
				}
			}
			if strings.Contains(said, "<mechanism>SCRAM-SHA-256</mechanism>") {
				t.Error("a mechanism is offered that the accounts have no keys for")
			}
			for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA512} {
				if !hasKeys(t, accounts, h, "r0m30") {
					t.Errorf("there are no keys for %v", h)
				}
			}
			if said, err := upgradeLogin(t, s, "r0m30", tt.refuse...); err != nil || strings.Contains(said, "<task>") {
				t.Errorf("once more: %v %s", err, said)
			}

			// Now the accounts have it, so it is offered.
			accounts.Hashes = append(accounts.Hashes, crypto.SHA512)
			s = newServer(t, func(c *server.Config) { c.Accounts = accounts })
			if said, err := upgradeLogin(t, s, "r0m30"); err != nil || !strings.Contains(said, "mechanism='SCRAM-SHA-512'") {
				t.Errorf("with the new keys: %v %s", err, said)
			}
		})
	}
}

// TestNoUpgrade: nothing is offered or taken where nothing is wanted, and nobody gets
// keys into an account without its password.
func TestNoUpgrade(t *testing.T) {
	t.Run("none is wanted", func(t *testing.T) {
		s := newServer(t, func(c *server.Config) { c.Accounts = upgradable(t) })
		if said, err := upgradeLogin(t, s, "r0m30"); err != nil || strings.Contains(said, "upgrade") {
			t.Errorf("%v %s", err, said)
		}
	})
	t.Run("accounts without keys", func(t *testing.T) {
		check := server.VerifyFunc(func(context.Context, jid.JID, string) error { return nil })
		for _, a := range []server.Accounts{check, upgrader{check}} {
			s := newServer(t, func(c *server.Config) { c.Accounts = a })
			if said, err := upgradeLogin(t, s, "r0m30"); err != nil || strings.Contains(said, "upgrade") {
				t.Errorf("%v %s", err, said)
			}
		}
	})
	t.Run("wrong password", func(t *testing.T) {
		accounts := upgradable(t, crypto.SHA512)
		s := newServer(t, func(c *server.Config) { c.Accounts = accounts })
		if said, err := upgradeLogin(t, s, "guess", "SCRAM-SHA-1"); !errors.Is(err, sasl.NotAuthorized) || strings.Contains(said, "<task>") {
			t.Errorf("%v %s", err, said)
		}
		if hasKeys(t, accounts, crypto.SHA512, "guess") {
			t.Error("the keys are there")
		}
	})
}

// upgrader wants keys, and cannot say who has some.
type upgrader struct{ server.Accounts }

func (upgrader) UpgradeHashes() []crypto.Hash                           { return []crypto.Hash{crypto.SHA512} }
func (upgrader) AddKeys(context.Context, jid.JID, sasl.SCRAMKeys) error { return io.EOF }

// failsUpgrade has stores that fail for SHA-512.
type failsUpgrade struct {
	*memory.Accounts
	find, add error
}

func (f failsUpgrade) Credentials(domain string) sasl.Credentials {
	c := f.Accounts.Credentials(domain)
	find := c.SCRAM
	c.SCRAM = func(ctx context.Context, user string, h crypto.Hash) (sasl.SCRAMKeys, error) {
		if h == crypto.SHA512 && f.find != nil {
			return sasl.SCRAMKeys{}, f.find
		}
		return find(ctx, user, h)
	}
	return c
}

func (f failsUpgrade) AddKeys(context.Context, jid.JID, sasl.SCRAMKeys) error { return f.add }

// TestUpgradeFails: a store that fails costs the keys, not the login, and is reported.
func TestUpgradeFails(t *testing.T) {
	for name, a := range map[string]failsUpgrade{
		"find": {find: fmt.Errorf("the disk is on fire")}, "add": {add: fmt.Errorf("the disk is on fire")},
	} {
		t.Run(name, func(t *testing.T) {
			a.Accounts = upgradable(t, crypto.SHA512)
			var log syncBuffer
			s := newServer(t, func(c *server.Config) {
				c.Accounts = a
				c.Log = slog.New(slog.NewTextHandler(&log, nil))
			})
			said, err := upgradeLogin(t, s, "r0m30")
			if err != nil || strings.Contains(said, "<task>") != (name == "add") {
				t.Errorf("%v %s", err, said)
			}
			if !strings.Contains(log.String(), "the disk is on fire") {
				t.Errorf("the log has %s", log.String())
			}
		})
	}
}

// syncBuffer is a buffer that several write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
