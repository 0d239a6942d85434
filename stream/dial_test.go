package stream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// dialCert makes a certificate for names, and the pool in which it is trusted.
func dialCert(t testing.TB, names ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: names, BasicConstraintsValid: true, IsCA: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// listen serves each connection to a loopback port, and ends with the test.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return ln.Addr().String()
}

// greet is a server that says one line.
func greet(conn net.Conn) { io.WriteString(conn, "hello\n") }

// greetTLS is the same over TLS, and tells what the client hello had.
func greetTLS(cert tls.Certificate, hellos chan<- *tls.ClientHelloInfo) func(net.Conn) {
	config := &tls.Config{
		Certificates: []tls.Certificate{cert}, NextProtos: []string{"xmpp-client", "xmpp-server"},
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			if hellos != nil {
				hellos <- h
			}
			return nil, nil
		},
	}
	return func(conn net.Conn) {
		tc := tls.Server(conn, config)
		if tc.Handshake() == nil {
			greet(tc)
			tc.Close()
		}
	}
}

func readGreeting(t *testing.T, tr Transport) {
	t.Helper()
	defer tr.Close()
	tr.SetReadDeadline(time.Now().Add(10 * time.Second))
	b, err := io.ReadAll(io.LimitReader(tr, 6))
	if string(b) != "hello\n" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
}

func srvTo(t *testing.T, addr, target string, priority uint16) []*net.SRV {
	t.Helper()
	return []*net.SRV{{Target: target, Port: netip.MustParseAddrPort(addr).Port(), Priority: priority}}
}

// TestDialDirectTLS checks the rules of XEP-0368 section 3, on real sockets.
func TestDialDirectTLS(t *testing.T) {
	cert, pool := dialCert(t, "xn--bcher-kva.example")
	tests := []struct {
		name     string
		service  Service
		srv      string
		config   *tls.Config
		protos   []string
		protocol string
		sni      string
	}{
		{"client", ServiceClient, "_xmpps-client", &tls.Config{RootCAs: pool}, []string{"xmpp-client"}, "xmpp-client", "xn--bcher-kva.example"},
		{"server", ServiceServer, "_xmpps-server", &tls.Config{RootCAs: pool}, []string{"xmpp-server"}, "xmpp-server", "xn--bcher-kva.example"},
		{"without ALPN", ServiceClient, "_xmpps-client", &tls.Config{RootCAs: pool, NextProtos: []string{}}, nil, "", "xn--bcher-kva.example"},
		{"own server name", ServiceClient, "_xmpps-client", &tls.Config{InsecureSkipVerify: true, ServerName: "own.example"}, []string{"xmpp-client"}, "xmpp-client", "own.example"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hellos := make(chan *tls.ClientHelloInfo, 1)
			addr := listen(t, greetTLS(cert, hellos))
			before := tt.config.Clone()
			d := &Dialer{Service: tt.service, TLSConfig: tt.config, Resolver: &fakeDNS{
				srv: map[string][]*net.SRV{tt.srv + "._tcp.xn--bcher-kva.example.": srvTo(t, addr, "host.example.net.", 0)},
				ips: map[string][]netip.Addr{"host.example.net": ips("127.0.0.1")},
			}}
			tr, err := d.Dial(t.Context(), "bücher.example")
			if err != nil {
				t.Fatal(err)
			}
			state := tr.TLS()
			if state == nil || !state.HandshakeComplete || state.NegotiatedProtocol != tt.protocol {
				t.Errorf("TLS state %+v, want a complete handshake and protocol %q", state, tt.protocol)
			}
			hello := <-hellos
			if hello.ServerName != tt.sni || !slices.Equal(hello.SupportedProtos, tt.protos) {
				t.Errorf("client hello for %q with %q, want %q with %q", hello.ServerName, hello.SupportedProtos, tt.sni, tt.protos)
			}
			if tt.config.ServerName != before.ServerName || !slices.Equal(tt.config.NextProtos, before.NextProtos) {
				t.Error("Dial has changed the user's TLSConfig")
			}
			readGreeting(t, tr)
		})
	}
}

