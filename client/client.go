package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/internal/describe"
	"github.com/etherx-go/xmpp/internal/dispatch"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// Client is an XMPP client. It is a [xmpp.Sender] for whatever session there
// is, and the [xmpp.Host] of its extensions. All methods are safe for
// concurrent use, at any time, from handlers too.
type Client struct {
	cfg        Config
	mux        *xmpp.Mux
	handler    xmpp.Handler
	presence   *stanza.Stanza // sent first in each session; nil for none
	work       *dispatch.Dispatcher
	watchers   []*watcher
	extensions []xmpp.Extension
	unsent     []*stanza.Stanza // messages for the next session; only for Run

	mu      sync.Mutex
	state   state
	session *session      // nil while there is none
	changed chan struct{} // closed, and made anew, when state or session changes
	cancel  context.CancelFunc
	err     error             // why Run has returned
	keys    []sasl.ClientKeys // of the last login with SCRAM
}

type state uint8

const (
	fresh   state = iota // Run has not been called
	running              // Run runs
	ended                // Run has returned, or Close was called before Run
)

var (
	_ xmpp.Host   = (*Client)(nil)
	_ xmpp.Sender = (*session)(nil)
)

// New returns a client, which does nothing before [Client.Run] is called. The
// error says what is wrong with the Config, or that an extension could not be
// attached.
func New(cfg Config) (*Client, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg.withDefaults(), changed: make(chan struct{})}
	c.work = dispatch.New(dispatch.Config{
		MaxConcurrent: cfg.MaxConcurrent, MaxQueued: cfg.MaxQueued, MaxQueuedBytes: cfg.MaxQueuedBytes,
		MaxWaiting: cfg.MaxWaiting, Log: c.cfg.Log,
	})
	if err := c.preparePresence(); err != nil {
		return nil, err
	}
	if err := c.attach(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Client) preparePresence() (err error) {
	switch {
	case c.cfg.NoPresence:
	case c.cfg.Presence != nil:
		c.presence, err = c.cfg.Presence.Stanza()
	default:
		c.presence, err = new(stanza.Presence).Stanza()
	}
	if err != nil {
		return fmt.Errorf("client: Config.Presence: %w", err)
	}
	return nil
}

// attach sets up the mux, the handler and the extensions.
func (c *Client) attach() error {
	mux, isMux := c.cfg.Handler.(*xmpp.Mux)
	if mux == nil {
		mux = new(xmpp.Mux)
	}
	c.mux, c.handler = mux, mux
	extensions, hasPing := c.cfg.Extensions, false
	for _, e := range extensions {
		_, ok := e.(*ping.Extension)
		hasPing = hasPing || ok
	}
	if !hasPing {
		extensions = append([]xmpp.Extension{new(ping.Extension)}, extensions...)
	}
	if c.cfg.OnUp != nil || c.cfg.OnDown != nil {
		c.watchers = append(c.watchers, &watcher{up: c.cfg.OnUp, down: c.cfg.OnDown})
	}
	c.extensions = extensions
	for _, e := range extensions {
		if err := e.Attach(c); err != nil {
			return fmt.Errorf("client: %T: %w", e, err)
		}
		if w, ok := e.(xmpp.Watcher); ok {
			c.watchers = append(c.watchers, &watcher{up: w.SessionUp, down: w.SessionDown})
		}
	}
	if c.cfg.Handler != nil && !isMux {
		// A pattern that says nothing comes after all that say something.
		mux.Handle(xmpp.Pattern{}, c.cfg.Handler)
		mux.Handle(xmpp.Pattern{Types: []stanza.Type{stanza.TypeError}}, c.cfg.Handler)
	}
	return nil
}

// Mux returns the mux of the extensions: the Handler of the Config if that is a
// Mux. Handlers can be added at any time.
func (c *Client) Mux() *xmpp.Mux { return c.mux }

// IsServer returns false.
func (c *Client) IsServer() bool { return false }

// Features returns the features of the extensions, for service discovery.
func (c *Client) Features(at jid.JID) []string { return describe.Features(nil, c.extensions, at) }

