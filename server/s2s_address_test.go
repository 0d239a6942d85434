package server_test

import (
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"
)

// What may come on a stream that is authorized from there to here, by dialback, one
// way.
func TestS2SAddressing(t *testing.T) {
	tests := []struct {
		name, stanza string
		want         stream.Condition
	}{
		{"CORE-5.2.1-13 no to", "<message from='juliet@capulet.example'/>", stream.ImproperAddressing},
		{"CORE-5.2.1-13 iq without to", "<iq from='juliet@capulet.example' type='get' id='1'><x xmlns='y'/></iq>",
			stream.ImproperAddressing},
		{"CORE-5.2.1-13 presence without to", "<presence from='juliet@capulet.example'/>", stream.ImproperAddressing},
		{"CORE-5.2.1-12 CORE-6.2.2-4 no from", "<message to='romeo@montague.example'/>", stream.ImproperAddressing},
		{"CORE-5.2.1-12 presence without from", "<presence to='romeo@montague.example'/>", stream.ImproperAddressing},
		{"CORE-5.2.1-12 iq without from", "<iq to='romeo@montague.example' type='get' id='1'><x xmlns='y'/></iq>",
			stream.ImproperAddressing},
		{"CORE-5.2.1-12 empty from", "<message from='' to='romeo@montague.example'/>", stream.ImproperAddressing},
		{"CORE-5.2.1-12 neither", "<message/>", stream.ImproperAddressing},
		{"CORE-5.2.1-12 from is no address", "<message from='@capulet.example' to='romeo@montague.example'/>",
			stream.ImproperAddressing},
		{"CORE-5.2.1-12 from and to are none", "<message from='@' to='@'/>", stream.ImproperAddressing},
		{"CORE-5.2.1-12 CORE-6.2.2-5 from another domain",
			"<message from='eve@mallory.example' to='romeo@montague.example'/>", stream.InvalidFrom},
		{"CORE-5.2.1-12 CORE-6.2.2-5 from a subdomain", "<message from='eve@x.capulet.example' " +
			"to='romeo@montague.example'/>", stream.InvalidFrom},
		{"CORE-5.2.1-12 CORE-6.2.2-5 from the domain above",
			"<message from='eve@example' to='romeo@montague.example'/>", stream.InvalidFrom},
		{"CORE-5.2.1-12 CORE-6.2.2-5 from a domain that ends alike",
			"<message from='eve@xcapulet.example' to='romeo@montague.example'/>",
			stream.InvalidFrom},
		{"CORE-5.2.1-12 the right domain in other places",
			"<message from='capulet.example@mallory.example/capulet.example' to='romeo@montague.example'/>",
			stream.InvalidFrom},
		{"CORE-5.2.1-12 from here", "<message from='juliet@montague.example' to='romeo@montague.example'/>",
			stream.InvalidFrom},
		{"CORE-5.2.1-12 from the other domain here", "<message from='room@chat.montague.example' " +
			"to='romeo@montague.example'/>", stream.InvalidFrom},
		{"CORE-5.2.1-12 iq from another domain", "<iq type='result' id='1' from='mallory.example' " +
			"to='romeo@montague.example'/>", stream.InvalidFrom},
		{"CORE-5.2.1-12 error from another domain", "<message type='error' from='mallory.example' " +
			"to='romeo@montague.example'/>", stream.InvalidFrom},
		{"CORE-5.2.1-12 presence from another domain", "<presence type='subscribed' from='eve@mallory.example' " +
			"to='romeo@montague.example'/>",
			stream.InvalidFrom},
		{"CORE-5.2.1-13 to a domain that is not here", "<message from='juliet@capulet.example' " +
			"to='eve@mallory.example'/>", stream.HostUnknown},
		{"CORE-5.2.1-13 to a subdomain that is not here",
			"<message from='juliet@capulet.example' to='eve@x.montague.example'/>", stream.HostUnknown},
		{"CORE-5.2.1-13 back to where it comes from", "<message from='juliet@capulet.example' " +
			"to='nurse@capulet.example'/>", stream.HostUnknown},
		{"CORE-5.2.1-13 CORE-6.2.2-5 to the other domain here, of which was not spoken",
			"<message from='juliet@capulet.example' to='romeo@chat.montague.example'/>", stream.InvalidFrom},
		{"CORE-5.2-1 clients' namespace", "<message xmlns='jabber:client' from='juliet@capulet.example' " +
			"to='romeo@montague.example'/>",
			stream.InvalidNamespace},
		{"CORE-5.2-1 an element that nobody knows", "<x xmlns='y'/>", stream.UnsupportedStanzaType},
		{"CORE-5.2-1 STARTTLS at the wrong time", "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
			stream.UnsupportedStanzaType},
		{"CORE-5.2-1 SASL at the wrong time", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' " +
			"mechanism='EXTERNAL'>=</auth>", stream.UnsupportedStanzaType},
		{"CORE-5.2-1 bidi at the wrong time", "<bidi xmlns='urn:xmpp:bidi'/>", stream.UnsupportedStanzaType},
		{"CORE-5.2-1 dialback of no kind", "<db:dial from='capulet.example' to='montague.example'/>",
			stream.UnsupportedStanzaType},
		{"CORE-5.2-1 text", "romeo", stream.BadFormat},
		{"CORE-5.2-1 not well-formed", "<message from='juliet@capulet.example' to='romeo@montague.example'></iq>",
			stream.NotWellFormed},
		{"CORE-5.2-1 a comment", "<!-- x -->", stream.RestrictedXML},
		{"CORE-5.2-1 a prefix that is not declared", "<x:y/>", stream.NotWellFormed},
		{"CORE-5.2-1 too deep", "<message from='juliet@capulet.example' to='romeo@montague.example'>" +
			strings.Repeat("<x>", 200), stream.PolicyViolation},
		{"CORE-5.2-1 too large", "<message from='juliet@capulet.example' to='romeo@montague.example'><body>" +
			strings.Repeat("x", stream.DefaultMaxStanza),
			stream.PolicyViolation},
	}
	for _, tt := range tests {
		play(t, tt.name, func(t *testing.T, s *scene) {
			romeo, room := s.romeo(), s.network.account(s.srv, "romeo@"+hereChat)
			f, _ := s.authorized()
			f.send(tt.stanza)
			f.hearsEnd(fails(tt.want))
			romeo.hearsNothing()
			room.hearsNothing()
			s.isNotCalled()
		}, bare)
	}
}

