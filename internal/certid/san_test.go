package certid

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/jid"
)

// A subjectAltName that is not built as it must be is an error, also if it has the name that is looked for.
func TestMalformed(t *testing.T) {
	good := dns("example.org")
	with := func(b ...[]byte) []byte { return san(append([][]byte{good}, b...)...) }
	oid := xmppAddrOID
	text := element(asn1.ClassUniversal, asn1.TagUTF8String, false, []byte("example.org"))
	tagged := element(asn1.ClassContextSpecific, 0, true, text)
	const (
		notSequence = "it is not a sequence"
		notDER      = "an entry is not DER"
		badType     = "an entry has a type that does not exist"
		badEncoding = "an entry has an encoding that is not one of its type"
		badOther    = "an otherName is not a type and a value"
		badIP       = "an IP address has neither 4 nor 16 octets"
	)
	tests := []struct {
		name   string
		value  []byte
		reason string
	}{
		{"empty", nil, notSequence},
		{"no sequence", good, notSequence},
		{"set", element(asn1.ClassUniversal, asn1.TagSet, true, good), notSequence},
		{"primitive sequence", element(asn1.ClassUniversal, asn1.TagSequence, false, good), notSequence},
		{"sequence of other class", element(asn1.ClassContextSpecific, asn1.TagSequence, true, good), notSequence},
		{"octets after", append(with(), 0), notSequence},
		{"cut", with()[:len(with())-1], notSequence},
		{"indefinite length", append(append([]byte{0x30, 0x80}, good...), 0, 0), notSequence},
		{"length not minimal", append([]byte{0x30, 0x81, byte(len(good))}, good...), notSequence},
		{"entry cut", with([]byte{0x82, 5, 'a'}), notDER},
		{"entry without length", with([]byte{0x82}), notDER},
		{"entry with length not minimal", with([]byte{0x82, 0x81, 1, 'a'}), notDER},
		{"entry with huge length", with([]byte{0x82, 0x84, 0xff, 0xff, 0xff, 0xff, 'a'}), notDER},
		{"entry of universal type", with(text), badType},
		{"entry of application type", with(element(asn1.ClassApplication, 2, false, []byte("a"))), badType},
		{"entry of type 9", with(element(asn1.ClassContextSpecific, 9, false, []byte("a"))), badType},
		{"entry of type 200", with(element(asn1.ClassContextSpecific, 200, false, []byte("a"))), badType},
		{"DNS-ID in parts", with(element(asn1.ClassContextSpecific, 2, true, text)), badEncoding},
		{"IP-ID in parts", with(element(asn1.ClassContextSpecific, 7, true, text)), badEncoding},
		{"otherName primitive", with(element(asn1.ClassContextSpecific, 0, false, oid)), badEncoding},
		{"directoryName primitive", with(element(asn1.ClassContextSpecific, 4, false, nil)), badEncoding},
		{"IP-ID of 0 octets", with(element(asn1.ClassContextSpecific, 7, false, nil)), badIP},
		{"IP-ID of 5 octets", with(element(asn1.ClassContextSpecific, 7, false, make([]byte, 5))), badIP},
		{"IP-ID with mask", with(element(asn1.ClassContextSpecific, 7, false, make([]byte, 8))), badIP},
		{"otherName empty", with(rawOtherName()), badOther},
		{"otherName without value", with(rawOtherName(oid)), badOther},
		{"otherName without type", with(rawOtherName(tagged)), badOther},
		{"otherName type cut", with(rawOtherName(oid[:5])), badOther},
		{"otherName value cut", with(rawOtherName(oid, tagged[:6])), badOther},
		{"otherName value not tagged", with(rawOtherName(oid, text)), badOther},
		{"otherName value with tag 1", with(rawOtherName(oid,
			element(asn1.ClassContextSpecific, 1, true, text))), badOther},
		{"otherName value implicit", with(rawOtherName(oid, element(asn1.ClassContextSpecific, 0, false, text))), badOther},
		{"otherName value empty", with(rawOtherName(oid, element(asn1.ClassContextSpecific, 0, true, nil))), badOther},
		{"otherName with two values", with(rawOtherName(oid, tagged, tagged)), badOther},
		{"otherName with two texts", with(rawOtherName(oid,
			element(asn1.ClassContextSpecific, 0, true, slices.Concat(text, text)))), badOther},
		{"otherName type of other class", with(rawOtherName(
			element(asn1.ClassContextSpecific, asn1.TagOID, false, oid[2:]), tagged)), badOther},
		{"otherName type in parts", with(rawOtherName(
			element(asn1.ClassUniversal, asn1.TagOID, true, oid[2:]), tagged)), badOther},
		{"otherName value with tag of application", with(rawOtherName(oid,
			element(asn1.ClassApplication, 0, true, text))), badOther},
		{"too many", san(bytes.Repeat(good, maxNames+1)), "it has too many entries"},
	}
	domain := jid.MustParse("example.org")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			leaf := bare(test.value)
			var e *MalformedError
			for _, err := range []error{
				Match(leaf, domain, Server), Verify([]*x509.Certificate{leaf}, domain, Options{Service: Server}),
			} {
				if !errors.As(err, &e) || e.Reason != test.reason {
					t.Errorf("%v, want the reason %q", err, test.reason)
				} else if want := "certid: malformed subjectAltName: " + test.reason; err.Error() != want {
					t.Errorf("text %q, want %q", err, want)
				}
			}
		})
	}
}

