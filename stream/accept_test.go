package stream

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// TestAccept is the whole conversation with a server: what a client sends, all
// that it gets until the connection is closed, and how Accept ends.
func TestAccept(t *testing.T) {
	header := func(attrs string) string {
		return "<stream:stream to='capulet.com' version='1.0'" + attrs + streamDecl + ">"
	}
	const anonymous = decl + "<stream:stream" + streamDecl + " id='ID' version='1.0' xml:lang='en'>" // the server does not say who it is
	const oldAnswer = decl + "<stream:stream" + streamDecl + " from='capulet.com' id='ID' xml:lang='en'>"
	const oldStream = "<stream:stream to='capulet.com'" + streamDecl + ">"
	oldError := func(text, condition string) string {
		return "<stream:error>" + text + "<" + condition + " xmlns='" + NSErrors + "'/></stream:error>" + end
	}
	message := "<message to='a@b'><body>x</body></message>"
	for _, tt := range []struct {
		name, in, want string
		err            Condition // "" : the peer has closed the stream
	}{
		{"CORE-4.1-6 the client closes", hello + end, answer + featuresSASL + end, ""},
		{"CORE-4.1-3 any prefix, white space", "<x:stream to='capulet.com' version='1.0' xmlns='jabber:client' xmlns:x='http://etherx.jabber.org/streams'>\n</x:stream>", answer + featuresSASL + end, ""},
		{"CORE-4.1-3 prefix-free", "<stream to='capulet.com' version='1.0' xmlns='http://etherx.jabber.org/streams'><message xmlns='jabber:client'/>",
			answer + featuresSASL + streamError("not-authorized", "message before the stream is ready"), NotAuthorized},
		{"R3920-4.6-1 CORE-4.6-1 no version, no features", "<stream:stream to='capulet.com'" + streamDecl + ">" + end, oldAnswer + end, ""},
		{"CORE-9-6 lang of the server", header(" xml:lang='de'") + end, answer + featuresSASL + end, ""},

		{"CORE-4.4-1 wrong stream namespace", strings.Replace(hello, NS, "urn:x", 1),
			anonymous + streamError("invalid-namespace", "the root is {urn:x}stream, not {"+NS+"}stream"), InvalidNamespace},
		{"CORE-4.4-2 wrong content namespace", strings.Replace(hello, "jabber:client", "jabber:server", 1), answer + streamError("invalid-namespace", ""), InvalidNamespace},
		{"CORE-4.4-2 wrong content namespace of a stanza", hello + "<message xmlns='jabber:server'/>",
			answer + featuresSASL + streamError("invalid-namespace", "jabber:server on a stream of jabber:client"), InvalidNamespace},
		{"CORE-4.3-1 host unknown", strings.Replace(hello, "capulet.com", "montague.net", 1), answer + streamError("host-unknown", ""), HostUnknown},
		{"host unspecified", "<stream:stream version='1.0'" + streamDecl + ">", answer + streamError("host-unknown", ""), HostUnknown},
		{"to is no address", "<stream:stream version='1.0' to='@'" + streamDecl + ">", anonymous + streamError("improper-addressing", "\"@\" is not an address"), ImproperAddressing},
		{"from comes back as to", strings.Replace(hello, " to=", " from='rob@capulet.com' to=", 1) + end, strings.Replace(answer, " id=", " to='rob@capulet.com' id=", 1) + featuresSASL + end, ""},
		{"version is no version", "<stream:stream version='x' to='capulet.com'" + streamDecl + ">",
			anonymous + streamError("unsupported-version", "version \"x\" is not two numbers"), UnsupportedVersion},
		{"CORE-4.5-6 not well-formed before the header", "<stream:stream<", anonymous + streamError("not-well-formed", "no name where one must be"), NotWellFormed},
		{"no XML at all", "GET / HTTP/1.1\r\n\r\n", anonymous + streamError("not-well-formed", "text before the root element"), NotWellFormed},
		{"CORE-4.2-1 DTD", decl + "<!DOCTYPE x [<!ENTITY a 'b'>]>", anonymous + streamError("restricted-xml", "document type declaration"), RestrictedXML},
		{"CORE-7.4-1 UTF-16 is not accepted", "\xff\xfe<\x00s\x00", anonymous + streamError("unsupported-encoding", "encoding not supported, or not the one declared"), UnsupportedEncoding},
		{"other encoding declared", "<?xml version='1.0' encoding='ISO-8859-1'?>" + hello, anonymous + streamError("unsupported-encoding", "encoding not supported, or not the one declared"), UnsupportedEncoding},
		{"huge header", "<stream:stream a='" + strings.Repeat("x", 20000), anonymous + streamError("policy-violation", "tag too large"), PolicyViolation},

		{"CORE-4.2-2 comment, version 1.0", hello + "<!-- x -->", answer + featuresSASL + streamError("restricted-xml", "comment"), RestrictedXML},
		{"CORE-4.2-2 comment inside, version 1.0", hello + "<a><!-- x --></a>", answer + featuresSASL + streamError("restricted-xml", "comment"), RestrictedXML},
		{"CORE-4.2-2 processing instruction, version 1.0", hello + "<?x y?>", answer + featuresSASL + streamError("restricted-xml", "processing instruction"), RestrictedXML},
		{"CORE-4.2-2 processing instruction inside, version 1.0", hello + "<a><?x y?></a>", answer + featuresSASL + streamError("restricted-xml", "processing instruction"), RestrictedXML},
		{"CORE-4.2-2 skipped without version", oldStream + "<!-- x --> <?x y?><?xml-x?>" + end, oldAnswer + end, ""},
		{"CORE-4.2-2 skipped below version 1.0", strings.Replace(oldStream, " to=", " version='0.9' to=", 1) + "<!-- x --><?x y?>" + end, oldAnswer + end, ""},
		{"CORE-4.2-2 skipped inside without version", oldStream + "<hello xmlns='urn:x'><!-- x --><?x y?></hello>",
			oldAnswer + oldError("{urn:x}hello is not expected here", "unsupported-stanza-type"), UnsupportedStanzaType},
		{"CORE-4.2-2 not before the header", "<!-- x -->" + oldStream, anonymous + streamError("restricted-xml", "comment"), RestrictedXML},
		{"CORE-4.2-2 DTD without version", oldStream + "<!DOCTYPE x>", oldAnswer + oldError("document type declaration", "restricted-xml"), RestrictedXML},
		{"CORE-4.2-2 entity without version", oldStream + "<a>&lol;</a>", oldAnswer + oldError("reference to an entity other than the predefined ones", "restricted-xml"), RestrictedXML},
		{"CORE-4.2-2 ill-formed without version", oldStream + "<!-- -- -->", oldAnswer + oldError("-- in a comment", "not-well-formed"), NotWellFormed},
		{"CORE-4.2-2 endless without version", oldStream + "<!--" + strings.Repeat("x", 17000), oldAnswer + oldError("element too large", "policy-violation"), PolicyViolation},
		{"entity", hello + "<a>&lol;</a>", answer + featuresSASL + streamError("restricted-xml", "reference to an entity other than the predefined ones"), RestrictedXML},
		{"CORE-4.5-1 old form of an error", "<stream:stream to='capulet.com'" + streamDecl + "><a><b></a>",
			oldAnswer + "<stream:error>end tag does not match the start tag<not-well-formed xmlns='" + NSErrors + "'/></stream:error>" + end, NotWellFormed},
		{"CORE-4.5-1 old form before the answer", "<stream:stream to='@'" + streamDecl + ">",
			strings.Replace(anonymous, "id='ID' version='1.0'", "id='ID'", 1) + "<stream:error>\"@\" is not an address<improper-addressing xmlns='" + NSErrors + "'/></stream:error>" + end, ImproperAddressing},
		{"not well-formed", hello + "<a><b></a>", answer + featuresSASL + streamError("not-well-formed", "end tag does not match the start tag"), NotWellFormed},
		{"CORE-7.2-1 unbound prefix", hello + "<a:b/>", answer + featuresSASL + streamError("not-well-formed", "namespace prefix is not bound"), NotWellFormed},
		{"text between elements", hello + "x", answer + featuresSASL + streamError("bad-format", "text between the elements of the stream"), BadFormat},
		{"wrong closing tag", hello + "</stream>", answer + featuresSASL + streamError("not-well-formed", "end tag does not match the start tag"), NotWellFormed},
		{"oversized", hello + "<auth xmlns='" + NSSASL + "'>" + strings.Repeat("A", 17000), answer + featuresSASL + streamError("policy-violation", "element too large"), PolicyViolation},
		{"depth bomb", hello + strings.Repeat("<a>", 200), answer + featuresSASL + streamError("policy-violation", "elements nested too deep"), PolicyViolation},
		{"attribute bomb", hello + "<a" + attributes(100) + "/>", answer + featuresSASL + streamError("policy-violation", "too many attributes"), PolicyViolation},
		{"second header", hello + hello, answer + featuresSASL + streamError("not-well-formed", "XML declaration not at the start of the document"), NotWellFormed},

		{"stanza before authentication", hello + message, answer + featuresSASL + streamError("not-authorized", "message before the stream is ready"), NotAuthorized},
		{"GUIDE-11-iq-3 iq before authentication", hello + "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
			answer + featuresSASL + streamError("not-authorized", "iq before the stream is ready"), NotAuthorized},
		{"R6120-7-1 bind before authentication", hello + askBind, answer + featuresSASL + streamError("not-authorized", "iq before the stream is ready"), NotAuthorized},
		{"stanza before binding", hello + authPlain + hello + message, answer + featuresSASL + success + answer + featuresBind + streamError("not-authorized", "message before the stream is ready"), NotAuthorized},
		{"malformed address before binding", hello + "<message to='@'/>", answer + featuresSASL + streamError("improper-addressing", ""), ImproperAddressing},
		{"CORE-4.4-6 unknown element", hello + "<hello xmlns='urn:x'/>", answer + featuresSASL + streamError("unsupported-stanza-type", "{urn:x}hello is not expected here"), UnsupportedStanzaType},
		{"old dialect that was not declared", hello + "<auth xmlns='" + NSOldSASL + "' mechanism='PLAIN'/>",
			answer + featuresSASL + streamError("unsupported-stanza-type", "{"+NSOldSASL+"}auth is not expected here"), UnsupportedStanzaType},
		{"second auth after success", hello + authPlain + hello + authPlain,
			answer + featuresSASL + success + answer + featuresBind + streamError("unsupported-stanza-type", "{"+NSSASL+"}auth is not expected here"), UnsupportedStanzaType},
		{"R6120-4.3.3-1 no new header after success", hello + authPlain + askBind,
			answer + featuresSASL + success + anonymous + streamError("invalid-namespace", "the root is {}iq, not {"+NS+"}stream"), InvalidNamespace},

		{"CORE-5.1.1-5 CORE-5.1.1-10 data with the choice, success", hello + authPlain + hello + end, answer + featuresSASL + success + answer + featuresBind + end, ""},
		{"R3920-6.2-1 wrong password five times", hello + strings.Repeat(badPlain, 6),
			answer + featuresSASL + strings.Repeat(saslFailure("not-authorized"), 5) + streamError("policy-violation", "too many failed tries to authenticate"), PolicyViolation},
		{"R3920-6.2-1 wrong, then right", hello + badPlain + badPlain + authPlain + hello + end,
			answer + featuresSASL + saslFailure("not-authorized") + saslFailure("not-authorized") + success + answer + featuresBind + end, ""},
		{"R3920-6.4-1 base64 garbage", hello + strings.Replace(authPlain, "AHJv", "!!!!", 1) + end, answer + featuresSASL + saslFailure("incorrect-encoding") + end, ""},
		{"base64 without padding", hello + strings.Replace(authPlain, "Q=", "Q", 1) + end, answer + featuresSASL + saslFailure("incorrect-encoding") + end, ""},
		{"CORE-5.1.1-11 white space in base64", hello + strings.Replace(authPlain, "AHJv", "\n  AHJv\r\n\t", 1) + hello + end, answer + featuresSASL + success + answer + featuresBind + end, ""},
		{"R3920-6.4-1 unknown mechanism", hello + strings.Replace(authPlain, "PLAIN", "MAGIC", 1) + end, answer + featuresSASL + saslFailure("invalid-mechanism") + end, ""},
		{"no mechanism", hello + strings.Replace(authPlain, " mechanism='PLAIN'", "", 1) + end, answer + featuresSASL + saslFailure("invalid-mechanism") + end, ""},
		{"the attribute name belongs to the old dialect", hello + strings.Replace(authPlain, " mechanism=", " name=", 1) + end, answer + featuresSASL + saslFailure("invalid-mechanism") + end, ""},
		{"response without auth", hello + "<response xmlns='" + NSSASL + "'>AA==</response>" + end, answer + featuresSASL + saslFailure("malformed-request") + end, ""},
		{"CORE-5.1.1-8 abort without auth", hello + "<abort xmlns='" + NSSASL + "'/>" + end, answer + featuresSASL + saslFailure("aborted") + end, ""},
		{"malformed request", hello + strings.Replace(authPlain, "AHJvYgBzZWNyZXQ=", "AA==", 1) + end, answer + featuresSASL + saslFailure("malformed-request") + end, ""},
		{"empty challenge", hello + "<auth xmlns='" + NSSASL + "' mechanism='PLAIN'/><response xmlns='" + NSSASL + "'>AHJvYgBzZWNyZXQ=</response>" + hello + end,
			answer + featuresSASL + "<challenge xmlns='" + NSSASL + "'/>" + success + answer + featuresBind + end, ""},
		{"CORE-5.1.1-8 abort", hello + "<auth xmlns='" + NSSASL + "' mechanism='PLAIN'/><abort xmlns='" + NSSASL + "'/>" + end,
			answer + featuresSASL + "<challenge xmlns='" + NSSASL + "'/>" + saslFailure("aborted") + end, ""},
		{"another auth", hello + "<auth xmlns='" + NSSASL + "' mechanism='PLAIN'/>" + authPlain + hello + end,
			answer + featuresSASL + "<challenge xmlns='" + NSSASL + "'/>" + success + answer + featuresBind + end, ""},
		{"another auth for ever", hello + strings.Repeat("<auth xmlns='"+NSSASL+"' mechanism='PLAIN'/>", 9),
			answer + featuresSASL + strings.Repeat("<challenge xmlns='"+NSSASL+"'/>", 5) + streamError("policy-violation", "too many failed tries to authenticate"), PolicyViolation},
		{"stanza in an exchange", hello + "<auth xmlns='" + NSSASL + "' mechanism='PLAIN'/>" + message,
			answer + featuresSASL + "<challenge xmlns='" + NSSASL + "'/>" + streamError("not-authorized", "message before the stream is ready"), NotAuthorized},
		{"challenge by the client", hello + "<auth xmlns='" + NSSASL + "' mechanism='PLAIN'/><challenge xmlns='" + NSSASL + "'/>",
			answer + featuresSASL + "<challenge xmlns='" + NSSASL + "'/>" + streamError("unsupported-stanza-type", "{"+NSSASL+"}challenge is not expected here"), UnsupportedStanzaType},

		{"R6120-5-1 starttls that is not offered", hello + "<starttls xmlns='" + NSStartTLS + "'/>", answer + featuresSASL + "<failure xmlns='" + NSStartTLS + "'/>" + end, ""},

		{"R6120-7-1 bind refused, then granted", hello + authPlain + hello + strings.Replace(askBind, "balcony", "taken", 1) + askBind + end,
			answer + featuresSASL + success + answer + featuresBind +
				"<iq type='error' id='b1'><error code='409' type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>" + bound + end, "ready"},
		{"R6120-7-1 the server chooses", hello + authPlain + hello + "<iq type='set' id='b1'><bind xmlns='" + NSBind + "'/></iq>" + end,
			answer + featuresSASL + success + answer + featuresBind + strings.Replace(bound, "balcony", "generated", 1) + end, "ready"},
		{"R6120-7-1 bind by get", hello + authPlain + hello + strings.Replace(askBind, "'set'", "'get'", 1) + end,
			answer + featuresSASL + success + answer + featuresBind +
				"<iq type='error' id='b1'><error code='400' type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>" + end, ""},
		{"bind by result", hello + authPlain + hello + strings.Replace(askBind, "'set'", "'result'", 1),
			answer + featuresSASL + success + answer + featuresBind + streamError("not-authorized", "iq before the stream is ready"), NotAuthorized},
		{"logged in", login + end, loggedIn + end, "ready"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, n := accept(t, Config{}, serverFeatures(t, Secure))
				go p.send(tt.in)
				if tt.err == "ready" {
					c := n.must(t)
					if c.State() != Secure|Authenticated|Ready {
						t.Errorf("state %b", c.State())
					}
					finish(c)
				}
				if got := p.rest(); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
				_, err := n.wait()
				refused, _ := errors.AsType[*TLSError](err)
				switch {
				case tt.err == "ready":
				case tt.err == "" && refused == nil && !errors.Is(err, ErrPeerClosed), tt.err != "" && !errors.Is(err, tt.err):
					t.Errorf("error %v", err)
				}
				p.close()
			})
		})
	}
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d=''", i)
	}
	return b.String()
}

