package server

import (
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// What a link does while a stream is out of a connection that can be resumed, see
// bond.go. Stanzas go on to be queued on it, if it is the lane: it keeps their order. If
// the link has opened it the link's goroutine connects again, and again until its
// patience is over. If the other server has, a stream of the link's own is opened to
// find out whether that server is there, and used if it does not resume the other
// one then.

// resumeGrace is how long a server that can be reached has for resuming a stream, when
// stanzas wait for that.
const resumeGrace = 10 * time.Second

// suspended returns the stream that is to be gone on with, nil if there is none.
func (l *link) suspended() *peer {
	l.mu.Lock()
	defer l.unlock()
	return l.old
}

// suspend lets a stream that was opened here wait for another connection, and reports
// whether it does: if there is something to be sent again, on this side or perhaps on
// the other. One that has gone on before, and has not got any further then, does not
// wait anew.
func (l *link) suspend(p *peer) bool {
	r, ok := p.conn.Resumption(0)
	if !ok || len(r.Unacked) == 0 && !p.bidi || len(p.standing().pairs) > 1 || l.fed.isClosing() {
		return false
	}
	p.hangUp()
	l.mu.Lock()
	defer l.unlock()
	now := time.Now()
	if !p.stalled || r.Acked != p.stalledAt {
		l.patience = now.Add(l.fed.cfg.ResumeTimeout)
		if r.Max > 0 && r.Max < l.fed.cfg.ResumeTimeout {
			l.patience = now.Add(r.Max)
		}
	}
	if !now.Before(l.patience) {
		return false
	}
	l.own, l.old = nil, p
	if l.lane == p {
		l.strand(ofPair(r.Unacked, l.pair))
	}
	l.fed.srv.log.Info("server stream waits", "pair", l.pair, "until", l.patience)
	return true
}

// heldUp takes note that the lane, which the other server has opened, is out of a
// connection; what it has not had acknowledged is sts.
func (l *link) heldUp(p *peer, sts []*stanza.Stanza) {
	l.mu.Lock()
	defer l.unlock()
	if l.lane != p {
		return
	}
	l.strand(sts)
	l.probe()
}

// probe finds out whether a server is there that stanzas are held up for, and that has
// to come. Who calls it holds l.mu.
func (l *link) probe() {
	switch {
	case l.held == 0 || l.lane.bond == nil:
	case l.own != nil && l.own.mayCarry(l.pair):
		l.lane.bond.hurry(resumeGrace)
	case l.own != nil:
		l.own.request()
	default:
		l.start()
	}
}

// strand takes note that the lane is out of a connection, and what is in it. Who calls
// it holds l.mu.
func (l *link) strand(sts []*stanza.Stanza) {
	l.isHeldUp, l.held = true, sizeOf(sts)
	l.fed.mu.Lock()
	defer l.fed.mu.Unlock()
	l.fed.waiting += l.held
}

// letGo takes note that the lane is not held up any more. Who calls it holds l.mu.
func (l *link) letGo() {
	l.fed.unreserve(l.held)
	l.isHeldUp, l.held = false, 0
}

// sendBy queues a stanza on the lane, within the bounds for what waits if that is out of
// a connection. Who calls it holds l.mu.
func (l *link) sendBy(lane *peer, st *stanza.Stanza) error {
	if !l.isHeldUp {
		return lane.trySend(st)
	}
	n := st.Size()
	if l.held > 0 && full(l.held+n-1, l.fed.cfg.MaxWaiting) || !l.fed.reserve(n) {
		return errWaiting
	}
	err := lane.trySend(st)
	if err != nil {
		l.fed.unreserve(n)
		if err == stream.ErrOutboxFull {
			err = errWaiting
		}
		return err
	}
	l.held += n
	l.probe()
	return nil
}

// succeed puts the stream that goes on with another one in the place of that.
func (l *link) succeed(old, p *peer) {
	r, _ := p.conn.Resumption(0)
	l.mu.Lock()
	defer l.unlock()
	if l.old == old {
		l.old = nil
		p.stalled, p.stalledAt = len(r.Unacked) > 0, r.Acked
	}
	if l.lane == old && p.carry(l) {
		l.lane, l.stuck = p, false
		l.letGo()
	}
	l.failures, l.until = 0, time.Time{}
}

// resolve decides what becomes of the stream that p was opened to go on with, now that
// the other server has let p in: p does, or it is over.
func (l *link) resolve(p *peer) {
	switch {
	case p.old == nil:
	case p.conn.Resumed():
		l.succeed(p.old, p)
	default:
		l.forsake(p.old)
	}
}

// forsake ends a stream that was to be gone on with, if there is one. What it has left
// goes another way, or is answered.
func (l *link) forsake(old *peer) {
	if old == nil {
		return
	}
	old.conn.Close()
	old.leave()
}

// admitted takes a stream on which the other server has let stanzas in.
func (l *link) admitted(p *peer) {
	l.resolve(p)
	l.authorized(p)
}

// canBeReached takes note that the other server has connected: so it can be.
func (f *federation) canBeReached(pair dialback.Pair) {
	f.mu.Lock()
	l := f.links[pair]
	f.mu.Unlock()
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.unlock()
	if l.rouse != nil {
		close(l.rouse)
		l.rouse = nil
	}
}

// retry waits until it is time to connect again for what is to be gone on with, and
// reports whether to do it: err is why it could not be done now. That is soon enough for
// answering the other server, which may have come and ask whether its key is right: if
// both refused each other while they wait they would never meet.
func (l *link) retry(err error) bool {
	if _, refused := l.fed.trust(l.pair); refused != nil || l.fed.isClosing() {
		return false
	}
	l.mu.Lock()
	left := time.Until(l.patience)
	if l.old == nil || left <= 0 {
		l.unlock()
		return false
	}
	l.fed.srv.log.Info("no server link yet", "pair", l.pair, "err", err)
	l.failQueries(err)
	delay := min(l.pause(err, bounceFor(err)), left, l.fed.cfg.DialbackTimeout/2)
	if l.rouse == nil {
		l.rouse = make(chan struct{})
	}
	rouse := l.rouse
	l.unlock()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-rouse:
	case <-l.fed.srv.ctx.Done():
		return false
	}
	return true
}
