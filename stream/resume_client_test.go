package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/stanza"
)

// TestRequests are what the initiator says, byte for byte.
func TestRequests(t *testing.T) {
	old := NewDetached(Config{}, Resumption{Grant: Grant{ID: smID}})
	for _, tt := range []struct {
		name           string
		m              ManagementClient
		enable, resume string
	}{
		{"XEP-0198 example 2", ManagementClient{}, enableXML, ""},
		{"XEP-0198 example 8", ManagementClient{Resumable: true}, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>", ""},
		{"XEP-0198-3 max", ManagementClient{Resumable: true, Max: 90 * time.Second}, "<enable xmlns='urn:xmpp:sm:3' max='90' resume='true'/>", ""},
		{"max of nothing", ManagementClient{Max: time.Second}, enableXML, ""},
		{"XEP-0198-5 nothing was received", ManagementClient{Old: old}, enableXML, "<resume xmlns='urn:xmpp:sm:3' h='0' previd='some-long-sm-id'/>"},
		{"XEP-0198 example 12", ManagementClient{Old: old, Handled: func() uint64 { return 1<<32 + 12 }}, enableXML,
			"<resume xmlns='urn:xmpp:sm:3' h='12' previd='some-long-sm-id'/>"},
		{"not detached", ManagementClient{Old: readyConn(&scriptedConn{}, Config{})}, enableXML, ""},
	} {
		c := readyConn(&scriptedConn{}, Config{})
		resume, ok := tt.m.resumeRequest(c)
		if got := tt.m.enableRequest(); got != tt.enable || resume != tt.resume || ok != (resume != "") || ok != (c.resuming != nil) {
			t.Errorf("%s: %s, %s, %v", tt.name, got, resume, ok)
		}
	}
}

// TestParseEnabled: what the initiator reads in <enabled/>.
func TestParseEnabled(t *testing.T) {
	for _, tt := range []struct {
		attrs string
		want  Grant
	}{
		{"", Grant{}},
		{" id='x'", Grant{}}, // Example 10
		{" resume='true'", Grant{}},
		{" id='x' resume='maybe'", Grant{}},
		{" id='x' resume='0'", Grant{}},
		{" id='x' resume='true'", Grant{ID: "x"}},
		{" id='x' resume=' 1\n'", Grant{ID: "x"}},
		{" id='x' resume='1' max='600' location='[2001:41D0:1:A49b::1]:9222'", Grant{"x", 10 * time.Minute, "[2001:41D0:1:A49b::1]:9222"}},
		{" id='x' resume='1' max='soon'", Grant{ID: "x"}},
	} {
		got, ok := parseEnabled(element(t, "<enabled xmlns='urn:xmpp:sm:3'"+tt.attrs+"/>"))
		if got != tt.want || ok != (tt.want.ID != "") {
			t.Errorf("%s: %+v %v", tt.attrs, got, ok)
		}
	}
}

// TestEnableResumable: the grant is there when the stream is, and only if it was asked
// for.
func TestEnableResumable(t *testing.T) {
	for _, asks := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			m := &ManagementClient{Resumable: asks}
			p, n := initiate(t, Config{}, Header{To: capulet, Version: V1, Content: stanza.NSServer}, []Feature{trusting(), m.Enable(), readying()})
			server := strings.NewReplacer("jabber:client", "jabber:server")
			p.expect(server.Replace(hello))
			p.send(server.Replace(offer("<trust xmlns='urn:x'/>" + sm)))
			p.expect(m.enableRequest())
			p.send("<message/><enabled xmlns='urn:xmpp:sm:3' id='x' max='5' location='here:1' resume='true'/><message/><message/>")
			c := n.must(t)
			handled := uint64(0)
			for range 4 {
				st, el, err := c.Next()
				if st != nil {
					handled++
				} else if err == nil {
					_, err = c.ServeManagement(el, &handled)
				}
				if err != nil {
					t.Error(err)
				}
			}
			r, ok := c.Resumption(handled)
			if want := (Grant{"x", 5 * time.Second, "here:1"}); ok != asks || ok && (r.Grant != want || r.Handled != 2) {
				t.Errorf("%+v %v", r, ok)
			}
			c.Close()
		})
	}
}

// readying is a feature that makes the stream ready.
func readying() Feature {
	return Feature{Name: bindName, Unoffered: true, Negotiate: func(context.Context, *Conn, stanza.Element) (Outcome, error) {
		return Outcome{State: Ready}, nil
	}}
}

