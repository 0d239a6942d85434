package server

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// isAvailable reports whether the session has sent presence and stanzas can go
// to it.
func (sess *session) isAvailable() bool { return sess.presence.Load() != nil && sess.active.Load() }

// setPresence takes a presence that is for everybody who may see it (RFC 6121,
// sections 4.2 to 4.5).
func (sess *session) setPresence(ctx context.Context, st *stanza.Stanza) {
	if !sess.active.Load() {
		return // it has been replaced, and its address is that of another
	}
	switch st.Type {
	case stanza.TypeAvailable:
		if err := sess.user.load(ctx); err != nil {
			sess.srv.log.Error("roster", "account", sess.account, "err", err)
			sess.refuse(st, stanza.InternalServerError)
			return
		}
		sess.becomeAvailable(ctx, st)
	case stanza.TypeUnavailable:
		sess.goOffline(ctx, st)
	}
	// Probes and errors go to somebody.
}

// becomeAvailable takes the initial presence, or one after it.
func (sess *session) becomeAvailable(ctx context.Context, st *stanza.Stanza) {
	before, was := sess.priority()
	if now := st.Priority(); now >= 0 && (!was || before < 0) {
		sess.arrive(ctx, st)
	} else {
		sess.swapPresence(st)
	}
	sess.broadcast(ctx, st)
	if !was {
		sess.srv.components.showUser(st)
		sess.meetOthers(ctx)
		sess.pendingRequests()
	}
}

// swapPresence makes st the presence of the session, and returns what was.
func (sess *session) swapPresence(st *stanza.Stanza) *stanza.Stanza {
	sess.user.shows.Lock()
	defer sess.user.shows.Unlock()
	return sess.presence.Swap(st)
}

// meetOthers shows a session that has become available who else is: the
// account's other resources, and the contacts, who are probed (RFC 6121, section
// 4.3.1).
func (sess *session) meetOthers(ctx context.Context) {
	sess.meetOwn()
	for _, contact := range sess.user.with(roster.To) {
		probe := presenceStanza(stanza.TypeProbe, sess.account, contact)
		if sess.accepts(ctx, presenceStanza(stanza.TypeAvailable, contact, sess.account)) {
			sess.srv.Route(ctx, probe)
		}
	}
	sess.askAgain(ctx)
}

// askAgain repeats the requests that have not been answered, which a server may
// do from time to time (RFC 6121, section 3.1.2). One that has arrived makes no
// difference the second time.
func (sess *session) askAgain(ctx context.Context) {
	entries, _ := sess.user.entries()
	for _, e := range entries {
		if e.Ask {
			sess.srv.Route(ctx, presenceStanza(stanza.TypeSubscribe, sess.account, e.JID))
		}
	}
}

func (sess *session) meetOwn() {
	sess.user.shows.Lock()
	defer sess.user.shows.Unlock()
	for _, o := range sess.user.list() {
		if st := o.presence.Load(); st != nil && o != sess && o.active.Load() {
			sess.deliver(addressed(st, sess.jid))
		}
	}
}

// broadcast sends a presence to the account's available resources, this one
// among them, and to the contacts that have a subscription (RFC 6121, sections
// 4.2.2, 4.4.2 and 4.5.2).
func (sess *session) broadcast(ctx context.Context, st *stanza.Stanza) {
	for _, o := range sess.user.list() {
		if o.isAvailable() || o == sess && o.active.Load() && !o.ends.Load() {
			o.deliver(addressed(st, o.jid))
		}
	}
	for _, contact := range sess.user.with(roster.From) {
		if st.Type == stanza.TypeUnavailable || !sess.user.isSilent(contact) {
			sess.show(ctx, st, contact)
		}
	}
}

// show sends a presence of this session to somebody, if the account's privacy
// list does not forbid it.
func (sess *session) show(ctx context.Context, st *stanza.Stanza, to jid.JID) {
	st = addressed(st, to)
	if sess.maySend(ctx, st) {
		sess.srv.Route(ctx, st)
	}
}

// announce sends a contact the presence of all available resources, or that they
// are unavailable.
func (u *user) announce(ctx context.Context, contact jid.JID, available bool) {
	u.shows.Lock()
	defer u.shows.Unlock()
	for _, sess := range u.list() {
		st := sess.presence.Load()
		if st == nil || !sess.active.Load() {
			continue
		}
		if !available {
			st = sess.unavailable()
		}
		sess.show(ctx, st, contact)
	}
}

