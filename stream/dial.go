package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/jid"
)

// Defaults of a [Dialer].
const (
	DefaultAttemptTimeout = 10 * time.Second
	DefaultFallbackDelay  = 250 * time.Millisecond // RFC 8305 section 5
	DefaultMaxAttempts    = 32
)

// Service is what a [Dialer] connects to.
type Service uint8

// The services of RFC 6120 section 14.7.
const (
	ServiceClient Service = iota // clients: "xmpp-client", port 5222
	ServiceServer                // other servers: "xmpp-server", port 5269
)

// DialMode says which kinds of connection a [Dialer] makes.
type DialMode uint8

const (
	// DialAny takes what the domain offers, direct TLS and STARTTLS, in the
	// order of its SRV records (XEP-0368 section 3). Addr, and a domain without
	// SRV records, are connected to without TLS, for STARTTLS.
	DialAny DialMode = iota

	// DialSTARTTLS connects without TLS, for STARTTLS.
	DialSTARTTLS

	// DialDirectTLS connects with TLS from the first byte. A domain without
	// SRV records is tried on the customary port, 5223 for clients and 5270
	// for servers.
	DialDirectTLS
)

// DialFunc connects to addr, "host:port", where host may be a name. It is what
// [net.Dialer.DialContext] is.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Resolver asks the DNS. [*net.Resolver] is one. It must be safe for concurrent
// use. Names are A-labels (RFC 5890); the name for LookupSRV ends in a dot, so
// that no search domain is put behind it.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Dialer finds and connects to the XMPP server of a domain (RFC 6120 section
// 3.2, XEP-0368). The zero Dialer is ready to use, for clients. A Dialer is
// safe for concurrent use as long as its fields are not changed.
//
// It asks for both SRV records, "_xmpps-client._tcp" and "_xmpp-client._tcp",
// and tries their targets in one common order by priority and weight (RFC
// 2782). The addresses of one target race (RFC 8305), those of the next
// target are tried when all of one have failed. Without any SRV record the
// domain's own address is tried on the default port. There is no such fallback
// if there are records, even if none of their targets could be reached (RFC
// 6120 section 3.2.1 point 8), or if the records say that there is no service.
type Dialer struct {
	// Service is what to connect to: the service for clients, or the one for
	// servers.
	Service Service

	// Mode restricts the kinds of connection.
	Mode DialMode

	// Addr, "host:port" or "host", is where to connect to instead of asking
	// the DNS for SRV records (RFC 6120 section 3.2.3). The certificate is
	// still checked against the domain. [DialDirectTLS] makes it direct TLS.
	Addr string

	// NoSRV goes straight to the domain's own address, without asking for SRV
	// records. With a proxy that resolves names, no name is then asked for
	// locally. Domains in .onion, localhost and IP addresses, which have no
	// SRV records, do not need it.
	NoSRV bool

	// NoOldSRV turns off the question for "_jabber._tcp", the name of
	// draft-miller-xmpp-core-02 section 5.2, which servers ask as the last
	// before the fallback.
	NoOldSRV bool

	// Resolver asks the DNS; nil is [net.DefaultResolver].
	Resolver Resolver

	// DialContext makes the connections; nil is a [net.Dialer]. A proxy goes
	// here: see [ProxyURL]. It is given host names as they are and resolves
	// them itself, as proxies and Tor want it; only SRV records are asked for
	// with Resolver. It must be safe for concurrent use.
	DialContext DialFunc

	// LocalDNS resolves the names with Resolver also if DialContext is set,
	// which then sees IP addresses (and names in .onion) only.
	LocalDNS bool

	// TLSConfig is for direct TLS; nil is the zero config. ServerName, unless
	// set, is the domain, never the SRV target (RFC 6120 section 13.7.2.1).
	// NextProtos, unless set (an empty slice is set), is "xmpp-client" or
	// "xmpp-server" (XEP-0368 section 3).
	TLSConfig *tls.Config

	// AttemptTimeout bounds each step: a DNS lookup, a connection attempt, a
	// TLS handshake. Zero is DefaultAttemptTimeout. If the context has a
	// deadline, each target gets its share of the time, so that a target which
	// does not answer leaves some for the next.
	AttemptTimeout time.Duration

	// FallbackDelay is how long an attempt may be without result before the
	// next address of the same target is tried beside it. Zero is
	// DefaultFallbackDelay.
	FallbackDelay time.Duration

	// MaxAttempts bounds the failures, whatever the DNS says. Zero is
	// DefaultMaxAttempts.
	MaxAttempts int

	// Rand returns a number in [0,n), for the weights; nil is
	// [math/rand/v2.IntN]. It must be safe for concurrent use.
	Rand func(n int) int

	// OnAttempt, if not nil, is told of each failure, and of the attempt that
	// succeeded. Dial waits for it. Attempts that only lost the race against a
	// faster one are not told.
	OnAttempt func(Attempt)
}

