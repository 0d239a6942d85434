package stream

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/etherx-go/xmpp/stanza"
)

// ErrClosed is returned for what is sent on a stream that is closed or closing.
var ErrClosed = errors.New("stream: closed")

// ErrOutboxFull is returned by [Conn.TrySend] when the peer does not take what
// waits for it already.
var ErrOutboxFull = errors.New("stream: outbox is full")

// item is what waits to be written: a stanza, or other bytes.
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

// outbox holds what is to be written to one stream, in order. The transport is
// written by at most one goroutine, which is started when there is something
// to write and ends when there is not, so that an idle stream has none.
type outbox struct {
	mu      sync.Mutex
	queue   []item
	bytes   int // in queue and in the batch being written
	limit   int
	writing bool          // the goroutine runs
	err     error         // sticky: nothing more is taken
	final   bool          // closing: the goroutine writes what is there, nothing more is taken
	space   chan struct{} // closed when there is room or an error; nil unless somebody waits
	idle    chan struct{} // closed when the queue is empty or failed; nil unless somebody waits
	unsent  []item        // what was not written when err was set
}

// put adds an item and reports whether the caller must start a writer. When
// the outbox is full it returns the channel to wait on.
func (o *outbox) put(it item, force bool) (start bool, wait <-chan struct{}, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.err != nil:
		return false, nil, o.err
	case o.final:
		return false, nil, ErrClosed
	}
	n := it.size()
	// One item always fits, however large, so that no limit can block it for
	// ever.
	if !force && o.bytes > 0 && o.bytes+n > o.limit {
		if o.space == nil {
			o.space = make(chan struct{})
		}
		return false, o.space, ErrOutboxFull
	}
	o.queue = append(o.queue, it)
	o.bytes += n
	start = !o.writing
	o.writing = true
	return start, nil, nil
}

// take returns the next batch; ok is false if there is none and the writer
// has to end.
func (o *outbox) take(spare []item) (batch []item, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 || o.err != nil {
		o.writing = false
		o.wake(&o.idle)
		return nil, false
	}
	batch, o.queue = o.queue, spare
	return batch, true
}

// wrote accounts for a batch that has been written.
func (o *outbox) wrote(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= n
	o.wake(&o.space)
}

// fail makes the outbox refuse everything with err from now on. The items that
// were not written are kept for [outbox.takeUnsent].
func (o *outbox) fail(err error, unwritten []item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	o.unsent = append(append(o.unsent, unwritten...), o.queue...)
	o.queue, o.bytes = nil, 0
	o.wake(&o.space)
	o.wake(&o.idle)
}

func (o *outbox) takeUnsent() []item {
	o.mu.Lock()
	defer o.mu.Unlock()
	u := o.unsent
	o.unsent = nil
	return u
}

// drained returns a channel that is closed when nothing is left to write, and
// makes the outbox take nothing more.
func (o *outbox) drained() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.final = true
	if o.idle == nil {
		o.idle = make(chan struct{})
	}
	idle := o.idle
	if !o.writing || o.err != nil {
		o.wake(&o.idle)
	}
	return idle
}

func (o *outbox) wake(ch *chan struct{}) {
	if *ch != nil {
		close(*ch)
		*ch = nil
	}
}

// writeBuffers holds the buffers that batches are assembled in.
var writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// writeChunk is how much is assembled before it is written: a TLS record's
// payload, and enough that a system call more does not matter.
const writeChunk = 16 << 10

// write is the writer goroutine: it takes all that is waiting, and makes as
// few writes of it as chunks fit.
func (c *Conn) write() {
	bufp := writeBuffers.Get().(*[]byte)
	defer func() {
		if cap(*bufp) <= 4*writeChunk {
			*bufp = (*bufp)[:0]
			writeBuffers.Put(bufp)
		}
	}()
	var spare []item
	for {
		batch, ok := c.out.take(spare)
		if !ok {
			return
		}
		if !c.writeBatch(batch, bufp) {
			return
		}
		clear(batch)
		// A queue that was once long is not kept by a stream that may idle.
		if spare = batch[:0]; cap(spare) > 64 {
			spare = nil
		}
	}
}

func (c *Conn) writeBatch(batch []item, bufp *[]byte) bool {
	done := 0 // items before this one are written
	size := 0 // of the items in the buffer
	buf := (*bufp)[:0]
	for i := range batch {
		if st := batch[i].st; st != nil {
			buf = st.AppendXML(buf, c.frameNS)
		} else {
			buf = append(buf, batch[i].raw...)
		}
		size += batch[i].size()
		if len(buf) < writeChunk && i+1 < len(batch) {
			continue
		}
		if n, err := c.writeNow(buf); err != nil {
			*bufp = buf
			c.out.fail(err, c.notWritten(batch[done:], n))
			c.out.take(nil) // marks the writer as ended
			c.tr.Close()    // wakes the reader
			return false
		}
		c.out.wrote(size)
		buf, done, size = buf[:0], i+1, 0
	}
	*bufp = buf
	return true
}

// notWritten returns the items that are not whole among the first n bytes that
// were written of them.
func (c *Conn) notWritten(items []item, n int) []item {
	for i, it := range items {
		if it.st != nil {
			n -= len(it.st.AppendXML(nil, c.frameNS))
		} else {
			n -= len(it.raw)
		}
		if n < 0 {
			return items[i:]
		}
	}
	return nil
}

// writeNow writes b within the write timeout. Only the goroutine that
// negotiates, or the writer, may call it.
func (c *Conn) writeNow(b []byte) (int, error) {
	if c.cfg.Trace != nil {
		c.cfg.Trace(true, redact(b))
	}
	c.tr.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout))
	n, err := c.tr.Write(b)
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		err = &Error{Condition: ConnectionTimeout, Text: "the peer does not read", Err: err}
	}
	return n, err
}

// Send queues a stanza. It blocks only while the outbox is full, until ctx
// ends; a stanza is queued whole or not at all. Safe for concurrent use.
func (c *Conn) Send(ctx context.Context, st *stanza.Stanza) error {
	return c.enqueue(ctx, item{st: st})
}

// SendRaw queues bytes that are not a stanza: one whole element, or white
// space. It blocks like Send.
func (c *Conn) SendRaw(ctx context.Context, raw string) error {
	return c.enqueue(ctx, item{raw: raw})
}

// TrySend queues a stanza without blocking; the error is [ErrOutboxFull] if
// there is no room. Safe for concurrent use.
func (c *Conn) TrySend(st *stanza.Stanza) error {
	start, _, err := c.out.put(item{st: st}, false)
	if start {
		go c.write()
	}
	return err
}

// force queues something that must not wait and that there cannot be much of.
func (c *Conn) force(it item) error {
	start, _, err := c.out.put(it, true)
	if start {
		go c.write()
	}
	return err
}

func (c *Conn) enqueue(ctx context.Context, it item) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		start, wait, err := c.out.put(it, false)
		if start {
			go c.write()
		}
		if wait == nil {
			return err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Unsent returns the stanzas that were queued and not written when the stream
// failed, in order, once. Whether a stanza that was written has arrived is not
// known without stream management (XEP-0198).
func (c *Conn) Unsent() []*stanza.Stanza {
	var sts []*stanza.Stanza
	for _, it := range c.out.takeUnsent() {
		if it.st != nil {
			sts = append(sts, it.st)
		}
	}
	return sts
}
