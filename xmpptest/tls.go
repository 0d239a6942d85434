package xmpptest

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/etherx-go/xmpp/server"
)

// TLS returns settings for both ends of a connection, with a certificate for
// the domains, [Domain] if none is named: those of the server present it, those
// of the client trust it and nothing else. They are for [Peer.StartTLS], for a
// listener on the loopback address, and for client.Config.TLS.
func TLS(t testing.TB, domains ...string) (forServer, forClient *tls.Config) {
	t.Helper()
	if len(domains) == 0 {
		domains = []string{Domain}
	}
	crt, err := server.SelfSigned(domains...)
	if err != nil {
		t.Fatalf("xmpptest: certificate for %q: %v", domains, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(crt.Leaf)
	return &tls.Config{Certificates: []tls.Certificate{crt}}, &tls.Config{RootCAs: roots}
}
