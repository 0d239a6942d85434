package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stream"
)

// patience is how long a session waits for another connection whose peer has not said
// how long it keeps it.
const patience = 5 * time.Minute

// ErrNotResumed is why a session has ended that waited for another connection.
var ErrNotResumed = errors.New("the session could not be resumed")

// Lost is a session that the peer may go on with on another connection (XEP-0198,
// section 5). It is for Connect of a [Redial], which gives it to [Runner.Resume].
type Lost struct {
	conn      *stream.Conn
	addr      jid.JID
	ledger    *ledger
	available bool
	at        time.Time // when the connection was lost
	outcomes  *outcomes
	session   *Session // nil if it is that of another process
	asked     bool     // the peer was asked to go on with it
}

// Stream returns what is to be gone on with.
func (l *Lost) Stream() *stream.Conn { return l.conn }

// Handled returns how many of the peer's stanzas were handled. It is called when the
// peer is about to be told.
func (l *Lost) Handled() uint64 {
	l.asked = true
	return l.ledger.resume()
}

// location returns where the peer wants to be asked to go on, "" for the usual place.
func (l *Lost) location() string {
	if l == nil {
		return ""
	}
	r, _ := l.conn.Resumption(0)
	return r.Location
}

// refused reports whether an attempt to connect has failed because of this session,
// and would again.
func (l *Lost) refused(err error) bool {
	if l == nil || !l.asked {
		return false
	}
	e, ok := errors.AsType[*stream.Error](err)
	return ok && e.Condition != stream.ConnectionTimeout && e.Condition != stream.SystemShutdown &&
		e.Condition != stream.SeeOtherHost
}

// suspend takes note that the connection is lost, and the session waits for another
// one.
func (s *Session) suspend(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost, s.why = time.Now(), reason
	if s.reason != nil {
		return // it has ended, but what has become of what was sent can still be asked
	}
	wait := patience
	if r, ok := s.conn.Load().Resumption(0); ok && r.Max > 0 {
		wait = r.Max
	}
	s.timer = time.AfterFunc(wait, func() { s.expire(reason) })
	s.save()
	s.notify()
	s.r.cfg.Log.Info("connection lost", slog.Any("error", reason), slog.Duration("session waits", wait))
}

// expire ends the session, which has waited for long enough. Its stream is kept: the
// peer may still know how much of what was sent it has got.
func (s *Session) expire(reason error) {
	s.mu.Lock()
	waits := !s.lost.IsZero() && s.reason == nil
	if waits {
		s.reason = notResumed(reason)
	}
	s.mu.Unlock()
	if waits {
		s.end(s.reason)
	}
}

func notResumed(reason error) error { return fmt.Errorf("%w: %w", ErrNotResumed, reason) }

// notify tells those who wait for a change of the connection. Under the lock.
func (s *Session) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// waiting returns the session as one that waits for a connection, nil if it does not.
func (s *Session) waiting() *Lost {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost.IsZero() {
		return nil
	}
	return &Lost{conn: s.conn.Load().Conn, addr: s.addr, ledger: s.ledger, at: s.lost, outcomes: s.outcomes, session: s}
}

// Resume goes on with a session on conn, which is [stream.Conn.Resumed]. If that has
// ended meanwhile, or is one of another process, it is a new Session on the same
// stream.
func (r *Runner) Resume(base context.Context, conn *stream.Conn, l *Lost) *Session {
	if l.session != nil && l.session.attach(conn) {
		return l.session
	}
	if old := l.session; old != nil {
		// Requests whose session had ended when their turn came were not handled,
		// and nobody waits for an answer any more.
		l.ledger.settle()
		old.starting.Wait()
		old.stopSaving()
		l.available = old.available.Load()
	}
	s := r.newSession(base, l.addr, l.ledger)
	s.outcomes, s.resumed = l.outcomes, true
	s.available.Store(l.available)
	c := s.newConnection(conn)
	s.conn.Store(c)
	c.group.Go(c.read)
	s.start(c)
	return s
}

// attach gives the session another connection, unless it has ended.
func (s *Session) attach(conn *stream.Conn) bool {
	c := s.newConnection(conn)
	s.mu.Lock()
	if s.reason != nil {
		s.mu.Unlock()
		c.cancel()
		return false
	}
	s.timer.Stop()
	s.conn.Store(c)
	s.away += time.Since(s.lost)
	s.lost, s.why = time.Time{}, nil
	s.resumes++
	s.notify()
	s.mu.Unlock()
	s.stopSaving()
	s.r.clearSaved(s.ctx)
	c.group.Go(c.read)
	c.watchOver()
	return true
}

// GiveUp ends a session that the peer does not go on with; nil is none. Afterwards it
// is known what has become of what was sent in it.
func (r *Runner) GiveUp(l *Lost, reason error) {
	if l == nil {
		return
	}
	if l.session != nil {
		l.session.end(notResumed(reason))
		l.conn.Close()
		l.session.release(false)
		return
	}
	l.conn.Close()
	r.leftBy(l.conn, l.outcomes, l.at, false)
}
