package push

import (
	"context"

	"github.com/etherx-go/xmpp/internal/fingerprint"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Event is something that has come for an account.
type Event struct {
	// Account is the bare address.
	Account jid.JID
	// Resource says that it has come for one client only, which has not got it;
	// "" is all that are not connected.
	Resource string
	// Stanza is what has come. If it does not warrant a notification there is none;
	// see [Warrants]. nil: the counts are the event.
	Stanza *stanza.Stanza
	// Messages and Requests are how many messages are unread or undelivered, and how
	// many requests for a subscription wait. 0: what has come since the device was
	// there is counted.
	Messages, Requests int
}

// Notify has the devices of an account told of something that has come, but for those
// whose client is connected: it gets what has come, whether somebody looks at it or not
// (XEP-0352), and has the say whether to make a noise. What other clients the account
// has, and whether they are connected, does not matter.
//
// A server calls it for each message, and each request for a subscription, that an
// account gets: when it is stored, put into an archive, or given to one of its
// clients, a session that waits to be resumed (XEP-0198) included. When a session loses
// its connection, the server calls it for each message that the client has not
// acknowledged, with its Resource. Of a message with an id each device is told once until
// its client is there again, however often it comes.
//
// Nobody waits for a service: Notify returns when it is known who is to be told, and
// the rest is done in the background. Its error is that of the store.
func (s *Server) Notify(ctx context.Context, e Event) error {
	if e.Stanza != nil && !Warrants(e.Stanza) {
		return nil
	}
	all, err := s.devices(ctx, e.Account)
	for _, d := range all {
		if e.Resource != "" && e.Resource != d.Resource {
			continue
		}
		t := target{e.Account, d.Service, d.Node}
		if s.isThere(e.Account, d) {
			s.pub.seen(t)
			continue
		}
		s.pub.add(t, s.newsOf(&e, d))
	}
	return err
}

// Seen takes note that a client is connected: what waits to be told to its device is
// not told any more, and counting begins anew. A server calls it when a session is
// resumed; one that begins is seen when the client says [Enable].
func (s *Server) Seen(ctx context.Context, client jid.JID) error {
	all, err := s.devices(ctx, client.Bare())
	for _, d := range all {
		if d.Resource == client.Resource() {
			s.pub.seen(target{client.Bare(), d.Service, d.Node})
		}
	}
	return err
}

// isThere reports whether the client that runs on a device is connected.
func (s *Server) isThere(account jid.JID, d Device) bool {
	client, err := account.WithResource(d.Resource)
	return err == nil && s.pub.isConnected(client)
}

// newsOf is what a device is told of an event.
func (s *Server) newsOf(e *Event, d Device) news {
	n := news{messages: e.Messages, requests: e.Requests}
	switch {
	case e.Stanza == nil:
		return n
	case e.Stanza.Kind == stanza.KindPresence:
		n.moreRequests = 1
	case e.Stanza.Kind == stanza.KindMessage:
		n.moreMessages = 1
		if m := message(e.Stanza); m != nil {
			n.sum, n.isNamed = fingerprint.Of(m)
		}
	}
	if s.Disclose != nil {
		n.details, n.hasDetails = s.Disclose(e.Account, d, e.Stanza), true
	}
	return n
}
