package sasl

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The example of RFC 2831 section 4 (IMAP, and ACAP where rspauth comes with
// the success), both sides.
func TestDigestVectors(t *testing.T) {
	for _, v := range []struct {
		name, service, nonce, cnonce, response, rspauth string
		inSuccess                                       bool
	}{
		{"IMAP", "imap", "OA6MG9tEQGm2hh", "OA6MHXh6VqTrRk", "d388dad90d4bbd760a152321f2143af7", "ea40f60335c427b5527b84dbabcdfffd", false},
		{"CORE-5.1.2-7 ACAP, rspauth with the success", "acap", "OA9BSXrbuRhWay", "OA9BSuZWMSpW8m", "6084c6db3fede7352c551284490fd0fc", "2f0b3d7c3c2e486600ef710726aa2eae", true},
	} {
		challenge := `realm="elwood.innosoft.com",nonce="` + v.nonce + `",qop="auth",algorithm=md5-sess,charset=utf-8`
		response := `charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="` + v.nonce + `",nc=00000001,cnonce="` +
			v.cnonce + `",digest-uri="` + v.service + `/elwood.innosoft.com",response=` + v.response + `,qop=auth`
		proof := "rspauth=" + v.rspauth

		t.Run(v.name+"/client", func(t *testing.T) {
			c := mustClient(t, DigestMD5, ClientConfig{
				Username: "chris", Password: "secret", Service: v.service, Host: "elwood.innosoft.com", AllowPlaintext: true,
			}).(*digestClient)
			c.cnonce = v.cnonce
			if initial, err := c.Start(); initial != nil || err != nil {
				t.Fatalf("initial response %q, %v", initial, err)
			}
			got, err := c.Next([]byte(challenge))
			if err != nil || string(got) != response {
				t.Fatalf("response %v\n%s, want\n%s", err, got, response)
			}
			if v.inSuccess {
				if err := c.Finish([]byte(proof)); err != nil {
					t.Error(err)
				}
				return
			}
			if got, err := c.Next([]byte(proof)); err != nil || got == nil || len(got) != 0 {
				t.Fatalf("answer to rspauth %q, %v", got, err)
			}
			if err := c.Finish(nil); err != nil {
				t.Error(err)
			}
		})
		t.Run(v.name+"/server", func(t *testing.T) {
			cfg := ServerConfig{Host: "elwood.innosoft.com", Services: []string{"xmpp", v.service}, AllowPlaintext: true}
			cfg.Credentials.HA1 = func(_ context.Context, user, realm string) ([16]byte, error) {
				return DigestHA1(user, realm, "secret"), nil
			}
			s := mustServer(t, DigestMD5, cfg).(*digestServer)
			s.nonce = v.nonce
			ctx := context.Background()
			if got, done, err := s.Next(ctx, nil); string(got) != `realm="elwood.innosoft.com",nonce="`+v.nonce+`",qop="auth",algorithm=md5-sess,charset=utf-8` || done || err != nil {
				t.Fatalf("challenge %s %v %v", got, done, err)
			}
			if got, done, err := s.Next(ctx, []byte(response)); string(got) != proof || done || err != nil {
				t.Fatalf("rspauth %s %v %v", got, done, err)
			}
			if s.Username() != "" {
				t.Error("user before the end")
			}
			if got, done, err := s.Next(ctx, []byte{}); got != nil || !done || err != nil || s.Username() != "chris" {
				t.Fatalf("end %q %v %v, user %q", got, done, err, s.Username())
			}
		})
	}
}

// The exchange of draft-miller-xmpp-core-02 section 5.1.2. The base64 is that
// of the draft, with its line breaks (and one letter O, printed as a zero in the
// response, put right). Its response and rspauth are those of RFC 2831's
// example, copied by the draft's authors, so that no password fits them: the
// syntax is golden, the sums are ours.
func TestReq_CORE_5_1_2(t *testing.T) {
	unwrap := func(lines ...string) string {
		b, err := base64.StdEncoding.DecodeString(strings.Join(lines, ""))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	challenge := unwrap("cmVhbG09ImNhdGFjbHlzbS5jeCIsbm9uY2U9Ik9BNk1HOXRFUUdtMmhoIi",
		"xxb3A9ImF1dGgiLGNoYXJzZXQ9dXRmLTgsYWxnb3JpdGhtPW1kNS1zZXNz")
	response := unwrap("dXNlcm5hbWU9InJvYiIscmVhbG09ImNhdGFjbHlzbS5jeCIsbm9uY2U9Ik",
		"9BNk1HOXRFUUdtMmhoIixjbm9uY2U9Ik9BNk1IWGg2VnFUclJrIixuYz0w",
		"MDAwMDAwMSxxb3A9YXV0aCxkaWdlc3QtdXJpPSJqYWJiZXIvY2F0YWNseX",
		"NtLmN4IixyZXNwb25zZT1kMzg4ZGFkOTBkNGJiZDc2MGExNTIzMjFmMjE0",
		"M2FmNyxjaGFyc2V0PXV0Zi04")
	rspauth := unwrap("cnNwYXV0aD1lYTQwZjYwMzM1YzQyN2I1NTI3Yjg0ZGJhYmNkZmZmZA==")

	client := func() *digestClient {
		c := mustClient(t, DigestMD5, ClientConfig{
			Username: "rob", Password: "secret", Service: "jabber", Host: "cataclysm.cx", AllowPlaintext: true,
		}).(*digestClient)
		c.cnonce = "OA6MHXh6VqTrRk"
		c.Start()
		return c
	}
	t.Run("CORE-5.1.2-5 challenge", func(t *testing.T) {
		d, err := parseDirectives([]byte(challenge))
		want := directives{{"realm", "cataclysm.cx"}, {"nonce", "OA6MG9tEQGm2hh"}, {"qop", "auth"}, {"charset", "utf-8"}, {"algorithm", "md5-sess"}}
		if err != nil || !reflect.DeepEqual(d, want) {
			t.Fatalf("%v %v", d, err)
		}
		if _, err := client().Next([]byte(challenge)); err != nil {
			t.Error(err)
		}
	})
	t.Run("CORE-5.1.2-6 response", func(t *testing.T) {
		ours, err := client().Next([]byte(challenge))
		if err != nil {
			t.Fatal(err)
		}
		// Ours has the same directives as the draft's but for the sum.
		a, err1 := parseDirectives(ours)
		b, err2 := parseDirectives([]byte(response))
		if err1 != nil || err2 != nil || len(a) != len(b) {
			t.Fatalf("%v %v\n%v\n%v", err1, err2, a, b)
		}
		for _, d := range b {
			if v, _, _ := a.one(d.name); d.name != "response" && v != d.value {
				t.Errorf("%s is %q, in the draft %q", d.name, v, d.value)
			}
		}
		if r, err := parseDigestResponse([]byte(response)); err != nil || r.sums.uri != "jabber/cataclysm.cx" || r.user != "rob" {
			t.Errorf("the draft's response: %+v %v", r, err)
		}
	})
	t.Run("CORE-5.1.2-7 rspauth of the draft proves nothing here", func(t *testing.T) {
		c := client()
		c.Next([]byte(challenge))
		if _, err := c.Next([]byte(rspauth)); !errors.Is(err, ErrServerNotVerified) {
			t.Error(err)
		}
	})
	for _, old := range []bool{true, false} {
		cfg := ServerConfig{Host: "cataclysm.cx", AllowPlaintext: true}
		cfg.Credentials.HA1 = func(_ context.Context, user, realm string) ([16]byte, error) {
			return DigestHA1(user, realm, "secret"), nil
		}
		if old {
			cfg.Services = []string{"xmpp", "jabber"}
		}
		c := client()
		c.state = digestInitial
		_, cerr, serr := converse(c, mustServer(t, DigestMD5, cfg))
		if cerr != nil || (serr == nil) != old {
			t.Errorf("jabber/host with a server that accepts it (%v): %v %v", old, cerr, serr)
		}
	}
}

// The exchange of RFC 3920 section 6.5: the modern digest-uri, and a realm and
// cnonce of that document.
func TestDigestRFC3920(t *testing.T) {
	c := mustClient(t, DigestMD5, ClientConfig{Username: "somenode", Password: "x", Host: "example.com", AllowPlaintext: true,
		Realm: func(offered []string) (string, error) { return "cataclysm.cx", nil }}).(*digestClient)
	c.Start()
	got, err := c.Next([]byte(`realm="somerealm",nonce="OA6MG9tEQGm2hh",qop="auth",charset=utf-8,algorithm=md5-sess`))
	if err != nil || !strings.Contains(string(got), `digest-uri="xmpp/example.com"`) || !strings.Contains(string(got), `realm="cataclysm.cx"`) {
		t.Errorf("%s %v", got, err)
	}
}

func TestDigestRealms(t *testing.T) {
	for _, tt := range []struct {
		name, challenge, host string
		choose                func([]string) (string, error)
		want                  string
		err                   bool
	}{
		{"the host among several", `realm="a",realm="example.org",realm="b"`, "example.org", nil, "example.org", false},
		{"the first of several", `realm="a",realm="b"`, "example.org", nil, "a", false},
		{"none offered", `maxbuf=1024`, "example.org", nil, "example.org", false},
		{"chosen", `realm="a",realm="b"`, "example.org", func(o []string) (string, error) { return o[1], nil }, "b", false},
		{"nothing to choose", `realm="a"`, "example.org", func(o []string) (string, error) { return "", ErrBadString }, "", true},
		{"quotes", `realm="a \"b\" \\c"`, "example.org", nil, `a "b" \c`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := mustClient(t, DigestMD5, ClientConfig{Username: "u", Password: "p", Host: tt.host, Realm: tt.choose, AllowPlaintext: true})
			c.Start()
			got, err := c.Next([]byte(tt.challenge + `,nonce="n",algorithm=md5-sess,charset=utf-8`))
			if (err != nil) != tt.err {
				t.Fatal(err)
			}
			if err == nil {
				r, err := parseDigestResponse(got)
				if err != nil || r.realm != tt.want {
					t.Errorf("realm %q %v", r.realm, err)
				}
			}
		})
	}
	a := newAccounts()
	cfg := a.server()
	cfg.Realms = []string{"one", "example.org"}
	if _, cerr, serr := converse(mustClient(t, DigestMD5, clientFor(DigestMD5)), mustServer(t, DigestMD5, cfg)); cerr != nil || serr != nil {
		t.Error(cerr, serr)
	}
}

// RFC 2831 section 2.1.2.1: what fits into ISO 8859-1 is hashed in it.
func TestDigestCharset(t *testing.T) {
	latin := DigestHA1("zo\u00eb", "r", "p\u00e4ss")
	if got := hex.EncodeToString(latin[:]); got != hexMD5("zo\xeb:r:p\xe4ss") {
		t.Errorf("HA1 of Latin-1 strings is %s", got)
	}
	mixed := DigestHA1("zo\u00eb", "r", "\u043f")
	if got := hex.EncodeToString(mixed[:]); got != hexMD5("zo\xeb:r:\xd0\xbf") {
		t.Errorf("HA1 of a Latin-1 name and a Cyrillic password is %s", got)
	}
	a := newAccounts()
	a.passwords["\u0438\u0432\u0430\u043d"] = "\u043f\u0430\u0440\u043e\u043b\u044c"
	for user, password := range a.passwords {
		ccfg := ClientConfig{Username: user, Password: password, Host: "example.org", AllowPlaintext: true}
		s := mustServer(t, DigestMD5, a.server())
		if _, cerr, serr := converse(mustClient(t, DigestMD5, ccfg), s); cerr != nil || serr != nil || s.Username() != user {
			t.Errorf("%s: %v %v, user %q", user, cerr, serr, s.Username())
		}

		// A server of ISO 8859-1 only.
		c := mustClient(t, DigestMD5, ccfg).(*digestClient)
		c.Start()
		got, err := c.Next([]byte(`realm="example.org",nonce="n",algorithm=md5-sess`))
		if _, ok := toLatin1(user); !ok {
			if !errors.Is(err, ErrBadString) {
				t.Errorf("%s goes to a server that cannot read it: %s", user, got)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		r, err := parseDigestResponse(got)
		if err != nil || r.user != user || strings.Contains(string(got), "charset") {
			t.Fatalf("%q: %+v %v", got, r, err)
		}
		if r.sums.ha1 = DigestHA1(user, "example.org", password); r.sums.client() != r.proof {
			t.Errorf("%s: the sum in ISO 8859-1 differs", user)
		}
	}
	if _, ok := toLatin1("\xff"); ok {
		t.Error("toLatin1 takes what is not UTF-8")
	}
}

func TestDigestClientBadChallenge(t *testing.T) {
	const ok = `realm="r",nonce="n",qop="auth",algorithm=md5-sess,charset=utf-8`
	tests := []struct{ name, challenge string }{
		{"empty", ""},
		{"only commas", " , ,"},
		{"not a list", "hello"},
		{"no nonce", `realm="r",algorithm=md5-sess`},
		{"empty nonce", `nonce="",algorithm=md5-sess`},
		{"two nonces", ok + `,nonce="m"`},
		{"no algorithm", `nonce="n"`},
		{"two algorithms", ok + `,algorithm=md5-sess`},
		{"other algorithm", `nonce="n",algorithm=sha-256`},
		{"no qop that is known", `nonce="n",algorithm=md5-sess,qop="auth-int,auth-conf"`},
		{"two qop", ok + `,qop="auth"`},
		{"other charset", `nonce="n",algorithm=md5-sess,charset=koi8-r`},
		{"two charsets", ok + `,charset=utf-8`},
		{"realm not UTF-8", "realm=\"\x87\",nonce=n,algorithm=md5-sess,charset=utf-8"},
		{"two stale", ok + `,stale=true,stale=true`},
		{"two maxbuf", ok + `,maxbuf=1,maxbuf=2`},
		{"string does not end", `nonce="n`},
		{"escape does not end", `nonce="n\`},
		{"control in string", "nonce=\"n\x00\",algorithm=md5-sess"},
		{"no comma", `nonce="n"algorithm=md5-sess`},
		{"no value", `nonce=,algorithm=md5-sess`},
		{"no name", `="n"`},
		{"too many directives", ok + strings.Repeat(",x=y", 70)},
		{"too long", ok + `,x="` + strings.Repeat("y", 2048) + `"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustClient(t, DigestMD5, ClientConfig{Username: "u", Password: "p", AllowPlaintext: true})
			c.Start()
			if got, err := c.Next([]byte(tt.challenge)); !errors.Is(err, ErrMalformed) || got != nil {
				t.Errorf("%q %v", got, err)
			}
			if _, err := c.Next([]byte(ok)); !errors.Is(err, ErrUnexpected) {
				t.Errorf("the exchange goes on: %v", err)
			}
		})
	}
	for name, challenge := range map[string]string{
		"plain":                     ok,
		"white space and nulls":     " ,\t" + strings.ReplaceAll(ok, ",", " ,\r\n , ") + ",,",
		"space around equals":       strings.ReplaceAll(ok, "=", " = "),
		"upper-case names":          `REALM="r",NONCE="n",ALGORITHM=MD5-SESS`,
		"unknown directives twice":  ok + `,x=1,x=2,opaque="o",domain="d"`,
		"ciphers and buffer":        ok + `,cipher="3des,des,rc4",maxbuf=65536`,
		"quality among others":      `nonce="n",qop="auth-conf, AUTH ,auth-int",algorithm=md5-sess`,
		"stale at first is nothing": ok + ",stale=true",
		"quoted tokens":             `nonce=n,algorithm="md5-sess",charset="utf-8"`,
	} {
		c := mustClient(t, DigestMD5, ClientConfig{Username: "u", Password: "p", AllowPlaintext: true})
		c.Start()
		if _, err := c.Next([]byte(challenge)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, cfg := range map[string]ClientConfig{
		"control in name":    {Username: "a\x01", Password: "p"},
		"control in authzid": {Username: "a", Password: "p", AuthzID: "\n"},
		"too long":           {Username: strings.Repeat("a", 4096), Password: "p"},
	} {
		cfg.AllowPlaintext = true
		c := mustClient(t, DigestMD5, cfg)
		c.Start()
		if _, err := c.Next([]byte(ok)); !errors.Is(err, ErrBadString) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDigestClientBadProof(t *testing.T) {
	for name, tt := range map[string]struct {
		msg  string
		want error
	}{
		"wrong":       {"rspauth=ea40f60335c427b5527b84dbabcdfffe", ErrServerNotVerified},
		"short":       {"rspauth=ea40", ErrServerNotVerified},
		"twice":       {"rspauth=ea40,rspauth=ea40", ErrMalformed},
		"not a list":  {"ok", ErrMalformed},
		"challenge":   {`nonce="x",algorithm=md5-sess`, nil},
		"too long":    {"rspauth=" + strings.Repeat("a", 2048), ErrMalformed},
		"no response": {"x=y", nil},
	} {
		for _, asChallenge := range []bool{true, false} {
			c := mustClient(t, DigestMD5, ClientConfig{Username: "u", Password: "p", AllowPlaintext: true})
			c.Start()
			if _, err := c.Next([]byte(`nonce="n",algorithm=md5-sess`)); err != nil {
				t.Fatal(err)
			}
			var err error
			if asChallenge {
				_, err = c.Next([]byte(tt.msg))
			} else {
				err = c.Finish([]byte(tt.msg))
			}
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", name, err, tt.want)
			}
		}
	}
}

// A stale nonce is retried with a new one and a new client nonce, a few times.
func TestDigestStale(t *testing.T) {
	c := mustClient(t, DigestMD5, ClientConfig{Username: "u", Password: "p", Host: "h", AllowPlaintext: true}).(*digestClient)
	c.Start()
	nonces := map[string]bool{}
	for i, ch := range []string{`nonce="n0"`, `nonce="n1",stale=true`, `nonce="n2",stale=TRUE`} {
		got, err := c.Next([]byte(ch + ",algorithm=md5-sess"))
		if err != nil {
			t.Fatal(i, err)
		}
		r, err := parseDigestResponse(got)
		if err != nil || r.sums.nonce != "n"+string(rune('0'+i)) {
			t.Errorf("%+v %v", r, err)
		}
		nonces[r.sums.cnonce] = true
	}
	if len(nonces) != 3 {
		t.Errorf("client nonces %v", nonces)
	}
	if _, err := c.Next([]byte(`nonce="n3",stale=true,algorithm=md5-sess`)); !errors.Is(err, ErrUnexpected) {
		t.Errorf("endless stale: %v", err)
	}
	for name, second := range map[string]string{
		"not stale":  `nonce="n1",algorithm=md5-sess`,
		"same nonce": `nonce="n0",stale=true,algorithm=md5-sess`,
	} {
		c := mustClient(t, DigestMD5, ClientConfig{Username: "u", Password: "p", AllowPlaintext: true})
		c.Start()
		c.Next([]byte(`nonce="n0",algorithm=md5-sess`))
		if _, err := c.Next([]byte(second)); !errors.Is(err, ErrUnexpected) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// A client that tries to reuse a nonce (RFC 2831 section 2.2) gets a new one.
	s := mustServer(t, DigestMD5, newAccounts().server())
	ch, _, err := s.Next(context.Background(), []byte(`username="juliet",nonce="old",nc=00000002`))
	if err != nil || !strings.HasSuffix(string(ch), ",stale=true") {
		t.Fatalf("%s %v", ch, err)
	}
	c = mustClient(t, DigestMD5, clientFor(DigestMD5)).(*digestClient)
	c.Start()
	answer, err := c.Next(ch)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Next(context.Background(), answer); err != nil {
		t.Error(err)
	}
}

func TestDigestServerBadResponse(t *testing.T) {
	tests := []struct {
		name string
		edit func(directives) directives
		want Condition
	}{
		{"as it is", nil, ""},
		{"R3920-6.4-1 no user name", drop("username"), MalformedRequest},
		{"empty user name", set("username", ""), MalformedRequest},
		{"two user names", add("username", "juliet"), MalformedRequest},
		{"no nonce", drop("nonce"), MalformedRequest},
		{"no client nonce", drop("cnonce"), MalformedRequest},
		{"empty client nonce", set("cnonce", ""), MalformedRequest},
		{"no count", drop("nc"), MalformedRequest},
		{"count 2", set("nc", "00000002"), MalformedRequest},
		{"no digest-uri", drop("digest-uri"), MalformedRequest},
		{"no response", drop("response"), MalformedRequest},
		{"short response", set("response", "ab"), MalformedRequest},
		{"integrity layer", set("qop", "auth-int"), MalformedRequest},
		{"other charset", set("charset", "koi8-r"), MalformedRequest},
		{"two charsets", add("charset", "utf-8"), MalformedRequest},
		{"name not UTF-8", set("username", "\xff"), MalformedRequest},
		{"authzid not UTF-8", add("authzid", "\xff"), MalformedRequest},
		{"two ciphers", func(d directives) directives { return add("cipher", "des")(add("cipher", "des")(d)) }, MalformedRequest},
		{"too long", add("x", strings.Repeat("x", 4096)), MalformedRequest},
		{"other nonce", set("nonce", "other"), NotAuthorized},
		{"other realm", set("realm", "example.com"), NotAuthorized},
		{"no realm", drop("realm"), NotAuthorized},
		{"other service", set("digest-uri", "imap/example.org"), NotAuthorized},
		{"old service without the option", set("digest-uri", "jabber/example.org"), NotAuthorized},
		{"other host", set("digest-uri", "xmpp/example.com"), NotAuthorized},
		{"no host", set("digest-uri", "xmpp"), NotAuthorized},
		{"other service name", set("digest-uri", "xmpp/example.org/example.com"), NotAuthorized},
		{"wrong sum", set("response", strings.Repeat("0", 32)), NotAuthorized},
		{"authzid added on the way", add("authzid", "romeo"), NotAuthorized},
		{"empty authzid added on the way", add("authzid", ""), NotAuthorized},
		{"case of the digest-uri changed on the way", set("digest-uri", "XMPP/Example.ORG"), NotAuthorized},
		{"no quality", drop("qop"), ""},
		{"buffer and cipher", add("maxbuf", "1024"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustServer(t, DigestMD5, newAccounts().server())
			c := mustClient(t, DigestMD5, clientFor(DigestMD5))
			c.Start()
			ch, _, err := s.Next(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			msg, err := c.Next(ch)
			if err != nil {
				t.Fatal(err)
			}
			d, err := parseDirectives(msg)
			if err != nil {
				t.Fatal(err)
			}
			if tt.edit != nil {
				d = tt.edit(d)
			}
			_, done, err := s.Next(context.Background(), printDirectives(d))
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCondition(t, err, tt.want)
			if done {
				t.Error("done with an error")
			}
		})
	}
	for _, bad := range []string{"", "x", "username"} {
		s := mustServer(t, DigestMD5, newAccounts().server())
		s.Next(context.Background(), nil)
		_, _, err := s.Next(context.Background(), []byte(bad))
		wantCondition(t, err, MalformedRequest)
	}
}

// The service name form of a digest-uri, and a message after rspauth.
func TestDigestServerDetails(t *testing.T) {
	s := &digestServer{serverBase: serverBase{cfg: ServerConfig{Host: "example.org"}}}
	for uri, want := range map[string]bool{
		"xmpp/example.org": true, "XMPP/EXAMPLE.org": true, "xmpp/node1.example.net/example.org": true,
		"xmpp/example.org/other.org": false, "example.org": false, "": false, "/example.org": false,
	} {
		if s.isOurs(uri) != want {
			t.Errorf("%q: %v", uri, !want)
		}
	}
	srv := mustServer(t, DigestMD5, newAccounts().server())
	c := mustClient(t, DigestMD5, clientFor(DigestMD5))
	c.Start()
	ch, _, _ := srv.Next(context.Background(), nil)
	msg, _ := c.Next(ch)
	if _, _, err := srv.Next(context.Background(), msg); err != nil {
		t.Fatal(err)
	}
	_, _, err := srv.Next(context.Background(), []byte("more"))
	wantCondition(t, err, MalformedRequest)
	if srv.Username() != "" {
		t.Error("a user without an end")
	}
}

func drop(name string) func(directives) directives {
	return func(d directives) directives {
		return slices.DeleteFunc(d, func(x directive) bool { return x.name == name })
	}
}

func set(name, value string) func(directives) directives {
	return func(d directives) directives {
		for i := range d {
			if d[i].name == name {
				d[i].value = value
			}
		}
		return d
	}
}

func add(name, value string) func(directives) directives {
	return func(d directives) directives { return append(d, directive{name, value}) }
}

func printDirectives(d directives) []byte {
	var parts []string
	for _, x := range d {
		parts = append(parts, x.name+"="+quote(x.value))
	}
	return []byte(strings.Join(parts, ","))
}