// What comes in order is delivered, whatever the addresses look like.
func TestS2SDelivered(t *testing.T) {
	for name, st := range map[string]string{
		"CORE-5.2.1-11 CORE-6.2.2-5 of an account": "<message id='m' from='juliet@capulet.example' " +
			"to='romeo@montague.example'/>",
		"CORE-5.2.1-11 of a resource": "<message id='m' " +
			"from='juliet@capulet.example/balcony' to='romeo@montague.example'/>",
		"CORE-5.2.1-11 of the server": "<message id='m' from='capulet.example' " +
			"to='romeo@montague.example'/>",
		"CORE-5.2.1-11 in capitals": "<message id='m' from='juliet@CAPULET.example' " +
			"to='romeo@Montague.EXAMPLE'/>",
		"CORE-5.2.1-11 with a prefix": "<s:message xmlns:s='jabber:server' id='m' " +
			"from='juliet@capulet.example' to='romeo@montague.example'/>",
		"CORE-5.2.1-11 an iq": "<iq id='m' type='get' from='juliet@capulet.example' " +
			"to='romeo@montague.example'><x xmlns='y'/></iq>",
		"CORE-5.2.1-11 white space around": "\n <message id='m' from='juliet@capulet.example' " +
			"to='romeo@montague.example'/>\n",
		"CORE-5.2.1-11 100 KiB as soon as it is authorized": "<message id='m' from='juliet@capulet.example' " +
			"to='romeo@montague.example'><body>" + strings.Repeat("x", 100<<10) + "</body></message>",
	} {
		play(t, name, func(t *testing.T, s *scene) {
			romeo := s.romeo()
			f, _ := s.authorized()
			f.send(st)
			romeo.hears("m")
			f.hears("")
		}, bare)
	}
	play(t, "CORE-5.2.1-11 100 KiB with EXTERNAL", func(t *testing.T, s *scene) {
		romeo, f := s.romeo(), s.certified(there, here)
		f.send("<message id='m' from='juliet@capulet.example' to='romeo@montague.example'><body>" +
			strings.Repeat("x", 100<<10) + "</body></message>")
		romeo.hears("m")
	})
}

