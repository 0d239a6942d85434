package stream

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

// memoryTokens is a TokenStore.
type memoryTokens struct {
	mu   sync.Mutex
	m    map[string]sasl.HashedTokens // by account and client
	fail error
}

func (s *memoryTokens) UpdateTokens(_ context.Context, account jid.JID, client string, fn func(*sasl.HashedTokens) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	key := account.String() + " " + client
	t := s.m[key]
	if err := fn(&t); err != nil {
		return err
	}
	if s.m == nil {
		s.m = make(map[string]sasl.HashedTokens)
	}
	s.m[key] = t
	maps.DeleteFunc(s.m, func(_ string, t sasl.HashedTokens) bool { return t.IsZero() })
	return nil
}

func (s *memoryTokens) RemoveTokens(_ context.Context, account jid.JID, client string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.m, func(key string, _ sasl.HashedTokens) bool { return strings.HasPrefix(key, account.String()+" "+client) })
	return nil
}

// tripper counts round trips: what was read after something was written.
type tripper struct {
	Transport
	trips int
	wrote bool
}

func (t *tripper) Write(b []byte) (int, error) {
	t.wrote = true
	return t.Transport.Write(b)
}

func (t *tripper) Read(b []byte) (int, error) {
	n, err := t.Transport.Read(b)
	if t.wrote && n > 0 {
		t.wrote = false
		t.trips++
	}
	return n, err
}

// attacker has the server's key, and changes what it says.
type attacker struct {
	Transport
	change func(string) string
	rest   []byte
}

func (a *attacker) Read(b []byte) (int, error) {
	if len(a.rest) == 0 {
		buf := make([]byte, 16<<10)
		n, err := a.Transport.Read(buf)
		if err != nil {
			return 0, err
		}
		a.rest = []byte(a.change(string(buf[:n])))
	}
	n := copy(b, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// world2 is a server with rob and its clients, over TLS.
type world2 struct {
	t      *testing.T
	server SASLServer
	client SASL2
	header Header
	cfg    Config    // of both sides
	more   []Feature // of the client
	attack func(string) string
	tls    uint16 // version
	cert   tls.Certificate
	roots  *x509.CertPool
	trips  int
	err    error // of the server
}

func newWorld2(t *testing.T) *world2 {
	w := &world2{t: t, tls: tls.VersionTLS13, header: Header{To: capulet, From: jid.MustParse("rob@capulet.com"), Version: V1}}
	w.cert, w.roots = dialCert(t, "capulet.com")
	leaf, err := x509.ParseCertificate(w.cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	keys := make(map[crypto.Hash]sasl.SCRAMKeys)
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		k, err := sasl.NewSCRAMKeys(h, "secret", 4096)
		if err != nil {
			t.Fatal(err)
		}
		keys[h] = k
	}
	w.server.Config = sasl.ServerConfig{Host: "capulet.com", Iterations: 4096, Certificate: leaf}
	w.server.Config.Credentials.SCRAM = func(_ context.Context, user string, h crypto.Hash) (sasl.SCRAMKeys, error) {
		k, ok := keys[h]
		if user != "rob" || !ok {
			return sasl.SCRAMKeys{}, sasl.ErrUnknownUser
		}
		return k, nil
	}
	w.server.SASL2 = &SASL2Server{Bind: bindTo2(""), FAST: &FASTServer{Store: &memoryTokens{}}, Report: func(_ *Conn, err error) { t.Error(err) }}
	w.client = SASL2{Config: client2Config("secret"), UserAgent: UserAgent{ID: agentID, Software: "Test"}, Bind: &Bind2{Tag: "Test"},
		SaveToken: func(tok *Token) { w.client.Token = tok }}
	return w
}

// connect logs in, and returns both ends.
func (w *world2) connect() (client, accepted *Conn, err error) {
	w.t.Helper()
	a, b := tcpPair(w.t)
	server := w.server
	n := background(func() (*Conn, error) {
		tc := tls.Server(b, serverTLS(w.cert))
		if err := tc.Handshake(); err != nil {
			return nil, err
		}
		return Accept(w.t.Context(), NewTransport(tc), w.cfg, openTo(append(server.Features(), bindRob())))
	})
	tc := tls.Client(a, &tls.Config{RootCAs: w.roots, ServerName: "capulet.com", MinVersion: w.tls, MaxVersion: w.tls})
	if err := tc.Handshake(); err != nil {
		w.t.Fatal(err)
	}
	trips := &tripper{Transport: NewTransport(tc)}
	var tr Transport = trips
	if w.attack != nil {
		tr = &attacker{Transport: tr, change: w.attack}
	}
	features := append([]Feature{w.client.Feature()}, SASL(w.client.Config, Secure)...)
	client, err = Initiate(w.t.Context(), tr, w.cfg, w.header, append(append(features, Bind("", nil)), w.more...))
	w.trips = trips.trips
	accepted, w.err = n.wait()
	return client, accepted, err
}

// login logs in, and out.
func (w *world2) login(wantTrips int) {
	w.t.Helper()
	c, s, err := w.connect()
	if err != nil || w.err != nil {
		w.t.Fatalf("client %v, server %v", err, w.err)
	}
	if w.trips != wantTrips {
		w.t.Errorf("%d round trips, want %d", w.trips, wantTrips)
	}
	c.Close()
	s.Close()
}

// TestLoginRoundTrips counts what a login costs after the TLS handshake.
func TestLoginRoundTrips(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			w := newWorld2(t)
			w.tls = version
			var bound []string
			mechanisms := ""
			w.client.Bind.Bound = func(j jid.JID, _ stanza.Element) { bound = append(bound, j.String()) }
			w.server.Done = func(_ *Conn, mechanism, user, _ string) error {
				mechanisms += " " + mechanism
				return nil
			}
			w.login(3) // header, SCRAM's two
			if tok := w.client.Token; tok == nil || tok.Mechanism != sasl.HTSHA256Expr || tok.User != "rob" || tok.Offer == "" || tok.Count != 0 {
				t.Fatalf("token %v", w.client.Token)
			}
			first := *w.client.Token
			w.login(1) // all at once
			if tok := w.client.Token; tok.Count != 1 || tok.Secret != first.Secret || tok.Offer != first.Offer {
				t.Errorf("token %+v, was %+v", tok, first)
			}
			w.client.Token.Offer = ""
			w.login(2) // the server's features first
			w.login(1)
			if mechanisms != " SCRAM-SHA-256-PLUS HT-SHA-256-EXPR HT-SHA-256-EXPR HT-SHA-256-EXPR" {
				t.Errorf("mechanisms%s", mechanisms)
			}
			if len(bound) != 4 || slices.ContainsFunc(bound, func(s string) bool { return s != bound[0] || !strings.HasPrefix(s, "rob@capulet.com/Test/") }) {
				t.Errorf("bound %q", bound)
			}
			// As it was before.
			w.server.SASL2 = nil
			w.client.Token = nil
			w.login(5)
		})
	}
}

