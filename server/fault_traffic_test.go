package server_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// hangUpTime is how long connections may take to end when the servers have: TLS has half
// of it for saying so.
const hangUpTime = 10 * time.Second

// seeds makes n runs with seeds that are other ones each time, and has the seed logged
// of one that fails, which is the last.
func seeds(t *testing.T, n int, run func(t *testing.T, r *rand.Rand)) {
	t.Helper()
	if testing.Short() || poolLoss > 0 { // the race detector
		n = max(n/8, 1)
	}
	for range n {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("seed %d", seed)
				}
			}()
			t.Cleanup(func() { time.Sleep(hangUpTime) })
			run(t, rand.New(&shared{src: rand.NewPCG(seed, 0)}))
		})
	}
}

// shared is a source of random numbers for several goroutines.
type shared struct {
	mu  sync.Mutex
	src rand.Source
}

func (s *shared) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.src.Uint64()
}

// crowd is some persons on each side of two servers, who all talk with their
// opposite.
type crowd struct{ left, right []*person }

func (n *network) crowd(a, b *server.Server, size int) *crowd {
	c := new(crowd)
	for i := range size {
		c.left = append(c.left, n.person(a, fmt.Sprintf("juliet%c@a.example", 'a'+i)))
		c.right = append(c.right, n.person(b, fmt.Sprintf("romeo%c@b.example", 'a'+i)))
	}
	return c
}

// talk has each say n messages, with pauses of up to pause.
func (c *crowd) talk(r *rand.Rand, n int, pause time.Duration) {
	var wg sync.WaitGroup
	for i := range c.left {
		for _, pair := range [][2]*person{{c.left[i], c.right[i]}, {c.right[i], c.left[i]}} {
			r := rand.New(rand.NewPCG(r.Uint64(), 1))
			wg.Go(func() {
				for range n {
					pair[0].says(pair[1], 1+r.IntN(200))
					if pause > 0 && r.IntN(3) == 0 {
						time.Sleep(time.Duration(r.Int64N(int64(pause))))
					}
				}
			})
		}
	}
	wg.Wait()
}

// pairs calls fn with each who has spoken and whom to, and says which side it is.
func (c *crowd) pairs(fn func(side int, from, to *person)) {
	for i := range c.left {
		fn(0, c.left[i], c.right[i])
		fn(1, c.right[i], c.left[i])
	}
}

// TestFaultBothAtOnce: both servers connect at the same moment, again and again.
// Everything arrives in order.
func TestFaultBothAtOnce(t *testing.T) {
	for i, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			seeds(t, 10, func(t *testing.T, r *rand.Rand) {
				n := newQuickNetwork(t)
				n.plant(nil)
				change := func(c *server.Config) {
					goWay(i, c)
					c.Federation.Dial = n.after(time.Duration(r.IntN(3)) * time.Millisecond)
				}
				a, b := n.add("a.example", change), n.add("b.example", change)
				c := n.crowd(a, b, 3)
				c.talk(r, 10, time.Duration(r.IntN(5))*time.Millisecond)
				settle(time.Minute)
				c.pairs(func(_ int, from, to *person) { allHeard(from, to) })
			})
		})
	}
}

// TestFaultCutInTraffic cuts connections hard at random bytes while there is traffic
// both ways, with all that is on its way.
func TestFaultCutInTraffic(t *testing.T) {
	for i, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			seeds(t, 8, func(t *testing.T, r *rand.Rand) {
				n := newQuickNetwork(t)
				var ledgers [2]ledger
				least := 20_000 // enough for the streams to come up
				if strings.Contains(way.name, "without TLS") {
					least = 2000
				}
				n.plant(func(_ int, _ dialback.Pair, c *cable) {
					c.fuse, c.taut = &fuse{left: least + r.IntN(20_000)}, r.IntN(4) == 0
					c.flows[0].room, c.flows[1].room = 1+r.IntN(5000), 1+r.IntN(5000)
				})
				a := n.add("a.example", func(c *server.Config) { goWay(i, c); c.Stream.Trace = ledgers[0].trace })
				b := n.add("b.example", func(c *server.Config) { goWay(i, c); c.Stream.Trace = ledgers[1].trace })
				c := n.crowd(a, b, 3)
				c.talk(r, 50, time.Second)
				settle(5 * time.Minute)
				total, ok := 0, 0
				c.pairs(func(side int, from, to *person) {
					f := fatesOf(from, to)
					ledgers[side].acked = 0 // each connection begins anew
					checkFates(t, f, &ledgers[side], acks(way.name), true)
					total, ok = total+len(from.said), ok+len(f.delivered)-len(f.both)
				})
				if ok < total/2 {
					t.Errorf("only %d of %d were delivered and not answered", ok, total)
				}
			})
		})
	}
}

