package server_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/server"
)

// TestBadInput: bad input gets the protocol's own error, and nobody else is
// disturbed: romeo, who is logged in all the time, still gets his messages.
func TestBadInput(t *testing.T) {
	s := newServer(t, func(c *server.Config) { c.Stream.MaxStanza = 20000 })
	romeo := login(t, s, "romeo", "jul13t", "garden")
	streamErr := func(cond string) []string {
		return []string{"<stream:error><" + cond + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'", "</stream:error></stream:stream>"}
	}
	tests := []struct {
		name string
		auth bool   // log in first
		in   string // what is sent
		want []string
		ends bool // the server closes the stream
	}{
		{"not well-formed", true, "<message><body>hi</message>", streamErr("not-well-formed"), true},
		{"unbound prefix", true, "<x:message to='romeo@localhost'/>", streamErr("not-well-formed"), true},
		{"wrong stream namespace", false, "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='urn:x'>", streamErr("invalid-namespace"), true},
		{"wrong content namespace", false, strings.Replace(header, "jabber:client", "jabber:server", 1), streamErr("invalid-namespace"), true},
		{"CORE-4.6-1 no version", false, strings.Replace(header, " version='1.0' xmlns", " xmlns", 1), []string{"<stream:error>", "</stream:error></stream:stream>"}, true},
		{"unknown host in the header", false, strings.Replace(header, "'localhost'", "'elsewhere'", 1), append([]string{"from='localhost'"}, streamErr("host-unknown")...), true},
		{"stanza before authentication", false, header + "<message to='romeo@localhost'><body>x</body></message>", streamErr("not-authorized"), true},
		{"oversized stanza", true, "<message to='romeo@localhost'><body>" + strings.Repeat("x", 30000), streamErr("policy-violation"), true},
		{"oversized stanza before authentication", false, header + "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + strings.Repeat("A", 20000), streamErr("policy-violation"), true},
		{"depth bomb", true, "<message>" + strings.Repeat("<a>", 500), streamErr("policy-violation"), true},
		{"attribute bomb", true, "<message" + manyAttrs(500) + "/>", streamErr("policy-violation"), true},
		{"entity bomb", false, "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'bbb'>]>", streamErr("restricted-xml"), true},
		{"undefined entity", true, "<message to='romeo@localhost'><body>&b;</body></message>", streamErr("restricted-xml"), true},
		{"comment", true, "<!-- hi -->", streamErr("restricted-xml"), true},
		{"unknown element", true, "<hello xmlns='urn:x'/>", streamErr("unsupported-stanza-type"), true},
		{"base64 garbage", false, header + "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>?</auth>", []string{"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><incorrect-encoding/>"}, false},
		{"SASL abort", false, header + "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>biwsbj1yb21lbyxyPWFiY2RlZg==</auth><abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", []string{"<challenge", "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><aborted/>"}, false},
		{"unsupported mechanism", false, header + "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='MAGIC'>AA==</auth>", []string{"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><invalid-mechanism/>"}, false},
		{"wrong password five times", false, header + strings.Repeat(plain("juliet", "wrong"), 5), append(repeat("<not-authorized/>", 5), streamErr("policy-violation")...), true},
		{"unknown iq namespace", true, "<iq type='get' id='u1'><query xmlns='urn:x'/></iq>", []string{"<iq type='error' id='u1'", "<service-unavailable"}, false},
		{"iq without id", true, "<iq type='get'><query xmlns='urn:x'/></iq>", []string{"<iq type='error'", "<bad-request"}, false},
		{"iq with two children", true, "<iq type='get' id='u2'><a xmlns='urn:x'/><b xmlns='urn:x'/></iq>", []string{"<iq type='error' id='u2'", "<bad-request"}, false},
		{"iq without child", true, "<iq type='get' id='u3'/>", []string{"<iq type='error' id='u3'", "<bad-request"}, false},
		{"CORE-6.5.2-1 iq of unknown type", true, "<iq type='ask' id='u4'><a xmlns='urn:x'/></iq>", []string{"<iq type='error' id='u4'", "<bad-request"}, false},
		{"R6121-4.7.1-1 presence of unknown type", true, "<presence type='bored' id='u5'/>", []string{"<presence type='error' id='u5'", "<bad-request"}, false},
		{"malformed address", true, "<message to='@@' id='u6'><body>x</body></message>", []string{"<message type='error' id='u6'", "<jid-malformed"}, false},
		{"unknown domain", true, "<message to='a@elsewhere' id='u7'><body>x</body></message>", []string{"<message type='error' id='u7'", "<remote-server-not-found"}, false},
		{"unknown user", true, "<iq type='get' to='nobody@localhost/x' id='u8'><a xmlns='urn:x'/></iq>", []string{"<iq type='error' id='u8'", "<service-unavailable"}, false},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRaw(t, s.Pipe())
			if tt.auth {
				r.login("juliet", "r0m30", fmt.Sprint("r", i))
			}
			r.send("%s", tt.in)
			r.expect(tt.want...)
			if tt.ends {
				r.nc.Close()
			} else {
				r.send("</stream:stream>")
				r.expect("</stream:stream>")
			}
			r.expectEnd()
			other := login(t, s, "juliet", "r0m30", "balcony")
			other.send("<message to='romeo@localhost' id='%d'><body>still there</body></message>", i)
			romeo.expect(fmt.Sprintf("id='%d' to='romeo@localhost' from='juliet@localhost/balcony'><body>still there</body></message>", i))
		})
	}
}

