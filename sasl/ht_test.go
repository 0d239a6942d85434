package sasl

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const htToken = "R3VyIHpiZmcgbnl2aXIgdmYgZ3VyIGp2eXFyZmcu"

// hmacByHand is HMAC as RFC 2104 writes it down, for hashes with a block of this size.
func hmacByHand(sum func([]byte) []byte, block int, key, msg []byte) []byte {
	if len(key) > block {
		key = sum(key)
	}
	pad := func(with byte) []byte {
		p := bytes.Repeat([]byte{with}, block)
		for i, k := range key {
			p[i] ^= k
		}
		return p
	}
	return sum(append(pad(0x5c), sum(append(pad(0x36), msg...))...))
}

// TestHTVectors compares both messages with what another implementation of HMAC gives
// (Python's, as base64), and with one by hand.
func TestHTVectors(t *testing.T) {
	for _, tt := range []struct {
		h                          crypto.Hash
		sum                        func([]byte) []byte
		block                      int
		data, initiator, responder string
	}{
		{crypto.SHA256, sum256, 64, "", "anVsaWV0AC5OHkUQ5Quu7vKQnrGMupWNT4Xj7oRchB/pLb1VtVrH", "jIA2hFuJVBGt2eu9PLswAGCa61bqzHDps8qfSMM6m/Y="},
		{crypto.SHA256, sum256, 64, "cb-data", "anVsaWV0AEQdFJdcul3lZFkFy3dfLH0ykJLTTkNlxEjfFhYXvlyq", "1jC+zXNJvWfqkOs67ooHEb/dOkZI84RVvAH/DlIoAbc="},
		{crypto.SHA512, sum512, 128, "", "anVsaWV0AKi8D3QJHTfj/yJzD2Q0blRSNEEZgVqpLSTpIdnq6yqcYW3sl//EBSNKsEZJ4XG+H9ucqJGwRjeWYQM1GtWvcKw=",
			"jH4ye/BHd30OE+KGHnFNbd9kxniNUmiopWd75Ma0RBmM6GJ3Sz+sA+WUJQbsmZpmtvNrkECI8XtxwvCE4wdSaQ=="},
		{crypto.SHA512, sum512, 128, "cb-data", "anVsaWV0AHBRtiW0rPLN4Sh/bzp7p1SnGkW2J9kj77pEjlJp8tZ3eXMBSnwZRIVvlbj7oX5eWTAkTh7Codq18aARlFLYz4o=",
			"dq7RfM6dnOdsTgNIaz+iP7jAXSzv1r/oCO3hFV0xFwDLc8ZDB2w1EnR19cWttRSLjIojKoCAutUc4iX0RFgBEQ=="},
	} {
		c := &htClient{cfg: ClientConfig{Username: "juliet", HashedToken: htToken}, mech: mechanism{ht: tt.h}, data: []byte(tt.data)}
		msg, err := c.Start()
		if err != nil {
			t.Fatal(err)
		}
		if want := b64(t, tt.initiator); !bytes.Equal(msg, want) {
			t.Errorf("%v %q: initiator %q, want %q", tt.h, tt.data, msg, want)
		}
		byHand := append([]byte("juliet\x00"), hmacByHand(tt.sum, tt.block, []byte(htToken), []byte("Initiator"+tt.data))...)
		if !bytes.Equal(msg, byHand) {
			t.Errorf("%v %q: initiator %q, by hand %q", tt.h, tt.data, msg, byHand)
		}
		if want := hmacByHand(tt.sum, tt.block, []byte(htToken), []byte("Responder"+tt.data)); !bytes.Equal(want, b64(t, tt.responder)) {
			t.Errorf("%v %q: responder by hand %q", tt.h, tt.data, want)
		}
		if err := c.Finish(b64(t, tt.responder)); err != nil {
			t.Errorf("%v %q: %v", tt.h, tt.data, err)
		}
	}
}

// tokenServer is a server of users with one token each.
func tokenServer(ch *channel, tokens map[string]string) ServerConfig {
	cfg := ServerConfig{AllowPlaintext: true, Host: "example.org", Normalize: func(s string) (string, error) { return strings.ToLower(s), nil }}
	if ch != nil {
		cfg = ch.serverConfig(cfg)
		cfg.Normalize = func(s string) (string, error) { return strings.ToLower(s), nil }
	}
	cfg.Credentials.HashedToken = func(_ context.Context, user, _ string, match func(string) bool) error {
		if !match(tokens[user]) {
			return NotAuthorized
		}
		return nil
	}
	cfg.Offered = TokenMechanisms(cfg.TLS, cfg.Certificate)
	return cfg
}

