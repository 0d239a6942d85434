package server_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/stream"
)

// network is a world of servers in this process. It is for use under synctest, or
// not; its certificates are valid at the time it is made.
type network struct {
	t  testing.TB
	ca *authority

	mu      sync.Mutex
	servers map[string]*server.Server
	// wire, if not nil, is given the two ends of each connection that is made,
	// of who calls and of who is called, and may put something in between.
	wire  func(pair dialback.Pair, caller, called net.Conn) (net.Conn, net.Conn)
	dials int
	// quick leaves out the passwords and the log, which cost more than the rest:
	// for tests that make thousands of servers.
	quick bool
}

func newNetwork(t testing.TB) *network {
	return &network{t: t, ca: newAuthority(t), servers: make(map[string]*server.Server)}
}

// add makes a server for a domain, with the accounts juliet and romeo, and a
// certificate of the network's authority, which it trusts.
func (n *network) add(domain string, change func(*server.Config)) *server.Server {
	n.t.Helper()
	accounts := &memory.Accounts{Iterations: 1}
	for name, password := range map[string]string{"juliet": "r0m30", "romeo": "jul13t"} {
		if n.quick {
			break
		}
		if err := accounts.SetPassword(context.Background(), jid.MustParse(name+"@"+domain), password); err != nil {
			n.t.Fatal(err)
		}
	}
	cfg := server.Config{
		Domains: []string{domain}, Accounts: accounts,
		KeepAlive: -1, // clients in tests may be silent for days
		TLS:       &tls.Config{Certificates: []tls.Certificate{n.certificate(domain)}},
		Federation: &server.Federation{
			Trust: server.Trust{Roots: n.ca.pool},
			Dial:  n.dial,
		},
		Log: slog.New(slog.NewTextHandler(n.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if n.quick {
		cfg.Log = nil
	}
	if change != nil {
		change(&cfg)
	}
	s, err := server.New(cfg)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { s.Close() })
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range cfg.Domains {
		n.servers[d] = s
	}
	return s
}

// dial connects to the server of a domain.
func (n *network) dial(ctx context.Context, pair dialback.Pair) (stream.Transport, error) {
	n.mu.Lock()
	s, wire := n.servers[pair.Remote.Domain()], n.wire
	n.dials++
	n.mu.Unlock()
	if s == nil {
		return nil, &net.DNSError{Err: "no such host", Name: pair.Remote.Domain(), IsNotFound: true}
	}
	caller, called := net.Pipe()
	if wire != nil {
		caller, called = wire(pair, caller, called)
	}
	if called != nil {
		go s.ServeS2SConn(context.Background(), called)
	}
	return stream.NewTransport(caller), nil
}

// account is a service at an address, which keeps what comes for it.
type account struct {
	*server.Service
	t    testing.TB
	in   chan *stanza.Stanza
	addr jid.JID
}

func (n *network) account(s *server.Server, addr string) *account {
	n.t.Helper()
	a := &account{t: n.t, in: make(chan *stanza.Stanza, 10_000), addr: jid.MustParse(addr)}
	svc, err := s.Local(a.addr, xmpp.HandlerFunc(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
		a.in <- st
		return nil
	}))
	if err != nil {
		n.t.Fatal(err)
	}
	a.Service = svc
	return a
}

// say sends a message.
func (a *account) say(to *account, body string) {
	a.t.Helper()
	st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage, Type: stanza.TypeChat, To: to.addr, ID: body}, stanza.Raw("<body>"+body+"</body>"))
	if err != nil {
		a.t.Fatal(err)
	}
	if err := a.Send(context.Background(), st); err != nil {
		a.t.Fatal(err)
	}
}

// next returns what has come next.
func (a *account) next() *stanza.Stanza {
	a.t.Helper()
	select {
	case st := <-a.in:
		return st
	case <-time.After(5 * time.Minute): // of synctest's time, or this hangs
		a.t.Fatalf("nothing has come for %s", a.addr)
		return nil
	}
}

// hears expects messages with these ids, in this order.
func (a *account) hears(ids ...string) {
	a.t.Helper()
	for _, id := range ids {
		st := a.next()
		if st.ID != id || st.Type == stanza.TypeError {
			a.t.Fatalf("%s got %s, want %s", a.addr, st.AppendXML(nil, ""), id)
		}
	}
}

// isTold expects errors for stanzas with these ids, in any order.
func (a *account) isTold(c stanza.Condition, ids ...string) {
	a.t.Helper()
	want := make(map[string]bool)
	for _, id := range ids {
		want[id] = true
	}
	for range ids {
		st := a.next()
		e, ok := st.Err().(*stanza.Error)
		if !ok || e.Condition != c || !want[st.ID] {
			a.t.Fatalf("%s got %s, want %s for one of %v", a.addr, st.AppendXML(nil, ""), c, ids)
		}
		delete(want, st.ID)
	}
}

// authority is a certificate authority.
type authority struct {
	pool *x509.CertPool
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a := &authority{pool: x509.NewCertPool(), key: key}
	a.cert = a.sign(t, tmpl, tmpl, key)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) sign(t testing.TB, tmpl, parent *x509.Certificate, key ed25519.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue makes a certificate for domains.
func (a *authority) issue(t testing.TB, domains ...string) tls.Certificate {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: domains[0]}, DNSNames: domains,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw, a.cert.Raw}, PrivateKey: key, Leaf: leaf}
}
