// Package simnet is a network in memory on which things go wrong, by a seed: bytes
// take their time, connections break in the middle of anything, or die without a word.
// It is for tests inside testing/synctest, where no real time passes.
//
// A connection is like one of TCP: what is written waits in a buffer of bounded size,
// arrives in order, and is lost, from some byte on, when the connection breaks. There
// is no order between connections.
package simnet

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"
)

// Window is how many bytes can be under way in one direction before a write waits.
const Window = 64 << 10

// Plan is what goes wrong with a connection. The zero Plan is a perfect one.
type Plan struct {
	// Delay is what a write takes at least to arrive, and Jitter what chance may
	// add to it.
	Delay, Jitter time.Duration
	// CutAfter, if above 0, is after how many bytes, of both directions together,
	// the connection breaks: both sides get an error, and what had not arrived is
	// lost.
	CutAfter int64
	// DeadAfter, if above 0, is after how many bytes nothing arrives any more, and
	// nobody is told.
	DeadAfter int64
	// Rate, if above 0, is how many bytes a second arrive at the side that has
	// dialed: one that reads slowly.
	Rate int
}

// Network connects those who dial to those who listen. Methods are safe for
// concurrent use, but what chance does is repeated only if their order is.
type Network struct {
	// Plan, if not nil, says what goes wrong with the next connection to an
	// address. It is called with the lock of the Network held.
	Plan func(rng *rand.Rand, addr string) Plan

	mu        sync.Mutex
	rng       *rand.Rand
	listeners map[string]*Listener
	silent    bool
	open      map[*Conn]struct{} // one of the two ends of each connection
}

// New returns a network for a seed.
func New(seed uint64) *Network {
	return &Network{rng: rand.New(rand.NewPCG(seed, 0x6e6574)), listeners: make(map[string]*Listener), open: make(map[*Conn]struct{})}
}

// Addr is the name of who listens.
type Addr string

// Network returns "sim".
func (Addr) Network() string { return "sim" }

// String returns the name.
func (a Addr) String() string { return string(a) }

// Listener is a net.Listener on a Network.
type Listener struct {
	n    *Network
	addr string
	new  chan net.Conn
	done chan struct{}
	once sync.Once
}

// Listen waits for connections to an address. Who listened there before does not any
// more.
func (n *Network) Listen(addr string) *Listener {
	l := &Listener{n: n, addr: addr, new: make(chan net.Conn), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[addr] = l
	return l
}

// Accept returns the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.new:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close stops listening.
func (l *Listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.n.mu.Lock()
		defer l.n.mu.Unlock()
		if l.n.listeners[l.addr] == l {
			delete(l.n.listeners, l.addr)
		}
	})
	return nil
}

// Addr returns the address.
func (l *Listener) Addr() net.Addr { return Addr(l.addr) }

// Dial connects to an address.
func (n *Network) Dial(ctx context.Context, addr string) (net.Conn, error) {
	n.mu.Lock()
	l, silent := n.listeners[addr], n.silent
	var p Plan
	if n.Plan != nil {
		p = n.Plan(n.rng, addr)
	}
	seeds := [2]uint64{n.rng.Uint64(), n.rng.Uint64()}
	n.mu.Unlock()
	switch {
	case silent:
		<-ctx.Done()
		return nil, ctx.Err()
	case l == nil:
		return nil, &net.OpError{Op: "dial", Net: "sim", Addr: Addr(addr), Err: syscall.ECONNREFUSED}
	}
	here, there := n.pair(p, seeds, addr)
	select {
	case l.new <- there:
		return here, nil
	case <-l.done:
		return nil, &net.OpError{Op: "dial", Net: "sim", Addr: Addr(addr), Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// SetSilent makes all connections dead, and dialing lead to nothing, until it is
// called with false. Connections that were there stay dead.
func (n *Network) SetSilent(silent bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent = silent
	if silent {
		for c := range n.open {
			c.link.kill()
		}
	}
}

// CutAll breaks all connections.
func (n *Network) CutAll() {
	n.mu.Lock()
	all := make([]*Conn, 0, len(n.open))
	for c := range n.open {
		all = append(all, c)
	}
	n.mu.Unlock()
	for _, c := range all {
		c.Cut()
	}
}

// Open returns how many connections there are that nobody has closed.
func (n *Network) Open() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.open)
}

func (n *Network) pair(p Plan, seeds [2]uint64, addr string) (here, there *Conn) {
	k := &link{plan: p}
	up := &half{link: k, rng: rand.New(rand.NewPCG(seeds[0], 0)), changed: make(chan struct{})}
	down := &half{link: k, rng: rand.New(rand.NewPCG(seeds[1], 1)), changed: make(chan struct{}), rate: p.Rate}
	here = &Conn{n: n, link: k, in: down, out: up, local: "client", remote: Addr(addr)}
	there = &Conn{n: n, link: k, in: up, out: down, local: Addr(addr), remote: "client"}
	k.halves = [2]*half{up, down}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open[here], here.id, there.id = struct{}{}, here, here
	return here, there
}

// link is a connection as both ends see it.
type link struct {
	plan   Plan
	halves [2]*half

	mu    sync.Mutex
	total int64 // bytes written
	dead  bool
}

// admit takes note of a write of n bytes, and returns how many of them arrive, and
// whether the connection breaks behind them.
func (k *link) admit(n int) (arrive int, cut bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := k.total
	k.total += int64(n)
	left := func(limit int64) int { return int(max(min(limit-before, int64(n)), 0)) }
	switch p := &k.plan; {
	case k.dead:
		return 0, false
	case p.CutAfter > 0 && k.total >= p.CutAfter:
		return left(p.CutAfter), true
	case p.DeadAfter > 0 && k.total >= p.DeadAfter:
		k.dead = true
		return left(p.DeadAfter), false
	}
	return n, false
}

func (k *link) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dead = true
}

