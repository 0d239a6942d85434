package stream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// errWire is the error of a scriptedConn that cannot be written any more.
var errWire = errors.New("wire is broken")

// scriptedConn is a transport that gives what it has and takes what comes, at
// once.
type scriptedConn struct {
	mu     sync.Mutex
	in     []byte
	out    bytes.Buffer
	writes int
	closed bool
	// limit is how many bytes can be written if limited is set.
	limited bool
	limit   int
	// gate, if not nil, is received from before each write.
	gate chan struct{}
}

func (c *scriptedConn) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *scriptedConn) Write(b []byte) (int, error) {
	if c.gate != nil {
		<-c.gate
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	c.writes++
	if c.limited && len(b) > c.limit-c.out.Len() {
		n, _ := c.out.Write(b[:c.limit-c.out.Len()])
		return n, errWire
	}
	return c.out.Write(b)
}

func (c *scriptedConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

func (c *scriptedConn) LocalAddr() net.Addr              { return &net.IPAddr{} }
func (c *scriptedConn) RemoteAddr() net.Addr             { return &net.IPAddr{} }
func (c *scriptedConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptedConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptedConn) SetWriteDeadline(time.Time) error { return nil }
func (c *scriptedConn) TLS() *tls.ConnectionState        { return nil }
func (c *scriptedConn) Private() bool                    { return true }

func (c *scriptedConn) StartTLS(context.Context, *tls.Config, bool) error {
	return errors.New("no TLS here")
}
