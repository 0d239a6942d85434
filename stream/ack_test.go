package stream

import (
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestAsk is when the peer is asked, byte for byte.
func TestAsk(t *testing.T) {
	t.Run("at once, then after a pause, then not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := manage(t, Config{})
			sendAll(t, c, 0, 1)
			p.now(xmlOf(0, 1) + requestXML)
			start := time.Now()
			sendAll(t, c, 1, 2) // a request is not answered
			time.Sleep(time.Hour)
			p.now(xmlOf(1, 2))
			p.quiet()
			if since, ok := c.AwaitingAck(); !ok || !since.Equal(start) {
				t.Error(since, ok)
			}
			acked(t, c, 1)
			p.now(requestXML) // an hour is more than a pause
			acked(t, c, 2)
			if since, ok := c.AwaitingAck(); ok || !since.IsZero() {
				t.Error(since, ok)
			}
			sendAll(t, c, 2, 3)
			p.now(xmlOf(2, 3))
			sendAll(t, c, 3, 4)
			p.now(xmlOf(3, 4))
			time.Sleep(askPause - 1)
			p.quiet()
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			p.now(requestXML)
			acked(t, c, 4)
			sendAll(t, c, 4, 5)
			p.now(xmlOf(4, 5))
			time.Sleep(askPause)
			p.now(requestXML)
			acked(t, c, 5)
			time.Sleep(time.Hour)
			p.quiet()
			if _, ok := c.AwaitingAck(); ok {
				t.Error("an idle stream waits")
			}
		})
	})
	t.Run("after many stanzas", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := manage(t, Config{})
			sendAll(t, c, 0, 1)
			acked(t, c, 1)
			sendAll(t, c, 1, 1+askStanzas)
			p.now(xmlOf(0, 1) + requestXML + xmlOf(1, 1+askStanzas) + requestXML)
			if c.out.acks.armed {
				t.Error("a timer for nothing")
			}
			sendAll(t, c, 100, 200)
			p.now(xmlOf(100, 200))
			acked(t, c, 1+askStanzas) // the answer leaves more than enough for another
			p.now(requestXML)
			acked(t, c, 101+askStanzas)
			p.quiet()
		})
	})
	t.Run("after many bytes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, tt := range []struct{ max, want int }{{0, askBytes}, {-1, askBytes}, {8000, 2000}} {
				p, c := manage(t, Config{MaxOutbox: tt.max})
				sendAll(t, c, 0, 1)
				acked(t, c, 1)
				p.now(xmlOf(0, 1) + requestXML)
				big := sized(t, tt.want/4)
				for i := range 4 {
					p.quiet()
					c.Send(t.Context(), big)
					p.now(big.String())
					if i == 3 {
						p.now(requestXML)
					}
				}
				c.Close()
			}
		})
	})
	t.Run("at once for who waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := manage(t, Config{})
			for i := range 5 { // send and wait, without a pause
				sendAll(t, c, i, i+1)
				c.RequestAck()
				p.now(xmlOf(i, i+1) + requestXML)
				c.RequestAck() // it is asked for already
				p.quiet()
				acked(t, c, uint32(i+1))
			}
			c.RequestAck() // there is nothing
			p.quiet()
			sendAll(t, c, 5, 6)
			p.now(xmlOf(5, 6))
			p.quiet()
			c.RequestAck()
			p.now(requestXML)
			sendAll(t, c, 6, 7)
			c.RequestAck() // behind the answer
			p.now(xmlOf(6, 7))
			p.quiet()
			acked(t, c, 6)
			p.now(requestXML)
		})
	})
	t.Run("again after an answer that says nothing new", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := manage(t, Config{})
			sendAll(t, c, 0, 1)
			p.now(xmlOf(0, 1) + requestXML)
			for pause := 2 * askPause; pause < 5*time.Minute; pause *= 2 {
				acked(t, c, 0)
				c.RequestAck() // in vain
				time.Sleep(min(pause, askMaxPause) - 1)
				p.quiet()
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				p.now(requestXML)
			}
			acked(t, c, 0)
			// What is sent does not hurry it, what is acknowledged does.
			sendAll(t, c, 1, 1+2*askStanzas)
			p.now(xmlOf(1, 1+2*askStanzas))
			p.quiet()
			acked(t, c, 1)
			p.now(requestXML)
			acked(t, c, 1+2*askStanzas)
			sendAll(t, c, 200, 201)
			p.now(xmlOf(200, 201))
			time.Sleep(askPause)
			p.now(requestXML)
			// So does what is acknowledged unasked.
			sendAll(t, c, 201, 203)
			p.now(xmlOf(201, 203))
			for pause := 2 * askPause; pause < askMaxPause; pause *= 2 {
				acked(t, c, 1+2*askStanzas)
				time.Sleep(pause)
				p.now(requestXML)
			}
			acked(t, c, 1+2*askStanzas)
			acked(t, c, 2+2*askStanzas)
			p.quiet()
			time.Sleep(askPause)
			p.now(requestXML)
			acked(t, c, 3+2*askStanzas)
			p.quiet()
			acked(t, c, 3+2*askStanzas)
			acked(t, c, 4+2*askStanzas)
			p.quiet()
		})
	})
	t.Run("at the end of what waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tr := &scriptedConn{gate: make(chan struct{})}
			c := readyConn(tr, Config{})
			write := func(want string) { // lets the stream write once
				t.Helper()
				tr.gate <- struct{}{}
				synctest.Wait()
				if got := tr.out.String(); got != want {
					t.Fatalf("%d bytes end %s, want %d, %s", len(got), got[max(0, len(got)-60):], len(want), want[max(0, len(want)-60):])
				}
				tr.out.Reset()
			}
			c.manageAfter(enabledXML)
			write(enabledXML)
			sendAll(t, c, 0, 1)
			write(xmlOf(0, 1) + requestXML)
			acked(t, c, 1)
			sendAll(t, c, 1, 2) // the writer is stuck in it
			big := sized(t, writeChunk+100)
			c.Send(t.Context(), big)
			c.Send(t.Context(), big)
			c.RequestAck()
			write(xmlOf(1, 2))
			// The batch has another write to come, and then there is another batch.
			sendAll(t, c, 2, 3)
			write(big.String())
			write(big.String())
			write(xmlOf(2, 3) + requestXML)
			acked(t, c, 5)
			if c.out.writing {
				t.Error("writes")
			}
		})
	})
	t.Run("not by a stream that is closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := manage(t, Config{})
			sendAll(t, c, 0, 1)
			acked(t, c, 1)
			sendAll(t, c, 1, 2) // the timer is set
			if !c.out.acks.armed {
				t.Error("no timer")
			}
			c.Close()
			if c.out.acks.armed {
				t.Error("a timer")
			}
			if err := c.acked(2); err != nil { // read late
				t.Error(err)
			}
			if got := left(c); got != "|" {
				t.Error(got)
			}
			if got := p.rest(); got != xmlOf(0, 1)+requestXML+xmlOf(1, 2) {
				t.Error(got)
			}
			tr := &scriptedConn{}
			c = readyConn(tr, Config{})
			c.manageAfter(enabledXML)
			sendAll(t, c, 0, askStanzas+2)
			c.out.fail(errWire)
			acked(t, c, 1)
			c.RequestAck()
			time.Sleep(time.Hour)
			if got := strings.Count(tr.out.String(), requestXML); got != 1 {
				t.Errorf("%d requests", got)
			}
		})
	})
}

