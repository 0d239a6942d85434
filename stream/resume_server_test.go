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

const smID = "some-long-sm-id"

// granting is a server that grants everything, and finds old by smID.
func granting(old *Conn, handled uint64) *ManagementServer {
	return &ManagementServer{
		Grant: func(_ context.Context, _ *Conn, max time.Duration) (Grant, error) {
			return Grant{ID: smID, Max: max}, nil
		},
		Resume: func(_ context.Context, _ *Conn, id string) (*Conn, uint64, error) {
			if id != smID {
				return nil, 0, stanza.ItemNotFound
			}
			return old, handled, nil
		},
	}
}

// acceptWith accepts a peer that is authenticated, and has got the features already.
func acceptWith(t *testing.T, content string, state State, m *ManagementServer) (*peer, *negotiated) {
	t.Helper()
	a, b := Pipe()
	p := newPeer(t, a)
	n := background(func() (*Conn, error) {
		return Accept(context.Background(), b, Config{}, func(c *Conn, in Header) (Header, []Feature, error) {
			c.reach(Outcome{State: state})
			fs := []Feature{m.Feature()}
			if content == stanza.NSClient {
				fs = append(fs, bindRob())
			}
			return Header{Content: content, From: capulet, Version: V1, Lang: "en"}, fs, nil
		})
	})
	p.send(strings.ReplaceAll(hello, "jabber:client", content))
	p.wait("</stream:features>")
	return p, n
}

