package sasl

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"testing"
)

// clientFor is a client that has whatever a mechanism needs.
func clientFor(name string) ClientConfig {
	cfg := ClientConfig{Host: "example.org", AllowPlaintext: true}
	switch name {
	case External:
		cfg.External = true
	case Anonymous:
		cfg.Anonymous, cfg.Trace = true, "sirhc"
	case OAuthBearer:
		cfg.Token = "good.token"
	default:
		cfg.Username, cfg.Password = "juliet", "r0m30myr0m30"
	}
	return cfg
}

// Every mechanism, both sides, over TLS 1.2 and 1.3 as a stream would do it.
func TestEveryMechanism(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		ch := exampleChannel(t, version)
		scfg := ch.serverConfig(newAccounts().server())
		offered := Mechanisms(scfg)
		if len(offered) != len(mechanisms()) {
			t.Fatalf("offered %v, want all mechanisms", offered)
		}
		for _, name := range offered {
			t.Run(tls.VersionName(version)+"/"+name, func(t *testing.T) {
				ccfg := clientFor(name)
				ccfg.TLS, ccfg.Offered, ccfg.BindingTypes = &ch.client, offered, scfg.BindingTypes
				c, s := mustClient(t, name, ccfg), mustServer(t, name, scfg)
				_, cerr, serr := converse(c, s)
				if cerr != nil || serr != nil {
					t.Fatalf("client: %v, server: %v", cerr, serr)
				}
				want := "juliet"
				if name == Anonymous {
					want = "guest"
				}
				if s.Username() != want || s.AuthzID() != "" {
					t.Errorf("user %q authzid %q, want %q", s.Username(), s.AuthzID(), want)
				}
				if _, _, err := s.Next(context.Background(), []byte("x")); !errors.Is(err, ErrUnexpected) {
					t.Errorf("message after the end: %v", err)
				}
				if _, err := c.Start(); !errors.Is(err, ErrUnexpected) {
					t.Errorf("second Start: %v", err)
				}
			})
		}
	}
}

// A wrong password, a wrong token and an unknown user get not-authorized, and
// the names are not disclosed.
func TestWrongCredentials(t *testing.T) {
	scfg := newAccounts().server()
	for _, name := range Mechanisms(scfg) {
		if name == Anonymous {
			continue
		}
		for _, user := range []string{"juliet", "tybalt"} {
			t.Run(name+"/"+user, func(t *testing.T) {
				ccfg := clientFor(name)
				ccfg.Username, ccfg.Password, ccfg.Token = user, "wrong", "bad.token"
				c, s := mustClient(t, name, ccfg), mustServer(t, name, scfg)
				_, cerr, serr := converse(c, s)
				if cerr != nil {
					t.Fatal(cerr)
				}
				wantCondition(t, serr, NotAuthorized)
				if s.Username() != "" || s.AuthzID() != "" {
					t.Error("a failed exchange has a user")
				}
				var f *Failure
				if errors.As(serr, &f); f.Text != "" {
					t.Errorf("text %q tells the client more", f.Text)
				}
			})
		}
	}
}

// A client must not believe a success that comes before the end.
func TestEarlySuccess(t *testing.T) {
	for _, name := range []string{SCRAMSHA1, SCRAMSHA256, SCRAMSHA512, DigestMD5} {
		t.Run(name, func(t *testing.T) {
			c := mustClient(t, name, clientFor(name))
			if _, err := c.Start(); err != nil {
				t.Fatal(err)
			}
			if err := c.Finish(nil); !errors.Is(err, ErrServerNotVerified) {
				t.Errorf("success after the first message: %v", err)
			}
		})
		for _, data := range []string{"", "v=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "rspauth=00000000000000000000000000000000"} {
			t.Run(name+"/second "+data, func(t *testing.T) {
				c, s := mustClient(t, name, clientFor(name)), mustServer(t, name, newAccounts().server())
				first, err := c.Start()
				if err != nil {
					t.Fatal(err)
				}
				challenge, _, err := s.Next(context.Background(), first)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.Next(challenge); err != nil {
					t.Fatal(err)
				}
				var additional []byte
				if data != "" {
					additional = []byte(data)
				}
				err = c.Finish(additional)
				if !errors.Is(err, ErrServerNotVerified) && !errors.Is(err, ErrMalformed) {
					t.Errorf("success without proof: %v", err)
				}
				if err := c.Finish(nil); err == nil {
					t.Error("a second Finish succeeds")
				}
			})
		}
	}
	for _, name := range []string{Plain, External, Anonymous, OAuthBearer} {
		if err := mustClient(t, name, clientFor(name)).Finish(nil); !errors.Is(err, ErrUnexpected) {
			t.Errorf("%s: success before the start: %v", name, err)
		}
	}
}