// directPresence takes a presence that is available or unavailable and is for
// one entity only (RFC 6121, section 4.6.3). Who gets such, and is no contact
// that gets every presence, is told when the session ends.
func (sess *session) directPresence(ctx context.Context, st *stanza.Stanza) error {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	if st.Type == stanza.TypeUnavailable {
		delete(sess.directed, st.To)
		return nil
	}
	if sess.isAvailable() {
		if e, ok, err := sess.user.contact(ctx, st.To.Bare()); err == nil && ok && e.Subscription&roster.From != 0 && st.To.IsBare() {
			return nil
		}
	}
	if _, ok := sess.directed[st.To]; !ok && full(len(sess.directed), sess.srv.cfg.MaxDirected) {
		return stanza.NewError(stanza.ResourceConstraint, "too many entities have got directed presence")
	}
	if sess.directed == nil {
		sess.directed = make(map[jid.JID]struct{})
	}
	sess.directed[st.To.Clone()] = struct{}{}
	return nil
}

// audience returns who sees the session's presence: the contacts that have a
// subscription, while it is available, and who has got directed presence.
func (sess *session) audience() (all []jid.JID) {
	if sess.isAvailable() {
		all = sess.user.with(roster.From)
	}
	sess.mu.Lock()
	defer sess.mu.Unlock()
	return slices.AppendSeq(all, maps.Keys(sess.directed))
}

// knows reports whether the session has sent directed presence to an address, or
// to the bare address of it.
func (sess *session) knows(j jid.JID) bool {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	_, full := sess.directed[j]
	_, bare := sess.directed[j.Bare()]
	return full || bare
}

// forgetDirected takes note that somebody who has got directed presence has gone, and
// need not be told when the session does: the server "SHOULD remove any entity that
// sends unavailable presence to the user" (RFC 6121, section 4.6.1).
func (sess *session) forgetDirected(from jid.JID) {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	delete(sess.directed, from) // that of one resource says nothing about the others
}

// goOffline tells everybody who has seen the session's presence that it is gone,
// once. st is what the client has sent for it, nil if it has not.
func (sess *session) goOffline(ctx context.Context, st *stanza.Stanza) {
	if st == nil {
		st = sess.unavailable()
	}
	was := sess.swapPresence(nil) != nil
	if was {
		sess.broadcast(ctx, st)
		sess.srv.components.showUser(st)
	}
	sess.mu.Lock()
	directed := sess.directed
	sess.directed = nil
	sess.mu.Unlock()
	for _, to := range slices.SortedFunc(maps.Keys(directed), func(a, b jid.JID) int { return a.Compare(b) }) {
		sess.show(ctx, st, to)
	}
	if was {
		sess.keepLast(ctx, st)
	}
}

// keepLast stores the presence that the account's last resource leaves.
func (sess *session) keepLast(ctx context.Context, st *stanza.Stanza) {
	for _, o := range sess.user.list() {
		if o != sess && o.isAvailable() {
			return
		}
	}
	err := sess.srv.stores.Presences.SetLastPresence(context.WithoutCancel(ctx), sess.account, st, time.Now())
	if err != nil {
		sess.srv.log.Error("last presence", "account", sess.account, "err", err)
	}
}

// takePresence takes a presence that came for an account or one of its resources.
func (s *Server) takePresence(ctx context.Context, h *host, st *stanza.Stanza) {
	switch {
	case st.Type == stanza.TypeProbe:
		s.answerProbe(ctx, h, st)
	case isSubscription(st.Type):
		s.takeSubscription(ctx, h, st)
	default:
		s.deliverPresence(ctx, h, st)
	}
}

// deliverPresence delivers a presence to the resource that it is for, or to all
// that are available (RFC 6121, sections 8.5.2.1.2 and 8.5.3.1). One that finds
// nobody is ignored.
func (s *Server) deliverPresence(ctx context.Context, h *host, st *stanza.Stanza) {
	if st.To.IsBare() && (st.Type == stanza.TypeAvailable || st.Type == stanza.TypeUnavailable) {
		s.components.showContact(ctx, h, st)
	}
	for _, sess := range h.sessionsOf(st.To.Local()) {
		if st.To.IsFull() && sess.jid != st.To || st.To.IsBare() && !sess.isAvailable() {
			continue
		}
		sess.user.setSilent(st.From.Bare(), st.Type == stanza.TypeError)
		if st.Type == stanza.TypeUnavailable {
			sess.forgetDirected(st.From)
		}
		if sess.active.Load() && sess.accepts(ctx, st) {
			sess.deliver(st)
		}
	}
}

