package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
	"weak"

	"github.com/etherx-go/xmpp/stanza"
)

// TestUnackedCut: the transport fails after n bytes, for every n. What was written
// whole is unacked, the rest unsent, whether a request was written or not.
func TestUnackedCut(t *testing.T) {
	const n, ack = 8, 2 // of n stanzas ack are acknowledged
	all := xmlOf(0, 1) + enabledXML
	for i := 1; i < n; i++ {
		all += xmlOf(i, i+1)
	}
	for limit := range len(all) + len(requestXML) + 2 {
		for _, burst := range []bool{false, true} {
			gate := make(chan struct{})
			tr := &scriptedConn{limited: true, limit: limit, gate: gate}
			c := readyConn(tr, Config{})
			if !burst {
				close(gate)
			}
			var want []string
			for i := range n {
				err := c.Send(t.Context(), message(i)) // those that fail are the sender's
				if err == nil {
					want = append(want, fmt.Sprint("m", i))
				}
				if i == 0 {
					c.manageAfter(enabledXML)
				}
				if i == ack && !burst {
					<-c.out.drained()
				}
			}
			if burst {
				close(gate)
			}
			<-c.out.drained()
			c.Close()
			written := tr.out.String()
			// Requests apart, of which the last may be cut, it is what was sent.
			got := strings.ReplaceAll(written, requestXML, "")
			if cut := max(0, strings.LastIndexByte(got, '<')); !strings.HasPrefix(all, got) &&
				!(strings.HasPrefix(all, got[:cut]) && strings.HasPrefix(requestXML, got[cut:])) {
				t.Fatalf("limit %d: written %s", limit, written)
			}
			whole := strings.Count(written, "</message>")
			handled := uint32(max(0, min(whole-1, ack)))
			if err := c.acked(handled); c.Managed() && err != nil {
				t.Fatalf("limit %d: %v", limit, err)
			}
			unacked, unsent := strings.Fields(ids(c.Unacked())), strings.Fields(ids(c.Unsent()))
			if a := c.out.acks; a != nil && a.sent != uint64(handled)+uint64(len(unacked)) {
				t.Fatalf("limit %d: %d sent, %d handled, unacked %s", limit, a.sent, handled, unacked)
			}
			first := 1 + int(handled) // m0 does not count
			if whole == 0 {
				first = 0
			}
			got = fmt.Sprint(unacked, unsent)
			if want := fmt.Sprint(want[min(first, whole):whole], want[whole:]); got != want {
				t.Fatalf("limit %d, burst %v: %d written, got %s, want %s", limit, burst, whole, got, want)
			}
		}
	}
}

// TestUnackedChunks: a batch of several writes is cut in one of them.
func TestUnackedChunks(t *testing.T) {
	const n = 9
	big := func(i int) *stanza.Stanza {
		st, _ := stanza.New(stanza.Header{Kind: stanza.KindMessage, ID: fmt.Sprint("m", i)},
			stanza.Raw("<body>"+strings.Repeat("x", writeChunk/2)+"</body>"))
		return st
	}
	size := len(big(0).String())
	for whole := range n {
		gate := make(chan struct{})
		tr := &scriptedConn{limited: true, gate: gate}
		c := readyConn(tr, Config{})
		c.SendRaw(t.Context(), " ")
		c.manageAfter(enabledXML)
		for i := range n {
			c.Send(t.Context(), big(i))
		}
		tr.limit = 1 + len(enabledXML) + whole*size + size/2
		if whole > 1 {
			tr.limit += len(requestXML) // behind the first chunk
		}
		close(gate)
		<-c.out.drained()
		unacked, unsent := c.Unacked(), c.Unsent()
		if len(unacked) != whole || len(unsent) != n-whole || ids(append(unacked, unsent...)) != "m0 m1 m2 m3 m4 m5 m6 m7 m8" {
			t.Errorf("%d written: %s and %s", whole, ids(unacked), ids(unsent))
		}
	}
}

// TestUnackedCutInRequest: what comes behind a request that was cut is unsent,
// however short.
func TestUnackedCutInRequest(t *testing.T) {
	gate := make(chan struct{})
	tr := &scriptedConn{limited: true, gate: gate}
	c := readyConn(tr, Config{})
	c.manageAfter(enabledXML)
	first := sized(t, 2*writeChunk)
	short, _ := stanza.New(stanza.Header{Kind: stanza.KindIQ, ID: "s"})
	c.Send(t.Context(), first)
	c.Send(t.Context(), short)
	tr.limit = len(enabledXML) + len(first.String()) + len(requestXML) - 1
	close(gate)
	<-c.out.drained()
	if a, b := c.Unacked(), c.Unsent(); len(a) != 1 || a[0] != first || len(b) != 1 || b[0] != short {
		t.Error(ids(a), ids(b))
	}
}

