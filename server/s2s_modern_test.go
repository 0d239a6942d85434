package server_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// XEP-0220, its examples 5 and 6 by bytes, over TLS: the originating server is ours.
func TestDialbackOriginating(t *testing.T) {
	const id, key = "417GAF25", "225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d"
	// The other server's side until it has got the key, and asked whether it is right.
	begin := func(s *scene) *far {
		f := s.isCalled(here, there)
		f.answer("before-tls", "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>", byKey)
		state, err := f.answerTLS(host(s.ca.issue(s.t, there)))
		if err != nil {
			s.t.Fatal(err)
		}
		if state.ServerName != there || len(state.PeerCertificates) == 0 ||
			state.PeerCertificates[0].DNSNames[0] != here {
			s.t.Errorf("TLS for %s, certificates of the caller: %v", state.ServerName, state.PeerCertificates)
		}
		f.answer(id, byKey)
		f.hears(result(here, there, key))
		a, _ := s.secured(there, here, client(), byKey, limits)
		a.sendf("<db:verify from='capulet.example' id='417GAF25' to='montague.example'>%s</db:verify>", key)
		a.hears(verifyIs(here, id, there, "valid"))
		return f
	}
	play(t, "CORE-2.5-2 CORE-5.2-1 CORE-5.2-3 CORE-5.2.1-3 CORE-5.2.1-4 CORE-5.2.1-10 CORE-6.2.2-4 R3920-8.1-1 "+
		"XEP-0220 examples 5, 6, 13, 15", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		romeo.write("juliet@"+there, "m1")
		f := begin(s)
		f.send("<db:result from='capulet.example' to='montague.example' type='valid'/>")
		f.hears(relayed("romeo@"+here, "juliet@"+there, "m1"))
		// This was for one direction.
		f.send(message("juliet@"+there, "romeo@"+here, "m2"))
		romeo.hearsNothing()
		f.hearsEnd(fails(stream.UnsupportedStanzaType))
	}, overTLS, oneWay)
	for _, tt := range []struct {
		name, answer string
		told         stanza.Condition
		ends         bool
	}{
		{"XEP-0220 examples 7, 16: invalid", "<db:result from='capulet.example' to='montague.example' " +
			"type='invalid'/></stream:stream>",
			stanza.InternalServerError, true},
		{"XEP-0220 example 10: the target is not there", resultError(there, here, "cancel", "item-not-found"),
			stanza.RemoteServerTimeout, false},
		{"XEP-0220 example 14: the key could not be verified", resultError(there, here, "cancel",
			"remote-server-not-found"),
			stanza.RemoteServerTimeout, false},
	} {
		play(t, "CORE-5.2.1-10 "+tt.name, func(t *testing.T, s *scene) {
			romeo := s.romeo()
			romeo.write("juliet@"+there, "m1")
			f := begin(s)
			f.send(strings.Replace(tt.answer, "{text}", "", 1))
			romeo.isTold(tt.told, "m1")
			if tt.ends {
				f.hearsEnd("</stream:stream>")
				return
			}
			f.hears("")
		}, overTLS, oneWay)
	}
}

