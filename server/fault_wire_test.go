package server_test

import (
	"io"
	"net"
	"os"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/dialback"
)

// cable is a connection that can break in the ways of a network. It keeps what is
// on its way in a buffer for each direction, so that a write does not wait for
// the reader, or, if it is taut, has no room at all: a write returns when all of
// it has been read, and nothing is ever on its way.
type cable struct {
	taut bool
	fuse *fuse // nil: none

	mu     sync.Mutex
	change *sync.Cond
	flows  [2]flow // what the caller writes, and what the called writes
	dying  bool    // nothing goes through any more, but nobody knows yet
	broken bool
}

// flow is one direction of a cable.
type flow struct {
	buf     []byte // written, and not read
	room    int    // that the writer has; 0: no bound
	written int
	read    int
	log     []byte // all that was ever written, if keep is set
	keep    bool
	swallow bool // what is written is lost, and nobody is told
	frozen  bool // nobody reads
	ended   bool // the writer has closed
	deaf    bool // the reader has closed
}

// cableEnd is one of the two ends: a net.Conn.
type cableEnd struct {
	c       *cable
	in, out *flow
	closed  bool
	limits  [2]limit // for reading, for writing
}

// limit is a deadline.
type limit struct {
	at    time.Time
	timer *time.Timer
}

func (l *limit) over() bool { return !l.at.IsZero() && !time.Now().Before(l.at) }

// fuse blows when a number of bytes have gone over the cables that have it: the one
// that carried the last of them is cut.
type fuse struct {
	mu    sync.Mutex
	left  int   // negative: it never blows
	marks []int // how many had gone after each write
	used  int
	blown bool
	hangs bool   // in place of breaking, the connection carries nothing more, for ever
	known func() // is called when the ends are about to know
}

// take returns how many of n bytes may still pass, and whether that was all.
func (f *fuse) take(n int) (passed int, blows bool) {
	if f == nil {
		return n, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left >= 0 && !f.blown {
		n = min(n, f.left)
		f.left -= n
	}
	f.used += n
	f.marks = append(f.marks, f.used)
	if f.left != 0 || f.blown {
		return n, false
	}
	f.blown = true
	return n, true
}

func newCable() *cable {
	c := new(cable)
	c.change = sync.NewCond(&c.mu)
	return c
}

// ends returns the ends of who calls and of who is called.
func (c *cable) ends() (caller, called net.Conn) {
	return &cableEnd{c: c, out: &c.flows[0], in: &c.flows[1]}, &cableEnd{c: c, out: &c.flows[1], in: &c.flows[0]}
}

// set changes something about a cable.
func (c *cable) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	c.change.Broadcast()
}

// cut breaks the cable: what is on its way is lost, and both ends get an error.
func (c *cable) cut() { c.set(c.cutLocked) }

func (c *cable) cutLocked() {
	c.dying, c.broken = true, true
	c.flows[0].buf, c.flows[1].buf = nil, nil
	c.change.Broadcast()
}

// die cuts the cable as a network does: it takes a moment until the ends know. What
// they have read until then is handled. Who calls it holds c.mu.
func (c *cable) die() {
	if c.fuse.hangs {
		c.flows[0].frozen, c.flows[1].frozen = true, true
		go c.fuse.known()
		return
	}
	c.dying = true
	if !c.taut {
		c.flows[0].buf, c.flows[1].buf = nil, nil
	}
	time.AfterFunc(time.Millisecond, func() {
		if c.fuse.known != nil {
			c.fuse.known()
		}
		c.cut()
	})
}

// swallow has everything that is written from now on disappear, in one direction
// or in both.
func (c *cable) swallow(fromCaller, fromCalled bool) {
	c.set(func() { c.flows[0].swallow, c.flows[1].swallow = fromCaller, fromCalled })
}

func errReset(op string) error { return &net.OpError{Op: op, Net: "cable", Err: syscall.ECONNRESET} }

func (e *cableEnd) Read(p []byte) (int, error) {
	e.c.mu.Lock()
	defer e.c.mu.Unlock()
	for {
		switch f := e.in; {
		case e.closed:
			return 0, net.ErrClosed
		case e.limits[0].over():
			return 0, os.ErrDeadlineExceeded
		case len(f.buf) > 0 && !f.frozen:
			n := copy(p, f.buf)
			f.buf = f.buf[n:]
			f.read += n
			e.c.change.Broadcast()
			return n, nil
		case e.c.broken:
			return 0, errReset("read")
		case f.ended && !f.frozen:
			return 0, io.EOF
		}
		e.c.change.Wait()
	}
}

func (e *cableEnd) Write(p []byte) (n int, err error) {
	e.c.mu.Lock()
	defer e.c.mu.Unlock()
	for n < len(p) {
		f := e.out
		if err := e.mayWrite(); err != nil {
			return n, err
		}
		if f.swallow || e.c.dying && !e.c.taut {
			e.keep(p[n:])
			return len(p), nil
		}
		if e.c.dying {
			e.c.change.Wait()
			continue
		}
		k := len(p) - n
		if f.room > 0 {
			k = min(k, f.room-len(f.buf))
		}
		if k <= 0 {
			e.c.change.Wait()
			continue
		}
		k, blows := e.c.fuse.take(k)
		e.put(p[n : n+k])
		switch {
		case e.c.taut:
			k, err = e.awaitRead(k)
			if blows {
				e.c.die()
			}
			if err != nil {
				return n + k, err
			}
		case blows: // the worst case: this write seems to succeed
			e.keep(p[n+k:])
			e.c.die()
			return len(p), nil
		}
		n += k
	}
	return n, nil
}