// TestFaultRestart: another server takes over a domain while there is traffic: it is
// killed, and there is a new one with new keys, and no memory.
func TestFaultRestart(t *testing.T) {
	for i, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			seeds(t, 5, func(t *testing.T, r *rand.Rand) {
				n := newQuickNetwork(t)
				cs := n.plant(nil)
				var l ledger
				a := n.add("a.example", func(c *server.Config) { goWay(i, c); c.Stream.Trace = l.trace })
				b := n.add("b.example", func(c *server.Config) { goWay(i, c) })
				juliet, romeo := n.person(a, "juliet@a.example"), n.person(b, "romeo@b.example")
				done, first := make(chan struct{}), romeo // whoever has the address
				go func() {
					defer close(done)
					for range 300 {
						juliet.says(first, 1)
						time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond)
					}
				}()
				var lives []*person
				for range 3 {
					time.Sleep(time.Duration(r.IntN(8000)) * time.Millisecond)
					n.person(b, "nurse@b.example").says(juliet, 1)
					lives = append(lives, romeo)
					for _, c := range cs.list() {
						c.cut()
					}
					b.Close()
					b = n.add("b.example", func(c *server.Config) { goWay(i, c) })
					romeo = n.person(b, "romeo@b.example")
				}
				<-done
				settle(time.Minute)
				juliet.says(romeo, 1)
				romeo.says(juliet, 1)
				settle(time.Minute)
				allHeard(romeo, juliet)
				all := &person{t: t, addr: romeo.addr} // what came to any of them
				for _, p := range append(lives, romeo) {
					all.got = append(all.got, p.got...)
				}
				f := fatesOf(juliet, all)
				l.acked = 0 // each connection begins anew
				checkFates(t, f, &l, acks(way.name), true)
				// Each time, what is on its way in 200 ms has not been acknowledged.
				if len(f.delivered) < 200 || len(f.both)+len(f.lost) > 3*20 {
					t.Errorf("%v", f)
				}
			})
		})
	}
}

// TestFaultClosedInOrder: a server closes its streams in order, by Shutdown, while
// others send to it: nothing is lost, and nothing is answered that was delivered.
// Another one takes over.
func TestFaultClosedInOrder(t *testing.T) {
	for i, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			seeds(t, 6, func(t *testing.T, r *rand.Rand) {
				n := newQuickNetwork(t)
				n.plant(nil)
				a := n.add("a.example", func(c *server.Config) { goWay(i, c) })
				juliet, romeo := n.person(a, "juliet@a.example"), (*person)(nil)
				var lives []*person
				var b *server.Server
				begin := func() {
					b = n.add("b.example", func(c *server.Config) { goWay(i, c) })
					romeo = n.person(b, "romeo@b.example")
					lives = append(lives, romeo)
				}
				begin()
				stop, done := make(chan struct{}), make(chan struct{})
				first := romeo
				go func() {
					defer close(done)
					for {
						select {
						case <-stop:
							return
						case <-time.After(time.Duration(r.IntN(3)) * time.Millisecond):
							juliet.says(first, r.IntN(300))
						}
					}
				}()
				for range 3 {
					time.Sleep(time.Duration(100+r.IntN(500)) * time.Millisecond)
					old := b
					begin() // it gets what is sent from now on
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					if err := old.Shutdown(ctx); err != nil {
						t.Errorf("Shutdown: %v", err)
					}
					cancel()
				}
				close(stop)
				<-done
				settle(time.Minute)
				all := &person{t: t, addr: romeo.addr}
				for _, p := range lives {
					all.got = append(all.got, p.got...)
				}
				exactly(juliet, all)
			})
		})
	}
}

// TestFaultSlowPeer: a server does not read. Who sends to it is not kept for long,
// and told when too much waits; others are not held up; and when it reads again, or
// a new connection could be made, all that was taken arrives in order.
func TestFaultSlowPeer(t *testing.T) {
	for i, way := range ways {
		for _, wakes := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, wakes %v", way.name, wakes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { slowPeer(t, i, wakes) })
			})
		}
	}
}

