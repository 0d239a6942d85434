package certid

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/jid"
)

// Verify checks that chain, which has the leaf first as [crypto/tls.ConnectionState.PeerCertificates] has, is trusted
// and in time, and that its leaf is for domain (RFC 6120 section 13.7.2). The other certificates serve to find a way
// from the leaf to a root, and for nothing else: a name in one of them does not count.
//
// An extended key usage of the leaf, if it has one, must have TLS server or TLS client: a server shows one
// certificate in both roles, and public authorities no longer issue any for clients. The usage id-on-xmppAddr is as
// good, by which RFC 6120 section 13.7.1.4 has a certificate limited to XMPP.
//
// The names are checked first, and their errors are those of [Match]. Every other error is a [*TrustError].
//
// Verify changes nothing in chain, and is safe for concurrent use. Only the domainpart of domain matters.
func Verify(chain []*x509.Certificate, domain jid.JID, opt Options) error {
	if len(chain) == 0 || chain[0] == nil {
		return &TrustError{Domain: domain, Err: ErrNoCertificate}
	}
	if err := Match(chain[0], domain, opt.Service); err != nil {
		return err
	}
	chains, err := understood(chain[0]).Verify(x509.VerifyOptions{
		Roots:         opt.Roots,
		Intermediates: pool(chain[1:]),
		CurrentTime:   opt.Now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	if err == nil {
		err = checkPaths(chains, domain)
	}
	if err != nil {
		return newTrustError(chain[0], domain, err)
	}
	return nil
}

// understood returns leaf as the standard library is to see it, which knows neither of the two things that this package
// does: a critical subjectAltName of nothing but otherNames, and the extended key usage id-on-xmppAddr.
func understood(leaf *x509.Certificate) *x509.Certificate {
	c := *leaf
	c.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(c.UnhandledCriticalExtensions), oidSAN.Equal)
	if slices.ContainsFunc(c.UnknownExtKeyUsage, oidXMPPAddr.Equal) {
		c.ExtKeyUsage = append(slices.Clone(c.ExtKeyUsage), x509.ExtKeyUsageServerAuth)
	}
	return &c
}

func pool(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		if c != nil {
			p.AddCert(c)
		}
	}
	return p
}

// checkPaths checks what the standard library does not: one of the paths that it found must pass.
func checkPaths(paths [][]*x509.Certificate, domain jid.JID) (err error) {
	for _, path := range paths {
		if err = checkPath(path, domain); err == nil {
			return nil
		}
	}
	return err
}

func checkPath(path []*x509.Certificate, domain jid.JID) error {
	leaf, issuers := path[0], path[1:]
	if leaf.IsCA && len(issuers) > 0 {
		return ErrAuthority
	}
	name := domain.ASCIIDomain()
	if _, err := netip.ParseAddr(name); err == nil {
		return nil // found in an iPAddress, whose constraints were checked
	}
	for _, c := range issuers {
		if !permits(c, name) {
			return x509.CertificateInvalidError{
				Cert: c, Reason: x509.CANotAuthorizedForThisName, Detail: fmt.Sprintf("DNS name %q", name),
			}
		}
	}
	return nil
}

// permits reports whether the constraints of c for DNS names allow name, which is in lower case (RFC 5280 section
// 4.2.1.10).
func permits(c *x509.Certificate, name string) bool {
	within := func(constraint string) bool {
		constraint = lowerASCII(constraint)
		if constraint == "" || constraint == name {
			return true
		}
		return strings.HasSuffix(name, "."+strings.TrimPrefix(constraint, "."))
	}
	return !slices.ContainsFunc(c.ExcludedDNSDomains, within) &&
		(len(c.PermittedDNSDomains) == 0 || slices.ContainsFunc(c.PermittedDNSDomains, within))
}

// oidSAN is id-ce-subjectAltName (RFC 5280 section 4.2.1.6), oidXMPPAddr is id-on-xmppAddr (RFC 6120 section 13.7.1.4)
// and oidDNSSRV is id-on-dnsSRV (RFC 4985 section 2).
var (
	oidSAN      = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidXMPPAddr = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5}
	oidDNSSRV   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 7}
)
