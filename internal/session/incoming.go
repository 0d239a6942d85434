package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/dispatch"
	"github.com/etherx-go/xmpp/stanza"
)

// What the reader does with a stanza. Nothing here may block.

// handle hands a stanza to the request that it answers, or to the handler. One that
// neither gets is handled by that.
func (c *connection) handle(st *stanza.Stanza) {
	s := c.s
	n, again := s.ledger.receive(st.Size())
	if !again && !c.dispatch(st, n) {
		s.handled(n)
	}
}

// handled takes note that the stanza with a number was handled.
func (s *Session) handled(n uint64) {
	if n == 0 {
		return
	}
	if total, tell := s.ledger.finish(n); tell {
		s.conn.Load().Ack(total)
	}
}

// dispatch reports whether there is a handler that will handle a stanza.
func (c *connection) dispatch(st *stanza.Stanza, n uint64) bool {
	s := c.s
	st, sender := s.r.cfg.Incoming(s, st)
	if st == nil {
		return false
	}
	ctx := s.base
	switch {
	case st.Kind != stanza.KindIQ:
	case st.Type.IsResponse():
		if s.pending.Resolve(st) {
			return false
		}
		// There are services that answer more than once, which a handler may know.
		s.r.cfg.Log.Debug("reply to nothing", slog.String("from", st.From.String()), slog.String("id", st.ID))
	default:
		if err := s.check(st); err != nil {
			c.refuse(st, err)
			return false
		}
		ctx = s.ctx // with the session goes who could get the reply
	}
	if n > 0 && s.r.leaving.Load() {
		return true // it is for another process
	}
	h := s.r.cfg.Handler
	if n > 0 {
		h = counted{h, s, n}
	}
	switch err := s.r.work.Dispatch(ctx, h, sender, st); {
	case errors.Is(err, dispatch.ErrDraining):
		c.refuse(st, stanza.NewError(stanza.RecipientUnavailable, fmt.Sprintf("The %s is about to leave.", s.r.cfg.Name)))
	case err != nil:
		c.refuse(st, stanza.NewError(stanza.ResourceConstraint, fmt.Sprintf("The %s has too much to do.", s.r.cfg.Name)))
	default:
		return true
	}
	return false
}

// counted is the handler of a stanza that counts.
type counted struct {
	xmpp.Handler
	s *Session
	n uint64
}

// HandleXMPP handles the stanza. A handler that was called off because the program
// leaves has not done what it was to do, if another process can do it.
func (h counted) HandleXMPP(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
	defer func() {
		if ctx.Err() == nil || !h.s.r.leaving.Load() {
			h.s.handled(h.n)
		}
	}()
	return h.Handler.HandleXMPP(ctx, s, st)
}

// check says what is wrong with a request (RFC 6120, section 8.2.3).
func (s *Session) check(st *stanza.Stanza) *stanza.Error {
	switch {
	case !st.Type.IsRequest():
		return stanza.NewError(stanza.BadRequest, "The type of an iq is get, set, result or error.")
	case st.ID == "" && !s.isHome(st):
		return stanza.NewError(stanza.BadRequest, "An iq has an id.")
	case st.ElementCount() != 1:
		return stanza.NewError(stanza.BadRequest, "A request has one payload.")
	}
	return nil
}

// isHome reports whether a stanza is from the account that the session is of, or
// from its server. Roster pushes of the first servers had no id.
func (s *Session) isHome(st *stanza.Stanza) bool {
	return s.addr.IsFull() && (st.From.IsZero() || st.From == s.addr.Bare() || st.From == s.addr.DomainJID())
}

// malformed refuses a stanza with a to or from that is not an address.
func (c *connection) malformed(st *stanza.Stanza, err error) {
	n, _ := c.s.ledger.receive(st.Size())
	defer c.s.handled(n)
	c.s.r.cfg.Log.Debug("malformed address", slog.Any("error", err))
	if e, ok := errors.AsType[*stanza.AddressError](err); ok && e.Attr == "to" && !st.From.IsZero() {
		c.refuse(st, stanza.NewError(stanza.JIDMalformed, ""))
	}
}

// refuse answers a stanza with an error, if it is one that is answered.
func (c *connection) refuse(st *stanza.Stanza, reason *stanza.Error) {
	cfg := &c.s.r.cfg
	var err error
	if answerable(st) {
		var reply *stanza.Stanza
		if reply, err = cfg.Outgoing(c.s, st.ErrorReply(reason)); err == nil {
			err = c.TrySend(reply)
		}
	}
	// Who sends too much is not to fill the log as well, and that stanzas still
	// come when the program leaves is nothing to worry about.
	if c.refused++; c.refused&(c.refused-1) == 0 {
		level := slog.LevelWarn
		if reason.Condition == stanza.RecipientUnavailable {
			level = slog.LevelDebug
		}
		cfg.Log.Log(c.s.base, level, "stanza refused", slog.String("stanza", st.Kind.String()),
			slog.String("type", string(st.Type)), slog.String("from", st.From.String()),
			slog.Any("reason", reason), slog.Any("error", err), slog.Int("so_far", c.refused))
	}
}

// answerable reports whether a stanza may be answered with an error. Errors are
// not, nor presence; nor is what went to many: a room throws out occupants that
// answer with errors.
func answerable(st *stanza.Stanza) bool {
	switch st.Kind {
	case stanza.KindIQ:
		return !st.Type.IsResponse()
	case stanza.KindMessage:
		t := st.Type.MessageType()
		return t == stanza.TypeNormal || t == stanza.TypeChat
	}
	return false
}