// TestAcceptBytes: it does not matter how the input is cut.
func TestAcceptBytes(t *testing.T) {
	p, n := accept(t, Config{}, serverFeatures(t, Secure))
	go func() {
		for _, c := range []byte(login + " " + end) {
			p.send(string(c))
		}
	}()
	c := n.must(t)
	finish(c)
	if got := p.rest(); got != loggedIn+end {
		t.Error(got)
	}
}

// TestTLSRequired: what needs TLS is neither offered nor served without it.
func TestTLSRequired(t *testing.T) {
	cert, _ := dialCert(t, "capulet.com")
	features := func() []Feature {
		return append([]Feature{ServeTLS(serverTLS(cert), true)}, serverFeatures(t, Secure)...)
	}
	const offer = "<stream:features><starttls xmlns='" + NSStartTLS + "'><required/></starttls></stream:features>"
	for _, tt := range []struct {
		name, in, want string
		err            error
	}{
		{"R6120-5-1 auth", hello + authPlain + end, answer + offer + saslFailure("encryption-required") + end, ErrPeerClosed},
		{"auth five times", hello + strings.Repeat(authPlain, 5),
			answer + offer + strings.Repeat(saslFailure("encryption-required"), 5) + streamError("policy-violation", "too many failed tries to authenticate"), PolicyViolation},
		{"stanza", hello + askBind, answer + offer + streamError("not-authorized", "iq before the stream is ready"), NotAuthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				p := newPeer(t, a)
				n := background(func() (*Conn, error) {
					return Accept(t.Context(), NewTransport(b), Config{}, openTo(features()))
				})
				go p.send(tt.in)
				if got := p.rest(); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
				if _, err := n.wait(); !errors.Is(err, tt.err) {
					t.Error(err)
				}
			})
		})
	}
}