// TestResumeClient: every answer to <resume/>.
func TestResumeClient(t *testing.T) {
	const resume = "<resume xmlns='urn:xmpp:sm:3' h='3' previd='" + smID + "'/>"
	const bind = "<iq type='set' id='bind'><bind xmlns='" + NSBind + "'/></iq>"
	const reply = "<iq type='result' id='bind'><bind xmlns='" + NSBind + "'><jid>rob@capulet.com/balcony</jid></bind></iq>"
	failed := func(cond string) string { return fmt.Sprintf(failedXML, cond) }
	for _, tt := range []struct {
		name   string
		answer string
		next   string // what the initiator says
		err    string
		left   string // of the old session when it is closed
		early  int
	}{
		{"XEP-0198 example 13", "<message/>" + resumedXML(2), xmlOf(2, 5) + requestXML, "", "", 1},
		{"all has arrived", resumedXML(5), "", "", "", 0},
		{"less than was acknowledged", resumedXML(0), xmlOf(1, 5) + requestXML, "", "", 0},
		{"XEP-0198-6 more than was sent", resumedXML(6), tooHighXML(6, 5) + end,
			"stream error undefined-condition: 6 stanzas are acknowledged, 5 were sent", "m1 m2 m3 m4|", 0},
		{"another session", "<resumed xmlns='urn:xmpp:sm:3' h='2' previd='x'/>", streamError("undefined-condition", "another session was resumed than was asked for"),
			"stream error undefined-condition: another session was resumed than was asked for", "m1 m2 m3 m4|", 0},
		{"without h", "<resumed xmlns='urn:xmpp:sm:3' previd='" + smID + "'/>", streamError("bad-format", "&lt;resumed/&gt; without h"),
			"stream error bad-format: <resumed/> without h", "m1 m2 m3 m4|", 0},
		{"something else", enabledXML, streamError("unsupported-stanza-type", "{urn:xmpp:sm:3}enabled is not expected here"),
			"stream error unsupported-stanza-type: {urn:xmpp:sm:3}enabled is not expected here", "m1 m2 m3 m4|", 0},
		{"XEP-0198 example 14", "<failed xmlns='urn:xmpp:sm:3' h='3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>", bind, "", "m3 m4|", 0},
		{"failed", failed("item-not-found"), bind, "", "m1 m2 m3 m4|", 0},
		{"failed, and more than was sent", "<failed xmlns='urn:xmpp:sm:3' h='6'/>", bind, "", "m1 m2 m3 m4|", 0},
		{"failed, and nonsense", "<failed xmlns='urn:xmpp:sm:3' h='x'/>", bind, "", "m1 m2 m3 m4|", 0},
		{"closed", end, "", ErrPeerClosed.Error(), "m1 m2 m3 m4|", 0},
		{"nothing", "", "", "stream error connection-timeout: the negotiation took too long: context deadline exceeded", "m1 m2 m3 m4|", 0},
		{"too much", strings.Repeat("<x xmlns='urn:x'>"+strings.Repeat("x", 200_000)+"</x>", 22), streamError("policy-violation", "too much before the answer to &lt;resume/&gt;"),
			"stream error policy-violation: too much before the answer to <resume/>", "m1 m2 m3 m4|", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				old := NewDetached(Config{}, Resumption{Grant: Grant{ID: smID}})
				for i := range 5 {
					old.Send(t.Context(), message(i))
				}
				old.out.acks.tried, old.out.acks.whole = 5, 5
				old.acked(1)
				m := &ManagementClient{Old: old, Handled: func() uint64 { return 3 }}
				p, n := initiate(t, Config{}, clientHeader, []Feature{trusting(), m.Resume(), Bind("", nil), m.Enable()})
				p.expect(hello)
				p.send(offer("<trust xmlns='urn:x'/>" + sm + offerBind))
				p.expect(resume)
				go p.send(tt.answer)
				if tt.err != "" {
					c, err := n.wait()
					if c != nil || err == nil || !strings.HasPrefix(err.Error(), tt.err) {
						t.Errorf("%v, want %s", err, tt.err)
					}
					if got := p.rest(); got != tt.next {
						t.Errorf("got  %s\nwant %s", got, tt.next)
					}
					if !old.Detached() {
						t.Error("it is not as it was")
					}
				} else if p.expect(tt.next); tt.left != "" {
					p.send(reply)
					p.expect(enableXML)
					p.send(enabledXML)
					if c := n.must(t); c.Resumed() || !old.Detached() {
						t.Error("resumed")
					} else {
						c.Close()
					}
				} else {
					c := n.must(t)
					if !c.Resumed() || old.Detached() || c.State()&Ready == 0 || len(c.early) != tt.early {
						t.Error("not resumed")
					}
					sendAll(t, old, 5, 6)
					p.wait(xmlOf(5, 6))
					c.Ack(2) // counted before the request was
					c.Ack(4)
					p.wait(ackXML(4))
					c.Close()
				}
				if old.Close(); tt.left != "" {
					if got := left(old); got != tt.left {
						t.Errorf("left %s, want %s", got, tt.left)
					}
				}
			})
		})
	}
	t.Run("given up", func(t *testing.T) {
		// What the peer would take for the end of the session must not be said.
		synctest.Test(t, func(t *testing.T) {
			old := NewDetached(Config{}, Resumption{Grant: Grant{ID: smID}})
			ctx, cancel := context.WithCancel(t.Context())
			a, b := Pipe()
			m := &ManagementClient{Old: old}
			n := background(func() (*Conn, error) {
				return Initiate(ctx, b, Config{}, Header{To: capulet, Version: V1}, []Feature{trusting(), m.Resume()})
			})
			p := newPeer(t, a)
			p.expect(hello)
			p.send(offer("<trust xmlns='urn:x'/>" + sm))
			p.wait("/>")
			cancel()
			if _, err := n.wait(); err != context.Canceled || !old.Detached() {
				t.Error(err)
			}
			if got := p.rest(); got != "" {
				t.Error(got)
			}
		})
	})
	t.Run("passed over", func(t *testing.T) {
		// Asked for in another element, to a peer that does not know it: the stream
		// is like any other.
		synctest.Test(t, func(t *testing.T) {
			old := NewDetached(Config{}, Resumption{Grant: Grant{ID: smID}})
			m := &ManagementClient{Old: old}
			asks := Feature{Name: managementName, Not: Authenticated, Negotiate: func(_ context.Context, c *Conn, _ stanza.Element) (Outcome, error) {
				if _, ok := m.resumeRequest(c); !ok {
					t.Error("nothing to resume")
				}
				return Outcome{State: Authenticated}, nil
			}}
			p, n := initiate(t, Config{}, clientHeader, []Feature{asks, readying()})
			p.expect(hello)
			p.send(offer(sm))
			c := n.must(t)
			if c.Resumed() || c.State()&Ready == 0 {
				t.Error("resumed")
			}
			go p.send(end)
			finish(c)
			p.now(end)
			p.close()
		})
	})
	t.Run("closed meanwhile", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			old := NewDetached(Config{}, Resumption{Grant: Grant{ID: smID}})
			m := &ManagementClient{Old: old, Handled: func() uint64 { old.Close(); return 0 }}
			p, n := initiate(t, Config{}, clientHeader, []Feature{trusting(), m.Resume()})
			p.expect(hello)
			p.send(offer("<trust xmlns='urn:x'/>" + sm))
			p.wait("/>")
			p.send(resumedXML(0))
			if _, err := n.wait(); !errors.Is(err, errGone) {
				t.Error(err)
			}
			p.close()
		})
	})
}

