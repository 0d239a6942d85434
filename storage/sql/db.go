package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/etherx-go/xmpp/ext/gateway"
	"github.com/etherx-go/xmpp/ext/private"
	"github.com/etherx-go/xmpp/ext/search"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/offline"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/privacy"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/vcard"
)

// DB is an open database: the stores of all protocols. It is safe for concurrent
// use.
type DB struct {
	cfg     Config
	pools   []*sql.DB
	writer  *writer
	readers chan *conn // those that are not in use

	closing sync.Once
	closed  chan struct{}
	err     error // of closing
}

// Open opens the database, makes it if it is not there, and brings its schema up
// to date. The error wraps [ErrBusy], [ErrCorrupt], [ErrForeign] or [ErrNewer] if
// that is the reason.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	d, err := newSQLite()
	if err != nil {
		return nil, err
	}
	return open(ctx, cfg, d)
}

func open(ctx context.Context, cfg Config, d *dialect) (*DB, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	db := &DB{cfg: cfg, closed: make(chan struct{})}
	if err := db.open(d); err != nil {
		return nil, errors.Join(fmt.Errorf("storage/sql: open %s: %w", cfg.Path, err), db.Close())
	}
	return db, nil
}

// open connects the writer, so that errors show, and lets the readers connect
// when they are needed.
func (db *DB) open(d *dialect) error {
	pool, err := db.pool(d, false)
	if err != nil {
		return err
	}
	write := &conn{pool: pool, explain: d.explain} // errors get their prefix from Open
	if err := prepare(write, d); err != nil {
		write.close()
		return err
	}
	if pool, err = db.pool(d, true); err != nil {
		write.close()
		return err
	}
	write.prefix = "storage/sql: "
	db.writer = &writer{begin: d.begin, batch: db.cfg.Batch, conn: write}
	db.readers = make(chan *conn, db.cfg.Readers)
	for range db.cfg.Readers {
		db.readers <- &conn{pool: pool, explain: d.explain, prefix: write.prefix}
	}
	return nil
}

func prepare(c *conn, d *dialect) error {
	if err := migrate(c, d); err != nil {
		return err
	}
	return d.ready(c)
}

func (db *DB) pool(d *dialect, readOnly bool) (*sql.DB, error) {
	pool, err := d.open(&db.cfg, readOnly)
	if err == nil {
		db.pools = append(db.pools, pool)
	}
	return pool, err
}

// Close closes the database after what is in progress. Further calls of the
// stores return [ErrClosed].
func (db *DB) Close() error {
	db.closing.Do(func() {
		close(db.closed)
		if db.writer != nil {
			db.writer.close()
			for range cap(db.readers) {
				(<-db.readers).close()
			}
		}
		for _, pool := range db.pools {
			db.err = errors.Join(db.err, pool.Close())
		}
	})
	return db.err
}

// update runs fn as one update; see writer.
func (db *DB) update(ctx context.Context, fn func(*conn) error) error { return db.writer.do(ctx, fn) }

// change runs a single statement as an update.
func (db *DB) change(ctx context.Context, query string, args ...any) error {
	return db.update(ctx, func(c *conn) error {
		_, err := c.exec(query, args...)
		return err
	})
}

// read runs fn with a connection that reads. It sees all that is committed.
func (db *DB) read(ctx context.Context, fn func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-db.closed: // also if there are readers yet
		return ErrClosed
	default:
	}
	select {
	case c := <-db.readers:
		defer func() { db.readers <- c }()
		return fn(c)
	case <-db.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// get reads one row.
func (db *DB) get(ctx context.Context, query string, args []any, dest ...any) (ok bool, err error) {
	err = db.read(ctx, func(c *conn) (err error) {
		ok, err = c.get(query, args, dest...)
		return err
	})
	return ok, err
}

// Accounts returns the accounts.
func (db *DB) Accounts() *Accounts { return &Accounts{db} }

// Rosters returns the store of the package roster.
func (db *DB) Rosters() roster.Store { return rosters{db} }

// Presences returns the store of the package presence.
func (db *DB) Presences() presence.Store { return presences{db} }

// Privacy returns the store of the package privacy.
func (db *DB) Privacy() privacy.Store { return privacyLists{db} }

// Offline returns the store of the package offline.
func (db *DB) Offline() offline.Store { return messages{db} }

// VCards returns the store of the package vcard.
func (db *DB) VCards() vcard.Store { return vcards{db} }

// Private returns the store of the package private.
func (db *DB) Private() private.Store { return privateXML{db} }

// Directory returns the store of the package search, for one directory of users.
func (db *DB) Directory() search.Store { return directory{db} }

// Gateway returns the store of the package gateway, for the gateway at that address.
func (db *DB) Gateway(at jid.JID) gateway.Store { return gateways{db, at.Bare().String()} }
