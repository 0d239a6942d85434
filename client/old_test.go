package client

import (
	"bufio"
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// TestReq_GUIDE_11_iq_1: on a stream without version an iq without type is a
// get. The server is one of the time of draft-miller-xmpp-core-02, but for
// resource binding.
func TestReq_GUIDE_11_iq_1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		var asked *stanza.Stanza
		ts := newTestServer(t)
		cfg := ts.config()
		cfg.OldSASL, cfg.NoPresence = true, true
		cfg.Dial = func(context.Context) (stream.Transport, error) { return stream.NewTransport(near), nil }
		cfg.Handler = xmpp.HandlerFunc(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
			asked = st
			return s.Send(ctx, must(st.Reply()))
		})
		c := start(t, cfg)
		in := bufio.NewReader(far)
		// until reads on to the end of an element.
		until := func(end string) string {
			t.Helper()
			var b strings.Builder
			for !strings.HasSuffix(b.String(), end) {
				r, err := in.ReadByte()
				if err != nil {
					t.Fatalf("after %q: %v", b.String(), err)
				}
				b.WriteByte(r)
			}
			return b.String()
		}
		say := func(s string) {
			t.Helper()
			if _, err := far.Write([]byte(s)); err != nil {
				t.Fatal(err)
			}
		}
		if got := until("<stream:stream") + until(">"); !strings.Contains(got, "xmlns:sasl='"+stream.NSOldSASL+"'") {
			t.Errorf("header %s", got)
		}
		say("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' " +
			"xmlns:sasl='" + stream.NSOldSASL + "' from='capulet.lit' id='c2s_345'>" +
			"<sasl:features><sasl:mechanisms><sasl:mechanism>PLAIN</sasl:mechanism></sasl:mechanisms>" +
			"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></sasl:features>")
		until("auth>")
		say("<sasl:success/>")
		until("</iq>")
		say("<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>juliet@capulet.lit/balcony</jid></bind></iq>")
		c.ready()
		say("<iq id='1' from='capulet.lit'><query xmlns='jabber:iq:version'/></iq>")
		if got := until("/>"); !strings.Contains(got, "type='result'") || !strings.Contains(got, "id='1'") {
			t.Errorf("reply %s", got)
		}
		if asked == nil || asked.Type != stanza.TypeGet {
			t.Errorf("handled %v", asked)
		}
		c.cancel()
		until("</stream:stream>")
		say("</stream:stream>")
		far.Close()
		if err := c.wait(); err != nil {
			t.Error(err)
		}
	})
}
