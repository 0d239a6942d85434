package gateway

import (
	"context"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// presence takes a presence of a user, to the gateway itself or to somebody on the
// network.
func (g *Gateway) presence(ctx context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
	if !g.allows(st.From.Bare()) {
		if st.Type != stanza.TypeSubscribe {
			return nil
		}
		return g.host.Send(ctx, st.ErrorReply(stanza.Forbidden))
	}
	name := g.heard(st)
	switch {
	case st.Type == stanza.TypeAvailable:
		if err := g.available(st, name); err != nil {
			return g.host.Send(ctx, st.ErrorReply(err))
		}
		return nil
	case st.Type == stanza.TypeUnavailable:
		g.unavailable(st, name)
		return nil
	case st.Type == stanza.TypeProbe:
		return g.probe(ctx, st, name)
	case name == "":
		return g.subscription(ctx, st)
	}
	err := g.post(st.From.Bare(), func(ctx context.Context, u *user) { u.subscription(ctx, st, name) })
	if err != nil && st.Type == stanza.TypeSubscribe {
		return g.host.Send(ctx, st.ErrorReply(err))
	}
	return err
}

// available takes it that a resource is available: the first one logs in, "upon
// receiving the first presence notification stanza from Jabber User to Gateway or
// Legacy User" (XEP-0100, section 4.4.1).
func (g *Gateway) available(st *stanza.Stanza, name string) error {
	if !st.From.IsFull() {
		return nil
	}
	in := st.Presence()
	p := Presence{Available: true, Show: in.Show, Status: in.Status}
	g.mu.Lock()
	defer g.mu.Unlock()
	u, err := g.userOf(st.From.Bare())
	if err != nil {
		return err
	}
	r := u.resources[st.From]
	if r == nil {
		if !within(len(u.resources), g.MaxResources, DefaultMaxResources) {
			return nil
		}
		if len(u.resources) == 0 { // who comes back may try again
			u.refused, u.delay = nil, 0
			u.stop()
		}
		r = new(resource)
		u.resources[st.From.Clone()] = r
	}
	if name == "" {
		r.direct = true
	} else {
		u.showTo(name, p)
	}
	if name == "" || !r.direct { // what goes to the gateway counts
		g.clock++
		r.Presence, r.priority, r.at = p, in.Priority, g.clock
	}
	u.toSync()
	return nil
}

// showTo has a presence shown to one contact. Under the lock.
func (u *user) showTo(name string, p Presence) {
	if _, there := u.directed[name]; !there && !within(len(u.directed), u.g.MaxContacts, DefaultMaxContacts) {
		return
	}
	if u.directed == nil {
		u.directed = make(map[string]Presence)
	}
	u.directed[name] = p
}

// unavailable takes it that a resource has gone; the last one logs out. One that
// goes to somebody on the network only says so of a resource that has never said
// anything to the gateway itself.
func (g *Gateway) unavailable(st *stanza.Stanza, name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	u := g.users[st.From.Bare()]
	if u == nil {
		return
	}
	r := u.resources[st.From]
	if name != "" {
		u.showTo(name, Presence{Status: st.Presence().Status})
	}
	if r != nil && (name == "" || !r.direct && !u.directs()) {
		delete(u.resources, st.From)
	}
	if name == "" && st.From.IsBare() {
		clear(u.resources)
	}
	u.toSync()
}

// directs reports whether the network knows presence for one contact only.
func (u *user) directs() bool {
	_, ok := u.session.(Director)
	return ok
}

// probe tells who asks what the presence is, of a user who is logged in.
func (g *Gateway) probe(ctx context.Context, st *stanza.Stanza, name string) error {
	g.mu.Lock()
	u := g.users[st.From.Bare()]
	there := u != nil && u.session != nil
	g.mu.Unlock()
	if !there {
		return nil
	}
	u.tell.Lock()
	defer u.tell.Unlock()
	if name == "" {
		return g.send(ctx, &stanza.Presence{From: g.domain, To: st.From})
	}
	return u.tellPresence(ctx, name, u.shown[name], st.From)
}

// subscription takes what is about the subscription to the gateway itself, which
// everybody has who is registered (XEP-0100, sections 4.1.1 and 4.3.1).
func (g *Gateway) subscription(ctx context.Context, st *stanza.Stanza) error {
	user := st.From.Bare()
	answer := stanza.TypeUnsubscribed
	switch st.Type {
	case stanza.TypeSubscribe:
		_, ok, err := g.Accounts.Account(ctx, user)
		if err != nil {
			return err
		}
		if ok {
			answer = stanza.TypeSubscribed
		}
	case stanza.TypeUnsubscribe:
	default:
		return nil
	}
	if err := g.send(ctx, &stanza.Presence{From: g.domain, To: user, Type: answer}); err != nil {
		return err
	}
	if answer == stanza.TypeUnsubscribed {
		return nil
	}
	return g.probe(ctx, st, "") // whether the user is logged in
}

// subscription takes what is about somebody on the network to the network
// (XEP-0100, sections 4.6, 4.7 and 5.1).
func (u *user) subscription(ctx context.Context, st *stanza.Stanza, name string) {
	s, err := u.sessionOr(ctx)
	if err == nil {
		err = u.network(ctx, string(st.Type), func(ctx context.Context) error {
			switch st.Type {
			case stanza.TypeSubscribe:
				return s.Subscribe(ctx, name, st.Presence().Status)
			case stanza.TypeUnsubscribe:
				return s.Unsubscribe(ctx, name)
			}
			return s.Approve(ctx, name, st.Type == stanza.TypeSubscribed)
		})
	}
	switch {
	case err != nil && st.Type == stanza.TypeSubscribe:
		u.g.trySend(ctx, st.ErrorReply(err))
	case st.Type == stanza.TypeUnsubscribe:
		u.tell.Lock()
		defer u.tell.Unlock()
		u.forget(ctx, name)
	}
}

// sessionOr returns the session, or why there is none.
func (u *user) sessionOr(ctx context.Context) (Session, *stanza.Error) {
	u.g.mu.Lock()
	s, refused := u.session, u.refused
	u.g.mu.Unlock()
	if s != nil {
		return s, nil
	}
	_, ok, err := u.g.Accounts.Account(ctx, u.addr)
	switch {
	case err != nil:
		return nil, u.g.fault(u.addr, "account", err)
	case !ok:
		return nil, stanza.NewError(stanza.RegistrationRequired, "Register with the gateway first.")
	case refused != nil:
		return nil, stanza.AsError(refused)
	}
	return nil, stanza.NewError(stanza.ServiceUnavailable, "You are not logged in to the gateway.")
}

// tellPresence tells the user, or one resource, the presence of somebody. Under
// tell.
func (u *user) tellPresence(ctx context.Context, name string, p Presence, to jid.JID) error {
	from, err := u.addressOf(name)
	if err != nil {
		return err
	}
	out := &stanza.Presence{From: from, To: to, Show: p.Show, Status: p.Status}
	if !p.Available {
		out.Type, out.Show = stanza.TypeUnavailable, ""
	}
	return u.g.send(ctx, out)
}

// forget tells the user that somebody is not there any more, if it was. Under
// tell.
func (u *user) forget(ctx context.Context, name string) error {
	if _, there := u.shown[name]; !there {
		return nil
	}
	err := u.tellPresence(ctx, name, Presence{}, u.addr)
	if err == nil {
		delete(u.shown, name)
	}
	return err
}

// message takes a message to the network (XEP-0100, section 4.8).
func (g *Gateway) message(ctx context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
	m := st.Message()
	if m.Body == "" && len(m.Bodies) == 0 {
		return nil
	}
	if !g.allows(st.From.Bare()) {
		return g.host.Send(ctx, st.ErrorReply(stanza.Forbidden))
	}
	name := g.heard(st)
	var err error
	switch {
	case name == "" || st.Type.MessageType() == stanza.TypeGroupChat:
		err = stanza.ServiceUnavailable
	default:
		err = g.post(st.From.Bare(), func(ctx context.Context, u *user) {
			s, refused := u.sessionOr(ctx)
			if refused == nil {
				refused = u.network(ctx, "message", func(ctx context.Context) error { return s.Send(ctx, name, m) })
			}
			if refused != nil {
				g.trySend(context.WithoutCancel(ctx), st.ErrorReply(refused))
			}
		})
	}
	if err == nil {
		return nil
	}
	return g.host.Send(ctx, st.ErrorReply(err))
}
