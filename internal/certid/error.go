package certid

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/etherx-go/xmpp/jid"
)

// What a [TrustError] can have beside the errors of [crypto/x509].
var (
	ErrNoCertificate = errors.New("there is none")
	ErrAuthority     = errors.New("it is the certificate of an authority, not of a server") // RFC 6120 section 13.7.1.1
)

// NameError says that a certificate is not for a domain.
type NameError struct {
	Domain    jid.JID  // what was expected
	Service   Service  // the SRV-IDs that would have counted
	Presented []string // what the certificate is for, as [Names] has it
}

// Error returns one line such as `certid: the certificate is not for example.org (xmpp-server), but for DNS-ID
// example.net`.
func (e *NameError) Error() string {
	var b strings.Builder
	b.WriteString("certid: the certificate is not for ")
	b.WriteString(expected(e.Domain))
	if e.Service != "" {
		fmt.Fprintf(&b, " (%s)", e.Service)
	}
	if len(e.Presented) == 0 {
		b.WriteString(": it has no subjectAltName for a server, and the common name does not count")
	} else {
		b.WriteString(", but for ")
		b.WriteString(strings.Join(e.Presented, ", "))
	}
	return b.String()
}

// TrustError says that a certificate which is for a domain, as far as its names go, cannot be trusted.
type TrustError struct {
	Domain    jid.JID  // what was expected
	Presented []string // what the certificate is for, as [Names] has it
	Issuer    string   // who says so, its distinguished name as in RFC 2253
	Err       error    // why not: an error of [crypto/x509], [ErrAuthority] or [ErrNoCertificate]
}

func newTrustError(leaf *x509.Certificate, domain jid.JID, err error) *TrustError {
	return &TrustError{Domain: domain, Presented: Names(leaf), Issuer: show(leaf.Issuer.String()), Err: err}
}

// Error returns one line such as `certid: the certificate for example.org cannot be trusted: x509: certificate signed
// by unknown authority (presented DNS-ID example.org, issued by "CN=Example CA")`.
func (e *TrustError) Error() string {
	s := fmt.Sprintf("certid: the certificate for %s cannot be trusted: %v", expected(e.Domain), e.Err)
	if len(e.Presented) > 0 {
		s += fmt.Sprintf(" (presented %s, issued by %s)", strings.Join(e.Presented, ", "), e.Issuer)
	}
	return s
}

// Unwrap returns e.Err.
func (e *TrustError) Unwrap() error { return e.Err }

// MalformedError says that the names of a certificate cannot be read, so that it is for nobody.
type MalformedError struct {
	Reason string
}

// Error returns one line such as "certid: malformed subjectAltName: it is not a sequence".
func (e *MalformedError) Error() string { return "certid: malformed subjectAltName: " + e.Reason }

// expected returns a domain for a message, with its A-labels if they are what has to be in a certificate.
func expected(domain jid.JID) string {
	unicode, ascii := domain.Domain(), domain.ASCIIDomain()
	switch {
	case domain.IsZero():
		return "a domain that is not given"
	case unicode == ascii || strings.HasPrefix(unicode, "["):
		return unicode
	}
	return unicode + ", " + ascii
}
