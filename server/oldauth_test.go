package server_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/auth"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/xmpptest"
)

// oldAccounts are those of the examples in the documents.
var oldAccounts = map[string]string{
	"juliet@capulet.com": "r0m30", "rob@capulet.com": "secret", "hamlet@denmark": "gertrude", "bill@shakespeare.lit": "Calli0pe",
	"juliet@localhost": "r0m30", "romeo@localhost": "jul13t",
}

// newOldServer makes a server that serves clients of before RFC 3920.
func newOldServer(t testing.TB, change func(*server.Config)) *server.Server {
	t.Helper()
	accounts := &memory.Accounts{Iterations: 1, Passwords: true, Legacy: true}
	for name, password := range oldAccounts {
		if err := accounts.SetPassword(context.Background(), jid.MustParse(name), password); err != nil {
			t.Fatal(err)
		}
	}
	s, err := server.New(func() server.Config {
		cfg := server.Config{Domains: []string{"localhost", "capulet.com", "denmark", "shakespeare.lit"}, Accounts: accounts, OldStreams: true}
		if change != nil {
			change(&cfg)
		}
		return cfg
	}())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var headerID = regexp.MustCompile(` id='([^']+)'`)

// exactly waits for want and for nothing else.
func (r *raw) exactly(want string) {
	r.t.Helper()
	if got := r.expect(want); got != want {
		r.t.Errorf("got %q, want only %q", got, want)
	}
}

// openOld opens a stream without version and returns its id.
func (r *raw) openOld(domain string) string {
	r.t.Helper()
	r.send("<?xml version='1.0'?><stream:stream to='%s' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", domain)
	got := r.expect("<stream:stream ", ">")
	id := headerID.FindStringSubmatch(got)
	if id == nil {
		r.t.Fatalf("no id in %q", got)
	}
	want := "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='" +
		domain + "' id='" + id[1] + "' xml:lang='en'>"
	if got != want {
		r.t.Errorf("answer %q, want %q", got, want)
	}
	return id[1]
}

// loginOld logs in by digest on a stream without version.
func loginOld(t testing.TB, s *server.Server, user, resource string) *raw {
	t.Helper()
	r := newRaw(t, s.Pipe())
	id := r.openOld("localhost")
	r.send("<iq type='set' id='auth'>%s</iq>", query(user, "", auth.DigestOf(id, oldAccounts[user+"@localhost"]), resource))
	r.exactly("<iq type='result' id='auth'/>")
	return r
}

func query(user, password, digest, resource string) string {
	b, _ := auth.Query{Username: user, Password: password, Digest: digest, Resource: resource}.AppendXML(nil)
	return string(b)
}

const (
	stanzaNS   = " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
	oldRefusal = "<error code='401' type='auth'>Unauthorized<not-authorized" + stanzaNS + "</error>"
)

// TestOldExamples replays the examples on log-in of all documents: what the client
// sends byte for byte but for the digest, and all that the server says.
func TestOldExamples(t *testing.T) {
	s := newOldServer(t, nil)
	type turn struct{ in, out string } // DIGEST: the right one
	for _, tt := range []struct {
		name, account string
		turns         []turn
	}{
		{"IM-B-1 IM-B-2 IM-B-3 IM-B-4 IM-B-6 IM-2-3 draft-ietf-xmpp-im-02, appendix B", "juliet@capulet.com", []turn{
			{`<iq type="get" id="auth_1">
  <query xmlns="jabber:iq:auth">
    <username>juliet</username>
  </query>
</iq>`, "<iq type='result' id='auth_1'><query xmlns='jabber:iq:auth'><username>juliet</username><password/><digest/><resource/></query></iq>"},
			{`<iq type="set" id="auth_2">
  <query xmlns="jabber:iq:auth">
    <username>juliet</username>
    <digest>DIGEST</digest>
    <resource>balcony</resource>
  </query>
</iq>`, "<iq type='result' id='auth_2'/>"},
		}},
		{"IM-B-5 draft-ietf-xmpp-im-02, appendix B, alternative", "juliet@capulet.com", []turn{
			{`<iq type="set" id="auth_2">
  <query xmlns="jabber:iq:auth">
    <username>juliet</username>
    <digest>64d60e40febe09264c5wrongpassword2bc9cbddd5dd1147fae97</digest>
    <resource>balcony</resource>
  </query>
</iq>`, "<iq type='error' id='auth_2'>" + oldRefusal + "</iq>"},
		}},
		{"GUIDE-9-auth-2 Jabber Programmers Guide, examples 9-1 and 9-3", "hamlet@denmark", []turn{
			{`<iq type="set" id="1001"> <query xmlns="jabber:iq:auth"> <username>hamlet</username> <password>gertrude</password> <resource>Castle</resource> </query> </iq>`,
				"<iq type='result' id='1001'/>"},
		}},
		{"GUIDE-9-auth-4 Jabber Programmers Guide, example 9-4", "hamlet@denmark", []turn{
			{`<iq type="set" id="1001"> <query xmlns="jabber:iq:auth"> <username>hamlet</username> <password>ophelia</password> <resource>Castle</resource> </query> </iq>`,
				"<iq type='error' id='1001'>" + oldRefusal + "</iq>"},
		}},
		{"IM-B-3 Jabber Programmers Guide, example 9-2", "hamlet@denmark", []turn{
			{`<iq type="set" id="1002"> <query xmlns="jabber:iq:auth"> <username>hamlet</username> <digest>DIGEST</digest> <resource>WarPath</resource> </query> </iq>`,
				"<iq type='result' id='1002'/>"},
		}},
		{"XEP-0078, examples 1 to 3, and 5", "bill@shakespeare.lit", []turn{
			{`<iq type='get' to='shakespeare.lit' id='auth1'>
  <query xmlns='jabber:iq:auth'/>
</iq>`, "<iq type='result' id='auth1' from='shakespeare.lit'><query xmlns='jabber:iq:auth'><username/><password/><digest/><resource/></query></iq>"},
			{`<iq type='set' id='auth2'>
  <query xmlns='jabber:iq:auth'>
    <username>bill</username>
    <password>Calli0pe</password>
    <resource>globe</resource>
  </query>
</iq>`, "<iq type='result' id='auth2'/>"},
		}},
		{"XEP-0078, examples 4 and 6", "bill@shakespeare.lit", []turn{
			{`<iq type='set' id='auth2'>
  <query xmlns='jabber:iq:auth'>
    <username>bill</username>
    <digest>48fc78be9ec8f86d8ce1c39c320c97c21d62334d</digest>
    <resource>globe</resource>
  </query>
</iq>`, "<iq type='error' id='auth2'>" + oldRefusal + "</iq>"},
		}},
		{"XEP-0078, example 8: no resource, then all", "bill@shakespeare.lit", []turn{
			{"<iq type='set' id='auth2'><query xmlns='jabber:iq:auth'><username>bill</username><digest>DIGEST</digest></query></iq>",
				"<iq type='error' id='auth2'><error code='406' type='modify'>missing: resource<not-acceptable" + stanzaNS + "</error></iq>"},
			{"<iq type='set' id='auth3'><query xmlns='jabber:iq:auth'><resource>globe</resource><digest>DIGEST</digest><username>Bill</username></query></iq>",
				"<iq type='result' id='auth3'/>"},
		}},
		{"a get without type", "hamlet@denmark", []turn{
			{"<iq id='1'><query xmlns='jabber:iq:auth'/></iq>",
				"<iq type='result' id='1'><query xmlns='jabber:iq:auth'><username/><password/><digest/><resource/></query></iq>"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRaw(t, s.Pipe())
			id := r.openOld(jid.MustParse(tt.account).Domain())
			for _, turn := range tt.turns {
				r.send("%s", strings.ReplaceAll(turn.in, "DIGEST", auth.DigestOf(id, oldAccounts[tt.account])))
				r.exactly(turn.out)
			}
			r.send("</stream:stream>")
			r.exactly("</stream:stream>")
			r.expectEnd()
		})
	}
}

// TestOldAuthRefused: what is wrong is answered so that the client can try again.
func TestOldAuthRefused(t *testing.T) {
	s := newOldServer(t, nil)
	const begin = "<iq type='error' id='a'><error code="
	for _, tt := range []struct{ name, in, want string }{
		{"IM-D.1-1 no user name", query("", "r0m30", "", "x"), begin + "'406' type='modify'>missing: username<not-acceptable" + stanzaNS},
		{"IM-D.1-1 nothing", query("", "", "", ""), begin + "'406' type='modify'>missing: username, resource<not-acceptable" + stanzaNS},
		{"IM-D.1-1 no secret", query("juliet", "", "", "x"), begin + "'406' type='modify'>missing: password or digest<not-acceptable" + stanzaNS},
		{"IM-3-4 an empty resource", "<query xmlns='jabber:iq:auth'><username>juliet</username><password>r0m30</password><resource></resource></query>",
			begin + "'406' type='modify'>missing: resource<not-acceptable" + stanzaNS},
		{"a resource that cannot be", query("juliet", "r0m30", "", "\u00a0\u2028"), begin + "'400' type='modify'>"},
		{"wrong password", query("juliet", "wrong", "", "x"), begin + "'401' type='auth'>"},
		{"wrong digest", query("juliet", "", auth.DigestOf("", "r0m30"), "x"), begin + "'401' type='auth'>"},
		{"the digest of no password", query("nobody", "", "DIGEST-OF-NOTHING", "x"), begin + "'401' type='auth'>"},
		{"a user name that cannot be", query("ju liet", "r0m30", "", "x"), begin + "'401' type='auth'>"},
		{"another", query("juliet", "r0m30", "", "x") + "<query xmlns='jabber:iq:auth'/>", begin + "'400' type='modify'>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRaw(t, s.Pipe())
			id := r.openOld("localhost")
			r.send("<iq type='set' id='a'>%s</iq>", strings.Replace(tt.in, "DIGEST-OF-NOTHING", auth.DigestOf(id, ""), 1))
			r.expect(tt.want, "</error></iq>")
			r.send("<iq type='set' id='b'>%s</iq>", query("juliet", "", auth.DigestOf(id, "r0m30"), "again"))
			r.exactly("<iq type='result' id='b'/>")
		})
	}
	t.Run("to somebody else", func(t *testing.T) {
		r := newRaw(t, s.Pipe())
		r.openOld("localhost")
		r.send("<iq type='get' id='a' to='denmark'><query xmlns='jabber:iq:auth'/></iq>")
		r.exactly("<iq type='error' id='a' from='denmark'><error code='404' type='cancel'>Not Found<item-not-found" + stanzaNS + "</error></iq>")
	})
	for name, in := range map[string]string{
		"a result":             "<iq type='result' id='a'><query xmlns='jabber:iq:auth'/></iq>",
		"no stanza":            "<query xmlns='jabber:iq:auth'/>",
		"a message before all": "<message to='romeo@localhost'><body>x</body></message>",
	} {
		t.Run(name+" ends the stream", func(t *testing.T) {
			r := newRaw(t, s.Pipe())
			r.openOld("localhost")
			r.send("%s", in)
			// draft-miller-xmpp-core-02, section 4.5: an error is a text.
			r.expect("<stream:error>", "</stream:error></stream:stream>")
		})
	}
}

// TestOldAuthUnknownUsers: nobody learns who has an account (XEP-0078, section
// 3.1). What is looked up is the same, too.
func TestOldAuthUnknownUsers(t *testing.T) {
	for _, kept := range []bool{true, false} {
		t.Run(fmt.Sprint("passwords kept: ", kept), func(t *testing.T) {
			asked := make(map[string]int)
			s := newOldServer(t, func(c *server.Config) {
				c.Accounts = counted{c.Accounts.(*memory.Accounts), asked, kept}
			})
			talk := func(user string) (said string, questions int) {
				r := newRaw(t, s.Pipe())
				id := r.openOld("localhost")
				before := asked["digest"] + asked["scram"]
				r.send("<iq type='get' id='1'>%s</iq>", query(user, "", "", ""))
				r.send("<iq type='set' id='2'>%s</iq>", query(user, "wrong", "", "x"))
				r.send("<iq type='set' id='3'>%s</iq>", query(user, "", auth.DigestOf(id, "wrong"), "x"))
				said = strings.ReplaceAll(r.expect("id='3'", "</iq>"), user, "USER")
				return said, asked["digest"] + asked["scram"] - before
			}
			known, n := talk("juliet")
			unknown, m := talk("tybalt")
			if known != unknown || n != m || n == 0 {
				t.Errorf("a user that exists: %d questions, %q\none that does not: %d, %q", n, known, m, unknown)
			}
			if offered := strings.Contains(known, "<digest/>"); offered != kept {
				t.Errorf("digest offered: %v, %q", offered, known)
			}
		})
	}
}

// counted counts what is asked. kept: passwords are.
type counted struct {
	*memory.Accounts
	asked map[string]int
	kept  bool
}

func (c counted) Credentials(domain string) sasl.Credentials {
	creds := c.Accounts.Credentials(domain)
	scram := creds.SCRAM
	creds.SCRAM = nil
	creds.Verify = func(ctx context.Context, user, password string) error {
		c.asked["scram"]++
		keys, err := scram(ctx, user, 5) // crypto.SHA256
		if err != nil || !keys.Verify(password) {
			return sasl.NotAuthorized
		}
		return nil
	}
	return creds
}

func (c counted) Digest(domain string) func(context.Context, string, string, string) error {
	verify := c.Accounts.Digest(domain)
	if !c.kept {
		return nil
	}
	return func(ctx context.Context, user, id, digest string) error {
		c.asked["digest"]++
		return verify(ctx, user, id, digest)
	}
}

// TestOldAuthConflict: a resource that is in use.
func TestOldAuthConflict(t *testing.T) {
	t.Run("XEP0078-5-1 the old session ends", func(t *testing.T) {
		s := newOldServer(t, nil)
		first := loginOld(t, s, "juliet", "x")
		second := loginOld(t, s, "juliet", "x")
		// CORE-4.5-2: a text, in the old form.
		first.exactly("<stream:error>replaced by a new connection<conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
		second.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
		second.expect("<iq type='result' id='r'")
	})
	t.Run("XEP0078-5-1 or the new one is refused with 409, and may ask for another", func(t *testing.T) {
		s := newOldServer(t, func(c *server.Config) { c.Conflict = server.RefuseNew })
		loginOld(t, s, "juliet", "x")
		r := newRaw(t, s.Pipe())
		id := r.openOld("localhost")
		r.send("<iq type='set' id='auth2'>%s</iq>", query("juliet", "", auth.DigestOf(id, "r0m30"), "x"))
		r.exactly("<iq type='error' id='auth2'><error code='409' type='cancel'>the resource is in use<conflict" + stanzaNS + "</error></iq>")
		// Whoever has got this far has not logged in.
		r.send("<iq type='set' id='auth3'>%s</iq>", query("juliet", "", "", "y"))
		r.expect("<iq type='error' id='auth3'><error code='406'", "</iq>")
		r.send("<iq type='set' id='auth4'>%s</iq>", query("juliet", "", auth.DigestOf(id, "r0m30"), "y"))
		r.exactly("<iq type='result' id='auth4'/>")
	})
}

// TestReq_XEP0078_7_1: after SASL has failed jabber:iq:auth is refused.
func TestReq_XEP0078_7_1(t *testing.T) {
	s := newOldServer(t, nil)
	for _, in := range []string{
		"<iq type='get' id='a'><query xmlns='jabber:iq:auth'/></iq>",
		"<iq type='set' id='a'>" + query("juliet", "r0m30", "", "x") + "</iq>",
	} {
		r := newRaw(t, s.Pipe())
		r.open()
		r.send("%s", plain("juliet", "wrong"))
		r.exactly("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>")
		r.send("%s", in)
		r.exactly("<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" +
			"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>SASL has failed on this stream</text></stream:error></stream:stream>")
	}
	t.Run("naming a resource after SASL is another matter", func(t *testing.T) {
		r := newRaw(t, s.Pipe())
		r.open()
		r.send("%s", plain("juliet", "wrong"))
		r.expect("</failure>")
		r.send("%s", plain("juliet", "r0m30"))
		r.expect("<success")
		r.open()
		r.send("<iq type='set' id='res_2'>%s</iq>", query("juliet", "", "", "x"))
		r.exactly("<iq type='result' id='res_2'/>")
	})
}

// TestOldAuthTries: tries are bounded, by either means together.
func TestOldAuthTries(t *testing.T) {
	wrong := "<iq type='set' id='a'>" + query("juliet", "wrong", "", "x") + "</iq>"
	const tooMany = "too many failed tries to authenticate"
	t.Run("by default five", func(t *testing.T) {
		r := newRaw(t, newOldServer(t, nil).Pipe())
		r.openOld("localhost")
		r.send("%s", strings.Repeat(wrong, 9))
		got := r.expect("<stream:error>"+tooMany, "</stream:stream>")
		if n := strings.Count(got, "code='401'"); n != 5 {
			t.Errorf("%d tries", n)
		}
	})
	t.Run("with SASL", func(t *testing.T) {
		s := newOldServer(t, func(c *server.Config) { c.MaxTries = 3 })
		r := newRaw(t, s.Pipe())
		r.open()
		r.send("%s", wrong+wrong+plain("juliet", "wrong"))
		got := r.expect("<failure ", "<stream:error><policy-violation", "</stream:stream>")
		if n := strings.Count(got, "code='401'"); n != 2 {
			t.Errorf("%d tries by iq", n)
		}
	})
	t.Run("a client that waits is not waited for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newOldServer(t, nil)
			r := newRaw(t, s.Pipe())
			r.openOld("localhost")
			began := time.Now()
			got := ""
			for err := error(nil); err == nil; {
				<-r.news
				r.mu.Lock()
				got, err = r.got, r.err
				r.mu.Unlock()
			}
			if d := time.Since(began); d < 50*time.Second || d > 70*time.Second || !strings.Contains(got, "<stream:error>the negotiation took too long<connection-timeout") {
				t.Errorf("after %v: %q", d, got)
			}
			s.Close()
		})
	})
}