// TestDialNextCandidate has a first candidate with a certificate for somebody
// else: for the SRV target, which is no excuse.
func TestDialNextCandidate(t *testing.T) {
	wrong, pool := dialCert(t, "host.example.net", "*.cdn.example")
	bad := listen(t, greetTLS(wrong, nil))
	good := listen(t, greet)
	dns := &fakeDNS{
		srv: map[string][]*net.SRV{
			"_xmpps-client._tcp.example.com.": srvTo(t, bad, "host.example.net.", 1),
			"_xmpp-client._tcp.example.com.":  srvTo(t, good, "host.example.net.", 2),
		},
		ips: map[string][]netip.Addr{"host.example.net": ips("127.0.0.1")},
	}
	var told []Attempt
	d := &Dialer{Resolver: dns, TLSConfig: &tls.Config{RootCAs: pool}, OnAttempt: func(a Attempt) { told = append(told, a) }}

	t.Run("the next is taken", func(t *testing.T) {
		tr, err := d.Dial(t.Context(), "example.com")
		if err != nil {
			t.Fatal(err)
		}
		if tr.TLS() != nil {
			t.Error("TLS on a connection for STARTTLS")
		}
		readGreeting(t, tr)
		if len(told) != 2 || told[0].Err == nil || told[1].Err != nil || told[0].Addr != bad || told[1].Addr != good {
			t.Errorf("OnAttempt was told %v", told)
		}
	})
	t.Run("the error has the names", func(t *testing.T) {
		d := &Dialer{Resolver: dns, TLSConfig: d.TLSConfig, Mode: DialDirectTLS}
		_, err := d.Dial(t.Context(), "example.com")
		want := "stream: no connection to example.com: " + bad +
			" (host.example.net, direct TLS, _xmpps-client._tcp.example.com): TLS to example.com: tls: failed to verify certificate:" +
			" x509: certificate is valid for host.example.net, *.cdn.example, not example.com"
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		var name x509.HostnameError
		if !errors.As(err, &name) || name.Host != "example.com" {
			t.Errorf("no x509.HostnameError for example.com in %#v", err)
		}
	})
}

// TestDialTLSOtherAddress has a broken first address behind a target, which
// must not keep Dial from the second.
func TestDialTLSOtherAddress(t *testing.T) {
	cert, pool := dialCert(t, "example.com")
	good := listen(t, greetTLS(cert, nil))
	bad := listen(t, func(net.Conn) {}) // accepts and closes
	var dialer net.Dialer
	d := &Dialer{
		Addr: "host.example.net:443", Mode: DialDirectTLS, LocalDNS: true, TLSConfig: &tls.Config{RootCAs: pool},
		Resolver: &fakeDNS{ips: map[string][]netip.Addr{"host.example.net": ips("192.0.2.1", "192.0.2.2")}},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, map[string]string{"192.0.2.1:443": bad, "192.0.2.2:443": good}[addr])
		},
	}
	tr, err := d.Dial(t.Context(), "example.com")
	if err != nil {
		t.Fatal(err)
	}
	readGreeting(t, tr)
}

// TestDialZero uses what a zero Dialer uses.
func TestDialZero(t *testing.T) {
	addr := listen(t, greet)
	var d Dialer
	d.Addr = addr
	tr, err := d.Dial(t.Context(), "example.com")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := tr.(*netTransport).Conn.(*net.TCPConn); !ok {
		t.Errorf("the transport is over a %T", tr.(*netTransport).Conn)
	}
	readGreeting(t, tr)

	d.Addr = strings.Replace(addr, "127.0.0.1", "localhost", 1)
	if tr, err = d.Dial(t.Context(), "example.com"); err != nil {
		t.Fatal(err)
	}
	readGreeting(t, tr)
}

