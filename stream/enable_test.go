package stream

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/stanza"
)

// TestEnableLater: an owner enables by itself. The peer is asked for nothing
// before it has agreed, and if it refuses nothing is kept.
func TestEnableLater(t *testing.T) {
	for _, tt := range []struct{ answer, left string }{
		{enabledXML, "m0 m1 m2 m3|"},
		{fmt.Sprintf(failedXML, "internal-server-error"), "|"},
	} {
		synctest.Test(t, func(t *testing.T) {
			size := message(0).Size()
			a, b := Pipe()
			p, c := newPeer(t, a), readyConn(b, Config{MaxOutbox: len(enableXML) + 3*size})
			c.initiator = true
			start := time.Now()
			c.manageAfter(enableXML)
			sendAll(t, c, 0, 2)
			sendAll(t, c, 2, 3)
			p.now(enableXML + xmlOf(0, 3))
			sent := make(chan error)
			go func() { sent <- c.Send(t.Context(), message(3)) }()
			time.Sleep(time.Second)
			p.quiet() // the outbox is full
			if since, ok := c.AwaitingAck(); !ok || !since.Equal(start) {
				t.Error(since, ok)
			}
			handled := uint64(2)
			if ok, err := c.ServeManagement(element(t, tt.answer), &handled); !ok || err != nil {
				t.Error(ok, err)
			}
			if tt.answer == enabledXML {
				p.now(requestXML)
				acked(t, c, 0)
				time.Sleep(2 * askPause)
				p.now(requestXML)
				// Too late to refuse.
				c.ServeManagement(element(t, fmt.Sprintf(failedXML, "conflict")), &handled)
				if !c.Managed() {
					t.Error("not managed")
				}
				c.out.mu.Lock()
				c.cfg.MaxOutbox += size // in place of an acknowledgement
				wake(&c.out.space)
				c.out.mu.Unlock()
			} else if err := c.manageAfter(enableXML); err != errManaged || c.Managed() {
				t.Error(err) // "at most one attempt"
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
			p.now(xmlOf(3, 4))
			p.quiet()
			if _, ok := c.AwaitingAck(); ok != c.Managed() {
				t.Error("awaits")
			}
			c.Close()
			if got := left(c); got != tt.left {
				t.Error(got)
			}
		})
	}
}

// TestEnableAcknowledged: a peer that acknowledges agrees.
func TestEnableAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		p, c := newPeer(t, a), readyConn(b, Config{})
		c.initiator = true
		c.manageAfter(enableXML)
		sendAll(t, c, 0, 3)
		p.now(enableXML + xmlOf(0, 3))
		acked(t, c, 1)
		p.quiet()
		c.unmanage()
		time.Sleep(askPause)
		p.now(requestXML)
		c.Close()
		if got := left(c); got != "m1 m2|" {
			t.Error(got)
		}
	})
}

// TestEnableRefusedInFlight: the peer refuses while a stanza that counts is being
// written.
func TestEnableRefusedInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		c := readyConn(b, Config{})
		c.initiator = true
		c.manageAfter(enableXML)
		sendAll(t, c, 0, 2) // m0 and m1 are queued behind what is being written
		io.ReadFull(a, make([]byte, len(enableXML)+3))
		synctest.Wait()
		c.unmanage()
		p := newPeer(t, a)
		p.now(xmlOf(0, 2)[3:])
		sendAll(t, c, 2, 3)
		p.now(xmlOf(2, 3))
		p.quiet()
		if c.out.bytes != 0 {
			t.Error(c.out.bytes)
		}
		c.Close()
		if got := left(c); got != "|" {
			t.Error(got)
		}
	})
}

const sm = "<sm xmlns='urn:xmpp:sm:3'/>"

// trusting is a feature that authenticates the server at once.
func trusting() Feature {
	return Feature{Name: xml.Name{Space: "urn:x", Local: "trust"}, Negotiate: func(context.Context, *Conn, stanza.Element) (Outcome, error) {
		return Outcome{State: Authenticated}, nil
	}}
}