func (k *link) isDead() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dead
}

// cut breaks the connection: what is under way is lost, but for what was on its way
// before byte number arrived of a write that is being made.
func (k *link) cut() {
	for _, h := range k.halves {
		h.fail(syscall.ECONNRESET)
	}
}

// half is one direction.
type half struct {
	link *link
	rate int

	mu      sync.Mutex
	rng     *rand.Rand
	chunks  []chunk
	size    int // of chunks, and of what was written to nowhere
	last    time.Time
	closed  bool
	err     error
	changed chan struct{} // closed, and made anew, when something changes
}

type chunk struct {
	at   time.Time
	data []byte
}

// notify wakes those who wait for a change. Under the lock.
func (h *half) notify() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *half) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
		h.notify()
	}
}

func (h *half) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.notify()
}

// arrival returns when n bytes that are written now arrive.
func (h *half) arrival(n int) time.Time {
	p := &h.link.plan
	at := time.Now().Add(p.Delay)
	if p.Jitter > 0 {
		at = at.Add(time.Duration(h.rng.Int64N(int64(p.Jitter))))
	}
	if at.Before(h.last) {
		at = h.last
	}
	if h.rate > 0 {
		at = at.Add(time.Duration(n) * time.Second / time.Duration(h.rate))
	}
	h.last = at
	return at
}

// put takes what fits of p.
func (h *half) put(p []byte) (n int, wait <-chan struct{}, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return 0, nil, net.ErrClosed
	case h.err != nil:
		return 0, nil, h.err
	case h.size >= Window:
		return 0, h.changed, nil
	}
	n = min(len(p), Window-h.size)
	h.size += n
	arrive, cut := h.link.admit(n)
	if arrive > 0 {
		h.chunks = append(h.chunks, chunk{h.arrival(arrive), append([]byte(nil), p[:arrive]...)})
		h.notify()
	}
	if cut {
		go h.breakAt(h.last)
	}
	return n, nil, nil
}

// breakAt breaks the connection when the last bytes before the cut have arrived.
func (h *half) breakAt(at time.Time) {
	if d := time.Until(at); d > 0 {
		time.Sleep(d)
	}
	h.link.cut()
}

// get returns what has arrived.
func (h *half) get(p []byte) (n int, wait <-chan struct{}, until time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.chunks) > 0 && !h.link.isDead() {
		c := &h.chunks[0]
		if d := time.Until(c.at); d <= 0 {
			n = copy(p, c.data)
			if c.data = c.data[n:]; len(c.data) == 0 {
				h.chunks = h.chunks[1:]
			}
			h.size -= n
			h.notify()
			return n, nil, time.Time{}, nil
		}
		until = c.at
	}
	switch {
	case h.err != nil:
		return 0, nil, until, h.err
	case h.closed && len(h.chunks) == 0 && !h.link.isDead():
		return 0, nil, until, io.EOF
	}
	return 0, h.changed, until, nil
}

// Conn is one end of a connection.
type Conn struct {
	n             *Network
	id            *Conn // in Network.open
	link          *link
	in, out       *half
	local, remote Addr

	mu          sync.Mutex
	closed      bool
	read, write time.Time
	moved       chan struct{} // closed when a deadline changes or the end is closed
}