// XEP-0220 over TLS, the receiving server is ours.
func TestDialbackReceiving(t *testing.T) {
	const key = "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3"
	begin := func(s *scene) (f, a *far, id string) {
		f, id = s.secured(there, here, client(), byKey, limits)
		f.sendf("<db:result from='capulet.example' to='montague.example'>%s</db:result>", key)
		a = s.isCalled(here, there)
		a.upgrade(s.ca.issue(s.t, there), byKey)
		a.answer("y", byKey)
		a.hears(verify(here, id, there, key))
		return f, a, id
	}
	tests := []struct {
		name, answer, want string
		ends               bool
	}{
		{"CORE-5.2-1 CORE-5.2.1-3 CORE-5.2.1-8 CORE-5.2.1-9 CORE-5.2.1-10 XEP-0220 examples 1, 2, 9, 11: valid",
			"<db:verify from='capulet.example' id='%s' to='montague.example' type='valid'/>", resultIs(here, there,
				"valid"), false},
		{"CORE-5.2.1-10 XEP-0220 examples 3, 12: invalid",
			"<db:verify from='capulet.example' id='%s' to='montague.example' type='invalid'/>",
			resultIs(here, there, "invalid") + "</stream:stream>", true},
		{"CORE-5.2.1-10 R3920-8.3-2 XEP-0220 example 8: the authoritative server does not know the domain",
			"<db:verify from='capulet.example' id='%s' to='montague.example' type='error'>" +
				"<error type='cancel'><item-not-found " +
				"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>",
			resultError(here, there, "cancel", "remote-server-not-found"), false},
		{"CORE-5.2.1-9 the key comes back with the answer, as some servers have it",
			"<db:verify to='montague.example' id='%s' type='valid' from='capulet.example'>" + key + "</db:verify>",
			resultIs(here, there, "valid"), false},
	}
	for _, tt := range tests {
		play(t, tt.name, func(t *testing.T, s *scene) {
			f, a, id := begin(s)
			a.sendf(tt.answer, id)
			if tt.ends {
				f.hearsEnd(tt.want)
				return
			}
			f.hears(tt.want)
			a.hears("")
		}, overTLS, oneWay)
	}
	play(t, "CORE-5.2.1-10 R3920-8.3-2 the authoritative server does not answer", func(t *testing.T, s *scene) {
		f, _, _ := begin(s)
		pass(server.DefaultDialbackTimeout - time.Second)
		f.hears("")
		pass(time.Second)
		f.hears(resultError(here, there, "wait", "remote-server-timeout"))
	}, overTLS, oneWay)
	play(t, "CORE-5.2.1-10 R3920-8.3-2 the authoritative server hangs up", func(t *testing.T, s *scene) {
		f, a, _ := begin(s)
		a.hangUp()
		f.hears(resultError(here, there, "wait", "remote-server-timeout"))
	}, overTLS, oneWay)
}

const (
	authSelf = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>%s</auth>"
	success  = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
)

// saslFails is the failure that our server writes.
func saslFails(condition string) string {
	return "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><" + condition + "/>{text}</failure>"
}

// XEP-0178, section 3, whose conference.example.org calls example.com.
func TestExternalReceiving(t *testing.T) {
	tests := []struct {
		name, authzid string
		want          string
	}{
		{"without authzid, example 26", "=", success},
		{"with authzid", base64.StdEncoding.EncodeToString([]byte("capulet.example")), success},
		{"with authzid, written otherwise", base64.StdEncoding.EncodeToString([]byte("CAPULET.example")), success},
		{"with the authzid of somebody else", base64.StdEncoding.EncodeToString([]byte(mallory)),
			saslFails("invalid-authzid")},
		{"with the authzid of an account", base64.StdEncoding.EncodeToString([]byte("juliet@" + there)),
			saslFails("invalid-authzid")},
		{"with our own name as authzid", base64.StdEncoding.EncodeToString([]byte(here)), saslFails("invalid-authzid")},
		{"with an authzid that is none", base64.StdEncoding.EncodeToString([]byte("@")), saslFails("invalid-authzid")},
		{"with what is no base64", "*", saslFails("incorrect-encoding")},
		{"to be asked for it", "", "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"},
	}
	for _, tt := range tests {
		play(t, "CORE-5-1 XEP-0178 section 3 "+tt.name, func(t *testing.T, s *scene) {
			romeo := s.romeo()
			f, _ := s.secured(there, here, client(s.ca.issue(t, there)), bidi, external, limits)
			f.sendf(authSelf, tt.authzid)
			f.hears(tt.want)
			if strings.HasPrefix(tt.want, "<challenge") {
				f.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</response>")
				f.hears(success)
			}
			if strings.HasPrefix(tt.want, "<failure") {
				f.sendf(authSelf, "=") // it may try again
				f.hears(success)
			}
			f.open(there, here, sm, limits)
			f.send(message("juliet@"+there, "romeo@"+here, "m1"))
			romeo.hears("m1")
			f.hears("")
			s.isNotCalled()
		})
	}
	play(t, "CORE-5-1 XEP-0178 section 3 step 11: failure, and on with dialback", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, _ := s.secured(there, here, client(s.ca.issue(t, there)), external, byKey, limits)
		f.sendf(authSelf, base64.StdEncoding.EncodeToString([]byte(mallory)))
		f.hears(saslFails("invalid-authzid"))
		f.send(result(there, here, "k3y"))
		f.hears(resultIs(here, there, "valid")) // by the certificate: nobody is asked
		s.isNotCalled()
		f.send(message("juliet@"+there, "romeo@"+here, "m1"))
		romeo.hears("m1")
	}, withDialback, oneWay)
	play(t, "CORE-5-1 XEP-0178 section 3 too many failures", func(t *testing.T, s *scene) {
		f, _ := s.secured(there, here, client(s.ca.issue(t, there)), bidi, external, limits)
		for range 4 {
			f.sendf(authSelf, "bWFsbG9yeS5leGFtcGxl")
			f.hears(saslFails("invalid-authzid"))
		}
		f.sendf(authSelf, "bWFsbG9yeS5leGFtcGxl")
		f.hearsEnd(saslFails("invalid-authzid") + fails(stream.PolicyViolation))
	})
}