// Run connects and stays connected until ctx ends or Close is called, or until
// an error shows that trying again is of no use. It can be called once.
//
// When ctx ends, the client takes its leave: it sends unavailable presence,
// takes nothing new, waits for the handlers of what it has taken, closes the
// stream and waits for the server to do the same. Run returns nil if that has
// gone well; otherwise the error says what was not done within DrainTimeout,
// handlers that are still running included.
//
// Errors that end Run are a [*ConnectError] when there was no session, and a
// [*stream.Error] when the server ended it. They wrap: a [*sasl.Failure] (wrong
// password, disabled account), a [*sasl.ChoiceError] or another refusal of this
// side to authenticate, a [*stream.NegotiationError] (TLS is not offered ...),
// an untrusted certificate, a stream error like conflict, host-unknown or
// not-authorized, or a [*stanza.Error] that refuses the resource for good.
// Everything else is temporary: unreachable hosts, DNS, lost connections, a
// server that shuts down or is short of resources.
func (c *Client) Run(ctx context.Context) error {
	ctx, err := c.start(ctx)
	if err != nil {
		return err
	}
	// The contexts of handlers outlive ctx: they have until the end of the
	// drain.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s, err := c.stayConnected(ctx, base)
	err = errors.Join(err, c.leave(base, s))
	c.finish(err)
	return err
}

// start begins a run.
func (c *Client) start(ctx context.Context) (context.Context, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == fresh:
		c.state = running
		ctx, c.cancel = context.WithCancel(ctx)
		return ctx, nil
	case c.state == running:
		return nil, errors.New("client: Run runs already")
	}
	return nil, fmt.Errorf("client: Run: %w", xmpp.ErrClosed)
}

func (c *Client) finish(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel()
	c.state, c.err = ended, err
	c.notify()
}

// leave ends the last session, if there is one, and waits for handlers and
// watchers.
func (c *Client) leave(ctx context.Context, s *session) error {
	if s != nil {
		s.sayGoodbye()
	}
	drain, cancel := context.WithTimeout(ctx, c.cfg.DrainTimeout)
	defer cancel()
	err := c.work.Drain(drain)
	rest, cancel := context.WithTimeout(ctx, c.cfg.DrainTimeout)
	defer cancel()
	if s != nil {
		err = errors.Join(err, s.shutdown(rest))
	}
	if n := len(c.unsent); n > 0 {
		err = errors.Join(err, fmt.Errorf("client: %d messages were not sent", n))
	}
	return errors.Join(err, c.waitWatchers(rest))
}

// Close makes Run return in the same way as the end of its context does. It
// does not wait for it, so that a handler may call it. A client that was closed
// cannot run again. The error is always nil.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case fresh:
		c.state = ended
		c.notify()
	case running:
		c.cancel()
	}
	return nil
}

// notify wakes those who wait for a change. Under the lock.
func (c *Client) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// setSession says which session there is; nil for none, if it still is old.
func (c *Client) setSession(s, old *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == old {
		c.session = s
		c.notify()
	}
}

// current returns the session.
func (c *Client) current() (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.session != nil:
		return c.session, nil
	case c.state != ended:
		return nil, xmpp.ErrNotConnected
	case c.err != nil:
		return nil, fmt.Errorf("%w: %w", xmpp.ErrClosed, c.err)
	}
	return nil, xmpp.ErrClosed
}

// WaitReady waits until there is a session. The error is that of ctx, or
// [xmpp.ErrClosed] with the error of Run when there will never be one.
func (c *Client) WaitReady(ctx context.Context) error {
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if _, err := c.current(); !errors.Is(err, xmpp.ErrNotConnected) {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// LocalAddr returns the full JID that the server has given; zero while there is
// no session.
func (c *Client) LocalAddr() jid.JID {
	if s, err := c.current(); err == nil {
		return s.addr
	}
	return jid.JID{}
}

// Send sends a stanza in the session that there is. Without one the error is
// [xmpp.ErrNotConnected], at once; after Run has returned it is
// [xmpp.ErrClosed].
//
// A message that was queued, but not written before the connection broke, is
// the first to be sent in the next session. Whether one that was written has
// arrived is not known.
func (c *Client) Send(ctx context.Context, st *stanza.Stanza) error {
	s, err := c.current()
	if err != nil {
		return err
	}
	return s.Send(ctx, st)
}

// Do sends a request in the session that there is, and waits for the reply.
// Only a reply from the address that was asked counts. When the session ends
// before, the error is [xmpp.ErrSessionLost], at once; without a session it is
// as for Send. A ctx without deadline gets RequestTimeout. The error of a reply
// is a [*stanza.Error].
func (c *Client) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	s, err := c.current()
	if err != nil {
		return nil, err
	}
	return s.Do(ctx, iq)
}

// sleep waits, and reports whether ctx has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
