package stream

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp/sasl"
)

func TestRedact(t *testing.T) {
	scope := map[string]string{"": "jabber:client", "stream": NS, "sasl": NSOldSASL}
	for _, tt := range []struct{ name, in, want string }{
		{"nothing secret", "<message to='a@b'><body>password &lt; auth</body></message>", ""},
		{"header and features", answer + featuresSASL, ""},
		{"auth", authPlain, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>[...]</auth>"},
		{"no initial response", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>", ""},
		{"failure", saslFailure("not-authorized"), ""},
		{"several elements", "<a xmlns='urn:a'>1</a>" + authPlain + "<b xmlns='urn:b'>2</b>" + authPlain + "<c/>",
			"<a xmlns='urn:a'>1</a><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>[...]</auth><b xmlns='urn:b'>2</b>" +
				"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>[...]</auth><c/>"},
		{"mechanisms before auth", offerMechanisms + authPlain, offerMechanisms + "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>[...]</auth>"},
		{"prefix", "<x:response xmlns:x='urn:ietf:params:xml:ns:xmpp-sasl'>c2VjcmV0</x:response>", "<x:response xmlns:x='urn:ietf:params:xml:ns:xmpp-sasl'>[...]</x:response>"},
		{"CORE-5.1.2-4 old dialect", "<sasl:auth mechanism='PLAIN'>AA==</sasl:auth><sasl:success/>", "<sasl:auth mechanism='PLAIN'>[...]</sasl:auth><sasl:success/>"},
		{"other namespace", "<auth xmlns='urn:a'>x</auth><response>y</response>", ""},
		{"namespace in a text", "<message><body>urn:ietf:params:xml:ns:xmpp-sasl</body></message>", ""},
		{"comparison sign in an attribute", "<a b='>'/>" + authPlain, "<a b='>'/><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>[...]</auth>"},
		{"SASL2", "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>AA==</initial-response><user-agent id='1'><software>x</software></user-agent></authenticate>",
			"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>[...]</initial-response><user-agent id='1'><software>x</software></user-agent></authenticate>"},
		{"FAST", "<token xmlns='urn:xmpp:fast:0' expiry='2' token='s3cret'/>", "<token [...]/>"},
		{"iq auth", "<iq><query xmlns='jabber:iq:auth'><username>rob</username><password>s</password><digest>d</digest></query></iq>",
			"<iq><query xmlns='jabber:iq:auth'><username>rob</username><password>[...]</password><digest>[...]</digest></query></iq>"},
		{"digest elsewhere", "<digest>d</digest>", ""},
		{"CDATA", "<password><![CDATA[s3</password>cret]]><b>s3cret</b></password><c>1</c>", "<password>[...]</password><c>1</c>"},
		{"form", "<x xmlns='jabber:x:data'><field var='password_again'><value>s</value></field><field var='user'><value>u</value></field><field type='text-private' var='q'><value>s</value></field></x>",
			"<x xmlns='jabber:x:data'><field var='password_again'>[...]</field><field var='user'><value>u</value></field><field type='text-private' var='q'>[...]</field></x>"},
		{"attribute", "<x:service xmlns:x='urn:xmpp:extdisco:2' username='u' password='s'>t</x:service>", "<x:service [...]>t</x:service>"},
		{"white space and end", " </stream:stream>", ""},
		{"not XML", "<a>1</a><password>s3cret</pass", "<a>1</a><password>[...][...]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == "" {
				tt.want = tt.in
			}
			if got := string(redact([]byte(tt.in), scope)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestRedactHandshake: the digest of a component, or of a server that connects to
// one (XEP-0114, section 3), is hidden; the answer to it has none.
func TestRedactHandshake(t *testing.T) {
	for _, tt := range []struct{ content, in, want string }{
		{"jabber:component:accept", "<handshake>abc</handshake>", "<handshake>[...]</handshake>"},
		{"jabber:component:connect", "<handshake>abc</handshake>", "<handshake>[...]</handshake>"},
		{"jabber:component:accept", "<handshake/>", "<handshake/>"},
		{"jabber:component:connect", "<handshake/>", "<handshake/>"},
		{"jabber:client", "<handshake>abc</handshake>", "<handshake>abc</handshake>"},
		{"jabber:client", "<h:handshake xmlns:h='jabber:component:connect'>abc</h:handshake><a/>",
			"<h:handshake xmlns:h='jabber:component:connect'>[...]</h:handshake><a/>"},
	} {
		if got := string(redact([]byte(tt.in), map[string]string{"": tt.content})); got != tt.want {
			t.Errorf("%s in %s: got %s, want %s", tt.in, tt.content, got, tt.want)
		}
	}
}

// traceLog collects what one side traces.
type traceLog struct {
	mu             sync.Mutex
	sent, received []string
}

func (l *traceLog) trace(sent bool, b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := streamID.ReplaceAllString(string(b), " id='ID'")
	if sent {
		l.sent = append(l.sent, text)
	} else {
		l.received = append(l.received, text)
	}
}

// TestTrace: a trace has all that went over the wire, in order, but no secret.
func TestTrace(t *testing.T) {
	cfg := rob(t)
	cfg.Credentials = sasl.Credentials{Verify: func(context.Context, string, string) error { return nil }}
	var client, server traceLog
	a, b := Pipe()
	n := background(func() (*Conn, error) {
		features := append(SASLServer{Config: cfg}.Features(), bindRob())
		return Accept(t.Context(), b, Config{Trace: server.trace}, openTo(features))
	})
	c, err := Initiate(t.Context(), a, Config{Trace: client.trace}, Header{To: capulet, Version: V1}, clientFeatures("secret", nil))
	if err != nil {
		t.Fatal(err)
	}
	s := n.must(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Fail(drain(s))
	}()
	go drain(c)
	if err := c.SendRaw(t.Context(), " "); err != nil {
		t.Error(err)
	}
	if err := c.Shutdown(t.Context(), nil); err != nil {
		t.Error(err)
	}
	<-ended
	mechanisms := "<stream:features><mechanisms xmlns='" + NSSASL + "'><mechanism>PLAIN</mechanism></mechanisms></stream:features>"
	asked := []string{
		hello, "<auth xmlns='" + NSSASL + "' mechanism='PLAIN'>[...]</auth>", hello,
		"<iq type='set' id='bind'><bind xmlns='" + NSBind + "'><resource>balcony</resource></bind></iq>", " ", end,
	}
	answered := []string{
		answer + mechanisms, success, answer + "<stream:features>" + offerBind + "</stream:features>",
		strings.Replace(bound, "b1", "bind", 1), end,
	}
	check := func(name string, got, want []string) {
		// A header is sent with what follows, and received alone and without
		// declaration.
		if g, w := strings.Join(got, ""), strings.Join(want, ""); strings.ReplaceAll(g, decl, "") != strings.ReplaceAll(w, decl, "") {
			t.Errorf("%s\ngot  %s\nwant %s", name, g, w)
		}
	}
	check("client sent", client.sent, asked)
	check("client received", client.received, answered)
	check("server sent", server.sent, answered)
	check("server received", server.received, asked)
}
