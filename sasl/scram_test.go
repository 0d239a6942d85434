package sasl

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

func b64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// scramVector is a published exchange, given message by message.
type scramVector struct {
	name      string
	mech      string
	user      string
	password  string
	first     string
	challenge string
	final     string
	success   string
	data      []byte // channel binding data

	offered  []string // what XEP-0474 hashes
	bindings []string
	version  uint16 // of TLS, XEP-0515
	foreign  bool   // the client of the example adds an extension that ours does not
}

func scramVectors(t testing.TB) []scramVector {
	const nonce = "12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6"
	const both = nonce + "a09117a6-ac50-4f2f-93f1-93799c2bddf6"
	fakeData := []byte("THIS IS FAKE CB DATA")
	return []scramVector{{
		name: "RFC 5802 section 5", mech: SCRAMSHA1, user: "user", password: "pencil",
		first:     "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
		challenge: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
		final:     "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
		success:   "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
	}, {
		name: "RFC 7677 section 3", mech: SCRAMSHA256, user: "user", password: "pencil",
		first:     "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
		challenge: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		final:     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		success:   "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	}, {
		// No RFC has a vector for SHA-512; this one was computed with another
		// implementation of HMAC and PBKDF2 from the messages of RFC 7677.
		name: "RFC 7677 with SHA-512", mech: SCRAMSHA512, user: "user", password: "pencil",
		first:     "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
		challenge: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		final: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," +
			"p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
		success: "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
	}, {
		name: "XEP-0474 example 1", mech: SCRAMSHA1Plus, user: "user", password: "pencil",
		first:     "p=tls-exporter,,n=user,r=" + nonce,
		challenge: "r=" + both + ",s=QSXCR+Q6sek8bf92,i=4096,h=G6k/rBLDqgOhRRaCuuatSDFkJ08=",
		final: "c=cD10bHMtZXhwb3J0ZXIsLFRISVMgSVMgRkFLRSBDQiBEQVRB,r=" + both +
			",x=19C6532F-1CF4-4A27-A18D-DC9CEA41BBB3,p=M/SIDjT+dfcxUh89jZEypRvFxB4=",
		success: "v=MQrMPvv7yv4x4Cq4W4Ih25EqS2c=",
		data:    fakeData, foreign: true,
		offered: []string{SCRAMSHA1, SCRAMSHA1Plus}, bindings: []string{TLSServerEndPoint, TLSExporter},
	}, {
		name: "XEP-0515 example 1", mech: SCRAMSHA1Plus, user: "user", password: "pencil",
		first:     "p=tls-exporter,,n=user,r=" + nonce,
		challenge: "r=" + both + ",s=QSXCR+Q6sek8bf92,i=4096,h=G6k/rBLDqgOhRRaCuuatSDFkJ08=,t=0304",
		final:     "c=cD10bHMtZXhwb3J0ZXIsLFRISVMgSVMgRkFLRSBDQiBEQVRB,r=" + both + ",p=KHUfN8dSy1K95crT4D5y1ItLJfs=",
		success:   "v=3w34ZIMVRkx2f2Ozb3/ecRPVdv4=",
		data:      fakeData,
		offered:   []string{SCRAMSHA1, SCRAMSHA1Plus}, bindings: []string{TLSServerEndPoint, TLSExporter}, version: tls.VersionTLS13,
	}}
}

// client makes ours speak the vector's part.
func (v scramVector) client() *scramClient {
	m, _ := lookup(v.mech)
	c := &scramClient{mech: m, flag: v.first[0], data: v.data, nonce: v.first[strings.LastIndex(v.first, "r=")+2:]}
	if c.flag == 'p' {
		c.cb = TLSExporter
	}
	c.cfg = ClientConfig{Username: v.user, Password: v.password, Offered: v.offered, BindingTypes: v.bindings}
	if v.version != 0 {
		c.cfg.TLS = &tls.ConnectionState{Version: v.version}
	}
	return c
}

