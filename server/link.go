package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// link is the way from one domain of this server to one elsewhere. Stanzas take
// it in their order, whatever streams come and go; while there is none they wait.
//
//	lane   what stanzas are written to: own, or a bidirectional stream that the
//	       other server has opened
//	own    the stream that this side has opened; before it is authorized it
//	       can be asked already whether keys are right
type link struct {
	fed  *federation
	pair dialback.Pair

	mu         sync.Mutex // may be held when that of the federation, or of a peer, is taken
	lane       *peer
	own        *peer
	running    bool // there is a goroutine that opens and reads own
	dead       bool // no longer in the federation's table
	stuck      bool // the lane has been full for longer than anybody should wait
	waiting    []*stanza.Stanza
	size       int       // of waiting, in bytes
	urgent     bool      // not all that waits was caused by other servers
	old        *peer     // it is out of a connection, and to be gone on with
	patience   time.Time // until when that is tried
	isHeldUp   bool      // the lane is out of a connection
	held       int       // what is in the lane then, in bytes
	queries    []*verification
	distrusted bool // the other server has refused the certificate; only for the link's goroutine

	settled chan struct{} // closed when nothing waits; nil unless somebody wants to know
	hurry   chan struct{} // closed when it is urgent; nil unless somebody wants to know
	rouse   chan struct{} // closed when there is no old one any more; nil unless somebody wants to know

	failures int
	until    time.Time // nothing is tried before
	cause    error     // why the last try failed
	why      error     // what is answered because of that
	expiry   *time.Timer

	refusals []refused
}

// maxQueries bounds the keys that wait to be asked about by one link.
const maxQueries = 64

// refused is a stanza that is answered with an error as soon as the link's lock is
// free: the answer is routed.
type refused struct {
	st  *stanza.Stanza
	err error
}

// refuse answers a stanza with an error. Who calls it holds l.mu, and calls
// l.unlock.
func (l *link) refuse(st *stanza.Stanza, err error) {
	l.refusals = append(l.refusals, refused{st, err})
}

// unlock frees l.mu and answers what was refused under it.
func (l *link) unlock() {
	refusals := l.refusals
	l.refusals = nil
	if l.settled != nil && (l.isSettled() || l.dead) {
		close(l.settled)
		l.settled = nil
	}
	if l.hurry != nil && l.urgent {
		close(l.hurry)
		l.hurry = nil
	}
	if l.rouse != nil && l.old == nil {
		close(l.rouse)
		l.rouse = nil
	}
	l.mu.Unlock()
	for _, r := range refusals {
		l.fed.srv.bounce(r.st, r.err)
	}
}

// isSettled reports whether nothing waits to be sent. Who calls it holds l.mu.
func (l *link) isSettled() bool { return len(l.waiting) == 0 && l.old == nil && !l.isHeldUp }

// send sends a stanza, or lets it wait, or answers it with an error. It returns
// false if the link is dead and another is to be taken.
func (l *link) send(ctx context.Context, st *stanza.Stanza) bool {
	for {
		l.mu.Lock()
		lane, err := l.lane, error(stream.ErrClosed)
		if lane != nil {
			err = l.sendBy(lane, st)
		}
		if err == stream.ErrOutboxFull && !l.stuck {
			l.unlock()
			err = lane.sendSlowly(ctx, st)
			l.mu.Lock()
			l.stuck = err == errStuck && l.lane == lane
		}
		done := l.finish(ctx, st, lane, err)
		dead := l.dead
		l.unlock()
		if done || dead {
			return done
		}
	}
}

// finish does what is to be done with a stanza after a lane has been tried. It
// returns false if there is another lane now, or none ever again. Who calls it
// holds l.mu.
func (l *link) finish(ctx context.Context, st *stanza.Stanza, lane *peer, err error) bool {
	switch {
	case err == nil:
		l.stuck = false
	case err == stream.ErrOutboxFull, err == errStuck:
		l.refuse(st, errStuck)
	case isStanzaError(err):
		l.refuse(st, err)
	case l.dead, l.lane != lane:
		return false
	default: // there is no lane, or it has just ended
		l.hold(ctx, st)
	}
	return true
}

func isStanzaError(err error) bool {
	_, ok := errors.AsType[*stanza.Error](err)
	return ok
}

// errStuck is for stanzas that a server does not take in time.
var errStuck = &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint,
	Text: "the other server takes stanzas more slowly than they are sent to it"}