func tokenClient(ch *channel, user, token string) ClientConfig {
	cfg := ClientConfig{Username: user, HashedToken: token, AllowPlaintext: ch == nil}
	if ch != nil {
		cfg.TLS = &ch.client
	}
	return cfg
}

// TestHTExchange runs every mechanism on the channels that have its channel binding,
// and sees that it is not there on the others.
func TestHTExchange(t *testing.T) {
	for _, tt := range []struct {
		name string
		ch   *channel
		want string
	}{
		{"TLS 1.3", exampleChannel(t, tls.VersionTLS13), "HT-SHA-512-EXPR HT-SHA-256-EXPR HT-SHA-512-ENDP HT-SHA-256-ENDP HT-SHA-512-NONE HT-SHA-256-NONE"},
		{"TLS 1.2", exampleChannel(t, tls.VersionTLS12), "HT-SHA-512-EXPR HT-SHA-256-EXPR HT-SHA-512-UNIQ HT-SHA-256-UNIQ HT-SHA-512-ENDP HT-SHA-256-ENDP HT-SHA-512-NONE HT-SHA-256-NONE"},
		{"Ed25519", newChannel(t, tls.VersionTLS13, selfSigned(t, "example.org", ed25519Key(t), 0)), "HT-SHA-512-EXPR HT-SHA-256-EXPR HT-SHA-512-NONE HT-SHA-256-NONE"},
		{"no TLS", nil, "HT-SHA-512-NONE HT-SHA-256-NONE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := tokenServer(tt.ch, map[string]string{"juliet": htToken})
			if got := strings.Join(server.Offered, " "); got != tt.want {
				t.Fatalf("possible %s\nwant     %s", got, tt.want)
			}
			if names := Mechanisms(server); len(names) != 0 {
				t.Errorf("offered among the others: %v", names)
			}
			for _, name := range server.Offered {
				s := mustServer(t, name, server)
				tr, cerr, serr := converse(mustClient(t, name, tokenClient(tt.ch, "Juliet", htToken)), s)
				if cerr != nil || serr != nil || s.Username() != "juliet" || len(tr.sent) != 1 {
					t.Errorf("%s: %v, %v, user %q after %d messages", name, cerr, serr, s.Username(), len(tr.sent))
				}
				_, _, serr = converse(mustClient(t, name, tokenClient(tt.ch, "juliet", "wrong")), mustServer(t, name, server))
				wantCondition(t, serr, NotAuthorized)
				_, _, serr = converse(mustClient(t, name, tokenClient(tt.ch, "tybalt", htToken)), mustServer(t, name, server))
				wantCondition(t, serr, NotAuthorized)
			}
		})
	}
}

// TestHTBinding: what was said on one channel is worth nothing on another, but for the
// mechanism without channel binding.
func TestHTBinding(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	one, other := exampleChannel(t, tls.VersionTLS12), newChannel(t, tls.VersionTLS12, selfSigned(t, "example.org", key, 0))
	for _, name := range TokenMechanisms(&one.server, one.cert.Leaf) {
		msg, err := mustClient(t, name, tokenClient(one, "juliet", htToken)).Start()
		if err != nil {
			t.Fatal(err)
		}
		_, done, err := mustServer(t, name, tokenServer(other, map[string]string{"juliet": htToken})).Next(context.Background(), msg)
		if want := strings.HasSuffix(name, "-NONE"); done != want || want != (err == nil) {
			t.Errorf("%s: done %v, %v", name, done, err)
		}
	}
}

// TestHTResumedSession: without the session hash a resumed session of TLS 1.2 is no
// channel for tokens.
func TestHTResumedSession(t *testing.T) {
	state := noCertificate()
	state.Version, state.DidResume = tls.VersionTLS12, true
	if names := TokenMechanisms(state, nil); len(names) != 0 {
		t.Error(names)
	}
	state.Version = tls.VersionTLS13
	if names := TokenMechanisms(state, nil); !slices.Equal(names, []string{HTSHA512None, HTSHA256None}) {
		t.Error(names)
	}
	state.Version = tls.VersionTLS12
	cfg := ClientConfig{Username: "juliet", HashedToken: htToken, TLS: state}
	if _, err := NewClient(HTSHA256None, cfg); err == nil || !strings.Contains(err.Error(), "resumed") {
		t.Error(err)
	}
}

