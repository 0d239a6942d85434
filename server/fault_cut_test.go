package server_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/server"
)

// exchange is the whole life of the streams between two servers: five messages are
// said, both ways, before there is a stream and after it, and in the end the streams
// are closed because they idle. After a number of bytes the connection that carries
// them is cut, if the number is not negative.
type exchange struct {
	way   int
	taut  bool // nothing is on its way when the connection is cut
	cutAt int

	lost, both int // of all runs so far
}

// run returns after how many bytes, of all connections, each write ended.
func (x *exchange) run(t *testing.T) (marks []int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newQuickNetwork(t)
		var ledgers [2]ledger
		f := &fuse{left: x.cutAt, known: func() { ledgers[0].close(); ledgers[1].close() }}
		legible := strings.Contains(ways[x.way].name, "without TLS")
		cs := n.plant(func(_ int, _ dialback.Pair, c *cable) {
			c.fuse, c.taut = f, x.taut
			c.flows[0].keep, c.flows[1].keep = legible, legible
		})
		add := func(domain string, l *ledger) *server.Server {
			return n.add(domain, func(c *server.Config) {
				if !legible {
					c.Stream.Trace = l.trace
				}
				goWay(x.way, c)
			})
		}
		a, b := add("a.example", &ledgers[0]), add("b.example", &ledgers[1])
		juliet, romeo := n.person(a, "juliet@a.example"), n.person(b, "romeo@b.example")
		juliet.says(romeo, 1)
		juliet.says(romeo, 1)
		settle(time.Second)
		romeo.says(juliet, 1)
		settle(time.Second)
		juliet.says(romeo, 1)
		romeo.says(juliet, 1)
		settle(40 * time.Minute) // idle streams are closed after 15, also one that was opened to resume one
		if legible {
			ledgers[0].sent, ledgers[1].sent = cs.lost(), cs.lost()
		}
		for i, f := range []fates{fatesOf(juliet, romeo), fatesOf(romeo, juliet)} {
			x.lost, x.both = x.lost+len(f.lost), x.both+len(f.both)
			checkFates(t, f, &ledgers[i], acks(ways[x.way].name), !x.taut)
			if acks(ways[x.way].name) && len(f.both) > 0 {
				t.Errorf("both delivered and answered: %v", f.both)
			}
			if t.Failed() {
				t.Fatalf("the connection was cut after %d bytes: %v; both %v, lost %v", x.cutAt, f, f.both, f.lost)
			}
		}
		if left := append(a.ServerStreams(), b.ServerStreams()...); len(left) > 0 {
			t.Fatalf("the connection was cut after %d bytes: streams are left: %v", x.cutAt, left)
		}
		marks = f.marks
	})
	return marks
}

// checkFates holds what has become of messages against what the sender's server can
// know. With acknowledgements nothing is lost, and an error for what was delivered
// is right only if the acknowledgement had not come when the connection broke. Without
// them nothing is both, and only that can be lost which had been given whole to a
// connection that broke with something on its way; where the test can read what is
// on a connection it is also known that it did not get through it.
func checkFates(t *testing.T, f fates, l *ledger, acks, onItsWay bool) {
	t.Helper()
	for _, id := range f.lost {
		if acks || !onItsWay || !l.sent[id] {
			t.Errorf("%s is lost; acknowledgements %v, sent before %v", id, acks, l.sent[id])
		}
	}
	for _, id := range f.both {
		if !acks || l.isAcked(id) {
			t.Errorf("%s was delivered and answered; acknowledgements %v, %d came", id, acks, l.acked)
		}
	}
}

var everyByte = flag.Bool("every-byte", false, "cut connections at every byte in every manner, which takes half an hour")

// coin is another number in each run.
var coin = rand.IntN(1 << 20)

// cuts returns where to cut the connections of an exchange. Without TLS that is every
// byte, every other one in each of the two manners. With TLS it is where a byte more
// or less is not the same to both sides: at the ends of each write, and within it; of
// these each run takes every fourth.
func (x *exchange) cuts(t *testing.T) (at []int) {
	marks := x.run(t)
	total := marks[len(marks)-1]
	step := 2
	if strings.Contains(ways[x.way].name, "without TLS") || *everyByte {
		for n := range total + 1 {
			at = append(at, n)
		}
	} else {
		step = 4
		for i, m := range marks {
			before := 0
			if i > 0 {
				before = marks[i-1]
			}
			at = append(at, before+1, (before+m)/2, m-1, m)
		}
		slices.Sort(at)
		at = slices.Compact(at)
	}
	switch {
	case *everyByte:
		step = 1
	case poolLoss > 0 || testing.Short(): // the race detector
		step *= 16
	}
	phase := coin % step
	if x.taut {
		phase = (phase + step/2) % step
	}
	t.Logf("%d bytes in %d writes; every %d of %d cuts from %d on", total, len(marks), step, len(at), phase)
	var chosen []int
	for i := phase; i < len(at); i += step {
		chosen = append(chosen, at[i])
	}
	return chosen
}

// TestFaultCutAtEveryByte cuts the connection at every byte of its life: in the TLS
// handshake, the negotiation, the dialback, the stanzas, their acknowledgements and
// the end. It is cut with nothing on its way, so that each side knows exactly what
// the other has got, and with all that was not read lost.
func TestFaultCutAtEveryByte(t *testing.T) {
	for i, way := range ways {
		for _, taut := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, taut %v", way.name, taut), func(t *testing.T) {
				x := &exchange{way: i, taut: taut, cutAt: -1}
				for _, x.cutAt = range x.cuts(t) {
					x.run(t)
				}
				t.Logf("rightly lost: %d, both delivered and answered: %d", x.lost, x.both)
			})
		}
	}
}
