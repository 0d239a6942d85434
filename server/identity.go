package server

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp/internal/certid"
	"github.com/etherx-go/xmpp/jid"
)

var errNoTLS = errors.New("there is no TLS")

// proof says why the certificate of another server does not show that it speaks
// for a domain; nil if it does (RFC 6120, section 13.7.2, XEP-0178).
func (t *Trust) proof(cs *tls.ConnectionState, domain jid.JID) error {
	if cs == nil {
		return errNoTLS
	}
	return certid.Verify(cs.PeerCertificates, domain, certid.Options{Roots: t.Roots, Service: certid.Server})
}

// tlsServer is the name of the service for ALPN (XEP-0368, section 3).
const tlsServer = "xmpp-server"

// acceptTLS returns the config for a stream that another server opens. Its
// certificate is asked for, and looked at when its domain is known. local is the
// domain that it has called, which counts if it does not name one to TLS.
func (f *federation) acceptTLS(local jid.JID) *tls.Config {
	config := f.cfg.TLS.Clone()
	config.ClientAuth = tls.RequestClientCert
	config.NextProtos = nil
	config.GetConfigForClient = nil
	config.Certificates = nil // or GetCertificate is not asked where no name is given
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName != "" {
			if name, err := jid.New("", hello.ServerName, ""); err == nil && f.isLocal(name) {
				return f.certificate(name, hello)
			}
		}
		return f.certificate(cmp.Or(local, f.srv.main.jid), hello)
	}
	return config
}

// openTLS returns the config for a stream that is opened between two domains.
// check is asked whether the other server's certificate will do.
func (f *federation) openTLS(local, remote jid.JID, check func(tls.ConnectionState) error) *tls.Config {
	config := f.cfg.TLS.Clone()
	config.ServerName = remote.ASCIIDomain()
	config.InsecureSkipVerify = true // check does it, by the rules for servers
	config.VerifyConnection = check
	config.VerifyPeerCertificate = nil
	config.ClientSessionCache = nil // what one domain has shown is not what another one is
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		crt, err := f.certificate(local, nil)
		if err != nil {
			f.srv.log.Warn("no certificate to show", "domain", local, "err", err)
			return new(tls.Certificate), nil
		}
		return crt, nil
	}
	return config
}

// certificate returns what a domain of this server shows. hello is what the other
// side can do, nil if it is that which has the certificate.
func (f *federation) certificate(domain jid.JID, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	config := f.cfg.TLS
	if config.GetCertificate != nil {
		if hello == nil {
			hello = &tls.ClientHelloInfo{
				SupportedVersions: []uint16{tls.VersionTLS13, tls.VersionTLS12},
				CipherSuites:      []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
				SupportedCurves:   []tls.CurveID{tls.X25519, tls.CurveP256},
				SignatureSchemes:  []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256, tls.Ed25519},
			}
		}
		asked := *hello
		asked.ServerName = domain.ASCIIDomain()
		if crt, err := config.GetCertificate(&asked); crt != nil || err != nil {
			return crt, err
		}
	}
	for i := range config.Certificates {
		crt := &config.Certificates[i]
		if leaf, err := leafOf(crt); err == nil && certid.Match(leaf, domain, certid.Server) == nil {
			return crt, nil
		}
	}
	if len(config.Certificates) == 0 {
		return nil, fmt.Errorf("server: no certificate for %s", domain)
	}
	return &config.Certificates[0], nil
}
