package agents

import (
	"context"
	"errors"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// MaxServices is how many services of a server [Services] asks for what they are.
const MaxServices = 100

// Get asks one service for its properties, in the old form. An error reply is
// returned as a *stanza.Error.
func Get(ctx context.Context, s xmpp.Sender, service jid.JID) (Agent, error) {
	a, err := xmpp.Call[Agent](ctx, s, stanza.TypeGet, service, Agent{})
	if err == nil {
		a.JID = service
	}
	return a, err
}

// GetList asks a server, or a service that has others, for all its services, in
// the old form.
func GetList(ctx context.Context, s xmpp.Sender, server jid.JID) (List, error) {
	return xmpp.Call[List](ctx, s, stanza.TypeGet, server, List(nil))
}

// Describe asks a service what it is: by service discovery (XEP-0030), and in the
// old form if it does not know that.
func Describe(ctx context.Context, s xmpp.Sender, service jid.JID) (Agent, error) {
	info, err := disco.GetInfo(ctx, s, service, "")
	switch {
	case err == nil:
		return FromInfo(service, info), nil
	case !isUnknown(err):
		return Agent{}, err
	}
	a, oldErr := Get(ctx, s, service)
	if oldErr != nil {
		return Agent{}, err // of what is asked today
	}
	return a, nil
}

// Services asks a server for its services: by service discovery, and then each of
// them, up to [MaxServices], what it is; or in the old form if the server does
// not know service discovery. A service that does not answer has no more than
// its address and name. A zero server is the account's own.
func Services(ctx context.Context, s xmpp.Sender, server jid.JID) (List, error) {
	if server.IsZero() {
		server = s.LocalAddr().DomainJID()
	}
	items, err := disco.GetItems(ctx, s, server, "")
	if isUnknown(err) {
		l, oldErr := GetList(ctx, s, server)
		if oldErr != nil {
			return nil, err
		}
		return l, nil
	}
	var l List
	for _, it := range items {
		if it.Node != "" || !it.JID.IsDomain() {
			continue // no service, but something of one
		}
		if len(l) == MaxServices {
			break
		}
		a, askErr := Describe(ctx, s, it.JID)
		if ctx.Err() != nil {
			return l, ctx.Err()
		}
		if askErr != nil {
			a = Agent{JID: it.JID}
		}
		if a.Name == "" {
			a.Name = it.Name
		}
		l = append(l, a)
	}
	return l, err
}

// isUnknown reports whether who was asked does not know service discovery.
func isUnknown(err error) bool {
	return errors.Is(err, stanza.FeatureNotImplemented) || errors.Is(err, stanza.ServiceUnavailable) ||
		errors.Is(err, stanza.BadRequest) || errors.Is(err, disco.ErrNoAnswer)
}