// server makes ours speak the vector's part, from the point after the channel
// binding data was found.
func (v scramVector) server(t testing.TB) *scramServer {
	m, _ := lookup(v.mech)
	f, err := parseServerFirst([]byte(v.challenge))
	if err != nil {
		t.Fatal(err)
	}
	salted, err := SaltedPassword(m.scram, v.password, f.salt, f.iterations)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := KeysFromSaltedPassword(m.scram, salted, f.salt, f.iterations)
	if err != nil {
		t.Fatal(err)
	}
	cfg := ServerConfig{
		Hashes:  []crypto.Hash{m.scram},
		Offered: v.offered, BindingTypes: v.bindings, NoDowngradeProtection: v.offered == nil,
		Credentials: Credentials{SCRAM: func(context.Context, string, crypto.Hash) (SCRAMKeys, error) { return keys, nil }},
	}
	if v.version != 0 {
		cfg.TLS = &tls.ConnectionState{Version: v.version}
	}
	clientNonce := v.first[strings.LastIndex(v.first, "r=")+2:]
	return &scramServer{serverBase: serverBase{cfg: cfg}, mech: m, nonce: f.nonce[len(clientNonce):]}
}

func TestSCRAMVectorsClient(t *testing.T) {
	for _, v := range scramVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			c := v.client()
			first, err := c.Start()
			if err != nil || string(first) != v.first {
				t.Fatalf("first message %q, error %v", first, err)
			}
			final, err := c.Next([]byte(v.challenge))
			if err != nil {
				t.Fatal(err)
			}
			if v.foreign {
				return // its final message is not ours; the server test takes it
			}
			if string(final) != v.final {
				t.Fatalf("final message\n%q, want\n%q", final, v.final)
			}
			if err := c.Finish([]byte(v.success)); err != nil {
				t.Error(err)
			}
		})
		t.Run(v.name+"/signature as a challenge", func(t *testing.T) {
			c := v.client()
			c.Start()
			if _, err := c.Next([]byte(v.challenge)); err != nil {
				t.Fatal(err)
			}
			answer, err := c.Next([]byte(v.success))
			if v.foreign {
				if !errors.Is(err, ErrServerNotVerified) {
					t.Errorf("a signature over another exchange: %v", err)
				}
				return
			}
			if err != nil || answer == nil || len(answer) != 0 {
				t.Fatalf("answer %q, error %v", answer, err)
			}
			if err := c.Finish(nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSCRAMVectorsServer(t *testing.T) {
	for _, v := range scramVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			s := v.server(t)
			// The vectors' binding data comes from no real channel, so the step
			// that would fetch it is done by hand.
			challenge, done, err := v.firstStep(t, s)
			if err != nil || done || string(challenge) != v.challenge {
				t.Fatalf("challenge\n%q (%v %v), want\n%q", challenge, done, err, v.challenge)
			}
			success, done, err := s.Next(context.Background(), []byte(v.final))
			if err != nil || !done || string(success) != v.success {
				t.Fatalf("success %q (%v %v), want %q", success, done, err, v.success)
			}
			if s.Username() != v.user {
				t.Errorf("user %q", s.Username())
			}
		})
	}
}

func (v scramVector) firstStep(t testing.TB, s *scramServer) ([]byte, bool, error) {
	t.Helper()
	if v.data == nil {
		return s.Next(context.Background(), []byte(v.first))
	}
	gs2, bare, err := parseGS2([]byte(v.first))
	if err != nil {
		t.Fatal(err)
	}
	// Hand the server the same message unbound, then put the bound header back.
	plus := s.mech
	s.mech.plus = false
	challenge, done, err := s.Next(context.Background(), append([]byte("n,,"), bare...))
	s.mech, s.gs2, s.data = plus, gs2, v.data
	return challenge, done, err
}

