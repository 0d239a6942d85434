package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/dispatch"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// steady is how long a session must have lasted for the delays to start over, so
// that a server which throws everybody out at once is not asked every second.
const steady = time.Minute

// Config is what a Runner is made of. Nothing has a default here.
type Config struct {
	// Name is what the program is, in errors and texts: "component".
	Name string
	// Addr is where stanzas are sent from.
	Addr jid.JID

	Handler  xmpp.Handler
	Dispatch dispatch.Config
	Watchers []xmpp.Watcher

	// Outgoing completes what is sent. The error is that of Send.
	Outgoing func(st *stanza.Stanza) (*stanza.Stanza, error)
	// Incoming completes what has come, and returns the Sender for its handler;
	// nil: it is not handled.
	Incoming func(s *Session, st *stanza.Stanza) (*stanza.Stanza, xmpp.Sender)
	// Keeps says which of the stanzas that were queued, and not written when
	// the session ended, are sent in the next one.
	Keeps func(st *stanza.Stanza) bool
	// Ping asks for a sign of life.
	Ping func(ctx context.Context, s *Session) error

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
	unsent   []*stanza.Stanza // for the next session; only for the goroutine of Run

	mu      sync.Mutex
	state   state
	session *Session      // nil while there is none
	changed chan struct{} // closed, and made anew, when state or session changes
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
// watchers.
func (r *Runner) leave(ctx context.Context, s *Session) error {
	drain, cancel := context.WithTimeout(ctx, r.cfg.DrainTimeout)
	defer cancel()
	err := r.work.Drain(drain)
	rest, cancel := context.WithTimeout(ctx, r.cfg.DrainTimeout)
	defer cancel()
	if s != nil {
		err = errors.Join(err, s.Shutdown(rest))
	}
	if n := len(r.unsent); n > 0 {
		err = errors.Join(err, fmt.Errorf("%s: %d stanzas were not sent", r.cfg.Name, n))
	}
	return errors.Join(err, r.waitWatchers(rest))
}

// Close makes Run return in the same way as the end of its context does, and does
// not wait for it. The error is always nil.
func (r *Runner) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
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

// LocalAddr returns the address of the Config.
func (r *Runner) LocalAddr() jid.JID { return r.cfg.Addr }

// Send sends in the session that there is.
func (r *Runner) Send(ctx context.Context, st *stanza.Stanza) error {
	s, err := r.current()
	if err != nil {
		return err
	}
	return s.Send(ctx, st)
}

// Do asks in the session that there is.
func (r *Runner) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	s, err := r.current()
	if err != nil {
		return nil, err
	}
	return s.Do(ctx, iq)
}

// Redial says how Stay connects again and again.
type Redial struct {
	// Connect makes one attempt.
	Connect func(ctx, base context.Context) (*Session, error)
	// Hopeless reports whether it is of no use to try again: after an attempt
	// that has failed with err, or after a session that err has ended.
	Hopeless func(err error, established bool) bool
	// Backoff returns how long to wait before the next attempt, try times
	// after the last good one.
	Backoff func(try int) time.Duration
}

// Stay connects again and again. It returns nil, and the session if there is one,
// when ctx has ended, and otherwise why there is no hope. It is for the loop of
// Run.
func (r *Runner) Stay(ctx, base context.Context, d Redial) (*Session, error) {
	try := 0
	for {
		s, err := d.Connect(ctx, base)
		established := err == nil
		if established {
			begin := time.Now()
			if err = s.Wait(ctx); err == nil {
				return s, nil
			}
			if time.Since(begin) >= steady {
				try = 0
			}
		}
		hopeless := d.Hopeless(err, established)
		if ctx.Err() != nil && !(established && hopeless) {
			return nil, nil // else the session had ended for good before
		}
		if hopeless {
			return nil, err
		}
		delay := d.Backoff(try)
		r.cfg.Log.Warn("no session", slog.Any("error", err), slog.Int("try", try), slog.Duration("next", delay))
		try++
		if !Sleep(ctx, delay) {
			return nil, nil
		}
	}
}

// Sleep waits, and reports whether ctx has not ended.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
