//go:build linux

package peer

import "testing"

// Trust is how servers prove to each other who they are.
type Trust string

// The ways to prove it. A server that is told of one refuses the others as far
// as it can.
const (
	// DialbackTLS is dialback (XEP-0220) under TLS, with certificates of
	// authorities that the others do not know.
	DialbackTLS Trust = "dialback over TLS"
	// DialbackPlain is dialback without TLS.
	DialbackPlain Trust = "dialback without TLS"
	// External is SASL EXTERNAL (XEP-0178) with certificates of one authority.
	External Trust = "SASL EXTERNAL"
	// Either is SASL EXTERNAL from who has a certificate of that authority, and
	// dialback over TLS from others, as most servers of the world have it.
	Either Trust = "SASL EXTERNAL or dialback"
)

// S2S has a server federate, under a domain of its own.
type S2S struct {
	// Domain is the domain of its accounts; rooms are on "conference." before it.
	Domain string
	Trust  Trust
	// Direct has it take streams under TLS from the first byte (XEP-0368), in the
	// place of STARTTLS, and the DNS say so.
	Direct bool
	// DNS is where it finds the others, and they find it.
	DNS *DNS
	// CA is the authority that all trust with [External] and [Either], nil
	// otherwise.
	CA *CA
	// Unknown has its certificate be of an authority that the others do not know.
	Unknown bool
}

// roots returns the file of the authorities that srv trusts.
func (s *S2S) roots(srv *Server) string {
	if s.CA == nil {
		return srv.CA.File
	}
	return s.CA.File
}

// server returns a server that is to run, on ports of its own, known to the DNS
// of s, and its certificate. A nil s makes one that does not federate.
func (s *S2S) server(t testing.TB, name string) (*Server, Certificate) {
	t.Helper()
	srv := &Server{owner: t, Name: name, Domain: "localhost", Addr: freePort(t), TLSAddr: freePort(t)}
	if s == nil {
		srv.CA = NewCA(t)
		return srv, srv.CA.Server(t, srv.Domain, AnonymousDomain)
	}
	srv.Domain, srv.CA, srv.S2SAddr = s.Domain, s.CA, freePort(t)
	if srv.CA == nil || s.Unknown {
		srv.CA = NewCA(t)
	}
	if s.Direct {
		s.DNS.ServeTLS(srv.Domain, srv.S2SAddr)
	} else {
		s.DNS.Serve(srv.Domain, srv.S2SAddr)
	}
	// Version 1.8.3 of slixmpp checks for the name of the machine it connects to.
	return srv, srv.CA.Server(t, srv.Domain, srv.Rooms(), "localhost")
}