// TestTokens: tokens between both roles.
func TestTokens(t *testing.T) {
	store := &memoryTokens{}
	w := newWorld2(t)
	w.server.SASL2.FAST.Store = store
	var mechanisms []string
	w.server.Done = func(_ *Conn, mechanism, user, _ string) error {
		mechanisms = append(mechanisms, mechanism)
		return nil
	}
	by := func(name string, mechs ...string) {
		t.Helper()
		mechanisms = nil
		c, s, err := w.connect()
		if err != nil || w.err != nil {
			t.Fatalf("%s: client %v, server %v", name, err, w.err)
		}
		c.Close()
		s.Close()
		if !slices.Equal(mechanisms, mechs) {
			t.Errorf("%s: by %v, want %v", name, mechanisms, mechs)
		}
	}
	const scram, expr = "SCRAM-SHA-256-PLUS", "HT-SHA-256-EXPR"
	by("first", scram)
	by("token", expr)

	t.Log("the client forgets that it has used the token: the count is old")
	w.client.Token.Count = 0
	by("replay", scram)
	by("new token", expr)

	t.Log("rotation: the answer is lost, and the old one is good still")
	w.server.SASL2.FAST.Rotation = time.Nanosecond
	before := *w.client.Token
	by("rotated", expr)
	rotated := *w.client.Token
	if rotated.Secret == before.Secret || rotated.Mechanism != before.Mechanism {
		t.Errorf("%+v after %+v", rotated, before)
	}
	lost := before
	lost.Count = 10
	w.client.Token = &lost
	by("with the old one", expr)
	by("with the next new one", expr)
	w.client.Token = &rotated
	by("with the one that was replaced", scram)
	w.server.SASL2.FAST.Rotation = 0

	t.Log("a token is for one client")
	other := *w.client.Token
	w.client.UserAgent.ID = strings.Replace(agentID, "d", "e", 1)
	by("another client", scram)
	w.client.UserAgent.ID = agentID
	w.client.Token = &other
	by("its own again", expr)

	t.Log("the end of its time")
	w.server.SASL2.FAST.Lifetime = time.Second
	w.client.Token = nil
	by("short", scram)
	tokens := store.m["rob@capulet.com "+agentID]
	tokens.New.Expires = time.Now().Add(-time.Minute)
	store.m["rob@capulet.com "+agentID] = tokens
	w.client.Token.Expires = time.Time{}
	by("expired", scram)
	w.server.SASL2.FAST.Lifetime = 0
	w.client.Token = nil
	by("long", scram)

	t.Log("the client gives it back")
	w.client.ForgetToken = true
	old := *w.client.Token
	by("for the last time", expr)
	if w.client.Token != nil || len(store.m) != 1 { // that of the other client
		t.Errorf("token %v, store %v", w.client.Token, store.m)
	}
	by("without", scram)
	w.client.ForgetToken, w.client.Token = false, &old
	by("the one given back", scram)

	t.Log("the password changes")
	if err := store.RemoveTokens(t.Context(), jid.MustParse("rob@capulet.com"), ""); err != nil || len(store.m) != 0 {
		t.Error(err)
	}
	by("revoked", scram)

	t.Log("the store fails")
	var reported []string
	w.server.SASL2.Report = func(_ *Conn, err error) { reported = append(reported, err.Error()) }
	kept := w.client.Token
	store.fail = io.EOF
	by("not now", scram)
	if want := []string{"token for rob@capulet.com: EOF"}; !slices.Equal(reported, want) || w.client.Token.Secret != kept.Secret {
		t.Errorf("reported %q, token %v", reported, w.client.Token)
	}
	store.fail = nil
	by("again", expr)

	t.Log("a client that takes another mechanism with its token")
	w.client.Token.Mechanism = sasl.HTSHA256None
	by("weaker", scram)
	w.server.SASL2.FAST.Mechanisms = []string{sasl.HTSHA512Endp}
	by("not offered any more", scram)
	by("other mechanisms", sasl.HTSHA512Endp)
}

