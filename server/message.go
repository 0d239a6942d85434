package server

import (
	"context"
	"slices"

	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// sendMessage takes a message of a client: it is archived before it goes on, and the
// account's other clients get copies.
func (sess *session) sendMessage(ctx context.Context, st *stanza.Stanza) (handedOver bool) {
	s := sess.srv
	own, h := st, s.homeOf(st.To)
	if a := s.archive; a != nil {
		var err error
		if own, st, err = sess.archive(ctx, a, h, st); err != nil {
			s.log.Error("archive", "account", sess.account, "err", err)
			sess.refuse(st, &stanza.Error{Type: stanza.Wait, Condition: stanza.InternalServerError, Text: "the message could not be stored"})
			return false
		}
	}
	if own.To.Bare() != sess.account { // otherwise it is copied when it comes
		s.copy(ctx, sess.user, carbons.Sent, own, sess)
	}
	if h == nil {
		return s.route(ctx, sess, st)
	}
	s.toLocal(ctx, h, st)
	return false
}

// homeOf returns the host of an address if it is that of an account, and nothing
// else is there.
func (s *Server) homeOf(to jid.JID) *host {
	if to.Local() == "" || s.services.find(to) != nil {
		return nil
	}
	return s.hosts[to.Domain()]
}

// archive archives a message of the client for both sides, if both are here. own is
// what its other clients may see, out what goes on.
func (sess *session) archive(ctx context.Context, a *archive.Server, to *host, st *stanza.Stanza) (own, out *stanza.Stanza, err error) {
	if to == nil || !sess.srv.mayArchive(ctx, to, st) {
		sent, err := a.Outgoing(ctx, st)
		return sent.Own, sent.Stanza, err
	}
	sent, received, err := a.Local(ctx, st)
	return sent.Own, received.Stanza, err
}

// mayArchive reports whether a message passes the archive of its recipient, an account
// of this host: there is such an account, and it does not block the sender.
func (s *Server) mayArchive(ctx context.Context, h *host, st *stanza.Stanza) bool {
	if !s.hasAccount(ctx, st.To) {
		return false
	}
	u := h.acquire(st.To)
	defer h.release(u)
	blocked, _ := u.blocks(ctx, jid.JID{}, st)
	return !blocked
}

// inRoster reports whether a contact is in the roster of an account.
func (s *Server) inRoster(ctx context.Context, account, contact jid.JID) (has bool, err error) {
	s.withUser(account, func(u *user) {
		e, ok, e2 := u.contact(ctx, contact.Bare())
		has, err = ok && !e.Hidden, e2
	})
	return has, err
}

// takeMessage takes a message that others have sent to an account of this host.
func (s *Server) takeMessage(ctx context.Context, h *host, st *stanza.Stanza) {
	if s.isRevocation(ctx, st) {
		return
	}
	if s.archive != nil && s.mayArchive(ctx, h, st) {
		out, err := s.archive.Incoming(ctx, st)
		if err != nil {
			s.log.Error("archive", "account", st.To.Bare(), "err", err)
			s.bounce(st, &stanza.Error{Type: stanza.Wait, Condition: stanza.InternalServerError, Text: "the message could not be stored"})
			return
		}
		st = out.Stanza
	}
	s.toLocal(ctx, h, st)
}

// toLocal delivers a message to an account of this host, or to a resource of it.
func (s *Server) toLocal(ctx context.Context, h *host, st *stanza.Stanza) {
	if st.To.IsFull() {
		s.toResource(ctx, h, st)
	} else {
		s.toAccount(ctx, nil, h, st)
	}
}

// arrived gives copies of a message to those of its recipient's clients that want
// them, but for the one that has got it, if any has, and has those told that are not
// connected.
func (s *Server) arrived(ctx context.Context, h *host, st *stanza.Stanza, got *session) {
	s.notify(ctx, push.Event{Account: st.To.Bare(), Stanza: st})
	sessions := h.sessionsOf(st.To.Local())
	if slices.ContainsFunc(sessions, func(o *session) bool { return o != got && o.copies.Load() }) {
		s.copy(ctx, sessions[0].user, carbons.Received, st, got)
	}
}
