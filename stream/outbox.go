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
type outbox struct {
	mu      sync.Mutex
	queue   []item
	bytes   int           // in queue, in the batch being written, and kept in acks
	limit   int           // of bytes; negative: none
	writing bool          // there is a writer
	final   bool          // what is queued last ends the stream
	err     error         // sticky: nothing more is taken or written
	space   chan struct{} // closed when there is room, or none any more; nil unless somebody waits
	idle    chan struct{} // closed when the writer ends; nil unless somebody waits
	unsent  []item        // what was not written when err was set
	back    []item        // stanzas that were taken back, behind unsent
	taken   bool          // they were: no more are queued
	acks    *acks         // nil: the stream is not managed
}

// priority says how an item is taken.
type priority uint8

const (
	ordinary priority = iota // if there is room
	forced                   // in any case
	last                     // in any case, and nothing after it
)

// put adds an item and reports whether the caller has become the writer, and
// must call [Conn.write] or start a goroutine that does. When the outbox is
// full the error is ErrOutboxFull, with a channel to wait on; the caller may have
// become the writer then too.
func (o *outbox) put(it item, p priority) (writer bool, room <-chan struct{}, err error) {
	n := it.size()
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.err != nil:
		return false, nil, o.err
	case o.final, o.taken && p == ordinary:
		return false, nil, ErrClosed
	case p == ordinary && o.limit >= 0 && o.bytes > 0 && o.bytes+n > o.limit:
		// One item always fits, however large, so that no limit can block it
		// for ever.
		if o.space == nil {
			o.space = make(chan struct{})
		}
		return o.nudge(), o.space, ErrOutboxFull
	}
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
	o.mu.Lock()
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

// add queues an item of n bytes, and reports whether the caller has become the
// writer.
func (o *outbox) add(it item, n int) (writer bool) {
	o.queue = append(o.queue, it)
	o.bytes += n
	writer = !o.writing
	o.writing = true
	return writer
}

// take returns the next batch to the writer, empty if there is nothing to write
// but a request for acknowledgement; ok is false if there is none and the writer
// has ended. The stanzas of the batch that count begin at from; it is negative
// if the stream is not managed.
func (o *outbox) take(spare []item) (batch []item, from int, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 || o.err != nil {
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
	return batch, o.acks.taking(len(batch)), true
}

// end takes note that the writer ends. A queue that was once long is not kept by
// a stream that may idle.
func (o *outbox) end() {
	o.writing = false
	if cap(o.queue) > keepItems && len(o.queue) == 0 {
		o.queue = nil
	}
	if o.err != nil {
		o.unsent = append(o.unsent, o.queue...)
		o.queue = nil
	}
	wake(&o.idle)
}

// wrote accounts for n bytes that have been written and are not kept.
func (o *outbox) wrote(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= n
	wake(&o.space)
}

// abandon ends the writer with an error; the items of its batch that it has not
// written come before those that are queued. The last back of the stanzas that
// were kept are among them.
func (o *outbox) abandon(err error, unwritten []item, back int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	o.unsent = append(o.unsent, unwritten...)
	if o.acks != nil {
		o.acks.takeBack(back)
		o.acks.disarm()
	}
	o.end()
	wake(&o.space)
}

// fail makes the outbox refuse everything with err from now on. What the writer
// has not written is known when it has ended, see [outbox.takeUnsent].
func (o *outbox) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
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
	o.mu.Lock()
	defer o.mu.Unlock()
	u := append(o.unsent, o.back...)
	o.unsent, o.back = nil, nil
	return u
}

// drained returns a channel that is closed when there is no writer, which is
// when all is written or writing has failed.
func (o *outbox) drained() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.idle == nil {
		o.idle = make(chan struct{})
	}
	idle := o.idle
	if !o.writing {
		wake(&o.idle)
	}
	return idle
}

// status returns the sticky error, and whether the last item has been queued.
func (o *outbox) status() (final bool, err error) {
	o.mu.Lock()
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

// writeBuffers holds the buffers that batches are assembled in.
var writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, writeChunk); return &b }}

const (
	// writeChunk is how much is assembled before it is written: a TLS record's
	// payload, and enough that a system call more does not matter.
	writeChunk = 16 << 10
	// keepChunk and keepItems bound what is kept of larger batches.
	keepChunk = 4 * writeChunk
	keepItems = 64
)

// write is the writer: it takes all that is waiting, and makes as few writes of
// it as chunks fit.
func (c *Conn) write() {
	bufp := writeBuffers.Get().(*[]byte)
	defer func() {
		if cap(*bufp) <= keepChunk {
			*bufp = (*bufp)[:0]
			writeBuffers.Put(bufp)
		}
	}()
	var spare []item
	for {
		batch, from, ok := c.out.take(spare)
		if !ok {
			return
		}
		if !c.writeBatch(batch, from, bufp) {
			return
		}
		clear(batch)
		spare = batch[:0]
	}
}

func (c *Conn) writeBatch(batch []item, from int, bufp *[]byte) bool {
	done := 0 // items before this one are written
	size := 0 // of the items in the buffer
	buf := (*bufp)[:0]
	ok := true
	for i := range batch {
		at := len(buf)
		size += batch[i].size()
		if batch[i] == (item{}) {
			batch[i].raw = c.out.answer()
		}
		buf = batch[i].appendXML(buf, c.frameNS)
		if c.cfg.Trace != nil {
			c.trace(true, buf[at:])
		}
		if len(buf) < writeChunk && i+1 < len(batch) {
			continue
		}
		if buf, ok = c.writeItems(buf, batch[done:], i+1-done, size, from); !ok {
			return false
		}
		if from > 0 {
			from = max(from-(i+1-done), 0)
		}
		buf, done, size = buf[:0], i+1, 0
	}
	if len(batch) == 0 { // there is but a request for acknowledgement
		buf, ok = c.writeItems(buf, nil, 0, 0, from)
	}
	*bufp = buf
	return ok
}

