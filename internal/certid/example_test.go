package certid_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/etherx-go/xmpp/internal/certid"
	"github.com/etherx-go/xmpp/jid"
)

// selfSigned stands for the certificates of a [crypto/tls.ConnectionState].
func selfSigned(names ...string) []*x509.Certificate {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     names,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return []*x509.Certificate{leaf}
}

func Example() {
	chain := selfSigned("*.example.org")
	opt := certid.Options{Roots: x509.NewCertPool(), Service: certid.Server}
	opt.Roots.AddCert(chain[0])
	for _, domain := range []string{"im.example.org", "example.net"} {
		err := certid.Verify(chain, jid.MustParse(domain), opt)
		if nameErr := (*certid.NameError)(nil); errors.As(err, &nameErr) {
			fmt.Println("no match:", err)
			continue
		}
		fmt.Println(domain, err)
	}
	// Output:
	// im.example.org <nil>
	// no match: certid: the certificate is not for example.net (xmpp-server), but for DNS-ID *.example.org
}

func ExampleNames() {
	fmt.Printf("%q\n", certid.Names(selfSigned("xn--bcher-kva.example", "a.example, DNS-ID b.example")[0]))
	// Output:
	// ["DNS-ID xn--bcher-kva.example" "DNS-ID \"a.example, DNS-ID b.example\""]
}
