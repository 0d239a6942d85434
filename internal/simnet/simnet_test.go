package simnet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/internal/simnet"
)

// connect returns both ends of a connection with a plan.
func connect(t *testing.T, p simnet.Plan) (n *simnet.Network, here, there net.Conn) {
	t.Helper()
	n = simnet.New(1)
	n.Plan = func(*rand.Rand, string) simnet.Plan { return p }
	l := n.Listen("server")
	defer l.Close()
	accepted := make(chan net.Conn)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	here, err := n.Dial(t.Context(), "server")
	if err != nil {
		t.Fatal(err)
	}
	return n, here, <-accepted
}

func TestTransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, here, there := connect(t, simnet.Plan{Delay: time.Second, Jitter: time.Second})
		want := make([]byte, 5*simnet.Window)
		rand.NewChaCha8([32]byte{}).Read(want)
		go func() {
			for p := want; len(p) > 0; {
				n := min(len(p), 3000)
				here.Write(p[:n])
				p = p[n:]
			}
			here.Close()
		}()
		begin := time.Now()
		got, err := io.ReadAll(there)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if d := time.Since(begin); d < time.Second {
			t.Errorf("it took %v", d)
		}
		if _, err := there.Write([]byte("x")); err == nil {
			t.Error("written to nobody")
		}
	})
}

func TestCut(t *testing.T) {
	for _, after := range []int64{1, 5, 10} {
		synctest.Test(t, func(t *testing.T) {
			_, here, there := connect(t, simnet.Plan{Delay: time.Second, CutAfter: after})
			here.Write([]byte("0123456789"))
			got, err := io.ReadAll(there)
			if int64(len(got)) != after || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("after %d: %q, %v", after, got, err)
			}
			if _, err := here.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("after %d: the other end: %v", after, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		n, here, there := connect(t, simnet.Plan{Delay: time.Second})
		here.Write([]byte("lost"))
		n.CutAll()
		if got, err := io.ReadAll(there); len(got) > 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%q, %v", got, err)
		}
		here.Close()
		if got := n.Open(); got != 0 {
			t.Errorf("%d are open", got)
		}
	})
}

// A connection that is dead takes what fits into it, and says nothing.
func TestDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, here, there := connect(t, simnet.Plan{DeadAfter: 4})
		here.Write([]byte("0123456789"))
		there.SetReadDeadline(time.Now().Add(time.Minute))
		if got, err := io.ReadAll(there); len(got) != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q, %v", got, err)
		}
		here.SetWriteDeadline(time.Now().Add(time.Minute))
		n, err := here.Write(make([]byte, 2*simnet.Window))
		if n != simnet.Window-10 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d, %v", n, err)
		}
		here.Close()
		there.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := there.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the end was told: %v", err)
		}
	})
}

func TestSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := n.Dial(ctx, "server"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("nobody listens: %v", err)
		}
		n.SetSilent(true)
		if _, err := n.Dial(ctx, "server"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("silent: %v", err)
		}
	})
}

// A Read can be ended by a deadline that is set meanwhile, and by Close.
func TestUnblock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, here, there := connect(t, simnet.Plan{})
		done := make(chan error)
		read := func() {
			_, err := here.Read(make([]byte, 1))
			done <- err
		}
		go read()
		synctest.Wait()
		here.SetReadDeadline(time.Unix(1, 0))
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("deadline: %v", err)
		}
		here.SetDeadline(time.Time{})
		go read()
		synctest.Wait()
		here.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("close: %v", err)
		}
		there.Close()
	})
}
