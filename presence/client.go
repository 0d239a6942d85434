package presence

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NSPreApproval is the namespace of the stream feature <sub/>, by which a server
// says that subscriptions can be approved in advance (RFC 6121, section 3.4).
const NSPreApproval = "urn:xmpp:features:pre-approval"

// Errors of the functions of clients. Nothing was sent.
var (
	// ErrNoAddress: it is not said whom the presence is for.
	ErrNoAddress = errors.New("presence: no address")
	// ErrNotOffered: the server is not known to offer what was asked for.
	ErrNotOffered = errors.New("presence: not offered by the server")
)

// Subscribe asks the contact to for a subscription to its presence (RFC 6121,
// section 3.1.1). status, if not empty, tells it why. The contact gets into the
// roster at once, with Ask; its answer comes as a presence of type subscribed or
// unsubscribed, and as a roster push. The error only says that it was not sent.
func Subscribe(ctx context.Context, s xmpp.Sender, to jid.JID, status string) error {
	return manage(ctx, s, to, stanza.TypeSubscribe, status)
}

// Unsubscribe ends the own subscription to the contact's presence, or takes the
// request for one back (RFC 6121, section 3.3.1). What is known of the contact's
// presence is void from then on: see [Tracker.Forget].
func Unsubscribe(ctx context.Context, s xmpp.Sender, contact jid.JID) error {
	return manage(ctx, s, contact, stanza.TypeUnsubscribe, "")
}

// Approve grants the subscription that somebody has asked for (RFC 6121, section
// 3.1.4). Where nobody has asked, servers that know pre-approval take it for
// one.
func Approve(ctx context.Context, s xmpp.Sender, to jid.JID) error {
	return manage(ctx, s, to, stanza.TypeSubscribed, "")
}

// Deny refuses the subscription that somebody has asked for (RFC 6121, section
// 3.1.4).
func Deny(ctx context.Context, s xmpp.Sender, to jid.JID) error {
	return manage(ctx, s, to, stanza.TypeUnsubscribed, "")
}

// Cancel ends the subscription that was granted to a contact, or the approval of
// one in advance (RFC 6121, section 3.2.1). It says the same as [Deny].
func Cancel(ctx context.Context, s xmpp.Sender, contact jid.JID) error {
	return Deny(ctx, s, contact)
}

// PreApprove approves a request that has not come yet (RFC 6121, section 3.4.1).
// "If the server does not advertise support for subscription pre-approvals, the
// client MUST NOT attempt to pre-approve": the error is [ErrNotOffered] unless s
// has a method HasStreamFeature(xml.Name) bool that says that it does.
func PreApprove(ctx context.Context, s xmpp.Sender, contact jid.JID) error {
	f, ok := unwrap(s).(interface{ HasStreamFeature(xml.Name) bool })
	if !ok || !f.HasStreamFeature(xml.Name{Space: NSPreApproval, Local: "sub"}) {
		return fmt.Errorf("pre-approval: %w", ErrNotOffered)
	}
	return Approve(ctx, s, contact)
}

// manage sends a presence that is about a subscription. "For tracking purposes,
// a client SHOULD include an 'id' attribute" (RFC 6121, section 3.1.1), and
// subscriptions are between bare addresses.
func manage(ctx context.Context, s xmpp.Sender, to jid.JID, t stanza.Type, status string) error {
	if to.IsZero() {
		return ErrNoAddress
	}
	return xmpp.Send(ctx, s, &stanza.Presence{To: to.Bare(), ID: rand.Text(), Type: t, Status: status})
}

// Available tells everybody who has a subscription that the client is there, and
// how (RFC 6121, sections 4.2.1 and 4.4.1). show is "" for plainly available.
// The client gets messages to its bare address if its priority is not negative,
// and the highest among its account's. What has to be told beyond that, further
// languages, payloads, is sent as a [stanza.Presence].
func Available(ctx context.Context, s xmpp.Sender, show stanza.Show, status string, priority int8) error {
	return xmpp.Send(ctx, s, &stanza.Presence{Show: show, Status: status, Priority: priority})
}

// Unavailable tells everybody that the client is not there any more, and why, if
// status is not empty (RFC 6121, section 4.5.1). A client that ends does so by
// itself.
func Unavailable(ctx context.Context, s xmpp.Sender, status string) error {
	return xmpp.Send(ctx, s, &stanza.Presence{Type: stanza.TypeUnavailable, Status: status})
}

// Directed sends presence to one address, whether it has a subscription or not
// (RFC 6121, section 4.6): a room, somebody in a chat. p is available or, to end
// that, unavailable; who has got available presence gets unavailable presence
// from the server when the client is gone.
func Directed(ctx context.Context, s xmpp.Sender, to jid.JID, p stanza.Presence) error {
	switch {
	case to.IsZero():
		return ErrNoAddress
	case p.Type != stanza.TypeAvailable && p.Type != stanza.TypeUnavailable:
		return fmt.Errorf("presence: type %q is not one of directed presence", p.Type)
	}
	p.To = to
	return xmpp.Send(ctx, s, &p)
}

// unwrap returns the Sender that those stand for that handlers may be given.
func unwrap(s xmpp.Sender) xmpp.Sender {
	for {
		u, ok := s.(interface{ Unwrap() xmpp.Sender })
		if !ok {
			return s
		}
		s = u.Unwrap()
	}
}
