// Package dispatch runs handlers for the stanzas that a reader hands over. The
// reader never waits and never runs user code: whatever a handler does, replies
// keep being read.
//
// Messages, presences and other iqs of one bare address go through one ordered
// lane: so a contact's resources, the occupants of a room, and what a server says
// of all of them keep their order. iq requests are handled concurrently, but for
// pushes, those of type set from the account itself, whose order says what is
// true. A message that is a copy of another one can be put beside it (Config.Lane).
// How many handlers run at a time is
// bounded, and so is what waits for its turn. A handler that itself waits for a
// reply gives its place away meanwhile ([Park]), so that handlers which ask
// each other cannot lock up, however deep and whatever the bounds are.
//
// Nothing here knows of clients or servers: handler and sender are given with
// each stanza.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Defaults of [Config].
const (
	DefaultMaxConcurrent  = 64
	DefaultMaxQueued      = 4096
	DefaultMaxQueuedBytes = 16 << 20
	DefaultMaxWaiting     = 4096
)

// cancelGrace is how long Drain waits for handlers whose context it has
// cancelled.
const cancelGrace = time.Second

// Errors of [Dispatcher.Dispatch]. The stanza was not taken; it is for the
// caller to answer it.
var (
	// ErrOverload says that a bound has been reached.
	ErrOverload = errors.New("dispatch: too much to do")
	// ErrDraining says that Drain has been called.
	ErrDraining = errors.New("dispatch: no new work is taken")
)

// Config bounds a Dispatcher. Zero fields are the defaults, negative ones mean
// that there is no bound.
type Config struct {
	// MaxConcurrent is how many handlers run at a time. Those that wait for a
	// reply do not count, but a handler whose reply has come goes on at once,
	// so that for a moment there may be more. Default 64.
	MaxConcurrent int
	// MaxQueued and MaxQueuedBytes bound the stanzas that wait for their
	// turn. One stanza always fits. Defaults 4096 and 16 MiB.
	MaxQueued, MaxQueuedBytes int
	// MaxWaiting bounds the handlers that wait for replies. Default 4096.
	MaxWaiting int
	// Lane returns whose lane a stanza that own has got is in, a bare address. nil: its
	// sender's. It is called by who calls Dispatch.
	Lane func(own jid.JID, st *stanza.Stanza) jid.JID
	// Log is told of errors of handlers; nil for none.
	Log *slog.Logger
}

// Dispatcher runs handlers. It is safe for concurrent use. It has a goroutine
// for each handler that runs, and none when there is nothing to do.
type Dispatcher struct {
	cfg Config

	mu       sync.Mutex
	lanes    map[jid.JID]*lane // those with work, by sender
	ready    fifo[*lane]       // lanes with work that none is running of
	queued   int               // stanzas whose handler has not been started
	bytes    int               // of these
	running  int               // handlers that hold a place
	waiting  int               // handlers that have given theirs away
	active   map[*place]struct{}
	draining bool
	idle     chan struct{} // closed when there is no work; nil unless Drain waits
}

// lane holds what waits of one sender, in order. Each iq request has a lane of
// its own, which is in no map.
type lane struct {
	sender jid.JID
	tasks  fifo[task]
}

type task struct {
	ctx context.Context
	h   xmpp.Handler
	s   xmpp.Sender
	st  *stanza.Stanza
}

// job is a task whose turn has come.
type job struct {
	task
	lane  *lane
	place *place
}

// New returns a Dispatcher.
func New(cfg Config) *Dispatcher {
	def := func(v *int, d int) {
		switch {
		case *v == 0:
			*v = d
		case *v < 0:
			*v = math.MaxInt
		}
	}
	def(&cfg.MaxConcurrent, DefaultMaxConcurrent)
	def(&cfg.MaxQueued, DefaultMaxQueued)
	def(&cfg.MaxQueuedBytes, DefaultMaxQueuedBytes)
	def(&cfg.MaxWaiting, DefaultMaxWaiting)
	if cfg.Lane == nil {
		cfg.Lane = func(_ jid.JID, st *stanza.Stanza) jid.JID { return st.From.Bare() }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Dispatcher{cfg: cfg, lanes: make(map[jid.JID]*lane), active: make(map[*place]struct{})}
}

// Dispatch has h handle st when its turn comes, and returns at once. ctx is
// what the handler's context is made of; a stanza whose ctx has ended when its
// turn comes is not handled any more. The handler's context ends when it
// returns.
//
// An error or a panic of a handler of an iq request is sent as the reply,
// unless it has sent one; other errors are logged.
func (d *Dispatcher) Dispatch(ctx context.Context, h xmpp.Handler, s xmpp.Sender, st *stanza.Stanza) error {
	n, of := st.Size(), d.cfg.Lane(s.LocalAddr(), st)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.draining:
		return ErrDraining
	case d.queued >= d.cfg.MaxQueued, d.waiting >= d.cfg.MaxWaiting,
		d.queued > 0 && d.bytes+n > d.cfg.MaxQueuedBytes:
		return ErrOverload
	}
	d.queued++
	d.bytes += n
	d.enqueue(task{ctx, h, s, st}, of)
	d.schedule()
	return nil
}