func TestHTErrors(t *testing.T) {
	server := tokenServer(nil, map[string]string{"juliet": htToken, "nobody": ""})
	for _, tt := range []struct {
		name string
		msg  string
		want Condition
	}{
		{"no NUL", "juliet", MalformedRequest},
		{"no hash", "juliet\x00", MalformedRequest},
		{"no user", "\x00abc", MalformedRequest},
		{"not UTF-8", "\xff\x00abc", MalformedRequest},
		{"long name", strings.Repeat("a", 4000) + "\x00abc", MalformedRequest},
		{"too long", strings.Repeat("a", 20000) + "\x00abc", MalformedRequest},
		{"forbidden in a name", "a\x07\x00abc", NotAuthorized},
		{"short hash", "juliet\x00abc", NotAuthorized},
		{"the token itself", "juliet\x00" + htToken, NotAuthorized},
		{"empty token", "nobody\x00" + string(hashedToken(crypto.SHA256, "", htInitiator, nil)), NotAuthorized},
		{"what pads", "tybalt\x00" + string(hashedToken(crypto.SHA256, "nobody's", htInitiator, nil)), NotAuthorized},
		{"the answer", "juliet\x00" + string(hashedToken(crypto.SHA256, htToken, htResponder, nil)), NotAuthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustServer(t, HTSHA256None, server)
			out, done, err := s.Next(context.Background(), []byte(tt.msg))
			wantCondition(t, err, tt.want)
			if out != nil || done || s.Username() != "" {
				t.Errorf("%q, %v, user %q", out, done, s.Username())
			}
			_, _, err = s.Next(context.Background(), []byte("x"))
			wantCondition(t, err, MalformedRequest)
		})
	}
	t.Run("no initial response", func(t *testing.T) {
		s := mustServer(t, HTSHA256None, server)
		if out, done, err := s.Next(context.Background(), nil); out == nil || len(out) > 0 || done || err != nil {
			t.Errorf("%q, %v, %v", out, done, err)
		}
		msg, _ := mustClient(t, HTSHA256None, tokenClient(nil, "juliet", htToken)).Start()
		if _, done, err := s.Next(context.Background(), msg); !done || err != nil {
			t.Error(done, err)
		}
	})
	t.Run("a store that says yes without a look", func(t *testing.T) {
		cfg := server
		cfg.Credentials.HashedToken = func(context.Context, string, string, func(string) bool) error { return nil }
		_, _, err := mustServer(t, HTSHA256None, cfg).Next(context.Background(), []byte("juliet\x00abc"))
		wantCondition(t, err, NotAuthorized)
		// Not even who shows what pads.
		pads := "juliet\x00" + string(hashedToken(crypto.SHA256, "nobody's", htInitiator, nil))
		_, _, err = mustServer(t, HTSHA256None, cfg).Next(context.Background(), []byte(pads))
		wantCondition(t, err, NotAuthorized)
	})
	t.Run("a store that fails", func(t *testing.T) {
		cfg := server
		cfg.Credentials.HashedToken = func(context.Context, string, string, func(string) bool) error { return errors.New("away") }
		_, _, err := mustServer(t, HTSHA256None, cfg).Next(context.Background(), []byte("juliet\x00abc"))
		wantCondition(t, err, TemporaryAuthFailure)
	})
	t.Run("not offered", func(t *testing.T) {
		cfg := server
		cfg.Offered = []string{HTSHA512None}
		_, err := NewServer(HTSHA256None, cfg)
		wantCondition(t, err, InvalidMechanism)
		cfg.Offered, cfg.AllowPlaintext = nil, false
		_, err = NewServer(HTSHA256None, cfg)
		wantCondition(t, err, EncryptionRequired)
		cfg.AllowPlaintext = true
		_, err = NewServer(HTSHA256None, cfg)
		wantCondition(t, err, InvalidMechanism)
		cfg.Offered = []string{HTSHA256Expr}
		_, err = NewServer(HTSHA256Expr, cfg) // there is nothing to bind to
		wantCondition(t, err, InvalidMechanism)
	})
	t.Run("a channel that has lost its binding", func(t *testing.T) {
		s := &htServer{serverBase: serverBase{cfg: server}, mech: mechanism{name: HTSHA256Expr, ht: crypto.SHA256, binding: TLSExporter}}
		_, _, err := s.Next(context.Background(), []byte("juliet\x00abc"))
		wantCondition(t, err, TemporaryAuthFailure)
	})
}

