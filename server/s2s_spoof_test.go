package server_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// until issues a certificate for a domain that ends (or ended) after d.
func (a *authority) until(t testing.TB, domain string, d time.Duration) tls.Certificate {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: domain}, DNSNames: []string{domain},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(d),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw, a.cert.Raw}, PrivateKey: key, Leaf: leaf}
}

// badCertificates are such as do not show that somebody speaks for there.
func badCertificates(s *scene) map[string]tls.Certificate {
	t := s.t
	self, err := server.SelfSigned(there)
	if err != nil {
		t.Fatal(err)
	}
	appended := s.ca.issue(t, mallory)
	appended.Certificate = append(appended.Certificate, s.ca.issue(t, there).Certificate[0])
	return map[string]tls.Certificate{
		"for another domain":                        s.ca.issue(t, mallory),
		"for a subdomain":                           s.ca.issue(t, "x."+there),
		"for the subdomains":                        s.ca.issue(t, "*."+there),
		"for a domain that ends alike":              s.ca.issue(t, "x"+there),
		"expired":                                   s.ca.until(t, there, -time.Hour),
		"self-signed":                               self,
		"of an unknown authority":                   newAuthority(t).issue(t, there),
		"with the right one appended for the chain": appended,
	}
}

// Somebody calls, says that he is there, and has a certificate that does not show it.
func TestSpoofedCertificate(t *testing.T) {
	for name := range certificateNames(t) {
		play(t, "CORE-5-1 without dialback: "+name, func(t *testing.T, s *scene) {
			romeo := s.romeo()
			for _, say := range []string{
				"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>",
				"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>Y2FwdWxldC5leGFtcGxl</auth>",
				"<db:result xmlns:db='jabber:server:dialback' from='capulet.example' " +
					"to='montague.example'>k</db:result>",
				"<enable xmlns='urn:xmpp:sm:3'/>",
				message("juliet@"+there, "romeo@"+here, "m"),
			} {
				f, _ := s.secured(there, here, client(badCertificates(s)[name]), bidi, limits)
				f.send(say)
				f.hearsEnd("{any}</stream:stream>")
			}
			romeo.hearsNothing()
			s.isNotCalled()
		})
		play(t, "CORE-5-1 with dialback: "+name, func(t *testing.T, s *scene) {
			romeo := s.romeo()
			f, id := s.secured(there, here, client(badCertificates(s)[name]), byKey, limits)
			f.send(result(there, here, "k3y"))
			a := s.isCalled(here, there)
			a.upgrade(badCertificates(s)[name], byKey)
			a.answer("y", byKey)
			a.hears(verify(here, id, there, "k3y"))
			a.send(verifyIs(there, id, here, "invalid"))
			f.hearsEnd(resultIs(here, there, "invalid") + "</stream:stream>")
			romeo.hearsNothing()
		}, withDialback, oneWay)
		// The other way: ours calls, and is shown that.
		play(t, "CORE-5-1 without dialback, who is called: "+name, func(t *testing.T, s *scene) {
			romeo := s.romeo()
			f := s.called(romeo)
			f.answer("x", "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
			f.answerTLS(host(badCertificates(s)[name])) // it fails; what is told then is what counts
			f.hearsEnd("")
			romeo.isTold(stanza.RemoteServerTimeout, "m1")
			s.isNotCalled()
		})
		play(t, "CORE-5-1 with dialback, who is called: "+name, func(t *testing.T, s *scene) {
			romeo := s.romeo()
			f := s.called(romeo)
			f.upgrade(badCertificates(s)[name])
			f.answer("y", byKey)
			f.hears(result(here, there, "{key}"))
			f.send(resultIs(there, here, "valid"))
			f.hears(relayed("romeo@"+here, "juliet@"+there, "m1"))
			// What it has shown does not let it in.
			f.send(message("juliet@"+there, "romeo@"+here, "m2"))
			f.hearsEnd(fails(stream.UnsupportedStanzaType))
			romeo.hearsNothing()
		}, withDialback, oneWay)
	}
	play(t, "CORE-5-1 the certificate of somebody else, without its key", func(t *testing.T, s *scene) {
		f, _ := s.open(startTLS, limits)
		stolen := s.ca.issue(t, there)
		stolen.PrivateKey = s.ca.issue(t, mallory).PrivateKey
		f.startTLS(client(stolen)) // with TLS 1.3 the client does not learn it here
		f.send(hello(there, here))
		f.hearsEnd("")
	})
	play(t, "CORE-5-1 EXTERNAL without certificate", func(t *testing.T, s *scene) {
		f, _ := s.secured(there, here, client(), bidi, limits)
		f.sendf(authSelf, "=")
		f.hearsEnd("{any}</stream:stream>")
	})
	play(t, "CORE-5-1 EXTERNAL without certificate, dialback is there", func(t *testing.T, s *scene) {
		f, _ := s.secured(there, here, client(), bidi, byKey, limits)
		f.sendf(authSelf, "=")
		got, _ := f.take()
		if _, ok := match("{any}"+success+"{any}", got); ok {
			t.Errorf("heard %q", got)
		}
	}, withDialback)
	play(t, "CORE-5-1 EXTERNAL without TLS", func(t *testing.T, s *scene) {
		f, _ := s.open(bidi, byKey, limits)
		f.sendf(authSelf, "=")
		got, _ := f.take()
		if _, ok := match("{any}"+success+"{any}", got); ok {
			t.Errorf("heard %q", got)
		}
	}, plaintext)
	play(t, "CORE-5-1 a certificate is for the names in it only", func(t *testing.T, s *scene) {
		romeo, f := s.romeo(), s.certified(there, here)
		f.send(message("eve@"+mallory, "romeo@"+here, "m"))
		f.hearsEnd(fails(stream.InvalidFrom))
		romeo.hearsNothing()
	})
}

// certificateNames returns the names of badCertificates.
func certificateNames(t *testing.T) (names map[string]tls.Certificate) {
	onStage(t, func(t *testing.T, s *scene) { names = badCertificates(s) })
	return names
}

// Packets that nobody has asked for are dropped, wherever they come (XEP-0220, section
// 3.1).
func TestUnsolicited(t *testing.T) {
	valid := func(id string) []string {
		return []string{
			verifyIs(there, id, here, "valid"),
			resultIs(there, here, "valid"),
			"<db:result from='capulet.example' id='" + id + "' to='montague.example' type='valid'/>",
			"<db:result id='" + id + "' type='valid'/>",
			"<db:result type='valid'/>",
			resultIs(here, there, "valid"),
			verifyIs(here, id, there, "valid"),
			verifyIs(mallory, id, here, "valid"),
			resultIs(mallory, here, "valid"),
		}
	}
	// spoofs tries to send stanzas of there, and to get those for it.
	spoofs := func(s *scene, f *far, romeo *account) {
		s.t.Helper()
		f.hears("")
		f.send(message("juliet@"+there, "romeo@"+here, "spoof"))
		romeo.hearsNothing()
		f.hearsEnd("{any}</stream:stream>")
	}
	for name, way := range map[string]func(*server.Config){"one way": bare, "both ways": plaintext} {
		feat := []string{byKey, limits}
		ask := ""
		if name == "both ways" {
			feat, ask = []string{bidi, byKey, limits}, "<bidi xmlns='urn:xmpp:bidi'/>"
		}
		for i := range valid("") {
			play(t, "CORE-5.2.1-9 CORE-5.2.1-11 "+name+", on an accepted stream: "+valid("id")[i], func(t *testing.T, s *scene) {
				romeo, f := s.romeo(), s.connect()
				id := f.open(there, here, feat...)
				f.send(ask + valid(id)[i])
				spoofs(s, f, romeo)
				s.isNotCalled()
			}, way)
			play(t, "CORE-5.2.1-9 CORE-5.2.1-11 "+name+", while the key is verified elsewhere: "+valid("id")[i],
				func(t *testing.T, s *scene) {
					romeo, f := s.romeo(), s.connect()
					id := f.open(there, here, feat...)
					f.send(ask + result(there, here, "k3y"))
					s.isCalled(here, there)
					f.send(valid(id)[i])
					spoofs(s, f, romeo)
				}, way)
			play(t, "CORE-5.2.1-9 CORE-5.2.1-11 "+name+", on an opened stream of somebody else: "+valid("id")[i],
				func(t *testing.T, s *scene) {
					romeo := s.romeo()
					// Mallory has got us to call her, and says on that stream that there is there.
					romeo.write("eve@"+mallory, "m1")
					m := s.isCalled(here, mallory)
					m.answer("x", feat[:len(feat)-1]...)
					m.hears("{any}" + result(here, mallory, "{key}"))
					f, id := s.open(feat...)
					f.send(ask + result(there, here, "k3y"))
					a := s.isCalled(here, there)
					// Two of them are what Mallory may say for herself.
					p := valid(id)[i]
					if p != resultIs(mallory, here, "valid") && p != "<db:result type='valid'/>" {
						m.send(p)
						m.hears("")
					}
					f.hears("")
					// Who is asked says no.
					a.answer("y", byKey)
					a.hears(verify(here, id, there, "k3y"))
					a.send(verifyIs(there, id, here, "invalid"))
					f.hearsEnd(resultIs(here, there, "invalid") + "</stream:stream>")
					romeo.hearsNothing()
				}, way)
		}
	}
	play(t, "CORE-5.2.1-9 the wrong one answers on the right stream", func(t *testing.T, s *scene) {
		f, id := s.open(byKey, limits)
		a := s.asked(f, id, there, here, "k3y")
		a.send(verifyIs(mallory, id, here, "valid") + verifyIs(there, id, hereChat, "valid") + verifyIs(there,
			id+"x", here, "valid") +
			resultIs(there, here, "valid"))
		f.hears("")
		a.hears("")
		a.send(verifyIs(there, id, here, "valid"))
		f.hears(resultIs(here, there, "valid"))
	}, bare)
	play(t, "CORE-5.2.1-9 R3920-8.3-4 the answer for another stream", func(t *testing.T, s *scene) {
		f, g := s.connect(), s.connect()
		id := f.open(there, here, byKey, limits)
		id2 := g.open(there, here, byKey, limits)
		a := s.asked(f, id, there, here, "k3y")
		g.send(result(there, here, "0ther"))
		a.hears(verify(here, id2, there, "0ther"))
		a.send(verifyIs(there, id2, here, "valid"))
		f.hears("")
		g.hears(resultIs(here, there, "valid"))
		a.send(verifyIs(there, id2, here, "valid")) // once more
		f.hears("")
		g.hears("")
		a.send(verifyIs(there, id, here, "invalid"))
		f.hearsEnd(resultIs(here, there, "invalid") + "</stream:stream>")
		g.hears("")
	}, bare)
	play(t, "CORE-5.2.1-10 a second answer to our key changes nothing", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := s.opened(romeo, byKey)
		f.send(resultIs(there, here, "invalid") + resultIs(there, hereChat, "valid") + resultIs(there, here,
			"valid"))
		f.hears("")
		romeo.write("juliet@"+there, "m2")
		f.hears(relayed("romeo@"+here, "juliet@"+there, "m2"))
	}, bare)
	play(t, "CORE-5.2.1-10 the answer of another stream", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := s.asking(romeo, byKey)
		f.send("<db:result from='capulet.example' id='z' to='montague.example' type='valid'/>")
		f.hears("")
	}, bare)
}

