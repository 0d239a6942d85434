package server_test

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"
)

// opening returns a header with the declarations, of which content is the default
// namespace, and the attributes.
func opening(content, db, attributes string) string {
	if db != "" {
		db = " xmlns:db='" + db + "'"
	}
	return fmt.Sprintf("<stream:stream xmlns='%s' %s%s %s>", content, streamDecl, db, attributes)
}

func TestS2SHeaders(t *testing.T) {
	const (
		ns   = "jabber:server"
		nsDB = "jabber:server:dialback"
		ours = "from='montague.example' to='capulet.example' "
		v1   = "version='1.0'"
	)
	from, to := "from='capulet.example' ", "to='montague.example' "
	// What an answer looks like that goes on, or does not.
	goesOn := func(attributes string) string { return "{db} " + attributes + "id='{id}' version='1.0'{on}" }
	ends := func(attributes string, c stream.Condition) string {
		return " " + attributes + "id='{id}' version='1.0'{lang}>" + fails(c)
	}
	tests := []struct {
		name, header string
		want         string
		way          func(*server.Config)
	}{
		{"CORE-5.2.1-2 CORE-5.2.1-3 CORE-2.2-1 as it should be", opening(ns, nsDB, from+to+v1), goesOn(ours), bare},
		{"CORE-5.2.1-2 no to", opening(ns, nsDB, from+v1), goesOn(ours), bare},
		{"CORE-5.2.1-2 CORE-4.3-4 no from", opening(ns, nsDB, to+v1), goesOn("from='montague.example' "), bare},
		{"CORE-5.2.1-2 neither", opening(ns, nsDB, v1), goesOn("from='montague.example' "), bare},
		{"CORE-5.2.1-2 to the second domain", opening(ns, nsDB, from+"to='chat.montague.example' "+v1),
			goesOn("from='chat.montague.example' to='capulet.example' "), bare},
		{"CORE-5.2.1-2 to in capitals", opening(ns, nsDB, from+"to='Montague.EXAMPLE' "+v1), goesOn(ours), bare},
		{"CORE-5.2.1-2 without dialback", opening(ns, "", from+to+v1), goesOn(ours), bare},
		{"CORE-5.2.1-2 dialback under another prefix",
			"<stream:stream xmlns='jabber:server' " + streamDecl + " xmlns:back='jabber:server:dialback' " + from +
				to + v1 + ">", goesOn(ours), bare},
		{"CORE-5.2.1-2 other prefixes", "<s:stream xmlns='jabber:server' " +
			"xmlns:s='http://etherx.jabber.org/streams' xmlns:x='y' " + dbDecl +
			" " + from + to + v1 + ">", goesOn(ours), bare},
		{"CORE-5.2.1-2 RFC 3920 8.3: wrong namespace of dialback", opening(ns, "jabber:server:dailback", from+to+v1),
			"{any}>" + fails(stream.InvalidNamespace), bare},
		{"CORE-5.2.1-2 clients' namespace", opening("jabber:client", nsDB, from+to+v1), ends(ours,
			stream.InvalidNamespace), bare},
		{"CORE-5.2.1-2 components' namespace", opening("jabber:component:accept", "", "to='montague.example'"),
			" from='montague.example' id='{id}'{lang}>" + oldFails("this is a port for servers",
				stream.InvalidNamespace), bare},
		{"CORE-5.2.1-2 not XML", "<<", "{any}>" + fails(stream.NotWellFormed), bare},
		{"CORE-5.2.1-2 no namespace", "<stream:stream " + streamDecl + " " + dbDecl + " " + from + to + v1 + ">",
			goesOn(ours), bare},
		{"CORE-5.2.1-2 wrong namespace of streams", "<stream:stream xmlns='jabber:server' " +
			"xmlns:stream='http://etherx.jabber.org/stream' " +
			from + to + v1 + ">", "{any}>" + fails(stream.InvalidNamespace), bare},
		{"CORE-5.2.1-2 to a domain that is not here", opening(ns, nsDB, from+"to='verona.example' "+v1),
			ends("from='montague.example' to='capulet.example' ", stream.HostUnknown), bare},
		{"CORE-5.2.1-2 to a subdomain that is not here", opening(ns, nsDB, from+"to='x.montague.example' "+v1),
			ends("from='montague.example' to='capulet.example' ", stream.HostUnknown), bare},
		{"CORE-5.2.1-2 to an account", opening(ns, nsDB, from+"to='romeo@montague.example' "+v1),
			ends("from='montague.example' to='capulet.example' ", stream.HostUnknown), bare},
		{"CORE-5.2.1-2 to what is no address", opening(ns, nsDB, from+"to='@' "+v1), "{any}>" +
			fails(stream.ImproperAddressing), bare},
		{"CORE-4.3-4 from what is no address", opening(ns, nsDB, "from='@' "+to+v1), "{any}>" +
			fails(stream.ImproperAddressing), bare},
		{"CORE-4.3-4 from here", opening(ns, nsDB, "from='montague.example' "+to+v1),
			ends("from='montague.example' to='montague.example' ", stream.InvalidFrom), bare},
		{"CORE-4.3-4 from the second domain here", opening(ns, nsDB, "from='chat.montague.example' "+to+v1),
			ends("from='montague.example' to='chat.montague.example' ", stream.InvalidFrom), bare},
		{"CORE-4.3-4 from an account", opening(ns, nsDB, "from='juliet@capulet.example' "+to+v1),
			ends("from='montague.example' to='juliet@capulet.example' ", stream.InvalidFrom), bare},
		{"CORE-4.3-4 from a resource", opening(ns, nsDB, "from='capulet.example/x' "+to+v1),
			ends("from='montague.example' to='capulet.example/x' ", stream.InvalidFrom), bare},
		{"CORE-4.3-5 the caller has an id", opening(ns, nsDB, from+to+"id='same' "+v1), goesOn(ours), bare},
		{"CORE-4.3-5 the caller has an empty id", opening(ns, nsDB, from+to+"id='' "+v1), goesOn(ours), bare},
		{"CORE-5.2.1-3 a later version", opening(ns, nsDB, from+to+"version='2.7'"), goesOn(ours), bare},
		{"CORE-5.2.1-3 no version, no features", opening(ns, nsDB, from+to), "{db} " + ours + "id='{id}'{lang}>", bare},
		{"CORE-5.2.1-3 version 0.9, no features", opening(ns, nsDB, from+to+"version='0.9'"), "{db} " + ours +
			"id='{id}'{lang}>", bare},
		{"CORE-5.2.1-3 version that is none", opening(ns, nsDB, from+to+"version='one'"), "{any}>" +
			fails(stream.UnsupportedVersion), bare},
		{"CORE-5.2.1-3 CORE-5-1 no version where TLS is required", opening(ns, nsDB, from+to),
			"{db} " + ours + "id='{id}'{lang}>" + oldFails("the version of the stream must be 1.0, for TLS",
				stream.UnsupportedVersion), overTLS},
		{"CORE-5.2.1-3 CORE-5-1 no version where there is no dialback", opening(ns, nsDB, from+to),
			" " + ours + "id='{id}'{lang}>" + oldFails("the version of the stream must be 1.0, for TLS",
				stream.UnsupportedVersion), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			way := tt.way
			if way == nil {
				way = func(*server.Config) {}
			}
			onStage(t, func(t *testing.T, s *scene) {
				f := s.connect()
				want := strings.NewReplacer("{db}", " "+dbDecl, "{lang}", " xml:lang='en'",
					"{on}", " xml:lang='en'>"+f.offeredHere(byKey, limits)).Replace(tt.want)
				want = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' " + streamDecl + want
				f.send(tt.header)
				if !strings.HasSuffix(want, "</stream:stream>") {
					f.hears(want)
					return
				}
				f.hearsEnd(want)
				s.isNotCalled()
			}, way)
		})
	}
}

