package certid

import (
	"encoding/asn1"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/jid"
)

// xmppAddrOID is id-on-xmppAddr in DER.
var xmppAddrOID = []byte{6, 8, 0x2b, 6, 1, 5, 5, 7, 8, 5}

func TestMatch(t *testing.T) {
	none := [][]byte(nil)
	one := func(b []byte) [][]byte { return [][]byte{b} }
	tests := []struct {
		name    string
		san     [][]byte
		domain  string
		service Service
		want    bool
	}{
		{"DNS same", one(dns("example.org")), "example.org", Server, true},
		{"DNS other", one(dns("example.net")), "example.org", Server, false},
		{"DNS upper case", one(dns("EXAMPLE.Org")), "example.org", Server, true},
		{"DNS without service", one(dns("example.org")), "example.org", "", true},
		{"DNS of one label", one(dns("localhost")), "localhost", Server, true},
		{"DNS the second of two", [][]byte{dns("example.net"), dns("example.org")}, "example.org", Server, true},
		{"DNS parent is not enough", one(dns("example.org")), "im.example.org", Server, false},
		{"DNS child is not enough", one(dns("im.example.org")), "example.org", Server, false},
		{"DNS suffix without dot", one(dns("badexample.org")), "example.org", Server, false},
		{"DNS with dot at the end", one(dns("example.org.")), "example.org", Server, false},
		{"DNS with dot before", one(dns(".example.org")), "example.org", Server, false},
		{"DNS empty", one(dns("")), "example.org", Server, false},
		{"DNS with NUL after", one(dns("example.org\x00.evil.example")), "example.org", Server, false},
		{"DNS with NUL at the end", one(dns("example.org\x00")), "example.org", Server, false},
		{"DNS with space", one(dns("example.org ")), "example.org", Server, false},
		{"DNS Kelvin sign is no k", one(dns("\u212aexample.org")), "kexample.org", Server, false},
		{"DNS wide letter", one(dns("\uff45xample.org")), "example.org", Server, false},
		{"DNS with SRV-ID's name", one(dns("_xmpp-server.example.org")), "example.org", Server, false},
		{"DNS underscore", one(dns("_srv.example.org")), "_srv.example.org", Server, true},

		{"wildcard", one(dns("*.example.org")), "im.example.org", Server, true},
		{"wildcard upper case", one(dns("*.EXAMPLE.org")), "im.example.org", Server, true},
		{"wildcard for A-label", one(dns("*.example")), "bücher.example", Server, true},
		{"wildcard below A-label", one(dns("*.xn--bcher-kva.example")), "im.bücher.example", Server, true},
		{"wildcard not the parent", one(dns("*.example.org")), "example.org", Server, false},
		{"wildcard not two labels", one(dns("*.example.org")), "a.im.example.org", Server, false},
		{"wildcard alone", one(dns("*")), "localhost", Server, false},
		{"wildcard alone for a name", one(dns("*")), "example.org", Server, false},
		{"wildcard and dot", one(dns("*.")), "localhost", Server, false},
		{"wildcard for one label", one(dns("*.localhost")), "localhost", Server, false},
		{"wildcard twice", one(dns("*.*.example.org")), "a.im.example.org", Server, false},
		{"wildcard not left-most", one(dns("im.*.org")), "im.example.org", Server, false},
		{"wildcard at the end", one(dns("im.example.*")), "im.example.org", Server, false},
		{"wildcard after letter", one(dns("f*.example.org")), "foo.example.org", Server, false},
		{"wildcard before letter", one(dns("*o.example.org")), "foo.example.org", Server, false},
		{"wildcard inside", one(dns("f*o.example.org")), "foo.example.org", Server, false},
		{"wildcard inside A-label", one(dns("xn--*.example")), "bücher.example", Server, false},
		{"wildcard double star", one(dns("**.example.org")), "foo.example.org", Server, false},
		{"wildcard of a suffix", one(dns("*.org")), "example.org", Server, true},

		{"IDNA A-label", one(dns("xn--bcher-kva.example")), "bücher.example", Server, true},
		{"IDNA asked by A-label", one(dns("xn--bcher-kva.example")), "xn--bcher-kva.example", Server, true},
		{"IDNA A-label upper case", one(dns("XN--BCHER-KVA.Example")), "bücher.example", Server, true},
		{"IDNA U-label in certificate", one(dns("bücher.example")), "bücher.example", Server, false},
		{"IDNA Latin-1 in certificate", one(dns("b\xfccher.example")), "bücher.example", Server, false},
		{"IDNA look-alike", one(dns("bucher.example")), "bücher.example", Server, false},

		{"SRV server", one(srv("_xmpp-server.example.org")), "example.org", Server, true},
		{"SRV client", one(srv("_xmpp-client.example.org")), "example.org", Client, true},
		{"SRV client is no server", one(srv("_xmpp-client.example.org")), "example.org", Server, false},
		{"SRV server is no client", one(srv("_xmpp-server.example.org")), "example.org", Client, false},
		{"SRV without service", one(srv("_xmpp-server.example.org")), "example.org", "", false},
		{"SRV of no service", one(srv("_.example.org")), "example.org", "", false},
		{"SRV case", one(srv("_XMPP-Server.EXAMPLE.org")), "example.org", Server, true},
		{"SRV case asked", one(srv("_xmpp-server.example.org")), "example.org", "XMPP-Server", true},
		{"SRV without underscore", one(srv("xmpp-server.example.org")), "example.org", Server, false},
		{"SRV with protocol", one(srv("_xmpp-server._tcp.example.org")), "example.org", Server, false},
		{"SRV prefix of service", one(srv("_xmpp.example.org")), "example.org", Server, false},
		{"SRV service alone", one(srv("_xmpp-server")), "localhost", Server, false},
		{"SRV service and dot", one(srv("_xmpp-server.")), "localhost", Server, false},
		{"SRV name alone", one(srv("example.org")), "example.org", Server, false},
		{"SRV other name", one(srv("_xmpp-server.example.net")), "example.org", Server, false},
		{"SRV wildcard", one(srv("_xmpp-server.*.example.org")), "im.example.org", Server, true},
		{"SRV wildcard of other service", one(srv("_xmpp-client.*.example.org")), "im.example.org", Server, false},
		{"SRV wildcard two labels", one(srv("_xmpp-server.*.example.org")), "a.im.example.org", Server, false},
		{"SRV wildcard alone", one(srv("_xmpp-server.*")), "localhost", Server, false},
		{"SRV wildcard service", one(srv("*.example.org")), "im.example.org", Server, false},
		{"SRV wildcard partial", one(srv("_xmpp-server.i*.example.org")), "im.example.org", Server, false},
		{"SRV A-label", one(srv("_xmpp-server.xn--bcher-kva.example")), "bücher.example", Server, true},
		{"SRV with NUL", one(srv("_xmpp-server.example.org\x00.evil.example")), "example.org", Server, false},
		{"SRV as UTF8String", one(otherName(oidDNSSRV, 12, "_xmpp-server.example.org")), "example.org", Server, false},
		{"SRV does not take DNS-ID away", [][]byte{srv("_imap.example.org"), dns("example.org")},
			"example.org", Server, true},

		{"XmppAddr", one(xmpp("example.org")), "example.org", Server, true},
		{"XmppAddr for clients", one(xmpp("example.org")), "example.org", Client, true},
		{"XmppAddr without service", one(xmpp("example.org")), "example.org", "", true},
		{"XmppAddr upper case", one(xmpp("Example.ORG")), "example.org", Server, true},
		{"XmppAddr U-label", one(xmpp("bücher.example")), "bücher.example", Server, true},
		{"XmppAddr upper case U-label", one(xmpp("BÜCHER.example")), "bücher.example", Server, true},
		{"XmppAddr A-label", one(xmpp("xn--bcher-kva.example")), "bücher.example", Server, true},
		{"XmppAddr other", one(xmpp("example.net")), "example.org", Server, false},
		{"XmppAddr of a user", one(xmpp("juliet@example.org")), "example.org", Server, false},
		{"XmppAddr with resource", one(xmpp("example.org/im")), "example.org", Server, false},
		{"XmppAddr wildcard", one(xmpp("*.example.org")), "im.example.org", Server, false},
		{"XmppAddr with NUL", one(xmpp("example.org\x00")), "example.org", Server, false},
		{"XmppAddr not UTF-8", one(xmpp("b\xfccher.example")), "bücher.example", Server, false},
		{"XmppAddr empty", one(xmpp("")), "example.org", Server, false},
		{"XmppAddr as IA5String", one(otherName(oidXMPPAddr, 22, "example.org")), "example.org", Server, false},
		{"XmppAddr of an IP address", one(xmpp("192.0.2.1")), "192.0.2.1", Server, false},

		{"IPv4", one(ip("192.0.2.1")), "192.0.2.1", Server, true},
		{"IPv4 other", one(ip("192.0.2.2")), "192.0.2.1", Server, false},
		{"IPv4 as DNS-ID", one(dns("192.0.2.1")), "192.0.2.1", Server, false},
		{"IPv4 octets as DNS-ID", one(dns("\xc0\x00\x02\x01")), "192.0.2.1", Server, false},
		{"IPv4 as SRV-ID", one(srv("_xmpp-server.192.0.2.1")), "192.0.2.1", Server, false},
		{"IPv4 by wildcard", one(dns("*.0.2.1")), "192.0.2.1", Server, false},
		{"IPv4 mapped", one(ip("::ffff:192.0.2.1")), "192.0.2.1", Server, false},
		{"IPv6", one(ip("::1")), "[::1]", Server, true},
		{"IPv6 long form", one(ip("2001:db8::1")), "[2001:DB8:0:0::1]", Server, true},
		{"IPv6 other", one(ip("::2")), "[::1]", Server, false},
		{"IPv6 as DNS-ID", one(dns("::1")), "[::1]", Server, false},
		{"IPv6 in brackets as DNS-ID", one(dns("[::1]")), "[::1]", Server, false},
		{"IPv6 with zone", one(ip("fe80::1")), "[fe80::1%25eth0]", Server, false},
		{"IP address is no name", one(ip("192.0.2.1")), "example.org", Server, false},

		{"text of another class", one(rawOtherName(xmppAddrOID, element(asn1.ClassContextSpecific, 0, true,
			element(asn1.ClassApplication, asn1.TagUTF8String, false, []byte("example.org"))))), "example.org", Server, false},
		{"text in parts", one(rawOtherName(xmppAddrOID, element(asn1.ClassContextSpecific, 0, true,
			element(asn1.ClassUniversal, asn1.TagUTF8String, true, []byte("example.org"))))), "example.org", Server, false},

		{"common name never counts", none, "example.org", Server, false},
		{"other types of names", [][]byte{
			element(2, 1, false, []byte("example.org")),
			element(2, 6, false, []byte("xmpp:example.org")),
			otherName(oidSAN, 12, "example.org"),
			element(2, 8, false, []byte{42}),
		}, "example.org", Server, false},
		{"otherName with an arc of 128 bits", [][]byte{
			rawOtherName([]byte{6, 20, 0x69, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81,
				0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 1}, []byte{0xa0, 2, 5, 0}),
			dns("example.org"),
		}, "example.org", Server, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			domain := jid.MustParse(test.domain)
			leaf := bare(san(test.san...))
			err := Match(leaf, domain, test.service)
			if test.want {
				if err != nil {
					t.Fatalf("Match: %v", err)
				}
				return
			}
			var e *NameError
			if !errors.As(err, &e) {
				t.Fatalf("Match: %v, want a NameError", err)
			}
			if e.Domain != domain || e.Service != test.service || !slices.Equal(e.Presented, Names(leaf)) {
				t.Errorf("Match: %+v", e)
			}
		})
	}
}

