package sql

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var juliet = jid.MustParse("juliet@capulet.example")

// dialectOf returns the dialect of SQLite with further migrations.
func dialectOf(t *testing.T, more map[string]string) *dialect {
	t.Helper()
	d, err := newSQLite()
	if err != nil {
		t.Fatal(err)
	}
	all := make(fstest.MapFS)
	entries, err := fs.ReadDir(d.migrations, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		script, err := fs.ReadFile(d.migrations, e.Name())
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = &fstest.MapFile{Data: script}
	}
	maps.Copy(all, files(more))
	d.migrations = all
	return d
}

func files(scripts map[string]string) fstest.MapFS {
	all := make(fstest.MapFS)
	for name, script := range scripts {
		all[name] = &fstest.MapFile{Data: []byte(script)}
	}
	return all
}

func openWith(t *testing.T, path string, d *dialect) (*DB, error) {
	t.Helper()
	db, err := open(t.Context(), Config{Path: path}, d)
	if err == nil {
		t.Cleanup(func() { db.Close() })
	}
	return db, err
}

// TestMigrate: a file becomes one of the next version, or of the one after it, or
// stays what it is, as a whole.
func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etherx.db")
	now := dialectOf(t, nil)
	scripts, err := readScripts(now.migrations)
	if err != nil {
		t.Fatal(err)
	}
	script := func(more int, what string) string { return fmt.Sprintf("%04d_%s.sql", len(scripts)+more, what) }
	db, err := openWith(t, path, now)
	if err != nil {
		t.Fatal(err)
	}
	card := stanza.Raw("<vCard xmlns='vcard-temp'><FN>Juliet</FN></vCard>")
	if err := db.VCards().SetVCard(t.Context(), juliet, card); err != nil {
		t.Fatal(err)
	}
	db.Close()
	second := "ALTER TABLE vcards ADD COLUMN hash TEXT NOT NULL DEFAULT 'unknown';\nUPDATE vcards SET hash = 'old';"
	check := func(t *testing.T, more map[string]string, query, want string) {
		t.Helper()
		db, err := openWith(t, path, dialectOf(t, more))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if got, err := db.VCards().VCard(t.Context(), juliet); got != card || err != nil {
			t.Errorf("the card is %q, %v", got, err)
		}
		var got string
		if _, err := db.get(t.Context(), query, nil, &got); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	const version, tables = "SELECT version FROM etherx_schema", "SELECT count(*) FROM sqlite_master WHERE name = 'half'"

	_, err = openWith(t, path, dialectOf(t, map[string]string{
		script(1, "hash"): second, script(2, "half"): "CREATE TABLE half (x INTEGER); INSERT INTO nowhere VALUES (1);",
	}))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("to version %d: ", len(scripts)+2)) || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a migration that fails: %v", err)
	}
	check(t, nil, version, fmt.Sprint(len(scripts)))
	check(t, nil, tables, "0")

	check(t, map[string]string{script(1, "hash"): second}, "SELECT hash FROM vcards", "old")
	check(t, map[string]string{script(1, "hash"): second}, version, fmt.Sprint(len(scripts)+1)) // not once more

	_, err = openWith(t, path, dialectOf(t, nil))
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), fmt.Sprintf("version %d, and this program knows %d", len(scripts)+1, len(scripts))) {
		t.Errorf("an older program: %v", err)
	}
	check(t, map[string]string{script(1, "hash"): second, script(2, "x"): "CREATE TABLE half (x INTEGER)"}, tables, "1")
}