// TestAskCost: a busy stream has one request for some dozens of stanzas, however
// quickly it is answered.
func TestAskCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := manage(t, Config{})
		const n = 5000
		for i := range n {
			sendAll(t, c, i, i+1)
			got, _ := p.text()
			if strings.Contains(got, requestXML) {
				p.wait(requestXML)
				acked(t, c, uint32(i+1))
			}
			time.Sleep(100 * time.Microsecond)
		}
		requests := strings.Count(string(p.got), requestXML)
		if requests < n/askStanzas || requests > n/askStanzas+2+int(n*100*time.Microsecond/askPause) {
			t.Errorf("%d requests for %d stanzas", requests, n)
		}
	})
}

// TestAcked: what a number does, with counters of 32 bits (XEP-0198, section 4:
// "the value of 'h' SHALL be reset from 2^32-1 back to zero").
func TestAcked(t *testing.T) {
	const max = math.MaxUint32
	for _, tt := range []struct {
		name    string
		before  uint64 // acknowledged
		kept    int
		h       uint32
		left    int
		sent    uint32
		tooMuch bool
	}{
		{name: "none", kept: 3, h: 0, left: 3},
		{name: "one", kept: 3, h: 1, left: 2},
		{name: "all", kept: 3, h: 3, left: 0},
		{name: "nothing was sent", kept: 0, h: 0, left: 0},
		{name: "one that was not sent", kept: 0, h: 1, tooMuch: true, sent: 0},
		{name: "one too many", kept: 3, h: 4, left: 3, tooMuch: true, sent: 3},
		{name: "the largest", kept: 3, h: max, left: 3, tooMuch: true, sent: 3},
		{name: "half", kept: 3, h: 1 << 31, left: 3, tooMuch: true, sent: 3},
		{name: "again", before: 5, kept: 3, h: 5, left: 3},
		{name: "the past", before: 5, kept: 3, h: 4, left: 3},
		{name: "long ago", before: 5, kept: 3, h: 0, left: 3},
		{name: "before the beginning", before: 5, kept: 3, h: max, left: 3, tooMuch: true, sent: 8},
		{name: "behind all", before: 5, kept: 3, h: 9, left: 3, tooMuch: true, sent: 8},
		{name: "to the edge", before: max - 2, kept: 5, h: max, left: 3},
		{name: "to zero", before: max - 2, kept: 5, h: 0, left: 2},
		{name: "over the edge", before: max - 2, kept: 5, h: 1, left: 1},
		{name: "all over the edge", before: max - 2, kept: 5, h: 2, left: 0},
		{name: "one too many over the edge", before: max - 2, kept: 5, h: 3, left: 5, tooMuch: true, sent: 2},
		{name: "the past before the edge", before: 1<<32 + 1, kept: 2, h: max, left: 2},
		{name: "from the edge", before: 1 << 32, kept: 2, h: 1, left: 1},
		{name: "twice around", before: 2<<32 - 1, kept: 2, h: 0, left: 1},
		{name: "too far in the past", before: 1 << 33, kept: 2, h: 1 << 31, left: 2, tooMuch: true, sent: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c := manage(t, Config{CloseTimeout: time.Second})
				a := c.out.acks
				a.queued, a.sent, a.acked = tt.before, tt.before, tt.before
				sendAll(t, c, 0, tt.kept)
				bytes := c.out.bytes
				err := c.acked(tt.h)
				synctest.Wait()
				var freed int
				for i := range tt.kept - tt.left {
					freed += message(i).Size()
				}
				if c.out.bytes != bytes-freed || a.bytes != c.out.bytes || a.waiting() != tt.left {
					t.Errorf("%d bytes of %d, %d stanzas", c.out.bytes, bytes, a.waiting())
				}
				want := xmlOf(0, tt.kept)
				if tt.kept > 0 {
					want = xmlOf(0, 1) + requestXML + xmlOf(1, tt.kept)
				}
				if tt.tooMuch {
					if !isCondition(err, UndefinedCondition) {
						t.Error(err)
					}
					want += tooHighXML(tt.h, tt.sent) + end
					c.Fail(err)
				} else if err != nil {
					t.Error(err)
				}
				p.now(want)
				c.Close()
				if got := len(c.Unacked()); got != tt.left {
					t.Errorf("%d unacked", got)
				}
			})
		})
	}
	t.Run("not managed", func(t *testing.T) {
		c := readyConn(&scriptedConn{}, Config{})
		for _, err := range []error{c.acked(0), c.Ack(0)} {
			if !isCondition(err, UnsupportedStanzaType) {
				t.Error(err)
			}
		}
		c.RequestAck()
		if _, ok := c.AwaitingAck(); ok || c.Managed() {
			t.Error("managed")
		}
		c.Send(t.Context(), message(1))
		<-c.out.drained()
		c.Close()
		if c.Unacked() != nil {
			t.Error("unacked")
		}
	})
}