// TestEnableAcks: the negotiation, as a client. What comes before the answer is
// for Next, and so is the answer.
func TestEnableAcks(t *testing.T) {
	const bind = "<iq type='set' id='bind'><bind xmlns='" + NSBind + "'/></iq>"
	const reply = "<iq type='result' id='bind'><bind xmlns='" + NSBind + "'><jid>rob@capulet.com/balcony</jid></bind></iq>"
	const trust, early = "<trust xmlns='urn:x'/>", "<message id='early'/>"
	features := []Feature{trusting(), Bind("", nil), EnableAcks()}
	for _, tt := range []struct {
		name     string
		features []Feature
		offered  string
		bind     string // what the client says behind its header
		answer   string
		next     string // what Next returns
		managed  bool
		err      string
	}{
		{"enabled", features, trust + offerBind + sm, bind, enabledXML, "enabled", true, ""},
		{"enabled to resume", features, trust + offerBind + sm, bind, "<enabled xmlns='urn:xmpp:sm:3' id='x' resume='true'/>", "enabled", true, ""},
		{"early", features, trust + offerBind + sm, bind, early + "<x xmlns='urn:x'/>" + enabledXML, "early x enabled", true, ""},
		{"failed", features, trust + offerBind + sm, bind, early + fmt.Sprintf(failedXML, "resource-constraint"), "early", false, ""},
		{"failed without a reason", features, trust + offerBind + sm, bind, "<failed xmlns='urn:xmpp:sm:3'/>", "", false, ""},
		{"not offered", features, trust + offerBind, bind, "", "", false, ""},
		{"closed", features, trust + offerBind + sm, bind, end, "", false, ErrPeerClosed.Error()},
		{"too much", features, trust + offerBind + sm, bind, strings.Repeat("<x xmlns='urn:x'>"+strings.Repeat("x", 200_000)+"</x>", 22), "",
			false, "stream error policy-violation: too much before the answer to <enable/>"},
		{"before bind", []Feature{trusting(), EnableAcks(), Bind("", nil)}, trust + offerBind + sm, bind, "", "", false, ""},
		{"nothing but that", []Feature{trusting(), EnableAcks()}, trust + sm, "", "", "", false,
			"stream: cannot go on after authentication: offered {urn:x}trust; offered {urn:xmpp:sm:3}sm (not used before a resource is bound)"},
		{"before authentication", []Feature{EnableAcks()}, sm, "", "", "", false,
			"stream: cannot go on after TLS: offered {urn:xmpp:sm:3}sm (refused before authentication)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, n := initiate(t, Config{}, clientHeader, tt.features)
				p.expect(hello)
				p.send(offer(tt.offered))
				if p.expect(tt.bind); tt.bind != "" {
					p.send(reply)
				}
				if tt.answer != "" {
					p.expect(enableXML)
					p.send(tt.answer)
				}
				c, err := n.wait()
				if err != nil || tt.err != "" {
					if err == nil || err.Error() != tt.err {
						t.Errorf("%v, want %s", err, tt.err)
					}
					return
				}
				if c.Managed() != tt.managed {
					t.Error(c.Managed())
				}
				go p.send("<message id='late'/>")
				handled, got := uint64(0), ""
				for got = range nexts(t, c, &handled) {
				}
				if want := strings.TrimSpace(tt.next + " late"); got != want {
					t.Errorf("next %s, want %s", got, want)
				}
				if want := uint64(1); tt.managed && handled != want {
					t.Errorf("%d handled", handled)
				}
				sendAll(t, c, 0, 1)
				if p.expect(xmlOf(0, 1)); tt.managed {
					time.Sleep(askPause)
					p.expect(requestXML)
				}
				p.quiet()
				c.Close()
				if got := len(c.Unacked()) == 1; got != tt.managed {
					t.Error("unacked:", got)
				}
			})
		})
	}
}

// nexts yields what Next has returned so far, up to the message "late", as an owner
// handles it.
func nexts(t *testing.T, c *Conn, handled *uint64) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var got []string
		for len(got) == 0 || got[len(got)-1] != "late" {
			st, el, err := c.Next()
			if err != nil {
				t.Error(err)
				return
			}
			if st != nil {
				got = append(got, st.ID)
				*handled++
			} else {
				got = append(got, el.Name().Local)
				if _, err := c.ServeManagement(el, handled); err != nil {
					t.Error(err)
				}
			}
			if !yield(strings.Join(got, " ")) {
				return
			}
		}
	}
}

