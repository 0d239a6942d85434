package sql

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// TestArchivePlans: in an archive of 100000 messages every statement finds its rows
// by an index, and in order.
func TestArchivePlans(t *testing.T) {
	db, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "etherx.db"), Sync: SyncNormal})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	fillArchives(t, db, 100_000)
	all := map[string]string{
		forwardAll: "archive_messages_id", backwardAll: "archive_messages_id", forwardWith: "archive_messages_peer",
		backwardWith: "archive_messages_peer", countRange: "archive_messages_id", countWith: "archive_messages_peer",
		getFirst: "archive_messages_id", getLast: "archive_messages_id", getOldest: "archive_messages_id",
		hasArchived: "archive_messages_id", getArchived: "archive_messages_id", dropOldest: "archive_messages_id",
		dropAll: "archive_messages_", nextArchives: "PRIMARY KEY", countArchive: "PRIMARY KEY", getArchPrefs: "PRIMARY KEY",
	}
	check := func(when string) {
		t.Helper()
		for query, index := range all {
			var plan []string
			err := db.read(t.Context(), func(c *conn) error {
				args := make([]any, strings.Count(query, "$"))
				for i := range args {
					args[i] = 1
				}
				if n := highest(query); n < len(args) {
					args = args[:n]
				}
				plan = nil
				return c.each("EXPLAIN QUERY PLAN "+query, args, func(scan func(...any) error) (bool, error) {
					var id, parent, unused int
					var detail string
					err := scan(&id, &parent, &unused, &detail)
					plan = append(plan, detail)
					return true, err
				})
			})
			text := strings.Join(plan, "; ")
			if err != nil || !strings.HasPrefix(text, "SEARCH ") || strings.Contains(text, "SCAN") || strings.Contains(text, "B-TREE") ||
				!strings.Contains(text, index) {
				t.Errorf("%s: %s\n%s (%v)", when, query, text, err)
			}
		}
	}
	check("without statistics")
	if err := db.change(t.Context(), "ANALYZE"); err != nil {
		t.Fatal(err)
	}
	check("with statistics")
}

// highest returns the number of the last placeholder.
func highest(query string) (n int) {
	for i := 1; strings.Contains(query, fmt.Sprintf("$%d", i)); i++ {
		n = i
	}
	return n
}

// fillArchives puts n messages into an archive, and some into others.
func fillArchives(t testing.TB, db *DB, n int) {
	t.Helper()
	st, err := stanza.Parse("<message type='chat' to='juliet@capulet.example' from='romeo@montague.example/orchard'><body>Good night</body></message>")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var batch []archive.Entry
	for i := range n {
		with := jid.MustParse(fmt.Sprintf("user%d@montague.example/orchard", i%50))
		at := start.Add(time.Duration(i) * time.Second)
		batch = append(batch, archive.Entry{Archive: juliet, With: with, At: at, Stanza: st})
		if i%20 == 0 {
			batch = append(batch, archive.Entry{Archive: with.Bare(), With: juliet, At: at, Stanza: st})
		}
		if len(batch) >= 2000 || i == n-1 {
			if _, err := db.Archives().Append(context.Background(), batch...); err != nil {
				t.Fatal(err)
			}
			batch = batch[:0]
		}
	}
}

// TestArchiveUnreadable: what the file has no right to have is an error.
func TestArchiveUnreadable(t *testing.T) {
	db, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "etherx.db"), Sync: SyncNormal})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	fillArchives(t, db, 2)
	for _, s := range []string{"UPDATE archive_messages SET stanza = '<message'",
		"INSERT INTO archive_preferences (account, prefs) VALUES ('juliet@capulet.example', '<prefs')"} {
		if err := db.change(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	page, err := db.Archives().Query(t.Context(), juliet, archive.Filter{}, archive.Paging{Max: 10, MaxBytes: -1})
	if err == nil || len(page.Messages) > 0 || !strings.Contains(err.Error(), "archived message") {
		t.Errorf("%v, %v", page, err)
	}
	if p, err := db.Archives().Preferences(t.Context(), juliet); err == nil {
		t.Errorf("%+v", p)
	}
	long := strings.Repeat("'", 300<<10)
	st := &stanza.Stanza{Header: stanza.Header{Kind: stanza.KindMessage, ID: long}}
	if ids, err := db.Archives().Append(t.Context(), archive.Entry{Archive: juliet, With: juliet, At: time.Now(), Stanza: st}); err == nil {
		t.Errorf("what cannot be read again was stored as %q", ids)
	}
	db.Close()
	a := db.Archives()
	for name, err := range map[string]error{
		"Append":  second(a.Append(t.Context(), archive.Entry{Archive: juliet, Stanza: page0(t)})),
		"Query":   second(a.Query(t.Context(), juliet, archive.Filter{}, archive.Paging{Max: 1})),
		"Count":   second(a.Count(t.Context(), juliet, archive.Filter{})),
		"Meta":    second(a.Metadata(t.Context(), juliet)),
		"Purge":   second(a.Purge(t.Context(), juliet, time.Time{}, 0)),
		"Sweep":   second(a.Purge(t.Context(), jid.JID{}, time.Time{}, 0)),
		"Prefs":   second(a.Preferences(t.Context(), juliet)),
		"Set":     a.SetPreferences(t.Context(), juliet, archive.Preferences{}),
		"Remove":  a.RemoveAccount(t.Context(), juliet),
		"by time": second(a.Query(t.Context(), juliet, archive.Filter{End: time.Now()}, archive.Paging{Max: 1})),
	} {
		if err != ErrClosed {
			t.Errorf("%s of a closed database: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func page0(t *testing.T) *stanza.Stanza {
	t.Helper()
	st, err := stanza.Parse("<message/>")
	if err != nil {
		t.Fatal(err)
	}
	return st
}
