package ox

import (
	"context"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/stanza"
)

// StoreSecret keeps a backup of the secret keys, as [openpgp.Backup] makes it, at
// the own account, for the other devices of its owner (section 5). It is stored
// in a node that nobody else may read; where the node exists and others may, the
// error is a conflict, and nothing is stored. It takes the place of a backup that
// is there.
//
// A server that does not know about access models would show the backup to
// others. It is encrypted all the same: what protects it is the backup code.
func StoreSecret(ctx context.Context, s xmpp.Sender, backup []byte) error {
	b := append(element(nil, "create", NodeSecret), "/>"...)
	b = options(b, "configure", "#node_config", accessWhitelist)
	err := set(ctx, s, pubsub{nsPubSub, b})
	if err != nil && !errors.Is(err, stanza.Conflict) { // it is there
		return err
	}
	return publish(ctx, s, NodeSecret, accessWhitelist, SecretKey(backup))
}

// FetchSecret returns the backup that is kept at the own account, for
// [openpgp.Restore]. The error is an openpgp.ErrNoKey if there is none.
func FetchSecret(ctx context.Context, s xmpp.Sender) ([]byte, error) {
	e, err := fetch(ctx, s, s.LocalAddr(), NodeSecret)
	switch {
	case errors.Is(err, stanza.ItemNotFound):
		return nil, fmt.Errorf("%w: no backup: %w", openpgp.ErrNoKey, err)
	case err != nil:
		return nil, err
	case !e.Is(NS, "secretkey"):
		return nil, fmt.Errorf("%w: no backup", openpgp.ErrNoKey)
	}
	var data SecretKey
	err = e.Decode(&data)
	return data, err
}

// DeleteSecret deletes the backup that is kept at the own account, if there is
// one.
func DeleteSecret(ctx context.Context, s xmpp.Sender) error {
	if err := remove(ctx, s, NodeSecret); !errors.Is(err, stanza.ItemNotFound) {
		return err
	}
	return nil
}
