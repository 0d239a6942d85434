package client

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/internal/dispatch"
	"github.com/etherx-go/xmpp/internal/session"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// Client is an XMPP client. It is a [xmpp.Sender] for whatever session there
// is, and the [xmpp.Host] of its extensions. All methods are safe for
// concurrent use, at any time, from handlers too.
type Client struct {
	cfg      Config
	handlers *session.Handlers
	run      *session.Runner
	logins   logins
}

var (
	_ xmpp.Host      = (*Client)(nil)
	_ xmpp.Confirmer = (*Client)(nil)
)

// New returns a client, which does nothing before [Client.Run] is called. The
// error says what is wrong with the Config, or that an extension could not be
// attached.
func New(cfg Config) (*Client, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	presence, err := cfg.firstPresence()
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg.withDefaults(), handlers: session.NewHandlers(cfg.Handler, cfg.Extensions)}
	c.logins.store, c.logins.own, c.logins.log = c.cfg.Logins, c.cfg.JID.Bare(), c.cfg.Log
	c.run = session.New(c.runConfig(presence))
	if err := c.handlers.Attach("client", c); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Client) runConfig(presence *stanza.Stanza) session.Config {
	cfg := &c.cfg
	run := session.Config{
		Name: "client", Handler: c.handlers.Mux(),
		Watchers: c.handlers.Watchers(session.Funcs{
			Up: cfg.OnUp, Suspended: cfg.OnSuspended, Resumed: cfg.OnResumed, Down: cfg.OnDown,
		}),
		Dispatch: dispatch.Config{
			MaxConcurrent: cfg.MaxConcurrent, MaxQueued: cfg.MaxQueued, MaxQueuedBytes: cfg.MaxQueuedBytes,
			MaxWaiting: cfg.MaxWaiting, Lane: carbons.Peer, Log: cfg.Log,
		},
		First: presence, Outgoing: c.outgoing, Incoming: incoming,
		// Requests have failed with the session, and presence is told anew.
		Keeps:     func(st *stanza.Stanza) bool { return st.Kind == stanza.KindMessage },
		KeepAlive: cfg.KeepAlive, Whitespace: cfg.Whitespace, PingTimeout: cfg.PingTimeout,
		RequestTimeout: cfg.RequestTimeout, DrainTimeout: cfg.DrainTimeout, Log: cfg.Log, Stream: cfg.Stream,
	}
	if resend := cfg.Resend; resend != nil {
		run.Resend = func(
			ctx context.Context, s *session.Session, lost time.Time, unknown []*stanza.Stanza,
		) ([]*stanza.Stanza, error) {
			return resend(ctx, s, lost, unknown)
		}
	}
	if cfg.Resumptions != nil {
		k := keeper{cfg.Resumptions, cfg.JID}
		run.Load, run.Save = k.load, k.save
	}
	return run
}

// Mux returns the mux of the extensions: the Handler of the Config if that is a
// Mux. Handlers can be added at any time.
func (c *Client) Mux() *xmpp.Mux { return c.handlers.Mux() }

// IsServer returns false.
func (c *Client) IsServer() bool { return false }

// Features returns the features of the extensions, for service discovery.
func (c *Client) Features(at jid.JID) []string { return c.handlers.Features(at) }

