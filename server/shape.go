package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/etherx-go/xmpp/ext/csi"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/stanza"
)

// shaper keeps back what can wait while nobody looks at the client (XEP-0352), or while
// it has no connection.
type shaper struct {
	holds atomic.Bool // it may keep something back

	mu        sync.Mutex       // held while what comes out of the queue is put into the outbox
	back      []*stanza.Stanza // what has come out of the queue and found no room
	backBytes int
	queue     csi.Queue
	over      bool // all was taken: the session has ended
}

// setActive takes what the client says of itself. What was kept back is sent before
// anything that comes from now on.
func (sess *session) setActive(active bool) {
	s := &sess.shape
	s.mu.Lock()
	defer s.mu.Unlock()
	if !active {
		s.holds.Store(true)
		return
	}
	// Only then, or what comes meanwhile overtakes. If it fails the connection is gone again.
	if ok, _ := sess.putShaped(s.queue.Take()); ok {
		s.holds.Store(false)
	}
}

// maxBack and maxBackBytes bound what is taken for a session that has lost its
// connection, until that is noticed, and in the moment that it takes to end.
const (
	maxBack      = 256
	maxBackBytes = 1 << 20
)

// deliverShaped is deliver for a client that may be inactive, or be about to leave: what
// has found no room stays here, behind what came before it, and finds another way with
// that.
func (sess *session) deliverShaped(st *stanza.Stanza) bool {
	s := &sess.shape
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || len(s.back) >= maxBack || s.backBytes >= maxBackBytes {
		return false
	}
	if sess.waits.Load() {
		st = sess.stamped(st)
	}
	now := s.queue.Push(st)
	if !s.holds.Load() { // it does not any more, or not yet
		now = append(now, s.queue.Take()...)
	}
	if ok, full := sess.putShaped(now); full {
		go sess.expire() // who delivers may hold what it needs
	} else if !ok {
		s.holds.Store(true)
	}
	return true
}

// stamped returns a message with the time, for a client that gets it later.
func (sess *session) stamped(st *stanza.Stanza) *stanza.Stanza {
	if st.Kind != stanza.KindMessage {
		return st
	}
	late, err := delay.Stamp(st, delay.Delay{From: sess.host.jid, Stamp: time.Now()}, false)
	if err != nil {
		sess.srv.log.Error("delay", "jid", sess.jid, "err", err)
		return st
	}
	return late
}

// flush puts what has found no room into the outbox, if there is room now.
func (sess *session) flush() {
	s := &sess.shape
	s.mu.Lock()
	defer s.mu.Unlock()
	sess.putShaped(nil)
}

// putShaped queues what has found no room before, and what has come out of the queue. ok
// is false if there was something that was not taken, which is kept then; full says that
// this is for want of room, and nobody is there who would make some. Under the lock.
func (sess *session) putShaped(now []*stanza.Stanza) (ok, full bool) {
	s := &sess.shape
	now = append(s.back, now...)
	s.back, s.backBytes = nil, 0
	for i, st := range now {
		if ok, full = sess.put(st); !ok {
			s.keep(now[i:])
			return false, full
		}
	}
	return true, false
}

// keep keeps what has found no room. Under the lock.
func (s *shaper) keep(sts []*stanza.Stanza) {
	s.back = sts
	for _, st := range sts {
		s.backBytes += st.Size()
	}
}

// take returns all that is kept back. If there is nothing any more is false, and nothing
// will be.
func (s *shaper) take() (all []*stanza.Stanza, any bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all = append(s.back, s.queue.Take()...)
	s.back, s.backBytes, s.over = nil, 0, len(all) == 0
	return all, len(all) > 0
}
