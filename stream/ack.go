package stream

import (
	"fmt"
	"math"
	"time"

	"github.com/etherx-go/xmpp/stanza"
)

// When the peer is asked to acknowledge. There is at most one request that it has
// not answered, so that a round trip costs one at the most, and it is written
// together with the stanzas before it.
const (
	// askStanzas and askBytes are how much a stream that is busy writes between
	// two requests: few enough that little is written again after the connection
	// has broken, and enough that a request is a hundredth of what is written.
	askStanzas = 64
	askBytes   = 64 << 10
	// askPause is the least time between two requests on a stream that is not
	// that busy. The first stanza after a pause is asked for at once, the last
	// one after askPause at the latest.
	askPause = 200 * time.Millisecond
	// askMaxPause is what askPause is doubled to while the peer answers that it
	// has handled nothing more.
	askMaxPause = 10 * time.Second
)

// acks is the sending half of stream management: what is counted, and what has
// been given to the transport and not been acknowledged. It is guarded by the
// outbox's lock. It knows nothing of the connection, so that another one can go
// on with it.
type acks struct {
	enabled   bool // the peer agrees; until then enable is what it is asked
	off       bool // the peer does not agree
	begun     bool // what tells the peer to count is written, or about to be
	wanted    bool // the peer was asked whether it can be resumed
	resumable bool // it can be

	skip   int    // items in the queue before the first that counts
	queued uint64 // stanzas ever, also those that are not given to the transport yet
	sent   uint64 // of them, given to the transport, that of now if there were several
	acked  uint64 // of them, acknowledged
	tried  uint64 // of them, given to any transport before
	whole  uint64 // of them, written whole to one of those
	kept   []*stanza.Stanza
	head   int    // where kept begins
	bytes  int    // of kept
	flight []item // of the batch being written, what is neither kept nor in the queue

	asked    bool // and not answered
	stalled  bool // the last answer acknowledged nothing
	urgent   bool // the owner does not want to wait for the pause
	atEnd    bool // the closing tag is asked before
	armed    bool // the timer is set
	askedAt  time.Time
	askedFor uint64 // sent, then
	pause    time.Duration
	timer    *time.Timer // asks

	answering bool   // an acknowledgement is queued
	handled   uint64 // what it says

	grant   Grant
	waiters []waiter // who waits for an acknowledgement, in order
}

// askMost returns how many bytes are written without being asked for.
func (c *Conn) askMost() int {
	if c.cfg.MaxOutbox < 0 {
		return askBytes
	}
	return min(askBytes, c.cfg.MaxOutbox/4)
}

// waiting returns how many stanzas are kept.
func (a *acks) waiting() int { return len(a.kept) - a.head }

// unasked reports whether there is a stanza, written or queued, that is neither
// acknowledged nor asked for.
func (a *acks) unasked() bool {
	return a.queued > a.acked && (!a.asked || a.queued > a.askedFor)
}

// queueing takes note of an item that is about to be queued, and returns by how
// many bytes it has made it longer.
func (a *acks) queueing(it *item, p priority) int {
	if it.st != nil {
		a.queued++
	}
	if p != last || !a.atEnd || !a.enabled || a.off || !a.unasked() {
		return 0
	}
	it.raw = requestXML + it.raw
	return len(requestXML)
}

// taking takes note that a batch goes from the queue to the writer, and returns
// where those items begin that count.
func (a *acks) taking(batch []item) (from int) {
	a.flight = batch
	from = min(a.skip, len(batch))
	a.skip -= from
	return from
}

// push keeps a stanza that is about to be written. What was released makes room
// for it where that is half of the slice, so that a stanza is moved once or so.
func (a *acks) push(st *stanza.Stanza) {
	if n := len(a.kept); n == cap(a.kept) && a.head > n/2 {
		copy(a.kept, a.kept[a.head:])
		clear(a.kept[n-a.head:])
		a.kept, a.head = a.kept[:n-a.head], 0
	}
	a.kept = append(a.kept, st)
	a.bytes += st.Size()
	a.sent++
}

// release lets go of the n oldest stanzas and returns their bytes.
func (a *acks) release(n uint64) (freed int) {
	a.acked += n
	n = min(n, uint64(a.waiting()))
	gone := a.kept[a.head : a.head+int(n)]
	for _, st := range gone {
		freed += st.Size()
	}
	clear(gone)
	a.head += len(gone)
	a.bytes -= freed
	a.confirm()
	if a.waiting() == 0 {
		a.reset()
	}
	return freed
}

// reset begins kept anew when nothing is in it. One that was once long is not
// kept by a stream that may idle.
func (a *acks) reset() {
	a.kept, a.head = a.kept[:0], 0
	if cap(a.kept) > keepItems {
		a.kept = nil
	}
}

// takeBack forgets the n newest stanzas, which have not been written whole. A
// peer may have acknowledged them all the same.
func (a *acks) takeBack(n int) {
	a.tried = max(a.tried, a.sent)
	a.sent -= uint64(n)
	a.acked = min(a.acked, a.sent)
	n = min(n, a.waiting())
	gone := a.kept[len(a.kept)-n:]
	for _, st := range gone {
		a.bytes -= st.Size()
	}
	clear(gone)
	a.kept = a.kept[:len(a.kept)-n]
	if a.waiting() == 0 {
		a.reset()
	}
}

