package stream

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	agentID     = "d4565fa7-4d72-4749-b3d3-740edbf87770"
	agent       = "<user-agent id='" + agentID + "'><software>AwesomeXMPP</software><device>Kiva's Phone</device></user-agent>"
	mechanisms2 = "<mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism>"
	offer2      = "<authentication xmlns='urn:xmpp:sasl:2'>" + mechanisms2 + "</authentication>"
	offerBind2  = "<authentication xmlns='urn:xmpp:sasl:2'>" + mechanisms2 + "<inline><bind xmlns='urn:xmpp:bind:0'/></inline></authentication>"
	robPlain    = "<initial-response>AHJvYgBzZWNyZXQ=</initial-response>"
	wrongPlain  = "<initial-response>AHJvYgB3cm9uZw==</initial-response>"
	robAddress  = "<authorization-identifier>rob@capulet.com</authorization-identifier>"
	sessionOpt  = "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>"
)

// both is what a server offers that has either SASL.
func both(offer2 string) string {
	return answer + "<stream:features>" + offer2 + offerMechanisms + "</stream:features>"
}

// afterwards is what a server says when a client has logged in and not bound.
const afterwards = "<stream:features>" + offerBind + sessionOpt + "</stream:features>"

// authenticate is a client's request to log in.
func authenticate(mechanism, content string) string {
	if content == "" {
		return "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='" + mechanism + "'/>"
	}
	return "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='" + mechanism + "'>" + content + "</authenticate>"
}

func success2(content string) string {
	return "<success xmlns='urn:xmpp:sasl:2'>" + content + "</success>"
}

func failed2(condition string) string {
	return "<failure xmlns='urn:xmpp:sasl:2'><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>"
}

// features2 are those of a server with XEP-0388.
func features2(t testing.TB, s SASLServer) []Feature {
	s.Config = rob(t)
	if s.SASL2 == nil {
		s.SASL2 = &SASL2Server{}
	}
	return append(s.Features(), bindRob(), OfferSession())
}

// bindTo2 binds rob to the resource that the server has made, or to one.
func bindTo2(resource string) *Bind2Server {
	return &Bind2Server{Secret: []byte("secret"), Bind: func(_ context.Context, l *Login, made string) (jid.JID, error) {
		if resource != "" {
			made = resource
		}
		return l.Account.WithResource(made)
	}}
}

// run runs a subtest whose clock does not wait for who is slow to close.
func run(t *testing.T, name string, fn func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, fn) })
}