// Our server as the authoritative one.
func TestSpoofedKeys(t *testing.T) {
	key := func(receiving, originating, id string) string {
		return dialback.Key("d14lb4ck43v3r", receiving, originating, id)
	}
	tests := []struct{ name, packet, want string }{
		{"the right one", verify(there, "x", here, key(there, here, "x")), verifyIs(here, "x", there, "valid")},
		{"the id is another one", verify(there, "z", here, key(there, here, "x")), verifyIs(here, "z", there,
			"invalid")},
		{"the id in capitals", verify(there, "X", here, key(there, here, "x")), verifyIs(here, "X", there, "invalid")},
		{"the key in capitals", verify(there, "x", here, "ABCDEF"), verifyIs(here, "x", there, "invalid")},
		{"for another pair", verify(mallory, "x", here, key(there, here, "x")), verifyIs(here, "x", mallory,
			"invalid")},
		{"for the other domain here", verify(there, "x", hereChat, key(there, here, "x")), verifyIs(hereChat, "x",
			there, "invalid")},
		{"domains the other way round", verify(there, "x", here, key(here, there, "x")), verifyIs(here, "x", there,
			"invalid")},
		{"names that run into each other", verify(there, "x y", here, key(there, here+" x", "y")), verifyIs(here, "x y",
			there, "valid")},
		{"for a domain that is not here", verify(there, "x", "verona.example", key(there, "verona.example", "x")),
			"<db:verify from='verona.example' id='x' to='capulet.example' type='error'><error type='cancel'>" +
				"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{text}</error></db:verify>"},
		{"no id", "<db:verify from='capulet.example' to='montague.example'>k</db:verify>",
			"{any}"},
		{"no key", "<db:verify from='capulet.example' to='montague.example' id='x'/>",
			"<db:verify from='montague.example' id='x' to='capulet.example' type='error'><error type='modify'>" +
				"<bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{text}</error></db:verify>"},
	}
	for _, tt := range tests {
		play(t, "CORE-5.2-3 CORE-5.2-4 CORE-5.2.1-9 "+tt.name, func(t *testing.T, s *scene) {
			f, _ := s.open(byKey, limits)
			f.send(tt.packet)
			f.hears(tt.want)
			s.isNotCalled()
		}, bare)
	}
	play(t, "CORE-5.2.1-8 RFC 3920 8.3: for a domain that is not here, of who has no version",
		func(t *testing.T, s *scene) {
			f := s.connect()
			f.openOld()
			f.send(verify(there, "x", "verona.example", "k"))
			f.hearsEnd(oldFails("host-unknown", stream.HostUnknown))
		}, bare)
	play(t, "CORE-5.2.1-4 for a domain that is not here, of who has no version", func(t *testing.T, s *scene) {
		f := s.connect()
		f.openOld()
		f.send(result(there, "verona.example", "k"))
		f.hearsEnd(oldFails("host-unknown", stream.HostUnknown))
	}, bare)
	t.Run("CORE-5.2-1 CORE-5.2.1-4 a key for a pair that cannot be", func(t *testing.T) {
		for packet, want := range map[string]string{
			result(there, "verona.example", "k"): resultError("verona.example", there, "cancel",
				"item-not-found"),
			result(here, hereChat, "k"):                  resultError(hereChat, here, "modify", "not-acceptable"),
			result(hereChat, here, "k"):                  resultError(here, hereChat, "modify", "not-acceptable"),
			result(here, here, "k"):                      resultError(here, here, "modify", "not-acceptable"),
			result("juliet@"+there, here, "k"):           "{any}jid-malformed{any}",
			result(there, "romeo@"+here, "k"):            "{any}jid-malformed{any}",
			"<db:result from='" + there + "'/>":          resultError(here, there, "modify", "bad-request"),
			"<db:result type='x' from='" + there + "'/>": "{any}",
		} {
			onStage(t, func(t *testing.T, s *scene) {
				romeo, f := s.romeo(), s.connect()
				f.open(there, here, byKey, limits)
				f.send(packet)
				f.hears(want)
				s.isNotCalled()
				romeo.hearsNothing()
			}, bare)
		}
	})
	// An attacker has got a key: the one of a stream that the true server has opened to
	// him, or one that he has seen. It is for one stream and one pair, and of no use.
	play(t, "CORE-5.2-3 CORE-5.2.1-9 the key of another stream, by two servers of ours and somebody between them",
		func(t *testing.T, s *scene) {
			romeo := s.romeo()
			romeo.write("eve@"+mallory, "m1")
			m := s.isCalled(here, mallory)
			m.answer("eves", byKey)
			stolen := m.hearsOne(result(here, mallory, "{key}"))
			// The victim, which she calls in our name, asks us.
			v := s.connect()
			v.open(there, here, byKey, limits)
			v.send(verify(there, "victims", here, stolen))
			v.hears(verifyIs(here, "victims", there, "invalid"))
			v.send(verify(there, "eves", here, stolen))
			v.hears(verifyIs(here, "eves", there, "invalid"))
			v.send(verify(mallory, "victims", here, stolen))
			v.hears(verifyIs(here, "victims", mallory, "invalid"))
		}, bare)
}

