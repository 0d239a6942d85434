package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs a test with a server that knows three people.
func bubble(t *testing.T, fn func(t *testing.T, s *Server)) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Server)
		for _, number := range []string{"1", "2", "3"} {
			s.SetUser(number, "old")
			s.SetUser(number, "secret "+number)
		}
		fn(t, s)
	})
}

func dial(t *testing.T, s *Server) net.Conn {
	a, b := net.Pipe()
	go s.ServeConn(t.Context(), b)
	return a
}

// user is somebody who is logged in.
type user struct {
	*Client
	t    *testing.T
	seen []string // by the goroutine that reads; looked at after synctest.Wait
}

func login(t *testing.T, s *Server, number string) *user {
	t.Helper()
	u := &user{t: t}
	var err error
	saw := func(e Event) { u.seen = append(u.seen, e.String()) }
	u.Client, err = Login(t.Context(), dial(t, s), number, "secret "+number, saw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// take returns what came since it was called last.
func (u *user) take() []string {
	synctest.Wait()
	seen := u.seen
	u.seen = nil
	return seen
}

func (u *user) sees(want ...string) {
	u.t.Helper()
	if seen := u.take(); !slices.Equal(seen, want) {
		u.t.Errorf("saw %q\nwant %q", seen, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestContacts(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server) {
		ctx := t.Context()
		one, two := login(t, s, "1"), login(t, s, "2")
		must(t, two.SetStatus(ctx, Away, "Out\nto lunch \\n."))
		must(t, one.Add(ctx, "2", "It is I."))
		two.sees("* ASK 1 It is I.")
		must(t, two.Allow(ctx, "1"))
		one.sees("* ALLOWED 2", `* STATUS 2 away Out\nto lunch \\n.`)
		must(t, two.Allow(ctx, "1")) // that is so already
		must(t, two.Allow(ctx, "3")) // who has not asked
		must(t, two.Deny(ctx, "3"))
		must(t, one.SetStatus(ctx, Busy, "")) // which two has not asked for
		one.sees()
		two.sees()
		must(t, one.Add(ctx, "2", "")) // as before
		one.sees("* ALLOWED 2", `* STATUS 2 away Out\nto lunch \\n.`)
		must(t, one.Add(ctx, "3", "Hello?"))
		if list, err := one.List(ctx); !slices.Equal(list, []string{"2", "3"}) || err != nil {
			t.Errorf("the list is %q, %v", list, err)
		}

		must(t, two.Close())
		one.sees("* STATUS 2 offline")
		must(t, one.Add(ctx, "2", ""))
		one.sees("* ALLOWED 2")
		two = login(t, s, "2")
		one.sees("* STATUS 2 online")
		must(t, two.Deny(ctx, "1"))
		one.sees("* DENIED 2")

		// What happens to who is away.
		must(t, one.Close())
		three := login(t, s, "3")
		three.sees("* ASK 1 Hello?")
		must(t, three.Allow(ctx, "1"))
		one = login(t, s, "1")
		one.sees("* ALLOWED 3", "* STATUS 3 online")
		must(t, three.Remove(ctx, "1"))
		must(t, three.Remove(ctx, "1"))
		one.sees("* REMOVED 3")
		if list, err := one.List(ctx); len(list) != 0 || err != nil {
			t.Errorf("the list is %q, %v", list, err)
		}
		for _, u := range []*user{one, two, three} {
			must(t, u.Close())
		}
	})
}

func TestMessages(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server) {
		ctx := t.Context()
		one, two := login(t, s, "1"), login(t, s, "2")
		must(t, one.Send(ctx, "2", "Hello!"))
		must(t, one.Send(ctx, "2", "Two\nlines,\r\nand \\n."))
		long := strings.Repeat("x", MaxLine-len("SEND 2 \n"))
		must(t, one.Send(ctx, "2", long))
		two.sees("* MESSAGE 1 Hello!", `* MESSAGE 1 Two\nlines,\nand \\n.`, "* MESSAGE 1 "+long)
		if err := one.Send(ctx, "2", long+"x"); !errors.Is(err, ErrLong) {
			t.Errorf("a line that is too long: %v", err)
		}
		if err := one.Send(ctx, "2 Ha!", "x"); !errors.Is(err, ErrUnknown) {
			t.Errorf("a number that is none: %v", err)
		}
		if err := one.Send(ctx, "3", "Hello?"); !errors.Is(err, ErrOffline) {
			t.Errorf("to somebody who is away: %v", err)
		}
		if err := one.Send(ctx, "4", "Hello?"); !errors.Is(err, ErrUnknown) {
			t.Errorf("to nobody: %v", err)
		}
		must(t, errors.Join(one.Close(), two.Close()))
		one.sees("* BYE")
	})
}

func TestLogin(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server) {
		ctx := t.Context()
		never := func(e Event) {
			if e.Kind != Bye {
				t.Errorf("saw %s", e)
			}
		}
		if _, err := Login(ctx, dial(t, s), "1", "old", never); !errors.Is(err, ErrPassword) {
			t.Errorf("a wrong password: %v", err)
		}
		if err := Check(ctx, dial(t, s), "4", ""); !errors.Is(err, ErrPassword) {
			t.Errorf("nobody: %v", err)
		}
		must(t, Check(ctx, dial(t, s), "1", "secret 1"))
		first := login(t, s, "1")
		must(t, Check(ctx, dial(t, s), "1", "secret 1"))
		first.sees()
		second := login(t, s, "1")
		first.sees("* BYE You have logged in elsewhere.")
		if err := first.Send(ctx, "1", "x"); err == nil {
			t.Error("a session that is over sends")
		}
		must(t, second.Send(ctx, "1", "x"))
		second.sees("* MESSAGE 1 x")
		must(t, second.Close())
		second.sees("* BYE")
	})
}

