package session

import (
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
	refused int // stanzas that were refused; only for the reader
	// peerEnded: the peer has ended the stream. Set by the reader, good after
	// group.Wait.
	peerEnded bool
	group     sync.WaitGroup // its goroutines
}

// read is the goroutine that reads the stream. It never blocks but in Next.
func (c *connection) read() {
	for {
		st, el, err := c.Next()
		switch {
		case st != nil && err != nil:
			c.malformed(st, err)
		case st != nil:
			c.handle(st)
		case err == nil:
			c.s.r.cfg.Log.Debug("unknown element", "name", el.Name())
		default:
			e, ok := errors.AsType[*stream.Error](err)
			c.peerEnded = err == io.EOF || ok && e.Remote
			c.s.end(c.why(err))
			c.Fail(err)
			return
		}
	}
}

// why returns the reason that an error of Next is for the end of the session.
func (c *connection) why(err error) error {
	switch {
	case err != io.EOF:
		return err
	case c.Closing():
		return xmpp.ErrClosed
	}
	return fmt.Errorf("%s: %w", c.s.r.cfg.Name, ErrStreamClosed)
}

// resend sends what the last session has left. What fails now is left for the
// next one.
func (c *connection) resend() {
	r := c.s.r
	for len(r.unsent) > 0 && c.Send(c.s.ctx, r.unsent[0]) == nil {
		r.unsent = r.unsent[1:]
	}
}

// release waits for the goroutines of a connection that has ended, and keeps what
// was queued and not written, as far as it is of use in the next session.
func (c *connection) release() {
	c.group.Wait()
	r := c.s.r
	var kept []*stanza.Stanza
	for _, st := range c.Unsent() {
		if r.cfg.Keeps(st) {
			kept = append(kept, st)
		}
	}
	r.unsent = append(kept, r.unsent...)
}
