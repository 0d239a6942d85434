package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/etherx-go/xmpp/stream"
)

// steady is how long a session must have lasted for the delays to start over, so
// that a server which throws everybody out at once is not asked every second.
const steady = time.Minute

// Redial says how Stay connects again and again.
type Redial struct {
	// Connect makes one attempt. to is where the server has sent the program
	// (see-other-host, or the location of a session that can be resumed), "" for the
	// usual place. lost is a session to go on with, nil for none: Connect returns
	// what Resume makes of it, or else calls GiveUp before Begin.
	Connect func(ctx, base context.Context, to string, lost *Lost) (*Session, error)
	// Redirects is how many see-other-host in succession are followed; 0: the
	// program always connects to the usual place.
	Redirects int
	// Hopeless reports whether it is of no use to try again.
	Hopeless func(a Attempt) bool
	// Backoff returns how long to wait before the next attempt, try times
	// after the last good one.
	Backoff func(try int) time.Duration
}

// Attempt is what came of an attempt to connect.
type Attempt struct {
	To          string // as Connect was given it
	Established bool   // there was a session
	Err         error  // why there was none, or why it has ended
}

// Stay connects again and again. It returns nil, and the session if there is one,
// when ctx has ended, and otherwise why there is no hope. It is for the loop of
// Run.
func (r *Runner) Stay(ctx, base context.Context, d Redial) (*Session, error) {
	l := redialing{r: r, d: d, lost: r.restore(ctx)}
	l.to = l.location()
	for {
		s, over, err := l.attempt(ctx, base)
		if over {
			return s, err
		}
		if delay := l.delay; delay > 0 || ctx.Err() != nil {
			r.cfg.Log.Warn("no session", slog.Any("error", err), slog.Int("try", l.try), slog.Duration("next", delay))
			if !Sleep(ctx, delay) {
				return l.left(), nil
			}
		}
	}
}

// redialing is the state of Stay.
type redialing struct {
	r         *Runner
	d         Redial
	lost      *Lost // a session to go on with
	try       int
	short     int // connections in succession that were lost soon, of sessions that go on
	redirects int
	to        string        // the next attempt is made
	hint      bool          // to is but where the session would best be resumed
	delay     time.Duration // before it
}

// attempt makes one attempt, and stays as long as the connection does. If that was
// not the last one, over is false, and it is known when and where the next one is to
// be made.
func (l *redialing) attempt(ctx, base context.Context) (s *Session, over bool, err error) {
	to, hint := l.to, l.hint
	if l.lost != nil {
		l.lost.asked = false
	}
	s, err = l.d.Connect(ctx, base, to, l.lost)
	established := err == nil
	if established {
		l.lost, hint = nil, false
		begin := time.Now()
		if err = s.Wait(ctx); err == nil {
			return s, true, nil
		}
		lasted := time.Since(begin)
		if lasted >= steady {
			l.try, l.short, l.redirects = 0, 0, 0
		}
		if l.lost = s.waiting(); l.lost != nil {
			l.again(lasted)
			return nil, false, err
		}
	} else if l.lost.refused(err) {
		l.r.GiveUp(l.lost, err)
		l.lost = nil
	}
	hopeless := l.d.Hopeless(Attempt{to, established, err}) && !hint
	switch {
	case ctx.Err() != nil && !(established && hopeless):
		return l.left(), true, nil // else the session had ended for good before
	case l.redirect(err):
	case hint: // the usual place may do
		l.to, l.hint, l.delay = "", false, 0
	case hopeless:
		l.r.GiveUp(l.lost, err)
		return nil, true, err
	default:
		l.delay = l.d.Backoff(l.try)
		l.try++
		l.redirects, l.to = 0, ""
	}
	return nil, false, err
}

// again prepares for going on with a session whose connection has lasted so long: at
// once, unless that has happened several times in short succession.
func (l *redialing) again(lasted time.Duration) {
	l.delay = 0
	if l.short > 0 {
		l.delay = max(0, l.d.Backoff(l.short-1)-lasted)
	}
	l.short++
	l.redirects = 0
	l.to = l.location()
}

// location returns where the peer wants the session to be resumed.
func (l *redialing) location() string {
	to := ""
	if l.d.Redirects > 0 {
		to = l.lost.location()
	}
	l.hint = to != ""
	return to
}

// redirect follows see-other-host.
func (l *redialing) redirect(err error) bool {
	host := otherHost(err)
	if host == "" || l.redirects >= l.d.Redirects {
		return false
	}
	l.redirects++
	l.to, l.hint, l.delay = host, false, 0
	l.r.cfg.Log.Info("redirected", slog.String("to", host))
	return true
}

// left returns the session that there is when it is time to leave, though it has no
// connection.
func (l *redialing) left() *Session {
	if l.lost == nil {
		return nil
	}
	return l.lost.session
}

// otherHost returns where the peer has said that the next attempt is to be made,
// "" for nowhere.
func otherHost(err error) string {
	if e, ok := errors.AsType[*stream.Error](err); ok && e.Remote && e.Condition == stream.SeeOtherHost {
		return e.Host
	}
	return ""
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
