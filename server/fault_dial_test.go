package server_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// dialing is the Dial of a server: it notes when it was asked.
type dialing struct {
	dial func(context.Context, dialback.Pair) (stream.Transport, error)

	mu    sync.Mutex
	times []time.Time
	now   int // under way
	most  int
}

func (d *dialing) Dial(ctx context.Context, pair dialback.Pair) (stream.Transport, error) {
	d.mu.Lock()
	d.times = append(d.times, time.Now())
	d.now++
	d.most = max(d.most, d.now)
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.now--
	}()
	return d.dial(ctx, pair)
}

func (d *dialing) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.times)
}

// never is a DNS that does not answer.
func never(ctx context.Context, _ dialback.Pair) (stream.Transport, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// after is a DNS that needs some time.
func (n *network) after(d time.Duration) func(context.Context, dialback.Pair) (stream.Transport, error) {
	return func(ctx context.Context, pair dialback.Pair) (stream.Transport, error) {
		select {
		case <-time.After(d):
			return n.dial(ctx, pair)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// stranger is a person that no server of the network has.
func (n *network) stranger(addr string) *person {
	s := newServer(n.t, nil)
	return n.person(s, addr)
}

// within expects that all that was answered was answered in this time.
func (p *person) within(least, most time.Duration) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, d := range p.when {
		if d < least || d > most {
			p.t.Errorf("%s was answered after %v, want %v to %v", id, d, least, most)
		}
	}
}

// TestFaultNoAnswerFromDNS: who sends while the DNS does not answer is told so once,
// in time, and as long as the link rests at once.
func TestFaultNoAnswerFromDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newQuickNetwork(t)
		d := &dialing{dial: never}
		a := n.add("a.example", func(c *server.Config) {
			c.Federation.Dial = d.Dial
			c.Federation.ConnectTimeout = 10 * time.Second
		})
		juliet, romeo := n.person(a, "juliet@a.example"), n.stranger("romeo@b.example")
		juliet.saysMany(romeo, 3, 1)
		settle(5 * time.Second)
		juliet.saysMany(romeo, 3, 1)
		settle(6 * time.Second)
		allTold(juliet, romeo, stanza.RemoteServerTimeout)
		juliet.within(5*time.Second, 10*time.Second)
		early := len(juliet.told)
		late := juliet.says(romeo, 1)
		synctest.Wait()
		allTold(juliet, romeo, stanza.RemoteServerTimeout)
		if len(juliet.told) != early+1 || juliet.when[late] != 0 || d.count() != 1 {
			t.Errorf("while the link rests: told after %v, %d dials", juliet.when[late], d.count())
		}
		settle(time.Minute)
	})
}

// TestFaultNoSuchHost: who writes to a domain that there is not is told so at once,
// and the DNS is asked again only after a while that grows.
func TestFaultNoSuchHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newQuickNetwork(t)
		d := &dialing{dial: n.dial}
		a := n.add("a.example", func(c *server.Config) { c.Federation.Dial = d.Dial })
		juliet, romeo := n.person(a, "juliet@a.example"), n.stranger("romeo@b.example")
		for range 4 * 3600 { // an hour
			juliet.says(romeo, 1)
			synctest.Wait()
			settle(250 * time.Millisecond)
		}
		allTold(juliet, romeo, stanza.RemoteServerNotFound)
		juliet.within(0, 0)
		rest := server.DefaultRetryDelay
		for i, at := range d.times[1:] {
			got := at.Sub(d.times[i])
			if got < rest*3/4 || got > rest+250*time.Millisecond {
				t.Errorf("try %d came after %v, want 3/4 to all of %v", i+1, got, rest)
			}
			rest = min(2*rest, server.DefaultMaxRetryDelay)
		}
		if len(d.times) < 15 || len(d.times) > 30 {
			t.Errorf("%d tries in an hour", len(d.times))
		}
	})
}

