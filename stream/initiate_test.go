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

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// header of the tests' client.
var clientHeader = Header{To: capulet, Version: V1}

// offer is a server's answer with features in it.
func offer(features string) string {
	return answer + "<stream:features>" + features + "</stream:features>"
}

// step is one turn of a scripted server: it waits for what the client says, and
// answers.
type step struct{ want, reply string }

// TestInitiate: a client with all sorts of servers.
func TestInitiate(t *testing.T) {
	auth := "<auth xmlns='" + NSSASL + "' mechanism='PLAIN'>AHJvYgBzZWNyZXQ=</auth>"
	bind := "<iq type='set' id='bind'><bind xmlns='" + NSBind + "'><resource>balcony</resource></bind></iq>"
	reply := "<iq type='result' id='bind'><bind xmlns='" + NSBind + "'><jid>rob@capulet.com/balcony</jid></bind></iq>"
	plain := "<mechanisms xmlns='" + NSSASL + "'><mechanism>PLAIN</mechanism></mechanisms>"
	session := "<iq type='set' id='session'><session xmlns='" + NSSession + "'/></iq>"
	in := []step{{hello, offer(plain)}, {auth, success}, {hello, offer(offerBind)}}
	header := func(attrs string) string { return "<stream:stream" + attrs + streamDecl + ">" }
	message := "<message from='romeo@capulet.com/x' id='e%d'><body>early</body></message>"
	for _, tt := range []struct {
		name  string
		steps []step
		last  string // what the client says at the end
		err   string // "" : the stream is ready
	}{
		{"R6120-7-1 CORE-4.1-1", append(in, step{bind, reply}), "", ""},
		{"GUIDE-5-stream-3 CORE-4.3-3 no from", append([]step{{hello, header(" id='1' version='1.0'") + "<stream:features>" + plain + "</stream:features>"}}, append(in, step{bind, reply})[1:]...), "", ""},
		{"CORE-4.3-1 to of the answer counts for nothing", append([]step{{hello, header(" id='1' from='capulet.com' to='tybalt@elsewhere.example' version='1.0'") +
			"<stream:features>" + plain + "</stream:features>"}}, append(in, step{bind, reply})[1:]...), "", ""},
		{"prefix-free answer", append([]step{{hello, "<stream id='1' version='1.0' xmlns='" + NS + "'><features>" + plain + "</features>"}}, append(in, step{bind, reply})[1:]...), "", ""},
		{"R3921-3-1 session", append(in[:2:2], step{hello, offer("<session xmlns='" + NSSession + "'/>" + offerBind)}, step{bind, reply},
			step{session, fmt.Sprintf(message, 1) + fmt.Sprintf(message, 2) + "<iq type='result' id='session'/>"}), "", ""},
		{"R3921-3-1 optional session", append(in[:2:2], step{hello, offer(offerBind + "<session xmlns='" + NSSession + "'><optional/></session>")}, step{bind, reply}), "", ""},
		{"R3921-3-1 session refused", append(in[:2:2], step{hello, offer(offerBind + "<session xmlns='" + NSSession + "'/>")}, step{bind, reply},
			step{session, "<iq type='error' id='session'><error type='wait'><internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"}),
			end, "stream: session: internal-server-error"},
		{"R6120-7-1 refused", append(in, step{bind, "<iq type='error' id='bind'><error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"}),
			end, "stream: bind: conflict"},
		{"bare address", append(in, step{bind, "<iq type='result' id='bind'><bind xmlns='" + NSBind + "'><jid>rob@capulet.com</jid></bind></iq>"}),
			end, "stream: bind: the server gave the address \"rob@capulet.com\": it has no resource"},
		{"no address", append(in, step{bind, "<iq type='result' id='bind'/>"}), end, "stream: bind: the server gave the address \"\": jid: address \"\" is empty"},
		{"other stanzas before the reply", append(in, step{bind, "<message id='e1'/><x xmlns='urn:x'/><iq type='get' id='bind'/><iq type='result' id='other'/>" + reply}), "", ""},

		{"no bind", append(in[:2:2], step{hello, offer("<x xmlns='urn:x'/>")}), end,
			"stream: cannot go on after authentication: offered {urn:x}x"},
		{"nothing offered", []step{{hello, offer("")}}, end, "stream: cannot go on after TLS: nothing was offered"},
		{"CORE-4.6-1 R3920-4.6-1 no version", []step{{hello, header(" from='capulet.com'")}}, end,
			"stream: cannot go on after TLS: the peer's stream has no version; nothing was offered"},
		{"bind before authentication", []step{{hello, offer(offerBind)}}, end,
			"stream: cannot go on after TLS: offered {urn:ietf:params:xml:ns:xmpp-bind}bind (refused before authentication)"},
		{"only unknown mechanisms", []step{{hello, offer("<mechanisms xmlns='" + NSSASL + "'><mechanism>MAGIC</mechanism></mechanisms>")}}, end,
			"sasl: no usable mechanism among those offered: \"MAGIC\" is not known here"},
		{"not authorized", []step{{hello, offer(plain)}, {auth, saslFailure("not-authorized")}}, end, "sasl: not-authorized"},
		{"CORE-5.1.1-9 empty failure", []step{{hello, offer(plain)}, {auth, "<failure xmlns='" + NSSASL + "'/>"}}, end, "sasl: not-authorized"},
		{"R3920-6.4-1 failure with text", []step{{hello, offer(plain)}, {auth, "<failure xmlns='" + NSSASL + "'><x xmlns='urn:x'/><account-disabled/><text>paid?</text><text>no</text></failure>"}},
			end, "sasl: account-disabled (paid?)"},
		{"base64 garbage", []step{{hello, offer(plain)}, {auth, "<challenge xmlns='" + NSSASL + "'>?</challenge>"}}, "<abort xmlns='" + NSSASL + "'/>" + end,
			"sasl: incorrect-encoding: illegal base64 data at input byte 0"},
		{"garbage with success", []step{{hello, offer(plain)}, {auth, "<success xmlns='" + NSSASL + "'>?</success>"}}, end,
			"sasl: incorrect-encoding: illegal base64 data at input byte 0"},
		{"neither success nor failure", []step{{hello, offer(plain)}, {auth, "<yes xmlns='" + NSSASL + "'/>"}}, streamError("unsupported-stanza-type", "&lt;yes/&gt; in a SASL exchange"),
			"stream error unsupported-stanza-type: <yes/> in a SASL exchange"},
		{"success of another namespace", []step{{hello, offer(plain)}, {auth, "<success xmlns='urn:x'/>"}}, streamError("unsupported-stanza-type", "{urn:x}success in a SASL exchange"),
			"stream error unsupported-stanza-type: {urn:x}success in a SASL exchange"},

		{"CORE-4.3-3 wrong from", []step{{hello, header(" id='1' from='evil.org' version='1.0'") + "<stream:features/>"}}, streamError("invalid-from", "the answer is from evil.org, not from capulet.com"),
			"stream error invalid-from: the answer is from evil.org, not from capulet.com"},
		{"host-unknown by another name", []step{{hello, header(" id='1' from='other.org' version='1.0'") + streamError("host-unknown", "")}}, end,
			"stream error from the peer host-unknown"},
		{"CORE-4.4-2 wrong content namespace", []step{{hello, "<stream:stream id='1' version='1.0' xmlns='jabber:server' xmlns:stream='" + NS + "'><stream:features/>"}},
			streamError("invalid-namespace", "the answer's content namespace is jabber:server"), "stream error invalid-namespace: the answer's content namespace is jabber:server"},
		{"CORE-4.4-1 wrong stream namespace", []step{{hello, "<stream:stream id='1' version='1.0' xmlns='jabber:client' xmlns:stream='urn:x'>"}},
			streamError("invalid-namespace", "the root is {urn:x}stream, not {"+NS+"}stream"), "stream error invalid-namespace: the root is {urn:x}stream, not {" + NS + "}stream"},
		{"GUIDE-5-stream-3 no id", []step{{hello, header(" version='1.0'") + "<stream:features/>"}}, streamError("bad-format", "the answer has no id"), "stream error bad-format: the answer has no id"},
		{"host-unknown without id", []step{{hello, header(" id='' version='1.0'") + streamError("host-unknown", "")}}, end,
			"stream error from the peer host-unknown"},
		{"stanza in place of features", []step{{hello, answer + "<message/>"}}, streamError("unsupported-stanza-type", "{jabber:client}message in place of the stream features"),
			"stream error unsupported-stanza-type: {jabber:client}message in place of the stream features"},
		{"CORE-5.1.2-2 features of the old dialect, which was not asked for", []step{{hello, answer + "<features xmlns='" + NSOldSASL + "'/>"}},
			streamError("unsupported-stanza-type", "{"+NSOldSASL+"}features in place of the stream features"),
			"stream error unsupported-stanza-type: {" + NSOldSASL + "}features in place of the stream features"},
		{"CORE-4.5-1 stream error", []step{{hello, answer + streamError("host-gone", "moved")}}, end, "stream error from the peer host-gone: moved"},
		{"see-other-host", []step{{hello, answer + "<stream:error><see-other-host xmlns='" + NSErrors + "'>b.org:9</see-other-host></stream:error>" + end}}, end,
			"stream error from the peer see-other-host: b.org:9"},
		{"the server closes", []step{{hello, answer + end}}, end, "stream: closed by the peer during the negotiation"},
		{"not well-formed", []step{{hello, "HTTP/1.1 400"}}, streamError("not-well-formed", "text before the root element"),
			"stream error not-well-formed: text before the root element: xmltok: not well-formed: text before the root element (byte 0)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got jid.JID
				p, n := initiate(t, Config{}, clientHeader, clientFeatures("secret", &got))
				for _, s := range tt.steps {
					p.expect(s.want)
					p.send(s.reply)
				}
				if tt.last != "" {
					p.expect(tt.last)
					p.close()
				}
				c, err := n.wait()
				if err != nil {
					if err.Error() != tt.err {
						t.Errorf("error %q\nwant  %q", err, tt.err)
					}
					return
				}
				if tt.err != "" || got.String() != "rob@capulet.com/balcony" || c.State()&Ready == 0 {
					t.Errorf("bound to %v, want error %q", got, tt.err)
				}
				go finish(c)
				p.send(end)
				p.expect(end)
				p.rest()
			})
		})
	}
}

