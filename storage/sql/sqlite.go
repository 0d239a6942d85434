package sql

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// walLimit is to what size, in bytes, the -wal file shrinks when it has
	// grown larger.
	walLimit = 64 << 20
	// walPages is at how many pages the -wal file is copied into the database: more
	// than by default, because pages of indexes change often.
	walPages = 4000
	// writerCache is the page cache of the writer in KiB; readers have the
	// 2000 KiB of SQLite.
	writerCache = 16 << 10
)

// newSQLite returns the dialect of SQLite.
func newSQLite() (*dialect, error) {
	scripts, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return nil, err
	}
	return &dialect{
		begin:      "BEGIN IMMEDIATE",
		tables:     "SELECT count(*), count(CASE WHEN name = 'etherx_schema' THEN 1 END) FROM sqlite_master",
		migrations: scripts,
		explain:    explainSQLite,
		open:       openSQLite,
		ready:      readySQLite,
	}, nil
}

func openSQLite(cfg *Config, readOnly bool) (*sql.DB, error) {
	path, err := filepath.Abs(cfg.Path)
	if err != nil {
		return nil, err
	}
	if !readOnly {
		if err := makeFile(path); err != nil {
			return nil, err
		}
	}
	c, err := sqlite.NewConnector(dsn(path, cfg, readOnly))
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}

// makeFile makes the file if it is not there, with permissions that SQLite
// gives to the files beside it, too.
func makeFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func dsn(path string, cfg *Config, readOnly bool) string {
	q := url.Values{
		"_busy_timeout": {strconv.FormatInt(cfg.BusyTimeout.Milliseconds(), 10)},
	}
	pragma := func(name string, value any) { q.Add("_pragma", fmt.Sprintf("%s(%v)", name, value)) }
	if readOnly {
		q.Set("_query_only", "1")
	} else {
		pragma("journal_size_limit", walLimit)
		pragma("wal_autocheckpoint", walPages)
		pragma("cache_size", -writerCache)
		pragma("temp_store", "MEMORY") // for savepoints, which last for one update
		pragma("secure_delete", "FAST")
		if cfg.Sync == SyncFull {
			pragma("synchronous", "FULL")
			pragma("fullfsync", 1) // where fsync alone does not reach the disk
		} else {
			pragma("synchronous", "NORMAL")
		}
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: q.Encode()}
	return u.String()
}

// readySQLite turns the write-ahead log on, which the file keeps. Where the file
// system cannot have one SQLite goes on without.
func readySQLite(c *conn) error {
	var mode string
	if _, err := c.get("PRAGMA journal_mode(WAL)", nil, &mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system does not allow a write-ahead log (journal mode %s)", mode)
	}
	return nil
}

func explainSQLite(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return nil
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY:
		return ErrBusy
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return ErrCorrupt
	}
	return nil
}