// TestDialNames checks what DialContext is given.
func TestDialNames(t *testing.T) {
	dns := func() *fakeDNS {
		return &fakeDNS{
			srv: map[string][]*net.SRV{
				"_xmpp-client._tcp.example.com.": {{Target: "a.example.net.", Port: 5222}},
				"_xmpp-client._tcp.tor.example.": {{Target: "hidden.onion.", Port: 5222}},
			},
			ips: map[string][]netip.Addr{"a.example.net": ips("192.0.2.1", "2001:db8::1")},
		}
	}
	tests := []struct {
		name   string
		domain string
		dialer Dialer
		want   []string // addresses; every attempt fails
		asked  int
	}{
		{"the proxy resolves", "example.com", Dialer{}, []string{"a.example.net:5222"}, 2},
		{"no question at all", "example.com", Dialer{NoSRV: true}, []string{"example.com:5222"}, 0},
		{"names resolved here", "example.com", Dialer{LocalDNS: true}, []string{"192.0.2.1:5222", "[2001:db8::1]:5222"}, 3},
		{"onion", "abc.onion", Dialer{}, []string{"abc.onion:5222"}, 0},
		{"onion, in spite of LocalDNS", "abc.onion", Dialer{LocalDNS: true}, []string{"abc.onion:5222"}, 0},
		{"onion behind SRV", "tor.example", Dialer{LocalDNS: true}, []string{"hidden.onion:5222"}, 2},
		{"IPv6 literal", "[2001:db8::9]", Dialer{}, []string{"[2001:db8::9]:5222"}, 0},
		{"IPv6 in Addr", "example.com", Dialer{Addr: "[2001:db8::9]:7"}, []string{"[2001:db8::9]:7"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			resolver, refused := dns(), errors.New("refused")
			tt.dialer.Resolver = resolver
			tt.dialer.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if network != "tcp" {
					t.Errorf("network %q", network)
				}
				got = append(got, addr) // one at a time: each fails before the next
				return nil, refused
			}
			_, err := tt.dialer.Dial(t.Context(), tt.domain)
			if !errors.Is(err, refused) {
				t.Errorf("error %v", err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("connected to %q, want %q", got, tt.want)
			}
			if asked := resolver.questions(); len(asked) != tt.asked {
				t.Errorf("asked for %q, want %d questions", asked, tt.asked)
			}
		})
	}
}

// TestDialOpaqueTLS: TLS that DialContext brings is not the stream's.
func TestDialOpaqueTLS(t *testing.T) {
	cert, pool := dialCert(t, "proxy.example")
	addr := listen(t, greetTLS(cert, nil))
	d := &Dialer{Addr: "host.example:5222", DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: "proxy.example"}}).DialContext(ctx, network, addr)
	}}
	tr, err := d.Dial(t.Context(), "example.com")
	if err != nil {
		t.Fatal(err)
	}
	if tr.TLS() != nil {
		t.Error("TLS to a proxy was taken for TLS to the server")
	}
	readGreeting(t, tr)
}