// TestFASTAccept is the server's side of XEP-0484 with a client by hand.
func TestFASTAccept(t *testing.T) {
	const ht = "HT-SHA-256-NONE"
	initial := "<initial-response>anVsaWV0AC5OHkUQ5Quu7vKQnrGMupWNT4Xj7oRchB/pLb1VtVrH</initial-response>"
	proof := "<additional-data>jIA2hFuJVBGt2eu9PLswAGCa61bqzHDps8qfSMM6m/Y=</additional-data>"
	address := "<authorization-identifier>juliet@capulet.com</authorization-identifier>"
	fast := "<fast xmlns='urn:xmpp:fast:0'/>"
	ask := "<request-token xmlns='urn:xmpp:fast:0' mechanism='" + ht + "'/>"
	robAgent := agent
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // when the clock of a bubble begins
	day := 24 * time.Hour
	offered := answer + "<stream:features><authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism><inline>" +
		"<fast xmlns='urn:xmpp:fast:0'><mechanism>" + ht + "</mechanism></fast></inline></authentication>" + offerMechanisms + "</stream:features>"
	given := func(expiry string) string {
		return "<token xmlns='urn:xmpp:fast:0' expiry='" + expiry + "' token='TOKEN'/>"
	}
	token := sasl.HashedToken{Secret: "R3VyIHpiZmcgbnl2aXIgdmYgZ3VyIGp2eXFyZmcu", Mechanism: ht, Expires: now.Add(21 * day), Count: 5}
	counted := func(count string) string { return strings.Replace(fast, "/>", " count='"+count+"'/>", 1) }
	for _, tt := range []struct {
		name, in, want string
		tokens         int // of juliet, afterwards: 1 current, 2 new, 4 of rob
		count          uint64
	}{
		{"example 2 and 3", authenticate("PLAIN", robPlain+robAgent+ask), success2(robAddress + given("2000-01-22T00:00:00Z")), 1 + 4, 5},
		{"no id, no token", authenticate("PLAIN", robPlain+ask), success2(robAddress), 1, 5},
		{"an id that is none", authenticate("PLAIN", robPlain+"<user-agent id='me'/>"+ask), success2(robAddress), 1, 5},
		{"a mechanism that is not offered", authenticate("PLAIN", robPlain+robAgent+strings.Replace(ask, "NONE", "EXPR", 1)), success2(robAddress), 1, 5},
		{"wrong password", authenticate("PLAIN", wrongPlain+robAgent+ask), failed2("not-authorized"), 1, 5},
		{"example 4", authenticate(ht, initial+agent+counted("123")), success2(proof + address), 1, 123},
		{"no count", authenticate(ht, initial+agent+fast), success2(proof + address), 1, 5},
		{"id in capitals", authenticate(ht, initial+strings.Replace(agent, agentID, strings.ToUpper(agentID), 1)+fast), success2(proof + address), 1, 5},
		{"the count was there", authenticate(ht, initial+agent+counted("5")), failed2("not-authorized"), 1, 5},
		{"count is no number", authenticate(ht, initial+agent+counted("-1")), failed2("malformed-request"), 1, 5},
		{"count is too large", authenticate(ht, initial+agent+counted("9223372036854775808")), failed2("malformed-request"), 1, 5},
		{"example 6", authenticate(ht, initial+agent+"<fast xmlns='urn:xmpp:fast:0' count='123' invalidate='true'/>"), success2(proof + address), 0, 0},
		{"given back for another", authenticate(ht, initial+agent+"<fast xmlns='urn:xmpp:fast:0' invalidate='1'/>"+ask), success2(proof + address + given("2000-01-22T00:00:00Z")), 2, 0},
		{"another on demand", authenticate(ht, initial+agent+fast+ask), success2(proof + address + given("2000-01-22T00:00:00Z")), 1 + 2, 5},
		{"invalid proof gives nothing back", authenticate(ht, strings.Replace(initial, "rH<", "rI<", 1)+agent+"<fast xmlns='urn:xmpp:fast:0' invalidate='true'/>"), failed2("not-authorized"), 1, 5},
		{"without <fast/>", authenticate(ht, initial+agent), failed2("invalid-mechanism"), 1, 5},
		{"<fast/> with a password", authenticate("PLAIN", robPlain+agent+fast), failed2("invalid-mechanism"), 1, 5},
		{"no user agent", authenticate(ht, initial+fast), failed2("not-authorized"), 1, 5},
		{"the old way", "<auth xmlns='" + NSSASL + "' mechanism='" + ht + "'>anVsaWV0AC5OHkUQ5Quu7vKQnrGMupWNT4Xj7oRchB/pLb1VtVrH</auth>", saslFailure("invalid-mechanism"), 1, 5},
	} {
		run(t, tt.name, func(t *testing.T) {
			store := &memoryTokens{m: map[string]sasl.HashedTokens{"juliet@capulet.com " + agentID: {Current: token}}}
			s := SASLServer{SASL2: &SASL2Server{FAST: &FASTServer{Store: store}, Tasks: func(_ context.Context, l *Login) ([]ServerTask, error) {
				if strings.HasPrefix(l.Mechanism, "HT-") {
					t.Error("a task after a token")
				}
				return nil, nil
			}}}
			p, n := accept(t, Config{}, features2(t, s))
			p.send(hello + tt.in)
			p.expect(offered)
			got := regexp.MustCompile(`token='[A-Z2-7]{26}'`).ReplaceAllString(p.wait(tt.want[strings.LastIndex(tt.want, "</"):]), "token='TOKEN'")
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			p.close()
			n.wait()
			juliet, rob := store.m["juliet@capulet.com "+agentID], store.m["rob@capulet.com "+agentID]
			tokens := 0
			for i, secret := range []string{juliet.Current.Secret, juliet.New.Secret, rob.New.Secret} {
				tokens |= min(len(secret), 1) << i
			}
			if tokens != tt.tokens || juliet.Current.Count != tt.count {
				t.Errorf("tokens %b, want %b; count %d, want %d", tokens, tt.tokens, juliet.Current.Count, tt.count)
			}
		})
	}
}

