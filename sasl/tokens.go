package sasl

import (
	"crypto/rand"
	"time"
)

// HashedToken is a token as a server keeps it for a client that logs in with it by
// one of the HT mechanisms (XEP-0484).
type HashedToken struct {
	// Secret is the token itself, which whoever has it can log in with; empty if
	// there is none.
	Secret string
	// Mechanism is the one that the token is good for: "Servers MUST bind tokens
	// to the mechanism selected by the client" (section 3.4).
	Mechanism string
	// Expires is when it ends to be good.
	Expires time.Time
	// Count is the highest count of attempts that the client has said with it
	// (section 3.4); 0 if it has said none.
	Count uint64
}

// HashedTokens are those of one client of one account: at most two, so that a client
// which does not receive the answer that has a new one can still use the old one
// (XEP-0484, section 5.1). The zero value is none.
type HashedTokens struct {
	Current HashedToken // that has been used
	New     HashedToken // that was given to the client last
}

// IsZero reports whether there is no token.
func (t *HashedTokens) IsZero() bool { return t.Current.Secret == "" && t.New.Secret == "" }

// Issue makes a new token, which takes the place of the last one that was not used:
// "upon providing a new token to the client, the server SHOULD invalidate any tokens
// previously generated that have not been used" (section 3.5). The one in use stays
// good until the new one is used. expires is cut to seconds, which is what the client
// is told.
func (t *HashedTokens) Issue(mechanism string, expires time.Time) HashedToken {
	t.New = HashedToken{Secret: rand.Text(), Mechanism: mechanism, Expires: expires.UTC().Truncate(time.Second)}
	return t.New
}

// Use finds the token that a client has proven to have, and makes it the current one.
// match is that of [Credentials.HashedToken]. count is the attempt's number, as the
// client said it; counted is false if it said none. With the error nothing has
// changed: NotAuthorized if there is no such token for the mechanism, or the count
// was there before; CredentialsExpired if it is too old.
//
// "Upon successful use of any token, the server MUST invalidate all tokens issued to
// the same client with an earlier expiry" (section 3.5): those are gone then.
func (t *HashedTokens) Use(mechanism string, now time.Time, count uint64, counted bool, match func(string) bool) error {
	// Both are compared in any case, so that it takes the same time.
	isNew := t.New.good(mechanism, match)
	isCurrent := t.Current.good(mechanism, match)
	used := t.Current
	switch {
	case isNew:
		used = t.New
	case !isCurrent:
		return NotAuthorized
	}
	if !now.Before(used.Expires) {
		return CredentialsExpired
	}
	if counted && count <= used.Count {
		return NotAuthorized
	}
	if counted {
		used.Count = count
	}
	t.Current = used
	if isNew || t.New.Expires.Before(used.Expires) {
		t.New = HashedToken{}
	}
	return nil
}

// good reports whether the token is for the mechanism, and is the one.
func (h *HashedToken) good(mechanism string, match func(string) bool) bool {
	return match(h.Secret) && h.Secret != "" && h.Mechanism == mechanism
}

// Expires returns when the last of them ends to be good.
func (t *HashedTokens) Expires() time.Time {
	if t.New.Expires.After(t.Current.Expires) {
		return t.New.Expires
	}
	return t.Current.Expires
}

// Expired reports whether no token is good any more, so that a store may forget them.
func (t *HashedTokens) Expired(now time.Time) bool { return !now.Before(t.Expires()) }
