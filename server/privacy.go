package server

import (
	"context"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/privacy"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// makePrivacy makes the engine of privacy lists and blocking, which comes before
// everything else when a stanza is delivered (XEP-0016, section 2.2).
func (s *Server) makePrivacy() *privacy.Engine {
	return privacy.NewEngine(privacy.Config{
		Store:    s.stores.Privacy,
		Limits:   s.cfg.PrivacyLimits,
		Contact:  s.privacyContact,
		Groups:   s.rosterGroups,
		Sessions: s.connected,
		Push: func(_ context.Context, to jid.JID, payload stanza.Payload) {
			if sess := s.session(to); sess != nil {
				sess.request(payload)
			}
		},
		Announce: func(ctx context.Context, to, contact jid.JID, available bool) {
			if sess := s.session(to); sess != nil {
				sess.announceBlocked(ctx, contact, available)
			}
		},
		Old: func(to jid.JID) bool {
			sess := s.session(to)
			return sess != nil && sess.conn().Received().Version == (stream.Version{})
		},
	})
}

// announceBlocked tells those whom a block covers, and who have seen the
// session's presence, that it is unavailable, or, when the block is gone, what
// it is (XEP-0191, sections 3.3 and 3.4). The block itself is not asked when it
// is new: it would keep that back.
func (sess *session) announceBlocked(ctx context.Context, blocked jid.JID, available bool) {
	sess.user.shows.Lock()
	defer sess.user.shows.Unlock()
	st := sess.presence.Load()
	for _, contact := range sess.audience() {
		switch {
		case !privacy.Covers(blocked, contact):
		case !available:
			sess.srv.Route(ctx, addressed(sess.unavailable(), contact))
		case st != nil:
			sess.show(ctx, st, contact) // another block may still be there
		}
	}
}

// privacyContact tells what privacy lists may ask about somebody.
func (s *Server) privacyContact(ctx context.Context, account, other jid.JID) (c privacy.Contact, err error) {
	c.JID = other
	s.withUser(account, func(u *user) {
		e, ok, e2 := u.contact(ctx, other.Bare())
		if err = e2; ok && err == nil {
			c.Subscription, c.Groups = e.Subscription, e.Groups
		}
	})
	return c, err
}

// rosterGroups returns the groups of an account's roster.
func (s *Server) rosterGroups(ctx context.Context, account jid.JID) (groups []string, err error) {
	entries, _, err := s.stores.Rosters.Entries(ctx, account)
	for _, e := range entries {
		groups = append(groups, e.Groups...)
	}
	return groups, err
}

// withUser calls fn for a local account.
func (s *Server) withUser(account jid.JID, fn func(*user)) {
	h := s.hosts[account.Domain()]
	if h == nil {
		return
	}
	u := h.acquire(account)
	defer h.release(u)
	fn(u)
}

// session returns the session with a full address, nil if there is none.
func (s *Server) session(j jid.JID) *session {
	if h := s.hosts[j.Domain()]; h != nil {
		return h.find(j)
	}
	return nil
}

// connected returns the addresses of an account's sessions.
func (s *Server) connected(account jid.JID) (all []jid.JID) {
	if h := s.hosts[account.Domain()]; h != nil {
		for _, sess := range h.sessionsOf(account.Local()) {
			if sess.active.Load() {
				all = append(all, sess.jid)
			}
		}
	}
	return all
}

// accepts reports whether the privacy list of the session lets a stanza in.
func (sess *session) accepts(ctx context.Context, st *stanza.Stanza) bool {
	blocked, _ := sess.user.blocks(ctx, sess.jid, st)
	return !blocked
}

// maySend reports whether the privacy list of the session lets a stanza out.
func (sess *session) maySend(ctx context.Context, st *stanza.Stanza) bool {
	blocked, _ := sess.user.forbids(ctx, sess.jid, st)
	return !blocked
}

// hides is forbids for who has no session: the default list counts.
func (u *user) hides(ctx context.Context, st *stanza.Stanza) (blocked bool, answer *stanza.Error) {
	return u.forbids(ctx, jid.JID{}, st)
}

// blocks reports whether a stanza that comes for the account is blocked, and
// what the sender is told then, if anything. session is zero if the stanza is for
// none.
func (u *user) blocks(ctx context.Context, session jid.JID, st *stanza.Stanza) (blocked bool, answer *stanza.Error) {
	return u.judge(ctx, session, st.From, privacy.KindIn(st), st, false)
}

// forbids does so for a stanza that the account sends.
func (u *user) forbids(ctx context.Context, session jid.JID, st *stanza.Stanza) (blocked bool, answer *stanza.Error) {
	return u.judge(ctx, session, st.To, privacy.KindOut(st), st, true)
}

func (u *user) judge(ctx context.Context, session, other jid.JID, k privacy.Kinds, st *stanza.Stanza, out bool) (bool, *stanza.Error) {
	if other.Bare() == u.account {
		return false, nil // nobody blocks himself
	}
	ok, err := u.srv.privacy.Allow(ctx, u.account, session, other, k)
	switch {
	case err != nil:
		// Who has asked to be left alone is left alone.
		u.srv.log.Error("privacy list", "account", u.account, "err", err)
		return true, stanza.NewError(stanza.InternalServerError, "")
	case ok:
		return false, nil
	}
	return true, u.srv.privacy.Answer(ctx, u.account, session, other, st, out)
}
