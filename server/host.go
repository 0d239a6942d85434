package server

import (
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
// is made up. It returns the session that it replaces, if any.
func (h *host) bind(sess *session, resource string, max int, policy ConflictPolicy) (replaced *session, err error) {
	if resource == "" {
		resource = randomResource()
	}
	full, err := sess.account.WithResource(resource)
	if err != nil {
		return nil, stanza.NewError(stanza.BadRequest, "the resource is not valid")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	u := h.acquireLocked(sess.account)
	for _, o := range u.sessions {
		if o.jid != full {
			continue
		}
		switch policy {
		case RefuseNew:
			h.releaseLocked(u)
			return nil, stanza.NewError(stanza.Conflict, "the resource is in use")
		case RenameNew:
			full, _ = sess.account.WithResource(randomResource())
		default:
			replaced = o
		}
	}
	if max > 0 && replaced == nil && len(u.sessions) >= max {
		h.releaseLocked(u)
		return nil, &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "too many resources are connected"}
	}
	sess.jid, sess.user = full.Clone(), u
	u.sessions = append(without(u.sessions, replaced), sess)
	return replaced, nil
}

// unbind takes a session out of the routes; it does nothing if it is out already.
func (h *host) unbind(sess *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	sess.user.sessions = without(sess.user.sessions, sess)
}

// without returns a copy of the list that has not got one of them.
func without(list []*session, out *session) []*session {
	if len(list) == 1 && list[0] == out {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(list), func(s *session) bool { return s == out })
}

func randomResource() string { return rand.Text()[:12] }

// bindSession is what the bind feature calls.
func (s *Server) bindSession(ctx context.Context, sess *session, resource string) (jid.JID, error) {
	replaced, err := sess.host.bind(sess, resource, s.cfg.MaxResources, s.cfg.Conflict)
	if err != nil {
		return jid.JID{}, err
	}
	if replaced != nil {
		// Now, and not when its stream has ended: then the new session may be
		// available under the same address.
		replaced.goOffline(ctx, nil)
		go replaced.kick(&stream.Error{Condition: stream.Conflict, Text: "replaced by a new connection"})
	}
	return sess.jid, nil
}
