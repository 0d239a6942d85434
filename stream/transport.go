package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// Transport carries the bytes of a stream. TCP (with and without TLS) and
// in-memory pipes come from [NewTransport] and [Pipe]; other bindings implement
// the interface. Close must end a Read, a Write and a handshake that are under
// way, and may be called by another goroutine at any time.
type Transport interface {
	net.Conn

	// StartTLS puts TLS on the connection and completes the handshake, as a
	// server if server is true. It fails on a connection that has TLS. On an
	// error the connection is of no more use. Nobody reads or writes meanwhile.
	StartTLS(ctx context.Context, config *tls.Config, server bool) error

	// TLS returns the state of the TLS layer, nil if there is none.
	TLS() *tls.ConnectionState
}

// NewTransport returns nc as a Transport. nc may be a *tls.Conn (direct TLS,
// XEP-0368), whose handshake is completed before this call.
func NewTransport(nc net.Conn) Transport {
	t := &netTransport{Conn: nc}
	switch nc := nc.(type) {
	case *tls.Conn:
		t.Conn = nc.NetConn()
		t.tls.Store(nc)
	case *net.TCPConn:
		t.raw, _ = nc.SyscallConn()
	}
	return t
}

// Pipe returns two connected in-memory transports. As with net.Pipe, a write
// waits until the other side has read it. Nobody else can read or change what
// they carry, so they count as [Secure].
func Pipe() (Transport, Transport) {
	a, b := net.Pipe()
	return &netTransport{Conn: a, private: true}, &netTransport{Conn: b, private: true}
}

// netTransport is a Transport on any net.Conn. Deadlines and addresses are
// those of the connection below TLS.
type netTransport struct {
	net.Conn
	tls     atomic.Pointer[tls.Conn] // set while others may close the transport
	raw     syscall.RawConn          // of a plain TCP connection, for reading lazily
	private bool                     // the bytes never leave the process
}

// Private reports whether the transport is as good as one with TLS.
func (t *netTransport) Private() bool { return t.private }

var errTLSTwice = errors.New("stream: the connection has TLS already")

func (t *netTransport) StartTLS(ctx context.Context, config *tls.Config, server bool) error {
	if t.tls.Load() != nil {
		return errTLSTwice
	}
	if config == nil {
		config = new(tls.Config)
	}
	var tc *tls.Conn
	if server {
		tc = tls.Server(t.Conn, config)
	} else {
		tc = tls.Client(t.Conn, config)
	}
	if err := tc.HandshakeContext(ctx); err != nil {
		return err
	}
	t.raw = nil
	t.tls.Store(tc)
	return nil
}

func (t *netTransport) TLS() *tls.ConnectionState {
	tc := t.tls.Load()
	if tc == nil {
		return nil
	}
	cs := tc.ConnectionState()
	return &cs
}

// Read reads from the TLS layer if there is one.
func (t *netTransport) Read(b []byte) (int, error) {
	if tc := t.tls.Load(); tc != nil {
		return tc.Read(b)
	}
	return t.Conn.Read(b)
}

// Write writes to the TLS layer if there is one.
func (t *netTransport) Write(b []byte) (int, error) {
	if tc := t.tls.Load(); tc != nil {
		return tc.Write(b)
	}
	return t.Conn.Write(b)
}

// alertTimeout bounds how long a peer that does not read may take for the TLS
// alert with which a connection is closed.
const alertTimeout = time.Second

// Close closes the connection, with a TLS alert if there is TLS.
func (t *netTransport) Close() error {
	tc := t.tls.Load()
	if tc == nil {
		return t.Conn.Close()
	}
	defer time.AfterFunc(alertTimeout, func() { t.Conn.Close() }).Stop()
	return tc.Close()
}

// CloseWrite tells the peer that nothing more will come, where the connection
// can.
func (t *netTransport) CloseWrite() error {
	if tc := t.tls.Load(); tc != nil {
		return tc.CloseWrite()
	}
	if cw, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return nil
}
