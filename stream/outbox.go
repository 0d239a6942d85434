package stream

import (
	"errors"
	"slices"
	"sync"

	"github.com/etherx-go/xmpp/stanza"
)

// ErrClosed is returned for what is sent on a stream that is closed or closing.
var ErrClosed = errors.New("stream: closed")

// ErrOutboxFull is returned by [Conn.TrySend] when the peer does not take what
// waits for it already.
var ErrOutboxFull = errors.New("stream: outbox is full")

// ErrDetached is returned for what belongs to a connection, such as white space
// that keeps it alive or the closing tag, when the connection is lost and only the
// session is there; see [Conn.Detached].
var ErrDetached = errors.New("stream: the connection is lost")

// item is what waits to be written: a stanza, or other bytes. The zero item is
// where an acknowledgement goes, see [Conn.Ack].
type item struct {
	st  *stanza.Stanza
	raw string
}

func (it *item) size() int {
	if it.st != nil {
		return it.st.Size()
	}
	return len(it.raw)
}

func (it *item) appendXML(dst []byte, frameNS string) []byte {
	if it.st != nil {
		return it.st.AppendXML(dst, frameNS)
	}
	return append(dst, it.raw...)
}

// outbox holds what is to be written to one stream, in order. The transport is
// written by at most one goroutine at a time, the writer: one that is started
// when there is something to write and ends when there is not, so that an idle
// stream has none.
//
// An outbox begins with a connection and ends with it, except for one whose peer
// has agreed to resumption: that one is the session's. When its connection is lost
// it is detached, and takes what is sent until another connection goes on with it,
// whose own outbox is replaced by it.
type outbox struct {
	mu       sync.Mutex
	used     bool    // a stanza has been queued
	writing  bool    // there is a writer
	detached bool    // there is nobody to write to
	final    bool    // what is queued last ends the stream
	taken    bool    // the stanzas were taken back: no more are queued
	conn     *Conn   // the one that writes it, or did before it was detached
	moved    *outbox // that counts in place of this one, for good
	queue    []item
	bytes    int           // in queue, in the batch being written, and kept in acks
	err      error         // sticky: nothing more is taken or written
	space    chan struct{} // closed when there is room, or none any more; nil unless somebody waits
	idle     chan struct{} // closed when the writer ends; nil unless somebody waits
	unsent   []item        // what was not written when err was set
	back     []item        // stanzas that were taken back, behind unsent
	acks     *acks         // nil: the stream is not managed
}

// lock returns the outbox that counts, locked.
func (o *outbox) lock() *outbox {
	o.mu.Lock()
	for o.moved != nil {
		next := o.moved
		o.mu.Unlock()
		o = next
		o.mu.Lock()
	}
	return o
}

// priority says how an item is taken.
type priority uint8

const (
	ordinary priority = iota // if there is room
	forced                   // in any case
	last                     // in any case, and nothing after it
)

// put adds an item that comes from c. If it returns a writer, the caller must call
// [Conn.write] of it or start a goroutine that does. When the outbox is full the
// error is ErrOutboxFull, with a channel to wait on; there may be a writer to start
// then too.
func (o *outbox) put(c *Conn, it item, p priority) (writer *Conn, room <-chan struct{}, err error) {
	n := it.size()
	o = o.lock()
	defer o.mu.Unlock()
	return o.putLocked(c, it, n, p)
}

// putLocked is put for an item of n bytes, under the lock.
func (o *outbox) putLocked(c *Conn, it item, n int, p priority) (writer *Conn, room <-chan struct{}, err error) {
	limit := o.conn.cfg.MaxOutbox
	if o.detached {
		limit = o.conn.cfg.MaxDetached
	}
	switch {
	case o.err != nil:
		return nil, nil, o.err
	case it.st == nil && (o.detached || o.conn != c):
		return nil, nil, ErrDetached
	case o.final, o.taken && p == ordinary:
		return nil, nil, ErrClosed
	case p == ordinary && limit >= 0 && o.bytes > 0 && o.bytes+n > limit:
		// One item always fits, however large, so that no limit can block it
		// for ever.
		if o.space == nil {
			o.space = make(chan struct{})
		}
		return o.nudge(), o.space, ErrOutboxFull
	}
	o.used = o.used || it.st != nil
	if o.acks != nil {
		n += o.acks.queueing(&it, p)
	}
	if p == last {
		o.final = true
		wake(&o.space)
	}
	return o.add(it, n), nil, nil
}

// withdraw takes the stanzas back that wait in the queue.
func (o *outbox) withdraw() {
	o = o.lock()
	defer o.mu.Unlock()
	o.taken = true
	rest := o.queue[:0]
	for _, it := range o.queue {
		if it.st == nil {
			rest = append(rest, it)
			continue
		}
		o.back = append(o.back, it)
		o.bytes -= it.size()
	}
	clear(o.queue[len(rest):])
	o.queue = rest
	wake(&o.space)
}

// add queues an item of n bytes, and returns the writer that is to be started.
func (o *outbox) add(it item, n int) (writer *Conn) {
	o.queue = append(o.queue, it)
	o.bytes += n
	return o.start()
}

