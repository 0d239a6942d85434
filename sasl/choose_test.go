package sasl

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	tls13 := &exampleChannel(t, tls.VersionTLS13).client
	password := ClientConfig{Username: "juliet", Password: "x"}
	secure := password
	secure.TLS = tls13
	withCert := secure
	withCert.External = true
	withToken := secure
	withToken.Token = "t"
	onlyToken := ClientConfig{Token: "t", TLS: tls13}
	open := password
	open.AllowPlaintext = true
	bound := secure
	bound.BindingTypes = []string{TLSExporter}
	pinned := secure
	pinned.Refuse = []string{Plain, DigestMD5}
	guest := ClientConfig{Anonymous: true}
	tests := []struct {
		name    string
		offered string
		cfg     ClientConfig
		want    string
	}{
		{"strongest hash", "PLAIN SCRAM-SHA-1 SCRAM-SHA-256", secure, SCRAMSHA256},
		{"bound before unbound", "SCRAM-SHA-512 SCRAM-SHA-1 SCRAM-SHA-1-PLUS", bound, SCRAMSHA1Plus},
		{"TLS 1.3 and no type announced", "SCRAM-SHA-512 SCRAM-SHA-1 SCRAM-SHA-1-PLUS", secure, SCRAMSHA512},
		{"no binding without TLS", "SCRAM-SHA-1 SCRAM-SHA-1-PLUS", password, SCRAMSHA1},
		{"certificate first", "SCRAM-SHA-512-PLUS EXTERNAL", withCert, External},
		{"certificate not wanted", "SCRAM-SHA-512 EXTERNAL", secure, SCRAMSHA512},
		{"SCRAM before a token", "OAUTHBEARER SCRAM-SHA-1", withToken, SCRAMSHA1},
		{"only a token", "OAUTHBEARER SCRAM-SHA-1 PLAIN", onlyToken, OAuthBearer},
		{"CORE-10.3-1 DIGEST-MD5 before PLAIN", "PLAIN DIGEST-MD5", secure, DigestMD5},
		{"PLAIN at last", "PLAIN", secure, Plain},
		{"CORE-5.1.2-5 no DIGEST-MD5 without TLS", "PLAIN DIGEST-MD5", password, ""},
		{"PLAIN without TLS by option", "PLAIN", open, Plain},
		{"DIGEST-MD5 without TLS by option", "PLAIN DIGEST-MD5", open, DigestMD5},
		{"SCRAM without TLS", "PLAIN SCRAM-SHA-1", password, SCRAMSHA1},
		{"refused by configuration", "PLAIN DIGEST-MD5", pinned, ""},
		{"anonymous", "ANONYMOUS PLAIN", guest, Anonymous},
		{"anonymous not asked for", "ANONYMOUS", secure, ""},
		{"nothing known", "CRAM-MD5 GSSAPI", secure, ""},
		{"nothing", "", secure, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			offered := strings.Fields(tt.offered)
			name, c, err := Choose(offered, tt.cfg)
			if name != tt.want || (err == nil) != (tt.want != "") || (c == nil) != (err != nil) {
				t.Fatalf("chose %q, %v; want %q", name, err, tt.want)
			}
			if err == nil {
				return
			}
			var ce *ChoiceError
			if !errors.As(err, &ce) || len(ce.Refusals) != len(offered) {
				t.Fatalf("error %v", err)
			}
			for i, r := range ce.Refusals {
				if r.Mechanism != offered[i] || r.Err == nil || !strings.Contains(err.Error(), offered[i]) || !errors.Is(err, r.Err) {
					t.Errorf("refusal of %s: %+v", offered[i], r)
				}
			}
		})
	}
	_, _, err := Choose([]string{"PLAIN", "X-TOKEN"}, password)
	if want := `sasl: no usable mechanism among those offered: "PLAIN" needs TLS; "X-TOKEN" is not known here`; err == nil || err.Error() != want {
		t.Errorf("error %v", err)
	}
	if _, _, err := Choose(nil, password); err == nil || err.Error() != "sasl: the server offers no mechanism" {
		t.Errorf("error %v", err)
	}
	for _, name := range []string{"CRAM-MD5", Plain, SCRAMSHA1Plus, External, Anonymous, OAuthBearer} {
		if c, err := NewClient(name, password); err == nil || c != nil || !strings.Contains(err.Error(), name) {
			t.Errorf("NewClient(%s): %v", name, err)
		}
	}
}

