package stream

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"net"
	"time"

	"github.com/etherx-go/xmpp/stanza"
)

// Resumption is all that the initiator must know in order to go on with a session on
// another connection (XEP-0198, section 5), perhaps in another process: see
// [Conn.Resumption] and [NewDetached]. It can be stored; a stanza is written with its
// String method and read with [stanza.Parse]. Whoever has it still needs to
// authenticate.
type Resumption struct {
	// ID, Max and Location are what the peer has granted.
	Grant
	// Handled is how many of the peer's stanzas were handled.
	Handled uint64
	// Acked is how many of the own stanzas the peer has acknowledged.
	Acked uint64
	// Unacked are the own stanzas that were sent or are queued, and that the peer has
	// not acknowledged, in order.
	Unacked []*stanza.Stanza
	// Offers and Limits are what the peer has told with its features, which it does
	// not where a session is resumed with the authentication.
	Offers []xml.Name
	Limits Limits
}

// Resumption returns what is needed to go on with the session; handled is how many of
// the peer's stanzas were handled. ok is false if the session has ended, or the peer
// does not let it be resumed. It may be called at any time, and is safe for concurrent
// use.
func (c *Conn) Resumption(handled uint64) (r Resumption, ok bool) {
	o := c.out.lock()
	defer o.mu.Unlock()
	if !o.detachable() {
		return Resumption{}, false
	}
	return Resumption{o.acks.grant, handled, o.acks.acked, o.outstanding(), c.offers, c.peerLimits}, true
}

// NewDetached returns a stream without a connection, for a session of which another
// process, or an earlier run of this one, has stored r. It is the Old of a
// [ManagementClient]; until it is resumed it takes what is sent, as every stream does
// whose connection is lost.
func NewDetached(cfg Config, r Resumption) *Conn {
	cfg = cfg.withDefaults()
	c := newConn(lost{}, &cfg, true)
	c.state.Store(uint32(Secure | Authenticated | Ready))
	c.endOnce.Do(func() { close(c.ended) })
	c.offers, c.peerLimits = r.Offers, r.Limits
	o, a := c.out, &acks{enabled: true, begun: true, resumable: true, grant: r.Grant}
	for _, st := range r.Unacked {
		o.queue = append(o.queue, item{st: st})
		o.bytes += st.Size()
	}
	a.acked, a.sent = r.Acked, r.Acked
	a.queued = r.Acked + uint64(len(r.Unacked))
	a.tried, a.whole = a.queued, a.queued
	a.park()
	o.acks, o.detached, o.used = a, true, true
	return c
}

// Detached reports whether the connection is lost and the session is not: stanzas are
// taken, up to MaxDetached of the [Config], and nothing is written, until another
// connection goes on with it. A stream becomes detached, where it would fail
// otherwise, if the peer has granted resumption (XEP-0198) and
//   - a write fails, or takes too long;
//   - [Conn.Fail] is called because the connection has failed, or has timed out;
//   - [Conn.Detach] is called.
//
// It does not if one side has closed the stream or sent another error. A detached
// stream has no goroutine and no timer; how long it is kept is for the owner to say,
// who ends it with Close.
func (c *Conn) Detached() bool {
	o := c.out.lock()
	defer o.mu.Unlock()
	return o.detached && o.err == nil
}

// Resumed reports whether this connection goes on with an earlier session.
func (c *Conn) Resumed() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.moved != nil
}

// detachTimeout bounds how long it takes to tell a peer why its connection ends.
const detachTimeout = time.Second

// Detach gives the connection up, and keeps the session for another one, see
// [Conn.Detached]. The peer is told the reason, if it is not nil, where that is
// possible within a second. Next returns an error soon. ok is false, and nothing has
// happened, if the session has ended, has another connection already, or cannot be
// resumed. Safe for concurrent use.
func (c *Conn) Detach(reason *Error) (ok bool) {
	writing, ok := c.out.detach(c)
	if !ok {
		return false
	}
	if reason != nil {
		until := time.Now().Add(min(detachTimeout, c.cfg.CloseTimeout))
		if writing = awaitWriter(writing, until); writing == nil {
			c.sayLast(reason, until)
		}
	}
	c.tr.Close() // breaks a write off
	if writing != nil {
		<-writing // not that of the connection that may come next
	}
	_, err := c.out.status() // the peer may not have heard of the session after all
	return err == nil
}

