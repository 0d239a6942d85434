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

// TestPushOfWhatIsLeft: a client is told of a message that it has not got, however its
// session ends, once, and not of one that it has got. One that was away all the time is
// told once.
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
				s := newServer(t, func(c *server.Config) {
					c.Extensions = []xmpp.Extension{&push.Server{Store: memory.New().Push()}}
				})
				got := make(chan push.Delivery, 10)
				app := &push.Service{Deliver: func(_ context.Context, d push.Delivery) error { got <- d; return nil }}
				if _, err := s.LocalHost(jid.MustParse("push.localhost"), nil, app); err != nil {
					t.Fatal(err)
				}
				romeo := login(t, s, "romeo", "jul13t", "orchard")
				away := bound(t, s, "chamber")
				away.send("<iq type='set' id='p'><enable xmlns='urn:xmpp:push:0' jid='push.localhost' node='away'/></iq>")
				away.expect("id='p'")
				away.nc.Close()
				synctest.Wait() // or it is there when the message comes
				juliet := bound(t, s, "balcony")
				juliet.send("<iq type='set' id='p'><enable xmlns='urn:xmpp:push:0' jid='push.localhost' node='n'/></iq>")
				juliet.expect("id='p'")
				juliet.send("%s", tt.enable)
				juliet.expect("<enabled")
				juliet.send("<presence/>")
				juliet.expect("<presence")
				say(romeo, "juliet@localhost", "m")
				juliet.expect("m</body>")
				synctest.Wait() // nobody is about to be told of it
				tt.end(juliet)
				time.Sleep(time.Hour) // no session waits so long
				synctest.Wait()
				close(got)
				told := map[string]int{}
				for d := range got {
					told[d.Node] += d.Notification.Messages
				}
				if told["n"] != tt.want || told["away"] != 1 {
					t.Errorf("told of messages: %v, want %d of those of n, and 1 of away", told, tt.want)
				}
			})
		})
	}
}
