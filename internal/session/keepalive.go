package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/etherx-go/xmpp/ext/ping"
)

// ErrUnresponsive is why a connection was given up on which nothing came any more,
// not even the answer to a ping.
var ErrUnresponsive = errors.New("the server does not answer")

// keepAlive watches over the connection (RFC 6120, section 4.6).
func (c *connection) keepAlive() {
	cfg := &c.s.r.cfg
	every, idle := cfg.KeepAlive, c.Limits().Idle
	if idle > 0 {
		every = min(every, idle/2)
	}
	t := time.NewTicker(every)
	defer t.Stop()
	seen, sent, silent := c.Activity(), c.s.sends.Load(), time.Duration(0)
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-t.C:
		}
		silent += every
		if now := c.Activity(); now != seen {
			seen, silent = now, 0
		}
		sends := c.s.sends.Load()
		quiet := sends == sent // as the peer sees it
		sent = sends
		switch {
		case cfg.Whitespace, quiet && idle > 0 && silent < cfg.KeepAlive:
			c.TrySendRaw(" ")
		case silent < cfg.KeepAlive:
		case !c.alive(c.ctx):
			c.giveUp(c.s.r.unresponsive(cfg.KeepAlive))
			return
		default:
			silent = 0
		}
	}
}

// unresponsive is why a connection is given up on which nothing came for so long.
func (r *Runner) unresponsive(silent time.Duration) error {
	return fmt.Errorf("%s: %w: nothing came for %v, and no answer to a ping within %v",
		r.cfg.Name, ErrUnresponsive, silent, r.cfg.PingTimeout)
}

// alive asks for a sign of life, unless ctx or the connection ends. Whatever comes
// meanwhile is one, be it an error, or something else. None is wanted of a stream that
// is being closed: nothing can be asked on it, and how long to wait is known there.
func (c *connection) alive(ctx context.Context) bool {
	s := c.s
	before := c.Activity()
	ctx, cancel := context.WithTimeout(ctx, s.r.cfg.PingTimeout)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	err := ping.Ping(ctx, s, s.r.cfg.PingTo)
	return ping.Answered(err) || c.Activity() != before || c.Closing() || c.ctx.Err() != nil || ctx.Err() == context.Canceled
}