// TestEarly: what comes before the negotiation has ended is not lost.
func TestEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, n := initiate(t, Config{}, clientHeader, []Feature{{Name: bindName, Negotiate: Bind("", nil).Negotiate}})
		p.expect(hello)
		p.send(offer(offerBind))
		p.expect("<iq type='set' id='bind'><bind xmlns='" + NSBind + "'/></iq>")
		p.send("<message id='1'/><x xmlns='urn:x'/><presence id='2'/><iq type='result' id='bind'><bind xmlns='" + NSBind + "'><jid>a@b/c</jid></bind></iq><message id='3'/>")
		c := n.must(t)
		for _, want := range []string{"1", "x", "2", "3"} {
			st, el, err := c.Next()
			if err != nil || st != nil && st.ID != want || st == nil && el.Name().Local != want {
				t.Errorf("%v %v %v, want %s", st, el.Name(), err, want)
			}
		}
		p.close()
		if err := drain(c); err != io.ErrUnexpectedEOF {
			t.Error(err)
		}
		c.Fail(io.ErrUnexpectedEOF)
	})
	// But not without bound.
	synctest.Test(t, func(t *testing.T) {
		p, n := initiate(t, Config{MaxStanza: -1, MaxUnauthenticated: -1}, clientHeader, []Feature{{Name: bindName, Negotiate: Bind("", nil).Negotiate}})
		p.expect(hello)
		p.send(offer(offerBind))
		p.wait("</iq>")
		go p.send(strings.Repeat("<x>"+strings.Repeat("y", maxEarly/4)+"</x>", 4))
		p.expect(streamError("policy-violation", "too much before the reply to bind"))
		p.close()
		if _, err := n.wait(); !isCondition(err, PolicyViolation) {
			t.Error(err)
		}
	})
}

