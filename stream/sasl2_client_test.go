package stream

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// client2Config is that of rob.
func client2Config(password string) func() sasl.ClientConfig {
	return func() sasl.ClientConfig { return sasl.ClientConfig{Username: "rob", Password: password} }
}

// login2With returns the features of a client that knows either way to log in.
func login2With(s SASL2) []Feature {
	if s.Config == nil {
		s.Config = client2Config("secret")
	}
	return append([]Feature{s.Feature()}, clientFeatures("secret", nil)...)
}

// plain2 is an offer of PLAIN, with this inline.
func plain2(inline string) string {
	return "<authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism>" + inline + "</authentication>"
}

// TestSASL2Initiate: a client with all sorts of servers.
func TestSASL2Initiate(t *testing.T) {
	plain := authenticate("PLAIN", robPlain)
	bind := "<iq type='set' id='bind'><bind xmlns='" + NSBind + "'><resource>balcony</resource></bind></iq>"
	reply := "<iq type='result' id='bind'><bind xmlns='" + NSBind + "'><jid>rob@capulet.com/balcony</jid></bind></iq>"
	afterwards := "<stream:features>" + offerBind + "</stream:features>"
	in := []step{{hello, offer(plain2(""))}}
	old := "<mechanisms xmlns='" + NSSASL + "'><mechanism>PLAIN</mechanism></mechanisms>"
	abort := "<abort xmlns='urn:xmpp:sasl:2'/>"
	inlineBind := "<inline><bind xmlns='urn:xmpp:bind:0'/></inline>"
	withBind := authenticate("PLAIN", robPlain+"<bind xmlns='urn:xmpp:bind:0'><tag>App</tag></bind>")
	bound2 := "<authorization-identifier>rob@capulet.com/App/1</authorization-identifier><bound xmlns='urn:xmpp:bind:0'/>"
	binds := SASL2{Bind: &Bind2{Tag: "App"}}
	then := func(more ...step) []step { return append(in[:1:1], more...) }
	login := func(answer string) []step { return then(step{plain, answer}) }
	unexpected := func(what string) string { return streamError("unsupported-stanza-type", what) }
	const task = "<continue xmlns='urn:xmpp:sasl:2'><tasks><task>TOTP</task></tasks></continue>"
	const next = "<next xmlns='urn:xmpp:sasl:2' task='TOTP'><x xmlns='urn:x'/></next>"
	totp := SASL2{Tasks: func(names []string) (string, Task) {
		if slices.Contains(names, "TOTP") {
			return "TOTP", &scriptedTask{}
		}
		return "", nil
	}}
	for _, tt := range []struct {
		name  string
		sasl  SASL2
		steps []step
		last  string // what the client says at the end
		err   string // "" : the stream is ready
	}{
		{"example 13", SASL2{UserAgent: UserAgent{ID: agentID, Software: "AwesomeXMPP", Device: "Kiva's Phone"}},
			then(step{authenticate("PLAIN", robPlain+"<user-agent id='"+agentID+"'><software>AwesomeXMPP</software><device>Kiva's Phone</device></user-agent>"),
				success2(robAddress) + afterwards}, step{bind, reply}), "", ""},
		{"before the old way", SASL2{}, []step{{hello, offer(old + plain2(""))}, {plain, success2(robAddress) + afterwards}, {bind, reply}}, "", ""},
		{"the old way where there is no other", SASL2{}, []step{{hello, offer(old)}, {"<auth xmlns='" + NSSASL + "' mechanism='PLAIN'>AHJvYgBzZWNyZXQ=</auth>", success},
			{hello, offer(offerBind)}, {bind, reply}}, "", ""},
		{"the old way where nothing else can be used", SASL2{}, []step{{hello, offer(strings.Replace(plain2(""), "PLAIN", "MAGIC", 1) + old)},
			{"<auth xmlns='" + NSSASL + "' mechanism='PLAIN'>AHJvYgBzZWNyZXQ=</auth>", success}, {hello, offer(offerBind)}, {bind, reply}}, "", ""},
		{"nothing can be used", SASL2{}, []step{{hello, offer(strings.Replace(plain2(""), "PLAIN", "MAGIC", 1))}}, end,
			"sasl: no usable mechanism among those offered: \"MAGIC\" is not known here"},
		{"refused, next best", SASL2{}, []step{{hello, offer("<authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism><mechanism>DIGEST-MD5</mechanism></authentication>")},
			{authenticate("DIGEST-MD5", ""), failed2("mechanism-too-weak")}, {plain, success2(robAddress) + afterwards}, {bind, reply}}, "", ""},
		{"example 10", SASL2{}, login("<failure xmlns='urn:xmpp:sasl:2'><aborted xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>" +
			"<optional-application-specific xmlns='urn:something:else'/><text>This is a terrible example.</text></failure>"), end, "sasl: aborted (This is a terrible example.)"},
		{"an empty failure", SASL2{}, login("<failure xmlns='urn:xmpp:sasl:2'/>"), end, "sasl: not-authorized"},
		{"wrong password, no other try", SASL2{}, []step{{hello, offer(plain2("") + old)}, {plain, failed2("not-authorized")}}, end, "sasl: not-authorized"},

		{"XEP-0386 examples 2 and 4", binds, []step{{hello, offer(plain2(inlineBind))}, {withBind, success2(bound2) + "<stream:features/>"}}, "", ""},
		{"XEP-0386, white space in the address", binds, []step{{hello, offer(plain2(inlineBind))},
			{withBind, success2(strings.ReplaceAll(strings.ReplaceAll(bound2, "rob@", "\n  rob@"), "/1<", "/1\n<")) + "<stream:features/>"}}, "", ""},
		{"XEP-0484 example 3, its name for the address", binds, []step{{hello, offer(plain2(inlineBind))},
			{withBind, success2(strings.ReplaceAll(bound2, "identifier", "identity")) + "<stream:features/>"}}, "", ""},
		{"not bound, as ever", binds, []step{{hello, offer(plain2(inlineBind))}, {withBind, success2(robAddress) + afterwards}, {bind, reply}}, "", ""},
		{"bound to a bare address", binds, []step{{hello, offer(plain2(inlineBind))}, {withBind, success2(robAddress+"<bound xmlns='urn:xmpp:bind:0'/>") + "<stream:features/>"}},
			end, "stream: bind: the server bound a resource, and gave the address \"rob@capulet.com\""},
		{"bound without being asked", SASL2{}, then(step{plain, success2(robAddress+"<bound xmlns='urn:xmpp:bind:0'/>") + afterwards}, step{bind, reply}), "", ""},
		{"resumed without being asked", SASL2{}, login(success2(robAddress + "<resumed xmlns='urn:xmpp:sm:3' h='345' previd='124'/>")),
			unexpected("&lt;resumed/&gt; without a request to resume"), "stream error unsupported-stanza-type: <resumed/> without a request to resume"},
		{"no address", SASL2{}, login("<success xmlns='urn:xmpp:sasl:2'/>"), end, "stream: the server says that the address is \"\": jid: address \"\" is empty"},

		{"base64 garbage", SASL2{}, login("<challenge xmlns='urn:xmpp:sasl:2'>?</challenge>"), abort + end, "sasl: incorrect-encoding: illegal base64 data at input byte 0"},
		{"garbage with the success", SASL2{}, login(success2("<additional-data>?</additional-data>" + robAddress)), end, "sasl: incorrect-encoding: illegal base64 data at input byte 0"},
		{"a challenge too many", SASL2{}, login("<challenge xmlns='urn:xmpp:sasl:2'/>"), abort + end, "sasl: message out of turn"},
		{"something else", SASL2{}, login("<yes xmlns='urn:xmpp:sasl:2'/>"), unexpected("&lt;yes/&gt; is not expected in a SASL exchange"), "stream error unsupported-stanza-type: <yes/> is not expected in a SASL exchange"},
		{"the other namespace", SASL2{}, login(success), unexpected("{" + NSSASL + "}success in a SASL exchange"), "stream error unsupported-stanza-type: {" + NSSASL + "}success in a SASL exchange"},
		{"a stanza", SASL2{}, login("<message/>"), unexpected("{jabber:client}message in a SASL exchange"), "stream error unsupported-stanza-type: {jabber:client}message in a SASL exchange"},
		{"task data without a task", SASL2{}, login("<task-data xmlns='urn:xmpp:sasl:2'/>"), unexpected("&lt;task-data/&gt; is not expected in a SASL exchange"),
			"stream error unsupported-stanza-type: <task-data/> is not expected in a SASL exchange"},
		{"the server closes", SASL2{}, login(end), end, ErrPeerClosed.Error()},
		{"stanzas in place of the new features", SASL2{}, login(success2(robAddress) + "<message/>"), unexpected("{jabber:client}message in place of the stream features"),
			"stream error unsupported-stanza-type: {jabber:client}message in place of the stream features"},

		{"examples 11 and 12", totp, then(step{plain, task}, step{next, "<task-data xmlns='urn:xmpp:sasl:2'><totp xmlns='urn:totp:example'>94d2</totp></task-data>"},
			step{"<task-data xmlns='urn:xmpp:sasl:2'><y xmlns='urn:y'>94d2</y></task-data>", success2("<totp xmlns='urn:totp:example'>b</totp>"+robAddress) + afterwards}, step{bind, reply}), "", ""},
		{"task after task", totp, then(step{plain, task}, step{next, task}, step{next, success2(robAddress) + afterwards}, step{bind, reply}), "", ""},
		{"task refused", totp, then(step{plain, task}, step{next, failed2("not-authorized")}), end, "sasl: not-authorized"},
		{"unknown task", totp, login(strings.Replace(task, "TOTP", "HOTP", 1)), abort + end, ErrTask.Error() + ": [\"HOTP\"]"},
		{"no tasks at all", SASL2{}, login("<continue xmlns='urn:xmpp:sasl:2'/>"), abort + end, ErrTask.Error() + ": []"},
		{"task fails here", totp, then(step{plain, task}, step{next, "<task-data xmlns='urn:xmpp:sasl:2'/>"}), abort + end, io.EOF.Error()},
		{"challenge after continue", totp, then(step{plain, task}, step{next, "<challenge xmlns='urn:xmpp:sasl:2'/>"}), unexpected("&lt;challenge/&gt; is not expected in a SASL exchange"),
			"stream error unsupported-stanza-type: <challenge/> is not expected in a SASL exchange"},
		{"mechanism without end before continue", SASL2{Config: client2Config("secret")}, []step{{hello, offer(strings.Replace(plain2(""), "PLAIN", "DIGEST-MD5", 1))},
			{authenticate("DIGEST-MD5", ""), task}}, abort + end, sasl.ErrServerNotVerified.Error()},
	} {
		run(t, tt.name, func(t *testing.T) {
			p, n := initiate(t, Config{}, clientHeader, login2With(tt.sasl))
			for _, s := range tt.steps {
				p.expect(s.want)
				p.send(s.reply)
			}
			if tt.err == "" {
				c := n.must(t)
				if c.State()&(Authenticated|Ready) != Authenticated|Ready {
					t.Errorf("state %b", c.State())
				}
				c.Close()
				return
			}
			p.expect(tt.last)
			p.close()
			if _, err := n.wait(); err == nil || err.Error() != tt.err {
				t.Errorf("error %v\nwant  %s", err, tt.err)
			}
		})
	}
}

