package session

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stream"
)

// saveEvery is how often the state of a session is saved that waits for a connection,
// if it has changed.
const saveEvery = time.Second

// State is what another process needs to go on with a session.
type State struct {
	// JID is the full address of the session.
	JID jid.JID
	// Lost is when the connection was lost, or left.
	Lost time.Time
	// Available is what the last presence to everybody has said.
	Available bool
	// Beyond are the numbers of the peer's stanzas, beyond Handled, that were handled
	// too.
	Beyond []uint64
	stream.Resumption
}

// state returns the State of a session that waits for a connection.
func (s *Session) state() (st *State, ok bool) {
	handled, beyond := s.ledger.left()
	r, ok := s.conn.Load().Resumption(handled)
	s.mu.Lock()
	defer s.mu.Unlock()
	return &State{JID: s.addr, Lost: s.lost, Available: s.available.Load(), Beyond: beyond, Resumption: r}, ok
}

// differs reports whether there is something to save. While there is no connection
// all of it only grows.
func (st *State) differs(last *State) bool {
	return last == nil || st.Handled != last.Handled || len(st.Beyond) != len(last.Beyond) ||
		len(st.Unacked) != len(last.Unacked) || st.Available != last.Available
}

// saving is the goroutine that saves the state of a session while it waits.
type saving struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// save starts it. Under the lock.
func (s *Session) save() {
	if s.r.cfg.Save == nil {
		return
	}
	ctx, cancel := context.WithCancel(s.base)
	sv := &saving{cancel, make(chan struct{})}
	s.saving = sv
	go func() {
		defer close(sv.done)
		s.keepSaved(ctx)
	}()
}

func (s *Session) keepSaved(ctx context.Context) {
	t := time.NewTicker(saveEvery)
	defer t.Stop()
	var last *State
	for ctx.Err() == nil {
		if st, ok := s.state(); ok && st.differs(last) && s.r.store(ctx, st) == nil {
			last = st
		}
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
}

func (s *Session) stopSaving() {
	s.mu.Lock()
	sv := s.saving
	s.saving = nil
	s.mu.Unlock()
	if sv != nil {
		sv.cancel()
		<-sv.done
	}
}

// store saves a State; nil says that there is none any more.
func (r *Runner) store(ctx context.Context, st *State) (err error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.DrainTimeout)
	defer cancel()
	if st != nil {
		r.stored.Store(true)
	}
	if err = r.cfg.Save(ctx, st); err != nil && ctx.Err() == nil {
		r.cfg.Log.Warn("session state not saved", slog.Any("error", err))
	}
	return err
}

// clearSaved removes what is saved: the session has a connection, or is over, and
// another process could not go on from there.
func (r *Runner) clearSaved(ctx context.Context) {
	if r.stored.Load() && r.store(ctx, nil) == nil {
		r.stored.Store(false)
	}
}

// restore returns the session that another process has left; nil if there is none.
func (r *Runner) restore(ctx context.Context) *Lost {
	if r.cfg.Load == nil {
		return nil
	}
	st, err := r.cfg.Load(ctx)
	if err != nil {
		r.cfg.Log.Warn("session state not loaded", slog.Any("error", err))
	}
	if err != nil || st == nil {
		return nil
	}
	r.stored.Store(true)
	l := &Lost{
		conn: stream.NewDetached(r.cfg.Stream, st.Resumption), addr: st.JID, ledger: new(ledger),
		at: st.Lost, outcomes: newOutcomes(), available: st.Available,
	}
	l.ledger.restore(st.Handled, st.Beyond)
	return l
}

// leaveBehind saves the State of the session, and leaves it as it is: its stream is
// not closed, and the peer keeps it for another process.
func (s *Session) leaveBehind(ctx context.Context) error {
	c := s.conn.Load()
	s.settle(ctx, c)
	c.Detach(nil)
	c.group.Wait()
	s.stopSaving()
	st, ok := s.state()
	if !ok { // the peer has ended it meanwhile
		s.end(xmpp.ErrClosed)
		s.release(c.peerEnded)
		s.r.clearSaved(ctx)
		return nil
	}
	err := s.r.store(context.WithoutCancel(ctx), st)
	s.end(xmpp.ErrClosed)
	c.Close()
	s.starting.Wait()
	unsent, unknown := s.r.unsent, s.r.unknown
	s.release(false)
	if err != nil {
		return fmt.Errorf("%s: session state not saved: %w", s.r.cfg.Name, err)
	}
	s.r.unsent, s.r.unknown = unsent, unknown // what is of this session is saved
	return nil
}

// settle waits until the peer has acknowledged what was sent, or the connection ends:
// what can go now is not left to another process.
func (s *Session) settle(ctx context.Context, c *connection) {
	ctx, cancel := context.WithTimeout(ctx, s.r.cfg.DrainTimeout/2)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	c.Settle(ctx)
}