// start returns the writer that is to be started, nil if there is one or can be
// none.
func (o *outbox) start() (writer *Conn) {
	if o.writing || o.detached {
		return nil
	}
	o.writing = true
	return o.conn
}

// take returns the next batch to the writer, empty if there is nothing to write
// but a request for acknowledgement; ok is false if there is none and the writer
// has ended. The stanzas of the batch that count begin at from; it is negative
// if the stream is not managed.
func (o *outbox) take(spare []item) (batch []item, from int, ok bool) {
	o = o.lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 || o.err != nil || o.detached {
		if o.due(true) {
			return spare, 0, true
		}
		if len(o.queue) == 0 && cap(o.queue) < cap(spare) {
			o.queue = spare
		}
		o.end()
		return nil, 0, false
	}
	batch, o.queue = o.queue, spare
	if o.acks == nil {
		return batch, -1, true
	}
	return batch, o.acks.taking(batch), true
}

// end takes note that the writer ends, or that there is none. A queue that was once
// long is not kept by a stream that may idle.
func (o *outbox) end() {
	if o.writing = false; o.acks != nil {
		o.acks.flight = nil
	}
	switch {
	case o.err != nil:
		o.unsent = append(o.unsent, o.queue...)
		o.queue = nil
	case o.detached:
		o.park()
	case cap(o.queue) > keepItems && len(o.queue) == 0:
		o.queue = nil
	}
	wake(&o.idle)
}

// wrote accounts for n bytes that have been written and are not kept.
func (o *outbox) wrote(n int) {
	o = o.lock()
	defer o.mu.Unlock()
	o.bytes -= n
	wake(&o.space)
}

// abandon ends the writer with an error; the items of its batch that it has not
// written come before those that are queued. The last back of the stanzas that
// were kept are among them. begun says that what tells the peer to count is not.
func (o *outbox) abandon(err error, unwritten []item, back int, begun bool) {
	o = o.lock()
	defer o.mu.Unlock()
	if a := o.acks; a != nil {
		a.begun = a.begun && begun
		a.takeBack(back)
		a.disarm()
	}
	if o.detached = o.detachable(); !o.detached && o.err == nil {
		o.fails(err)
	}
	if o.err != nil {
		o.unsent = append(o.unsent, unwritten...)
	} else {
		o.queue = slices.Concat(unwritten, o.queue)
	}
	o.end()
	wake(&o.space)
}

// fails makes err the error.
func (o *outbox) fails(err error) {
	if o.err = err; o.acks != nil {
		o.acks.giveUp(err)
	}
}

// fail makes the outbox refuse everything with err from now on. What the writer
// has not written is known when it has ended, see [outbox.takeUnsent].
func (o *outbox) fail(err error) {
	o = o.lock()
	defer o.mu.Unlock()
	o.failLocked(err)
}

// failFor does the same, unless another connection than c has it.
func (o *outbox) failFor(c *Conn, err error) {
	o = o.lock()
	defer o.mu.Unlock()
	if o.conn == c {
		o.failLocked(err)
	}
}

func (o *outbox) failLocked(err error) {
	if o.err == nil {
		o.fails(err)
	}
	if o.acks != nil {
		o.acks.disarm()
	}
	if !o.writing {
		o.end()
	}
	wake(&o.space)
}

// broken reports whether the outbox has failed; if so, its writer has ended.
func (o *outbox) broken() bool {
	if _, err := o.status(); err == nil {
		return false
	}
	<-o.drained()
	return true
}

// takeUnsent waits for the writer to end and returns what it has left.
func (o *outbox) takeUnsent() []item {
	if !o.broken() {
		return nil
	}
	o = o.lock()
	defer o.mu.Unlock()
	o.settle()
	u := append(o.unsent, o.back...)
	o.unsent, o.back = nil, nil
	return u
}

// drained returns a channel that is closed when there is no writer, which is
// when all is written, writing has failed, or there is nobody to write to.
func (o *outbox) drained() <-chan struct{} {
	o = o.lock()
	defer o.mu.Unlock()
	idle := o.wait()
	if !o.writing {
		wake(&o.idle)
	}
	return idle
}

// flushed returns a channel to wait on if something waits to be written; it must be
// called again then. If there is nothing the channel is nil.
func (o *outbox) flushed() (<-chan struct{}, error) {
	o = o.lock()
	defer o.mu.Unlock()
	if !o.writing && (o.err != nil || len(o.queue) == 0) {
		return nil, o.err
	}
	return o.wait(), nil
}

func (o *outbox) wait() <-chan struct{} {
	if o.idle == nil {
		o.idle = make(chan struct{})
	}
	return o.idle
}

// status returns the sticky error, and whether the last item has been queued.
func (o *outbox) status() (final bool, err error) {
	o = o.lock()
	defer o.mu.Unlock()
	return o.final, o.err
}

// wake lets those go on who wait on ch.
func wake(ch *chan struct{}) {
	if *ch != nil {
		close(*ch)
		*ch = nil
	}
}
