package client

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/internal/session"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// certificate makes a self-signed certificate for a name, and the pool that
// trusts it.
func certificate(t *testing.T, name string) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
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
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

// network is what a Dialer sees: names without SRV records, with one address
// each.
type network struct {
	*testServer
	mu     sync.Mutex
	dialed []string
	asked  []string
	direct bool                           // TLS from the first byte
	fail   func(n int, addr string) error // n counts from 1
}

func (n *network) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, "_"+service+"._"+proto+"."+name)
	return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (n *network) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	return nil, fmt.Errorf("asked for %s", host) // the dial function does it
}

func (n *network) dial(_ context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dialed = append(n.dialed, addr)
	if n.fail != nil {
		if err := n.fail(len(n.dialed), addr); err != nil {
			return nil, err
		}
	}
	near, far := net.Pipe()
	count := int(n.dials.Add(1))
	n.group.Go(func() {
		b := &buffered{Conn: far, writes: make(chan []byte, 1000)}
		n.group.Go(b.write)
		far = b
		if n.direct {
			far = tls.Server(b, n.tls)
			if far.(*tls.Conn).Handshake() != nil {
				far.Close()
				return
			}
		}
		n.serve(count, stream.NewTransport(far))
	})
	return near, nil
}

// buffered is a connection whose writes do not wait for the reader, as those of
// TCP do not: TLS can fail on both sides at once, each in the middle of a
// write, which over a bare pipe would never end.
type buffered struct {
	net.Conn
	writes chan []byte // nil at the end
}

func (b *buffered) Write(p []byte) (int, error) {
	b.writes <- slices.Clone(p)
	return len(p), nil
}

func (b *buffered) write() {
	for p := range b.writes {
		if p == nil {
			b.Conn.Close()
			return
		}
		b.Conn.Write(p)
	}
}

// A deadline for a write has no meaning for what is written later; TLS sets one
// that has passed when it closes.
func (b *buffered) SetWriteDeadline(time.Time) error { return nil }
func (b *buffered) SetDeadline(t time.Time) error    { return b.SetReadDeadline(t) }

func (b *buffered) Close() error {
	b.writes <- nil
	return nil
}

func (n *network) config() Config {
	cfg := n.testServer.config()
	cfg.Dial, cfg.AllowPlaintext = nil, false
	cfg.Dialer = &stream.Dialer{Resolver: n, DialContext: n.dial}
	return cfg
}

// TestTLS: STARTTLS and direct TLS, with the name of the account's domain.
func TestTLS(t *testing.T) {
	for _, direct := range []bool{false, true} {
		t.Run(fmt.Sprintf("direct=%v", direct), func(t *testing.T) {
			bubble(t, func(t *testing.T, ts *testServer) {
				n := &network{testServer: ts, direct: direct}
				var roots *x509.CertPool
				ts.tls, roots = certificate(t, "capulet.lit")
				cfg := n.config()
				cfg.TLS = &tls.Config{RootCAs: roots}
				if direct {
					cfg.Dialer.Mode = stream.DialDirectTLS
					// STARTTLS is not offered a second time.
					n.tls = ts.tls.Clone()
				}
				c := start(t, cfg)
				c.ready()
				p := n.peer()
				if p.conn.TLS() == nil {
					t.Error("no TLS")
				}
				p.cut()
				p = n.peer()
				if cs := p.conn.TLS(); cs == nil || !cs.DidResume {
					t.Error("the TLS session was not resumed")
				}
				c.ready()
				c.stop()
				want := "capulet.lit:5222"
				if direct {
					want = "capulet.lit:5223"
				}
				if !slices.Equal(n.dialed, []string{want, want}) {
					t.Errorf("dialed %v", n.dialed)
				}
			})
		})
	}
}

