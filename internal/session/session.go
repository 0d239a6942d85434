package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/dispatch"
	"github.com/etherx-go/xmpp/internal/pending"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// ErrStreamClosed is why a session ended that the peer closed without an error.
var ErrStreamClosed = errors.New("the other side has closed the stream")

// ErrUnresponsive is why a connection was given up on which nothing came any more,
// not even the answer to a ping.
var ErrUnresponsive = errors.New("the other side does not answer")

// Session is one negotiated stream, from then to its end. It is a [xmpp.Sender].
type Session struct {
	r       *Runner
	conn    *stream.Conn
	pending *pending.Table
	ctx     context.Context // ends with it
	cancel  context.CancelFunc
	base    context.Context // outlives the session
	refused int             // stanzas that were refused; only for the reader
	// peerEnded: the peer has ended the stream. Set by the reader, good after
	// group.Wait.
	peerEnded bool
	group     sync.WaitGroup // its goroutines

	mu     sync.Mutex
	reason error // why it has ended
}

// Begin makes a negotiated stream the session of r. It is for the loop of Run, and
// there must be none before.
func (r *Runner) Begin(base context.Context, conn *stream.Conn) *Session {
	s := &Session{r: r, conn: conn, pending: pending.New(r.cfg.Addr), base: base}
	s.ctx, s.cancel = context.WithCancel(base)
	s.group.Go(s.read)
	s.resend()
	r.setSession(s, nil)
	if s.Err() != nil { // it has ended already, perhaps before it was set
		r.setSession(nil, s)
	}
	if r.cfg.KeepAlive > 0 {
		s.group.Go(s.keepAlive)
	}
	r.watch(s)
	return s
}

// resend sends what the last session has left. What fails now is left for the
// next one.
func (s *Session) resend() {
	for len(s.r.unsent) > 0 && s.conn.Send(s.ctx, s.r.unsent[0]) == nil {
		s.r.unsent = s.r.unsent[1:]
	}
}

// keepUnsent keeps what was queued and not written, as far as it is of use.
func (s *Session) keepUnsent() {
	var kept []*stanza.Stanza
	for _, st := range s.conn.Unsent() {
		if s.r.cfg.Keeps(st) {
			kept = append(kept, st)
		}
	}
	s.r.unsent = append(kept, s.r.unsent...)
}

// Done returns a channel that is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.ctx.Done() }

// Wait waits until the session has ended, torn down completely, and returns the
// reason; or until ctx has ended, and returns nil with the session still there.
// It is for the loop of Run.
func (s *Session) Wait(ctx context.Context) error {
	select {
	case <-s.ctx.Done():
	case <-ctx.Done():
		return nil
	}
	s.group.Wait()
	s.keepUnsent()
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

// Err returns why the session has ended, nil while it has not.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason
}

// read is the goroutine that reads the stream. It never blocks but in Next.
func (s *Session) read() {
	for {
		st, el, err := s.conn.Next()
		switch {
		case st != nil && err != nil:
			s.malformed(st, err)
		case st != nil:
			s.handle(st)
		case err == nil:
			s.r.cfg.Log.Debug("unknown element", "name", el.Name())
		default:
			e, ok := errors.AsType[*stream.Error](err)
			s.peerEnded = err == io.EOF || ok && e.Remote
			s.end(s.why(err))
			s.conn.Fail(err)
			return
		}
	}
}

// why returns the reason that an error of Next is for the end of the session.
func (s *Session) why(err error) error {
	switch {
	case err != io.EOF:
		return err
	case s.conn.Closing():
		return xmpp.ErrClosed
	}
	return fmt.Errorf("%s: %w", s.r.cfg.Name, ErrStreamClosed)
}

// Replace ends the session because there is a newer one, which the peer is told.
// Wait returns afterwards.
func (s *Session) Replace(reason *stream.Error) {
	ctx, cancel := context.WithTimeout(s.base, s.r.cfg.DrainTimeout)
	defer cancel()
	s.end(reason)
	s.conn.Shutdown(ctx, reason)
}

// Shutdown closes the stream in order, unless it has ended by itself.
func (s *Session) Shutdown(ctx context.Context) error {
	if s.Err() != nil {
		s.group.Wait()
		s.keepUnsent()
		return nil
	}
	err := s.conn.Shutdown(ctx, nil)
	s.end(xmpp.ErrClosed)
	s.group.Wait()
	s.keepUnsent()
	if err == nil || s.peerEnded || errors.Is(err, stream.ErrClosed) {
		return nil // if there is an error, it is that the peer was first
	}
	return fmt.Errorf("%s: the stream was not closed in order: %w", s.r.cfg.Name, err)
}

// LocalAddr returns the address of the Config.
func (s *Session) LocalAddr() jid.JID { return s.r.cfg.Addr }

// Send sends on this stream.
func (s *Session) Send(ctx context.Context, st *stanza.Stanza) error {
	st, err := s.r.cfg.Outgoing(st)
	if err != nil {
		return err
	}
	return s.sent(ctx, s.conn.Send(ctx, st))
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

// Do sends a request on this stream and waits for the reply.
func (s *Session) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	if iq.Kind != stanza.KindIQ || !iq.Type.IsRequest() {
		return nil, xmpp.ErrNotRequest
	}
	iq, err := s.r.cfg.Outgoing(iq)
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
		return nil, fmt.Errorf("%s: no reply from %s: %w", s.r.cfg.Name, iq.To, err)
	}
	if err := reply.Err(); err != nil {
		return nil, err
	}
	return reply, nil
}
