package privacy

import (
	"context"
	"slices"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/blocking"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Attach adds the handlers of both protocols to the server h. Requests are for
// the account of who sends them, so they are taken only from its connected
// resources, addressed to the account or to its domain; others get forbidden.
func (e *Engine) Attach(h xmpp.Host) error {
	handle(e, h.Mux(), stanza.TypeGet, e.getLists)
	handle(e, h.Mux(), stanza.TypeSet, e.setLists)
	handle(e, h.Mux(), stanza.TypeGet, e.getBlocked)
	handle(e, h.Mux(), stanza.TypeSet, e.block)
	handle(e, h.Mux(), stanza.TypeSet, e.unblock)
	return nil
}

// request is a request of a session, while it has the turn of its account.
type request struct {
	e       *Engine
	n       *entry
	session jid.JID
}

// change is what a request has changed; what follows from it happens after the
// answer.
type change struct {
	lists         []string // that have been edited or removed
	before, after Lists
	command       stanza.Payload // of XEP-0191, to be pushed; nil if it was another request
	announce      []jid.JID      // who has been blocked or unblocked by it
}

// handle adds a handler of requests of type t. fn returns the payload of the
// answer, nil for none, and what it has changed, nil for nothing.
func handle[Req any](e *Engine, m *xmpp.Mux, t stanza.Type,
	fn func(context.Context, request, Req) (stanza.Payload, *change, error)) {
	p := xmpp.Pattern{Kind: stanza.KindIQ, Types: []stanza.Type{t}, Payload: stanza.PayloadName[Req]()}
	m.Handle(p, xmpp.HandlerFunc(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
		if err := e.authorize(st); err != nil {
			return err
		}
		payload, _, err := stanza.Decode[Req](st)
		if err != nil {
			return err
		}
		r := request{e, e.cache.acquire(st.From.Bare()), st.From}
		defer e.cache.release(r.n)
		result, ch, err := inTurn(ctx, r, payload, fn)
		if err != nil {
			return err
		}
		// It is done now, and has to be told, whatever becomes of who asked.
		ctx = context.WithoutCancel(ctx)
		reply, err := st.Reply(result)
		if err == nil {
			err = s.Send(ctx, reply)
		}
		if ch != nil {
			r.follow(ctx, ch)
		}
		return err
	}))
}

func inTurn[Req any](ctx context.Context, r request, payload Req,
	fn func(context.Context, request, Req) (stanza.Payload, *change, error)) (stanza.Payload, *change, error) {
	if err := r.n.lock(ctx); err != nil {
		return nil, nil, err
	}
	defer r.n.unlock()
	return fn(ctx, r, payload)
}

func (e *Engine) authorize(st *stanza.Stanza) error {
	account := st.From.Bare()
	switch {
	case e.cfg.Store == nil:
		return stanza.ServiceUnavailable
	case !st.To.IsZero() && st.To != account && st.To != account.DomainJID():
		return stanza.Forbidden // it is about somebody else's
	case !slices.Contains(e.sessions(account), st.From):
		return stanza.Forbidden
	}
	return nil
}

// update changes the stored lists, and what is in memory.
func (r request) update(ctx context.Context, fn func(*Lists) error) (*change, error) {
	ch := new(change)
	err := r.e.cfg.Store.UpdatePrivacyLists(ctx, r.n.account, func(l *Lists) error {
		ch.before = l.Clone()
		if err := fn(l); err != nil {
			return err
		}
		ch.after = l.Clone()
		return nil
	})
	if err != nil {
		r.n.lists.Store(nil) // who knows what the store has done
		return nil, err
	}
	r.n.lists.Store(&ch.after)
	return ch, nil
}

// remember changes what is known of the session, unless it has ended, of which
// nobody would tell any more.
func (r request) remember(fn func(*session)) {
	r.e.cache.update(r.n, r.session, fn)
	if !slices.Contains(r.e.sessions(r.n.account), r.session) {
		r.e.cache.forget(r.session)
	}
}

// state returns what is known of the session.
func (r request) state() session {
	s := r.n.session(r.session)
	s.old = s.old || r.e.cfg.Old != nil && r.e.cfg.Old(r.session)
	return s
}

// others returns what is known of the account's other sessions.
func (r request) others() []session {
	var all []session
	for _, full := range r.e.sessions(r.n.account) {
		if full != r.session {
			all = append(all, r.n.session(full))
		}
	}
	return all
}

// applied reports whether the list is in force for one of the sessions.
func (l *Lists) applied(name string, sessions []session) bool {
	return slices.ContainsFunc(sessions, func(s session) bool {
		list := l.inForce(s)
		return list != nil && list.Name == name
	})
}

// follow does what a change brings about: pushes of the lists to all connected
// resources (RFC 3921, section 10.2, rule 10), of what is blocked to those that
// have asked for it (XEP-0191, section 3.3), and presence.
func (r request) follow(ctx context.Context, ch *change) {
	sessions := r.e.sessions(r.n.account)
	for _, name := range ch.lists {
		for _, full := range sessions {
			r.push(ctx, full, Query{Lists: []List{{Name: name}}})
		}
	}
	for _, p := range ch.blockPushes() {
		for _, full := range sessions {
			if r.n.session(full).asked {
				r.push(ctx, full, p)
			}
		}
	}
	for _, j := range ch.announce {
		r.announce(ctx, ch, j, sessions)
	}
}

func (r request) push(ctx context.Context, full jid.JID, p stanza.Payload) {
	if r.e.cfg.Push != nil {
		r.e.cfg.Push(ctx, full, p)
	}
}

// blockPushes returns how the change looks for who knows XEP-0191 only.
func (ch *change) blockPushes() (pushes []stanza.Payload) {
	if ch.command != nil {
		return []stanza.Payload{ch.command}
	}
	before, after := ch.before.Blocked(), ch.after.Blocked()
	if gone := without(before, after); len(gone) > 0 {
		pushes = append(pushes, blocking.UnblockCommand{JIDs: gone})
	}
	if fresh := without(after, before); len(fresh) > 0 {
		pushes = append(pushes, blocking.BlockCommand{JIDs: fresh})
	}
	return pushes
}

// without returns those of a that are not in b, each once.
func without(a, b []jid.JID) (rest []jid.JID) {
	seen := make(map[jid.JID]bool, len(b))
	for _, j := range b {
		seen[j] = true
	}
	for _, j := range a {
		if !seen[j] {
			seen[j] = true
			rest = append(rest, j)
		}
	}
	return rest
}

// announce tells a contact the presence of those sessions whose presence it may
// get now, or may not get any more.
func (r request) announce(ctx context.Context, ch *change, contact jid.JID, sessions []jid.JID) {
	if r.e.cfg.Announce == nil || contact.Bare() == r.n.account {
		return
	}
	for _, full := range sessions {
		s := r.n.session(full)
		before, err1 := r.e.decide(ctx, r.n.account, ch.before.inForce(s), contact, PresenceOut)
		after, err2 := r.e.decide(ctx, r.n.account, ch.after.inForce(s), contact, PresenceOut)
		if err1 == nil && err2 == nil && before != after {
			r.e.cfg.Announce(ctx, full, contact, after)
		}
	}
}
