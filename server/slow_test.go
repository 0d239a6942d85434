package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
)

// TestSlowReader: a client that does not read what waits for it is
// disconnected, and nothing of it is lost: another resource gets the messages,
// or they are stored.
func TestSlowReader(t *testing.T) {
	for _, other := range []bool{true, false} {
		t.Run(fmt.Sprint("another resource ", other), func(t *testing.T) {
			s := newServer(t, func(c *server.Config) { c.Stream.MaxOutbox = 10_000 })
			slow := newSlow(t, s)
			var street *raw
			if other {
				street = newRaw(t, s.Pipe())
				street.login("romeo", "jul13t", "street")
				street.send("<presence><priority>-1</priority></presence>")
			}
			juliet := login(t, s, "juliet", "r0m30", "balcony")
			if other {
				street.expect("from='romeo@localhost/street'", "</presence>")
				street.send("<presence/>")
				street.expect("from='romeo@localhost/street'")
			}
			const n = 60
			for i := range n {
				juliet.send("<message type='chat' id='m%d' to='romeo@localhost/slow'><body>%s</body></message>", i, strings.Repeat("x", 500))
			}
			who, text := street, ""
			if !other {
				// The last of them is stored when juliet's next question is
				// answered; those before may still be on their way.
				juliet.drain()
				who, text = arrives(t, s, "back")
			}
			// The last is there, so none of those that came after the
			// disconnection is missing. Those before it are waited for too.
			seen := make(map[int]int)
			for first := true; len(seen)+slow.whole() < n; first = false {
				if !first || text == "" {
					text += who.expect("</message>")
				}
				for i := range n {
					seen[i] = strings.Count(text, fmt.Sprintf("id='m%d'", i))
					if seen[i] == 0 {
						delete(seen, i)
					}
				}
			}
			for i, times := range seen {
				if times != 1 {
					t.Errorf("m%d came %d times", i, times)
				}
			}
		})
	}
}

// slowClient is logged in and reads only so much.
type slowClient struct{ r *raw }

// whole returns how many messages the slow client was given whole.
func (c *slowClient) whole() int {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	return strings.Count(c.r.got, "</message>")
}

func newSlow(t *testing.T, s *server.Server) *slowClient {
	stop := make(chan struct{})
	r := newRaw(t, &stoppable{Transport: s.Pipe(), stop: stop})
	r.login("romeo", "jul13t", "slow")
	close(stop)
	r.send("<presence><priority>-1</priority></presence>")
	return &slowClient{r}
}

// TestRate: a client that sends too fast is read more slowly.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, func(c *server.Config) { c.Rate, c.Burst = 1000, 1000 })
		r := login(t, s, "juliet", "r0m30", "balcony")
		start := time.Now()
		for range 10 {
			r.send("<message to='juliet@localhost/balcony'><body>%s</body></message>", strings.Repeat("x", 1000))
			r.expect("</message>")
		}
		if d := time.Since(start); d < 8*time.Second || d > 15*time.Second {
			t.Errorf("10 messages of 1 kB at 1 kB a second took %v", d)
		}
		r.send("</stream:stream>")
		r.expectEnd()
		s.Close()
	})
}

func TestMaxConns(t *testing.T) {
	s := newServer(t, func(c *server.Config) { c.MaxConns = 1 })
	login(t, s, "juliet", "r0m30", "balcony")
	r := newRaw(t, s.Pipe())
	r.expect("<stream:error><resource-constraint", "</stream:stream>")
	r.expectEnd()
}

// TestPanic: a panic in the app's own code costs the connection that met it,
// and no other.
func TestPanic(t *testing.T) {
	s := newServer(t, func(c *server.Config) {
		c.Accounts = server.VerifyFunc(func(_ context.Context, account jid.JID, password string) error {
			if account.Local() == "nurse" {
				panic("the app's bug")
			}
			return nil
		})
	})
	juliet := login(t, s, "juliet", "any", "balcony")
	nurse := newRaw(t, s.Pipe())
	nurse.open()
	nurse.send("%s", plain("nurse", "any"))
	nurse.expectEnd()
	juliet.nothing()
}

// shortOfFiles is a listener that fails as one does when the process has too
// many files open, and then for good.
type shortOfFiles struct {
	net.Listener
	fails int
}

func (l *shortOfFiles) Accept() (net.Conn, error) {
	if l.fails--; l.fails >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return nil, io.ErrUnexpectedEOF
}

func (l *shortOfFiles) Close() error { return nil }

// TestAcceptFails: being short of files does not end Serve, anything else does.
func TestAcceptFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		start := time.Now()
		err := s.Serve(t.Context(), &shortOfFiles{fails: 3})
		if err != io.ErrUnexpectedEOF || time.Since(start) != 300*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		s.Close()
	})
}
