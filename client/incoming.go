package client

import (
	"errors"
	"log/slog"

	"github.com/etherx-go/xmpp/internal/dispatch"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// What the reader does with a stanza. Nothing here may block.

// handle hands a stanza to the request that it answers, or to the handler.
func (s *session) handle(st *stanza.Stanza) {
	ctx := s.base
	if st.Kind == stanza.KindIQ {
		switch {
		case st.Type.IsResponse():
			if s.pending.Resolve(st) {
				return
			}
			s.c.cfg.Log.Debug("reply to nothing", slog.String("from", st.From.String()), slog.String("id", st.ID))
		case st.Type == "" && s.conn.Received().Version == stream.Version{}:
			// Before RFC 3920 an iq without type was a get.
			h := st.Header
			h.Type = stanza.TypeGet
			st = st.With(h)
			fallthrough
		default:
			if err := s.check(st); err != nil {
				s.refuse(st, err)
				return
			}
			ctx = s.ctx // with the session goes who could get the reply
		}
	}
	switch err := s.c.work.Dispatch(ctx, s.c.handler, s, st); {
	case errors.Is(err, dispatch.ErrDraining):
		s.refuse(st, stanza.NewError(stanza.RecipientUnavailable, "The client is about to leave."))
	case err != nil:
		s.refuse(st, stanza.NewError(stanza.ResourceConstraint, "The client has too much to do."))
	}
}

// check says what is wrong with a request (RFC 6120, section 8.2.3).
func (s *session) check(st *stanza.Stanza) *stanza.Error {
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

// isHome reports whether a stanza is from the account or its server. Roster
// pushes of the first servers had no id.
func (s *session) isHome(st *stanza.Stanza) bool {
	return st.From.IsZero() || st.From == s.addr.Bare() || st.From == s.addr.DomainJID()
}

// malformed refuses a stanza with a to or from that is not an address.
func (s *session) malformed(st *stanza.Stanza, err error) {
	s.c.cfg.Log.Debug("malformed address", slog.Any("error", err))
	if e, ok := errors.AsType[*stanza.AddressError](err); ok && e.Attr == "to" && !st.From.IsZero() {
		s.refuse(st, stanza.NewError(stanza.JIDMalformed, ""))
	}
}

// refuse answers a stanza with an error, if it is one that is answered.
func (s *session) refuse(st *stanza.Stanza, reason *stanza.Error) {
	var err error
	if answerable(st) {
		err = s.conn.TrySend(s.outgoing(st.ErrorReply(reason)))
	}
	// Who sends too much is not to fill the log as well, and that stanzas still
	// come when the client leaves is nothing to worry about.
	if s.refused++; s.refused&(s.refused-1) == 0 {
		level := slog.LevelWarn
		if reason.Condition == stanza.RecipientUnavailable {
			level = slog.LevelDebug
		}
		s.c.cfg.Log.Log(s.base, level, "stanza refused", slog.String("stanza", st.Kind.String()), slog.String("type", string(st.Type)),
			slog.String("from", st.From.String()), slog.Any("reason", reason), slog.Any("error", err), slog.Int("so_far", s.refused))
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