// errClosing is for stanzas that come too late.
var errClosing = &stanza.Error{Type: stanza.Wait, Condition: stanza.RemoteServerTimeout,
	Text: "this server is shutting down"}

// errUnacked is for stanzas that were written to a stream which has broken.
var errUnacked = &stanza.Error{Condition: stanza.RemoteServerTimeout,
	Text: "the connection was lost before the other server had confirmed this"}

// errWaiting is for stanzas beyond what may wait.
var errWaiting = &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint,
	Text: "too much waits for a connection to this server"}

// hold lets a stanza wait until there is a lane, and sees to it that there will
// be one. Who calls it holds l.mu.
func (l *link) hold(ctx context.Context, st *stanza.Stanza) {
	n := st.Size()
	switch {
	case l.lane == nil && l.isResting():
		l.refuse(st, l.why)
		return
	case l.size > 0 && full(l.size+n-1, l.fed.cfg.MaxWaiting), !l.fed.reserve(n):
		l.refuse(st, errWaiting)
		l.bury()
		return
	}
	l.waiting = append(l.waiting, st)
	l.size += n
	l.urgent = l.urgent || !isTheirs(ctx, st)
	l.start()
	if l.own != nil {
		l.own.request()
	}
}

// isResting reports whether nothing is tried because that was of no use a moment
// ago.
func (l *link) isResting() bool { return time.Now().Before(l.until) }

// takeWaiting returns what waits, which then does so no more. Who calls it holds
// l.mu.
func (l *link) takeWaiting() []*stanza.Stanza {
	waiting := l.waiting
	l.fed.unreserve(l.size)
	l.waiting, l.size, l.urgent = nil, 0, false
	return waiting
}

// refuseWaiting answers what waits with an error. Who calls it holds l.mu.
func (l *link) refuseWaiting(err error) {
	for _, st := range l.takeWaiting() {
		l.refuse(st, err)
	}
}

// start sees to it that a stream is opened. Who calls it holds l.mu.
func (l *link) start() {
	if l.running || l.lane != nil && (!l.isHeldUp || l.isResting()) {
		return
	}
	if !l.run() {
		l.refuseWaiting(errClosing)
		l.bury()
	}
}

// run starts the link's goroutine. It fails if the server is shutting down. Who
// calls it holds l.mu.
func (l *link) run() bool {
	l.fed.mu.Lock()
	defer l.fed.mu.Unlock()
	if l.fed.closing {
		return false
	}
	l.running = true
	l.fed.wg.Add(1)
	go l.stayOpen()
	return true
}

// ask has a key verified, on the stream that the link has opened or opens now. It
// returns false if the link is dead.
func (l *link) ask(v *verification) bool {
	l.mu.Lock()
	defer l.unlock()
	switch {
	case l.dead:
		return false
	case l.own != nil && l.own.verify(v):
		v.again = true
	case l.own == nil && l.isResting() && l.old == nil: // else it is tried again soon
		go v.answer(v.query.Failed(dialback.Cause(l.cause)))
	case len(l.queries) >= maxQueries:
		go v.answer(v.query.Failed(stanza.ResourceConstraint))
	default:
		l.queries = append(l.queries, v)
		if !l.running && !l.run() {
			l.queries = nil
			l.bury()
			go v.answer(v.query.Failed(stanza.RemoteServerTimeout))
		}
	}
	return true
}

// unanswered takes back the questions that were asked on a stream which has ended.
// "If the underlying TCP connection is closed by the remote side while there are
// pending verification requests, those requests SHOULD be considered failed"
// (XEP-0220, section 2.1.2); but a stream that was there before may have been closing
// already, so there another one is opened, once.
func (l *link) unanswered(vs []*verification, why error) {
	l.mu.Lock()
	defer l.unlock()
	for _, v := range vs {
		if !v.again {
			go v.answer(v.query.Failed(dialback.Cause(why)))
			continue
		}
		v.again = false
		l.queries = append(l.queries, v)
	}
}

// forget takes back a question whose answer nobody waits for any more. It returns
// the stream on which it was asked, nil if that has not been done.
func (l *link) forget(v *verification) *peer {
	l.mu.Lock()
	defer l.unlock()
	l.queries = slices.DeleteFunc(l.queries, func(o *verification) bool { return o == v })
	if l.own != nil && l.own.forget(v) {
		return l.own
	}
	return nil
}

