// Package memory keeps what a server stores in memory: for tests, for servers
// whose accounts come from elsewhere, and as the simplest example of a store.
package memory

import (
	"context"
	"crypto"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/auth"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// Accounts keeps accounts: by their SCRAM keys, and by the password only if that is
// asked for. The zero value is empty and ready to use, and safe for concurrent use; its
// fields must not be changed once it is in use.
type Accounts struct {
	// Hashes are the hashes that SCRAM keys are made for. nil stands for
	// SHA-256 and SHA-1.
	Hashes []crypto.Hash
	// Upgrades are hashes that keys are made for too, and that clients of accounts
	// without such keys are asked for keys of (XEP-0480). With a mechanism that is
	// offered nobody can log in who has no keys for it: so a hash is best only here
	// until the accounts have its keys, and then in Hashes as well.
	Upgrades []crypto.Hash
	// Iterations is the iteration count of SCRAM keys; 0 stands for
	// [sasl.DefaultIterations].
	Iterations int
	// Legacy keeps the hash that DIGEST-MD5 needs too, which is as good as
	// the password to everybody who gets hold of it.
	Legacy bool
	// Passwords keeps the passwords themselves too, which the digest of
	// jabber:iq:auth needs (XEP-0078).
	Passwords bool

	mu sync.RWMutex
	m  map[jid.JID]*account
}

type account struct {
	scram    map[crypto.Hash]sasl.SCRAMKeys
	ha1      [16]byte
	password string // "": it is not kept
}

func (a *Accounts) hashes() []crypto.Hash {
	if a.Hashes == nil {
		return []crypto.Hash{crypto.SHA256, crypto.SHA1}
	}
	return a.Hashes
}

// kept returns the hashes that keys are made for.
func (a *Accounts) kept() []crypto.Hash { return slices.Concat(a.hashes(), a.Upgrades) }

func (a *Accounts) get(user, domain string) (*account, error) {
	j, err := jid.New(user, domain, "")
	if err != nil {
		return nil, sasl.ErrUnknownUser
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	acc, ok := a.m[j]
	if !ok {
		return nil, sasl.ErrUnknownUser
	}
	return acc, nil
}

// Credentials returns credentials for SCRAM and PLAIN, and for DIGEST-MD5 with
// the domain as its realm if Legacy is set.
func (a *Accounts) Credentials(domain string) sasl.Credentials {
	c := sasl.Credentials{
		SCRAM: func(_ context.Context, user string, h crypto.Hash) (sasl.SCRAMKeys, error) {
			acc, err := a.get(user, domain)
			if err != nil {
				return sasl.SCRAMKeys{}, err
			}
			keys, ok := acc.scram[h]
			if !ok {
				return sasl.SCRAMKeys{}, sasl.ErrUnknownUser
			}
			return keys, nil
		},
	}
	if a.Legacy {
		c.HA1 = func(_ context.Context, user, realm string) ([16]byte, error) {
			acc, err := a.get(user, domain)
			if err != nil || realm != domain {
				return [16]byte{}, sasl.ErrUnknownUser
			}
			return acc.ha1, nil
		}
	}
	return c
}

// Digest returns what the digest of jabber:iq:auth is verified with; nil if Passwords
// is not set.
func (a *Accounts) Digest(domain string) func(ctx context.Context, user, streamID, digest string) error {
	if !a.Passwords {
		return nil
	}
	return func(_ context.Context, user, streamID, digest string) error {
		acc, err := a.get(user, domain)
		if err != nil {
			acc = new(account) // costs as much as one that there is
		}
		if ok := auth.Verify(streamID, acc.password, digest); !ok || acc.password == "" {
			return sasl.NotAuthorized
		}
		return nil
	}
}

// SCRAMParameters returns what Hashes and Iterations stand for.
func (a *Accounts) SCRAMParameters() ([]crypto.Hash, int) { return a.hashes(), a.Iterations }

// UpgradeHashes returns Upgrades.
func (a *Accounts) UpgradeHashes() []crypto.Hash { return a.Upgrades }

// AddKeys stores keys beside those that the account has, and does nothing if it has
// keys for the hash: the password may have changed since they were made. The error is
// sasl.ErrUnknownUser if there is no such account.
func (a *Accounts) AddKeys(_ context.Context, j jid.JID, keys sasl.SCRAMKeys) error {
	if !slices.Contains(a.kept(), keys.Hash) {
		return fmt.Errorf("storage/memory: keys for %v are not kept", keys.Hash)
	}
	if _, err := keys.MarshalText(); err != nil { // so they are incomplete
		return err
	}
	keys.Salt, keys.StoredKey, keys.ServerKey =
		slices.Clone(keys.Salt), slices.Clone(keys.StoredKey), slices.Clone(keys.ServerKey)
	a.mu.Lock()
	defer a.mu.Unlock()
	acc, ok := a.m[j.Bare()]
	if !ok {
		return sasl.ErrUnknownUser
	}
	if _, ok := acc.scram[keys.Hash]; ok {
		return nil
	}
	next := *acc // who reads the old one does not hold the lock
	next.scram = maps.Clone(acc.scram)
	next.scram[keys.Hash] = keys
	a.m[j.Bare()] = &next
	return nil
}

// Exists reports whether there is an account with this bare address.
func (a *Accounts) Exists(_ context.Context, account jid.JID) (bool, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	_, ok := a.m[account.Bare()]
	return ok, nil
}

// Register makes an account. The error is stanza.Conflict if it exists.
func (a *Accounts) Register(ctx context.Context, j jid.JID, password string) error {
	if ok, _ := a.Exists(ctx, j); ok {
		return stanza.Conflict // without the cost of making keys
	}
	acc, err := a.makeAccount(j, password)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.m[j.Bare()]; ok {
		return stanza.Conflict
	}
	a.put(j, acc)
	return nil
}

// SetPassword makes the account if it does not exist, and gives it this
// password.
func (a *Accounts) SetPassword(_ context.Context, j jid.JID, password string) error {
	acc, err := a.makeAccount(j, password)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.put(j, acc)
	return nil
}

// Remove removes an account; it is no error if there is none.
func (a *Accounts) Remove(_ context.Context, j jid.JID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.m, j.Bare())
	return nil
}

func (a *Accounts) put(j jid.JID, acc *account) {
	if a.m == nil {
		a.m = make(map[jid.JID]*account)
	}
	a.m[j.Bare().Clone()] = acc
}

// makeAccount makes the keys, which costs time on purpose; it is done without
// holding the lock.
func (a *Accounts) makeAccount(j jid.JID, password string) (*account, error) {
	acc := &account{scram: make(map[crypto.Hash]sasl.SCRAMKeys)}
	for _, h := range a.kept() {
		if _, ok := acc.scram[h]; ok {
			continue
		}
		keys, err := sasl.NewSCRAMKeys(h, password, a.Iterations)
		if err != nil {
			return nil, err
		}
		acc.scram[h] = keys
	}
	if a.Legacy {
		acc.ha1 = sasl.DigestHA1(j.Local(), j.Domain(), password)
	}
	if a.Passwords {
		acc.password = password
	}
	return acc, nil
}
