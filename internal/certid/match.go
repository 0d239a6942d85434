package certid

import (
	"bytes"
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/jid"
)

// Match is the part of [Verify] that looks at names: it returns nil if an identifier of leaf is for domain, and
// service if it names one. Whether the certificate is to be trusted it does not ask.
//
// The error is a [*NameError], a [*MalformedError] if the names of leaf cannot be read, or a [*TrustError] with
// [ErrNoCertificate] if leaf is nil. Match is safe for concurrent use. Only the domainpart of domain matters.
func Match(leaf *x509.Certificate, domain jid.JID, service Service) error {
	if leaf == nil {
		return &TrustError{Domain: domain, Err: ErrNoCertificate}
	}
	ids, err := identifiers(leaf)
	if err != nil {
		return err
	}
	if !domain.IsZero() && slices.ContainsFunc(ids, newReference(domain, service).matches) {
		return nil
	}
	return &NameError{Domain: domain, Service: service, Presented: Names(leaf)}
}

// reference is what is looked for: the reference identifiers of RFC 9525 section 6.1, all at once.
type reference struct {
	domain  jid.JID
	service Service
	name    string     // the domain in A-labels and in lower case
	ip      netip.Addr // the domain if it is an IP address
}

func newReference(domain jid.JID, service Service) reference {
	r := reference{domain: domain.DomainJID(), service: service, name: domain.ASCIIDomain()}
	if ip, err := netip.ParseAddr(r.name); err == nil {
		r.ip = ip
	}
	return r
}

// matches reports whether the certificate that presents id is for r. An IP address is classified here and once, so that
// no rule for names, least of all the one for wildcards, ever sees one (RFC 9525 section 7.4).
func (r reference) matches(id identifier) bool {
	if r.ip.IsValid() {
		// An address with a zone means something on this machine only: no authority can vouch for it.
		return id.kind == ipID && r.ip.Zone() == "" && bytes.Equal(r.ip.AsSlice(), id.value)
	}
	switch id.kind {
	case dnsID:
		return matchName(string(id.value), r.name)
	case srvID:
		return r.matchesSRV(string(id.value))
	case xmppAddr:
		addr, err := jid.ParseBytes(id.value)
		return err == nil && addr == r.domain
	}
	return false
}

// matchesSRV compares with an SRVName, "_Service.Name" (RFC 4985 section 2). "The application service name MUST be
// matched in a case-insensitive manner" (RFC 9525 section 6.5).
func (r reference) matchesSRV(presented string) bool {
	service, name, ok := strings.Cut(presented, ".")
	return ok && r.service != "" && lowerASCII(service) == "_"+lowerASCII(string(r.service)) && matchName(name, r.name)
}

// matchName reports whether a presented domain name is that of the reference, which is canonical: what has a NUL, a
// space or an octet beyond ASCII cannot be equal to it (RFC 9525 section 6.3).
//
// A wildcard counts if there "is only one wildcard character" and it "appears only as the complete content of the
// left-most label", and stands for one label. A name of one label has nothing beside that label, so "*" alone, which
// would be a certificate for every such name, never matches.
func matchName(presented, reference string) bool {
	presented = lowerASCII(presented)
	if parent, ok := strings.CutPrefix(presented, "*."); ok {
		_, name, found := strings.Cut(reference, ".")
		return found && parent == name
	}
	return presented == reference
}

// lowerASCII leaves octets beyond ASCII as they are: [strings.ToLower] would make a "k" of the Kelvin sign.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + ('a' - 'A')
		}
	}
	return string(b)
}
