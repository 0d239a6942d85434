package xmpp

import (
	"context"
	"errors"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Sender sends stanzas. Clients, components and servers implement it; all
// methods are safe for concurrent use, also from within handlers.
type Sender interface {
	// LocalAddr is the address that stanzas are sent from: a client's full
	// JID, zero while it has none; a component's or server's domain.
	LocalAddr() jid.JID

	// Send queues a stanza. It blocks only while the bounded queue is full.
	// The stanza is queued whole or not at all, whenever ctx ends. nil means
	// that it will be sent if the connection lasts, not that it has arrived.
	Send(ctx context.Context, st *stanza.Stanza) error

	// Do sends an iq of type get or set and waits for the reply. An error
	// reply is returned as a *stanza.Error. If ctx has no deadline, the
	// sender's default applies. An id is chosen if the iq has none.
	Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error)
}

// Confirmer is a Sender that can tell what has become of what it has sent (XEP-0198).
// Clients and their sessions are.
type Confirmer interface {
	Sender
	// Confirm sends a stanza as Send does, and waits until the server has
	// acknowledged that very stanza, over however many connections the session
	// lasts. nil says that the server has taken the responsibility for it. The
	// error is
	//   - [ErrUnacknowledged] if the session has ended before: it may have arrived;
	//   - [ErrNotConnected] if it was not sent, or not whole, before the session
	//     ended;
	//   - [ErrNoAcknowledgements] if the server does not acknowledge anything;
	//     nothing was sent then;
	//   - that of ctx when it ends. If the stanza was queued, it is sent all the same.
	// It is not sent again, in another session, by anybody but the caller.
	Confirm(ctx context.Context, st *stanza.Stanza) error
}

// Handler handles a stanza that came in. s sends on the stream that the stanza
// came from. Unless it says otherwise, a handler must be safe for concurrent
// use: stanzas of one sender are handled one after the other, in order, except
// for iq requests; those of different senders concurrently.
//
// A handler of an iq of type get or set has to send one reply, or return an
// error, which is then sent as the reply. Errors of other handlers are logged.
type Handler interface {
	HandleXMPP(ctx context.Context, s Sender, st *stanza.Stanza) error
}

// HandlerFunc is a function that is a Handler.
type HandlerFunc func(ctx context.Context, s Sender, st *stanza.Stanza) error

// HandleXMPP calls f.
func (f HandlerFunc) HandleXMPP(ctx context.Context, s Sender, st *stanza.Stanza) error {
	return f(ctx, s, st)
}

// Errors of Senders. They may come wrapped.
var (
	// ErrClosed: the Sender was closed, or its Run has returned.
	ErrClosed = errors.New("xmpp: closed")
	// ErrNotConnected: there is no stream at the moment. Nothing was sent.
	ErrNotConnected = errors.New("xmpp: not connected")
	// ErrSessionLost: the stream ended while a reply was waited for. Whether
	// the request has arrived is not known.
	ErrSessionLost = errors.New("xmpp: session lost")
	// ErrUnacknowledged: the session ended before the server has acknowledged what
	// was sent. Whether it has arrived is not known.
	ErrUnacknowledged = errors.New("xmpp: not acknowledged")
	// ErrNoAcknowledgements: the Sender, or its server, does not tell what has
	// become of what is sent. Nothing was sent.
	ErrNoAcknowledgements = errors.New("xmpp: nothing is acknowledged")
	// ErrNotRequest: Do was called with something else than an iq of type
	// get or set.
	ErrNotRequest = errors.New("xmpp: not an iq of type get or set")
)

// SafeToRetry reports whether err means that nothing was sent, so that to try
// again cannot do anything twice.
func SafeToRetry(err error) bool { return errors.Is(err, ErrNotConnected) }

// Send sends a *stanza.Message, *stanza.Presence, *stanza.IQ, *stanza.Stanza, or
// whatever else can become a stanza.
func Send(ctx context.Context, s Sender, m interface {
	Stanza() (*stanza.Stanza, error)
}) error {
	st, err := m.Stanza()
	if err != nil {
		return err
	}
	return s.Send(ctx, st)
}

// Confirm sends what Send does and waits until the server has acknowledged it, if s, or
// the Sender that it is made of, is a [Confirmer]. Otherwise nothing is sent, and the
// error is [ErrNoAcknowledgements].
func Confirm(ctx context.Context, s Sender, m interface {
	Stanza() (*stanza.Stanza, error)
}) error {
	st, err := m.Stanza()
	if err != nil {
		return err
	}
	for {
		if c, ok := s.(Confirmer); ok {
			return c.Confirm(ctx, st)
		}
		u, ok := s.(interface{ Unwrap() Sender })
		if !ok {
			return ErrNoAcknowledgements
		}
		s = u.Unwrap()
	}
}

// Call asks a question in typed form: it sends an iq of type t with the payload
// req (as stanza.New takes it, nil for none) and decodes the payload of the
// reply, if Resp describes one of those that it has; else resp is zero. A zero
// to asks the account's own server. An error reply is returned as a
// *stanza.Error.
func Call[Resp any](ctx context.Context, s Sender, t stanza.Type, to jid.JID, req any) (resp Resp, err error) {
	iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: t, To: to}, req)
	if err != nil {
		return resp, err
	}
	reply, err := s.Do(ctx, iq)
	if err != nil {
		return resp, err
	}
	if err := reply.Err(); err != nil {
		return resp, err // an error in an iq of type result
	}
	resp, _, err = stanza.Decode[Resp](reply)
	return resp, err
}
