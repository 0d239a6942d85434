package server

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/xml"
	"errors"

	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

var (
	sessionName  = xml.Name{Space: stream.NSSession, Local: "session"}
	registerName = xml.Name{Space: register.NSFeature, Local: "register"}
)

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
	case sess.host != nil && sess.host != host:
		return h, nil, &stream.Error{Condition: stream.PolicyViolation, Text: "a restarted stream stays on its host"}
	}
	h.From = host.jid
	if in.Version == (stream.Version{}) && !in.OldSASL {
		return h, nil, &stream.Error{Condition: stream.UnsupportedVersion, Text: "the version of the stream must be 1.0"}
	}
	if sess.host == nil {
		sess.host = host
		sess.conn = c
		sess.features = sess.makeFeatures()
	}
	return h, sess.features, nil
}

// bound is called just before the client learns its address: from then on it
// can be reached, and is told when the server stops.
func (sess *session) bound() {
	sess.srv.setSession(sess.cn, sess)
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
	var fs []stream.Feature
	if s.cfg.TLS != nil {
		fs = append(fs, stream.ServeTLS(s.cfg.TLS, !s.cfg.AllowPlaintext))
	}
	if s.cfg.Accounts != nil {
		fs = append(fs, sess.saslServer(needs).Features()...)
	}
	if s.cfg.Registration {
		fs = append(fs, sess.registration(needs))
	}
	return append(fs, stream.ServeBind(func(ctx context.Context, resource string) (jid.JID, error) {
		return s.bindSession(ctx, sess, resource)
	}, sess.bound), stream.OfferSession())
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
		MaxTries: s.cfg.MaxTries,
		Config: sasl.ServerConfig{
			Credentials:    s.cfg.Accounts.Credentials(domain),
			Host:           domain,
			Certificate:    s.certificate(sess.conn),
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
	crt := s.cfg.TLS.Certificates[0]
	if crt.Leaf != nil || len(crt.Certificate) == 0 {
		return crt.Leaf
	}
	leaf, err := x509.ParseCertificate(crt.Certificate[0])
	if err != nil {
		return nil
	}
	return leaf
}

// registration is in-band registration before authentication (XEP-0077,
// section 8).
func (sess *session) registration(needs stream.State) stream.Feature {
	return stream.Feature{Name: registerName, Needs: needs, Not: stream.Authenticated,
		Requests: []xml.Name{{Space: register.NS, Local: "query"}},
		Offer: func(_ *stream.Conn, dst []byte) []byte {
			return append(dst, "<register xmlns='"+register.NSFeature+"'/>"...)
		},
		Serve: func(ctx context.Context, c *stream.Conn, in stream.Incoming) (stream.Outcome, error) {
			return stream.Outcome{}, c.Answer(in, func(st *stanza.Stanza) (any, error) {
				return sess.register(ctx, st)
			})
		}}
}

// register answers one request: get for the fields, set to make an account.
func (sess *session) register(ctx context.Context, st *stanza.Stanza) (any, error) {
	if st.Type == stanza.TypeGet {
		return &register.Query{
			Instructions: "Choose a user name and a password for " + sess.host.jid.Domain() + ".",
			Fields:       []register.Field{{Name: "username"}, {Name: "password"}},
		}, nil
	}
	q, _, err := stanza.Decode[register.Query](st)
	if err != nil {
		return nil, stanza.BadRequest
	}
	if q.Remove {
		return nil, stanza.RegistrationRequired // nobody is logged in here
	}
	user, _ := q.Get("username")
	password, _ := q.Get("password")
	if user == "" || password == "" {
		return nil, stanza.NewError(stanza.NotAcceptable, "username and password are needed")
	}
	account, err := jid.New(user, sess.host.jid.Domain(), "")
	if err != nil {
		return nil, stanza.NewError(stanza.NotAcceptable, "the user name cannot be used")
	}
	err = sess.srv.cfg.Accounts.(Registrar).Register(ctx, account, password)
	switch {
	case errors.Is(err, sasl.ErrBadString):
		return nil, stanza.NewError(stanza.NotAcceptable, "the password cannot be used")
	case err != nil:
		return nil, err
	}
	sess.srv.log.Info("registered", "account", account, "remote", sess.conn.Transport().RemoteAddr())
	return nil, nil
}
