package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/stanza"
)

// ids lists the ids of stanzas.
func ids(sts []*stanza.Stanza) string {
	var list []string
	for _, st := range sts {
		list = append(list, st.ID)
	}
	return strings.Join(list, " ")
}

// TestUnsent: the transport fails after n bytes, for every n: what was written
// whole and what Unsent returns is everything, in order, and nothing twice.
func TestUnsent(t *testing.T) {
	const n = 12
	var all string
	for i := range n {
		all += message(i).String()
	}
	for limit := range len(all) + 1 {
		for _, burst := range []bool{false, true} {
			gate := make(chan struct{})
			tr := &scriptedConn{limited: true, limit: limit, gate: gate}
			c := readyConn(tr, Config{})
			if !burst {
				close(gate) // writes go through one by one, more or less
			}
			for i := range n {
				c.Send(t.Context(), message(i)) // those that fail are the sender's
				if !burst {
					<-c.out.drained()
				}
				if _, err := c.out.status(); err != nil && !burst {
					break
				}
			}
			if burst {
				close(gate)
			}
			<-c.out.drained()
			whole := strings.Count(tr.out.String(), "</message>")
			if !strings.HasPrefix(all, tr.out.String()) {
				t.Fatalf("limit %d: written %s", limit, tr.out.String())
			}
			unsent := c.Unsent()
			got := strings.Fields(ids(unsent))
			for i, id := range got {
				if id != fmt.Sprint("m", whole+i) {
					t.Fatalf("limit %d: %d written, unsent %s", limit, whole, got)
				}
			}
			if burst && whole+len(got) != n || !burst && limit < len(all) && len(got) != 1 {
				t.Fatalf("limit %d, burst %v: %d written, unsent %s", limit, burst, whole, got)
			}
			if limit < len(all) {
				if err := c.TrySend(message(0)); err != errWire {
					t.Fatal(err)
				}
				if !tr.closed {
					t.Fatal("not closed")
				}
			}
			if len(c.Unsent()) != 0 {
				t.Fatal("twice")
			}
		}
	}
}

// TestUnsentAfterClose: the batch that is being written when Close comes, and
// what has been queued behind it, in order.
func TestUnsentAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := readyConn(b, Config{})
		if c.Unsent() != nil {
			t.Error("unsent of a working stream")
		}
		c.Send(t.Context(), message(0))
		synctest.Wait() // the writer is stuck in m0
		for i := 1; i < 4; i++ {
			c.Send(t.Context(), message(i))
		}
		// The peer reads a part of m0 only.
		io.ReadFull(a, make([]byte, 10))
		c.SendRaw(t.Context(), " ")
		c.Close()
		if got := ids(c.Unsent()); got != "m0 m1 m2 m3" {
			t.Error(got)
		}
		a.Close()
	})
}

// TestOutboxLimit: Send waits for room and is woken; its context ends the wait
// and never cuts a stanza; TrySend does not wait.
func TestOutboxLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		size := message(0).Size()
		c := readyConn(b, Config{MaxOutbox: 3 * size, WriteTimeout: time.Hour})
		for i := range 3 {
			if err := c.TrySend(message(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.TrySend(message(3)); err != ErrOutboxFull {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Send(ctx, message(4)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := c.Send(ctx, message(4)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		sent := make(chan error, 2)
		for range 2 {
			go func() { sent <- c.Send(t.Context(), message(5)) }()
		}
		synctest.Wait()
		if len(sent) > 0 {
			t.Error("did not wait")
		}
		p := newPeer(t, a)
		for range 2 {
			if err := <-sent; err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if got, _ := p.text(); got != message(0).String()+message(1).String()+message(2).String()+message(5).String()+message(5).String() {
			t.Error(got)
		}
		// What is larger than the limit goes, but alone.
		big, err := stanza.New(stanza.Header{Kind: stanza.KindMessage}, stanza.Raw("<body>"+strings.Repeat("x", 100_000)+"</body>"))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Send(t.Context(), big); err != nil {
			t.Error(err)
		}
		// Closing wakes those that wait.
		p.close()
		c.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := readyConn(b, Config{MaxOutbox: 1})
		c.Send(t.Context(), message(0))
		woken := make(chan error, 2)
		go func() { woken <- c.Send(t.Context(), message(1)) }()
		synctest.Wait()
		c.sendEnd(nil)
		if err := <-woken; err != ErrClosed {
			t.Error(err)
		}
		c.Close()
		a.Close()
		c = readyConn(&scriptedConn{}, Config{MaxOutbox: -1})
		for i := range 1000 {
			if err := c.TrySend(message(i)); err != nil {
				t.Error(err)
			}
		}
		<-c.out.drained()
	})
}

// TestWriteTimeout: a peer that stops reading is closed, and the reader wakes.
func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := readyConn(b, Config{WriteTimeout: 10 * time.Second})
		start := time.Now()
		c.Send(t.Context(), message(1))
		c.Send(t.Context(), message(2))
		err := drain(c)
		if err == nil || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		c.Fail(err)
		if err := c.Send(t.Context(), message(3)); !isCondition(err, ConnectionTimeout) || !isTimeout(err) {
			t.Error(err)
		}
		if got := ids(c.Unsent()); got != "m1 m2" {
			t.Error(got)
		}
		a.Close()
	})
}

// TestBatch: what waits is written together; an idle stream has no goroutine.
func TestBatch(t *testing.T) {
	checkGoroutines(t)
	gate := make(chan struct{})
	tr := &scriptedConn{gate: gate}
	c := readyConn(tr, Config{})
	const n = 500
	for i := range n {
		c.Send(t.Context(), message(i))
	}
	for end := time.Now().Add(10 * time.Second); writers() == 0 && time.Now().Before(end); {
		runtime.Gosched() // it is about to begin
	}
	if w := writers(); w != 1 {
		t.Errorf("%d goroutines to write", w)
	}
	close(gate)
	<-c.out.drained()
	total := tr.out.Len()
	if most := total/writeChunk + 3; tr.writes > most {
		t.Errorf("%d writes of %d bytes in %d stanzas, want at most %d", tr.writes, total, n, most)
	}
	for writers() > 0 { // it is about to return
		runtime.Gosched()
	}
	c.out.mu.Lock()
	if c.out.writing || cap(c.out.queue) > keepItems || c.out.bytes != 0 {
		t.Errorf("idle: writing %v, queue of %d, %d bytes", c.out.writing, cap(c.out.queue), c.out.bytes)
	}
	c.out.mu.Unlock()
	// A stanza larger than a chunk is written at once.
	tr.out.Reset()
	writes := tr.writes
	big, _ := stanza.New(stanza.Header{Kind: stanza.KindMessage}, stanza.Raw("<body>"+strings.Repeat("x", 10*writeChunk)+"</body>"))
	c.Send(t.Context(), big)
	<-c.out.drained()
	if tr.writes != writes+1 || !bytes.Equal(tr.out.Bytes(), []byte(big.String())) {
		t.Errorf("%d writes", tr.writes-writes)
	}
}

// writers counts the goroutines that write.
func writers() int {
	buf := make([]byte, 1<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), ".(*Conn).write(")
}

