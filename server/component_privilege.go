package server

import (
	"context"
	"hash/maphash"
	"sync"

	"github.com/etherx-go/xmpp/ext/privilege"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// What a component may do for the users of the server (XEP-0356).

// maxActing bounds the requests of users' that a component has sent, or that were
// delegated to it, and that are not answered yet.
const maxActing = 1024

// maxToldPresences bounds how many addresses it is known of what presence of theirs a
// component has been told last. Of others it may be told the same twice.
const maxToldPresences = 100_000

// acting counts what a component has under way for users.
type acting chan struct{}

// begin reports whether there may be one more; if so end is to be called.
func (a acting) begin() bool {
	select {
	case a <- struct{}{}:
		return true
	default:
		return false
	}
}

func (a acting) end() { <-a }

var errActing = &stanza.Error{
	Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "too many requests wait for an answer",
}

// act handles a stanza that the component may send because it is privileged. It
// returns false for one that is like anybody's.
func (c *component) act(st *stanza.Stanza) bool {
	if st.From != c.domain || c.srv.hosts[st.To.Domain()] == nil || check(st) != nil {
		return false
	}
	switch payload := st.Payload(); {
	case st.Kind == stanza.KindMessage && st.To.IsDomain() && !st.Child(privilege.NS, "privilege").IsZero():
		c.refuse(st, c.sendMessage(st))
	case st.Kind != stanza.KindIQ || !st.Type.IsRequest():
		return false
	case payload.Is(privilege.NS, "privileged_iq"):
		c.refuse(st, c.sendIQ(st))
	case payload.Is(roster.NS, "query") && st.To.Local() != "" && st.To.IsBare() && !c.cfg.Privileges.IsZero():
		c.refuse(st, c.useRoster(st))
	default:
		return false
	}
	return true
}

// refuse answers a stanza with an error, if there is one.
func (c *component) refuse(st *stanza.Stanza, err error) {
	if err != nil && isAnswerable(st) {
		c.srv.route(c.srv.ctx, nil, st.ErrorReply(stanza.AsError(err)))
	}
}

// useRoster gets or changes the roster of a user (section 4.3).
func (c *component) useRoster(st *stanza.Stanza) (err error) {
	switch {
	case !c.cfg.Privileges.Roster.Allows(st.Type):
		return stanza.Forbidden
	case !c.srv.hasAccount(c.ctx, st.To):
		return stanza.ItemNotFound
	}
	answer := func(payloads ...any) error {
		reply, err := st.Reply(payloads...)
		if err == nil {
			c.take(reply)
		}
		return err
	}
	c.srv.withUser(st.To, func(u *user) {
		if st.Type == stanza.TypeSet {
			err = u.setItem(c.ctx, st.Payload(), func() error { return answer() })
			return
		}
		u.changes.Lock()
		defer u.changes.Unlock()
		if err = u.loadLocked(c.ctx); err == nil {
			q := &roster.Query{}
			q.Items, q.Ver = u.visible()
			q.HasVer = q.Ver != ""
			err = answer(q)
		}
	})
	return err
}

// pushRoster tells the components that may know it of a change of a user's roster
// (section 4.4). Who calls it holds u.changes.
func (cs *components) pushRoster(account jid.JID, q *roster.Query) {
	for _, c := range cs.list() {
		if !c.cfg.Privileges.Push() {
			continue
		}
		st, err := stanza.New(stanza.Header{
			Kind: stanza.KindIQ, Type: stanza.TypeSet, ID: randomResource(), From: account, To: c.domain,
		}, q)
		if err == nil {
			c.take(st)
		}
	}
}

// sendMessage sends a message in the name of the server or of a user (section 5):
// "forwarded <message/> 'from' attribute MUST be a bare JID from the server".
func (c *component) sendMessage(st *stanza.Stanza) error {
	var w privilege.Wrapped
	if !c.cfg.Privileges.Message {
		return stanza.Forbidden
	}
	if err := st.Child(privilege.NS, "privilege").Decode(&w); err != nil {
		return err
	}
	msg := w.Stanza
	switch {
	case msg.Kind != stanza.KindMessage, msg.From.DomainJID() != st.To, msg.From != msg.From.Bare(), msg.To.IsZero():
		return stanza.Forbidden
	case check(msg) != nil:
		return check(msg)
	}
	if answer := c.withheld(msg); answer != nil {
		return answer
	}
	c.srv.route(c.ctx, nil, msg)
	return nil
}

// withheld says whether the user in whose name something is sent does not want to
// write to the recipient: "the server MUST NOT allow the privileged entity to do
// anything that the managed entity could not do" (section 9).
func (c *component) withheld(st *stanza.Stanza) (answer error) {
	if st.From.Local() == "" {
		return nil
	}
	c.srv.withUser(st.From, func(u *user) {
		if blocked, why := u.hides(c.ctx, st); blocked {
			answer = stanza.Forbidden
			if why != nil {
				answer = why
			}
		}
	})
	return answer
}

// sendIQ sends an iq in the name of a user, and the component what is answered
// (section 6.3).
func (c *component) sendIQ(st *stanza.Stanza) error {
	var r privilege.Request
	if err := st.Payload().Decode(&r); err != nil {
		return err
	}
	iq := r.IQ
	switch {
	case st.To.Local() == "", !st.To.IsBare(), !c.srv.hasAccount(c.ctx, st.To), iq.Type != st.Type,
		!iq.From.IsZero() && iq.From != st.To, !c.cfg.Privileges.IQ[iq.Payload().Name().Space].Allows(iq.Type):
		return stanza.Forbidden
	}
	if bad := check(iq); bad != nil {
		return bad
	}
	h := iq.Header
	h.From, h.ID = st.To, "" // the server has ids of its own
	if h.To.IsZero() {
		h.To = st.To // "on behalf of the account", as for a client
	}
	out := iq.With(h)
	if answer := c.withheld(out); answer != nil {
		return answer
	}
	if !c.acting.begin() {
		return errActing
	}
	go func() {
		ctx := context.WithValue(c.ctx, actorKey{}, c.domain.Domain())
		reply, err := c.srv.do(ctx, h.From, c.srv.pending, out)
		c.acting.end() // who has the answer has room for another
		if reply == nil {
			c.refuse(st, stanza.NewError(stanza.RemoteServerTimeout, "there was no answer"))
			c.srv.log.Debug("privileged iq", "domain", c.domain, "as", h.From, "err", err)
			return
		}
		back := reply.Header
		back.ID, back.To = iq.ID, st.To
		answer, err := st.Reply(privilege.Wrapped{Stanza: reply.With(back)})
		if err == nil {
			c.deliver(answer)
		}
	}()
	return nil
}

// told is what presence a component has been told of each full address last: a hash
// of it.
type told struct {
	mu   sync.Mutex
	last map[jid.JID]uint64
}

var presenceSeed = maphash.MakeSeed()

// isNew notes a presence, and reports whether the component has not been told it yet:
// "if a privileged entity is supposed to received several time the same <presence/>
// stanza, the server SHOULD send it only once" (section 8).
func (t *told) isNew(st *stanza.Stanza) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if st.Type == stanza.TypeUnavailable {
		_, was := t.last[st.From]
		delete(t.last, st.From)
		return was || len(t.last) >= maxToldPresences
	}
	h := maphash.Bytes(presenceSeed, addressed(st, jid.JID{}).AppendXML(nil, ""))
	before, was := t.last[st.From]
	if was && before == h {
		return false
	}
	if t.last == nil {
		t.last = make(map[jid.JID]uint64)
	}
	if was || len(t.last) < maxToldPresences {
		t.last[st.From.Clone()] = h
	}
	return true
}