// TestAnonymousToken: who is nobody gets no token.
func TestAnonymousToken(t *testing.T) {
	store := &memoryTokens{}
	s := SASLServer{SASL2: &SASL2Server{FAST: &FASTServer{Store: store}}, Config: sasl.ServerConfig{Host: "capulet.com"}}
	s.Config.Credentials.Anonymous = func(context.Context, string) (string, error) { return "guest", nil }
	p, n := accept(t, Config{}, append(s.Features(), bindRob()))
	p.send(hello + authenticate("ANONYMOUS", "<initial-response/>"+agent+"<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"))
	p.wait("</mechanisms></stream:features>")
	p.expect(success2("<authorization-identifier>guest@capulet.com</authorization-identifier>"))
	p.close()
	n.wait()
	if len(store.m) != 0 {
		t.Errorf("stored %v", store.m)
	}
}

// TestSASL2Alone: a server that wants nothing after the login is ready with it, as
// servers are among themselves.
func TestSASL2Alone(t *testing.T) {
	s := SASLServer{SASL2: &SASL2Server{}, Config: rob(t)}
	p, n := accept(t, Config{}, s.Features())
	p.send(hello + authenticate("PLAIN", robPlain))
	p.expect(both(offer2) + success2(robAddress) + "<stream:features></stream:features>")
	if c := n.must(t); c.State() != Secure|Authenticated|Ready {
		t.Errorf("state %b", c.State())
	}
	p.close()
}

