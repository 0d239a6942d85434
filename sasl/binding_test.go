package sasl

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
)

// Both ends of a real TLS connection see the same bindings.
func TestBindingTypes(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		version uint16
		key     crypto.Signer
		alg     x509.SignatureAlgorithm
		want    []string
		hash    func([]byte) []byte
	}{
		{"TLS 1.2", tls.VersionTLS12, ecdsaKey(t), x509.ECDSAWithSHA256, []string{TLSExporter, TLSUnique, TLSServerEndPoint}, sum256},
		{"TLS 1.3", tls.VersionTLS13, ecdsaKey(t), x509.ECDSAWithSHA256, []string{TLSExporter, TLSServerEndPoint}, sum256},
		{"SHA-384", tls.VersionTLS13, ecdsaKey(t), x509.ECDSAWithSHA384, []string{TLSExporter, TLSServerEndPoint}, sum384},
		{"SHA-512", tls.VersionTLS13, rsaKey, x509.SHA512WithRSA, []string{TLSExporter, TLSServerEndPoint}, sum512},
		{"RSA-PSS", tls.VersionTLS13, rsaKey, x509.SHA256WithRSAPSS, []string{TLSExporter, TLSServerEndPoint}, sum256},
		{"Ed25519 has no hash", tls.VersionTLS13, ed25519Key(t), x509.PureEd25519, []string{TLSExporter}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ch := newChannel(t, tt.version, selfSigned(t, "example.org", tt.key, tt.alg))
			client := BindingTypes(&ch.client, ch.client.PeerCertificates[0])
			server := BindingTypes(&ch.server, ch.cert.Leaf)
			if !slices.Equal(client, tt.want) || !slices.Equal(server, tt.want) {
				t.Fatalf("client %v, server %v, want %v", client, server, tt.want)
			}
			for _, typ := range tt.want {
				a, err1 := bindingData(typ, &ch.client, ch.client.PeerCertificates[0])
				b, err2 := bindingData(typ, &ch.server, ch.cert.Leaf)
				if err1 != nil || err2 != nil || len(a) < 12 || !bytes.Equal(a, b) {
					t.Errorf("%s: client %x (%v), server %x (%v)", typ, a, err1, b, err2)
				}
				if typ == TLSServerEndPoint && !bytes.Equal(a, tt.hash(ch.cert.Leaf.Raw)) {
					t.Error("tls-server-end-point is not the hash of the certificate")
				}
			}
			if got := BindingTypes(&ch.server, nil); slices.Contains(got, TLSServerEndPoint) {
				t.Error("tls-server-end-point without a certificate")
			}
		})
	}
	// RFC 5929 section 4.1: SHA-256 where the signature used MD5 or SHA-1.
	for _, alg := range []x509.SignatureAlgorithm{x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1} {
		if got, err := endPoint(&x509.Certificate{Raw: []byte("cert"), SignatureAlgorithm: alg}); err != nil || !bytes.Equal(got, sum256([]byte("cert"))) {
			t.Errorf("%v: %x %v", alg, got, err)
		}
	}
	if got := BindingTypes(nil, nil); got != nil {
		t.Errorf("without TLS: %v", got)
	}
	if got := BindingTypes(&tls.ConnectionState{Version: tls.VersionTLS13}, nil); got != nil {
		t.Errorf("before the handshake: %v", got)
	}
	made := &tls.ConnectionState{HandshakeComplete: true, Version: tls.VersionTLS13}
	if got := BindingTypes(made, nil); got != nil {
		t.Errorf("of a state that no handshake made: %v", got)
	}
	if _, err := bindingData("tls-moon", made, nil); err == nil {
		t.Error("an unknown type has data")
	}
}