// Before a stream is authorized little is taken.
func TestS2SUnauthorizedLimits(t *testing.T) {
	big := strings.Repeat("x", 20<<10)
	for name, xml := range map[string]string{
		"a key":    result(there, here, big),
		"a verify": verify(there, "x", here, big),
		"a stanza": "<message from='juliet@capulet.example' to='romeo@montague.example'><body>" + big +
			"</body></message>",
	} {
		play(t, "CORE-5.2.1-11 20 KiB of "+name, func(t *testing.T, s *scene) {
			f, _ := s.open(byKey, limits)
			f.send(xml)
			f.hearsEnd(fails(stream.PolicyViolation))
			s.isNotCalled()
		}, bare)
	}
	play(t, "CORE-5.2.1-11 20 KiB while the key is being verified", func(t *testing.T, s *scene) {
		f, _ := s.open(byKey, limits)
		f.send(result(there, here, "k3y"))
		s.isCalled(here, there)
		f.send(verify(there, "x", here, big))
		f.hearsEnd(fails(stream.PolicyViolation))
	}, bare)
	play(t, "CORE-5.2.1-11 a key of 2 KiB", func(t *testing.T, s *scene) {
		f, _ := s.open(byKey, limits)
		f.send(result(there, here, big[:2048]))
		f.hears(resultError(here, there, "modify", "bad-request"))
		s.isNotCalled()
	}, bare)
	play(t, "CORE-5.2.1-11 20 KiB on a stream that ours has opened to ask a key about", func(t *testing.T, s *scene) {
		f, _ := s.open(byKey, limits)
		f.send(result(there, here, "k3y"))
		a := s.isCalled(here, there)
		a.answer("x", byKey)
		a.hears(verify(here, "{id}", there, "k3y"))
		a.send(result(there, here, big))
		a.hearsEnd(fails(stream.PolicyViolation))
		f.hears(resultError(here, there, "wait", "remote-server-timeout"))
	}, bare)
}