// TestSASL2Accept is the whole conversation with a server: what a client sends, all
// that it gets until the connection is closed, and how Accept ends.
func TestSASL2Accept(t *testing.T) {
	from := strings.Replace(hello, " to=", " from='rob@capulet.com' to=", 1)
	toRob := func(s string) string { return strings.Replace(s, " id=", " to='rob@capulet.com' id=", 1) }
	authzid := func(authzid string) string {
		return "<initial-response>" + base64.StdEncoding.EncodeToString([]byte(authzid+"\x00rob\x00secret")) + "</initial-response>"
	}
	const scramFirst = "<initial-response>biwsbj1yb2Iscj1hYmM=</initial-response>" // n,,n=rob,r=abc
	wrong := authenticate("PLAIN", wrongPlain)
	oldWrong := "<auth xmlns='" + NSSASL + "' mechanism='PLAIN'>AHJvYgB3cm9uZw==</auth>"
	tooMany := streamError("policy-violation", "too many failed tries to authenticate")
	plain := authenticate("PLAIN", robPlain+agent)
	for _, tt := range []struct {
		name, in, want string
		err            Condition // "" : the peer has closed the stream
	}{
		{"example 13", from + plain + end, toRob(both(offer2)) + success2(robAddress) + afterwards + end, ""},
		{"no user agent", hello + authenticate("PLAIN", robPlain) + end, both(offer2) + success2(robAddress) + afterwards + end, ""},
		{"wrapped data", hello + authenticate("PLAIN", "<initial-response>\n\tAHJvYgBz\n\tZWNyZXQ=\n</initial-response>") + end,
			both(offer2) + success2(robAddress) + afterwards + end, ""},
		{"another prefix", hello + "<s:authenticate xmlns:s='urn:xmpp:sasl:2' mechanism='PLAIN'><s:initial-response>AHJvYgBzZWNyZXQ=</s:initial-response></s:authenticate>" + end,
			both(offer2) + success2(robAddress) + afterwards + end, ""},
		{"a challenge without data", hello + authenticate("PLAIN", "") + "<response xmlns='urn:xmpp:sasl:2'>AHJvYgBzZWNyZXQ=</response>" + end,
			both(offer2) + "<challenge xmlns='urn:xmpp:sasl:2'/>" + success2(robAddress) + afterwards + end, ""},
		{"an initial response without data is one", hello + authenticate("PLAIN", "<initial-response/>") + end, both(offer2) + failed2("malformed-request") + end, ""},
		{"= is no base64", hello + authenticate("PLAIN", "<initial-response>=</initial-response>") + end, both(offer2) + failed2("incorrect-encoding") + end, ""},
		{"then bound as ever", hello + plain + askBind + end, both(offer2) + success2(robAddress) + afterwards + bound, ""},
		{"the old way as ever", hello + authPlain + hello + askBind + end, both(offer2) + success + answer + featuresBind + bound, ""},

		{"wrong, then right", hello + wrong + plain + end, both(offer2) + failed2("not-authorized") + success2(robAddress) + afterwards + end, ""},
		{"wrong, then right the old way", hello + wrong + authPlain + hello + end, both(offer2) + failed2("not-authorized") + success + answer + featuresBind, ""},
		{"tries count together", hello + wrong + oldWrong + wrong + oldWrong + wrong,
			both(offer2) + failed2("not-authorized") + saslFailure("not-authorized") + failed2("not-authorized") + saslFailure("not-authorized") + failed2("not-authorized") + tooMany, PolicyViolation},
		{"abort", hello + authenticate("SCRAM-SHA-1", scramFirst) + "<abort xmlns='urn:xmpp:sasl:2'><text>no</text></abort>" + plain + end,
			both(offer2) + "CHALLENGE" + failed2("aborted") + success2(robAddress) + afterwards + end, ""},
		{"abort of nothing", hello + "<abort xmlns='urn:xmpp:sasl:2'/>" + end, both(offer2) + failed2("aborted") + end, ""},
		{"response to nothing", hello + "<response xmlns='urn:xmpp:sasl:2'/>" + end, both(offer2) + failed2("malformed-request") + end, ""},
		{"unknown mechanism", hello + authenticate("MAGIC", "") + end, both(offer2) + failed2("invalid-mechanism") + end, ""},
		{"no mechanism", hello + "<authenticate xmlns='urn:xmpp:sasl:2'/>" + end, both(offer2) + failed2("invalid-mechanism") + end, ""},
		{"a mechanism for tokens", hello + authenticate("HT-SHA-256-NONE", "<initial-response>AAAA</initial-response><fast xmlns='urn:xmpp:fast:0'/>"+agent) + end, both(offer2) + failed2("invalid-mechanism") + end, ""},
		{"begun again in the middle", hello + authenticate("SCRAM-SHA-1", scramFirst) + plain,
			both(offer2) + "CHALLENGE" + streamError("unsupported-stanza-type", "{urn:xmpp:sasl:2}authenticate is not expected here"), UnsupportedStanzaType},
		{"other traffic in the middle", hello + authenticate("SCRAM-SHA-1", scramFirst) + "<message/>",
			both(offer2) + "CHALLENGE" + streamError("not-authorized", "message before the stream is ready"), NotAuthorized},
		{"the other SASL in the middle", hello + authenticate("SCRAM-SHA-1", scramFirst) + "<abort xmlns='" + NSSASL + "'/>",
			both(offer2) + "CHALLENGE" + streamError("unsupported-stanza-type", "{"+NSSASL+"}abort is not expected here"), UnsupportedStanzaType},
		{"again after the success", hello + plain + plain,
			both(offer2) + success2(robAddress) + afterwards + streamError("unsupported-stanza-type", "{urn:xmpp:sasl:2}authenticate is not expected here"), UnsupportedStanzaType},
		{"the old way after the success", hello + plain + authPlain,
			both(offer2) + success2(robAddress) + afterwards + streamError("unsupported-stanza-type", "{"+NSSASL+"}auth is not expected here"), UnsupportedStanzaType},

		{"section 4.4: identity of the stream", from + authenticate("PLAIN", authzid("rob@capulet.com")) + end, toRob(both(offer2)) + success2(robAddress) + afterwards + end, ""},
		{"section 4.4: in other letters", from + authenticate("PLAIN", authzid("rob@CAPULET.com")) + end, toRob(both(offer2)) + success2(robAddress) + afterwards + end, ""},
		{"section 4.4: another identity", strings.Replace(from, "rob@", "ann@", 1) + authenticate("PLAIN", authzid("rob@capulet.com")) + end,
			strings.Replace(toRob(both(offer2)), "'rob@", "'ann@", 1) + failed2("invalid-authzid") + end, ""},
		{"section 4.4: no address", from + authenticate("PLAIN", authzid("rob")) + end, toRob(both(offer2)) + failed2("invalid-authzid") + end, ""},
		{"no version, no features", "<stream:stream to='capulet.com'" + streamDecl + ">" + plain, decl + "<stream:stream" + streamDecl + " from='capulet.com' id='ID' xml:lang='en'>" +
			"<stream:error>{urn:xmpp:sasl:2}authenticate is not expected here<unsupported-stanza-type xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>", UnsupportedStanzaType},
		{"a request to bind where none is offered", hello + authenticate("PLAIN", robPlain+"<bind xmlns='urn:xmpp:bind:0'/>") + end, both(offer2) + success2(robAddress) + afterwards + end, ""},
	} {
		run(t, tt.name, func(t *testing.T) {
			p, n := accept(t, Config{}, features2(t, SASLServer{}))
			go p.send(tt.in)
			want := tt.want
			if before, rest, ok := strings.Cut(want, "CHALLENGE"); ok {
				p.expect(before)
				p.wait("</challenge>")
				want = rest
			}
			if !strings.HasSuffix(want, end) {
				p.expect(want)
				p.close()
				n.wait()
				return
			}
			if got := p.rest(); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if _, err := n.wait(); tt.err == "" && err != ErrPeerClosed || tt.err != "" && !isCondition(err, tt.err) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestSASL2NeedsTLS: without TLS nothing is offered, and nobody is let in.
func TestSASL2NeedsTLS(t *testing.T) {
	a, b := net.Pipe()
	p := newPeer(t, a)
	n := background(func() (*Conn, error) {
		return Accept(t.Context(), NewTransport(b), Config{}, openTo(features2(t, SASLServer{})))
	})
	p.send(hello)
	p.expect(answer + "<stream:features><mechanisms xmlns='" + NSSASL + "'><mechanism>SCRAM-SHA-1</mechanism></mechanisms></stream:features>")
	p.send(authenticate("SCRAM-SHA-1", ""))
	p.expect(failed2("encryption-required"))
	p.close()
	n.wait()
}

// TestBind2Accept: the resource, the features and their answers.
func TestBind2Accept(t *testing.T) {
	bindAs := func(content string) string {
		return hello + authenticate("PLAIN", robPlain+agent+"<bind xmlns='urn:xmpp:bind:0'>"+content+"</bind>")
	}
	const bound2 = "<authorization-identifier>rob@capulet.com/r</authorization-identifier><bound xmlns='urn:xmpp:bind:0'/>"
	carbons := BindFeature{Var: "urn:xmpp:carbons:2", Requests: []xml.Name{{Space: "urn:xmpp:carbons:2", Local: "enable"}},
		Enable: func(context.Context, *Login, stanza.Element) (stanza.Raw, error) { return "", nil }}
	csi := BindFeature{Var: "urn:xmpp:csi:0", Requests: []xml.Name{{Space: "urn:xmpp:csi:0", Local: "active"}, {Space: "urn:xmpp:csi:0", Local: "inactive"}},
		Enable: func(_ context.Context, l *Login, el stanza.Element) (stanza.Raw, error) {
			if l.User != "rob" || l.UserAgent.Device != "Kiva's Phone" || l.Mechanism != "PLAIN" {
				return "", errors.New("who is that")
			}
			return stanza.Raw("<" + el.Name().Local + "-it xmlns='urn:x'/>"), nil
		}}
	fails := BindFeature{Var: "urn:y", Requests: []xml.Name{{Space: "urn:y", Local: "y"}},
		Enable: func(context.Context, *Login, stanza.Element) (stanza.Raw, error) { return "", errors.New("y failed") }}
	metadata := "<metadata xmlns='urn:xmpp:mam:2'><start id='YWxwaGEg' timestamp='2008-08-22T21:09:04Z'/><end id='b21lZ2Eg' timestamp='2020-04-20T14:34:21Z'/></metadata>"
	offers := func(inner string) string {
		return both("<authentication xmlns='urn:xmpp:sasl:2'>" + mechanisms2 + "<inline><bind xmlns='urn:xmpp:bind:0'>" + inner + "</bind></inline></authentication>")
	}
	three := offers("<inline><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:csi:0'/><feature var='urn:y'/></inline>")
	for _, tt := range []struct {
		name, in, want string
		change         func(*Bind2Server)
		reported       string
	}{
		{"XEP-0386 example 2", bindAs("<tag>AwesomeXMPP</tag>"), both(offerBind2) + success2(bound2) + "<stream:features></stream:features>", nil, ""},
		{"XEP-0386 example 3", bindAs("<tag>AwesomeXMPP</tag><enable xmlns='urn:xmpp:carbons:2'/><enable xmlns='urn:xmpp:sm:3'/><inactive xmlns='urn:xmpp:csi:0'/>"),
			three + success2("<authorization-identifier>rob@capulet.com/r</authorization-identifier><bound xmlns='urn:xmpp:bind:0'><inactive-it xmlns='urn:x'/></bound>") + "<stream:features></stream:features>",
			func(b *Bind2Server) { b.Features = []BindFeature{carbons, csi, fails} }, ""},
		{"XEP-0386 example 4", bindAs(""),
			both(offerBind2) + success2("<authorization-identifier>rob@capulet.com/r</authorization-identifier><bound xmlns='urn:xmpp:bind:0'>"+metadata+"</bound>") + "<stream:features></stream:features>",
			func(b *Bind2Server) {
				b.Metadata = func(context.Context, *Login) (stanza.Raw, error) { return stanza.Raw(metadata), nil }
			}, ""},
		{"what fails beside it", bindAs("<y xmlns='urn:y'/>"), three + success2(bound2) + "<stream:features></stream:features>",
			func(b *Bind2Server) { b.Features = []BindFeature{carbons, csi, fails} }, "urn:y: y failed"},
		{"metadata fails", bindAs(""), both(offerBind2) + success2(bound2) + "<stream:features></stream:features>", func(b *Bind2Server) {
			b.Metadata = func(context.Context, *Login) (stanza.Raw, error) { return "", io.EOF }
		}, "metadata: EOF"},
		{"it cannot be bound", bindAs(""), both(offerBind2) + success2(robAddress) + afterwards, func(b *Bind2Server) {
			b.Bind = func(context.Context, *Login, string) (jid.JID, error) { return jid.JID{}, stanza.ResourceConstraint }
		}, "bind: " + stanza.ResourceConstraint.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var reported []string
			var admitted *Login
			b := bindTo2("r")
			b.Bound = func(l *Login) {
				admitted = l
				if err := l.Conn.TrySend(message(1)); err != nil {
					t.Error(err)
				}
			}
			if tt.change != nil {
				tt.change(b)
			}
			ext := &SASL2Server{Bind: b, Report: func(_ *Conn, err error) { reported = append(reported, err.Error()) }}
			p, n := accept(t, Config{}, features2(t, SASLServer{SASL2: ext}))
			p.send(tt.in)
			p.expect(tt.want)
			if tt.want[len(tt.want)-len(afterwards):] == afterwards {
				p.send(askBind) // the other way, which says what is wrong
				p.expect(bound)
			} else {
				p.expect(message(1).String())
			}
			c := n.must(t)
			if c.State()&Ready == 0 || (admitted != nil) != strings.Contains(tt.want, "<bound ") {
				t.Errorf("state %b, admitted %v", c.State(), admitted)
			}
			if got := strings.Join(reported, "\n"); got != tt.reported {
				t.Errorf("reported %q, want %q", got, tt.reported)
			}
			c.Close()
		})
	}
}

// TestBind2Resource: the same client gets the same resource, which shows nothing of it.
func TestBind2Resource(t *testing.T) {
	b := &Bind2Server{Secret: []byte("s")}
	login := func(account, id string) *Login {
		return &Login{Account: jid.MustParse(account), UserAgent: UserAgent{ID: id}}
	}
	rob1 := b.resource(login("rob@capulet.com", agentID), "App")
	if !strings.HasPrefix(rob1, "App/") || len(rob1) != len("App/")+generated || strings.Contains(rob1, agentID[:8]) {
		t.Errorf("resource %q", rob1)
	}
	if again := b.resource(login("rob@capulet.com", agentID), "App"); again != rob1 {
		t.Errorf("%q, then %q", rob1, again)
	}
	seen := map[string]string{rob1: "it"}
	other := strings.Replace(agentID, "d", "e", 1)
	for name, r := range map[string]string{
		"another account": b.resource(login("ann@capulet.com", agentID), "App"),
		"another client":  b.resource(login("rob@capulet.com", other), "App"),
		"another tag":     b.resource(login("rob@capulet.com", agentID), "App2"),
		"no tag":          b.resource(login("rob@capulet.com", agentID), ""),
		"no id":           b.resource(login("rob@capulet.com", ""), "App"),
		"no id, again":    b.resource(login("rob@capulet.com", ""), "App"),
		"another secret":  (&Bind2Server{Secret: []byte("t")}).resource(login("rob@capulet.com", agentID), "App"),
		"process secret":  (&Bind2Server{}).resource(login("rob@capulet.com", agentID), "App"),
		"forbidden tag":   b.resource(login("rob@capulet.com", agentID), "a\u200bb\x07"),
		"long tag":        b.resource(login("rob@capulet.com", agentID), strings.Repeat("x", 1020)),
	} {
		if was, ok := seen[r]; ok {
			t.Errorf("%s has the resource of %s", name, was)
		}
		seen[r] = name
		if _, err := jid.New("rob", "capulet.com", r); err != nil {
			t.Errorf("%s: %q: %v", name, r, err)
		}
	}
	if a, b := (&Bind2Server{}).resource(login("rob@capulet.com", agentID), ""), (&Bind2Server{}).resource(login("rob@capulet.com", agentID), ""); a != b {
		t.Error("the secret of the process changes")
	}
}

// TestInlineFeature: other requests, and what is offered for them.
func TestInlineFeature(t *testing.T) {
	ext := &SASL2Server{Inline: []InlineFeature{
		{Offer: "<mega xmlns='urn:mega'/>", Request: xml.Name{Space: "urn:mega", Local: "bind"},
			Serve: func(_ context.Context, l *Login, el stanza.Element) (stanza.Raw, error) {
				return stanza.Raw("<done xmlns='urn:mega'>" + el.Text() + l.UserAgent.Software + "</done>"), nil
			}},
		{Request: xml.Name{Space: "urn:bad", Local: "bad"},
			Serve: func(context.Context, *Login, stanza.Element) (stanza.Raw, error) { return "", io.EOF }},
	}}
	var reported error
	ext.Report = func(_ *Conn, err error) { reported = err }
	p, n := accept(t, Config{}, features2(t, SASLServer{SASL2: ext}))
	p.send(hello + authenticate("PLAIN", robPlain+agent+"<bind xmlns='urn:mega'>1</bind><bad xmlns='urn:bad'/>"))
	p.expect(both("<authentication xmlns='urn:xmpp:sasl:2'>"+mechanisms2+"<inline><mega xmlns='urn:mega'/></inline></authentication>") +
		success2(robAddress+"<done xmlns='urn:mega'>1AwesomeXMPP</done>") + afterwards)
	if reported == nil || reported.Error() != "{urn:bad}bad: EOF" {
		t.Error(reported)
	}
	p.close()
	n.wait()
}

// totp is a task in two steps, like the example of XEP-0388.
func totp(name string) ServerTask {
	return ServerTask{Name: name, Step: func(_ context.Context, el stanza.Element) (stanza.Raw, bool, error) {
		switch el.ChildText("urn:totp:example", "totp") {
		case "begin":
			return "<totp xmlns='urn:totp:example'>94d2</totp>", false, nil
		case "123456":
			return "<totp xmlns='urn:totp:example'>bye</totp>", true, nil
		case "broken":
			return "", false, io.EOF
		}
		return "", false, sasl.NotAuthorized
	}}
}

// TestTasks is the server's side of tasks (XEP-0388, section 2.6.3).
func TestTasks(t *testing.T) {
	begin := hello + authenticate("PLAIN", robPlain)
	offered := both(offer2) + "<continue xmlns='urn:xmpp:sasl:2'><tasks><task>HOTP-EXAMPLE</task><task>TOTP-EXAMPLE</task></tasks></continue>"
	next := func(task, text string) string {
		return "<next xmlns='urn:xmpp:sasl:2' task='" + task + "'><totp xmlns='urn:totp:example'>" + text + "</totp></next>"
	}
	data := func(text string) string {
		return "<task-data xmlns='urn:xmpp:sasl:2'><totp xmlns='urn:totp:example'>" + text + "</totp></task-data>"
	}
	second := "<continue xmlns='urn:xmpp:sasl:2'><tasks><task>SECOND</task></tasks></continue>"
	done := success2("<totp xmlns='urn:totp:example'>bye</totp>"+robAddress) + afterwards
	unexpected := func(name string) string {
		return streamError("unsupported-stanza-type", "{urn:xmpp:sasl:2}"+name+" is not expected here")
	}
	for _, tt := range []struct{ name, in, want string }{
		{"examples 11 and 12, and another", begin + next("TOTP-EXAMPLE", "begin") + data("123456") + next("SECOND", "123456") + end, offered + data("94d2") + second + done + end},
		{"wrong code", begin + next("TOTP-EXAMPLE", "begin") + data("1") + end, offered + data("94d2") + failed2("not-authorized") + end},
		{"the second is wrong", begin + next("HOTP-EXAMPLE", "123456") + next("SECOND", "1") + end, offered + second + failed2("not-authorized") + end},
		{"a task that fails", begin + next("HOTP-EXAMPLE", "broken") + end, offered + failed2("temporary-auth-failure") + end},
		{"not named", begin + next("OTHER", "begin") + end, offered + failed2("malformed-request") + end},
		{"abort", begin + "<abort xmlns='urn:xmpp:sasl:2'/>" + end, offered + failed2("aborted") + end},
		{"abort in the middle", begin + next("TOTP-EXAMPLE", "begin") + "<abort xmlns='urn:xmpp:sasl:2'/>" + end, offered + data("94d2") + failed2("aborted") + end},
		{"authenticates again (section 4.8)", begin + authenticate("PLAIN", robPlain), offered + unexpected("authenticate")},
		{"response in a task", begin + next("TOTP-EXAMPLE", "begin") + "<response xmlns='urn:xmpp:sasl:2'/>", offered + data("94d2") + unexpected("response")},
		{"left out, as if there were a token", hello + authenticate("PLAIN", robPlain+agent+"<fast xmlns='urn:xmpp:fast:0'/>") + end, both(offer2) + failed2("invalid-mechanism") + end},
		{"left out, the old way", hello + authPlain + end, both(offer2) + saslFailure("mechanism-too-weak") + end},
		{"a stanza", begin + "<iq type='get' id='1'><x xmlns='urn:x'/></iq>", offered + streamError("not-authorized", "iq before the stream is ready")},
		{"every failed task counts", begin + next("TOTP-EXAMPLE", "1") + authenticate("PLAIN", robPlain) + next("TOTP-EXAMPLE", "1"),
			offered + failed2("not-authorized") + strings.TrimPrefix(offered, both(offer2)) + failed2("not-authorized") + streamError("policy-violation", "too many failed tries to authenticate")},
	} {
		run(t, tt.name, func(t *testing.T) {
			ext := &SASL2Server{Tasks: func(_ context.Context, l *Login) ([]ServerTask, error) {
				switch len(l.Done) {
				case 0:
					return []ServerTask{totp("HOTP-EXAMPLE"), totp("TOTP-EXAMPLE")}, nil
				case 1:
					return []ServerTask{totp("SECOND")}, nil
				}
				return nil, nil
			}}
			loggedIn := 0
			p, n := accept(t, Config{}, features2(t, SASLServer{SASL2: ext, MaxTries: 2, Done: func(*Conn, string, string, string) error {
				loggedIn++
				return nil
			}}))
			go p.send(tt.in)
			if got := p.rest(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			n.wait()
			if want := strings.Count(tt.want, "<success"); loggedIn != want {
				t.Errorf("logged in %d times, not %d", loggedIn, want)
			}
		})
	}
	t.Run("they cannot be told", func(t *testing.T) {
		ext := &SASL2Server{Tasks: func(context.Context, *Login) ([]ServerTask, error) { return nil, io.EOF }}
		p, n := accept(t, Config{}, features2(t, SASLServer{SASL2: ext}))
		go p.send(begin + authPlain + end)
		want := both(offer2) + failed2("temporary-auth-failure") + saslFailure("temporary-auth-failure") + end
		if got := p.rest(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		n.wait()
	})
	t.Run("there are none, the old way", func(t *testing.T) {
		ext := &SASL2Server{Tasks: func(_ context.Context, l *Login) ([]ServerTask, error) {
			if l.Conn == nil || l.Mechanism != "PLAIN" || l.User != "rob" || l.Account.String() != "rob@capulet.com" {
				t.Errorf("%+v", l)
			}
			return nil, nil
		}}
		p, n := accept(t, Config{}, features2(t, SASLServer{SASL2: ext}))
		p.send(hello + authPlain)
		p.expect(both(offer2) + success)
		p.close()
		n.wait()
	})
	t.Run("nobody, the old way", func(t *testing.T) {
		config := rob(t)
		config.Credentials.Anonymous = func(context.Context, string) (string, error) { return "", nil }
		s := SASLServer{Config: config, SASL2: &SASL2Server{Tasks: func(context.Context, *Login) ([]ServerTask, error) {
			t.Error("asked for the tasks of nobody")
			return nil, nil
		}}}
		p, n := accept(t, Config{}, s.Features())
		p.send(hello + "<auth xmlns='" + NSSASL + "' mechanism='ANONYMOUS'/>")
		p.wait("</stream:features>")
		p.send("<response xmlns='" + NSSASL + "'/>")
		p.wait("<challenge xmlns='" + NSSASL + "'/>")
		p.expect(saslFailure("not-authorized"))
		p.close()
		n.wait()
	})
}

// TestLoginRefused: SASLServer.Done has the last word, and its text is shown.
func TestLoginRefused(t *testing.T) {
	s := SASLServer{Done: func(*Conn, string, string, string) error {
		return &sasl.Failure{Condition: sasl.CredentialsExpired, Text: "change <it>"}
	}, SASL2: &SASL2Server{Bind: &Bind2Server{Bind: func(context.Context, *Login, string) (jid.JID, error) {
		t.Error("bound")
		return jid.JID{}, nil
	}}}}
	p, n := accept(t, Config{}, features2(t, s))
	p.send(hello + authenticate("PLAIN", robPlain+"<bind xmlns='urn:xmpp:bind:0'/>"))
	p.expect(both(offerBind2) + "<failure xmlns='urn:xmpp:sasl:2'><credentials-expired xmlns='" + NSSASL + "'/><text>change &lt;it&gt;</text></failure>")
	p.close()
	n.wait()
}

// TestUpgradeAccept is the server's side of XEP-0480 with a client by hand.
func TestUpgradeAccept(t *testing.T) {
	offered := both("<authentication xmlns='urn:xmpp:sasl:2'>" + mechanisms2 +
		"<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade><upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade></authentication>")
	ask := func(hash string) string {
		return "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-" + hash + "</upgrade>"
	}
	hash := func(b string) string {
		return "<task-data xmlns='urn:xmpp:sasl:2'><hash xmlns='urn:xmpp:scram-upgrade:0'>" + b + "</hash></task-data>"
	}
	start := func(ask string) string { return hello + authenticate("PLAIN", ask+robPlain) }
	next := "<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-256'/>"
	task := "<continue xmlns='urn:xmpp:sasl:2'><tasks><task>UPGR-SCRAM-SHA-256</task></tasks></continue>"
	const good = "BzOnw3Pc5H4bOLlPZ/8JAy6wnTpH05aH21KW2+Xfpaw="
	const salt = "<task-data xmlns='urn:xmpp:sasl:2'><salt xmlns='urn:xmpp:scram-upgrade:0' iterations='5000'>SALT</salt></task-data>"
	logged := success2(robAddress) + afterwards
	for _, tt := range []struct {
		name, in, want string
		saved          int
		fail           error
	}{
		{"example 5", start(ask("SHA-256")) + next + hash(good), offered + task + salt + logged, 1, nil},
		{"wrapped", start(ask("SHA-256")) + next + hash("\n  "+good+"\n"), offered + task + salt + logged, 1, nil},
		{"not asked for", start(""), offered + logged, 0, nil},
		{"keys are there", start(ask("SHA-512")), offered + logged, 0, nil},
		{"never heard of", start(ask("SHA-3")), offered + logged, 0, nil},
		{"too short", start(ask("SHA-256")) + next + hash("AAAA"), offered + task + salt + failed2("malformed-request"), 0, nil},
		{"no hash", start(ask("SHA-256")) + next + "<task-data xmlns='urn:xmpp:sasl:2'/>", offered + task + salt + failed2("malformed-request"), 0, nil},
		{"no base64", start(ask("SHA-256")) + next + hash("?"), offered + task + salt + failed2("incorrect-encoding"), 0, nil},
		{"it cannot be stored", start(ask("SHA-256")) + next + hash(good), offered + task + salt + logged, 1, io.EOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var saved []sasl.SCRAMKeys
			var reported error
			ext := &SASL2Server{Report: func(_ *Conn, err error) { reported = err }, Upgrade: &UpgradeServer{
				Hashes: []crypto.Hash{crypto.SHA256, crypto.SHA512}, Iterations: 5000,
				Wanted: func(_ context.Context, user string, h crypto.Hash) (bool, error) {
					return h == crypto.SHA256 && user == "rob", nil
				},
				Save: func(_ context.Context, user string, keys sasl.SCRAMKeys) error {
					saved = append(saved, keys)
					return tt.fail
				},
			}}
			p, n := accept(t, Config{}, features2(t, SASLServer{SASL2: ext}))
			p.send(tt.in)
			before, after, asked := strings.Cut(tt.want, "SALT")
			p.expect(before)
			if asked {
				got := p.wait("</salt>")
				if b, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(got, "</salt>")); err != nil || len(b) != 16 {
					t.Errorf("salt %s: %v", got, err)
				}
				p.expect(strings.TrimPrefix(after, "</salt>"))
			}
			if len(saved) != tt.saved || len(saved) == 1 && (saved[0].Hash != crypto.SHA256 || saved[0].Iterations != 5000) {
				t.Errorf("saved %+v", saved)
			}
			if !errors.Is(reported, tt.fail) {
				t.Errorf("reported %v", reported)
			}
			p.close()
			n.wait()
		})
	}
}
