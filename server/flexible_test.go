package server_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/flexoffline"
	"github.com/etherx-go/xmpp/server"
)

// TestFlexibleOffline: who looks at what is stored before it is available chooses what
// it takes, and nothing comes by itself, to no client of the account (XEP-0013).
func TestFlexibleOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, func(c *server.Config) {
			d := new(disco.Extension)
			c.Extensions = []xmpp.Extension{d, &flexoffline.Server{Disco: d}}
		})
		romeo := login(t, s, "romeo", "jul13t", "orchard")
		for _, body := range []string{"one", "two", "three"} {
			say(romeo, "juliet@localhost", body)
		}
		synctest.Wait()
		balcony := bound(t, s, "balcony")
		balcony.send("<iq type='get' id='h'><query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/offline'/></iq>")
		headers := balcony.expect("id='h'", "</iq>")
		nodes := strings.Split(headers, " node='")
		if len(nodes) < 4 {
			t.Fatalf("got %s", headers)
		}
		nodes = nodes[len(nodes)-3:]
		second, _, _ := strings.Cut(nodes[1], "'")
		balcony.send("<presence/>")
		hears(t, balcony)
		chamber := bound(t, s, "chamber")
		chamber.send("<presence><priority>1</priority></presence>")
		hears(t, chamber)

		item := "<offline xmlns='http://jabber.org/protocol/offline'><item action='%s' node='" + second + "'/></offline>"
		balcony.send("<iq type='get' id='v'>"+item+"</iq>", "view")
		balcony.expect("two</body>", second, "id='v'")
		balcony.send("<iq type='set' id='r'>"+item+"</iq>", "remove")
		balcony.expect("id='r'")
		say(romeo, "juliet@localhost", "live") // is nothing to choose from
		chamber.expect("live")

		// With the session ends its choice.
		balcony.send("</stream:stream>")
		balcony.expect("</stream:stream>")
		synctest.Wait()
		chamber.send("<presence><priority>-1</priority></presence><presence/>")
		got := chamber.expect("one</body>", "three</body>")
		if strings.Contains(got, "two") {
			t.Errorf("got %s", got)
		}
	})
}