// TestMigrateFirst: a file of the first release goes on to be used.
func TestMigrateFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etherx.db")
	first := dialectOf(t, nil)
	first.migrations = fstest.MapFS{"0001_initial.sql": first.migrations.(fstest.MapFS)["0001_initial.sql"]}
	db, err := openWith(t, path, first)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.change(t.Context(), "INSERT INTO accounts (account, scram, ha1) VALUES ($1, 'k', 'h')", juliet.String()); err != nil {
		t.Fatal(err)
	}
	db.Close()
	db, err = openWith(t, path, dialectOf(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	var scram, ha1, password string
	ok, err := db.get(t.Context(), "SELECT scram, ha1, password FROM accounts WHERE account = $1", []any{juliet.String()}, &scram, &ha1, &password)
	if !ok || err != nil || scram != "k" || ha1 != "h" || password != "" {
		t.Errorf("%v, %v: %q %q %q", ok, err, scram, ha1, password)
	}
}

func TestMigrationNames(t *testing.T) {
	for name, scripts := range map[string]map[string]string{
		"0003_gap.sql":  {"0001_a.sql": "", "0003_gap.sql": ""},
		"0002_b.sql":    {"0002_b.sql": ""},
		"README":        {"README": ""},
		"0001_both.sql": {"0001_a.sql": "", "0001_both.sql": ""},
	} {
		if _, err := readScripts(files(scripts)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: %v", scripts, err)
		}
	}
}

// TestSettings: the connections are as durable as the documentation says.
func TestSettings(t *testing.T) {
	for sync, want := range map[Sync]string{SyncFull: "2", SyncNormal: "1"} {
		db, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "etherx.db"), Sync: sync})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		pragma := func(c *conn, name, want string) {
			t.Helper()
			var got string
			if _, err := c.get("PRAGMA "+name, nil, &got); got != want || err != nil {
				t.Errorf("%s is %s, %v, want %s", name, got, err, want)
			}
		}
		db.update(t.Context(), func(c *conn) error {
			pragma(c, "synchronous", want)
			pragma(c, "journal_mode", "wal")
			pragma(c, "busy_timeout", "5000")
			pragma(c, "secure_delete", "2")
			return nil
		})
		db.read(t.Context(), func(c *conn) error {
			pragma(c, "query_only", "1")
			pragma(c, "busy_timeout", "5000")
			if _, err := c.exec("DELETE FROM vcards"); err == nil {
				t.Error("a reader can write")
			}
			return nil
		})
	}
}

// TestNoLog: without a write-ahead log the database is not opened.
func TestNoLog(t *testing.T) {
	pool, err := openSQLite(&Config{Path: filepath.Join(t.TempDir(), "x.db")}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	c := &conn{pool: pool, explain: explainSQLite}
	defer c.close()
	if _, err := c.exec("BEGIN"); err != nil { // the mode cannot change in a transaction
		t.Fatal(err)
	}
	if err := readySQLite(c); err == nil {
		t.Error("no error")
	}
}

// number is what the tests of the writer change.
type number struct{ *DB }

func newNumber(t *testing.T, batch int) number {
	t.Helper()
	db, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "etherx.db"), Batch: batch})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.change(t.Context(), "CREATE TABLE number (n INTEGER)"); err != nil {
		t.Fatal(err)
	}
	if err := db.change(t.Context(), "INSERT INTO number (n) VALUES (0)"); err != nil {
		t.Fatal(err)
	}
	return number{db}
}

func inc(c *conn) error {
	_, err := c.exec("UPDATE number SET n = n + 1")
	return err
}

func (n number) wants(t *testing.T, want int) {
	t.Helper()
	var got int
	if _, err := n.get(t.Context(), "SELECT n FROM number", nil, &got); got != want || err != nil {
		t.Errorf("the number is %d, %v, want %d", got, err, want)
	}
}

// queued waits until so many wait for the turn.
func (n number) queued(want int) {
	for {
		n.writer.mu.Lock()
		got := len(n.writer.queue)
		n.writer.mu.Unlock()
		if got == want {
			return
		}
		runtime.Gosched()
	}
}

// begun starts an update that lasts until the result is called, which returns
// its error.
func (n number) begun(t *testing.T, fn func(*conn) error) (end func() error) {
	t.Helper()
	in, out, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		result <- n.update(t.Context(), func(c *conn) error {
			close(in)
			<-out
			return fn(c)
		})
	}()
	<-in
	return func() error {
		close(out)
		return <-result
	}
}

