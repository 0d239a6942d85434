package push

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/xml"
	"errors"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Delivery is a notification that a service has got.
type Delivery struct {
	Publication
	// From is the server that publishes, or the account for which it does.
	From jid.JID
	// To is the address of the service that it was published to.
	To jid.JID
}

// Service is the Extension of an app's server (section 3), for components and for
// services in a server's process: servers publish to it what the program then sends to
// the device in the way of its platform. It has no nodes that could be made, read or
// subscribed to: the program knows them.
type Service struct {
	// Deliver is called with each notification. It must be set, and safe for
	// concurrent use. Its error is the answer: an item-not-found or another one that
	// does not pass by itself lets the server give up the device; any error that is no
	// stanza error, internal-server-error among them, lets it try again.
	Deliver func(ctx context.Context, d Delivery) error
	// Secret, if not nil, returns what has to come with notifications to a node, which
	// the app has given to [Enable] by the function [Secret]: "it SHOULD instead use
	// publish options with credentials shared only with the user's server" (section
	// 3.2). Others are answered with forbidden. Its errors are as those of Deliver.
	Secret func(ctx context.Context, node string) (string, error)
	// AllowClients takes notifications from clients too. By default a full address
	// with a user is answered with forbidden, "to ensure that only a user's server is
	// able to publish" (section 3.2).
	AllowClients bool
}

var (
	_ xmpp.Extension = (*Service)(nil)
	_ xmpp.Describer = (*Service)(nil)
)

// Identity is the one that a service MUST have (section 4.2), for
// [disco.Extension.Identities].
func Identity() disco.Identity { return disco.Identity{Category: "pubsub", Type: "push"} }

// Attach adds the handler.
func (v *Service) Attach(h xmpp.Host) error {
	if v.Deliver == nil {
		return errors.New("push: Service.Deliver is not set")
	}
	xmpp.HandleIQ(h.Mux(), stanza.TypeSet, v.publish)
	return nil
}

// Features returns [NS], and what there is of XEP-0060: nodes that can be published to,
// and to which nobody else has access.
func (*Service) Features(jid.JID) []string {
	return []string{
		NS, nsPubSub, nsPubSub + "#access-whitelist", nsPubSub + "#publish",
		nsPubSub + "#publish-only-affiliation", nsPubSub + "#publish-options",
	}
}

func (v *Service) publish(ctx context.Context, r xmpp.Request[Publication]) (any, error) {
	if !v.AllowClients && r.From.Local() != "" && r.From.IsFull() {
		return nil, stanza.NewError(stanza.Forbidden, "servers publish, clients do not")
	}
	p := r.Payload
	if v.Secret != nil {
		secret, err := v.Secret(ctx, p.Node)
		if err != nil {
			return nil, err
		}
		if subtle.ConstantTimeCompare([]byte(secret), []byte(p.Option("secret"))) == 0 {
			return nil, stanza.NewError(stanza.Forbidden, "the secret is wrong")
		}
	}
	if err := v.Deliver(ctx, Delivery{Publication: p, From: r.From, To: r.To}); err != nil {
		return nil, err
	}
	return published{p.Node, cmp.Or(p.ID, rand.Text())}, nil
}

// Revoke tells an account's server that nothing more is to be published to a node
// (section 8). s is the Sender of the service. A server that does not heed it learns it
// from the errors of Deliver.
func Revoke(ctx context.Context, s xmpp.Sender, account jid.JID, node string) error {
	st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage, To: account.Bare()}, revocation{account.Bare(), node})
	if err != nil {
		return err
	}
	return s.Send(ctx, st)
}

// revocation is the element of section 8, example 15.
type revocation struct {
	account jid.JID
	node    string
}

func (revocation) XMLName() xml.Name { return xml.Name{Space: nsPubSub, Local: "pubsub"} }

func (r revocation) AppendXML(dst []byte) ([]byte, error) {
	dst = stanza.AppendAttr(append(dst, "<pubsub xmlns='"+nsPubSub+"'"...), "node", r.node)
	dst = stanza.AppendAttr(append(dst, "><affiliation"...), "jid", r.account.String())
	return append(dst, " affiliation='none'/></pubsub>"...), nil
}