var (
	errOnion       = errors.New("a name in .onion is reached through a Tor proxy only, and DialContext is not set")
	errNoAddresses = errors.New("no addresses")
	errTooMany     = errors.New("gave up after MaxAttempts")
)

// Dial connects to the server of domain, a domainpart as in a JID: a name, with
// U-labels or A-labels, or an IP address. The handshake of a direct TLS
// connection is complete when Dial returns; if it fails, the next candidate is
// tried. ctx bounds Dial only, not the connection. The error is a [*DialError].
func (d *Dialer) Dial(ctx context.Context, domain string) (Transport, error) {
	run := &dialing{Dialer: d, report: DialError{Domain: domain}}
	if err := run.init(domain); err != nil {
		return nil, run.fail(err)
	}
	targets, err := run.targets(ctx)
	if err != nil {
		return nil, run.fail(err)
	}
	for i, t := range targets {
		if err := ctx.Err(); err != nil {
			return nil, run.fail(err)
		}
		if run.attemptsLeft() <= 0 {
			return nil, run.fail(errTooMany)
		}
		if tr := run.reach(ctx, t, len(targets)-i); tr != nil {
			return tr, nil
		}
	}
	return nil, run.fail(ctx.Err())
}

// dialing is one call of Dial.
type dialing struct {
	*Dialer
	name   string // the domain with A-labels, or an IP address without brackets
	kind   kind
	tls    *tls.Config
	report DialError
}

// target is a host that may have the service, and what is known of it.
type target struct {
	host   string // a name with A-labels and without final dot, or an IP address
	port   uint16
	direct bool // TLS from the first byte
	source string

	priority, weight uint16
}

func (d *dialing) init(domain string) error {
	if int(d.Service) >= len(kinds) {
		return fmt.Errorf("unknown service %d", d.Service)
	}
	if d.Mode > DialDirectTLS {
		return fmt.Errorf("unknown dial mode %d", d.Mode)
	}
	name, err := asciiHost(domain)
	if err != nil {
		return err
	}
	d.name, d.kind = name, kinds[d.Service]
	d.tls = clientTLS(d.TLSConfig, name)
	if d.tls.NextProtos == nil {
		d.tls.NextProtos = []string{d.kind.plain}
	}
	return nil
}

// clientTLS returns a copy of config (nil: zero) for a connection to the
// service of a domain, direct or after STARTTLS. name is the domain with
// A-labels: the name to check is "the 'to' address it communicates in the
// initial stream header" (RFC 6120 section 13.7.2.1), never the host that the
// DNS gave.
func clientTLS(config *tls.Config, name string) *tls.Config {
	if config == nil {
		config = new(tls.Config)
	}
	config = config.Clone()
	if config.ServerName == "" {
		config.ServerName = name
	}
	return config
}

// reach connects to one target. left is the number of targets left, this one
// included.
func (d *dialing) reach(ctx context.Context, t target, left int) Transport {
	ctx, cancel := share(ctx, left)
	defer cancel()
	addrs := d.addresses(ctx, t)
	for len(addrs) > 0 && ctx.Err() == nil {
		addrs = addrs[:min(len(addrs), max(d.attemptsLeft(), 0))]
		conn, addr, rest := d.race(ctx, t, addrs)
		if conn == nil {
			return nil
		}
		tr, err := d.secure(ctx, conn, t)
		d.record(t, addr, err)
		if err == nil {
			return tr
		}
		addrs = rest
	}
	return nil
}

