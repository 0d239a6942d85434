package client

import (
	"context"
	"fmt"
	"time"

	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/jid"
)

// keepAlive watches over the connection (RFC 6120, section 4.6).
func (s *session) keepAlive() {
	t := time.NewTicker(s.c.cfg.KeepAlive)
	defer t.Stop()
	seen := s.conn.Activity()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
		}
		switch now := s.conn.Activity(); {
		case s.c.cfg.Whitespace:
			s.conn.SendRaw(s.ctx, " ")
		case now != seen:
			seen = now
		case !s.alive():
			s.end(fmt.Errorf("%w: nothing came for %v, and no answer to a ping within %v",
				ErrUnresponsive, s.c.cfg.KeepAlive, s.c.cfg.PingTimeout))
			s.conn.Close() // wakes the reader
			return
		}
	}
}

// alive asks the server for a sign of life. Whatever comes meanwhile is one,
// be it an error, or something else.
func (s *session) alive() bool {
	before := s.conn.Activity()
	ctx, cancel := context.WithTimeout(s.ctx, s.c.cfg.PingTimeout)
	defer cancel()
	err := ping.Ping(ctx, s, jid.JID{})
	return ping.Answered(err) || s.conn.Activity() != before || s.ctx.Err() != nil
}