// TestReplies are the answers to <enable/> and <resume/>, byte for byte.
func TestReplies(t *testing.T) {
	failed := func(cond string) string { return fmt.Sprintf(failedXML, cond) }
	enable := func(attrs string) string { return "<enable xmlns='urn:xmpp:sm:3'" + attrs + "/>" }
	resume := func(attrs string) string { return "<resume xmlns='urn:xmpp:sm:3'" + attrs + "/>" }
	g := func(g Grant, err error) *ManagementServer {
		return &ManagementServer{Grant: func(context.Context, *Conn, time.Duration) (Grant, error) { return g, err }}
	}
	r := func(err error) *ManagementServer {
		return &ManagementServer{Resume: func(context.Context, *Conn, string) (*Conn, uint64, error) { return nil, 0, err }}
	}
	all := granting(nil, 0)
	for _, tt := range []struct {
		name      string
		m         *ManagementServer
		ask, want string
	}{
		{"XEP-0198 example 3", all, enable(""), enabledXML},
		{"XEP-0198 example 4, 9", all, enable(" resume='true'"), enabledID},
		{"XEP-0198-3 1 is true", all, enable(" resume='1'"), enabledID},
		{"XEP-0198-3 false", all, enable(" resume='false'"), enabledXML},
		{"XEP-0198-3 0 is false", all, enable(" resume='0' max='60'"), enabledXML},
		{"XEP-0198-3 max", all, enable(" max='600' resume='true'"), "<enabled xmlns='urn:xmpp:sm:3' id='some-long-sm-id' max='600' resume='true'/>"},
		{"a max that is larger than time", all, enable(" max='99999999999999999999999' resume='true'"),
			"<enabled xmlns='urn:xmpp:sm:3' id='some-long-sm-id' max='9223372036' resume='true'/>"},
		{"XEP-0198 example 11", g(Grant{ID: smID, Location: "[2001:41D0:1:A49b::1]:9222"}, nil), enable(" resume='true'"),
			"<enabled xmlns='urn:xmpp:sm:3' id='some-long-sm-id' location='[2001:41D0:1:A49b::1]:9222' resume='true'/>"},
		{"a part of a second", g(Grant{ID: "<'&", Max: 1500 * time.Millisecond}, nil), enable(" resume='true'"),
			"<enabled xmlns='urn:xmpp:sm:3' id='&lt;&apos;&amp;' max='2' resume='true'/>"},
		{"not this one", g(Grant{}, nil), enable(" resume='true'"), enabledXML},
		{"XEP-0198-8.1 attributes are passed over", &ManagementServer{}, enable(" resume='perhaps' max='x'"), enabledXML},
		{"no boolean", all, enable(" resume='yes'"), failed("bad-request")},
		{"no number", all, enable(" resume='true' max='x'"), failed("bad-request")},
		{"no time", all, enable(" resume='true' max='0'"), failed("bad-request")},
		{"refused", g(Grant{}, stanza.ResourceConstraint), enable(" resume='true'"), failed("resource-constraint")},
		{"another error", g(Grant{}, errors.New("disk full")), enable(" resume='true'"), failed("internal-server-error")},

		{"XEP-0198-5 not supported", &ManagementServer{}, resume(" h='1' previd='x'"), failed("feature-not-implemented")},
		{"XEP-0198-5 not known", all, resume(" h='1' previd='x'"), failed("item-not-found")},
		{"XEP-0198-5 not there", all, resume(" h='1' previd='" + smID + "'"), failed("item-not-found")},
		{"XEP-0198 example 14", r(&GoneError{1<<32 + 5}), resume(" h='1' previd='x'"),
			"<failed xmlns='urn:xmpp:sm:3' h='5'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"},
		{"somebody else's", r(stanza.NotAuthorized), resume(" h='1' previd='x'"), failed("not-authorized")},
		{"without previd", all, resume(" h='1'"), failed("bad-request")},
		{"empty previd", all, resume(" h='1' previd=''"), failed("bad-request")},
		{"without h", all, resume(" previd='x'"), failed("bad-request")},
		{"bad h", all, resume(" h='-1' previd='x'"), failed("bad-request")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			el, c := element(t, tt.ask), readyConn(&scriptedConn{}, Config{})
			var reply managementReply
			if el.Name() == resumeName {
				reply = tt.m.resume(t.Context(), c, el)
			} else {
				reply = tt.m.enable(t.Context(), c, el)
			}
			if got := reply.xml; got != tt.want || reply.ok != strings.HasPrefix(tt.want, "<enabled") || reply.resumed() {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	if err := error(&GoneError{3}); !errors.Is(err, stanza.ItemNotFound) || err.Error() != "stream: the session has ended, 3 stanzas were handled" {
		t.Error(err)
	}
}

// TestResumeServer: when and where the peer may ask, and what becomes of the stream.
func TestResumeServer(t *testing.T) {
	const authenticated = Secure | Authenticated
	failed := func(cond string) string { return fmt.Sprintf(failedXML, cond) }
	resume := func(h int) string {
		return fmt.Sprintf("<resume xmlns='urn:xmpp:sm:3' h='%d' previd='%s'/>", h, smID)
	}
	const enable = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
	unexpected, gone := failed("unexpected-request"), failed("item-not-found")
	again := resumedXML(7) + xmlOf(2, 5)
	both := []string{stanza.NSClient, stanza.NSServer}
	for _, tt := range []struct {
		name    string
		content []string
		state   State
		prepare func(old *Conn)
		say     string
		want    string
		resumed bool
		ends    bool
	}{
		{"XEP-0198 example 13", both, authenticated, nil, resume(2), again + requestXML, true, false},
		{"all has arrived", both, authenticated, nil, resume(5), resumedXML(7), true, false},
		{"less than was acknowledged", both, authenticated, func(old *Conn) { old.acked(2) }, resume(1), again + requestXML, true, false},
		{"XEP-0198-6 more than was sent", both, authenticated, nil, resume(6), tooHighXML(6, 5) + end, false, true},
		{"the session has ended", both, authenticated, func(old *Conn) { old.Close() }, resume(2), gone, false, false},
		{"XEP-0198 example 5 enable before bind", both[:1], authenticated, nil, enable + askBind + enable, unexpected + bound + enabledID, false, false},
		{"bind after a failure", both[:1], authenticated, func(old *Conn) { old.Close() }, resume(2) + askBind + enable, gone + bound + enabledID, false, false},
		{"resume behind bind", both[:1], authenticated, nil, askBind + resume(2), bound + unexpected, false, false},
		{"resume behind enable", both[1:], authenticated, nil, enable + resume(2), enabledID + unexpected, false, false},
		{"resume twice", both[1:], authenticated, nil, resume(5) + resume(5), resumedXML(7) + unexpected, true, false},
		{"enable behind resume", both, authenticated, nil, resume(5) + enable, resumedXML(7) + unexpected +
			streamError("policy-violation", "stream management is enabled already"), true, true},
		{"XEP-0198 example 6 enable twice", both[1:], authenticated, nil, enable + enable, enabledID + unexpected +
			streamError("policy-violation", "stream management is enabled already"), false, true},
		{"XEP-0198-3 enable before authentication", both, Secure, nil, enable, unexpected +
			streamError("not-authorized", "stream management before authentication"), false, true},
		{"XEP-0198-10 resume before authentication", both, Secure, nil, resume(2), unexpected +
			streamError("not-authorized", "stream management before authentication"), false, true},
	} {
		for _, content := range tt.content {
			t.Run(tt.name+", "+content, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, old := resumable(t, Config{})
					for i := range 5 {
						sendAll(t, old, i, i+1)
					}
					p.wait(requestXML)
					if tt.prepare == nil {
						tt.prepare = func(*Conn) {}
					}
					if tt.prepare(old); tt.resumed {
						p.now(xmlOf(1, 5))
					}
					m, told := granting(old, 7), 0
					m.Resumed = func(c *Conn) {
						if told++; !c.Resumed() {
							t.Error("too early")
						}
						sendAll(t, old, 5, 5)
					}
					q, n := acceptWith(t, content, tt.state, m)
					read := make(chan uint64, 1)
					go func() {
						handled := uint64(99)
						c, err := n.wait()
						for err == nil {
							var el stanza.Element
							if _, el, err = c.Next(); err == nil {
								_, err = m.Serve(context.Background(), c, el, &handled)
							}
							if err != nil {
								c.Fail(err)
							}
						}
						read <- handled
					}()
					go q.send(tt.say)
					q.now(tt.want)
					q.quiet()
					if (told == 1) != tt.resumed || old.Detached() && tt.resumed {
						t.Errorf("resumed %d times", told)
					}
					if tt.resumed { // Example 15
						if got := p.rest(); !strings.HasSuffix(got, streamError("conflict", "")) {
							t.Errorf("the old connection ends with %s", got)
						}
					}
					time.Sleep(DefaultCloseTimeout)
					synctest.Wait()
					if _, err := q.text(); (err != nil) != tt.ends {
						t.Error(err)
					}
					q.close()
					handled := <-read
					if c := n.conn; c != nil && c.Managed() && (handled == 7) != (tt.resumed && content == stanza.NSServer) && tt.resumed == (content == stanza.NSServer) {
						t.Errorf("%d handled", handled)
					}
					if n.conn != nil {
						n.conn.Close()
					}
					old.Close()
				})
			})
		}
	}
	t.Run("in an iq", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, n := acceptWith(t, stanza.NSClient, authenticated, granting(nil, 0))
			p.send("<iq type='set' id='x'>" + resume(1) + "</iq>")
			p.now(streamError("not-authorized", "iq before the stream is ready"))
			p.close()
			if _, err := n.wait(); !isCondition(err, NotAuthorized) {
				t.Error(err)
			}
		})
	})
	t.Run("a server that has sent already", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, old := resumable(t, Config{})
			m := granting(old, 7)
			p, n := acceptWith(t, stanza.NSServer, authenticated, m)
			c := n.must(t)
			sendAll(t, c, 0, 1)
			p.now(xmlOf(0, 1))
			handled := uint64(3)
			if ok, err := m.Serve(t.Context(), c, element(t, resume(0)), &handled); !ok || err != nil || handled != 3 {
				t.Error(ok, err)
			}
			p.now(unexpected)
			if c.Resumed() || !old.Detached() {
				t.Error("resumed")
			}
			c.Close()
		})
	})
	t.Run("a flood, and the answers are not read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := Pipe()
			c := readyConn(b, Config{MaxOutbox: 1000})
			defer c.Close()
			defer a.Close()
			var handled uint64
			for range 20 {
				ok, err := granting(nil, 0).Serve(t.Context(), c, element(t, resume(0)), &handled)
				if !ok || err != nil {
					if !isCondition(err, PolicyViolation) {
						t.Error(ok, err)
					}
					return
				}
			}
			t.Error("all of it waits")
		})
	})
	t.Run("before it is ready", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, c := another(t, Config{})
			c.state.Store(uint32(authenticated))
			handled := uint64(3)
			if ok, err := granting(nil, 0).Serve(t.Context(), c, element(t, resume(0)), &handled); !ok || err != nil || handled != 3 {
				t.Error(ok, err)
			}
			p.now(unexpected)
		})
	})
}