// A password becomes keys either at once or in the two halves of an upgrade task
// (XEP-0480 section 3): the client salts, the server makes keys of the result.
func TestUpgradeTask(t *testing.T) {
	salt := b64(t, "QV9TWENSWFE2c2VrOGJmX1o=")
	salted, err := SaltedPassword(crypto.SHA256, "pencil", salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := KeysFromSaltedPassword(crypto.SHA256, salted, salt, 4096)
	if err != nil || !keys.Verify("pencil") || keys.Verify("pen") || keys.Verify("") {
		t.Errorf("keys do not verify: %v", err)
	}
	salt[0]++
	if !keys.Verify("pencil") {
		t.Error("the keys share memory with the caller")
	}
}

// What a client may get as server-first-message, and what it says of it.
func TestSCRAMClientBadChallenge(t *testing.T) {
	const ok = "r=abcdef,s=QSXCR+Q6sek8bf92,i=4096"
	tests := []struct {
		name, challenge string
		want            error
	}{
		{"good", ok, nil},
		{"unknown extensions are ignored", ok + ",x=1,y=abc,d=ssdp", nil},
		{"empty", "", ErrMalformed},
		{"not text", "r=abcdef\xff,s=QSXCR+Q6sek8bf92,i=4096", ErrMalformed},
		{"NUL", "r=abcdef\x00,s=QSXCR+Q6sek8bf92,i=4096", ErrMalformed},
		{"mandatory extension", "m=x," + ok, ErrMalformed},
		{"mandatory extension at the end", ok + ",m=x", ErrMalformed},
		{"nonce of somebody else", "r=xbcdef,s=QSXCR+Q6sek8bf92,i=4096", ErrMalformed},
		{"nonce not extended", "r=abc,s=QSXCR+Q6sek8bf92,i=4096", ErrMalformed},
		{"nonce cut", "r=ab,s=QSXCR+Q6sek8bf92,i=4096", ErrMalformed},
		{"nonce with a space", "r=abc def,s=QSXCR+Q6sek8bf92,i=4096", ErrMalformed},
		{"order", "s=QSXCR+Q6sek8bf92,r=abcdef,i=4096", ErrMalformed},
		{"no salt", "r=abcdef,i=4096", ErrMalformed},
		{"empty salt", "r=abcdef,s=,i=4096", ErrMalformed},
		{"salt not base64", "r=abcdef,s=!!!!,i=4096", ErrMalformed},
		{"salt with a line break", "r=abcdef,s=QSXC\nR+Q6,i=4096", ErrMalformed},
		{"salt too long", "r=abcdef,s=" + strings.Repeat("AAAA", 500) + ",i=4096", ErrMalformed},
		{"no iterations", "r=abcdef,s=QSXCR+Q6sek8bf92", ErrMalformed},
		{"zero iterations", "r=abcdef,s=QSXCR+Q6sek8bf92,i=0", ErrMalformed},
		{"leading zero", "r=abcdef,s=QSXCR+Q6sek8bf92,i=04096", ErrMalformed},
		{"sign", "r=abcdef,s=QSXCR+Q6sek8bf92,i=+4096", ErrMalformed},
		{"huge", "r=abcdef,s=QSXCR+Q6sek8bf92,i=99999999999999999999", ErrMalformed},
		{"over 32 bits", "r=abcdef,s=QSXCR+Q6sek8bf92,i=4294967296", ErrMalformed},
		{"too few iterations", "r=abcdef,s=QSXCR+Q6sek8bf92,i=4095", ErrIterations},
		{"too many iterations", "r=abcdef,s=QSXCR+Q6sek8bf92,i=5000001", ErrIterations},
		{"too many attributes", ok + strings.Repeat(",x=1", 40), ErrMalformed},
		{"malformed attribute", ok + ",x", ErrMalformed},
		{"attribute name is no letter", ok + ",1=x", ErrMalformed},
		{"server error", "e=unknown-user", NotAuthorized},
		{"server error with extension", "e=other-error,x=y", SCRAMOtherError},
		{"server error of the future", "e=moon-phase", SCRAMError("moon-phase")},
		{"empty server error", "e=", SCRAMOtherError},
		{"server error, no resources", "e=no-resources", TemporaryAuthFailure},
		{"server error, encoding", "e=invalid-encoding", MalformedRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustClient(t, SCRAMSHA1, ClientConfig{Username: "user", Password: "pencil"}).(*scramClient)
			c.nonce = "abc"
			if _, err := c.Start(); err != nil {
				t.Fatal(err)
			}
			response, err := c.Next([]byte(tt.challenge))
			if tt.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, tt.want) || response != nil {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if strings.HasPrefix(tt.challenge, "e=") && FailureCause(c) == nil {
				t.Error("the server's reason is lost")
			}
			if _, err := c.Next([]byte(ok)); !errors.Is(err, ErrUnexpected) {
				t.Errorf("the exchange goes on after an error: %v", err)
			}
			if err := c.Finish([]byte("v=AAAA")); err == nil {
				t.Error("success after an error")
			}
		})
	}
}