// Mechanisms with an initial response work without one: the server answers
// with an empty challenge (RFC 4422 section 5 2a).
func TestNoInitialResponse(t *testing.T) {
	ch := exampleChannel(t, tls.VersionTLS13)
	scfg := ch.serverConfig(newAccounts().server())
	for _, name := range without(Mechanisms(scfg), DigestMD5) {
		t.Run(name, func(t *testing.T) {
			s := mustServer(t, name, scfg)
			challenge, done, err := s.Next(context.Background(), nil)
			if challenge == nil || len(challenge) != 0 || done || err != nil {
				t.Fatalf("answer %q %v %v, want an empty challenge", challenge, done, err)
			}
			ccfg := clientFor(name)
			ccfg.TLS, ccfg.BindingTypes = &ch.client, scfg.BindingTypes
			if _, cerr, serr := converse(mustClient(t, name, ccfg), s); cerr != nil || serr != nil {
				t.Fatalf("client: %v, server: %v", cerr, serr)
			}
			s = mustServer(t, name, scfg)
			s.Next(context.Background(), nil)
			if _, _, err := s.Next(context.Background(), nil); name != Anonymous && name != External && err == nil {
				t.Error("a second missing response is accepted")
			}
		})
	}
}

func TestAuthorize(t *testing.T) {
	disabled := func(_ context.Context, user, authzid string) error {
		return &Failure{Condition: AccountDisabled, Text: "call us"}
	}
	admin := func(_ context.Context, user, authzid string) error {
		if user == "juliet" && authzid == "romeo@example.org" {
			return nil
		}
		return InvalidAuthzID
	}
	tests := []struct {
		name      string
		authzid   string
		authorize func(context.Context, string, string) error
		want      Condition
	}{
		{"R3920-6.4-1 invalid-authzid: someone else", "romeo@example.org", nil, InvalidAuthzID},
		{"invalid-authzid: other host", "juliet@example.com", nil, InvalidAuthzID},
		{"own bare address", "juliet@example.org", nil, ""},
		{"own bare address, other case of host", "juliet@Example.ORG", nil, ""},
		{"own name", "juliet", nil, ""},
		{"not asked for", "", nil, ""},
		{"an escaped name", "ju,li=et", nil, InvalidAuthzID},
		{"allowed proxy", "romeo@example.org", admin, ""},
		{"condition from the function", "x", admin, InvalidAuthzID},
		{"RFC 6120 6.5.2 account-disabled", "", disabled, AccountDisabled},
	}
	for _, mech := range []string{Plain, SCRAMSHA256, DigestMD5, OAuthBearer} {
		for _, tt := range tests {
			t.Run(mech+"/"+tt.name, func(t *testing.T) {
				scfg := newAccounts().server()
				scfg.Credentials.Authorize = tt.authorize
				ccfg := clientFor(mech)
				ccfg.AuthzID = tt.authzid
				s := mustServer(t, mech, scfg)
				_, cerr, serr := converse(mustClient(t, mech, ccfg), s)
				if cerr != nil {
					t.Fatal(cerr)
				}
				if tt.want != "" {
					wantCondition(t, serr, tt.want)
					if s.Username() != "" {
						t.Error("refused, but has a user")
					}
					return
				}
				if serr != nil || s.AuthzID() != tt.authzid || s.Username() != "juliet" {
					t.Errorf("user %q authzid %q error %v", s.Username(), s.AuthzID(), serr)
				}
			})
		}
	}
}

// Errors of the store reach the client as conditions, without their text.
func TestStoreErrors(t *testing.T) {
	tests := []struct {
		err  error
		want Condition
	}{
		{errors.New("database is away"), TemporaryAuthFailure},
		{context.DeadlineExceeded, TemporaryAuthFailure},
		{CredentialsExpired, CredentialsExpired},
		{&Failure{Condition: AccountDisabled}, AccountDisabled},
		{NotAuthorized, NotAuthorized},
	}
	for _, mech := range []string{Plain, SCRAMSHA1, DigestMD5} {
		for _, tt := range tests {
			a := newAccounts()
			a.fault = tt.err
			_, cerr, serr := converse(mustClient(t, mech, clientFor(mech)), mustServer(t, mech, a.server()))
			if cerr != nil {
				t.Fatal(cerr)
			}
			wantCondition(t, serr, tt.want)
		}
	}
	for _, mech := range []string{External, Anonymous} {
		ch := exampleChannel(t, tls.VersionTLS13)
		scfg := ch.serverConfig(newAccounts().server())
		scfg.Credentials.External = func(context.Context, string, *tls.ConnectionState) (string, error) { return "", NotAuthorized }
		scfg.Credentials.Anonymous = func(context.Context, string) (string, error) { return "", NotAuthorized }
		_, _, serr := converse(mustClient(t, mech, clientFor(mech)), mustServer(t, mech, scfg))
		wantCondition(t, serr, NotAuthorized)
	}
}