// What is wrong with a stanza that may come is told to who has sent it, over there.
func TestS2SBadStanzas(t *testing.T) {
	tests := []struct{ name, stanza, want string }{
		{"iq of a type that there is not", "<iq id='1' type='put' from='juliet@capulet.example/x' " +
			"to='romeo@montague.example'><x xmlns='y'/></iq>",
			"<iq type='error' id='1' to='juliet@capulet.example/x' from='romeo@montague.example'><error " +
				"code='400' type='modify'><bad-request " +
				"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{text}</error></iq>"},
		{"iq without type", "<iq id='1' from='juliet@capulet.example/x' to='montague.example'><x xmlns='y'/></iq>",
			"<iq type='error' id='1' to='juliet@capulet.example/x' from='montague.example'><error code='400' " +
				"type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{text}</error></iq>"},
		{"iq without child", "<iq id='1' type='get' from='juliet@capulet.example/x' to='romeo@montague.example'/>",
			"<iq type='error' id='1' to='juliet@capulet.example/x' from='romeo@montague.example'><error " +
				"code='400' type='modify'><bad-request " +
				"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{text}</error></iq>"},
		{"presence of a type that there is not", "<presence id='1' type='here' from='juliet@capulet.example/x' " +
			"to='romeo@montague.example'/>",
			"<presence type='error' id='1' to='juliet@capulet.example/x' from='romeo@montague.example'><error " +
				"code='400' type='modify'><bad-request " +
				"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{text}</error></presence>"},
		{"to is no address", "<message id='1' from='juliet@capulet.example/x' to='@montague.example'/>",
			"<message type='error' id='1' to='juliet@capulet.example/x' from='montague.example'><error code='400' " +
				"type='modify'><jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{text}</error></message>"},
		{"to is empty", "<message id='1' from='juliet@capulet.example/x' to=''/>",
			"<message type='error' id='1' to='juliet@capulet.example/x' from='montague.example'><error code='400' " +
				"type='modify'><jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{text}</error></message>"},
		{"an account that there is not", "<message id='1' from='juliet@capulet.example/x' " +
			"to='tybalt@montague.example'><body>x</body></message>",
			"<message type='error' id='1' to='juliet@capulet.example/x' from='tybalt@montague.example'><error " +
				"code='503' type='cancel'><service-unavailable " +
				"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{text}</error></message>"},
	}
	for _, tt := range tests {
		play(t, "CORE-5.2.1-13 CORE-6.2.2-4 on the stream that goes both ways: "+tt.name, func(t *testing.T, s *scene) {
			romeo, f := s.romeo(), s.certified(there, here)
			f.send(tt.stanza)
			f.hears(tt.want)
			romeo.hearsNothing()
			f.send(message("juliet@"+there, "romeo@"+here, "m")) // the stream stays
			romeo.hears("m")
		})
		play(t, "CORE-5.2.1-13 CORE-6.2.2-4 R3920-8.1-1 on the stream that goes there: "+tt.name,
			func(t *testing.T, s *scene) {
				romeo, f := s.romeo(), s.connect()
				id := f.open(there, here, byKey, limits)
				a := s.letIn(f, id, there, here)
				f.send(tt.stanza)
				a.hears(result(here, there, "{key}"))
				a.send(resultIs(there, here, "valid"))
				a.hears(tt.want)
				f.hears("")
				romeo.hearsNothing()
			}, bare)
	}
	play(t, "CORE-5.2.1-13 what is an error is not answered", func(t *testing.T, s *scene) {
		f := s.certified(there, here)
		for _, st := range []string{
			"<message id='1' type='error' from='juliet@capulet.example' to='@montague.example'/>",
			"<iq id='1' type='error' from='juliet@capulet.example' to='@montague.example'/>",
			"<iq id='1' type='result' from='juliet@capulet.example' to='@montague.example'/>",
			"<iq id='1' type='result' from='juliet@capulet.example' to='romeo@montague.example'><x/><y/></iq>",
			"<message id='1' type='error' from='juliet@capulet.example' to='tybalt@montague.example'/>",
		} {
			f.send(st)
			f.hears("")
		}
	})
}

// A server of 2002 speaks for the domains below its own, if that is allowed.
func TestS2SSubdomains(t *testing.T) {
	subdomains := func(c *server.Config) { c.Federation.Subdomains = true }
	for name, from := range map[string]string{
		"CORE-6.2.2-5 below":     "eve@x.capulet.example",
		"CORE-6.2.2-5 far below": "eve@z.y.x.capulet.example/z",
	} {
		play(t, name, func(_ *testing.T, s *scene) {
			romeo := s.romeo()
			f, _ := s.authorized()
			f.send("<message id='m' from='" + from + "' to='romeo@montague.example'/>")
			romeo.hears("m")
		}, bare, subdomains)
	}
	for name, from := range map[string]string{
		"CORE-6.2.2-5 above":               "eve@example",
		"CORE-6.2.2-5 beside":              "eve@x.mallory.example",
		"CORE-6.2.2-5 that ends alike":     "eve@xcapulet.example",
		"CORE-6.2.2-5 that is served here": "eve@chat.capulet.example",
	} {
		play(t, name, func(_ *testing.T, s *scene) {
			romeo := s.romeo()
			s.network.account(s.srv, "chat.capulet.example")
			f, _ := s.authorized()
			f.send("<message id='m' from='" + from + "' to='romeo@montague.example'/>")
			f.hearsEnd(fails(stream.InvalidFrom))
			romeo.hearsNothing()
		}, bare, subdomains)
	}
}
