package server_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"
)

// sluggish is a link that brings a little at a time.
type sluggish struct{ stream.Transport }

func (s sluggish) Read(p []byte) (int, error) {
	time.Sleep(900 * time.Millisecond)
	return s.Transport.Read(p[:min(len(p), 2000)])
}

// TestSlowBacklog: a client that is handed its stored messages over a slow link
// does not keep those waiting who write to it, and what they write comes behind.
func TestSlowBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 30
		s := newServer(t, func(c *server.Config) { c.Stream.MaxOutbox = 4000 })
		juliet := login(t, s, "juliet", "r0m30", "balcony")
		for i := range n {
			juliet.send("<message to='romeo@localhost'><body>#%d#%s</body></message>", i, strings.Repeat("x", 2000))
		}
		juliet.drain()
		romeo := newRaw(t, sluggish{s.Pipe()})
		romeo.login("romeo", "jul13t", "orchard")
		romeo.send("<presence/>")
		synctest.Wait()
		start := time.Now()
		juliet.send("<message to='romeo@localhost'><body>#%d#</body></message>", n)
		juliet.drain()
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("the sender waited %v", d)
		}
		got := ""
		for !strings.Contains(got, fmt.Sprintf("#%d#", n)) {
			got += romeo.expect("</message>")
		}
		var want []string
		for i := range n + 1 {
			want = append(want, fmt.Sprintf("<body>#%d#", i))
		}
		wantInOrder(t, got, want...)
		for _, w := range want {
			if strings.Count(got, w) != 1 {
				t.Errorf("%s came %d times", w, strings.Count(got, w))
			}
		}
		s.Close()
		romeo.expectEnd()
	})
}

// TestStalePresence: presence that a broken link has not taken is not told to the
// account's other resources, which have got it, and newer one.
func TestStalePresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 60
		s, juliet, romeo := pair(t, func(c *server.Config) { c.Stream.MaxOutbox = 10_000 })
		befriend(romeo, "romeo", juliet, "juliet")
		stop := make(chan struct{})
		slow := newRaw(t, &stoppable{Transport: s.Pipe(), stop: stop})
		slow.login("romeo", "jul13t", "slow")
		close(stop)
		slow.send("<presence/>")
		synctest.Wait() // its probe has been answered, to all resources
		romeo.drain()
		got := ""
		for i := range n {
			juliet.send("<presence><status>#%d#%s</status></presence>", i, strings.Repeat("x", 500))
			juliet.drain()
			got += romeo.drain()
		}
		synctest.Wait() // slow has been disconnected, and what it has left is dealt with
		got += romeo.drain()
		if !strings.Contains(got, "<presence type='unavailable' to='romeo@localhost/orchard' from='romeo@localhost/slow'") {
			t.Fatal("slow is still there")
		}
		for i := range n {
			if c := strings.Count(got, fmt.Sprintf("<status>#%d#", i)); c != 1 {
				t.Errorf("presence %d came %d times", i, c)
			}
		}
		s.Close()
		synctest.Wait()
	})
}
