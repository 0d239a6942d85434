package sasl

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"strings"
	"sync"
	"testing"
)

// quickAccounts is a store whose keys cost one round, for fuzzing.
var quickAccounts = sync.OnceValue(func() *accounts {
	a := newAccounts()
	a.iterations = 1
	return a
})

func quickServer() ServerConfig {
	cfg := quickAccounts().server()
	cfg.Iterations = 1
	return cfg
}

// checkServer feeds messages to a server and checks what must hold for any: a
// challenge or an end or a *Failure, and no user but at the end.
func checkServer(t *testing.T, s Server, msgs ...[]byte) (done bool) {
	t.Helper()
	for _, m := range msgs {
		challenge, done, err := s.Next(context.Background(), m)
		var f *Failure
		switch {
		case err != nil && (!errors.As(err, &f) || !f.Condition.Known() || done || challenge != nil):
			t.Fatalf("error %v, done %v, challenge %q", err, done, challenge)
		case err == nil && !done && challenge == nil:
			t.Fatal("no challenge")
		case !done && (s.Username() != "" || s.AuthzID() != ""):
			t.Fatal("a user before the end")
		}
		if err != nil || done {
			return done
		}
	}
	return false
}

func FuzzSCRAMServer(f *testing.F) {
	for _, v := range scramVectors(f) {
		f.Add([]byte(v.first), []byte(v.final))
	}
	f.Add([]byte("n,a=ju=2Cliet,n=ju=3Dliet,r=abc,x=y"), []byte("c=biws,r=abcdef,x=1,p=AAAA"))
	f.Add([]byte("y,,m=1,n=a,r=b"), []byte("c=eSws,r=b,p="))
	f.Fuzz(func(t *testing.T, first, final []byte) {
		s, err := NewServer(SCRAMSHA1, quickServer())
		if err != nil {
			t.Fatal(err)
		}
		s.(*scramServer).nonce = "3rfcNHYJY1ZVvWVs7j"
		if checkServer(t, s, first, final) {
			t.Fatal("logged in without the password")
		}
	})
}

