package stream

import (
	"context"
	"testing"
	"testing/synctest"
)

// TestBindOrder: whoever wraps the server's side of bind can let stanzas go to
// the client before it has the reply; they arrive behind it.
func TestBindOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bind := bindRob()
		serve := bind.Serve
		bind.Serve = func(ctx context.Context, c *Conn, in Incoming) (Outcome, error) {
			out, err := serve(ctx, c, in)
			synctest.Wait() // nothing is written yet
			if err := c.TrySend(message(1)); err != nil {
				t.Error(err)
			}
			return out, err
		}
		p, n := accept(t, Config{}, append(serverFeatures(t, Secure)[:1], bind))
		p.send(hello + authPlain + hello)
		p.wait(offerBind + "</stream:features>")
		p.send(askBind)
		p.expect(bound + message(1).String())
		c := n.must(t)
		if err := c.TrySend(message(2)); err != nil {
			t.Error(err)
		}
		p.expect(message(2).String())
		c.Close()
	})
	// Something more is said in the same breath.
	p, n := accept(t, Config{}, []Feature{{Name: bindName, Serve: func(_ context.Context, c *Conn, _ Incoming) (Outcome, error) {
		if err := c.hold([]byte("<a/>")); err != nil {
			return Outcome{}, err
		}
		if err := c.hold([]byte("<b/>")); err != nil {
			return Outcome{}, err
		}
		return Outcome{State: Ready}, c.say([]byte("<c/>"))
	}}})
	p.send(hello)
	p.wait("</stream:features>")
	p.send(askBind)
	p.expect("<a/><b/><c/>")
	n.must(t).Close()
}
