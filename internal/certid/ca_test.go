package certid

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/netip"
	"testing"
	"time"
)

// now is when the tests are.
var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// authority is somebody who issues certificates.
type authority struct {
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

// newKey returns a new private key.
func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate of tmpl, self-signed if a is nil. What tmpl leaves out gets a value that is in order.
func (a *authority) issue(t testing.TB, tmpl x509.Certificate) *authority {
	t.Helper()
	if tmpl.NotAfter.IsZero() {
		tmpl.NotBefore, tmpl.NotAfter = now.AddDate(0, -1, 0), now.AddDate(0, 1, 0)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	tmpl.SerialNumber = serial
	c := &authority{key: newKey(t)}
	parent, signer := &tmpl, c.key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &tmpl, parent, c.key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if c.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

// leaf issues the certificate of a server with the given template.
func (a *authority) leaf(t testing.TB, tmpl x509.Certificate) *x509.Certificate {
	t.Helper()
	return a.issue(t, tmpl).cert
}

// authorityTemplate is for somebody who may issue certificates.
func authorityTemplate(name string) x509.Certificate {
	return x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
}

// roots returns a pool of the given certificates.
func roots(certs ...*x509.Certificate) *x509.CertPool { return pool(certs) }

// element returns a DER element.
func element(class, tag int, compound bool, content []byte) []byte {
	b, err := asn1.Marshal(asn1.RawValue{Class: class, Tag: tag, IsCompound: compound, Bytes: content})
	if err != nil {
		panic(err)
	}
	return b
}

func dns(name string) []byte {
	return element(asn1.ClassContextSpecific, tagDNSName, false, []byte(name))
}

func ip(addr string) []byte {
	return element(asn1.ClassContextSpecific, tagIPAddress, false, netip.MustParseAddr(addr).AsSlice())
}

func srv(name string) []byte { return otherName(oidDNSSRV, asn1.TagIA5String, name) }

func xmpp(addr string) []byte { return otherName(oidXMPPAddr, asn1.TagUTF8String, addr) }

// otherName returns a GeneralName with a string of the given type.
func otherName(oid asn1.ObjectIdentifier, tag int, text string) []byte {
	id, err := asn1.Marshal(oid)
	if err != nil {
		panic(err)
	}
	value := element(asn1.ClassUniversal, tag, false, []byte(text))
	return rawOtherName(id, element(asn1.ClassContextSpecific, 0, true, value))
}

// rawOtherName returns a GeneralName of type otherName with the given content.
func rawOtherName(parts ...[]byte) []byte {
	return element(asn1.ClassContextSpecific, tagOtherName, true, join(parts))
}

// san returns the value of a subjectAltName with the given entries.
func san(names ...[]byte) []byte {
	return element(asn1.ClassUniversal, asn1.TagSequence, true, join(names))
}

func join(parts [][]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// withSAN returns the template of a certificate with the given subjectAltName.
func withSAN(value []byte, critical bool) x509.Certificate {
	return x509.Certificate{
		Subject:         pkix.Name{CommonName: "example.org"},
		ExtraExtensions: []pkix.Extension{{Id: oidSAN, Critical: critical, Value: value}},
	}
}

// bare returns a certificate that was never signed nor parsed, for what the parser of the standard library refuses.
func bare(extensions ...[]byte) *x509.Certificate {
	c := &x509.Certificate{Subject: pkix.Name{CommonName: "example.org"}}
	keyUsage := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Value: []byte{3, 2, 7, 128}}
	c.Extensions = append(c.Extensions, keyUsage)
	for _, value := range extensions {
		c.Extensions = append(c.Extensions, pkix.Extension{Id: oidSAN, Value: value})
	}
	return c
}
