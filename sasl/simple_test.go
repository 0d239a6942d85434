package sasl

import (
	"context"
	"crypto"
	"crypto/tls"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestPlain(t *testing.T) {
	long := strings.Repeat("p", 255)
	a := newAccounts()
	a.passwords["tim"], a.passwords["long"], a.passwords["IX"] = "tanstaaftanstaaf", long, "IX"
	tests := []struct {
		name, msg string
		want      Condition
		user      string
	}{
		{"RFC 4616 section 4 first example", "\x00tim\x00tanstaaftanstaaf", "", "tim"},
		{"RFC 4616 section 4 second example, wrong authzid", "Ursel\x00tim\x00tanstaaftanstaaf", InvalidAuthzID, ""},
		{"255 octets", "\x00long\x00" + long, "", "long"},
		{"prepared name and password", "\x00\u2168\x00I\u00adX", "", "IX"},
		{"wrong password", "\x00tim\x00tanstaaf", NotAuthorized, ""},
		{"password with more", "\x00tim\x00tanstaaftanstaafx", NotAuthorized, ""},
		{"unknown user", "\x00tom\x00tanstaaftanstaaf", NotAuthorized, ""},
		{"name that cannot be", "\x00t\u200bim\u0007\x00tanstaaf", NotAuthorized, ""},
		{"password that cannot be", "\x00tim\x00tans\u0007taaf", NotAuthorized, ""},
		{"password that vanishes", "\x00tim\x00\u00ad", NotAuthorized, ""},
		{"empty", "", MalformedRequest, ""},
		{"one NUL", "tim\x00tanstaaftanstaaf", MalformedRequest, ""},
		{"three NULs", "\x00tim\x00tanstaaf\x00", MalformedRequest, ""},
		{"no name", "\x00\x00tanstaaf", MalformedRequest, ""},
		{"no password", "\x00tim\x00", MalformedRequest, ""},
		{"not UTF-8", "\x00tim\x00\xff", MalformedRequest, ""},
		{"too long", "\x00tim\x00" + strings.Repeat("x", maxName+1), MalformedRequest, ""},
	}
	for _, bySCRAM := range []bool{false, true} {
		cfg := a.server()
		if bySCRAM {
			cfg.Credentials.Verify = nil
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				s := mustServer(t, Plain, cfg)
				data, done, err := s.Next(context.Background(), []byte(tt.msg))
				if data != nil || done != (tt.want == "") || s.Username() != tt.user {
					t.Errorf("data %q done %v user %q", data, done, s.Username())
				}
				if tt.want != "" {
					wantCondition(t, err, tt.want)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A stored password of one hash only is found for PLAIN, whichever it is.
func TestPlainFindsHash(t *testing.T) {
	for _, only := range allHashes {
		a := newAccounts()
		cfg := a.server()
		cfg.Credentials.Verify = nil
		scram := cfg.Credentials.SCRAM
		cfg.Credentials.SCRAM = func(ctx context.Context, user string, h crypto.Hash) (SCRAMKeys, error) {
			if h != only {
				return SCRAMKeys{}, ErrUnknownUser
			}
			return scram(ctx, user, h)
		}
		if _, cerr, serr := converse(mustClient(t, Plain, clientFor(Plain)), mustServer(t, Plain, cfg)); cerr != nil || serr != nil {
			t.Errorf("%v: %v %v", only, cerr, serr)
		}
	}
	cfg := newAccounts().server()
	cfg.Credentials.Verify = nil
	cfg.hi = func(crypto.Hash, string, []byte, int) ([]byte, error) { return nil, errors.New("no memory") }
	_, _, serr := converse(mustClient(t, Plain, clientFor(Plain)), mustServer(t, Plain, cfg))
	wantCondition(t, serr, TemporaryAuthFailure)
}

func TestPlainClient(t *testing.T) {
	c := mustClient(t, Plain, ClientConfig{AuthzID: "a@b", Username: "tim", Password: "x", AllowPlaintext: true})
	if got, err := c.Start(); string(got) != "a@b\x00tim\x00x" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if _, err := c.Next([]byte{}); !errors.Is(err, ErrUnexpected) {
		t.Errorf("challenge: %v", err)
	}
	for _, bad := range []string{"a\x00b", "\xff", strings.Repeat("x", maxName+1)} {
		for _, cfg := range []ClientConfig{{Username: bad, Password: "x"}, {Username: "x", Password: bad}, {Username: "x", Password: "x", AuthzID: bad}} {
			cfg.AllowPlaintext = true
			if _, err := mustClient(t, Plain, cfg).Start(); !errors.Is(err, ErrBadString) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	}
}

func TestExternal(t *testing.T) {
	ch := exampleChannel(t, tls.VersionTLS13)
	cfg := ch.serverConfig(newAccounts().server())
	for _, tt := range []struct {
		name, authzid string
		want          Condition
	}{
		{"no authzid", "", ""},
		{"own address", "juliet@example.org", ""},
		{"someone else", "romeo@example.org", InvalidAuthzID},
		{"NUL", "juliet\x00", InvalidAuthzID},
		{"not UTF-8", "\xff", InvalidAuthzID},
		{"too long", strings.Repeat("x", maxName+1), InvalidAuthzID},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustServer(t, External, cfg)
			data, done, err := s.Next(context.Background(), []byte(tt.authzid))
			if tt.want != "" {
				wantCondition(t, err, tt.want)
			} else if err != nil || !done || data != nil || s.Username() != "juliet" || s.AuthzID() != tt.authzid {
				t.Errorf("%q %v %v", data, done, err)
			}
		})
	}
	c := mustClient(t, External, ClientConfig{External: true})
	if got, err := c.Start(); got == nil || len(got) != 0 || err != nil {
		t.Errorf("without authzid the initial response is %q (nil: %v), want an empty one", got, got == nil)
	}
	if _, err := c.Next(nil); !errors.Is(err, ErrUnexpected) {
		t.Errorf("challenge: %v", err)
	}
	for _, bad := range []string{"a\x00", "\xff"} {
		if _, err := mustClient(t, External, ClientConfig{External: true, AuthzID: bad}).Start(); !errors.Is(err, ErrBadString) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAnonymous(t *testing.T) {
	var seen string
	cfg := ServerConfig{Credentials: Credentials{Anonymous: func(_ context.Context, trace string) (string, error) {
		seen = trace
		return "guest", nil
	}}}
	for _, tt := range []struct {
		name, trace string
		want        Condition
	}{
		{"RFC 4505 section 4", "sirhc", ""},
		{"none", "", ""},
		{"address", "sirhc@example.org", ""},
		{"255 characters of 4 octets", strings.Repeat("\U00010400", 255), ""},
		{"RFC 6120 6.5.8 more than 255 characters", strings.Repeat("x", 256), MalformedRequest},
		{"control", "a\x07", MalformedRequest},
		{"private use", "\ue000", MalformedRequest},
		{"mixed directions", "\u0627\u0031", MalformedRequest},
		{"not UTF-8", "\xff", MalformedRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustServer(t, Anonymous, cfg)
			_, done, err := s.Next(context.Background(), []byte(tt.trace))
			if tt.want != "" {
				wantCondition(t, err, tt.want)
			} else if err != nil || !done || seen != tt.trace || s.Username() != "guest" {
				t.Errorf("trace %q user %q %v", seen, s.Username(), err)
			}
			_, err = mustClient(t, Anonymous, ClientConfig{Anonymous: true, Trace: tt.trace}).Start()
			if (err != nil) != (tt.want != "") {
				t.Errorf("client: %v", err)
			}
		})
	}
	c := mustClient(t, Anonymous, ClientConfig{Anonymous: true})
	if got, err := c.Start(); got == nil || len(got) != 0 || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if _, err := c.Next(nil); !errors.Is(err, ErrUnexpected) {
		t.Errorf("challenge: %v", err)
	}
}

func TestOAuthBearerClient(t *testing.T) {
	// RFC 7628 section 4.1.
	c := mustClient(t, OAuthBearer, ClientConfig{
		AuthzID: "user@example.com", Host: "server.example.com", Port: 143, AllowPlaintext: true,
		Token: "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
	})
	const want = "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
	if got, err := c.Start(); string(got) != want || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if FailureCause(c) != nil {
		t.Error("a cause before the failure")
	}
	// Section 4.3.
	got, err := c.Next([]byte(`{"status":"invalid_token","scope":"example_scope","openid-configuration":"https://example.com/.well-known/openid-configuration"}`))
	if string(got) != "\x01" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	var e *TokenError
	if !errors.As(FailureCause(c), &e) || e.Status != "invalid_token" || e.Scope != "example_scope" || e.OpenIDConfiguration == "" {
		t.Errorf("cause %+v", e)
	}
	if err := c.Finish(nil); !errors.Is(err, ErrUnexpected) {
		t.Errorf("success after an error: %v", err)
	}
	if _, err := c.Next([]byte("{}")); !errors.Is(err, ErrUnexpected) {
		t.Errorf("two errors: %v", err)
	}
	c = mustClient(t, OAuthBearer, ClientConfig{Token: "t", AllowPlaintext: true})
	c.Start()
	if _, err := c.Next([]byte("no JSON")); !errors.Is(err, ErrMalformed) {
		t.Errorf("no JSON: %v", err)
	}
	for _, cfg := range []ClientConfig{
		{Token: "a b"}, {Token: "a\x01b"}, {Token: "=="}, {Token: "t", AuthzID: "\x00"}, {Token: "t", AuthzID: "\xff"}, {Token: "t", Host: "a\x01"},
	} {
		cfg.AllowPlaintext = true
		if got, err := mustClient(t, OAuthBearer, cfg).Start(); err == nil {
			t.Errorf("%+v gives %q", cfg, got)
		}
	}
}

func TestOAuthBearerServer(t *testing.T) {
	const tail = "\x01auth=Bearer good.token\x01\x01"
	tests := []struct {
		name, msg string
		want      Condition
	}{
		{"minimal", "n,," + tail, ""},
		{"y flag", "y,," + tail, ""},
		{"authzid", "n,a=juliet@example.org," + tail, ""},
		{"host, port and others", "n,,\x01host=x\x01port=1\x01mthd=POST\x01qs=a=b" + tail, ""},
		{"scheme in other case", "n,,\x01auth=bearer  good.token\x01\x01", ""},
		{"R3920-6.4-1 someone else", "n,a=romeo@example.org," + tail, InvalidAuthzID},
		{"empty", "", MalformedRequest},
		{"dummy first", "\x01", MalformedRequest},
		{"channel binding", "p=tls-unique,," + tail, MalformedRequest},
		{"no list", "n,,", MalformedRequest},
		{"empty list", "n,,\x01\x01", MalformedRequest},
		{"empty pair", "n,,\x01\x01\x01", MalformedRequest},
		{"no end", "n,,\x01auth=Bearer good.token\x01", MalformedRequest},
		{"no start", "n,,auth=Bearer good.token\x01\x01", MalformedRequest},
		{"no auth", "n,,\x01host=x\x01\x01", MalformedRequest},
		{"two auths", "n,,\x01auth=Bearer good.token" + tail, MalformedRequest},
		{"other scheme", "n,,\x01auth=Basic abc\x01\x01", MalformedRequest},
		{"no token", "n,,\x01auth=Bearer \x01\x01", MalformedRequest},
		{"token with forbidden characters", "n,,\x01auth=Bearer a,b\x01\x01", MalformedRequest},
		{"key with digit", "n,,\x01h2=x" + tail, MalformedRequest},
		{"no key", "n,,\x01=x" + tail, MalformedRequest},
		{"value not ASCII", "n,,\x01host=\xc3\xa9" + tail, MalformedRequest},
		{"store is away", "n,,\x01auth=Bearer broken.store\x01\x01", TemporaryAuthFailure},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustServer(t, OAuthBearer, newAccounts().server())
			_, done, err := s.Next(context.Background(), []byte(tt.msg))
			if tt.want != "" {
				wantCondition(t, err, tt.want)
			} else if err != nil || !done || s.Username() != "juliet" {
				t.Errorf("%v %v user %q", done, err, s.Username())
			}
		})
	}
}

// The error of the server reaches the client (RFC 7628 section 3.2.2).
func TestOAuthBearerError(t *testing.T) {
	for token, want := range map[string]TokenError{
		"narrow.token": {"insufficient_scope", "xmpp", "https://example.org/.well-known/openid-configuration"},
		"bad.token":    {Status: "invalid_token"},
	} {
		ccfg := clientFor(OAuthBearer)
		ccfg.Token = token
		c, s := mustClient(t, OAuthBearer, ccfg), mustServer(t, OAuthBearer, newAccounts().server())
		tr, cerr, serr := converse(c, s)
		if cerr != nil {
			t.Fatal(cerr)
		}
		wantCondition(t, serr, NotAuthorized)
		var sent, got *TokenError
		if !errors.As(serr, &sent) || !errors.As(FailureCause(c), &got) || *sent != want || *got != want {
			t.Errorf("sent %+v, got %+v, want %+v", sent, got, want)
		}
		if !json.Valid(tr.got[0]) || string(tr.sent[1]) != "\x01" {
			t.Errorf("on the wire: %q %q", tr.got[0], tr.sent[1])
		}
		if !strings.Contains(got.Error(), want.Status) || !strings.Contains(got.Error(), want.Scope) {
			t.Errorf("text %q", got.Error())
		}
	}
}