// TestConcurrentSend: many goroutines send; nothing is lost, mixed up, or out
// of the order of its sender.
func TestConcurrentSend(t *testing.T) {
	checkGoroutines(t)
	p, c := acceptRob(t, Config{MaxOutbox: 4000})
	go finish(c)
	const senders, each = 16, 200
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage, ID: fmt.Sprintf("s%d-%d", s, i)}, stanza.Raw("<body>x</body>"))
				if err == nil && s%2 == 0 {
					err = c.Send(t.Context(), st)
				} else if err == nil {
					err = c.SendRaw(t.Context(), st.String())
				}
				if err != nil {
					t.Error(err)
				}
				c.State()
				c.Closing()
			}
		})
	}
	wg.Wait()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Shutdown(t.Context(), nil)
	}()
	got := p.wait(end)
	p.send(end)
	<-done
	p.rest()
	var next [senders]int
	for _, part := range strings.SplitAfter(strings.TrimSuffix(got, end), "</message>") {
		if part == "" {
			continue
		}
		var s, i int
		if _, err := fmt.Sscanf(part, "<message id='s%d-%d'>", &s, &i); err != nil || i != next[s] || !strings.HasSuffix(part, "'><body>x</body></message>") {
			t.Fatalf("%s: %v", part, err)
		}
		next[s]++
	}
	for s, n := range next {
		if n != each {
			t.Errorf("%d of sender %d", n, s)
		}
	}
}

// TestKeepalive: white space goes through like everything else (RFC 6120,
// section 4.6.1).
func TestReq_R6120_4_6_1(t *testing.T) {
	p, c := acceptRob(t, Config{})
	if err := c.SendRaw(t.Context(), " "); err != nil {
		t.Error(err)
	}
	p.expect(" ")
	c.Close()
}

func BenchmarkSend(b *testing.B) {
	tr := &scriptedConn{}
	c := readyConn(tr, Config{})
	st := message(1)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Send(b.Context(), st); err != nil {
			b.Fatal(err)
		}
		if tr.mu.Lock(); tr.out.Len() > 1<<20 {
			tr.out.Reset()
		}
		tr.mu.Unlock()
	}
	<-c.out.drained()
}

// TestWithdraw: what waits behind a write is taken back, in order and once; what
// is not a stanza is written all the same.
func TestWithdraw(t *testing.T) {
	near, far := net.Pipe()
	cfg := Config{}.withDefaults()
	c := newConn(NewTransport(near), &cfg, false)
	c.opened = true
	st := func(id string) *stanza.Stanza {
		s, err := stanza.New(stanza.Header{Kind: stanza.KindMessage, ID: id})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if err := c.TrySend(st("written")); err != nil { // the pipe blocks its writer
		t.Fatal(err)
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(far, first); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if err := c.TrySend(st(id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.TrySendRaw("<raw/>"); err != nil {
		t.Fatal(err)
	}
	c.Withdraw()
	if err := c.TrySend(st("late")); err != ErrClosed {
		t.Errorf("a stanza that comes late: %v", err)
	}
	rest := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(far)
		rest <- string(first) + string(b)
	}()
	c.Fail(io.EOF)
	if got, want := <-rest, "<message id='written'/><raw/></stream:stream>"; got != want {
		t.Errorf("written: %s, want %s", got, want)
	}
	var ids []string
	for _, s := range c.Unsent() {
		ids = append(ids, s.ID)
	}
	if !slices.Equal(ids, []string{"a", "b"}) || c.Unsent() != nil {
		t.Errorf("taken back: %v", ids)
	}
}
