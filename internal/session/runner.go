package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/dispatch"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// Config is what a Runner is made of. Nothing has a default here.
type Config struct {
	// Name is what the program is, in errors and texts: "client".
	Name     string
	Handler  xmpp.Handler
	Dispatch dispatch.Config
	Watchers []xmpp.Watcher

	// First is sent first in each session; nil for nothing.
	First *stanza.Stanza
	// Outgoing completes what is sent. The error is that of Send.
	Outgoing func(s *Session, st *stanza.Stanza) (*stanza.Stanza, error)
	// Incoming completes what has come, and returns the Sender for its handler;
	// nil: it is not handled.
	Incoming func(s *Session, st *stanza.Stanza) (*stanza.Stanza, xmpp.Sender)
	// Keeps says which of the stanzas that were queued, and not written when
	// the session ended, are sent in the next one.
	Keeps func(st *stanza.Stanza) bool
	// Resend is given the stanzas that Keeps is true for, that were written before
	// the connection was lost at that time, and that may have arrived or not. It
	// returns those to be sent again. s is the next session, which nobody else knows
	// yet. nil: none.
	Resend func(ctx context.Context, s *Session, lost time.Time, unknown []*stanza.Stanza) ([]*stanza.Stanza, error)

	// Save and Load keep the State of a session that waits for a connection, nil for
	// none; both are nil if nothing is kept. Stream is for a session that was loaded.
	Save   func(ctx context.Context, st *State) error
	Load   func(ctx context.Context) (*State, error)
	Stream stream.Config

	// PingTo is who is asked for a sign of life; zero: the server.
	PingTo         jid.JID
	KeepAlive      time.Duration // 0 or less: never
	Whitespace     bool
	PingTimeout    time.Duration
	RequestTimeout time.Duration
	DrainTimeout   time.Duration
	Log            *slog.Logger
}

// Runner is one run of the program. It is a [xmpp.Sender] for whatever session
// there is. Methods are safe for concurrent use.
type Runner struct {
	cfg      Config
	work     *dispatch.Dispatcher
	watchers []*watcher
	stored   atomic.Bool // something may be saved
	leaving  atomic.Bool // what comes now is left to another process

	// For the goroutine of Run, and that which starts a session.
	unsent    []*stanza.Stanza // for the next session
	unknown   []*stanza.Stanza // for the next session, if the program wants it
	unknownAt time.Time        // when they were lost

	mu      sync.Mutex
	state   state
	session *Session      // nil while there is none
	changed chan struct{} // closed, and made anew, when state or session changes
	closed  bool          // by Close
	cancel  context.CancelFunc
	err     error // why Run has returned
}

type state uint8

const (
	fresh   state = iota // Run has not been called
	running              // Run runs
	ended                // Run has returned, or Close was called before Run
)

var _ xmpp.Sender = (*Runner)(nil)

// New returns a Runner.
func New(cfg Config) *Runner {
	r := &Runner{cfg: cfg, work: dispatch.New(cfg.Dispatch), changed: make(chan struct{})}
	for _, w := range cfg.Watchers {
		r.watchers = append(r.watchers, &watcher{Watcher: w})
	}
	return r
}

// Run calls loop, once, and then ends the session that loop has left, if any, and
// waits for handlers and watchers. ctx of loop ends with that of Run, and by
// Close; base is what the contexts of sessions are made of, which outlive ctx.
func (r *Runner) Run(ctx context.Context, loop func(ctx, base context.Context) (*Session, error)) error {
	ctx, err := r.start(ctx)
	if err != nil {
		return err
	}
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s, err := loop(ctx, base)
	err = errors.Join(err, r.leave(base, s))
	r.finish(err)
	return err
}

