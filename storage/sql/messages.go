package sql

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/offline"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	// Changes no row if there are as many as are allowed.
	countUp = `INSERT INTO offline_counts (account, messages) VALUES ($1, 1)
		ON CONFLICT (account) DO UPDATE SET messages = offline_counts.messages + 1
		WHERE $2 < 0 OR offline_counts.messages < $2`
	countDown   = `UPDATE offline_counts SET messages = messages - $2 WHERE account = $1`
	addMessage  = `INSERT INTO offline_messages (account, at, stanza) VALUES ($1, $2, $3)`
	lastMessage = `SELECT coalesce(max(id), 0) FROM offline_messages WHERE account = $1`
	getMessages = `SELECT id, at, stanza FROM offline_messages
		WHERE account = $1 AND id > $2 AND id <= $3 ORDER BY id LIMIT $4`
	countMessages  = `SELECT messages FROM offline_counts WHERE account = $1`
	deleteMessage  = `DELETE FROM offline_messages WHERE account = $1 AND id = $2`
	deleteMessages = `DELETE FROM offline_messages WHERE account = $1`
	deleteCount    = `DELETE FROM offline_counts WHERE account = $1`
)

// Messages are read in pages, so that no connection is held while they are
// handled.
const (
	pageMessages = 64
	pageBytes    = 1 << 20 // after which a page ends
)

// messages implements offline.Store.
type messages struct{ db *DB }

func (m messages) Add(ctx context.Context, account jid.JID, st *stanza.Stanza, at time.Time, max int) error {
	text, err := textOf(st)
	if err != nil {
		return err
	}
	if max == 0 {
		return offline.ErrFull
	}
	key := account.Bare().String()
	return m.db.update(ctx, func(c *conn) error {
		n, err := c.exec(countUp, key, max)
		if err != nil {
			return err
		}
		if n == 0 {
			return offline.ErrFull
		}
		_, err = c.exec(addMessage, key, at.UnixMicro(), text)
		return err
	})
}

// Messages yields what is there when the sequence starts, but for what is deleted
// before its turn.
func (m messages) Messages(ctx context.Context, account jid.JID) iter.Seq2[offline.Message, error] {
	return func(yield func(offline.Message, error) bool) {
		var last, end int64
		if _, err := m.db.get(ctx, lastMessage, []any{account.Bare().String()}, &end); err != nil {
			yield(offline.Message{}, err)
			return
		}
		for last < end {
			page, err := m.page(ctx, account, last, end)
			for i := range page {
				if !yield(page[i], nil) {
					return
				}
				last = page[i].ID
			}
			if err != nil {
				yield(offline.Message{}, err)
			}
			if err != nil || len(page) == 0 {
				return
			}
		}
	}
}

// page reads some of the messages behind the id last, up to the id end.
func (m messages) page(ctx context.Context, account jid.JID, last, end int64) (page []offline.Message, err error) {
	err = m.db.read(ctx, func(c *conn) error {
		size := 0
		args := []any{account.Bare().String(), last, end, pageMessages}
		return c.each(getMessages, args, func(scan func(...any) error) (bool, error) {
			var msg offline.Message
			var at int64
			var text string
			err := scan(&msg.ID, &at, &text)
			if err != nil {
				return false, err
			}
			if msg.Stanza, err = stanza.Parse(text); err != nil {
				return false, fmt.Errorf("storage/sql: message %d: %w", msg.ID, err)
			}
			msg.At = time.UnixMicro(at).UTC()
			page = append(page, msg)
			size += len(text)
			return size < pageBytes, nil
		})
	})
	return page, err
}

func (m messages) Delete(ctx context.Context, account jid.JID, ids ...int64) error {
	if len(ids) == 0 {
		return nil
	}
	key := account.Bare().String()
	return m.db.update(ctx, func(c *conn) error {
		var gone int64
		for _, id := range ids {
			n, err := c.exec(deleteMessage, key, id)
			if err != nil {
				return err
			}
			gone += n
		}
		_, err := c.exec(countDown, key, gone)
		return err
	})
}

func (m messages) Count(ctx context.Context, account jid.JID) (n int, err error) {
	_, err = m.db.get(ctx, countMessages, []any{account.Bare().String()}, &n)
	return n, err
}

func (m messages) RemoveAccount(ctx context.Context, account jid.JID) error {
	return m.db.update(ctx, func(c *conn) error {
		_, err := c.exec(deleteMessages, account.Bare().String())
		if err == nil {
			_, err = c.exec(deleteCount, account.Bare().String())
		}
		return err
	})
}

// textOf returns a stanza as it is kept: with its namespace, so that it stands
// alone. It is an error if that could not be read again, which would keep all
// that comes behind it from being read: a start tag can get too long by escaping.
func textOf(st *stanza.Stanza) (string, error) {
	text := string(st.AppendXML(make([]byte, 0, st.Size()+32), stanza.NSClient))
	if _, err := stanza.Parse(text); err != nil {
		return "", fmt.Errorf("storage/sql: this stanza cannot be stored: %w", err)
	}
	return text, nil
}
