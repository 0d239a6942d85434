package sql

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/etherx-go/xmpp/ext/gateway"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/ext/search"
	"github.com/etherx-go/xmpp/jid"
)

const (
	pageOfEntries = `SELECT account, fields FROM directory_entries WHERE account > $1 ORDER BY account LIMIT $2`
	putDirectory  = `INSERT INTO directory_entries (account, fields) VALUES ($1, $2)
		ON CONFLICT (account) DO UPDATE SET fields = excluded.fields`
	deleteDirectory = `DELETE FROM directory_entries WHERE account = $1`

	getGateway     = `SELECT fields, suggested FROM gateway_accounts WHERE gateway = $1 AND account = $2`
	pageOfGateways = `SELECT account, fields, suggested FROM gateway_accounts
		WHERE gateway = $1 AND account > $2 ORDER BY account LIMIT $3`
	putGateway = `INSERT INTO gateway_accounts (gateway, account, fields, suggested) VALUES ($1, $2, $3, $4)
		ON CONFLICT (gateway, account) DO UPDATE SET fields = excluded.fields, suggested = excluded.suggested`
	deleteGateway = `DELETE FROM gateway_accounts WHERE gateway = $1 AND account = $2`
)

// pageSize is how many rows of a service are read at once, so that no connection is
// held while they are handled.
const pageSize = 64

// directory implements search.Store.
type directory struct{ db *DB }

// Entries yields them in pages: of those that are added or removed meanwhile some are
// seen and some not.
func (d directory) Entries(ctx context.Context) iter.Seq2[search.Item, error] {
	return pages(func(last string) (page []search.Item, end string, err error) {
		err = d.db.read(ctx, func(c *conn) error {
			return c.each(pageOfEntries, []any{last, pageSize}, func(scan func(...any) error) (bool, error) {
				var fields string
				it := search.Item{}
				err := scan(&end, &fields)
				if err == nil {
					it.JID, it.Fields, err = rowOf[search.Field](end, fields)
				}
				page = append(page, it)
				return true, err
			})
		})
		return page, end, err
	})
}

func (d directory) SetEntry(ctx context.Context, it search.Item) error {
	fields, err := textOfFields(it.Fields)
	if err != nil {
		return err
	}
	return d.db.change(ctx, putDirectory, it.JID.Bare().String(), fields)
}

func (d directory) RemoveEntry(ctx context.Context, user jid.JID) error {
	return d.db.change(ctx, deleteDirectory, user.Bare().String())
}

// gateways implements gateway.Store.
type gateways struct {
	db      *DB
	gateway string
}

func (g gateways) Account(ctx context.Context, user jid.JID) (a gateway.Account, ok bool, err error) {
	var fields, suggested string
	key := user.Bare().String()
	ok, err = g.db.get(ctx, getGateway, []any{g.gateway, key}, &fields, &suggested)
	if ok && err == nil {
		a, err = accountOf(key, fields, suggested)
	}
	return a, ok && err == nil, err
}

func (g gateways) SetAccount(ctx context.Context, a gateway.Account) error {
	fields, err := textOfFields(a.Fields)
	if err != nil {
		return err
	}
	suggested, err := json.Marshal(a.Suggested)
	if err != nil {
		return err
	}
	return g.db.change(ctx, putGateway, g.gateway, a.User.Bare().String(), fields, string(suggested))
}

func (g gateways) RemoveAccount(ctx context.Context, user jid.JID) error {
	return g.db.change(ctx, deleteGateway, g.gateway, user.Bare().String())
}

// Accounts yields them as directory.Entries does.
func (g gateways) Accounts(ctx context.Context) iter.Seq2[gateway.Account, error] {
	return pages(func(last string) (page []gateway.Account, end string, err error) {
		err = g.db.read(ctx, func(c *conn) error {
			args := []any{g.gateway, last, pageSize}
			return c.each(pageOfGateways, args, func(scan func(...any) error) (bool, error) {
				var fields, suggested string
				var a gateway.Account
				err := scan(&end, &fields, &suggested)
				if err == nil {
					a, err = accountOf(end, fields, suggested)
				}
				page = append(page, a)
				return true, err
			})
		})
		return page, end, err
	})
}

func accountOf(key, fields, suggested string) (a gateway.Account, err error) {
	if a.User, a.Fields, err = rowOf[register.Field](key, fields); err != nil {
		return a, err
	}
	if err = json.Unmarshal([]byte(suggested), &a.Suggested); err != nil {
		err = fmt.Errorf("storage/sql: the row of %s: %w", key, err)
	}
	return a, err
}

// pages yields the rows of all pages. next returns the page behind the key last, and
// the key of its last row.
func pages[T any](next func(last string) (page []T, end string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for last := ""; ; {
			page, end, err := next(last)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range page {
				if !yield(v, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
			last = end
		}
	}
}

// namedText is a field as it is stored.
type namedText struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func textOfFields[F search.Field | register.Field](fields []F) (string, error) {
	all := make([]namedText, len(fields))
	for i, f := range fields {
		all[i] = namedText(f)
	}
	text, err := json.Marshal(all)
	return string(text), err
}

// rowOf reads what the rows of services have in common.
func rowOf[F search.Field | register.Field](key, text string) (account jid.JID, fields []F, err error) {
	var all []namedText
	if account, err = jid.Parse(key); err == nil {
		err = json.Unmarshal([]byte(text), &all)
	}
	if err != nil {
		return jid.JID{}, nil, fmt.Errorf("storage/sql: the row of %s: %w", key, err)
	}
	for _, f := range all {
		fields = append(fields, F(f))
	}
	return account, fields, nil
}
