package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// Defaults of [Federation].
const (
	DefaultConnectTimeout      = 30 * time.Second
	DefaultDialbackTimeout     = 20 * time.Second
	DefaultIdleTimeout         = 15 * time.Minute
	DefaultCheckInterval       = time.Minute
	DefaultRetryDelay          = 2 * time.Second
	DefaultMaxRetryDelay       = 5 * time.Minute
	DefaultMaxWaiting          = 1 << 20
	DefaultMaxAllWaiting       = 64 << 20
	DefaultMaxLinks            = 20_000
	DefaultMaxDialing          = 256
	DefaultServerRate          = 4 << 20
	DefaultServerBurst         = 16 << 20
	DefaultServerResumeTimeout = 5 * time.Minute
	DefaultMaxServerResumable  = 1000
)

// Trust says what is taken as proof that a server speaks for a domain. The zero
// Trust takes a certificate from an authority that the system trusts, and nothing
// else.
type Trust struct {
	// Roots are the authorities whose certificates are believed. nil: those of
	// the system.
	Roots *x509.CertPool
	// Dialback believes, where there is no such certificate, the server that the
	// DNS names for the domain (XEP-0220). Who can forge the DNS, or sits in the
	// way, can then speak for the domain. Most of the open network does without
	// it; small servers with certificates that they have signed themselves need
	// it. Without it dialback is not offered, not accepted and not used.
	Dialback bool
	// Subdomains takes stanzas also from domains below one that was proven, as
	// servers of 2002 sent them (draft-miller-xmpp-core-02, section 6.2.2).
	// Today each domain is proven for itself.
	Subdomains bool
	// Plaintext goes without TLS where the other server has none. There are no
	// certificates then, so it needs Dialback.
	Plaintext bool
}

// Federation says how the server talks with others. Zero values are the safe
// defaults.
type Federation struct {
	// Trust is what holds for every other server.
	Trust
	// Allow are the domains that there is traffic with, Deny those that there
	// is none with. "*.example.org" is every domain below example.org, "*" is
	// every domain. No Allow at all stands for every domain.
	Allow, Deny []string
	// Policy, if not nil, is asked about each pair of domains, of which one is
	// this server's: it may change what is trusted, and an error refuses the
	// pair. It is asked for each stream, and must be safe for concurrent use.
	Policy func(pair dialback.Pair, t *Trust) error

	// TLS has the certificates of this server's domains, which are shown in
	// both directions: that one is taken which is for the domain that speaks.
	// GetCertificate, if set, is asked by name. nil: Config.TLS. Who is trusted
	// is not taken from here.
	TLS *tls.Config
	// Secret makes the keys of dialback. Servers that share a domain need the
	// same one. nil: one of its own.
	Secret *dialback.Secret

	// Dialer finds other servers; its Service is set, and its TLSConfig. nil is
	// the zero Dialer: the DNS.
	Dialer *stream.Dialer
	// Dial, if not nil, is asked first for a connection: it goes round the DNS.
	// nil, without an error, leaves it to Dialer.
	Dial func(ctx context.Context, pair dialback.Pair) (stream.Transport, error)

	// Stream has the limits and timeouts of each stream. nil: Config.Stream.
	Stream *stream.Config
	// NoBidi uses each stream in one direction only (XEP-0288).
	NoBidi bool
	// NoAcks does without acknowledgements (XEP-0198), and so without resumption.
	NoAcks bool
	// ResumeTimeout is how long a stream outlives its connection, if both servers
	// can resume it (XEP-0198, section 5): for so long who has opened it tries to
	// connect again, and what is sent waits, bounded by MaxWaiting, MaxAllWaiting
	// and MaxDetached of the Stream. Nothing is lost then, comes twice or in another
	// order. If it comes to nothing what was written and not acknowledged is
	// answered with <remote-server-timeout/>, as without it. Default 5 minutes, -1:
	// a stream ends with its connection.
	ResumeTimeout time.Duration
	// MaxResumable bounds the streams of other servers that wait so at the same
	// time; more end with their connections. Default 1000, -1 = no limit.
	MaxResumable int

	// ConnectTimeout bounds how long it may take until a stream to another
	// server can be used for stanzas. Default 30 s.
	ConnectTimeout time.Duration
	// DialbackTimeout bounds how long another server may take to say whether a
	// key is right. Default 20 s.
	DialbackTimeout time.Duration
	// IdleTimeout is after how long without traffic a stream is closed.
	// Default 15 minutes, negative: never.
	IdleTimeout time.Duration
	// CheckInterval is how often it is looked after a stream: one on which
	// something was sent, and nothing came to show that it has arrived, is
	// closed after two of them. Default one minute.
	CheckInterval time.Duration
	// RetryDelay is for how long nothing is tried after a server could not be
	// reached, and MaxRetryDelay to what it grows, doubled each time. What is
	// sent meanwhile is answered with the error at once. Defaults 2 s and 5
	// minutes.
	RetryDelay, MaxRetryDelay time.Duration

	// MaxWaiting bounds the stanzas, in bytes, that wait for a stream between
	// two domains, MaxAllWaiting those that wait for any. More are answered with
	// <resource-constraint/>, and so is what does not fit in MaxOutbox of the
	// stream when it is there. Defaults 1 MiB and 64 MiB, -1 = no limit.
	MaxWaiting, MaxAllWaiting int
	// MaxLinks bounds the pairs of domains that there are outgoing streams
	// for, or about to be. Other servers can cause half of them, rounded up: by
	// keys that are to be verified, by streams that could be used both ways, and by
	// stanzas that are answered. Default 20000, -1 = no limit.
	MaxLinks int
	// MaxDialing bounds the streams that are being opened at one time, of which
	// other servers can cause half, rounded up; who comes then waits for a turn,
	// within ConnectTimeout. Default 256, -1 = no limit.
	MaxDialing int
	// Rate and Burst bound what another server may send on one stream, in bytes a
	// second and at once, as those of [Config] do for clients. Defaults 4 MiB and 16
	// MiB, a Rate of -1 = no limit.
	Rate, Burst int
}

