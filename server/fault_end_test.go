package server_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
)

// TestFaultIdle: a stream on which nothing is sent is closed in order after a
// while, also if there is one for each direction, and what is sent next opens a new
// one. What is sent at any moment around the closing arrives, once.
func TestFaultIdle(t *testing.T) {
	eachWay(t, func(t *testing.T, n *network, way func(*server.Config)) {
		a := n.add("a.example", way)
		b := n.add("b.example", way)
		juliet, romeo := n.person(a, "juliet@a.example"), n.person(b, "romeo@b.example")
		before := 0
		for range 3 {
			// At once, so that there are streams in both directions.
			juliet.says(romeo, 1)
			romeo.says(juliet, 1)
			settle(14 * time.Minute)
			if len(a.ServerStreams()) == 0 {
				t.Fatal("closed too early")
			}
			settle(4 * time.Minute)
			if left := append(a.ServerStreams(), b.ServerStreams()...); len(left) > 0 {
				t.Fatalf("not closed: %v", left)
			}
			if n.dials == before {
				t.Fatal("no new connection")
			}
			before = n.dials
		}
		allHeard(juliet, romeo)
		allHeard(romeo, juliet)
	})
}

// TestFaultIdleRace: stanzas that are sent while a stream is being closed because it
// idles are delivered or answered, once.
func TestFaultIdleRace(t *testing.T) {
	eachWay(t, func(t *testing.T, n *network, way func(*server.Config)) {
		short := func(c *server.Config) {
			way(c)
			c.Federation.IdleTimeout, c.Federation.CheckInterval = time.Second, time.Second
		}
		a, b := n.add("a.example", short), n.add("b.example", short)
		juliet, romeo := n.person(a, "juliet@a.example"), n.person(b, "romeo@b.example")
		rounds := 50
		if poolLoss > 0 { // the race detector
			rounds = 15
		}
		for k := range rounds {
			go juliet.says(romeo, 1)
			if k%2 == 0 {
				go romeo.says(juliet, 1)
			}
			time.Sleep(time.Duration(k%5+1) * time.Second)
		}
		settle(time.Minute)
		for _, f := range []fates{exactly(juliet, romeo), exactly(romeo, juliet)} {
			if len(f.told) > 0 {
				t.Log(f)
			}
		}
	})
}

// TestFaultNobodyAuthorized: a stream on which no domain is authorized is closed after
// the ConnectTimeout, whoever has opened it, and whatever was asked on it.
func TestFaultNobodyAuthorized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newQuickNetwork(t)
		one := func(c *server.Config) {
			believing(c)
			c.Federation.NoBidi = true
		}
		a, b := n.add("a.example", one), n.add("b.example", one)
		caller, called := newCable().ends()
		go b.ServeS2SConn(context.Background(), called)
		r := newRaw(t, caller)
		r.send("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'" +
			" from='c.example' to='b.example' version='1.0'>")
		r.expect("</stream:features>")
		r.send("<db:verify from='c.example' to='b.example' id='x'>key</db:verify>")
		r.expect("<db:verify ", "type='invalid'")
		juliet, romeo := n.person(a, "juliet@a.example"), n.person(b, "romeo@b.example")
		juliet.says(romeo, 1)
		settle(time.Second)
		if n := len(b.ServerStreams()); n != 3 { // of c.example, of a.example, to ask a.example for the key
			t.Fatalf("%d streams", n)
		}
		settle(server.DefaultConnectTimeout + server.DefaultCheckInterval)
		for _, s := range b.ServerStreams() {
			if !s.Authorized {
				t.Errorf("still there: %+v", s)
			}
		}
		if n := len(b.ServerStreams()); n != 1 {
			t.Errorf("%d streams are left", n)
		}
		if got := r.expectEnd(); !strings.Contains(got, "<connection-timeout ") {
			t.Errorf("got %q", got)
		}
		allHeard(juliet, romeo)
	})
}

// TestFaultTooLarge: a stanza that is larger than what the other server takes, as it
// has said (XEP-0478), is answered, and the stream stays.
func TestFaultTooLarge(t *testing.T) {
	eachWay(t, func(t *testing.T, n *network, way func(*server.Config)) {
		change := func(c *server.Config) {
			way(c)
			c.Stream.MaxStanza = 20_000
		}
		a, b := n.add("a.example", change), n.add("b.example", change)
		juliet, romeo := n.person(a, "juliet@a.example"), n.person(b, "romeo@b.example")
		for _, pair := range [][2]*person{{juliet, romeo}, {romeo, juliet}} {
			small := []string{pair[0].says(pair[1], 19_000)}
			settle(time.Second)
			before := n.dials
			pair[0].says(pair[1], 20_000)
			small = append(small, pair[0].says(pair[1], 1))
			settle(time.Second)
			f := exactly(pair[0], pair[1])
			if f.conditions[stanza.PolicyViolation] != 1 || !slices.Equal(f.delivered, small) || n.dials != before {
				t.Errorf("%v; %d dials, then %d", f, before, n.dials)
			}
		}
		// Also one that has waited for the stream.
		c := n.person(n.add("c.example", change), "tybalt@c.example")
		nurse := n.person(a, "nurse@a.example")
		nurse.says(c, 20_000)
		nurse.says(c, 1)
		settle(time.Second)
		if f := exactly(nurse, c); f.conditions[stanza.PolicyViolation] != 1 || len(f.delivered) != 1 {
			t.Errorf("%v", f)
		}
	})
}