// The same with our server as the one that calls.
func TestExternalOriginating(t *testing.T) {
	self := base64.StdEncoding.EncodeToString([]byte(here))
	begin := func(s *scene, offered ...string) *far {
		f := s.isCalled(here, there)
		f.upgrade(s.ca.issue(s.t, there))
		f.answer("s2s_345", offered...)
		return f
	}
	// Up to where ours says who it is.
	tries := func(s *scene, romeo *account, offered ...string) *far {
		romeo.write("juliet@"+there, "m1")
		f := begin(s, offered...)
		f.hears(fmt.Sprintf(authSelf, self))
		return f
	}
	play(t, "CORE-5-1 CORE-6.2.2-4 XEP-0178 section 3", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := tries(s, romeo, external)
		f.send(success)
		f.answer("s2s_456")
		f.hears(relayed("romeo@"+here, "juliet@"+there, "m1"))
	})
	const failure = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>"
	play(t, "CORE-5-1 XEP-0178 section 3 step 11: failure, and no dialback", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := tries(s, romeo, external)
		f.send(failure)
		f.hearsEnd("</stream:stream>")
		romeo.isTold(stanza.RemoteServerTimeout, "m1")
		s.isNotCalled()
	})
	play(t, "CORE-5-1 XEP-0178 section 3 step 11: failure, and on with dialback", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := tries(s, romeo, external, byKey)
		f.send(failure)
		f.hears(result(here, there, "{key}"))
		f.send(resultIs(there, here, "valid"))
		f.hears(relayed("romeo@"+here, "juliet@"+there, "m1"))
		s.isNotCalled()
	}, withDialback)
	play(t, "CORE-5-1 XEP-0178 section 3 step 11: failure and the end, and again with dialback",
		func(t *testing.T, s *scene) {
			romeo := s.romeo()
			f := tries(s, romeo, external, byKey)
			f.send(failure + "</stream:stream>")
			f.hangUp()
			f = begin(s, external, byKey)
			f.hears(result(here, there, "{key}"))
			f.send(resultIs(there, here, "valid"))
			f.hears(relayed("romeo@"+here, "juliet@"+there, "m1"))
			s.isNotCalled()
		}, withDialback)
}

