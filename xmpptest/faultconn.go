package xmpptest

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// ErrCut is the error of a [FaultConn] that was cut.
var ErrCut = errors.New("xmpptest: connection cut")

// Fault is an option of [NewFaultConn]. Faults may be combined. Sizes and
// positions are in bytes, as the owner of the FaultConn sees them: what it reads
// and what it writes. A position counts from the beginning of the connection.
type Fault func(*FaultConn)

// CutReadAfter cuts the connection when n bytes have been read; with 0, at the
// first read.
func CutReadAfter(n int64) Fault { return func(c *FaultConn) { c.in.cut = n } }

// CutWriteAfter cuts the connection when n bytes have been written; with 0, at
// the first write. The write that contains the position returns how many of its
// bytes were written and [ErrCut]. A write that ends right there succeeds, and
// the next one fails: so it is when a peer dies just after it was sent
// something.
func CutWriteAfter(n int64) Fault { return func(c *FaultConn) { c.out.cut = n } }

// StallReadAfter lets no read return more when n bytes have been read, until
// [FaultConn.Resume], a deadline or Close. The other side of the connection
// finds that nobody reads.
func StallReadAfter(n int64) Fault { return func(c *FaultConn) { c.in.stall = n } }

// StallWriteAfter lets writes wait when n bytes have been written, until
// [FaultConn.Resume], a deadline or Close.
func StallWriteAfter(n int64) Fault { return func(c *FaultConn) { c.out.stall = n } }

// DelayReads waits for d before each read.
func DelayReads(d time.Duration) Fault { return func(c *FaultConn) { c.in.delay = d } }

// DelayWrites waits for d before each piece that is written; see [SplitWrites].
func DelayWrites(d time.Duration) Fault { return func(c *FaultConn) { c.out.delay = d } }

// SplitReads lets reads return at most sizes[0], sizes[1] and so on bytes, and
// then from the beginning again. SplitReads(1) is one byte at a time. Sizes
// below 1 count as 1.
func SplitReads(sizes ...int) Fault { return func(c *FaultConn) { c.in.size = inTurn(sizes) } }

// SplitWrites passes what is written on in pieces, as [SplitReads] does. Write
// still returns when all is written.
func SplitWrites(sizes ...int) Fault { return func(c *FaultConn) { c.out.size = inTurn(sizes) } }

// SplitRandomly splits both reads and writes into pieces of 1 to max bytes. The
// sizes depend on seed only.
func SplitRandomly(seed uint64, max int) Fault {
	return func(c *FaultConn) {
		c.in.size, c.out.size = atRandom(seed, 0, max), atRandom(seed, 1, max)
	}
}

func inTurn(sizes []int) func() int {
	if len(sizes) == 0 {
		return nil
	}
	i := -1
	return func() int {
		i = (i + 1) % len(sizes)
		return max(sizes[i], 1)
	}
}

func atRandom(seed, direction uint64, limit int) func() int {
	r := rand.New(rand.NewPCG(seed, direction))
	return func() int { return 1 + r.IntN(max(limit, 1)) }
}

// FaultConn is a connection with faults. It is safe for concurrent use, as
// every net.Conn is.
//
// To cut a connection is to close it: the other side reads what was written
// before, and then the end. From then on the owner gets [ErrCut].
type FaultConn struct {
	net.Conn
	in, out direction

	mu      sync.Mutex
	err     error         // ErrCut or net.ErrClosed
	closed  chan struct{} // closed when err is set
	resumed chan struct{} // closed by Resume
}

// direction is the state of reading or of writing.
type direction struct {
	cut, stall int64 // positions, -1 is never
	delay      time.Duration
	size       func() int // of the next piece, nil is any

	op       sync.Mutex // held during a Read or Write
	deadline deadline

	mu   sync.Mutex
	done int64
}

// NewFaultConn returns conn with faults; without any, it only counts.
func NewFaultConn(conn net.Conn, faults ...Fault) *FaultConn {
	c := &FaultConn{Conn: conn, closed: make(chan struct{}), resumed: make(chan struct{})}
	for _, d := range []*direction{&c.in, &c.out} {
		d.cut, d.stall = -1, -1
		d.deadline.changed = make(chan struct{})
	}
	for _, f := range faults {
		f(c)
	}
	return c
}

// Read reads from the connection, with its faults.
func (c *FaultConn) Read(p []byte) (int, error) {
	c.in.op.Lock()
	defer c.in.op.Unlock()
	n, err := c.next(&c.in, len(p))
	if err != nil {
		return 0, err
	}
	n, err = c.Conn.Read(p[:n])
	return n, c.after(&c.in, n, err)
}

