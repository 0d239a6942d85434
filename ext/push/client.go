package push

import (
	"context"
	"errors"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Enable asks the own server to publish notifications for the account from now on.
// One with the same service and node is replaced. Whether the server can do so at all
// says the feature [NS] of the account (section 4.1).
//
// The server takes it that the client that asks runs on the device that is to be woken:
// while that is connected there are no notifications. So say it in each session.
func Enable(ctx context.Context, s xmpp.Sender, r Registration) error {
	_, err := xmpp.Call[stanza.Element](ctx, s, stanza.TypeSet, jid.JID{}, r)
	return err
}

// Disable asks the own server to publish no more notifications to a node of a service,
// or, if node is "", to the service (section 6).
func Disable(ctx context.Context, s xmpp.Sender, service jid.JID, node string) error {
	_, err := xmpp.Call[stanza.Element](ctx, s, stanza.TypeSet, jid.JID{}, removal{service, node})
	return err
}

// Extension enables notifications in each session. It is for clients.
type Extension struct {
	// Registration is where they go.
	Registration Registration
	// Failed, if not nil, is told why they could not be enabled in a session: a
	// *stanza.Error, with service-unavailable if the server has no notifications.
	Failed func(err error)
}

var (
	_ xmpp.Extension = (*Extension)(nil)
	_ xmpp.Watcher   = (*Extension)(nil)
)

// Attach checks the Registration.
func (x *Extension) Attach(h xmpp.Host) error {
	if h.IsServer() {
		return errors.New("push: Extension is for clients, Server for servers")
	}
	if x.Registration.Service.IsZero() {
		return errors.New("push: Extension.Registration has no service")
	}
	return nil
}

// SessionUp enables notifications.
func (x *Extension) SessionUp(ctx context.Context, s xmpp.Sender) {
	if err := Enable(ctx, s, x.Registration); err != nil && x.Failed != nil {
		x.Failed(err)
	}
}

// SessionDown does nothing.
func (*Extension) SessionDown(xmpp.Sender, error) {}
