package xmpptest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/xmpptest"
)

const text = "the quick brown fox"

// pipe returns a faulty end of a connection and the other end.
func pipe(t *testing.T, faults ...xmpptest.Fault) (*xmpptest.FaultConn, net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	c := xmpptest.NewFaultConn(a, faults...)
	t.Cleanup(func() {
		c.Close()
		b.Close()
	})
	return c, b
}

// pieces reads until the end, and returns what each read got.
func pieces(conn net.Conn) (<-chan []string, func() string) {
	done := make(chan []string, 1)
	var all []string
	go func() {
		buf := make([]byte, 1024)
		for {
			n, err := conn.Read(buf)
			if n > 0 {
				all = append(all, string(buf[:n]))
			}
			if err != nil {
				done <- all
				return
			}
		}
	}()
	return done, func() string { return fmt.Sprintf("%q", <-done) }
}

func TestCutWrite(t *testing.T) {
	for cut := range len(text) + 2 {
		for _, split := range []int{len(text), 3, 1} {
			t.Run(fmt.Sprintf("%d, pieces of %d", cut, split), func(t *testing.T) {
				conn, other := pipe(t, xmpptest.CutWriteAfter(int64(cut)), xmpptest.SplitWrites(split))
				done, _ := pieces(other)
				n, err := conn.Write([]byte(text))
				if want := min(cut, len(text)); n != want {
					t.Errorf("wrote %d bytes, want %d", n, want)
				}
				if failed := cut < len(text); failed != errors.Is(err, xmpptest.ErrCut) || !failed && err != nil {
					t.Errorf("error %v", err)
				}
				_, err = conn.Write([]byte("more"))
				if !errors.Is(err, xmpptest.ErrCut) {
					t.Errorf("the next write returned %v", err)
				}
				if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, xmpptest.ErrCut) {
					t.Errorf("a read after the cut returned %v", err)
				}
				want := (text + "more")[:cut]
				if got := bytes.Join(toBytes(<-done), nil); string(got) != want || conn.BytesWritten() != int64(len(want)) {
					t.Errorf("the other side got %q, %d bytes counted; want %q", got, conn.BytesWritten(), want)
				}
			})
		}
	}
}

func toBytes(s []string) (b [][]byte) {
	for _, s := range s {
		b = append(b, []byte(s))
	}
	return b
}

func TestCutRead(t *testing.T) {
	for cut := range len(text) + 1 {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			conn, other := pipe(t, xmpptest.CutReadAfter(int64(cut)))
			wrote := make(chan error, 1)
			go func() {
				_, err := io.WriteString(other, text+"more")
				wrote <- err
			}()
			got, err := io.ReadAll(conn)
			if string(got) != text[:cut] || !errors.Is(err, xmpptest.ErrCut) {
				t.Errorf("read %q, %v", got, err)
			}
			if err := <-wrote; err == nil {
				t.Error("the other side did not notice")
			}
			if conn.BytesRead() != int64(cut) {
				t.Errorf("%d bytes counted", conn.BytesRead())
			}
		})
	}
}

func TestCutNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, other := pipe(t)
		read := make(chan error)
		go func() {
			_, err := conn.Read(make([]byte, 1))
			read <- err
		}()
		synctest.Wait()
		conn.Cut()
		if err := <-read; !errors.Is(err, xmpptest.ErrCut) {
			t.Errorf("the read returned %v", err)
		}
		if _, err := other.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the other side read %v", err)
		}
		if err := conn.Close(); err != nil {
			t.Errorf("Close returned %v", err)
		}
	})
}

func TestSplit(t *testing.T) {
	tests := []struct {
		name  string
		fault xmpptest.Fault
		want  string
	}{
		{"not", xmpptest.SplitWrites(), `["the quick brown fox"]`},
		{"in turn", xmpptest.SplitWrites(1, 5), `["t" "he qu" "i" "ck br" "o" "wn fo" "x"]`},
		{"sizes below 1", xmpptest.SplitWrites(10, 0, -7), `["the quick " "b" "r" "own fox"]`},
		{"at random", xmpptest.SplitRandomly(3, 6), `["t" "he qu" "i" "ck bro" "w" "n fo" "x"]`},
		{"the same seed", xmpptest.SplitRandomly(3, 6), `["t" "he qu" "i" "ck bro" "w" "n fo" "x"]`},
		{"another seed", xmpptest.SplitRandomly(4, 6), `["the q" "uick" " brow" "n fox"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, other := pipe(t, tt.fault)
			_, wait := pieces(other)
			if n, err := conn.Write([]byte(text)); n != len(text) || err != nil {
				t.Errorf("Write returned %d, %v", n, err)
			}
			conn.Close()
			if got := wait(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestSplitReads(t *testing.T) {
	conn, other := pipe(t, xmpptest.SplitReads(2, 7))
	_, wait := pieces(conn)
	io.WriteString(other, text)
	other.Close()
	if got, want := wait(), `["th" "e quick" " b" "rown fo" "x"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, other := pipe(t, xmpptest.DelayWrites(time.Second), xmpptest.SplitWrites(10), xmpptest.DelayReads(time.Minute))
		_, wait := pieces(other)
		start := time.Now()
		if n, err := conn.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("Write returned %d, %v", n, err)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("two pieces took %v", took)
		}

		start = time.Now()
		conn.SetReadDeadline(start.Add(time.Second))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("a read with a deadline returned %v after %v", err, time.Since(start))
		}

		conn.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Second, func() { conn.Close() })
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a read that was closed returned %v", err)
		}
		wait()
	})
}

