package server

import (
	"crypto/rand"
	"time"

	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/stanza"
)

// A client may be gone without anybody having said so: TCP takes a quarter of an hour to
// find out if something was sent, and what is between may never. So the server looks
// after its clients, all at once and now and then, which costs one timer:
//
//   - one that owes an acknowledgement (XEP-0198), and sends nothing else, is gone;
//   - one from which nothing comes is asked for a sign of life (XEP-0199). If it has
//     acknowledgements that is all, see above. Otherwise it is gone when it has always
//     answered before; of one that never has, TCP gets something to send.
//
// Who is gone loses the connection, and the session waits, if it can be resumed.

// signs are what is known of a client's being there. They are for who holds Server.mu.
type signs struct {
	activity uint32
	since    time.Time // that is as it is
	asked    time.Time // when the client was, since then; zero if it was not
	answers  bool      // it has, once
}

// lookEvery is how often clients are looked after; 0: never.
func (c *Config) lookEvery() (every time.Duration) {
	least := func(d time.Duration) {
		if d > 0 && (every == 0 || d/2 < every) {
			every = d / 2
		}
	}
	if least(c.AckTimeout); c.KeepAlive > 0 {
		least(c.KeepAlive)
		least(c.PingTimeout)
	}
	return every
}

// lookAfter has the client of a connection looked after. Who calls it holds s.mu.
func (s *Server) lookAfter(cn *connection, sess *session) {
	cn.session = sess
	if every := s.cfg.lookEvery(); every > 0 && !s.looking && s.ctx.Err() == nil {
		s.looking = true
		s.looks = time.AfterFunc(every, s.look)
	}
}

// look looks after all clients that there are.
func (s *Server) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looking = false
	now := time.Now()
	for cn := range s.conns {
		if cn.session == nil {
			continue
		}
		s.looking = true
		if w := cn.session.wire.Load(); w.cn == cn && cn.session.isGone(w, now) {
			go cn.session.cut(w)
		}
	}
	if s.looking = s.looking && s.ctx.Err() == nil; s.looking {
		s.looks.Reset(s.cfg.lookEvery())
	}
}

// isGone reports whether the client is, and asks it for a sign of life when it is time.
func (sess *session) isGone(w *wire, now time.Time) bool {
	c, g := &sess.srv.cfg, &w.signs
	if activity := w.conn.Activity(); activity != g.activity || g.since.IsZero() {
		g.answers = g.answers || !g.asked.IsZero()
		g.activity, g.since, g.asked = activity, now, time.Time{}
		return false
	}
	silent := now.Sub(g.since)
	if since, owes := w.conn.AwaitingAck(); owes && c.AckTimeout > 0 {
		return silent >= c.AckTimeout && now.Sub(since) >= c.AckTimeout
	}
	switch {
	case c.KeepAlive <= 0 || silent < c.KeepAlive:
	case g.asked.IsZero():
		g.asked = now
		sess.ask(w)
	case c.PingTimeout <= 0 || now.Sub(g.asked) < c.PingTimeout:
	case g.answers:
		return true
	default:
		w.conn.TrySendRaw(" ")
		g.since, g.asked = now, time.Time{}
	}
	return false
}

// ask asks the client for a sign of life: whatever comes is one.
func (sess *session) ask(w *wire) {
	h := stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, ID: rand.Text(), From: sess.host.jid, To: sess.jid}
	if iq, err := stanza.New(h, ping.Payload{}); err == nil {
		w.conn.TrySend(iq) // if there is no room, it will be closed for that
	}
}

// cut ends the connection of a client that is gone. It is told nothing: it would take
// that for the end of the session.
func (sess *session) cut(w *wire) {
	sess.srv.log.Info("client is gone", "jid", sess.jid)
	if !w.conn.Detach(nil) {
		w.conn.Close()
	}
}
