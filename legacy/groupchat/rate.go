package groupchat

import (
	"time"

	"github.com/etherx-go/xmpp/jid"
)

// throttle bounds what each user sends. Its count outlives the user's stay in a
// room, or to leave and come back would be a way around it. The zero throttle
// counts, with a rate of nothing.
type throttle struct {
	rate  float64 // in a second; negative: no limit
	burst int     // at once
	spent map[jid.JID]allowance
	look  int // among how many it is worth while to look for those to forget
}

// allowance is what a user may still send.
type allowance struct {
	level float64
	at    time.Time
}

func newThrottle(rate float64, burst int) throttle {
	return throttle{rate: rate, burst: burst, spent: make(map[jid.JID]allowance)}
}

// spend counts a stanza of a user, with all resources, and reports whether it is
// within the rate.
func (t *throttle) spend(user jid.JID, now time.Time) bool {
	if t.rate < 0 {
		return true
	}
	user = user.Bare()
	a, ok := t.spent[user]
	if !ok {
		t.forget(now)
		user, a = user.Clone(), allowance{float64(t.burst), now}
	}
	a = t.refill(a, now)
	within := a.level >= 1
	if within {
		a.level--
	}
	t.spent[user] = a
	return within
}

func (t *throttle) refill(a allowance, now time.Time) allowance {
	if d := now.Sub(a.at); d > 0 {
		a.level, a.at = min(float64(t.burst), a.level+d.Seconds()*t.rate), now
	}
	return a
}

// forget forgets those that may send all of it again, when there are many.
func (t *throttle) forget(now time.Time) {
	if len(t.spent) < t.look {
		return
	}
	for u, a := range t.spent {
		if t.refill(a, now).level >= float64(t.burst) {
			delete(t.spent, u)
		}
	}
	t.look = 2*len(t.spent) + 64
}
