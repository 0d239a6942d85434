package stream

import (
	"context"
	"errors"
	"io"
	"time"
)

const (
	// closeTimeout bounds what closing a failed stream may take.
	closeTimeout = 5 * time.Second
	// lingerTimeout and lingerBytes bound how long, after a stream error, the
	// rest of the peer's input is read and thrown away. Closing at once would
	// make TCP reset the connection, and the peer might never see the error.
	lingerTimeout = 2 * time.Second
	lingerBytes   = 1 << 20
)

// Fail ends the stream because of err: it sends what is queued, a stream error
// where err is one that was found here, and the closing tag, and closes the
// connection. That takes a few seconds at the most, less if the connection is
// gone already. Call it from the goroutine that calls Next, when Next has
// returned an error or will not be called again.
func (c *Conn) Fail(err error) {
	defer c.Close()
	e, isStream := errors.AsType[*Error](err)
	cond, isCond := errors.AsType[Condition](err)
	switch {
	case isStream && !e.Remote:
		c.sendEnd(e)
	case isCond && !isStream:
		c.sendEnd(&Error{Condition: cond})
	case isStream, err == io.EOF:
		c.sendEnd(nil)
	default:
		return // the connection itself has failed
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if c.flush(ctx) == nil && err != io.EOF {
		c.linger()
	}
}

// Shutdown closes the stream in order (RFC 6120, section 4.4): what is queued
// is sent, then the stream error if there is one, then the closing tag; then it
// waits until the peer has closed its side, and closes the connection. When ctx
// ends before, the connection is closed at once and the error is that of ctx.
// Another goroutine must be calling Next meanwhile.
func (c *Conn) Shutdown(ctx context.Context, reason *Error) error {
	defer c.Close()
	c.sendEnd(reason)
	if err := c.flush(ctx); err != nil {
		return err
	}
	select {
	case <-c.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close closes the connection at once. What is queued is not sent; Unsent
// returns it.
func (c *Conn) Close() error {
	c.out.fail(ErrClosed, nil)
	return c.tr.Close()
}

// Refuse answers a connection that is not to be served with a stream error, and
// closes it.
func Refuse(tr Transport, err error) {
	cfg := Config{}.withDefaults()
	newConn(tr, &cfg, false).Fail(AsError(err))
}

// Closing reports whether the closing tag has been sent, or is about to be.
func (c *Conn) Closing() bool { return c.closing.Load() }

// sendEnd queues the last things that this side says.
func (c *Conn) sendEnd(e *Error) {
	if c.closing.Swap(true) {
		return
	}
	var b []byte
	if c.sent.Content == "" {
		// "If the error is triggered by the initial stream header, the
		// receiving entity MUST still send the opening <stream> tag" (RFC
		// 6120, section 4.9.1.2).
		if c.initiator {
			return
		}
		h := Header{Content: c.in.Content, ID: newID(), Version: V1, To: c.in.From, From: c.in.To, Lang: "en"}
		if h.Content == "" {
			h.Content = "jabber:client"
		}
		c.sent = h
		b = h.appendXML(b)
	}
	if e != nil {
		b = e.appendXML(b, c.sent.Version == Version{})
	}
	b = append(b, "</stream:stream>"...)
	c.force(item{raw: string(b)})
}

// flush waits until all is written, and lets nothing more be queued.
func (c *Conn) flush(ctx context.Context) error {
	select {
	case <-c.out.drained():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Conn) linger() {
	c.tr.SetReadDeadline(time.Now().Add(lingerTimeout))
	io.CopyN(io.Discard, c.tr, lingerBytes)
}
