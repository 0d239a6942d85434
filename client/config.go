package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/backoff"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// Defaults of [Config].
const (
	DefaultConnectTimeout = 2 * time.Minute
	DefaultKeepAlive      = 60 * time.Second
	DefaultPingTimeout    = 20 * time.Second
	DefaultRequestTimeout = 30 * time.Second
	DefaultDrainTimeout   = 5 * time.Second
	DefaultMinBackoff     = time.Second
	DefaultMaxBackoff     = 2 * time.Minute
)

// Config is what a Client needs to know. JID and something to authenticate
// with are all that must be set. Durations are 0 for the default.
type Config struct {
	// JID is the account. A resource asks the server for that resource,
	// otherwise the server chooses one.
	JID jid.JID
	// Password is the password of the account.
	Password string
	// SASL is for all other ways to authenticate: saved keys, a token, a
	// certificate, anonymity, mechanisms to refuse. Username and Password are
	// taken from above where they are empty, what depends on the connection
	// (TLS, Offered, BindingTypes) is filled in.
	//
	// The SCRAM keys of one login are kept in memory for the next, which saves
	// most of its cost; and once a server has proven by SCRAM that it knows the
	// secret, the password is not shown to it any more (no PLAIN and no
	// DIGEST-MD5, XEP-0474 section 7).
	SASL sasl.ClientConfig

	// UserAgent is what the server is told of the program, where it has SASL2
	// (XEP-0388), and nobody else. The ID says which of the account's clients it is: a
	// random UUID, which the program makes once per installation, by
	// [stream.NewUserAgentID], and keeps. "" is the one that Logins has kept, where it is
	// made and stored by itself, and none without Logins. By it the server gives the
	// client its resource back (see Bind2), ends a session that it has left behind, and
	// gives it tokens. Two clients that run at the same time need two.
	UserAgent stream.UserAgent
	// Logins keeps the token by which the client logs in again without the password and
	// in one round trip (XEP-0484), with the ID that it belongs to; it may be the
	// [FileStore] that Resumptions is. nil keeps the token in memory, if UserAgent.ID is
	// set. With a token that is stored no password is needed; if it is refused then, or
	// has expired, Run returns a [*sasl.ChoiceError].
	//
	// A token is good for one kind of channel binding, and is not used without it, nor
	// without TLS. A new one takes the place of the old when it is stored.
	Logins LoginStore
	// Bind2 has the resource bound with the login (XEP-0386), and what extensions ask for
	// by [xmpp.Binder] enabled with it, which saves the round trips for them. It is for
	// servers that offer it, and a JID without a resource.
	//
	// The server then drops the messages that it has stored while nobody was there: a
	// client that uses it reads them from the archive in each session, as
	// archive.CatchUp does.
	Bind2 bool
	// Tag is what the resource begins with that Bind2 binds: the name of the software,
	// for everybody to see. It must say nothing of the user or the device.
	Tag string
	// NoSASL2 logs in by the SASL of RFC 6120 also where the server offers that of
	// XEP-0388.
	NoSASL2 bool

	// TLS is for STARTTLS, and for direct TLS where the Dialer has no config of
	// its own. ServerName is by default the domain of JID, whatever host DNS
	// leads to. Sessions are resumed if ClientSessionCache is nil.
	TLS *tls.Config
	// Dialer finds the server. Proxies, a fixed address, and another resolver
	// are set there. nil is the zero Dialer.
	Dialer *stream.Dialer
	// Dial makes the connection in place of the Dialer: for in-memory pipes and
	// other transports. see-other-host cannot be followed then.
	Dial func(ctx context.Context) (stream.Transport, error)
	// ConnectTimeout bounds finding the server and connecting to it. Default
	// 2 minutes. What follows has Stream.NegotiationTimeout.
	ConnectTimeout time.Duration
	// AllowPlaintext does without TLS where the server does not offer it, and
	// shows the password then. It is for tests and for connections that are
	// protected otherwise.
	AllowPlaintext bool
	// OldSASL offers the SASL of draft-miller-xmpp-core-02, section 5.1, to a
	// server that knows no other.
	OldSASL bool
	// OldAuth logs in by jabber:iq:auth (XEP-0078) to a server that offers no
	// SASL: one of before RFC 3920. It needs a Password, and TLS from the first
	// byte (a Dialer with direct TLS) or AllowPlaintext, as such a server has no
	// STARTTLS. The password itself is shown only to a server that takes no
	// digest, and never if SASL.Refuse has PLAIN. That it is refused is told by a
	// [*stanza.Error].
	OldAuth bool
	// OldStream opens streams without version, as clients did before RFC 3920,
	// for a server that is confused by one, or to log in by other means than
	// SASL where both are offered. It goes with OldAuth or OldSASL.
	OldStream bool
	// Stream bounds the stream.
	Stream stream.Config

	// Handler handles what comes in; usually it is an [*xmpp.Mux], to which
	// the extensions then add their handlers. With any other Handler the
	// extensions get a Mux of their own, which hands to Handler what no
	// extension handles, messages and presences in any case. With nil,
	// everything that the extensions do not handle gets the default answers.
	Handler xmpp.Handler
	// Extensions are attached in this order by New. If there is no
	// [*ping.Extension] among them, one is added.
	Extensions []xmpp.Extension
	// OnUp is called when there is a new session, in a goroutine of its own; ctx
	// ends with the session. OnDown is called when it has ended, after OnUp has
	// returned. See [xmpp.Watcher].
	OnUp   func(ctx context.Context, s xmpp.Sender)
	OnDown func(s xmpp.Sender, reason error)
	// OnSuspended is called when the connection is lost and the session waits for
	// another one; OnResumed when it goes on. Both are called after OnUp has
	// returned. See [xmpp.Resumer].
	OnSuspended func(s xmpp.Sender, reason error)
	OnResumed   func(ctx context.Context, s xmpp.Sender)

	// Presence is the presence that is sent first in each session; nil is
	// plainly available. NoPresence sends none: then the server delivers no
	// messages to the bare JID, and no presence.
	Presence   *stanza.Presence
	NoPresence bool
	// Lang is the default language of what is sent (RFC 6120, section 4.7.4).
	Lang string

	// NoAcks does without stream management (XEP-0198), with which sessions outlive
	// their connections; see the package comment. It is used where the server offers
	// it.
	NoAcks bool
	// ResumeTimeout is for how long the server is asked to keep a session that has
	// lost its connection. 0 leaves that to the server, negative: not at all; then
	// what is sent is acknowledged, but each connection is a session of its own.
	ResumeTimeout time.Duration
	// Resend is asked about messages whose fate is not known when a session could
	// not be resumed: they were written before the connection was lost at that time,
	// the server has not acknowledged them, and they may have arrived. Those that it
	// returns are sent again, with a delay stamp (XEP-0203), in this order, before
	// everything else. s is the next session, which the rest of the program does not
	// see before Resend has returned. If it fails otherwise than by a stanza error it
	// is called again after a while, eight times at the most; if the session ends
	// meanwhile, in the one after it.
	//
	// nil sends none again, so that none arrives twice. [ResendAll] sends all, so
	// that none is lost. Missing of an archive.Client asks the archive of the account
	// which of them have arrived; it takes a message to be known by its id, which
	// each message is given that has none if Resend is set.
	//
	// Messages that Confirm waits for are left to its caller, and those of which the
	// last byte was not written are sent in any case.
	Resend func(ctx context.Context, s xmpp.Sender, lost time.Time, unknown []*stanza.Stanza) ([]*stanza.Stanza, error)
	// Resumptions lets a session outlive the process. With it, the end of Run's ctx
	// does not end the session: when the handlers have returned the client leaves
	// without a word, and saves what the next process needs to go on; Close takes
	// leave as ever. It is saved also while the connection is lost, at most once a
	// second, and removed when there is a connection.
	//
	// So a process that is killed while it is connected begins a new session next
	// time. What it had queued and not written is lost; messages that it had not
	// handled the server sends again, elsewhere or later, as after every session that
	// is not resumed. One that is killed while the connection is lost loses what it
	// queued in the last second, and may handle again what it has handled in that. If
	// the server does not go on with the session of an earlier process, the fate of
	// all that it left is unknown, see Resend, also of what it had not written.
	Resumptions ResumptionStore

	// Backoff returns how long to wait before the next attempt to connect, try
	// times after the last good one (0 for the first). nil is
	// ExponentialBackoff with 1 s and 2 minutes. try starts over when a connection
	// has lasted a minute. The first attempt to resume a session is made at once,
	// also later ones if the connection has lasted for as long as the delay.
	Backoff func(try int) time.Duration
	// KeepAlive is after how long without input the server is asked for a sign
	// of life. Default 60 s, negative: never. A connection that is dead is given
	// up; the session goes on if it can. A server that says after what time without
	// anything from the client it closes a stream (XEP-0478) gets a space before, if
	// there was nothing else.
	KeepAlive time.Duration
	// PingTimeout is how long the answer may take, until the connection is
	// given up. Default 20 s.
	PingTimeout time.Duration
	// Whitespace sends a space every KeepAlive (RFC 6120, section 4.6.1) in
	// place of pings. That keeps the way open, but only what TCP notices is
	// noticed.
	Whitespace bool
	// RequestTimeout bounds Do with a context that has no deadline. Default
	// 30 s. The time in which a session waits for a connection does not count.
	RequestTimeout time.Duration
	// DrainTimeout bounds the orderly end: so long may the handlers take, and
	// then as long the closing of the stream. Default 5 s.
	DrainTimeout time.Duration

	// MaxConcurrent is how many handlers run at a time, those that wait for a
	// reply not counted. Default 64.
	MaxConcurrent int
	// MaxQueued and MaxQueuedBytes bound what waits for a handler. Defaults
	// 4096 stanzas and 16 MiB.
	MaxQueued, MaxQueuedBytes int
	// MaxWaiting bounds the handlers that wait for a reply. Default 4096.
	MaxWaiting int

	// Log is told of lost connections, failed attempts and failed handlers;
	// nil for nothing.
	Log *slog.Logger
}

