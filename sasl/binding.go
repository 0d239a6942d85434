package sasl

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

// Channel binding types (IANA registry "Channel-Binding Types").
const (
	TLSExporter       = "tls-exporter"         // RFC 9266
	TLSUnique         = "tls-unique"           // RFC 5929 section 3; not with TLS 1.3
	TLSServerEndPoint = "tls-server-end-point" // RFC 5929 section 4
)

// BindingTypes returns the channel binding types that are possible on a TLS
// connection, strongest first; none if state is nil. leaf is the certificate
// that the server presented, for a client state.PeerCertificates[0]; nil leaves
// tls-server-end-point out. A server announces the result (XEP-0440 wants
// tls-server-end-point always among it) and sets it as
// ServerConfig.BindingTypes.
func BindingTypes(state *tls.ConnectionState, leaf *x509.Certificate) []string {
	var types []string
	for _, t := range []string{TLSExporter, TLSUnique, TLSServerEndPoint} {
		if _, err := bindingData(t, state, leaf); err == nil {
			types = append(types, t)
		}
	}
	return types
}

// bindingData returns the data that binds to the channel.
func bindingData(typ string, state *tls.ConnectionState, leaf *x509.Certificate) ([]byte, error) {
	if state == nil || !state.HandshakeComplete {
		return nil, errors.New("sasl: no TLS channel")
	}
	switch typ {
	case TLSExporter:
		return exporter(state)
	case TLSUnique:
		// Go leaves it empty for TLS 1.3 and for resumption without extended
		// master secret, as RFC 7677 section 4 asks.
		if len(state.TLSUnique) == 0 || state.Version >= tls.VersionTLS13 {
			return nil, errors.New("sasl: tls-unique is not defined on this channel")
		}
		return state.TLSUnique, nil
	case TLSServerEndPoint:
		return endPoint(leaf)
	}
	return nil, fmt.Errorf("sasl: unknown channel binding type %q", typ)
}

// exporter computes tls-exporter: label EXPORTER-Channel-Binding, a context
// that is there but empty, 32 bytes (RFC 9266 section 2). crypto/tls refuses
// where the master secret may not be unique.
func exporter(state *tls.ConnectionState) (data []byte, err error) {
	// A state that no handshake of crypto/tls made (another TLS library, a test)
	// has no exporter, and asking it panics inside crypto/tls.
	defer func() {
		if recover() != nil {
			data, err = nil, errors.New("sasl: this TLS state exports no keying material")
		}
	}()
	return state.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
}

// endPoint computes tls-server-end-point: the certificate's hash with the hash
// function of its signature, SHA-256 in place of MD5 and SHA-1; undefined for
// signatures without a hash function such as Ed25519 (RFC 5929 section 4.1).
func endPoint(leaf *x509.Certificate) ([]byte, error) {
	if leaf == nil {
		return nil, errors.New("sasl: server certificate unknown")
	}
	var h crypto.Hash
	switch leaf.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.DSAWithSHA256, x509.ECDSAWithSHA256:
		h = crypto.SHA256
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		h = crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		h = crypto.SHA512
	default:
		return nil, fmt.Errorf("sasl: tls-server-end-point is not defined for %v", leaf.SignatureAlgorithm)
	}
	d := h.New()
	d.Write(leaf.Raw)
	return d.Sum(nil), nil
}

// leaf is the server's certificate as the client saw it.
func (cfg *ClientConfig) leaf() *x509.Certificate {
	if cfg.TLS == nil || len(cfg.TLS.PeerCertificates) == 0 {
		return nil
	}
	return cfg.TLS.PeerCertificates[0]
}

// binding returns the type to bind with: the strongest that is announced and
// possible; empty if there is none. Where the server announced none it is
// tls-unique, the default of RFC 5802 section 6.1, and nothing with TLS 1.3,
// which does not have it: the default there is tls-exporter (RFC 9266 section
// 3), but servers that announce nothing are older than that, and refuse it
// (ejabberd 23.01 offers -PLUS, and knows tls-unique alone).
func (cfg *ClientConfig) binding() string {
	announced := cfg.BindingTypes
	if len(announced) == 0 {
		announced = []string{TLSUnique}
	}
	for _, t := range BindingTypes(cfg.TLS, cfg.leaf()) {
		if slices.Contains(announced, t) {
			return t
		}
	}
	return ""
}

// checkAnnouncements applies the rules of XEP-0440 section 3 for announcements
// that contradict each other. Under RFC 6120 rule 5 is applied only if SCRAM
// is offered: a server that has nothing but PLAIN may announce types that no
// mechanism uses, and gains an attacker nothing.
func (cfg *ClientConfig) checkAnnouncements() error {
	if cfg.Offered == nil || len(BindingTypes(cfg.TLS, cfg.leaf())) == 0 {
		return nil
	}
	plus, types := offersPlus(cfg.Offered), len(cfg.BindingTypes) > 0
	scram := slices.ContainsFunc(cfg.Offered, func(n string) bool { m, ok := lookup(n); return ok && m.scram != 0 })
	switch {
	case cfg.SASL2 && plus && !types:
		return fmt.Errorf("%w: channel binding mechanisms are offered, but no channel binding types", ErrDowngrade)
	case types && !plus && (cfg.SASL2 || scram):
		return fmt.Errorf("%w: channel binding types are announced, but no mechanism that uses them", ErrDowngrade)
	}
	return nil
}

// bindings returns what the server accepts: possible, and announced if there
// was an announcement.
func (cfg *ServerConfig) bindings() []string {
	own := BindingTypes(cfg.TLS, cfg.Certificate)
	if cfg.BindingTypes == nil {
		return own
	}
	return slices.DeleteFunc(own, func(t string) bool { return !slices.Contains(cfg.BindingTypes, t) })
}
