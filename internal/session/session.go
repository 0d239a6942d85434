package session

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/dispatch"
	"github.com/etherx-go/xmpp/internal/pending"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// Session is from the establishment of a stream to its end, over as many connections
// as the peer lets it go on with. It is a [xmpp.Sender], that of the handlers of what
// came in on it. Methods are safe for concurrent use, but for those of the loop of
// Run.
type Session struct {
	r         *Runner
	addr      jid.JID
	conn      atomic.Pointer[connection] // that it is on, or was on last
	ledger    *ledger
	outcomes  *outcomes
	pending   *pending.Table
	ctx       context.Context // ends with it
	cancel    context.CancelFunc
	base      context.Context // outlives the session
	available atomic.Bool     // what the last presence to everybody has said
	resumed   bool            // it began with the stream of another Session, or another process
	enabled   []string        // with the resource
	sends     atomic.Uint32   // what is sent

	mu       sync.Mutex
	reason   error          // why it has ended
	lost     time.Time      // since when it has no connection; zero while it has one
	why      error          // it was lost
	away     time.Duration  // for how long it had none, before
	timer    *time.Timer    // ends it, while it has none
	resumes  int            // how often it has gone on with another connection
	changed  chan struct{}  // closed, and made anew, when lost or resumes changes
	starting sync.WaitGroup // what is to be done before the program is told of it
	saving   *saving        // what is saved while it has no connection
}

var (
	_ xmpp.Sender    = (*Session)(nil)
	_ xmpp.Confirmer = (*Session)(nil)
)

func (r *Runner) newSession(base context.Context, addr jid.JID, l *ledger) *Session {
	s := &Session{r: r, addr: addr, ledger: l, outcomes: newOutcomes(), pending: pending.New(addr), base: base,
		changed: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(base)
	return s
}

// Begin makes a negotiated stream the session of r, at the address addr. enabled is what
// was enabled with the resource (XEP-0386). It is for the loop of Run, and there must be
// no session before.
func (r *Runner) Begin(base context.Context, conn *stream.Conn, addr jid.JID, enabled ...string) *Session {
	s := r.newSession(base, addr, new(ledger))
	if s.enabled = enabled; s.Enabled(stream.NSManagement) {
		s.ledger.start()
	}
	c := s.newConnection(conn)
	s.conn.Store(c)
	c.group.Go(c.read)
	if r.cfg.First != nil {
		s.Send(s.ctx, r.cfg.First)
	}
	s.start(c)
	return s
}

// start sends what is left of earlier sessions, and tells the program that there is a
// session.
func (s *Session) start(c *connection) {
	s.r.clearSaved(s.ctx)
	c.watchOver()
	if len(s.r.unknown)+len(s.r.unsent) == 0 {
		s.announce()
		return
	}
	// It may have to wait for the next connection, which this goroutine makes.
	s.starting.Go(func() {
		s.decide()
		s.resend()
		s.announce()
	})
}

func (c *connection) watchOver() {
	if c.s.r.cfg.KeepAlive > 0 {
		c.group.Go(c.keepAlive)
	}
}

// announce tells the program.
func (s *Session) announce() {
	s.r.setSession(s, nil)
	if s.Err() != nil { // it has ended already, perhaps before it was set
		s.r.setSession(nil, s)
	}
	s.r.watch(s)
}

// Done returns a channel that is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.ctx.Done() }

// Err returns why the session has ended, nil while it has not.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason
}

// Wait waits until the connection has ended, torn down completely, and returns the
// reason; or until ctx has ended, and returns nil with the session still there. Lost
// says whether the session waits for another connection. Wait is for the loop of Run.
func (s *Session) Wait(ctx context.Context) error {
	c := s.conn.Load()
	select {
	case <-c.ctx.Done():
	case <-ctx.Done():
		return nil
	}
	c.group.Wait()
	s.mu.Lock()
	lost, why := !s.lost.IsZero(), s.why
	s.mu.Unlock()
	if lost {
		return why
	}
	s.release(false)
	return s.Err()
}

// end says why the session ends. Only the first reason counts.
func (s *Session) end(reason error) {
	s.mu.Lock()
	if s.reason == nil {
		s.reason = reason
	}
	reason = s.reason
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	s.r.setSession(nil, s)
	s.pending.FailAll(fmt.Errorf("%w: %w", xmpp.ErrSessionLost, reason))
	s.cancel()
}

// Replace ends the session because there is a newer one, which the peer is told.
// Wait returns afterwards.
func (s *Session) Replace(reason *stream.Error) {
	ctx, cancel := context.WithTimeout(s.base, s.r.cfg.DrainTimeout)
	defer cancel()
	s.end(reason)
	s.conn.Load().Shutdown(ctx, reason)
}

// sayGoodbye tells everybody who knows that the program is available that it
// leaves, before the stream ends (RFC 6121, section 4.5.1), unless the program has
// said so itself, with words of its own perhaps.
func (s *Session) sayGoodbye() {
	if !s.available.Load() {
		return
	}
	p, err := (&stanza.Presence{Type: stanza.TypeUnavailable}).Stanza()
	if err == nil {
		s.conn.Load().TrySend(p) // if there is no room, the end of the stream says it
	}
}

