package sql

import (
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/auth"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	getAccount  = `SELECT scram, ha1 FROM accounts WHERE account = $1`
	getPassword = `SELECT password FROM accounts WHERE account = $1`
	hasAccount  = `SELECT 1 FROM accounts WHERE account = $1`
	addAccount  = `INSERT INTO accounts (account, scram, ha1, password) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account) DO NOTHING`
	putAccount = `INSERT INTO accounts (account, scram, ha1, password) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account) DO UPDATE SET scram = excluded.scram, ha1 = excluded.ha1, password = excluded.password`
	setKeys       = `UPDATE accounts SET scram = $2 WHERE account = $1`
	deleteAccount = `DELETE FROM accounts WHERE account = $1`
)

// Accounts keeps accounts: by their SCRAM keys, and by the password only if that is
// asked for. It is safe for concurrent use.
type Accounts struct{ db *DB }

// Credentials returns credentials for SCRAM and PLAIN, and for DIGEST-MD5 with
// the domain as its realm if Config.Legacy is set.
func (a *Accounts) Credentials(domain string) sasl.Credentials {
	c := sasl.Credentials{
		SCRAM: func(ctx context.Context, user string, h crypto.Hash) (sasl.SCRAMKeys, error) {
			scram, _, err := a.get(ctx, user, domain)
			if err != nil {
				return sasl.SCRAMKeys{}, err
			}
			return findKeys(scram, h)
		},
	}
	if a.db.cfg.Legacy {
		c.HA1 = func(ctx context.Context, user, realm string) (sum [16]byte, err error) {
			_, ha1, err := a.get(ctx, user, domain)
			if err != nil {
				return sum, err
			}
			if ha1 == "" || realm != domain {
				return sum, sasl.ErrUnknownUser
			}
			b, err := hex.DecodeString(ha1)
			if err != nil || len(b) != len(sum) {
				return sum, fmt.Errorf("storage/sql: the DIGEST-MD5 hash of %s@%s is malformed", user, domain)
			}
			return [16]byte(b), nil
		}
	}
	return c
}

// Digest returns what the digest of jabber:iq:auth is verified with; nil if
// Config.Passwords is not set.
func (a *Accounts) Digest(domain string) func(ctx context.Context, user, streamID, digest string) error {
	if !a.db.cfg.Passwords {
		return nil
	}
	return func(ctx context.Context, user, streamID, digest string) error {
		account, err := jid.New(user, domain, "")
		if err != nil {
			return sasl.ErrUnknownUser
		}
		var password string // "" also if there is no such account
		if _, err := a.db.get(ctx, getPassword, []any{account.String()}, &password); err != nil {
			return err
		}
		if ok := auth.Verify(streamID, password, digest); !ok || password == "" {
			return sasl.NotAuthorized
		}
		return nil
	}
}

// SCRAMParameters returns what Config.Hashes and Config.Iterations stand for.
func (a *Accounts) SCRAMParameters() ([]crypto.Hash, int) {
	return a.db.cfg.Hashes, a.db.cfg.Iterations
}

// UpgradeHashes returns Config.Upgrades.
func (a *Accounts) UpgradeHashes() []crypto.Hash { return a.db.cfg.Upgrades }

// AddKeys stores keys beside those that the account has, and does nothing if it has
// keys for the hash: the password may have changed since they were made. The error is
// sasl.ErrUnknownUser if there is no such account.
func (a *Accounts) AddKeys(ctx context.Context, account jid.JID, keys sasl.SCRAMKeys) error {
	if !slices.Contains(a.kept(), keys.Hash) {
		return fmt.Errorf("storage/sql: keys for %v are not kept", keys.Hash)
	}
	text, err := keys.MarshalText()
	if err != nil {
		return err
	}
	key := account.Bare().String()
	return a.db.update(ctx, func(c *conn) error {
		var scram, ha1 string
		ok, err := c.get(getAccount, []any{key}, &scram, &ha1)
		if err != nil {
			return err
		}
		if !ok {
			return sasl.ErrUnknownUser
		}
		if _, err := findKeys(scram, keys.Hash); !errors.Is(err, sasl.ErrUnknownUser) {
			return err
		}
		_, err = c.exec(setKeys, key, strings.TrimSpace(scram+" "+string(text)))
		return err
	})
}