// XEP-0288.
func TestBidi(t *testing.T) {
	const ping = "<iq from='juliet@capulet.example/balcony' to='romeo@montague.example' type='get' " +
		"id='8dfc70af'><ping xmlns='urn:xmpp:ping'/></iq>"
	play(t, "CORE-5-1 R3920-8.1-1 XEP-0288 example 3: EXTERNAL", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, _ := s.secured(there, here, client(s.ca.issue(t, there)), bidi, external, limits)
		f.send("<bidi xmlns='urn:xmpp:bidi'/><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' " +
			"mechanism='EXTERNAL'>\n  Y2FwdWxldC5leGFtcGxl\n</auth>")
		f.hears(success)
		f.open(there, here, sm, limits)
		f.send(ping)
		if st := romeo.next(); st.ID != "8dfc70af" {
			t.Errorf("got %s", st.AppendXML(nil, ""))
		}
		romeo.write("juliet@"+there, "m1")
		f.hears(relayed("romeo@"+here, "juliet@"+there, "m1"))
		s.isNotCalled()
	})
	play(t, "R3920-8.1-1 XEP-0288 example 4: dialback", func(t *testing.T, s *scene) {
		romeo, f := s.romeo(), s.connect()
		id := f.open(there, here, bidi, byKey, limits)
		f.send("<bidi xmlns='urn:xmpp:bidi'/>" + result(there, here, "e3f5cf21f12749ef2cf59269bc0118f35bc46b26"))
		a := s.isCalled(here, there)
		romeo.write("juliet@"+there, "m1") // "MUST NOT send stanzas to the peer before [...]"
		f.hears("")
		a.answer("y", byKey)
		a.hears(verify(here, id, there, "e3f5cf21f12749ef2cf59269bc0118f35bc46b26") + result(here, there, "{key}"))
		a.send(verifyIs(there, id, here, "valid"))
		f.hears(resultIs(here, there, "valid"))
		f.send(ping) // what it does first tells that it does not want acknowledgements
		f.hears(relayed("romeo@"+here, "juliet@"+there, "m1"))
		if st := romeo.next(); st.ID != "8dfc70af" {
			t.Errorf("got %s", st.AppendXML(nil, ""))
		}
	}, plaintext)
	play(t, "R3920-8.1-1 XEP-0288 example 2: ours asks, EXTERNAL", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := s.called(romeo)
		f.upgrade(s.ca.issue(t, there), bidi)
		f.answer("y", external, bidi)
		f.hears(askBidi + strings.Replace(authSelf, "%s", base64.StdEncoding.EncodeToString([]byte(here)), 1))
		f.send(success)
		f.answer("z")
		f.hears(relayed("romeo@"+here, "juliet@"+there, "m1"))
		f.send(ping)
		if st := romeo.next(); st.ID != "8dfc70af" {
			t.Errorf("got %s", st.AppendXML(nil, ""))
		}
	})
	play(t, "R3920-8.1-1 XEP-0288 example 5: ours asks, dialback, and the other side asks for a domain more",
		func(t *testing.T, s *scene) {
			romeo := s.romeo()
			f := s.opened(romeo, bidi, byKey)
			f.send(message("juliet@"+there, "romeo@"+here, "m2"))
			romeo.hears("m2")
			f.send(result("conference."+there, here, "1bac3ef56fed987cfe098c9785c654a5476ed765"))
			a := s.isCalled(here, "conference."+there)
			a.answer("z", byKey)
			a.hears(verify(here, "y", "conference."+there, "1bac3ef56fed987cfe098c9785c654a5476ed765"))
			a.send(verifyIs("conference."+there, "y", here, "valid"))
			f.hears(resultIs(here, "conference."+there, "valid"))
			f.send(message("room@conference."+there, "romeo@"+here, "m3"))
			romeo.hears("m3")
		}, plaintext)
}

