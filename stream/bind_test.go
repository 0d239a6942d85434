package stream

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/etherx-go/xmpp/jid"
)

// TestBindOrder: stanzas can be sent to a client before it has the reply to its
// bind; they arrive behind it.
func TestBindOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c *Conn
		bind := ServeBind(func(context.Context, string) (jid.JID, error) {
			return jid.MustParse("rob@capulet.com/balcony"), nil
		}, func() {
			synctest.Wait() // nothing is written yet
			if err := c.TrySend(message(1)); err != nil {
				t.Error(err)
			}
		})
		features := append(serverFeatures(t, Secure)[:1], bind)
		a, b := Pipe()
		p := newPeer(t, a)
		n := background(func() (*Conn, error) {
			return Accept(t.Context(), b, Config{}, func(conn *Conn, in Header) (Header, []Feature, error) {
				c = conn
				return openTo(features)(conn, in)
			})
		})
		p.send(hello + authPlain + hello)
		p.wait(offerBind + "</stream:features>")
		p.send(askBind)
		p.expect(bound + message(1).String())
		if n.must(t) != c {
			t.Error("another stream")
		}
		if err := c.TrySend(message(2)); err != nil {
			t.Error(err)
		}
		p.expect(message(2).String())
		c.Close()
	})
}
