package sql

import (
	"context"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stream"
)

const (
	getTokens = `SELECT secret, mechanism, until, count, new_secret, new_mechanism, new_until, new_count
		FROM login_tokens WHERE account = $1 AND client = $2`
	putTokens = `INSERT INTO login_tokens (account, client, expires, secret, mechanism, until, count,
		new_secret, new_mechanism, new_until, new_count) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (account, client) DO UPDATE SET expires = excluded.expires,
		secret = excluded.secret, mechanism = excluded.mechanism, until = excluded.until, count = excluded.count,
		new_secret = excluded.new_secret, new_mechanism = excluded.new_mechanism,
		new_until = excluded.new_until, new_count = excluded.new_count`
	countTokens = `SELECT count(*) FROM login_tokens WHERE account = $1`
	dropTokens  = `DELETE FROM login_tokens WHERE account = $1 AND client IN
		(SELECT client FROM login_tokens WHERE account = $1 AND client <> $2 ORDER BY expires, client LIMIT $3)`
	deleteTokens    = `DELETE FROM login_tokens WHERE account = $1 AND client = $2`
	deleteAllTokens = `DELETE FROM login_tokens WHERE account = $1`
)

// Tokens returns the store of the tokens with which clients log in again (XEP-0484).
func (db *DB) Tokens() stream.TokenStore { return tokens{db} }

// tokens implements stream.TokenStore.
type tokens struct{ db *DB }

func (s tokens) UpdateTokens(
	ctx context.Context, account jid.JID, client string, fn func(*sasl.HashedTokens) error,
) error {
	key := account.Bare().String()
	return s.db.update(ctx, func(c *conn) error {
		t, known, err := c.tokens(key, client)
		if err != nil {
			return err
		}
		if err := fn(&t); err != nil {
			return err
		}
		if t.IsZero() {
			_, err := c.exec(deleteTokens, key, client)
			return err
		}
		if err := c.putTokens(key, client, &t); err != nil || known {
			return err
		}
		return c.boundTokens(key, client)
	})
}

func (s tokens) RemoveTokens(ctx context.Context, account jid.JID, client string) error {
	if client == "" {
		return s.db.change(ctx, deleteAllTokens, account.Bare().String())
	}
	return s.db.change(ctx, deleteTokens, account.Bare().String(), client)
}

func (c *conn) tokens(account, client string) (t sasl.HashedTokens, known bool, err error) {
	var until, newUntil, count, newCount int64
	known, err = c.get(getTokens, []any{account, client}, &t.Current.Secret, &t.Current.Mechanism, &until, &count,
		&t.New.Secret, &t.New.Mechanism, &newUntil, &newCount)
	if !known || err != nil {
		return sasl.HashedTokens{}, false, err
	}
	t.Current.Expires, t.Current.Count = time.UnixMicro(until).UTC(), uint64(count)
	t.New.Expires, t.New.Count = time.UnixMicro(newUntil).UTC(), uint64(newCount)
	return t, true, nil
}

func (c *conn) putTokens(account, client string, t *sasl.HashedTokens) error {
	_, err := c.exec(putTokens, account, client, t.Expires().UnixMicro(),
		t.Current.Secret, t.Current.Mechanism, t.Current.Expires.UnixMicro(), int64(t.Current.Count),
		t.New.Secret, t.New.Mechanism, t.New.Expires.UnixMicro(), int64(t.New.Count))
	return err
}

// boundTokens forgets other clients than this one if there are too many.
func (c *conn) boundTokens(account, client string) error {
	var n int
	if _, err := c.get(countTokens, []any{account}, &n); err != nil || n <= stream.MaxTokenClients {
		return err
	}
	_, err := c.exec(dropTokens, account, client, n-stream.MaxTokenClients)
	return err
}
