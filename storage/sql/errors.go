package sql

import "errors"

// Errors that errors.Is finds in what this package returns, beside those of the
// driver and of the stores' own packages.
var (
	// ErrClosed: the DB has been closed.
	ErrClosed = errors.New("storage/sql: the database is closed")
	// ErrNewer: a newer version of this package has made the file.
	ErrNewer = errors.New("its schema is newer than this program")
	// ErrForeign: the file is a database, but not one of this package.
	ErrForeign = errors.New("it is the database of another program")
	// ErrBusy: another process has kept the file locked for longer than
	// Config.BusyTimeout.
	ErrBusy = errors.New("another process keeps it locked")
	// ErrCorrupt: the file is damaged, or not a database at all.
	ErrCorrupt = errors.New("the file is damaged or not a database")
)
