package server_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

// What the lists of features at the end of the RFCs ask of a server. Those that are a
// client's are shown in package client.

// scenario has a server with romeo on it, and makes clients.
type scenario struct {
	t     *testing.T
	s     *server.Server
	romeo *raw
}

// fresh is a connection on which nothing has been said.
func (s *scenario) fresh() *raw { return newRaw(s.t, s.s.Pipe()) }

// juliet is a client that has a session.
func (s *scenario) juliet() *raw { return login(s.t, s.s, "juliet", "r0m30", "balcony") }

// authenticated is juliet's client before it has a resource.
func (s *scenario) authenticated() *raw {
	r := s.fresh()
	r.open()
	r.send("%s", plain("juliet", "r0m30"))
	r.expect("<success")
	r.open()
	return r
}

// fails expects a stream error.
func (r *raw) fails(condition string) {
	r.t.Helper()
	r.expect("<stream:error><"+condition+" xmlns='urn:ietf:params:xml:ns:xmpp-streams'", "</stream:error></stream:stream>")
}

// feature is one of such a list.
type feature struct {
	name string
	show func(s *scenario)
}

func showFeatures(t *testing.T, id string, all []feature) {
	seen := make(map[string]bool)
	for _, f := range all {
		if seen[f.name] {
			t.Errorf("%s comes twice", f.name)
		}
		seen[f.name] = true
		t.Run(id+" "+f.name, func(t *testing.T) {
			s := newServer(t, nil)
			f.show(&scenario{t, s, login(t, s, "romeo", "jul13t", "orchard")})
		})
	}
}

const toRomeo = "to='romeo@localhost/orchard'"

// upgrade connects to a server that wants TLS, and negotiates it up to the second
// header.
func upgrade(t *testing.T, change func(*server.Config)) (r *raw, before string) {
	t.Helper()
	forServer, forClient := xmpptest.TLS(t, "localhost")
	s := newServer(t, func(c *server.Config) {
		c.TLS = forServer
		if change != nil {
			change(c)
		}
	})
	near, far := net.Pipe()
	go s.ServeConn(context.Background(), far)
	if _, err := near.Write([]byte(header)); err != nil {
		t.Fatal(err)
	}
	read := func(end string) (text string) {
		for b := make([]byte, 1); !strings.HasSuffix(text, end); text += string(b) {
			if _, err := near.Read(b); err != nil {
				t.Fatalf("after %q: %v", text, err)
			}
		}
		return text
	}
	before = read("</stream:features>")
	if _, err := near.Write([]byte("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")); err != nil {
		t.Fatal(err)
	}
	if got := read(">"); got != "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" {
		t.Fatalf("got %q", got)
	}
	config := forClient.Clone()
	config.ServerName = "localhost"
	return newRaw(t, tls.Client(near, config)), before
}