// ExponentialBackoff returns a function for [Config.Backoff]. The delay doubles
// with each try, from shortest to longest; how much of it is waited, between a
// half and the whole, is left to chance, so that the clients of a server that
// was restarted do not come back at the same moment (RFC 6120, section 3.3).
func ExponentialBackoff(shortest, longest time.Duration) func(try int) time.Duration {
	return backoff.Exponential(shortest, longest)
}

// withDefaults fills in the defaults.
func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) { *d = cmp.Or(max(*d, 0), v) }
	def(&c.ConnectTimeout, DefaultConnectTimeout)
	def(&c.PingTimeout, DefaultPingTimeout)
	def(&c.RequestTimeout, DefaultRequestTimeout)
	def(&c.DrainTimeout, DefaultDrainTimeout)
	c.KeepAlive = cmp.Or(c.KeepAlive, DefaultKeepAlive)
	if c.Backoff == nil {
		c.Backoff = ExponentialBackoff(DefaultMinBackoff, DefaultMaxBackoff)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dialer == nil {
		c.Dialer = new(stream.Dialer)
	}
	c.TLS = withSessionCache(c.TLS)
	c.SASL.Username = cmp.Or(c.SASL.Username, c.JID.Local())
	c.SASL.Password = cmp.Or(c.SASL.Password, c.Password)
	c.SASL.AllowPlaintext = c.SASL.AllowPlaintext || c.AllowPlaintext
	c.SASL.Refuse = slices.Clone(c.SASL.Refuse)
	return c
}

