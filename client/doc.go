// Package client is an XMPP client that stays up. A [Client] connects to the
// account's server, negotiates the stream, hands what comes in to a handler,
// and connects again when the connection is lost, until its context ends or
// there is no hope.
//
//	mux := new(xmpp.Mux)
//	mux.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
//		return xmpp.Send(ctx, s, msg.Reply(msg.Body))
//	})
//	c, err := client.New(client.Config{JID: jid.MustParse("bot@example.net"), Password: secret, Handler: mux})
//	if err != nil {
//		return err
//	}
//	return c.Run(ctx)
//
// The zero values of [Config] are the safe defaults: TLS with a certificate
// for the domain of the JID, the strongest mechanism that both sides know, no
// password in the clear, bounds on everything.
//
// # Handlers
//
// The goroutine that reads the stream never runs a handler and never waits for
// one. Messages and presences of one sender are handled in order, those of
// different senders concurrently, and iq requests each on their own. A handler
// may ask others with Do and wait for the reply; it cannot lock the client up,
// however many do that. What a handler must not wait for is the handling of a
// later stanza of the same sender.
//
// A handler's Sender stands for the session that the stanza came in. What is
// sent with it after that session has ended fails with [xmpp.ErrNotConnected];
// to send in whatever session there is, use the Client. The context of the
// handler of an iq request ends with the session, since nobody can get the
// reply any more; that of other handlers outlives it. All of them end when the
// handler returns.
//
// # What is answered without a handler
//
// An iq request without id, or with another number of payloads than one, gets
// bad-request; one that nobody handles service-unavailable. When there is more
// to do than the bounds of Config allow, requests and messages get
// resource-constraint, of type wait, and presences are dropped. Pings are
// answered (XEP-0199). Stanzas of type error are never answered.
package client