// A full address stands for its domain.
func TestMatchDomainpartOnly(t *testing.T) {
	for _, entry := range [][]byte{dns("example.org"), xmpp("example.org")} {
		if err := Match(bare(san(entry)), jid.MustParse("juliet@example.org/balcony"), Server); err != nil {
			t.Error(err)
		}
	}
}

func TestMatchNothing(t *testing.T) {
	var e *NameError
	for _, entry := range [][]byte{dns(""), srv("_xmpp-server."), xmpp("")} {
		if err := Match(bare(san(entry)), jid.JID{}, Server); !errors.As(err, &e) {
			t.Errorf("zero domain: %v, want a NameError", err)
		}
	}
	if err := Match(bare(), jid.MustParse("example.org"), Server); !errors.As(err, &e) || e.Presented != nil {
		t.Errorf("no subjectAltName: %v, want a NameError", err)
	}
	if err := Match(nil, jid.MustParse("example.org"), Server); !errors.Is(err, ErrNoCertificate) {
		t.Errorf("no certificate: %v, want ErrNoCertificate", err)
	}
}

// The error of a name says what was expected and what was presented.
func TestNameErrorText(t *testing.T) {
	tests := []struct {
		san     [][]byte
		domain  jid.JID
		service Service
		want    string
	}{
		{[][]byte{dns("*.example.net"), srv("_xmpp-client.example.org")}, jid.MustParse("example.org"), Server,
			"certid: the certificate is not for example.org (xmpp-server), " +
				"but for DNS-ID *.example.net, SRV-ID _xmpp-client.example.org"},
		{[][]byte{ip("::2")}, jid.MustParse("[::1]"), "", "certid: the certificate is not for [::1], but for IP-ID ::2"},
		{nil, jid.MustParse("bücher.example"), "", "certid: the certificate is not for bücher.example, " +
			"xn--bcher-kva.example: it has no subjectAltName for a server, and the common name does not count"},
		{nil, jid.JID{}, Client, "certid: the certificate is not for a domain that is not given (xmpp-client): " +
			"it has no subjectAltName for a server, and the common name does not count"},
	}
	for _, test := range tests {
		err := Match(bare(san(test.san...)), test.domain, test.service)
		if err == nil || err.Error() != test.want {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}

func TestNames(t *testing.T) {
	got := Names(bare(san(
		dns("*.example.org"), element(2, 1, false, []byte("juliet@example.org")), srv("_xmpp-server.example.org"),
		xmpp("bücher.example"), ip("192.0.2.1"), ip("2001:db8::1"), ip("::ffff:192.0.2.1"),
		dns("example.org\x00"), dns("a.example, DNS-ID b.example"), dns(""), xmpp("\u202eexample"), dns("b\xfccher"),
		dns(strings.Repeat("x", 256)), dns(strings.Repeat("x", 257)),
	)))
	want := []string{
		"DNS-ID *.example.org", "SRV-ID _xmpp-server.example.org",
		"XmppAddr bücher.example", "IP-ID 192.0.2.1", "IP-ID 2001:db8::1", "IP-ID ::ffff:192.0.2.1",
		`DNS-ID "example.org\x00"`, `DNS-ID "a.example, DNS-ID b.example"`, `DNS-ID ""`, `XmppAddr "\u202eexample"`,
		`DNS-ID "b\xfccher"`,
		"DNS-ID " + strings.Repeat("x", 256), `DNS-ID "` + strings.Repeat("x", 256) + `"...`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := Names(nil); got != nil {
		t.Errorf("no certificate: %q", got)
	}
}

func TestNamesBounded(t *testing.T) {
	entries := make([][]byte, 40)
	for i := range entries {
		entries[i] = dns("example.org")
	}
	if got := Names(bare(san(entries[:32]...))); len(got) != 32 || got[31] != "DNS-ID example.org" {
		t.Errorf("32 names: %q", got)
	}
	if got := Names(bare(san(entries...))); len(got) != 33 || got[32] != "and 8 more" {
		t.Errorf("40 names: %q", got)
	}
}