// TestDowngrade: an attacker that has the server's key changes what the server offers.
// Either it is noticed, or nothing is gained by it.
func TestDowngrade(t *testing.T) {
	replace := func(oldnew ...string) func(string) string { return strings.NewReplacer(oldnew...).Replace }
	without := func(pattern string) func(string) string {
		re := regexp.MustCompile(pattern)
		return func(s string) string { return re.ReplaceAllString(s, "") }
	}
	types := "<sasl-channel-binding.*</sasl-channel-binding>"
	plus := "<mechanism>SCRAM-SHA-[0-9]+-PLUS</mechanism>"
	for _, tt := range []struct {
		name   string
		attack func(string) string
		err    error
		server error // what the server says, if it is that which notices
		by     string
	}{
		{"nothing is changed", func(s string) string { return s }, nil, nil, "SCRAM-SHA-256-PLUS"},
		{"the strongest mechanisms are hidden", without("<mechanism>SCRAM-SHA-256(-PLUS)?</mechanism>"), sasl.ErrDowngrade, nil, ""},
		{"in the new list only", replace("<authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-256-PLUS</mechanism>", "<authentication xmlns='urn:xmpp:sasl:2'>"), sasl.ErrDowngrade, nil, ""},
		{"in the old list only", replace("<mechanisms xmlns='"+NSSASL+"'><mechanism>SCRAM-SHA-256-PLUS</mechanism>", "<mechanisms xmlns='"+NSSASL+"'>"), nil, nil, "SCRAM-SHA-256-PLUS"},
		{"SASL2 is hidden", without("<authentication.*</authentication>"), nil, nil, "SCRAM-SHA-256-PLUS"},
		{"SASL2 and the strongest are hidden", without("<authentication.*</authentication>|<mechanism>SCRAM-SHA-256(-PLUS)?</mechanism>"), sasl.ErrDowngrade, nil, ""},
		{"SASL2 has nothing known", replace("<authentication xmlns='urn:xmpp:sasl:2'>", "<authentication xmlns='urn:xmpp:sasl:2'/><x xmlns='urn:x'>", "</authentication>", "</x>"), nil, nil, "SCRAM-SHA-256-PLUS"},
		{"channel binding types are hidden", without(types), sasl.ErrDowngrade, nil, ""},
		{"the strongest type is hidden", replace("<channel-binding type='tls-exporter'/>", ""), sasl.ErrDowngrade, nil, ""},
		{"unknown types", replace("tls-exporter", "tls-magic", "tls-server-end-point", "tls-trick"), sasl.ErrDowngrade, nil, ""},
		{"all mechanisms with channel binding are hidden", without(plus), sasl.ErrDowngrade, nil, ""},
		{"and the types", without(plus + "|" + types), sasl.NotAuthorized, sasl.SCRAMServerDoesSupportBinding, ""},
		{"PLAIN is added", replace("<mechanism>SCRAM-SHA-256-PLUS</mechanism>", "<mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>PLAIN</mechanism>"), sasl.ErrDowngrade, nil, ""},
		{"tokens only without channel binding", without("<mechanism>HT-SHA-256-(EXPR|ENDP)</mechanism>"), nil, nil, "SCRAM-SHA-256-PLUS"},
		{"the success is changed", replace("<additional-data>", "<additional-data>A"), sasl.NotAuthorized, nil, ""},
		{"the success has no proof", without("<additional-data>.*</additional-data>"), sasl.ErrServerNotVerified, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld2(t)
			w.attack = tt.attack
			by := ""
			var failed error
			w.server.Done = func(_ *Conn, mechanism, _, _ string) error {
				by = mechanism
				return nil
			}
			w.server.Failed = func(_ *Conn, _ string, err error) { failed = err }
			c, s, err := w.connect()
			if tt.name == "the success is changed" {
				if err == nil || c != nil {
					t.Error("a changed proof was taken")
				}
			} else if tt.name == "channel binding types are hidden" && !strings.Contains(fmt.Sprint(err), "but no channel binding types") {
				t.Errorf("it was not noticed at once: %v", err) // the rules for SASL2 are stricter
			} else if !errors.Is(err, tt.err) || !errors.Is(failed, tt.server) && tt.server != nil || tt.err == nil && by != tt.by {
				t.Errorf("client %v, server %v (%v), by %s; want %v, by %s", err, failed, w.err, by, tt.err, tt.by)
			}
			for _, c := range []*Conn{c, s} {
				if c != nil {
					c.Close()
				}
			}
		})
	}
	t.Run("a token for one channel is not used on another", func(t *testing.T) {
		w := newWorld2(t)
		w.login(3)
		// Only what has no channel binding is offered: the token is not for that.
		w.attack = without("<mechanism>HT-SHA-256-(EXPR|ENDP)</mechanism>")
		w.client.Token.Offer = ""
		by := ""
		w.server.Done = func(_ *Conn, mechanism, _, _ string) error {
			by = mechanism
			return nil
		}
		w.login(3)
		if by != "SCRAM-SHA-256-PLUS" {
			t.Errorf("by %s", by)
		}
	})
}

// TestUpgrade: both roles of XEP-0480.
func TestUpgrade(t *testing.T) {
	w := newWorld2(t)
	var saved []sasl.SCRAMKeys
	wanted := true
	w.server.SASL2.Upgrade = &UpgradeServer{Hashes: []crypto.Hash{crypto.SHA256, crypto.SHA512},
		Wanted: func(_ context.Context, user string, h crypto.Hash) (bool, error) {
			return wanted && h == crypto.SHA512, nil
		},
		Save: func(_ context.Context, user string, keys sasl.SCRAMKeys) error {
			saved = append(saved, keys)
			return nil
		}}
	w.login(5) // and two for the task
	if len(saved) != 1 || saved[0].Hash != crypto.SHA512 || !saved[0].Verify("secret") || saved[0].Verify("other") || saved[0].Iterations != sasl.DefaultIterations {
		t.Fatalf("saved %+v", saved)
	}
	wanted = false
	w.client.Token = nil
	w.login(3)
	wanted = true
	w.login(1) // with a token nobody is asked
	if len(saved) != 1 {
		t.Errorf("saved %d keys", len(saved))
	}
	var reported error
	w.server.SASL2.Report = func(_ *Conn, err error) { reported = err }
	w.server.SASL2.Upgrade.Wanted = func(context.Context, string, crypto.Hash) (bool, error) { return false, io.EOF }
	w.client.Token = nil
	w.login(3)
	if reported == nil || reported.Error() != "upgrade: EOF" {
		t.Error(reported)
	}
}