func TestMalformedBounds(t *testing.T) {
	domain := jid.MustParse("example.org")
	if err := Match(bare(san(bytes.Repeat(dns("example.org"), maxNames))), domain, Server); err != nil {
		t.Errorf("%d names: %v", maxNames, err)
	}
	var e *MalformedError
	err := Match(bare(san(dns("example.org")), san(dns("example.org"))), domain, Server)
	if !errors.As(err, &e) || e.Reason != "there is more than one" {
		t.Errorf("two extensions: %v, want a MalformedError", err)
	}
	// What could be read is still told.
	got := Names(bare(san(dns("a.example"), rawOtherName(), dns("b.example"))))
	if !slices.Equal(got, []string{"DNS-ID a.example"}) {
		t.Errorf("Names: %q", got)
	}
}

// FuzzSAN compares the parser with that of the standard library, which does not know otherName, and checks that what
// matches is there.
func FuzzSAN(f *testing.F) {
	for _, names := range [][][]byte{
		nil,
		{dns("example.org"), srv("_xmpp-server.example.org"), xmpp("example.org"), ip("192.0.2.1"), ip("::1")},
		{dns("*.example.org"), xmpp("juliet@example.org"), otherName(oidSAN, 12, "x")},
		{element(2, 6, false, []byte("xmpp:example.org")), element(2, 4, true, []byte{0x30, 0})},
		{element(2, 8, false, []byte{42}), element(2, 1, false, []byte("juliet@example.org"))},
		{rawOtherName(), dns("bücher.example")},
		{rawOtherName([]byte{6, 1, 42}, []byte{0xa0, 2, 5, 0})},
	} {
		f.Add(san(names...))
	}
	signer := newKey(f)
	domain := jid.MustParse("example.org")
	f.Fuzz(func(t *testing.T, der []byte) {
		ids, err := parseSAN(der)
		if len(ids) > maxNames {
			t.Fatalf("%d names", len(ids))
		}
		leaf := bare(der)
		_ = Names(leaf)
		if match := Match(leaf, domain, Server); match == nil &&
			(err != nil || !strings.Contains(strings.ToLower(string(der)), "example.org")) {
			t.Fatalf("matches: %v", Names(leaf))
		}
		tmpl := &x509.Certificate{
			SerialNumber:    big.NewInt(1),
			ExtraExtensions: []pkix.Extension{{Id: oidSAN, Value: der}},
		}
		raw, createErr := x509.CreateCertificate(nil, tmpl, tmpl, signer.Public(), signer)
		if createErr != nil {
			t.Fatal(createErr)
		}
		parsed, parseErr := x509.ParseCertificate(raw)
		if err != nil || parseErr != nil {
			return // the two are strict about different things
		}
		var names []string
		var ips [][]byte
		for _, id := range ids {
			switch id.kind {
			case dnsID:
				names = append(names, string(id.value))
			case ipID:
				ips = append(ips, id.value)
			}
		}
		if !slices.Equal(names, parsed.DNSNames) || !slices.EqualFunc(ips, parsed.IPAddresses, sameOctets) {
			t.Fatalf("%q %v, but crypto/x509 has %q %v", names, ips, parsed.DNSNames, parsed.IPAddresses)
		}
	})
}

func sameOctets(a []byte, b net.IP) bool { return bytes.Equal(a, b) }
