package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/internal/dispatch"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// What becomes of what was sent. While the peer can go on with a session nothing is
// decided. When it is over, each stanza is one of these:
//
//   - acknowledged, perhaps by the very answer that refuses to go on;
//   - not written whole: a message is the first to be sent in the next session;
//   - unknown: it was written, and may have arrived. A message is sent again if the
//     program says so, who may have ways to find out.
//
// One that Confirm waits for is left to who has called it.

// outcomes are those of the stanzas that Confirm waits for, in one stream of a peer,
// whatever connections and Sessions that has.
type outcomes struct {
	mu     sync.Mutex
	open   map[*stanza.Stanza]error // nil until it is known
	sorted chan struct{}            // closed when it is
}

func newOutcomes() *outcomes { return &outcomes{sorted: make(chan struct{})} }

func (o *outcomes) add(st *stanza.Stanza) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open == nil {
		o.open = make(map[*stanza.Stanza]error)
	}
	o.open[st] = nil
}

func (o *outcomes) remove(st *stanza.Stanza) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.open, st)
}

// sort says what has become of stanzas, and returns those that nobody waits for.
func (o *outcomes) sort(sts []*stanza.Stanza, fate error) (rest []*stanza.Stanza) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, st := range sts {
		if _, ok := o.open[st]; ok {
			o.open[st] = fate
		} else {
			rest = append(rest, st)
		}
	}
	return rest
}

// wait returns what has become of a stanza.
func (o *outcomes) wait(ctx context.Context, st *stanza.Stanza) error {
	select {
	case <-o.sorted:
	case <-ctx.Done():
		return xmpp.ErrUnacknowledged
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open[st]
}

// Confirm sends a stanza and waits until the peer has acknowledged it.
func (s *Session) Confirm(ctx context.Context, st *stanza.Stanza) error {
	st, err := s.r.cfg.Outgoing(s, st)
	if err != nil {
		return err
	}
	if s.Err() != nil {
		return s.sent(ctx, s.Err())
	}
	own := st.With(st.Header) // which is known again, if it is sent several times
	s.outcomes.add(own)
	defer s.outcomes.remove(own)
	defer dispatch.Park(ctx)()
	err = s.conn.Load().Confirm(ctx, own)
	switch {
	case errors.Is(err, stream.ErrNotManaged):
		return xmpp.ErrNoAcknowledgements
	case !errors.Is(err, stream.ErrUnacknowledged):
		s.noteSent(st, err)
		return s.sent(ctx, err)
	}
	if fate := s.outcomes.wait(ctx, own); fate != nil {
		err = fmt.Errorf("%w: %w", fate, err)
	} else {
		err = fmt.Errorf("%w: %w", xmpp.ErrUnacknowledged, err)
	}
	return err
}

// release sorts what a session has left whose stream has ended; orderly says that the
// peer has read it to its end. It waits for what the session does with what others
// have left.
func (s *Session) release(orderly bool) {
	s.starting.Wait()
	s.stopSaving()
	s.mu.Lock()
	at := s.lost
	s.mu.Unlock()
	s.r.leftBy(s.conn.Load().Conn, s.outcomes, at, orderly)
}

// leftBy sorts what a stream has left that was lost at that time.
func (r *Runner) leftBy(conn *stream.Conn, o *outcomes, at time.Time, orderly bool) {
	unacked := o.sort(conn.Unacked(), xmpp.ErrUnacknowledged)
	unsent := o.sort(conn.Unsent(), xmpp.ErrNotConnected)
	close(o.sorted)
	r.unsent = append(r.kept(unsent), r.unsent...)
	if unacked = r.kept(unacked); orderly || len(unacked) == 0 {
		return
	}
	if at.IsZero() {
		at = time.Now()
	}
	if len(r.unknown) == 0 || at.Before(r.unknownAt) {
		r.unknownAt = at
	}
	r.unknown = append(r.unknown, unacked...)
}

// kept returns those of the stanzas that are of use in another session.
func (r *Runner) kept(sts []*stanza.Stanza) (kept []*stanza.Stanza) {
	for _, st := range sts {
		if r.cfg.Keeps(st) {
			kept = append(kept, st)
		}
	}
	return kept
}

// resend sends what earlier sessions have left. What fails now is left for the next
// one.
func (s *Session) resend() {
	r := s.r
	for len(r.unsent) > 0 && s.queue(s.ctx, r.unsent[0]) == nil {
		r.unsent = r.unsent[1:]
	}
}

// resendTries bounds how often the program is asked what to send again while it gets no
// answer to what it asks for that.
const resendTries = 8

// askForResend asks the program, and again after a while if it could not find out: the
// connection may be dead, which is known only later.
func (s *Session) askForResend() (again []*stanza.Stanza, err error) {
	r := s.r
	if r.cfg.Resend == nil {
		return nil, nil
	}
	for try := range resendTries {
		r.guard(func() { again, err = r.cfg.Resend(s.ctx, s, r.unknownAt, r.unknown) })
		if _, answered := errors.AsType[*stanza.Error](err); err == nil || answered || !Sleep(s.ctx, time.Second<<try) {
			break
		}
	}
	return again, err
}

// decide has the program say which of the stanzas are sent again whose fate is not
// known. If the session ends meanwhile, the program is asked in the next one.
func (s *Session) decide() {
	r := s.r
	if len(r.unknown) == 0 {
		return
	}
	again, err := s.askForResend()
	if s.ctx.Err() != nil {
		return
	}
	if n := len(r.unknown) - len(again); n > 0 {
		r.cfg.Log.Warn("messages may be lost", slog.Int("not acknowledged", len(r.unknown)),
			slog.Int("sent again", len(again)), slog.Any("error", err))
	}
	for i, st := range again {
		// "so that the original send date is preserved" (XEP-0198, section 4)
		if late, err := delay.Stamp(st, delay.Delay{Stamp: r.unknownAt}, false); err == nil {
			again[i] = late
		}
	}
	r.unknown, r.unsent = nil, append(again, r.unsent...)
}