// writeItems writes buf, which holds the first n of the items, of this size
// together. Those of them that count begin at from; none if it is negative. On a
// managed stream a request for acknowledgement may be written behind them.
func (c *Conn) writeItems(buf []byte, items []item, n, size, from int) ([]byte, bool) {
	if from >= 0 {
		kept, ask := c.out.keep(items[min(from, n):n], n == len(items))
		size -= kept
		if ask {
			at := len(buf)
			buf = append(buf, requestXML...)
			c.trace(true, buf[at:])
		}
	}
	if len(buf) == 0 {
		return buf, true
	}
	written, err := c.writeNow(buf)
	if err != nil {
		c.tr.Close() // wakes the reader
		whole := c.whole(items[:n], written)
		back := 0
		if from >= 0 {
			back = stanzas(items[min(max(whole, from), n):n])
		}
		c.out.abandon(err, items[whole:], back)
		return buf, false
	}
	c.out.wrote(size)
	return buf, true
}

// stanzas counts those that are stanzas.
func stanzas(items []item) (n int) {
	for i := range items {
		if items[i].st != nil {
			n++
		}
	}
	return n
}

// whole returns how many of the items are whole among the first n bytes that were
// written of them.
func (c *Conn) whole(items []item, n int) int {
	var buf []byte
	for i := range items {
		buf = items[i].appendXML(buf[:0], c.frameNS)
		if n -= len(buf); n < 0 {
			return i
		}
	}
	return len(items)
}

// writeNow writes b within the write timeout.
func (c *Conn) writeNow(b []byte) (int, error) {
	c.tr.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout))
	if c.cut.Load() {
		c.tr.SetWriteDeadline(past)
	}
	n, err := c.tr.Write(b)
	if err == nil {
		// The TLS layer may have something to write by itself later.
		c.tr.SetWriteDeadline(time.Time{})
		return n, nil
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		err = &Error{Condition: ConnectionTimeout, Text: "the peer does not read", Err: err}
	}
	return n, err
}

// Send queues a stanza. It blocks only while the outbox is full, until ctx
// ends; a stanza is queued whole or not at all. The error is that of ctx,
// [ErrClosed], or why the stream has failed. Safe for concurrent use: what one
// goroutine sends keeps its order.
func (c *Conn) Send(ctx context.Context, st *stanza.Stanza) error {
	return c.enqueue(ctx, item{st: st})
}

// SendRaw queues bytes that are not a stanza: whole elements, or white space to
// keep the connection alive (RFC 6120, section 4.6.1). It blocks like Send.
func (c *Conn) SendRaw(ctx context.Context, raw string) error {
	return c.enqueue(ctx, item{raw: raw})
}

// TrySend queues a stanza without blocking; the error is [ErrOutboxFull] if
// there is no room. Safe for concurrent use.
func (c *Conn) TrySend(st *stanza.Stanza) error {
	_, err := c.tryPut(item{st: st}, ordinary)
	return err
}

// TrySendRaw queues bytes that are not a stanza, as SendRaw does, without blocking;
// the error is [ErrOutboxFull] if there is no room.
func (c *Conn) TrySendRaw(raw string) error {
	_, err := c.tryPut(item{raw: raw}, ordinary)
	return err
}

// tryPut queues an item and sees to it that it is written.
func (c *Conn) tryPut(it item, p priority) (room <-chan struct{}, err error) {
	writer, room, err := c.out.put(it, p)
	if writer {
		go c.writer()
	}
	return room, err
}

func (c *Conn) enqueue(ctx context.Context, it item) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		room, err := c.tryPut(it, ordinary)
		if room == nil {
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// say writes b behind all that is queued and returns when it is written, as
// the negotiation needs it.
func (c *Conn) say(b []byte) error {
	writer, _, err := c.out.put(item{raw: string(b)}, forced)
	switch {
	case err != nil:
		return err
	case writer:
		c.write()
	default:
		<-c.out.drained()
	}
	_, err = c.out.status()
	return err
}

// Flush waits until nothing waits to be written any more. The error is that of
// ctx, or why the stream has failed.
func (c *Conn) Flush(ctx context.Context) error {
	select {
	case <-c.out.drained():
	case <-ctx.Done():
		return ctx.Err()
	}
	_, err := c.out.status()
	return err
}

// Withdraw takes back the stanzas that wait to be written, and lets no more be
// queued, because the peer has closed its side of the stream: who does that may
// look at nothing that comes afterwards. Unsent returns them when the stream has
// ended, which is for Fail to see to.
func (c *Conn) Withdraw() { c.out.withdraw() }

// Unsent returns the stanzas that were queued and not written whole when the
// stream failed or was closed, in order, once; nothing while the stream works.
// It may wait a moment for a write that is being broken off. Whether a stanza
// that was written has arrived is not known without stream management
// (XEP-0198): see [Conn.Unacked] for a managed stream, where what Unsent returns
// comes behind.
func (c *Conn) Unsent() []*stanza.Stanza {
	var sts []*stanza.Stanza
	for _, it := range c.out.takeUnsent() {
		if it.st != nil {
			sts = append(sts, it.st)
		}
	}
	return sts
}