// TestBatch: those that wait are committed together, in order; each that fails,
// or panics, or ends its goroutine, fails alone.
func TestBatch(t *testing.T) {
	n := newNumber(t, 0)
	end := n.begun(t, inc)
	errFail := errors.New("fail")
	const callers = 20
	results := make([]error, callers)
	panics := make([]any, callers)
	var wg sync.WaitGroup
	var order []int
	batches := make(map[*batch]int)
	for i := range callers {
		wg.Go(func() {
			defer func() { panics[i] = recover() }()
			results[i] = n.update(t.Context(), func(c *conn) error {
				order = append(order, i)
				batches[n.writer.open]++
				if err := inc(c); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return errFail
				case 2:
					panic(i)
				case 3:
					runtime.Goexit()
				}
				return nil
			})
		})
		n.queued(i + 1)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	for i := range callers {
		if order[i] != i {
			t.Fatalf("the order was %v", order)
		}
		if want := map[int]error{1: errFail}[i%4]; results[i] != want || (panics[i] != nil) != (i%4 == 2) {
			t.Errorf("%d: %v, %v", i, results[i], panics[i])
		}
	}
	if len(batches) != 1 {
		t.Errorf("there were %d batches", len(batches))
	}
	n.wants(t, 1+callers/4)
	if err := n.update(t.Context(), inc); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestBatchBound: a batch has a bound.
func TestBatchBound(t *testing.T) {
	n := newNumber(t, 4)
	end := n.begun(t, inc)
	batches := make(map[*batch]int)
	var wg sync.WaitGroup
	for i := range 11 {
		wg.Go(func() {
			n.update(t.Context(), func(c *conn) error {
				batches[n.writer.open]++
				return inc(c)
			})
		})
		n.queued(i + 1)
	}
	end()
	wg.Wait()
	n.wants(t, 12)
	if len(batches) != 3 {
		t.Errorf("there were %d batches", len(batches))
	}
	for b, n := range batches {
		if b.n > 4 {
			t.Errorf("one had %d, %d", b.n, n)
		}
	}
}

// TestBrokenBatch: an error that ends the whole transaction is that of all in it;
// then it goes on.
func TestBrokenBatch(t *testing.T) {
	n := newNumber(t, 0)
	end := n.begun(t, inc)
	results := make([]error, 3)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			results[i] = n.update(t.Context(), func(c *conn) error {
				if i == 1 {
					// As SQLite does it by itself when the disk is full.
					_, err := c.exec(rollback)
					return errors.Join(err, errors.New("disk full"))
				}
				return inc(c)
			})
		})
		n.queued(i + 1)
	}
	first := end()
	wg.Wait()
	for i, err := range []error{first, results[0], results[1]} {
		if err == nil || !strings.Contains(err.Error(), "no such savepoint") {
			t.Errorf("%d: %v", i, err)
		}
	}
	if results[2] != nil {
		t.Errorf("the next batch: %v", results[2])
	}
	n.wants(t, 1)
}

