package stream

import (
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etherx-go/xmpp/internal/xmltok"
	"github.com/etherx-go/xmpp/stanza"
)

// Defaults of [Config].
const (
	DefaultNegotiationTimeout = 60 * time.Second
	DefaultWriteTimeout       = 30 * time.Second
	DefaultStanzaTimeout      = 60 * time.Second
	DefaultCloseTimeout       = 5 * time.Second
	DefaultMaxStanza          = 256 << 10
	DefaultMaxUnauthenticated = 16 << 10
	DefaultMaxOutbox          = 4 << 20
	DefaultMaxDetached        = 1 << 20
)

// Config is what both roles need of a stream. Zero values are the defaults; a
// Config is not changed and may be shared. What breaks one of the limits gets
// the stream error policy-violation, what breaks a timeout connection-timeout.
type Config struct {
	// NegotiationTimeout bounds the time from the call of [Initiate] or
	// [Accept] to the end of the negotiation, TLS handshake and all restarts
	// included. Default 60 s.
	NegotiationTimeout time.Duration
	// WriteTimeout bounds how long the peer may take for one write of at most
	// 16 KiB and one stanza. Default 30 s.
	WriteTimeout time.Duration
	// StanzaTimeout bounds how long the peer may take to send the rest of a
	// stanza that it has begun, once the stream is [Ready]. Default 60 s.
	StanzaTimeout time.Duration
	// CloseTimeout bounds what [Conn.Fail] takes to send the error and to let
	// the peer read it. Default 5 s.
	CloseTimeout time.Duration

	// MaxStanza bounds a received first-level element, in bytes. Default
	// 256 KiB, -1 = no limit but 1 GiB. RFC 6120, section 13.12, asks for at
	// least 10000.
	MaxStanza int
	// MaxUnauthenticated is what counts in place of MaxStanza until the stream
	// is [Authenticated], for the stream header too. Default 16 KiB, or
	// MaxStanza if that is less; -1 = no limit but 1 GiB.
	MaxUnauthenticated int
	// MaxDepth, MaxAttributes and MaxElements bound the nesting, the
	// attributes of one element (namespace declarations included), and the
	// elements inside one received stanza, at all times. Defaults 128, 64 and
	// 10000.
	MaxDepth, MaxAttributes, MaxElements int
	// MaxOutbox bounds what waits to be written, in bytes. Default 4 MiB, -1 =
	// no limit. A single stanza is taken however large it is.
	MaxOutbox int
	// MaxDetached is what counts in place of MaxOutbox while the connection is lost
	// and the session is kept, see [Conn.Detached]. What waits already stays, even
	// if it is more. Default 1 MiB, -1 = no limit.
	MaxDetached int

	// AcceptUTF16 takes input in UTF-16 too, which RFC 6120 has no more but
	// draft-miller-xmpp-core-02, section 7.4, asks for.
	AcceptUTF16 bool
	// Content is the content namespace of a peer's header that declares none,
	// because the peer declares it on each stanza (RFC 6120, section 4.8.2).
	// It is for [Accept]. Default jabber:client.
	Content string
	// Trace, if not nil, is called with everything that is received and sent,
	// piece by piece, secrets taken out. It is called by the goroutine that
	// reads and by those that write, perhaps at the same time. It must not
	// keep the bytes and must not block.
	Trace func(sent bool, xml []byte)
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.NegotiationTimeout, DefaultNegotiationTimeout)
	def(&c.WriteTimeout, DefaultWriteTimeout)
	def(&c.StanzaTimeout, DefaultStanzaTimeout)
	def(&c.CloseTimeout, DefaultCloseTimeout)
	if c.MaxStanza == 0 {
		c.MaxStanza = DefaultMaxStanza
	}
	if c.MaxUnauthenticated == 0 {
		c.MaxUnauthenticated = DefaultMaxUnauthenticated
		if c.MaxStanza > 0 {
			c.MaxUnauthenticated = min(c.MaxUnauthenticated, c.MaxStanza)
		}
	}
	if c.Content == "" {
		c.Content = stanza.NSClient
	}
	if c.MaxOutbox == 0 {
		c.MaxOutbox = DefaultMaxOutbox
	}
	if c.MaxDetached == 0 {
		c.MaxDetached = DefaultMaxDetached
	}
	return c
}

// State is what a negotiation has reached.
type State uint8

// The states; they are bits.
const (
	Secure        State = 1 << iota // TLS is on, or the transport never leaves the process
	Authenticated                   // the peer is authenticated
	Ready                           // stanzas may flow
)