func slowPeer(t *testing.T, way int, wakes bool) {
	const outbox, room, waiting, size, n = 50_000, 20_000, 10_000, 1000, 300
	w := newQuickNetwork(t)
	cs := w.plant(func(_ int, _ dialback.Pair, c *cable) { c.flows[0].room, c.flows[1].room = room, room })
	var l ledger
	a := w.add("a.example", func(c *server.Config) {
		goWay(way, c)
		c.Stream.MaxOutbox, c.Stream.Trace = outbox, l.trace
		c.Federation.MaxWaiting = waiting
	})
	b := w.add("b.example", func(c *server.Config) { goWay(way, c) })
	other := w.add("c.example", func(c *server.Config) { goWay(way, c) })
	juliet, romeo := w.person(a, "juliet@a.example"), w.person(b, "romeo@b.example")
	nurse, tybalt := w.person(a, "nurse@a.example"), w.person(other, "tybalt@c.example")
	juliet.says(romeo, 1)
	nurse.says(tybalt, 1)
	settle(time.Second)
	freeze := func(frozen bool) {
		for i, c := range cs.list() {
			if pair := cs.pair(i); pair.Remote == b.LocalAddr() || pair.Local == b.LocalAddr() {
				c.set(func() { c.flows[0].frozen, c.flows[1].frozen = frozen, frozen })
			}
		}
	}
	freeze(true)
	var longest, total time.Duration
	for range n {
		start := time.Now()
		juliet.says(romeo, size)
		longest, total = max(longest, time.Since(start)), total+time.Since(start)
		nurse.says(tybalt, size)
	}
	if longest > 2*time.Second || total > 10*time.Second {
		t.Errorf("who sent was kept for %v, and %v in all", longest, total)
	}
	synctest.Wait()
	f := fatesOf(juliet, romeo)
	taken := 1 + n - f.conditions[stanza.ResourceConstraint]
	if len(f.delivered) != 1 || taken*size > outbox+waiting+room+2*size {
		t.Errorf("%d stanzas of %d bytes were taken: %v", taken, size, f)
	}
	allHeard(nurse, tybalt)
	if wakes {
		freeze(false)
		settle(time.Second)
		if f := exactly(juliet, romeo); len(f.delivered) != taken {
			t.Errorf("%d were taken: %v", taken, f)
		}
	}
	settle(stream.DefaultWriteTimeout + 3*server.DefaultCheckInterval)
	juliet.says(romeo, size)
	settle(time.Minute)
	f = fatesOf(juliet, romeo)
	checkFates(t, f, &l, acks(ways[way].name), true)
	if last := juliet.said[len(juliet.said)-1]; len(f.delivered) == 0 || f.delivered[len(f.delivered)-1] != last {
		t.Errorf("does not recover: %v", f)
	}
}

// TestFaultLaneChanges: the connection that stanzas go by breaks while those who send
// wait for room on it, and another one is there already. Nobody is overtaken, and
// nothing stays behind.
func TestFaultLaneChanges(t *testing.T) {
	for i, way := range ways {
		if strings.Contains(way.name, "one way") {
			continue // there is no other one
		}
		t.Run(way.name, func(t *testing.T) {
			seeds(t, 10, func(t *testing.T, r *rand.Rand) {
				n := newQuickNetwork(t)
				cs := n.plant(func(_ int, _ dialback.Pair, c *cable) { c.flows[0].room, c.flows[1].room = 3000, 3000 })
				var ledgers [2]ledger
				add := func(domain string, l *ledger) *server.Server {
					return n.add(domain, func(c *server.Config) {
						goWay(i, c)
						c.Stream.MaxOutbox, c.Stream.Trace = 4000, l.trace
						c.Federation.Dial = n.after(time.Millisecond) // both at once
					})
				}
				a, b := add("a.example", &ledgers[0]), add("b.example", &ledgers[1])
				c := n.crowd(a, b, 4)
				c.talk(r, 1, 0)
				settle(time.Second)
				broken := cs.list()[r.IntN(len(cs.list()))]
				broken.set(func() { broken.flows[0].frozen, broken.flows[1].frozen = true, true })
				var wg sync.WaitGroup
				wg.Go(func() { c.talk(r, 30, 0) })
				settle(time.Duration(1+r.IntN(900)) * time.Millisecond)
				broken.cut()
				wg.Wait()
				settle(time.Second) // not as long as a stream lives
				c.pairs(func(side int, from, to *person) {
					ledgers[side].acked = 0 // each connection begins anew
					checkFates(t, fatesOf(from, to), &ledgers[side], acks(way.name), true)
				})
			})
		})
	}
}

// TestFaultPowerLoss: a server loses its power and comes back: the other one knows
// nothing of it, and its connections swallow what is sent. It must not take long
// until both can talk again, and until then who sends is told.
func TestFaultPowerLoss(t *testing.T) {
	eachWay(t, func(t *testing.T, n *network, way func(*server.Config)) {
		cs := n.plant(nil)
		a := n.add("a.example", way)
		b := n.add("b.example", way)
		juliet, romeo := n.person(a, "juliet@a.example"), n.person(b, "romeo@b.example")
		juliet.says(romeo, 1)
		romeo.says(juliet, 1)
		settle(2 * time.Second)
		for _, c := range cs.list() {
			c.swallow(true, true)
			c.set(func() { c.flows[0].frozen, c.flows[1].frozen = true, true })
		}
		a.Close()
		settle(10 * time.Second)
		a = n.add("a.example", way)
		romeo.forget() // what juliet said in her former life
		juliet = n.person(a, "juliet@a.example")
		for start := time.Now(); time.Since(start) < 5*server.DefaultCheckInterval; settle(5 * time.Second) {
			juliet.says(romeo, 1)
			romeo.says(juliet, 1)
		}
		early := len(juliet.said)
		for range 10 {
			juliet.says(romeo, 1)
			romeo.says(juliet, 1)
			settle(5 * time.Second)
		}
		settle(time.Minute)
		f := exactly(juliet, romeo) // her new server has broken connections to nobody
		if !slices.Contains(f.delivered, juliet.said[early]) {
			t.Errorf("juliet is not heard: %v", f)
		}
		if f := fatesOf(romeo, juliet); !slices.Contains(f.delivered, romeo.said[len(romeo.said)-10]) {
			t.Errorf("romeo is not heard: %v", f)
		}
	})
}
