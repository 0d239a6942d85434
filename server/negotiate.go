package server

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/xml"

	"github.com/etherx-go/xmpp/ext/csi"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

var sessionName = xml.Name{Space: stream.NSSession, Local: "session"}

// open answers a client's stream header.
func (sess *session) open(c *stream.Conn, in stream.Header) (stream.Header, []stream.Feature, error) {
	s := sess.srv
	h := stream.Header{Content: stanza.NSClient, From: s.main.jid, To: in.From, Version: stream.V1, Lang: s.cfg.Lang}
	host := s.hosts[in.To.Domain()]
	switch {
	case in.Content != stanza.NSClient:
		return h, nil, &stream.Error{Condition: stream.InvalidNamespace, Text: "this is a port for clients"}
	case host == nil || !in.To.IsDomain():
		return h, nil, stream.HostUnknown
	case !in.From.IsZero() && in.From.Domain() != host.jid.Domain() && in.Version != stream.Version{}:
		// XEP-0388, section 2.1: "the server SHOULD respond with an invalid-from
		// error".
		return h, nil, stream.InvalidFrom
	case sess.host != nil && sess.host != host:
		return h, nil, &stream.Error{Condition: stream.PolicyViolation, Text: "a restarted stream stays on its host"}
	}
	h.From = host.jid
	if err := sess.checkVersion(c, in); err != nil {
		return h, nil, err
	}
	if sess.host == nil {
		sess.host = host
		sess.wire.Load().conn = c
		sess.features = sess.makeFeatures()
	}
	return h, sess.features, nil
}

// bound is called just before the client learns its address: from then on it
// can be reached, and is told when the server stops.
func (sess *session) bound() {
	w := sess.wire.Load()
	sess.srv.setSession(w.cn, sess, w)
	sess.active.Store(true)
}

// makeFeatures lists what can be negotiated, in the order in which it is
// offered.
func (sess *session) makeFeatures() []stream.Feature {
	s := sess.srv
	var needs stream.State
	if !s.cfg.AllowPlaintext {
		needs = stream.Secure
	}
	sess.management = sess.serveManagement()
	limits := stream.OfferLimits(0) // a client may be silent for as long as it likes
	limits.Needs = needs            // so that nothing stands beside a STARTTLS that is required
	var fs []stream.Feature
	if s.cfg.TLS != nil {
		fs = append(fs, stream.ServeTLS(s.cfg.TLS, !s.cfg.AllowPlaintext))
	}
	if s.cfg.Accounts != nil {
		byIQ, bySASL := sess.authentication(needs)
		fs = append(append(fs, bySASL.Features()...), byIQ.feature())
	}
	if r := s.registration; r.Open || r.URL != "" {
		fs = append(fs, sess.registration(needs))
	}
	fs = append(fs, offer("ver", "urn:xmpp:features:rosterver"), offer("sub", "urn:xmpp:features:pre-approval"),
		offer(csi.FeatureName.Local, csi.NS), limits, sess.management.Feature())
	return append(fs, stream.ServeBind(func(ctx context.Context, resource string) (jid.JID, error) {
		return s.bindSession(ctx, sess, resource, s.cfg.Conflict)
	}, sess.bound), stream.OfferSession())
}

// offer is a feature that is announced with the resource binding, and needs no
// negotiation (RFC 6121, sections 2.6.1 and 3.4.1).
func offer(local, space string) stream.Feature {
	return stream.Feature{Name: xml.Name{Space: space, Local: local}, Needs: stream.Authenticated,
		Offer: func(_ *stream.Conn, dst []byte) []byte {
			return append(dst, "<"+local+" xmlns='"+space+"'/>"...)
		}}
}

// authentication makes the two ways to log in, which know of each other's failures.
func (sess *session) authentication(needs stream.State) (*oldAuth, stream.SASLServer) {
	bySASL := sess.saslServer(needs)
	byIQ := sess.newOldAuth(bySASL.Config)
	bySASL.OtherTries = func() int { return byIQ.tries }
	failed := bySASL.Failed
	bySASL.Failed = func(c *stream.Conn, mechanism string, err error) {
		byIQ.saslFailed = true
		failed(c, mechanism, err)
	}
	return byIQ, bySASL
}

func (s *Server) maxTries() int {
	if s.cfg.MaxTries <= 0 {
		return stream.DefaultMaxTries
	}
	return s.cfg.MaxTries
}

func (sess *session) saslServer(needs stream.State) stream.SASLServer {
	s := sess.srv
	domain := sess.host.jid.Domain()
	var hashes []crypto.Hash
	iterations := 0
	if p, ok := s.cfg.Accounts.(SCRAMParameters); ok {
		hashes, iterations = p.SCRAMParameters()
	}
	return stream.SASLServer{
		Needs:    needs,
		MaxTries: s.maxTries(),
		SASL2:    sess.login2(),
		Config: sasl.ServerConfig{
			Credentials:    s.cfg.Accounts.Credentials(domain),
			Host:           domain,
			Certificate:    s.certificate(sess.conn()),
			AllowPlaintext: s.cfg.AllowPlaintext,
			Normalize:      normalize(domain),
			Hashes:         hashes,
			Iterations:     iterations,
			// An old peer's digest-uri begins with "jabber" (draft-miller-
			// xmpp-core-02, section 5.1.2).
			Services: []string{"xmpp", "jabber"},
		},
		Done: func(c *stream.Conn, mechanism, user, _ string) (err error) {
			sess.account, err = accountOf(user, domain)
			if err == nil {
				s.log.Debug("authenticated", "account", sess.account, "mechanism", mechanism, "remote", c.Transport().RemoteAddr())
			}
			return err
		},
		Failed: func(c *stream.Conn, mechanism string, err error) {
			s.log.Info("authentication failed", "remote", c.Transport().RemoteAddr(), "mechanism", mechanism, "err", err)
		},
	}
}

// certificate returns the leaf certificate that this connection presented, for
// channel binding; nil if that cannot be told.
func (s *Server) certificate(c *stream.Conn) *x509.Certificate {
	if s.cfg.TLS == nil || len(s.cfg.TLS.Certificates) != 1 || s.cfg.TLS.GetCertificate != nil {
		return nil
	}
	leaf, err := leafOf(&s.cfg.TLS.Certificates[0])
	if err != nil {
		return nil
	}
	return leaf
}