// federation is the part of a server that talks with others.
type federation struct {
	srv         *Server
	cfg         Federation
	stream      stream.Config
	allow, deny []domainPattern
	dialing     slots

	mu      sync.Mutex
	leaving bool // no stanzas are let in any more
	closing bool // no stream is opened any more
	links   map[dialback.Pair]*link
	waiting int                // bytes, of all links
	wg      sync.WaitGroup     // one for each link that runs
	peers   map[*peer]struct{} // all streams with a connection, in both directions

	bonds bonds
}

// makeFederation returns nil if there is none.
func (s *Server) makeFederation() (*federation, error) {
	if s.cfg.Federation == nil {
		return nil, nil
	}
	f := &federation{srv: s, cfg: *s.cfg.Federation, links: make(map[dialback.Pair]*link), peers: make(map[*peer]struct{})}
	f.setDefaults()
	if err := f.cfg.check(); err != nil {
		return nil, err
	}
	var err error
	if f.allow, err = parseDomainPatterns(f.cfg.Allow); err == nil {
		f.deny, err = parseDomainPatterns(f.cfg.Deny)
	}
	if err != nil {
		return nil, fmt.Errorf("server: Federation: %w", err)
	}
	f.dialing = makeSlots(f.cfg.MaxDialing)
	f.bonds.max = f.cfg.MaxResumable
	return f, nil
}

