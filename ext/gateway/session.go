package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/etherx-go/xmpp/ext/rosterx"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// The session of a user on the network: when it begins, what it shows, and how it
// ends.

// toSync has the network brought up to date. Under the lock; it does not count as
// something that waits, for there is only one.
func (u *user) toSync() {
	if !u.syncing && !u.g.closed {
		u.syncing = true
		u.jobs = append(u.jobs, u.sync)
		u.start()
	}
}

// sync logs in or out, or shows what has changed.
func (u *user) sync(ctx context.Context) {
	u.g.mu.Lock()
	u.syncing = false
	p, session, told := best(u.resources), u.session, u.told
	u.g.mu.Unlock()
	switch {
	case !p.Available:
		u.logout(ctx)
	case session == nil:
		u.login(ctx, p)
	case p != told:
		u.g.mu.Lock()
		u.told = p
		u.g.mu.Unlock()
		u.network(ctx, "presence", func(ctx context.Context) error { return session.SetPresence(ctx, p) })
	}
	u.direct(ctx)
	u.greet(ctx)
}

// network calls the network. The error is what the user may be told.
func (u *user) network(ctx context.Context, what string, fn func(context.Context) error) *stanza.Error {
	ctx, cancel := u.g.timeout(ctx)
	defer cancel()
	if err := fn(ctx); err != nil {
		return u.g.fault(u.addr, what, err)
	}
	return nil
}

// login logs in (XEP-0100, section 4.4).
func (u *user) login(ctx context.Context, p Presence) {
	g := u.g
	g.mu.Lock()
	wait := u.refused != nil && (u.retry != nil || isFinal(u.refused))
	g.mu.Unlock()
	if wait {
		return
	}
	u.settle(ctx)
	a, ok, err := g.Accounts.Account(ctx, u.addr)
	if err == nil && !ok {
		u.fail(ctx, stanza.NewError(stanza.RegistrationRequired, "Register with the gateway first."))
		return
	}
	in := &Inbound{u: u}
	g.mu.Lock()
	u.inbound = in
	g.mu.Unlock()
	var s Session
	refused := g.faultOrNil(u.addr, "account", err)
	if refused == nil {
		refused = u.network(ctx, "log-in", func(ctx context.Context) (err error) {
			s, err = g.Network.Login(ctx, a, p, in)
			return err
		})
	}
	if refused == nil {
		refused = u.begin(ctx, in, s, p)
	}
	if refused != nil {
		u.end(in)
		u.fail(ctx, refused)
		return
	}
	g.trySend(ctx, &stanza.Presence{From: g.domain, To: u.addr})
	u.suggest(ctx, s, a)
}

// begin takes the session that a log-in has opened, unless it is lost already.
func (u *user) begin(ctx context.Context, in *Inbound, s Session, p Presence) *stanza.Error {
	u.g.mu.Lock()
	lost := in.lost
	if lost == nil {
		u.session, u.told, u.refused, u.delay = s, p, nil, 0
		u.stop()
		for _, r := range u.resources {
			r.greeted = true
		}
	}
	u.g.mu.Unlock()
	if lost == nil {
		return nil
	}
	u.network(ctx, "log-out", s.Logout)
	return u.g.fault(u.addr, "session", lost)
}

// end takes it that a session, or the log-in for it, has ended by itself. It
// reports false if that was known.
func (u *user) end(in *Inbound) bool {
	u.g.mu.Lock()
	defer u.g.mu.Unlock()
	if u.inbound != in {
		return false
	}
	u.session, u.inbound = nil, nil
	return true
}

func (g *Gateway) faultOrNil(user jid.JID, what string, err error) *stanza.Error {
	if err == nil {
		return nil
	}
	return g.fault(user, what, err)
}

// fail tells the user that there is no session, and why. Behind the error goes an
// unavailable presence: a server sends no more presence to who answers with an
// error until something else comes from there.
func (u *user) fail(ctx context.Context, why *stanza.Error) {
	u.g.mu.Lock()
	u.refused = why
	switch {
	case errors.Is(why, stanza.RegistrationRequired):
		clear(u.resources)
	case !isFinal(why) && !u.g.closed:
		u.later()
	}
	u.g.mu.Unlock()
	u.g.trySend(ctx, &stanza.Presence{From: u.g.domain, To: u.addr, Type: stanza.TypeError, Error: why})
	if !errors.Is(why, stanza.RegistrationRequired) {
		u.gone(ctx)
	}
}