// TestTokenCannotUpgrade: who has a token only must not come by keys.
func TestTokenCannotUpgrade(t *testing.T) {
	for _, mechanism := range []string{sasl.HTSHA256Expr, sasl.External, sasl.OAuthBearer, sasl.Anonymous} {
		u := &UpgradeServer{Hashes: []crypto.Hash{crypto.SHA512}, Wanted: func(context.Context, string, crypto.Hash) (bool, error) { return true, nil }}
		st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage}, stanza.Raw("<a><upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade></a>"))
		if err != nil {
			t.Fatal(err)
		}
		if tasks, err := u.wanted(t.Context(), &Login{Mechanism: mechanism, Request: st.Payload()}); len(tasks) != 0 || err != nil {
			t.Errorf("%s: %v, %v", mechanism, tasks, err)
		}
		if tasks, _ := u.wanted(t.Context(), &Login{Mechanism: sasl.SCRAMSHA1, Request: st.Payload()}); len(tasks) != 1 {
			t.Errorf("%d tasks after SCRAM", len(tasks))
		}
	}
}

// TestSASL2Trace: a trace of logins has no secret in it.
func TestSASL2Trace(t *testing.T) {
	var trace bytes.Buffer
	var mu sync.Mutex
	w := newWorld2(t)
	w.cfg.Trace = func(_ bool, b []byte) {
		mu.Lock()
		defer mu.Unlock()
		trace.Write(b)
	}
	w.server.SASL2.Upgrade = &UpgradeServer{Hashes: []crypto.Hash{crypto.SHA512},
		Wanted: func(context.Context, string, crypto.Hash) (bool, error) { return true, nil },
		Save:   func(context.Context, string, sasl.SCRAMKeys) error { return nil }}
	w.server.SASL2.FAST.Rotation = time.Nanosecond
	w.login(5)
	if n := strings.Count(trace.String(), "<additional-data>"); n != 1*2 {
		t.Errorf("the proof is told and heard %d times", n) // with <continue/>, not with <success/> again
	}
	secret := w.client.Token.Secret
	w.login(1)
	text := trace.String()
	for _, s := range []string{secret, w.client.Token.Secret, "cj", "iterations=", "biws"} {
		if strings.Contains(text, s) {
			t.Errorf("%q is in the trace", s)
		}
	}
	for _, s := range []string{"<initial-response>[...]</initial-response>", "<additional-data>[...]</additional-data>", "<challenge xmlns='urn:xmpp:sasl:2'>[...]</challenge>",
		"<response xmlns='urn:xmpp:sasl:2'>[...]</response>", "<token [...]/>", "<task-data xmlns='urn:xmpp:sasl:2'>[...]</task-data>", "<fast xmlns='urn:xmpp:fast:0' count='1'/>", "<software>Test</software>"} {
		if !strings.Contains(text, s) {
			t.Errorf("%s is not in the trace", s)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TestUserAgentID: the form of a UUID of version 4, and never the same.
func TestUserAgentID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	a, b := NewUserAgentID(), NewUserAgentID()
	if !form.MatchString(a) || !form.MatchString(b) || a == b || !isUUID(a) {
		t.Error(a, b)
	}
	for _, s := range []string{"", a[1:], a + "0", strings.ToUpper(a), strings.Replace(a, "-", "0", 1), "g" + a[1:], "'" + a[1:]} {
		if isUUID(s) && s != strings.ToLower(s) {
			t.Error(s)
		}
	}
	if isUUID("g"+a[1:]) || isUUID(a[1:]) || isUUID(strings.Replace(a, "-", "0", 1)) {
		t.Error("no UUID")
	}
	for in, want := range map[string]string{" x ": "x", strings.Repeat("é", 200): strings.Repeat("é", 128), strings.Repeat("a", 255) + "é": strings.Repeat("a", 255)} {
		if got := cut(in); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

// server2Fuzz is a server with everything.
func server2Fuzz(f testing.TB) func() []Feature {
	cfg := rob(f)
	cfg.Iterations = 1
	return func() []Feature {
		token := sasl.HashedToken{Secret: "R3VyIHpiZmcgbnl2aXIgdmYgZ3VyIGp2eXFyZmcu", Mechanism: sasl.HTSHA256None, Expires: time.Now().Add(time.Hour)}
		store := &memoryTokens{m: map[string]sasl.HashedTokens{"juliet@capulet.com " + agentID: {Current: token}}}
		ext := &SASL2Server{Bind: bindTo2(""), FAST: &FASTServer{Store: store}, Management: &ManagementServer{},
			Upgrade: &UpgradeServer{Hashes: []crypto.Hash{crypto.SHA256}, Iterations: 1,
				Wanted: func(context.Context, string, crypto.Hash) (bool, error) { return true, nil },
				Save:   func(context.Context, string, sasl.SCRAMKeys) error { return nil }},
			Tasks: func(_ context.Context, l *Login) ([]ServerTask, error) {
				if l.UserAgent.Software != "2FA" || len(l.Done) > 0 {
					return nil, nil
				}
				return []ServerTask{totp("TOTP")}, nil
			}}
		return append(SASLServer{Config: cfg, SASL2: ext}.Features(), bindRob())
	}
}

// FuzzSASL2Accept: no input makes a server panic or hang, let somebody in who has not
// proven anything, or leave an error unsaid.
func FuzzSASL2Accept(f *testing.F) {
	const ht = "<initial-response>anVsaWV0AC5OHkUQ5Quu7vKQnrGMupWNT4Xj7oRchB/pLb1VtVrH</initial-response>"
	for _, s := range []string{
		authenticate("PLAIN", robPlain+agent+"<bind xmlns='urn:xmpp:bind:0'><tag>a</tag><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind><request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"),
		authenticate("PLAIN", robPlain+"<user-agent><software>2FA</software></user-agent><resume xmlns='urn:xmpp:sm:3' h='1' previd='x'/>") +
			"<next xmlns='urn:xmpp:sasl:2' task='TOTP'><totp xmlns='urn:totp:example'>123456</totp></next>" + askBind,
		authenticate("PLAIN", robPlain+"<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>") + "<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-256'/>" +
			"<task-data xmlns='urn:xmpp:sasl:2'><hash xmlns='urn:xmpp:scram-upgrade:0'>BzOnw3Pc5H4bOLlPZ/8JAy6wnTpH05aH21KW2+Xfpaw=</hash></task-data>" + askBind,
		authenticate("HT-SHA-256-NONE", ht+agent+"<fast xmlns='urn:xmpp:fast:0' count='1' invalidate='true'/>"),
		authenticate("SCRAM-SHA-1", "<initial-response>biwsbj1yb2Iscj1hYmM=</initial-response>") + "<response xmlns='urn:xmpp:sasl:2'>Yz1iaXdz</response>" + badPlain + authenticate("PLAIN", wrongPlain),
		"<abort xmlns='urn:xmpp:sasl:2'/>" + authPlain,
	} {
		f.Add(s)
	}
	features := server2Fuzz(f)
	f.Fuzz(func(t *testing.T, in string) {
		tr := &scriptedConn{in: []byte(hello + in)}
		c, err := Accept(t.Context(), tr, Config{MaxStanza: 1 << 16}, openTo(features()))
		if err == nil {
			c.Flush(t.Context())
			if said := tr.out.String(); !strings.Contains(said, "<success") {
				t.Fatalf("ready without a success: %s", said)
			}
			err = drain(c)
			c.Fail(err)
		}
		if strings.Contains(tr.out.String(), "<success") && !strings.ContainsAny(in, "&[") && !holdsProof(in) {
			t.Fatalf("logged in with %s", in)
		}
		e, ok := errors.AsType[*Error](err)
		if !ok && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrPeerClosed) {
			t.Fatalf("%T %v", err, err)
		}
		if ok && (!defined[e.Condition] || e.Condition == InternalServerError) {
			t.Fatalf("%v", err)
		}
		if ok && !e.Remote && !strings.HasSuffix(tr.out.String(), "</stream:error></stream:stream>") {
			t.Fatalf("%v is not said: %s", err, tr.out.String())
		}
	})
}

// holdsProof reports whether what rob or juliet log in with is among the base64 texts
// of in, wherever white space is in them.
func holdsProof(in string) bool {
	proof, _ := base64.StdEncoding.DecodeString("AC5OHkUQ5Quu7vKQnrGMupWNT4Xj7oRchB/pLb1VtVrH")
	for _, text := range regexp.MustCompile(`>[A-Za-z0-9+/=\s]+<`).FindAllString(in, -1) {
		b, _ := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text[1:len(text)-1]), ""))
		if bytes.Contains(b, []byte("rob\x00secret")) || bytes.HasSuffix(b, proof) {
			return true
		}
	}
	return false
}

