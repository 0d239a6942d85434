package sql

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/jid"
)

const (
	getDevices = `SELECT devices FROM push_devices WHERE account = $1`
	putDevices = `INSERT INTO push_devices (account, devices) VALUES ($1, $2)
		ON CONFLICT (account) DO UPDATE SET devices = excluded.devices`
	deleteDevices = `DELETE FROM push_devices WHERE account = $1`
)

// Push returns the store of the package push.
func (db *DB) Push() push.Store { return pushDevices{db} }

// pushDevices implements push.Store.
type pushDevices struct{ db *DB }

func (p pushDevices) Devices(ctx context.Context, account jid.JID) (all push.Devices, err error) {
	err = p.db.read(ctx, func(c *conn) error {
		all, err = c.devices(account)
		return err
	})
	return all, err
}

func (p pushDevices) UpdateDevices(ctx context.Context, account jid.JID, fn func(*push.Devices) error) error {
	return p.db.update(ctx, func(c *conn) error {
		all, err := c.devices(account)
		if err != nil {
			return err
		}
		if err := fn(&all); err != nil {
			return err
		}
		text, err := all.MarshalText()
		if err != nil {
			return err
		}
		if len(text) == 0 {
			_, err = c.exec(deleteDevices, account.Bare().String())
			return err
		}
		// What could not be read again is not stored.
		if err := new(push.Devices).UnmarshalText(text); err != nil {
			return fmt.Errorf("storage/sql: these devices cannot be stored: %w", err)
		}
		_, err = c.exec(putDevices, account.Bare().String(), string(text))
		return err
	})
}

func (p pushDevices) RemoveAccount(ctx context.Context, account jid.JID) error {
	return p.db.change(ctx, deleteDevices, account.Bare().String())
}

func (c *conn) devices(account jid.JID) (all push.Devices, err error) {
	var text string
	if _, err := c.get(getDevices, []any{account.Bare().String()}, &text); err != nil {
		return nil, err
	}
	if err := all.UnmarshalText([]byte(text)); err != nil {
		return nil, fmt.Errorf("storage/sql: devices of %v: %w", account, err)
	}
	return all, nil
}
