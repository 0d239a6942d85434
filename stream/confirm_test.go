package stream

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// confirming sends the message n by Confirm in the background.
func confirming(c *Conn, n int) <-chan error {
	done := make(chan error, 1)
	go func() { done <- c.Confirm(context.Background(), message(n)) }()
	return done
}

// TestConfirm: it waits for the acknowledgement of that very stanza, which the peer is
// asked for at once.
func TestConfirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := resumable(t, Config{})
		sendAll(t, c, 0, 1)
		p.now(xmlOf(0, 1) + requestXML)
		acked(t, c, 1)
		var done []<-chan error
		for i := 1; i < 4; i++ {
			done = append(done, confirming(c, i))
			synctest.Wait()
		}
		p.now(xmlOf(1, 2) + requestXML + xmlOf(2, 4)) // without the pause
		waits := func(want int) {
			t.Helper()
			synctest.Wait()
			n := 0
			for _, d := range done {
				if len(d) == 0 {
					n++
				}
			}
			if n != want {
				t.Errorf("%d wait, want %d", n, want)
			}
		}
		acked(t, c, 2)
		waits(2)
		p.now(requestXML)
		acked(t, c, 2) // nothing new
		waits(2)
		c.Detach(nil)
		waits(2)
		done = append(done, confirming(c, 4)) // without a connection
		waits(3)
		p, next := another(t, Config{})
		takenOver(t, next, c, 3)
		waits(2)
		p.now(resumedXML(7) + xmlOf(3, 5) + requestXML)
		acked(t, next, 5)
		waits(0)
		for _, d := range done {
			if err := <-d; err != nil {
				t.Error(err)
			}
		}
		if c.out.acks.waiters != nil {
			t.Error("kept")
		}
	})
}

// TestConfirmFails: every way in which it does.
func TestConfirmFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after func(c *Conn)
		err   []error
		left  string
	}{
		{"the session is closed", func(c *Conn) { c.Close() }, []error{ErrUnacknowledged, ErrClosed}, "m0 m1|"},
		{"and nobody comes back", func(c *Conn) { c.Detach(nil); c.Close() }, []error{ErrUnacknowledged, ErrClosed}, "m0 m1|"},
		{"the stream fails", func(c *Conn) { c.Fail(NotWellFormed) }, []error{ErrUnacknowledged, ErrClosed}, "m0 m1|"},
		{"the peer does not answer", func(*Conn) { time.Sleep(time.Hour) }, []error{context.DeadlineExceeded}, "m0 m1|"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c := resumable(t, Config{})
				sendAll(t, c, 0, 1)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- c.Confirm(ctx, message(1)) }()
				p.wait(message(1).String())
				synctest.Wait()
				tt.after(c)
				err := <-done
				for _, want := range tt.err {
					if !errors.Is(err, want) {
						t.Errorf("%v, want %v", err, want)
					}
				}
				c.Close()
				if got := left(c); got != tt.left {
					t.Error(got)
				}
			})
		})
	}
	t.Run("not managed", func(t *testing.T) {
		tr := &scriptedConn{}
		c := readyConn(tr, Config{})
		if err := c.Confirm(t.Context(), message(1)); err != ErrNotManaged || tr.out.Len() > 0 {
			t.Error(err)
		}
		c.Close()
		if err := c.Confirm(t.Context(), message(1)); err != ErrClosed {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Confirm(ctx, message(1)); err != context.Canceled {
			t.Error(err)
		}
	})
	t.Run("the peer refuses", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := Pipe()
			p, c := newPeer(t, a), readyConn(b, Config{})
			c.initiator = true
			c.manageAfter(enableXML)
			done := confirming(c, 1)
			settled := make(chan error, 1)
			go func() { settled <- c.Settle(t.Context()) }()
			p.now(enableXML + xmlOf(1, 2))
			c.unmanage()
			if err := <-done; !errors.Is(err, ErrUnacknowledged) || !errors.Is(err, ErrNotManaged) {
				t.Error(err)
			}
			if err := <-settled; err != nil { // it is written
				t.Error(err)
			}
			c.Close()
		})
	})
	t.Run("no room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := resumable(t, Config{MaxOutbox: message(0).Size()})
			sendAll(t, c, 0, 1)
			p.now(xmlOf(0, 1) + requestXML)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := c.Confirm(ctx, message(1)); err != context.DeadlineExceeded {
				t.Error(err)
			}
			done := confirming(c, 2)
			synctest.Wait()
			acked(t, c, 1)
			p.now(xmlOf(2, 3) + requestXML)
			acked(t, c, 2)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	})
}

// TestSettle: it waits for what was queued before, as far as that can be known.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := resumable(t, Config{})
		if err := c.Settle(t.Context()); err != nil { // there is nothing
			t.Error(err)
		}
		sendAll(t, c, 0, 1)
		acked(t, c, 1)
		sendAll(t, c, 1, 3)
		done := make(chan error, 1)
		go func() { done <- c.Settle(t.Context()) }()
		p.now(xmlOf(0, 1) + requestXML + xmlOf(1, 3) + requestXML)
		sendAll(t, c, 3, 4)
		acked(t, c, 2)
		if len(done) > 0 {
			t.Error("has not waited")
		}
		acked(t, c, 3)
		if err := <-done; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Settle(ctx); err != context.DeadlineExceeded {
			t.Error(err)
		}
		go func() { done <- c.Settle(t.Context()) }()
		synctest.Wait()
		c.Close()
		for _, err := range []error{<-done, c.Settle(t.Context())} {
			if !errors.Is(err, ErrUnacknowledged) || !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
		p.rest()
		c = readyConn(&scriptedConn{}, Config{})
		c.Send(t.Context(), message(1))
		if err := c.Settle(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkConfirm is what waiting for each of several stanzas costs, with a peer that
// answers at once.
func BenchmarkConfirm(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n, " at a time"), func(b *testing.B) {
			near, far := Pipe()
			c := readyConn(near, Config{})
			c.manageAfter(enabledXML)
			p := newAckingPeer(far)
			go serve(c)
			b.ReportAllocs()
			for b.Loop() {
				done := make(chan error, n)
				for i := range n {
					go func() { done <- c.Confirm(b.Context(), message(i)) }()
				}
				for range n {
					if err := <-done; err != nil {
						b.Fatal(err)
					}
				}
			}
			c.Close()
			<-p.done
		})
	}
}
