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
	// (see-other-host), "" for the usual place.
	Connect func(ctx, base context.Context, to string) (*Session, error)
	// Redirects is how many see-other-host in succession are followed.
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
	try, redirects, to := 0, 0, ""
	for {
		s, err := d.Connect(ctx, base, to)
		established := err == nil
		if established {
			begin := time.Now()
			if err = s.Wait(ctx); err == nil {
				return s, nil
			}
			if time.Since(begin) >= steady {
				try, redirects = 0, 0
			}
		}
		hopeless := d.Hopeless(Attempt{to, established, err})
		if ctx.Err() != nil && !(established && hopeless) {
			return nil, nil // else the session had ended for good before
		}
		if host := otherHost(err); host != "" && redirects < d.Redirects {
			redirects++
			to = host
			r.cfg.Log.Info("redirected", slog.String("to", to))
			continue // at once
		}
		if hopeless {
			return nil, err
		}
		delay := d.Backoff(try)
		r.cfg.Log.Warn("no session", slog.Any("error", err), slog.Int("try", try), slog.Duration("next", delay))
		try++
		redirects, to = 0, ""
		if !Sleep(ctx, delay) {
			return nil, nil
		}
	}
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