func TestDialErrors(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:5223")), Err: errors.New("connect: connection refused")}
	dns := &fakeDNS{
		srv: map[string][]*net.SRV{
			"_xmpps-client._tcp.example.com.":   {{Target: "a.example.net.", Port: 5223, Priority: 1}},
			"_xmpp-client._tcp.example.com.":    {{Target: "b.example.net.", Port: 5222, Priority: 2}, {Target: "gone.example.net.", Port: 5222, Priority: 3}, {Target: "empty.example.net.", Port: 5222, Priority: 4}, {Target: "x.onion.", Port: 5222, Priority: 5}},
			"_xmpp-client._tcp.closed.example.": {{Target: "."}},
		},
		ips: map[string][]netip.Addr{
			"a.example.net": ips("192.0.2.1", "2001:db8::1"), "b.example.net": ips("192.0.2.1"), "empty.example.net": nil,
			"many.example": ips("192.0.2.1", "192.0.2.2", "192.0.2.3"),
		},
		errs: map[string]error{
			"_xmpps-client._tcp.down.example.": &net.DNSError{Err: "server misbehaving", Name: "x", Server: "192.0.2.53:53"},
			"_xmpp-client._tcp.down.example.":  &net.DNSError{Err: "i/o timeout", Name: "x", IsTimeout: true},
		},
	}
	tests := []struct {
		name   string
		domain string
		change func(*Dialer)
		text   string
		is     error
	}{
		{"everything that was tried", "example.com", func(d *Dialer) {}, "stream: no connection to example.com" +
			": 192.0.2.1:5223 (a.example.net, direct TLS, _xmpps-client._tcp.example.com): connect: connection refused" +
			"; [2001:db8::1]:5223 (a.example.net, direct TLS, _xmpps-client._tcp.example.com): dial tcp 192.0.2.1:5223: connect: connection refused" +
			"; 192.0.2.1:5222 (b.example.net, STARTTLS, _xmpp-client._tcp.example.com): dial tcp 192.0.2.1:5223: connect: connection refused" +
			"; lookup of gone.example.net (_xmpp-client._tcp.example.com): no such host" +
			"; lookup of empty.example.net (_xmpp-client._tcp.example.com): no addresses" +
			"; x.onion:5222 (STARTTLS, _xmpp-client._tcp.example.com): dial tcp 192.0.2.1:5223: connect: connection refused", refused},
		{"a DNS that does not answer", "down.example", func(d *Dialer) {}, "stream: no connection to down.example" +
			": lookup of _xmpps-client._tcp.down.example: server misbehaving (asked 192.0.2.53:53)" +
			"; lookup of _xmpp-client._tcp.down.example: i/o timeout" +
			"; lookup of down.example (A/AAAA): no such host", nil},
		{"not offered", "closed.example", func(d *Dialer) {}, "stream: no connection to closed.example: the domain says that it does not offer the service", ErrNoService},
		{"unknown domain", "nowhere.example", func(d *Dialer) {}, "stream: no connection to nowhere.example: lookup of nowhere.example (A/AAAA): no such host", nil},
		{"onion without proxy", "abc.onion", func(d *Dialer) { d.DialContext = nil }, "stream: no connection to abc.onion: lookup of abc.onion (A/AAAA):" +
			" a name in .onion is reached through a Tor proxy only, and DialContext is not set", errOnion},
		{"MaxAttempts within a target", "many.example", func(d *Dialer) { d.MaxAttempts = 2 }, "stream: no connection to many.example" +
			": 192.0.2.1:5222 (many.example, STARTTLS, A/AAAA): dial tcp 192.0.2.1:5223: connect: connection refused" +
			"; 192.0.2.2:5222 (many.example, STARTTLS, A/AAAA): dial tcp 192.0.2.1:5223: connect: connection refused", nil},
		{"MaxAttempts between targets", "example.com", func(d *Dialer) { d.MaxAttempts = 1 }, "stream: no connection to example.com: gave up after MaxAttempts" +
			"; 192.0.2.1:5223 (a.example.net, direct TLS, _xmpps-client._tcp.example.com): connect: connection refused", errTooMany},
		{"Addr", "example.com", func(d *Dialer) { d.Addr = "a.example.net:5223" }, "stream: no connection to example.com" +
			": 192.0.2.1:5223 (a.example.net, STARTTLS, Addr): connect: connection refused" +
			"; [2001:db8::1]:5223 (a.example.net, STARTTLS, Addr): dial tcp 192.0.2.1:5223: connect: connection refused", refused},
		{"invalid domain", "a..b", func(d *Dialer) {}, `stream: no connection to a..b: jid: domainpart "a..b" has an invalid label: empty label`, nil},
		{"domain too long for the DNS", strings.Repeat("abcdefg.", 40) + "example", func(d *Dialer) {},
			"stream: no connection to " + strings.Repeat("abcdefg.", 40) + `example: "` + strings.Repeat("abcdefg.", 40) + `example" is not a name for the DNS`, nil},
		{"invalid port", "example.com", func(d *Dialer) { d.Addr = "host:65536" }, `stream: no connection to example.com: invalid port in "host:65536"`, nil},
		{"no port", "example.com", func(d *Dialer) { d.Addr = "host:" }, `stream: no connection to example.com: invalid port in "host:"`, nil},
		{"port 0", "example.com", func(d *Dialer) { d.Addr = "host:0" }, `stream: no connection to example.com: invalid port in "host:0"`, nil},
		{"unknown service", "example.com", func(d *Dialer) { d.Service = 9 }, "stream: no connection to example.com: unknown service 9", nil},
		{"unknown mode", "example.com", func(d *Dialer) { d.Mode = 9 }, "stream: no connection to example.com: unknown dial mode 9", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &Dialer{Resolver: dns, LocalDNS: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, refused }}
			tt.change(d)
			tr, err := d.Dial(t.Context(), tt.domain)
			var dialErr *DialError
			if tr != nil || !errors.As(err, &dialErr) || dialErr.Domain != tt.domain {
				t.Fatalf("got %v, %#v", tr, err)
			}
			if err.Error() != tt.text {
				t.Errorf("got  %s\nwant %s", err, tt.text)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("errors.Is does not find %v", tt.is)
			}
		})
	}
}