func TestStall(t *testing.T) {
	type op func(*xmpptest.FaultConn, []byte) (int, error)
	read := func(c *xmpptest.FaultConn, p []byte) (int, error) { return io.ReadFull(c, p) }
	write := func(c *xmpptest.FaultConn, p []byte) (int, error) { return c.Write(p) }
	for name, dir := range map[string]struct {
		fault       xmpptest.Fault
		do          op
		setDeadline func(*xmpptest.FaultConn, time.Time) error
		other       func(net.Conn)
	}{
		"read":  {xmpptest.StallReadAfter(4), read, (*xmpptest.FaultConn).SetReadDeadline, func(c net.Conn) { io.WriteString(c, text) }},
		"write": {xmpptest.StallWriteAfter(4), write, (*xmpptest.FaultConn).SetWriteDeadline, func(c net.Conn) { io.Copy(io.Discard, c) }},
	} {
		t.Run(name, func(t *testing.T) {
			tests := []struct {
				name      string
				interrupt func(*xmpptest.FaultConn)
				n         int
				err       error
			}{
				{"resumed", (*xmpptest.FaultConn).Resume, 10, nil},
				{"closed", func(c *xmpptest.FaultConn) { c.Close() }, 4, net.ErrClosed},
				{"cut", (*xmpptest.FaultConn).Cut, 4, xmpptest.ErrCut},
				{"deadline", func(c *xmpptest.FaultConn) { dir.setDeadline(c, time.Now()) }, 4, os.ErrDeadlineExceeded},
				{"both deadlines", func(c *xmpptest.FaultConn) { c.SetDeadline(time.Now()) }, 4, os.ErrDeadlineExceeded},
				{"deadline moved", func(c *xmpptest.FaultConn) {
					dir.setDeadline(c, time.Now().Add(time.Hour))
					time.AfterFunc(2*time.Hour, c.Cut) // too late
				}, 4, os.ErrDeadlineExceeded},
			}
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						conn, other := pipe(t, dir.fault)
						go dir.other(other)
						time.AfterFunc(time.Minute, func() { tt.interrupt(conn) })
						start := time.Now()
						n, err := dir.do(conn, make([]byte, 10))
						if n != tt.n || !errors.Is(err, tt.err) {
							t.Errorf("got %d, %v; want %d, %v", n, err, tt.n, tt.err)
						}
						if time.Since(start) < time.Minute {
							t.Errorf("it did not stall, but for %v", time.Since(start))
						}
						conn.Resume() // a second time is allowed
						<-time.After(3 * time.Hour)
					})
				})
			}
		})
	}
}

// TestFaultConnConcurrent uses everything from many goroutines.
func TestFaultConnConcurrent(t *testing.T) {
	conn, other := pipe(t, xmpptest.SplitRandomly(1, 8), xmpptest.CutWriteAfter(1000), xmpptest.StallReadAfter(500))
	var wg sync.WaitGroup
	wg.Go(func() { io.Copy(other, other) })
	for range 4 {
		wg.Go(func() {
			for {
				conn.SetDeadline(time.Now().Add(time.Minute))
				if _, err := conn.Write([]byte(text)); err != nil {
					if !errors.Is(err, xmpptest.ErrCut) {
						t.Error(err)
					}
					return
				}
			}
		})
		wg.Go(func() {
			buf := make([]byte, 16)
			for {
				if conn.BytesRead() >= 490 {
					conn.Resume()
				}
				if _, err := conn.Read(buf); err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if n := conn.BytesWritten(); n != 1000 {
		t.Errorf("%d bytes were written", n)
	}
}

// TestFaultConnPlain changes nothing without faults.
func TestFaultConnPlain(t *testing.T) {
	conn, other := pipe(t)
	done, _ := pieces(other)
	if n, err := conn.Write([]byte(text)); n != len(text) || err != nil {
		t.Errorf("Write returned %d, %v", n, err)
	}
	conn.Close()
	if got := <-done; !slices.Equal(got, []string{text}) {
		t.Errorf("got %q", got)
	}
	if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write after Close returned %v", err)
	}
}