// Write writes to the connection, with its faults.
func (c *FaultConn) Write(p []byte) (written int, err error) {
	c.out.op.Lock()
	defer c.out.op.Unlock()
	for {
		n, err := c.next(&c.out, len(p)-written)
		if err != nil {
			return written, err
		}
		n, err = c.Conn.Write(p[written : written+n])
		written += n
		if err = c.after(&c.out, n, err); err != nil || written == len(p) {
			return written, err
		}
	}
}

// next waits for as long as the faults want it and returns the size of the next
// piece, at most n.
func (c *FaultConn) next(d *direction, n int) (int, error) {
	if d.delay > 0 {
		timer := time.NewTimer(d.delay)
		defer timer.Stop()
		if err := c.wait(d, timer.C, nil); err != nil {
			return 0, err
		}
	}
	done := d.count()
	if d.stall >= 0 && n > 0 && !c.isResumed() {
		if done >= d.stall {
			if err := c.wait(d, nil, c.resumed); err != nil {
				return 0, err
			}
		} else {
			n = int(min(int64(n), d.stall-done))
		}
	}
	if d.cut >= 0 {
		if done >= d.cut {
			c.Cut()
		}
		n = int(min(int64(n), max(d.cut-done, 0)))
	}
	if err := c.ended(); err != nil {
		return 0, err
	}
	if d.size != nil && n > 0 {
		n = min(n, d.size())
	}
	return n, nil
}

// after counts n bytes, cuts if it is time, and returns the error to return.
func (c *FaultConn) after(d *direction, n int, err error) error {
	d.mu.Lock()
	d.done += int64(n)
	cut := d.cut >= 0 && d.done >= d.cut
	d.mu.Unlock()
	if ended := c.ended(); ended != nil && err != nil {
		return ended // rather than what the closed connection says
	}
	if cut {
		c.Cut()
	}
	return err
}

// wait waits for one of the channels; the deadline of d and the end of the
// connection interrupt it.
func (c *FaultConn) wait(d *direction, timer <-chan time.Time, event <-chan struct{}) error {
	for {
		expired, stop, changed := d.deadline.channels()
		select {
		case <-timer:
		case <-event:
		case <-c.closed:
			stop()
			return c.ended()
		case <-expired:
			stop()
			return os.ErrDeadlineExceeded
		case <-changed:
			stop()
			continue
		}
		stop()
		return nil
	}
}

// BytesRead returns how many bytes have been read.
func (c *FaultConn) BytesRead() int64 { return c.in.count() }

// BytesWritten returns how many bytes have been written. Run once without
// faults, it says how many positions there are to cut at.
func (c *FaultConn) BytesWritten() int64 { return c.out.count() }

func (d *direction) count() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

// Cut cuts the connection now.
func (c *FaultConn) Cut() { c.end(ErrCut) }

// Resume ends the stalls of [StallReadAfter] and [StallWriteAfter], for good.
func (c *FaultConn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isResumed() {
		close(c.resumed)
	}
}

func (c *FaultConn) isResumed() bool {
	select {
	case <-c.resumed:
		return true
	default:
		return false
	}
}

// Close closes the connection.
func (c *FaultConn) Close() error { return c.end(net.ErrClosed) }

// end closes the connection, once.
func (c *FaultConn) end(err error) error {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
		close(c.closed)
	}
	c.mu.Unlock()
	if !first {
		return nil
	}
	return c.Conn.Close()
}

func (c *FaultConn) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// SetDeadline sets both deadlines. They interrupt delays and stalls too.
func (c *FaultConn) SetDeadline(t time.Time) error {
	c.in.deadline.set(t)
	c.out.deadline.set(t)
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline sets the deadline of reads.
func (c *FaultConn) SetReadDeadline(t time.Time) error {
	c.in.deadline.set(t)
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline sets the deadline of writes.
func (c *FaultConn) SetWriteDeadline(t time.Time) error {
	c.out.deadline.set(t)
	return c.Conn.SetWriteDeadline(t)
}

// deadline is a deadline that may change while somebody waits for it.
type deadline struct {
	mu      sync.Mutex
	at      time.Time
	changed chan struct{} // closed and replaced when at changes
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = t
	close(d.changed)
	d.changed = make(chan struct{})
}

// channels returns what to wait for; stop frees the timer behind expired.
func (d *deadline) channels() (expired <-chan time.Time, stop func(), changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at.IsZero() {
		return nil, func() {}, d.changed
	}
	timer := time.NewTimer(time.Until(d.at))
	return timer.C, func() { timer.Stop() }, d.changed
}