// advance returns how many stanzas the peer's count of those that it has handled
// acknowledges which were not before; sent is how many it may have got. A count of
// before is passed over.
func (a *acks) advance(h uint32, sent uint64) (more uint64, err error) {
	before := uint32(a.acked)
	switch more = uint64(h - before); {
	case more <= sent-a.acked:
		return more, nil
	case uint64(before-h) <= min(a.acked, math.MaxInt32):
		return 0, nil
	}
	return 0, tooHigh(h, uint32(sent))
}

// handle takes the peer's count, and returns the bytes of the stanzas that it had
// not acknowledged before.
func (a *acks) handle(h uint32) (freed int, err error) {
	more, err := a.advance(h, a.sent)
	if err != nil {
		return 0, err
	}
	freed = a.release(more)
	stalled := a.asked && freed == 0 && a.waiting() > 0
	pause := askPause
	if stalled {
		pause = min(2*a.pause, askMaxPause)
	}
	if pause != a.pause {
		a.disarm()
	}
	a.pause, a.stalled, a.asked, a.enabled = pause, stalled, false, true
	return freed, nil
}

// tooHigh is the error for a peer that acknowledges more than it was sent.
func tooHigh(h, sent uint32) *Error {
	app := fmt.Sprintf("<handled-count-too-high xmlns='"+NSManagement+"' h='%d' send-count='%d'/>", h, sent)
	text := fmt.Sprintf("%d stanzas are acknowledged, %d were sent", h, sent)
	return &Error{Condition: UndefinedCondition, Text: text, App: stanza.Raw(app)}
}

// park prepares for another connection: what was sent on this one will be sent
// again.
func (a *acks) park() {
	a.disarm()
	a.tried, a.whole = max(a.tried, a.sent), max(a.whole, a.sent)
	a.kept, a.head, a.bytes, a.sent = nil, 0, 0, a.acked
	a.asked, a.answering, a.stalled, a.timer = false, false, false, nil
}

// unpark begins on another connection. Who waits for an acknowledgement shall not
// have to wait for a pause.
func (a *acks) unpark() {
	a.pause, a.askedAt, a.urgent = askPause, time.Time{}, a.urgent || len(a.waiters) > 0
}

// disarm stops the timer.
func (a *acks) disarm() {
	if a.armed {
		a.timer.Stop()
		a.armed = false
	}
}

// arm sees to it that the peer of c is asked after d, or at the time that it will be
// asked anyway.
func (a *acks) arm(c *Conn, d time.Duration) {
	switch {
	case a.armed:
		return
	case a.timer == nil:
		a.timer = time.AfterFunc(d, c.askLate)
	default:
		a.timer.Reset(d)
	}
	a.armed = true
}

// due reports whether the peer is to be asked now. If it is to be asked later and
// idle says that nothing else is going to be written, the timer is set.
func (o *outbox) due(idle bool) bool {
	a := o.acks
	if a == nil || a.off || a.asked || a.waiting() == 0 || o.final || o.err != nil || o.detached {
		return false
	}
	if !a.stalled && (a.waiting() >= askStanzas || a.bytes >= o.conn.askMost() || o.space != nil || a.urgent && idle) {
		return true
	}
	wait := a.pause - time.Since(a.askedAt)
	if wait > 0 && idle {
		a.arm(o.conn, wait)
	}
	return wait <= 0
}

// nudge returns the writer that is to be started if the peer is to be asked and
// there is no writer that would do it.
func (o *outbox) nudge() (writer *Conn) {
	if o.writing || !o.due(true) {
		return nil
	}
	return o.start()
}

// keep keeps those of the items that are stanzas, which are about to be written,
// and returns their bytes. ask says that a request is to be written behind them;
// it counts as written then. rest is what the batch has behind them. begun says that
// what tells the peer to count is among what is written, or was before.
func (o *outbox) keep(items, rest []item, begun bool) (kept int, ask bool) {
	o = o.lock()
	defer o.mu.Unlock()
	a := o.acks
	if a.off {
		return 0, false
	}
	before := a.bytes
	for i := range items {
		if st := items[i].st; st != nil {
			a.push(st)
		}
	}
	a.flight, a.begun = rest, begun
	idle := len(rest) == 0 && len(o.queue) == 0
	if ask = o.due(idle); ask {
		a.asked, a.askedAt, a.askedFor = true, time.Now(), a.sent
		a.urgent = a.urgent && !idle
		a.disarm()
	}
	return a.bytes - before, ask
}

// answer returns the acknowledgement that stands where one was queued.
func (o *outbox) answer() string {
	o = o.lock()
	defer o.mu.Unlock()
	if o.acks == nil || !o.acks.answering {
		return "" // somebody has sent nothing
	}
	o.acks.answering = false
	return string(appendAck(nil, o.acks.handled))
}

// acknowledge takes the peer's count of the stanzas that it has handled.
func (o *outbox) acknowledge(h uint32) error {
	a := o.acks
	if o.parked() {
		more, err := a.advance(h, a.tried)
		if err == nil && more > 0 {
			o.forget(more)
			wake(&o.space)
		}
		return err
	}
	freed, err := a.handle(h)
	if freed > 0 {
		o.bytes -= freed
		wake(&o.space)
	}
	return err
}

// managed returns the acks of a managed stream, nil if it is none.
func (o *outbox) managed() *acks {
	if o.acks == nil || o.acks.off {
		return nil
	}
	return o.acks
}