// Run connects and stays connected until ctx ends or Close is called, or until
// an error shows that trying again is of no use. It can be called once.
//
// When ctx ends, the client takes its leave (unless Resumptions is set, see there):
// it sends unavailable presence, takes nothing new, waits for the handlers of what
// it has taken, closes the stream and waits for the server to do the same. Run
// returns nil if that has gone well; otherwise the error says what was not done
// within DrainTimeout, handlers that are still running included.
//
// Errors that end Run are a [*ConnectError] when there was no session, and a
// [*stream.Error] when the server ended it. They wrap: a [*sasl.Failure] (wrong
// password, disabled account), a [*sasl.ChoiceError] or another refusal of this
// side to authenticate, stream.ErrTask (a second factor), a
// [*stream.NegotiationError] (TLS is not offered ...),
// an untrusted certificate, a stream error like conflict, host-unknown or
// not-authorized, or a [*stanza.Error] that refuses the resource for good.
// Everything else is temporary: unreachable hosts, DNS, lost connections, a
// server that shuts down or is short of resources.
func (c *Client) Run(ctx context.Context) error {
	d := session.Redial{Connect: c.connect, Redirects: maxRedirects, Hopeless: hopeless, Backoff: c.cfg.Backoff}
	if c.cfg.Dial != nil {
		d.Redirects = 0
	}
	return c.run.Run(ctx, func(ctx, base context.Context) (*session.Session, error) { return c.run.Stay(ctx, base, d) })
}

// Close makes Run return in the same way as the end of its context does; with
// Resumptions it ends the session, too, which that does not. It does not wait for it,
// so that a handler may call it. A client that was closed cannot run again. The error
// is always nil.
func (c *Client) Close() error { return c.run.Close() }

// WaitReady waits until there is a session. The error is that of ctx, or
// [xmpp.ErrClosed] with the error of Run when there will never be one.
func (c *Client) WaitReady(ctx context.Context) error { return c.run.WaitReady(ctx) }

// LocalAddr returns the full JID that the server has given; zero while there is
// no session.
func (c *Client) LocalAddr() jid.JID { return c.run.LocalAddr() }

// Send sends a stanza in the session that there is. Without one the error is
// [xmpp.ErrNotConnected], at once; after Run has returned it is
// [xmpp.ErrClosed]. While the session waits for another connection stanzas are queued,
// up to Stream.MaxDetached, and then Send blocks.
//
// A session that goes on loses nothing, and sends nothing twice. When it could not be
// resumed, a message that was queued but not written is the first to be sent in the
// next one; whether one that was written has arrived is not known, unless the server
// has said so: see Resend of [Config], and Confirm.
func (c *Client) Send(ctx context.Context, st *stanza.Stanza) error { return c.run.Send(ctx, st) }

// Confirm sends a stanza in the session that there is, and waits until the server has
// acknowledged it; see [xmpp.Confirmer]. Without a session it is as for Send.
func (c *Client) Confirm(ctx context.Context, st *stanza.Stanza) error { return c.run.Confirm(ctx, st) }

// Do sends a request in the session that there is, and waits for the reply, over
// however many connections the session lasts. Only a reply from the address that was
// asked counts. When the session ends before, the error is [xmpp.ErrSessionLost], at
// once; without a session it is as for Send. A ctx without deadline gets
// RequestTimeout. The error of a reply is a [*stanza.Error].
func (c *Client) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	return c.run.Do(ctx, iq)
}

// outgoing takes the from away that replies have: the server stamps it, and "a
// client must not put from" (draft-miller-xmpp-core-02, section 6.2.2). It gives a
// message an id by which it is found again, where that may be asked for. What the server
// would not take is not sent.
func (c *Client) outgoing(s *session.Session, st *stanza.Stanza) (*stanza.Stanza, error) {
	own, h := s.LocalAddr(), st.Header
	if h.From == own || h.From == own.Bare() {
		h.From = jid.JID{}
	}
	if h.ID == "" && h.Kind == stanza.KindMessage && c.cfg.Resend != nil {
		h.ID = rand.Text()
	}
	if h != st.Header {
		st = st.With(h)
	}
	return st, checkSize(s, st)
}

// incoming puts the type in that an iq had, before RFC 3920, which said nothing of
// it.
func incoming(s *session.Session, st *stanza.Stanza) (*stanza.Stanza, xmpp.Sender) {
	if st.Kind == stanza.KindIQ && st.Type == "" && s.Version() == (stream.Version{}) {
		h := st.Header
		h.Type = stanza.TypeGet
		st = st.With(h)
	}
	return st, s
}