// Conn is one stream in both directions. Next and Fail are for one goroutine at
// a time; all other methods are safe for concurrent use once the stream is
// negotiated.
//
// Until the stream is negotiated, the NegotiationTimeout of the [Config] bounds
// it, and MaxUnauthenticated what is read; from then on StanzaTimeout bounds
// each stanza that has begun, and MaxStanza its size. How long nothing at all
// may come is for the owner to say, with the help of [Conn.Activity].
type Conn struct {
	tr         Transport
	sc         *xmltok.Scanner
	src        source
	cfg        *Config
	out        *outbox   // until another one has taken its place, see [outbox.lock]
	writer     func()    // c.write, so that starting it allocates nothing
	resuming   *resuming // an earlier session was asked for; for the initiator
	frameNS    string    // declared on each stanza; only for framings that need it
	initiator  bool
	headed     bool          // the peer has sent a header, right or wrong
	opened     bool          // ours has been sent
	state      atomic.Uint32 // a State
	activity   atomic.Uint32
	in         Header           // what the peer sent
	sent       Header           // what is, or will be, sent
	offered    []stanza.Element // by the peer, during the negotiation
	served     []Feature        // to the peer, during the negotiation
	offers     []xml.Name       // their names, also afterwards
	peerLimits Limits
	early      []Incoming // received during the negotiation, for Next
	earlySize  int
	ended      chan struct{} // closed when Next has returned an error
	endOnce    sync.Once
	// readFailed: the transport has failed. Only for the reading goroutine.
	readFailed bool
	// cut: the negotiation is to end, all deadlines are over.
	cut atomic.Bool
	// raise: the limits of an authenticated peer hold from the next element on.
	raise atomic.Bool
}

func newConn(tr Transport, cfg *Config, initiator bool) *Conn {
	c := &Conn{tr: tr, cfg: cfg, initiator: initiator, ended: make(chan struct{})}
	c.src.c, c.writer = c, c.write
	c.sc = xmltok.NewScanner(&c.src, c.limits(cfg.MaxUnauthenticated))
	c.sc.AcceptUTF16(cfg.AcceptUTF16)
	c.out = &outbox{conn: c}
	p, ok := tr.(interface{ Private() bool })
	if tr.TLS() != nil || ok && p.Private() {
		c.state.Store(uint32(Secure))
	}
	return c
}

func (c *Conn) limits(stanza int) xmltok.Limits {
	return xmltok.Limits{Element: stanza, Depth: c.cfg.MaxDepth, Attrs: c.cfg.MaxAttributes, Children: c.cfg.MaxElements}
}

// Transport returns what the stream runs on.
func (c *Conn) Transport() Transport { return c.tr }

// TLS returns the state of the TLS layer, nil if there is none.
func (c *Conn) TLS() *tls.ConnectionState { return c.tr.TLS() }

// State returns what the negotiation has reached.
func (c *Conn) State() State { return State(c.state.Load()) }

// Received returns the last stream header that the peer sent.
func (c *Conn) Received() Header { return c.in }

// Sent returns the last stream header that was sent.
func (c *Conn) Sent() Header { return c.sent }

// Offers reports whether the peer has a stream feature: whether it was in the
// last features element that it sent. It is for the initiator, once the stream has
// been negotiated.
func (c *Conn) Offers(feature xml.Name) bool { return slices.Contains(c.offers, feature) }

// Activity returns a number that changes whenever something is received, be it
// white space or a part of a stanza.
func (c *Conn) Activity() uint32 { return c.activity.Load() }

// Ended returns a channel that is closed when Next has returned an error that
// ends the stream.
func (c *Conn) Ended() <-chan struct{} { return c.ended }

// Next waits for the next element and returns it: as a stanza if it is one,
// as an Element otherwise. White space between elements is passed over. A
// stanza without xml:lang gets that of the peer's header, if the peer is the
// initiator or another server (RFC 6120, sections 4.7.4 and 8.1.5).
//
// The error is io.EOF when the peer has closed the stream, an [*Error] with
// Remote set when it sent a stream error, a [*stanza.AddressError] together
// with a stanza whose to or from is malformed, after which Next can be called
// again. Every other error ends the stream: bad input is an [*Error], for
// which [Conn.Fail] is to be called. An error that wraps io.ErrUnexpectedEOF
// says that the connection ended and the stream did not.
func (c *Conn) Next() (*stanza.Stanza, stanza.Element, error) {
	if len(c.early) > 0 {
		in := c.early[0]
		if c.early = c.early[1:]; len(c.early) == 0 {
			c.early = nil
		}
		return in.Stanza, in.Element, nil
	}
	st, el, err := c.next()
	if err != nil && st == nil {
		c.endOnce.Do(func() { close(c.ended) })
	}
	return st, el, err
}

