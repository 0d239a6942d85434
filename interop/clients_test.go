//go:build interop

package interop

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/etherx-go/xmpp/interop/internal/peer"
)

// servers are the servers that foreign clients are run against. What they do
// against the first ones says that the clients and the rig are right.
var servers = []struct {
	name  string
	start func(testing.TB) *peer.Server
	// unknownDomain is the error for a domain that the server cannot reach.
	unknownDomain string
}{
	{"Prosody", peer.Prosody{}.Start, "not-allowed"},
	{"ejabberd", peer.Ejabberd{}.Start, "forbidden"},
	{"Etherx", peer.Etherx{Root: ".."}.Start, "remote-server-not-found"},
	{"Etherx legacy", peer.Etherx{Root: "..", Legacy: true}.Start, "remote-server-not-found"},
}

// TestClients runs every foreign client against every server.
func TestClients(t *testing.T) {
	t.Parallel()
	for _, tt := range servers {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.start(t)
			for _, direct := range []bool{false, true} {
				t.Run("slixmpp/talks/"+transport(direct), func(t *testing.T) { testSlixmppTalks(t, s, direct) })
				t.Run("profanity/talks/"+transport(direct), func(t *testing.T) { testProfanityTalks(t, s, direct) })
				t.Run("go-sendxmpp/talks/"+transport(direct), func(t *testing.T) { testSendXMPPTalks(t, s, direct) })
			}
			t.Run("slixmpp/queries", func(t *testing.T) { testSlixmppQueries(t, s) })
			t.Run("slixmpp/errors", func(t *testing.T) { testSlixmppErrors(t, s, tt.unknownDomain) })
			t.Run("slixmpp/mechanisms", func(t *testing.T) { testSlixmppMechanisms(t, s) })
			t.Run("slixmpp/wrong password", func(t *testing.T) { testSlixmppWrongPassword(t, s) })
			t.Run("slixmpp/untrusted server", func(t *testing.T) { testSlixmppUntrusted(t, s) })
			t.Run("slixmpp/registers", func(t *testing.T) { testSlixmppRegisters(t, s) })
			t.Run("profanity/errors", func(t *testing.T) { testProfanityErrors(t, s) })
			t.Run("profanity/wrong password", func(t *testing.T) { testProfanityWrongPassword(t, s) })
			t.Run("profanity/untrusted server", func(t *testing.T) { testProfanityUntrusted(t, s) })
			t.Run("go-sendxmpp/wrong password", func(t *testing.T) { testSendXMPPWrongPassword(t, s) })
			t.Run("go-sendxmpp/untrusted server", func(t *testing.T) { testSendXMPPUntrusted(t, s) })
		})
	}
}

func transport(direct bool) string {
	if direct {
		return "direct TLS"
	}
	return "STARTTLS"
}

var accountNumber atomic.Int64

// newAccount makes an account that no other test uses.
func newAccount(t *testing.T, s *peer.Server) peer.Account {
	t.Helper()
	n := accountNumber.Add(1)
	return s.AddUser(t, fmt.Sprintf("user%d", n), fmt.Sprintf("pass&word %d", n))
}

// nobody is an account that the server does not have.
func nobody(s *peer.Server) string { return "nobody@" + s.Domain }