// withSessionCache makes TLS sessions be resumed, which RFC 6120, section 3.3,
// recommends for reconnecting.
func withSessionCache(config *tls.Config) *tls.Config {
	if config == nil {
		config = new(tls.Config)
	}
	if config.ClientSessionCache != nil {
		return config
	}
	config = config.Clone()
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	return config
}

// validate says what is missing or contradicts itself.
func (c *Config) validate() error {
	s := &c.SASL
	secret := c.Password != "" || s.Password != "" || len(s.Keys) > 0
	switch {
	case c.JID.IsZero():
		return errors.New("client: Config.JID is not set")
	case !secret && s.Token == "" && !s.External && !s.Anonymous && c.Logins == nil:
		return errors.New("client: nothing to authenticate with: Config.Password and Config.SASL are empty")
	case c.UserAgent.ID != "" && !stream.IsUserAgentID(c.UserAgent.ID):
		return fmt.Errorf("client: Config.UserAgent.ID %q is not a UUID", c.UserAgent.ID)
	case secret && c.JID.Local() == "" && s.Username == "":
		return fmt.Errorf("client: the address %s has no user name for the password", c.JID)
	case c.Dialer != nil && c.Dialer.Service != stream.ServiceClient:
		return errors.New("client: Config.Dialer is for another service than that for clients")
	case c.OldAuth && c.JID.Local() == "":
		return fmt.Errorf("client: Config.OldAuth needs a user name, the address %s has none", c.JID)
	case c.OldStream && !c.OldAuth && !c.OldSASL:
		return errors.New("client: Config.OldStream needs OldAuth or OldSASL to log in")
	case c.Presence != nil && c.NoPresence:
		return errors.New("client: both Config.Presence and Config.NoPresence are set")
	case c.Presence != nil && (c.Presence.Type != stanza.TypeAvailable || !c.Presence.To.IsZero()):
		return errors.New("client: Config.Presence is not an available presence to everybody")
	}
	for i, e := range c.Extensions {
		if e == nil {
			return fmt.Errorf("client: Config.Extensions[%d] is nil", i)
		}
	}
	return nil
}

// firstPresence returns what is sent first in each session, nil for nothing.
func (c *Config) firstPresence() (*stanza.Stanza, error) {
	if c.NoPresence {
		return nil, nil
	}
	p := c.Presence
	if p == nil {
		p = new(stanza.Presence)
	}
	st, err := p.Stanza()
	if err != nil {
		return nil, fmt.Errorf("client: Config.Presence: %w", err)
	}
	return st, nil
}
