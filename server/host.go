package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"sync"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// host is one virtual host: its domain, and who is connected to it. Accounts
// of different hosts never mix.
type host struct {
	srv *Server
	jid jid.JID

	mu    sync.RWMutex
	users map[string]*user // by local part
}

// acquire returns the user of an account, which is kept until it is released as
// often as it was acquired.
func (h *host) acquire(account jid.JID) *user {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.acquireLocked(account)
}

func (h *host) acquireLocked(account jid.JID) *user {
	u := h.users[account.Local()]
	if u == nil {
		u = &user{srv: h.srv, host: h, account: account.Bare().Clone()}
		h.users[u.account.Local()] = u
	}
	u.refs++
	return u
}

func (h *host) release(u *user) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.releaseLocked(u)
}

func (h *host) releaseLocked(u *user) {
	if u.refs--; u.refs == 0 {
		delete(h.users, u.account.Local())
	}
}

// sessionsOf returns the sessions of an account.
func (h *host) sessionsOf(local string) []*session {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if u := h.users[local]; u != nil {
		return u.sessions
	}
	return nil
}

// find returns the session with this full address, nil if there is none that
// stanzas can go to.
func (h *host) find(j jid.JID) *session {
	for _, s := range h.sessionsOf(j.Local()) {
		if s.jid == j && s.active.Load() {
			return s
		}
	}
	return nil
}

// bind registers sess under the resource that its client asks for, or one that
// is made up. It returns the sessions that it replaces.
func (h *host) bind(sess *session, resource string, max int, policy ConflictPolicy) (replaced []*session, err error) {
	full, err := sess.account.WithResource(cmp.Or(resource, randomResource()))
	if err != nil {
		return nil, stanza.NewError(stanza.BadRequest, "the resource is not valid")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	u := h.acquireLocked(sess.account)
	for _, o := range u.sessions {
		switch {
		case sess.isSameClient(o):
			replaced = append(replaced, o)
		case o.jid != full:
		case policy == RefuseNew:
			h.releaseLocked(u)
			return nil, stanza.NewError(stanza.Conflict, "the resource is in use")
		case policy == RenameNew:
			full, _ = sess.account.WithResource(randomResource())
		default:
			replaced = append(replaced, o)
		}
	}
	if max > 0 && len(u.sessions)-len(replaced) >= max {
		idle := oldestDetached(u.sessions)
		if idle == nil {
			h.releaseLocked(u)
			return nil, &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "too many resources are connected"}
		}
		replaced = append(replaced, idle)
	}
	sess.jid, sess.user = full.Clone(), u
	u.sessions = append(without(u.sessions, replaced...), sess)
	return replaced, nil
}

// isSameClient reports whether another session is of the same client, as far as it has
// said which one it is.
func (sess *session) isSameClient(o *session) bool { return sess.agent != "" && sess.agent == o.agent }

// oldestDetached returns the first of the sessions that waits for a connection, nil if
// none does: who cannot resume must not find the account full of what it has left.
func oldestDetached(sessions []*session) *session {
	for _, sess := range sessions {
		if sess.waits.Load() {
			return sess
		}
	}
	return nil
}

// unbind takes a session out of the routes; it does nothing if it is out already.
func (h *host) unbind(sess *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	sess.user.sessions = without(sess.user.sessions, sess)
}

// without returns a copy of the list that has not got some of them.
func without(list []*session, out ...*session) []*session {
	if len(list) == 1 && slices.Contains(out, list[0]) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(list), func(s *session) bool { return slices.Contains(out, s) })
}

func randomResource() string { return rand.Text()[:12] }

// bindSession binds a resource for a session. Those that it replaces find out.
func (s *Server) bindSession(ctx context.Context, sess *session, resource string, policy ConflictPolicy) (jid.JID, error) {
	replaced, err := sess.host.bind(sess, resource, s.cfg.MaxResources, policy)
	if err != nil {
		return jid.JID{}, err
	}
	for _, o := range replaced {
		if o.expire() {
			continue
		}
		// Now, and not when its stream has ended: then the new session may be
		// available under the same address.
		o.goOffline(ctx, nil)
		reason := &stream.Error{Condition: stream.Conflict, Text: "replaced by a new connection"}
		if !o.cutOff(ctx, reason) {
			go o.kick(reason)
		}
	}
	return sess.jid, nil
}