// scriptedTask answers a challenge with what it holds.
type scriptedTask struct{}

func (scriptedTask) Start() (stanza.Raw, error) { return "<x xmlns='urn:x'/>", nil }

func (scriptedTask) Next(data stanza.Element) (stanza.Raw, error) {
	text := data.ChildText("urn:totp:example", "totp")
	if text == "" {
		return "", io.EOF
	}
	return stanza.Raw("<y xmlns='urn:y'>" + text + "</y>"), nil
}

// TestSASL2Insecure: without TLS it is not looked at.
func TestSASL2Insecure(t *testing.T) {
	needs := SASL2{Config: client2Config("secret")}.Feature()
	if needs.usable(0) || !needs.usable(Secure) || needs.usable(Secure|Authenticated) {
		t.Error("it is used in a wrong state")
	}
}

// TestBind2Initiate: what is asked for with the binding is what is offered, and its
// owner is told.
func TestBind2Initiate(t *testing.T) {
	var told []string
	request := func(v string, err error) BindRequest {
		return BindRequest{Var: v, Request: stanza.Raw("<enable xmlns='" + v + "'/>"), Bound: func(c *Conn, el stanza.Element) error {
			told = append(told, v+" "+el.Child(v, "ok").Name().Local)
			return err
		}}
	}
	var address jid.JID
	for _, tt := range []struct {
		name, inline, asked, bound, told string
		err                              error
	}{
		{"XEP-0386 example 3", "<inline><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:sm:3'/></inline>", "<enable xmlns='urn:xmpp:carbons:2'/>",
			"", "urn:xmpp:carbons:2 ", nil},
		{"as in XEP-0198 example 27", "<feature var='urn:b'/>", "<enable xmlns='urn:b'/>", "<ok xmlns='urn:b'/>", "urn:b ok", nil},
		{"all", "<inline><feature var='urn:b'/><feature var='urn:xmpp:carbons:2'/></inline>", "<enable xmlns='urn:xmpp:carbons:2'/><enable xmlns='urn:b'/>",
			"<ok xmlns='urn:xmpp:carbons:2'/>", "urn:xmpp:carbons:2 ok, urn:b ", nil},
		{"none", "", "", "", "", nil},
		{"an error", "<inline><feature var='urn:b'/></inline>", "<enable xmlns='urn:b'/>", "", "urn:b ", io.EOF},
	} {
		run(t, tt.name, func(t *testing.T) {
			told = nil
			bind := &Bind2{Features: []BindRequest{request("urn:xmpp:carbons:2", nil), {Var: "urn:quiet"}, request("urn:b", tt.err)},
				Bound: func(j jid.JID, el stanza.Element) { address = j }}
			p, n := initiate(t, Config{}, clientHeader, login2With(SASL2{Bind: bind}))
			p.expect(hello)
			p.send(offer(plain2("<inline><bind xmlns='urn:xmpp:bind:0'>" + tt.inline + "</bind></inline>")))
			p.expect(authenticate("PLAIN", robPlain+"<bind xmlns='urn:xmpp:bind:0'>"+tt.asked+"</bind>"))
			p.send(success2("<authorization-identifier>rob@capulet.com/x</authorization-identifier><bound xmlns='urn:xmpp:bind:0'>"+tt.bound+"</bound>") +
				"<stream:features><ver xmlns='urn:xmpp:features:rosterver'/></stream:features>")
			c, err := n.wait()
			if !errors.Is(err, tt.err) || strings.Join(told, ", ") != tt.told {
				t.Fatalf("%v, told %q", err, told)
			}
			if err == nil {
				if address.String() != "rob@capulet.com/x" || !c.Offers(xml.Name{Space: "urn:xmpp:features:rosterver", Local: "ver"}) || c.Offers(authenticationName) {
					t.Errorf("address %s, offers %v", address, c.offers)
				}
				c.Close()
			}
			p.close()
		})
	}
}