// TestReq_IM_2_2: a client that can do SASL says version 1.0; one that is to
// speak the old protocol says none.
func TestReq_IM_2_2(t *testing.T) {
	for _, h := range []Header{{Version: V1}, {}} {
		p, n := initiate(t, Config{}, h, nil)
		want := hello
		if h.Version != V1 {
			want = decl + "<stream:stream" + streamDecl + " to='capulet.com'>"
		}
		p.expect(want)
		p.close()
		n.wait()
	}
}

// TestImplied: a feature that needs no offer is tried with a peer that cannot
// make one, and with no other.
func TestImplied(t *testing.T) {
	var log []string
	feature := func(name string, implied bool) Feature {
		return Feature{Name: xml.Name{Local: name}, Implied: implied, Negotiate: func(_ context.Context, _ *Conn, el stanza.Element) (Outcome, error) {
			log = append(log, fmt.Sprint(name, " ", el.IsZero()))
			if name == "a" {
				return Outcome{}, fmt.Errorf("%w: no password", ErrSkip)
			}
			return Outcome{State: Ready}, nil
		}}
	}
	features := []Feature{feature("a", true), feature("b", true), feature("c", false)}
	for _, tt := range []struct{ header, log string }{
		{"<stream:stream" + streamDecl + ">", "[a true b true]"},
		{"<stream:stream id='1' version='1.0'" + streamDecl + "><stream:features><x:c xmlns:x='urn:x'/></stream:features>", "[]"},
		{"<stream:stream id='1' version='1.0'" + streamDecl + "><stream:features><c xmlns=''/></stream:features>", "[c false]"},
	} {
		log = nil
		p, n := initiate(t, Config{}, clientHeader, features)
		p.expect(hello)
		p.send(tt.header)
		c, err := n.wait()
		if fmt.Sprint(log) != tt.log || (err == nil) != (tt.log != "[]") {
			t.Errorf("%s: %v, %v", tt.header, log, err)
		}
		if c != nil {
			c.Close()
		}
		p.close()
	}
	p, n := initiate(t, Config{}, clientHeader, features[:1])
	p.expect(hello)
	p.send("<stream:stream" + streamDecl + ">")
	_, err := n.wait()
	if want := "stream: cannot go on after TLS: the peer's stream has no version; offered {}a (not used: no password)"; err == nil || err.Error() != want || !errors.Is(err, ErrSkip) {
		t.Errorf("%v\nwant %s", err, want)
	}
	p.close()
}

