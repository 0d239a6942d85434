package server_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/server"
)

// resumption is an exchange of five messages each way between two servers that are
// connected already. After a number of bytes of it the connection that carries them is
// cut, if the number is not negative.
type resumption struct {
	way   int
	taut  bool // nothing is on its way when the connection is cut
	cutAt int
	pause time.Duration // between two messages
}

// run returns how many bytes the exchange takes. Everything arrives, once, in order,
// whatever is cut.
func (x *resumption) run(t *testing.T) (total int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newQuickNetwork(t)
		f := &fuse{left: -1}
		n.plant(func(_ int, _ dialback.Pair, c *cable) { c.fuse, c.taut = f, x.taut })
		change := func(c *server.Config) { goWay(x.way, c) }
		a, b := n.add("a.example", change), n.add("b.example", change)
		juliet, romeo := n.person(a, "juliet@a.example"), n.person(b, "romeo@b.example")
		juliet.says(romeo, 1)
		romeo.says(juliet, 1)
		settle(time.Second)
		romeo.says(juliet, 1)
		settle(time.Second)
		f.mu.Lock()
		before := f.used
		f.left = x.cutAt
		f.mu.Unlock()
		for range 5 {
			juliet.says(romeo, 1)
			romeo.says(juliet, 1)
			time.Sleep(x.pause)
		}
		settle(time.Minute)
		total = f.used - before
		allHeard(juliet, romeo)
		allHeard(romeo, juliet)
		if t.Failed() {
			t.Fatalf("the connection was cut after %d bytes", x.cutAt)
		}
	})
	return total
}

// TestFaultResumeAtEveryByte cuts the connection between two servers after each byte of
// an exchange: nothing is lost, nothing comes twice or in another order, and nobody is
// told anything. Each run takes another part of the bytes, or all with -every-byte.
func TestFaultResumeAtEveryByte(t *testing.T) {
	for i, way := range ways {
		if !acks(way.name) {
			continue
		}
		step := 16
		switch {
		case *everyByte:
			step = 1
		case testing.Short() || poolLoss > 0: // the race detector
			step = 128
		case !strings.Contains(way.name, "without TLS"):
			step = 96 // whatever is cut of a record, all of it is lost
		}
		for _, taut := range []bool{true, false} {
			for _, pause := range []time.Duration{0, 250 * time.Millisecond} { // acknowledgements come in between
				t.Run(fmt.Sprintf("%s, taut %v, pause %v", way.name, taut, pause), func(t *testing.T) {
					x := &resumption{way: i, taut: taut, cutAt: -1, pause: pause}
					total := x.run(t)
					if total < 1000 {
						t.Fatalf("only %d bytes", total)
					}
					for x.cutAt = 1 + coin%step; x.cutAt <= total; x.cutAt += step {
						x.run(t)
					}
				})
			}
		}
	}
}

// TestFaultCutAgainAndAgain cuts each connection soon after it has come up, with all
// that is on its way, as long as there is traffic both ways. What goes the other way on
// a connection that is cut before who has opened it knows by what it can be resumed is
// answered, and has not come; so is what is said while nothing is tried, because two
// streams in succession did not last. That is little of all.
func TestFaultCutAgainAndAgain(t *testing.T) {
	for i, way := range ways {
		if !acks(way.name) {
			continue
		}
		t.Run(way.name, func(t *testing.T) {
			said, told := 0, 0
			seeds(t, 8, func(t *testing.T, r *rand.Rand) {
				n := newQuickNetwork(t)
				least, most := 16_000, 12_000 // enough for a stream to come up
				if strings.Contains(way.name, "without TLS") {
					least = 4_000
				}
				cs := n.plant(func(_ int, _ dialback.Pair, c *cable) {
					c.fuse, c.taut = &fuse{left: least + r.IntN(most)}, r.IntN(3) == 0
				})
				change := func(c *server.Config) { goWay(i, c) }
				a, b := n.add("a.example", change), n.add("b.example", change)
				c := n.crowd(a, b, 3)
				c.talk(r, 50, time.Second)
				settle(5 * time.Minute)
				c.pairs(func(_ int, from, to *person) {
					said, told = said+len(from.said), told+len(exactly(from, to).told)
				})
				if n := len(cs.list()); n < 4 {
					t.Errorf("only %d connections", n)
				}
			})
			if told > said/2 {
				t.Errorf("%d of %d were answered", told, said)
			}
		})
	}
}