func (r *Runner) start(ctx context.Context) (context.Context, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.state {
	case fresh:
		r.state = running
		ctx, r.cancel = context.WithCancel(ctx)
		return ctx, nil
	case running:
		return nil, fmt.Errorf("%s: it runs already", r.cfg.Name)
	}
	return nil, fmt.Errorf("%s: %w", r.cfg.Name, xmpp.ErrClosed)
}

func (r *Runner) finish(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel()
	r.state, r.err = ended, err
	r.notify()
}

// leave ends the last session, if there is one, and waits for handlers and
// watchers. A session whose State is saved is left as it is, unless Close was called.
func (r *Runner) leave(ctx context.Context, s *Session) error {
	behind := s != nil && r.leavesBehind(s)
	switch {
	case behind:
		r.leaving.Store(true)
		s.ledger.leave()
	case s != nil && s.waiting() == nil:
		s.sayGoodbye()
	}
	drain, cancel := context.WithTimeout(ctx, r.cfg.DrainTimeout)
	defer cancel()
	err := r.work.Drain(drain)
	rest, cancel := context.WithTimeout(ctx, r.cfg.DrainTimeout)
	defer cancel()
	switch {
	case behind:
		err = errors.Join(err, s.leaveBehind(rest))
	case s != nil:
		err = errors.Join(err, s.shutdown(rest))
		r.clearSaved(rest)
	}
	if n := len(r.unsent); n > 0 {
		err = errors.Join(err, fmt.Errorf("%s: %d stanzas were not sent", r.cfg.Name, n))
	}
	if n := len(r.unknown); n > 0 {
		r.cfg.Log.Warn("messages may be lost", slog.Int("not acknowledged", n))
	}
	return errors.Join(err, r.waitWatchers(rest))
}

// leavesBehind reports whether a session is left to another process.
func (r *Runner) leavesBehind(s *Session) bool {
	r.mu.Lock()
	closed := r.closed
	r.mu.Unlock()
	_, ok := s.conn.Load().Resumption(0)
	return !closed && r.cfg.Save != nil && ok
}

// Close makes Run return in the same way as the end of its context does, and does
// not wait for it. The error is always nil.
func (r *Runner) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	switch r.state {
	case fresh:
		r.state = ended
		r.notify()
	case running:
		r.cancel()
	}
	return nil
}

// notify wakes those who wait for a change. Under the lock.
func (r *Runner) notify() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// setSession says which session there is; nil for none, if it still is old.
func (r *Runner) setSession(s, old *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.session == old {
		r.session = s
		r.notify()
	}
}

// current returns the session.
func (r *Runner) current() (*Session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.session != nil:
		return r.session, nil
	case r.state != ended:
		return nil, xmpp.ErrNotConnected
	case r.err != nil:
		return nil, fmt.Errorf("%w: %w", xmpp.ErrClosed, r.err)
	}
	return nil, xmpp.ErrClosed
}

// WaitReady waits until there is a session. The error is that of ctx, or
// [xmpp.ErrClosed] with the error of Run when there will never be one.
func (r *Runner) WaitReady(ctx context.Context) error {
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		if _, err := r.current(); !errors.Is(err, xmpp.ErrNotConnected) {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// LocalAddr returns the address of the session that there is; zero without one.
func (r *Runner) LocalAddr() jid.JID {
	if s, err := r.current(); err == nil {
		return s.addr
	}
	return jid.JID{}
}

// Send sends in the session that there is.
func (r *Runner) Send(ctx context.Context, st *stanza.Stanza) error {
	s, err := r.current()
	if err != nil {
		return err
	}
	return s.Send(ctx, st)
}

// Confirm sends in the session that there is, and waits for the acknowledgement.
func (r *Runner) Confirm(ctx context.Context, st *stanza.Stanza) error {
	s, err := r.current()
	if err != nil {
		return err
	}
	return s.Confirm(ctx, st)
}

// Do asks in the session that there is.
func (r *Runner) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	s, err := r.current()
	if err != nil {
		return nil, err
	}
	return s.Do(ctx, iq)
}