func testSlixmppTalks(t *testing.T, s *peer.Server, direct bool) {
	juliet, romeo := newAccount(t, s), newAccount(t, s)
	j := peer.Slixmpp{Account: juliet, Direct: direct}.Start(t, s)
	r := peer.Slixmpp{Account: romeo, Direct: direct}.Start(t, s)
	julietJID, romeoJID := j.Session(t), r.Session(t)
	for _, c := range []struct {
		client *peer.SlixmppClient
		bare   string
		full   string
	}{{j, juliet.JID(), julietJID}, {r, romeo.JID(), romeoJID}} {
		if version := c.client.Expect(t, "tls").Version; version != "TLSv1.3" {
			t.Errorf("%s uses %s, want TLSv1.3", c.bare, version)
		}
		// Left to itself slixmpp tries what it knows until something works.
		t.Logf("%s logged in with %s", c.bare, c.client.Expect(t, "auth").Mechanism)
		if resource, ok := strings.CutPrefix(c.full, c.bare+"/"); !ok || resource == "" {
			t.Errorf("bound %q, want a resource of %s", c.full, c.bare)
		}
	}

	// What XML escapes, what it does not, and more than one plane.
	const body = "Wherefore art thou <Romeo> & 'all' \"that\"? ]]> žluťoučký 𝄞"
	j.Send(t, romeo.JID(), body)
	got := r.ExpectMessage(t, body)
	if got.From != julietJID || got.To != romeo.JID() || got.Type != "chat" || got.ID == "" {
		t.Errorf("message to the bare JID arrived as %+v", got)
	}
	r.Send(t, got.From, "Neither, fair saint")
	got = j.ExpectMessage(t, "Neither, fair saint")
	if got.From != romeoJID || got.To != julietJID || got.Type != "chat" {
		t.Errorf("message to the full JID arrived as %+v", got)
	}

	// In order, and each once.
	const n = 50
	for i := range n {
		j.Send(t, romeo.JID(), fmt.Sprintf("line %d", i))
	}
	for i := range n {
		if e := r.Expect(t, "message"); e.Body != fmt.Sprintf("line %d", i) {
			t.Fatalf("message %d is %q", i, e.Body)
		}
	}

	j.Disconnect(t)
	j.Expect(t, "disconnected")
	for _, c := range []*peer.SlixmppClient{j, r} {
		for _, event := range []string{"stream_error", "message_error", "message"} {
			if c.Seen(event) {
				t.Errorf("there was an unexpected %s", event)
			}
		}
	}
}

func testSlixmppQueries(t *testing.T, s *peer.Server) {
	j := peer.Slixmpp{Account: newAccount(t, s)}.Start(t, s)
	r := peer.Slixmpp{Account: newAccount(t, s)}.Start(t, s)
	julietJID, romeoJID := j.Session(t), r.Session(t)
	r.Greet(t, julietJID)
	for _, tt := range []struct {
		name, to, iqType, namespace, element string
		condition                            string // "" is a result
		payload                              string
	}{
		{"ping to the server", s.Domain, "get", "urn:xmpp:ping", "ping", "", ""},
		{"ping to the other client", romeoJID, "get", "urn:xmpp:ping", "ping", "", ""},
		{"roster", "", "get", "jabber:iq:roster", "query", "", "{jabber:iq:roster}query"},
		{"disco to the server", s.Domain, "get", "http://jabber.org/protocol/disco#info", "query", "", "{http://jabber.org/protocol/disco#info}query"},
		{"disco to the other client", romeoJID, "get", "http://jabber.org/protocol/disco#info", "query", "", "{http://jabber.org/protocol/disco#info}query"},
		// RFC 6120 section 8.4: an unknown payload gets service-unavailable;
		// slixmpp itself answers otherwise.
		{"unknown to the server", s.Domain, "get", "urn:example:unknown", "query", "service-unavailable", ""},
		{"unknown set to the server", s.Domain, "set", "urn:example:unknown", "query", "service-unavailable", ""},
		{"unknown to the own account", "", "get", "urn:example:unknown", "query", "service-unavailable", ""},
		{"unknown to the other client", romeoJID, "get", "urn:example:unknown", "query", "feature-not-implemented", ""},
		{"to no account", nobody(s), "get", "jabber:iq:version", "query", "service-unavailable", ""},
		{"to no resource", strings.SplitAfter(romeoJID, "/")[0] + "gone", "get", "urn:xmpp:ping", "ping", "service-unavailable", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer := j.IQ(t, tt.to, tt.iqType, tt.namespace, tt.element)
			if answer.Condition != tt.condition {
				t.Errorf("answer %+v, want condition %q", answer, tt.condition)
			}
			if tt.condition == "" && answer.Type != "result" {
				t.Errorf("answer of type %q", answer.Type)
			}
			if tt.to != "" && answer.From != tt.to {
				t.Errorf("answer from %q, want %q", answer.From, tt.to)
			}
			if tt.condition == "" && tt.payload != "" && !slices.Contains(answer.Payloads, tt.payload) {
				t.Errorf("answer with %v, want %s", answer.Payloads, tt.payload)
			}
		})
	}
}