// TestUnackedLiar: a peer acknowledges what it cannot have got whole yet. It is
// unsent.
func TestUnackedLiar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := readyConn(b, Config{})
		p := make([]byte, len(enabledXML)+len(xmlOf(0, 1))+5)
		c.manageAfter(enabledXML)
		synctest.Wait() // the writer is stuck in it
		sendAll(t, c, 0, 3)
		io.ReadFull(a, p) // a part of m1
		synctest.Wait()
		for h := range uint32(4) {
			acked(t, c, h)
		}
		c.Close()
		if got := left(c); got != "|m1 m2" {
			t.Error(got)
		}
		acked(t, c, 0)
		acked(t, c, 1)
		if err := c.acked(2); !isCondition(err, UndefinedCondition) {
			t.Error(err)
		}
		a.Close()
	})
}

// TestUnackedLimit: what is not acknowledged takes its place in the outbox, and is
// asked for when somebody waits.
func TestUnackedLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		size := message(0).Size()
		p, c := manage(t, Config{MaxOutbox: 10*size + size/2})
		sendAll(t, c, 0, 1)
		p.now(xmlOf(0, 1) + requestXML)
		sendAll(t, c, 1, 10)
		p.now(xmlOf(1, 10))
		if err := c.TrySend(message(10)); err != ErrOutboxFull {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Send(ctx, message(10)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := c.Flush(t.Context()); err != nil { // all is written
			t.Error(err)
		}
		p.quiet() // a request is not answered already
		sent := make(chan error, 1)
		send := func(st *stanza.Stanza) { go func() { sent <- c.Send(t.Context(), st) }() }
		send(message(10))
		synctest.Wait()
		acked(t, c, 1)
		if err := <-sent; err != nil {
			t.Error(err)
		}
		// Much is left, so it is asked for at once.
		if got, _ := p.text(); got == requestXML+xmlOf(10, 11) {
			p.now(got)
		} else {
			p.now(xmlOf(10, 11) + requestXML)
		}
		big := sized(t, 20*size)
		send(big)
		synctest.Wait()
		acked(t, c, 9)
		p.now(requestXML) // for the one that waits
		p.quiet()
		if len(sent) > 0 {
			t.Error("has not waited")
		}
		acked(t, c, 11)
		if err := <-sent; err != nil {
			t.Error(err)
		}
		p.now(big.String())
		if err := c.TrySend(message(12)); err != ErrOutboxFull {
			t.Error(err)
		}
		p.now(requestXML)
		send(message(12))
		synctest.Wait()
		// A peer that says nothing new, and goes on when it is asked again.
		acked(t, c, 11)
		time.Sleep(time.Second)
		p.now(requestXML)
		acked(t, c, 12)
		if err := <-sent; err != nil {
			t.Error(err)
		}
		p.now(xmlOf(12, 13))
		c.Close()
		if got := left(c); got != "m12|" {
			t.Error(got)
		}
	})
}

// TestUnackedLimitTry: senders that never wait are not locked out.
func TestUnackedLimitTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		size := message(0).Size()
		p, c := manage(t, Config{MaxOutbox: 3 * size})
		h, taken := uint32(0), 0
		for i := range 1000 {
			if c.TrySend(message(i)) == nil {
				taken++
			}
			synctest.Wait()
			if got, _ := p.text(); strings.Contains(got, requestXML) {
				h += uint32(strings.Count(p.wait(requestXML), "</message>"))
				acked(t, c, h)
			}
		}
		if taken < 500 || c.out.bytes > 3*size {
			t.Errorf("%d of 1000, %d bytes", taken, c.out.bytes)
		}
	})
}

// TestShutdownAcks: the peer is asked before the closing tag, if there is
// something to ask for, and its answer counts.
func TestShutdownAcks(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first int // sent and asked for
		then  int
		acked uint32
		want  string // behind those
		end   func(c *Conn) error
	}{
		{name: "asked for", first: 1, want: end},
		{name: "acknowledged", first: 2, acked: 2, want: end},
		{name: "not all asked for", first: 1, then: 1, want: requestXML + end},
		{name: "not all acknowledged", first: 1, acked: 1, then: 2, want: requestXML + end},
		{name: "nothing", want: end},
		{name: "goodbye", first: 1, acked: 1, want: ackXML(9) + end, end: func(c *Conn) error {
			c.Ack(9)
			return c.Shutdown(context.Background(), nil)
		}},
		{name: "error", first: 1, then: 1, want: requestXML + streamError("reset", ""), end: func(c *Conn) error {
			return c.Shutdown(context.Background(), &Error{Condition: Reset})
		}},
		{name: "failed", first: 1, then: 1, want: end, end: func(c *Conn) error {
			c.Fail(nil) // nobody would read the answer
			return nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c := manage(t, Config{})
				if tt.end == nil {
					tt.end = func(c *Conn) error { return c.Shutdown(context.Background(), nil) }
				}
				for i := range tt.first {
					sendAll(t, c, i, i+1)
				}
				if tt.name != "failed" {
					go drain(c)
				}
				if tt.first > 0 {
					p.wait(requestXML)
					p.now(xmlOf(1, tt.first))
				}
				if tt.acked > 0 {
					acked(t, c, tt.acked)
				}
				sendAll(t, c, tt.first, tt.first+tt.then)
				p.now(xmlOf(tt.first, tt.first+tt.then))
				done := make(chan error)
				go func() { done <- tt.end(c) }()
				p.now(tt.want)
				if err := c.Ack(10); err != ErrClosed && tt.name != "failed" {
					t.Error(err)
				}
				h := uint64(0)
				if ok, err := c.ServeManagement(element(t, requestXML), &h); !ok || err != nil {
					t.Error(ok, err)
				}
				for h := range tt.first + tt.then + 1 {
					acked(t, c, uint32(h)) // nothing follows the closing tag
					time.Sleep(askPause)
					p.quiet()
				}
				p.send(end)
				if err := <-done; err != nil {
					t.Error(err)
				}
				if got := left(c); got != "|" {
					t.Error(got)
				}
			})
		})
	}
}