// TestInlineRequest: other requests.
func TestInlineRequest(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
	}{{"good", nil}, {"bad", io.EOF}} {
		run(t, tt.name, func(t *testing.T) {
			var done stanza.Element
			s := SASL2{Inline: []InlineRequest{
				{Offer: xml.Name{Space: "urn:mega", Local: "mega"}, Request: "<bind xmlns='urn:mega'/>", Done: func(_ *Conn, el stanza.Element) error {
					done = el.Child("urn:mega", "done")
					return tt.err
				}},
				{Offer: xml.Name{Space: "urn:mega", Local: "other"}, Request: "<never/>"},
			}, Bind: &Bind2{}, Done: func(c *Conn, address jid.JID, el stanza.Element) {
				if address.String() != "rob@capulet.com/x" || done.IsZero() {
					t.Errorf("done %s", address)
				}
			}}
			p, n := initiate(t, Config{}, clientHeader, login2With(s))
			p.expect(hello)
			p.send(offer(plain2("<inline><mega xmlns='urn:mega'/><bind xmlns='urn:xmpp:bind:0'/></inline>")))
			p.expect(authenticate("PLAIN", robPlain+"<bind xmlns='urn:xmpp:bind:0'></bind><bind xmlns='urn:mega'/>"))
			p.send(success2("<authorization-identifier>rob@capulet.com/x</authorization-identifier><bound xmlns='urn:xmpp:bind:0'/><done xmlns='urn:mega'/>") + "<stream:features/>")
			c, err := n.wait()
			if !errors.Is(err, tt.err) {
				t.Error(err)
			}
			if c != nil {
				c.Close()
			}
			p.close()
		})
	}
}

