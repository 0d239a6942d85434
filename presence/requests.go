package presence

import (
	"context"
	"errors"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var errServer = errors.New("presence: the extension is for clients")

// Decision is what a program does about a request for a subscription.
type Decision uint8

// The decisions.
const (
	// Leave leaves the request to somebody else, another client of the account
	// perhaps. Without an answer the server delivers it again at each log-in.
	Leave Decision = iota
	// Allow grants it.
	Allow
	// Refuse denies it.
	Refuse
)

// AllowAll is a function for [Requests.Decide] that allows everything. Whoever
// wants to then sees the presence of the account.
func AllowAll(context.Context, jid.JID, *stanza.Presence) Decision { return Allow }

// Requests is an extension for clients that answers requests for subscriptions,
// as "an automated client that is not controlled by a natural person will have
// its own application-specific rules" (RFC 6121, section 3.1.4). The fields are
// not to be changed once it is attached.
type Requests struct {
	// Decide decides about the request p of from, a bare address. nil leaves all
	// requests. It may be called concurrently.
	Decide func(ctx context.Context, from jid.JID, p *stanza.Presence) Decision
	// Mutual asks who was allowed for a subscription in turn, and gives that up
	// when the other gives up its own.
	Mutual bool
}

// Attach adds the handlers. The error says that h is a server: "the contact's
// server MUST NOT automatically approve subscription requests on the contact's
// behalf" (RFC 6121, section 3.1.3).
func (r *Requests) Attach(h xmpp.Host) error {
	if h.IsServer() {
		return errServer
	}
	on := func(t stanza.Type, fn func(context.Context, xmpp.Sender, *stanza.Stanza) error) {
		h.Mux().Handle(xmpp.Pattern{Kind: stanza.KindPresence, Types: []stanza.Type{t}}, xmpp.HandlerFunc(fn))
	}
	on(stanza.TypeSubscribe, r.subscribe)
	if r.Mutual {
		on(stanza.TypeUnsubscribe, r.unsubscribe)
	}
	return nil
}

func (r *Requests) subscribe(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
	from := st.From.Bare()
	if r.Decide == nil || from.IsZero() {
		return nil
	}
	switch r.Decide(ctx, from, st.Presence()) {
	case Refuse:
		return Deny(ctx, s, from)
	case Allow:
		if err := Approve(ctx, s, from); err != nil || !r.Mutual {
			return err
		}
		// If there is a subscription already, the contact's server answers.
		return Subscribe(ctx, s, from, "")
	}
	return nil
}

// unsubscribe gives up what was asked for. Two of these do not go on for ever:
// where it changes nothing a server does not deliver it.
func (r *Requests) unsubscribe(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
	if st.From.IsZero() {
		return nil
	}
	return Unsubscribe(ctx, s, st.From)
}
