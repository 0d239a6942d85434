//go:build interop

package interop

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/interop/internal/peer"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

var seed = flag.Uint64("seed", 0, "when the server is killed in TestKilled; 0 chooses")

// TestKilled kills the ready server, which keeps everything in a folder, while
// clients change what is kept, again and again. What was acknowledged before is
// there after the restart: offline messages in order and each once, rosters, and
// subscriptions.
func TestKilled(t *testing.T) {
	n := *seed
	for n == 0 {
		var b [8]byte
		_, _ = rand.Read(b[:])
		n = binary.BigEndian.Uint64(b[:])
	}
	t.Logf("-seed %d", n)
	random := mathrand.New(mathrand.NewPCG(n, 0))
	s := peer.Etherx{Root: "..", Data: t.TempDir()}.Start(t)
	for round := range 4 {
		killed(t, s, round, time.Duration(random.Int64N(int64(400*time.Millisecond))))
	}
}

// work is what a client does until the server is gone, and the last part of it
// that is acknowledged.
type work struct {
	done chan int
	what string
}

// killed has juliet do four things at once for that long: write to a user who is
// away, fill her roster, ask strangers for subscriptions, and have one to romeo
// and have it not.
func killed(t *testing.T, s *peer.Server, round int, after time.Duration) {
	juliet, romeo, away := newAccount(t, s), newAccount(t, s), newAccount(t, s)
	brief := func(a peer.Account) *running {
		cfg := config(t, s, a, false)
		cfg.ResumeTimeout = -1 // so that the end of the connection is the end of what is done
		return run(t, s, cfg)
	}
	j, r := brief(juliet), brief(romeo)
	j.session(t)
	r.session(t)
	contact := func(i int) jid.JID { return jid.MustParse(fmt.Sprintf("contact%d.%d@%s", round, i, s.Domain)) }
	stranger := func(i int) jid.JID { return jid.MustParse(fmt.Sprintf("stranger%d.%d@elsewhere.invalid", round, i)) }
	items := begin(t, j, "roster items", func(ctx context.Context, i int) error {
		return roster.Set(ctx, j, roster.Item{JID: contact(i), Name: fmt.Sprint(i), Groups: []string{"A", "B"}})
	})
	asked := begin(t, j, "requests for subscriptions", func(ctx context.Context, i int) error {
		return errors.Join(presence.Subscribe(ctx, j, stranger(i), ""), ping.Ping(ctx, j, jid.JID{}))
	})
	subscriptions := begin(t, j, "subscriptions", func(ctx context.Context, i int) error {
		return subscriptionSteps[i%len(subscriptionSteps)].do(ctx, j, r)
	})
	messages := begin(t, j, "messages", func(ctx context.Context, i int) error {
		m := &stanza.Message{To: jid.MustParse(away.JID()), Type: stanza.TypeChat, Body: fmt.Sprint(i)}
		return errors.Join(xmpp.Send(ctx, j, m), ping.Ping(ctx, j, jid.JID{}))
	})

	timer := time.NewTimer(after)
	defer timer.Stop()
	waitFor(t, "time", timer.C)
	s.Kill(t)
	nItems, nAsked, nMessages, nSubscriptions := items.wait(t), asked.wait(t), messages.wait(t), subscriptions.wait(t)
	t.Logf("killed after %v: acknowledged are %d roster items, %d requests, %d messages, %d changes of a subscription",
		after, nItems, nAsked, nMessages, nSubscriptions)
	j.cancel() // before they come back by themselves
	r.cancel()
	s.Restart(t)

	checkMessages(t, s, away, nMessages)
	checkRoster(t, s, romeo, func(items []roster.Item) {
		want := afterSteps(nSubscriptions, subscriptionStep.romeoHas)
		if got := subscription(items, juliet); !slices.Contains(want, got) {
			t.Errorf("after %d changes romeo has juliet with subscription %q, want %q", nSubscriptions, got, want)
		}
	})
	checkRoster(t, s, juliet, func(items []roster.Item) {
		want := afterSteps(nSubscriptions, subscriptionStep.julietHas)
		if got := subscription(items, romeo); !slices.Contains(want, got) {
			t.Errorf("after %d changes juliet has romeo with subscription %q, want %q", nSubscriptions, got, want)
		}
		for i := range nItems {
			want := roster.Item{JID: contact(i), Name: fmt.Sprint(i), Groups: []string{"A", "B"}}
			if !slices.ContainsFunc(items, func(it roster.Item) bool {
				return it.JID == want.JID && it.Name == want.Name && len(it.Groups) == 2 && it.Subscription == roster.None
			}) {
				t.Errorf("roster item %d of %d is lost", i, nItems)
			}
		}
		for i := range nAsked {
			if !slices.ContainsFunc(items, func(it roster.Item) bool { return it.JID == stranger(i) && it.Ask }) {
				t.Errorf("request for a subscription %d of %d is lost", i, nAsked)
			}
		}
	})
}

