package server

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// A session whose client has asked for it outlives its connection (XEP-0198, section
// 5): it stays bound, with its presence, and what comes for it waits in its outbox,
// until the client has another connection or the time is over.
//
//	attached ──connection breaks──► detached ──time is over, too much waits──► ended
//	    ▲                              │  ▲
//	    └──────── <resumed/> ──── claimed ┘ it did not come to that
//
// A connection that the server still takes for alive goes the same way when its
// client comes back: who claims it closes it first.

// life is where a session is on that way.
type life struct {
	mu        sync.Mutex
	state     lifeState
	id        string        // by which it is resumed, if it was granted
	resumable bool          // it was, and nothing stands against it
	max       time.Duration // how long it waits
	since     time.Time     // when the connection broke; zero while it has one
	timer     *time.Timer   // ends it
	turn      chan struct{} // has one while somebody claims it; others wait for that

	// Of a session that is being negotiated: the one that it is about to go on
	// with, and the one that it has gone on with.
	claims, resumed *session
}

type lifeState uint8

const (
	attached lifeState = iota // it has a connection
	detached                  // it waits for one
	claimed                   // there is one that is about to go on with it
	ended
)

// end sees to it that the session ends with its connection.
func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resumable = false
}

// reroutingKey is for what is known of stanzas that a session has left.
type reroutingKey struct{}

type rerouting struct {
	of    *session
	since time.Time // when it has lost its connection; zero if it was there to its end
}

// reroutes returns a context for stanzas that the session has left.
func (sess *session) reroutes(ctx context.Context) context.Context {
	l := &sess.life
	l.mu.Lock()
	defer l.mu.Unlock()
	return context.WithValue(ctx, reroutingKey{}, rerouting{sess, l.since})
}

// leftBy returns the session that has left what is routed with this context, which does
// not get it again; nil if none has.
func leftBy(ctx context.Context) *session {
	r, _ := ctx.Value(reroutingKey{}).(rerouting)
	return r.of
}

// sentAt returns when a message has come that is stored now: with a session that waited,
// as it says, and if it says nothing just before that began.
func sentAt(ctx context.Context, st *stanza.Stanza) time.Time {
	r, ok := ctx.Value(reroutingKey{}).(rerouting)
	if !ok || r.since.IsZero() {
		return time.Now()
	}
	if d, ok := delay.By(st, r.of.host.jid); ok && d.Stamp.After(r.since) {
		return d.Stamp
	}
	return r.since
}

// resumptions are the sessions that can be resumed, by the ids that they have for
// that. An id is a secret of the session, as good as its authentication for nobody
// but the same account.
type resumptions struct {
	max int // that wait at the same time; negative: no limit

	mu      sync.Mutex
	closed  bool
	byID    map[string]*session
	waiting map[*session]struct{}
	gone    map[string]gone // what is known of sessions that have ended
	order   []string        // ids in gone, the oldest first
}

// gone is a session that has ended: a client that comes too late is told how much of
// what it has sent was handled.
type gone struct {
	account jid.JID
	handled uint64
}

// maxGone bounds how many sessions that have ended are remembered.
const maxGone = 4096

func (r *resumptions) add(id string, sess *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID == nil {
		r.byID, r.gone, r.waiting = make(map[string]*session), make(map[string]gone), make(map[*session]struct{})
	}
	r.byID[id] = sess
}

// find returns the session with an id, or what is known of one that has ended.
func (r *resumptions) find(id string, account jid.JID) (*session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if sess := r.byID[id]; sess != nil && sess.account == account {
		return sess, nil
	}
	if g, ok := r.gone[id]; ok && g.account == account {
		return nil, &stream.GoneError{Handled: g.handled}
	}
	return nil, stanza.ItemNotFound
}

// wait takes a session among those that wait, if there is room.
func (r *resumptions) wait(sess *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.max >= 0 && len(r.waiting) >= r.max {
		return false
	}
	r.waiting[sess] = struct{}{}
	return true
}

func (r *resumptions) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// waitNoMore takes a session out of those that wait, and reports whether it was
// there.
func (r *resumptions) waitNoMore(sess *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.waiting[sess]
	delete(r.waiting, sess)
	return ok
}

// remove forgets a session that has ended, but for its id and what was handled.
func (r *resumptions) remove(sess *session) {
	sess.life.mu.Lock()
	id := sess.life.id
	sess.life.mu.Unlock()
	if id == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byID, id)
	r.gone[id] = gone{sess.account, sess.intake.count()}
	if r.order = append(r.order, id); len(r.order) > maxGone {
		delete(r.gone, r.order[0])
		r.order = r.order[1:]
	}
}

// serveManagement makes the session's side of stream management.
func (sess *session) serveManagement() *stream.ManagementServer {
	m := &stream.ManagementServer{}
	if sess.srv.cfg.ResumeTimeout > 0 {
		m.Grant, m.Resume, m.Resumed = sess.grant, sess.resume, sess.takeOver
	}
	return m
}

// grant promises that the session can be resumed.
func (sess *session) grant(_ context.Context, _ *stream.Conn, most time.Duration) (stream.Grant, error) {
	l := &sess.life
	l.mu.Lock()
	l.id, l.resumable, l.max, l.turn = rand.Text(), true, sess.srv.cfg.ResumeTimeout, make(chan struct{}, 1)
	if most > 0 {
		l.max = min(l.max, most)
	}
	g := stream.Grant{ID: l.id, Max: l.max, Location: sess.srv.cfg.ResumeLocation}
	l.mu.Unlock()
	sess.srv.resumptions.add(g.ID, sess)
	return g, nil
}