// put lets bytes go on their way.
func (e *cableEnd) put(p []byte) {
	e.keep(p)
	e.out.buf = append(e.out.buf, p...)
	e.out.written += len(p)
	e.c.change.Broadcast()
}

func (e *cableEnd) keep(p []byte) {
	if e.out.keep {
		e.out.log = append(e.out.log, p...)
	}
}

// mayWrite says why nothing can be written.
func (e *cableEnd) mayWrite() error {
	switch {
	case e.closed:
		return net.ErrClosed
	case e.limits[1].over():
		return os.ErrDeadlineExceeded
	case e.c.broken:
		return errReset("write")
	case e.out.deaf:
		return &net.OpError{Op: "write", Net: "cable", Err: syscall.EPIPE}
	}
	return nil
}

// awaitRead waits until the last n bytes that were put have been read. What has not
// been when it fails is taken back.
func (e *cableEnd) awaitRead(n int) (int, error) {
	f := e.out
	for f.read < f.written {
		if err := e.mayWrite(); err != nil {
			back := f.written - f.read
			f.written, f.buf = f.read, nil
			return n - back, err
		}
		e.c.change.Wait()
	}
	return n, nil
}

func (e *cableEnd) Close() error {
	e.c.mu.Lock()
	defer e.c.mu.Unlock()
	e.closed, e.out.ended, e.in.deaf = true, true, true
	for i := range e.limits {
		if t := e.limits[i].timer; t != nil {
			t.Stop()
		}
	}
	e.c.change.Broadcast()
	return nil
}

func (e *cableEnd) setLimit(i int, at time.Time) {
	l := &e.limits[i]
	if l.timer != nil {
		l.timer.Stop()
	}
	*l = limit{at: at}
	if !at.IsZero() && !e.closed {
		l.timer = time.AfterFunc(time.Until(at), func() { e.c.set(func() {}) })
	}
}

func (e *cableEnd) SetDeadline(at time.Time) error {
	e.c.set(func() { e.setLimit(0, at); e.setLimit(1, at) })
	return nil
}

func (e *cableEnd) SetReadDeadline(at time.Time) error {
	e.c.set(func() { e.setLimit(0, at) })
	return nil
}

func (e *cableEnd) SetWriteDeadline(at time.Time) error {
	e.c.set(func() { e.setLimit(1, at) })
	return nil
}

type cableAddr struct{}

func (cableAddr) Network() string { return "cable" }
func (cableAddr) String() string  { return "cable" }

func (e *cableEnd) LocalAddr() net.Addr  { return cableAddr{} }
func (e *cableEnd) RemoteAddr() net.Addr { return cableAddr{} }

// plant has all further connections of the network be cables, prepared by prepare,
// which may be nil, and keeps them in the order in which they were made.
func (n *network) plant(prepare func(i int, pair dialback.Pair, c *cable)) *cables {
	cs := new(cables)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wire = func(pair dialback.Pair, _, _ net.Conn) (net.Conn, net.Conn) {
		c := newCable()
		cs.mu.Lock()
		i := len(cs.all)
		cs.all = append(cs.all, c)
		cs.pairs = append(cs.pairs, pair)
		cs.mu.Unlock()
		if prepare != nil {
			prepare(i, pair, c)
		}
		return c.ends()
	}
	return cs
}

// cables are all that were made.
type cables struct {
	mu    sync.Mutex
	all   []*cable
	pairs []dialback.Pair
}

// pair returns who has called whom on one of them.
func (cs *cables) pair(i int) dialback.Pair {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.pairs[i]
}

func (cs *cables) list() []*cable {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return append([]*cable(nil), cs.all...)
}

var messageSeen = regexp.MustCompile(`<message [^>]*id=['"]([a-z]+-\d+)['"].*?</message>`)

// lost returns the ids of messages that were written whole and not read whole, for
// flows that are kept.
func (cs *cables) lost() map[string]bool {
	lost := make(map[string]bool)
	for _, c := range cs.list() {
		c.mu.Lock()
		for i := range c.flows {
			f := &c.flows[i]
			for _, m := range messageSeen.FindAllSubmatchIndex(f.log, -1) {
				if m[1] > f.read {
					lost[string(f.log[m[2]:m[3]])] = true
				}
			}
		}
		c.mu.Unlock()
	}
	return lost
}

// TestCable: the cable of these tests behaves as a connection.
func TestCable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCable()
		c.flows[0].room = 4
		a, b := c.ends()
		go func() {
			io.WriteString(a, "half a dozen")
			a.Close()
		}()
		if got, err := io.ReadAll(b); string(got) != "half a dozen" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := b.Write([]byte("x")); err == nil {
			t.Error("a write to who has closed")
		}

		c = newCable()
		a, b = c.ends()
		b.SetReadDeadline(time.Now().Add(time.Minute))
		start := time.Now()
		if _, err := b.Read(make([]byte, 1)); err != os.ErrDeadlineExceeded || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		c.fuse = &fuse{left: 3}
		if n, err := a.Write([]byte("abcd")); n != 4 || err != nil {
			t.Errorf("a write that seems to succeed: %d, %v", n, err)
		}
		b.SetReadDeadline(time.Time{})
		if n, err := b.Read(make([]byte, 4)); n != 0 || err == nil || !c.broken {
			t.Errorf("read %d, %v from a cable that was cut", n, err)
		}

		c = newCable()
		c.taut, c.fuse = true, &fuse{left: 3}
		a, b = c.ends()
		got := make(chan string)
		go func() {
			all, _ := io.ReadAll(b)
			got <- string(all)
		}()
		if n, err := a.Write([]byte("abcd")); n != 3 || err == nil {
			t.Errorf("a taut cable: %d, %v", n, err)
		}
		if s := <-got; s != "abc" {
			t.Errorf("got %q", s)
		}
	})
}