// TestReleased: the memory of what is acknowledged is free, and so is that of
// what has been handed out.
func TestReleased(t *testing.T) {
	tr := &scriptedConn{}
	c := readyConn(tr, Config{MaxOutbox: -1})
	c.manageAfter(enabledXML)
	const n, keep = 300, 10
	var ptrs []weak.Pointer[stanza.Stanza]
	for i := range n {
		st := message(i)
		ptrs = append(ptrs, weak.Make(st))
		c.Send(t.Context(), st)
		<-c.out.drained()
		if i%3 == 2 && i < n-keep {
			if err := c.acked(uint32(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.acked(n - keep); err != nil {
		t.Fatal(err)
	}
	<-c.out.drained()
	alive := func() (ids []int) {
		runtime.GC()
		for i, p := range ptrs {
			if p.Value() != nil {
				ids = append(ids, i)
			}
		}
		return ids
	}
	if got := alive(); len(got) != keep || got[0] != n-keep {
		t.Errorf("alive: %d", got)
	}
	if got := cap(c.out.acks.kept); got > 4*keepItems {
		t.Errorf("kept is %d long", got)
	}
	c.Close()
	c.Unacked()
	if got := alive(); len(got) > 0 {
		t.Errorf("alive: %d", got)
	}
	runtime.KeepAlive(c)
}

// TestKeptLong: a queue that was once long is not kept, and one that is always
// short does not grow.
func TestKeptLong(t *testing.T) {
	const n = 100_000
	var a acks
	st := message(1)
	for i := range n {
		a.push(st)
		if i > 5 {
			a.release(1)
		}
		for j, st := range a.kept[:cap(a.kept)] {
			if (st != nil) != (j >= a.head && j < len(a.kept)) {
				t.Fatalf("step %d: %d of %d is %v, kept are %d to %d", i, j, cap(a.kept), st, a.head, len(a.kept))
			}
		}
	}
	if cap(a.kept) > 32 || a.waiting() != 6 || a.acked != n-6 {
		t.Error(cap(a.kept), a.waiting(), a.acked)
	}
	for range 1000 {
		a.push(st)
	}
	a.release(1006)
	if a.kept != nil || a.bytes != 0 {
		t.Error(cap(a.kept), a.bytes)
	}
}

// TestManagedBehindChunks: what is written in one batch with <enabled/> and before it does
// not count, however many pieces it takes.
func TestManagedBehindChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		c := readyConn(&scriptedConn{gate: gate}, Config{})
		c.Send(t.Context(), message(0))
		synctest.Wait() // it is being written, and the rest is the next batch
		for range 3 {
			c.Send(t.Context(), sized(t, writeChunk+200))
		}
		if err := c.manageAfter(enabledXML); err != nil {
			t.Fatal(err)
		}
		c.Send(t.Context(), message(1))
		close(gate)
		synctest.Wait()
		c.Close()
		if got := left(c); got != "m1|" {
			t.Error(got)
		}
	})
}

// TestIdleSize: what a stream is made of stays within the allocator's size classes that
// it has now, for it is what every idle connection costs. All of it together are some
// 1100 bytes, and 350 more if it can be resumed.
func TestIdleSize(t *testing.T) {
	if strconv.IntSize != 64 {
		t.Log("sizes are those of 64 bits")
		return
	}
	for name, size := range map[string][2]uintptr{
		"Conn":   {unsafe.Sizeof(Conn{}), 480},
		"outbox": {unsafe.Sizeof(outbox{}), 160},
		"acks":   {unsafe.Sizeof(acks{}), 256},
	} {
		if size[0] > size[1] {
			t.Errorf("%s has %d bytes, more than %d", name, size[0], size[1])
		}
	}
}
