package simnet

import (
	"io"
	"net"
	"os"
	"time"
)

// Read reads what has arrived.
func (c *Conn) Read(p []byte) (int, error) {
	for {
		deadline, moved, err := c.waiting(&c.read)
		if err != nil {
			return 0, err
		}
		n, changed, until, err := c.in.get(p)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		wait(deadline, until, changed, moved)
	}
}

// Write writes p, and waits while too much is under way.
func (c *Conn) Write(p []byte) (written int, err error) {
	for {
		deadline, moved, err := c.waiting(&c.write)
		if err != nil {
			return written, err
		}
		n, changed, err := c.out.put(p[written:])
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
		if changed != nil {
			wait(deadline, time.Time{}, changed, moved)
		}
	}
}

// waiting returns what a Read or Write waits for: its deadline, and that this changes.
func (c *Conn) waiting(which *time.Time) (deadline time.Time, moved <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	deadline = *which
	switch {
	case c.closed:
		return deadline, nil, net.ErrClosed
	case !deadline.IsZero() && !time.Now().Before(deadline):
		return deadline, nil, os.ErrDeadlineExceeded
	}
	if c.moved == nil {
		c.moved = make(chan struct{})
	}
	return deadline, c.moved, nil
}

// wait waits for the first of two times, those that are set, and two events.
func wait(deadline, until time.Time, a, b <-chan struct{}) {
	next := deadline
	if next.IsZero() || !until.IsZero() && until.Before(next) {
		next = until
	}
	var timer <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-timer:
	case <-a:
	case <-b:
	}
}

// Close closes this end: the other one gets what was written, and then io.EOF; what it
// writes goes nowhere.
func (c *Conn) Close() error {
	c.mu.Lock()
	was := c.closed
	c.closed = true
	c.wake()
	c.mu.Unlock()
	if was {
		return net.ErrClosed
	}
	c.out.close()
	c.in.fail(io.ErrClosedPipe)
	c.n.mu.Lock()
	delete(c.n.open, c.id)
	c.n.mu.Unlock()
	return nil
}

// Cut breaks the connection, and loses what is under way.
func (c *Conn) Cut() {
	for _, h := range c.link.halves {
		h.mu.Lock()
		h.chunks = nil
		h.mu.Unlock()
	}
	c.link.cut()
}

// wake lets those look again who wait. Under the lock.
func (c *Conn) wake() {
	if c.moved != nil {
		close(c.moved)
		c.moved = nil
	}
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns that of the other one.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error { return c.set(t, &c.read, &c.write) }

// SetReadDeadline bounds Reads.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.set(t, &c.read) }

// SetWriteDeadline bounds Writes.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.set(t, &c.write) }

func (c *Conn) set(t time.Time, which ...*time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	for _, w := range which {
		*w = t
	}
	c.wake()
	return nil
}