// TestLines speaks the protocol by hand.
func TestLines(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server) {
		conn := dial(t, s)
		say := func(line, want string) {
			t.Helper()
			fmt.Fprintf(conn, "%s\n", line)
			got := make([]byte, 100)
			if n, err := conn.Read(got); string(got[:n]) != want+"\n" || err != nil {
				t.Errorf("%s: %q, %v, want %q", line, got[:n], err, want)
			}
		}
		say("SEND 2 Hello!", "ERR login")
		say("LOGIN 1", "ERR password")
		say("LOGIN 1 secret 1", "OK")
		say("LOGIN 1 secret 1", "ERR command")
		say("STATUS asleep", "ERR command")
		say("DANCE 2", "ERR command")
		say("", "ERR command")
		say("ADD 4", "ERR unknown")
		say("LIST", "OK")
		say("ADD 2 Hello?", "OK")
		say("LIST", "OK 2")
		say("QUIT", "OK")
		if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after QUIT: %v", err)
		}
	})
}

// TestBounds: who does not read is thrown out, and costs the others nothing.
func TestBounds(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server) {
		ctx := t.Context()
		one, two := login(t, s, "1"), dial(t, s)
		io.WriteString(two, "LOGIN 2 secret 2\n")
		synctest.Wait()
		n := 0
		for err := error(nil); err == nil && n < 2*maxQueued; n++ {
			err = one.Send(ctx, "2", "Are you there?")
		}
		if n <= maxQueued || n >= 2*maxQueued {
			t.Errorf("thrown out after %d messages", n)
		}
		time.Sleep(writeTime + time.Second) // the line that is being written
		if _, err := two.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("who was thrown out: %v", err)
		}

		for i := range 2 * maxMissed {
			if i%2 == 0 {
				must(t, one.Add(ctx, "3", fmt.Sprint(i)))
			} else {
				must(t, one.Remove(ctx, "3"))
			}
		}
		three := login(t, s, "3")
		if n := len(three.take()); n != maxMissed {
			t.Errorf("%d events have waited", n)
		}
		must(t, three.Close())
		for i := range maxContact + 1 {
			number := fmt.Sprint(1000 + i)
			s.SetUser(number, "")
			if err := one.Add(ctx, number, ""); (i < maxContact) != (err == nil) {
				t.Fatalf("contact %d: %v", i, err)
			}
		}
		if err := one.Add(ctx, "2", ""); !errors.Is(err, ErrFull) {
			t.Errorf("one more: %v", err)
		}
		one.take()
		io.WriteString(one.conn, strings.Repeat("x", MaxLine))
		one.sees("* BYE")
	})
}

// TestBadServer: the client is with a server that says what it likes.
func TestBadServer(t *testing.T) {
	for _, answer := range []string{
		"YES\n", "OK\nOK\nOK\nOK\n* BYE Go!\n", "* DANCE 1\n", "", strings.Repeat("x", 3*MaxLine),
	} {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			go func() {
				b.Read(make([]byte, MaxLine))
				io.WriteString(b, answer)
				b.Close()
			}()
			bye := make(chan Event, 1)
			c, err := Login(t.Context(), a, "1", "x", func(e Event) { bye <- e })
			if e := <-bye; e.Kind != Bye {
				t.Errorf("%q: saw %s", answer, e)
			}
			if err == nil {
				err = c.Send(t.Context(), "2", "x")
			}
			if err == nil {
				t.Errorf("%q was taken", answer)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // one that says nothing
		a, b := net.Pipe()
		defer b.Close()
		go io.Copy(io.Discard, b)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := Check(ctx, a, "1", "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := new(Server)
	s.SetUser("1", "secret")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	bye := make(chan Event, 1)
	c, err := Login(t.Context(), conn, "1", "secret", func(e Event) { bye <- e })
	must(t, err)
	must(t, c.SetStatus(t.Context(), Busy, ""))
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if e := <-bye; e.Kind != Bye {
		t.Errorf("saw %s", e)
	}
	if err := s.Serve(t.Context(), l); err == nil {
		t.Error("a listener that is closed is served")
	}
}

func FuzzEvent(f *testing.F) {
	for _, line := range []string{
		"ASK 1 It is I.", "STATUS 2 away Out", "BYE Go!", `MESSAGE 3 a\nb\\n\x`, "", "STATUS", "ALLOWED  1",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		e, err := parseEvent(line)
		if err != nil || strings.ContainsAny(line, "\r\n") || e.From == "" || e.Kind == StatusChanged && e.Status == "" {
			return
		}
		again, err := parseEvent(strings.TrimPrefix(e.String(), "* "))
		if again != e || err != nil {
			t.Errorf("%q: %+v, read again %+v, %v", line, e, again, err)
		}
	})
}