// shutdown closes the stream in order, unless it has ended by itself.
func (s *Session) shutdown(ctx context.Context) error {
	c := s.conn.Load()
	if s.Err() != nil {
		c.Close() // it may only have ended for the program
		c.group.Wait()
		s.release(false)
		return nil
	}
	// So that nothing comes again that was handled (XEP-0198, section 4).
	c.Ack(s.ledger.answer())
	err := c.Shutdown(ctx, nil)
	s.end(xmpp.ErrClosed)
	c.group.Wait()
	// If there is an error, it may be that the peer was first.
	orderly := err == nil || c.peerEnded
	s.release(orderly)
	if orderly || errors.Is(err, stream.ErrClosed) || errors.Is(err, stream.ErrDetached) {
		return nil
	}
	return fmt.Errorf("%s: the stream was not closed in order: %w", s.r.cfg.Name, err)
}

// LocalAddr returns the address of the session.
func (s *Session) LocalAddr() jid.JID { return s.addr }

// HasStreamFeature reports whether the peer has a stream feature, as it was offered
// on the connection that there is. Extensions find it at the Sender of their session.
func (s *Session) HasStreamFeature(name xml.Name) bool { return s.conn.Load().Offers(name) }

// Resumed reports whether the session is one that another process has begun: the
// peer knows its presence, and what it was asked to do in it, and this process does
// not know what was said.
func (s *Session) Resumed() bool { return s.resumed }

// Enabled reports whether a feature was enabled as the resource was bound (XEP-0386),
// and need not be asked for.
func (s *Session) Enabled(feature string) bool { return slices.Contains(s.enabled, feature) }

// Limits returns what the peer takes on the connection that there is (XEP-0478).
func (s *Session) Limits() stream.Limits { return s.conn.Load().Limits() }

// Version returns the version of the peer's stream.
func (s *Session) Version() stream.Version { return s.conn.Load().Received().Version }

// Send sends in this session.
func (s *Session) Send(ctx context.Context, st *stanza.Stanza) error {
	st, err := s.r.cfg.Outgoing(s, st)
	if err != nil {
		return err
	}
	err = s.queue(ctx, st)
	s.noteSent(st, err)
	return s.sent(ctx, err)
}

// queue queues a stanza, unless the session has ended: an outbox without a connection
// might take it even so.
func (s *Session) queue(ctx context.Context, st *stanza.Stanza) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.Err(); err != nil {
		return err
	}
	c := s.conn.Load()
	s.sends.Add(1)
	if err := c.TrySend(st); err != stream.ErrOutboxFull {
		return err
	}
	// There may be room when there is a connection again, or never.
	wait, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	err := c.Send(wait, st)
	if err == context.Canceled && ctx.Err() == nil {
		err = s.Err()
	}
	return err
}

func (s *Session) noteSent(st *stanza.Stanza, err error) {
	if err == nil && st.Kind == stanza.KindPresence && st.To.IsZero() {
		s.available.Store(st.Type == stanza.TypeAvailable)
	}
}

// sent puts an error of the stream into the words of Senders. Nothing was queued
// then.
func (s *Session) sent(ctx context.Context, err error) error {
	if err == nil || err == ctx.Err() {
		return err
	}
	if reason := s.Err(); reason != nil {
		err = reason
	}
	return fmt.Errorf("%w: %w", xmpp.ErrNotConnected, err)
}

// SendElement sends a first-level element that is no stanza, such as an indication
// of the client's state (XEP-0352). It belongs to the connection that there is: while
// there is none the error is [xmpp.ErrNotConnected].
func (s *Session) SendElement(ctx context.Context, el stanza.Raw) error {
	if err := s.Err(); err != nil {
		return s.sent(ctx, err)
	}
	return s.sent(ctx, s.conn.Load().SendRaw(ctx, string(el)))
}

// Do sends a request in this session and waits for the reply.
func (s *Session) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	if iq.Kind != stanza.KindIQ || !iq.Type.IsRequest() {
		return nil, xmpp.ErrNotRequest
	}
	iq, err := s.r.cfg.Outgoing(s, iq)
	if err != nil {
		return nil, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var stop func()
		ctx, stop = s.withTimeout(ctx)
		defer stop()
	}
	r, err := s.pending.Add(iq.ID, iq.To)
	if err == pending.ErrDuplicate {
		return nil, fmt.Errorf("%s: %w", s.r.cfg.Name, err)
	}
	if err != nil {
		return nil, s.sent(ctx, err)
	}
	defer r.Cancel()
	if iq.ID == "" {
		h := iq.Header
		h.ID = r.ID()
		iq = iq.With(h)
	}
	// While this one waits, other handlers may run.
	defer dispatch.Park(ctx)()
	if err := s.sent(ctx, s.queue(ctx, iq)); err != nil {
		return nil, err
	}
	reply, err := r.Wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: no reply from %s: %w", s.r.cfg.Name, asked(iq.To), err)
	}
	if err := reply.Err(); err != nil {
		return nil, err
	}
	return reply, nil
}

func asked(to jid.JID) string {
	if to.IsZero() {
		return "the server"
	}
	return to.String()
}