// enqueue puts a task into its lane. Under the lock, as all that follow.
func (d *Dispatcher) enqueue(t task, sender jid.JID) {
	if sender.IsZero() {
		sender = t.s.LocalAddr().Bare() // what has no from is of the account
	}
	if isRequest(t.st) && !isPush(t.st, t.s) {
		l := &lane{}
		l.tasks.push(t)
		d.ready.push(l)
		return
	}
	l := d.lanes[sender]
	if l == nil {
		l = &lane{sender: sender.Clone()} // not to keep the whole stanza
		d.lanes[l.sender] = l
		d.ready.push(l)
	}
	l.tasks.push(t)
}

// schedule starts what there is a place for.
func (d *Dispatcher) schedule() {
	for d.running < d.cfg.MaxConcurrent && d.ready.len() > 0 {
		d.running++
		go d.work(d.next())
	}
}

// next takes the next task, for which a place is held.
func (d *Dispatcher) next() job {
	l := d.ready.pop()
	j := job{task: l.tasks.pop(), lane: l}
	d.queued--
	d.bytes -= j.st.Size()
	j.place = newPlace(d, j.ctx)
	d.active[j.place] = struct{}{}
	return j
}

// end says that the handler of j has returned. If reuse is true and there is
// more to do, the next job is returned, in the same place.
func (d *Dispatcher) end(j job, reuse bool) (next job, ok bool) {
	j.place.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	j.place.over = true
	delete(d.active, j.place)
	switch {
	case j.lane.tasks.len() > 0:
		d.ready.push(j.lane) // behind the others
	case d.lanes[j.lane.sender] == j.lane:
		delete(d.lanes, j.lane.sender)
	}
	switch {
	case j.place.waits > 0: // the place has been given away
		d.waiting--
	case reuse && d.running <= d.cfg.MaxConcurrent && d.ready.len() > 0:
		return d.next(), true
	default:
		d.running--
	}
	d.schedule()
	d.checkIdle()
	return job{}, false
}

func (d *Dispatcher) checkIdle() {
	if d.idle != nil && d.running == 0 && d.waiting == 0 && d.queued == 0 {
		close(d.idle)
		d.idle = nil
	}
}

// Drain takes no new work from now on and waits until all that was taken is
// done. When ctx ends before, it cancels the contexts of the handlers, drops
// what waits for its turn, gives the handlers a second to return, and reports
// what was not done. It is to be called once, and not by a handler.
func (d *Dispatcher) Drain(ctx context.Context) error {
	d.mu.Lock()
	d.draining = true
	idle := make(chan struct{})
	d.idle = idle
	d.checkIdle()
	d.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
	}
	dropped := d.abort()
	grace := time.NewTimer(cancelGrace)
	defer grace.Stop()
	select {
	case <-idle:
	case <-grace.C:
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Errorf("dispatch: %d stanzas were not handled, %d handlers have not returned: %w",
		dropped, len(d.active), ctx.Err())
}

// abort drops what is queued, cancels what runs, and returns how much was
// dropped.
func (d *Dispatcher) abort() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	dropped := d.queued
	for _, l := range d.lanes {
		l.tasks = fifo[task]{}
	}
	clear(d.lanes)
	d.ready = fifo[*lane]{}
	d.queued, d.bytes = 0, 0
	for p := range d.active {
		p.cancel()
	}
	d.checkIdle()
	return dropped
}

func isRequest(st *stanza.Stanza) bool { return st.Kind == stanza.KindIQ && st.Type.IsRequest() }

// isPush reports whether st is told by the account that s is of: an iq of type set
// without from, or from its bare address (RFC 6121, section 2.1.6).
func isPush(st *stanza.Stanza, s xmpp.Sender) bool {
	if st.Kind != stanza.KindIQ || st.Type != stanza.TypeSet {
		return false
	}
	own := s.LocalAddr()
	return own.IsFull() && (st.From.IsZero() || st.From == own.Bare())
}
