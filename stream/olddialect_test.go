package stream

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// The exchange of draft-miller-xmpp-core-02, section 5.1.2, on the wire.

const (
	oldHello   = decl + "<stream:stream" + streamDecl + saslDecl + " to='capulet.com'>"
	mixedHello = decl + "<stream:stream" + streamDecl + saslDecl + " to='capulet.com' version='1.0'>"
	oldAnswer  = decl + "<stream:stream" + streamDecl + saslDecl + " from='capulet.com' id='ID' xml:lang='en'>"
	mixed      = decl + "<stream:stream" + streamDecl + saslDecl + " from='capulet.com' id='ID' version='1.0' xml:lang='en'>"
	oldOffer   = "<mechanisms xmlns='" + NSOldSASL + "'><mechanism>DIGEST-MD5</mechanism></mechanisms>"
	newOffer   = "<mechanisms xmlns='" + NSSASL + "'><mechanism>DIGEST-MD5</mechanism></mechanisms>"
)

// digestServer knows rob, whose password is secret, in the realm of the draft.
func digestServer() SASLServer {
	return SASLServer{Config: sasl.ServerConfig{Host: "capulet.com", Realms: []string{"cataclysm.cx"}, Credentials: sasl.Credentials{
		HA1: func(_ context.Context, user, realm string) ([16]byte, error) {
			if user != "rob" {
				return [16]byte{}, sasl.ErrUnknownUser
			}
			return sasl.DigestHA1(user, realm, "secret"), nil
		}}}}
}

// digestClient answers a challenge like an old client that is called rob.
func digestClient(t *testing.T, challenge string) string {
	t.Helper()
	c, err := sasl.NewClient(sasl.DigestMD5, sasl.ClientConfig{Username: "rob", Password: "secret", Service: "jabber", Host: "capulet.com", AllowPlaintext: true,
		Realm: func(offered []string) (string, error) { return offered[0], nil }})
	if err != nil {
		t.Fatal(err)
	}
	c.Start()
	text, _, _ := strings.Cut(strings.TrimPrefix(challenge, "<sasl:challenge>"), "<")
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`realm="cataclysm.cx"`, `qop="auth"`, "charset=utf-8", "algorithm=md5-sess"} {
		if !strings.Contains(string(data), part) {
			t.Errorf("CORE-5.1.2-5 the challenge %s has no %s", data, part)
		}
	}
	response, err := c.Next(data)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(response), `digest-uri="jabber/capulet.com"`) {
		t.Error("CORE-5.1.2-6", string(response))
	}
	return base64.StdEncoding.EncodeToString(response)
}

// wrap breaks base64 into lines as the draft shows it.
func wrap(text string) string {
	var b strings.Builder
	for len(text) > 58 {
		b.WriteString("\n    " + text[:58])
		text = text[58:]
	}
	return b.String() + "\n    " + text + "\n"
}

