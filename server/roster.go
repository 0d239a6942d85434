package server

import (
	"context"
	"encoding/xml"
	"errors"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// errUnchanged is what a change of the roster returns that changes nothing.
var errUnchanged = errors.New("unchanged")

// handleRoster adds the handlers of roster gets and sets (RFC 6121, section 2).
func (s *Server) handleRoster() {
	name := xml.Name{Space: roster.NS, Local: "query"}
	s.mux.Handle(xmpp.Pattern{Kind: stanza.KindIQ, Types: []stanza.Type{stanza.TypeGet}, Payload: name},
		s.forOwnAccount((*session).getRoster))
	s.mux.Handle(xmpp.Pattern{Kind: stanza.KindIQ, Types: []stanza.Type{stanza.TypeSet}, Payload: name},
		s.forOwnAccount((*session).setRoster))
}

// forOwnAccount makes a handler for requests that a session may only make for
// its own account: to no address, the account's, or that of its host. Others are
// forbidden it (RFC 6121, section 2.1.5).
func (s *Server) forOwnAccount(fn func(*session, context.Context, *stanza.Stanza) error) xmpp.Handler {
	return xmpp.HandlerFunc(func(ctx context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
		h := s.hosts[st.From.Domain()]
		if h == nil || st.To != st.From.Bare() && st.To != h.jid {
			return stanza.Forbidden
		}
		sess := h.find(st.From)
		if sess == nil {
			return stanza.Forbidden // it is not a session's
		}
		return fn(sess, ctx, st)
	})
}

// getRoster sends the roster, or nothing if the client has this version of it
// (RFC 6121, section 2.6.3). From then on the client gets pushes.
func (sess *session) getRoster(ctx context.Context, st *stanza.Stanza) error {
	u := sess.user
	// No push can come between what the reply says and the reply.
	u.changes.Lock()
	defer u.changes.Unlock()
	if err := u.loadLocked(ctx); err != nil {
		return err
	}
	items, version := u.visible()
	sess.interested.Store(true)
	known, versioned := st.Payload().LookupAttr("", "ver")
	if versioned && version != "" && known == version {
		return sess.answer(st)
	}
	q := &roster.Query{Items: items}
	if versioned {
		q.Ver, q.HasVer = version, true
	}
	return sess.answer(st, q)
}

// visible returns the roster as clients see it.
func (u *user) visible() (items []roster.Item, version string) {
	entries, version := u.entries()
	for _, e := range entries {
		if !e.Hidden {
			items = append(items, e.Item)
		}
	}
	return items, version
}

// setRoster adds, updates or removes an item (RFC 6121, sections 2.3 to 2.5).
func (sess *session) setRoster(ctx context.Context, st *stanza.Stanza) error {
	return sess.user.setItem(ctx, st.Payload(), func() error { return sess.answer(st) })
}

// setItem does what a roster set says; done is called when that has been done, and
// before anything else changes.
func (u *user) setItem(ctx context.Context, payload stanza.Element, done func() error) error {
	limits := u.srv.cfg.RosterLimits
	item, err := limits.CheckSet(payload)
	if err != nil {
		return err
	}
	if item.Subscription == roster.Remove {
		if err := u.removeContact(ctx, item.JID); err != nil {
			return err
		}
		return done()
	}
	u.changes.Lock()
	defer u.changes.Unlock()
	e, err := u.change(ctx, item.JID, func(e *roster.Entry, n int) error {
		if e.IsEmpty() && full(n, limits.Items) {
			return stanza.NewError(stanza.ResourceConstraint, "the roster is full")
		}
		e.Apply(item)
		return nil
	})
	if err != nil {
		return err
	}
	u.push(e.Item)
	return done()
}

// removeContact takes a contact out of the roster, and ends the subscriptions
// (RFC 6121, section 2.5.2).
func (u *user) removeContact(ctx context.Context, contact jid.JID) error {
	u.sends.Lock()
	defer u.sends.Unlock()
	before, err := u.changeRemoved(ctx, contact)
	if err == nil {
		u.endSubscriptions(ctx, before)
	}
	return err
}

func (u *user) changeRemoved(ctx context.Context, contact jid.JID) (before roster.Entry, err error) {
	u.changes.Lock()
	defer u.changes.Unlock()
	_, err = u.change(ctx, contact, func(e *roster.Entry, _ int) error {
		if e.Hidden {
			return stanza.ItemNotFound
		}
		before = *e
		e.Clear()
		return nil
	})
	if err == nil {
		u.push(roster.Item{JID: contact, Subscription: roster.Remove})
	}
	return before, err
}

// endSubscriptions tells a contact that was in the roster so that it is no more.
func (u *user) endSubscriptions(ctx context.Context, before roster.Entry) {
	if before.Subscription&roster.From != 0 {
		u.announce(ctx, before.JID, false)
	}
	for _, t := range roster.RemoveEffects(before) {
		u.srv.Route(ctx, presenceStanza(t, u.account, before.JID))
	}
}

// push tells the interested resources of a change (RFC 6121, section 2.1.6). Who
// calls it holds u.changes.
func (u *user) push(item roster.Item) {
	u.mu.RLock()
	version := u.version
	u.mu.RUnlock()
	q := &roster.Query{Items: []roster.Item{item}, Ver: version, HasVer: version != ""}
	for _, sess := range u.list() {
		if sess.interested.Load() && sess.active.Load() {
			sess.request(q)
		}
	}
	u.srv.components.pushRoster(u.account, q)
}

// list returns the user's sessions.
func (u *user) list() []*session {
	u.host.mu.RLock()
	defer u.host.mu.RUnlock()
	return u.sessions
}

// request sends the client an iq of type set from its account. The reply says
// nothing that matters.
func (sess *session) request(payload any) {
	st, err := stanza.New(stanza.Header{
		Kind: stanza.KindIQ, Type: stanza.TypeSet, ID: randomResource(), From: sess.account, To: sess.jid,
	}, payload)
	if err != nil {
		sess.srv.log.Error("push", "jid", sess.jid, "err", err)
		return
	}
	sess.deliver(st)
}

// answer sends the client the result of its request.
func (sess *session) answer(st *stanza.Stanza, payloads ...any) error {
	reply, err := st.Reply(payloads...)
	if err != nil {
		return err
	}
	sess.deliver(reply)
	return nil
}

// full reports whether n has reached a limit; a negative one is none.
func full(n, max int) bool { return max >= 0 && n >= max }

// presenceStanza makes a presence without content.
func presenceStanza(t stanza.Type, from, to jid.JID) *stanza.Stanza {
	st, _ := stanza.New(stanza.Header{Kind: stanza.KindPresence, Type: t, From: from, To: to})
	return st
}