// TestFASTInitiate is a client with a server by hand: which token it uses, asks for,
// keeps and forgets.
func TestFASTInitiate(t *testing.T) {
	const ht = "HT-SHA-256-NONE"
	// The token is that of the vectors of package sasl, for juliet.
	const initial = "<initial-response>anVsaWV0AC5OHkUQ5Quu7vKQnrGMupWNT4Xj7oRchB/pLb1VtVrH</initial-response>"
	const proof = "<additional-data>jIA2hFuJVBGt2eu9PLswAGCa61bqzHDps8qfSMM6m/Y=</additional-data>"
	token := func() *Token {
		return &Token{User: "juliet", Mechanism: ht, Secret: "R3VyIHpiZmcgbnl2aXIgdmYgZ3VyIGp2eXFyZmcu", Count: 122}
	}
	fast := "<fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-ENDP</mechanism><mechanism>" + ht + "</mechanism></fast>"
	inline := "<inline><bind xmlns='urn:xmpp:bind:0'/>" + fast + "</inline>"
	userAgent := "<user-agent id='" + agentID + "'></user-agent>"
	bind := "<bind xmlns='urn:xmpp:bind:0'><tag>AwesomeXMPP</tag></bind>"
	withToken := authenticate(ht, initial+userAgent+"<fast xmlns='urn:xmpp:fast:0' count='123'/>"+bind)
	ask := "<request-token xmlns='urn:xmpp:fast:0' mechanism='" + ht + "'/>"
	withPassword := authenticate("PLAIN", robPlain+userAgent+ask+bind)
	plainAgain := authenticate("PLAIN", robPlain+userAgent+bind)
	address := "<authorization-identifier>juliet@capulet.com/AwesomeXMPP/1</authorization-identifier><bound xmlns='urn:xmpp:bind:0'/>"
	given := "<token xmlns='urn:xmpp:fast:0' expiry='2020-03-12T14:36:15Z' token='WXZzciBwYmFmdmZnZiBqdmd1IGp2eXFhcmZm'/>"
	expiry := time.Date(2020, 3, 12, 14, 36, 15, 0, time.UTC)
	features := "<stream:features/>"
	offered := plain2(inline)
	used := token()
	used.Count++
	kept := *used
	kept.Offer = offered
	fresh := &Token{User: "juliet", Mechanism: ht, Secret: "WXZzciBwYmFmdmZnZiBqdmd1IGp2eXFhcmZm", Expires: expiry, Offer: offered}
	expired := token()
	expired.Expires = time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC) // before the time of the bubble
	endp := token()
	endp.Mechanism = "HT-SHA-256-ENDP"
	noHint := *fresh
	noHint.Expires = time.Time{}
	early := token()
	early.Offer = offered
	pipelined := strings.TrimSuffix(hello, "") + withToken
	id := SASL2{UserAgent: UserAgent{ID: agentID}}
	for _, tt := range []struct {
		name  string
		token *Token
		opt   SASL2
		steps []step
		saved []*Token
		err   error
	}{
		{"XEP-0484 examples 1 to 3", nil, id, []step{{hello, offer(offered)}, {withPassword, success2(address+given) + features}}, []*Token{fresh}, nil},
		{"asked for and not given", nil, id, []step{{hello, offer(offered)}, {withPassword, success2(address) + features}}, nil, nil},
		{"expiry that cannot be read", nil, id, []step{{hello, offer(offered)}, {withPassword, success2(address+strings.Replace(given, "2020-03", "MMXX", 1)) + features}}, []*Token{&noHint}, nil},
		{"XEP-0484 example 4", token(), id, []step{{hello, offer(offered)}, {withToken, success2(proof+address) + features}}, []*Token{used, &kept}, nil},
		{"XEP-0484 example 5, rotation", token(), id, []step{{hello, offer(offered)}, {withToken, success2(proof+address+given) + features}}, []*Token{used, fresh}, nil},
		{"XEP-0484 example 6, forget", token(), SASL2{UserAgent: id.UserAgent, ForgetToken: true},
			[]step{{hello, offer(offered)}, {strings.Replace(withToken, "count='123'", "count='123' invalidate='true'", 1), success2(proof+address) + features}}, []*Token{used, nil}, nil},
		{"in one round trip", early, id, []step{{pipelined, offer(offered) + success2(proof+address) + features}}, []*Token{used, &kept}, nil},
		{"in one round trip, refused", early, id, []step{{pipelined, offer(offered) + failed2("not-authorized")}, {withPassword, success2(address+given) + features}}, []*Token{used, nil, fresh}, nil},
		{"in one round trip, with a server that is another now", early, id, []step{{pipelined, offer(offerMechanisms)}}, []*Token{used}, errors.New("stream: the server does not offer any more what it did: urn:xmpp:sasl:2")},
		{"what was offered cannot be read", &Token{User: "juliet", Mechanism: ht, Secret: token().Secret, Count: 122, Offer: "<authentication"}, id,
			[]step{{hello, offer(offered)}, {withToken, success2(proof+address) + features}}, []*Token{used, &kept}, nil},
		{"refused", token(), id, []step{{hello, offer(offered)}, {withToken, failed2("credentials-expired")}, {withPassword, success2(address+given) + features}}, []*Token{used, nil, fresh}, nil},
		{"not now", token(), id, []step{{hello, offer(offered)}, {withToken, failed2("temporary-auth-failure")}, {withPassword, success2(address) + features}}, []*Token{used}, nil},
		{"a server that does not know the token", token(), id, []step{{hello, offer(offered)}, {withToken, success2(address) + features}}, []*Token{used}, sasl.ErrServerNotVerified},
		{"a task after a token", token(), id, []step{{hello, offer(offered)}, {withToken, "<continue xmlns='urn:xmpp:sasl:2'>" + proof + "<tasks><task>X</task></tasks></continue>"}}, []*Token{used}, ErrTask},
		{"expired", expired, id, []step{{hello, offer(offered)}, {withPassword, success2(address+given) + features}}, []*Token{fresh}, nil},
		{"for what the channel has not", endp, id, []step{{hello, offer(offered)}, {withPassword, success2(address+given) + features}}, []*Token{fresh}, nil},
		{"not offered any more", token(), id, []step{{hello, offer(plain2("<inline><bind xmlns='urn:xmpp:bind:0'/></inline>"))}, {plainAgain, success2(address) + features}}, nil, nil},
		{"no id", token(), SASL2{}, []step{{hello, offer(offered)}, {authenticate("PLAIN", robPlain+bind), success2(address) + features}}, nil, nil},
		{"refused mechanism", nil, SASL2{UserAgent: id.UserAgent, Config: func() sasl.ClientConfig {
			return sasl.ClientConfig{Username: "rob", Password: "secret", Refuse: []string{ht}}
		}}, []step{{hello, offer(offered)}, {plainAgain, success2(address) + features}}, nil, nil},
		{"none is wanted, and there is none", nil, SASL2{UserAgent: id.UserAgent, ForgetToken: true}, []step{{hello, offer(offered)}, {plainAgain, success2(address) + features}}, nil, nil},
		{"only a token, refused", token(), SASL2{UserAgent: id.UserAgent, Config: func() sasl.ClientConfig { return sasl.ClientConfig{} }},
			[]step{{hello, offer(offered)}, {withToken, failed2("not-authorized")}}, []*Token{used, nil}, sasl.NotAuthorized},
	} {
		run(t, tt.name, func(t *testing.T) {
			var saved []*Token
			s := tt.opt
			s.Token, s.Bind = tt.token, &Bind2{Tag: "AwesomeXMPP"}
			s.SaveToken = func(t *Token) { saved = append(saved, t) }
			p, n := initiate(t, Config{}, clientHeader, login2With(s))
			for _, s := range tt.steps {
				p.expect(s.want)
				p.send(s.reply)
			}
			c, err := n.wait()
			if !errors.Is(err, tt.err) && (tt.err == nil || err == nil || err.Error() != tt.err.Error()) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if c != nil {
				c.Close()
			}
			p.close()
			if len(saved) != len(tt.saved) {
				t.Fatalf("saved %d tokens, not %d", len(saved), len(tt.saved))
			}
			for i, s := range saved {
				if want := tt.saved[i]; (s == nil) != (want == nil) || s != nil && *s != *want {
					t.Errorf("saved %#v\nwant  %#v", *s, *want)
				}
			}
		})
	}
	run(t, "nobody keeps it", func(t *testing.T) {
		p, n := initiate(t, Config{}, clientHeader, login2With(SASL2{UserAgent: id.UserAgent, Bind: &Bind2{Tag: "AwesomeXMPP"}}))
		p.expect(hello)
		p.send(offer(offered))
		p.expect(plainAgain)
		p.send(success2(address+given) + features)
		n.must(t).Close()
		p.close()
	})
}

