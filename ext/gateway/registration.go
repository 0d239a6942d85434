package gateway

import (
	"context"
	"errors"
	"slices"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Registration (XEP-0100, sections 4.1 to 4.3): the protocol is that of package
// register, whose handlers are behind a Mux of their own, so that the presences
// that follow come behind the answer.

// afterKey is the key of what is to be done when the answer is on its way, a
// *func(context.Context).
type afterKey struct{}

// inner is the host with another Mux.
type inner struct {
	xmpp.Host
	mux *xmpp.Mux
}

func (i inner) Mux() *xmpp.Mux { return i.mux }

func (g *Gateway) attachRegistration(h xmpp.Host) error {
	i := inner{h, new(xmpp.Mux)}
	svc := &register.Service{Form: g.form, Register: g.register, Remove: g.unregister}
	h.Mux().Handle(xmpp.Pattern{
		Kind: stanza.KindIQ, Types: []stanza.Type{stanza.TypeGet, stanza.TypeSet}, Payload: new(register.Query).XMLName(),
	}, xmpp.HandlerFunc(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
		if err := g.access(st); err != nil {
			return err
		}
		var after func(context.Context)
		err := i.mux.HandleXMPP(context.WithValue(ctx, afterKey{}, &after), s, st)
		if after != nil {
			after(context.WithoutCancel(ctx))
		}
		return err
	}))
	return svc.Attach(i)
}

func after(ctx context.Context, fn func(context.Context)) {
	if p, ok := ctx.Value(afterKey{}).(*func(context.Context)); ok {
		*p = fn
	}
}

func (g *Gateway) fields() []string {
	if g.Fields != nil {
		return g.Fields
	}
	return []string{"username", "password"}
}

// form returns what is to be filled in. What is on record is shown to the user,
// but for the password.
func (g *Gateway) form(ctx context.Context, user jid.JID) (*register.Query, error) {
	a, ok, err := g.Accounts.Account(ctx, user)
	if err != nil {
		return nil, err
	}
	q := &register.Query{Registered: ok, Instructions: g.Instructions}
	if q.Instructions == "" {
		q.Instructions = "Enter the name and the password that you have on the other network."
	}
	for _, name := range g.fields() {
		f := register.Field{Name: name}
		if name != "password" {
			f.Value = a.Get(name)
		}
		q.Fields = append(q.Fields, f)
	}
	return q, nil
}

// register makes or changes a registration.
func (g *Gateway) register(ctx context.Context, who jid.JID, q *register.Query) error {
	fresh := false
	err := g.call(ctx, who, func(ctx context.Context, u *user) error {
		a, ok, err := g.Accounts.Account(ctx, u.addr)
		if err != nil {
			return err
		}
		old := a.Fields
		a.User, a.Fields, fresh = u.addr, nil, !ok
		for _, name := range g.fields() {
			value, given := q.Get(name)
			if prev := (&Account{Fields: old}).Get(name); value == "" && !given {
				value = prev // it need not be given again
			}
			if value == "" {
				return stanza.NewError(stanza.NotAcceptable, "The field "+name+" is needed.")
			}
			a.Fields = append(a.Fields, register.Field{Name: name, Value: value})
		}
		if err := g.verify(ctx, u, a); err != nil {
			return err
		}
		if err := g.Accounts.SetAccount(ctx, a); err != nil {
			return err
		}
		if !slices.Equal(old, a.Fields) {
			u.logout(ctx) // of the account there was
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if u.session == nil { // it may be tried at once
			u.refused, u.delay = nil, 0
			u.stop()
		}
		return nil
	})
	if err != nil {
		return err
	}
	after(ctx, func(ctx context.Context) {
		if fresh {
			g.trySend(ctx, &stanza.Presence{From: g.domain, To: who, Type: stanza.TypeSubscribe})
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if u := g.users[who]; u != nil {
			u.toSync()
		}
	})
	return nil
}

// verify says what is wrong with an account: "Gateway returns <not-acceptable/>"
// (XEP-0100, section 4.1.2).
func (g *Gateway) verify(ctx context.Context, u *user, a Account) error {
	v, ok := g.Network.(Verifier)
	if !ok {
		return nil
	}
	err := u.network(ctx, "account", func(ctx context.Context) error { return v.Verify(ctx, a) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, stanza.NotAuthorized):
		return stanza.NewError(stanza.NotAcceptable, "The network does not accept this account.")
	}
	return err
}

// unregister cancels a registration.
func (g *Gateway) unregister(ctx context.Context, who jid.JID) error {
	err := g.call(ctx, who, func(ctx context.Context, u *user) error {
		_, ok, err := g.Accounts.Account(ctx, u.addr)
		switch {
		case err != nil:
			return err
		case !ok:
			return stanza.NewError(stanza.RegistrationRequired, "You are not registered.")
		}
		u.logout(ctx)
		return g.Accounts.RemoveAccount(ctx, u.addr)
	})
	if err != nil {
		return err
	}
	after(ctx, func(ctx context.Context) {
		for _, t := range []stanza.Type{stanza.TypeUnsubscribe, stanza.TypeUnsubscribed, stanza.TypeUnavailable} {
			g.trySend(ctx, &stanza.Presence{From: g.domain, To: who, Type: t})
		}
	})
	return nil
}