func TestSCRAMClientBadFinal(t *testing.T) {
	for name, tt := range map[string]struct {
		msg  string
		want error
	}{
		"wrong signature":     {"v=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", ErrServerNotVerified},
		"short signature":     {"v=AAAA", ErrServerNotVerified},
		"not base64":          {"v=!!!!", ErrMalformed},
		"no signature":        {"x=AAAA", ErrMalformed},
		"garbage":             {"success", ErrMalformed},
		"server error":        {"e=invalid-proof", SCRAMInvalidProof},
		"server error's kind": {"e=invalid-proof", NotAuthorized},
		"too long":            {"v=" + strings.Repeat("A", DefaultMaxMessage), ErrMalformed},
	} {
		for _, asChallenge := range []bool{false, true} {
			v := scramVectors(t)[0]
			c := v.client()
			c.Start()
			if _, err := c.Next([]byte(v.challenge)); err != nil {
				t.Fatal(err)
			}
			var err error
			if asChallenge {
				_, err = c.Next([]byte(tt.msg))
			} else {
				err = c.Finish([]byte(tt.msg))
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: error %v, want %v", name, err, tt.want)
			}
		}
	}
	v := scramVectors(t)[0]
	c := v.client()
	c.Start()
	c.Next([]byte(v.challenge))
	c.Next([]byte(v.success))
	if err := c.Finish([]byte(v.success)); !errors.Is(err, ErrUnexpected) {
		t.Errorf("two signatures: %v", err)
	}
}

