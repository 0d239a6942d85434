package server

import (
	"context"
	"errors"

	"github.com/etherx-go/xmpp/jid"
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
// 10.5). by is the stream whose goroutine this is, nil if it is none;
// handedOver is true if that goroutine must not read on.
func (s *Server) route(ctx context.Context, by reader, st *stanza.Stanza) (handedOver bool) {
	if svc := s.services.find(st.To); svc != nil {
		svc.deliver(st)
		return false
	}
	h := s.hosts[st.To.Domain()]
	if h == nil {
		if c, ok := s.components.find(st.To.Domain()); c != nil {
			c.deliver(st)
			return false
		} else if ok {
			s.bounce(st, errComponentAway)
			return false
		}
	}
	switch {
	case h == nil && s.fed != nil:
		s.fed.route(ctx, st)
	case h == nil:
		s.bounce(st, stanza.RemoteServerNotFound)
	case st.To.Local() == "":
		return s.toServer(ctx, by, st)
	case st.Kind == stanza.KindPresence:
		s.takePresence(ctx, h, st)
	case st.Kind == stanza.KindMessage:
		s.takeMessage(ctx, h, st)
	case st.To.IsFull():
		s.toResource(ctx, h, st)
	default:
		return s.toAccount(ctx, by, h, st)
	}
	return false
}

// bounce tells the sender that a stanza was not delivered. Errors, results and
// presences are dropped: nobody waits for them, but who asks for a subscription.
func (s *Server) bounce(st *stanza.Stanza, err error) {
	if st.Type == stanza.TypeError || st.Kind == stanza.KindIQ && !st.Type.IsRequest() ||
		st.Kind == stanza.KindPresence && st.Type != stanza.TypeSubscribe {
		return
	}
	// An error is never answered with an error, so this ends here.
	s.route(s.ctx, nil, st.ErrorReply(err))
}

// bounceMoved is bounce for an account that does not exist or cannot be reached:
// if it is known where its user has gone, the sender is told.
func (s *Server) bounceMoved(ctx context.Context, st *stanza.Stanza) {
	if moved, ok := s.moved(ctx, st.To.Bare()); ok {
		s.bounce(st, moved)
		return
	}
	s.bounce(st, stanza.ServiceUnavailable)
}

// toResource delivers a message or an iq to a full address (RFC 6121, section
// 8.5.3).
func (s *Server) toResource(ctx context.Context, h *host, st *stanza.Stanza) {
	if sess := h.find(st.To); sess != nil && sess != leftBy(ctx) {
		if blocked, answer := sess.user.blocks(ctx, sess.jid, st); blocked {
			if answer != nil {
				s.bounce(st, answer)
			}
			return
		}
		if !sess.answersTo(ctx, st) {
			s.bounce(st, stanza.ServiceUnavailable)
			return
		}
		if sess.deliver(st) {
			s.arrived(ctx, h, st, sess)
			return
		}
	}
	// A chat message that finds its resource gone goes where one for the
	// account would go (section 8.5.3.2.1).
	if st.Kind == stanza.KindMessage && st.Type == stanza.TypeChat {
		s.toAccount(ctx, nil, h, st)
		return
	}
	if st.Kind == stanza.KindMessage && s.isCopiedToOne(ctx, h, st) {
		return
	}
	s.bounceMoved(ctx, st)
}

// answersTo reports whether a request of somebody is given to the client: only
// of those who may know that it is there, "to prevent presence leaks" (RFC 6121,
// section 8.5.3.1).
func (sess *session) answersTo(ctx context.Context, st *stanza.Stanza) bool {
	if st.Kind != stanza.KindIQ || !st.Type.IsRequest() || sess.srv.cfg.AnswerStrangers {
		return true
	}
	if st.From.Bare() == sess.account || sess.knows(st.From) || sess.srv.hosts[st.From.Domain()] != nil && st.From.IsDomain() ||
		sess.srv.isService(st.From) {
		return true
	}
	may, err := sess.user.showsTo(ctx, st.From)
	return err == nil && may
}

// toAccount delivers a message or an iq to a bare address (RFC 6121, section
// 8.5.2). An iq is answered by the server on behalf of the account.
func (s *Server) toAccount(ctx context.Context, by reader, h *host, st *stanza.Stanza) (handedOver bool) {
	if st.Kind == stanza.KindIQ {
		return s.iqToAccount(ctx, by, h, st)
	}
	switch st.Type.MessageType() {
	case stanza.TypeError:
	case stanza.TypeGroupChat:
		s.bounceMoved(ctx, st)
	case stanza.TypeHeadline:
		s.toAllAvailable(ctx, h, st)
	default:
		if !s.toMostAvailable(ctx, h, st) {
			s.toAbsent(ctx, h, st)
		}
	}
	return false
}

// iqToAccount lets the server answer for an account, if there is one.
func (s *Server) iqToAccount(ctx context.Context, by reader, h *host, st *stanza.Stanza) (handedOver bool) {
	if st.Type.IsRequest() && st.From.Bare() != st.To {
		if !s.hasAccount(ctx, st.To) {
			s.bounceMoved(ctx, st)
			return false
		}
		u := h.acquire(st.To)
		blocked, answer := u.blocks(ctx, jid.JID{}, st)
		h.release(u)
		if blocked {
			if answer != nil {
				s.bounce(st, answer)
			}
			return false
		}
	}
	return s.toServer(ctx, by, st)
}

// toAbsent stores a message, unless the account's default privacy list blocks it.
func (s *Server) toAbsent(ctx context.Context, h *host, st *stanza.Stanza) {
	u := h.acquire(st.To)
	defer h.release(u)
	if blocked, answer := u.blocks(ctx, jid.JID{}, st); blocked {
		if answer != nil {
			s.bounce(st, answer)
		}
		return
	}
	s.keep(ctx, h, st)
}

// toMostAvailable delivers to the resource with the highest priority that is
// not negative; among equals to the one that came last. One that does not take
// the stanza is passed over. If privacy lists are why nobody has got it the
// sender is answered as they say. done is false if the account is as good as
// absent.
func (s *Server) toMostAvailable(ctx context.Context, h *host, st *stanza.Stanza) (done bool) {
	left := leftBy(ctx)
	var tried map[*session]bool
	var answer *stanza.Error
	for {
		var best *session
		highest := int8(0)
		for _, sess := range h.sessionsOf(st.To.Local()) {
			if p, ok := sess.priority(); ok && p >= highest && sess.active.Load() && !tried[sess] && sess != left {
				best, highest = sess, p
			}
		}
		if best == nil {
			if answer != nil {
				s.bounce(st, answer)
			}
			return done
		}
		blocked, why := best.user.blocks(ctx, best.jid, st)
		switch {
		case blocked:
			done, answer = true, why
		case best.hasCopy(ctx, st):
			return true
		case best.deliver(st):
			s.arrived(ctx, h, st, best)
			return true
		}
		if tried == nil {
			tried = make(map[*session]bool)
		}
		tried[best] = true
	}
}

// toAllAvailable delivers to all available resources that do not have a negative
// priority. If there are none nobody is told: "the server MUST silently ignore
// the stanza".
func (s *Server) toAllAvailable(ctx context.Context, h *host, st *stanza.Stanza) {
	for _, sess := range h.sessionsOf(st.To.Local()) {
		if p, ok := sess.priority(); ok && p >= 0 && sess.active.Load() && sess.accepts(ctx, st) {
			sess.deliver(st)
		}
	}
}

// toServer gives a stanza to the server itself: replies to who waits for them,
// requests to the handlers. Messages to a domain find nobody; presence to one
// is dropped.
func (s *Server) toServer(ctx context.Context, by reader, st *stanza.Stanza) (handedOver bool) {
	switch {
	case st.Kind != stanza.KindIQ:
		s.bounce(st, stanza.ServiceUnavailable)
		return false
	case st.Type.IsResponse():
		s.pending.Resolve(st)
		return false
	}
	t := &turn{by: by}
	err := s.handlerOf(ctx, st).HandleXMPP(context.WithValue(ctx, turnKey{}, t), hostSender{s, st.To}, st)
	if err != nil {
		s.log.Error("handler", "iq", st.Payload().Name(), "from", st.From, "err", err)
	}
	return t.done()
}