// TestFaultBackOffIsForgotten: after a success, and after a long time.
func TestFaultBackOffIsForgotten(t *testing.T) {
	for _, success := range []bool{true, false} {
		t.Run(fmt.Sprintf("success %v", success), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newQuickNetwork(t)
				cs := n.plant(nil)
				d := &dialing{dial: n.dial}
				a := n.add("a.example", func(c *server.Config) {
					c.Federation.Dial = d.Dial
					c.Federation.NoBidi = true // a stream on which nothing waits is not resumed
				})
				juliet, romeo := n.person(a, "juliet@a.example"), n.stranger("romeo@b.example")
				try := func() {
					juliet.says(romeo, 1)
					synctest.Wait()
				}
				for d.count() < 6 { // rests for at least 48 s now
					try()
					settle(time.Second)
				}
				if success {
					b := n.add("b.example", nil)
					romeo = n.person(b, "romeo@b.example")
					settle(64 * time.Second)
					try()
					settle(time.Second) // for the acknowledgement
					if len(romeo.got) != 1 {
						t.Fatal("did not come")
					}
					n.mu.Lock()
					delete(n.servers, "b.example")
					n.mu.Unlock()
					for _, c := range cs.list() {
						c.cut()
					}
					synctest.Wait()
				} else {
					settle(3 * 64 * time.Second)
				}
				before := d.count()
				try()
				settle(time.Second)
				try()
				if n := d.count() - before; n != 1 {
					t.Errorf("%d tries, want 1 and then a rest", n)
				}
				settle(1250 * time.Millisecond)
				try()
				if n := d.count() - before; n != 2 {
					t.Errorf("%d tries, want another one after 2 s", n)
				}
				exactly(juliet, romeo)
			})
		})
	}
}

// TestFaultMaxWaiting: what waits for a link is bounded. The first are delivered in
// their order when it is up, the rest is answered at once.
func TestFaultMaxWaiting(t *testing.T) {
	eachWay(t, func(t *testing.T, n *network, way func(*server.Config)) {
		const most = 10_000
		a := n.add("a.example", func(c *server.Config) {
			way(c)
			c.Federation.MaxWaiting = most
			c.Federation.Dial = n.after(10 * time.Second)
		})
		b := n.add("b.example", way)
		juliet, romeo := n.person(a, "juliet@a.example"), n.person(b, "romeo@b.example")
		juliet.saysMany(romeo, 100, 500)
		synctest.Wait()
		juliet.within(0, 0)
		settle(time.Minute)
		f := exactly(juliet, romeo)
		got := len(f.delivered)
		if f.conditions[stanza.ResourceConstraint] != 100-got || got*500 > most || (got+1)*700 < most {
			t.Errorf("%v", f)
		}
		if !slices.Equal(f.delivered, juliet.said[:got]) {
			t.Errorf("not the first were delivered: %v", f.delivered)
		}
		juliet.saysMany(romeo, 100, 500) // there is a link now
		settle(time.Minute)
		if f := exactly(juliet, romeo); len(f.delivered) != got+100 {
			t.Errorf("later: %v", f)
		}
	})
}

// TestFaultMaxWaitingOne: a stanza that is larger than what may wait is taken if
// nothing else waits, or it could never be sent.
func TestFaultMaxWaitingOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newQuickNetwork(t)
		a := n.add("a.example", func(c *server.Config) { c.Federation.MaxWaiting = 1000 })
		juliet, romeo := n.person(a, "juliet@a.example"), n.person(n.add("b.example", nil), "romeo@b.example")
		juliet.says(romeo, 5000)
		settle(time.Second)
		allHeard(juliet, romeo)
	})
}