// TestReq_CORE_4_3_5: ids are unique, also after a restart, and cannot be
// foreseen.
func TestReq_CORE_4_3_5(t *testing.T) {
	seen := make(map[string]bool)
	for range 20 {
		p, n := accept(t, Config{}, serverFeatures(t, Secure))
		go p.send(strings.Replace(login, " to=", " id='mine' to=", 2) + end)
		c := n.must(t)
		finish(c)
		p.rest()
		for _, id := range streamID.FindAllString(string(p.got), -1) {
			seen[id] = true
			if len(id) != len(" id=''")+26 { // 130 bits
				t.Error(id)
			}
		}
	}
	if len(seen) != 40 {
		t.Errorf("%d different ids on 40 streams", len(seen))
	}
}

// TestOffer: the features come in the order of the list, every time.
func TestOffer(t *testing.T) {
	var features []Feature
	want := answer + "<stream:features>"
	for i := range 20 {
		text := fmt.Sprintf("<f%d xmlns='urn:f'/>", i)
		features = append(features, Feature{Name: xml.Name{Space: "urn:f", Local: fmt.Sprint("f", i)},
			Offer: func(_ *Conn, dst []byte) []byte { return append(dst, text...) }})
		want += text
	}
	features = append(features, Feature{Name: xml.Name{Local: "silent"}}, Feature{Needs: Authenticated, Offer: features[0].Offer}, Feature{Not: Secure, Offer: features[0].Offer})
	for range 5 {
		p, n := accept(t, Config{}, features)
		p.send(hello)
		p.expect(want + "</stream:features>")
		p.close()
		if _, err := n.wait(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	}
}

// TestServe: a feature from outside this package, with an iq of its own, which
// ends with an error that is nobody's business.
func TestServe(t *testing.T) {
	name := xml.Name{Space: "urn:f", Local: "f"}
	secret := errors.New("the database said: no")
	var c0 *Conn
	features := []Feature{{Name: name, Requests: []xml.Name{name, {Space: "urn:f", Local: "g"}},
		Serve: func(ctx context.Context, c *Conn, in Incoming) (Outcome, error) {
			c0 = c
			switch {
			case in.Stanza == nil:
				return Outcome{}, secret
			case in.Name().Local == "g":
				return Outcome{}, c.Answer(in, func(*stanza.Stanza) (any, error) { return nil, stanza.ItemNotFound })
			}
			return Outcome{}, c.Answer(in, func(st *stanza.Stanza) (any, error) { return stanza.Raw("<f xmlns='urn:f'>1</f>"), nil })
		}}}
	for _, tt := range []struct{ in, want string }{
		{"<iq type='get' id='1'><f xmlns='urn:f'/></iq>", "<iq type='result' id='1'><f xmlns='urn:f'>1</f></iq>"},
		{"<iq type='set' id='1'><g xmlns='urn:f'/></iq>", "<iq type='error' id='1'><error code='404' type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"},
		{"<iq type='error' id='1'><f xmlns='urn:f'/></iq>", streamError("not-authorized", "iq before the stream is ready")},
		{"<f xmlns='urn:f'/>", streamError("internal-server-error", "")},
		{"<g xmlns='urn:f'/>", streamError("internal-server-error", "")},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, n := accept(t, Config{}, features)
			p.send(hello)
			p.expect(answer + "<stream:features></stream:features>")
			p.send(tt.in)
			p.expect(tt.want)
			p.close()
			if _, err := n.wait(); err == nil || strings.Contains(tt.want, "internal") != errors.Is(err, secret) {
				t.Error(err)
			}
			if c0.Transport() == nil || c0.TLS() != nil {
				t.Error("transport")
			}
		})
	}
}

