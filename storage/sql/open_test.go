package sql_test

import (
	"context"
	"crypto"
	stdsql "database/sql"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/privacy"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/sql"
)

// raw opens a file past this package.
func raw(t *testing.T, path string) *stdsql.DB {
	t.Helper()
	db, err := stdsql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func mustExec(t *testing.T, db *stdsql.DB, query string) {
	t.Helper()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

// made is the path of a database with a message in it, which is closed.
func made(t *testing.T, messages int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "etherx.db")
	db := mustOpen(t, sql.Config{Path: path})
	var wg sync.WaitGroup
	for range messages {
		wg.Go(func() {
			if err := db.Offline().Add(t.Context(), juliet, message(strings.Repeat("x", 1000)), moment, -1); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenFails(t *testing.T) {
	write := func(t *testing.T, content []byte) string {
		path := filepath.Join(t.TempDir(), "etherx.db")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, tt := range map[string]struct {
		path func(t *testing.T) string
		is   error
		says string
	}{
		"not a database": {
			func(t *testing.T) string { return write(t, []byte(strings.Repeat("not a database ", 1000))) },
			sql.ErrCorrupt, "file is not a database",
		},
		"damaged": {func(t *testing.T) string {
			content, err := os.ReadFile(made(t, 50))
			if err != nil {
				t.Fatal(err)
			}
			return write(t, content[:len(content)/2])
		}, sql.ErrCorrupt, "malformed"},
		"of another program": {func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "other.db")
			mustExec(t, raw(t, path), "CREATE TABLE other (x INTEGER)")
			return path
		}, sql.ErrForeign, "another program"},
		"of a newer version": {func(t *testing.T) string {
			path := made(t, 0)
			mustExec(t, raw(t, path), "UPDATE etherx_schema SET version = 99")
			return path
		}, sql.ErrNewer, "version 99, and this program knows "},
		"without a version": {func(t *testing.T) string {
			path := made(t, 0)
			mustExec(t, raw(t, path), "DELETE FROM etherx_schema")
			return path
		}, sql.ErrForeign, "another program"},
		"locked": {func(t *testing.T) string {
			path := made(t, 0)
			mustExec(t, raw(t, path), "BEGIN EXCLUSIVE")
			return path
		}, sql.ErrBusy, "another process keeps it locked"},
		"a folder": {func(t *testing.T) string { return t.TempDir() }, nil, "is a directory"},
		"below a file": {func(t *testing.T) string {
			return filepath.Join(write(t, nil), "etherx.db")
		}, nil, "not a directory"},
		"no path at all": {func(t *testing.T) string { return "" }, nil, "no path"},
	} {
		t.Run(name, func(t *testing.T) {
			path := tt.path(t)
			before, _ := os.ReadFile(path)
			_, err := sql.Open(t.Context(), sql.Config{Path: path, BusyTimeout: time.Millisecond})
			if err == nil {
				t.Fatal("no error")
			}
			if text := err.Error(); tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(text, tt.says) ||
				!strings.Contains(text, path) || strings.Count(text, "storage/sql: ") != 1 {
				t.Errorf("got %v, want %v, %s", err, tt.is, tt.says)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the file has changed")
			}
		})
	}
	for i, cfg := range []sql.Config{{BusyTimeout: -1}, {Readers: -1}, {Batch: -1}, {Iterations: -1}, {Sync: 2}} {
		cfg.Path = filepath.Join(t.TempDir(), "etherx.db")
		if _, err := sql.Open(t.Context(), cfg); err == nil {
			t.Errorf("setting %d is accepted", i)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sql.Open(ctx, sql.Config{Path: "/"}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func TestFiles(t *testing.T) {
	for _, name := range []string{"etherx.db", "a b?c=d&e#f%20'g\".db", "ψ.db", "file:x.db", "x;y,z=:memory:"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "made", "too", name)
			db := mustOpen(t, sql.Config{Path: path})
			if err := db.VCards().SetVCard(t.Context(), juliet, "<vCard xmlns='vcard-temp'/>"); err != nil {
				t.Fatal(err)
			}
			files, err := os.ReadDir(filepath.Dir(path))
			if err != nil || len(files) != 3 {
				t.Errorf("there are %v, %v", files, err)
			}
			for _, f := range files {
				info, err := f.Info()
				if err != nil || info.Mode().Perm() != 0o600 || !strings.HasPrefix(f.Name(), name) {
					t.Errorf("%v, %v", f, err)
				}
			}
			if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("the folder: %v, %v", info.Mode(), err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if files, err := os.ReadDir(filepath.Dir(path)); len(files) != 1 || err != nil {
				t.Errorf("after it was closed: %v, %v", files, err)
			}
		})
	}
	t.Run("an empty file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "etherx.db")
		if err := os.WriteFile(path, nil, 0o640); err != nil {
			t.Fatal(err)
		}
		mustOpen(t, sql.Config{Path: path})
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("what the owner has set was changed: %v, %v", info.Mode(), err)
		}
	})
}

// TestLocked: while another process keeps the file locked an update fails after
// BusyTimeout, and so do those that wait behind it, not one after another.
func TestLocked(t *testing.T) {
	path := made(t, 1)
	db := mustOpen(t, sql.Config{Path: path, BusyTimeout: 20 * time.Millisecond})
	other := raw(t, path)
	mustExec(t, other, "BEGIN IMMEDIATE")
	const callers = 200
	start := time.Now()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if err := db.VCards().SetVCard(t.Context(), juliet, "<vCard/>"); !errors.Is(err, sql.ErrBusy) {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if d := time.Since(start); d > callers*20*time.Millisecond/2 {
		t.Errorf("it took %v", d)
	}
	if n, err := db.Offline().Count(t.Context(), juliet); n != 1 || err != nil {
		t.Errorf("reading while another process writes: %d, %v", n, err)
	}
	mustExec(t, other, "ROLLBACK")
	if err := db.VCards().SetVCard(t.Context(), juliet, "<vCard/>"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestClosed(t *testing.T) {
	db := mustOpen(t, sql.Config{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { // in the middle of work
			for {
				err := db.Offline().Add(t.Context(), juliet, message("x"), moment, -1)
				if err == nil {
					_, err = db.Offline().Count(t.Context(), juliet)
				}
				if err != nil {
					if !errors.Is(err, sql.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	for n := 0; n < 100; {
		var err error
		if n, err = db.Offline().Count(t.Context(), juliet); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	for _, err := range db.Offline().Messages(t.Context(), juliet) {
		if !errors.Is(err, sql.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
}

// TestContext: a context that has ended ends every call, and nothing changes.
func TestContext(t *testing.T) {
	db := mustOpen(t, sql.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	name := xml.Name{Space: "urn:example", Local: "x"}
	for i, err := range []error{
		second(db.Rosters().Entry(ctx, juliet, romeo)),
		db.Rosters().RemoveAccount(ctx, juliet),
		db.Offline().Add(ctx, juliet, message("x"), moment, -1),
		db.Offline().Delete(ctx, juliet, 1),
		db.Presences().SetLastPresence(ctx, juliet, message("x"), moment),
		db.VCards().SetVCard(ctx, juliet, "<vCard/>"),
		db.Private().SetPrivate(ctx, juliet, name, "<x/>", -1),
		db.Accounts().Register(ctx, juliet, "r0m30"),
		db.Accounts().SetPassword(ctx, juliet, "r0m30"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if ok, err := db.Accounts().Exists(t.Context(), juliet); ok || err != nil {
		t.Errorf("the account was made (%v)", err)
	}
}

func second(_ roster.Entry, _ bool, err error) error { return err }

// TestUnreadable: what could not be read again is refused, and does not get into
// the way of the rest. A start tag grows when it is escaped.
func TestUnreadable(t *testing.T) {
	db := mustOpen(t, sql.Config{})
	bad := message("x")
	bad.ID = strings.Repeat("'", 60_000)
	if err := db.Offline().Add(t.Context(), juliet, bad, moment, -1); err == nil {
		t.Error("the message is stored")
	}
	if err := db.Presences().SetLastPresence(t.Context(), juliet, bad, moment); err == nil {
		t.Error("the presence is stored")
	}
	item := privacy.Item{Type: privacy.ByGroup, Group: strings.Repeat("'", 60_000)}
	err := db.Privacy().UpdatePrivacyLists(t.Context(), juliet, func(l *privacy.Lists) error {
		l.Lists = []privacy.List{{Name: "x", Items: []privacy.Item{item}}}
		return nil
	})
	if err == nil {
		t.Error("the lists are stored")
	}
	err = db.Privacy().UpdatePrivacyLists(t.Context(), juliet, func(l *privacy.Lists) error {
		l.Default = "not there"
		return nil
	})
	if !errors.Is(err, stanza.BadRequest) {
		t.Errorf("lists that are not valid: %v", err)
	}
	if n, err := db.Offline().Count(t.Context(), juliet); n != 0 || err != nil {
		t.Errorf("%d messages, %v", n, err)
	}
	if lists, err := db.Privacy().PrivacyLists(t.Context(), juliet); len(lists.Lists) != 0 || err != nil {
		t.Errorf("%v, %v", lists, err)
	}
}

// TestDamagedRows: what somebody has written into the file by hand is an error
// that says where.
func TestDamagedRows(t *testing.T) {
	path := made(t, 1)
	db := mustOpen(t, sql.Config{Path: path, Legacy: true})
	ctx := t.Context()
	if err := db.Accounts().Register(ctx, juliet, "r0m30"); err != nil {
		t.Fatal(err)
	}
	_, err := db.Rosters().Update(ctx, juliet, romeo, func(e *roster.Entry, _ int) error {
		e.Hidden, e.Groups = false, []string{"x"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	other := raw(t, path)
	tests := []struct {
		damage, says string
		call         func() error
	}{
		{"UPDATE offline_messages SET stanza = '<message'", "message 1: ", func() (err error) {
			for _, err = range db.Offline().Messages(ctx, juliet) {
			}
			return err
		}},
		{"INSERT INTO last_presences VALUES ('juliet@capulet.example', 0, '')", "last presence of juliet@", func() error {
			_, _, err := db.Presences().LastPresence(ctx, juliet)
			return err
		}},
		{"INSERT INTO privacy_lists VALUES ('juliet@capulet.example', '<x/>')", "privacy lists of juliet@", func() error {
			_, err := db.Privacy().PrivacyLists(ctx, juliet)
			return err
		}},
		{"INSERT INTO push_devices VALUES ('juliet@capulet.example', '<devices><enable/></devices>')", "devices of juliet@", func() error {
			_, err := db.Push().Devices(ctx, juliet)
			return err
		}},
		{"UPDATE roster_entries SET group_names = '['", "groups", func() error {
			_, _, err := db.Rosters().Entry(ctx, juliet, romeo)
			return err
		}},
		{"UPDATE roster_entries SET contact = 'a b@c'", `"a b"`, func() error {
			_, _, err := db.Rosters().Entries(ctx, juliet)
			return err
		}},
		{"UPDATE accounts SET scram = 'x'", "SCRAM", func() error {
			_, err := db.Accounts().Credentials(juliet.Domain()).SCRAM(ctx, "juliet", crypto.SHA256)
			return err
		}},
		{"UPDATE accounts SET ha1 = 'x'", "DIGEST-MD5 hash of juliet@", func() error {
			_, err := db.Accounts().Credentials(juliet.Domain()).HA1(ctx, "juliet", juliet.Domain())
			return err
		}},
		{"DROP TABLE vcards", "no such table: vcards", func() error {
			_, err := db.VCards().VCard(ctx, juliet)
			return err
		}},
		{"DROP TABLE private_elements", "no such table: private_elements", func() error {
			return db.Private().SetPrivate(ctx, juliet, xml.Name{Local: "x"}, "<x/>", -1)
		}},
	}
	for _, tt := range tests {
		if err := tt.call(); err != nil {
			t.Errorf("before %s: %v", tt.damage, err)
		}
	}
	for _, tt := range tests {
		mustExec(t, other, tt.damage)
		if err := tt.call(); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("after %s: got %v, want %s", tt.damage, err, tt.says)
		}
	}
}

func TestSetPrivateNothing(t *testing.T) {
	s := mustOpen(t, sql.Config{}).Private()
	name := xml.Name{Space: "urn:example", Local: "x"}
	for _, el := range []stanza.Raw{"", "<x xmlns='urn:example'/>", "", ""} {
		if err := s.SetPrivate(t.Context(), juliet, name, el, 1); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Private(t.Context(), juliet, name); got != el || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, el)
		}
	}
}

func TestLegacy(t *testing.T) {
	ctx := t.Context()
	path := made(t, 0)
	plain := mustOpen(t, sql.Config{Path: path})
	if plain.Accounts().Credentials("capulet.example").HA1 != nil {
		t.Error("DIGEST-MD5 is offered without being asked for")
	}
	if err := plain.Accounts().Register(ctx, romeo, "jul13t"); err != nil {
		t.Fatal(err)
	}
	db := mustOpen(t, sql.Config{Path: path, Legacy: true, Hashes: []crypto.Hash{crypto.SHA512}})
	if hashes, n := db.Accounts().SCRAMParameters(); len(hashes) != 1 || hashes[0] != crypto.SHA512 || n != 1 {
		t.Errorf("parameters %v, %d", hashes, n)
	}
	if err := db.Accounts().Register(ctx, juliet, "r0m30"); err != nil {
		t.Fatal(err)
	}
	want := sasl.DigestHA1("juliet", "capulet.example", "r0m30")
	got, err := db.Accounts().Credentials("capulet.example").HA1(ctx, "juliet", "capulet.example")
	if err != nil || got != want {
		t.Errorf("%x, %v", got, err)
	}
	for _, tt := range [][3]string{
		{"capulet.example", "juliet", "elsewhere"}, {"capulet.example", "romeo", "capulet.example"},
		{"montague.example", "romeo", "montague.example"}, // made without Legacy
	} {
		_, err := db.Accounts().Credentials(tt[0]).HA1(ctx, tt[1], tt[2])
		if !errors.Is(err, sasl.ErrUnknownUser) {
			t.Errorf("%v: got %v, want unknown user", tt, err)
		}
	}
}
