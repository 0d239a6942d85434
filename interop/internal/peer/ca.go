//go:build linux

package peer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// CA is a certificate authority of one test.
type CA struct {
	// File holds its certificate (PEM).
	File string
	// Pool holds its certificate.
	Pool *x509.CertPool

	dir    string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64
}

// Certificate is an end-entity certificate of a [CA].
type Certificate struct {
	// Cert, Key and Both are PEM files: the certificate, its private key, and
	// one after the other in one file.
	Cert, Key, Both string
	// TLS is the same for Go.
	TLS tls.Certificate
}

// NewCA makes a certificate authority in the test's temporary directory.
func NewCA(t testing.TB) *CA {
	t.Helper()
	ca := &CA{dir: tempDir(t), Pool: x509.NewCertPool(), serial: 1}
	ca.File = filepath.Join(ca.dir, "ca.pem")
	ca.key = newKey(t)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(ca.serial),
		Subject:               pkix.Name{CommonName: "Interop test CA"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, ca.key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	ca.Pool.AddCert(ca.cert)
	writeFile(t, ca.File, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return ca
}

// Server issues a certificate for the given domains and 127.0.0.1.
func (ca *CA) Server(t testing.TB, domains ...string) Certificate {
	t.Helper()
	return ca.issue(t, domains[0], &x509.Certificate{
		Subject:     pkix.Name{CommonName: domains[0]},
		DNSNames:    domains,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

// oidSubjectAltName and oidXMPPAddr are id-ce-subjectAltName (RFC 5280 section
// 4.2.1.6) and id-on-xmppAddr (RFC 6120 section 13.7.1.4).
var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidXMPPAddr       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5}
)

// Client issues a certificate for a bare JID as RFC 6120 section 13.7.1.3 has
// it: an XmppAddr in the subject's alternative names.
func (ca *CA) Client(t testing.TB, jid string) Certificate {
	t.Helper()
	san, err := xmppAddrSAN(jid)
	if err != nil {
		t.Fatal(err)
	}
	return ca.issue(t, jid, &x509.Certificate{
		Subject:         pkix.Name{CommonName: jid},
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtKeyUsage:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		ExtraExtensions: []pkix.Extension{{Id: oidSubjectAltName, Value: san}},
	})
}

// xmppAddrSAN returns GeneralNames with one otherName of type id-on-xmppAddr.
func xmppAddrSAN(jid string) ([]byte, error) {
	type otherName struct {
		Type  asn1.ObjectIdentifier
		Value string `asn1:"utf8,explicit,tag:0"`
	}
	type generalNames struct {
		Other otherName `asn1:"tag:0"`
	}
	return asn1.Marshal(generalNames{otherName{oidXMPPAddr, jid}})
}

func (ca *CA) issue(t testing.TB, name string, template *x509.Certificate) Certificate {
	t.Helper()
	ca.serial++
	template.SerialNumber = big.NewInt(ca.serial)
	template.NotBefore, template.NotAfter = ca.cert.NotBefore, ca.cert.NotAfter
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	keyPEM := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	base := filepath.Join(ca.dir, name)
	c := Certificate{Cert: base + ".crt", Key: base + ".key", Both: base + ".pem"}
	// Readable by the servers' own users: the key lives as long as the test.
	writeFile(t, c.Cert, certPEM)
	writeFile(t, c.Key, keyPEM)
	writeFile(t, c.Both, certPEM+keyPEM)
	if c.TLS, err = tls.X509KeyPair([]byte(certPEM), []byte(keyPEM)); err != nil {
		t.Fatal(err)
	}
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// read returns a file as a string; a file that is not there is empty.
func read(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}