// answerProbe answers for an account (RFC 6121, section 4.3.2).
func (s *Server) answerProbe(ctx context.Context, h *host, st *stanza.Stanza) {
	if !s.hasAccount(ctx, st.To) {
		if moved, ok := s.moved(ctx, st.To.Bare()); ok {
			s.Route(ctx, st.ErrorReply(moved))
			return
		}
		s.Route(ctx, answering(st, presenceStanza(stanza.TypeUnsubscribed, st.To.Bare(), st.From.Bare())))
		return
	}
	u := h.acquire(st.To)
	defer h.release(u)
	may, err := u.showsTo(ctx, st.From)
	switch {
	case err != nil:
		s.log.Error("probe", "account", u.account, "err", err)
	case may:
		u.tell(ctx, st)
	default:
		u.tellStranger(ctx, st)
	}
}

// showsTo reports whether somebody may see the account's presence.
func (u *user) showsTo(ctx context.Context, who jid.JID) (bool, error) {
	if who.Bare() == u.account || who.IsDomain() && slices.Contains(u.srv.cfg.ProbeDomains, who.Domain()) {
		return true, nil
	}
	e, ok, err := u.contact(ctx, who.Bare())
	return ok && e.Subscription&roster.From != 0, err
}

// tell sends the presence of the account to who may see it.
func (u *user) tell(ctx context.Context, probe *stanza.Stanza) {
	u.shows.Lock()
	defer u.shows.Unlock()
	there := false
	for _, sess := range u.list() {
		st := sess.presence.Load()
		if st == nil || !sess.active.Load() {
			continue
		}
		there = true
		switch {
		case probe.To.IsBare():
			sess.show(ctx, st, probe.From)
		case probe.To == sess.jid:
			// "which SHOULD communicate only the fact that the resource is
			// available".
			sess.show(ctx, presenceStanza(stanza.TypeAvailable, sess.jid, probe.From), probe.From)
		}
	}
	if there || probe.To.IsFull() {
		return
	}
	st, err := u.lastPresence(ctx)
	if err != nil {
		u.srv.log.Error("last presence", "account", u.account, "err", err)
	}
	st = addressed(st, probe.From)
	if st.ID == "" {
		st = answering(probe, st)
	}
	if blocked, _ := u.hides(ctx, st); !blocked {
		u.srv.Route(ctx, st)
	}
}

// answering gives the answer to a probe that nobody is there, or that it is not to
// be known, its id: the server "SHOULD mirror the 'id' of the user's presence probe"
// (RFC 6121, section 4.3.2.1).
func answering(probe, st *stanza.Stanza) *stanza.Stanza {
	h := st.Header
	h.ID = probe.ID
	return st.With(h)
}

// lastPresence returns what the account's contacts may know while nobody is
// there: that, and since when.
func (u *user) lastPresence(ctx context.Context) (*stanza.Stanza, error) {
	st := presenceStanza(stanza.TypeUnavailable, u.account, jid.JID{})
	last, at, err := u.srv.stores.Presences.LastPresence(ctx, u.account)
	if err != nil || last == nil {
		return st, err
	}
	h := last.Header
	h.From, h.To = u.account, jid.JID{}
	return last.With(h).Adding(delay.Delay{Stamp: at})
}

// tellStranger answers somebody who has no subscription: the one who got directed
// presence about that resource, others as if they had just lost theirs.
func (u *user) tellStranger(ctx context.Context, probe *stanza.Stanza) {
	u.shows.Lock()
	defer u.shows.Unlock()
	for _, sess := range u.list() {
		if sess.jid == probe.To && sess.active.Load() && sess.knows(probe.From) {
			sess.show(ctx, presenceStanza(stanza.TypeAvailable, sess.jid, probe.From), probe.From)
			return
		}
	}
	st := answering(probe, presenceStanza(stanza.TypeUnsubscribed, u.account, probe.From.Bare()))
	if blocked, _ := u.hides(ctx, presenceStanza(stanza.TypeAvailable, u.account, probe.From)); !blocked {
		u.srv.Route(ctx, st)
	}
}

// addressed returns a stanza with another to.
func addressed(st *stanza.Stanza, to jid.JID) *stanza.Stanza {
	h := st.Header
	h.To = to
	return st.With(h)
}
