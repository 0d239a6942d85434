package sql

import (
	"database/sql"
	"embed"
	"io/fs"
)

// dialect is all in which databases differ here. The statements themselves are
// common to them: placeholders are $1, $2 ..., and ON CONFLICT makes an insert
// replace.
type dialect struct {
	// begin opens a transaction whose updates nobody else's come between.
	begin string
	// tables counts the tables of the database, and those called etherx_schema.
	tables string
	// migrations are the scripts that make the schema; see migrate.
	migrations fs.FS
	// explain adds what an error of the driver means: one of the errors of this
	// package.
	explain func(error) error
	// open gives a pool of connections that write or read. Those that write are
	// opened first.
	open func(cfg *Config, readOnly bool) (*sql.DB, error)
	// ready prepares a database that is known to be ours for use.
	ready func(c *conn) error
}

//go:embed migrations
var migrations embed.FS