// TestReq_R6120_15_1 shows each feature of RFC 6120, section 15.
func TestReq_R6120_15_1(t *testing.T) {
	restricted := func(what, condition string) func(*scenario) {
		return func(s *scenario) {
			r := s.juliet()
			r.send("%s", what)
			r.fails(condition)
		}
	}
	refused := func(what, answer, condition string) func(*scenario) {
		return func(s *scenario) {
			r := s.juliet()
			r.send("%s", what)
			r.expect(answer, "<error ", "<"+condition+stanzaNS, "</error>")
		}
	}
	overTLS := func(s *scenario) {
		r, before := upgrade(s.t, nil)
		wantNone(s.t, before, "mechanism")
		r.open()
		r.send("%s", plain("juliet", "r0m30"))
		r.expect("<success")
	}
	passes := func(sent, arrives string) func(*scenario) {
		return func(s *scenario) {
			s.juliet().send("%s", sent)
			s.romeo.expect(arrives)
		}
	}
	showFeatures(t, "R6120-15-1", []feature{
		{"bind-gen", func(s *scenario) {
			r := s.authenticated()
			r.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
			got := r.expect("<jid>juliet@localhost/", "</jid>")
			if strings.Contains(got, "juliet@localhost/<") {
				s.t.Errorf("got %q", got)
			}
		}},
		{"bind-mtn", func(s *scenario) {
			r := s.authenticated()
			r.send("<message %s><body>too early</body></message>", toRomeo)
			r.fails("not-authorized")
			s.romeo.nothing()
		}},
		{"bind-restart", func(s *scenario) {
			r := s.authenticated()
			r.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq><message %s><body>at once</body></message>", toRomeo)
			s.romeo.expect("<body>at once</body>")
		}},
		{"bind-support", func(s *scenario) {
			r := s.fresh()
			r.login("juliet", "r0m30", "balcony")
		}},
		{"sasl-correlate", func(s *scenario) {
			// The stream is of whom SASL says, whatever its header had.
			r := s.fresh()
			r.send("%s", strings.Replace(header, " to=", " from='romeo@localhost' to=", 1))
			r.expect("</stream:features>")
			r.send("%s", plain("juliet", "r0m30"))
			r.expect("<success")
			r.open()
			r.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>x</resource></bind></iq>")
			r.expect("<jid>juliet@localhost/x</jid>")
		}},
		{"sasl-errors", func(s *scenario) {
			r := s.fresh()
			r.open()
			r.send("%s", plain("juliet", "wrong"))
			r.expect("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>")
		}},
		{"sasl-mtn", func(s *scenario) {
			r := s.fresh()
			r.open()
			r.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
			r.fails("not-authorized")
		}},
		{"sasl-restart", func(s *scenario) {
			r := s.fresh()
			r.open()
			r.send("%s", plain("juliet", "r0m30"))
			r.expect("<success")
			r.send("<presence/>") // in place of a new header
			r.expect("</stream:stream>")
		}},
		{"sasl-support", func(s *scenario) {
			r := s.fresh()
			r.send(header)
			r.expect("<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>", "</mechanisms>", "</stream:features>")
		}},
		// The cipher suite of the RFC is not: "MUST NOT negotiate cipher suites
		// that [...]" offer no forward secrecy is what BCP 195 says since.
		{"security-mti-both-plain", overTLS},
		{"security-mti-confidentiality", overTLS},
		{"stanza-attribute-from", passes("<message "+toRomeo+" from='juliet@localhost/balcony'><body>x</body></message>", "from='juliet@localhost/balcony'><body>x</body>")},
		{"stanza-attribute-from-stamp", passes("<message "+toRomeo+"><body>x</body></message>", "from='juliet@localhost/balcony'><body>x</body>")},
		{"stanza-attribute-from-validate", func(s *scenario) {
			onStage(s.t, func(t *testing.T, s *scene) {
				f, _ := s.authorized()
				f.send("<message from='juliet@" + mallory + "' to='romeo@" + here + "'><body>x</body></message>")
				f.hearsEnd(fails(stream.InvalidFrom))
			}, bare)
		}},
		{"stanza-attribute-id", passes("<message "+toRomeo+" id='&lt;1&apos;'/>", "id='&lt;1&apos;'")},
		{"stanza-attribute-to", passes("<message "+toRomeo+"/>", toRomeo)},
		{"stanza-attribute-to-validate", func(s *scenario) {
			onStage(s.t, func(t *testing.T, s *scene) {
				f, _ := s.authorized()
				f.send("<message from='juliet@" + there + "'><body>x</body></message>")
				f.hearsEnd(fails(stream.ImproperAddressing))
			}, bare)
		}},
		{"stanza-attribute-type", passes("<message "+toRomeo+" type='headline'/>", "<message type='headline'")},
		{"stanza-attribute-xmllang", passes("<message "+toRomeo+" xml:lang='it'/>", "xml:lang='it'")},
		{"stanza-error", refused("<message to='elsewhere.example' id='1'><body>x</body></message>", "<message type='error' id='1'", "remote-server-not-found")},
		{"stanza-error-child", refused("<presence to='@' id='1'/>", "<presence type='error' id='1'", "jid-malformed")},
		{"stanza-error-id", refused("<iq type='get' to='localhost' id='1&amp;2'><q xmlns='urn:q'/></iq>", "id='1&amp;2'", "service-unavailable")},
		{"stanza-error-reply", func(s *scenario) {
			r := s.juliet()
			r.send("<message type='error' to='nobody@localhost/x'><error type='cancel'/></message>")
			r.nothing()
		}},
		{"stanza-extension", func(s *scenario) {
			passes("<message "+toRomeo+"><x xmlns='urn:x'><y a='1'/></x></message>", "><x xmlns='urn:x'><y a='1'/></x></message>")(s)
			refused("<iq type='get' to='localhost' id='1'><x xmlns='urn:x'/></iq>", "<iq type='error' id='1'", "service-unavailable")(s)
		}},
		{"stanza-iq-child", refused("<iq type='get' id='1'><x xmlns='urn:x'/><y xmlns='urn:y'/></iq>", "<iq type='error' id='1'", "bad-request")},
		{"stanza-iq-id", refused("<iq type='get'><x xmlns='urn:x'/></iq>", "<iq type='error'", "bad-request")},
		{"stanza-iq-reply", func(s *scenario) {
			r := s.juliet()
			for i, payload := range []string{"<query xmlns='jabber:iq:roster'/>", "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>", "<x xmlns='urn:x'/>"} {
				typ := [...]string{"get", "set", "set"}[i]
				answer := [...]string{"result", "result", "error"}[i]
				r.send("<iq type='%s' id='%d'>%s</iq>", typ, i, payload)
				r.expect(fmt.Sprintf("<iq type='%s' id='%d'", answer, i))
			}
		}},
		{"stanza-iq-type", refused("<iq id='1'><x xmlns='urn:x'/></iq>", "<iq type='error' id='1'", "bad-request")},
		{"stanza-kind-iq", passes("<iq "+toRomeo+" type='result' id='1'/>", "<iq type='result' id='1' "+toRomeo)},
		{"stanza-kind-message", passes("<message "+toRomeo+"/>", "<message "+toRomeo)},
		{"stanza-kind-presence", passes("<presence "+toRomeo+"/>", "<presence "+toRomeo)},
		{"stream-attribute-response-from", func(s *scenario) {
			r := s.fresh()
			r.send(header)
			r.expect("<stream:stream ", " from='localhost'", ">")
		}},
		{"stream-attribute-response-id", func(s *scenario) {
			r := s.fresh()
			r.send(header)
			if got := r.expect("<stream:stream ", ">"); headerID.FindString(got) == "" {
				s.t.Errorf("got %q", got)
			}
		}},
		{"stream-attribute-response-id-unique", func(s *scenario) {
			seen := make(map[string]bool)
			for range 200 {
				r := s.fresh()
				r.send(header)
				id := headerID.FindString(r.expect("<stream:stream ", ">"))
				if seen[id] || len(id) < 20 {
					s.t.Fatalf("the id %q", id)
				}
				seen[id] = true
				r.nc.Close()
			}
		}},
		{"stream-attribute-response-to", func(s *scenario) {
			r := s.fresh()
			r.send("%s", strings.Replace(header, " to=", " from='juliet@localhost' to=", 1))
			r.expect("<stream:stream ", " to='juliet@localhost'", ">")
		}},
		{"stream-error-generate", func(s *scenario) {
			r := s.fresh()
			r.send("<?xml version='1.0'?><stream:stream to='elsewhere.example' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
			r.expect("<stream:stream ")
			r.fails("host-unknown")
			r.send("</stream:stream>")
			r.expectEnd()
		}},
		{"stream-negotiation-complete", func(s *scenario) {
			// What is mandatory is announced, and nothing else goes before it.
			r := s.fresh()
			r.open()
			r.send("<presence/>")
			r.fails("not-authorized")
		}},
		{"stream-negotiation-features", func(s *scenario) {
			r := s.fresh()
			r.send(header)
			got := r.expect("<stream:stream ", "<stream:features>", "</stream:features>")
			if at := strings.Index(got, "><stream:features>"); strings.Count(got[:at], "<") != 2 { // declaration and header
				s.t.Errorf("something between header and features: %q", got)
			}
		}},
		{"stream-negotiation-restart", func(s *scenario) {
			r := s.fresh()
			r.send(header)
			first := headerID.FindString(r.expect("</stream:features>"))
			r.send("%s", plain("juliet", "r0m30"))
			r.expect("<success")
			r.send(header)
			got := r.expect("<?xml version='1.0'?><stream:stream ", "</stream:features>")
			if id := headerID.FindString(got); id == first || id == "" {
				s.t.Errorf("the new stream is %q, the one before was %q", id, first)
			}
			wantNone(s.t, got, "<mechanism")
		}},
		{"stream-tcp-binding", func(s *scenario) {
			s.s = newServer(s.t, func(c *server.Config) { c.AllowPlaintext = true })
			r, _ := dialTCP(s.t, s.s)
			r.login("juliet", "r0m30", "tcp")
		}},
		{"tls-mtn", func(s *scenario) {
			_, before := upgrade(s.t, nil)
			if !strings.Contains(before, "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>") {
				s.t.Errorf("offered %q", before)
			}
			wantNone(s.t, before, "mechanism", "bind")
		}},
		{"tls-restart", func(s *scenario) {
			r, before := upgrade(s.t, nil)
			r.send(header)
			got := r.expect("<stream:stream ", "<mechanisms ", "</stream:features>")
			wantNone(s.t, got, "starttls")
			if headerID.FindString(got) == headerID.FindString(before) {
				s.t.Error("the stream has the id of the one before TLS")
			}
		}},
		{"tls-support", overTLS},
		{"tls-correlate", func(s *scenario) {
			// A certificate of one domain is not proof of another.
			onStage(s.t, func(t *testing.T, s *scene) {
				s.certified(there, here)
				s.secured(there, here, client(s.ca.issue(t, mallory)), bidi, limits) // nothing to authenticate by
			})
		}},
		{"xml-namespace-content-client", func(s *scenario) { s.juliet() }},
		{"xml-namespace-content-server", func(s *scenario) {
			onStage(s.t, func(t *testing.T, s *scene) {
				romeo := s.romeo()
				f, _ := s.authorized()
				f.send(message("juliet@"+there, "romeo@"+here, "1"))
				romeo.hears("1")
			}, bare)
		}},
		{"xml-namespace-streams-declaration", func(s *scenario) {
			r := s.fresh()
			r.send("%s", strings.Replace(header, "http://etherx.jabber.org/streams", "urn:streams", 1))
			r.fails("invalid-namespace")
		}},
		{"xml-namespace-streams-prefix", func(s *scenario) {
			r := s.fresh()
			r.send("%s", header+"<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
			got := r.expect("</stream:stream>")
			if strings.Contains(strings.ReplaceAll(got, "stream:stream", ""), "<features") || !strings.Contains(got, "<stream:features>") {
				s.t.Errorf("got %q", got)
			}
		}},
		{"xml-restriction-comment", restricted("<!-- c -->", "restricted-xml")},
		{"xml-restriction-dtd", func(s *scenario) {
			r := s.fresh()
			r.send("<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]>")
			r.fails("restricted-xml")
		}},
		{"xml-restriction-pi", restricted("<?p i?>", "restricted-xml")},
		{"xml-restriction-ref", restricted("<message><body>&b;</body></message>", "restricted-xml")},
		{"xml-wellformed-xml", restricted("<message></presence>", "not-well-formed")},
		{"xml-wellformed-ns", restricted("<message><p:x/></message>", "not-well-formed")},
	})
}

// dialTCP connects over TCP, and returns the client's address too.
func dialTCP(t *testing.T, s *server.Server) (*raw, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(context.Background(), l)
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return newRaw(t, nc), nc.LocalAddr().String()
}

// TestReq_R6121_12_1 shows each feature of RFC 6121, section 12.
func TestReq_R6121_12_1(t *testing.T) {
	passes := func(sent, arrives string) func(*scenario) {
		return func(s *scenario) {
			s.juliet().send("%s", sent)
			s.romeo.expect(arrives)
		}
	}
	interested := func(r *raw) *raw {
		r.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
		r.expect("<iq type='result' id='r'", "</iq>")
		return r
	}
	const ask, grant = "<presence to='romeo@localhost' type='subscribe'/>", "<presence to='juliet@localhost' type='subscribed'/>"
	// subscribed has juliet, who is subscribed to romeo.
	subscribed := func(s *scenario) *raw {
		r := interested(s.juliet())
		interested(s.romeo)
		r.send(ask)
		s.romeo.expect("type='subscribe'")
		s.romeo.send(grant)
		r.expect("subscription='to'")
		r.expect("<presence to='juliet@localhost", "from='romeo@localhost/orchard'")
		return r
	}
	showFeatures(t, "R6121-12-1", []feature{
		{"message-body", passes("<message "+toRomeo+"><body>It is the east</body></message>", "<body>It is the east</body>")},
		{"message-subject", passes("<message "+toRomeo+"><subject>the east</subject></message>", "<subject>the east</subject>")},
		{"message-thread", passes("<message "+toRomeo+"><thread parent='p'>t</thread></message>", "<thread parent='p'>t</thread>")},
		{"message-type-support", func(s *scenario) {
			r := s.juliet()
			for _, typ := range []string{"normal", "chat", "groupchat", "headline", "error", "other"} {
				r.send("<message %s type='%s'/>", toRomeo, typ)
				s.romeo.expect("<message type='" + typ + "'")
			}
		}},
		{"message-type-deliver", func(s *scenario) {
			r := s.juliet()
			for typ, arrives := range map[string]bool{"normal": true, "chat": true, "headline": true, "groupchat": false} {
				r.send("<message to='romeo@localhost' type='%s' id='m'><body>x</body></message>", typ)
				if arrives {
					s.romeo.expect("<message type='"+typ+"'", "<body>x</body></message>")
				} else {
					r.expect("<message type='error' id='m'", "<service-unavailable")
				}
			}
			s.romeo.nothing()
		}},
		{"presence-notype", func(s *scenario) { subscribed(s) }},
		{"presence-probe", func(s *scenario) {
			r := subscribed(s)
			r.send("<presence type='unavailable'/>")
			r.drain()
			r.send("<presence/>") // the server probes for her
			r.expect("from='romeo@localhost/orchard'")
			// A client's own is not one that romeo's client would hear.
			s.romeo.drain()
			r.send("<presence to='romeo@localhost' type='probe'/>")
			r.expect("from='romeo@localhost/orchard'")
			s.romeo.nothing()
		}},
		{"presence-sub-approval", func(s *scenario) {
			subscribed(s)
			s.romeo.expect("<item jid='juliet@localhost'", "subscription='from'")
		}},
		{"presence-sub-cancel", func(s *scenario) {
			r := subscribed(s)
			s.romeo.send("<presence to='juliet@localhost' type='unsubscribed'/>")
			r.expect("<item jid='romeo@localhost' subscription='none'/>")
			s.romeo.expect("<item jid='juliet@localhost' subscription='none'/>")
		}},
		{"presence-sub-preapproval", func(s *scenario) {
			interested(s.romeo)
			s.romeo.send(grant)
			s.romeo.expect("approved='true'")
			r := interested(s.juliet())
			r.send(ask)
			r.expect("subscription='to'")
		}},
		{"presence-sub-request", func(s *scenario) {
			r := interested(s.juliet())
			r.send(ask)
			r.expect("<item jid='romeo@localhost' subscription='none' ask='subscribe'/>")
			s.romeo.expect("<presence type='subscribe' ", "from='juliet@localhost'")
		}},
		{"presence-sub-unsubscribe", func(s *scenario) {
			r := subscribed(s)
			r.send("<presence to='romeo@localhost' type='unsubscribe'/>")
			r.expect("<item jid='romeo@localhost' subscription='none'/>")
			s.romeo.expect("<presence type='unsubscribe'", "from='juliet@localhost'")
		}},
		{"presence-unavailable", func(s *scenario) {
			r := subscribed(s)
			s.romeo.send("<presence type='unavailable'><status>gone</status></presence>")
			r.expect("<presence type='unavailable'", "<status>gone</status>")
		}},
		{"roster-get", func(s *scenario) { interested(s.juliet()) }},
		{"roster-set", func(s *scenario) {
			r := s.juliet()
			r.send("<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='nurse@localhost' name='N'><group>Staff</group></item></query></iq>")
			r.expect("<iq type='result' id='s'")
			r.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
			r.expect("<item jid='nurse@localhost' name='N' subscription='none'><group>Staff</group></item>")
			r.send("<iq type='set' id='d'><query xmlns='jabber:iq:roster'><item jid='nurse@localhost' subscription='remove'/></query></iq>")
			r.expect("<iq type='result' id='d'")
			wantNone(t, strings.Replace(r.drain(), "subscription='remove'", "", 1), "nurse@localhost' name")
		}},
		{"roster-push", func(s *scenario) {
			one, other := interested(s.juliet()), interested(login(s.t, s.s, "juliet", "r0m30", "chamber"))
			one.send("<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='nurse@localhost'/></query></iq>")
			for _, r := range []*raw{one, other} {
				r.expect("<iq type='set' ", "<item jid='nurse@localhost' subscription='none'/>")
			}
		}},
		{"roster-version", func(s *scenario) {
			r := s.juliet()
			r.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster' ver=''/></iq>")
			got := r.expect("<query xmlns='jabber:iq:roster' ver='", "'")
			ver := strings.TrimSuffix(got[strings.LastIndex(got, "ver='")+5:], "'")
			r.send("<iq type='get' id='again'><query xmlns='jabber:iq:roster' ver='%s'/></iq>", ver)
			r.expect("<iq type='result' id='again'", "/>")
		}},
	})
}

// TestReq_R3920_12_1_1: what RFC 3920, section 12.1, asks of a server.
func TestReq_R3920_12_1_1(t *testing.T) {
	t.Run("R3920-12.1-1 TLS, SASL, bind", func(t *testing.T) {
		r, _ := upgrade(t, nil)
		r.login("juliet", "r0m30", "x")
	})
	t.Run("R3920-12.1-1 user names and resources are prepared", func(t *testing.T) {
		// By PRECIS, which has replaced stringprep (RFC 7622): case, width, spaces.
		r := newRaw(t, newServer(t, nil).Pipe())
		r.open()
		r.send("%s", plain("\uff2aULIET", "r0m30")) // a fullwidth J
		r.expect("<success")
		r.open()
		r.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>the\u00a0balcony</resource></bind></iq>")
		r.expect("<jid>juliet@localhost/the balcony</jid>")
	})
	t.Run("R3920-12.1-1 dialback is optional", func(t *testing.T) {
		onStage(t, func(t *testing.T, s *scene) {
			s.secured(there, here, client(), bidi, limits)
		})
		onStage(t, func(t *testing.T, s *scene) {
			s.secured(there, here, client(), bidi, byKey, limits)
		}, withDialback)
	})
}
