package server_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/storage/memory"
)

// newPushServer is a server with a push service. told ends that, when no session waits any
// more, and returns of how many messages each node was told in all notifications.
func newPushServer(t *testing.T) (s *server.Server, told func() map[string]int) {
	s = newServer(t, func(c *server.Config) {
		c.Extensions = []xmpp.Extension{&push.Server{Store: memory.New().Push()}}
	})
	got := make(chan push.Delivery, 10)
	app := &push.Service{Deliver: func(_ context.Context, d push.Delivery) error { got <- d; return nil }}
	if _, err := s.LocalHost(jid.MustParse("push.localhost"), nil, app); err != nil {
		t.Fatal(err)
	}
	return s, func() map[string]int {
		time.Sleep(time.Hour)
		synctest.Wait()
		close(got)
		all := make(map[string]int)
		for d := range got {
			all[d.Node] += d.Notification.Messages
		}
		return all
	}
}

// pushed is a session of juliet, which is not available yet, on a device with push.
func pushed(t *testing.T, s *server.Server, resource, node string) *raw {
	r := bound(t, s, resource)
	r.send("<iq type='set' id='p'><enable xmlns='urn:xmpp:push:0' jid='push.localhost' node='%s'/></iq>", node)
	r.expect("id='p'")
	return r
}

// TestPushOfWhatIsLeft: a client is told of a message that it has not got, however its
// session ends, once, and not of one that it has got. One that was away all the time is
// told once; so is one that was there when the message came for another, and then left.
func TestPushOfWhatIsLeft(t *testing.T) {
	for _, tt := range []struct {
		name   string
		enable string
		end    func(r *raw)
		want   int
	}{
		{"acknowledged, and closed", "<enable xmlns='urn:xmpp:sm:3'/>",
			func(r *raw) { r.send("<a xmlns='urn:xmpp:sm:3' h='2'/></stream:stream>") }, 0},
		{"closed before it was acknowledged", "<enable xmlns='urn:xmpp:sm:3'/>", func(r *raw) { r.send("</stream:stream>") }, 1},
		{"broken", "<enable xmlns='urn:xmpp:sm:3'/>", func(r *raw) { r.nc.Close() }, 1},
		{"broken, to be resumed", "<enable xmlns='urn:xmpp:sm:3' resume='true'/>", func(r *raw) { r.nc.Close() }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, told := newPushServer(t)
				romeo := login(t, s, "romeo", "jul13t", "orchard")
				pushed(t, s, "chamber", "away").nc.Close()
				other := pushed(t, s, "loft", "other")
				synctest.Wait() // or the first is there when the message comes
				juliet := pushed(t, s, "balcony", "n")
				juliet.send("%s", tt.enable)
				juliet.expect("<enabled")
				juliet.send("<presence/>")
				juliet.expect("<presence")
				romeo.send("<message to='juliet@localhost' type='chat' id='m1'><body>m</body></message>")
				juliet.expect("m</body>")
				synctest.Wait() // nobody is about to be told of it
				other.nc.Close()
				synctest.Wait()
				tt.end(juliet)
				if got := told(); got["n"] != tt.want || got["other"] != tt.want || got["away"] != 1 {
					t.Errorf("told of messages: %v, want %d at n and other, and 1 at away", got, tt.want)
				}
			})
		})
	}
}

// TestPushOfWhatHasACopy: a client that has left a message is told also if that goes nowhere
// else, because another client has its copy.
func TestPushOfWhatHasACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, told := newPushServer(t)
		romeo := login(t, s, "romeo", "jul13t", "orchard")
		chamber := copying(t, s, "juliet", "r0m30", "chamber")
		balcony := pushed(t, s, "balcony", "n")
		balcony.send("<enable xmlns='urn:xmpp:sm:3'/>")
		balcony.expect("<enabled")
		balcony.send("<presence/>")
		balcony.expect("<presence")
		romeo.send("<message to='juliet@localhost' type='chat' id='m1'><body>m</body></message>")
		balcony.expect("m</body>")
		chamber.expect("<received", "m</body>")
		synctest.Wait()
		balcony.nc.Close()
		if got := told(); got["n"] != 1 {
			t.Errorf("told of messages: %v, want 1", got)
		}
		hears(t, chamber)
	})
}
