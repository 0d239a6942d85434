package sql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
)

// conn is a connection with the statements that it has prepared, each once. It
// connects when it is used first, and again after a close. One goroutine at a
// time may use it.
//
// Statements run without the context of the caller: they take microseconds, a
// context would cost a goroutine each, and cutting one short would leave it open
// what has happened.
type conn struct {
	pool    *sql.DB
	explain func(error) error
	prefix  string // of errors
	c       *sql.Conn
	stmts   map[string]*sql.Stmt
	failure error // the first since it was set to nil
}

// fail makes an error of the driver into one of this package.
func (c *conn) fail(err error) error {
	if why := c.explain(err); why != nil {
		err = fmt.Errorf("%s%w: %w", c.prefix, why, err)
	} else {
		err = fmt.Errorf("%s%w", c.prefix, err)
	}
	if c.failure == nil {
		c.failure = err
	}
	return err
}

// connect makes the connection if there is none.
func (c *conn) connect() (err error) {
	if c.c != nil {
		return nil
	}
	if c.c, err = c.pool.Conn(context.Background()); err != nil {
		return c.fail(err)
	}
	c.stmts = make(map[string]*sql.Stmt)
	return nil
}

// close gives the connection up for good; what has been begun on it is undone.
func (c *conn) close() {
	if c.c == nil {
		return
	}
	for _, s := range c.stmts {
		s.Close()
	}
	// So the pool does not keep it.
	c.c.Raw(func(any) error { return driver.ErrBadConn })
	c.c, c.stmts = nil, nil
}

func (c *conn) stmt(query string) (*sql.Stmt, error) {
	if err := c.connect(); err != nil {
		return nil, err
	}
	if s := c.stmts[query]; s != nil {
		return s, nil
	}
	s, err := c.c.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, c.fail(err)
	}
	c.stmts[query] = s
	return s, nil
}

// exec runs a statement and returns how many rows it has changed.
func (c *conn) exec(query string, args ...any) (int64, error) {
	s, err := c.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := s.Exec(args...)
	if err != nil {
		return 0, c.fail(err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, c.fail(err)
	}
	return n, nil
}

// get reads the one row that the query has; ok is false if it has none.
func (c *conn) get(query string, args []any, dest ...any) (ok bool, err error) {
	s, err := c.stmt(query)
	if err != nil {
		return false, err
	}
	switch err := s.QueryRow(args...).Scan(dest...); {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, c.fail(err)
	}
	return true, nil
}

// each calls row for every row of the query, up to an error or until more is
// false. row must not use c.
func (c *conn) each(query string, args []any, row func(scan func(dest ...any) error) (more bool, err error)) error {
	s, err := c.stmt(query)
	if err != nil {
		return err
	}
	rows, err := s.Query(args...)
	if err != nil {
		return c.fail(err)
	}
	defer rows.Close()
	for rows.Next() {
		if more, err := row(rows.Scan); err != nil || !more {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return c.fail(err)
	}
	return nil
}
