package server_test

import (
	"cmp"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/last"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/ext/version"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"

	xmpp "github.com/etherx-go/xmpp"
)

// What draft-miller-xmpp-core-02, draft-ietf-xmpp-im-02 and RFC 3921 say of a server as
// a whole.

// TestReq_CORE_2_1_1: the protocol does not depend on what it is carried by. The same
// conversation is had on a TCP connection, on TLS, and on a pipe in memory.
func TestReq_CORE_2_1_1(t *testing.T) {
	converse := func(t *testing.T, r *raw) {
		r.t = t
		r.login("juliet", "r0m30", "balcony")
		r.send("<message to='juliet@localhost/balcony' id='1'><body>me</body></message>")
		r.expect("<message id='1' to='juliet@localhost/balcony' from='juliet@localhost/balcony'><body>me</body></message>")
		r.send("</stream:stream>")
		r.exactly("</stream:stream>")
		r.expectEnd()
	}
	t.Run("CORE-2.1-1 TCP", func(t *testing.T) {
		r, _ := dialTCP(t, newServer(t, func(c *server.Config) { c.AllowPlaintext = true }))
		converse(t, r)
	})
	t.Run("CORE-2.1-1 TLS", func(t *testing.T) {
		r, _ := upgrade(t, nil)
		converse(t, r)
	})
	t.Run("CORE-2.1-1 memory", func(t *testing.T) { converse(t, newRaw(t, newServer(t, nil).Pipe())) })
}

// TestReq_CORE_2_2_2: what is stored for an account is processed by the server, whoever
// of the account is logged in.
func TestReq_CORE_2_2_2(t *testing.T) {
	s := newServer(t, nil)
	one, other := login(t, s, "juliet", "r0m30", "one"), login(t, s, "juliet", "r0m30", "other")
	one.drain()
	for i, to := range []string{"", " to='juliet@localhost'"} {
		one.send("<iq type='set' id='%d'%s><query xmlns='jabber:iq:roster'><item jid='nurse@localhost'/></query></iq>", i, to)
		one.expect(fmt.Sprintf("<iq type='result' id='%d'", i))
		one.send("<iq type='get' id='g%d'%s><query xmlns='jabber:iq:roster'/></iq>", i, to)
		one.expect(fmt.Sprintf("<iq type='result' id='g%d'", i), "nurse@localhost")
	}
	wantNone(t, other.drain(), "roster", "nurse") // it has not asked for pushes either
	// Somebody else's is neither shown nor passed on.
	romeo := login(t, s, "romeo", "jul13t", "x")
	romeo.send("<iq type='get' id='h' to='juliet@localhost'><query xmlns='jabber:iq:roster'/></iq>")
	wantNone(t, romeo.expect("<iq type='error' id='h'", "</iq>"), "nurse")
	wantNone(t, other.drain(), "roster")
}

// TestReq_CORE_2_3_1: an account has several resources at once, each on a connection
// of its own.
func TestReq_CORE_2_3_1(t *testing.T) {
	s := newServer(t, nil)
	all := make(map[string]*raw)
	for i := range 5 {
		name := fmt.Sprint("r", i)
		all[name] = login(t, s, "juliet", "r0m30", name)
	}
	romeo := login(t, s, "romeo", "jul13t", "x")
	for name := range all {
		romeo.send("<message to='juliet@localhost/%s' id='%s'/>", name, name)
	}
	romeo.drain()
	for name, r := range all {
		got := r.drain()
		if strings.Count(got, "<message ") != 1 || !strings.Contains(got, "<message id='"+name+"'") {
			t.Errorf("%s got %q", name, got)
		}
	}
	// One leaves, the others stay.
	all["r0"].send("</stream:stream>")
	all["r0"].expectEnd()
	romeo.send("<message to='juliet@localhost/r0' id='gone' type='headline'/>")
	romeo.expect("<message type='error' id='gone'")
	romeo.send("<message to='juliet@localhost/r1' id='here'/>")
	all["r1"].expect("<message id='here'")
}