// tell sends the component a presence, unless it knows it.
func (c *component) tell(st *stanza.Stanza) {
	if c.told.isNew(st) {
		c.take(addressed(st, c.domain))
	}
}

// showUser tells the components that may know it that a resource of a user has become
// available or unavailable (section 7.1).
func (cs *components) showUser(st *stanza.Stanza) {
	for _, c := range cs.list() {
		if c.cfg.Privileges.Presence >= privilege.Users {
			c.tell(st)
		}
	}
}

// showContact tells the components that may know it a presence that a user gets of a
// contact, or would get (section 7.4).
func (cs *components) showContact(ctx context.Context, h *host, st *stanza.Stanza) {
	for _, c := range cs.list() {
		if c.cfg.Privileges.Presence != privilege.Contacts {
			continue
		}
		u := h.acquire(st.To)
		e, ok, err := u.contact(ctx, st.From.Bare())
		h.release(u)
		if err == nil && ok && e.Subscription&roster.To != 0 {
			c.tell(st)
		}
	}
}

// tellAll tells a component that has just connected "all the <presence/> stanzas with
// no 'type' attribute it would have had if it was connected first" (section 8). Those
// of contacts elsewhere are not kept here, so that they are asked for, by users that
// are there.
func (c *component) tellAll() {
	if c.cfg.Privileges.Presence == privilege.NoPresence {
		return
	}
	for _, h := range c.srv.hosts {
		for _, account := range h.online() {
			if !c.active.Load() || c.ctx.Err() != nil {
				return
			}
			c.srv.withUser(account, c.tellOf)
		}
	}
}

func (c *component) tellOf(u *user) {
	u.shows.Lock()
	there := false
	for _, sess := range u.list() {
		if st := sess.presence.Load(); st != nil && sess.active.Load() {
			there = true
			c.tell(st)
		}
	}
	u.shows.Unlock()
	if !there || c.cfg.Privileges.Presence != privilege.Contacts || u.load(c.ctx) != nil {
		return
	}
	for _, contact := range u.with(roster.To) {
		if c.srv.hosts[contact.Domain()] == nil {
			c.srv.Route(c.ctx, presenceStanza(stanza.TypeProbe, u.account, contact))
		}
	}
}

// online returns the accounts that have sessions.
func (h *host) online() (all []jid.JID) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, u := range h.users {
		if len(u.sessions) > 0 {
			all = append(all, u.account)
		}
	}
	return all
}

// advertise tells a component that is being attached what it is granted and what is
// delegated to it, in the name of each domain, before anything else.
func (c *component) advertise() {
	for _, h := range c.srv.hosts {
		var payloads []any
		if !c.cfg.Privileges.IsZero() {
			payloads = append(payloads, c.cfg.Privileges)
		}
		if len(c.cfg.Delegated) > 0 {
			payloads = append(payloads, c.delegated())
		}
		for _, p := range payloads {
			st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage, ID: randomResource(), From: h.jid, To: c.domain}, p)
			if err == nil {
				err = c.conn.TrySend(st)
			}
			if err != nil {
				c.srv.log.Error("component not told what it may do", "domain", c.domain, "err", err)
			}
		}
	}
}