// TestCommitFails: who is in a batch that cannot be committed hears of it.
func TestCommitFails(t *testing.T) {
	n := newNumber(t, 0)
	err := n.update(t.Context(), func(c *conn) error {
		inc(c)
		// A foreign key that is looked at when the transaction ends.
		for _, s := range []string{
			"CREATE TABLE parent (id INTEGER PRIMARY KEY)",
			"CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
		} {
			if _, err := c.exec(s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.writer.conn.exec("PRAGMA foreign_keys(1)"); err != nil {
		t.Fatal(err)
	}
	end := n.begun(t, inc)
	result := make(chan error, 1)
	go func() {
		result <- n.update(t.Context(), func(c *conn) error {
			_, err := c.exec("INSERT INTO child VALUES (1)")
			return err
		})
	}()
	n.queued(1)
	for _, err := range []error{end(), <-result} {
		if err == nil || !strings.Contains(err.Error(), "FOREIGN KEY") {
			t.Errorf("got %v", err)
		}
	}
	n.wants(t, 1)
	if err := n.update(t.Context(), inc); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	n.wants(t, 2)
}

// TestDiskFull: a full disk is an error, and harms nothing that is there.
func TestDiskFull(t *testing.T) {
	n := newNumber(t, 0)
	var pages int
	if _, err := n.writer.conn.get("PRAGMA page_count", nil, &pages); err != nil {
		t.Fatal(err)
	}
	limit := func(pages int) {
		if _, err := n.writer.conn.exec(fmt.Sprintf("PRAGMA max_page_count(%d)", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(pages + 1)
	card := stanza.Raw("<vCard xmlns='vcard-temp'>" + strings.Repeat("x", 100_000) + "</vCard>")
	end := n.begun(t, inc)
	result := make(chan error, 1)
	go func() { result <- n.VCards().SetVCard(t.Context(), juliet, card) }()
	n.queued(1)
	first := end()
	if err := <-result; err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("got %v", err)
	}
	want := 1
	if first != nil { // SQLite may give up the whole transaction
		want = 0
	}
	n.wants(t, want)
	limit(1 << 30)
	if err := n.VCards().SetVCard(t.Context(), juliet, card); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}

// TestLeave: who no longer wants to wait leaves the queue, and nothing changes;
// if the turn has come at the same time it goes on to the next.
func TestLeave(t *testing.T) {
	n := newNumber(t, 0)
	end := n.begun(t, inc)
	ctx, cancel := context.WithCancel(t.Context())
	left, stayed := make(chan error, 1), make(chan error, 1)
	go func() { left <- n.update(ctx, inc) }()
	n.queued(1)
	go func() { stayed <- n.update(t.Context(), inc) }()
	n.queued(2)
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for _, err := range []error{end(), <-stayed} {
		if err != nil {
			t.Error(err)
		}
	}
	n.wants(t, 2)

	// The turn was given, but what is seen first is the end of the context.
	turn := make(chan error, 1)
	w := n.writer
	w.mu.Lock()
	w.taken = true
	w.mu.Unlock()
	turn <- nil
	if err := w.leave(turn, context.Canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	turn <- ErrClosed
	if err := w.leave(turn, context.Canceled); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := n.update(t.Context(), inc); err != nil {
		t.Errorf("the turn is lost: %v", err)
	}
}

// TestReadWaits: readers wait for a connection, as long as they want to.
func TestReadWaits(t *testing.T) {
	db, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "etherx.db"), Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	in, out := make(chan struct{}), make(chan struct{})
	first, second, third := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() {
		first <- db.read(t.Context(), func(*conn) error {
			close(in)
			<-out
			return nil
		})
	}()
	<-in
	go func() { second <- db.read(ctx, func(*conn) error { return nil }) }()
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	go func() { third <- db.Close() }()
	<-db.closed
	if err := db.read(t.Context(), func(*conn) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	close(out)
	for _, err := range []error{<-first, <-third} {
		if err != nil {
			t.Error(err)
		}
	}
}

// TestReconnect: the writer connects again after its connection was given up, with
// what had been begun undone.
func TestReconnect(t *testing.T) {
	n := newNumber(t, 0)
	if err := n.update(t.Context(), inc); err != nil {
		t.Fatal(err)
	}
	if _, err := n.writer.conn.exec(n.writer.begin); err != nil {
		t.Fatal(err)
	}
	if err := inc(n.writer.conn); err != nil {
		t.Fatal(err)
	}
	n.writer.conn.close()
	n.wants(t, 1)
	if err := n.update(t.Context(), inc); err != nil {
		t.Error(err)
	}
	n.wants(t, 2)
	n.writer.conn.close()
	if err := os.Chmod(n.cfg.Path, 0o600); err != nil {
		t.Fatal(err)
	}
	n.pools[0].Close()
	if err := n.update(t.Context(), inc); err == nil {
		t.Error("no error without a connection")
	}
}

// TestServicesDamaged: what cannot be read is an error that names the row, and ends the
// sequence.
func TestServicesDamaged(t *testing.T) {
	icq := jid.MustParse("icq.capulet.example")
	for name, tt := range map[string]struct{ account, fields, suggested string }{
		"account":   {"@", "[]", "[]"},
		"fields":    {"juliet@capulet.example", "{", "[]"},
		"suggested": {"juliet@capulet.example", "[]", "{"},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := openWith(t, filepath.Join(t.TempDir(), "etherx.db"), dialectOf(t, nil))
			if err != nil {
				t.Fatal(err)
			}
			if err := db.change(t.Context(), putDirectory, tt.account, tt.fields); err != nil {
				t.Fatal(err)
			}
			if err := db.change(t.Context(), putGateway, icq.String(), tt.account, tt.fields, tt.suggested); err != nil {
				t.Fatal(err)
			}
			wrong := func(err error) bool {
				return err != nil && strings.Contains(err.Error(), "the row of "+tt.account+": ")
			}
			n := 0
			for it, err := range db.Directory().Entries(t.Context()) {
				if n++; wrong(err) != (name != "suggested") || n > 1 {
					t.Errorf("entry %d: %v, %v", n, it, err)
				}
			}
			for a, err := range db.Gateway(icq).Accounts(t.Context()) {
				if n++; !wrong(err) || n > 2 {
					t.Errorf("registration: %v, %v", a, err)
				}
			}
			if n != 2 {
				t.Errorf("%d rows, want 2", n)
			}
			if name != "account" {
				if _, ok, err := db.Gateway(icq).Account(t.Context(), juliet); ok || !wrong(err) {
					t.Errorf("one registration: %v, %v", ok, err)
				}
			}
		})
	}
}