func TestSCRAMServerBadFirst(t *testing.T) {
	tests := []struct {
		name, msg string
		want      Condition
		cause     error
	}{
		{"empty", "", MalformedRequest, nil},
		{"no header", "n=user,r=abc", MalformedRequest, nil},
		{"no header end", "n,n=user", MalformedRequest, nil},
		{"unknown flag", "x,,n=user,r=abc", MalformedRequest, nil},
		{"upper case flag", "N,,n=user,r=abc", MalformedRequest, nil},
		{"binding without name", "p=,,n=user,r=abc", MalformedRequest, nil},
		{"binding with bad name", "p=a b,,n=user,r=abc", MalformedRequest, nil},
		{"GSS-API's non-standard flag", "F,n,,n=user,r=abc", MalformedRequest, nil},
		{"authzid without a=", "n,juliet,n=user,r=abc", MalformedRequest, nil},
		{"empty authzid", "n,a=,n=user,r=abc", MalformedRequest, nil},
		{"authzid with bad escape", "n,a=x=2D,n=user,r=abc", MalformedRequest, nil},
		{"mandatory extension", "n,,m=x,n=user,r=abc", MalformedRequest, SCRAMExtensionsNotSupported},
		{"no name", "n,,r=abc", MalformedRequest, nil},
		{"empty name", "n,,n=,r=abc", MalformedRequest, nil},
		{"bare equals sign", "n,,n=us=er,r=abc", MalformedRequest, SCRAMInvalidUsernameEncoding},
		{"lower-case escape", "n,,n=us=2cer,r=abc", MalformedRequest, SCRAMInvalidUsernameEncoding},
		{"cut escape", "n,,n=user=2,r=abc", MalformedRequest, SCRAMInvalidUsernameEncoding},
		{"name not UTF-8", "n,,n=\xff,r=abc", MalformedRequest, nil},
		{"name with NUL", "n,,n=a\x00b,r=abc", MalformedRequest, nil},
		{"no nonce", "n,,n=user", MalformedRequest, nil},
		{"empty nonce", "n,,n=user,r=", MalformedRequest, nil},
		{"nonce with space", "n,,n=user,r=a b", MalformedRequest, nil},
		{"order", "n,,r=abc,n=user", MalformedRequest, nil},
		{"too many extensions", "n,,n=user,r=abc" + strings.Repeat(",x=1", 40), MalformedRequest, nil},
		{"binding with an unbound mechanism", "p=tls-unique,,n=user,r=abc", NotAuthorized, SCRAMBindingNotSupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := mustServer(t, SCRAMSHA1, newAccounts().server()).Next(context.Background(), []byte(tt.msg))
			wantCondition(t, err, tt.want)
			if tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("cause %v, want %v", err, tt.cause)
			}
		})
	}
}

func TestSCRAMServerBadFinal(t *testing.T) {
	v := scramVectors(t)[0]
	nonce := "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
	tests := []struct {
		name, msg string
		want      Condition
		cause     error
	}{
		{"empty", "", MalformedRequest, nil},
		{"no proof", "c=biws," + nonce, MalformedRequest, nil},
		{"proof not last", v.final + ",x=1", MalformedRequest, nil},
		{"proof not base64", "c=biws," + nonce + ",p=!!!!", MalformedRequest, nil},
		{"proof with trailing bits", "c=biws," + nonce + ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Tt=", MalformedRequest, nil},
		{"header not base64", "c=!!!!," + nonce + ",p=AAAA", MalformedRequest, nil},
		{"order", nonce + ",c=biws,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", MalformedRequest, nil},
		{"mandatory extension", "c=biws," + nonce + ",m=1,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", MalformedRequest, SCRAMExtensionsNotSupported},
		{"nonce of another exchange", "c=biws,r=fyko+d2lbbFgONRv9qkxdawLxxxx,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", NotAuthorized, nil},
		{"client nonce only", "c=biws,r=fyko+d2lbbFgONRv9qkxdawL,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", NotAuthorized, nil},
		{"short proof", "c=biws," + nonce + ",p=AAAA", NotAuthorized, SCRAMInvalidProof},
		{"wrong proof", "c=biws," + nonce + ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", NotAuthorized, SCRAMInvalidProof},
		{"other header", "c=eSws," + nonce + ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", NotAuthorized, SCRAMInvalidProof},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := v.server(t)
			if _, _, err := s.Next(context.Background(), []byte(v.first)); err != nil {
				t.Fatal(err)
			}
			_, done, err := s.Next(context.Background(), []byte(tt.msg))
			wantCondition(t, err, tt.want)
			if done || tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("done %v, cause %v, want %v", done, err, tt.cause)
			}
		})
	}
}

// A client that proves the password but claims another header than it sent is
// being relayed: the proof is right and the binding is not.
func TestSCRAMServerChecksHeader(t *testing.T) {
	v := scramVectors(t)[0]
	c, s := v.client(), v.server(t)
	first, _ := c.Start()
	challenge, _, err := s.Next(context.Background(), first)
	if err != nil {
		t.Fatal(err)
	}
	c.header = []byte("y,,")
	final, err := c.Next(challenge)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Next(context.Background(), final)
	wantCondition(t, err, NotAuthorized)
	if !errors.Is(err, SCRAMBindingsDontMatch) {
		t.Errorf("cause %v", err)
	}
}

