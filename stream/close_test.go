package stream

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestShutdown is the closing handshake, from both sides.
func TestShutdown(t *testing.T) {
	reset := &Error{Condition: Reset}
	for _, tt := range []struct {
		name   string
		reason *Error
		want   string
	}{
		{"CORE-4.1-6 in order", nil, end},
		{"CORE-4.5-6 with an error", reset, streamError("reset", "")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c := acceptRob(t, Config{})
				read := make(chan string, 10)
				go func() {
					defer close(read)
					for {
						st, _, err := c.Next()
						if err != nil {
							c.Fail(err)
							return
						}
						read <- st.ID
					}
				}()
				c.Send(t.Context(), message(1)) // goes first
				done := make(chan error)
				go func() { done <- c.Shutdown(t.Context(), tt.reason) }()
				p.expect(message(1).String() + tt.want)
				if !c.Closing() {
					t.Error("not closing")
				}
				if err := c.Send(t.Context(), message(2)); err != ErrClosed {
					t.Error(err)
				}
				if err := c.TrySend(message(2)); err != ErrClosed {
					t.Error(err)
				}
				// "continue to process data received from the other entity"
				p.send("<message id='late'/>")
				if id := <-read; id != "late" {
					t.Error(id)
				}
				<-time.After(time.Minute)
				select {
				case err := <-done:
					t.Fatal("did not wait for the peer:", err)
				default:
				}
				p.send(end)
				if err := <-done; err != nil {
					t.Error(err)
				}
				if got := p.rest(); got != "" {
					t.Errorf("then %s", got)
				}
				<-read
				if len(c.Unsent()) != 0 {
					t.Error("unsent")
				}
			})
		})
	}
	t.Run("the peer first", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := acceptRob(t, Config{})
			go finish(c)
			p.send(end)
			p.expect(end)
			if got := p.rest(); got != "" {
				t.Error(got)
			}
			if err := c.Shutdown(t.Context(), nil); err != ErrClosed {
				t.Error(err)
			}
		})
	})
	t.Run("both at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := acceptRob(t, Config{})
			go finish(c)
			go p.send(end)
			c.Shutdown(t.Context(), nil)
			if got := p.rest(); got != end {
				t.Error(got)
			}
		})
	})
	t.Run("the peer never answers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := acceptRob(t, Config{})
			go finish(c)
			ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
			defer cancel()
			start := time.Now()
			if err := c.Shutdown(ctx, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 7*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
			if got := p.rest(); got != end {
				t.Error(got)
			}
		})
	})
	t.Run("the peer does not read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := Pipe()
			c := readyConn(b, Config{})
			go finish(c)
			for i := range 3 {
				c.Send(t.Context(), message(i))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
			defer cancel()
			if err := c.Shutdown(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			if got := ids(c.Unsent()); got != "m0 m1 m2" {
				t.Error(got)
			}
			a.Close()
		})
	})
	t.Run("writing fails", func(t *testing.T) {
		c := readyConn(&scriptedConn{limited: true}, Config{})
		if err := c.Shutdown(t.Context(), nil); err != errWire {
			t.Error(err)
		}
	})
}

// readyConn is a negotiated stream, of the receiving side.
func readyConn(tr Transport, cfg Config) *Conn {
	cfg = cfg.withDefaults()
	c := newConn(tr, &cfg, false)
	c.in, c.sent, c.opened = Header{Content: "jabber:client", Version: V1}, Header{Content: "jabber:client", Version: V1}, true
	c.state.Store(uint32(Secure | Authenticated | Ready))
	return c
}

// TestFail: what the peer is told, by the reason and the role.
func TestFail(t *testing.T) {
	local := errors.New("disk full")
	for _, tt := range []struct {
		name              string
		err               error
		server, initiator string
	}{
		{"stream error", &Error{Condition: Reset, Text: "now"}, streamError("reset", "now"), streamError("reset", "now")},
		{"condition", Conflict, streamError("conflict", ""), streamError("conflict", "")},
		{"the peer's error", &Error{Condition: Reset, Remote: true}, end, end},
		{"the peer has closed", io.EOF, end, end},
		{"nothing", nil, end, end},
		{"cancelled", context.Canceled, end, end},
		{"anything else", local, streamError("internal-server-error", ""), end},
		{"TLS", &TLSError{Err: local}, end, end},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, initiator := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					a, b := Pipe()
					p := newPeer(t, a)
					c := readyConn(b, Config{CloseTimeout: 3 * time.Second})
					c.initiator = initiator
					want := message(1).String() + tt.server
					if initiator {
						want = message(1).String() + tt.initiator
					}
					c.Send(t.Context(), message(1))
					start := time.Now()
					c.Fail(tt.err)
					if got := p.rest(); got != want {
						t.Errorf("got  %s\nwant %s", got, want)
					}
					// An error is left to the peer to be read; all else is over
					// at once.
					if d := time.Since(start); d > 0 != strings.Contains(want, "error") || d > 3*time.Second {
						t.Errorf("took %v", d)
					}
				})
			}
		})
	}
}

// TestFailStuck: a peer that does not read does not hold Fail for long.
func TestFailStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := readyConn(b, Config{})
		c.Send(t.Context(), message(1))
		start := time.Now()
		c.Fail(Conflict)
		if d := time.Since(start); d != DefaultCloseTimeout {
			t.Errorf("took %v", d)
		}
		if got := ids(c.Unsent()); got != "m1" {
			t.Error(got)
		}
		a.Close()
	})
}

// TestErrorArrives: over TCP an error reaches the peer even if much of what it
// sent was never read, for which a connection that is closed is reset.
func TestErrorArrives(t *testing.T) {
	for range 20 {
		client, server := tcpPair(t)
		n := background(func() (*Conn, error) {
			return Accept(t.Context(), &halfCloser{privateTransport{NewTransport(server)}}, Config{}, openTo(serverFeatures(t, Secure)))
		})
		var sending sync.WaitGroup
		sending.Go(func() { io.WriteString(client, hello+"<a><b></a>"+strings.Repeat("<message/>", 50_000)) })
		got, err := io.ReadAll(client)
		if err != nil || !strings.HasSuffix(string(got), streamError("not-well-formed", "end tag does not match the start tag")) {
			t.Errorf("%s, %v", got, err)
		}
		client.Close()
		sending.Wait()
		if _, err := n.wait(); !isCondition(err, NotWellFormed) {
			t.Error(err)
		}
	}
}

type halfCloser struct{ privateTransport }

func (h *halfCloser) CloseWrite() error {
	return h.Transport.(*netTransport).CloseWrite()
}

// TestCloseWhileSending: whoever sends gets an error, and nothing is left.
func TestCloseWhileSending(t *testing.T) {
	checkGoroutines(t)
	a, b := net.Pipe()
	c := readyConn(NewTransport(b), Config{MaxOutbox: 1000})
	go io.Copy(io.Discard, a)
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for i := 0; ; i++ {
				if err := c.Send(t.Context(), message(i)); err != nil {
					if err != ErrClosed && !errors.Is(err, io.ErrClosedPipe) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	for range 1000 {
		c.TrySend(message(0))
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	senders.Wait()
	c.Unsent()
	a.Close()
}
