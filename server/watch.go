package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// watch looks after a stream from time to time: is it used, may it stay, is the
// other server still there? It costs a timer, and no goroutine.
type watch struct {
	mu       sync.Mutex
	timer    *time.Timer // nil when it is over
	activity uint32      // what had come the last time
	sent     uint32      // what had been sent the last time
	since    time.Time   // when something was last seen to have come or to have been sent
	doubted  bool        // there was something that nobody had heard of
	pinging  bool
}

func (w *watch) start(p *peer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.activity, w.since = p.conn.Activity(), time.Now()
	w.timer = time.AfterFunc(p.fed.cfg.CheckInterval, func() { p.look() })
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer = nil
}

// look is called by the timer.
func (p *peer) look() {
	w := &p.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		return
	}
	now, activity, sent := time.Now(), p.conn.Activity(), p.sent.Load()
	if activity != w.activity || sent != w.sent {
		w.since = now
	}
	doubted := w.doubted
	w.activity, w.sent, w.doubted = activity, sent, sent != p.heard.Load() && !p.conn.Managed()
	switch idle := p.fed.cfg.IdleTimeout; {
	case p.isDeaf(now):
		p.fed.srv.log.Warn("server link is dead", "pair", p.pair)
		go p.cut() // what was not acknowledged is dealt with by the reader
	case !p.isProven() && now.Sub(time.Unix(0, p.lastUse.Load())) > p.fed.cfg.ConnectTimeout:
		go p.close(&stream.Error{Condition: stream.ConnectionTimeout, Text: "no domain has been authorized"})
	case idle > 0 && now.Sub(w.since) >= idle:
		go p.close(nil)
	case doubted && w.doubted && !w.pinging:
		w.pinging = true
		go p.ping()
	}
	w.timer.Reset(p.fed.cfg.CheckInterval)
}

// isDeaf reports whether the other server owes an acknowledgement for too long.
func (p *peer) isDeaf(now time.Time) bool {
	since, ok := p.conn.AwaitingAck()
	return ok && now.Sub(since) >= p.fed.cfg.CheckInterval
}

// isProven reports whether stanzas may come or go on the stream.
func (p *peer) isProven() bool { return p.conn.State()&stream.Authenticated != 0 }

// ping asks for a sign of life on a stream on which nothing comes, and that has no
// acknowledgements: the answer takes the way that the other server has. If there
// is none the stream is closed in order, which hurts nobody if only the way back
// is broken.
func (p *peer) ping() {
	before := p.sent.Load()
	p.mu.Lock()
	pair := p.pair
	if len(p.carries) > 0 {
		pair = p.carries[0].pair
	}
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(p.ctx, p.fed.cfg.CheckInterval)
	defer cancel()
	err := p.fed.ping(ctx, pair)
	w := &p.watch
	w.mu.Lock()
	w.pinging, w.doubted = false, false
	w.sent++ // a ping is no use of the stream
	w.mu.Unlock()
	p.heard.Store(before + 1)
	if errors.Is(err, context.DeadlineExceeded) {
		p.fed.srv.log.Warn("server link is silent", "pair", p.pair)
		p.close(nil)
	}
}

// ping sends a ping (XEP-0199) from one domain to another, and waits for an answer,
// whatever it is.
func (f *federation) ping(ctx context.Context, pair dialback.Pair) error {
	h := stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, From: pair.Local, To: pair.Remote}
	iq, err := stanza.New(h, ping.Payload{})
	if err != nil {
		return err
	}
	if svc := f.srv.services.find(pair.Local); svc != nil {
		_, err = svc.Do(ctx, iq)
		return err
	}
	_, err = f.srv.do(ctx, pair.Local, f.srv.pending, iq)
	return err
}
