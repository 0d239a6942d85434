package stream

import (
	"context"

	"github.com/etherx-go/xmpp/stanza"
)

// Send queues a stanza. It blocks only while the outbox is full, until ctx
// ends; a stanza is queued whole or not at all. The error is that of ctx,
// [ErrClosed], or why the stream has failed. Safe for concurrent use: what one
// goroutine sends keeps its order, also on a stream that is resumed meanwhile, and
// through whichever of its connections it is sent.
func (c *Conn) Send(ctx context.Context, st *stanza.Stanza) error {
	return c.enqueue(ctx, item{st: st})
}

// SendRaw queues bytes that are not a stanza: whole elements, or white space to
// keep the connection alive (RFC 6120, section 4.6.1). It blocks like Send. On a
// connection that is lost the error is [ErrDetached], and what waits then is not
// written on another one.
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

// start starts the goroutine that writes to c; nil is none.
func (c *Conn) start() {
	if c != nil {
		go c.writer()
	}
}

// tryPut queues an item and sees to it that it is written.
func (c *Conn) tryPut(it item, p priority) (room <-chan struct{}, err error) {
	writer, room, err := c.out.put(c, it, p)
	writer.start()
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
	writer, _, err := c.out.put(c, item{raw: string(b)}, forced)
	switch {
	case err != nil:
		return err
	case writer == c:
		c.write()
	default:
		<-c.out.drained()
	}
	_, err = c.out.status()
	return err
}

// Flush waits until nothing waits to be written any more; on a stream whose
// connection is lost, see [Conn.Detached], that is when another one has gone on with
// it and has written all. The error is that of ctx, or why the stream has failed.
func (c *Conn) Flush(ctx context.Context) error {
	for {
		idle, err := c.out.flushed()
		if idle == nil {
			return err
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
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
