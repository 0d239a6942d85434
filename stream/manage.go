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
	offerXML   = "<sm xmlns='" + NSManagement + "'/>"
)

var (
	managementName = xml.Name{Space: NSManagement, Local: "sm"}
	enableName     = xml.Name{Space: NSManagement, Local: "enable"}
	resumeName     = xml.Name{Space: NSManagement, Local: "resume"}
)

var errManaged = errors.New("stream: stanzas are counted already")

// manage begins stream management (XEP-0198) for what this side sends: it queues
// raw, the <enable/> or <enabled/> that tells the peer, and counts every stanza that
// is queued behind it. "The counter for an entity's own sent stanzas is set to zero
// and started after sending either <enable/> or <enabled/>" (section 4). What is
// sent with [Conn.SendRaw] is no stanza, whatever it holds. If raw is empty the peer
// knows already. A Grant with an id says that the stream can be resumed.
//
// A stanza that counts is kept when it has been written, until the peer
// acknowledges it; if it never does, [Conn.Unacked] returns it. Until then it takes
// its place in the outbox, so that MaxOutbox of the [Config] bounds what was not
// acknowledged together with what was not written.
//
// The stream asks the peer by itself: after 64 stanzas or 64 KiB (a quarter of
// MaxOutbox if that is less), when somebody waits for room, and otherwise when the
// last request is 200 ms old and there is something to ask for. It has at most
// one request that is not answered; an idle stream has none. The initiator asks
// for nothing before it knows that the peer agrees: until then <enable/> is the
// request that is not answered.
//
// The caller starts the writer. The error is [ErrClosed], why the stream has failed,
// or that the stream is managed already, or that the peer has refused it.
func (c *Conn) manage(raw string, g Grant) (writer *Conn, err error) {
	o := c.out.lock()
	defer o.mu.Unlock()
	switch {
	case o.err != nil:
		return nil, o.err
	case o.final:
		return nil, ErrClosed
	case o.acks != nil:
		return nil, errManaged
	}
	a := &acks{pause: askPause, grant: g, resumable: g.ID != ""}
	if raw != "" {
		writer = o.add(item{raw: raw}, len(raw))
		a.skip = len(o.queue)
	}
	if a.begun = raw == ""; c.initiator && !a.begun {
		a.asked, a.askedAt = true, time.Now()
	} else {
		a.enabled = true
	}
	o.acks = a
	return writer, nil
}

// withAcks calls fn with the acks of a managed stream under the lock, and starts the
// writer that fn returns.
func (c *Conn) withAcks(fn func(o *outbox, a *acks) (writer *Conn, err error)) error {
	o := c.out.lock()
	a := o.managed()
	if a == nil {
		o.mu.Unlock()
		return newError(UnsupportedStanzaType, "stream management is not enabled")
	}
	writer, err := fn(o, a)
	o.mu.Unlock()
	writer.start()
	return err
}

// Managed reports whether what is sent on the stream is counted (XEP-0198): stream
// management was begun, and the peer has not refused it.
func (c *Conn) Managed() bool {
	o := c.out.lock()
	defer o.mu.Unlock()
	return o.managed() != nil
}

// acked takes the peer's acknowledgement: it has handled h of the stanzas that
// count, modulo 2^32. They are let go, and make room for others. A number that the
// peer has acknowledged before changes nothing. One that is higher than what was
// sent is an [*Error] with handled-count-too-high (XEP-0198, section 6), which is
// for [Conn.Fail]; so is an acknowledgement on a stream that is not managed. What
// comes late on a connection that another one has taken the place of is passed over.
func (c *Conn) acked(h uint32) error {
	return c.withAcks(func(o *outbox, a *acks) (*Conn, error) {
		if o.conn != c {
			return nil, nil
		}
		if err := o.acknowledge(h); err != nil {
			return nil, err
		}
		return o.nudge(), nil
	})
}