// TestFaultMaxAllWaiting: what waits for all links together is bounded too, and there
// is room again when links are up, or given up.
func TestFaultMaxAllWaiting(t *testing.T) {
	for _, reachable := range []bool{true, false} {
		t.Run(fmt.Sprintf("reachable %v", reachable), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newQuickNetwork(t)
				a := n.add("a.example", func(c *server.Config) {
					c.Federation.MaxAllWaiting = 10_000
					c.Federation.Dial = n.after(10 * time.Second)
				})
				var senders, receivers []*person
				for i := range 5 {
					domain := fmt.Sprintf("b%d.example", i)
					senders = append(senders, n.person(a, fmt.Sprintf("juliet%c@a.example", 'a'+i)))
					if reachable {
						receivers = append(receivers, n.person(n.add(domain, nil), "romeo@"+domain))
					} else {
						receivers = append(receivers, n.stranger("romeo@"+domain))
					}
				}
				for range 2 {
					total, refused := 0, 0
					for i, p := range senders {
						p.saysMany(receivers[i], 10, 500)
						total += 10
					}
					settle(time.Minute)
					for i, p := range senders {
						f := exactly(p, receivers[i])
						refused += f.conditions[stanza.ResourceConstraint]
						if !reachable && f.conditions[stanza.ResourceConstraint]+f.conditions[stanza.RemoteServerNotFound] != len(p.said) {
							t.Errorf("%v", f)
						}
						p.forget()
						receivers[i].forget()
					}
					if waited := total - refused; waited*500 > 10_000 || (waited+1)*700 < 10_000 {
						t.Errorf("%d of %d waited", waited, total)
					}
					if reachable {
						break // there are links now, nothing waits
					}
				}
			})
		})
	}
}

// TestFaultMaxLinks: the pairs of domains are bounded, and there is room again when
// a link is of no use any more.
func TestFaultMaxLinks(t *testing.T) {
	for _, reachable := range []bool{true, false} {
		t.Run(fmt.Sprintf("reachable %v", reachable), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newQuickNetwork(t)
				a := n.add("a.example", func(c *server.Config) { c.Federation.MaxLinks = 3 })
				juliet := n.person(a, "juliet@a.example")
				to := func(i int) *person {
					domain := fmt.Sprintf("b%d.example", i)
					if reachable {
						return n.person(n.add(domain, nil), "romeo@"+domain)
					}
					return n.stranger("romeo@" + domain)
				}
				say := func(i, want int) {
					for k := range 5 {
						juliet.forget()
						p := to(5*i + k)
						juliet.says(p, 1)
						settle(100 * time.Millisecond)
						f := exactly(juliet, p)
						if refused := f.conditions[stanza.ResourceConstraint] == 1; refused != (k >= want) {
							t.Errorf("domain %d: %v", k, f)
						}
					}
				}
				say(0, 3)
				settle(20 * time.Minute)
				say(1, 3)
			})
		})
	}
}

// TestFaultMaxDialing: only so many streams are opened at one time. The others wait
// their turn, in time.
func TestFaultMaxDialing(t *testing.T) {
	for _, answers := range []bool{true, false} {
		t.Run(fmt.Sprintf("DNS answers %v", answers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newQuickNetwork(t)
				d := &dialing{dial: n.after(5 * time.Second)}
				if !answers {
					d.dial = never
				}
				a := n.add("a.example", func(c *server.Config) {
					c.Federation.MaxDialing = 2
					c.Federation.Dial = d.Dial
				})
				for i := range 8 {
					domain := fmt.Sprintf("b%d.example", i)
					p := n.person(a, fmt.Sprintf("juliet%c@a.example", 'a'+i))
					q := n.person(n.add(domain, nil), "romeo@"+domain)
					p.says(q, 1)
					defer func() {
						if answers {
							allHeard(p, q)
						} else {
							allTold(p, q, stanza.RemoteServerTimeout)
							p.within(server.DefaultConnectTimeout, server.DefaultConnectTimeout)
						}
					}()
				}
				settle(31 * time.Second)
				if d.most != 2 {
					t.Errorf("%d at one time", d.most)
				}
			})
		})
	}
}
