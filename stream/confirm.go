package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp/stanza"
)

// ErrNotManaged is returned by [Conn.Confirm] on a stream without stream management.
var ErrNotManaged = errors.New("stream: stream management is not enabled")

// ErrUnacknowledged is why [Conn.Confirm] fails for a stanza that was queued: the
// session has ended before the peer has acknowledged it. It may have arrived all the
// same. It is wrapped together with why the session has ended.
var ErrUnacknowledged = errors.New("stream: not acknowledged")

// waiter waits for the acknowledgement of a stanza.
type waiter struct {
	seq  uint64       // of the stanza, among those that count
	done chan<- error // has room for one
}

// confirm tells those whose stanza is acknowledged.
func (a *acks) confirm() {
	n := 0
	for n < len(a.waiters) && a.waiters[n].seq <= a.acked {
		a.waiters[n].done <- nil
		n++
	}
	a.dropWaiters(n)
}

// giveUp tells all that wait that the session has ended because of err.
func (a *acks) giveUp(err error) {
	for _, w := range a.waiters {
		w.done <- err
	}
	a.dropWaiters(len(a.waiters))
}

// dropWaiters forgets the first n.
func (a *acks) dropWaiters(n int) {
	clear(a.waiters[:n])
	if a.waiters = a.waiters[n:]; len(a.waiters) == 0 {
		a.waiters = nil
	}
}

// putConfirmed is put for a stanza whose acknowledgement is waited for: the channel
// acked tells it.
func (o *outbox) putConfirmed(c *Conn, st *stanza.Stanza) (
	writer *Conn, acked <-chan error, room <-chan struct{}, err error) {
	it := item{st: st}
	n := it.size()
	o = o.lock()
	defer o.mu.Unlock()
	if o.err == nil && o.managed() == nil {
		return nil, nil, nil, ErrNotManaged
	}
	if writer, room, err = o.putLocked(c, it, n, ordinary); err != nil {
		return writer, nil, room, err
	}
	a, done := o.acks, make(chan error, 1)
	a.waiters = append(a.waiters, waiter{a.queued, done})
	a.urgent = true
	return writer, done, nil, nil
}

// Confirm queues a stanza as Send does, and waits until the peer has acknowledged
// that very stanza (XEP-0198), over however many connections the session goes on. The
// peer is asked without the pause that the stream makes otherwise.
//
// The error is [ErrNotManaged] at once if the stream is not managed, and nothing is
// queued then; that of ctx when it ends, after which the stanza, if it was queued, is
// sent all the same; [ErrUnacknowledged] when the session ends without an
// acknowledgement, or the peer refuses to acknowledge anything; and what Send
// returns. Safe for concurrent use.
func (c *Conn) Confirm(ctx context.Context, st *stanza.Stanza) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		writer, acked, room, err := c.out.putConfirmed(c, st)
		writer.start()
		if err != nil && room == nil {
			return err
		}
		select {
		case err := <-acked: // nil, while there is no room
			if err != nil {
				return fmt.Errorf("%w: %w", ErrUnacknowledged, err)
			}
			return nil
		case <-room: // nil, once it is queued
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Settle waits until the peer has acknowledged all stanzas that were queued before, or
// until all is written on a stream that is not managed, where no more can be known. On
// a managed stream that has failed, or fails, the error wraps [ErrUnacknowledged]; the
// rest is as for Confirm.
func (c *Conn) Settle(ctx context.Context) error {
	acked := c.awaitAcked()
	if acked == nil {
		return c.Flush(ctx)
	}
	c.RequestAck()
	select {
	case err := <-acked:
		switch {
		case err == ErrNotManaged:
			return c.Flush(ctx)
		case err != nil:
			return fmt.Errorf("%w: %w", ErrUnacknowledged, err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitAcked returns a channel that tells when all is acknowledged, nil if the stream
// is not managed.
func (c *Conn) awaitAcked() <-chan error {
	o := c.out.lock()
	defer o.mu.Unlock()
	a := o.managed()
	if a == nil {
		return nil
	}
	done := make(chan error, 1)
	switch {
	case a.acked >= a.queued:
		done <- nil
	case o.err != nil:
		done <- o.err
	default:
		a.waiters = append(a.waiters, waiter{a.queued, done})
	}
	return done
}
