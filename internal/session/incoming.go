package session

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/etherx-go/xmpp/internal/dispatch"
	"github.com/etherx-go/xmpp/stanza"
)

// What the reader does with a stanza. Nothing here may block.

// handle hands a stanza to the request that it answers, or to the handler.
func (c *connection) handle(st *stanza.Stanza) {
	s := c.s
	st, sender := s.r.cfg.Incoming(s, st)
	if st == nil {
		return
	}
	ctx := s.base
	if st.Kind == stanza.KindIQ {
		if st.Type.IsResponse() {
			if s.pending.Resolve(st) {
				return
			}
			s.r.cfg.Log.Debug("reply to nothing", slog.String("from", st.From.String()), slog.String("id", st.ID))
		} else {
			if err := s.check(st); err != nil {
				c.refuse(st, err)
				return
			}
			ctx = s.ctx // with the session goes who could get the reply
		}
	}
	switch err := s.r.work.Dispatch(ctx, s.r.cfg.Handler, sender, st); {
	case errors.Is(err, dispatch.ErrDraining):
		c.refuse(st, stanza.NewError(stanza.RecipientUnavailable, fmt.Sprintf("The %s is about to leave.", s.r.cfg.Name)))
	case err != nil:
		c.refuse(st, stanza.NewError(stanza.ResourceConstraint, fmt.Sprintf("The %s has too much to do.", s.r.cfg.Name)))
	}
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