// TestEnableAcksReason: why it is not used, as the negotiation reports it; and a
// stream that breaks.
func TestEnableAcksReason(t *testing.T) {
	for answer, want := range map[string]stanza.Condition{
		fmt.Sprintf(failedXML, "unexpected-request"): stanza.UnexpectedRequest,
		"<failed xmlns='urn:xmpp:sm:3' h='1'><x xmlns='urn:x'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no</text>" +
			"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>": stanza.ItemNotFound,
		"<failed xmlns='urn:xmpp:sm:3'/>": stanza.UndefinedCondition,
	} {
		p, n := initiate(t, Config{}, Header{To: capulet, Version: V1, Content: stanza.NSServer}, []Feature{trusting(), EnableAcks()})
		server := strings.NewReplacer("jabber:client", "jabber:server")
		p.expect(server.Replace(hello))
		p.send(server.Replace(offer("<trust xmlns='urn:x'/>" + sm)))
		p.expect(enableXML)
		p.send(answer)
		_, err := n.wait()
		e, _ := errors.AsType[*NegotiationError](err)
		if e == nil || !errors.Is(e.Skipped[managementName], want) || !errors.Is(err, ErrSkip) {
			t.Errorf("%s: %v", answer, err)
		}
	}
	tr := &scriptedConn{limited: true}
	c := readyConn(tr, Config{})
	c.initiator = true
	f := EnableAcks()
	if _, err := f.Negotiate(t.Context(), c, stanza.Element{}); err != errWire {
		t.Error(err)
	}
	if _, err := f.Negotiate(t.Context(), c, stanza.Element{}); err != errWire {
		t.Error(err)
	}
}

// TestManagementFeature: the receiver's side, for clients and servers.
func TestManagementFeature(t *testing.T) {
	failed := func(cond string) string { return fmt.Sprintf(failedXML, cond) }
	const features = "<stream:features>" + sm + offerBind + "</stream:features>"
	for _, tt := range []struct {
		name, content string
		say, want     string // behind the features
		managed       bool
		err           string
	}{
		{"client before bind", stanza.NSClient, enableXML + askBind, failed("unexpected-request") + bound, false, ""},
		{"client resumes", stanza.NSClient, "<resume xmlns='urn:xmpp:sm:3' h='1' previd='x'/>" + askBind, failed("feature-not-implemented") + bound, false, ""},
		{"client behind bind", stanza.NSClient, askBind + enableXML, bound + enabledXML, true, ""},
		{"server", stanza.NSServer, enableXML, enabledXML, true, ""},
		{"server twice", stanza.NSServer, enableXML + enableXML, enabledXML + failed("unexpected-request") +
			streamError("policy-violation", "stream management is enabled already"), true, "stream error policy-violation: stream management is enabled already"},
		{"in an iq", stanza.NSServer, "<iq type='set' id='x'>" + enableXML + "</iq>", streamError("not-authorized", "iq before the stream is ready"), false, "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := Pipe()
				p := newPeer(t, a)
				n := background(func() (*Conn, error) {
					return Accept(t.Context(), b, Config{}, func(c *Conn, in Header) (Header, []Feature, error) {
						c.reach(Outcome{State: Authenticated})
						return Header{Content: tt.content, From: capulet, Version: V1, Lang: "en"}, []Feature{(&ManagementServer{}).Feature(), bindRob()}, nil
					})
				})
				content := strings.NewReplacer("jabber:client", tt.content)
				p.send(content.Replace(hello))
				p.expect(content.Replace(answer) + features)
				p.send(tt.say)
				c, err := n.wait()
				if err != nil {
					if tt.err == "" {
						t.Error(err)
					}
					p.expect(tt.want)
					return
				}
				read := make(chan error)
				go func() {
					err := serve(c)
					c.Fail(err)
					read <- err
				}()
				p.expect(tt.want)
				if tt.err == "" {
					sendAll(t, c, 0, 1)
					if p.expect(xmlOf(0, 1)); tt.managed {
						p.expect(requestXML)
						p.send("<message/>" + ackXML(1) + requestXML + end)
						p.expect(ackXML(1) + end)
					} else {
						p.send(end)
						p.expect(end)
					}
				}
				p.close()
				if err := <-read; tt.err == "" && err != io.EOF || tt.err != "" && err.Error() != tt.err {
					t.Error(err)
				}
				if c.Managed() != tt.managed {
					t.Error(c.Managed())
				}
				if got := left(c); got != "|" {
					t.Error(got)
				}
			})
		})
	}
	for state, offered := range map[State]bool{Secure: false, Authenticated: true, Authenticated | Ready: true} {
		c := readyConn(&scriptedConn{}, Config{})
		c.state.Store(uint32(state))
		if got := string(c.appendFeatures(nil, []Feature{(&ManagementServer{}).Feature()})); got == sm != offered {
			t.Errorf("state %d: offered %q", state, got)
		}
	}
}
