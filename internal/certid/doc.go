// Package certid says whether the certificate of an XMPP peer is one for a domain: the rules of RFC 6120 section 13.7
// and RFC 9525 (which replaces RFC 6125), as XEP-0178 asks for them between servers. It opens nothing and keeps
// nothing.
//
// What counts is the subjectAltName of the leaf, and there
//
//	identifier  entry                              is for the domain if
//	DNS-ID      dNSName                            it is its name in A-labels, or a wildcard for it
//	SRV-ID      otherName id-on-dnsSRV, IA5String  it is "_service." for the service asked for, and such a name
//	XmppAddr    otherName id-on-xmppAddr, UTF8     it is the domain, as an address without localpart and resourcepart
//	IP-ID       iPAddress                          it has the same octets
//
// A domain that is an IP address is matched by an IP-ID and by nothing else, every other domain by everything else. A
// name in the subject never counts: "Do not include or check strings that look like domain names in the subject's
// Common Name" (RFC 9525 section 1.3).
//
// # Where the rules leave a choice
//
//   - RFC 6120 section 13.7.1.1 forbids an empty subject. Public authorities issue such certificates, with a critical
//     subjectAltName as RFC 5280 section 4.1.2.6 has it, so they are accepted.
//   - The same section forbids the certificate of an authority as that of a server. It is accepted where it is itself
//     one of the roots, as self-signed certificates that somebody chose to trust are.
//   - A wildcard in the name of an SRV-ID counts, because RFC 9525 section 6.3 speaks of the domain name portion of
//     any identifier. A wildcard below a public suffix, such as "*.com", is no concern of that document, nor of this
//     package.
//   - The name constraints of an authority know SRV-ID and XmppAddr only where they list them, which none does; RFC
//     9525 section 7.6 warns of that. Here constraints for DNS names hold for the domain, whatever identifier it was
//     found in.
//   - Revocation is not checked: that needs the network.
package certid
