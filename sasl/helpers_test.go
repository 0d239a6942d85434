package sasl

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// accounts is a store with every kind of secret, which counts what it is asked.
type accounts struct {
	passwords  map[string]string
	iterations int
	mu         sync.Mutex
	keys       map[string]SCRAMKeys
	asked      map[string]int
	fault      error // returned in place of anything
}

func newAccounts() *accounts {
	return &accounts{
		passwords:  map[string]string{"juliet": "r0m30myr0m30", "zoë": "pässwörd½"},
		iterations: 4096,
		keys:       map[string]SCRAMKeys{},
		asked:      map[string]int{},
	}
}

func (a *accounts) count(what string) (password func(string) (string, error)) {
	a.mu.Lock()
	a.asked[what]++
	a.mu.Unlock()
	return func(user string) (string, error) {
		if a.fault != nil {
			return "", a.fault
		}
		p, ok := a.passwords[user]
		if !ok {
			return "", fmt.Errorf("%w: %s", ErrUnknownUser, user)
		}
		return p, nil
	}
}

func (a *accounts) scram(_ context.Context, user string, h crypto.Hash) (SCRAMKeys, error) {
	p, err := a.count("scram " + h.String())(user)
	if err != nil {
		return SCRAMKeys{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	id := user + h.String()
	if _, ok := a.keys[id]; !ok {
		k, err := NewSCRAMKeys(h, p, a.iterations)
		if err != nil {
			return SCRAMKeys{}, err
		}
		a.keys[id] = k
	}
	return a.keys[id], nil
}

func (a *accounts) ha1(_ context.Context, user, realm string) ([16]byte, error) {
	p, err := a.count("ha1")(user)
	return DigestHA1(user, realm, p), err
}

func (a *accounts) verify(_ context.Context, user, password string) error {
	p, err := a.count("verify")(user)
	if err == nil && p != password {
		return NotAuthorized
	}
	return err
}

func (a *accounts) token(_ context.Context, authzid, token string) (string, error) {
	switch token {
	case "good.token":
		return "juliet", nil
	case "narrow.token":
		return "", &TokenError{Status: "insufficient_scope", Scope: "xmpp", OpenIDConfiguration: "https://example.org/.well-known/openid-configuration"}
	case "broken.store":
		return "", errors.New("database is away")
	}
	return "", ErrUnknownUser
}

func (a *accounts) external(_ context.Context, authzid string, state *tls.ConnectionState) (string, error) {
	if len(state.PeerCertificates) == 0 {
		return "", NotAuthorized
	}
	return state.PeerCertificates[0].Subject.CommonName, nil
}

func (a *accounts) credentials() Credentials {
	return Credentials{
		SCRAM: a.scram, HA1: a.ha1, Verify: a.verify, Token: a.token, External: a.external,
		Anonymous: func(_ context.Context, trace string) (string, error) { return "guest", nil },
	}
}

var allHashes = []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA512}

func (a *accounts) server() ServerConfig {
	return ServerConfig{
		Credentials: a.credentials(), Host: "example.org", AllowPlaintext: true,
		Hashes: allHashes, Iterations: 4096, Secret: []byte("0123456789abcdef"),
	}
}

// trace is what went over the wire.
type trace struct {
	sent [][]byte // by the client, initial response first
	got  [][]byte // by the server, additional data last
}

// converse runs a whole exchange as a stream would. The errors are those of the
// client and the server; at most one side fails by itself.
func converse(c Client, s Server) (tr trace, clientErr, serverErr error) {
	msg, err := c.Start()
	if err != nil {
		return tr, err, nil
	}
	for range 10 {
		tr.sent = append(tr.sent, msg)
		challenge, done, err := s.Next(context.Background(), msg)
		if err != nil {
			return tr, nil, err
		}
		tr.got = append(tr.got, challenge)
		if done {
			return tr, c.Finish(challenge), nil
		}
		if challenge == nil {
			return tr, nil, errors.New("nil challenge without done")
		}
		if msg, err = c.Next(challenge); err != nil {
			return tr, err, nil
		}
	}
	return tr, nil, errors.New("endless exchange")
}

func mustServer(t *testing.T, name string, cfg ServerConfig) Server {
	t.Helper()
	s, err := NewServer(name, cfg)
	if err != nil {
		t.Fatalf("NewServer(%s): %v", name, err)
	}
	return s
}

func mustClient(t *testing.T, name string, cfg ClientConfig) Client {
	t.Helper()
	c, err := NewClient(name, cfg)
	if err != nil {
		t.Fatalf("NewClient(%s): %v", name, err)
	}
	return c
}

// wantCondition checks that err is a Failure with a condition.
func wantCondition(t *testing.T, err error, want Condition) {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) {
		t.Fatalf("error is %v (%T), want a *Failure", err, err)
	}
	if f.Condition != want {
		t.Errorf("condition %s (%v), want %s", f.Condition, err, want)
	}
}

// certificates for the TLS tests.
func selfSigned(t testing.TB, name string, key crypto.Signer, alg x509.SignatureAlgorithm) tls.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), SignatureAlgorithm: alg,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func ecdsaKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ed25519Key(t testing.TB) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// channel is both ends' view of one TLS connection.
type channel struct {
	client, server tls.ConnectionState
	cert           tls.Certificate
}

// newChannel makes a real TLS connection over a pipe.
func newChannel(t testing.TB, version uint16, cert tls.Certificate) *channel {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	client := tls.Client(a, &tls.Config{
		RootCAs: pool, ServerName: "example.org", MinVersion: version, MaxVersion: version,
		Certificates: []tls.Certificate{selfSigned(t, "juliet", ecdsaKey(t), 0)},
	})
	server := tls.Server(b, &tls.Config{
		Certificates: []tls.Certificate{cert}, MinVersion: version, MaxVersion: version,
		ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true,
	})
	result := make(chan error, 1)
	go func() { result <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatalf("client handshake: %v", err)
	}
	if err := <-result; err != nil {
		t.Fatalf("server handshake: %v", err)
	}
	return &channel{client.ConnectionState(), server.ConnectionState(), cert}
}

func exampleChannel(t testing.TB, version uint16) *channel {
	return newChannel(t, version, selfSigned(t, "example.org", ecdsaKey(t), 0))
}

// server puts a channel into a configuration that announces its binding types.
func (ch *channel) serverConfig(cfg ServerConfig) ServerConfig {
	cfg.TLS, cfg.Certificate, cfg.AllowPlaintext = &ch.server, ch.cert.Leaf, false
	cfg.BindingTypes = BindingTypes(cfg.TLS, cfg.Certificate)
	return cfg
}

func without(names []string, drop ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(drop, n) })
}

func noCertificate() *tls.ConnectionState { return &tls.ConnectionState{HandshakeComplete: true} }
