package sql

import (
	"context"
	"fmt"
	"io/fs"
)

// migrate brings the schema up to date in one transaction. The scripts are named
// NNNN_what.sql and numbered from 0001 without gaps; the number of a script is
// the version of the schema that it makes of the one before. A script that has
// been released must not change.
func migrate(c *conn, d *dialect) error {
	scripts, err := readScripts(d.migrations)
	if err != nil {
		return err
	}
	if _, err := c.exec(d.begin); err != nil {
		return err
	}
	if err := c.upgrade(d, scripts); err != nil {
		c.exec(rollback) // if it fails the connection is closed in any case
		return err
	}
	_, err = c.exec(commit)
	return err
}

func readScripts(dir fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(dir, ".") // sorted
	if err != nil {
		return nil, err
	}
	scripts := make([]string, len(entries))
	for i, e := range entries {
		var n int
		if _, err := fmt.Sscanf(e.Name(), "%04d_", &n); err != nil || n != i+1 {
			return nil, fmt.Errorf("migration %s does not have the number %04d", e.Name(), i+1)
		}
		script, err := fs.ReadFile(dir, e.Name())
		if err != nil {
			return nil, err
		}
		scripts[i] = string(script)
	}
	return scripts, nil
}

// upgrade runs the scripts that are missing, in the transaction that is open.
func (c *conn) upgrade(d *dialect, scripts []string) error {
	version, err := c.version(d)
	if err != nil {
		return err
	}
	if version > len(scripts) {
		return fmt.Errorf("%w: version %d, and this program knows %d", ErrNewer, version, len(scripts))
	}
	for ; version < len(scripts); version++ {
		// Not prepared: a script has many statements.
		if _, err := c.c.ExecContext(context.Background(), scripts[version]); err != nil {
			return fmt.Errorf("to version %d: %w", version+1, c.fail(err))
		}
		if _, err := c.exec("UPDATE etherx_schema SET version = $1", version+1); err != nil {
			return err
		}
	}
	return nil
}

// version returns that of the schema; 0, and the table that says so is made, if
// the database is empty.
func (c *conn) version(d *dialect) (version int, err error) {
	var all, ours int
	if _, err := c.get(d.tables, nil, &all, &ours); err != nil {
		return 0, err
	}
	if all == 0 {
		if _, err := c.exec("CREATE TABLE etherx_schema (version INTEGER NOT NULL)"); err != nil {
			return 0, err
		}
		_, err := c.exec("INSERT INTO etherx_schema (version) VALUES (0)")
		return 0, err
	}
	if ours == 0 {
		return 0, ErrForeign
	}
	ok, err := c.get("SELECT version FROM etherx_schema", nil, &version)
	if err == nil && !ok {
		err = ErrForeign
	}
	return version, err
}
