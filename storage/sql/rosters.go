package sql

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
)

const (
	getRoster = `SELECT epoch, updates, entries FROM rosters WHERE account = $1`
	putRoster = `INSERT INTO rosters (account, epoch, updates, entries) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account) DO UPDATE SET updates = excluded.updates, entries = excluded.entries`
	deleteRoster = `DELETE FROM rosters WHERE account = $1`

	// What an entry has besides its address. The numbers come as one, as each
	// column costs time: see entryRow.
	entryColumns = `name, group_names, request, subscription + 4 * ask + 8 * approved + 16 * hidden`

	// One statement, so that entries and version are of the same moment. The
	// first row stands for the roster itself.
	getEntries = `SELECT '', epoch, '', '', updates FROM rosters WHERE account = $1
		UNION ALL SELECT contact, ` + entryColumns + ` FROM roster_entries WHERE account = $1`
	getEntry = `SELECT ` + entryColumns + ` FROM roster_entries WHERE account = $1 AND contact = $2`
	putEntry = `INSERT INTO roster_entries
		(account, contact, name, group_names, request, subscription, ask, approved, hidden)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (account, contact) DO UPDATE SET name = excluded.name, group_names = excluded.group_names,
		subscription = excluded.subscription, ask = excluded.ask, approved = excluded.approved,
		hidden = excluded.hidden, request = excluded.request`
	deleteEntry   = `DELETE FROM roster_entries WHERE account = $1 AND contact = $2`
	deleteEntries = `DELETE FROM roster_entries WHERE account = $1`
)

// rosters implements roster.Store.
type rosters struct{ db *DB }

// rosterRow is a row of the table rosters.
type rosterRow struct {
	epoch   string
	updates uint64
	entries int
}

// version is not used twice by any roster of the account: an epoch is drawn for
// each.
func (r *rosterRow) version() string {
	if r.updates == 0 {
		return ""
	}
	return r.epoch + "-" + strconv.FormatUint(r.updates, 10)
}

func (r rosters) Entries(ctx context.Context, account jid.JID) (entries []roster.Entry, version string, err error) {
	var contact string
	var row entryRow
	columns := append([]any{&contact}, row.columns()...)
	err = r.db.read(ctx, func(c *conn) error {
		return c.each(getEntries, []any{account.Bare().String()}, func(scan func(...any) error) (bool, error) {
			if err := scan(columns...); err != nil {
				return false, err
			}
			if contact == "" {
				version = (&rosterRow{epoch: row.name, updates: uint64(row.bits)}).version()
				return true, nil
			}
			j, err := jid.Parse(contact)
			if err != nil {
				return false, err
			}
			entry, err := row.entry(j)
			entries = append(entries, entry)
			return true, err
		})
	})
	if err != nil {
		return nil, "", err
	}
	slices.SortFunc(entries, func(a, b roster.Entry) int { return a.JID.Compare(b.JID) })
	return entries, version, nil
}

func (r rosters) Entry(ctx context.Context, account, contact jid.JID) (e roster.Entry, ok bool, err error) {
	err = r.db.read(ctx, func(c *conn) error {
		e, ok, err = c.rosterEntry(account, contact)
		return err
	})
	return e, ok, err
}

// Update leaves the version as it is if fn changes nothing.
func (r rosters) Update(
	ctx context.Context, account, contact jid.JID, fn func(e *roster.Entry, n int) error,
) (version string, err error) {
	err = r.db.update(ctx, func(c *conn) (err error) {
		version, err = c.updateRoster(account, contact, fn)
		return err
	})
	if err != nil {
		return "", err
	}
	return version, nil
}

func (r rosters) RemoveAccount(ctx context.Context, account jid.JID) error {
	return r.db.update(ctx, func(c *conn) error {
		_, err := c.exec(deleteEntries, account.Bare().String())
		if err == nil {
			_, err = c.exec(deleteRoster, account.Bare().String())
		}
		return err
	})
}