func TestAttemptString(t *testing.T) {
	for want, a := range map[string]Attempt{
		"192.0.2.1:5222 (STARTTLS, Addr): connected":                  {Source: "Addr", Host: "192.0.2.1", Addr: "192.0.2.1:5222"},
		"192.0.2.1:5222 (a.example, direct TLS, A/AAAA): i/o timeout": {Source: "A/AAAA", Host: "a.example", Addr: "192.0.2.1:5222", DirectTLS: true, Err: errors.New("i/o timeout")},
		"a.example:5222 (STARTTLS, A/AAAA): dial tcp: lookup proxy.example: no such host": {Source: "A/AAAA", Host: "a.example", Addr: "a.example:5222",
			Err: &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "proxy.example"}}},
	} {
		if got := a.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// network is a simulated network: what each address does.
type network struct {
	connects map[string]time.Duration // after how long a connection is made
	refuses  map[string]time.Duration // after how long one is refused

	mu    sync.Mutex
	start time.Time
	log   []string // attempts, "250ms 192.0.2.1:5222"
	open  map[string]int
}

func newNetwork() *network {
	return &network{connects: map[string]time.Duration{}, refuses: map[string]time.Duration{}, start: time.Now(), open: map[string]int{}}
}

var errRefused = errors.New("connection refused")

// dial is a DialFunc. An address that is not known never answers.
func (n *network) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	n.log = append(n.log, fmt.Sprint(time.Since(n.start), " ", addr))
	n.mu.Unlock()
	if after, ok := n.refuses[addr]; ok {
		select {
		case <-time.After(after):
			return nil, errRefused
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	after, ok := n.connects[addr]
	if !ok {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	// A connection that is being made is made, even if nobody wants it any more.
	<-time.After(after)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open[addr]++
	return &simConn{n: n, addr: addr}, nil
}

type simConn struct {
	net.Conn
	n    *network
	addr string
}

func (c *simConn) Close() error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.n.open[c.addr]--
	return nil
}

// TestDialRace runs the clock of RFC 8305.
func TestDialRace(t *testing.T) {
	const a, b, c = "192.0.2.1:5222", "[2001:db8::1]:5222", "192.0.2.2:5222"
	ms := time.Millisecond
	tests := []struct {
		name    string
		net     func(*network)
		dialer  Dialer
		timeout time.Duration // of the context
		log     []string
		winner  string // empty: an error
		took    time.Duration
		is      error
	}{
		{name: "the first answers in time", net: func(n *network) { n.connects[a] = 249 * ms },
			log: []string{"0s " + a}, winner: a, took: 249 * ms},
		{name: "a slow first wins in the end", net: func(n *network) { n.connects[a] = 400 * ms },
			log: []string{"0s " + a, "250ms " + b}, winner: a, took: 400 * ms},
		{name: "the second overtakes", net: func(n *network) { n.connects[a], n.connects[b] = 400*ms, 10*ms },
			log: []string{"0s " + a, "250ms " + b}, winner: b, took: 260 * ms},
		{name: "a refusal starts the next at once", net: func(n *network) { n.refuses[a], n.connects[b] = 20*ms, 30*ms },
			log: []string{"0s " + a, "20ms " + b}, winner: b, took: 50 * ms},
		{name: "the delay counts from the last start", net: func(n *network) { n.refuses[a], n.connects[c] = 20*ms, 0 },
			log: []string{"0s " + a, "20ms " + b, "270ms " + c}, winner: c, took: 270 * ms},
		{name: "own delay", dialer: Dialer{FallbackDelay: 100 * ms}, net: func(n *network) { n.connects[c] = 0 },
			log: []string{"0s " + a, "100ms " + b, "200ms " + c}, winner: c, took: 200 * ms},
		{name: "all silent", net: func(n *network) {},
			log: []string{"0s " + a, "250ms " + b, "500ms " + c}, took: 10*time.Second + 500*ms, is: context.DeadlineExceeded},
		{name: "own timeout", dialer: Dialer{AttemptTimeout: 300 * ms}, net: func(n *network) {},
			log: []string{"0s " + a, "250ms " + b, "300ms " + c}, took: 600 * ms, is: context.DeadlineExceeded},
		{name: "all refuse", net: func(n *network) { n.refuses[a], n.refuses[b], n.refuses[c] = 0, 0, 0 },
			log: []string{"0s " + a, "0s " + b, "0s " + c}, is: errRefused},
		{name: "the context ends", timeout: 300 * ms, net: func(n *network) {},
			log: []string{"0s " + a, "250ms " + b}, took: 300 * ms, is: context.DeadlineExceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork()
				tt.net(n)
				d := tt.dialer
				d.DialContext, d.LocalDNS, d.NoSRV = n.dial, true, true
				d.Resolver = &fakeDNS{ips: map[string][]netip.Addr{"example.com": ips("192.0.2.1", "192.0.2.2", "2001:db8::1")}}
				ctx := t.Context()
				if tt.timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.timeout)
					defer cancel()
				}
				tr, err := d.Dial(ctx, "example.com")
				if took := time.Since(n.start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if !slices.Equal(n.log, tt.log) {
					t.Errorf("attempts %q, want %q", n.log, tt.log)
				}
				if !errors.Is(err, tt.is) {
					t.Errorf("error %v, want %v", err, tt.is)
				}
				if tt.winner == "" {
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				// Connections that came too late are closed, the winner is not.
				<-time.After(time.Minute)
				synctest.Wait()
				for addr, open := range n.open {
					if want := map[bool]int{true: 1}[addr == tt.winner]; open != want {
						t.Errorf("%d open connections to %s, want %d", open, addr, want)
					}
				}
				tr.Close()
			})
		})
	}
}