// oldFails is fails for who has no version.
func oldFails(text string, c stream.Condition) string {
	return "<stream:error>" + text + "<" + string(c) + " " +
		"xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
}

// The header of what the server opens is answered by others, in all ways that there are.
func TestS2SAnswers(t *testing.T) {
	decl := "xmlns='jabber:server' " + streamDecl + " " + dbDecl
	feat := offering(byKey)
	key := result(here, there, "{key}")
	tests := []struct{ name, answer, want string }{
		{"CORE-5.2.1-7 as it should be", "<stream:stream " + decl +
			" from='capulet.example' to='montague.example' id='x' version='1.0'>" + feat, key},
		{"CORE-5.2.1-7 without addresses", "<stream:stream " + decl + " id='x' version='1.0'>" + feat, key},
		{"CORE-5.2.1-7 with to of somebody else", "<stream:stream " + decl + " to='y' id='x' version='1.0'>" + feat,
			key},
		{"CORE-5.2.1-7 without version", "<stream:stream " + decl + " id='x'>", key},
		{"CORE-5.2.1-7 without version, but with from", "<stream:stream " + decl + " from='capulet.example' id='x'>",
			key},
		{"CORE-5.2.1-7 dialback by the declaration only", "<stream:stream " + decl +
			" id='x' version='1.0'><stream:features/>", key},
		{"CORE-5.2.1-7 dialback by the feature only", "<stream:stream xmlns='jabber:server' " + streamDecl +
			" id='x' version='1.0'>" + feat, key},
		{"CORE-5.2.1-7 mechanisms without any", "<stream:stream " + decl + " id='x' version='1.0'>" +
			"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></stream:features>", key},
		{"CORE-5.2.1-7 no dialback", "<stream:stream xmlns='jabber:server' " + streamDecl +
			" id='x' version='1.0'><stream:features/>", "</stream:stream>"},
		{"CORE-5.2.1-7 no dialback and no version", "<stream:stream xmlns='jabber:server' " + streamDecl + " id='x'>",
			"</stream:stream>"},
		{"CORE-5.2.1-7 CORE-4.3-5 no id", "<stream:stream " + decl + " version='1.0'>" + feat, fails(stream.BadFormat)},
		{"CORE-5.2.1-7 CORE-4.3-5 no id and no version", "<stream:stream " + decl + ">", "</stream:stream>"},
		{"CORE-5.2.1-7 from somebody else", "<stream:stream " + decl +
			" from='mallory.example' id='x' version='1.0'>" + feat, fails(stream.InvalidFrom)},
		{"CORE-5.2.1-7 from here", "<stream:stream " + decl + " from='montague.example' id='x' version='1.0'>" + feat,
			fails(stream.InvalidFrom)},
		{"CORE-5.2.1-7 CORE-5.2-1 clients' namespace", "<stream:stream xmlns='jabber:client' " + streamDecl +
			" id='x' version='1.0'>" + feat,
			fails(stream.InvalidNamespace)},
		{"CORE-5.2.1-7 host-unknown", "<stream:stream " + decl + " id='x' version='1.0'>" +
			"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
			"</stream:stream>"},
	}
	for _, tt := range tests {
		play(t, tt.name, func(t *testing.T, s *scene) {
			romeo := s.romeo()
			f := s.called(romeo)
			f.hears(f.greeting())
			f.send(tt.answer)
			if tt.want == key {
				f.hears(key)
				return
			}
			f.hearsEnd(tt.want)
			if st := romeo.next(); st.Err() == nil || st.ID != "m1" {
				t.Errorf("got %s", st.AppendXML(nil, ""))
			}
		}, bare)
	}
}

