package sql

import (
	"context"
	"encoding/xml"
	"fmt"
	"time"

	"github.com/etherx-go/xmpp/ext/private"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/privacy"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	getPresence = `SELECT at, stanza FROM last_presences WHERE account = $1`
	putPresence = `INSERT INTO last_presences (account, at, stanza) VALUES ($1, $2, $3)
		ON CONFLICT (account) DO UPDATE SET at = excluded.at, stanza = excluded.stanza`
	deletePresence = `DELETE FROM last_presences WHERE account = $1`

	getCard = `SELECT card FROM vcards WHERE account = $1`
	putCard = `INSERT INTO vcards (account, card) VALUES ($1, $2)
		ON CONFLICT (account) DO UPDATE SET card = excluded.card`
	deleteCard = `DELETE FROM vcards WHERE account = $1`

	getLists = `SELECT lists FROM privacy_lists WHERE account = $1`
	putLists = `INSERT INTO privacy_lists (account, lists) VALUES ($1, $2)
		ON CONFLICT (account) DO UPDATE SET lists = excluded.lists`
	deleteLists = `DELETE FROM privacy_lists WHERE account = $1`

	getElement = `SELECT element FROM private_elements WHERE account = $1 AND space = $2 AND local = $3`
	setElement = `UPDATE private_elements SET element = $4 WHERE account = $1 AND space = $2 AND local = $3`
	addElement = `INSERT INTO private_elements (account, space, local, element) SELECT $1, $2, $3, $4
		WHERE $5 < 0 OR (SELECT count(*) FROM private_elements WHERE account = $1) < $5`
	deleteElement  = `DELETE FROM private_elements WHERE account = $1 AND space = $2 AND local = $3`
	deleteElements = `DELETE FROM private_elements WHERE account = $1`
)

// presences implements presence.Store.
type presences struct{ db *DB }

func (p presences) LastPresence(ctx context.Context, account jid.JID) (*stanza.Stanza, time.Time, error) {
	var at int64
	var text string
	ok, err := p.db.get(ctx, getPresence, []any{account.Bare().String()}, &at, &text)
	if !ok || err != nil {
		return nil, time.Time{}, err
	}
	st, err := stanza.Parse(text)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("storage/sql: last presence of %v: %w", account, err)
	}
	return st, time.UnixMicro(at).UTC(), nil
}

func (p presences) SetLastPresence(ctx context.Context, account jid.JID, st *stanza.Stanza, at time.Time) error {
	text, err := textOf(st)
	if err != nil {
		return err
	}
	return p.db.change(ctx, putPresence, account.Bare().String(), at.UnixMicro(), text)
}

func (p presences) RemoveAccount(ctx context.Context, account jid.JID) error {
	return p.db.change(ctx, deletePresence, account.Bare().String())
}

// vcards implements vcard.Store.
type vcards struct{ db *DB }

func (v vcards) VCard(ctx context.Context, account jid.JID) (card stanza.Raw, err error) {
	_, err = v.db.get(ctx, getCard, []any{account.Bare().String()}, (*string)(&card))
	return card, err
}

func (v vcards) SetVCard(ctx context.Context, account jid.JID, card stanza.Raw) error {
	if card == "" {
		return v.RemoveAccount(ctx, account)
	}
	return v.db.change(ctx, putCard, account.Bare().String(), string(card))
}

func (v vcards) RemoveAccount(ctx context.Context, account jid.JID) error {
	return v.db.change(ctx, deleteCard, account.Bare().String())
}

// privacyLists implements privacy.Store.
type privacyLists struct{ db *DB }

func (p privacyLists) PrivacyLists(ctx context.Context, account jid.JID) (lists privacy.Lists, err error) {
	err = p.db.read(ctx, func(c *conn) error {
		lists, err = c.privacyLists(account)
		return err
	})
	return lists, err
}

func (p privacyLists) UpdatePrivacyLists(
	ctx context.Context, account jid.JID, fn func(*privacy.Lists) error,
) error {
	return p.db.update(ctx, func(c *conn) error {
		lists, err := c.privacyLists(account)
		if err != nil {
			return err
		}
		if err := fn(&lists); err != nil {
			return err
		}
		text, err := lists.MarshalText()
		if err != nil {
			return err
		}
		if len(text) == 0 {
			_, err = c.exec(deleteLists, account.Bare().String())
			return err
		}
		// What could not be read again is not stored.
		if err := new(privacy.Lists).UnmarshalText(text); err != nil {
			return fmt.Errorf("storage/sql: these privacy lists cannot be stored: %w", err)
		}
		_, err = c.exec(putLists, account.Bare().String(), string(text))
		return err
	})
}

func (p privacyLists) RemoveAccount(ctx context.Context, account jid.JID) error {
	return p.db.change(ctx, deleteLists, account.Bare().String())
}

func (c *conn) privacyLists(account jid.JID) (lists privacy.Lists, err error) {
	var text string
	if _, err := c.get(getLists, []any{account.Bare().String()}, &text); err != nil {
		return lists, err
	}
	if err := lists.UnmarshalText([]byte(text)); err != nil {
		return lists, fmt.Errorf("storage/sql: privacy lists of %v: %w", account, err)
	}
	return lists, nil
}

// privateXML implements private.Store.
type privateXML struct{ db *DB }

func (p privateXML) Private(ctx context.Context, account jid.JID, name xml.Name) (el stanza.Raw, err error) {
	_, err = p.db.get(ctx, getElement, []any{account.Bare().String(), name.Space, name.Local}, (*string)(&el))
	return el, err
}

// SetPrivate removes the element if el is "".
func (p privateXML) SetPrivate(
	ctx context.Context, account jid.JID, name xml.Name, el stanza.Raw, max int,
) error {
	key := account.Bare().String()
	if el == "" {
		return p.db.change(ctx, deleteElement, key, name.Space, name.Local)
	}
	return p.db.update(ctx, func(c *conn) error {
		n, err := c.exec(setElement, key, name.Space, name.Local, string(el))
		if err != nil || n > 0 {
			return err
		}
		n, err = c.exec(addElement, key, name.Space, name.Local, string(el), max)
		if err == nil && n == 0 {
			return private.ErrFull
		}
		return err
	})
}

func (p privateXML) RemoveAccount(ctx context.Context, account jid.JID) error {
	return p.db.change(ctx, deleteElements, account.Bare().String())
}