// Ack acknowledges that this side has handled so many stanzas of the peer, as an
// answer to its request or without one. What is written is the number modulo 2^32. It
// never blocks, and what waits to be written does not become more by it: until one
// acknowledgement is written, another one only changes its number. A number lower than
// one before it, also in the request to resume the session, is passed over, as the
// goroutines that count may overtake each other, and the peer would end the stream.
// Before a stream is closed in order the initiator should acknowledge what it has
// handled (XEP-0198, section 4). On a connection that is lost it does nothing.
//
// The error is [ErrClosed], why the stream has failed, or an [*Error] if the
// stream is not managed.
func (c *Conn) Ack(handled uint64) error {
	return c.withAcks(func(o *outbox, a *acks) (writer *Conn, err error) {
		switch {
		case o.err != nil:
			return nil, o.err
		case o.conn != c || o.detached:
			return nil, nil
		case o.final:
			return nil, ErrClosed
		}
		if handled < a.handled {
			return nil, nil
		}
		a.handled = handled
		if a.answering {
			return nil, nil
		}
		a.answering = true
		return o.add(item{}, 0), nil
	})
}

// told notes that the peer is told by other means how many of its stanzas were handled:
// Ack must not say less after that.
func (c *Conn) told(handled uint64) {
	c.withAcks(func(_ *outbox, a *acks) (*Conn, error) {
		a.handled = max(a.handled, handled)
		return nil, nil
	})
}

// RequestAck asks the peer to acknowledge what has been sent so far without the
// pause that the stream makes otherwise, for an owner that waits for it. It does
// not block. The request is written behind what waits to be written; if another
// one is not answered yet, behind its answer. If the connection is lost it is written
// on the next one.
func (c *Conn) RequestAck() {
	c.withAcks(func(o *outbox, a *acks) (*Conn, error) {
		if a.unasked() {
			a.urgent = true
		}
		return o.nudge(), nil
	})
}

// askLate asks when the pause is over.
func (c *Conn) askLate() {
	c.withAcks(func(o *outbox, a *acks) (*Conn, error) {
		a.armed = false
		return o.nudge(), nil
	})
}

// AwaitingAck returns since when the peer owes an answer to a request for
// acknowledgement, or to <enable/>; ok is false if it owes none, or the connection is
// lost. It costs no timer: an owner that asks now and then finds links that are dead.
// A peer that answers, whatever number, owes nothing.
func (c *Conn) AwaitingAck() (since time.Time, ok bool) {
	o := c.out.lock()
	defer o.mu.Unlock()
	if a := o.managed(); a != nil && a.asked && o.err == nil && !o.detached {
		return a.askedAt, true
	}
	return time.Time{}, false
}

// Unacked returns the stanzas that count, were written whole, and had not been
// acknowledged when the session ended, in order, once; nothing before. Those that
// [Conn.Unsent] returns come behind them, and none is in both: one of which the last
// byte was never written is unsent, even if the peer has acknowledged it. Whether the
// peer has got what is unacked is not known. What was written before the stream was
// managed is in neither.
//
// Like Unsent it may wait a moment for a write that is being broken off. An
// acknowledgement that is read afterwards comes too late: read the stream to its
// end before, where that is possible.
func (c *Conn) Unacked() []*stanza.Stanza {
	if !c.out.broken() {
		return nil
	}
	o := c.out.lock()
	defer o.mu.Unlock()
	o.settle()
	a := o.acks
	if a == nil || a.waiting() == 0 {
		return nil
	}
	sts := a.kept[a.head:]
	a.kept, a.head, a.bytes = nil, 0, 0
	return sts
}

// confirmed takes note that the peer agrees to stream management; enabled is the
// element that says so.
func (c *Conn) confirmed(enabled stanza.Element) error {
	return c.withAcks(func(o *outbox, a *acks) (*Conn, error) {
		if !a.enabled {
			a.enabled, a.asked = true, false
		}
		if g, ok := parseEnabled(enabled); ok && a.wanted && !a.resumable {
			a.grant, a.resumable = g, true
		}
		return o.nudge(), nil
	})
}