// TestReq_CORE_2_5_1: users of servers that are known by their names exchange stanzas.
func TestReq_CORE_2_5_1(t *testing.T) {
	inWorld(t, "CORE-2.5-1 user1@host1 and user2@host2", func(w *world) {
		romeo, juliet := w.login(romeoA+"/orchard"), w.login(julietB+"/balcony")
		romeo.send("<message to='%s' id='1'><body>hi</body></message>", julietB)
		juliet.hears("<message id='1' to='" + julietB + "' from='" + romeoA + "/orchard'><body>hi</body></message>")
		juliet.send("<iq type='get' id='2' to='%s/orchard'><q xmlns='urn:q'/></iq>", romeoA)
		juliet.hears("<iq type='error' id='2' …<service-unavailable …") // he does not know her
		juliet.send("<presence to='%s/orchard'/><message to='%s/orchard' id='3'><body>hi, too</body></message>", romeoA, romeoA)
		romeo.hears("<presence to='"+romeoA+"/orchard' from='"+julietB+"/balcony'/>",
			"<message id='3' to='"+romeoA+"/orchard' from='"+julietB+"/balcony'><body>hi, too</body></message>")
	})
}

// TestReq_CORE_4_4_3: jabber:client scopes the streams of clients.
func TestReq_CORE_4_4_3(t *testing.T) {
	const start, end = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns:stream='http://etherx.jabber.org/streams'", ">"
	for _, tt := range []struct{ name, header, stanza, want string }{
		{"CORE-4.4-3 as the default namespace", start + " xmlns='jabber:client'" + end, "<message to='juliet@localhost/x'/>", ""},
		{"CORE-4.4-3 by a prefix", start + " xmlns:c='jabber:client'" + end, "<c:message to='juliet@localhost/x'/>", ""},
		{"CORE-4.4-3 on each stanza", start + end, "<message xmlns='jabber:client' to='juliet@localhost/x'/>", ""},
		{"CORE-4.4-3 not jabber:server", start + " xmlns='jabber:server'" + end, "", "invalid-namespace"},
		{"CORE-4.4-3 not something else", start + " xmlns='jabber:other'" + end, "", "invalid-namespace"},
		{"CORE-4.4-3 not on a stanza", start + " xmlns='jabber:client'" + end, "<message xmlns='jabber:server' to='juliet@localhost/x'/>", "invalid-namespace"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRaw(t, newServer(t, nil).Pipe())
			open := func() {
				r.send("%s", tt.header)
				r.expect("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'", "</stream:features>")
			}
			if tt.stanza == "" {
				r.send("%s", tt.header)
				r.fails(tt.want)
				return
			}
			open()
			r.send("%s", plain("juliet", "r0m30"))
			r.expect("<success")
			open()
			bind := "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>x</resource></bind></iq>"
			r.send("%s", bind)
			r.expect("<iq type='result' id='b'>", "</iq>")
			r.send("%s", tt.stanza)
			if tt.want != "" {
				r.fails(tt.want)
				return
			}
			r.expect("<message to='juliet@localhost/x' from='juliet@localhost/x'/>")
		})
	}
}

// TestReq_CORE_3_2_2: a domain may be that of a service under a server, inside or
// outside of its process; one that is none is answered with an error (RFC 3920,
// section 10.3).
func TestReq_CORE_3_2_2(t *testing.T) {
	s := withComponents(t)
	seen := make(chan *stanza.Stanza, 1)
	if _, err := s.Local(jid.MustParse("rooms.localhost"), handlerOf(func(st *stanza.Stanza) { seen <- st })); err != nil {
		t.Fatal(err)
	}
	gw := attachComponent(t, s, "gw.localhost", "s3cret")
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	for _, to := range []string{"%s", "room@%s", "room@%s/nick", "%s/nick"} {
		t.Run("CORE-3.2-2 "+to, func(t *testing.T) {
			juliet.t, gw.t = t, t
			juliet.send("<message to='%s' id='1'/>", fmt.Sprintf(to, "rooms.localhost"))
			if st := <-seen; st.To.String() != fmt.Sprintf(to, "rooms.localhost") {
				t.Errorf("the service got %s", st)
			}
			juliet.send("<message to='%s' id='2'/>", fmt.Sprintf(to, "gw.localhost"))
			gw.expect("<message id='2' to='" + fmt.Sprintf(to, "gw.localhost") + "' ")
			juliet.send("<message to='%s' id='3'/>", fmt.Sprintf(to, "none.localhost"))
			juliet.expect("<message type='error' id='3'", "from='"+fmt.Sprintf(to, "none.localhost")+"'", "<remote-server-not-found ")
		})
	}
}