// TestOpen: what open returns decides how a stream is refused.
func TestOpen(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    Header
		err  error
		want string
	}{
		{"condition", Header{Content: "jabber:client", From: capulet, Version: V1}, HostGone,
			strings.Replace(answer, " xml:lang='en'", "", 1) + streamError("host-gone", "")},
		{"see-other-host", Header{Content: "jabber:client", From: capulet, Version: V1}, &Error{Condition: SeeOtherHost, Host: "other:5222"},
			strings.Replace(answer, " xml:lang='en'", "", 1) + "<stream:error><see-other-host xmlns='" + NSErrors + "'>other:5222</see-other-host></stream:error>" + end},
		{"no header", Header{}, Conflict, strings.Replace(answer, " from='capulet.com'", " to='rob@capulet.com'", 1) + streamError("conflict", "")},
		{"other error", Header{}, io.ErrClosedPipe, strings.Replace(answer, " from='capulet.com'", " to='rob@capulet.com'", 1) + streamError("internal-server-error", "")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := Pipe()
				p := newPeer(t, a)
				n := background(func() (*Conn, error) {
					return Accept(t.Context(), b, Config{}, func(*Conn, Header) (Header, []Feature, error) { return tt.h, nil, tt.err })
				})
				p.send(strings.Replace(hello, " to=", " from='rob@capulet.com' to=", 1))
				got := p.rest()
				want := tt.want
				if tt.h.From == capulet {
					want = strings.Replace(want, " to='rob@capulet.com'", "", 1)
				}
				if got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				if _, err := n.wait(); err != tt.err {
					t.Error(err)
				}
			})
		})
	}
}