// unmanage takes note that the peer refuses it: nothing is kept any more.
func (c *Conn) unmanage() error {
	return c.withAcks(func(o *outbox, a *acks) (*Conn, error) {
		if a.enabled {
			return nil, nil // it is too late to refuse
		}
		a.off = true
		o.bytes -= a.bytes
		a.kept, a.head, a.bytes = nil, 0, 0
		a.giveUp(ErrNotManaged)
		wake(&o.space)
		return nil, nil
	})
}

// askAtEnd has the peer asked once more before the closing tag.
func (c *Conn) askAtEnd() {
	c.withAcks(func(_ *outbox, a *acks) (*Conn, error) {
		a.atEnd = true
		return nil, nil
	})
}

// appendCount appends the attribute h.
func appendCount(dst []byte, handled uint64) []byte {
	dst = strconv.AppendUint(append(dst, " h='"...), uint64(uint32(handled)), 10)
	return append(dst, '\'')
}

// appendAck appends the <a/> that acknowledges so many stanzas.
func appendAck(dst []byte, handled uint64) []byte {
	return append(appendCount(append(dst, "<a xmlns='"+NSManagement+"'"...), handled), "/>"...)
}

// parseCount reads the attribute h; there is false if there is none.
func parseCount(el stanza.Element) (h uint32, there bool, err error) {
	text, there := el.LookupAttr("", "h")
	if !there {
		return 0, false, nil
	}
	// White space around a number has no meaning (XML Schema, part 2, section
	// 4.3.6), and a sign is none of its digits (section 3.3.22).
	n, err := strconv.ParseUint(strings.Trim(text, " \t\r\n"), 10, 32)
	if err != nil {
		return 0, true, newError(BadFormat, fmt.Sprintf("h of <%s/> is %.20q", el.Name().Local, text))
	}
	return uint32(n), true, nil
}

// requireCount reads the attribute h where there must be one. The error is an
// [*Error].
func requireCount(el stanza.Element) (h uint32, err error) {
	h, there, err := parseCount(el)
	if err == nil && !there {
		err = newError(BadFormat, "<"+el.Name().Local+"/> without h")
	}
	return h, err
}

// appendMax appends the attribute max, in whole seconds, if d is positive.
func appendMax(dst []byte, d time.Duration) []byte {
	if d <= 0 {
		return dst
	}
	seconds := d / time.Second
	if d%time.Second > 0 {
		seconds++
	}
	return stanza.AppendAttr(dst, "max", strconv.FormatInt(int64(seconds), 10))
}

// parseMax reads the attribute max, 0 if there is none.
func parseMax(el stanza.Element) (time.Duration, bool) {
	text, there := el.LookupAttr("", "max")
	if !there {
		return 0, true
	}
	n, err := strconv.ParseUint(strings.Trim(text, " \t\r\n"), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || n == 0 {
		return 0, false
	}
	return time.Duration(min(n, math.MaxInt64/uint64(time.Second))) * time.Second, true
}

// parseResume reads the attribute resume, whose two ways to say a thing both count
// (XEP-0198, section 3).
func parseResume(el stanza.Element) (resume, ok bool) {
	text, there := el.LookupAttr("", "resume")
	switch strings.Trim(text, " \t\r\n") {
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	return false, !there
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

// ServeManagement handles an element of stream management that [Conn.Next] has
// returned: a request or an acknowledgement, <enabled/> and <failed/> if this is the
// initiator. To the receiving side it is Serve of a [ManagementServer] without
// resumption. ok is false if el is nothing of that. An error is for [Conn.Fail].
//
// handled is how many of the peer's stanzas the owner has handled, of those that
// count: ServeManagement sets it to 0 where the counting begins, "after receiving
// either <enable/> or <enabled/>" (XEP-0198, section 4), and the owner adds one for
// each stanza that it has taken the responsibility for. It is for the goroutine
// that calls Next, and does not block.
func (c *Conn) ServeManagement(el stanza.Element, handled *uint64) (ok bool, err error) {
	return (&ManagementServer{}).Serve(context.Background(), c, el, handled)
}