// FuzzSASL2Initiate: no server makes a client panic or hang, or believe that it is
// logged in without that the server has said so.
func FuzzSASL2Initiate(f *testing.F) {
	all := "<stream:features>" + plain2("<inline><sm xmlns='urn:xmpp:sm:3'/><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/></inline></bind>"+
		"<fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline><upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>") + "</stream:features>"
	proof := "<additional-data>jIA2hFuJVBGt2eu9PLswAGCa61bqzHDps8qfSMM6m/Y=</additional-data>"
	address := "<authorization-identifier>juliet@capulet.com/x</authorization-identifier><bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='a' resume='true' max='9'/></bound>"
	for _, s := range []string{
		all + success2(proof+address) + "<stream:features/>",
		all + failed2("not-authorized") + success2(address+"<token xmlns='urn:xmpp:fast:0' expiry='2020-03-12T14:36:15Z' token='x'/>") + "<stream:features/>",
		all + failed2("not-authorized") + "<continue xmlns='urn:xmpp:sasl:2'><tasks><task>UPGR-SCRAM-SHA-256</task></tasks></continue>" +
			"<task-data xmlns='urn:xmpp:sasl:2'><salt xmlns='urn:xmpp:scram-upgrade:0' iterations='1'>QUJD</salt></task-data>" + success2(robAddress) + "<stream:features>" + offerBind + "</stream:features>",
		all + success2(proof+address+"<resumed xmlns='urn:xmpp:sm:3' h='0' previd='x'/>"),
		all + "<challenge xmlns='urn:xmpp:sasl:2'>AAAA</challenge>",
		"<stream:features>" + offerMechanisms + "</stream:features>" + success,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		tr := &scriptedConn{in: []byte(answer + in)}
		s := SASL2{Config: func() sasl.ClientConfig {
			return sasl.ClientConfig{Username: "rob", Password: "secret", MinIterations: 1, MaxIterations: 10}
		}, UserAgent: UserAgent{ID: agentID}, Bind: &Bind2{Tag: "a"}, Management: &ManagementClient{Resumable: true},
			Token: &Token{User: "juliet", Mechanism: sasl.HTSHA256None, Secret: "R3VyIHpiZmcgbnl2aXIgdmYgZ3VyIGp2eXFyZmcu"},
			SaveToken: func(tok *Token) {
				if tok != nil && (tok.Secret == "" || tok.Mechanism == "") {
					t.Errorf("saved %#v", tok)
				}
			}}
		c, err := Initiate(t.Context(), tr, Config{}, clientHeader, login2With(s))
		if err == nil {
			if !strings.Contains(in, "success") {
				t.Fatalf("logged in by %s", in)
			}
			c.Close()
		}
	})
}

