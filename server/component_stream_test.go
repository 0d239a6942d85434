package server_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"
)

// TestComponentEnd: a component that closes its stream has done so in order, and one that
// breaks it off has not.
func TestComponentEnd(t *testing.T) {
	for _, inOrder := range []bool{true, false} {
		s := withComponents(t)
		a, b := net.Pipe()
		served := make(chan error, 1)
		go func() { served <- s.ServeComponentConn(context.Background(), b) }()
		r := newRaw(t, a)
		r.domain = "gw.localhost"
		r.send("<handshake>%s</handshake>", hash(r.openComponent(), "s3cret"))
		r.expect("<handshake/>")
		if inOrder {
			r.send(closing)
			r.expect(closing)
		}
		a.Close()
		if err := <-served; (err == nil) != inOrder {
			t.Errorf("in order: %v: %v", inOrder, err)
		}
	}
}

// TestComponentRate: who sends more than the rate is read more slowly.
func TestComponentRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := withComponents(t, func(c *server.Config) { c.Components.Rate, c.Components.Burst = 1000, 2000 })
		gw := attachComponent(t, s, "gw.localhost", "s3cret")
		gw.isUp()
		began := time.Now()
		for range 10 {
			gw.send("<message from='gw.localhost' to='gw.localhost'><body>%s</body></message>", strings.Repeat("x", 1000))
		}
		gw.isUp()
		if d := time.Since(began); d < 7*time.Second || d > 11*time.Second {
			t.Errorf("10 KB came in %v", d)
		}
		s.Close()
	})
}

// TestComponentKeepAlive: a component from which nothing comes is asked for a sign of
// life; one that does not know pings is sent white space, and stays.
func TestComponentKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := withComponents(t)
		gw := attachComponent(t, s, "gw.localhost", "s3cret")
		for range 3 {
			time.Sleep(server.DefaultComponentKeepAlive + server.DefaultComponentPingTimeout + time.Second)
			gw.mu.Lock()
			got := gw.got
			gw.got = ""
			gw.mu.Unlock()
			if !strings.HasPrefix(got, "<iq type='get' ") || !strings.HasSuffix(got, "<ping xmlns='urn:xmpp:ping'/></iq> ") {
				t.Errorf("got %q", got)
			}
			time.Sleep(server.DefaultComponentKeepAlive - server.DefaultComponentPingTimeout - time.Second)
		}
		gw.isUp()
		s.Close()
	})
}

// TestComponentDoesNotRead: a component that takes nothing is disconnected, and what was
// for it comes back.
func TestComponentDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := withComponents(t, func(c *server.Config) {
			c.Components.Stream = &stream.Config{MaxOutbox: 4096, WriteTimeout: time.Hour, CloseTimeout: time.Second}
			c.Components.KeepAlive = -1
		})
		a, b := net.Pipe()
		go s.ServeComponentConn(context.Background(), b)
		said := ""
		say := func(s string) {
			if _, err := a.Write([]byte(s)); err != nil {
				t.Fatal(err)
			}
		}
		hear := func(end string) {
			for buf := make([]byte, 1); !strings.HasSuffix(said, end); said += string(buf) {
				if _, err := a.Read(buf); err != nil {
					t.Fatal(err)
				}
			}
		}
		say(componentHeader)
		hear("xml:lang='en'>")
		say("<handshake>" + hash(streamID.FindStringSubmatch(said)[1], "s3cret") + "</handshake>")
		hear("<handshake/>")
		juliet := login(t, s, "juliet", "r0m30", "balcony")
		const n = 10
		for range n {
			juliet.send("<message to='gw.localhost' id='m'><body>%s</body></message>", strings.Repeat("x", 1000))
		}
		time.Sleep(30 * time.Second)
		if got := s.Components(); len(got) != 0 {
			t.Errorf("still connected: %v", got)
		}
		got := juliet.drain()
		if c := strings.Count(got, "<remote-server-timeout "); c < n-1 || c > n { // one may have gone out in part
			t.Errorf("%d of %d came back", c, n)
		}
		a.Close()
		s.Close()
	})
}