// TestEnableReply: management that is begun by an element inside another one.
func TestEnableReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &ManagementClient{Resumable: true}
		p, c := another(t, Config{})
		c.initiator = true
		if err := m.enableReply(c, element(t, fmt.Sprintf(failedXML, "x"))); err != nil || c.Managed() {
			t.Error(err)
		}
		if err := m.enableReply(c, element(t, requestXML)); !isCondition(err, UnsupportedStanzaType) || c.Managed() {
			t.Error(err)
		}
		if _, err := m.resumeReply(c, element(t, resumedXML(1))); !isCondition(err, UnsupportedStanzaType) {
			t.Error(err)
		}
		if err := m.enableReply(c, element(t, enabledID)); err != nil || !c.Managed() {
			t.Error(err)
		}
		if _, ok := c.AwaitingAck(); ok {
			t.Error("awaits an answer")
		}
		sendAll(t, c, 0, 1)
		p.now(xmlOf(0, 1) + requestXML)
		c.Detach(nil)
		if r, ok := c.Resumption(0); !ok || r.ID != smID || ids(r.Unacked) != "m0" {
			t.Errorf("%+v", r)
		}
		_, c = another(t, Config{})
		if err := (&ManagementClient{}).enableReply(c, element(t, enabledID)); err != nil || c.Detach(nil) {
			t.Error("resumable, and was not asked for", err)
		}
	})
}

// TestEnabledOnce: a stream has the id that it was given first.
func TestEnabledOnce(t *testing.T) {
	c := readyConn(&scriptedConn{}, Config{})
	defer c.Close()
	c.initiator = true
	if err := c.enable((&ManagementClient{Resumable: true}).enableRequest(), true); err != nil {
		t.Fatal(err)
	}
	<-c.out.drained()
	for _, id := range []string{"first", "second"} {
		var handled uint64
		enabled := element(t, "<enabled xmlns='urn:xmpp:sm:3' resume='true' id='"+id+"'/>")
		if ok, err := c.ServeManagement(enabled, &handled); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if r, ok := c.Resumption(0); !ok || r.ID != "first" {
			t.Errorf("id %q", r.ID)
		}
	}
}
