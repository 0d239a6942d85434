package server

import (
	"context"
	"encoding/xml"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/stanza"
)

// copy gives copies of a message to those clients of an account that want them, but for
// one (XEP-0280, sections 7 and 8).
func (s *Server) copy(ctx context.Context, u *user, d carbons.Direction, st *stanza.Stanza, but *session) {
	var wrapped *stanza.Stanza
	var sum uint64
	for _, o := range u.list() {
		if o == but || !o.wantsCopy(ctx, d, st) {
			continue
		}
		if wrapped == nil {
			if !u.isCopied(d, st) {
				return
			}
			var err error
			if wrapped, err = carbons.Wrap(d, u.account, st); err != nil {
				s.log.Error("carbons", "account", u.account, "err", err)
				return
			}
			sum = sumOf(st)
		}
		if leftBy(ctx) != nil && o.copied.has(sum) {
			continue // it had one when the message came
		}
		if o.deliver(addressed(wrapped, o.jid)) && d == carbons.Received {
			o.copied.note(sum)
		}
	}
}

// wantsCopy reports whether a client is given copies of messages like this one.
func (sess *session) wantsCopy(ctx context.Context, d carbons.Direction, st *stanza.Stanza) bool {
	return sess.copies.Load() && sess.active.Load() && sess.jid != st.From && (d == carbons.Sent || sess.accepts(ctx, st))
}

// isCopied reports whether a message is to be copied, and remembers those that are: an
// error that answers one is copied too.
func (u *user) isCopied(d carbons.Direction, st *stanza.Stanza) bool {
	if !carbons.Copied(d, st) {
		return u.copied.Answered(st)
	}
	u.copied.Note(st)
	return true
}

// handleCopies answers clients that want copies from now on, or no more.
func (s *Server) handleCopies() {
	for _, name := range []xml.Name{carbons.EnableName, carbons.DisableName} {
		s.mux.Handle(xmpp.Pattern{Kind: stanza.KindIQ, Types: []stanza.Type{stanza.TypeSet}, Payload: name},
			xmpp.HandlerFunc(func(ctx context.Context, snd xmpp.Sender, st *stanza.Stanza) error {
				sess := s.session(st.From)
				if sess == nil || st.To != sess.account && st.To != sess.host.jid {
					return stanza.NewError(stanza.NotAllowed, "copies are for clients of the account")
				}
				sess.copies.Store(name == carbons.EnableName)
				if name == carbons.DisableName {
					sess.copied.forget()
				}
				return sendResult(ctx, snd, st)
			}))
	}
}
