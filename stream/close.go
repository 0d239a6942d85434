package stream

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/etherx-go/xmpp/stanza"
)

const (
	// lingerBytes bounds how much of the peer's input is read and thrown away
	// after a stream error. Closing at once would make TCP reset the
	// connection, and the peer might never see the error.
	lingerBytes = 1 << 20
	// refuseTimeout is the CloseTimeout of [Refuse].
	refuseTimeout = time.Second
)

// past is a deadline that is over.
var past = time.Unix(1, 0)

// Fail ends the stream because of err: it sends what is queued, a stream error
// where err is one that was found here, and the closing tag, and closes the
// connection. An err that is not of a stream is internal-server-error for the
// peer if this is the receiving side, and no error if it is the initiator. When
// the connection itself has failed nothing is sent.
//
// If the connection has failed, or has timed out, and the peer has granted resumption
// (XEP-0198), the stream is not ended but detached, see [Conn.Detached].
//
// Fail takes at most the CloseTimeout. Call it from the goroutine that calls
// Next, when Next has returned an error or will not be called again.
func (c *Conn) Fail(err error) {
	e := c.ending(err)
	if c.readFailed {
		e = nil
	}
	if c.survives(err) && c.Detach(e) {
		c.sc.Release()
		return
	}
	defer c.Close()
	if c.readFailed || c.resuming != nil && (e == nil || e.Condition == ConnectionTimeout) {
		return // the end of the stream would be that of the session which is to be resumed
	}
	if c.sendEnd(e) == ErrDetached {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.CloseTimeout)
	defer cancel()
	if c.Flush(ctx) == nil && e != nil {
		c.linger(ctx)
	}
}

// ending returns the stream error to send because of err, nil for none.
func (c *Conn) ending(err error) *Error {
	e, isStream := errors.AsType[*Error](err)
	_, isCondition := errors.AsType[Condition](err)
	switch {
	case isStream && e.Remote, !isStream && isOrderly(err):
		return nil
	case isStream, isCondition, !c.initiator:
		return AsError(err)
	}
	return nil
}

// isOrderly reports whether err is no fault of anybody: one side wants to end
// the stream, or TLS could not be had.
func isOrderly(err error) bool {
	_, isTLS := errors.AsType[*TLSError](err)
	return err == nil || isTLS || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.Canceled) ||
		errors.Is(err, ErrClosed) || errors.Is(err, ErrPeerClosed)
}

// Shutdown closes the stream in order (RFC 6120, section 4.4): what is queued
// is sent, then the stream error if there is one, then the closing tag; then it
// waits until the peer has closed its side, and closes the connection. When ctx
// ends before, the connection is closed at once and the error is that of ctx;
// when the connection fails before all is written, the error says why. Another
// goroutine must be calling Next meanwhile. On a managed stream the peer is asked
// to acknowledge what it has got, so that nothing is unacked that it has handled. A
// stream that is detached ends at once, and the error is [ErrDetached]; so it is on a
// connection in whose place another one has come, where only that connection is closed.
func (c *Conn) Shutdown(ctx context.Context, reason *Error) error {
	defer c.Close()
	c.askAtEnd()
	if err := c.sendEnd(reason); err == ErrDetached {
		return err
	}
	if err := c.Flush(ctx); err != nil {
		return err
	}
	select {
	case <-c.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close closes the connection at once, and ends the session. What is queued is not
// sent; Unsent returns it. A session that has another connection already goes on.
func (c *Conn) Close() error {
	c.out.failFor(c, ErrClosed)
	return c.tr.Close()
}

// Refuse answers a connection that is not to be served with a stream error, and
// closes it. That takes a second at the most.
func Refuse(tr Transport, err error) {
	cfg := Config{CloseTimeout: refuseTimeout}.withDefaults()
	newConn(tr, &cfg, false).Fail(AsError(err))
}

// Closing reports whether the closing tag has been sent, or is about to be.
func (c *Conn) Closing() bool {
	final, _ := c.out.status()
	return final
}

// sendEnd queues the last things that this side says, once. If that cannot be, the
// error says why.
func (c *Conn) sendEnd(e *Error) error {
	var b []byte
	if !c.opened {
		// "If the error is triggered by the initial stream header, the
		// receiving entity MUST still send the opening <stream> tag" (RFC
		// 6120, section 4.9.1.2).
		if c.initiator {
			return nil
		}
		b = c.opening().appendXML(b)
	}
	if e != nil {
		b = e.appendXML(b, c.sent.Version == Version{} || c.headed && c.in.Version == Version{})
	}
	_, err := c.tryPut(item{raw: string(append(b, "</stream:stream>"...))}, last)
	return err
}

// opening returns the header of a stream that is opened only to be closed. It
// becomes the one that was sent.
func (c *Conn) opening() *Header {
	if c.sent.ID == "" {
		// It has no from: that would have to be a name of this host (section
		// 4.9.1.3), which is not known here.
		c.sent = Header{Content: c.in.Content, ID: newID(), Version: V1, To: c.in.From, Lang: "en"}
		if !stanza.IsContentNamespace(c.in.Content) {
			c.sent.Content = c.cfg.Content
		}
		if c.headed {
			c.sent.Version = lower(V1, c.in.Version)
		}
	}
	c.opened = true
	return &c.sent
}

// linger lets the peer read the error, until it closes the connection too.
func (c *Conn) linger(ctx context.Context) {
	if cw, ok := c.tr.(interface{ CloseWrite() error }); ok {
		cw.CloseWrite()
	}
	deadline, _ := ctx.Deadline()
	c.tr.SetReadDeadline(deadline)
	io.CopyN(io.Discard, c.tr, lingerBytes)
}
