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
			<-s.ctx.Done()
			r.guard(func() { w.SessionDown(s, s.Err()) })
		}()
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
