package server

import (
	"context"
	"encoding/xml"
	"errors"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/auth"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// Digester is an Accounts that can verify the digest of jabber:iq:auth, the SHA-1
// of the stream's id and the password (XEP-0078, section 3.1). For that it must
// keep the passwords themselves: neither SCRAM keys nor the hash of DIGEST-MD5
// will do. Without it clients can only show their password.
type Digester interface {
	Accounts
	// Digest returns a function that returns nil if the digest is that of the
	// password of this user of the domain, and [sasl.ErrUnknownUser] or
	// [sasl.NotAuthorized] if not, in the same time for both; nil if passwords are
	// not kept. [auth.Verify] compares.
	Digest(domain string) func(ctx context.Context, user, streamID, digest string) error
}

// isOld reports whether the client speaks as before RFC 3920: its stream has no
// version.
func (sess *session) isOld() bool { return sess.conn().Received().Version == (stream.Version{}) }

// oldDialect returns a stanza as a client of that time reads it.
func (sess *session) oldDialect(st *stanza.Stanza) *stanza.Stanza {
	if st.Type == stanza.TypeError && sess.isOld() {
		return st.WithOldError()
	}
	return st
}

// checkVersion says whether a stream may be opened without version. TLS cannot be
// negotiated then, so it must be there.
func (sess *session) checkVersion(c *stream.Conn, in stream.Header) error {
	s := sess.srv
	switch {
	case in.Version != stream.Version{} || in.OldSASL:
		return nil
	case !s.cfg.OldStreams:
		return &stream.Error{Condition: stream.UnsupportedVersion, Text: "the version of the stream must be 1.0"}
	case c.State()&stream.Secure == 0 && !s.cfg.AllowPlaintext:
		return &stream.Error{Condition: stream.UnsupportedVersion,
			Text: "the version of the stream must be 1.0, for TLS, unless the connection begins with TLS"}
	}
	return nil
}

// oldAuth is jabber:iq:auth as one client sees it.
type oldAuth struct {
	sess *session
	cfg  sasl.ServerConfig // how passwords are verified
	// digest verifies digests; nil: they are not offered.
	digest func(ctx context.Context, user, streamID, digest string) error
	// tries have failed; saslFailed tells that one by SASL has.
	tries      int
	saslFailed bool
}

// newOldAuth makes the log-in for a client that may as well use SASL, with cfg.
func (sess *session) newOldAuth(cfg sasl.ServerConfig) *oldAuth {
	a := &oldAuth{sess: sess, cfg: cfg}
	a.cfg.AllowPlaintext = true // offers has looked at it
	if d, ok := sess.srv.cfg.Accounts.(Digester); ok {
		a.digest = d.Digest(sess.host.jid.Domain())
	}
	return a
}

// feature serves log-in where Config.OldStreams allows it, and, to a client that
// has authenticated by SASL, the naming of a resource in place of its binding
// (draft-ietf-xmpp-im-02, section 3).
func (a *oldAuth) feature() stream.Feature {
	return stream.Feature{Name: auth.FeatureName, Not: stream.Ready, Requests: []xml.Name{auth.QueryName},
		Offer: func(c *stream.Conn, dst []byte) []byte {
			if a.offers(c) != 0 && c.State()&stream.Authenticated == 0 {
				dst, _ = auth.Feature{}.AppendXML(dst)
			}
			return dst
		},
		Serve: a.serve}
}

// offers returns by what a client can prove who it is, 0 if it cannot: it is
// switched off, or the connection is not secure.
func (a *oldAuth) offers(c *stream.Conn) (methods auth.Fields) {
	s := a.sess.srv
	if !s.cfg.OldStreams || c.State()&stream.Secure == 0 && !s.cfg.AllowPlaintext {
		return 0
	}
	if a.cfg.Credentials.Verify != nil || a.cfg.Credentials.SCRAM != nil {
		methods |= auth.Password
	}
	if a.digest != nil {
		methods |= auth.Digest
	}
	return methods
}

// serve answers one request.
func (a *oldAuth) serve(ctx context.Context, c *stream.Conn, in stream.Incoming) (stream.Outcome, error) {
	st := in.Stanza
	if st != nil && st.Type == "" && a.sess.isOld() {
		st.Type = stanza.TypeGet // the DTD of the Jabber Programmers Guide, chapter 8, lets it out
	}
	if a.saslFailed && c.State()&stream.Authenticated == 0 {
		// "the server MUST refuse the 'jabber:iq:auth' attempt by returning a
		// <policy-violation/> stream error" (XEP-0078, section 7).
		return stream.Outcome{}, &stream.Error{Condition: stream.PolicyViolation, Text: "SASL has failed on this stream"}
	}
	q, err := a.read(c, st)
	if err == nil && st.Type == stanza.TypeSet {
		if err = a.login(ctx, c, &q); err == nil {
			return c.Admit(in, stream.Authenticated, nil, a.sess.bound)
		}
	}
	err = c.Answer(in, func(*stanza.Stanza) (any, error) { return a.fields(c, q.Username), err })
	if err == nil && a.tries >= a.sess.srv.maxTries() {
		err = &stream.Error{Condition: stream.PolicyViolation, Text: "too many failed tries to authenticate"}
	}
	return stream.Outcome{}, err
}

// read reads a request, and says why it is none for this server.
func (a *oldAuth) read(c *stream.Conn, st *stanza.Stanza) (q auth.Query, err error) {
	switch {
	case st == nil:
		return q, stanza.BadRequest
	case !st.To.IsZero() && st.To != a.sess.host.jid:
		return q, stanza.ItemNotFound
	case st.ElementCount() != 1:
		return q, stanza.NewError(stanza.BadRequest, "an iq of type get or set has exactly one child element")
	case a.offers(c) == 0 && c.State()&stream.Authenticated == 0:
		// "If the server does not support non-SASL authentication [...] it MUST
		// return a <service-unavailable/> error" (XEP-0078, section 3.1).
		return q, stanza.NewError(stanza.ServiceUnavailable, "authenticate by SASL")
	}
	q, _, err = stanza.Decode[auth.Query](st)
	return q, err
}

// fields returns what is asked for, which is the same whether or not there is
// such a user.
func (a *oldAuth) fields(c *stream.Conn, user string) auth.Query {
	q := auth.Query{Username: user, Has: auth.Username | auth.Resource}
	if c.State()&stream.Authenticated == 0 {
		q.Has |= a.offers(c)
	}
	return q
}

// login authenticates the client, unless SASL has done so, and binds its resource.
func (a *oldAuth) login(ctx context.Context, c *stream.Conn, q *auth.Query) error {
	sess := a.sess
	authenticated := c.State()&stream.Authenticated != 0
	if err := q.Check(authenticated); err != nil {
		return err
	}
	account, err := a.account(q.Username)
	switch {
	case !authenticated:
		account, err = a.prove(ctx, c, q)
	case err != nil || account != sess.account:
		err = stanza.NewError(stanza.NotAuthorized, "the user name is not the one that has authenticated")
	}
	if err != nil {
		return err
	}
	before := sess.account
	sess.account = account
	if _, err = sess.srv.bindSession(ctx, sess, q.Resource, sess.srv.cfg.Conflict); err != nil {
		sess.account = before
	}
	return err
}

// account returns the account that a user name stands for, prepared as SASL
// does.
func (a *oldAuth) account(user string) (jid.JID, error) {
	user, err := sasl.Prepare(user)
	if err != nil {
		return jid.JID{}, sasl.ErrUnknownUser
	}
	return accountOf(user, a.sess.host.jid.Domain())
}

// prove finds out whether the client is who it says. A failure counts as a try,
// and does not tell whether there is such a user.
func (a *oldAuth) prove(ctx context.Context, c *stream.Conn, q *auth.Query) (account jid.JID, err error) {
	offered := a.offers(c)
	method := "password"
	switch {
	case q.Digest != "" && offered&auth.Digest != 0:
		method = "digest"
		account, err = a.proveDigest(ctx, c.Sent().ID, q)
	case q.Password != "" && offered&auth.Password != 0:
		account, err = a.provePassword(ctx, q)
	default:
		return account, stanza.NewError(stanza.NotAcceptable, "the fields are: "+a.fields(c, "").Has.String())
	}
	log, remote := a.sess.srv.log, c.Transport().RemoteAddr()
	if err == nil {
		log.Debug("authenticated", "account", account, "mechanism", auth.NS, "method", method, "remote", remote)
		return account, nil
	}
	a.tries++
	log.Info("authentication failed", "remote", remote, "mechanism", auth.NS, "method", method, "err", err)
	return account, refusal(err)
}

// provePassword asks what PLAIN asks, so that it costs the same and Authorize is
// heard.
func (a *oldAuth) provePassword(ctx context.Context, q *auth.Query) (jid.JID, error) {
	cfg := a.cfg
	cfg.Offered = []string{sasl.Plain}
	mech, err := sasl.NewServer(sasl.Plain, cfg)
	if err != nil {
		return jid.JID{}, err
	}
	if _, _, err := mech.Next(ctx, []byte("\x00"+q.Username+"\x00"+q.Password)); err != nil {
		return jid.JID{}, err
	}
	return accountOf(mech.Username(), a.sess.host.jid.Domain())
}

func (a *oldAuth) proveDigest(ctx context.Context, streamID string, q *auth.Query) (jid.JID, error) {
	account, err := a.account(q.Username)
	if err == nil {
		err = a.digest(ctx, account.Local(), streamID, q.Digest)
	}
	if authorize := a.cfg.Credentials.Authorize; err == nil && authorize != nil {
		err = authorize(ctx, account.Local(), "")
	}
	return account, err
}

// refusal is what a client is told of a failed try. "account-disabled" and the like
// are not known to it: but for the text it is the same answer.
func refusal(err error) error {
	f, isFailure := errors.AsType[*sasl.Failure](err)
	cond, isCond := errors.AsType[sasl.Condition](err)
	text := ""
	if isFailure {
		cond, text = f.Condition, f.Text
	}
	if !isFailure && !isCond && !errors.Is(err, sasl.ErrUnknownUser) || cond == sasl.TemporaryAuthFailure {
		return &stanza.Error{Type: stanza.Wait, Condition: stanza.InternalServerError, Text: text}
	}
	return stanza.NewError(stanza.NotAuthorized, text)
}