// TestDialShare has a silent first target, which must leave time for the second.
func TestDialShare(t *testing.T) {
	// The second target takes a moment, so that it cannot connect at the very
	// end of the time.
	const delay = time.Millisecond
	tests := []struct {
		timeout, took time.Duration
		ok            bool
	}{
		{0, 10*time.Second + delay, true}, // AttemptTimeout
		{30 * time.Second, 10*time.Second + delay, true},
		{8 * time.Second, 4*time.Second + delay, true},
		{3 * time.Second, 2*time.Second + delay, true},
		{time.Second, time.Second, false},
	}
	for _, tt := range tests {
		t.Run(tt.timeout.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork()
				n.connects["192.0.2.2:5222"] = delay
				d := &Dialer{DialContext: n.dial, LocalDNS: true, Resolver: &fakeDNS{
					srv: map[string][]*net.SRV{"_xmpp-client._tcp.example.com.": {{Target: "a.", Port: 5222}, {Target: "b.", Port: 5222, Priority: 1}}},
					ips: map[string][]netip.Addr{"a": ips("192.0.2.1"), "b": ips("192.0.2.2")},
				}}
				ctx := t.Context()
				if tt.timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.timeout)
					defer cancel()
				}
				tr, err := d.Dial(ctx, "example.com")
				if took := time.Since(n.start); took != tt.took || (err == nil) != tt.ok {
					t.Errorf("took %v, error %v; want %v, success %v", took, err, tt.took, tt.ok)
				}
				if tr != nil {
					tr.Close()
				}
				time.Sleep(delay) // for a connection that was begun at the very end
			})
		})
	}
}