// The id of a stream is ours, another one each time, also where the stream is begun
// anew.
func TestS2SStreamID(t *testing.T) {
	play(t, "CORE-4.3-5 CORE-5.2.1-3 ids do not come again", func(t *testing.T, s *scene) {
		ids := make(map[string]bool)
		for range 20 {
			f := s.connect()
			f.send(strings.Replace(hello(there, here), " from=", " id='chosen' from=", 1))
			id := f.hearsOne(f.answered(here, there) + offering(startTLS, limits))
			if _, err := f.startTLS(client(s.ca.issue(t, there))); err != nil {
				t.Fatal(err)
			}
			id2 := f.open(there, here, bidi, external, limits)
			f.sendf(authSelf, "=")
			f.hears(success)
			id3 := f.open(there, here, sm, limits)
			for _, id := range []string{id, id2, id3} {
				if ids[id] || id == "chosen" {
					t.Fatalf("%s again", id)
				}
				ids[id] = true
			}
			f.hangUp()
		}
	})
	play(t, "CORE-4.3-5 CORE-5.2-3 a key is for the stream as it is after TLS", func(t *testing.T, s *scene) {
		f := s.connect()
		before := f.open(there, here, startTLS, limits)
		if _, err := f.startTLS(client()); err != nil {
			t.Fatal(err)
		}
		after := f.open(there, here, byKey, limits)
		f.send(result(there, here, "k3y"))
		a := s.isCalled(here, there)
		a.answer("x", byKey, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		a.answerTLS(host(s.ca.issue(t, there)))
		a.answer("y", byKey)
		if id := a.hearsOne(verify(here, "{id}", there, "k3y")); id != after || id == before {
			t.Errorf("asked for stream %s; it is %s, and was %s before TLS", id, after, before)
		}
	}, overTLS, oneWay)
}

// A stream stays with who has begun it.
func TestS2SRestart(t *testing.T) {
	tests := []struct {
		name, header string
		answer       string
	}{
		{"CORE-4.3-4 another from after EXTERNAL", hello(mallory, here),
			"from='montague.example' to='mallory.example'"},
		{"CORE-4.3-4 another to after EXTERNAL", hello(there, hereChat),
			"from='chat.montague.example' to='capulet.example'"},
		{"CORE-4.3-4 no from after EXTERNAL", strings.Replace(hello(there, here), " from='capulet.example'", "", 1),
			"from='montague.example'"},
		{"CORE-4.3-4 a subdomain after EXTERNAL", hello("x."+there, here),
			"from='montague.example' to='x.capulet.example'"},
	}
	for _, tt := range tests {
		play(t, tt.name, func(t *testing.T, s *scene) {
			f, _ := s.secured(there, here, client(s.ca.issue(t, there)), bidi, external, limits)
			f.sendf(authSelf, "=")
			f.hears(success)
			f.send(tt.header)
			f.hearsEnd(f.header(" "+tt.answer+" id='{id}' version='1.0'") + fails(stream.InvalidFrom))
		})
	}
	play(t, "CORE-4.3-4 another from after TLS: only what the certificate is for counts", func(t *testing.T, s *scene) {
		f, _ := s.open(startTLS, limits)
		if _, err := f.startTLS(client(s.ca.issue(t, mallory))); err != nil {
			t.Fatal(err)
		}
		f.open(there, here, bidi, limits)
		f.hangUp()
		f = s.connect()
		f.open(there, here, startTLS, limits)
		if _, err := f.startTLS(client(s.ca.issue(t, mallory))); err != nil {
			t.Fatal(err)
		}
		f.open(mallory, here, bidi, external, limits)
	})
}

func TestS2STLS(t *testing.T) {
	shown := func(t *testing.T, state *tls.ConnectionState, want string) {
		t.Helper()
		if got := state.PeerCertificates[0].DNSNames; !slices.Equal(got, []string{want}) {
			t.Errorf("certificate for %v, want %s", got, want)
		}
	}
	play(t, "CORE-2.5-2 direct TLS on the same port, by the first byte", func(t *testing.T, s *scene) {
		f := s.connect()
		config := client(s.ca.issue(t, there))
		config.ServerName, config.NextProtos = hereChat, []string{"xmpp-server"}
		state, err := f.begin(config)
		if err != nil {
			t.Fatal(err)
		}
		shown(t, state, hereChat)
		if state.NegotiatedProtocol != "xmpp-server" {
			t.Errorf("protocol %q", state.NegotiatedProtocol)
		}
		f.open(there, hereChat, bidi, external, limits)
		f.sendf(authSelf, "=")
		f.hears(success)
		f.open(there, hereChat, sm, limits)
	})
	for _, tt := range []struct {
		name  string
		alpn  []string
		fails bool
	}{
		{"no ALPN", nil, false},
		{"several", []string{"h2", "xmpp-server"}, false},
		{"clients' protocol", []string{"xmpp-client"}, true},
		{"of the web", []string{"h2", "http/1.1"}, true},
	} {
		play(t, "CORE-2.5-2 direct TLS, ALPN: "+tt.name, func(t *testing.T, s *scene) {
			f := s.connect()
			config := client()
			config.NextProtos = tt.alpn
			state, err := f.begin(config)
			if (err != nil) != tt.fails {
				t.Fatalf("got %v", err)
			}
			if err == nil {
				shown(t, state, here)
				f.open(there, here, bidi, limits)
			}
		})
	}
	for _, tt := range []struct{ name, sni, to, want string }{
		{"SNI chooses", hereChat, here, hereChat},
		{"without SNI to chooses", "", hereChat, hereChat},
		{"SNI of somewhere else, to chooses", "verona.example", hereChat, hereChat},
		{"SNI in capitals", "CHAT.Montague.example", here, hereChat},
		{"both the same", here, here, here},
	} {
		play(t, "CORE-2.5-2 the certificate of the virtual host: "+tt.name, func(t *testing.T, s *scene) {
			f := s.connect()
			f.open(there, tt.to, startTLS, limits)
			config := client()
			config.ServerName = tt.sni
			state, err := f.startTLS(config)
			if err != nil {
				t.Fatal(err)
			}
			shown(t, state, tt.want)
		})
	}
	play(t, "CORE-2.5-2 the certificate of the virtual host that calls", func(t *testing.T, s *scene) {
		room := s.network.account(s.srv, "room@"+hereChat)
		room.write("juliet@"+there, "m1")
		f := s.isCalled(hereChat, there)
		f.answer("x", "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		state, err := f.answerTLS(host(s.ca.issue(t, there)))
		if err != nil {
			t.Fatal(err)
		}
		shown(t, state, hereChat)
	})
	play(t, "CORE-2.5-2 what is sent between proceed and the handshake is not taken", func(t *testing.T, s *scene) {
		romeo, f := s.romeo(), s.connect()
		f.open(there, here, startTLS, limits)
		// RFC 6120, section 5.3: whoever sits in the way may put something behind.
		f.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + result(there, here, "k3y"))
		got, _ := f.take()
		if strings.Contains(got, "result") {
			t.Errorf("heard %q", got)
		}
		s.isNotCalled()
		romeo.hearsNothing()
	}, overTLS)
	t.Run("CORE-2.5-2 nothing but TLS where it is required", func(t *testing.T) {
		for _, packet := range []string{result(there, here, "k3y"), verify(there, "x", here, "k3y"),
			"<bidi xmlns='urn:xmpp:bidi'/>",
			fmt.Sprintf(authSelf, "=")} {
			onStage(t, func(t *testing.T, s *scene) {
				f, _ := s.open(startTLS, limits)
				f.send(packet)
				got, _ := f.take()
				if !strings.Contains(got, "</stream:stream>") && !strings.HasPrefix(got,
					"<failure ") || strings.Contains(got, "db:") {
					t.Errorf("to %s: heard %q", packet, got)
				}
				s.isNotCalled()
			}, overTLS)
		}
	})
}