// TestTokenValue: a token can be stored, and does not show itself.
func TestTokenValue(t *testing.T) {
	tok := Token{User: "rob", Mechanism: "HT-SHA-256-NONE", Secret: "s3cret", Expires: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Count: 7, Offer: "<a/>"}
	b, err := json.Marshal(tok)
	if err != nil {
		t.Fatal(err)
	}
	var again Token
	if err := json.Unmarshal(b, &again); err != nil || again != tok {
		t.Errorf("%s: %v", b, err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", tok, "pointer", &tok)
	for _, s := range []string{fmt.Sprint(tok), fmt.Sprintf("%v %+v %#v %s", tok, tok, tok, &tok), log.String()} {
		if strings.Contains(s, "s3cret") || !strings.Contains(s, "HT-SHA-256-NONE") {
			t.Error(s)
		}
	}
}

// TestUpgradeInitiate is the client's side of XEP-0480 with a server by hand.
func TestUpgradeInitiate(t *testing.T) {
	upgrades := "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>"
	more := upgrades + "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade><upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-BLOOP2</upgrade>" +
		"<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-1-PLUS</upgrade><upgrade xmlns='urn:xmpp:sasl:upgrade:0'>SCRAM-SHA-1</upgrade>"
	task := "<continue xmlns='urn:xmpp:sasl:2'><tasks><task>UPGR-SCRAM-SHA-256</task></tasks></continue>"
	next := "<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-256'/>"
	salt := func(iterations, salt string) string {
		return "<task-data xmlns='urn:xmpp:sasl:2'><salt xmlns='urn:xmpp:scram-upgrade:0' iterations='" + iterations + "'>" + salt + "</salt></task-data>"
	}
	// PBKDF2-HMAC-SHA-256 of "secret" by Python's hashlib.
	hash := "<task-data xmlns='urn:xmpp:sasl:2'><hash xmlns='urn:xmpp:scram-upgrade:0'>/XbTyxixdj+XyDTs4fpS8RWBe1T382gWrjyybNJ+cAU=</hash></task-data>"
	good := salt("4096", "\n  QV9TWENSWFE2c2VrOGJmX1o=\n")
	features := "<stream:features>" + offerBind + "</stream:features>"
	bind := step{"<iq type='set' id='bind'><bind xmlns='" + NSBind + "'><resource>balcony</resource></bind></iq>",
		"<iq type='result' id='bind'><bind xmlns='" + NSBind + "'><jid>rob@capulet.com/balcony</jid></bind></iq>"}
	offered := "<authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism>" + upgrades + "</authentication>"
	asks := authenticate("PLAIN", robPlain+upgrades)
	in := []step{{hello, offer(offered)}, {asks, task}}
	for _, tt := range []struct {
		name  string
		steps []step
		err   error
	}{
		{"example 5", append(in, step{next, good}, step{hash, success2(robAddress) + features}, bind), nil},
		{"not wanted", append(in[:1:1], step{asks, success2(robAddress) + features}, bind), nil},
		{"what it knows of what is offered", []step{{hello, offer(strings.Replace(offered, upgrades, more, 1))},
			{authenticate("PLAIN", robPlain+more[:strings.Index(more, "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-BLOOP2")]), success2(robAddress) + features}, bind}, nil},
		{"asked for again", append(in, step{next, task}), ErrTask},
		{"salted twice", append(in, step{next, good}, step{hash, good}), sasl.ErrUnexpected},
		{"too few iterations", append(in, step{next, salt("4095", "QUJD")}), sasl.ErrIterations},
		{"too many iterations", append(in, step{next, salt("99999999", "QUJD")}), sasl.ErrIterations},
		{"no iterations", append(in, step{next, salt("", "QUJD")}), sasl.ErrMalformed},
		{"no salt", append(in, step{next, salt("4096", "")}), sasl.ErrMalformed},
		{"bad salt", append(in, step{next, salt("4096", "?")}), sasl.ErrMalformed},
		{"long salt", append(in, step{next, salt("4096", strings.Repeat("QUJD", 400))}), sasl.ErrMalformed},
	} {
		run(t, tt.name, func(t *testing.T) {
			p, n := initiate(t, Config{}, clientHeader, login2With(SASL2{}))
			for _, s := range tt.steps {
				p.expect(s.want)
				p.send(s.reply)
			}
			c, err := n.wait()
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if c != nil {
				c.Close()
			}
			p.close()
		})
	}
	// A login that an attacker could read along gives nothing away, unless told to.
	for _, tt := range []struct {
		mechanism string
		unbound   bool
		password  string
		want      bool
	}{
		{"SCRAM-SHA-1", false, "x", false}, {"SCRAM-SHA-1", true, "x", true}, {"SCRAM-SHA-1-PLUS", false, "x", true},
		{"SCRAM-SHA-256-PLUS", false, "x", false}, // it is what there is already
		{"SCRAM-SHA-1-PLUS", false, "", false}, {"PLAIN", false, "x", true}, {"DIGEST-MD5", false, "x", false}, {"DIGEST-MD5", true, "x", true},
		{"HT-SHA-256-EXPR", true, "x", false}, {"EXTERNAL", true, "x", false}, {"OAUTHBEARER", true, "x", false}, {"ANONYMOUS", true, "x", false},
	} {
		st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage}, stanza.Raw(offered))
		if err != nil {
			t.Fatal(err)
		}
		a := &client2{SASL2: SASL2{UnboundUpgrade: tt.unbound}, mechanism: tt.mechanism, offer: st.Payload()}
		a.config.Password = tt.password
		if got := string(a.appendUpgrades(nil)); (got == upgrades) != tt.want || got != "" && got != upgrades {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}
