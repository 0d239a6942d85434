package gateway

import (
	"context"
	"errors"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// ErrLoggedOut is returned by the methods of an [Inbound] when its session is
// over: the user has logged out, or there is a newer session.
var ErrLoggedOut = errors.New("gateway: the session is over")

// Inbound is where a session tells what comes from the network. Names are those of
// people there. Methods are safe for concurrent use, and in order if they are
// called so; they wait no longer than it takes to queue a stanza. Other errors than
// [ErrLoggedOut] are those of sending, and of names that can have no address.
type Inbound struct {
	u    *user
	lost error // before there was a session; under the lock of the gateway
}

// User returns the bare address of the user.
func (in *Inbound) User() jid.JID { return in.u.addr }

// tell does something if the session is not over.
func (in *Inbound) tell(fn func() error) error {
	in.u.tell.Lock()
	defer in.u.tell.Unlock()
	in.u.g.mu.Lock()
	live := in.u.inbound == in
	in.u.g.mu.Unlock()
	if !live {
		return ErrLoggedOut
	}
	return fn()
}

// Message delivers a message, whose To and From are set: the user's bare address,
// and that of who has sent it.
func (in *Inbound) Message(ctx context.Context, name string, m stanza.Message) error {
	return in.tell(func() (err error) {
		if m.From, err = in.u.addressOf(name); err != nil {
			return err
		}
		m.To = in.u.addr
		return in.u.g.send(ctx, &m)
	})
}

// Text delivers a message of type chat with a text.
func (in *Inbound) Text(ctx context.Context, name, body string) error {
	return in.Message(ctx, name, stanza.Message{Type: stanza.TypeChat, Body: body})
}

// Presence tells the presence of somebody. It is told again to who asks for it.
func (in *Inbound) Presence(ctx context.Context, name string, p Presence) error {
	return in.tell(func() error {
		u := in.u
		j, err := u.g.Addresses.JID(name)
		if err != nil {
			return err
		}
		key := u.g.Addresses.Name(j) // as it is when it comes back
		_, there := u.shown[key]
		switch {
		case !p.Available:
			err := u.tellPresence(ctx, key, p, u.addr)
			if err == nil {
				delete(u.shown, key)
			}
			return err
		case there || within(len(u.shown), u.g.MaxContacts, DefaultMaxContacts):
			if u.shown == nil {
				u.shown = make(map[string]Presence)
			}
			u.shown[key] = p
			return u.tellPresence(ctx, key, p, u.addr)
		}
		return nil // what is not remembered could not be taken back
	})
}

// Subscribe says that somebody asks for the user's presence. The answer comes by
// [Session.Approve] (XEP-0100, section 5.1).
func (in *Inbound) Subscribe(ctx context.Context, name, text string) error {
	return in.sendTypes(ctx, name, text, stanza.TypeSubscribe)
}

// Subscribed says that somebody lets the user see his presence, which
// [Session.Subscribe] has asked for (section 4.6.1). It must not be called unasked
// (section 5.1.1). Tell the presence afterwards.
func (in *Inbound) Subscribed(ctx context.Context, name string) error {
	return in.sendTypes(ctx, name, "", stanza.TypeSubscribed)
}

// Unsubscribed says that somebody does not let the user see his presence, or not
// any more (section 4.6.2).
func (in *Inbound) Unsubscribed(ctx context.Context, name string) error {
	return in.sendTypes(ctx, name, "", stanza.TypeUnsubscribed)
}

// Removed says that somebody has taken the user from his contact list (section
// 5.2).
func (in *Inbound) Removed(ctx context.Context, name string) error {
	return in.sendTypes(ctx, name, "", stanza.TypeUnsubscribe, stanza.TypeUnsubscribed)
}

func (in *Inbound) sendTypes(ctx context.Context, name, text string, types ...stanza.Type) error {
	return in.tell(func() error {
		from, err := in.u.addressOf(name)
		if err != nil {
			return err
		}
		for _, t := range types {
			if err := in.u.g.send(ctx, &stanza.Presence{From: from, To: in.u.addr, Type: t, Status: text}); err != nil {
				return err
			}
		}
		if types[len(types)-1] == stanza.TypeUnsubscribed {
			return in.u.forget(ctx, in.u.g.Addresses.Name(from))
		}
		return nil
	})
}

// Lost says that the session has ended by itself, and why; an error as those of
// [Network]. The user is told, and logged in again after a while. Logout is not
// called any more, unless Lost is called before Login has returned: an error of Login
// counts more than why.
func (in *Inbound) Lost(ctx context.Context, why error) {
	u := in.u
	if why == nil {
		why = errors.New("the session has ended")
	}
	u.g.mu.Lock()
	begun := u.session != nil
	if !begun && in.lost == nil {
		in.lost = why
	}
	u.g.mu.Unlock()
	if !begun || !u.end(in) {
		return
	}
	u.fail(ctx, u.g.fault(u.addr, "session", why))
}