// resume finds the session that a client wants to go on with, which is that of this
// account only, and makes sure that nobody reads from it any more.
func (sess *session) resume(ctx context.Context, _ *stream.Conn, id string) (*stream.Conn, uint64, error) {
	sess.unclaim()
	old, err := sess.srv.resumptions.find(id, sess.account)
	if err != nil {
		return nil, 0, err
	}
	conn, err := old.claim(ctx)
	if err == errEnded { // now it may be known how much was handled
		if _, gone := sess.srv.resumptions.find(id, sess.account); gone != nil {
			err = gone
		}
	}
	if err != nil {
		return nil, 0, err
	}
	sess.life.claims = old
	return conn, old.intake.count(), nil
}

// claim takes the session for another connection, and ends the one that it may have.
// There is one claim at a time: who comes while another connection of the client is at
// it waits for what becomes of that.
func (sess *session) claim(ctx context.Context) (*stream.Conn, error) {
	l := &sess.life
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l.mu.Lock()
	before, w := l.state, sess.wire.Load()
	if before == ended || !l.resumable {
		l.mu.Unlock()
		<-l.turn
		return nil, errEnded
	}
	l.state = claimed
	l.stop()
	l.mu.Unlock()
	if before == attached {
		w.conn.Detach(&stream.Error{Condition: stream.Conflict, Text: "resumed on another connection"})
		select {
		case <-w.left:
		case <-ctx.Done():
			sess.giveBack()
			return nil, ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != claimed { // it has ended by itself meanwhile
		<-l.turn
		return nil, errEnded
	}
	return w.conn, nil
}

// stop stops the timer.
func (l *life) stop() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// unclaim gives back what this connection wanted to go on with.
func (sess *session) unclaim() {
	if old := sess.life.claims; old != nil {
		sess.life.claims = nil
		old.giveBack()
	}
}

// giveBack lets a session wait on that was claimed in vain.
func (sess *session) giveBack() {
	l := &sess.life
	defer func() { <-l.turn }()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.state != claimed:
	case l.since.IsZero():
		l.state = attached // its connection has been closed, which will be seen in a moment
	default:
		left := max(l.max-time.Since(l.since), 0)
		if sess.srv.resumptions.isClosed() {
			left = 0
		}
		l.state = detached
		l.timer = time.AfterFunc(left, func() { sess.expire() })
	}
}

// suspend lets the session wait for another connection, and reports whether it does.
// It does if the connection has broken, and neither side has ended the stream.
func (sess *session) suspend(w *wire) bool {
	l := &sess.life
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.resumable || !isBroken(w.err) || !w.conn.Detach(nil) || !sess.srv.resumptions.wait(sess) {
		l.state, l.resumable = ended, false
		return false
	}
	sess.srv.served[roleClient].Add(1) // the connection's own is still there
	l.since = time.Now()
	sess.waits.Store(true)
	if l.state != claimed {
		l.state = detached
		l.timer = time.AfterFunc(l.max, func() { sess.expire() })
	}
	sess.shape.holds.Store(true)
	sess.flush()
	sess.srv.log.Info("session waits", "jid", sess.jid, "for", l.max)
	return true
}

// isBroken reports whether a stream has ended because the connection has, which
// nobody wanted: there was no closing tag, and no error but that the client did not
// read or went silent.
func isBroken(err error) bool {
	e, isStream := errors.AsType[*stream.Error](err)
	switch {
	case isStream:
		return e.Condition == stream.ConnectionTimeout && !e.Remote
	case err == nil, err == io.EOF:
		return false
	}
	_, isCondition := errors.AsType[stream.Condition](err)
	return !isCondition
}

// takeOver is called when the client of another session has been told that it goes on
// with the one that it has claimed, and before it can have heard.
func (sess *session) takeOver(c *stream.Conn) {
	old := sess.life.claims
	sess.life.claims, sess.life.resumed = nil, old
	old.attach(sess.wire.Load())
}

// attach gives the session a connection.
func (sess *session) attach(w *wire) {
	l := &sess.life
	l.mu.Lock()
	l.state, l.since = attached, time.Time{}
	sess.wire.Store(w)
	sess.waits.Store(false)
	l.mu.Unlock()
	<-l.turn
	sess.srv.setSession(w.cn, sess, w)
	sess.waitNoMore()
	sess.seen()
	// "stream resumption does not affect the current CSI state, which always
	// defaults to 'active'" (XEP-0352, section 5.2).
	sess.setActive(true)
}

// waitNoMore takes note that the session does not wait any more.
func (sess *session) waitNoMore() {
	if sess.srv.resumptions.waitNoMore(sess) {
		sess.srv.served[roleClient].Done()
	}
}

// afterNegotiation returns the session that a connection belongs to: this one, or
// the one that it goes on with.
func (sess *session) afterNegotiation() *session {
	sess.features = nil
	sess.unclaim()
	if sess.life.resumed != nil {
		return sess.life.resumed
	}
	return sess
}

// expire ends a session that waits, and reports whether it did.
func (sess *session) expire() bool {
	l := &sess.life
	l.mu.Lock()
	if l.state != detached {
		l.mu.Unlock()
		return false
	}
	l.state, l.resumable = ended, false
	l.stop()
	l.mu.Unlock()
	defer sess.waitNoMore()
	sess.srv.log.Info("session is not resumed", "jid", sess.jid)
	sess.finish()
	return true
}

// expireAll ends all sessions that wait; no more will.
func (r *resumptions) expireAll() {
	r.mu.Lock()
	r.closed = true
	all := make([]*session, 0, len(r.waiting))
	for sess := range r.waiting {
		all = append(all, sess)
	}
	r.mu.Unlock()
	for _, sess := range all {
		sess.expire()
	}
}
