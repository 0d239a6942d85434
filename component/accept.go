package component

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/etherx-go/xmpp/internal/handshake"
	"github.com/etherx-go/xmpp/internal/session"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// maxNegotiating bounds the connections that nobody is known to be on yet.
const maxNegotiating = 16

// Serve is Run the other way round: it is the server that connects, to l
// (jabber:component:connect), and shows that it knows the secret. Serve returns
// when ctx ends or Close is called, as Run does, or when l fails; it closes l.
//
// A server that connects while there is a session takes its place, for it knows
// best whether the last connection still is. With Config.TLS, which has
// certificates then, connections begin with TLS; without, only those from this
// machine are taken, unless Config.AllowPlaintext is set.
func (c *Component) Serve(ctx context.Context, l net.Listener) error {
	defer l.Close()
	return c.run.Run(ctx, func(ctx, base context.Context) (*session.Session, error) {
		a := &acceptor{
			c: c, l: l, conns: make(chan *stream.Conn), failed: make(chan error, 1), slots: make(chan struct{}, maxNegotiating),
		}
		return a.run(ctx, base)
	})
}

// acceptor takes connections of servers.
type acceptor struct {
	c      *Component
	l      net.Listener
	conns  chan *stream.Conn // that have been negotiated
	failed chan error
	slots  chan struct{} // for those that have not
	wg     sync.WaitGroup
}

// run makes sessions of the connections until ctx ends, and returns the one that
// there is then.
func (a *acceptor) run(ctx, base context.Context) (s *session.Session, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer a.wg.Wait()
	defer a.l.Close()
	defer cancel()
	a.wg.Go(func() { a.failed <- a.accept(ctx) })
	for {
		var ended <-chan struct{}
		if s != nil {
			ended = s.Done()
		}
		select {
		case <-ctx.Done():
			return s, nil
		case err := <-a.failed:
			if ctx.Err() != nil {
				err = nil
			}
			return s, err
		case <-ended:
			a.c.cfg.Log.Warn("session ended", slog.Any("error", s.Wait(base)))
			s = nil
		case conn := <-a.conns:
			if s != nil {
				s.Replace(&stream.Error{Condition: stream.Conflict, Text: "replaced by a new connection"})
				s.Wait(base)
			}
			s = a.c.run.Begin(base, conn, a.c.cfg.Domain)
		}
	}
}

// accept negotiates what connects, until ctx ends or the listener fails.
func (a *acceptor) accept(ctx context.Context) error {
	for {
		select {
		case a.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		nc, err := a.l.Accept()
		if err != nil {
			<-a.slots
			if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() && session.Sleep(ctx, 100*time.Millisecond) {
				continue
			}
			return err
		}
		a.wg.Go(func() {
			defer func() { <-a.slots }()
			conn, err := a.c.negotiate(ctx, nc)
			if err != nil {
				a.c.cfg.Log.Warn("connection refused", slog.String("server", nc.RemoteAddr().String()), slog.Any("error", err))
				return
			}
			select {
			case a.conns <- conn:
			case <-ctx.Done():
				conn.Close()
			}
		})
	}
}

// negotiate makes a stream of a connection.
func (c *Component) negotiate(ctx context.Context, nc net.Conn) (*stream.Conn, error) {
	tr, err := c.secure(ctx, nc)
	if err != nil {
		nc.Close()
		return nil, err
	}
	cfg := c.cfg.Stream
	cfg.Content = stanza.NSConnect
	return stream.Accept(ctx, tr, cfg, c.open)
}

// secure makes the TLS handshake, if there is to be one.
func (c *Component) secure(ctx context.Context, nc net.Conn) (stream.Transport, error) {
	if tr, ok := nc.(stream.Transport); ok {
		return tr, nil
	}
	tc, isTLS := nc.(*tls.Conn)
	switch {
	case isTLS:
	case c.cfg.TLS != nil:
		tc = tls.Server(nc, c.cfg.TLS)
	case !c.cfg.AllowPlaintext && !handshake.IsLocal(nc.RemoteAddr()):
		return nil, ErrPlaintext
	default:
		return stream.NewTransport(nc), nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	defer cancel()
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return stream.NewTransport(tc), nil
}

// open answers a server's stream header: "In the 'jabber:component:connect'
// namespace, the server would set the 'from' attribute to the component name"
// (XEP-0114, section 3).
func (c *Component) open(_ *stream.Conn, in stream.Header) (stream.Header, []stream.Feature, error) {
	h := stream.Header{Content: stanza.NSConnect, From: in.To, To: in.From, Lang: c.cfg.Lang}
	switch {
	case in.Content != stanza.NSConnect:
		return h, nil, &stream.Error{Condition: stream.InvalidNamespace, Text: "this is a component that servers connect to"}
	case in.From != c.cfg.Domain && in.To != c.cfg.Domain:
		return h, nil, stream.HostUnknown
	}
	accept := func(ctx context.Context, sc *stream.Conn) error { return sc.SendRaw(ctx, handshake.Done) }
	return h, []stream.Feature{handshake.Take(stanza.NSConnect, c.cfg.FindSecret, accept)}, nil
}