func (c *conn) updateRoster(account, contact jid.JID, fn func(*roster.Entry, int) error) (string, error) {
	key := account.Bare().String()
	row := rosterRow{epoch: rand.Text()[:13]}
	if _, err := c.get(getRoster, []any{key}, &row.epoch, &row.updates, &row.entries); err != nil {
		return "", err
	}
	old, had, err := c.rosterEntry(account, contact)
	if err != nil {
		return "", err
	}
	if !had {
		old = roster.Entry{Item: roster.Item{JID: contact}, Hidden: true}
	}
	e := old
	e.Groups = slices.Clone(old.Groups)
	if err := fn(&e, row.entries); err != nil {
		return "", err
	}
	e.JID = contact
	switch empty := e.IsEmpty(); {
	case empty && !had, !empty && had && equal(&e, &old):
		return row.version(), nil
	case empty:
		row.entries--
		_, err = c.exec(deleteEntry, key, contact.String())
	default:
		if !had {
			row.entries++
		}
		err = c.putEntry(key, &e)
	}
	if err != nil {
		return "", err
	}
	row.updates++
	_, err = c.exec(putRoster, key, row.epoch, row.updates, row.entries)
	return row.version(), err
}

// entryRow is a row of the table roster_entries as it is read. bits has the
// subscription, and above it 4 for ask, 8 for approved, 16 for hidden.
type entryRow struct {
	name, groups, request string
	bits                  int64
}

func (r *entryRow) columns() []any { return []any{&r.name, &r.groups, &r.request, &r.bits} }

func (r *entryRow) entry(contact jid.JID) (roster.Entry, error) {
	e := roster.Entry{
		Item: roster.Item{
			JID: contact, Name: r.name, Subscription: roster.Subscription(r.bits & 3),
			Ask: r.bits&4 != 0, Approved: r.bits&8 != 0,
		},
		Hidden: r.bits&16 != 0, Request: r.request,
	}
	var err error
	if e.Groups, err = parseGroups(r.groups); err != nil {
		return roster.Entry{}, fmt.Errorf("storage/sql: groups of the roster entry %v: %w", contact, err)
	}
	return e, nil
}

// parseGroups reads a JSON array of strings.
func parseGroups(text string) (groups []string, err error) {
	if text == "" {
		return nil, nil
	}
	inner, ok := strings.CutPrefix(text, `["`)
	if inner, ok2 := strings.CutSuffix(inner, `"]`); ok && ok2 && !strings.Contains(inner, `\`) {
		// Where nothing is escaped a quotation mark is always the end of a string.
		return strings.Split(inner, `","`), nil
	}
	err = json.Unmarshal([]byte(text), &groups)
	return groups, err
}

func (c *conn) rosterEntry(account, contact jid.JID) (roster.Entry, bool, error) {
	var row entryRow
	ok, err := c.get(getEntry, []any{account.Bare().String(), contact.String()}, row.columns()...)
	if !ok || err != nil {
		return roster.Entry{}, false, err
	}
	e, err := row.entry(contact)
	return e, err == nil, err
}

func (c *conn) putEntry(account string, e *roster.Entry) error {
	groups := ""
	if len(e.Groups) > 0 {
		text, err := json.Marshal(e.Groups)
		if err != nil {
			return err
		}
		groups = string(text)
	}
	_, err := c.exec(putEntry, account, e.JID.String(), e.Name, groups, e.Request,
		int64(e.Subscription), bit(e.Ask), bit(e.Approved), bit(e.Hidden))
	return err
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func equal(a, b *roster.Entry) bool {
	return a.Name == b.Name && slices.Equal(a.Groups, b.Groups) && a.Subscription == b.Subscription &&
		a.Ask == b.Ask && a.Approved == b.Approved && a.Hidden == b.Hidden && a.Request == b.Request
}