func (f *federation) setDefaults() {
	c := &f.cfg
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, DefaultConnectTimeout)
	c.DialbackTimeout = cmp.Or(c.DialbackTimeout, DefaultDialbackTimeout)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, DefaultIdleTimeout)
	c.CheckInterval = cmp.Or(c.CheckInterval, DefaultCheckInterval)
	c.RetryDelay = cmp.Or(c.RetryDelay, DefaultRetryDelay)
	c.MaxRetryDelay = cmp.Or(c.MaxRetryDelay, DefaultMaxRetryDelay)
	c.MaxWaiting = cmp.Or(c.MaxWaiting, DefaultMaxWaiting)
	c.MaxAllWaiting = cmp.Or(c.MaxAllWaiting, DefaultMaxAllWaiting)
	c.MaxLinks = cmp.Or(c.MaxLinks, DefaultMaxLinks)
	c.MaxDialing = cmp.Or(c.MaxDialing, DefaultMaxDialing)
	c.ResumeTimeout = cmp.Or(c.ResumeTimeout, DefaultServerResumeTimeout)
	c.MaxResumable = cmp.Or(c.MaxResumable, DefaultMaxServerResumable)
	c.Rate = cmp.Or(c.Rate, DefaultServerRate)
	c.Burst = cmp.Or(c.Burst, DefaultServerBurst)
	c.TLS = cmp.Or(c.TLS, f.srv.cfg.TLS)
	c.Secret = cmp.Or(c.Secret, new(dialback.Secret))
	c.Dialer = cmp.Or(c.Dialer, new(stream.Dialer))
	f.stream = *cmp.Or(c.Stream, &f.srv.cfg.Stream)
	f.stream.Content = stanza.NSServer
}

// check says what is wrong with settings that have their defaults.
func (c *Federation) check() error {
	switch {
	case c.Plaintext && !c.Dialback:
		return errors.New("server: Federation: Plaintext needs Dialback")
	case c.TLS == nil && !c.Plaintext:
		return errors.New("server: Federation needs certificates: TLS is nil")
	case min(c.ConnectTimeout, c.DialbackTimeout, c.CheckInterval, c.RetryDelay, c.MaxRetryDelay) < 0:
		return errors.New("server: Federation: a timeout, interval or delay is negative")
	}
	return nil
}

// isLocal reports whether a domain is one of this server, or of a service in it.
func (f *federation) isLocal(domain jid.JID) bool { return f.srv.isLocal(domain) }

func (s *Server) isLocal(domain jid.JID) bool {
	_, isComponent := s.components.find(domain.Domain())
	return isComponent || s.hosts[domain.Domain()] != nil || s.services.find(domain) != nil
}

// trust returns what is trusted between two domains. The error says that there
// is to be no traffic between them.
func (f *federation) trust(pair dialback.Pair) (Trust, error) {
	t := f.cfg.Trust
	if !pair.Remote.IsZero() {
		allowed := len(f.allow) == 0 || matchesAny(f.allow, pair.Remote)
		if !allowed || matchesAny(f.deny, pair.Remote) {
			return t, &stanza.Error{Condition: stanza.NotAllowed, Type: stanza.Cancel,
				Text: "no communication with this domain is allowed"}
		}
		if f.cfg.Policy != nil {
			if err := f.cfg.Policy(pair, &t); err != nil {
				return t, err
			}
		}
	}
	t.Plaintext = t.Plaintext && t.Dialback
	return t, nil
}

// matchesAny reports whether a domain is one of the list.
func matchesAny(list []domainPattern, domain jid.JID) bool {
	return slices.ContainsFunc(list, func(p domainPattern) bool { return p.matches(domain.Domain()) })
}

// domainPattern is a domain, or all below it.
type domainPattern struct {
	name  string // "" with below: all
	below bool
}

