package stream

import (
	"crypto/tls"
	"errors"
	"io"
	"os"
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
	DefaultMaxStanza          = 256 << 10
	DefaultMaxUnauthenticated = 16 << 10
	DefaultMaxOutbox          = 4 << 20
)

// Config is what both roles need of a stream. Zero values are the defaults; a
// Config is not changed and may be shared.
type Config struct {
	// NegotiationTimeout bounds the time from the first header to the end of
	// the negotiation. Default 60 s.
	NegotiationTimeout time.Duration
	// WriteTimeout bounds how long the peer may take nothing of what is
	// written to it. Default 30 s.
	WriteTimeout time.Duration
	// StanzaTimeout bounds how long the peer may take to send the rest of a
	// stanza that it has begun. Default 60 s.
	StanzaTimeout time.Duration
	// MaxStanza bounds a received stanza, in bytes. Default 256 KiB, -1 = no
	// limit. RFC 6120, section 13.12, asks for at least 10000.
	MaxStanza int
	// MaxUnauthenticated is what MaxStanza is before the peer has
	// authenticated. Default 16 KiB.
	MaxUnauthenticated int
	// MaxDepth, MaxAttributes and MaxElements bound the nesting, the
	// attributes of one element, and the elements of one received stanza.
	// Defaults 128, 64 and 10000.
	MaxDepth, MaxAttributes, MaxElements int
	// MaxOutbox bounds what waits to be written, in bytes. Default 4 MiB.
	MaxOutbox int
	// AcceptUTF16 takes input in UTF-16 too, which RFC 6120 has no more but
	// draft-miller-xmpp-core-02, section 7.4, asks for.
	AcceptUTF16 bool
	// Trace, if not nil, is called with what is received and sent, secrets
	// taken out. It must not keep the bytes and must not block.
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
	if c.MaxStanza == 0 {
		c.MaxStanza = DefaultMaxStanza
	}
	if c.MaxUnauthenticated == 0 {
		c.MaxUnauthenticated = DefaultMaxUnauthenticated
	}
	if c.MaxOutbox == 0 {
		c.MaxOutbox = DefaultMaxOutbox
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

// Conn is one stream in both directions. Next is for one goroutine at a time;
// all other methods are safe for concurrent use once the stream is negotiated.
type Conn struct {
	tr        Transport
	sc        *xmltok.Scanner
	src       source
	cfg       *Config
	out       outbox
	frameNS   string // declared on each stanza; only for framings that need it
	initiator bool
	state     State
	in        Header // what the peer sent
	sent      Header // what was sent; its Content is "" before
	activity  atomic.Uint32
	offered   []stanza.Element // by the peer, during the negotiation
	closing   atomic.Bool
	ended     chan struct{} // closed when Next has returned an error
	endOnce   sync.Once
}

func newConn(tr Transport, cfg *Config, initiator bool) *Conn {
	c := &Conn{tr: tr, cfg: cfg, initiator: initiator, ended: make(chan struct{})}
	c.src.c = c
	c.sc = xmltok.NewScanner(&c.src, c.limits(cfg.MaxUnauthenticated))
	c.sc.AcceptUTF16(cfg.AcceptUTF16)
	c.out.limit = cfg.MaxOutbox
	p, ok := tr.(interface{ Private() bool })
	if tr.TLS() != nil || ok && p.Private() {
		c.state |= Secure
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
func (c *Conn) State() State { return c.state }

// Received returns the last stream header that the peer sent.
func (c *Conn) Received() Header { return c.in }

// Sent returns the last stream header that was sent.
func (c *Conn) Sent() Header { return c.sent }

// Activity returns a number that changes whenever something is received, be it
// white space.
func (c *Conn) Activity() uint32 { return c.activity.Load() }

// Ended returns a channel that is closed when Next has returned an error that
// ends the stream.
func (c *Conn) Ended() <-chan struct{} { return c.ended }

// Next waits for the next element and returns it: as a stanza if it is one,
// as an Element otherwise. White space between elements is passed over.
//
// The error is io.EOF when the peer has closed the stream, an [*Error] with
// Remote set when it sent a stream error, a [*stanza.AddressError] together
// with a stanza whose to or from is malformed, after which Next can be called
// again. Every other error ends the stream: bad input is an [*Error], for
// which [Conn.Fail] is to be called.
func (c *Conn) Next() (*stanza.Stanza, stanza.Element, error) {
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
			return nil, stanza.Element{}, io.EOF
		case xmltok.Open:
			return nil, stanza.Element{}, newError(BadFormat, "unexpected stream header")
		case xmltok.Element:
			return c.element()
		}
	}
}

// event reads the next event of the scanner.
func (c *Conn) event() (xmltok.Event, error) {
	ev, err := c.sc.Next()
	c.activity.Add(1)
	if c.src.timed {
		c.src.timed = false
		c.tr.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return 0, c.readError(err)
	}
	return ev, nil
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
	if err == io.EOF {
		// The connection ended without </stream:stream>.
		return io.ErrUnexpectedEOF
	}
	return err
}

// element returns the element that the scanner has just found.
func (c *Conn) element() (*stanza.Stanza, stanza.Element, error) {
	raw := c.sc.Element()
	if c.cfg.Trace != nil {
		c.cfg.Trace(false, redact(raw.Raw))
	}
	st, err := stanza.Read(raw, c.sc.Root(), c.in.Content)
	if !errors.Is(err, stanza.ErrNotStanza) {
		return st, stanza.Element{}, err
	}
	el := stanza.ReadElement(raw, c.sc.Root())
	if el.Is(NS, "error") {
		return nil, el, parseError(el)
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
	if c := s.c; c.state&Ready != 0 && !s.timed && c.sc.Buffered() > 0 {
		s.timed = true
		c.tr.SetReadDeadline(time.Now().Add(c.cfg.StanzaTimeout))
	}
	return s.c.tr.Read(p)
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
		return l.ReadLazy(alloc, free)
	}
	n, err := s.c.tr.Read(s.one[:])
	if n > 0 {
		alloc()[0] = s.one[0]
	}
	return n, err
}
