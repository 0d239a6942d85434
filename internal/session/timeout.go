package session

import (
	"context"
	"sync"
	"time"
)

// minCheck is how often it is looked at least whether a request's time is over.
const minCheck = time.Second

// timeout is the context of a request whose caller has set no deadline. It ends after
// RequestTimeout, but while a session waits for a connection its clock stands still:
// nobody could answer, and who asks at the begin of a session is not told to ask again
// when that goes on. For the same reason a connection on which nothing has come since
// the request was made is first asked for a sign of life.
type timeout struct {
	context.Context
	s      *Session
	cancel context.CancelCauseFunc
	began  time.Time
	away   time.Duration // that the session had been without connection
	conn   *connection
	seen   uint32 // its Activity

	mu    sync.Mutex
	timer *time.Timer
	over  bool
}

// withTimeout returns a context for a request, and what is to be called at its end.
func (s *Session) withTimeout(ctx context.Context) (context.Context, func()) {
	t := &timeout{s: s, began: time.Now(), away: s.awayFor(), conn: s.conn.Load()}
	t.seen = t.conn.Activity()
	t.Context, t.cancel = context.WithCancelCause(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(s.r.cfg.RequestTimeout, t.fire)
	return t, t.stop
}

// Err says that the time is over where that is so.
func (t *timeout) Err() error {
	err := t.Context.Err()
	if err != nil && context.Cause(t.Context) == context.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return err
}

func (t *timeout) stop() {
	t.mu.Lock()
	t.over = true
	t.timer.Stop()
	t.mu.Unlock()
	t.cancel(context.Canceled)
}

// fire ends the request, if its time is over.
func (t *timeout) fire() {
	left := t.s.r.cfg.RequestTimeout - time.Since(t.began) + t.s.awayFor() - t.away
	if left <= 0 && t.isDead() {
		t.began, t.away = time.Now(), t.s.awayFor() // it was without connection all the time
		left = t.s.r.cfg.RequestTimeout
	}
	if left <= 0 {
		t.cancel(context.DeadlineExceeded)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.timer.Reset(max(left, minCheck))
	}
}

// isDead reports whether the connection is dead that the request was made on, of a
// session that can have another one, which it is left to then.
func (t *timeout) isDead() bool {
	c := t.conn
	if c != t.s.conn.Load() || c.Activity() != t.seen || t.s.r.cfg.KeepAlive <= 0 || t.s.r.cfg.Whitespace {
		return false
	}
	if _, ok := c.Resumption(0); !ok || c.alive(t) {
		return false
	}
	c.giveUp(t.s.r.unresponsive(time.Since(t.began)))
	return true
}

// awayFor returns for how long the session has been without connection.
func (s *Session) awayFor() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost.IsZero() {
		return s.away
	}
	return s.away + time.Since(s.lost)
}