// TestNegotiationTimeout: whoever trickles, or says nothing, is closed in time.
func TestNegotiationTimeout(t *testing.T) {
	const late = "the negotiation took too long"
	for _, tt := range []struct {
		name, in, want string
		trickle        string
	}{
		{"silent", "", decl + "<stream:stream" + streamDecl + " id='ID' version='1.0' xml:lang='en'>" + streamError("connection-timeout", late), ""},
		{"silent after the header", hello, answer + featuresSASL + streamError("connection-timeout", late), ""},
		{"trickling", hello, answer + featuresSASL + streamError("connection-timeout", late), "<auth xmlns='" + NSSASL + "'>" + strings.Repeat("A", 1000)},
		{"white space", hello, answer + featuresSASL + streamError("connection-timeout", late), strings.Repeat(" ", 1000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				p, n := accept(t, Config{NegotiationTimeout: 10 * time.Second}, serverFeatures(t, Secure))
				var trickle sync.WaitGroup
				trickle.Go(func() {
					p.send(tt.in)
					for i := range len(tt.trickle) {
						if _, err := io.WriteString(p.nc, tt.trickle[i:i+1]); err != nil {
							return
						}
						<-time.After(time.Second)
					}
				})
				p.expect(tt.want)
				if d := time.Since(start); d != 10*time.Second {
					t.Errorf("after %v", d)
				}
				p.close()
				_, err := n.wait()
				if !errors.Is(err, ConnectionTimeout) || !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				trickle.Wait()
			})
		})
	}
}

