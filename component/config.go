package component

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/backoff"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stream"
)

// Defaults of [Config].
const (
	// DefaultAddr is where servers wait for components by custom; there is no
	// registered port.
	DefaultAddr           = "localhost:5347"
	DefaultConnectTimeout = 30 * time.Second
	DefaultKeepAlive      = 60 * time.Second
	DefaultPingTimeout    = 20 * time.Second
	DefaultRequestTimeout = 30 * time.Second
	DefaultDrainTimeout   = 5 * time.Second
	DefaultMinBackoff     = time.Second
	DefaultMaxBackoff     = 2 * time.Minute
)

// Config is what a Component needs to know. Domain and a secret are all that must
// be set. Durations are 0 for the default.
type Config struct {
	// Domain is the component's name, which is the domain of all its addresses.
	Domain jid.JID
	// Secret is what the component shares with the server.
	Secret string
	// FindSecret, if not nil, is asked for the secret in place of Secret, for
	// each stream: for one that changes, or that is kept elsewhere.
	FindSecret func(ctx context.Context) (string, error)
	// Server is the server's domain. Stanzas without to are sent to it; if it is
	// not set, such are refused with [ErrNoRecipient].
	Server jid.JID

	// Addr is the server's host:port for components. Default localhost:5347.
	Addr string
	// TLS, if not nil, is TLS from the first byte. Its ServerName is by default
	// the host of Addr.
	TLS *tls.Config
	// AllowPlaintext does without TLS with a server that is on another machine.
	// Whoever sits in between can read everything, and speak for the component.
	AllowPlaintext bool
	// Dial makes the connection in place of Addr and TLS: for in-memory pipes and
	// other transports. It answers for their safety.
	Dial func(ctx context.Context) (stream.Transport, error)
	// ConnectTimeout bounds connecting, with TLS. Default 30 s. What follows has
	// Stream.NegotiationTimeout.
	ConnectTimeout time.Duration
	// Stream bounds the stream.
	Stream stream.Config

	// Handler handles what comes in; usually it is an [*xmpp.Mux], to which the
	// extensions then add their handlers. With any other Handler the extensions
	// get a Mux of their own, which hands to Handler what no extension handles,
	// messages and presences in any case. With nil, everything that the
	// extensions do not handle gets the default answers.
	Handler xmpp.Handler
	// Extensions are attached in this order by New. If there is no
	// [*ping.Extension] among them, one is added.
	Extensions []xmpp.Extension
	// OnUp is called when there is a session, in a goroutine of its own; ctx ends
	// with the session. OnDown is called when it has ended, after OnUp has
	// returned. See [xmpp.Watcher].
	OnUp   func(ctx context.Context, s xmpp.Sender)
	OnDown func(s xmpp.Sender, reason error)
	// Lang is the default language of what is sent (RFC 6120, section 4.7.4).
	Lang string

	// Backoff returns how long to wait before the next attempt to connect, try
	// times after the last good one (0 for the first). nil: 1 s, doubled each
	// time up to 2 minutes, with some chance in it. try starts over when a
	// session has lasted a minute.
	Backoff func(try int) time.Duration
	// KeepAlive is after how long without input the server is asked for a sign of
	// life: Server, if it is set, and otherwise the component itself, by way of
	// the server. Default 60 s, negative: never.
	KeepAlive time.Duration
	// PingTimeout is how long the answer may take, until the connection is given
	// up. Default 20 s.
	PingTimeout time.Duration
	// Whitespace sends a space every KeepAlive in place of pings. That keeps the
	// way open, but only what TCP notices is noticed.
	Whitespace bool
	// RequestTimeout bounds Do with a context that has no deadline. Default 30 s.
	RequestTimeout time.Duration
	// DrainTimeout bounds the orderly end: so long may the handlers take, and
	// then as long the closing of the stream. Default 5 s.
	DrainTimeout time.Duration

	// MaxConcurrent is how many handlers run at a time, those that wait for a
	// reply not counted. Default 64.
	MaxConcurrent int
	// MaxQueued and MaxQueuedBytes bound what waits for a handler. Defaults 4096
	// stanzas and 16 MiB.
	MaxQueued, MaxQueuedBytes int
	// MaxWaiting bounds the handlers that wait for a reply. Default 4096.
	MaxWaiting int

	// Log is told of lost connections, failed attempts and failed handlers; nil
	// for nothing.
	Log *slog.Logger
}

// withDefaults fills in the defaults.
func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) { *d = cmp.Or(max(*d, 0), v) }
	def(&c.ConnectTimeout, DefaultConnectTimeout)
	def(&c.PingTimeout, DefaultPingTimeout)
	def(&c.RequestTimeout, DefaultRequestTimeout)
	def(&c.DrainTimeout, DefaultDrainTimeout)
	c.KeepAlive = cmp.Or(c.KeepAlive, DefaultKeepAlive)
	c.Addr = cmp.Or(c.Addr, DefaultAddr)
	if c.FindSecret == nil {
		secret := c.Secret
		c.FindSecret = func(context.Context) (string, error) { return secret, nil }
	}
	if c.Backoff == nil {
		c.Backoff = backoff.Exponential(DefaultMinBackoff, DefaultMaxBackoff)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// validate says what is missing or contradicts itself.
func (c *Config) validate() error {
	switch {
	case c.Domain.IsZero():
		return errors.New("component: Config.Domain is not set")
	case !c.Domain.IsDomain():
		return fmt.Errorf("component: %s is not a mere domain", c.Domain)
	case c.Secret == "" && c.FindSecret == nil:
		return errors.New("component: there is no secret: Config.Secret is empty")
	case !c.Server.IsZero() && !c.Server.IsDomain():
		return fmt.Errorf("component: the server %s is not a mere domain", c.Server)
	}
	for i, e := range c.Extensions {
		if e == nil {
			return fmt.Errorf("component: Config.Extensions[%d] is nil", i)
		}
	}
	return nil
}
