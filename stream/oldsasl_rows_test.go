package stream

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// TestReq_CORE_5_1_1_1: the namespace of the old SASL is spoken with who has declared
// it on the stream, in the form in which it was spoken to; with nobody else.
func TestReq_CORE_5_1_1_1(t *testing.T) {
	if NSOldSASL != "http://www.iana.org/assignments/sasl-mechanisms" {
		t.Error(NSOldSASL)
	}
	for _, tt := range []struct{ name, hello, want, auth, answer string }{
		{"CORE-5.1.1-1 declared", oldHello, oldAnswer + oldOffer, "<sasl:auth mechanism='DIGEST-MD5'/>", "<sasl:challenge>"},
		{"CORE-5.1.1-1 declared, and version 1.0", mixedHello, mixed + "<stream:features>" + oldOffer + newOffer + "</stream:features>",
			"<auth xmlns='" + NSSASL + "' mechanism='DIGEST-MD5'/>", "<challenge xmlns='" + NSSASL + "'>"},
		{"CORE-5.1.1-1 not declared", hello, answer + "<stream:features>" + newOffer + "</stream:features>",
			"<sasl:auth xmlns:sasl='" + NSOldSASL + "' mechanism='DIGEST-MD5'/>", "<stream:error><unsupported-stanza-type "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, n := accept(t, Config{}, digestServer().Features())
			p.send(tt.hello)
			p.expect(tt.want)
			p.send(tt.auth)
			if got := p.wait(">"); !strings.HasPrefix(got, tt.answer) && !strings.HasPrefix(got+p.wait(">"), tt.answer) {
				t.Errorf("answered %s, want %s", got, tt.answer)
			}
			p.close()
			n.wait()
		})
	}
}

// TestReq_CORE_5_1_1_6: challenges come with data or without, and each is answered.
func TestReq_CORE_5_1_1_6(t *testing.T) {
	secret := base64.StdEncoding.EncodeToString([]byte("\x00rob\x00secret"))
	creds := sasl.Credentials{Verify: func(_ context.Context, user, password string) error {
		if user != "rob" || password != "secret" {
			return sasl.NotAuthorized
		}
		return nil
	}}
	for _, tt := range []struct{ name, hello, begin, auth, challenge, response, success string }{
		{"CORE-5.1.1-6 no data", oldHello, oldAnswer + strings.Replace(oldOffer, "DIGEST-MD5", "PLAIN", 1), "<sasl:auth mechanism='PLAIN'/>",
			"<sasl:challenge/>", "<sasl:response>" + secret + "</sasl:response>", "<sasl:success/>"},
		{"CORE-5.1.1-6 no data, as today", hello, answer + "<stream:features>" + strings.Replace(newOffer, "DIGEST-MD5", "PLAIN", 1) + "</stream:features>",
			"<auth xmlns='" + NSSASL + "' mechanism='PLAIN'/>", "<challenge xmlns='" + NSSASL + "'/>",
			"<response xmlns='" + NSSASL + "'>" + secret + "</response>", "<success xmlns='" + NSSASL + "'/>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := SASLServer{Config: sasl.ServerConfig{Host: "capulet.com", Credentials: creds}}
			p, n := accept(t, Config{}, s.Features())
			p.send(tt.hello)
			p.expect(tt.begin)
			p.send(tt.auth)
			p.expect(tt.challenge)
			p.send(tt.response)
			p.expect(tt.success)
			p.close()
			n.wait()
		})
	}
	t.Run("CORE-5.1.1-6 data, twice", func(t *testing.T) {
		p, n := accept(t, Config{}, digestServer().Features())
		p.send(oldHello)
		p.expect(oldAnswer + oldOffer)
		p.send("<sasl:auth mechanism='DIGEST-MD5'/>")
		for _, next := range []func(string) string{
			func(challenge string) string {
				return "<sasl:response>" + digestClient(t, challenge) + "</sasl:response>"
			},
			func(string) string { return "<sasl:response/>" },
		} {
			p.send(next(p.wait("</sasl:challenge>")))
		}
		p.expect("<sasl:success/>")
		p.close()
		n.wait()
	})
}

// TestAdmit: the reply goes out before what is sent by whom it lets in, and what is no
// request cannot be answered.
func TestAdmit(t *testing.T) {
	enter := func(payload any) Feature {
		return Feature{Name: bindName, Requests: []xml.Name{{Space: "urn:x", Local: "enter"}}, Serve: func(_ context.Context, c *Conn, in Incoming) (Outcome, error) {
			return c.Admit(in, Authenticated, payload, func() {
				st, _ := stanza.New(stanza.Header{Kind: stanza.KindMessage, ID: "welcome"})
				c.TrySend(st)
			})
		}}
	}
	const iq = "<iq type='set' id='1' to='capulet.com'><enter xmlns='urn:x'/></iq>"
	for _, tt := range []struct {
		name, in, want string
		payload        any
	}{
		{"no payload", iq, "<iq type='result' id='1' from='capulet.com'/><message id='welcome'/>", nil},
		{"a payload", iq, "<iq type='result' id='1' from='capulet.com'><in xmlns='urn:x'/></iq><message id='welcome'/>", stanza.Raw("<in xmlns='urn:x'/>")},
		{"no request", "<iq type='result' id='1'><enter xmlns='urn:x'/></iq>", streamError("not-authorized", "iq before the stream is ready"), nil},
		{"no stanza", "<enter xmlns='urn:x'/>", streamError("unsupported-stanza-type", "{urn:x}enter is not expected here"), nil},
		{"what cannot be written", iq, streamError("internal-server-error", ""), stanza.Raw("<in")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, n := accept(t, Config{}, []Feature{enter(tt.payload)})
			p.send(hello)
			p.expect(answer + "<stream:features></stream:features>")
			p.send(tt.in)
			p.expect(tt.want)
			if strings.Contains(tt.want, "welcome") {
				c := n.must(t)
				if c.State()&(Authenticated|Ready) != Authenticated|Ready {
					t.Errorf("state %b", c.State())
				}
				c.Close()
			}
			p.close()
			n.wait()
		})
	}
}