func TestReq_CORE_5_1_2_Server(t *testing.T) {
	const query = "<iq type='set' id='a1'><query xmlns='jabber:iq:auth'><username>rob</username><resource>x</resource></query></iq>"
	// What the other end of the house does after SASL: resource authorisation.
	authorise := Feature{Name: bindName, Needs: Authenticated, Serve: func(_ context.Context, c *Conn, in Incoming) (Outcome, error) {
		return Outcome{State: Ready}, c.Answer(in, func(*stanza.Stanza) (any, error) { return nil, nil })
	}}
	authorise.Requests = append(authorise.Requests, in(query).Payload().Name())
	for _, tt := range []struct {
		name, header, answer string
		attribute            string
		next, more           string // what the client sends after success, and the server after that
	}{
		{"CORE-5.1.1-2 CORE-5.1.1-4 no version", oldHello, oldAnswer + oldOffer, "mechanism", query, "<iq type='result' id='a1'/>"},
		{"CORE-5.1.2-1 version", mixedHello, mixed + "<stream:features>" + oldOffer + newOffer + "</stream:features>", "mechanism", query, "<iq type='result' id='a1'/>"},
		{"CORE-5.1.2-4 name", oldHello, oldAnswer + oldOffer, "name", query, "<iq type='result' id='a1'/>"},
		{"CORE-5.1.2-9 new header", oldHello, oldAnswer + oldOffer, "mechanism", " \n " + oldHello + query, oldAnswer + "<iq type='result' id='a1'/>"},
		{"CORE-4.2-2 comments before and in a new header's place", oldHello, oldAnswer + oldOffer, "mechanism", " <!-- x --> <?x?>\n<?xml-x?>" + oldHello + "<!-- x -->" + query, oldAnswer + "<iq type='result' id='a1'/>"},
		{"CORE-4.2-2 comments and no new header", oldHello, oldAnswer + oldOffer, "mechanism", "<?x?><!----><!-- <stream:stream> -->" + query, "<iq type='result' id='a1'/>"},
		{"CORE-5.1.2-9 new header without declaration", oldHello, oldAnswer + oldOffer, "mechanism", strings.TrimPrefix(oldHello, decl) + query, oldAnswer + "<iq type='result' id='a1'/>"},
		{"CORE-5.1.2-9 new header, version", mixedHello, mixed + "<stream:features>" + oldOffer + newOffer + "</stream:features>", "mechanism",
			mixedHello + query, mixed + "<stream:features></stream:features><iq type='result' id='a1'/>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, n := accept(t, Config{}, append(digestServer().Features(), authorise))
				p.send(tt.header)
				p.expect(tt.answer)
				p.send("<sasl:auth " + tt.attribute + "='DIGEST-MD5'/>")
				response := digestClient(t, p.wait("</sasl:challenge>"))
				p.send("<sasl:response>" + wrap(response) + "</sasl:response>")
				rspauth := p.wait("</sasl:challenge>") // CORE-5.1.2-7
				if data, _ := base64.StdEncoding.DecodeString(rspauth[len("<sasl:challenge>") : len(rspauth)-len("</sasl:challenge>")]); !strings.HasPrefix(string(data), "rspauth=") {
					t.Error(rspauth)
				}
				p.send("<sasl:response/>")
				p.expect("<sasl:success/>")
				for _, c := range []byte(tt.next) {
					p.send(string(c))
				}
				p.expect(tt.more)
				c := n.must(t)
				if c.State() != Secure|Authenticated|Ready {
					t.Errorf("state %b", c.State())
				}
				go finish(c)
				p.send(end)
				p.expect(end)
				p.rest()
			})
		})
	}
	for _, tt := range []struct{ name, in, want string }{
		{"CORE-5.1.1-9 wrong password", "<sasl:response>" + base64.StdEncoding.EncodeToString([]byte(`username="rob"`)) + "</sasl:response>", "<sasl:failure/>"},
		{"CORE-5.1.1-8 abort", "<sasl:abort/>", "<sasl:failure/>"},
		{"CORE-5.1.1-11 garbage", "<sasl:response>?</sasl:response>", "<sasl:failure/>"},
		{"both dialects", "<response xmlns='" + NSSASL + "'/>",
			"<stream:error>{urn:ietf:params:xml:ns:xmpp-sasl}response is not expected here<unsupported-stanza-type xmlns='" + NSErrors + "'/></stream:error>" + end},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, n := accept(t, Config{}, digestServer().Features())
			p.send(oldHello)
			p.expect(oldAnswer + oldOffer)
			p.send("<sasl:auth mechanism='DIGEST-MD5'/>")
			p.wait("</sasl:challenge>")
			p.send(tt.in)
			p.expect(tt.want)
			p.close()
			n.wait()
		})
	}
}

// in parses a stanza.
func in(text string) *stanza.Stanza {
	st, err := stanza.Parse(strings.Replace(text, " ", " xmlns='jabber:client' ", 1))
	if err != nil {
		panic(err)
	}
	return st
}

func TestIsHeader(t *testing.T) {
	for _, tt := range []struct {
		in      string
		yes, ok bool
	}{
		{"<", false, false}, {"<?x", false, false}, {"<?xml", false, false}, {"<?xml ", true, true}, {"<?xm ", false, true},
		{"<stream:strea", false, false}, {"<stream:stream", false, false}, {"<stream:stream ", true, true}, {"<stream>", true, true},
		{"<x:stream\n", true, true}, {"<streams ", false, true}, {"<iq ", false, true}, {"</stream:stream>", false, true},
		{"/", false, true}, {" ", false, true}, {"x", false, true}, {"<" + strings.Repeat("x", 64), false, true},
	} {
		if yes, ok := isHeader([]byte(tt.in)); yes != tt.yes || ok != tt.ok {
			t.Errorf("%q: %v %v", tt.in, yes, ok)
		}
	}
}

// TestModernAfterMixed: a client that declares the old namespace but then
// speaks as today is answered so (CORE-5.1.2-1).
func TestModernAfterMixed(t *testing.T) {
	p, n := accept(t, Config{}, serverFeatures(t, Secure))
	p.send(mixedHello)
	p.wait("</stream:features>")
	p.send(authPlain + mixedHello)
	p.expect(success + mixed + featuresBind)
	p.close()
	n.wait()
}

// rspauth is what a server proves to rob with (RFC 2831, section 2.1.3).
func rspauth(response string) string {
	value := func(name string) string {
		_, rest, _ := strings.Cut(response, name+`="`)
		v, _, _ := strings.Cut(rest, `"`)
		return v
	}
	sum := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	ha1 := sasl.DigestHA1("rob", "cataclysm.cx", "secret")
	nonce, cnonce := value("nonce"), value("cnonce")
	return "rspauth=" + sum(sum(string(ha1[:])+":"+nonce+":"+cnonce)+":"+nonce+":00000001:"+cnonce+":auth:"+sum(":"+value("digest-uri")))
}