func (c *Conn) next() (*stanza.Stanza, stanza.Element, error) {
	for {
		ev, err := c.event()
		if err != nil {
			return nil, stanza.Element{}, err
		}
		switch ev {
		case xmltok.Close:
			c.trace(false, []byte("</stream:stream>"))
			return nil, stanza.Element{}, io.EOF
		case xmltok.Space:
			c.trace(false, []byte(" "))
		case xmltok.Element:
			return c.element()
		}
	}
}

// event reads the next event of the scanner.
func (c *Conn) event() (xmltok.Event, error) {
	ev, err := c.sc.Next()
	if c.src.timed {
		c.src.timed = false
		c.setReadDeadline(time.Time{})
	}
	if err != nil {
		return 0, c.readError(err)
	}
	return ev, nil
}

// setReadDeadline sets the deadline for reading, unless it is over for good.
func (c *Conn) setReadDeadline(t time.Time) {
	c.tr.SetReadDeadline(t)
	if c.cut.Load() {
		c.tr.SetReadDeadline(past)
	}
}

// readError puts what the scanner or the transport said into the words of
// streams.
func (c *Conn) readError(err error) error {
	if e, ok := errors.AsType[*xmltok.Error](err); ok {
		return AsError(e)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &Error{Condition: ConnectionTimeout, Text: "nothing more came in time", Err: err}
	}
	c.readFailed = true
	if err == io.EOF {
		// The connection ended without </stream:stream>.
		return io.ErrUnexpectedEOF
	}
	return err
}

// element returns the element that the scanner has just found.
func (c *Conn) element() (*stanza.Stanza, stanza.Element, error) {
	raw := c.sc.Element()
	c.trace(false, raw.Raw)
	st, err := stanza.Read(raw, c.sc.Root(), c.in.Content)
	if !errors.Is(err, stanza.ErrNotStanza) {
		if st == nil {
			return nil, stanza.Element{}, c.readError(err)
		}
		if st.Lang == "" && (!c.initiator || c.in.Content == stanza.NSServer) {
			st.Lang = c.in.Lang
		}
		return st, stanza.Element{}, err
	}
	el := stanza.ReadElement(raw, c.sc.Root())
	switch {
	case el.Is(NS, "error"):
		return nil, el, parseError(el)
	case string(raw.NS) != c.in.Content && stanza.IsContentNamespace(raw.NS):
		// "it MUST close the stream with an <invalid-namespace/> stream
		// error" (RFC 6120, section 4.8.3).
		return nil, el, newError(InvalidNamespace, fmt.Sprintf("%s on a stream of %s", raw.NS, c.in.Content))
	}
	return nil, el, nil
}

// source is what the scanner reads from: the transport, with a deadline while
// a stanza is incomplete, so that bytes which trickle do not hold a buffer for
// ever.
type source struct {
	c     *Conn
	timed bool // a read deadline is set
	one   [1]byte
}

func (s *source) Read(p []byte) (int, error) {
	if c := s.c; !s.timed && c.sc.Buffered() > 0 && c.State()&Ready != 0 {
		s.timed = true
		c.setReadDeadline(time.Now().Add(c.cfg.StanzaTimeout))
	}
	return s.count(s.c.tr.Read(p))
}

func (s *source) count(n int, err error) (int, error) {
	if n > 0 {
		s.c.activity.Add(1)
	}
	if s.c.raise.Load() && s.c.raise.Swap(false) {
		s.c.sc.SetLimits(s.c.limits(s.c.cfg.MaxStanza))
	}
	return n, err
}

// lazyReader is a transport that needs no buffer while it waits, if Lazy says
// so.
type lazyReader interface {
	Lazy() bool
	ReadLazy(alloc func() []byte, free func()) (int, error)
}

// ReadLazy is called by the scanner when it is between two elements. A
// transport that cannot wait without a buffer is given one byte to wait with.
func (s *source) ReadLazy(alloc func() []byte, free func()) (int, error) {
	if l, ok := s.c.tr.(lazyReader); ok && l.Lazy() {
		return s.count(l.ReadLazy(alloc, free))
	}
	n, err := s.count(s.c.tr.Read(s.one[:]))
	if n > 0 {
		alloc()[0] = s.one[0]
	}
	return n, err
}