func TestHTClientErrors(t *testing.T) {
	c := mustClient(t, HTSHA256None, tokenClient(nil, "juliet", htToken))
	if err := c.Finish(hashedToken(crypto.SHA256, htToken, htResponder, nil)); !errors.Is(err, ErrUnexpected) {
		t.Error("finished before it began:", err)
	}
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(); !errors.Is(err, ErrUnexpected) {
		t.Error(err)
	}
	if _, err := c.Next([]byte{}); !errors.Is(err, ErrUnexpected) {
		t.Error(err)
	}
	for _, data := range [][]byte{nil, {}, hashedToken(crypto.SHA256, htToken, htInitiator, nil), hashedToken(crypto.SHA256, "x", htResponder, nil)} {
		if err := c.Finish(data); !errors.Is(err, ErrServerNotVerified) {
			t.Errorf("%q: %v", data, err)
		}
	}
	for _, tt := range []struct {
		cfg  ClientConfig
		mech string
	}{
		{ClientConfig{Username: "juliet", AllowPlaintext: true}, HTSHA256None},
		{ClientConfig{HashedToken: htToken, AllowPlaintext: true}, HTSHA256None},
		{ClientConfig{Username: "juliet", HashedToken: htToken}, HTSHA256None},
		{tokenClient(nil, "juliet", htToken), HTSHA256Expr},
		{ClientConfig{Username: "juliet", HashedToken: htToken, AllowPlaintext: true, Refuse: []string{HTSHA256None}}, HTSHA256None},
	} {
		if _, err := NewClient(tt.mech, tt.cfg); err == nil {
			t.Errorf("%s with %+v", tt.mech, tt.cfg)
		}
	}
	for _, name := range []string{"a\x00b", "a\x07", ""} {
		c := &htClient{cfg: ClientConfig{Username: name, HashedToken: htToken}, mech: mechanism{ht: crypto.SHA256}}
		if _, err := c.Start(); !errors.Is(err, ErrBadString) {
			t.Errorf("%q: %v", name, err)
		}
	}
	// It is never chosen among the others, whatever the server offers.
	cfg := tokenClient(nil, "juliet", htToken)
	cfg.Password = "x"
	_, _, err := Choose([]string{HTSHA256None}, cfg)
	if want := `sasl: no usable mechanism among those offered: "HT-SHA-256-NONE" takes a token, and is not offered so`; err == nil || err.Error() != want {
		t.Error(err)
	}
	for name, want := range map[string]bool{HTSHA512Uniq: true, SCRAMSHA1: false, "HT-SHA-1-NONE": false, "": false} {
		if IsTokenMechanism(name) != want {
			t.Error(name)
		}
	}
	if _, ok := SCRAMHash(HTSHA256None); ok {
		t.Error("HT is SCRAM")
	}
}

// TestHTSameWork: as many tokens are compared for nobody as for a user with tokens.
func TestHTSameWork(t *testing.T) {
	for ask := range htCandidates + 1 {
		cfg := tokenServer(nil, nil)
		cfg.Credentials.HashedToken = func(_ context.Context, _, _ string, match func(string) bool) error {
			for range ask {
				match("x")
			}
			return ErrUnknownUser
		}
		s := mustServer(t, HTSHA256None, cfg).(*htServer)
		_, _, err := s.Next(context.Background(), []byte("juliet\x00abc"))
		wantCondition(t, err, NotAuthorized)
		if s.compared != htCandidates {
			t.Errorf("%d tokens compared where there are %d", s.compared, ask)
		}
	}
	s := mustServer(t, HTSHA256None, tokenServer(nil, nil)).(*htServer)
	if _, _, err := s.Next(context.Background(), []byte("a\x07\x00abc")); err == nil || s.compared != htCandidates {
		t.Errorf("%d tokens compared for a name that cannot be: %v", s.compared, err)
	}
}

