package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/etherx-go/xmpp/internal/backoff"
	"github.com/etherx-go/xmpp/internal/handshake"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// Defaults of the delays between the attempts to connect to a component.
const (
	minComponentBackoff = time.Second
	maxComponentBackoff = time.Minute
)

var errComponentPlaintext = errors.New("server: without TLS only components on this machine are connected to")

// ConnectComponents connects to the components that have an Addr
// (jabber:component:connect), and again when a connection is lost, until ctx ends or
// the server is closed. Connections stay when it returns because of ctx.
func (s *Server) ConnectComponents(ctx context.Context) error {
	if s.components == nil {
		return errNoComponents
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	var wg sync.WaitGroup
	for domain, c := range s.components.known {
		if c.Addr != "" {
			wg.Go(func() { s.components.stayConnected(ctx, domain, c) })
		}
	}
	wg.Wait()
	<-ctx.Done()
	if s.isClosed(roleComponent) {
		return ErrServerClosed
	}
	return ctx.Err()
}

// stayConnected connects to a component again and again.
func (cs *components) stayConnected(ctx context.Context, domain string, cfg Component) {
	delay := cs.cfg.Backoff
	if delay == nil {
		delay = backoff.Exponential(minComponentBackoff, maxComponentBackoff)
	}
	name, err := jid.New("", domain, "")
	for try := 0; err == nil && ctx.Err() == nil && !cs.srv.isClosed(roleComponent); try++ {
		begin := time.Now()
		ended := make(chan error, 1)
		go func() { ended <- cs.connect(ctx, name, cfg) }()
		select {
		case err := <-ended:
			cs.srv.log.Debug("component not connected", "domain", domain, "err", err)
		case <-ctx.Done():
			return // the connection stays
		}
		if time.Since(begin) >= time.Minute {
			try = 0
		}
		sleep(ctx, delay(try))
	}
}

// connect opens a stream to a component and serves it to its end.
func (cs *components) connect(ctx context.Context, domain jid.JID, cfg Component) error {
	tr, err := cs.dial(ctx, domain, cfg)
	if err != nil {
		return err
	}
	cn := &connection{tr: tr, role: roleComponent}
	if err := cs.srv.addConn(cn); err != nil {
		tr.Close()
		return err
	}
	defer cs.srv.removeConn(cn)
	return cs.srv.guarded(cn, func() error {
		c := cs.new(cn)
		c.cfg, c.domain = cfg, domain
		return c.serve(cs.srv.ctx, func() (*stream.Conn, error) { return c.initiate(cs.stream) })
	})
}

// dial connects to a component.
func (cs *components) dial(ctx context.Context, domain jid.JID, cfg Component) (stream.Transport, error) {
	ctx, cancel := context.WithTimeout(ctx, cs.srv.negotiationTimeout())
	defer cancel()
	if cs.cfg.Dial != nil {
		return cs.cfg.Dial(ctx, domain, cfg.Addr)
	}
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", cfg.Addr)
	if err != nil {
		return nil, err
	}
	return cs.secure(ctx, nc, cfg)
}

// secure makes the TLS handshake, if there is to be one. Without it a component on
// another machine gets nothing unless the settings allow it.
func (cs *components) secure(ctx context.Context, nc net.Conn, cfg Component) (stream.Transport, error) {
	if cfg.TLS == nil {
		if !cs.cfg.Plaintext && !handshake.IsLocal(nc.RemoteAddr()) {
			nc.Close()
			return nil, errComponentPlaintext
		}
		return stream.NewTransport(nc), nil
	}
	config := cfg.TLS.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(cfg.Addr)
	}
	tc := tls.Client(nc, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return stream.NewTransport(tc), nil
}

// initiate opens the stream, gives the handshake, and attaches the component.
func (c *component) initiate(cfg stream.Config) (*stream.Conn, error) {
	h := stream.Header{From: c.domain, Content: stanza.NSConnect, Lang: c.srv.cfg.Lang}
	sc, err := stream.Initiate(c.ctx, c.cn.tr, cfg, h, []stream.Feature{handshake.Give(c.cfg.Secret)})
	if err != nil {
		return nil, err
	}
	if err := c.attach(sc); err != nil {
		sc.Fail(err)
		return nil, err
	}
	c.activate()
	return sc, nil
}
