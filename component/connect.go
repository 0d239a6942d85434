package component

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/etherx-go/xmpp/internal/handshake"
	"github.com/etherx-go/xmpp/internal/session"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// ErrPlaintext: the server is on another machine, and there is no TLS; see
// [Config].
var ErrPlaintext = errors.New("component: without TLS only a server on the same machine is connected to")

// ConnectError says why there is no session: what was connected to, and what came
// of it. Err is the reason: that of a connection which could not be made, a
// [*stream.Error] of the server, or of this side about what the server has said.
type ConnectError struct {
	Domain string
	Addr   string
	Err    error
}

// Error describes the failure in one line.
func (e *ConnectError) Error() string {
	return fmt.Sprintf("component: %s cannot connect to %s: %v", e.Domain, e.Addr, e.Err)
}

// Unwrap returns the reason.
func (e *ConnectError) Unwrap() error { return e.Err }

// Run connects to the server and stays connected until ctx ends or Close is
// called, or until an error shows that trying again is of no use. Run, or
// [Component.Serve], can be called once.
//
// When ctx ends, the component takes nothing new, waits for the handlers of what it
// has taken, closes the stream and waits for the server to do the same. Run returns
// nil if that has gone well; otherwise the error says what was not done within
// DrainTimeout, handlers that are still running included.
//
// Errors that end Run are a [*ConnectError] when there was no session, and a
// [*stream.Error] when the server ended it: one that says that the secret is wrong
// (not-authorized), that the server does not know the component (host-unknown), or,
// for a session, that another has taken its place (conflict). Everything else is
// tried again: also a name that is in use, for it may be the last session, which the
// server has not yet noticed the end of.
func (c *Component) Run(ctx context.Context) error {
	return c.run.Run(ctx, func(ctx, base context.Context) (*session.Session, error) {
		return c.run.Stay(ctx, base, session.Redial{Connect: c.connect, Hopeless: hopeless, Backoff: c.cfg.Backoff})
	})
}

// connect makes one attempt: a connection, a negotiated stream, a session.
func (c *Component) connect(ctx, base context.Context, _ string, _ *session.Lost) (*session.Session, error) {
	fail := func(addr string, err error) error {
		return &ConnectError{Domain: c.cfg.Domain.String(), Addr: addr, Err: err}
	}
	tr, err := c.dial(ctx)
	if err != nil {
		return nil, fail(c.cfg.Addr, err)
	}
	remote := tr.RemoteAddr().String()
	secret, err := c.cfg.FindSecret(ctx)
	if err != nil {
		tr.Close()
		return nil, fail(remote, err)
	}
	h := stream.Header{To: c.cfg.Domain, Content: stanza.NSComponent, Lang: c.cfg.Lang}
	conn, err := stream.Initiate(ctx, tr, c.cfg.Stream, h, []stream.Feature{handshake.Give(secret)})
	if err != nil {
		return nil, fail(remote, err)
	}
	c.cfg.Log.Info("session", slog.String("domain", c.cfg.Domain.String()), slog.String("server", remote),
		slog.Bool("tls", conn.TLS() != nil))
	return c.run.Begin(base, conn, c.cfg.Domain), nil
}

// dial connects to the server.
func (c *Component) dial(ctx context.Context) (stream.Transport, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	defer cancel()
	if c.cfg.Dial != nil {
		return c.cfg.Dial(ctx)
	}
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", c.cfg.Addr)
	if err != nil {
		return nil, err
	}
	if c.cfg.TLS == nil {
		if !c.cfg.AllowPlaintext && !handshake.IsLocal(nc.RemoteAddr()) {
			nc.Close()
			return nil, ErrPlaintext
		}
		return stream.NewTransport(nc), nil
	}
	config := c.cfg.TLS.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(c.cfg.Addr)
	}
	tc := tls.Client(nc, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return stream.NewTransport(tc), nil
}

// hopeless reports whether it is of no use to try again.
func hopeless(a session.Attempt) bool {
	if e, ok := errors.AsType[*stream.Error](a.Err); ok && e.Remote {
		switch e.Condition {
		case stream.NotAuthorized, stream.HostUnknown, stream.HostGone, stream.InvalidNamespace, stream.UnsupportedVersion,
			stream.InvalidFrom, stream.ImproperAddressing:
			return true
		case stream.Conflict:
			return a.Established
		}
		return false
	}
	_, isCertificate := errors.AsType[*tls.CertificateVerificationError](a.Err)
	_, isNegotiation := errors.AsType[*stream.NegotiationError](a.Err)
	return isCertificate || isNegotiation || errors.Is(a.Err, ErrPlaintext)
}
