package server

import (
	"context"
	"crypto"
	"fmt"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// Accounts are the users of a server. The methods must be safe for concurrent
// use.
type Accounts interface {
	// Credentials returns what users of a domain authenticate against. Which
	// functions are set decides which mechanisms are offered.
	Credentials(domain string) sasl.Credentials

	// Exists reports whether there is an account with this bare address.
	Exists(ctx context.Context, account jid.JID) (bool, error)
}

// SCRAMParameters is an Accounts that keeps SCRAM keys otherwise than for
// SHA-256 and SHA-1 with [sasl.DefaultIterations] iterations.
type SCRAMParameters interface {
	// SCRAMParameters returns the hashes that there are keys for, and the
	// iteration count of new keys, which is shown for unknown users too.
	SCRAMParameters() (hashes []crypto.Hash, iterations int)
}

// Upgrader is an Accounts that takes SCRAM keys for accounts which have none for a
// hash, as clients make them that log in by their password otherwise (XEP-0480). It is
// how a stronger mechanism is brought to accounts whose passwords nobody has.
type Upgrader interface {
	Accounts
	// UpgradeHashes returns the hashes that keys are wanted for; everybody can see
	// them. That an account has no keys for one of them is for Credentials to tell:
	// its SCRAM returns sasl.ErrUnknownUser. A hash may be among those of
	// SCRAMParameters too, but then accounts without its keys cannot log in by the
	// mechanism, which clients prefer.
	UpgradeHashes() []crypto.Hash
	// AddKeys stores keys beside those that the account has. If there are keys for the
	// hash it does nothing: they may be of a password that was set since the client has
	// logged in. So whatever sets a password must make keys for all of UpgradeHashes.
	AddKeys(ctx context.Context, account jid.JID, keys sasl.SCRAMKeys) error
}

// Registrar is an Accounts in which accounts can be made, as in-band
// registration does.
type Registrar interface {
	Accounts
	// Register makes an account. The error is stanza.Conflict if there is
	// one with this address already.
	Register(ctx context.Context, account jid.JID, password string) error
}

// AccountManager is a Registrar whose accounts can be changed and removed, as
// in-band registration does for those who are logged in (XEP-0077, sections 3.2
// and 3.3).
type AccountManager interface {
	Registrar
	// SetPassword changes the password of an account that exists, and makes
	// one that does not.
	SetPassword(ctx context.Context, account jid.JID, password string) error
	// Remove removes an account; it is no error if there is none.
	Remove(ctx context.Context, account jid.JID) error
}

// Mover is an Accounts that knows where users have gone.
type Mover interface {
	// Moved returns the error gone or redirect, with the new address, for an
	// account whose user is to be found elsewhere (RFC 6121, section 4.3.2);
	// nil for others.
	Moved(ctx context.Context, account jid.JID) (*stanza.Error, error)
}

// VerifyFunc is the shortest Accounts: a function that checks a password, in
// the manner of an app's own log-in. It returns nil if account and password
// are right, and [sasl.ErrUnknownUser] or [sasl.NotAuthorized] if not; it
// should take the same time for both. Only PLAIN can be offered with it, and
// every address counts as an account: also what is sent to one that nobody has
// is stored for it.
type VerifyFunc func(ctx context.Context, account jid.JID, password string) error

// Credentials returns credentials that ask f.
func (f VerifyFunc) Credentials(domain string) sasl.Credentials {
	return sasl.Credentials{Verify: func(ctx context.Context, user, password string) error {
		account, err := jid.New(user, domain, "")
		if err != nil {
			return sasl.ErrUnknownUser
		}
		return f(ctx, account, password)
	}}
}

// Exists returns true.
func (f VerifyFunc) Exists(context.Context, jid.JID) (bool, error) { return true, nil }

// accountOf returns the account that a SASL user name on a domain stands for.
func accountOf(user, domain string) (jid.JID, error) {
	account, err := jid.New(user, domain, "")
	if err != nil || user == "" {
		return jid.JID{}, &sasl.Failure{Condition: sasl.NotAuthorized, Err: fmt.Errorf("user name %q: %w", user, err)}
	}
	return account, nil
}

// normalize is how user names are made into those of accounts.
func normalize(domain string) func(string) (string, error) {
	return func(user string) (string, error) {
		account, err := jid.New(user, domain, "")
		return account.Local(), err
	}
}