func manyAttrs(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d=''", i)
	}
	return b.String()
}

func repeat(s string, n int) (list []string) {
	for range n {
		list = append(list, s)
	}
	return list
}

// TestSlowLoris: bytes that trickle do not hold a connection for ever, neither
// before authentication nor within a stanza.
func TestSlowLoris(t *testing.T) {
	for _, auth := range []bool{false, true} {
		t.Run(fmt.Sprint("authenticated ", auth), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, nil)
				defer s.Close()
				r := newRaw(t, s.Pipe())
				text := header
				if auth {
					r.login("juliet", "r0m30", "x")
					text = "<message to='romeo@localhost'>" + strings.Repeat("x", 1000)
				}
				start := time.Now()
				var trickle sync.WaitGroup
				trickle.Go(func() {
					tick := time.NewTicker(5 * time.Second) // of the bubble's time
					defer tick.Stop()
					for i := range len(text) {
						if _, err := io.WriteString(r.nc, text[i:i+1]); err != nil {
							return
						}
						<-tick.C
					}
				})
				for {
					r.mu.Lock()
					err, got := r.err, r.got
					r.mu.Unlock()
					if err != nil {
						if !strings.Contains(got, "<connection-timeout") {
							t.Errorf("got %q, want connection-timeout", got)
						}
						break
					}
					<-r.news
				}
				if d := time.Since(start); d < 30*time.Second || d > 3*time.Minute {
					t.Errorf("closed after %v", d)
				}
				r.nc.Close()
				s.Close()
				trickle.Wait()
			})
		})
	}
}

// TestForeignFrom: nobody speaks as somebody else.
func TestForeignFrom(t *testing.T) {
	t.Run("CORE-6.2.2-3 the true address is stamped", func(t *testing.T) {
		s := newServer(t, nil)
		romeo := login(t, s, "romeo", "jul13t", "garden")
		juliet := login(t, s, "juliet", "r0m30", "balcony")
		juliet.send("<message from='nurse@localhost/x' to='romeo@localhost/garden'><body>hi</body></message>")
		romeo.expect("<message to='romeo@localhost/garden' from='juliet@localhost/balcony'><body>hi</body></message>")
	})
	t.Run("or the stream is closed", func(t *testing.T) {
		s := newServer(t, func(c *server.Config) { c.RejectForeignFrom = true })
		juliet := login(t, s, "juliet", "r0m30", "balcony")
		juliet.send("<message from='juliet@localhost' to='juliet@localhost/balcony'><body>mine</body></message>")
		juliet.expect("<body>mine</body>")
		juliet.send("<message from='nurse@localhost/x' to='juliet@localhost/balcony'><body>hi</body></message>")
		juliet.expect("<stream:error><invalid-from xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
	})
}
