package sql

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	getArchive = `SELECT last_id FROM archives WHERE archive = $1`
	addArchive = `INSERT INTO archives (archive, last_id, messages, disordered) VALUES ($1, $2, 1, $3)
		ON CONFLICT (archive) DO UPDATE SET last_id = excluded.last_id, messages = archives.messages + 1,
		disordered = archives.disordered | excluded.disordered WHERE archives.last_id < excluded.last_id`
	shrinkArchive = `UPDATE archives SET messages = messages - $2 WHERE archive = $1`
	countArchive  = `SELECT messages FROM archives WHERE archive = $1`
	isDisordered  = `SELECT disordered FROM archives WHERE archive = $1`
	nextArchives  = `SELECT archive FROM archives WHERE archive > $1 ORDER BY archive LIMIT 64`
	deleteArchive = `DELETE FROM archives WHERE archive = $1`

	addArchived = `INSERT INTO archive_messages (archive, id, peer, resource, at, groupchat, stanza)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`
	hasArchived = `SELECT 1 FROM archive_messages WHERE archive = $1 AND id = $2`
	getArchived = `SELECT at, stanza, peer, resource, groupchat FROM archive_messages WHERE archive = $1 AND id = $2`
	getFirst    = `SELECT id, at FROM archive_messages WHERE archive = $1 ORDER BY id LIMIT 1`
	getLast     = `SELECT id, at FROM archive_messages WHERE archive = $1 ORDER BY id DESC LIMIT 1`
	getOldest   = `SELECT id, at FROM archive_messages WHERE archive = $1 ORDER BY id LIMIT $2`
	dropOldest  = `DELETE FROM archive_messages WHERE archive = $1 AND id <= $2`
	dropAll     = `DELETE FROM archive_messages WHERE archive = $1`

	// What a filter leaves; the arguments are those of archiveRange.args. The
	// ranges are found by an index, whatever is known of how often values occur.
	archivedRange = ` FROM archive_messages WHERE archive = $1 AND id > $2 AND id < $3 AND at >= $4 AND at <= $5
		AND groupchat <= $6`
	archivedWith = ` FROM archive_messages WHERE archive = $1 AND (peer, id) > ($7, $2) AND (peer, id) < ($7, $3)
		AND at >= $4 AND at <= $5 AND groupchat <= $6 AND ($8 = '' OR resource = $8)`
	forwardAll   = `SELECT id, at, stanza` + archivedRange + ` ORDER BY id LIMIT $7`
	backwardAll  = `SELECT id, at, stanza` + archivedRange + ` ORDER BY id DESC LIMIT $7`
	forwardWith  = `SELECT id, at, stanza` + archivedWith + ` ORDER BY peer, id LIMIT $9`
	backwardWith = `SELECT id, at, stanza` + archivedWith + ` ORDER BY peer DESC, id DESC LIMIT $9`
	countRange   = `SELECT count(*)` + archivedRange
	countWith    = `SELECT count(*)` + archivedWith
	getArchPrefs = `SELECT prefs FROM archive_preferences WHERE account = $1`
	putArchPrefs = `INSERT INTO archive_preferences (account, prefs) VALUES ($1, $2)
		ON CONFLICT (account) DO UPDATE SET prefs = excluded.prefs`
	dropArchPrefs = `DELETE FROM archive_preferences WHERE account = $1`
)

const (
	// disorder is by how much the time of a message may be before that in its id
	// without harm: times are corrected by less all the time.
	disorder = time.Minute
	// purgeBatch is how many messages are removed in one update.
	purgeBatch = 500
)

// Archives returns the store of the package archive.
func (db *DB) Archives() archive.Store { return archives{db} }

// archives implements archive.Store.
type archives struct{ db *DB }

