package certid

import (
	"crypto/x509"
	"time"
)

// Service is the service that an SRV-ID is for, as in DNS SRV records but without the underscore (RFC 4985 section 2).
// The zero Service has no SRV-ID: only identifiers of the other types match.
type Service string

// The services of RFC 6120 section 13.7.1.2.1.
const (
	Client Service = "xmpp-client" // a server as its users see it
	Server Service = "xmpp-server" // a server as other servers see it
)

// Options say what [Verify] asks of a certificate. The zero value trusts the roots of the system, now, and no SRV-ID.
type Options struct {
	Roots   *x509.CertPool // whom to trust; nil is the roots of the system
	Now     time.Time      // when the certificate has to be valid; zero is [time.Now]
	Service Service        // which SRV-IDs count
}