// maxTries is how often in succession a stream may be lost, without having been
// of use, before what waits for it is given up.
const maxTries = 2

// stayOpen opens a stream, serves it to its end, and opens another while something
// waits for it.
func (l *link) stayOpen() {
	defer l.fed.wg.Done()
	defer func() {
		if v := recover(); v != nil {
			p := asPanicError(v)
			l.fed.srv.log.Error("link failed", "pair", l.pair, "err", p, "stack", string(p.Stack))
			l.giveUp(p)
		}
	}()
	for tries := 1; !l.isDone(); tries++ {
		p, err := l.open()
		switch {
		case err == errUnwanted:
			tries = 0
			continue
		case err != nil:
			if !l.retry(err) {
				l.giveUp(err)
				return
			}
			continue
		}
		begun := time.Now()
		l.opened(p)
		err = p.serve()
		l.fed.srv.log.Info("server stream down", "pair", l.pair, "err", err)
		switch {
		case p.wasUseful(time.Since(begun)):
			tries = 0
		case tries >= maxTries:
			err = fmt.Errorf("the stream does not last: %w", err)
			if !l.retry(err) {
				l.giveUp(err)
				return
			}
		}
	}
}

// isWanted reports whether there is something to open a stream for.
func (l *link) isWanted() bool {
	l.mu.Lock()
	defer l.unlock()
	return l.wantsLane() || len(l.queries) > 0
}

// wantsLane reports whether there is something to be sent, or to be gone on with. Who
// calls it holds l.mu.
func (l *link) wantsLane() bool { return len(l.waiting) > 0 || l.old != nil || l.held > 0 }

// isDone reports whether there is nothing more to open a stream for; the link's
// goroutine has ended then.
func (l *link) isDone() bool {
	l.mu.Lock()
	defer l.unlock()
	if l.wantsLane() || len(l.queries) > 0 {
		return false
	}
	l.running = false
	l.bury()
	return true
}

// bury takes a link that is of no use out of the table. Who calls it holds l.mu.
func (l *link) bury() {
	if l.dead || l.running || l.lane != nil || len(l.waiting) > 0 || l.isResting() {
		return
	}
	l.dead = true
	l.fed.mu.Lock()
	defer l.fed.mu.Unlock()
	delete(l.fed.links, l.pair)
}

// opened takes the stream that has been opened for the link.
func (l *link) opened(p *peer) {
	if p.isProven() {
		l.resolve(p)
	}
	l.mu.Lock()
	defer l.unlock()
	l.own = p
	l.queries = slices.DeleteFunc(l.queries, p.verify)
	switch {
	case p.mayCarry(l.pair):
		l.use(p)
	case l.wantsLane():
		p.request()
	}
}

// authorized takes a stream that stanzas may be sent on now.
func (l *link) authorized(p *peer) bool {
	l.mu.Lock()
	defer l.unlock()
	if l.dead {
		return false
	}
	l.use(p)
	return true
}

// use makes a stream the lane, if there is none: a second one could overtake it.
// Who calls it holds l.mu.
func (l *link) use(p *peer) {
	if l.lane != nil && l.isHeldUp && l.lane.bond != nil {
		l.lane.bond.hurry(resumeGrace) // the other server can be reached, so it can come
	}
	if l.lane != nil || !p.carry(l) {
		return
	}
	l.lane, l.stuck, l.failures, l.until = p, false, 0, time.Time{}
	l.fed.srv.log.Info("server link up", "pair", l.pair, "by", p)
	waiting := l.takeWaiting()
	for i, st := range waiting {
		switch err := p.trySend(st); {
		case err == nil:
		case isStanzaError(err):
			l.refuse(st, err)
		case err == stream.ErrOutboxFull:
			l.refuse(st, errStuck)
		default: // it has ended already, and is about to be taken away
			l.putBack(waiting[i:])
			return
		}
	}
}

// putBack makes stanzas wait before all others. They are not bounded: they have
// been taken once. Who calls it holds l.mu.
func (l *link) putBack(sts []*stanza.Stanza) {
	n := sizeOf(sts)
	l.fed.mu.Lock()
	l.fed.waiting += n
	l.fed.mu.Unlock()
	l.waiting = append(slices.Clip(sts), l.waiting...)
	l.size += n
	l.urgent = len(l.waiting) > 0
}

// sizeOf returns the bytes of stanzas.
func sizeOf(sts []*stanza.Stanza) (n int) {
	for _, st := range sts {
		n += st.Size()
	}
	return n
}