func (a archives) Append(ctx context.Context, entries ...archive.Entry) ([]string, error) {
	texts := make([]string, len(entries))
	for i, e := range entries {
		var err error
		if texts[i], err = textOf(e.Stanza); err != nil {
			return nil, err
		}
	}
	ids := make([]string, len(entries))
	err := a.db.update(ctx, func(c *conn) (err error) {
		for i := range entries {
			if ids[i], err = c.archive(&entries[i], texts[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// archive adds one entry.
func (c *conn) archive(e *archive.Entry, text string) (id string, err error) {
	key := e.Archive.Bare().String()
	at := e.At.Truncate(time.Millisecond)
	if id, err = c.nextID(key, at); err != nil {
		return "", err
	}
	_, err = c.exec(addArchived, key, id, e.With.Bare().String(), e.With.Resource(), at.UnixMicro(),
		bit(e.Stanza.Type == stanza.TypeGroupChat), text)
	return id, err
}

// nextID gives the next id of an archive. The last one is nearly always of an earlier
// time, and then it need not be known.
func (c *conn) nextID(key string, at time.Time) (id string, err error) {
	for {
		id = archive.NextID(id, at)
		added, err := c.exec(addArchive, key, id, bit(id >= archive.IDFloor(at.Add(disorder))))
		if err != nil || added > 0 {
			return id, err
		}
		if _, err := c.get(getArchive, []any{key}, &id); err != nil {
			return "", err
		}
	}
}

// archiveRange is what a filter comes down to.
type archiveRange struct {
	archive        string
	after, before  string // ids, exclusive
	start, end     int64
	groupchat      int64 // 0: without
	with           bool
	peer, resource string // "" is any resource
}

// rangeOf finds the range. The ids have to be there.
func (c *conn) rangeOf(j jid.JID, f *archive.Filter, p *archive.Paging) (archiveRange, error) {
	r := archiveRange{
		archive: j.Bare().String(), after: max(f.AfterID, p.After), before: "~", // which is behind all ids
		start: math.MinInt64, end: math.MaxInt64, groupchat: bit(f.GroupChat != archive.Exclude),
		with: !f.With.IsZero(), peer: f.With.Bare().String(), resource: f.With.Resource(),
	}
	for _, id := range []string{f.AfterID, f.BeforeID, p.After, p.Before} {
		var one int
		if id == "" {
			continue
		}
		if ok, err := c.get(hasArchived, []any{r.archive, id}, &one); err != nil {
			return r, err
		} else if !ok {
			return r, archive.ErrNotFound
		}
	}
	for _, id := range []string{f.BeforeID, p.Before} {
		if id != "" {
			r.before = min(r.before, id)
		}
	}
	return r, c.timeRange(&r, f)
}

// timeRange narrows the range by the times of the filter. Ids begin with a time,
// that of the message or a later one; how much later is known unless the clock was
// set back.
func (c *conn) timeRange(r *archiveRange, f *archive.Filter) error {
	if !f.Start.IsZero() {
		r.start = ceilMicro(f.Start)
		r.after = max(r.after, archive.IDFloor(f.Start))
	}
	if f.End.IsZero() {
		return nil
	}
	r.end = f.End.UnixMicro()
	var disordered int
	if _, err := c.get(isDisordered, []any{r.archive}, &disordered); err != nil {
		return err
	}
	if disordered == 0 {
		r.before = min(r.before, archive.IDFloor(f.End.Add(disorder+time.Millisecond)))
	}
	return nil
}

func ceilMicro(t time.Time) int64 { return t.Add(time.Microsecond - 1).UnixMicro() }

func (r *archiveRange) args(more ...any) []any {
	args := []any{r.archive, r.after, r.before, r.start, r.end, r.groupchat}
	if r.with {
		args = append(args, r.peer, r.resource)
	}
	return append(args, more...)
}

// choose returns the statement for the range.
func (r *archiveRange) choose(all, with string) string {
	if r.with {
		return with
	}
	return all
}

func (a archives) Query(
	ctx context.Context, j jid.JID, f archive.Filter, p archive.Paging,
) (page archive.Page, err error) {
	p.Max = min(max(p.Max, 1), math.MaxInt32)
	err = a.db.read(ctx, func(c *conn) error {
		r, err := c.rangeOf(j, &f, &p)
		if err != nil {
			return err
		}
		b := pageBuilder{page: archive.Page{Complete: true}, p: &p}
		if f.IDs != nil {
			err = c.eachOf(&r, &f, p.Backward, b.add)
		} else {
			query := r.choose(forwardAll, forwardWith)
			if p.Backward {
				query = r.choose(backwardAll, backwardWith)
			}
			err = c.each(query, r.args(int64(p.Max)+1), b.add)
		}
		if p.Backward {
			slices.Reverse(b.page.Messages)
		}
		page = b.page
		return err
	})
	if err != nil {
		return archive.Page{}, err
	}
	return page, nil
}

// pageBuilder collects the messages of a page.
type pageBuilder struct {
	page archive.Page
	p    *archive.Paging
	size int
}

func (b *pageBuilder) add(scan func(...any) error) (more bool, err error) {
	n := len(b.page.Messages)
	if n == b.p.Max || n > 0 && b.p.MaxBytes >= 0 && b.size >= b.p.MaxBytes {
		b.page.Complete = false
		return false, nil
	}
	var m archive.Message
	var at int64
	var text string
	if err := scan(&m.ID, &at, &text); err != nil {
		return false, err
	}
	if m.Stanza, err = stanza.Parse(text); err != nil {
		return false, fmt.Errorf("storage/sql: archived message %s: %w", m.ID, err)
	}
	m.At = time.UnixMicro(at).UTC()
	b.page.Messages = append(b.page.Messages, m)
	b.size += m.Stanza.Size()
	return true, nil
}

// eachOf is each for messages whose ids are given, which all have to be there. Only as
// many as row takes are held.
func (c *conn) eachOf(
	r *archiveRange, f *archive.Filter, backward bool, row func(func(...any) error) (bool, error),
) error {
	ids := slices.Clone(f.IDs)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for _, id := range ids {
		var one int
		if ok, err := c.get(hasArchived, []any{r.archive, id}, &one); err != nil {
			return err
		} else if !ok {
			return archive.ErrNotFound
		}
	}
	if backward {
		slices.Reverse(ids)
	}
	for _, id := range ids {
		var at, groupchat int64
		var text, peer, resource string
		_, err := c.get(getArchived, []any{r.archive, id}, &at, &text, &peer, &resource, &groupchat)
		switch {
		case err != nil:
			return err
		case id <= r.after, id >= r.before, at < r.start, at > r.end, groupchat > r.groupchat,
			r.with && (peer != r.peer || r.resource != "" && resource != r.resource):
			continue
		}
		more, err := row(func(dest ...any) error {
			*dest[0].(*string), *dest[1].(*int64), *dest[2].(*string) = id, at, text
			return nil
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (a archives) Count(ctx context.Context, j jid.JID, f archive.Filter) (n int, err error) {
	err = a.db.read(ctx, func(c *conn) error {
		r, err := c.rangeOf(j, &f, new(archive.Paging))
		switch {
		case err != nil:
		case f.IDs != nil:
			err = c.eachOf(&r, &f, false, func(func(...any) error) (bool, error) {
				n++
				return true, nil
			})
		case f.With.IsZero() && f.Start.IsZero() && f.End.IsZero() && f.AfterID == "" && f.BeforeID == "" &&
			f.GroupChat != archive.Exclude:
			_, err = c.get(countArchive, []any{r.archive}, &n)
		default:
			_, err = c.get(r.choose(countRange, countWith), r.args(), &n)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (a archives) Metadata(ctx context.Context, j jid.JID) (m archive.Metadata, err error) {
	edge := func(c *conn, query string, e *archive.Edge) error {
		var at int64
		ok, err := c.get(query, []any{j.Bare().String()}, &e.ID, &at)
		if ok {
			e.At = time.UnixMicro(at).UTC()
		}
		return err
	}
	err = a.db.read(ctx, func(c *conn) error {
		if err := edge(c, getFirst, &m.Start); err != nil {
			return err
		}
		return edge(c, getLast, &m.End)
	})
	if err != nil || m.IsEmpty() {
		return archive.Metadata{}, err
	}
	return m, nil
}

func (a archives) Purge(ctx context.Context, j jid.JID, before time.Time, keep int) (removed int, err error) {
	if !j.IsZero() {
		return a.purge(ctx, j.Bare().String(), before, keep)
	}
	for last := ""; ; {
		var some []string
		err := a.db.read(ctx, func(c *conn) error {
			return c.each(nextArchives, []any{last}, func(scan func(...any) error) (bool, error) {
				var key string
				err := scan(&key)
				some = append(some, key)
				return true, err
			})
		})
		if err != nil || len(some) == 0 {
			return removed, err
		}
		for _, key := range some {
			n, err := a.purge(ctx, key, before, keep)
			if removed += n; err != nil {
				return removed, err
			}
			last = key
		}
	}
}

// purge removes what is to be removed from one archive, some at a time, so that
// nobody waits long.
func (a archives) purge(ctx context.Context, key string, before time.Time, keep int) (removed int, err error) {
	for {
		n, err := a.purgeSome(ctx, key, before, keep)
		if removed += n; err != nil || n < purgeBatch {
			return removed, err
		}
	}
}

func (a archives) purgeSome(ctx context.Context, key string, before time.Time, keep int) (n int, err error) {
	// Most often there is nothing to do, and reading costs less than an update.
	if id, _, err := a.oldest(ctx, key, before, keep); id == "" || err != nil {
		return 0, err
	}
	err = a.db.update(ctx, func(c *conn) error {
		var id string
		if id, n, err = c.oldest(key, before, keep); id == "" || err != nil {
			return err
		}
		if _, err := c.exec(dropOldest, key, id); err != nil {
			return err
		}
		_, err = c.exec(shrinkArchive, key, n)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (a archives) oldest(ctx context.Context, key string, before time.Time, keep int) (id string, n int, err error) {
	err = a.db.read(ctx, func(c *conn) error {
		id, n, err = c.oldest(key, before, keep)
		return err
	})
	return id, n, err
}

// oldest returns the last of the messages that are to be removed now, and how many
// there are; "" if there are none.
func (c *conn) oldest(key string, before time.Time, keep int) (last string, n int, err error) {
	var messages int
	if _, err := c.get(countArchive, []any{key}, &messages); err != nil {
		return "", 0, err
	}
	over := 0
	if keep >= 0 {
		over = messages - keep
	}
	limit := int64(math.MinInt64)
	if !before.IsZero() {
		limit = before.UnixMicro()
	}
	err = c.each(getOldest, []any{key, purgeBatch}, func(scan func(...any) error) (bool, error) {
		var id string
		var at int64
		if err := scan(&id, &at); err != nil {
			return false, err
		}
		if n >= over && at >= limit {
			return false, nil
		}
		last, n = id, n+1
		return true, nil
	})
	return last, n, err
}

func (a archives) Preferences(ctx context.Context, account jid.JID) (p archive.Preferences, err error) {
	var text string
	ok, err := a.db.get(ctx, getArchPrefs, []any{account.Bare().String()}, &text)
	if !ok || err != nil {
		return p, err
	}
	e, err := stanza.Raw(text).Element()
	if err == nil {
		err = e.Decode(&p)
	}
	if err != nil {
		return p, fmt.Errorf("storage/sql: archive preferences of %v: %w", account, err)
	}
	return p, nil
}

func (a archives) SetPreferences(ctx context.Context, account jid.JID, p archive.Preferences) error {
	p.Space = ""
	text, err := p.AppendXML(nil)
	if err != nil {
		return err
	}
	return a.db.change(ctx, putArchPrefs, account.Bare().String(), string(text))
}

func (a archives) RemoveAccount(ctx context.Context, account jid.JID) error {
	// Most of it goes some at a time.
	if _, err := a.purge(ctx, account.Bare().String(), time.Time{}, 0); err != nil {
		return err
	}
	return a.db.update(ctx, func(c *conn) error {
		for _, query := range []string{dropAll, deleteArchive, dropArchPrefs} {
			if _, err := c.exec(query, account.Bare().String()); err != nil {
				return err
			}
		}
		return nil
	})
}
