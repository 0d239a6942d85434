package ox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/stanza"
)

// Access models of nodes (XEP-0060, section 4.5).
const (
	accessOpen      = "open"
	accessWhitelist = "whitelist"
)

// Publish publishes public keys at the own account, for everybody to read, and
// announces them beside those that are announced already (sections 4.1 and 4.2).
// A key that was published before is published again, for it may have changed.
//
// The error is a *stanza.Error of the server: service-unavailable if it does not
// know personal events, policy-violation if a key is too large for it.
func Publish(ctx context.Context, s xmpp.Sender, keys ...*openpgp.Key) error {
	list, err := FetchList(ctx, s, s.LocalAddr())
	if err != nil && !errors.Is(err, openpgp.ErrNoKey) {
		return err
	}
	for _, k := range keys {
		// "The publisher MUST ensure that the public key is available at the
		// corresponding data node" before it announces it.
		if err := publishOpen(ctx, s, NodeKey(k.Fingerprint()), PublicKey(k.Public().Bytes())); err != nil {
			return err
		}
		list = append(list.without(k.Fingerprint()), KeyInfo{k.Fingerprint(), time.Now()})
	}
	return publishOpen(ctx, s, NodeKeys, list)
}

// publishOpen publishes an item for everybody to read, or for those that the owner
// has chosen for the node.
func publishOpen(ctx context.Context, s xmpp.Sender, node string, item stanza.Payload) error {
	err := publish(ctx, s, node, accessOpen, item)
	if errors.Is(err, stanza.Conflict) {
		return publish(ctx, s, node, "", item)
	}
	return err
}

// Announce publishes those of the keys that are not announced at the own account:
// "If the key has been removed, the entity SHOULD reannounce it" (section 6.3).
func Announce(ctx context.Context, s xmpp.Sender, keys ...*openpgp.Key) error {
	list, err := FetchList(ctx, s, s.LocalAddr())
	if err != nil && !errors.Is(err, openpgp.ErrNoKey) {
		return err
	}
	var missing []*openpgp.Key
	for _, k := range keys {
		if !list.Has(k.Fingerprint()) {
			missing = append(missing, k)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return Publish(ctx, s, missing...)
}

// Withdraw takes a key out of those that the own account announces, and deletes
// it there. Who has it keeps it: to tell that it is not to be used any more,
// publish it with its revocation.
func Withdraw(ctx context.Context, s xmpp.Sender, fingerprint string) error {
	list, err := FetchList(ctx, s, s.LocalAddr())
	switch {
	case errors.Is(err, openpgp.ErrNoKey):
	case err != nil:
		return err
	case list.Has(fingerprint):
		if err := publishOpen(ctx, s, NodeKeys, list.without(fingerprint)); err != nil {
			return err
		}
	}
	if err := remove(ctx, s, NodeKey(fingerprint)); !errors.Is(err, stanza.ItemNotFound) {
		return err
	}
	return nil
}

// FetchList returns which keys somebody announces (section 4.3). The error is an
// openpgp.ErrNoKey if he announces none.
func FetchList(ctx context.Context, s xmpp.Sender, addr jid.JID) (KeyList, error) {
	e, err := fetch(ctx, s, addr, NodeKeys)
	if errors.Is(err, stanza.ItemNotFound) {
		return nil, fmt.Errorf("%w: %s announces none: %w", openpgp.ErrNoKey, addr.Bare(), err)
	}
	if err != nil {
		return nil, err
	}
	var list KeyList
	if e.Is(NS, "public-keys-list") {
		if err := e.Decode(&list); err != nil {
			return nil, err
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: %s announces none", openpgp.ErrNoKey, addr.Bare())
	}
	return list, nil
}

// DefaultMaxKeys is the default of Fetcher.MaxKeys.
const DefaultMaxKeys = 10

// Fetcher fetches the keys that contacts have published. Its method Keys is an
// [openpgp.KeyFunc]. The zero Fetcher is ready to use.
type Fetcher struct {
	// MaxKeys is how many keys of one contact are fetched, default 10.
	MaxKeys int
	// Limits bound each of them.
	Limits openpgp.Limits
}

// FetchKeys is the method Keys of the zero [Fetcher].
func FetchKeys(ctx context.Context, s xmpp.Sender, contact jid.JID) ([]*openpgp.Key, error) {
	return new(Fetcher).Keys(ctx, s, contact)
}

// Keys returns all the keys that a contact announces, as far as they have his
// address and can be encrypted to now: "In this case all keys MUST be used for
// encryption" (XEP-0374, section 2.3.1). Those that are not there, or are not what
// they should be, are left out. The error is an openpgp.ErrNoKey if none is left.
//
// What the servers say is believed; see [openpgp.Pins].
func (f *Fetcher) Keys(ctx context.Context, s xmpp.Sender, contact jid.JID) ([]*openpgp.Key, error) {
	list, err := FetchList(ctx, s, contact)
	if err != nil {
		return nil, err
	}
	limit := f.MaxKeys
	if limit <= 0 {
		limit = DefaultMaxKeys
	}
	if len(list) > limit {
		return nil, fmt.Errorf("%w: %s announces %d keys", openpgp.ErrTooLarge, contact.Bare(), len(list))
	}
	var keys []*openpgp.Key
	var bad []error
	for _, info := range list {
		k, err := f.Key(ctx, s, contact, info.Fingerprint)
		now := time.Now().Add(openpgp.DefaultSkew)
		switch {
		case err == nil && !k.HasAddress(contact, now):
			bad = append(bad, fmt.Errorf("%w: %s does not have the address %s", ErrAuthor, k, contact.Bare()))
		case err == nil && k.Check(now) != nil:
			bad = append(bad, fmt.Errorf("%s: %w", k, k.Check(now)))
		case err == nil:
			keys = append(keys, k)
		case isBadKey(err):
			bad = append(bad, err)
		default:
			return nil, err
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no good one of %s: %w", openpgp.ErrNoKey, contact.Bare(), errors.Join(bad...))
	}
	return keys, nil
}

// isBadKey reports whether an error is about the key that was asked for, and not
// about the asking.
func isBadKey(err error) bool {
	for _, e := range []error{
		openpgp.ErrMalformed, openpgp.ErrTooLarge, openpgp.ErrNoKey, stanza.ItemNotFound, stanza.BadRequest,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Key fetches one key (section 4.4), whatever its address and state. The error is
// an openpgp.ErrNoKey if it is not there, or another key is in its place.
func (f *Fetcher) Key(ctx context.Context, s xmpp.Sender, contact jid.JID, fingerprint string) (*openpgp.Key, error) {
	e, err := fetch(ctx, s, contact, NodeKey(fingerprint))
	if err != nil {
		return nil, err
	}
	var data PublicKey
	if !e.Is(NS, "pubkey") {
		return nil, fmt.Errorf("%w: %s is not published", openpgp.ErrNoKey, fingerprint)
	}
	if err := e.Decode(&data); err != nil {
		return nil, err
	}
	keys, err := openpgp.ReadKeys(bytes.NewReader(data), f.Limits)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.Fingerprint() == fingerprint {
			return k.Public(), nil
		}
	}
	return nil, fmt.Errorf("%w: another key in the place of %s", openpgp.ErrNoKey, fingerprint)
}
