package server

import (
	"context"
	"errors"

	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// maxRequest bounds, in bytes, what is kept of a request until it is answered:
// larger ones are kept without their payloads.
const maxRequest = 8 << 10

// subscription takes a presence of type subscribe, subscribed, unsubscribe or
// unsubscribed that a client sends (RFC 6121, section 3; the state tables of its
// appendix A.2).
func (sess *session) subscription(ctx context.Context, st *stanza.Stanza) {
	h := st.Header
	h.From, h.To = sess.account, h.To.Bare()
	if h.To.IsZero() || h.To == sess.account {
		sess.refuse(st, stanza.NewError(stanza.NotAllowed, "a subscription is to somebody else"))
		return
	}
	if err := sess.user.sendSubscription(ctx, st.With(h)); err != nil {
		sess.refuse(st, err)
	}
}

// sendSubscription changes the roster, pushes the change, and tells the contact.
func (u *user) sendSubscription(ctx context.Context, st *stanza.Stanza) error {
	u.sends.Lock()
	defer u.sends.Unlock()
	effect, err := u.changeOutbound(ctx, st)
	if err != nil {
		return err
	}
	if effect.Announce == presence.AnnounceUnavailable {
		u.announce(ctx, st.To, false)
	}
	if effect.Route {
		u.srv.Route(ctx, st)
	}
	if effect.Announce == presence.AnnounceAvailable {
		u.announce(ctx, st.To, true)
	}
	return nil
}

func (u *user) changeOutbound(ctx context.Context, st *stanza.Stanza) (effect presence.Effect, err error) {
	u.changes.Lock()
	defer u.changes.Unlock()
	limits := u.srv.cfg.RosterLimits
	e, err := u.change(ctx, st.To, func(e *roster.Entry, n int) error {
		if e.IsEmpty() && full(n, limits.Items) {
			return stanza.NewError(stanza.ResourceConstraint, "the roster is full")
		}
		before := *e
		effect = presence.Outbound(e, st.Type)
		return unchanged(&before, e)
	})
	if err == nil && effect.Push {
		u.push(e.Item)
	}
	return effect, err
}

// takeSubscription takes such a presence for an account (appendix A.3). It comes
// from a bare address, and counts as sent to one.
func (s *Server) takeSubscription(ctx context.Context, h *host, st *stanza.Stanza) {
	header := st.Header
	header.From, header.To = header.From.Bare(), header.To.Bare()
	st = st.With(header)
	if !s.hasAccount(ctx, header.To) || header.From == header.To {
		return // "the server MUST silently ignore the stanza" (section 8.5.1)
	}
	u := h.acquire(header.To)
	defer h.release(u)
	if blocked, _ := u.blocks(ctx, jid.JID{}, st); blocked {
		return
	}
	err := u.takeSubscription(ctx, st)
	if refusal, ok := errors.AsType[*stanza.Error](err); ok {
		s.bounce(st, refusal) // there is no room for the request
	} else if err != nil {
		s.log.Error("subscription", "type", st.Type, "from", st.From, "to", st.To, "err", err)
		s.bounce(st, stanza.InternalServerError)
	}
}

func (u *user) takeSubscription(ctx context.Context, st *stanza.Stanza) error {
	effect, err := u.recordSubscription(ctx, st)
	if err != nil {
		return err
	}
	if effect.Reply != "" {
		u.srv.Route(ctx, presenceStanza(effect.Reply, u.account, st.From))
	}
	switch effect.Announce {
	case presence.AnnounceAvailable:
		u.announce(ctx, st.From, true)
	case presence.AnnounceUnavailable:
		u.announce(ctx, st.From, false)
	}
	return nil
}

// recordSubscription changes the roster, delivers the stanza to the client's
// resources if that is to be, and pushes the change after it.
func (u *user) recordSubscription(ctx context.Context, st *stanza.Stanza) (presence.Effect, error) {
	u.changes.Lock()
	defer u.changes.Unlock()
	var effect presence.Effect
	kept := st
	if st.Size() > maxRequest {
		kept = presenceStanza(st.Type, st.From, st.To)
	}
	limits := u.srv.cfg.RosterLimits
	e, err := u.change(ctx, st.From, func(e *roster.Entry, n int) error {
		before := *e
		effect = presence.Inbound(e, kept)
		// Strangers leave the user a quarter of the roster.
		if before.IsEmpty() && !e.IsEmpty() && full(n+n/3, limits.Items) {
			return stanza.NewError(stanza.ResourceConstraint, "too many requests wait")
		}
		return unchanged(&before, e)
	})
	if err != nil {
		return effect, err
	}
	if effect.Deliver {
		for _, sess := range u.list() {
			wants := sess.isAvailable() || st.Type != stanza.TypeSubscribe && sess.interested.Load()
			if wants && sess.accepts(ctx, st) {
				sess.deliver(st)
			}
		}
	}
	if effect.Push {
		u.push(e.Item)
	}
	if effect.Deliver && st.Type == stanza.TypeSubscribe {
		u.srv.notify(ctx, push.Event{Account: u.account, Stanza: st})
	}
	return effect, nil
}

// unchanged compares what is kept about a contact before and after: only the
// subscription can be another.
func unchanged(before, after *roster.Entry) error {
	if before.Subscription == after.Subscription && before.Ask == after.Ask && before.Approved == after.Approved &&
		before.Hidden == after.Hidden && before.Request == after.Request {
		return errUnchanged
	}
	return nil
}

// pendingRequests hands out the requests that wait for an answer (RFC 6121,
// section 3.1.3, rule 4).
func (sess *session) pendingRequests() {
	entries, _ := sess.user.entries()
	for _, e := range entries {
		if e.Request == "" {
			continue
		}
		st, err := stanza.Parse(e.Request)
		if err != nil {
			sess.srv.log.Error("stored request", "account", sess.account, "from", e.JID, "err", err)
			continue
		}
		if sess.accepts(sess.ctx, st) {
			sess.deliver(st)
		}
	}
}
