package server

import (
	"context"
	"encoding/xml"
	"errors"
	"time"

	"github.com/etherx-go/xmpp/ext/chatstates"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/ext/hints"
	"github.com/etherx-go/xmpp/offline"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// isStored reports whether a message is of those that are kept for who is not
// there (XEP-0160, section 3; XEP-0334, section 3).
func isStored(st *stanza.Stanza) bool {
	switch st.Type.MessageType() {
	case stanza.TypeNormal, stanza.TypeChat:
	default:
		return false
	}
	usual := st.Type.MessageType() == stanza.TypeNormal
	for e := range st.Payloads() {
		switch n := e.Name(); {
		case n.Space == chatstates.NS, n.Space == hints.NS, n == threadName:
		default:
			usual = true
		}
	}
	return hints.Of(st).Keep(usual)
}

// threadName is that of what a chat state comes with (XEP-0085, section 5.5).
var threadName = xml.Name{Space: stanza.NSClient, Local: "thread"}

// keep stores a message for an account that nobody is logged in to receive it
// for, or answers it. If somebody has come meanwhile it is delivered.
func (s *Server) keep(ctx context.Context, h *host, st *stanza.Stanza) {
	if !isStored(st) || !s.hasAccount(ctx, st.To) {
		s.bounceMoved(ctx, st)
		return
	}
	u := h.acquire(st.To)
	defer h.release(u)
	u.arrivals.Lock()
	defer u.arrivals.Unlock()
	if s.toMostAvailable(ctx, h, st) {
		return
	}
	err := s.stores.Offline.Add(context.WithoutCancel(ctx), u.account, st, time.Now(), s.cfg.MaxOffline)
	if err == nil {
		return
	}
	if !errors.Is(err, offline.ErrFull) {
		s.log.Error("offline message", "account", u.account, "err", err)
	}
	// "the server SHOULD return a <service-unavailable/> error" to a sender
	// whose message it does not take (RFC 6121, section 8.5.2.2.1).
	s.bounce(st, stanza.ServiceUnavailable)
}

// arrive makes the session available for messages, with those first that were
// stored before. Until then what comes is stored behind them. The senders of that
// wait for u.arrivals, so nothing waits for the client while it is held: one that
// reads slowly is handed its messages without it, and then what came meanwhile.
func (sess *session) arrive(ctx context.Context, st *stanza.Stanza) {
	wait := func(st *stanza.Stanza) error { return sess.conn.Send(ctx, st) }
	for !sess.arriveNow(ctx, st) {
		sess.handStored(ctx, wait)
	}
	sess.mu.Lock()
	waiting := len(sess.stored) > 0
	sess.mu.Unlock()
	if !waiting {
		return
	}
	sess.srv.served[roleClient].Add(1) // the session's own count is still there
	go func() {
		defer sess.srv.served[roleClient].Done()
		if sess.conn.Flush(sess.ctx) == nil {
			sess.forget()
		}
	}()
}

// arriveNow is arrive if there is room for all that is stored.
func (sess *session) arriveNow(ctx context.Context, st *stanza.Stanza) bool {
	sess.user.arrivals.Lock()
	defer sess.user.arrivals.Unlock()
	if sess.handStored(ctx, sess.conn.TrySend) == stream.ErrOutboxFull {
		return false
	}
	sess.swapPresence(st)
	return true
}

// handStored hands out the stored messages that no session is getting yet, and
// returns the error of send, if there is one; one of the store is only logged.
func (sess *session) handStored(ctx context.Context, send func(*stanza.Stanza) error) error {
	for m, err := range sess.srv.stores.Offline.Messages(ctx, sess.account) {
		if err != nil {
			sess.srv.log.Error("offline messages", "account", sess.account, "err", err)
			return nil
		}
		if !sess.user.claim(m.ID) {
			continue // another session is getting it
		}
		if err := send(sess.delayed(m)); err != nil {
			sess.user.unclaim(m.ID)
			return err
		}
		sess.mu.Lock()
		sess.stored = append(sess.stored, m.ID)
		sess.mu.Unlock()
	}
	return nil
}

// delayed returns a stored message with its time.
func (sess *session) delayed(m offline.Message) *stanza.Stanza {
	old := sess.conn.Received().Version == (stream.Version{})
	st, err := delay.Stamp(m.Stanza, delay.Delay{From: sess.host.jid, Stamp: m.At, Reason: "Offline Storage"}, old)
	if err != nil {
		sess.srv.log.Error("offline message", "account", sess.account, "err", err)
		return m.Stanza // late, but there
	}
	return st
}

// forget deletes the stored messages that the session has got: when they have
// been written, or when they have found another way.
func (sess *session) forget() {
	sess.mu.Lock()
	ids := sess.stored
	sess.stored = nil
	sess.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	if err := sess.srv.stores.Offline.Delete(context.WithoutCancel(sess.ctx), sess.account, ids...); err != nil {
		sess.srv.log.Error("offline messages", "account", sess.account, "err", err)
	}
	sess.user.unclaim(ids...)
}
