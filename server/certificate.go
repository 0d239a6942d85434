package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/etherx-go/xmpp/jid"
)

// SelfSigned makes a certificate for domains that nobody has signed: good for
// tests, and for a start. It is valid for ten years. Who puts it among the trusted
// roots trusts it for these domains, and no other certificate by it.
func SelfSigned(domains ...string) (tls.Certificate, error) {
	certPEM, keyPEM, err := selfSigned(domains)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}

// SelfSignedIn returns the certificate for domains that is kept in a folder, as
// cert.pem and key.pem. It makes folder and certificate if they are not there.
func SelfSignedIn(dir string, domains ...string) (tls.Certificate, error) {
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	crt, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err == nil {
		return crt, covers(crt, domains)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return tls.Certificate{}, err
	}
	certPEM, keyPEM, err := selfSigned(domains)
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return tls.Certificate{}, err
	}
	if err := os.WriteFile(keyFile, keyPEM, 0o600); err != nil {
		return tls.Certificate{}, err
	}
	if err := os.WriteFile(certFile, certPEM, 0o644); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}

// covers checks that a certificate that was found is for the domains.
func covers(crt tls.Certificate, domains []string) error {
	for _, d := range domains {
		j, err := jid.Parse(d)
		if err != nil {
			return err
		}
		if err := crt.Leaf.VerifyHostname(j.ASCIIDomain()); err != nil {
			return fmt.Errorf("the certificate in the data folder is not for %s: %w", d, err)
		}
	}
	return nil
}

func selfSigned(domains []string) (certPEM, keyPEM []byte, err error) {
	if len(domains) == 0 {
		return nil, nil, errors.New("server: a certificate needs a domain")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	tmpl := &x509.Certificate{
		SerialNumber:          serial,
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(10, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, // and no authority: who trusts it trusts it for these domains only
	}
	for _, d := range domains {
		j, err := jid.Parse(d)
		if err != nil {
			return nil, nil, err
		}
		tmpl.DNSNames = append(tmpl.DNSNames, j.ASCIIDomain())
	}
	tmpl.Subject = pkix.Name{CommonName: tmpl.DNSNames[0]}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}

// leafOf returns the certificate itself, without those that vouch for it.
func leafOf(crt *tls.Certificate) (*x509.Certificate, error) {
	switch {
	case crt.Leaf != nil:
		return crt.Leaf, nil
	case len(crt.Certificate) == 0:
		return nil, errors.New("server: an empty certificate")
	}
	return x509.ParseCertificate(crt.Certificate[0])
}
