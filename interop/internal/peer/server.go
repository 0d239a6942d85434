//go:build linux

package peer

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
)

// Account is an account on a [Server].
type Account struct {
	User, Domain, Password string
}

// JID returns the bare JID.
func (a Account) JID() string { return a.User + "@" + a.Domain }

// Server is a running XMPP server with STARTTLS and direct TLS on loopback.
type Server struct {
	// Name says what it is, for messages: "Prosody", "ejabberd", "Etherx".
	Name string
	// Domain is the domain of its accounts.
	Domain string
	// Addr and TLSAddr are the host:port of STARTTLS and of direct TLS
	// (XEP-0368). They survive [Server.Restart].
	Addr, TLSAddr string
	// S2SAddr is the host:port for other servers, if it federates.
	S2SAddr string
	// ComponentAddr is where external components connect to, by domain, if it has
	// any. Each has a port of its own: ejabberd gives a component all the domains of
	// a port.
	ComponentAddr map[string]string
	// CA signed the server's certificate.
	CA *CA

	// owner is the test that it ends with, also when another restarted it.
	owner    testing.TB
	command  command
	added    func(Account)      // nil, or told of new accounts
	onDisk   func(Account) bool // nil, or says whether an account outlives a crash
	announce func() error       // nil, or returns nil when the server says that it is ready
	log      *logFiles
	process  *process
	accounts []Account
}

// run starts the server and returns when both listeners serve streams.
func (s *Server) run(t testing.TB) {
	t.Helper()
	s.process = start(s.owner, s.command, s.log)
	ready := s.announce
	if ready == nil {
		ready = func() error { return s.answers(t.Context()) }
	}
	s.process.await(t, "readiness", startLimit, ready)
	// Who says that it is ready must be.
	if err := s.answers(t.Context()); err != nil {
		t.Fatalf("%s is not ready: %v", s.Name, err)
	}
}

// answers returns nil if both listeners negotiate TLS and announce SASL, and the
// one for servers accepts.
func (s *Server) answers(ctx context.Context) error {
	for _, direct := range []bool{false, true} {
		offer, err := s.probe(ctx, direct)
		if err != nil {
			return err
		}
		if len(offer.Mechanisms) == 0 {
			return fmt.Errorf("no SASL mechanism among %v", offer.Secure)
		}
	}
	if s.S2SAddr == "" {
		return nil
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.S2SAddr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Rooms is the domain of its conference service, if it federates and has one.
func (s *Server) Rooms() string { return "conference." + s.Domain }

// Offer returns what the server offers over STARTTLS or direct TLS.
func (s *Server) Offer(t testing.TB, direct bool) Offer {
	t.Helper()
	offer, err := s.probe(t.Context(), direct)
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	return offer
}

func (s *Server) probe(ctx context.Context, direct bool) (Offer, error) {
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	r, err := dialRaw(ctx, s, direct)
	if err != nil {
		return Offer{}, err
	}
	defer r.close()
	return r.offer, nil
}

// AddUser makes an account. It keeps over [Server.Restart].
func (s *Server) AddUser(t testing.TB, user, password string) Account {
	t.Helper()
	account := Account{User: user, Domain: s.Domain, Password: password}
	if err := s.register(t.Context(), account); err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	s.accounts = append(s.accounts, account)
	if s.added != nil {
		s.added(account)
	}
	return account
}

func (s *Server) register(ctx context.Context, a Account) error {
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	r, err := dialRaw(ctx, s, false)
	if err != nil {
		return err
	}
	defer r.close()
	return r.register(a.User, a.Password)
}

// Kill ends the server at once, as a crash does, once its accounts are on disk.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if !s.process.running() {
		t.Fatalf("%s had ended by itself: %v", s.Name, s.process.err)
	}
	if s.onDisk != nil {
		s.process.await(t, "accounts on disk", waitLimit, func() error {
			for _, a := range s.accounts {
				if !s.onDisk(a) {
					return fmt.Errorf("%s is not", a.JID())
				}
			}
			return nil
		})
	}
	s.process.kill()
}

// Restart starts the server again on the same ports and data, after ending it
// if it runs.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.process.stop()
	s.run(t)
}

// Watch arranges that what the server logs from now on is shown if t fails. The
// test that started it has that already; the subtests that share it call this.
func (s *Server) Watch(t testing.TB) { s.log.show(t) }

// Log returns what the server has logged so far.
func (s *Server) Log() string {
	var b strings.Builder
	for _, file := range s.log.files {
		b.WriteString(read(file))
	}
	return b.String()
}
