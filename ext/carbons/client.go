package carbons

import (
	"context"
	"errors"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/forward"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Enable asks the server for copies from now on, in this session.
func Enable(ctx context.Context, s xmpp.Sender) error { return turn(ctx, s, true) }

// Disable asks for no more copies.
func Disable(ctx context.Context, s xmpp.Sender) error { return turn(ctx, s, false) }

func turn(ctx context.Context, s xmpp.Sender, on bool) error {
	iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet}, Switch{on})
	if err == nil {
		_, err = s.Do(ctx, iq)
	}
	return err
}

// Copy is a message that one of the account's other clients has sent or got.
type Copy struct {
	Direction
	forward.Forwarded
}

// Of returns the copy that a message st is, for a client whose address is own. ok
// is false if it is none. "Any forwarded copies received by a Carbons-enabled
// client MUST be from that user's bare JID; any copies that do not meet this
// requirement MUST be ignored" (section 11): then isForged is true, and the message
// is to be passed over. So it is if there is no message in it, or one that does
// not fit its direction.
//
// A message of type error is a copy only of an error; otherwise it may be what
// somebody sends back, and is not forged.
func Of(own jid.JID, st *stanza.Stanza) (c Copy, ok, isForged bool) {
	if st.Kind != stanza.KindMessage {
		return c, false, false
	}
	c, isCopy, err := read(own, st)
	switch {
	case !isCopy:
		return Copy{}, false, false
	case st.Type == stanza.TypeError && (err != nil || c.Stanza.Type != stanza.TypeError):
		return Copy{}, false, false
	case err != nil:
		return Copy{}, false, true
	}
	return c, true, false
}

// Peer returns the bare address of who a client with the address own talks to by a
// stanza that it has got: the sender, but of a copy the other side of that
// conversation. What is of one peer is to be handled in its order, whichever of the
// account's clients it was for.
func Peer(own jid.JID, st *stanza.Stanza) jid.JID {
	if st.Kind == stanza.KindMessage && isFrom(own, st.From) {
		if c, ok, _ := Of(own, st); ok && c.Direction == Sent {
			return c.Stanza.To.Bare()
		} else if ok {
			return c.Stanza.From.Bare()
		}
	}
	return st.From.Bare()
}

var errForged = errors.New("carbons: not a copy of the account's server")

// read reads what looks like a copy; isCopy is false if nothing does.
func read(own jid.JID, st *stanza.Stanza) (c Copy, isCopy bool, err error) {
	e := st.Child(NS, "received")
	if e.IsZero() {
		if e = st.Child(NS, "sent"); e.IsZero() {
			return c, false, nil
		}
		c.Direction = Sent
	}
	if !isFrom(own, st.From) {
		return c, true, errForged
	}
	if c.Forwarded, err = forward.In(e); err != nil {
		return c, true, err
	}
	mine := c.Stanza.To
	switch {
	case c.Direction == Sent:
		mine = c.Stanza.From
	case mine.IsZero():
		mine = own // without a to it is for the account (RFC 6120, section 8.1.1.1)
	}
	if c.Stanza.Kind != stanza.KindMessage || mine.Bare() != own.Bare() {
		return c, true, errForged
	}
	return c, true, nil
}

// isFrom reports whether from is the account of own, for which no from stands too: "it
// MUST assume that the stanza is from the user's account" (RFC 6120, section 8.1.2.1).
func isFrom(own, from jid.JID) bool { return from.IsZero() || from == own.Bare() }

// Extension asks for copies in each session, and handles them. It is for clients.
type Extension struct {
	// Handle is called with each copy, like a handler of messages. It may be nil for
	// a program that reads copies itself by [Of].
	//
	// What the account has sent "MUST NOT be auto-replied to under any
	// circumstances", nor what it has got, unless no other client does so (section
	// 10.4): a bot answers messages, and no copies.
	Handle func(ctx context.Context, s xmpp.Sender, c Copy) error
	// Failed, if not nil, is told why copies could not be had in a session: a
	// *stanza.Error with service-unavailable or feature-not-implemented if the
	// server has none.
	Failed func(err error)
}

var (
	_ xmpp.Extension = (*Extension)(nil)
	_ xmpp.Binder    = (*Extension)(nil)
)

// Features returns the feature for service discovery.
func (*Extension) Features(jid.JID) []string { return []string{NS} }

// Attach adds the handler of copies. The host must not be a server.
func (x *Extension) Attach(h xmpp.Host) error {
	if h.IsServer() {
		return errors.New("carbons: Extension is for clients")
	}
	if x.Handle == nil {
		return nil
	}
	all := []stanza.Type{
		stanza.TypeNormal, stanza.TypeChat, stanza.TypeGroupChat, stanza.TypeHeadline, stanza.TypeError,
	}
	for _, d := range []Direction{Received, Sent} {
		p := xmpp.Pattern{Kind: stanza.KindMessage, Types: all, Payload: copied{direction: d}.XMLName()}
		h.Mux().Handle(p, xmpp.HandlerFunc(x.handle))
	}
	return nil
}

func (x *Extension) handle(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
	if c, ok, _ := Of(s.LocalAddr(), st); ok {
		return x.Handle(ctx, s, c)
	}
	return nil // forged, and passed over
}

// BindRequest asks for copies from the first moment of a session (XEP-0386, section 3.2).
func (*Extension) BindRequest() (feature string, request stanza.Raw) {
	return NS, "<enable xmlns='" + NS + "'/>"
}

// SessionUp asks for copies, unless they come since the resource was bound.
func (x *Extension) SessionUp(ctx context.Context, s xmpp.Sender) {
	if xmpp.Enabled(s, NS) {
		return
	}
	if err := Enable(ctx, s); err != nil && x.Failed != nil {
		x.Failed(err)
	}
}

// SessionDown does nothing.
func (*Extension) SessionDown(xmpp.Sender, error) {}