// Names survive their escapes, and a right final message passes whatever the
// header and the extensions were.
func FuzzSCRAMRoundTrip(f *testing.F) {
	f.Add("juliet", "", "x=1")
	f.Add("a,b=c", "romeo@example.org", "")
	f.Add("\u2168", "=2C", "y=z,w=v")
	f.Fuzz(func(t *testing.T, user, authzid, ext string) {
		c := &scramClient{cfg: ClientConfig{Username: user, Password: "pencil", AuthzID: authzid, MinIterations: 1}, flag: 'n'}
		c.mech, _ = lookup(SCRAMSHA1)
		cfg := quickServer()
		cfg.Credentials.SCRAM = func(context.Context, string, crypto.Hash) (SCRAMKeys, error) {
			return NewSCRAMKeys(crypto.SHA1, "pencil", 1)
		}
		cfg.Credentials.Authorize = func(context.Context, string, string) error { return nil }
		s, err := NewServer(SCRAMSHA1, cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, cerr, serr := converse(c, s)
		if cerr != nil && !errors.Is(cerr, ErrBadString) {
			t.Fatal(cerr)
		}
		if cerr == nil && serr == nil {
			want, _ := Prepare(user)
			if s.Username() != want || s.AuthzID() != authzid {
				t.Fatalf("user %q authzid %q, want %q %q", s.Username(), s.AuthzID(), want, authzid)
			}
		}
	})
}

func FuzzSCRAMClient(f *testing.F) {
	for _, v := range scramVectors(f) {
		f.Add([]byte(v.challenge), []byte(v.success))
	}
	f.Add([]byte("e=other-error"), []byte("e=invalid-proof"))
	f.Add([]byte("r=fyko+d2lbbFgONRv9qkxdawLx,s=QQ==,i=1,h=AAAA,t=0304"), []byte("v=AAAA,x=y"))
	f.Fuzz(func(t *testing.T, challenge, success []byte) {
		cfg := ClientConfig{Username: "user", Password: "pencil", MinIterations: 1, MaxIterations: 4096, Offered: []string{SCRAMSHA1}}
		c, err := NewClient(SCRAMSHA1, cfg)
		if err != nil {
			t.Fatal(err)
		}
		sc := c.(*scramClient)
		sc.nonce = "fyko+d2lbbFgONRv9qkxdawL"
		if _, err := c.Start(); err != nil {
			t.Fatal(err)
		}
		response, err := c.Next(challenge)
		if err == nil && !bytes.HasPrefix(challenge, []byte("r="+sc.nonce)) {
			t.Fatalf("answered %q to %q", response, challenge)
		}
		if (err != nil) != (response == nil) {
			t.Fatalf("response %q, error %v", response, err)
		}
		vector := string(success) == scramVectors(t)[0].success && string(challenge) == scramVectors(t)[0].challenge
		if c.Finish(success) == nil && !vector {
			t.Fatal("verified a server that does not know the password")
		}
	})
}

func FuzzDigestMD5Server(f *testing.F) {
	f.Add([]byte(`charset=utf-8,username="chris",realm="example.org",nonce="OA6MG9tEQGm2hh",nc=00000001,cnonce="OA6MHXh6VqTrRk",digest-uri="xmpp/example.org",response=d388dad90d4bbd760a152321f2143af7,qop=auth`))
	f.Add([]byte(`username="a\"b\\",realm="example.org",nonce="OA6MG9tEQGm2hh",nc=00000001,cnonce="x",digest-uri="xmpp/h/example.org",response=00000000000000000000000000000000,authzid="",maxbuf=1,cipher=des`))
	f.Add([]byte(",, \t"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		s, err := NewServer(DigestMD5, quickServer())
		if err != nil {
			t.Fatal(err)
		}
		s.(*digestServer).nonce = "OA6MG9tEQGm2hh"
		if checkServer(t, s, nil, msg, []byte{}) {
			t.Fatal("logged in without the password")
		}
		// What the parser takes it prints and takes again with the same result.
		d, err := parseDirectives(msg)
		if err != nil {
			return
		}
		again, err := parseDirectives(printDirectives(d))
		if err != nil || len(again) != len(d) {
			t.Fatalf("%q: %v", d, err)
		}
		for i := range d {
			if d[i] != again[i] {
				t.Fatalf("%q became %q", d[i], again[i])
			}
		}
	})
}

func FuzzDigestMD5Client(f *testing.F) {
	f.Add([]byte(`realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8`), []byte("rspauth=ea40f60335c427b5527b84dbabcdfffd"))
	f.Add([]byte(`realm="a",realm="\"",nonce="n",qop="auth-int, auth",algorithm=md5-sess`), []byte(`nonce="m",stale=true,algorithm=md5-sess`))
	f.Fuzz(func(t *testing.T, challenge, second []byte) {
		c, err := NewClient(DigestMD5, ClientConfig{Username: "zo\u00eb", Password: "p", Host: "h", AllowPlaintext: true})
		if err != nil {
			t.Fatal(err)
		}
		c.Start()
		response, err := c.Next(challenge)
		if err != nil {
			return
		}
		r, err := parseDigestResponse(response)
		if err != nil {
			t.Fatalf("our response %q: %v", response, err)
		}
		if r.user != "zo\u00eb" {
			t.Fatalf("user %q in %q", r.user, response)
		}
		if answer, err := c.Next(second); err == nil && len(answer) == 0 {
			t.Fatal("verified a server that does not know the password")
		}
	})
}

func FuzzOAuthBearer(f *testing.F) {
	f.Add([]byte("n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"))
	f.Add([]byte("n,,\x01\x01"))
	f.Add([]byte(`{"status":"invalid_token","schemes":"bearer","scope":"s"}`))
	f.Fuzz(func(t *testing.T, msg []byte) {
		s, err := NewServer(OAuthBearer, quickServer())
		if err != nil {
			t.Fatal(err)
		}
		checkServer(t, s, msg, []byte{1})
		if s.Username() != "" && !bytes.Contains(msg, []byte("good.token")) {
			t.Fatalf("logged in with %q", msg)
		}
		if authzid, token, err := parseOAuth(msg); err == nil {
			c := &oauthClient{cfg: ClientConfig{AuthzID: authzid, Token: token}}
			ours, err := c.Start()
			if err != nil {
				t.Fatal(err)
			}
			if a, b, err := parseOAuth(ours); a != authzid || b != token || err != nil {
				t.Fatalf("%q: %q %q %v", ours, a, b, err)
			}
		}
		c := &oauthClient{cfg: ClientConfig{Token: "t"}}
		c.Start()
		if answer, err := c.Next(msg); (err == nil) != (string(answer) == "\x01") || c.Finish(nil) == nil {
			t.Fatalf("answer %q, %v", answer, err)
		}
	})
}

func FuzzPlain(f *testing.F) {
	for _, s := range []string{"\x00tim\x00tanstaaftanstaaf", "Ursel\x00Kurt\x00xipj3plmq", "\x00\x00", "\x00juliet\x00r0m30myr0m30", "\x00\xff\x00\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		cfg := quickServer()
		cfg.Credentials.Verify = nil
		s, err := NewServer(Plain, cfg)
		if err != nil {
			t.Fatal(err)
		}
		done := checkServer(t, s, msg)
		authzid, user, password, err := parsePlain(msg)
		if err != nil {
			return
		}
		if strings.Join([]string{authzid, user, password}, "\x00") != string(msg) {
			t.Fatalf("%q parsed as %q %q %q", msg, authzid, user, password)
		}
		prepared, _ := Prepare(password)
		if want := quickAccounts().passwords[s.Username()]; done && want != prepared {
			want, _ = Prepare(want)
			if want != prepared {
				t.Fatalf("%q logged in with %q", s.Username(), password)
			}
		}
	})
}

func FuzzAnonymousExternal(f *testing.F) {
	f.Add([]byte("sirhc"))
	f.Add([]byte("juliet@example.org"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, msg []byte) {
		s, err := NewServer(Anonymous, quickServer())
		if err != nil {
			t.Fatal(err)
		}
		done := checkServer(t, s, msg)
		c := &anonymousClient{cfg: ClientConfig{Trace: string(msg)}}
		if _, err := c.Start(); (err == nil) != done && len(msg) <= DefaultMaxMessage {
			t.Fatalf("server takes it: %v, client: %v", done, err)
		}
		if checkServer(t, &externalServer{serverBase{cfg: ServerConfig{Credentials: Credentials{External: quickAccounts().external}, TLS: noCertificate()}}}, msg) {
			t.Fatal("EXTERNAL without a certificate")
		}
	})
}

func FuzzSCRAMKeysText(f *testing.F) {
	f.Add([]byte("SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="))
	f.Fuzz(func(t *testing.T, text []byte) {
		var k SCRAMKeys
		if k.UnmarshalText(text) != nil {
			return
		}
		if again, err := k.MarshalText(); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%q became %q, %v", text, again, err)
		}
	})
}
