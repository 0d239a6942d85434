// Package component is an external component that stays up (XEP-0114): a service
// with a domain of its own, in a program of its own, which a server routes stanzas
// to and takes stanzas from. Gateways, rooms and directories are such.
//
//	mux := new(xmpp.Mux)
//	mux.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
//		return xmpp.Send(ctx, s, msg.Reply(msg.Body))
//	})
//	c, err := component.New(component.Config{
//		Domain: jid.MustParse("echo.example.org"), Secret: secret, Addr: "localhost:5347", Handler: mux,
//	})
//	if err != nil {
//		return err
//	}
//	return c.Run(ctx)
//
// Handlers and extensions are those of a client, and of a service in a server's
// process ([server.Server.LocalHost]): what is written for one runs as another.
//
// # Addresses
//
// All addresses of the domain are the component's: there are no accounts. What
// comes says in To who is meant, and what is sent may be from any of them. Stanzas
// without from get the domain; those that a handler sends, by its Sender, get the
// address that it was asked at, so that a reply comes from there.
//
// # Security
//
// The two sides share a secret, of which the component shows that it knows it, and
// the server does not. What is said is not encrypted unless there is TLS. So
// without Config.TLS only a server on the same machine is connected to, unless
// Config.AllowPlaintext is set.
//
// # Handlers
//
// The goroutine that reads the stream never runs a handler and never waits for
// one. Messages and presences of one sender are handled in order, those of
// different senders concurrently, and iq requests each on their own. A handler may
// ask others with Do and wait for the reply; it cannot lock the component up.
//
// A handler's Sender stands for the session that the stanza came in: what is sent
// with it after that has ended fails with [xmpp.ErrNotConnected]. To send in
// whatever session there is, use the Component.
//
// [server.Server.LocalHost]: https://pkg.go.dev/github.com/etherx-go/xmpp/server#Server.LocalHost
package component