func testSlixmppErrors(t *testing.T, s *peer.Server, unknownDomain string) {
	juliet := newAccount(t, s)
	j := peer.Slixmpp{Account: juliet}.Start(t, s)
	j.Session(t)
	for _, tt := range []struct{ to, condition string }{
		{nobody(s), "service-unavailable"}, // RFC 6121 section 8.5.1
		{"romeo@unknown.invalid", unknownDomain},
	} {
		j.Send(t, tt.to, "Is anybody there?")
		e := j.Expect(t, "message_error")
		if e.From != tt.to || e.Condition != tt.condition {
			t.Errorf("%s: got %+v, want condition %s", tt.to, e, tt.condition)
		}
	}
	if answer := j.Ping(t, s.Domain); answer.Condition != "" {
		t.Errorf("the session did not survive the errors: %+v", answer)
	}
}

// byMechanism returns a login for each mechanism of the server that needs no
// more than a password, set up so that slixmpp does it right.
func byMechanism(t *testing.T, s *peer.Server, account peer.Account) []peer.Slixmpp {
	t.Helper()
	offers := s.Offer(t, false).Mechanisms
	if len(offers) < 2 {
		t.Fatalf("too few mechanisms to try: %v", offers)
	}
	var logins []peer.Slixmpp
	for _, mechanism := range offers {
		if mechanism == "X-OAUTH2" || mechanism == "EXTERNAL" {
			continue
		}
		plus := strings.HasSuffix(mechanism, "-PLUS")
		logins = append(logins, peer.Slixmpp{Account: account, Mechanism: mechanism, TLS12: plus, NoBinding: !plus})
	}
	return logins
}

func testSlixmppMechanisms(t *testing.T, s *peer.Server) {
	for _, login := range byMechanism(t, s, newAccount(t, s)) {
		t.Run(login.Mechanism, func(t *testing.T) {
			c := login.Start(t, s)
			c.Session(t)
			if used := c.Expect(t, "auth").Mechanism; used != login.Mechanism {
				t.Errorf("logged in with %s", used)
			}
		})
	}
}

func testSlixmppWrongPassword(t *testing.T, s *peer.Server) {
	juliet := newAccount(t, s)
	juliet.Password += "!"
	unknown := peer.Account{User: "nobody", Domain: s.Domain, Password: "secret"}
	for _, account := range []peer.Account{juliet, unknown} {
		for _, login := range byMechanism(t, s, account) {
			t.Run(login.Mechanism+"/"+account.User, func(t *testing.T) {
				c := login.Start(t, s)
				if e := c.Expect(t, "failed_auth"); e.Condition != "not-authorized" {
					t.Errorf("failure %+v, want not-authorized", e)
				}
				c.Expect(t, "disconnected")
				if c.Seen("auth") || c.Seen("session") {
					t.Error("there was a login")
				}
			})
		}
	}
}

func testSlixmppUntrusted(t *testing.T, s *peer.Server) {
	c := peer.Slixmpp{Account: newAccount(t, s), CA: peer.NewCA(t)}.Start(t, s)
	c.Expect(t, "invalid_certificate")
	c.Expect(t, "disconnected")
	if c.Seen("auth") || c.Seen("failed_auth") {
		t.Error("credentials were sent to an untrusted server")
	}
}

func testSlixmppRegisters(t *testing.T, s *peer.Server) {
	account := peer.Account{User: "newcomer", Domain: s.Domain, Password: "s3cret"}
	c := peer.Slixmpp{Account: account, Register: true}.Start(t, s)
	c.Expect(t, "registered")
	if jid := c.Session(t); !strings.HasPrefix(jid, account.JID()+"/") {
		t.Errorf("bound %q", jid)
	}
	again := peer.Slixmpp{Account: account, Register: true}.Start(t, s)
	if e := again.Expect(t, "register_failed"); e.Condition != "conflict" {
		t.Errorf("second registration: %+v, want conflict", e)
	}
}