func TestSCRAMNamesAndPasswords(t *testing.T) {
	for _, tt := range []struct{ name, user, password, login string }{
		{"comma and equals", "a,b=c", "x", "a,b=c"},
		{"SASLprep of the name", "\u2168", "x", "IX"},
		{"SASLprep of the password", "juliet", "p\u00e4ss\u00a0w\u00f6rd\u00bd", "juliet"},
		{"emoji password", "juliet", "🔑🗝", "juliet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAccounts()
			password, err := Prepare(tt.password)
			if err != nil {
				t.Fatal(err)
			}
			a.passwords[tt.login] = password
			for _, mech := range []string{SCRAMSHA256, Plain} {
				s := mustServer(t, mech, a.server())
				ccfg := ClientConfig{Username: tt.user, Password: tt.password, AllowPlaintext: true}
				_, cerr, serr := converse(mustClient(t, mech, ccfg), s)
				if cerr != nil || serr != nil || s.Username() != tt.login {
					t.Errorf("%s: user %q, %v, %v", mech, s.Username(), cerr, serr)
				}
			}
		})
	}
	for name, cfg := range map[string]ClientConfig{
		"name that vanishes":  {Username: "\u00ad", Password: "x"},
		"control in name":     {Username: "a\x07", Password: "x"},
		"name not UTF-8":      {Username: "\xff", Password: "x"},
		"NUL in authzid":      {Username: "a", Password: "x", AuthzID: "a\x00b"},
		"control in password": {Username: "juliet", Password: "x\x07"},
	} {
		_, cerr, _ := converse(mustClient(t, SCRAMSHA1, cfg), mustServer(t, SCRAMSHA1, newAccounts().server()))
		if !errors.Is(cerr, ErrBadString) {
			t.Errorf("%s: %v", name, cerr)
		}
	}
}

// A client can keep keys in place of the password (RFC 5802 section 5.1).
func TestSavedKeys(t *testing.T) {
	a := newAccounts()
	var saved []ClientKeys
	ccfg := clientFor(SCRAMSHA256)
	ccfg.SaveKeys = func(k ClientKeys) { saved = append(saved, k) }
	if _, cerr, serr := converse(mustClient(t, SCRAMSHA256, ccfg), mustServer(t, SCRAMSHA256, a.server())); cerr != nil || serr != nil {
		t.Fatal(cerr, serr)
	}
	if len(saved) != 1 || saved[0].Hash != crypto.SHA256 {
		t.Fatalf("saved %v", saved)
	}
	ccfg.Password, ccfg.Keys = "", saved
	name, c, err := Choose(Mechanisms(a.server()), ccfg)
	if err != nil || name != SCRAMSHA256 {
		t.Fatalf("with keys only, %s is chosen: %v", name, err)
	}
	if _, cerr, serr := converse(c, mustServer(t, SCRAMSHA256, a.server())); cerr != nil || serr != nil {
		t.Fatal(cerr, serr)
	}
	a.keys = map[string]SCRAMKeys{} // new salts
	_, cerr, _ := converse(mustClient(t, SCRAMSHA256, ccfg), mustServer(t, SCRAMSHA256, a.server()))
	if !errors.Is(cerr, ErrKeysMismatch) {
		t.Errorf("with new salt and no password: %v", cerr)
	}
	ccfg.Password = "r0m30myr0m30"
	if _, cerr, serr := converse(mustClient(t, SCRAMSHA256, ccfg), mustServer(t, SCRAMSHA256, a.server())); cerr != nil || serr != nil {
		t.Errorf("with new salt and the password: %v %v", cerr, serr)
	}
	count := len(saved)
	ccfg.Password = "wrong"
	converse(mustClient(t, SCRAMSHA1, ccfg), mustServer(t, SCRAMSHA1, a.server()))
	if len(saved) != count {
		t.Error("keys of a failed exchange are saved")
	}
	if _, err := NewClient(SCRAMSHA1, ClientConfig{Username: "juliet", Keys: saved[:1]}); err == nil {
		t.Error("keys of another hash are good enough")
	}
}

