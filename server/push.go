package server

import (
	"context"

	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// IsConnected reports whether there is a session with this full address that has a
// connection now, and does not end.
func (s *Server) IsConnected(full jid.JID) bool {
	sess := s.session(full)
	return sess != nil && !sess.waits.Load() && !sess.ends.Load()
}

// notify has those clients of an account told that are not connected (XEP-0357). It
// waits for nobody but the store.
func (s *Server) notify(ctx context.Context, e push.Event) {
	if s.push == nil {
		return
	}
	if err := s.push.Notify(context.WithoutCancel(ctx), e); err != nil {
		s.log.Error("push", "account", e.Account, "err", err)
	}
}

// notifyOfMissed has the client told of what it has not got, now that it has no
// connection.
func (sess *session) notifyOfMissed() {
	if sess.srv.push == nil {
		return
	}
	r, _ := sess.conn().Resumption(0)
	for _, st := range r.Unacked {
		sess.srv.notify(sess.ctx, push.Event{Account: sess.account, Resource: sess.jid.Resource(), Stanza: st})
	}
}

// seen takes note that the client has a connection.
func (sess *session) seen() {
	if p := sess.srv.push; p != nil {
		if err := p.Seen(sess.ctx, sess.jid); err != nil {
			sess.srv.log.Error("push", "account", sess.account, "err", err)
		}
	}
}

// isRevocation reports whether a message is of a push service that wants no more of a
// client, and was taken so.
func (s *Server) isRevocation(ctx context.Context, st *stanza.Stanza) bool {
	if s.push == nil || !st.To.IsBare() {
		return false
	}
	ok, err := s.push.Revoked(ctx, st)
	if err != nil {
		s.log.Error("push", "account", st.To, "err", err)
	}
	return ok
}
