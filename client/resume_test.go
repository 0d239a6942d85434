package client_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/internal/simnet"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"
)

// exchange has two clients send each other five messages, on connections of which
// the first one of juliet's has the plan. It reports whether that came to anything.
func (w *world) exchange(t *testing.T, romeo *person, plan simnet.Plan) (broke bool) {
	cfg, events := w.config("juliet/balcony")
	dials, dial := 0, cfg.Dial
	cfg.Dial = func(ctx context.Context) (stream.Transport, error) {
		dials++
		return dial(ctx)
	}
	w.plan("juliet", plan)
	juliet := w.run(cfg, events)
	juliet.ready()
	romeo.events.reset()
	j, r := juliet.LocalAddr(), romeo.LocalAddr()
	for i := range 5 {
		juliet.say(r, fmt.Sprint("j", i+1))
		romeo.say(j, fmt.Sprint("r", i+1))
		time.Sleep(3 * time.Millisecond)
	}
	romeo.expect(numbered("j", 5)...)
	juliet.expect(numbered("r", 5)...)
	if ups := juliet.events.with("up"); len(ups) != 1 {
		t.Errorf("%d sessions", len(ups))
	}
	if err := juliet.leave(); err != nil && plan.DeadAfter == 0 {
		t.Error(err)
	}
	return dials > 1
}

// TestCutAtEveryByte: a fixed exchange of five stanzas in both directions, with the
// connection cut, or dead, after each byte that goes over it: nothing is lost, nothing
// is double. What is cut before there is a session is in it too.
func TestCutAtEveryByte(t *testing.T) {
	cut := func(n int64) simnet.Plan { return simnet.Plan{Delay: time.Millisecond, CutAfter: n} }
	dead := func(n int64) simnet.Plan { return simnet.Plan{Delay: time.Millisecond, DeadAfter: n} }
	for _, tt := range []struct {
		name string
		plan func(n int64) simnet.Plan
		step int64
	}{{"cut", cut, 1}, {"dead", dead, 11}} {
		t.Run(tt.name, func(t *testing.T) {
			if testing.Short() {
				tt.step *= 17
			}
			n, more := int64(1), true
			for more && !t.Failed() {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, 1)
					romeo := w.client("romeo/orchard")
					for end := n + 100*tt.step; more && n < end; n += tt.step {
						if more = w.exchange(t, romeo, tt.plan(n)); t.Failed() {
							t.Logf("the connection ended after %d bytes", n)
							return
						}
					}
				})
			}
			if n < 3000 {
				t.Errorf("the exchange has %d bytes", n)
			}
		})
	}
}

// TestCutAtRandom: longer conversations, on connections that break again and again.
// ETHERX_SEED and ETHERX_RUNS choose where it begins, and how many there are.
func TestCutAtRandom(t *testing.T) {
	first, runs := fromEnv(t, "ETHERX_SEED", rand.Uint64()), fromEnv(t, "ETHERX_RUNS", 40)
	for seed := first; seed-first < runs && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			plans := func() (ps []simnet.Plan) {
				for range 20 {
					p := simnet.Plan{Delay: time.Duration(rng.IntN(20)) * time.Millisecond, Jitter: 10 * time.Millisecond}
					if rng.IntN(4) == 0 {
						p.DeadAfter = 2500 + rng.Int64N(8000)
					} else {
						p.CutAfter = 2500 + rng.Int64N(8000)
					}
					ps = append(ps, p)
				}
				return ps
			}
			w := newWorld(t, seed, func(c *server.Config) { c.ResumeTimeout = 3 * time.Hour })
			romeo, juliet := w.client("romeo/orchard"), w.client("juliet/balcony")
			w.plan("romeo", plans()...)
			w.plan("juliet", plans()...)
			w.net.CutAll()
			const n = 100
			j, r := juliet.LocalAddr(), romeo.LocalAddr()
			for i := range n {
				juliet.say(r, fmt.Sprint("j", i+1))
				romeo.say(j, fmt.Sprint("r", i+1))
				time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
			}
			romeo.expect(numbered("j", n)...)
			juliet.expect(numbered("r", n)...)
			for _, p := range []*person{romeo, juliet} {
				if ups, resumed := p.events.with("up"), p.events.with("resumed"); len(ups) != 1 || len(resumed) == 0 {
					t.Errorf("%s: %d sessions, resumed %d times", p.LocalAddr(), len(ups), len(resumed))
				}
			}
			if t.Failed() {
				t.Logf("ETHERX_SEED=%d", seed)
			}
		})
	}
}

func fromEnv(t *testing.T, name string, n uint64) uint64 {
	if s := os.Getenv(name); s != "" {
		var err error
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	return n
}