func TestHashedTokens(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 999, time.UTC)
	day := 24 * time.Hour
	is := func(secret string) func(string) bool { return func(s string) bool { return s == secret } }
	var tokens HashedTokens
	if !tokens.IsZero() || !tokens.Expired(now) {
		t.Error("there are tokens at the beginning")
	}
	if err := tokens.Use(HTSHA256None, now, 0, false, is("")); err != NotAuthorized {
		t.Error("no token is a token:", err)
	}
	empty := HashedTokens{Current: HashedToken{Mechanism: HTSHA256None, Expires: now.Add(day)}}
	if err := empty.Use(HTSHA256None, now, 0, false, is("")); err != NotAuthorized {
		t.Error("an empty token is one:", err)
	}
	a := tokens.Issue(HTSHA256None, now.Add(10*day))
	if len(a.Secret) < 22 || a != tokens.New || a.Expires.Nanosecond() != 0 || tokens.IsZero() || tokens.Expired(now) {
		t.Fatalf("issued %+v", a)
	}
	step := func(name string, secret, mech string, at time.Time, count uint64, counted bool, want error) {
		t.Helper()
		before := tokens
		err := tokens.Use(mech, at, count, counted, is(secret))
		if err != want {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if err != nil && tokens != before {
			t.Errorf("%s: changed", name)
		}
	}
	step("another mechanism", a.Secret, HTSHA256Expr, now, 0, false, NotAuthorized)
	step("expired", a.Secret, HTSHA256None, a.Expires, 0, false, CredentialsExpired)
	step("count 0", a.Secret, HTSHA256None, now, 0, true, NotAuthorized)
	step("first use", a.Secret, HTSHA256None, now, 3, true, nil)
	if tokens.Current.Secret != a.Secret || tokens.New.Secret != "" || tokens.Current.Count != 3 {
		t.Fatalf("%+v", tokens)
	}
	step("replay", a.Secret, HTSHA256None, now, 3, true, NotAuthorized)
	step("older", a.Secret, HTSHA256None, now, 2, true, NotAuthorized)
	step("no count", a.Secret, HTSHA256None, now, 0, false, nil)
	step("next", a.Secret, HTSHA256None, now, 4, true, nil)
	b := tokens.Issue(HTSHA256Expr, now.Add(20*day))
	step("the old one is still good", a.Secret, HTSHA256None, now, 5, true, nil)
	if tokens.New != b {
		t.Error("the new one was lost")
	}
	c := tokens.Issue(HTSHA256Expr, now.Add(21*day))
	step("one that was not used is replaced", b.Secret, HTSHA256Expr, now, 1, true, NotAuthorized)
	step("the new one", c.Secret, HTSHA256Expr, now, 1, true, nil)
	step("the old one is gone", a.Secret, HTSHA256None, now, 6, true, NotAuthorized)
	// One that would end earlier than the one in use is invalidated with its use.
	d := tokens.Issue(HTSHA256Expr, now.Add(time.Hour))
	step("in use", c.Secret, HTSHA256Expr, now, 2, true, nil)
	step("earlier end", d.Secret, HTSHA256Expr, now, 1, true, NotAuthorized)
	if tokens.Expired(now.Add(20*day)) || !tokens.Expired(now.Add(21*day)) {
		t.Error("expiry")
	}
	if e := tokens.Issue(HTSHA256Expr, now); e.Secret == d.Secret {
		t.Error("twice the same token")
	}
}

func FuzzHT(f *testing.F) {
	f.Add([]byte("juliet\x00" + strings.Repeat("x", 32)))
	f.Add([]byte("\x00"))
	f.Add(append([]byte("juliet\x00"), hashedToken(crypto.SHA256, htToken, htInitiator, nil)...))
	f.Fuzz(func(t *testing.T, msg []byte) {
		right := append([]byte("\x00"), hashedToken(crypto.SHA256, htToken, htInitiator, nil)...)
		s := mustServer(t, HTSHA256None, tokenServer(nil, map[string]string{"juliet": htToken}))
		if checkServer(t, s, msg) && !(bytes.HasSuffix(msg, right) && s.Username() == "juliet") {
			t.Fatalf("%q logged in as %q", msg, s.Username())
		}
		user, proof, err := parseHT(msg)
		if err == nil && fmt.Sprintf("%s\x00%s", user, proof) != string(msg) {
			t.Fatalf("%q parsed as %q %q", msg, user, proof)
		}
		c := mustClient(t, HTSHA256None, tokenClient(nil, "juliet", htToken))
		c.Start()
		if c.Finish(msg) == nil && !bytes.Equal(msg, hashedToken(crypto.SHA256, htToken, htResponder, nil)) {
			t.Fatal("verified a server that does not know the token")
		}
	})
}
