package server

import (
	"context"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// handle does with a client's stanza what RFC 6120, section 10, says: checks
// and completes it, and routes it. The error ends the stream.
func (sess *session) handle(st *stanza.Stanza) (handedOver bool, err error) {
	if err := sess.stamp(st); err != nil {
		return false, err
	}
	if st.Kind == stanza.KindIQ && st.Type == "" && sess.isOld() {
		st.Type = stanza.TypeGet // the DTD of the Jabber Programmers Guide, chapter 8, lets it out
	}
	if bad := check(st); bad != nil {
		sess.refuse(st, bad)
		return false, nil
	}
	switch st.Kind {
	case stanza.KindIQ:
		if st.To.IsZero() {
			st.To = sess.account // the server answers for the account
		}
	case stanza.KindMessage:
		if st.To.IsZero() {
			// "the server MUST treat the message as if the 'to' address were
			// the bare JID of the sending entity" (RFC 6120, section 10.3.1).
			st.To = sess.account
		}
	case stanza.KindPresence:
		if st.To.IsZero() && !isSubscription(st.Type) {
			sess.setPresence(sess.ctx, st)
			return false, nil
		}
	}
	if blocked, answer := sess.user.forbids(sess.ctx, sess.jid, st); blocked {
		if answer != nil {
			sess.refuse(st, answer)
		}
		return false, nil
	}
	switch st.Kind {
	case stanza.KindPresence:
		sess.sendPresence(sess.ctx, st)
		return false, nil
	case stanza.KindMessage:
		return sess.sendMessage(sess.ctx, st), nil
	}
	return sess.srv.route(sess.ctx, sess, st), nil
}

// sendPresence takes a presence that is about a subscription, or for one entity.
func (sess *session) sendPresence(ctx context.Context, st *stanza.Stanza) {
	switch {
	case isSubscription(st.Type):
		sess.subscription(ctx, st)
		return
	case st.Type == stanza.TypeAvailable || st.Type == stanza.TypeUnavailable:
		if err := sess.directPresence(ctx, st); err != nil {
			sess.refuse(st, err)
			return
		}
	}
	sess.srv.route(ctx, sess, st)
}

// maxAttributes bounds, in bytes, what a stanza's header has beside addresses. It
// is written anew for the recipient, with other quotes perhaps, and must not grow
// beyond what the recipient takes for one tag.
const maxAttributes = 8 << 10

// stamp makes the stanza say who sent it (RFC 6120, section 8.1.2.1) and in
// what language (section 8.1.5).
func (sess *session) stamp(st *stanza.Stanza) error {
	if f := st.From; !f.IsZero() && f != sess.jid && f != sess.account && sess.srv.cfg.RejectForeignFrom {
		return stream.InvalidFrom
	}
	st.From = sess.jid
	if st.Kind == stanza.KindPresence && isSubscription(st.Type) {
		st.From = sess.account
	}
	if st.Lang == "" {
		st.Lang = sess.conn().Received().Lang
	}
	return nil
}

func isSubscription(t stanza.Type) bool {
	switch t {
	case stanza.TypeSubscribe, stanza.TypeSubscribed, stanza.TypeUnsubscribe, stanza.TypeUnsubscribed:
		return true
	}
	return false
}

// takeRemote takes a stanza of another server, whose addresses have been checked,
// by a stream that its goroutine is.
func (s *Server) takeRemote(ctx context.Context, by reader, st *stanza.Stanza) (handedOver bool) {
	if bad := check(st); bad != nil {
		if isAnswerable(st) {
			s.route(s.ctx, nil, st.ErrorReply(bad))
		}
		return false
	}
	return s.route(ctx, by, st)
}

// check says what is wrong with a stanza, whoever has sent it; nil if it is
// right.
func check(st *stanza.Stanza) error {
	switch {
	case len(st.ID)+len(st.Type)+len(st.Lang) > maxAttributes:
		return stanza.NewError(stanza.PolicyViolation, "the attributes of the stanza are too long")
	case st.Kind == stanza.KindIQ:
		return checkIQ(st)
	case st.Kind == stanza.KindPresence:
		return checkPresence(st)
	}
	return nil
}

// checkIQ checks the rules of RFC 6120, section 8.2.3.
func checkIQ(st *stanza.Stanza) error {
	n := st.ElementCount()
	switch {
	case !st.Type.IsRequest() && !st.Type.IsResponse():
		return stanza.NewError(stanza.BadRequest, "the type of an iq is get, set, result or error")
	case st.ID == "":
		return stanza.NewError(stanza.BadRequest, "an iq has an id")
	case st.Type.IsRequest() && n != 1:
		return stanza.NewError(stanza.BadRequest, "an iq of type get or set has exactly one child element")
	case st.Type == stanza.TypeResult && n > 1:
		return stanza.NewError(stanza.BadRequest, "an iq of type result has at most one child element")
	}
	return nil
}

// checkPresence checks the type (RFC 6121, section 4.7.1). The Jabber
// Programmers Guide has a type available, which stands for none.
func checkPresence(st *stanza.Stanza) error {
	switch st.Type {
	case "available":
		st.Type = stanza.TypeAvailable
	case stanza.TypeAvailable, stanza.TypeUnavailable, stanza.TypeProbe, stanza.TypeError:
	default:
		if !isSubscription(st.Type) {
			return stanza.NewError(stanza.BadRequest, "there is no such type of presence")
		}
	}
	return nil
}

// refuse answers a stanza of this client with an error, unless it is one that
// must not be answered so.
func (sess *session) refuse(st *stanza.Stanza, err error) {
	if !isAnswerable(st) {
		return
	}
	e := st.ErrorReply(err)
	e.To = sess.jid
	if e.From.IsZero() {
		e.From = sess.host.jid
	}
	sess.deliver(e)
}

// isAnswerable reports whether a stanza may be answered with an error: one that is
// an answer itself may not (RFC 6120, section 8.3.1).
func isAnswerable(st *stanza.Stanza) bool {
	return st.Type != stanza.TypeError && !(st.Kind == stanza.KindIQ && st.Type == stanza.TypeResult)
}

// handleCore adds the handlers of what every server does.
func (s *Server) handleCore() {
	s.handleRoster()
	s.handleRegistration()
	s.handleCopies()
	// The session of RFC 3921, section 3, begins with the binding; asking for
	// it does nothing.
	s.mux.Handle(xmpp.Pattern{Kind: stanza.KindIQ, Types: []stanza.Type{stanza.TypeSet}, Payload: sessionName},
		xmpp.HandlerFunc(sendResult))
}

// sendResult answers a request with an empty result.
func sendResult(ctx context.Context, snd xmpp.Sender, st *stanza.Stanza) error {
	reply, err := st.Reply()
	if err != nil {
		return err
	}
	return snd.Send(ctx, reply)
}

// hostSender is the Sender that handlers of the server get: what they send
// comes from the address that was asked.
type hostSender struct {
	s    *Server
	addr jid.JID
}

func (h hostSender) LocalAddr() jid.JID { return h.addr }

func (h hostSender) Send(ctx context.Context, st *stanza.Stanza) error {
	return h.s.Route(ctx, stampFrom(st, h.addr))
}

// SendPaced is Send for many stanzas to one client that asks for them, such as pages of
// an archive: it waits for a slow one.
func (h hostSender) SendPaced(ctx context.Context, st *stanza.Stanza) error {
	sess := h.s.session(st.To)
	if sess == nil {
		return h.Send(ctx, st)
	}
	return sess.sendPatiently(ctx, stampFrom(st, h.addr))
}

func (h hostSender) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	return h.s.do(ctx, h.addr, h.s.pending, iq)
}

// stampFrom returns st with from set, if it is not.
func stampFrom(st *stanza.Stanza, from jid.JID) *stanza.Stanza {
	if !st.From.IsZero() {
		return st
	}
	h := st.Header
	h.From = from
	return st.With(h)
}