// TestNegotiationWrite: a peer that does not read does not hold a negotiation
// for longer than its timeout, or than the context lives.
func TestNegotiationWrite(t *testing.T) {
	for _, cancelled := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, b := Pipe()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			n := background(func() (*Conn, error) {
				return Accept(ctx, b, Config{NegotiationTimeout: 10 * time.Second, WriteTimeout: time.Hour}, openTo(nil))
			})
			io.WriteString(a, hello)
			start, want := time.Now(), 10*time.Second
			if cancelled {
				time.AfterFunc(time.Second, cancel)
				want = time.Second
			}
			_, err := n.wait()
			if cancelled != errors.Is(err, context.Canceled) || !cancelled && !isCondition(err, ConnectionTimeout) || time.Since(start) != want {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	}
}

// TestNegotiationCancel: a cancelled negotiation ends at once, with the cause.
func TestNegotiationCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		p := newPeer(t, a)
		ctx, cancel := context.WithCancelCause(t.Context())
		n := background(func() (*Conn, error) { return Accept(ctx, b, Config{}, openTo(nil)) })
		p.send(hello)
		p.expect(answer + "<stream:features></stream:features>")
		cancel(SystemShutdown)
		p.expect(streamError("system-shutdown", ""))
		p.close()
		if _, err := n.wait(); err != SystemShutdown {
			t.Error(err)
		}
		if _, err := Accept(ctx, b, Config{}, openTo(nil)); err != SystemShutdown {
			t.Error(err)
		}
	})
}