// A stream is for what it is for, and nothing else.
func TestSpoofedStanzas(t *testing.T) {
	foreign := map[string]string{
		"CORE-5.2.1-12 of another domain":     message("eve@"+mallory, "romeo@"+here, "m"),
		"CORE-5.2.1-12 of our own":            message("juliet@"+here, "romeo@"+here, "m"),
		"CORE-5.2.1-12 of our second domain":  message("room@"+hereChat, "romeo@"+here, "m"),
		"CORE-5.2.1-12 for our second domain": message("juliet@"+there, "romeo@"+hereChat, "m"),
		"CORE-5.2.1-12 of a subdomain":        message("eve@x."+there, "romeo@"+here, "m"),
	}
	for name, st := range foreign {
		play(t, name+", accepted, both ways", func(t *testing.T, s *scene) {
			romeo, room, f := s.romeo(), s.network.account(s.srv, "romeo@"+hereChat), s.certified(there, here)
			f.send(st)
			f.hearsEnd(fails(stream.InvalidFrom))
			romeo.hearsNothing()
			room.hearsNothing()
		})
		play(t, name+", opened, both ways", func(t *testing.T, s *scene) {
			romeo, room := s.romeo(), s.network.account(s.srv, "romeo@"+hereChat)
			f := s.opened(romeo, bidi, byKey)
			f.send(st)
			f.hearsEnd(fails(stream.InvalidFrom))
			romeo.hearsNothing()
			room.hearsNothing()
		}, plaintext, withoutAcks)
		play(t, name+", opened, one way", func(t *testing.T, s *scene) {
			romeo, room := s.romeo(), s.network.account(s.srv, "romeo@"+hereChat)
			f := s.opened(romeo, byKey)
			f.send(st)
			f.hearsEnd(fails(stream.UnsupportedStanzaType))
			romeo.hearsNothing()
			room.hearsNothing()
		}, bare)
	}
	play(t, "CORE-5.2.1-11 opened, both ways, before the other side has let us in", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := s.asking(romeo, bidi, byKey)
		f.send(message("juliet@"+there, "romeo@"+here, "m2"))
		f.hearsEnd(fails(stream.NotAuthorized))
		s.isCalled(here, there) // it is tried once more
		romeo.hearsNothing()
	}, plaintext)
	play(t, "CORE-5.2.1-12 both ways: what is for another domain does not go there", func(t *testing.T, s *scene) {
		romeo, room := s.romeo(), s.network.account(s.srv, "room@"+hereChat)
		f := s.certified(there, here)
		f.send(enable)
		f.hears(enabled)
		romeo.write("juliet@"+there, "m1")
		f.hears(relayed("romeo@"+here, "juliet@"+there, "m1") + askAck)
		romeo.write("eve@"+mallory, "m2")
		s.isCalled(here, mallory)
		romeo.write("juliet@x."+there, "m3")
		s.isCalled(here, "x."+there)
		room.write("juliet@"+there, "m4")
		s.isCalled(hereChat, there)
		f.hears("")
	})
	play(t, "CORE-5.2.1-12 CORE-2.2-1 the domain of a service here", func(t *testing.T, s *scene) {
		const gateway = "irc.montague.example"
		s.network.account(s.srv, gateway)
		romeo, f := s.romeo(), s.connect()
		f.send(hello(gateway, here))
		f.hearsEnd("{any}<stream:stream {any}>" + fails(stream.InvalidFrom))
		f = s.connect()
		f.open(there, here, byKey, limits)
		f.send(result(gateway, here, "k"))
		f.hears(resultError(here, gateway, "modify", "not-acceptable"))
		f = s.connect()
		id := f.open(there, here, byKey, limits)
		s.letIn(f, id, there, here)
		f.send(message("eve@"+gateway, "romeo@"+here, "m"))
		f.hearsEnd(fails(stream.InvalidFrom))
		romeo.hearsNothing()
	}, bare)
	play(t, "CORE-2.2-1 CORE-5.2.1-13 to the domain of a service here", func(t *testing.T, s *scene) {
		const gateway = "irc.montague.example"
		irc, f := s.network.account(s.srv, gateway), s.connect()
		id := f.open(there, gateway, byKey, limits)
		s.letIn(f, id, there, gateway)
		f.send(message("juliet@"+there, "nick@"+gateway, "m1"))
		irc.hears("m1")
		f.send(message("juliet@"+there, gateway, "m2"))
		irc.hears("m2")
	}, bare)
	play(t, "CORE-6.2.2-4 nothing goes out with a from of elsewhere", func(t *testing.T, s *scene) {
		st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage, From: jid.MustParse("juliet@" + there),
			To: jid.MustParse("eve@" + mallory)})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.srv.Route(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		s.isNotCalled()
	}, bare)
}