// TestDialSilentTLS has a server that accepts connections and says nothing.
func TestDialSilentTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var servers []net.Conn
		d := &Dialer{Addr: "192.0.2.1", Mode: DialDirectTLS, DialContext: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			servers = append(servers, server)
			return client, nil
		}}
		_, err := d.Dial(t.Context(), "example.com")
		if took := time.Since(start); took != DefaultAttemptTimeout || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("took %v: %v", took, err)
		}
		for _, s := range servers {
			if _, err := io.Copy(io.Discard, s); err != nil { // ends if Dial has closed its side
				t.Error(err)
			}
			s.Close()
		}
	})
}

// TestDialCancel cancels in each phase; Dial returns at once and leaves nothing.
func TestDialCancel(t *testing.T) {
	never := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for name, d := range map[string]*Dialer{
		"SRV lookup":     {Resolver: silentDNS{}},
		"address lookup": {Resolver: silentDNS{}, NoSRV: true},
		"connection":     {DialContext: never, NoSRV: true},
		"TLS handshake": {NoSRV: true, Mode: DialDirectTLS, DialContext: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() { io.Copy(io.Discard, server); server.Close() }()
			return client, nil
		}},
		"a dial function that does not listen": {NoSRV: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
			<-time.After(time.Minute)
			return nil, errRefused
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				_, err := d.Dial(ctx, "example.com")
				if took := time.Since(start); took != time.Second || !errors.Is(err, context.Canceled) {
					t.Errorf("after %v: %v", took, err)
				}
				var dialErr *DialError
				if !errors.As(err, &dialErr) || dialErr.Err != context.Canceled {
					t.Errorf("Err is not the context's in %#v", err)
				}
				<-time.After(time.Hour) // whatever still runs must end by itself
			})
		})
	}
}

// silentDNS never answers.
type silentDNS struct{}

func (silentDNS) LookupSRV(ctx context.Context, _, _, _ string) (string, []*net.SRV, error) {
	<-ctx.Done()
	return "", nil, ctx.Err()
}

func (silentDNS) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestDialConcurrent uses one Dialer from many goroutines.
func TestDialConcurrent(t *testing.T) {
	addr := listen(t, greet)
	d := &Dialer{Resolver: &fakeDNS{
		srv: map[string][]*net.SRV{"_xmpp-client._tcp.example.com.": srvTo(t, addr, "a.", 0)},
		ips: map[string][]netip.Addr{"a": ips("127.0.0.1")},
	}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			tr, err := d.Dial(t.Context(), "example.com")
			if err != nil {
				t.Error(err)
				return
			}
			readGreeting(t, tr)
		})
	}
	wg.Wait()
}