// XEP-0440 section 3: what announcements allow, and what shows an attacker.
func TestAnnouncements(t *testing.T) {
	tls13 := &exampleChannel(t, tls.VersionTLS13).client
	tls12 := &exampleChannel(t, tls.VersionTLS12).client
	both := "SCRAM-SHA-1 SCRAM-SHA-1-PLUS"
	tests := []struct {
		name    string
		tls     *tls.ConnectionState
		sasl2   bool
		offered string
		types   string
		want    string // how the first message begins; empty: downgrade
	}{
		{"rule 2: no channel", nil, false, both, "tls-exporter", "n,,"},
		{"rule 3: nothing announced", tls13, false, "SCRAM-SHA-1", "", "y,,"},
		{"rule 3: nothing announced, SASL2", tls13, true, "SCRAM-SHA-1", "", "y,,"},
		{"rule 4: mechanisms without types, SASL2", tls13, true, both, "", ""},
		{"rule 4: mechanisms without types, none by default", tls13, false, both, "", "n,,"},
		{"rule 4: the default of TLS 1.2", tls12, false, both, "", "p=tls-unique,,"},
		{"rule 5: types without mechanisms", tls13, false, "SCRAM-SHA-1", "tls-exporter", ""},
		{"rule 5: types without mechanisms, SASL2", tls13, true, "SCRAM-SHA-1", "tls-exporter", ""},
		{"rule 5: types and nothing but PLAIN", tls13, false, "PLAIN", "tls-exporter", "\x00juliet\x00"},
		{"rule 5: types and nothing but PLAIN, SASL2", tls13, true, "PLAIN", "tls-exporter", ""},
		{"rule 5: no channel here", nil, true, "SCRAM-SHA-1", "tls-exporter", "n,,"},
		{"rule 6: none in common, but the common one", tls13, false, both, "tls-moon tls-unique", "n,,"},
		{"rule 7: the stronger one", tls12, true, both, "tls-server-end-point tls-exporter", "p=tls-exporter,,"},
		{"rule 7: the common one", tls13, true, both, "tls-server-end-point tls-unique", "p=tls-server-end-point,,"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := ClientConfig{Username: "juliet", Password: "x", TLS: tt.tls, SASL2: tt.sasl2, BindingTypes: strings.Fields(tt.types)}
			_, c, err := Choose(strings.Fields(tt.offered), cfg)
			if tt.want == "" {
				if !errors.Is(err, ErrDowngrade) {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if first, err := c.Start(); err != nil || !bytes.HasPrefix(first, []byte(tt.want)) {
				t.Errorf("first message %q, want %q (%v)", first, tt.want, err)
			}
		})
	}
	// A certificate needs no protection by SCRAM.
	cfg := ClientConfig{External: true, TLS: tls13, BindingTypes: []string{TLSExporter}, SASL2: true}
	if name, _, err := Choose([]string{External}, cfg); name != External || err != nil {
		t.Errorf("%s %v", name, err)
	}
}

// XEP-0474: whatever an attacker takes from or adds to the lists is noticed.
func TestDowngradeProtection(t *testing.T) {
	ch := exampleChannel(t, tls.VersionTLS12)
	honest := ch.serverConfig(newAccounts().server())
	honest.Offered = Mechanisms(honest)
	plain := newAccounts().server()
	plain.Offered = Mechanisms(plain)
	tests := []struct {
		name    string
		server  ServerConfig
		tls     *tls.ConnectionState
		offered []string
		types   []string
		want    error
	}{
		{"untouched", honest, &ch.client, honest.Offered, honest.BindingTypes, nil},
		{"untouched, other order", honest, &ch.client, reversed(honest.Offered), reversed(honest.BindingTypes), nil},
		{"untouched without TLS", plain, nil, plain.Offered, nil, nil},
		{"strongest hash removed", plain, nil, without(plain.Offered, SCRAMSHA512), nil, ErrDowngrade},
		{"mechanism added", plain, nil, append(without(plain.Offered), "X-NEW"), nil, ErrDowngrade},
		{"weaker bound one forced", honest, &ch.client, without(honest.Offered, SCRAMSHA512Plus, SCRAMSHA256Plus), honest.BindingTypes, ErrDowngrade},
		{"binding type removed", honest, &ch.client, honest.Offered, []string{TLSServerEndPoint}, ErrDowngrade},
		{"binding types replaced", honest, &ch.client, honest.Offered, []string{"tls-moon"}, ErrDowngrade},
		{"announcement removed", honest, &ch.client, honest.Offered, nil, ErrDowngrade},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ccfg := clientFor(SCRAMSHA1)
			ccfg.TLS, ccfg.BindingTypes = tt.tls, tt.types
			name, c, err := Choose(tt.offered, ccfg)
			if err != nil {
				t.Fatal(err)
			}
			_, cerr, serr := converse(c, mustServer(t, name, tt.server))
			if !errors.Is(cerr, tt.want) || serr != nil {
				t.Errorf("client %v, server %v, want %v", cerr, serr, tt.want)
			}
		})
	}
}

