package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// ErrStreamClosed is why a session ended that the peer closed without an error.
var ErrStreamClosed = errors.New("the server has closed the stream")

// connection is what a session is on: a negotiated stream, with the goroutines
// that read it and watch over it.
type connection struct {
	*stream.Conn
	s       *Session
	ctx     context.Context // ends with it
	cancel  context.CancelFunc
	refused int // stanzas that were refused; only for the reader
	// peerEnded: the peer has ended the stream. Set by the reader, good after
	// group.Wait.
	peerEnded bool
	group     sync.WaitGroup // its goroutines
	reason    error          // why it was given up, if not by the reader; guarded by s.mu
}

func (s *Session) newConnection(conn *stream.Conn) *connection {
	c := &connection{Conn: conn, s: s}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	return c
}

// read is the goroutine that reads the stream. It never blocks but in Next.
func (c *connection) read() {
	for {
		st, el, err := c.Next()
		switch {
		case st != nil && err != nil:
			c.malformed(st, err)
			continue
		case st != nil:
			c.handle(st)
			continue
		case err == nil:
			err = c.element(el)
		}
		if err != nil {
			c.ended(err)
			return
		}
	}
}

// element handles what is no stanza.
func (c *connection) element(el stanza.Element) error {
	l := c.s.ledger
	if c.Managed() {
		var handled uint64
		if el.Is(stream.NSManagement, "r") {
			handled = l.answer()
		}
		ok, err := c.ServeManagement(el, &handled)
		if ok && err == nil && el.Is(stream.NSManagement, "enabled") {
			l.start()
		}
		if ok || err != nil {
			return err
		}
	}
	c.s.r.cfg.Log.Debug("unknown element", "name", el.Name())
	return nil
}

// ended takes note that the connection has ended, or is to end, because of err. The
// session ends with it, unless it can wait for another one.
func (c *connection) ended(err error) {
	defer c.cancel()
	e, isStream := errors.AsType[*stream.Error](err)
	c.peerEnded = err == io.EOF || isStream && e.Remote
	broken := err != io.EOF && (!isStream || !e.Remote && e.Condition == stream.ConnectionTimeout)
	reason := c.why(err)
	// The peer is told nothing: it would take the end of the stream for that of the
	// session.
	if broken && c.Detach(nil) {
		c.Fail(err)
		c.s.suspend(reason)
		return
	}
	c.s.end(reason)
	c.Fail(err)
}

// why returns the reason that an error of Next is for the end of the connection.
func (c *connection) why(err error) error {
	c.s.mu.Lock()
	given := c.reason
	c.s.mu.Unlock()
	switch {
	case given != nil:
		return given
	case err != io.EOF:
		return err
	case c.Closing():
		return xmpp.ErrClosed
	}
	return fmt.Errorf("%s: %w", c.s.r.cfg.Name, ErrStreamClosed)
}

// giveUp ends a connection that is there and of no use; the session goes on, if it
// can. It wakes the reader.
func (c *connection) giveUp(reason error) {
	s := c.s
	s.mu.Lock()
	c.reason = reason
	s.mu.Unlock()
	if !c.Detach(nil) {
		s.end(reason)
		c.Close()
	}
}