// TestCertificateRefused: Run ends, and the error names both names.
func TestCertificateRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cert   string
		trust  bool
		direct bool
		want   string
	}{
		{"wrong name", "example.org", true, false, "valid for example.org, not capulet.lit"},
		{"wrong name, direct TLS", "example.org", true, true, "valid for example.org, not capulet.lit"},
		{"not trusted", "capulet.lit", false, false, "unknown authority"},
		{"not trusted, direct TLS", "capulet.lit", false, true, "unknown authority"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ts *testServer) {
				n := &network{testServer: ts, direct: tt.direct}
				var roots *x509.CertPool
				ts.tls, roots = certificate(t, tt.cert)
				cfg := n.config()
				cfg.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
				if tt.trust {
					cfg.TLS.RootCAs = roots
				}
				if tt.direct {
					cfg.Dialer.Mode = stream.DialDirectTLS
				}
				c := start(t, cfg)
				c.wait()
				if !isCertificate(c.err) || !strings.Contains(c.err.Error(), tt.want) || !strings.Contains(c.err.Error(), "capulet.lit") {
					t.Errorf("Run: %v", c.err)
				}
			})
		})
	}
}

// TestDialFails: the log says every address and what came of it.
func TestDialFails(t *testing.T) {
	bubble(t, func(t *testing.T, ts *testServer) {
		var log strings.Builder
		n := &network{testServer: ts, fail: func(n int, _ string) error {
			if n < 3 {
				return errors.New("connection refused")
			}
			return nil
		}}
		cfg := n.config()
		cfg.AllowPlaintext = true
		cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
		c := start(t, cfg)
		c.ready()
		c.stop()
		if got := strings.Count(log.String(), "capulet.lit:5222 (STARTTLS, A/AAAA): connection refused"); got != 2 {
			t.Errorf("log:\n%s", log.String())
		}
	})
}

// TestSeeOtherHost: redirects are followed at once, not for ever, and with the
// same name in header and certificate (RFC 6120, section 4.9.3.19).
func TestSeeOtherHost(t *testing.T) {
	redirect := func(n *network, hosts ...string) {
		n.open = func(i int) error {
			if i <= len(hosts) && hosts[i-1] != "" {
				return &stream.Error{Condition: stream.SeeOtherHost, Host: hosts[i-1]}
			}
			return nil
		}
	}
	for _, tt := range []struct {
		name   string
		hosts  []string
		dialed []string
		delays bool
	}{
		{"port", []string{"other.lit:9222"}, []string{"capulet.lit:5222", "other.lit:9222"}, false},
		{"IPv6", []string{"[2001:41d0:1:a49b::1]:9222"}, []string{"capulet.lit:5222", "[2001:41d0:1:a49b::1]:9222"}, false},
		{"name", []string{"other.lit"}, []string{"capulet.lit:5222", "other.lit:5222"}, false},
		{"own name, another port", []string{"capulet.lit:9222"}, []string{"capulet.lit:5222", "capulet.lit:9222"}, false},
		{"chain", []string{"a.lit", "b.lit:1", "c.lit"}, []string{"capulet.lit:5222", "a.lit:5222", "b.lit:1", "c.lit:5222"}, false},
		{"too many", []string{"a.lit", "b.lit", "c.lit", "d.lit", "e.lit", "f.lit"},
			[]string{"capulet.lit:5222", "a.lit:5222", "b.lit:5222", "c.lit:5222", "d.lit:5222", "e.lit:5222", "capulet.lit:5222"}, true},
		{"nowhere", []string{"gone.lit"}, []string{"capulet.lit:5222", "gone.lit:5222", "capulet.lit:5222"}, true},
		{"not a name", []string{"no host"}, []string{"capulet.lit:5222", "capulet.lit:5222"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, ts *testServer) {
				n := &network{testServer: ts, fail: func(_ int, addr string) error {
					if strings.HasPrefix(addr, "gone.lit") {
						return errors.New("no route to host")
					}
					return nil
				}}
				var roots *x509.CertPool
				ts.tls, roots = certificate(t, "capulet.lit")
				redirect(n, tt.hosts...)
				cfg := n.config()
				cfg.TLS = &tls.Config{RootCAs: roots}
				begin := time.Now()
				c := start(t, cfg)
				p := n.peer()
				if to := p.conn.Received().To.String(); to != "capulet.lit" {
					t.Errorf("header to %s", to)
				}
				if took := time.Since(begin); took > 0 != tt.delays {
					t.Errorf("after %v", took)
				}
				c.ready()
				c.stop()
				if !slices.Equal(n.dialed, tt.dialed) {
					t.Errorf("dialed %v, want %v", n.dialed, tt.dialed)
				}
			})
		})
	}
	t.Run("wrong certificate", func(t *testing.T) {
		bubble(t, func(t *testing.T, ts *testServer) {
			wrong, _ := certificate(t, "other.lit")
			right, roots := certificate(t, "capulet.lit")
			n := &network{testServer: ts}
			n.fail = func(_ int, addr string) error {
				ts.tls = right
				if strings.HasPrefix(addr, "other.lit") {
					ts.tls = wrong
				}
				return nil
			}
			redirect(n, "other.lit")
			cfg := n.config()
			cfg.TLS = &tls.Config{RootCAs: roots}
			c := start(t, cfg)
			c.ready() // not at the other host, but not given up either
			c.stop()
			if want := []string{"capulet.lit:5222", "other.lit:5222", "capulet.lit:5222"}; !slices.Equal(n.dialed, want) {
				t.Errorf("dialed %v", n.dialed)
			}
		})
	})
	t.Run("direct TLS", func(t *testing.T) {
		bubble(t, func(t *testing.T, ts *testServer) {
			n := &network{testServer: ts, direct: true}
			var roots *x509.CertPool
			ts.tls, roots = certificate(t, "capulet.lit")
			redirect(n, "other.lit")
			cfg := n.config()
			cfg.Dialer.Mode = stream.DialDirectTLS
			cfg.TLS = &tls.Config{RootCAs: roots}
			c := start(t, cfg)
			c.ready()
			c.stop()
			if want := []string{"capulet.lit:5223", "other.lit:5223"}; !slices.Equal(n.dialed, want) {
				t.Errorf("dialed %v", n.dialed)
			}
		})
	})
	t.Run("own transport", func(t *testing.T) {
		bubble(t, func(t *testing.T, ts *testServer) {
			n := &network{testServer: ts}
			redirect(n, "other.lit")
			c := start(t, ts.config())
			c.ready() // as after any passing failure
			c.stop()
		})
	})
}