// TestReq_CORE_4_4_4: jabber:server scopes the streams between servers, and what a
// client has said in jabber:client is said there without a namespace of its own.
func TestReq_CORE_4_4_4(t *testing.T) {
	onStage(t, func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := s.connect()
		out := s.letIn(f, f.open(there, here, byKey, limits), there, here)
		if got := out.greeting(); !strings.Contains(got, " xmlns='jabber:server'") { // which it was
			t.Errorf("CORE-4.4-4: the header is %s", got)
		}
		f.send(message("juliet@"+there, "romeo@"+here, "1"))
		romeo.hears("1") // his stream is of jabber:client
		romeo.write("juliet@"+there, "2")
		out.hears("<db:result from='" + here + "' to='" + there + "'>{key}</db:result>")
		out.send(resultIs(there, here, "valid"))
		out.hears(relayed("romeo@"+here, "juliet@"+there, "2"))
		f.send("<message xmlns='jabber:client' from='juliet@" + there + "' to='romeo@" + here + "'/>")
		f.hearsEnd(fails(stream.InvalidNamespace))
		romeo.hearsNothing()
	}, bare)
}

// TestReq_CORE_4_4_5: the namespaces of components scope theirs, in both directions; a
// stanza takes on that of the stream that it goes out on.
func TestReq_CORE_4_4_5(t *testing.T) {
	t.Run("CORE-4.4-5 jabber:component:accept", func(t *testing.T) {
		s := withComponents(t)
		juliet := login(t, s, "juliet", "r0m30", "balcony")
		gw := attachComponent(t, s, "gw.localhost", "s3cret")
		juliet.send("<message xmlns='jabber:client' to='gw.localhost' id='1'><body>hi</body></message>")
		gw.expect("<message id='1' to='gw.localhost' from='juliet@localhost/balcony'><body>hi</body></message>")
		gw.send("<message xmlns='jabber:component:accept' to='juliet@localhost/balcony' from='gw.localhost' id='2'><body>hi</body></message>")
		juliet.exactly("<message id='2' to='juliet@localhost/balcony' from='gw.localhost'><body>hi</body></message>")
		gw.send("<message xmlns='jabber:client' to='juliet@localhost/balcony' from='gw.localhost'/>")
		if got := gw.ended(); got != streamError(stream.InvalidNamespace) {
			t.Errorf("got %s", got)
		}
	})
	t.Run("CORE-4.4-5 jabber:component:connect", func(t *testing.T) {
		s, gw := dialedComponent(t)
		juliet := login(t, s, "juliet", "r0m30", "balcony")
		juliet.send("<message to='gw.localhost' id='1'><body>hi</body></message>")
		gw.expect("<message id='1' to='gw.localhost' from='juliet@localhost/balcony'><body>hi</body></message>")
		gw.send("<message to='juliet@localhost/balcony' from='gw.localhost' id='2'><body>hi</body></message>")
		juliet.exactly("<message id='2' to='juliet@localhost/balcony' from='gw.localhost'><body>hi</body></message>")
	})
}

// TestReq_CORE_7_3_1: what is forwarded must be well-formed, and need not be valid by
// the definition of anything.
func TestReq_CORE_7_3_1(t *testing.T) {
	s := newServer(t, nil)
	juliet, romeo := login(t, s, "juliet", "r0m30", "balcony"), login(t, s, "romeo", "jul13t", "orchard")
	juliet.drain()
	for _, body := range []string{
		"<body><b/>no <i>markup</i> is defined here</body>", "<subject/><subject/><thread a='1'/>", "text<body/>text", "<show>at home</show>",
		"<query xmlns='jabber:iq:roster'><item/><item jid='@'/></query>", "<error code='x' type='y'/>", "<x xmlns='jabber:x:delay' stamp='yesterday'/>",
	} {
		t.Run("CORE-7.3-1 "+body, func(t *testing.T) {
			juliet.t, romeo.t = t, t
			juliet.send("<message to='romeo@localhost/orchard' unknown='1'>%s</message>", body)
			romeo.expect(">" + body + "</message>")
		})
	}
	juliet.send("<message to='romeo@localhost/orchard'><p:body/></message>")
	juliet.fails("not-well-formed")
	wantNone(t, romeo.drain(), "p:body")
}