// kept returns the hashes that keys are made for.
func (a *Accounts) kept() []crypto.Hash {
	return slices.Concat(a.db.cfg.Hashes, a.db.cfg.Upgrades)
}

// Exists reports whether there is an account with this bare address.
func (a *Accounts) Exists(ctx context.Context, account jid.JID) (bool, error) {
	var one int
	return a.db.get(ctx, hasAccount, []any{account.Bare().String()}, &one)
}

// Register makes an account. The error is stanza.Conflict if it exists.
func (a *Accounts) Register(ctx context.Context, account jid.JID, password string) error {
	if ok, err := a.Exists(ctx, account); err != nil {
		return err
	} else if ok {
		return stanza.Conflict // without the cost of making keys
	}
	scram, ha1, err := a.makeKeys(account, password)
	if err != nil {
		return err
	}
	return a.db.update(ctx, func(c *conn) error {
		n, err := c.exec(addAccount, account.Bare().String(), scram, ha1, a.plain(password))
		if err == nil && n == 0 {
			return stanza.Conflict
		}
		return err
	})
}

// SetPassword makes the account if it does not exist, and gives it this
// password.
func (a *Accounts) SetPassword(ctx context.Context, account jid.JID, password string) error {
	scram, ha1, err := a.makeKeys(account, password)
	if err != nil {
		return err
	}
	return a.db.change(ctx, putAccount, account.Bare().String(), scram, ha1, a.plain(password))
}

// Remove removes an account; it is no error if there is none.
func (a *Accounts) Remove(ctx context.Context, account jid.JID) error {
	return a.db.change(ctx, deleteAccount, account.Bare().String())
}

func (a *Accounts) get(ctx context.Context, user, domain string) (scram, ha1 string, err error) {
	account, err := jid.New(user, domain, "")
	if err != nil {
		return "", "", sasl.ErrUnknownUser
	}
	ok, err := a.db.get(ctx, getAccount, []any{account.String()}, &scram, &ha1)
	if err == nil && !ok {
		err = sasl.ErrUnknownUser
	}
	return scram, ha1, err
}

// plain returns the password if it is kept itself.
func (a *Accounts) plain(password string) string {
	if !a.db.cfg.Passwords {
		return ""
	}
	return password
}

// makeKeys makes what is kept of a password, which costs time on purpose.
func (a *Accounts) makeKeys(account jid.JID, password string) (scram, ha1 string, err error) {
	var all []string
	hashes := a.kept()
	for i, h := range hashes {
		if slices.Contains(hashes[:i], h) {
			continue
		}
		keys, err := sasl.NewSCRAMKeys(h, password, a.db.cfg.Iterations)
		if err != nil {
			return "", "", err
		}
		text, err := keys.MarshalText()
		if err != nil {
			return "", "", err
		}
		all = append(all, string(text))
	}
	if a.db.cfg.Legacy {
		sum := sasl.DigestHA1(account.Local(), account.Domain(), password)
		ha1 = hex.EncodeToString(sum[:])
	}
	return strings.Join(all, " "), ha1, nil
}

// findKeys returns the keys for one hash of those that are kept.
func findKeys(scram string, h crypto.Hash) (sasl.SCRAMKeys, error) {
	for text := range strings.FieldsSeq(scram) {
		var keys sasl.SCRAMKeys
		if err := keys.UnmarshalText([]byte(text)); err != nil {
			return sasl.SCRAMKeys{}, fmt.Errorf("storage/sql: %w", err)
		}
		if keys.Hash == h {
			return keys, nil
		}
	}
	return sasl.SCRAMKeys{}, sasl.ErrUnknownUser
}