// lost takes note that a stream has ended. What it has not written goes another
// way; what it has, but nobody has acknowledged, is answered with an error: to
// send it again could deliver it twice.
func (l *link) lost(p *peer, unacked, unsent []*stanza.Stanza) {
	l.mu.Lock()
	defer l.unlock()
	if l.own == p {
		l.own = nil
	}
	if l.old == p {
		l.old = nil
	}
	for _, st := range unacked {
		l.refuse(st, errUnacked)
	}
	if l.lane != p {
		return
	}
	l.lane = nil
	l.letGo()
	l.putBack(unsent)
	for _, next := range []*peer{p.heir.Load(), l.own} {
		if next != nil && next.mayCarry(l.pair) {
			l.use(next)
		}
	}
	if len(l.waiting) > 0 {
		if l.own != nil {
			l.own.request()
		}
		l.start()
	}
	l.bury()
}

// refusedBy takes note that the other server does not let stanzas in on a stream
// of ours, and reports whether that is of no use then: what is to be gone on with is
// tried on another one.
func (l *link) refusedBy(out dialback.Outcome) (useless bool) {
	l.mu.Lock()
	defer l.unlock()
	useless = l.old != nil
	if l.lane != nil {
		return useless
	}
	e := &stanza.Error{Condition: out.Bounce,
		Text: "the other server does not believe that this is " + l.pair.Local.String()}
	if out.Err != nil {
		e.Text = "the other server does not let this one in: " + out.Err.Error()
	}
	l.rest(e, e)
	return useless
}

// giveUp ends the link's goroutine because no stream could be had.
func (l *link) giveUp(err error) {
	l.fed.srv.log.Info("no server link", "pair", l.pair, "err", err)
	l.forsake(l.suspended())
	l.mu.Lock()
	defer l.unlock()
	l.failQueries(err)
	l.running = false
	if err == errNoSlot || l.fed.isClosing() {
		// Nothing is known of the other server, or it is of no use any more.
		l.refuseWaiting(bounceFor(err))
		l.bury()
		return
	}
	l.rest(err, bounceFor(err))
}

// rest answers what waits with an error, and all that comes in the next time. Who
// calls it holds l.mu.
func (l *link) rest(cause, why error) {
	l.refuseWaiting(why)
	l.pause(cause, why)
}

// failQueries answers that keys could not be verified. Who calls it holds l.mu.
func (l *link) failQueries(err error) {
	for _, v := range l.queries {
		go v.answer(v.query.Failed(dialback.Cause(err)))
	}
	l.queries = nil
}

// pause lets nothing be tried for a while, which it returns. Who calls it holds l.mu.
func (l *link) pause(cause, why error) time.Duration {
	l.cause, l.why = cause, why
	delay, most := l.fed.cfg.RetryDelay, l.fed.cfg.MaxRetryDelay
	for i := 0; i < l.failures && delay < most; i++ {
		delay *= 2
	}
	delay = min(delay, most)
	l.failures++
	delay -= rand.N(delay/4 + 1) // not all at the same time
	l.until = time.Now().Add(delay)
	if l.expiry != nil {
		l.expiry.Stop()
	}
	// It remembers its failures for as long again.
	l.expiry = time.AfterFunc(2*delay, l.expire)
	return delay
}

// expire takes the link out of the table if it is of no use any more.
func (l *link) expire() {
	l.mu.Lock()
	defer l.unlock()
	l.bury()
}

// abandon answers what waits with an error, as the server is shutting down.
func (l *link) abandon() {
	l.forsake(l.suspended())
	l.mu.Lock()
	defer l.unlock()
	l.refuseWaiting(errClosing)
}

// stop ends what a link has timers for.
func (l *link) stop() {
	l.mu.Lock()
	defer l.unlock()
	if l.expiry != nil {
		l.expiry.Stop()
	}
}

// whenUrgent returns a channel that is closed when something waits that this server has
// to send, other than answers.
func (l *link) whenUrgent() <-chan struct{} {
	l.mu.Lock()
	defer l.unlock()
	if l.hurry == nil {
		l.hurry = make(chan struct{})
	}
	return l.hurry
}

// wait returns a channel that is closed when nothing waits to be sent.
func (l *link) wait() <-chan struct{} {
	l.mu.Lock()
	defer l.unlock()
	if l.settled == nil {
		l.settled = make(chan struct{})
	}
	return l.settled
}