func sum256(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
func sum384(b []byte) []byte { s := sha512.Sum384(b); return s[:] }
func sum512(b []byte) []byte { s := sha512.Sum512(b); return s[:] }

// Every type on every version, chosen by what the server announces (XEP-0440).
func TestBoundExchange(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		ch := exampleChannel(t, version)
		for _, typ := range BindingTypes(&ch.server, ch.cert.Leaf) {
			t.Run(tls.VersionName(version)+"/"+typ, func(t *testing.T) {
				scfg := ch.serverConfig(newAccounts().server())
				scfg.BindingTypes = []string{"tls-moon", typ}
				ccfg := clientFor(SCRAMSHA256)
				ccfg.TLS, ccfg.BindingTypes = &ch.client, scfg.BindingTypes
				name, c, err := Choose(Mechanisms(scfg), ccfg)
				if err != nil || name != SCRAMSHA512Plus {
					t.Fatalf("%s %v", name, err)
				}
				tr, cerr, serr := converse(c, mustServer(t, name, scfg))
				if cerr != nil || serr != nil {
					t.Fatal(cerr, serr)
				}
				if !bytes.HasPrefix(tr.sent[0], []byte("p="+typ+",,")) {
					t.Errorf("first message %q", tr.sent[0])
				}
			})
		}
	}
}

// Somebody between the ends has two channels: every binding differs, but for
// tls-server-end-point if the certificate is stolen.
func TestManInTheMiddle(t *testing.T) {
	cert := selfSigned(t, "example.org", ecdsaKey(t), 0)
	toClient, toServer := newChannel(t, tls.VersionTLS12, cert), newChannel(t, tls.VersionTLS12, cert)
	for _, typ := range []string{TLSExporter, TLSUnique, TLSServerEndPoint} {
		scfg := toServer.serverConfig(newAccounts().server())
		ccfg := clientFor(SCRAMSHA256)
		ccfg.TLS, ccfg.BindingTypes = &toClient.client, []string{typ}
		_, cerr, serr := converse(mustClient(t, SCRAMSHA256Plus, ccfg), mustServer(t, SCRAMSHA256Plus, scfg))
		if cerr != nil {
			t.Fatal(cerr)
		}
		if typ == TLSServerEndPoint {
			if serr != nil {
				t.Errorf("%s: %v", typ, serr)
			}
			continue
		}
		wantCondition(t, serr, NotAuthorized)
		if !errors.Is(serr, SCRAMBindingsDontMatch) {
			t.Errorf("%s: cause %v", typ, serr)
		}
	}
}

func TestBindingRefusals(t *testing.T) {
	ch := exampleChannel(t, tls.VersionTLS13)
	scfg := ch.serverConfig(newAccounts().server())
	for _, tt := range []struct {
		name, mech, msg string
		cause           error
		cond            Condition
	}{
		{"unsupported type", SCRAMSHA1Plus, "p=tls-unique,,n=a,r=b", SCRAMUnsupportedBindingType, NotAuthorized},
		{"unknown type", SCRAMSHA1Plus, "p=tls-moon,,n=a,r=b", SCRAMUnsupportedBindingType, NotAuthorized},
		{"bound mechanism unbound", SCRAMSHA1Plus, "n,,n=a,r=b", SCRAMBindingsDontMatch, MalformedRequest},
		{"y with a bound mechanism", SCRAMSHA1Plus, "y,,n=a,r=b", SCRAMServerDoesSupportBinding, NotAuthorized},
		{"y though binding is offered", SCRAMSHA1, "y,,n=a,r=b", SCRAMServerDoesSupportBinding, NotAuthorized},
	} {
		_, _, err := mustServer(t, tt.mech, scfg).Next(context.Background(), []byte(tt.msg))
		wantCondition(t, err, tt.cond)
		if !errors.Is(err, tt.cause) {
			t.Errorf("%s: cause %v", tt.name, err)
		}
	}
	// Without -PLUS on offer, "y" is what a binding client has to say.
	scfg.Offered, scfg.BindingTypes = []string{SCRAMSHA1}, nil
	if _, _, err := mustServer(t, SCRAMSHA1, scfg).Next(context.Background(), []byte("y,,n=a,r=b")); err != nil {
		t.Error(err)
	}
}