// TestInline: a reply that stands in another element.
func TestInline(t *testing.T) {
	const success = "<success>%s</success>"
	synctest.Test(t, func(t *testing.T) {
		_, old := resumable(t, Config{})
		sendAll(t, old, 0, 2)
		m := granting(old, 7)
		ask := element(t, "<resume xmlns='urn:xmpp:sm:3' h='1' previd='"+smID+"'/>")
		order := ""
		m.Resumed = func(*Conn) { order += "resumed " }

		p, c := another(t, Config{})
		r := m.resume(t.Context(), c, ask)
		if !r.ok || !r.resumed() {
			t.Fatal(r.xml)
		}
		out, err := c.admitManaged(fmt.Sprintf(success, r.xml), &r, Authenticated, func() { order += "admitted" })
		if err != nil || out != (Outcome{State: Authenticated | Ready}) || order != "resumed admitted" {
			t.Error(out, err, order)
		}
		p.now(fmt.Sprintf(success, resumedXML(7)) + xmlOf(1, 2) + requestXML)

		// It ends between the question and the answer: it becomes a failure, and
		// management of the new stream is begun instead.
		late := m.resume(t.Context(), c, ask)
		if late.ok {
			t.Error("c itself is resumed")
		}
		m = granting(c, 7)
		p, d := another(t, Config{})
		r = m.resume(t.Context(), d, ask)
		c.Close()
		if _, err = d.admitManaged(fmt.Sprintf(success, r.xml), &r, Authenticated, nil); err != errGone {
			t.Error(err)
		}
		p.quiet()
		r = refusal(stanza.ItemNotFound)
		e := m.enable(t.Context(), d, element(t, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"))
		out, err = d.admitManaged(fmt.Sprintf(success, r.xml+e.xml), &e, 0, nil)
		if err != nil || out != (Outcome{State: Ready}) || r.ok {
			t.Error(out, err)
		}
		sendAll(t, d, 5, 6)
		p.now(fmt.Sprintf(success, fmt.Sprintf(failedXML, "item-not-found")+enabledID) + xmlOf(5, 6) + requestXML)
		d.Detach(nil)
		if !d.Detached() {
			t.Error("not resumable")
		}
	})
}