// TestReq_CORE_9_1: of a client that does not say its language the server assumes
// nothing (RFC 6120, section 4.7.4: "the value of the attribute MUST be the identifier for
// the language preferred by the initiating entity"); it speaks its own, which is
// configurable, on all streams.
func TestReq_CORE_9_1(t *testing.T) {
	for _, lang := range []string{"", "de"} {
		t.Run("CORE-9-1 the server's is "+lang, func(t *testing.T) {
			s := newServer(t, func(c *server.Config) { c.Lang = lang })
			want := cmp.Or(lang, "en")
			r := newRaw(t, s.Pipe())
			r.send(header)
			r.expect("<stream:stream ", " xml:lang='"+want+"'>")
			r.send("%s", plain("juliet", "r0m30"))
			r.expect("<success")
			r.send(header)
			r.expect("<stream:stream ", " xml:lang='"+want+"'>", "</stream:features>")
			r.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>x</resource></bind></iq>")
			r.expect("</iq>")
			r.send("<message to='juliet@localhost/x'><body>1</body></message>")
			r.exactly("<message to='juliet@localhost/x' from='juliet@localhost/x'><body>1</body></message>")
		})
	}
}

// TestReq_IM_5_7_1: when a user has sent final presence is recorded, and told to who
// is subscribed, however the session ends.
func TestReq_IM_5_7_1(t *testing.T) {
	s := newServer(t, func(c *server.Config) { c.Extensions = []xmpp.Extension{new(last.Extension)} })
	juliet, romeo := interested(t, s, "juliet", "r0m30", "balcony"), interested(t, s, "romeo", "jul13t", "orchard")
	juliet.send("<presence to='romeo@localhost' type='subscribe'/>")
	romeo.expect("type='subscribe'")
	romeo.send("<presence to='juliet@localhost' type='subscribed'/>")
	juliet.expect("subscription='to'")
	ask := func(want ...string) {
		t.Helper()
		juliet.drain()
		juliet.send("<iq type='get' id='last' to='romeo@localhost'><query xmlns='jabber:iq:last'/></iq>")
		got := juliet.expect("<iq ", "id='last'", "</iq>")
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("IM-5.7-1: got %s, want %s", got, w)
			}
		}
	}
	ask("seconds='0'") // he is there
	romeo.send("<presence type='unavailable'><status>Heading Home</status></presence>")
	juliet.expect("<status>Heading Home</status>")
	ask("<iq type='result'", "seconds='", ">Heading Home</query>")
	romeo.send("<presence/>")
	juliet.expect("from='romeo@localhost/orchard'")
	romeo.nc.Close() // without a word
	juliet.expect("<presence type='unavailable'")
	ask("<iq type='result'", "<query xmlns='jabber:iq:last' seconds='")
}

