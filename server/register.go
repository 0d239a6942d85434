package server

import (
	"context"
	"encoding/xml"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

var (
	registerName  = xml.Name{Space: register.NSFeature, Local: "register"}
	registerQuery = xml.Name{Space: register.NS, Local: "query"}
)

// registered are the server's accounts, as in-band registration changes them.
type registered struct{ *Server }

// Register makes an account.
func (r registered) Register(ctx context.Context, account jid.JID, password string) error {
	a, ok := r.cfg.Accounts.(Registrar)
	if !ok {
		return stanza.ServiceUnavailable
	}
	return a.Register(ctx, account, password)
}

// SetPassword changes the password of an account.
func (r registered) SetPassword(ctx context.Context, account jid.JID, password string) error {
	a, ok := r.cfg.Accounts.(AccountManager)
	if !ok {
		return stanza.NotAllowed
	}
	if err := a.SetPassword(ctx, account, password); err != nil {
		return err
	}
	return r.forgetTokens(ctx, account)
}

// forgetTokens takes away what clients of an account log in with in place of its
// password.
func (s *Server) forgetTokens(ctx context.Context, account jid.JID) error {
	if s.cfg.Stores.Tokens == nil {
		return nil
	}
	return s.cfg.Stores.Tokens.RemoveTokens(ctx, account, "")
}

// Remove removes an account and what is kept for it, not yet its sessions.
func (r registered) Remove(ctx context.Context, account jid.JID) error {
	return r.removeAccount(ctx, account)
}

// Exists reports whether there is such an account.
func (r registered) Exists(ctx context.Context, account jid.JID) (bool, error) {
	return r.HasAccount(ctx, account)
}

// registration is in-band registration before authentication (XEP-0077,
// section 8).
func (sess *session) registration(needs stream.State) stream.Feature {
	return stream.Feature{Name: registerName, Needs: needs, Not: stream.Authenticated,
		Requests: []xml.Name{registerQuery},
		Offer: func(_ *stream.Conn, dst []byte) []byte {
			return append(dst, "<register xmlns='"+register.NSFeature+"'/>"...)
		},
		Serve: func(ctx context.Context, c *stream.Conn, in stream.Incoming) (stream.Outcome, error) {
			return stream.Outcome{}, c.Answer(in, func(st *stanza.Stanza) (any, error) {
				return sess.register(ctx, sess.host.jid.Domain(), st)
			})
		}}
}

// register answers a request to a domain.
func (sess *session) register(ctx context.Context, domain string, st *stanza.Stanza) (any, error) {
	q, _, err := stanza.Decode[register.Query](st)
	if err != nil {
		return nil, err
	}
	reply, err := sess.srv.registration.Handle(ctx, register.Requester{
		Account:    sess.account,
		Session:    sess.jid,
		Domain:     domain,
		RemoteAddr: sess.conn().Transport().RemoteAddr().String(),
		Secure:     sess.conn().State()&stream.Secure != 0,
	}, st.Type, &q)
	if reply == nil {
		return nil, err // a nil *Query is not a nil any
	}
	return reply, err
}

// handleRegistration adds the handlers for those who are logged in.
func (s *Server) handleRegistration() {
	handler := s.forOwnAccount(func(sess *session, ctx context.Context, st *stanza.Stanza) error {
		reply, err := sess.register(ctx, sess.account.Domain(), st)
		if err != nil {
			return err
		}
		if err := sess.answer(st, reply); err != nil {
			return err
		}
		if st.Type != stanza.TypeSet {
			return nil
		}
		// "the server SHOULD [...] terminate all active sessions for the
		// entity" that has removed itself (XEP-0077, section 3.2).
		exists, err := s.HasAccount(ctx, sess.account)
		if err == nil && !exists {
			s.endSessions(ctx, sess.account)
		}
		return err
	})
	types := []stanza.Type{stanza.TypeGet, stanza.TypeSet}
	s.mux.Handle(xmpp.Pattern{Kind: stanza.KindIQ, Types: types, Payload: registerQuery}, handler)
}