// TestWraparound: a stream goes on over 2^32.
func TestWraparound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := manage(t, Config{})
		start := uint64(1<<32 - 1000)
		a := c.out.acks
		a.queued, a.sent, a.acked, a.askedFor = start, start, start, start
		h := uint32(start)
		for i := 0; i < 2000; i += 10 {
			sendAll(t, c, i, i+10)
			h += 7 // it is slow
			acked(t, c, h)
		}
		if h != 400 || a.waiting() != 600 {
			t.Error(h, a.waiting())
		}
		if err := c.acked(1001); !isCondition(err, UndefinedCondition) {
			t.Error(err)
		}
		acked(t, c, 999)
		c.Close()
		if got := left(c); got != "m1999|" {
			t.Error(got)
		}
		p.rest()
	})
}

// TestAck: acknowledgements are in order with what is sent, do not block, and do
// not pile up.
func TestAck(t *testing.T) {
	t.Run("order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := manage(t, Config{})
			if err := c.Ack(math.MaxUint32); err != nil {
				t.Error(err)
			}
			p.now(ackXML(math.MaxUint32))
			c.Ack(1 << 32)
			p.now(ackXML(0))
			c.Ack(1 << 32)
			p.now(ackXML(0))
			c.Ack(math.MaxUint32) // who has counted it was overtaken
			p.quiet()
			if c.out.bytes != 0 {
				t.Error(c.out.bytes)
			}
		})
	})
	t.Run("flood", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := Pipe()
			c := readyConn(b, Config{MaxOutbox: 1000, WriteTimeout: time.Hour})
			c.manageAfter(enabledXML)
			synctest.Wait() // stuck in it
			handled := uint64(0)
			r := element(t, requestXML)
			for range 100_000 {
				handled++
				if ok, err := c.ServeManagement(r, &handled); !ok || err != nil {
					t.Fatal(ok, err)
				}
			}
			sendAll(t, c, 0, 1)
			c.Ack(100_007)
			c.Ack(7)
			if len(c.out.queue) != 2 || c.out.bytes > 200 {
				t.Errorf("%d items, %d bytes", len(c.out.queue), c.out.bytes)
			}
			p := newPeer(t, a)
			p.now(enabledXML + ackXML(100_007) + xmlOf(0, 1) + requestXML)
			p.quiet()
			c.Ack(100_008)
			p.now(ackXML(100_008))
			c.Close()
			if got := left(c); got != "m0|" {
				t.Error(got)
			}
		})
	})
	t.Run("cut", func(t *testing.T) {
		for limit := range len(enabledXML + ackXML(12) + xmlOf(0, 1) + requestXML) {
			gate := make(chan struct{})
			tr := &scriptedConn{limited: true, limit: limit, gate: gate}
			c := readyConn(tr, Config{})
			c.manageAfter(enabledXML)
			c.Ack(12)
			c.Send(t.Context(), message(0))
			close(gate)
			<-c.out.drained()
			whole := strings.Count(tr.out.String(), "</message>")
			if a, b := c.Unacked(), c.Unsent(); len(a) != whole || len(b) != 1-whole {
				t.Errorf("limit %d: %s and %s", limit, ids(a), ids(b))
			}
		}
	})
}