func parseDomainPatterns(list []string) ([]domainPattern, error) {
	var patterns []domainPattern
	for _, s := range list {
		p, err := parseDomainPattern(s)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

func parseDomainPattern(s string) (domainPattern, error) {
	if s == "*" {
		return domainPattern{below: true}, nil
	}
	name, below := strings.CutPrefix(s, "*.")
	j, err := jid.Parse(name)
	if err != nil || !j.IsDomain() {
		return domainPattern{}, fmt.Errorf("%q is not a domain", s)
	}
	return domainPattern{j.Domain(), below}, nil
}

func (p domainPattern) matches(domain string) bool {
	switch {
	case !p.below:
		return domain == p.name
	case p.name == "":
		return true
	}
	return strings.HasSuffix(domain, "."+p.name)
}

// route sends a stanza to another server.
func (f *federation) route(ctx context.Context, st *stanza.Stanza) {
	pair := dialback.Pair{Local: st.From.DomainJID(), Remote: st.To.DomainJID()}
	if !f.isLocal(pair.Local) {
		f.srv.log.Warn("not sent: from is no domain of this server", "from", st.From, "to", st.To)
		return
	}
	for {
		l, err := f.link(pair, isTheirs(ctx, st))
		if err != nil {
			f.srv.bounce(st, err)
			return
		}
		if l.send(ctx, st) {
			return
		}
	}
}

// link returns the link for a pair of domains, which it makes if there is none and
// there is room. For what is theirs, caused by another server, there is half of it:
// whoever claims many domains must not take the room of this server's users.
func (f *federation) link(pair dialback.Pair, theirs bool) (*link, error) {
	most := f.cfg.MaxLinks
	if theirs {
		most -= most / 2
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.links[pair] != nil:
		return f.links[pair], nil
	case f.closing:
		return nil, errClosing
	case full(len(f.links), most):
		return nil, &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "too many other servers"}
	}
	pair = dialback.Pair{Local: pair.Local.Clone(), Remote: pair.Remote.Clone()}
	l := &link{fed: f, pair: pair}
	f.links[pair] = l
	return l, nil
}

func (f *federation) isClosing() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closing
}

// reserve takes room for n bytes that wait, of all that there is.
func (f *federation) reserve(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if full(f.waiting+n-1, f.cfg.MaxAllWaiting) {
		return false
	}
	f.waiting += n
	return true
}

func (f *federation) unreserve(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting -= n
}

// add registers a stream; it fails if the server is closing.
func (f *federation) add(p *peer) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing {
		return false
	}
	f.peers[p] = struct{}{}
	return true
}

func (f *federation) remove(p *peer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.peers, p)
}

// gone closes the streams of a domain that is not served any more.
func (f *federation) gone(domain jid.JID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.peers {
		if p.pair.Local == domain {
			go p.close(&stream.Error{Condition: stream.HostGone})
		}
	}
	for pair, l := range f.links {
		if pair.Local == domain {
			go func() { l.forsake(l.suspended()) }()
		}
	}
	for _, b := range f.bonds.list() {
		if b.peer().pair.Local == domain {
			go b.expire()
		}
	}
}

// endIntake ends the streams on which other servers send stanzas, and lets no more
// be sent. They may still come to verify a key of ours: a last stanza may wait for
// that.
func (f *federation) endIntake(ctx context.Context) error {
	ctx, cancel := f.srv.part(ctx)
	defer cancel()
	f.mu.Lock()
	f.leaving = true
	var wg sync.WaitGroup
	for p := range f.peers {
		if p.link == nil && p.isProven() {
			wg.Go(func() { p.shutdown(ctx, &stream.Error{Condition: stream.SystemShutdown}) })
		}
	}
	f.mu.Unlock()
	f.bonds.close()
	wg.Wait()
	return ctx.Err()
}

// settle waits until nothing waits to be sent. What does when its part of the time is
// over is answered with an error.
func (f *federation) settle(ctx context.Context) {
	ctx, cancel := f.srv.part(ctx)
	defer cancel()
	for _, l := range f.allLinks() {
		select {
		case <-l.wait():
		case <-ctx.Done():
			l.abandon()
		}
	}
}

func (f *federation) isLeaving() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.leaving
}

// shutdown closes every stream that was opened here, when what waits has been sent.
func (f *federation) shutdown(ctx context.Context) {
	f.settle(ctx)
	var wg sync.WaitGroup
	for _, p := range f.stopOpening() {
		wg.Go(func() { p.shutdown(ctx, &stream.Error{Condition: stream.SystemShutdown}) })
	}
	wg.Wait()
}

// close ends everything at once.
func (f *federation) close() {
	for _, p := range f.stopOpening() {
		p.conn.Close()
	}
	f.bonds.close()
	for _, l := range f.allLinks() {
		l.stop()
	}
}

func (f *federation) allLinks() []*link {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Values(f.links))
}

// stopOpening sees to it that no stream begins any more, and returns those that
// were opened here.
func (f *federation) stopOpening() (opened []*peer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closing = true
	for p := range f.peers {
		if p.link != nil {
			opened = append(opened, p)
		}
	}
	return opened
}