// TestReq_CORE_7_5_1: the XML declaration may be there, as XML allows it, and may be
// left out. The server's own is always there.
func TestReq_CORE_7_5_1(t *testing.T) {
	bare := strings.TrimPrefix(header, "<?xml version='1.0'?>")
	for _, tt := range []struct {
		name, declaration, want string // "": it is taken
	}{
		{"none", "", ""},
		{"the least", "<?xml version='1.0'?>", ""},
		{"with the encoding", `<?xml version="1.0" encoding="UTF-8"?>`, ""},
		{"lower case, line breaks", "<?xml version = '1.0'\n encoding = 'utf-8' ?>\n", ""},
		{"standalone", "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>", ""},
		{"another encoding", "<?xml version='1.0' encoding='ISO-8859-1'?>", "unsupported-encoding"},
		{"not at the beginning", " <?xml version='1.0'?>", "not-well-formed"},
		{"twice", "<?xml version='1.0'?><?xml version='1.0'?>", "not-well-formed"},
		{"without version", "<?xml encoding='UTF-8'?>", "not-well-formed"},
	} {
		t.Run("CORE-7.5-1 "+tt.name, func(t *testing.T) {
			r := newRaw(t, newServer(t, nil).Pipe())
			r.send("%s", tt.declaration+bare)
			if tt.want != "" {
				r.expect("<?xml version='1.0'?><stream:stream ")
				r.fails(tt.want)
				return
			}
			got := r.expect("<stream:stream ", "</stream:features>")
			if !strings.HasPrefix(got, "<?xml version='1.0'?><stream:stream ") {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestReq_CORE_10_1_2: nobody learns a client's IP address, or how it is connected.
func TestReq_CORE_10_1_2(t *testing.T) {
	s := newServer(t, func(c *server.Config) {
		c.AllowPlaintext, c.AnswerStrangers = true, true
		c.Extensions = []xmpp.Extension{&disco.Extension{}, &ping.Extension{}, &version.Extension{}, &last.Extension{}}
	})
	juliet, addr := dialTCP(t, s)
	juliet.login("juliet", "r0m30", "balcony")
	juliet.send("<presence/>")
	juliet.drain()
	ip, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	romeo := login(t, s, "romeo", "jul13t", "orchard")
	juliet.send("<presence to='romeo@localhost'/><message to='romeo@localhost' id='m'><body>hi</body></message>")
	heard := romeo.expect("from='juliet@localhost/balcony'", "<message id='m' ", "</message>")
	for i, q := range []string{"http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items", "jabber:iq:last", "jabber:iq:version", "urn:ietf:params:xml:ns:none"} {
		for _, to := range []string{"localhost", "juliet@localhost"} {
			id := fmt.Sprint(i, to)
			romeo.send("<iq type='get' to='%s' id='%s'><query xmlns='%s'/></iq>", to, id, q)
			heard += romeo.expect("id='"+id+"'", "</iq>")
		}
	}
	juliet.send("</stream:stream>")
	heard += romeo.expect("type='unavailable'")
	wantNone(t, strings.ToLower(heard), ip, "'"+port+"'", ":"+port, "tcp", "tls", "127.0.0.1")
}

// TestReq_IM_1_1_1: what is named as outside of the document, and what will come, is
// carried as it is: a server need not know it.
func TestReq_IM_1_1_1(t *testing.T) {
	s := newServer(t, nil)
	juliet, romeo := login(t, s, "juliet", "r0m30", "balcony"), login(t, s, "romeo", "jul13t", "orchard")
	juliet.drain()
	romeo.drain()
	for what, payload := range map[string]string{
		"service discovery":   "<query xmlns='http://jabber.org/protocol/disco#info' node='n'/>",
		"multi-user chat":     "<x xmlns='http://jabber.org/protocol/muc#user'><invite to='hecate@shakespeare.lit'/></x>",
		"search":              "<query xmlns='jabber:iq:search'><last>Capulet</last></query>",
		"RPC":                 "<query xmlns='jabber:iq:rpc'><methodCall><methodName>a.b</methodName></methodCall></query>",
		"forms":               "<x xmlns='jabber:x:data' type='form'><field var='a'/></x>",
		"feature negotiation": "<feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data' type='form'/></feature>",
		"composing events":    "<x xmlns='jabber:x:event'><composing/><id>1</id></x>",
		"expiry":              "<x xmlns='jabber:x:expire' seconds='1800'/>",
		"delayed delivery":    "<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z' from='juliet@localhost'/>",
		"file transfer":       "<si xmlns='http://jabber.org/protocol/si' id='a' profile='http://jabber.org/protocol/si/profile/file-transfer'/>",
	} {
		t.Run("IM-1.1-1 "+what, func(t *testing.T) {
			juliet.t, romeo.t = t, t
			juliet.send("<message to='romeo@localhost/orchard'>%s</message>", payload)
			romeo.exactly("<message to='romeo@localhost/orchard' from='juliet@localhost/balcony'>" + payload + "</message>")
		})
	}
}

// TestReq_IM21_1_2: the use cases of RFC 6121, and that messages need no presence and
// presence no messages.
func TestReq_IM21_1_2(t *testing.T) {
	t.Run("IM21-1.2-2 messages without presence", func(t *testing.T) {
		s := newServer(t, nil)
		var both []*raw
		for _, user := range []string{"juliet", "romeo"} {
			r := newRaw(t, s.Pipe())
			r.login(user, passwords[user], "x")
			both = append(both, r)
		}
		both[0].send("<message to='romeo@localhost/x'><body>hi</body></message>")
		both[1].exactly("<message to='romeo@localhost/x' from='juliet@localhost/x'><body>hi</body></message>")
		both[1].send("<message to='juliet@localhost/x'><body>hi</body></message>")
		both[0].exactly("<message to='juliet@localhost/x' from='romeo@localhost/x'><body>hi</body></message>")
		for _, r := range both {
			wantNone(t, r.drain(), "<presence")
		}
	})
	t.Run("IM21-1.2-2 presence without messages", func(t *testing.T) {
		s := newServer(t, nil)
		juliet, romeo := available(t, s, "juliet", "r0m30", "x", -1), available(t, s, "romeo", "jul13t", "x", -1)
		juliet.send("<presence to='romeo@localhost' type='subscribe'/>")
		romeo.expect("type='subscribe'")
		romeo.send("<presence to='juliet@localhost' type='subscribed'/>")
		juliet.expect("type='subscribed'", "from='romeo@localhost/x'")
		romeo.send("<presence><show>away</show></presence>")
		wantNone(t, juliet.expect("<show>away</show>"), "<message")
		romeo.send("<message to='juliet@localhost'><body>hi</body></message>")
		wantNone(t, juliet.drain(), "<message") // her priority is negative
	})
}

// TestReq_R3921_12_1_1: what RFC 3921, section 12.1, and RFC 6121, section 1.3, ask a
// server for: messages, presence, subscriptions, the roster, blocking.
func TestReq_R3921_12_1_1(t *testing.T) {
	s := newServer(t, nil)
	juliet, romeo := login(t, s, "juliet", "r0m30", "balcony"), login(t, s, "romeo", "jul13t", "orchard")
	for _, r := range []*raw{juliet, romeo} {
		r.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
		r.expect("<iq type='result' id='r'", "</iq>")
	}
	for _, step := range []struct {
		name         string
		from         *raw
		sent         string
		to           *raw
		arrives, not string
	}{
		{"R3921-12.1-1 IM21-1.2-1 roster", juliet, "<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='romeo@localhost' name='R'/></query></iq>",
			juliet, "<item jid='romeo@localhost' name='R' subscription='none'/>", ""},
		{"R3921-12.1-1 IM21-1.2-1 subscriptions", juliet, "<presence to='romeo@localhost' type='subscribe'/>", romeo, "<presence type='subscribe'", ""},
		{"R3921-12.1-1 IM21-1.2-1 approval", romeo, "<presence to='juliet@localhost' type='subscribed'/>", juliet, "subscription='to'", ""},
		{"R3921-12.1-1 IM21-1.2-1 presence broadcast", romeo, "<presence><status>here</status></presence>", juliet, "<status>here</status></presence>", ""},
		{"R3921-12.1-1 IM21-1.2-1 messages", juliet, "<message to='romeo@localhost' type='chat'><body>hi</body></message>", romeo, "<body>hi</body></message>", ""},
		{"R3921-12.1-1 rules of delivery", juliet, "<message to='nobody@localhost' id='2'><body>hi</body></message>", juliet, "<message type='error' id='2'", ""},
		{"R3921-12.1-1 privacy lists", romeo, "<iq type='set' id='3'><query xmlns='jabber:iq:privacy'><list name='l'><item type='jid' value='nurse@localhost' action='deny' order='1'/></list></query></iq>",
			romeo, "<iq type='result' id='3'", ""},
		{"R3921-12.1-1 IM21-1.2-1 blocking", romeo, "<iq type='set' id='4'><block xmlns='urn:xmpp:blocking'><item jid='juliet@localhost'/></block></iq>",
			romeo, "<iq type='result' id='4'", ""},
		{"IM21-1.2-1 what is blocked does not arrive", juliet, "<message to='romeo@localhost' type='chat' id='5'><body>still there?</body></message>",
			juliet, "<message type='error' id='5'", "still there?"},
	} {
		t.Run(step.name, func(t *testing.T) {
			juliet.t, romeo.t = t, t
			step.from.send("%s", step.sent)
			step.to.expect(step.arrives)
			if step.not != "" {
				wantNone(t, romeo.drain(), step.not)
			}
		})
	}
}
