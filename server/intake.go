package server

import (
	"context"
	"sync"

	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// intake counts the stanzas that were handled on a stream, for who has sent them
// (XEP-0198), and sees to it that nothing is handled of which that is not told: at an
// end in order nothing more is begun, what is begun is waited for, and then the number
// is said for the last time.
type intake struct {
	mu      sync.Mutex
	handled uint64
	busy    bool          // a stanza is being handled
	closed  bool          // the last number is said, or about to be
	free    chan struct{} // closed when it is not busy; nil unless somebody waits
}

// begin takes note that a stanza has come. It returns false for one that is not to be
// handled: it has come behind our closing tag, when the other side cannot be told any
// more that it was, and takes it for lost.
func (in *intake) begin(c *stream.Conn) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed && c.Managed() {
		return false
	}
	in.busy = true
	return true
}

// done takes note that the stanza that was begun is handled, or that this server
// answers for it from now on.
func (in *intake) done() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.handled++
	in.rest()
}

// over takes note that nothing more is handled.
func (in *intake) over() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.rest()
}

// rest takes note that no stanza is being handled. Who calls it holds in.mu.
func (in *intake) rest() {
	in.busy = false
	if in.free != nil {
		close(in.free)
		in.free = nil
	}
}

// count returns how many were handled.
func (in *intake) count() uint64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.handled
}

// set sets how many were handled, in a session that goes on or begins. It is for who
// calls begin.
func (in *intake) set(handled uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.handled = handled
}

// serve has an element of stream management handled by fn.
func (in *intake) serve(el stanza.Element, fn func(el stanza.Element, handled *uint64) (bool, error)) (bool, error) {
	handled := in.count() // changed by the reader only, which this is
	ok, err := fn(el, &handled)
	in.set(handled)
	return ok, err
}

// acknowledge says how many were handled, if there are such and they are counted.
func (in *intake) acknowledge(c *stream.Conn) {
	if n := in.count(); n > 0 && c.Managed() {
		c.Ack(n)
	}
}

// shutdown closes a stream in order until ctx ends, as [stream.Conn.Shutdown] does.
func (in *intake) shutdown(ctx context.Context, c *stream.Conn, reason *stream.Error) error {
	select {
	case <-in.close():
	case <-ctx.Done():
	}
	in.acknowledge(c)
	return c.Shutdown(ctx, reason)
}

// close lets no more be handled, and returns a channel that is closed when none is.
func (in *intake) close() <-chan struct{} {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	free := in.free
	if free == nil {
		free = make(chan struct{})
		if in.busy {
			in.free = free
		} else {
			close(free)
		}
	}
	return free
}
