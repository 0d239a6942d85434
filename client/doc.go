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
// # Logging in
//
// With a server that has SASL2 (XEP-0388) the client logs in, and goes on with its
// session, in one step. With a place to keep it, Logins of [Config], it gets a token and
// needs the password no more, and with Bind2 it has its session, or another one, after a
// single round trip. Nothing of that is needed with other servers, nor in their way.
//
// # Sessions and connections
//
// With a server that has stream management (XEP-0198) a session outlives its
// connections. When one breaks, the client makes another one, at once, and the session
// goes on where it was: what the server had not acknowledged is sent again, what the
// client had not handled comes again, and nothing comes twice. Nobody who only looks at
// what is sent and received sees any of it. Meanwhile the address stays, requests of Do
// wait on, handlers run on, and what is sent is queued, up to Stream.MaxDetached bytes.
//
//	connected ──connection breaks──► OnSuspended ──connected again──► OnResumed ...
//	    ▲ OnUp                           │ the server's time is over, or it refuses
//	    └────────── a new session ◄── OnDown
//
// The session ends when the server does not wait any longer (its time counts from the
// break; 5 minutes if it has not said), when it refuses to go on, when one side ends the
// stream, or with the connection if there is no stream management. Then Do fails
// with [xmpp.ErrSessionLost], and the next session is a new one.
//
// Each stanza that was sent has one of three fates. It was acknowledged: the server has
// taken the responsibility for it. It was not sent: a message is the first to be sent
// in the next session, a request has failed with its Do, and presence is told anew.
// Or it is not known, because it was written, the session has ended, and the server
// did not say how far it has got: a message of that kind is what Resend of [Config]
// decides about. Who wants to know the fate of one stanza sends it with
// [Client.Confirm], or [xmpp.Confirm] in a handler.
//
// What comes in is acknowledged when it has been handled: when its handler, and those
// of all that came before it, have returned. So what a program that dies suddenly had
// not handled is not lost, the server delivers it anew. That costs the server memory;
// of a handler that takes its time no more than 256 stanzas, or 256 KiB, are held back,
// then the oldest count as handled. With Resumptions of [Config] the session itself
// outlives the program.
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
// A handler's Sender stands for the session that the stanza came in, not for a
// connection. What is sent with it after that session has ended fails with
// [xmpp.ErrNotConnected]; to send in whatever session there is, use the Client. The
// context of the handler of an iq request ends with the session, since nobody can get the
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