// TestNegotiationErrorText is the text that an operator reads, golden.
func TestNegotiationErrorText(t *testing.T) {
	a, b := xml.Name{Space: "urn:a", Local: "a"}, xml.Name{Space: "urn:b", Local: "b"}
	for _, tt := range []struct {
		e    NegotiationError
		want string
	}{
		{NegotiationError{Version: V1}, "stream: cannot go on: nothing was offered"},
		{NegotiationError{}, "stream: cannot go on: the peer's stream has no version; nothing was offered"},
		{NegotiationError{Version: V1, State: Secure, Offered: []xml.Name{b, a}, Skipped: map[xml.Name]error{a: errNoTLS}},
			"stream: cannot go on after TLS: offered {urn:b}b; offered {urn:a}a (refused without TLS)"},
		{NegotiationError{Version: V1, State: Secure | Authenticated, Offered: []xml.Name{a}, Skipped: map[xml.Name]error{a: sasl.NotAuthorized}},
			"stream: cannot go on after authentication: offered {urn:a}a (sasl: not-authorized)"},
	} {
		if got := tt.e.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
		if errors.Is(&tt.e, errNoTLS) != (tt.e.Skipped[a] == errNoTLS) {
			t.Error(tt.e.Unwrap())
		}
	}
}

// TestServerNotVerified: success is not believed of a server that has not
// proven to know the secret.
func TestServerNotVerified(t *testing.T) {
	for _, data := range []string{"", "dj1BQUFB", "="} {
		synctest.Test(t, func(t *testing.T) {
			p, n := initiate(t, Config{}, clientHeader, clientFeatures("secret", nil))
			p.expect(hello)
			p.send(offer(offerMechanisms))
			p.wait("</auth>")
			p.send("<success xmlns='" + NSSASL + "'>" + data + "</success>")
			p.expect(end)
			p.close()
			if _, err := n.wait(); !errors.Is(err, sasl.ErrServerNotVerified) {
				t.Error(err)
			}
		})
	}
}

// TestNextMechanism: a mechanism that the server does not want after all is
// replaced by the next; the caller's configuration is not changed.
func TestNextMechanism(t *testing.T) {
	refuse := make([]string, 0, 10)
	for _, condition := range []string{"invalid-mechanism", "mechanism-too-weak", "temporary-auth-failure"} {
		synctest.Test(t, func(t *testing.T) {
			fs := SASL(func() sasl.ClientConfig {
				return sasl.ClientConfig{Username: "rob", Password: "secret", Refuse: refuse}
			}, 0)
			p, n := initiate(t, Config{}, clientHeader, fs)
			p.expect(hello)
			p.send(offer(offerMechanisms + "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/></sasl-channel-binding>"))
			p.wait("<auth xmlns='" + NSSASL + "' mechanism='SCRAM-SHA-1'>")
			p.wait("</auth>")
			p.send(saslFailure(condition))
			if condition == "temporary-auth-failure" {
				p.expect(end)
			} else {
				p.expect(authPlain)
				p.send(success)
				p.expect(hello)
			}
			p.close()
			if _, err := n.wait(); errors.Is(err, sasl.TemporaryAuthFailure) != (condition == "temporary-auth-failure") {
				t.Error(err)
			}
			if refuse[:1][0] != "" {
				t.Error("the caller's list was written to")
			}
		})
	}
}

// TestInitiateTimeout: no features, no header, nobody reading.
func TestInitiateTimeout(t *testing.T) {
	for _, reply := range []string{"", answer, answer + "<stream:features>"} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			p, n := initiate(t, Config{}, clientHeader, nil)
			p.expect(hello)
			p.send(reply)
			p.expect(streamError("connection-timeout", "the negotiation took too long"))
			p.close()
			if _, err := n.wait(); !errors.Is(err, context.DeadlineExceeded) || !isCondition(err, ConnectionTimeout) || time.Since(start) != DefaultNegotiationTimeout {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	}
}
