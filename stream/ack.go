package stream

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/etherx-go/xmpp/stanza"
)

// NSManagement is the namespace of stream management (XEP-0198).
const NSManagement = "urn:xmpp:sm:3"

const (
	requestXML = "<r xmlns='" + NSManagement + "'/>"
	enableXML  = "<enable xmlns='" + NSManagement + "'/>"
	enabledXML = "<enabled xmlns='" + NSManagement + "'/>"
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

var managementName = xml.Name{Space: NSManagement, Local: "sm"}

var errManaged = errors.New("stream: stanzas are counted already")

// acks is the sending half of stream management: what is counted, and what has
// been given to the transport and not been acknowledged. It is guarded by the
// outbox's lock. It knows nothing of the connection, so that another one can go
// on with it.
type acks struct {
	skip   int    // items in the queue before the first that counts
	queued uint64 // stanzas ever, also those that are not given to the transport yet
	sent   uint64 // of them, given to the transport
	acked  uint64 // of them, acknowledged
	kept   []*stanza.Stanza
	head   int // where kept begins
	bytes  int // of kept
	most   int // bytes without being asked for

	enabled  bool // the peer agrees; until then enable is what it is asked
	off      bool // the peer does not agree
	asked    bool // and not answered
	askedAt  time.Time
	askedFor uint64 // sent, then
	pause    time.Duration
	stalled  bool // the last answer acknowledged nothing
	urgent   bool // the owner does not want to wait for the pause
	atEnd    bool // the closing tag is asked before

	late  func() // asks, for the timer
	timer *time.Timer
	armed bool

	handled   uint32 // what the next acknowledgement says
	answering bool   // it is queued
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

// taking takes note that n items go from the queue to the writer, and returns
// where those begin that count.
func (a *acks) taking(n int) (from int) {
	from = min(a.skip, n)
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

// handle takes the peer's count of stanzas that it has handled, and returns the
// bytes of those that it had not acknowledged before. A count of before is passed
// over.
func (a *acks) handle(h uint32) (freed int, err error) {
	before := uint32(a.acked)
	switch more := uint64(h - before); {
	case more <= a.sent-a.acked:
		freed = a.release(more)
	case uint64(before-h) <= min(a.acked, math.MaxInt32):
	default:
		return 0, tooHigh(h, uint32(a.sent))
	}
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

// disarm stops the timer.
func (a *acks) disarm() {
	if a.armed {
		a.timer.Stop()
		a.armed = false
	}
}

// arm sees to it that late is called after d, or at the time that it will be
// called anyway.
func (a *acks) arm(d time.Duration) {
	switch {
	case a.armed:
		return
	case a.timer == nil:
		a.timer = time.AfterFunc(d, a.late)
	default:
		a.timer.Reset(d)
	}
	a.armed = true
}

// due reports whether the peer is to be asked now. If it is to be asked later and
// idle says that nothing else is going to be written, the timer is set.
func (o *outbox) due(idle bool) bool {
	a := o.acks
	if a == nil || a.off || a.asked || a.waiting() == 0 || o.final || o.err != nil {
		return false
	}
	if !a.stalled && (a.waiting() >= askStanzas || a.bytes >= a.most || o.space != nil || a.urgent && idle) {
		return true
	}
	wait := a.pause - time.Since(a.askedAt)
	if wait > 0 && idle {
		a.arm(wait)
	}
	return wait <= 0
}

// nudge makes the caller the writer if the peer is to be asked and there is no
// writer that would do it.
func (o *outbox) nudge() (writer bool) {
	if o.writing || !o.due(true) {
		return false
	}
	o.writing = true
	return true
}

// keep keeps those of the items that are stanzas, which are about to be written,
// and returns their bytes. ask says that a request is to be written behind them;
// it counts as written then. whole says that the batch ends with them.
func (o *outbox) keep(items []item, whole bool) (kept int, ask bool) {
	o.mu.Lock()
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
	idle := whole && len(o.queue) == 0
	if ask = o.due(idle); ask {
		a.asked, a.askedAt, a.askedFor = true, time.Now(), a.sent
		a.urgent = a.urgent && !idle
		a.disarm()
	}
	return a.bytes - before, ask
}

// answer returns the acknowledgement that stands where one was queued.
func (o *outbox) answer() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.acks == nil || !o.acks.answering {
		return "" // somebody has sent nothing
	}
	o.acks.answering = false
	return string(AppendAck(nil, o.acks.handled))
}

// managed returns the acks of a managed stream, nil if it is none.
func (o *outbox) managed() *acks {
	if o.acks == nil || o.acks.off {
		return nil
	}
	return o.acks
}

// withAcks calls fn with the acks of a managed stream under the lock. If fn makes
// the caller the writer, a goroutine is started that writes.
func (c *Conn) withAcks(fn func(o *outbox, a *acks) (writer bool, err error)) error {
	c.out.mu.Lock()
	a := c.out.managed()
	if a == nil {
		c.out.mu.Unlock()
		return newError(UnsupportedStanzaType, "stream management is not enabled")
	}
	writer, err := fn(&c.out, a)
	c.out.mu.Unlock()
	if writer {
		go c.writer()
	}
	return err
}

// ManageAfter begins stream management (XEP-0198) for what this side sends: it
// queues raw, the <enable/> or <enabled/> that tells the peer, and counts every
// stanza that is queued behind it. "The counter for an entity's own sent stanzas
// is set to zero and started after sending either <enable/> or <enabled/>"
// (section 4). What is sent with [Conn.SendRaw] is no stanza, whatever it holds.
// ManageAfter does not block.
//
// A stanza that counts is kept when it has been written, until the peer
// acknowledges it, see [Conn.Acked]; if it never does, [Conn.Unacked] returns it.
// Until then it takes its place in the outbox, so that MaxOutbox of the [Config]
// bounds what was not acknowledged together with what was not written.
//
// The stream asks the peer by itself: after 64 stanzas or 64 KiB (a quarter of
// MaxOutbox if that is less), when somebody waits for room, and otherwise when the
// last request is 200 ms old and there is something to ask for. It has at most
// one request that is not answered; an idle stream has none. The initiator asks
// for nothing before it knows that the peer agrees: until then <enable/> is the
// request that is not answered.
//
// The error is [ErrClosed], why the stream has failed, or that the stream is
// managed already, or that the peer has refused it.
func (c *Conn) ManageAfter(raw string) error {
	o := &c.out
	o.mu.Lock()
	err := o.err
	switch {
	case err != nil:
	case o.final:
		err = ErrClosed
	case o.acks != nil:
		err = errManaged
	}
	if err != nil {
		o.mu.Unlock()
		return err
	}
	writer := o.add(item{raw: raw}, len(raw))
	o.acks = &acks{skip: len(o.queue), most: askBytes, pause: askPause, late: c.askLate}
	if o.limit >= 0 {
		o.acks.most = min(askBytes, o.limit/4)
	}
	if c.initiator {
		o.acks.asked, o.acks.askedAt = true, time.Now()
	} else {
		o.acks.enabled = true
	}
	o.mu.Unlock()
	if writer {
		go c.writer()
	}
	return nil
}

// Managed reports whether what is sent on the stream is counted: ManageAfter has
// been called and the peer has not refused.
func (c *Conn) Managed() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.managed() != nil
}

// Acked takes the peer's acknowledgement: it has handled h of the stanzas that
// count, modulo 2^32. They are let go, and make room for others. A number that the
// peer has acknowledged before changes nothing. One that is higher than what was
// sent is an [*Error] with handled-count-too-high (XEP-0198, section 6), which is
// for [Conn.Fail]; so is an acknowledgement on a stream that is not managed.
func (c *Conn) Acked(h uint32) error {
	return c.withAcks(func(o *outbox, a *acks) (bool, error) {
		freed, err := a.handle(h)
		if err != nil {
			return false, err
		}
		if freed > 0 {
			o.bytes -= freed
			wake(&o.space)
		}
		return o.nudge(), nil
	})
}

// Ack acknowledges h stanzas of the peer, modulo 2^32, as an answer to its request
// or without one. It never blocks, and what waits to be written does not become
// more by it: until one acknowledgement is written, another one only changes its
// number. Before a stream is closed in order the initiator should acknowledge what
// it has handled (XEP-0198, section 4).
//
// The error is [ErrClosed], why the stream has failed, or an [*Error] if the
// stream is not managed.
func (c *Conn) Ack(h uint32) error {
	return c.withAcks(func(o *outbox, a *acks) (writer bool, err error) {
		switch {
		case o.err != nil:
			return false, o.err
		case o.final:
			return false, ErrClosed
		}
		a.handled = h
		if a.answering {
			return false, nil
		}
		a.answering = true
		return o.add(item{}, 0), nil
	})
}

// RequestAck asks the peer to acknowledge what has been sent so far without the
// pause that the stream makes otherwise, for an owner that waits for it. It does
// not block. The request is written behind what waits to be written; if another
// one is not answered yet, behind its answer.
func (c *Conn) RequestAck() {
	c.withAcks(func(o *outbox, a *acks) (bool, error) {
		if a.unasked() {
			a.urgent = true
		}
		return o.nudge(), nil
	})
}

// askLate asks when the pause is over.
func (c *Conn) askLate() {
	c.withAcks(func(o *outbox, a *acks) (bool, error) {
		a.armed = false
		return o.nudge(), nil
	})
}

// AwaitingAck returns since when the peer owes an answer to a request for
// acknowledgement, or to <enable/>; ok is false if it owes none. It costs no
// timer: an owner that asks now and then finds links that are dead. A peer that
// answers, whatever number, owes nothing.
func (c *Conn) AwaitingAck() (since time.Time, ok bool) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if a := c.out.managed(); a != nil && a.asked && c.out.err == nil {
		return a.askedAt, true
	}
	return time.Time{}, false
}

// Unacked returns the stanzas that count, were written whole, and had not been
// acknowledged when the stream failed or was closed, in order, once; nothing while
// the stream works. Those that [Conn.Unsent] returns come behind them, and none is
// in both: one of which the last byte was not written is unsent, even if the peer
// has acknowledged it. Whether the peer has got what is unacked is not known. What
// was written before the stream was managed is in neither.
//
// Like Unsent it may wait a moment for a write that is being broken off. An
// acknowledgement that is read afterwards comes too late: read the stream to its
// end before, where that is possible.
func (c *Conn) Unacked() []*stanza.Stanza {
	if !c.out.broken() {
		return nil
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	a := c.out.acks
	if a == nil || a.waiting() == 0 {
		return nil
	}
	sts := a.kept[a.head:]
	a.kept, a.head, a.bytes = nil, 0, 0
	return sts
}

// confirm takes note that the peer agrees to stream management.
func (c *Conn) confirm() error {
	return c.withAcks(func(o *outbox, a *acks) (bool, error) {
		if !a.enabled {
			a.enabled, a.asked = true, false
		}
		return o.nudge(), nil
	})
}

// unmanage takes note that the peer refuses it: nothing is kept any more.
func (c *Conn) unmanage() error {
	return c.withAcks(func(o *outbox, a *acks) (bool, error) {
		if a.enabled {
			return false, nil // it is too late to refuse
		}
		a.off = true
		o.bytes -= a.bytes
		a.kept, a.head, a.bytes = nil, 0, 0
		wake(&o.space)
		return false, nil
	})
}

// askAtEnd has the peer asked once more before the closing tag.
func (c *Conn) askAtEnd() {
	c.withAcks(func(_ *outbox, a *acks) (bool, error) {
		a.atEnd = true
		return false, nil
	})
}

// AppendAck appends the <a/> that acknowledges h stanzas.
func AppendAck(dst []byte, h uint32) []byte {
	dst = strconv.AppendUint(append(dst, "<a xmlns='"+NSManagement+"' h='"...), uint64(h), 10)
	return append(dst, "'/>"...)
}

// IsAckRequest reports whether el is the <r/> by which a peer asks for an
// acknowledgement.
func IsAckRequest(el stanza.Element) bool { return el.Is(NSManagement, "r") }

// ParseAck reads an <a/>; ok is false if el is something else. An h that is
// missing, or not a number of 32 bits, is an [*Error].
func ParseAck(el stanza.Element) (h uint32, ok bool, err error) {
	if !el.Is(NSManagement, "a") {
		return 0, false, nil
	}
	text, there := el.LookupAttr("", "h")
	if !there {
		return 0, true, newError(BadFormat, "<a/> without h")
	}
	// White space around a number has no meaning (XML Schema, part 2, section
	// 4.3.6), and a sign is none of its digits (section 3.3.22).
	n, err := strconv.ParseUint(strings.Trim(text, " \t\r\n"), 10, 32)
	if err != nil {
		return 0, true, newError(BadFormat, fmt.Sprintf("h of <a/> is %.20q", text))
	}
	return uint32(n), true, nil
}

// ServeManagement handles an element of stream management that [Conn.Next] has
// returned: a request or an acknowledgement, <enable/> and <resume/> if this is
// the receiving side, <enabled/> and <failed/> if it is the initiator. ok is
// false if el is nothing of that. An error is for [Conn.Fail].
//
// handled is how many of the peer's stanzas the owner has handled, of those that
// count: ServeManagement sets it to 0 where the counting begins, "after receiving
// either <enable/> or <enabled/>" (XEP-0198, section 4), and the owner adds one for
// each stanza that it has taken the responsibility for. It is for the goroutine
// that calls Next, and does not block.
func (c *Conn) ServeManagement(el stanza.Element, handled *uint32) (ok bool, err error) {
	name := el.Name()
	if name.Space != NSManagement {
		return false, nil
	}
	switch {
	case name.Local == "r":
		err = c.Ack(*handled)
	case name.Local == "a":
		var h uint32
		if h, _, err = ParseAck(el); err == nil {
			err = c.Acked(h)
		}
	case name.Local == "enable" && !c.initiator:
		if err = c.ServeEnable(el); err == nil && c.Managed() {
			*handled = 0
		}
	case name.Local == "resume" && !c.initiator:
		err = c.refuse(stanza.FeatureNotImplemented)
	case name.Local == "enabled" && c.initiator:
		*handled = 0
		err = c.confirm()
	case name.Local == "failed" && c.initiator:
		err = c.unmanage()
	default:
		return false, nil
	}
	if errors.Is(err, ErrClosed) {
		err = nil // the closing tag is on its way, nothing can be answered
	}
	return true, err
}

// ServeEnable answers <enable/>, for the receiving side: with <enabled/>, behind
// which what is sent counts, see [Conn.ManageAfter]. The attributes of el are
// passed over: the stream cannot be resumed, and the answer does not say so
// (XEP-0198, section 8.1). Before the stream is Ready the answer is <failed/>; a
// second <enable/> gets that too, and an [*Error] for [Conn.Fail] (section 3).
//
// The owner begins to count what it receives at 0 with the next stanza.
// ServeEnable does not block.
func (c *Conn) ServeEnable(el stanza.Element) error {
	if !el.Is(NSManagement, "enable") {
		return c.unexpected(Incoming{Element: el})
	}
	if c.State()&Ready == 0 {
		return c.refuse(stanza.UnexpectedRequest)
	}
	err := c.ManageAfter(enabledXML)
	if err != errManaged {
		return err
	}
	if err := c.refuse(stanza.UnexpectedRequest); err != nil {
		return err
	}
	return newError(PolicyViolation, "stream management is enabled already")
}

// refuse answers a request of stream management with <failed/>.
func (c *Conn) refuse(cond stanza.Condition) error {
	failed := "<failed xmlns='" + NSManagement + "'><" + string(cond) + " xmlns='" + stanza.NSStanzas + "'/></failed>"
	_, err := c.tryPut(item{raw: failed}, forced)
	return err
}

// OfferAcks is the receiver's side of stream management (XEP-0198): it is offered
// to a peer that is authenticated. Once the stream is [Ready], the <enable/> that
// follows is for [Conn.ServeManagement]. One that comes before is accepted from a
// server, whose stream is ready by it; a client has to bind a resource first.
func OfferAcks() Feature {
	enable := xml.Name{Space: NSManagement, Local: "enable"}
	resume := xml.Name{Space: NSManagement, Local: "resume"}
	return Feature{Name: managementName, Needs: Authenticated, Requests: []xml.Name{enable, resume},
		Offer: func(_ *Conn, dst []byte) []byte { return append(dst, "<sm xmlns='"+NSManagement+"'/>"...) },
		Serve: func(_ context.Context, c *Conn, in Incoming) (Outcome, error) {
			switch {
			case in.Stanza != nil:
				return Outcome{}, c.unexpected(in)
			case in.Name() == resume:
				return Outcome{}, c.refuse(stanza.FeatureNotImplemented)
			case c.in.Content != stanza.NSServer:
				return Outcome{}, c.refuse(stanza.UnexpectedRequest)
			}
			return Outcome{State: Ready}, c.ManageAfter(enabledXML)
		}}
}

// EnableAcks is the initiator's side of stream management without resumption
// (XEP-0198): it sends <enable/>, see [Conn.ManageAfter], and waits for the
// answer. A peer that refuses is no error, the stream is not managed then. For a
// client it stands behind [Bind] in the list of features; before that it is not
// used.
//
// [Conn.Next] returns the <enabled/> at its place among what came during the
// negotiation, for [Conn.ServeManagement]: only the stanzas behind it count.
func EnableAcks() Feature {
	return Feature{Name: managementName, Needs: Authenticated,
		Negotiate: func(_ context.Context, c *Conn, _ stanza.Element) (Outcome, error) {
			if c.sent.Content == stanza.NSClient && c.State()&Ready == 0 {
				return Outcome{}, fmt.Errorf("%w before a resource is bound", ErrSkip)
			}
			if err := c.ManageAfter(enableXML); err != nil {
				return Outcome{}, err
			}
			return Outcome{}, c.awaitEnabled()
		}}
}

// awaitEnabled waits for the answer to <enable/>. What else comes before is kept
// for Next.
func (c *Conn) awaitEnabled() error {
	<-c.out.drained()
	if _, err := c.out.status(); err != nil {
		return err
	}
	for {
		in, err := c.receive()
		switch {
		case err != nil:
			return err
		case in.Element.Is(NSManagement, "failed"):
			c.unmanage()
			return fmt.Errorf("%w: %w", ErrSkip, failure(in.Element))
		}
		size := len(in.Element.Raw())
		if in.Stanza != nil {
			size = in.Stanza.Size()
		}
		if c.earlySize += size; c.earlySize > maxEarly {
			return newError(PolicyViolation, "too much before the answer to <enable/>")
		}
		c.early = append(c.early, in)
		if in.Element.Is(NSManagement, "enabled") {
			return c.confirm()
		}
	}
}

// failure returns why the peer refuses.
func failure(failed stanza.Element) *stanza.Error {
	e := &stanza.Error{Condition: stanza.UndefinedCondition, Text: failed.ChildText(stanza.NSStanzas, "text")}
	for ch := range failed.Children() {
		if n := ch.Name(); n.Space == stanza.NSStanzas && n.Local != "text" {
			e.Condition = stanza.Condition(n.Local)
			break
		}
	}
	return e
}