func TestNewServerRefuses(t *testing.T) {
	open := newAccounts().server()
	closed := open
	closed.AllowPlaintext = false
	plusOnly := exampleChannel(t, tls.VersionTLS13).serverConfig(open)
	plusOnly.Offered = []string{SCRAMSHA256Plus}
	narrow := open
	narrow.Offered = []string{SCRAMSHA256}
	none := ServerConfig{AllowPlaintext: true}
	tests := []struct {
		name string
		mech string
		cfg  ServerConfig
		want Condition
	}{
		{"unknown", "CRAM-MD5", open, InvalidMechanism},
		{"empty", "", open, InvalidMechanism},
		{"lower case", "plain", open, InvalidMechanism},
		{"RFC 6120 6.5.4 PLAIN without TLS", Plain, closed, EncryptionRequired},
		{"DIGEST-MD5 without TLS", DigestMD5, closed, EncryptionRequired},
		{"OAUTHBEARER without TLS", OAuthBearer, closed, EncryptionRequired},
		{"no credentials and no TLS", Plain, ServerConfig{}, InvalidMechanism},
		{"bound mechanism without TLS", SCRAMSHA1Plus, open, InvalidMechanism},
		{"EXTERNAL without certificate", External, open, InvalidMechanism},
		{"RFC 6120 6.5.9 only bound ones wanted", SCRAMSHA256, plusOnly, MechanismTooWeak},
		{"not offered", SCRAMSHA1, narrow, InvalidMechanism},
		{"no credentials", SCRAMSHA1, none, InvalidMechanism},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := NewServer(tt.mech, tt.cfg)
			if s != nil {
				t.Error("a server came with the error")
			}
			wantCondition(t, err, tt.want)
		})
	}
	if got := Mechanisms(closed); !slices.Equal(got, []string{SCRAMSHA512, SCRAMSHA256, SCRAMSHA1, Anonymous}) {
		t.Errorf("without TLS %v is offered", got)
	}
	if got := Mechanisms(ServerConfig{Credentials: Credentials{SCRAM: newAccounts().scram}}); !slices.Equal(got, []string{SCRAMSHA256, SCRAMSHA1}) {
		t.Errorf("by default %v is offered", got)
	}
}

// The conditions of RFC 6120 section 6.5 and RFC 3920 section 6.4.
func TestReq_R3920_6_4_1(t *testing.T) {
	all := []Condition{"aborted", "account-disabled", "credentials-expired", "encryption-required", "incorrect-encoding",
		"invalid-authzid", "invalid-mechanism", "malformed-request", "mechanism-too-weak", "not-authorized", "temporary-auth-failure"}
	for _, c := range all {
		f := &Failure{Condition: c, Text: "why", Err: ErrMalformed}
		if !c.Known() || !errors.Is(f, c) || !errors.Is(f, ErrMalformed) {
			t.Errorf("%s is not recognised", c)
		}
		for _, other := range all {
			if other != c && errors.Is(f, other) {
				t.Errorf("%s is taken for %s", c, other)
			}
		}
		if want := "sasl: " + string(c) + " (why): " + ErrMalformed.Error(); f.Error() != want {
			t.Errorf("text %q, want %q", f.Error(), want)
		}
		if want := c == TemporaryAuthFailure || c == Aborted; c.Temporary() != want {
			t.Errorf("%s temporary: %v", c, !want)
		}
	}
	// "If an entity receives a SASL error condition that it does not understand
	// then it MUST treat the unknown condition as a generic authentication
	// failure".
	if f := (&Failure{Condition: "on-holiday"}); !errors.Is(f, NotAuthorized) || !errors.Is(f, Condition("on-holiday")) {
		t.Error("an unknown condition is not a general failure")
	}
}

func TestFailureOfRandomness(t *testing.T) {
	empty := strings.NewReader("")
	for _, mech := range []string{SCRAMSHA1, DigestMD5} {
		scfg := newAccounts().server()
		scfg.Rand = empty
		_, _, serr := converse(mustClient(t, mech, clientFor(mech)), mustServer(t, mech, scfg))
		wantCondition(t, serr, TemporaryAuthFailure)
		ccfg := clientFor(mech)
		ccfg.Rand = empty
		if _, cerr, _ := converse(mustClient(t, mech, ccfg), mustServer(t, mech, newAccounts().server())); cerr == nil {
			t.Errorf("%s: a client without randomness goes on", mech)
		}
	}
}

func TestMessageBounds(t *testing.T) {
	scfg := newAccounts().server()
	scfg.MaxMessage = 100
	for _, mech := range without(Mechanisms(scfg), DigestMD5) {
		_, _, err := mustServer(t, mech, scfg).Next(context.Background(), []byte("n,,n="+strings.Repeat("a", 100)))
		wantCondition(t, err, MalformedRequest)
	}
	for _, mech := range []string{SCRAMSHA256, OAuthBearer} {
		c := mustClient(t, mech, clientFor(mech))
		if _, err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Next(make([]byte, DefaultMaxMessage+1)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s takes a challenge over the bound: %v", mech, err)
		}
	}
}