// TestPermanentErrors is the table behind TestPermanent.
func TestPermanentErrors(t *testing.T) {
	cert := &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}}
	refused := errors.New("connection refused")
	dial := func(err error, attempts ...error) error {
		e := &stream.DialError{Domain: "x", Err: err}
		for _, a := range attempts {
			e.Attempts = append(e.Attempts, stream.Attempt{Err: a})
		}
		return e
	}
	remote := func(c stream.Condition) error { return &stream.Error{Condition: c, Remote: true} }
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{refused, false},
		{session.ErrStreamClosed, false},
		{ErrUnresponsive, false},
		{dial(nil, refused), false},
		{dial(nil, refused, cert), false},
		{dial(nil, cert, cert), true},
		{dial(nil), false},
		{dial(stream.ErrNoService), true},
		{dial(context.DeadlineExceeded, cert), false},
		{dial(context.DeadlineExceeded), false},
		{&stream.TLSError{ServerName: "x", Err: cert}, true},
		{&stream.TLSError{ServerName: "x", Err: refused}, false},
		{remote(stream.Conflict), true},
		{remote(stream.SeeOtherHost), false},
		{remote(stream.UndefinedCondition), false},
		{&stream.Error{Condition: stream.InvalidNamespace}, false}, // found here
		{&stream.NegotiationError{}, true},
		{&sasl.Failure{Condition: sasl.NotAuthorized}, true},
		{&sasl.Failure{Condition: sasl.CredentialsExpired}, true},
		{&sasl.Failure{Condition: "strange"}, true},
		{&sasl.Failure{Condition: sasl.TemporaryAuthFailure}, false},
		{sasl.ErrServerNotVerified, true},
		{sasl.ErrDowngrade, true},
		{&stanza.Error{Condition: stanza.NotAllowed, Type: stanza.Cancel}, true},
		{&stanza.Error{Condition: stanza.NotAllowed, Type: stanza.Wait}, false},
		{&stanza.Error{Condition: stanza.ResourceConstraint, Type: stanza.Modify}, false},
	} {
		err := error(&ConnectError{Domain: "x", Err: fmt.Errorf("wrapped: %w", tt.err)})
		if got := permanent(err); got != tt.want {
			t.Errorf("%v: %v", tt.err, got)
		}
	}
}
