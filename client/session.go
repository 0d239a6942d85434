package client

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/internal/dispatch"
	"github.com/etherx-go/xmpp/internal/pending"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// session is one bound stream, from its establishment to its end. It is the
// Sender of the handlers of what came in on it.
type session struct {
	c       *Client
	conn    *stream.Conn
	addr    jid.JID
	pending *pending.Table
	base    context.Context // outlives the session
	ctx     context.Context // ends with it
	cancel  context.CancelFunc
	refused int // stanzas that were refused; only for the reader
	// peerEnded: the server has ended the stream. Set by the reader, good after
	// group.Wait.
	peerEnded bool
	group     sync.WaitGroup // its goroutines
	available atomic.Bool    // what the last presence to everybody has said

	mu     sync.Mutex
	reason error // why it has ended
}

func newSession(c *Client, conn *stream.Conn, addr jid.JID, base context.Context) *session {
	s := &session{c: c, conn: conn, addr: addr, pending: pending.New(addr), base: base}
	s.ctx, s.cancel = context.WithCancel(base)
	return s
}

// HasStreamFeature reports whether the server has a stream feature. Extensions
// find it at the Sender of their session.
func (s *session) HasStreamFeature(name xml.Name) bool { return s.conn.Offers(name) }

// begin starts the session's goroutines, and lets the program see it.
func (s *session) begin() {
	s.group.Go(s.read)
	if s.c.presence != nil {
		s.Send(s.ctx, s.c.presence)
	}
	s.resend()
	s.c.setSession(s, nil)
	if s.err() != nil { // it has ended already, perhaps before it was set
		s.c.setSession(nil, s)
	}
	if s.c.cfg.KeepAlive > 0 {
		s.group.Go(s.keepAlive)
	}
	s.c.watch(s)
}

// resend sends the messages that the last session has left. What fails now is
// left for the next one.
func (s *session) resend() {
	for len(s.c.unsent) > 0 && s.conn.Send(s.ctx, s.c.unsent[0]) == nil {
		s.c.unsent = s.c.unsent[1:]
	}
}

// keepUnsent keeps the messages that were queued and not written. Requests have
// failed with the session, and presence is told anew.
func (s *session) keepUnsent() {
	var messages []*stanza.Stanza
	for _, st := range s.conn.Unsent() {
		if st.Kind == stanza.KindMessage {
			messages = append(messages, st)
		}
	}
	s.c.unsent = append(messages, s.c.unsent...)
}

// wait waits until the session has ended, torn down completely, and returns the
// reason; or until ctx has ended, and returns nil with the session still there.
func (s *session) wait(ctx context.Context) error {
	select {
	case <-s.ctx.Done():
	case <-ctx.Done():
		return nil
	}
	s.group.Wait()
	s.keepUnsent()
	return s.err()
}

// end says why the session ends. Only the first reason counts.
func (s *session) end(reason error) {
	s.mu.Lock()
	if s.reason == nil {
		s.reason = reason
	}
	reason = s.reason
	s.mu.Unlock()
	s.c.setSession(nil, s)
	s.pending.FailAll(fmt.Errorf("%w: %w", xmpp.ErrSessionLost, reason))
	s.cancel()
}

// err returns why the session has ended, nil while it has not.
func (s *session) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason
}

// read is the goroutine that reads the stream. It never blocks but in Next.
func (s *session) read() {
	for {
		st, el, err := s.conn.Next()
		switch {
		case st != nil && err != nil:
			s.malformed(st, err)
		case st != nil:
			s.handle(st)
		case err == nil:
			s.c.cfg.Log.Debug("unknown element", "name", el.Name())
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
func (s *session) why(err error) error {
	switch {
	case err != io.EOF:
		return err
	case s.conn.Closing():
		return xmpp.ErrClosed
	}
	return errStreamClosed
}

// sayGoodbye tells everybody that the client leaves, before the stream ends
// (RFC 6121, section 4.5.1), unless the program has said so itself, with words of
// its own perhaps.
func (s *session) sayGoodbye() {
	if !s.available.Load() {
		return
	}
	p, err := (&stanza.Presence{Type: stanza.TypeUnavailable}).Stanza()
	if err == nil {
		s.conn.TrySend(p) // if there is no room, the end of the stream says it
	}
}

// shutdown closes the stream in order, unless it has ended by itself.
func (s *session) shutdown(ctx context.Context) error {
	if s.err() != nil {
		s.group.Wait()
		s.keepUnsent()
		return nil
	}
	err := s.conn.Shutdown(ctx, nil)
	s.end(xmpp.ErrClosed)
	s.group.Wait()
	s.keepUnsent()
	if err == nil || s.peerEnded || errors.Is(err, stream.ErrClosed) {
		return nil // if there is an error, it is that the server was first
	}
	return fmt.Errorf("client: the stream was not closed in order: %w", err)
}

// LocalAddr returns the full JID of the session.
func (s *session) LocalAddr() jid.JID { return s.addr }

// Send sends on this stream.
func (s *session) Send(ctx context.Context, st *stanza.Stanza) error {
	err := s.conn.Send(ctx, s.outgoing(st))
	if err == nil && st.Kind == stanza.KindPresence && st.To.IsZero() {
		s.available.Store(st.Type == stanza.TypeAvailable)
	}
	return s.sent(ctx, err)
}

// sent puts an error of the stream into the words of Senders. Nothing was
// queued then.
func (s *session) sent(ctx context.Context, err error) error {
	if err == nil || err == ctx.Err() {
		return err
	}
	if reason := s.err(); reason != nil {
		err = reason
	}
	return fmt.Errorf("%w: %w", xmpp.ErrNotConnected, err)
}

// outgoing takes the from away that replies have: the server stamps it, and "a
// client must not put from" (draft-miller-xmpp-core-02, section 6.2.2).
func (s *session) outgoing(st *stanza.Stanza) *stanza.Stanza {
	if st.From.IsZero() || st.From != s.addr && st.From != s.addr.Bare() {
		return st
	}
	h := st.Header
	h.From = jid.JID{}
	return st.With(h)
}

// Do sends a request on this stream and waits for the reply.
func (s *session) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	if iq.Kind != stanza.KindIQ || !iq.Type.IsRequest() {
		return nil, xmpp.ErrNotRequest
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.c.cfg.RequestTimeout)
		defer cancel()
	}
	r, err := s.pending.Add(iq.ID, iq.To)
	if err == pending.ErrDuplicate {
		return nil, fmt.Errorf("client: %w", err)
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
	if err := s.Send(ctx, iq); err != nil {
		return nil, err
	}
	reply, err := r.Wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("client: no reply from %s: %w", asked(iq.To), err)
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