func TestSCRAMKeysText(t *testing.T) {
	for _, h := range allHashes {
		k, err := NewSCRAMKeys(h, "pencil", 0)
		if err != nil || k.Iterations != DefaultIterations || len(k.Salt) != saltSize {
			t.Fatalf("%+v %v", k, err)
		}
		text, err := k.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back SCRAMKeys
		if err := back.UnmarshalText(text); err != nil || !bytes.Equal(back.StoredKey, k.StoredKey) || !back.Verify("pencil") {
			t.Errorf("%s: %+v %v", text, back, err)
		}
	}
	v := scramVectors(t)[0].server(t)
	keys, _ := v.cfg.Credentials.SCRAM(context.Background(), "", 0)
	text, err := keys.MarshalText()
	if want := "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="; err != nil || string(text) != want {
		t.Errorf("%s %v", text, err)
	}
	for _, bad := range []string{
		"", "SCRAM-SHA-1", "PLAIN$4096:QQ==$QQ==:QQ==", "SCRAM-MD5$4096:QQ==$QQ==:QQ==",
		strings.Replace(string(text), "SHA-1", "SHA-1-PLUS", 1), strings.Replace(string(text), "SHA-1", "SHA-256", 1),
		strings.Replace(string(text), "4096", "0", 1), strings.Replace(string(text), "4096:", "4096", 1),
		strings.Replace(string(text), "QSX", "!!!", 1), strings.Replace(string(text), "=:D", "=D", 1), string(text) + "$",
	} {
		if err := new(SCRAMKeys).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	if _, err := (SCRAMKeys{}).MarshalText(); err == nil {
		t.Error("zero keys have a text")
	}
}

func TestSCRAMKeysErrors(t *testing.T) {
	if _, err := NewSCRAMKeys(crypto.SHA256, "", 0); !errors.Is(err, ErrBadString) {
		t.Errorf("empty password: %v", err)
	}
	if _, err := NewSCRAMKeys(crypto.MD5, "x", 0); err == nil {
		t.Error("MD5 is taken")
	}
	if _, err := SaltedPassword(crypto.SHA1, "x", nil, 4096); err == nil {
		t.Error("an empty salt is taken")
	}
	if _, err := SaltedPassword(crypto.SHA1, "x", []byte("salt"), 0); err == nil {
		t.Error("no iterations are taken")
	}
	if _, err := KeysFromSaltedPassword(crypto.SHA256, make([]byte, 20), nil, 1); err == nil {
		t.Error("a salted password of wrong length is taken")
	}
	if _, err := KeysFromSaltedPassword(crypto.MD5, make([]byte, 16), nil, 1); err == nil {
		t.Error("MD5 is taken")
	}
	broken := newAccounts().server()
	broken.Credentials.SCRAM = func(context.Context, string, crypto.Hash) (SCRAMKeys, error) { return SCRAMKeys{}, nil }
	broken.Credentials.Verify = nil
	for _, mech := range []string{SCRAMSHA1, Plain} {
		_, _, serr := converse(mustClient(t, mech, clientFor(mech)), mustServer(t, mech, broken))
		wantCondition(t, serr, TemporaryAuthFailure)
	}
	if h, ok := SCRAMHash(SCRAMSHA512Plus); !ok || h != crypto.SHA512 {
		t.Error("SCRAMHash")
	}
	if _, ok := SCRAMHash(Plain); ok {
		t.Error("PLAIN has a SCRAM hash")
	}
}
