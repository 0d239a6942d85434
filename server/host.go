package server

import (
	"context"
	"crypto/rand"
	"sync"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// host is one virtual host: its domain, and who is connected to it. Accounts
// of different hosts never mix.
type host struct {
	jid jid.JID

	mu sync.RWMutex
	// users holds the sessions of each account by local part, in the order of
	// their log-in. The slices are replaced, never changed, so that a route
	// can use one without the lock.
	users map[string][]*session
}

// sessionsOf returns the sessions of an account.
func (h *host) sessionsOf(local string) []*session {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.users[local]
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
	old := h.users[full.Local()]
	for _, o := range old {
		if o.jid != full {
			continue
		}
		switch policy {
		case RefuseNew:
			return nil, stanza.NewError(stanza.Conflict, "the resource is in use")
		case RenameNew:
			full, _ = sess.account.WithResource(randomResource())
		default:
			replaced = o
		}
	}
	if max > 0 && replaced == nil && len(old) >= max {
		return nil, &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "too many resources are connected"}
	}
	sess.jid = full.Clone()
	list := make([]*session, 0, len(old)+1)
	for _, o := range old {
		if o != replaced {
			list = append(list, o)
		}
	}
	h.users[sess.jid.Local()] = append(list, sess)
	return replaced, nil
}

// unbind takes a session out; it does nothing if it is out already.
func (h *host) unbind(sess *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.users[sess.jid.Local()]
	list := make([]*session, 0, len(old))
	for _, o := range old {
		if o != sess {
			list = append(list, o)
		}
	}
	if len(list) == 0 {
		delete(h.users, sess.jid.Local())
		return
	}
	h.users[sess.jid.Local()] = list
}

func randomResource() string { return rand.Text()[:12] }

// bindSession is what the bind feature calls.
func (s *Server) bindSession(_ context.Context, sess *session, resource string) (jid.JID, error) {
	replaced, err := sess.host.bind(sess, resource, s.cfg.MaxResources, s.cfg.Conflict)
	if err != nil {
		return jid.JID{}, err
	}
	if replaced != nil {
		// Now, and not when its stream has ended: then the new session may be
		// available under the same address.
		replaced.goOffline()
		go replaced.kick(&stream.Error{Condition: stream.Conflict, Text: "replaced by a new connection"})
	}
	return sess.jid, nil
}