// FuzzBind2Resource: whatever the tag, the resource is one.
func FuzzBind2Resource(f *testing.F) {
	for _, s := range []string{"", "App", "a/b", "\x00", "Ⅸ", " a ", strings.Repeat("é", 600)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		l := &Login{Account: jid.MustParse("rob@capulet.com"), UserAgent: UserAgent{ID: agentID}}
		b := &Bind2Server{Secret: []byte("s")}
		r := b.resource(l, tag)
		j, err := l.Account.WithResource(r)
		if err != nil || j.Resource() != r || r != b.resource(l, tag) || strings.Contains(r, agentID) && !strings.Contains(tag, agentID) {
			t.Fatalf("tag %q: resource %q, %v", tag, r, err)
		}
	})
}

// tokensOf is a TokenStore of one client, that counts how often it is asked.
type tokensOf struct {
	sasl.HashedTokens
	asked int
	fails error // to store
}

func (s *tokensOf) UpdateTokens(_ context.Context, _ jid.JID, _ string, fn func(*sasl.HashedTokens) error) error {
	s.asked++
	if err := fn(&s.HashedTokens); err != nil {
		return err
	}
	return s.fails
}

func (s *tokensOf) RemoveTokens(context.Context, jid.JID, string) error { return nil }

// TestTokenRules: what is not asked of a store, and what is not given.
func TestTokenRules(t *testing.T) {
	yes := func(string) bool { return true }
	rob := jid.MustParse("rob@capulet.com")
	t.Run("a token belongs to a client", func(t *testing.T) {
		s := &tokensOf{}
		f := &FASTServer{Store: s}
		if err := f.check("capulet.com", &fastRequest{used: true})(t.Context(), "rob", sasl.HTSHA256None, yes); err != sasl.ErrUnknownUser || s.asked != 0 {
			t.Errorf("%v, asked %d times", err, s.asked)
		}
	})
	t.Run("who has used one has got the new one", func(t *testing.T) {
		s := &tokensOf{}
		f := &FASTServer{Store: s}
		if err := f.issue(t.Context(), rob, &fastRequest{client: agentID, used: true, mechanism: sasl.HTSHA256None}); err != nil || s.asked != 0 {
			t.Errorf("%v, asked %d times", err, s.asked)
		}
	})
	t.Run("one that is not stored is not told", func(t *testing.T) {
		r := &fastRequest{client: agentID, mechanism: sasl.HTSHA256None}
		if err := (&FASTServer{Store: &tokensOf{fails: io.EOF}}).issue(t.Context(), rob, r); err != io.EOF || r.issued.Secret != "" {
			t.Errorf("%v, issued %v", err, r.issued)
		}
	})
	t.Run("XEP-0484-3.6 one that is forgotten is not replaced, though it were due", func(t *testing.T) {
		for _, invalidate := range []bool{false, true} {
			s := &tokensOf{}
			f := &FASTServer{Store: s}
			s.Issue(sasl.HTSHA256None, time.Now().Add(time.Hour))
			r := &fastRequest{client: agentID, used: true, invalidate: invalidate}
			if err := f.check("capulet.com", r)(t.Context(), "rob", sasl.HTSHA256None, yes); err != nil {
				t.Fatal(err)
			}
			if (r.issued.Secret == "") != invalidate || s.IsZero() != invalidate {
				t.Errorf("invalidate %v: issued %v, left %+v", invalidate, r.issued, s.HashedTokens)
			}
		}
	})
	t.Run("nobody asks for one", func(t *testing.T) {
		a := &client2{SASL2: SASL2{UserAgent: UserAgent{ID: agentID}, SaveToken: func(*Token) {}}, mechanism: sasl.Anonymous}
		a.offer = element(t, plain2("<inline><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline>"))
		if b := a.appendFAST(nil); b != nil {
			t.Errorf("asked %s", b)
		}
		a.mechanism = sasl.Plain
		if b := a.appendFAST(nil); b == nil {
			t.Error("not asked")
		}
	})
}
