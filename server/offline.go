package server

import (
	"context"
	"encoding/xml"
	"errors"

	"github.com/etherx-go/xmpp/ext/chatstates"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/ext/hints"
	"github.com/etherx-go/xmpp/ext/stanzaid"
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
	err := s.stores.Offline.Add(context.WithoutCancel(ctx), u.account, st, sentAt(ctx, st), s.cfg.MaxOffline)
	if err == nil {
		s.arrived(ctx, h, st, nil)
		return
	}
	if !errors.Is(err, offline.ErrFull) {
		s.log.Error("offline message", "account", u.account, "err", err)
	}
	// "the server SHOULD return a <service-unavailable/> error" to a sender
	// whose message it does not take (RFC 6121, section 8.5.2.2.1).
	s.bounce(st, stanza.ServiceUnavailable)
}

// handed is a stored message that is on its way to the client.
type handed struct {
	id int64
	st *stanza.Stanza // nil if it need not be sent
}

// arrive makes the session available for messages, with those first that were
// stored before. Until then what comes is stored behind them.
func (sess *session) arrive(ctx context.Context, st *stanza.Stanza) {
	sess.takeStored(ctx, func() { sess.swapPresence(st) })
}

// takeStored hands out what is stored, and calls then when nothing can come before what
// comes from then on. The senders of that wait for u.arrivals, so nothing waits for the
// client while it is held: one that reads slowly is handed its messages without it,
// and then what came meanwhile.
func (sess *session) takeStored(ctx context.Context, then func()) {
	sess.handing.Lock()
	defer sess.handing.Unlock()
	if !sess.active.Load() || sess.choosesStored() {
		then()
		return
	}
	wait := func(st *stanza.Stanza) error { return sess.sendPatiently(ctx, st) }
	for !sess.takeNow(ctx, then) {
		if sess.handStored(ctx, wait) != nil {
			then()
			break
		}
	}
	sess.expectStored()
}

// expectStored has the stored messages settled that the client is getting.
func (sess *session) expectStored() {
	if sess.lastStored() > 0 {
		sess.srv.served[roleClient].Add(1) // that of a session is still there
		go sess.awaitStored()
	}
}

// choosesStored reports whether clients of the account choose what they take of what is
// stored (XEP-0013).
func (sess *session) choosesStored() bool {
	f := sess.srv.flexible
	return f != nil && f.Holds(sess.account)
}

// lastStored returns the number of the last stored message that the session was handed,
// 0 if none waits to be settled.
func (sess *session) lastStored() int {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	if len(sess.stored) == 0 {
		return 0
	}
	return sess.settled + len(sess.stored)
}

// awaitStored waits until the client has got the stored messages that it was handed up
// to now, as far as that can be known.
func (sess *session) awaitStored() {
	defer sess.srv.served[roleClient].Done()
	last := sess.lastStored()
	if sess.conn().Settle(sess.ctx) == nil {
		sess.settleStored(last, nil)
	}
}

// takeNow is takeStored if there is room for all that is stored.
func (sess *session) takeNow(ctx context.Context, then func()) bool {
	sess.user.arrivals.Lock()
	defer sess.user.arrivals.Unlock()
	if sess.handStored(ctx, sess.conn().TrySend) == stream.ErrOutboxFull {
		return false
	}
	then()
	return true
}

// handOut gives what is stored to a session that is available for it, and has not left
// it. It waits for none.
func (u *user) handOut(ctx context.Context) {
	// Who was passing over what is handed out now, because it was another's, is
	// available then; who comes later finds it.
	u.arrivals.Lock()
	sessions := u.list()
	u.arrivals.Unlock()
	for _, sess := range sessions {
		if p, ok := sess.priority(); !ok || p < 0 || !sess.active.Load() || sess == leftBy(ctx) {
			continue
		}
		if !sess.tryStored(ctx) {
			u.srv.served[roleClient].Add(1) // that of the session that has left it is still there
			go func() {
				defer u.srv.served[roleClient].Done()
				sess.takeStored(ctx, func() {})
			}()
		}
		return
	}
}

// tryStored is takeStored if that need not wait.
func (sess *session) tryStored(ctx context.Context) bool {
	if !sess.handing.TryLock() {
		return false
	}
	defer sess.handing.Unlock()
	if sess.choosesStored() {
		return true
	}
	defer sess.expectStored()
	return sess.takeNow(ctx, func() {})
}

// handStored hands out the stored messages that no session is getting yet, and
// returns the error of send, if there is one; one of the store is only logged.
func (sess *session) handStored(ctx context.Context, send func(*stanza.Stanza) error) error {
	sess.user.reads(1)
	defer sess.user.reads(-1)
	for m, err := range sess.srv.stores.Offline.Messages(ctx, sess.account) {
		if err != nil {
			sess.srv.log.Error("offline messages", "account", sess.account, "err", err)
			return nil
		}
		if !sess.user.claim(m.ID) {
			continue // another session is getting it
		}
		var st *stanza.Stanza // nil: the client has it already
		if !sess.hasRead(m.Stanza) {
			st = sess.delayed(m)
			if err := send(st); err != nil {
				sess.user.unclaim(m.ID)
				return err
			}
		}
		sess.mu.Lock()
		sess.stored = append(sess.stored, handed{m.ID, st})
		sess.mu.Unlock()
	}
	return nil
}

// hasRead reports whether the client gets a stored message from its archive: it has read
// it there, or it has bound its resource by XEP-0386, after which it reads the archive
// anyway (section 3.2).
func (sess *session) hasRead(st *stanza.Stanza) bool {
	a := sess.srv.archive
	if a == nil {
		return false
	}
	if _, archived := stanzaid.By(st, sess.account); archived && sess.bound2 {
		return true
	}
	return a.Has(sess.jid, st)
}

// settleStored deletes the stored messages up to a number that the client has got, and
// returns those that it has not, which are the ones in left: they stay stored, and
// another session may get them.
func (sess *session) settleStored(last int, left []*stanza.Stanza) map[*stanza.Stanza]bool {
	sess.mu.Lock()
	n := min(max(last-sess.settled, 0), len(sess.stored))
	all := sess.stored[:n:n]
	sess.stored = sess.stored[n:]
	sess.settled += n
	sess.mu.Unlock()
	if len(all) == 0 {
		return nil
	}
	isLeft := make(map[*stanza.Stanza]bool)
	for _, st := range left {
		isLeft[st] = true
	}
	stay := make(map[*stanza.Stanza]bool)
	var again, got []int64
	for _, h := range all {
		if isLeft[h.st] {
			stay[h.st] = true
			again = append(again, h.id)
		} else {
			got = append(got, h.id)
		}
	}
	if len(got) > 0 {
		if err := sess.srv.stores.Offline.Delete(context.WithoutCancel(sess.ctx), sess.account, got...); err != nil {
			sess.srv.log.Error("offline messages", "account", sess.account, "err", err)
		}
	}
	sess.user.got(got)
	sess.user.unclaim(again...)
	return stay
}

// delayed returns a stored message with its time.
func (sess *session) delayed(m offline.Message) *stanza.Stanza {
	old := sess.conn().Received().Version == (stream.Version{})
	st, err := delay.Stamp(m.Stanza, delay.Delay{From: sess.host.jid, Stamp: m.At, Reason: "Offline Storage"}, old)
	if err != nil {
		sess.srv.log.Error("offline message", "account", sess.account, "err", err)
		return m.Stanza // late, but there
	}
	return st
}