// awaitWriter waits for the writer of a detached stream to end what it has begun, if
// there is one, and returns it if it has not: nobody could read an error in the middle
// of that.
func awaitWriter(writing <-chan struct{}, until time.Time) <-chan struct{} {
	if writing == nil {
		return nil
	}
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-writing:
		return nil
	case <-t.C:
		return writing
	}
}

// sayLast writes an error and the closing tag to a connection that has no writer, if it
// is still there.
func (c *Conn) sayLast(e *Error, until time.Time) {
	b := append(e.appendXML(nil, c.in.Version == Version{}), "</stream:stream>"...)
	c.tr.SetWriteDeadline(until)
	if _, err := c.tr.Write(b); err == nil {
		c.trace(true, b)
	}
}

// survives reports whether the session may outlive the end of the connection that is
// because of err.
func (c *Conn) survives(err error) bool {
	return c.readFailed || errors.Is(err, ConnectionTimeout)
}

// resuming is what the initiator knows of a resumption that is under way.
type resuming struct {
	old *Conn // nil until the peer has agreed
	h   uint32
}

// agreed reports whether the peer has agreed to go on with an earlier session.
func (c *Conn) agreed() bool { return c.resuming != nil && c.resuming.old != nil }

// finishResuming takes the session over that the peer has agreed to go on with. It is
// the end of the negotiation.
func (c *Conn) finishResuming() error {
	if c.agreed() {
		writer, err := c.takeOver(c.resuming.old, "", c.resuming.h)
		if writer.start(); err != nil {
			return err
		}
	}
	c.resuming = nil
	return nil
}

// takeOver makes c the connection of the session that old has, which must be detached:
// h of its stanzas are acknowledged, and raw, everything that is not, and everything
// that is sent from now on through either, is written to c. The caller starts the
// writer. On an error nothing has changed: it is errGone, errInUse, why c has failed,
// or an [*Error] if h is too high.
func (c *Conn) takeOver(old *Conn, raw string, h uint32) (writer *Conn, err error) {
	own, err := c.lockUnused()
	if err != nil {
		return nil, err
	}
	defer own.mu.Unlock()
	o := old.out.lock()
	defer o.mu.Unlock()
	if o.conn != old || !o.parked() {
		return nil, errGone
	}
	more, err := o.acks.advance(h, o.acks.tried)
	if err != nil {
		return nil, err
	}
	o.forget(more)
	own.moved = o // nobody waits for it: it is empty
	return o.attach(c, raw), nil
}

// lockUnused locks the outbox of a connection on which no stanza was sent yet, when
// all else is written.
func (c *Conn) lockUnused() (*outbox, error) {
	for {
		o := c.out
		o.mu.Lock()
		var err error
		switch {
		case o.moved != nil, o.acks != nil, o.used, o.final:
			err = errInUse
		case o.err != nil:
			err = o.err
		case !o.writing:
			return o, nil
		}
		idle := o.wait()
		o.mu.Unlock()
		if err != nil {
			return nil, err
		}
		<-idle
	}
}

// keepEarly keeps what comes before the answer to a request of the negotiation, for
// Next.
func (c *Conn) keepEarly(in Incoming, answer string) error {
	size := len(in.Element.Raw())
	if in.Stanza != nil {
		size = in.Stanza.Size()
	}
	if c.earlySize += size; c.earlySize > maxEarly {
		return newError(PolicyViolation, "too much before "+answer)
	}
	c.early = append(c.early, in)
	return nil
}

// lost is the transport of a stream that has none.
type lost struct{}

var _ Transport = lost{}

func (lost) Read([]byte) (int, error)                          { return 0, net.ErrClosed }
func (lost) Write([]byte) (int, error)                         { return 0, net.ErrClosed }
func (lost) Close() error                                      { return nil }
func (lost) LocalAddr() net.Addr                               { return lostAddr{} }
func (lost) RemoteAddr() net.Addr                              { return lostAddr{} }
func (lost) SetDeadline(time.Time) error                       { return net.ErrClosed }
func (lost) SetReadDeadline(time.Time) error                   { return net.ErrClosed }
func (lost) SetWriteDeadline(time.Time) error                  { return net.ErrClosed }
func (lost) TLS() *tls.ConnectionState                         { return nil }
func (lost) StartTLS(context.Context, *tls.Config, bool) error { return net.ErrClosed }

// lostAddr is the address of no connection.
type lostAddr struct{}

func (lostAddr) Network() string { return "none" }
func (lostAddr) String() string  { return "no connection" }