// TestReq_CORE_4_2_2: what a client of before RFC 3920 comments on is not for others
// to see, for they would close their streams; a client of today may not comment.
func TestReq_CORE_4_2_2(t *testing.T) {
	s := newOldServer(t, nil)
	today := login(t, s, "romeo", "jul13t", "today")
	old := loginOld(t, s, "juliet", "old")
	old.send("<!-- x --><?x y?><message to='romeo@localhost/today'><!-- x --><body>a]<?x y?>]<!-- x -->> b\r<?x y?>\n</body></message>")
	today.exactly("<message to='romeo@localhost/today' from='juliet@localhost/old'><body>a]&#93;> b&#10;\n</body></message>")
	today.send("<message to='juliet@localhost/old'><body><!-- x --></body></message>")
	today.exactly("<stream:error><restricted-xml xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" +
		"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>comment</text></stream:error></stream:stream>")
	old.send("<!DOCTYPE x>")
	old.exactly("<stream:error>document type declaration<restricted-xml xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
}

// TestOldStreamsOff: nobody gets the old forms who is not meant to.
func TestOldStreamsOff(t *testing.T) {
	const bare = "<stream:stream to='localhost' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	get := "<iq type='get' id='a'><query xmlns='jabber:iq:auth'><username>juliet</username></query></iq>"
	set := "<iq type='set' id='a'>" + query("juliet", "r0m30", "", "x") + "</iq>"
	const unavailable = "<iq type='error' id='a'><error code='503' type='cancel'><service-unavailable" + stanzaNS
	t.Run("not by default", func(t *testing.T) {
		s := newOldServer(t, func(c *server.Config) { c.OldStreams = false })
		r := newRaw(t, s.Pipe())
		r.send(bare)
		r.expect("<stream:error>the version of the stream must be 1.0<unsupported-version ", "</stream:stream>")
		for _, in := range []string{get, set} {
			r := newRaw(t, s.Pipe())
			r.send(header)
			wantNone(t, r.expect("</stream:features>"), auth.NSFeature)
			r.send("%s", in)
			r.expect(unavailable, "</iq>")
			r.send("%s", plain("juliet", "r0m30")) // SASL goes on as if nothing was
			r.expect("<success")
		}
	})
	forServer, forClient := xmpptest.TLS(t, "localhost")
	forClient = forClient.Clone()
	forClient.ServerName = "localhost"
	connect := func(t *testing.T, s *server.Server, config *tls.Config) *raw {
		here, there := net.Pipe()
		if config == nil {
			go s.ServeConn(context.Background(), there)
			return newRaw(t, here)
		}
		go s.ServeConn(context.Background(), tls.Server(there, forServer))
		return newRaw(t, tls.Client(here, config))
	}
	t.Run("not without TLS", func(t *testing.T) {
		s := newOldServer(t, func(c *server.Config) { c.TLS = forServer })
		r := connect(t, s, nil)
		r.send(bare)
		r.expect("<stream:error>the version of the stream must be 1.0, for TLS, unless the connection begins with TLS<unsupported-version ", "</stream:stream>")
		for _, in := range []string{get, set} {
			r := connect(t, s, nil)
			r.send(header)
			wantNone(t, r.expect("</stream:features>"), auth.NSFeature, "mechanism")
			r.send("%s", in)
			r.expect(unavailable, "</iq>")
		}
	})
	t.Run("direct TLS", func(t *testing.T) {
		r := connect(t, newOldServer(t, func(c *server.Config) { c.TLS = forServer }), forClient)
		r.openOld("localhost")
		r.send("%s", set)
		r.exactly("<iq type='result' id='a'/>")
	})
	t.Run("or the named option", func(t *testing.T) {
		r := connect(t, newOldServer(t, func(c *server.Config) { c.AllowPlaintext = true }), nil)
		r.openOld("localhost")
		r.send("%s", set)
		r.exactly("<iq type='result' id='a'/>")
	})
	t.Run("without passwords no digest", func(t *testing.T) {
		s := newOldServer(t, func(c *server.Config) { c.Accounts.(*memory.Accounts).Passwords = false })
		r := newRaw(t, s.Pipe())
		id := r.openOld("localhost")
		r.send("%s", get)
		r.exactly("<iq type='result' id='a'><query xmlns='jabber:iq:auth'><username>juliet</username><password/><resource/></query></iq>")
		r.send("<iq type='set' id='b'>%s</iq>", query("juliet", "", auth.DigestOf(id, "r0m30"), "x"))
		r.expect("<iq type='error' id='b'><error code='406' type='modify'>the fields are: username, password, resource<not-acceptable", "</iq>")
		r.send("%s", set)
		r.exactly("<iq type='result' id='a'/>")
	})
	t.Run("without accounts nothing", func(t *testing.T) {
		s := newOldServer(t, func(c *server.Config) { c.Accounts = nil })
		r := newRaw(t, s.Pipe())
		r.openOld("localhost")
		r.send("%s", get)
		r.expect("<stream:error>", "</stream:stream>")
	})
}

// TestOldAuthFeature: a stream with version offers jabber:iq:auth too (XEP-0078,
// section 4), and logs in by it without a new header.
func TestOldAuthFeature(t *testing.T) {
	s := newOldServer(t, nil)
	r := newRaw(t, s.Pipe())
	r.send(header)
	got := r.expect("<mechanisms ", "</mechanisms>", "<auth xmlns='http://jabber.org/features/iq-auth'/>", "</stream:features>")
	id := headerID.FindStringSubmatch(got)[1]
	r.send("<iq type='set' id='a'>%s</iq>", query("juliet", "", auth.DigestOf(id, "wrong"), "x"))
	r.exactly("<iq type='error' id='a'><error code='401' type='auth'><not-authorized" + stanzaNS + "</error></iq>") // XEP0078-5-1: both forms
	r.send("<iq type='set' id='b'>%s</iq>", query("juliet", "", auth.DigestOf(id, "r0m30"), "x"))
	r.exactly("<iq type='result' id='b'/>")
	r.send("<message to='juliet@localhost/x'><body>me</body></message>")
	r.exactly("<message to='juliet@localhost/x' from='juliet@localhost/x'><body>me</body></message>")
	r.send("<iq type='set' id='c'>%s</iq>", query("romeo", "jul13t", "", "y"))
	r.expect("<iq type='error' id='c'", "<service-unavailable", "</iq>") // once is enough
}

// TestReq_IM_3: after SASL a client names its resource by jabber:iq:auth
// (draft-ietf-xmpp-im-02, section 3), whatever the form of SASL was.
func TestReq_IM_3(t *testing.T) {
	// The examples, byte for byte.
	const (
		get = `<iq type="get" id="res_1">
  <query xmlns="jabber:iq:auth">
    <username>juliet</username>
  </query>
</iq>`
		fields = "<iq type='result' id='res_1'><query xmlns='jabber:iq:auth'><username>juliet</username><resource/></query></iq>"
		set    = `<iq type="set" id="res_2">
  <query xmlns="jabber:iq:auth">
    <username>juliet</username>
    <resource>balcony</resource>
  </query>
</iq>`
		empty = `<iq type="set" id="res_2">
  <query xmlns="jabber:iq:auth">
    <username>juliet</username>
    <resource></resource>
  </query>
</iq>`
		ok = "<iq type='result' id='res_2'/>"
	)
	secret := base64.StdEncoding.EncodeToString([]byte("\x00juliet\x00r0m30"))
	const oldHeader = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:sasl='http://www.iana.org/assignments/sasl-mechanisms' to='capulet.com'"
	for _, tt := range []struct {
		name  string
		login func(r *raw)
		old   bool // errors are in the old form
	}{
		{"old SASL, no version", func(r *raw) {
			r.send(oldHeader + ">")
			r.expect("xmlns:sasl='http://www.iana.org/assignments/sasl-mechanisms'", "<mechanisms xmlns='http://www.iana.org/assignments/sasl-mechanisms'>", "</mechanisms>")
			r.send("<sasl:auth mechanism='PLAIN'>%s</sasl:auth>", secret)
			r.exactly("<sasl:success/>")
		}, true},
		{"old SASL, version 1.0", func(r *raw) {
			r.send(oldHeader + " version='1.0'>")
			r.expect("</stream:features>")
			r.send("<sasl:auth mechanism='PLAIN'>%s</sasl:auth>", secret)
			r.exactly("<sasl:success/>")
		}, false},
		{"SASL of today", func(r *raw) {
			r.domain = "capulet.com"
			r.open()
			r.send("%s", plain("juliet", "r0m30"))
			r.expect("<success")
			r.open()
		}, false},
	} {
		for _, allowed := range []bool{true, false} { // it needs no option: SASL has come before
			s := newOldServer(t, func(c *server.Config) { c.OldStreams = allowed })
			t.Run("IM-3-1 IM-3-2 IM-3-4 "+tt.name, func(t *testing.T) {
				r := newRaw(t, s.Pipe())
				tt.login(r)
				r.send(get)
				r.exactly(fields)
				text := map[bool]string{true: "missing: resource<not-acceptable" + stanzaNS,
					false: "<not-acceptable" + stanzaNS + "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>missing: resource</text>"}[tt.old]
				r.send(empty)
				r.exactly("<iq type='error' id='res_2'><error code='406' type='modify'>" + text + "</error></iq>")
				// IM-3-2: the user name must be the one that has authenticated.
				r.send("%s", strings.Replace(set, "juliet", "rob", 1))
				r.expect("<iq type='error' id='res_2'><error code='401' type='auth'>", "<not-authorized", "</iq>")
				r.send(set)
				r.exactly(ok)
				r.send("<message to='juliet@capulet.com/balcony'><body>me</body></message>")
				r.expect("<message to='juliet@capulet.com/balcony' from='juliet@capulet.com/balcony'", "<body>me</body></message>")
			})
		}
	}
}

// TestReq_IM_2_1: an account must exist first, and can be made in-band, on a stream
// without version too.
func TestReq_IM_2_1(t *testing.T) {
	s := newOldServer(t, func(c *server.Config) { c.Registration = &register.Server{Open: true, AllowPlaintext: true} })
	r := newRaw(t, s.Pipe())
	id := r.openOld("localhost")
	login := "<iq type='set' id='a'>" + query("nurse", "", auth.DigestOf(id, "peter"), "x") + "</iq>"
	r.send("%s", login)
	r.exactly("<iq type='error' id='a'>" + oldRefusal + "</iq>")
	r.send("<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>nurse</username><password>peter</password></query></iq>")
	r.exactly("<iq type='result' id='r'/>")
	r.send("%s", login)
	r.exactly("<iq type='result' id='a'/>")
}

// TestOldAndNew: sessions of before RFC 3920 and of today, of one account and of
// two, have the same conversation; each in its dialect.
func TestOldAndNew(t *testing.T) {
	store := memory.New().Offline()
	s := newOldServer(t, func(c *server.Config) { c.Stores.Offline = store })
	romeo := login(t, s, "romeo", "jul13t", "today")
	romeo.send("<message to='juliet@localhost' type='chat'><body>early</body></message>")
	romeo.drain()

	old := loginOld(t, s, "juliet", "old")
	old.send("<presence/>")
	// IM-2-3: what came before has the stamp that it knows (XEP-0091).
	got := old.expect("<body>early</body>", "</message>")
	if !regexp.MustCompile(`<x xmlns='jabber:x:delay' from='localhost' stamp='\d{8}T\d\d:\d\d:\d\d'>Offline Storage</x>`).MatchString(got) {
		t.Errorf("no old stamp in %q", got)
	}
	waitCount(t, store, 0)
	old.expect("<presence to='juliet@localhost/old' from='juliet@localhost/old'/>")

	today := login(t, s, "juliet", "r0m30", "today")
	old.exactly("<presence to='juliet@localhost/old' from='juliet@localhost/today'/>")
	today.expect("from='juliet@localhost/old'", "/>")

	today.send("<message to='juliet@localhost/old' type='chat' id='1'><body>hi</body></message>")
	old.exactly("<message type='chat' id='1' to='juliet@localhost/old' from='juliet@localhost/today'><body>hi</body></message>")
	old.send("<message to='juliet@localhost/today' type='chat' id='2'><body>hi to you</body></message>")
	today.expect("<message type='chat' id='2' to='juliet@localhost/today' from='juliet@localhost/old'><body>hi to you</body></message>")
	old.send("<message to='romeo@localhost' id='3'><body>romeo?</body></message>")
	romeo.expect("<message id='3' to='romeo@localhost' from='juliet@localhost/old'><body>romeo?</body></message>")

	// The roster is pushed to both.
	for _, r := range []*raw{old, today} {
		r.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
		r.expect("<iq type='result' id='roster'", "</iq>")
	}
	old.send("<iq type='set' id='4'><query xmlns='jabber:iq:roster'><item jid='romeo@localhost' name='R'/></query></iq>")
	for _, r := range []*raw{old, today} {
		r.expect("<iq type='set' ", "<item jid='romeo@localhost' name='R' subscription='none'/>")
	}

	// An error of one is understood by the other.
	today.drain()
	romeo.drain()
	t.Run("CORE-A-1 an error comes with code and text", func(t *testing.T) {
		old.t, today.t = t, t
		old.send("<iq type='get' id='5' to='juliet@localhost/today'><q xmlns='urn:q'/></iq>")
		today.expect("id='5'")
		today.send("<iq type='error' id='5' to='juliet@localhost/old'><q xmlns='urn:q'/><error type='cancel'><item-not-found" + stanzaNS + "</error></iq>")
		old.expect("<iq type='error' id='5' to='juliet@localhost/old' from='juliet@localhost/today'><q xmlns='urn:q'/>" +
			"<error code='404' type='cancel'>Not Found<item-not-found" + stanzaNS + "</error></iq>")
		today.send("<iq type='get' id='6' to='juliet@localhost/old'><q xmlns='urn:q'/></iq>")
		old.expect("id='6'", "</iq>")
		old.send("<iq type='error' id='6' to='juliet@localhost/today'><error code='501'>no such thing</error></iq>")
		today.expect("<iq type='error' id='6'", "<error code='501'>no such thing</error></iq>")
		// The server's own, and an iq without type, which is a get.
		old.send("<iq id='7' to='localhost'><q xmlns='urn:q'/></iq>")
		old.expect("<iq type='error' id='7' to='juliet@localhost/old' from='localhost'><error code='503' type='cancel'>Service Unavailable<service-unavailable" + stanzaNS + "</error></iq>")
		old.send("<message to='elsewhere.example' id='8'><body>x</body></message>")
		old.expect("<message type='error' id='8'", "<error code='404' type='cancel'>", "<remote-server-not-found"+stanzaNS+"</error></message>")
		today.send("<message to='elsewhere.example' id='8'><body>x</body></message>")
		today.expect("<message type='error' id='8'", "<error code='404' type='cancel'><remote-server-not-found")
	})
	old.t = t
	old.send("<bad")
	old.send("<<")
	old.expect("<stream:error>", "<not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
}

// TestOldAuthAuthorize: who may not log in, and accounts that fail.
func TestOldAuthAuthorize(t *testing.T) {
	broken := errors.New("the disk is full")
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"disabled", &sasl.Failure{Condition: sasl.AccountDisabled, Text: "call us"}, "<error code='401' type='auth'>call us<not-authorized" + stanzaNS},
		{"expired", sasl.CredentialsExpired, "<error code='401' type='auth'>Unauthorized<not-authorized" + stanzaNS},
		{"broken", broken, "<error code='500' type='wait'>Internal Server Error<internal-server-error" + stanzaNS},
		{"unknown meanwhile", sasl.ErrUnknownUser, "<error code='401' type='auth'>Unauthorized<not-authorized" + stanzaNS},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newOldServer(t, func(c *server.Config) { c.Accounts = forbidding{c.Accounts.(*memory.Accounts), tt.err} })
			r := newRaw(t, s.Pipe())
			id := r.openOld("localhost")
			r.send("<iq type='set' id='1'>%s</iq>", query("juliet", "r0m30", "", "x"))
			r.exactly("<iq type='error' id='1'>" + tt.want + "</error></iq>")
			r.send("<iq type='set' id='2'>%s</iq>", query("juliet", "", auth.DigestOf(id, "r0m30"), "x"))
			r.exactly("<iq type='error' id='2'>" + tt.want + "</error></iq>")
		})
	}
}

// forbidding forbids everybody to log in.
type forbidding struct {
	*memory.Accounts
	err error
}

func (f forbidding) Credentials(domain string) sasl.Credentials {
	c := f.Accounts.Credentials(domain)
	c.Authorize = func(context.Context, string, string) error { return f.err }
	return c
}
