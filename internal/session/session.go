package session

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/dispatch"
	"github.com/etherx-go/xmpp/internal/pending"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// Session is from the establishment of a stream to its end. It is a [xmpp.Sender],
// that of the handlers of what came in on it. Methods are safe for concurrent use,
// but for those of the loop of Run.
type Session struct {
	r         *Runner
	addr      jid.JID
	conn      *connection // that it is on
	pending   *pending.Table
	ctx       context.Context // ends with it
	cancel    context.CancelFunc
	base      context.Context // outlives the session
	available atomic.Bool     // what the last presence to everybody has said

	mu     sync.Mutex
	reason error // why it has ended
}

var _ xmpp.Sender = (*Session)(nil)

// Begin makes a negotiated stream the session of r, at the address addr. It is for
// the loop of Run, and there must be no session before.
func (r *Runner) Begin(base context.Context, conn *stream.Conn, addr jid.JID) *Session {
	s := &Session{r: r, addr: addr, pending: pending.New(addr), base: base}
	s.ctx, s.cancel = context.WithCancel(base)
	s.conn = &connection{Conn: conn, s: s}
	s.conn.group.Go(s.conn.read)
	if r.cfg.First != nil {
		s.Send(s.ctx, r.cfg.First)
	}
	s.conn.resend()
	r.setSession(s, nil)
	if s.Err() != nil { // it has ended already, perhaps before it was set
		r.setSession(nil, s)
	}
	if r.cfg.KeepAlive > 0 {
		s.conn.group.Go(s.conn.keepAlive)
	}
	r.watch(s)
	return s
}

// Done returns a channel that is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.ctx.Done() }

// Err returns why the session has ended, nil while it has not.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason
}

// Wait waits until the session has ended, torn down completely, and returns the
// reason; or until ctx has ended, and returns nil with the session still there.
// It is for the loop of Run.
func (s *Session) Wait(ctx context.Context) error {
	select {
	case <-s.ctx.Done():
	case <-ctx.Done():
		return nil
	}
	s.conn.release()
	return s.Err()
}

// end says why the session ends. Only the first reason counts.
func (s *Session) end(reason error) {
	s.mu.Lock()
	if s.reason == nil {
		s.reason = reason
	}
	reason = s.reason
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
	s.conn.Shutdown(ctx, reason)
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
		s.conn.TrySend(p) // if there is no room, the end of the stream says it
	}
}

// shutdown closes the stream in order, unless it has ended by itself.
func (s *Session) shutdown(ctx context.Context) error {
	defer s.conn.release()
	if s.Err() != nil {
		return nil
	}
	err := s.conn.Shutdown(ctx, nil)
	s.end(xmpp.ErrClosed)
	s.conn.group.Wait()
	if err == nil || s.conn.peerEnded || errors.Is(err, stream.ErrClosed) {
		return nil // if there is an error, it is that the peer was first
	}
	return fmt.Errorf("%s: the stream was not closed in order: %w", s.r.cfg.Name, err)
}

// LocalAddr returns the address of the session.
func (s *Session) LocalAddr() jid.JID { return s.addr }

// HasStreamFeature reports whether the peer has a stream feature. Extensions find
// it at the Sender of their session.
func (s *Session) HasStreamFeature(name xml.Name) bool { return s.conn.Offers(name) }

// Version returns the version of the peer's stream.
func (s *Session) Version() stream.Version { return s.conn.Received().Version }

// Send sends in this session.
func (s *Session) Send(ctx context.Context, st *stanza.Stanza) error {
	st, err := s.r.cfg.Outgoing(s, st)
	if err != nil {
		return err
	}
	err = s.conn.Send(ctx, st)
	if err == nil && st.Kind == stanza.KindPresence && st.To.IsZero() {
		s.available.Store(st.Type == stanza.TypeAvailable)
	}
	return s.sent(ctx, err)
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
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.r.cfg.RequestTimeout)
		defer cancel()
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
	if err := s.sent(ctx, s.conn.Send(ctx, iq)); err != nil {
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
