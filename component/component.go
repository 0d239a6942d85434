package component

import (
	"context"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/dispatch"
	"github.com/etherx-go/xmpp/internal/session"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Errors of what is sent. Nothing was sent then.
var (
	// ErrNoRecipient: the stanza has no to, and Config.Server is not set. "All
	// stanzas sent to the server MUST possess a 'from' attribute and a 'to'
	// attribute" (XEP-0114, section 3).
	ErrNoRecipient = errors.New("component: a stanza without an address to")
	// ErrForeign: the from of the stanza is not an address of the component.
	ErrForeign = errors.New("component: a stanza from an address of another domain")
)

// ErrUnresponsive is why a connection was given up on which nothing came any
// more, not even the answer to a ping.
var ErrUnresponsive = session.ErrUnresponsive

// Component is an external component. It is a [xmpp.Sender] for whatever session
// there is, and the [xmpp.Host] of its extensions. All methods are safe for
// concurrent use, at any time, from handlers too.
type Component struct {
	cfg      Config
	handlers *session.Handlers
	run      *session.Runner
}

var _ xmpp.Host = (*Component)(nil)

// New returns a component, which does nothing before [Component.Run] or
// [Component.Serve] is called. The error says what is wrong with the Config, or
// that an extension could not be attached.
func New(cfg Config) (*Component, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Component{cfg: cfg.withDefaults(), handlers: session.NewHandlers(cfg.Handler, cfg.Extensions)}
	c.run = session.New(c.runConfig())
	if err := c.handlers.Attach("component", c); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Component) runConfig() session.Config {
	cfg := &c.cfg
	asked := cfg.Server
	if asked.IsZero() {
		asked = cfg.Domain
	}
	return session.Config{
		Name: "component", Handler: c.handlers.Mux(), Watchers: c.handlers.Watchers(session.Funcs{Up: cfg.OnUp, Down: cfg.OnDown}),
		Dispatch: dispatch.Config{
			MaxConcurrent: cfg.MaxConcurrent, MaxQueued: cfg.MaxQueued, MaxQueuedBytes: cfg.MaxQueuedBytes,
			MaxWaiting: cfg.MaxWaiting, Log: cfg.Log,
		},
		Outgoing: c.outgoing, Incoming: c.incoming,
		// Requests have failed with the session; everything else is as true as
		// before.
		Keeps:  func(st *stanza.Stanza) bool { return st.Kind != stanza.KindIQ },
		PingTo: asked, KeepAlive: cfg.KeepAlive, Whitespace: cfg.Whitespace, PingTimeout: cfg.PingTimeout,
		RequestTimeout: cfg.RequestTimeout, DrainTimeout: cfg.DrainTimeout, Log: cfg.Log,
	}
}

// Mux returns the mux of the extensions: the Handler of the Config if that is a
// Mux. Handlers can be added at any time.
func (c *Component) Mux() *xmpp.Mux { return c.handlers.Mux() }

// IsServer returns false.
func (c *Component) IsServer() bool { return false }

// Features returns the features of the extensions, for service discovery.
func (c *Component) Features(at jid.JID) []string { return c.handlers.Features(at) }

// Close makes Run or Serve return in the same way as the end of its context does.
// It does not wait for it, so that a handler may call it. A component that was
// closed cannot run again. The error is always nil.
func (c *Component) Close() error { return c.run.Close() }

// WaitReady waits until there is a session. The error is that of ctx, or
// [xmpp.ErrClosed] with the error of Run when there will never be one.
func (c *Component) WaitReady(ctx context.Context) error { return c.run.WaitReady(ctx) }

// LocalAddr returns the domain.
func (c *Component) LocalAddr() jid.JID { return c.cfg.Domain }

// Send sends a stanza in the session that there is. Without one the error is
// [xmpp.ErrNotConnected], at once; after Run has returned it is [xmpp.ErrClosed].
// from may be any address of the domain.
//
// A message or presence that was queued, but not written before the connection
// broke, is the first to be sent in the next session. Whether one that was written
// has arrived is not known.
func (c *Component) Send(ctx context.Context, st *stanza.Stanza) error { return c.run.Send(ctx, st) }

// Do sends a request in the session that there is, and waits for the reply. Only
// a reply from the address that was asked counts. When the session ends before,
// the error is [xmpp.ErrSessionLost], at once; without a session it is as for Send.
// A ctx without deadline gets RequestTimeout. The error of a reply is a
// [*stanza.Error]. from may be any address of the domain.
func (c *Component) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	return c.run.Do(ctx, iq)
}

// outgoing completes a stanza, and refuses those for which a server would end the
// stream.
func (c *Component) outgoing(_ *session.Session, st *stanza.Stanza) (*stanza.Stanza, error) {
	h := st.Header
	if h.From.IsZero() {
		h.From = c.cfg.Domain
	}
	if h.To.IsZero() {
		h.To = c.cfg.Server
	}
	switch {
	case h.To.IsZero():
		return nil, ErrNoRecipient
	case h.From.DomainJID() != c.cfg.Domain:
		return nil, fmt.Errorf("%w: %s", ErrForeign, h.From)
	case h == st.Header:
		return st, nil
	}
	return st.With(h), nil
}

// incoming passes over what is not for the component. What is answered comes from
// the address that was asked.
func (c *Component) incoming(s *session.Session, st *stanza.Stanza) (*stanza.Stanza, xmpp.Sender) {
	if st.To.IsZero() {
		st.To = c.cfg.Domain
	}
	if st.To.DomainJID() != c.cfg.Domain || st.From.IsZero() {
		c.cfg.Log.Warn("stanza passed over", "stanza", st.Kind.String(), "from", st.From, "to", st.To)
		return nil, nil
	}
	return st, asked{s, st.To}
}

// asked is the Sender that a handler gets: a session, at the address that the
// stanza was for.
type asked struct {
	*session.Session
	addr jid.JID
}

func (a asked) LocalAddr() jid.JID { return a.addr }

func (a asked) Send(ctx context.Context, st *stanza.Stanza) error {
	return a.Session.Send(ctx, a.from(st))
}

func (a asked) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	return a.Session.Do(ctx, a.from(iq))
}

func (a asked) from(st *stanza.Stanza) *stanza.Stanza {
	if !st.From.IsZero() {
		return st
	}
	h := st.Header
	h.From = a.addr
	return st.With(h)
}