// subscriptionStep is a change of juliet's subscription to romeo, and what their
// rosters have then.
type subscriptionStep struct {
	do            func(ctx context.Context, j, r *running) error
	juliet, romeo string
}

func (s subscriptionStep) julietHas() string { return s.juliet }
func (s subscriptionStep) romeoHas() string  { return s.romeo }

// subscriptionSteps go round. Each is acknowledged by a ping of who did it.
var subscriptionSteps = []subscriptionStep{
	{func(ctx context.Context, j, r *running) error {
		return errors.Join(presence.Subscribe(ctx, j, r.LocalAddr(), ""), ping.Ping(ctx, j, jid.JID{}))
	}, "none ask", "none"},
	{func(ctx context.Context, j, r *running) error {
		return errors.Join(presence.Approve(ctx, r, j.LocalAddr()), ping.Ping(ctx, r, jid.JID{}))
	}, "to", "from"},
	{func(ctx context.Context, j, r *running) error {
		return errors.Join(presence.Unsubscribe(ctx, j, r.LocalAddr()), ping.Ping(ctx, j, jid.JID{}))
	}, "none", "none"},
}

// afterSteps returns what there may be when n steps are acknowledged: what those
// lead to, and what the next one does, which may have been done.
func afterSteps(n int, has func(subscriptionStep) string) []string {
	last := len(subscriptionSteps) - 1
	return []string{
		has(subscriptionSteps[(n+last)%len(subscriptionSteps)]), has(subscriptionSteps[n%len(subscriptionSteps)]),
	}
}

// subscription returns what a roster has about an account.
func subscription(items []roster.Item, of peer.Account) string {
	for _, it := range items {
		switch {
		case it.JID != jid.MustParse(of.JID()):
		case it.Ask:
			return it.Subscription.String() + " ask"
		default:
			return it.Subscription.String()
		}
	}
	return "none"
}

// begin has a client do one thing after the other until the end of its session,
// but not more than a server takes of anything.
func begin(t *testing.T, j *running, what string, do func(ctx context.Context, i int) error) work {
	const most = 300
	w := work{make(chan int, 1), what}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		done := 0
		var err error
		for err == nil {
			if done == most {
				err = ping.Ping(ctx, j, jid.JID{})
			} else if err = do(ctx, done); err == nil {
				done++
			}
		}
		if !errors.Is(err, xmpp.ErrSessionLost) && !errors.Is(err, xmpp.ErrNotConnected) {
			t.Errorf("%s %d: %v", what, done, err)
		}
		w.done <- done
	}()
	return w
}

// wait returns how much is acknowledged.
func (w work) wait(t *testing.T) int {
	t.Helper()
	return waitFor(t, "end of "+w.what, w.done)
}

// checkMessages logs in who was away: at least the first n messages are there,
// in order, each once, and say that they are late.
func checkMessages(t *testing.T, s *peer.Server, away peer.Account, n int) {
	t.Helper()
	r := run(t, s, config(t, s, away, false))
	r.session(t) // which asks for a ping after the presence: everything was sent before the answer
	got := 0
	for got < n || len(r.messages) > 0 {
		m := waitFor(t, fmt.Sprintf("message %d of %d", got, n), r.messages)
		if m.Body != fmt.Sprint(got) {
			t.Fatalf("message %d is %q", got, m.Body)
		}
		if _, ok := delay.Of(m); !ok {
			t.Errorf("message %d does not say that it is late", got)
		}
		got++
	}
	// One more may have been stored whose ping was not answered.
	if got > n+1 {
		t.Errorf("%d messages came, of which %d were sent", got, n+1)
	}
	r.leave(t)
}

func checkRoster(t *testing.T, s *peer.Server, account peer.Account, check func([]roster.Item)) {
	t.Helper()
	r := run(t, s, config(t, s, account, false))
	r.session(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	items, err := roster.Get(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	check(items)
	r.leave(t)
}
