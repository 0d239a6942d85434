package presence

import (
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// Announcement says whether the contact is told of the user's presence, because
// it may see it from now on, or may no more.
type Announcement uint8

// The announcements.
const (
	AnnounceNone Announcement = iota
	// AnnounceAvailable: the contact gets the current presence of each of the
	// user's available resources.
	AnnounceAvailable
	// AnnounceUnavailable: it gets presence of type unavailable from each of
	// them.
	AnnounceUnavailable
)

// Effect is what a server does about a subscription stanza. What is not false,
// "" or AnnounceNone is done in this order:
//
//   - Announce, if it is AnnounceUnavailable: "while the user is still
//     subscribed", "before the contact's server routes or delivers the presence
//     stanza of type "unsubscribed"" (RFC 6121, section 3.2.2);
//   - Route or Deliver, and Reply;
//   - Push: the delivery "MUST occur before sending the roster push" (sections
//     3.1.6, 3.2.3 and 3.3.3), and so is the routing before it in 3.1.2 and 3.1.5;
//   - Announce, if it is AnnounceAvailable: after subscribed, by which the
//     contact's server knows what it is (section 3.1.5).
//
// Of an inbound unsubscribe the RFC shows the unavailable presence last (section
// 3.3.3); the contact has no use for it in any place, so a server may as well
// keep to one order.
type Effect struct {
	// Route: the outbound stanza goes to the contact, from the user's bare JID.
	Route bool
	// Deliver: the inbound stanza goes to the user's resources. What waits as a
	// request goes also to those that become available later, until the user
	// answers.
	Deliver bool
	// Push: the roster item is not as it was, and is pushed.
	Push bool
	// Reply is the type of the stanza that the server sends to the contact in
	// the user's name, from bare JID to bare JID; "" for none.
	Reply stanza.Type
	// Announce is the presence that is sent to the contact.
	Announce Announcement
}

// Outbound applies what follows from a presence of type t that the user has sent
// to the contact of the entry e (RFC 6121, appendix A.2). A type that has
// nothing to do with subscriptions has no effect.
//
// A contact that was not in the roster is added to it by subscribe, by
// subscribed in answer to a request, and by subscribed in advance (section
// 3.4.2). An approval in advance ends with unsubscribed, and when it is made use
// of.
//
// It is not for what the server says by itself, such as the unsubscribed in
// answer to a probe, which "MUST NOT result in cancellation of a subscription
// pre-approval" (section 4.3.2). The address in the stanza counts as a bare one
// (section 3.1.2), and is not the user's own: both are for the server to see to.
func Outbound(e *roster.Entry, t stanza.Type) Effect {
	rule, ok := OutboundRule(t, StateOf(*e))
	if !ok {
		return Effect{}
	}
	before := *e
	rule.New.put(e)
	switch {
	case rule.PreApproval:
		e.Approved = true
	case t == stanza.TypeUnsubscribed:
		e.Approved = false
	}
	return finish(&before, e, Effect{Route: rule.Pass})
}

// Inbound applies what follows from a presence that the contact of the entry e
// has sent to the user (RFC 6121, appendix A.3). One that has nothing to do with
// subscriptions has no effect. from and to of st are bare addresses already.
//
// A request that is to wait for the user's answer is kept in e.Request as it is,
// with its namespace; of several the first (section 3.1.3). It does not put the
// contact into the roster. If the user has approved it in advance, or the
// contact has a subscription already, the reply says so, and the contact also
// gets the presence that it may have missed.
func Inbound(e *roster.Entry, st *stanza.Stanza) Effect {
	rule, ok := InboundRule(st.Type, StateOf(*e))
	if !ok || st.Kind != stanza.KindPresence {
		return Effect{}
	}
	if e.Approved && st.Type == stanza.TypeSubscribe {
		approval := outboundSubscribed[rule.New]
		rule = Rule{New: approval.New, Reply: stanza.TypeSubscribed}
	}
	before := *e
	rule.New.put(e)
	if rule.New.PendingIn() && e.Request == "" {
		e.Request = string(st.AppendXML(nil, stanza.NSClient))
	}
	return finish(&before, e, Effect{Deliver: rule.Pass, Reply: rule.Reply})
}

// finish adds to an effect what follows from the difference between before and
// e, and what the two have in common about the roster.
func finish(before, e *roster.Entry, effect Effect) Effect {
	had, has := before.Subscription&roster.From != 0, e.Subscription&roster.From != 0
	if has && !had {
		e.Approved = false // it has been made use of
	}
	if e.Subscription != roster.None || e.Ask || e.Approved {
		e.Hidden = false
	}
	effect.Push = !e.Hidden && (before.Hidden || before.Subscription != e.Subscription ||
		before.Ask != e.Ask || before.Approved != e.Approved)
	switch {
	case had && !has:
		effect.Announce = AnnounceUnavailable
	case has && (!had || effect.Reply == stanza.TypeSubscribed):
		effect.Announce = AnnounceAvailable
	}
	return effect
}