// isFinal reports whether to try again is of no use.
func isFinal(why error) bool {
	return errors.Is(why, stanza.NotAuthorized) || errors.Is(why, stanza.Conflict)
}

// later has the log-in tried again. Under the lock.
func (u *user) later() {
	u.delay = min(2*u.delay, maxRetry)
	if u.delay == 0 {
		if u.delay = u.g.Retry; u.delay <= 0 {
			u.delay = DefaultRetry
		}
	}
	u.stop()
	u.retry = time.AfterFunc(u.delay, func() {
		u.g.mu.Lock()
		defer u.g.mu.Unlock()
		if u.retry != nil && u.g.users[u.addr] == u {
			u.retry = nil
			u.toSync()
		}
	})
}

// logout logs out (XEP-0100, section 4.5). What there was not is not ended.
func (u *user) logout(ctx context.Context) {
	u.g.mu.Lock()
	s := u.session
	u.session, u.inbound, u.refused, u.delay = nil, nil, nil, 0
	u.stop()
	u.g.mu.Unlock()
	if s == nil {
		return
	}
	u.network(ctx, "log-out", s.Logout)
	u.gone(context.WithoutCancel(ctx))
}

// gone tells the user that nobody is there any more; as soon as that can be sent.
func (u *user) gone(ctx context.Context) {
	u.tell.Lock()
	defer u.tell.Unlock()
	var failed error
	for name := range u.shown {
		failed = errors.Join(failed, u.forget(ctx, name))
	}
	err := u.g.send(ctx, &stanza.Presence{From: u.g.domain, To: u.addr, Type: stanza.TypeUnavailable})
	u.g.mu.Lock()
	u.owes = failed != nil || err != nil
	u.g.mu.Unlock()
}

// settle tells the user what could not be told.
func (u *user) settle(ctx context.Context) {
	u.g.mu.Lock()
	owes := u.owes && u.session == nil
	u.g.mu.Unlock()
	if owes {
		u.gone(ctx)
	}
}

// direct shows contacts what is for them only.
func (u *user) direct(ctx context.Context) {
	u.g.mu.Lock()
	all, session := u.directed, u.session
	u.directed = nil
	u.g.mu.Unlock()
	d, ok := session.(Director)
	if !ok {
		return
	}
	for name, p := range all {
		u.network(ctx, "directed presence", func(ctx context.Context) error { return d.Direct(ctx, name, p) })
	}
}

// greet tells resources that came later that the gateway is available.
func (u *user) greet(ctx context.Context) {
	var all []jid.JID
	u.g.mu.Lock()
	if u.session != nil {
		for full, r := range u.resources {
			if r.direct && !r.greeted {
				r.greeted = true
				all = append(all, full)
			}
		}
	}
	u.g.mu.Unlock()
	for _, full := range all {
		u.g.trySend(ctx, &stanza.Presence{From: u.g.domain, To: full})
	}
}

// suggest suggests the contact list of the network, but for those who have been
// suggested before: "a gateway SHOULD [...] send the legacy contact list items to
// the Jabber User via the Roster Item Exchange" (XEP-0100, section 7).
func (u *user) suggest(ctx context.Context, s Session, a Account) {
	var all []Contact
	failed := u.network(ctx, "contacts", func(ctx context.Context) (err error) {
		all, err = s.Contacts(ctx)
		return err
	})
	if failed != nil {
		return
	}
	what := rosterx.Suggestion{Action: rosterx.Add}
	for _, c := range all {
		j, err := u.g.Addresses.JID(c.Name)
		if err != nil || slices.Contains(a.Suggested, j.Local()) ||
			!within(len(a.Suggested), u.g.MaxContacts, DefaultMaxContacts) {
			continue
		}
		a.Suggested = append(a.Suggested, j.Local())
		what.Items = append(what.Items, rosterx.Item{JID: j, Name: c.Nick, Groups: c.Groups})
	}
	if len(what.Items) == 0 {
		return
	}
	m := rosterx.Message(u.addr, "", what, true)
	m.From = u.g.domain
	if err := u.g.send(ctx, m); err != nil {
		u.g.log.Warn("gateway: contacts", "user", u.addr, "err", err)
		return
	}
	if err := u.g.Accounts.SetAccount(ctx, a); err != nil {
		u.g.log.Error("gateway: account", "user", u.addr, "err", err)
	}
}