// minShare is what a target gets of the time at least, if there is as much.
const minShare = 2 * time.Second

// share returns a context that leaves the other targets their part of the time
// until the deadline.
func share(ctx context.Context, left int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || left <= 1 {
		return context.WithCancel(ctx)
	}
	remaining := time.Until(deadline)
	return context.WithTimeout(ctx, max(remaining/time.Duration(left), min(remaining, minShare)))
}

// addresses returns the addresses of a target as DialContext is to see them, in
// the order in which to try them.
func (d *dialing) addresses(ctx context.Context, t target) []string {
	port := strconv.Itoa(int(t.port))
	onion := inZone(t.host, "onion")
	switch {
	case isIP(t.host), d.DialContext != nil && (!d.LocalDNS || onion):
		return []string{net.JoinHostPort(t.host, port)}
	case onion:
		d.record(t, "", errOnion)
		return nil
	}
	ctx, cancel := d.step(ctx)
	defer cancel()
	ips, err := d.resolver().LookupNetIP(ctx, "ip", t.host)
	if err == nil && len(ips) == 0 {
		err = errNoAddresses
	}
	if err != nil {
		d.record(t, "", err)
		return nil
	}
	ips = interleave(ips)
	addrs := make([]string, len(ips))
	for i, ip := range ips {
		addrs[i] = net.JoinHostPort(ip.String(), port)
	}
	return addrs
}

// tunnel hides what a connection is made of: TLS to a proxy is not TLS to the
// server.
type tunnel struct{ net.Conn }

// secure makes a transport of conn, which it closes if that fails.
func (d *dialing) secure(ctx context.Context, conn net.Conn, t target) (Transport, error) {
	if !t.direct {
		if _, ok := conn.(*tls.Conn); ok {
			conn = tunnel{conn}
		}
		return NewTransport(conn), nil
	}
	ctx, cancel := d.step(ctx)
	defer cancel()
	tc := tls.Client(conn, d.tls)
	if err := tc.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, &TLSError{ServerName: d.tls.ServerName, Err: err}
	}
	return NewTransport(tc), nil
}

// record keeps the outcome of an attempt.
func (d *dialing) record(t target, addr string, err error) {
	a := Attempt{Source: t.source, Host: t.host, Addr: addr, DirectTLS: t.direct, Err: err}
	if err != nil {
		d.report.Attempts = append(d.report.Attempts, a)
	}
	if d.OnAttempt != nil {
		d.OnAttempt(a)
	}
}

func (d *dialing) fail(err error) error {
	d.report.Err = err
	return &d.report
}

func (d *dialing) attemptsLeft() int {
	if d.MaxAttempts > 0 {
		return d.MaxAttempts - len(d.report.Attempts)
	}
	return DefaultMaxAttempts - len(d.report.Attempts)
}

// step returns the context for one lookup, attempt or handshake.
func (d *dialing) step(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := d.AttemptTimeout
	if timeout <= 0 {
		timeout = DefaultAttemptTimeout
	}
	return context.WithTimeout(ctx, timeout)
}

func (d *dialing) resolver() Resolver {
	if d.Resolver != nil {
		return d.Resolver
	}
	return net.DefaultResolver
}

// asciiHost returns the domainpart s in the form for DNS, TLS and proxies.
func asciiHost(s string) (string, error) {
	j, err := jid.New("", s, "")
	if err != nil {
		return "", err
	}
	name := j.ASCIIDomain()
	if !isIP(name) && !isHostName(name) {
		return "", fmt.Errorf("%q is not a name for the DNS", name)
	}
	return name, nil
}

// isHostName reports whether s may be asked for in the DNS and written into a
// proxy's protocol. Hosts do exist whose names contain a low line.
func isHostName(s string) bool {
	const others = "-_."
	for i := range len(s) {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z') && !('0' <= s[i] && s[i] <= '9') && strings.IndexByte(others, s[i]) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= 253
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// inZone reports whether name is zone or lies below it.
func inZone(name, zone string) bool {
	rest, ok := strings.CutSuffix(strings.ToLower(name), zone)
	return ok && (rest == "" || strings.HasSuffix(rest, "."))
}
