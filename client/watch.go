package client

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/etherx-go/xmpp"
)

// watcher is somebody who wants to know when there is a session.
type watcher struct {
	up   func(context.Context, xmpp.Sender)
	down func(xmpp.Sender, error)
	last chan struct{} // closed when it has been told of the end of the last session
}

// watch tells the watchers of s, each in a goroutine of its own, in which
// everything that one of them is told happens in order.
func (c *Client) watch(s *session) {
	for _, w := range c.watchers {
		before, done := w.last, make(chan struct{})
		w.last = done
		go func() {
			defer close(done)
			if before != nil {
				<-before
			}
			c.guard(func() {
				if w.up != nil {
					w.up(s.ctx, s)
				}
			})
			<-s.ctx.Done()
			c.guard(func() {
				if w.down != nil {
					w.down(s, s.err())
				}
			})
		}()
	}
}

// guard runs fn and catches its panic.
func (c *Client) guard(fn func()) {
	defer func() {
		if v := recover(); v != nil {
			err := &xmpp.PanicError{Value: v, Stack: debug.Stack()}
			c.cfg.Log.Error("watcher failed", "error", err, "stack", string(err.Stack))
		}
	}()
	fn()
}

// waitWatchers waits until all watchers have been told of the end.
func (c *Client) waitWatchers(ctx context.Context) error {
	for _, w := range c.watchers {
		if w.last == nil {
			continue
		}
		select {
		case <-w.last:
		case <-ctx.Done():
			return fmt.Errorf("client: SessionUp or SessionDown has not returned: %w", ctx.Err())
		}
	}
	return nil
}
