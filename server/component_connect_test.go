package server_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"
)

const (
	connectHeader = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:connect' xmlns:stream='http://etherx.jabber.org/streams'" +
		" from='gw.localhost' xml:lang='en'>"
	connectAnswer = "<stream:stream xmlns='jabber:component:connect' xmlns:stream='http://etherx.jabber.org/streams'" +
		" from='gw.localhost' id='"
)

// calledComponents makes a server that connects to gw.localhost, and returns the
// component's ends of the connections as they come.
func calledComponents(t *testing.T) (*server.Server, <-chan *raw) {
	t.Helper()
	calls := make(chan *raw, 10)
	s := withComponents(t, func(c *server.Config) {
		gw := c.Components.Known["gw.localhost"]
		gw.Addr = "gw.internal:5347"
		c.Components.Known["gw.localhost"] = gw
		c.Components.Dial = func(context.Context, jid.JID, string) (stream.Transport, error) {
			a, b := net.Pipe()
			calls <- newRaw(t, a)
			return stream.NewTransport(b), nil
		}
		c.Components.Backoff = func(int) time.Duration { return time.Millisecond }
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.ConnectComponents(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return s, calls
}

// dialedComponent is a component that the server has connected to.
func dialedComponent(t *testing.T) (*server.Server, *raw) {
	t.Helper()
	s, calls := calledComponents(t)
	gw := <-calls
	gw.expect(connectHeader)
	gw.send(connectAnswer + "3BF96D32'>")
	gw.expect("<handshake>" + hash("3BF96D32", "s3cret") + "</handshake>")
	gw.send("<handshake/>")
	gw.isUp()
	return s, gw
}

// isUp waits until the component is attached, and returns what has come before.
func (r *raw) isUp() string {
	r.t.Helper()
	r.send("<iq type='get' id='up' from='gw.localhost' to='localhost'><x xmlns='urn:x'/></iq>")
	return r.expect("id='up'", "</iq>")
}

// TestComponentConnect is what the server says to a component that it connects to, and
// when it does not believe that it is there. It tries again.
func TestComponentConnect(t *testing.T) {
	s, calls := calledComponents(t)
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	away := func(t *testing.T) {
		t.Helper()
		juliet.t = t
		juliet.send("<message to='gw.localhost' id='1'><body>hi</body></message>")
		juliet.expect("<message type='error' id='1'", "<remote-server-timeout ")
	}
	const right = connectAnswer + "3BF96D32'>"
	for _, tt := range []struct{ name, header, answer, want string }{
		{"XEP0114-5 no id", strings.Replace(right, " id='3BF96D32'", "", 1), "", string(stream.BadFormat)},
		{"XEP0114-5 the other namespace", strings.Replace(right, ":connect", ":accept", 1), "", string(stream.InvalidNamespace)},
		{"XEP0114-5 a stanza in place of the handshake", right,
			"<message from='gw.localhost' to='juliet@localhost'><body>early</body></message>", string(stream.UnsupportedStanzaType)},
		{"XEP0114-5 the handshake is refused", right,
			"<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>", closing},
		{"XEP0114-5 the component closes", right, closing, closing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gw := <-calls
			gw.t = t
			gw.expect(connectHeader)
			gw.send("%s", tt.header)
			if tt.answer != "" {
				gw.expect("<handshake>" + hash("3BF96D32", "s3cret") + "</handshake>")
				gw.send("%s", tt.answer)
			}
			gw.expect(tt.want)
			away(t)
			gw.nc.Close()
		})
	}
	t.Run("XEP0114-5 the right way", func(t *testing.T) {
		gw := <-calls
		gw.t, juliet.t = t, t
		gw.expect(connectHeader)
		gw.send(right)
		gw.expect("<handshake>" + hash("3BF96D32", "s3cret") + "</handshake>")
		gw.send("<handshake/>")
		gw.isUp()
		juliet.send("<message to='gw.localhost' id='1'><body>hi</body></message>")
		gw.exactly("<message id='1' to='gw.localhost' from='juliet@localhost/balcony'><body>hi</body></message>")
		gw.send("<message from='romeo@localhost' to='juliet@localhost'><body>spoofed</body></message>")
		gw.expect("<invalid-from ", closing)
	})
	if got := juliet.drain(); strings.Contains(got, "<body>") {
		t.Errorf("juliet got %s", got)
	}
}

// TestComponentConnectAgain: the delays grow while it fails, and begin anew after a
// connection that has lasted.
func TestComponentConnectAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := make(chan int, 10)
		var lasting []time.Duration // how long each connection lasts
		s := withComponents(t, func(c *server.Config) {
			gw := c.Components.Known["gw.localhost"]
			gw.Addr = "gw.internal:5347"
			c.Components.Known["gw.localhost"] = gw
			c.Components.Dial = func(context.Context, jid.JID, string) (stream.Transport, error) {
				if len(lasting) == 0 {
					return nil, errors.New("nobody is there")
				}
				d := lasting[0]
				lasting = lasting[1:]
				a, b := net.Pipe()
				go func() {
					r := newRaw(t, a)
					r.expect(connectHeader)
					r.send(connectAnswer + "1'>")
					r.expect("</handshake>")
					r.send("<handshake/>")
					time.Sleep(d)
					a.Close()
				}()
				return stream.NewTransport(b), nil
			}
			c.Components.Backoff = func(try int) time.Duration {
				tries <- try
				return time.Second
			}
			c.Components.KeepAlive = -1
			lasting = []time.Duration{time.Second, time.Second, 2 * time.Minute, time.Second}
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.ConnectComponents(ctx) }()
		for i, want := range []int{0, 1, 0, 1, 2, 3} {
			if got := <-tries; got != want {
				t.Errorf("after %d: try %d, want %d", i, got, want)
			}
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		s.Close()
	})
}
