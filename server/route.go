package server

import (
	"context"
	"errors"

	"github.com/etherx-go/xmpp/stanza"
)

// ErrNoAddress is returned by Route for a stanza without to or from.
var ErrNoAddress = errors.New("server: a stanza that is routed has to and from")

// Route delivers a stanza to whom it is addressed. from is taken as it is: the
// caller answers for it. What cannot be delivered is answered with an error to
// from, where the rules of RFC 6121, section 8.5, say so; the error that is
// returned is only about the call.
func (s *Server) Route(ctx context.Context, st *stanza.Stanza) error {
	if st.To.IsZero() || st.From.IsZero() {
		return ErrNoAddress
	}
	s.route(ctx, nil, st)
	return nil
}

// route finds the recipient by the domain of to (RFC 6120, sections 10.4 and
// 10.5). by is the session whose goroutine this is, nil if it is none;
// handedOver is true if that goroutine must not read on.
func (s *Server) route(ctx context.Context, by *session, st *stanza.Stanza) (handedOver bool) {
	if svc := s.services.find(st.To); svc != nil {
		svc.deliver(st)
		return false
	}
	h := s.hosts[st.To.Domain()]
	switch {
	case h == nil:
		s.bounce(st, stanza.RemoteServerNotFound)
	case st.To.Local() == "":
		return s.toServer(ctx, by, st)
	case st.To.IsFull():
		s.toResource(h, st)
	default:
		return s.toAccount(ctx, by, h, st)
	}
	return false
}

// bounce tells the sender that a stanza was not delivered. Errors, results and
// presences are dropped: nobody waits for them.
func (s *Server) bounce(st *stanza.Stanza, cond stanza.Condition) {
	if st.Type == stanza.TypeError || st.Kind == stanza.KindPresence || st.Kind == stanza.KindIQ && !st.Type.IsRequest() {
		return
	}
	if st.Kind == stanza.KindMessage && st.Type == stanza.TypeHeadline && cond == stanza.ServiceUnavailable {
		return // RFC 6121, section 8.5.2.2.1
	}
	// An error is never answered with an error, so this ends here.
	s.route(s.ctx, nil, st.ErrorReply(cond))
}

// toResource delivers to a full address (RFC 6121, section 8.5.3).
func (s *Server) toResource(h *host, st *stanza.Stanza) {
	if sess := h.find(st.To); sess != nil && sess.deliver(st) {
		return
	}
	// A chat message that finds its resource gone goes where one for the
	// account would go (section 8.5.3.2.1).
	if st.Kind == stanza.KindMessage && st.Type == stanza.TypeChat {
		if s.toMostAvailable(h, st) {
			return
		}
	}
	s.bounce(st, stanza.ServiceUnavailable)
}

// toAccount delivers to a bare address (RFC 6121, section 8.5.2). An iq is
// answered by the server on behalf of the account.
func (s *Server) toAccount(ctx context.Context, by *session, h *host, st *stanza.Stanza) (handedOver bool) {
	delivered := false
	switch st.Kind {
	case stanza.KindIQ:
		return s.toServer(ctx, by, st)
	case stanza.KindPresence:
		delivered = toAvailable(h, st, -128)
	case stanza.KindMessage:
		switch st.Type.MessageType() {
		case stanza.TypeGroupChat:
		case stanza.TypeHeadline:
			delivered = toAvailable(h, st, 0)
		case stanza.TypeError:
			return false
		default:
			delivered = s.toMostAvailable(h, st)
		}
	}
	if !delivered {
		s.bounce(st, stanza.ServiceUnavailable)
	}
	return false
}

// toMostAvailable delivers to the resource with the highest priority that is
// not negative; among equals to the one that came last. One that does not take
// the stanza is passed over.
func (s *Server) toMostAvailable(h *host, st *stanza.Stanza) bool {
	var tried map[*session]bool
	for {
		var best *session
		highest := int8(0)
		for _, sess := range h.sessionsOf(st.To.Local()) {
			if p, ok := sess.priority(); ok && p >= highest && sess.active.Load() && !tried[sess] {
				best, highest = sess, p
			}
		}
		if best == nil || best.deliver(st) {
			return best != nil
		}
		if tried == nil {
			tried = make(map[*session]bool)
		}
		tried[best] = true
	}
}

// toAvailable delivers to all available resources whose priority is at least
// lowest.
func toAvailable(h *host, st *stanza.Stanza, lowest int8) (delivered bool) {
	for _, sess := range h.sessionsOf(st.To.Local()) {
		if p, ok := sess.priority(); ok && p >= lowest && sess.active.Load() && sess.deliver(st) {
			delivered = true
		}
	}
	return delivered
}

// toServer gives a stanza to the server itself: replies to who waits for them,
// requests to the handlers. Messages to a domain find nobody; presence to one
// is dropped.
func (s *Server) toServer(ctx context.Context, by *session, st *stanza.Stanza) (handedOver bool) {
	switch {
	case st.Kind != stanza.KindIQ:
		s.bounce(st, stanza.ServiceUnavailable)
		return false
	case st.Type.IsResponse():
		s.pending.Resolve(st)
		return false
	}
	t := &turn{by: by}
	err := s.mux.HandleXMPP(context.WithValue(ctx, turnKey{}, t), hostSender{s, st.To}, st)
	if err != nil {
		s.log.Error("handler", "iq", st.Payload().Name(), "from", st.From, "err", err)
	}
	return t.done()
}
