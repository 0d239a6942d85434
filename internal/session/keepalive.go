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
	s, cfg := c.s, &c.s.r.cfg
	t := time.NewTicker(cfg.KeepAlive)
	defer t.Stop()
	seen := c.Activity()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
		}
		switch now := c.Activity(); {
		case cfg.Whitespace:
			c.SendRaw(s.ctx, " ")
		case now != seen:
			seen = now
		case !c.alive():
			s.end(fmt.Errorf("%s: %w: nothing came for %v, and no answer to a ping within %v",
				cfg.Name, ErrUnresponsive, cfg.KeepAlive, cfg.PingTimeout))
			c.Close() // wakes the reader
			return
		}
	}
}

// alive asks for a sign of life. Whatever comes meanwhile is one, be it an error,
// or something else.
func (c *connection) alive() bool {
	s := c.s
	before := c.Activity()
	ctx, cancel := context.WithTimeout(s.ctx, s.r.cfg.PingTimeout)
	defer cancel()
	err := ping.Ping(ctx, s, s.r.cfg.PingTo)
	return ping.Answered(err) || c.Activity() != before || s.ctx.Err() != nil
}
