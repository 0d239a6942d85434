package session

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/etherx-go/xmpp"
)

// watcher is somebody who wants to know when there is a session.
type watcher struct {
	xmpp.Watcher
	last chan struct{} // closed when it has been told of the end of the last session
}

// watch tells the watchers of s, each in a goroutine of its own, in which
// everything that one of them is told happens in order.
func (r *Runner) watch(s *Session) {
	for _, w := range r.watchers {
		before, done := w.last, make(chan struct{})
		w.last = done
		go func() {
			defer close(done)
			if before != nil {
				<-before
			}
			r.guard(func() { w.SessionUp(s.ctx, s) })
			if rs, ok := w.Watcher.(xmpp.Resumer); ok {
				r.watchConnections(s, rs)
			}
			<-s.ctx.Done()
			r.guard(func() { w.SessionDown(s, s.Err()) })
		}()
	}
}

// watchConnections tells a watcher when s loses its connection and when it goes on
// with another one, until it ends. What has happened several times while the watcher
// was busy it is told once.
func (r *Runner) watchConnections(s *Session, w xmpp.Resumer) {
	suspended, resumes := false, 0
	for s.ctx.Err() == nil {
		s.mu.Lock()
		lost, n, why, changed := !s.lost.IsZero(), s.resumes, s.why, s.changed
		s.mu.Unlock()
		switch {
		case n > resumes:
			suspended, resumes = false, n
			r.guard(func() { w.SessionResumed(s.ctx, s) })
		case lost && !suspended:
			suspended = true
			r.guard(func() { w.SessionSuspended(s, why) })
		default:
			select {
			case <-changed:
			case <-s.ctx.Done():
			}
		}
	}
}

// guard runs fn and catches its panic.
func (r *Runner) guard(fn func()) {
	defer func() {
		if v := recover(); v != nil {
			err := &xmpp.PanicError{Value: v, Stack: debug.Stack()}
			r.cfg.Log.Error("watcher failed", "error", err, "stack", string(err.Stack))
		}
	}()
	fn()
}

// waitWatchers waits until all watchers have been told of the end.
func (r *Runner) waitWatchers(ctx context.Context) error {
	for _, w := range r.watchers {
		if w.last == nil {
			continue
		}
		select {
		case <-w.last:
		case <-ctx.Done():
			return fmt.Errorf("%s: SessionUp or SessionDown has not returned: %w", r.cfg.Name, ctx.Err())
		}
	}
	return nil
}