func TestReq_CORE_5_1_2_Client(t *testing.T) {
	const challenge = `realm="cataclysm.cx",nonce="OA6MG9tEQGm2hh",qop="auth",charset=utf-8,algorithm=md5-sess`
	oldServer := decl + "<stream:stream" + streamDecl + saslDecl + " id='12345678'>"
	mixedServer := decl + "<stream:stream" + streamDecl + saslDecl + " id='12345678' version='1.0'>"
	mechanisms := "<mechanisms xmlns='" + NSOldSASL + "'><mechanism>DIGEST-MD5</mechanism><mechanism>PLAIN</mechanism></mechanisms>"
	tls := "<starttls xmlns='http://www.ietf.org/rfc/rfc2246.txt'/>"
	for _, tt := range []struct {
		name, hello, answer string
		version             Version
		reply               string // to the response
		err                 error
	}{
		{"CORE-5.1.2-2 features", mixedHello, mixedServer + "<sasl:features>" + mechanisms + tls + "</sasl:features>", V1, "rspauth", nil},
		{"CORE-5.1.1-4 bare mechanisms", oldHello, oldServer + mechanisms, Version{}, "rspauth", nil},
		{"CORE-4.2-2 comments of a server without version", oldHello, oldServer + "<!-- x --><?x y?>" + strings.Replace(mechanisms, "DIGEST", "DIG<!-- x -->EST", 1), Version{}, "rspauth", nil},
		{"CORE-5.1.1-4 features of today", mixedHello, mixedServer + "<stream:features>" + mechanisms + "</stream:features>", V1, "rspauth", nil},
		{"CORE-5.1.1-9 failure", oldHello, oldServer + mechanisms, Version{}, "<sasl:failure/>", sasl.NotAuthorized},
		{"CORE-5.1.2-7 wrong rspauth", oldHello, oldServer + mechanisms, Version{}, "<sasl:challenge>" + base64.StdEncoding.EncodeToString([]byte("rspauth=00000000000000000000000000000000")) + "</sasl:challenge>", sasl.ErrServerNotVerified},
		{"success without rspauth", oldHello, oldServer + mechanisms, Version{}, "<sasl:success/>", sasl.ErrServerNotVerified},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				features := SASL(func() sasl.ClientConfig {
					return sasl.ClientConfig{Username: "rob", Password: "secret", Realm: func(offered []string) (string, error) { return offered[0], nil }}
				}, Secure)
				// Resource authorisation as it was then.
				features = append(features, Feature{Name: bindName, Implied: true, Needs: Authenticated,
					Negotiate: func(_ context.Context, c *Conn, _ stanza.Element) (Outcome, error) {
						_, err := c.request([]byte("<iq type='set' id='a1'><query xmlns='jabber:iq:auth'/></iq>"), "a1")
						return Outcome{State: Ready}, err
					}})
				p, n := initiate(t, Config{}, Header{To: capulet, Version: tt.version, OldSASL: true}, features)
				p.expect(tt.hello)
				p.send(tt.answer)
				p.expect("<sasl:auth mechanism='DIGEST-MD5'/>")
				p.send("<sasl:challenge>" + wrap(base64.StdEncoding.EncodeToString([]byte(challenge))) + "</sasl:challenge>")
				response := p.wait("</sasl:response>")
				response = response[len("<sasl:response>") : len(response)-len("</sasl:response>")]
				data, err := base64.StdEncoding.DecodeString(response)
				if err != nil || !strings.Contains(string(data), `digest-uri="jabber/capulet.com"`) {
					t.Errorf("CORE-5.1.2-6 %s %v", data, err)
				}
				reply := tt.reply
				if reply == "rspauth" {
					proof := rspauth(string(data))
					reply = "<sasl:challenge>" + base64.StdEncoding.EncodeToString([]byte(proof)) + "</sasl:challenge>"
				}
				p.send(reply)
				switch {
				case tt.err == nil:
					p.expect("<sasl:response/>")
					p.send("<sasl:success/>")
				case strings.Contains(reply, "challenge"):
					p.expect("<sasl:abort/>" + end)
					p.close()
				default:
					p.expect(end)
					p.close()
				}
				if tt.err == nil {
					// CORE-5.1.2-9: no new header.
					p.expect("<iq type='set' id='a1'><query xmlns='jabber:iq:auth'/></iq>")
					p.send("<iq type='result' id='a1'/>")
					c := n.must(t)
					c.Close()
				}
				p.close()
				if _, err = n.wait(); !errors.Is(err, tt.err) {
					t.Error(err)
				}
			})
		})
	}
}