// TestSendAllocations: a stream that is not managed allocates nothing for a
// stanza, and one that is not much.
func TestSendAllocations(t *testing.T) {
	for _, managed := range []bool{false, true} {
		tr := &scriptedConn{}
		c := readyConn(tr, Config{})
		if managed {
			c.manageAfter(enabledXML)
		}
		st, ctx, h := message(1), t.Context(), uint32(0)
		send := func() {
			for range 100 {
				if err := c.Send(ctx, st); err != nil {
					t.Fatal(err)
				}
				h++
			}
			for c.writingNow() {
				runtime.Gosched()
			}
			if managed {
				if err := c.acked(h); err != nil {
					t.Fatal(err)
				}
			}
			tr.mu.Lock()
			tr.out.Reset()
			tr.mu.Unlock()
		}
		send()
		least := math.Inf(1)
		for range 5 { // other work of the machine empties pools
			least = min(least, testing.AllocsPerRun(20, send))
		}
		if least > 20 {
			t.Errorf("managed %v: %v allocations for 100 stanzas", managed, least)
		}
	}
}

func (c *Conn) writingNow() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.writing
}

// BenchmarkSendManaged is BenchmarkSend with a peer that acknowledges now and then.
func BenchmarkSendManaged(b *testing.B) {
	tr := &scriptedConn{}
	c := readyConn(tr, Config{})
	c.manageAfter(enabledXML)
	acknowledge := func() {
		c.out.mu.Lock()
		sent := c.out.acks.sent
		c.out.mu.Unlock()
		if err := c.acked(uint32(sent)); err != nil {
			b.Fatal(err)
		}
		if tr.mu.Lock(); tr.out.Len() > 1<<20 {
			tr.out.Reset()
		}
		tr.mu.Unlock()
	}
	st, n := message(1), 0
	b.ReportAllocs()
	for b.Loop() {
		for c.TrySend(st) != nil {
			acknowledge()
			runtime.Gosched()
		}
		if n++; n%askStanzas == 0 {
			acknowledge()
		}
	}
	<-c.out.drained()
}
