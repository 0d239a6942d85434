package stream

import (
	"errors"
	"net"
	"sync"
	"time"
)

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
		kept, ask := c.out.keep(items[min(from, n):n], items[n:], from <= n)
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
		c.out.abandon(err, items[whole:], back, whole >= from)
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