// What XEP-0288 does not allow.
func TestNoBidi(t *testing.T) {
	play(t, "R3920-8.1-1 turned off", func(t *testing.T, s *scene) {
		f, _ := s.open(byKey, limits)
		f.send("<bidi xmlns='urn:xmpp:bidi'/>")
		f.hearsEnd(fails(stream.UnsupportedStanzaType))
	}, bare)
	play(t, "R3920-8.1-1 not asked for", func(t *testing.T, s *scene) {
		romeo, f := s.romeo(), s.connect()
		id := f.open(there, here, bidi, byKey, limits)
		a := s.letIn(f, id, there, here)
		romeo.write("juliet@"+there, "m1")
		f.hears("") // it takes the stream that goes there
		a.hears(result(here, there, "{key}"))
	}, plaintext)
	t.Run("R3920-8.1-1 ours does not ask where it is not offered, nor where it is turned off", func(t *testing.T) {
		for _, offered := range [][]string{{byKey}, {bidi, byKey}} {
			way := plaintext
			if len(offered) == 2 {
				way = bare
			}
			onStage(t, func(t *testing.T, s *scene) {
				romeo := s.romeo()
				f := s.called(romeo)
				f.answer("y", offered...)
				f.hears(result(here, there, "{key}"))
			}, way)
		}
	})
	play(t, "R3920-8.1-1 XEP-0288 section 2.2 nobody asks for more who does not let us in", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := s.asking(romeo, bidi, byKey)
		f.send(result(there, here, "k") + result("x."+there, here, "k"))
		f.hears("")
		s.isNotCalled()
	}, plaintext)
	t.Run("R3920-8.1-1 XEP-0288 section 2.2 a key is not verified on the stream that it came on", func(t *testing.T) {
		onStage(t, func(t *testing.T, s *scene) {
			f := s.opened(s.romeo(), bidi, byKey)
			f.send(result(there, hereChat, "k"))
			s.isCalled(hereChat, there)
			f.hears("")
			f.send(result(there, here, "k")) // that is so already, as they have let us in
			f.hears(resultIs(here, there, "valid"))
		}, plaintext)
		onStage(t, func(t *testing.T, s *scene) {
			f, _ := s.open(bidi, byKey, limits)
			f.send("<bidi xmlns='urn:xmpp:bidi'/>" + result(there, here, "k"))
			s.isCalled(here, there)
			f.hears("")
		}, plaintext)
	})
}

// XEP-0478.
func TestStreamLimits(t *testing.T) {
	const small = "<limits xmlns=\"urn:xmpp:stream-limits:0\">\n <max-bytes>10000</max-bytes>\n " +
		"<idle-seconds>1800</idle-seconds>\n</limits>"
	told := func(romeo *account) {
		romeo.t.Helper()
		st := romeo.next()
		e, ok := st.Err().(*stanza.Error)
		if xml := string(st.AppendXML(nil, "")); !ok || e.Condition != stanza.PolicyViolation || strings.Contains(xml,
			" by=") {
			romeo.t.Errorf("got %s", xml)
		}
	}
	big := strings.Repeat("x", 10000)
	play(t, "XEP-0478 example 1: what the server that is called takes", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := s.opened(romeo, byKey, small)
		romeo.write("juliet@"+there, big)
		told(romeo)
		f.hears("")
		romeo.write("juliet@"+there, "m2")
		f.hears(relayed("romeo@"+here, "juliet@"+there, "m2"))
	}, bare)
	play(t, "XEP-0478 example 2: what the server that calls takes", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, _ := s.secured(there, here, client(s.ca.issue(t, there)), bidi, external, limits)
		f.send("<bidi xmlns='urn:xmpp:bidi'>" + small + "</bidi>")
		f.sendf(authSelf, "=")
		f.hears(success)
		f.open(there, here, sm, limits)
		f.send(enable)
		f.hears(enabled)
		romeo.write("juliet@"+there, big)
		told(romeo)
		f.hears("")
		romeo.write("juliet@"+there, "m2")
		f.hears(relayed("romeo@"+here, "juliet@"+there, "m2") + askAck)
	})
	for name, odd := range map[string]string{
		"nothing inside":    "<limits xmlns='urn:xmpp:stream-limits:0'/>",
		"what is no number": "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>many</max-bytes></limits>",
		"a negative number": "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>-1</max-bytes></limits>",
		"a number too large": "<limits " +
			"xmlns='urn:xmpp:stream-limits:0'><max-bytes>99999999999999999999</max-bytes></limits>",
		"another namespace":    "<limits xmlns='urn:xmpp:stream-limits:1'><max-bytes>1</max-bytes></limits>",
		"a child of elsewhere": "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes xmlns='x'>1</max-bytes></limits>",
	} {
		play(t, "XEP-0478 no limit: "+name, func(t *testing.T, s *scene) {
			romeo := s.romeo()
			f := s.opened(romeo, byKey, odd)
			romeo.write("juliet@"+there, big)
			f.hears(relayed("romeo@"+here, "juliet@"+there, big))
		}, bare)
	}
}
