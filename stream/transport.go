package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"
)

// Transport carries the bytes of a stream. TCP (with and without TLS) and
// in-memory pipes come from [NewTransport]; other bindings implement the
// interface.
type Transport interface {
	net.Conn

	// StartTLS puts TLS on the connection and completes the handshake, as a
	// server if server is true. It fails on a connection that has TLS. On an
	// error the connection is of no more use.
	StartTLS(ctx context.Context, config *tls.Config, server bool) error

	// TLS returns the state of the TLS layer, nil if there is none.
	TLS() *tls.ConnectionState
}

// NewTransport returns nc as a Transport. nc may be a *tls.Conn (direct TLS,
// XEP-0368), whose handshake is completed before this call.
func NewTransport(nc net.Conn) Transport {
	t := &netTransport{Conn: nc}
	if tcp, ok := nc.(*net.TCPConn); ok {
		t.raw, _ = tcp.SyscallConn()
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

type netTransport struct {
	net.Conn
	raw     syscall.RawConn // of a plain TCP connection, for reading lazily
	private bool            // the bytes never leave the process
}

// Private reports whether the transport is as good as one with TLS.
func (t *netTransport) Private() bool { return t.private }

var errTLSTwice = errors.New("stream: the connection has TLS already")

func (t *netTransport) StartTLS(ctx context.Context, config *tls.Config, server bool) error {
	if t.TLS() != nil {
		return errTLSTwice
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
	t.Conn, t.raw = tc, nil
	return nil
}

func (t *netTransport) TLS() *tls.ConnectionState {
	tc, ok := t.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	cs := tc.ConnectionState()
	return &cs
}