// TestFaultShutdown: what waits for a stream when the server is shut down, and what is
// on its way, is there before it ends, and the streams are closed with
// system-shutdown.
func TestFaultShutdown(t *testing.T) {
	eachWay(t, func(t *testing.T, n *network, way func(*server.Config)) {
		n.plant(nil)
		a := n.add("a.example", func(c *server.Config) {
			way(c)
			c.Federation.Dial = n.after(3 * time.Second)
		})
		var mu sync.Mutex
		ends := 0
		seen := func(c *server.Config) {
			way(c)
			c.Stream.Trace = func(sent bool, xml []byte) {
				if !sent && strings.Contains(string(xml), "<system-shutdown ") {
					mu.Lock()
					ends++
					mu.Unlock()
				}
			}
		}
		b, c := n.add("b.example", seen), n.add("c.example", seen)
		juliet, romeo := n.person(a, "juliet@a.example"), n.person(b, "romeo@b.example")
		nurse, tybalt := n.person(a, "nurse@a.example"), n.person(c, "tybalt@c.example")
		nurse.says(tybalt, 1)
		settle(time.Minute)
		streams := len(c.ServerStreams())
		nurse.saysMany(tybalt, 50, 100)
		juliet.saysMany(romeo, 50, 100)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := a.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v after %v", err, time.Since(start))
		}
		synctest.Wait() // the handlers of b and c
		allHeard(juliet, romeo)
		allHeard(nurse, tybalt)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if left := append(b.ServerStreams(), c.ServerStreams()...); ends < streams+1 || len(left) > 0 {
			t.Errorf("%d streams were closed with system-shutdown, left: %v", ends, left)
		}
	})
}

// TestFaultShutdownUnreachable: the server is shut down while stanzas wait for what
// cannot be reached. It ends in time, and who has sent is told.
func TestFaultShutdownUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newQuickNetwork(t)
		a := n.add("a.example", func(c *server.Config) { c.Federation.Dial = never })
		juliet, romeo := n.person(a, "juliet@a.example"), n.stranger("romeo@b.example")
		juliet.saysMany(romeo, 3, 1)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		a.Shutdown(ctx)
		if d := time.Since(start); d > 11*time.Second {
			t.Errorf("Shutdown took %v", d)
		}
		allTold(juliet, romeo, stanza.RemoteServerTimeout)
	})
}

// TestFaultCloseAtAnyStage: connections hang at any stage of their life, and the
// servers are closed then, by Close or by Shutdown. That takes no time, or not more
// than Shutdown is given, and no goroutine is left: the end of the bubble tells.
func TestFaultCloseAtAnyStage(t *testing.T) {
	for i, way := range ways {
		for _, shutdown := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, shutdown %v", way.name, shutdown), func(t *testing.T) {
				marks := (&exchange{way: i, cutAt: -1}).run(t)
				step := 1
				if testing.Short() || poolLoss > 0 { // the race detector
					step = 5
				}
				for k := 0; k < len(marks); k += step {
					closeAt(t, i, marks[k], shutdown)
					if t.Failed() {
						t.Fatalf("hung after %d bytes", marks[k])
					}
				}
			})
		}
	}
}

func closeAt(t *testing.T, way, bytes int, shutdown bool) {
	synctest.Test(t, func(t *testing.T) {
		n := newQuickNetwork(t)
		hung := make(chan struct{})
		f := &fuse{left: bytes, hangs: true, known: func() { close(hung) }}
		n.plant(func(_ int, _ dialback.Pair, c *cable) { c.fuse = f })
		a := n.add("a.example", func(c *server.Config) { goWay(way, c) })
		b := n.add("b.example", func(c *server.Config) { goWay(way, c) })
		juliet, romeo := n.person(a, "juliet@a.example"), n.person(b, "romeo@b.example")
		juliet.saysMany(romeo, 2, 1)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			time.Sleep(time.Second)
			romeo.says(juliet, 1)
			juliet.says(romeo, 1)
		})
		select {
		case <-hung:
		case <-time.After(20 * time.Minute):
		}
		synctest.Wait()
		for _, s := range []*server.Server{a, b} {
			start := time.Now()
			most := time.Duration(0)
			if shutdown {
				most = 10 * time.Second
				ctx, cancel := context.WithTimeout(t.Context(), most)
				s.Shutdown(ctx)
				cancel()
			} else {
				s.Close()
			}
			if d := time.Since(start); d > most+time.Second {
				t.Errorf("it took %v", d)
			}
			synctest.Wait()
			if left := s.ServerStreams(); len(left) > 0 {
				t.Errorf("streams are left: %v", left)
			}
		}
	})
}
