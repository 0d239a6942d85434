package session

import (
	"context"
	"fmt"
	"time"

	"github.com/etherx-go/xmpp/ext/ping"
)

// keepAlive watches over the connection (RFC 6120, section 4.6).
func (s *Session) keepAlive() {
	t := time.NewTicker(s.r.cfg.KeepAlive)
	defer t.Stop()
	seen := s.conn.Activity()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
		}
		switch now := s.conn.Activity(); {
		case s.r.cfg.Whitespace:
			s.conn.SendRaw(s.ctx, " ")
		case now != seen:
			seen = now
		case !s.alive():
			s.end(fmt.Errorf("%s: %w: nothing came for %v, and no answer to a ping within %v",
				s.r.cfg.Name, ErrUnresponsive, s.r.cfg.KeepAlive, s.r.cfg.PingTimeout))
			s.conn.Close() // wakes the reader
			return
		}
	}
}

// alive asks for a sign of life. Whatever comes meanwhile is one, be it an error,
// or something else.
func (s *Session) alive() bool {
	before := s.conn.Activity()
	ctx, cancel := context.WithTimeout(s.ctx, s.r.cfg.PingTimeout)
	defer cancel()
	err := s.r.cfg.Ping(ctx, s)
	return ping.Answered(err) || s.conn.Activity() != before || s.ctx.Err() != nil
}