func testProfanityTalks(t *testing.T, s *peer.Server, direct bool) {
	juliet, romeo := newAccount(t, s), newAccount(t, s)
	r := peer.Slixmpp{Account: romeo}.Start(t, s)
	r.Session(t)
	j := peer.Profanity{Account: juliet, Direct: direct}.Start(t, s)
	j.Session(t)
	if screen := j.Screen(t); !strings.Contains(screen, "[TLS] [online]") {
		t.Errorf("profanity does not show that TLS is used:\n%s", screen)
	}
	j.Send(t, romeo.JID(), "O Romeo <3 & žluťoučký")
	e := r.ExpectMessage(t, "O Romeo <3 & žluťoučký")
	if !strings.HasPrefix(e.From, juliet.JID()+"/") || e.Type != "chat" {
		t.Errorf("arrived as %+v", e)
	}
	r.Send(t, e.From, "I take thee at thy word")
	j.Expect(t, "I take thee at thy word")
	// Once it has said so, the account is available.
	j.Type(t, "/status set online")
	j.Send(t, romeo.JID(), "I am here")
	r.ExpectMessage(t, "I am here")
	r.Send(t, juliet.JID(), "Call me but love")
	j.Expect(t, "Call me but love")
	j.Quit(t)
}

func testProfanityErrors(t *testing.T, s *peer.Server) {
	j := peer.Profanity{Account: newAccount(t, s)}.Start(t, s)
	j.Session(t)
	j.Send(t, nobody(s), "Is anybody there?")
	j.Expect(t, "Error from "+nobody(s)+": service-unavailable")
}

func testProfanityWrongPassword(t *testing.T, s *peer.Server) {
	juliet := newAccount(t, s)
	juliet.Password += "!"
	peer.Profanity{Account: juliet}.Start(t, s).Expect(t, "Login failed.")
}

func testProfanityUntrusted(t *testing.T, s *peer.Server) {
	p := peer.Profanity{Account: newAccount(t, s), CA: peer.NewCA(t)}.Start(t, s)
	p.Expect(t, "TLS certificate verification failed")
	p.Type(t, "/tls deny")
	p.Expect(t, "Login failed.")
}

func testSendXMPPTalks(t *testing.T, s *peer.Server, direct bool) {
	juliet, romeo := newAccount(t, s), newAccount(t, s)
	r := peer.Slixmpp{Account: romeo}.Start(t, s)
	r.Session(t)
	output, err := peer.SendXMPP{Account: juliet, Direct: direct}.Send(t, s, romeo.JID(), "Good night, good night!")
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	e := r.ExpectMessage(t, "Good night, good night!")
	if !strings.HasPrefix(e.From, juliet.JID()+"/") || e.Type != "chat" {
		t.Errorf("arrived as %+v", e)
	}
	listener, jid := peer.SendXMPP{Account: juliet, Direct: direct}.Listen(t, s)
	r.Send(t, jid, "Parting is such sweet sorrow")
	listener.Expect(t, romeo.JID(), "Parting is such sweet sorrow")
	listener.Available(t)
	r.Send(t, juliet.JID(), "till it be morrow")
	listener.Expect(t, romeo.JID(), "till it be morrow")
}

func testSendXMPPWrongPassword(t *testing.T, s *peer.Server) {
	juliet := newAccount(t, s)
	juliet.Password += "!"
	output, err := peer.SendXMPP{Account: juliet}.Send(t, s, juliet.JID(), "x")
	if err == nil || !strings.Contains(output, "not-authorized") {
		t.Errorf("error %v, output\n%s", err, output)
	}
}

func testSendXMPPUntrusted(t *testing.T, s *peer.Server) {
	juliet := newAccount(t, s)
	output, err := peer.SendXMPP{Account: juliet, CA: peer.NewCA(t)}.Send(t, s, juliet.JID(), "x")
	if err == nil || !strings.Contains(output, "certificate signed by unknown authority") {
		t.Errorf("error %v, output\n%s", err, output)
	}
}