// TestAuthTimes: SASLServer calls its functions at the right time.
func TestAuthTimes(t *testing.T) {
	var log []string
	deny := errors.New("the database is down")
	srv := SASLServer{Config: rob(t), MaxTries: 3,
		Done: func(_ *Conn, mechanism, user, authzid string) error {
			log = append(log, "done "+mechanism+" "+user+" "+authzid)
			switch len(log) {
			case 1:
				return deny
			case 3:
				return sasl.AccountDisabled
			case 5:
				return &sasl.Failure{Condition: sasl.CredentialsExpired, Text: "change <it>"}
			}
			return nil
		},
		Failed: func(_ *Conn, mechanism string, err error) { log = append(log, "failed "+mechanism+": "+err.Error()) },
	}
	synctest.Test(t, func(t *testing.T) {
		p, n := accept(t, Config{}, srv.Features())
		go p.send(hello + strings.Repeat(authPlain, 3))
		if got, want := p.rest(), answer+featuresSASL+saslFailure("temporary-auth-failure")+saslFailure("account-disabled")+
			"<failure xmlns='"+NSSASL+"'><credentials-expired/><text xml:lang='en'>change &lt;it&gt;</text></failure>"+
			streamError("policy-violation", "too many failed tries to authenticate"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		n.wait()
	})
	if len(log) != 6 || log[0] != "done PLAIN rob " || !strings.HasPrefix(log[1], "failed PLAIN: ") || !strings.Contains(log[1], deny.Error()) {
		t.Error(strings.Join(log, "\n"))
	}
}

// TestExternal: an initial response without content is "=", and so is data with
// success (RFC 6120, sections 6.4.2 and 6.4.6).
func TestExternal(t *testing.T) {
	mechanisms := "<mechanisms xmlns='" + NSSASL + "'><mechanism>EXTERNAL</mechanism></mechanisms>"
	auth := "<auth xmlns='" + NSSASL + "' mechanism='EXTERNAL'>=</auth>"
	p, n := initiate(t, Config{}, clientHeader, SASL(func() sasl.ClientConfig { return sasl.ClientConfig{External: true} }, 0))
	p.expect(hello)
	p.send(offer(mechanisms))
	p.expect(auth)
	p.send(success)
	p.expect(hello)
	p.close()
	n.wait()

	if got := encodeOptional([]byte{}); got != "=" {
		t.Error(got)
	}
}

// FuzzAccept: no input makes a server panic or hang, and every error is of a
// known kind.
func FuzzAccept(f *testing.F) {
	for _, s := range []string{
		login + "<message/>" + end, hello + badPlain + "<abort xmlns='" + NSSASL + "'/>", hello + "<starttls xmlns='" + NSStartTLS + "'/>",
		"<stream:stream to='capulet.com'" + streamDecl + saslDecl + "><sasl:auth name='PLAIN'>AHJvYgBzZWNyZXQ=</sasl:auth> " + hello + askBind,
		"<stream:stream to='capulet.com'" + streamDecl + saslDecl + "><sasl:auth mechanism='PLAIN'>AHJvYgBzZWNyZXQ=</sasl:auth>" + askBind,
		"<stream:stream to='capulet.com'" + streamDecl + "><!-- x --><a>]]<?x y?>></a><?xml-x?>" + askBind,
		"\xfe\xff\x00<\x00s", "<?xml version='1.1'?>",
	} {
		f.Add([]byte(s))
	}
	cfg := rob(f)
	cfg.Iterations = 1
	f.Fuzz(func(t *testing.T, in []byte) {
		tr := &scriptedConn{in: in}
		features := append(SASLServer{Config: cfg}.Features(), ServeBind(func(context.Context, string) (jid.JID, error) {
			return jid.MustParse("a@b/c"), nil
		}, nil), OfferSession())
		open := func(_ *Conn, in Header) (Header, []Feature, error) {
			return Header{Content: in.Content, From: capulet, Version: V1}, features, nil
		}
		c, err := Accept(t.Context(), tr, Config{AcceptUTF16: true, MaxStanza: 1 << 16}, open)
		if err == nil {
			err = drain(c)
			c.Fail(err)
		}
		e, ok := errors.AsType[*Error](err)
		_, isTLS := errors.AsType[*TLSError](err)
		if !ok && !isTLS && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrPeerClosed) {
			t.Fatalf("%T %v", err, err)
		}
		if ok && (!defined[e.Condition] || e.Condition == InternalServerError) {
			t.Fatalf("%v", err)
		}
		if ok && !e.Remote && !strings.HasSuffix(tr.out.String(), "</stream:error></stream:stream>") {
			t.Fatalf("%v is not said: %s", err, tr.out.String())
		}
	})
}

// TestBindingMismatch: a try that fails because of the channel binding is no
// guess of a password, but there cannot be any number of them.
func TestBindingMismatch(t *testing.T) {
	mismatch := &sasl.Failure{Condition: sasl.NotAuthorized, Err: sasl.SCRAMUnsupportedBindingType}
	guess := &sasl.Failure{Condition: sasl.NotAuthorized, Err: sasl.SCRAMInvalidProof}
	s := SASLServer{MaxTries: 2}
	for i, step := range []struct {
		err   error
		tries int
	}{{mismatch, 0}, {guess, 1}, {mismatch, 1}, {mismatch, 2}} {
		if s.count(step.err); s.tries != step.tries {
			t.Errorf("step %d: %d tries, want %d", i, s.tries, step.tries)
		}
	}
}