func reversed(names []string) []string {
	out := make([]string, 0, len(names))
	for i := range names {
		out = append(out, names[len(names)-1-i])
	}
	return out
}

// An attacker who forges the hash is found by the proof, which is over it.
func TestForgedHash(t *testing.T) {
	scfg := newAccounts().server()
	ccfg := clientFor(SCRAMSHA256)
	ccfg.Offered = []string{SCRAMSHA256}
	c, s := mustClient(t, SCRAMSHA256, ccfg), mustServer(t, SCRAMSHA256, scfg)
	first, _ := c.Start()
	ch, _, err := s.Next(context.Background(), first)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(ch, []byte(",h="))
	final, err := c.Next([]byte(string(ch[:at]) + ",h=" + offerHash(crypto.SHA256, ccfg.Offered, nil)))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Next(context.Background(), final)
	wantCondition(t, err, NotAuthorized)
}

// XEP-0474 section 7, new rule 6: with no binding type in common and not even
// tls-server-end-point announced, the server's hash decides.
func TestHashRequired(t *testing.T) {
	ch := exampleChannel(t, tls.VersionTLS13)
	for _, protect := range []bool{true, false} {
		scfg := ch.serverConfig(newAccounts().server())
		offered := Mechanisms(scfg)
		scfg.Offered, scfg.BindingTypes, scfg.NoDowngradeProtection = offered, []string{"tls-moon"}, !protect
		ccfg := clientFor(SCRAMSHA1)
		ccfg.TLS, ccfg.BindingTypes = &ch.client, scfg.BindingTypes
		name, c, err := Choose(offered, ccfg)
		if err != nil || name != SCRAMSHA512 {
			t.Fatal(name, err)
		}
		_, cerr, serr := converse(c, mustServer(t, name, scfg))
		if serr != nil || protect && cerr != nil || !protect && !errors.Is(cerr, ErrDowngrade) {
			t.Errorf("hash sent %v: client %v, server %v", protect, cerr, serr)
		}
	}
}

// XEP-0515: both ends must speak the same version of TLS.
func TestTLSVersionDowngrade(t *testing.T) {
	cert := selfSigned(t, "example.org", ecdsaKey(t), 0)
	toClient, toServer := newChannel(t, tls.VersionTLS12, cert), newChannel(t, tls.VersionTLS13, cert)
	scfg := toServer.serverConfig(newAccounts().server())
	ccfg := clientFor(SCRAMSHA1)
	ccfg.TLS, ccfg.BindingTypes = &toClient.client, []string{TLSServerEndPoint}
	_, cerr, serr := converse(mustClient(t, SCRAMSHA1Plus, ccfg), mustServer(t, SCRAMSHA1Plus, scfg))
	if !errors.Is(cerr, ErrDowngrade) || serr != nil {
		t.Errorf("client %v, server %v", cerr, serr)
	}
	for _, twice := range []string{"h=a,h=a", "t=0303,t=0303"} {
		c := mustClient(t, SCRAMSHA1, ClientConfig{Username: "u", Password: "p"}).(*scramClient)
		c.nonce = "abc"
		c.Start()
		if _, err := c.Next([]byte("r=abcd,s=QSXCR+Q6sek8bf92,i=4096," + twice)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", twice, err)
		}
	}
}
