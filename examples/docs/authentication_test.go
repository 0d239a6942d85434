package docs_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/examples/internal/markdown"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

// house is a house with tokens, certificates and guests.
type house struct{ tokens map[string]string }

func (h *house) Exists(context.Context, jid.JID) (bool, error) { return true, nil }

func (h *house) Credentials(domain string) sasl.Credentials {
	return sasl.Credentials{
		Token: func(ctx context.Context, authzid, token string) (user string, err error) {
			user, ok := h.tokens[token]
			if !ok {
				return "", &sasl.TokenError{Status: "invalid_token"}
			}
			return user, nil
		},
		External: func(ctx context.Context, authzid string, state *tls.ConnectionState) (user string, err error) {
			return state.PeerCertificates[0].Subject.CommonName, nil
		},
		Anonymous: func(ctx context.Context, trace string) (user string, err error) {
			return "guest-" + rand.Text(), nil
		},
	}
}

func TestAuthenticationWithoutPassword(t *testing.T) {
	config, trust := xmpptest.TLS(t)
	own, err := server.SelfSigned("juliet") // its common name is juliet
	if err != nil {
		t.Fatal(err)
	}
	houseCA := x509.NewCertPool()
	houseCA.AddCert(own.Leaf)
	config.ClientAuth = tls.VerifyClientCertIfGiven
	config.ClientCAs = houseCA
	s := xmpptest.NewServer(t, func(c *server.Config) {
		c.Accounts = &house{map[string]string{"t0k3n": "juliet"}}
		c.TLS = config
	})
	dialer := &stream.Dialer{Addr: listen(t, s.Serve)}

	juliet, token := jid.MustParse("juliet@example.org"), "t0k3n"
	withToken := client.Config{JID: juliet, SASL: sasl.ClientConfig{Token: token}}
	withCertificate := client.Config{
		JID:  juliet,
		SASL: sasl.ClientConfig{External: true},
		TLS:  &tls.Config{Certificates: []tls.Certificate{own}},
	}
	guest := client.Config{JID: jid.MustParse("example.org"), SASL: sasl.ClientConfig{Anonymous: true}}

	withToken.TLS, guest.TLS, withCertificate.TLS.RootCAs = trust, trust, trust.RootCAs
	for _, tt := range []struct {
		cfg  client.Config
		want string // what the address begins with
	}{{withToken, "juliet@example.org/"}, {withCertificate, "juliet@example.org/"}, {guest, "guest-"}} {
		tt.cfg.Dialer = dialer
		logIn(t, tt.cfg, func(c *client.Client) {
			if got := c.LocalAddr().String(); !strings.HasPrefix(got, tt.want) {
				t.Errorf("logged in as %s, want %s...", got, tt.want)
			}
		})
	}

	wrong := withToken
	wrong.Dialer, wrong.SASL.Token = dialer, "wrong"
	c, err := client.New(wrong)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); !errors.Is(err, sasl.NotAuthorized) {
		t.Errorf("with a wrong token: %v", err)
	}
}

func TestAuthenticationWithKeys(t *testing.T) {
	s := xmpptest.NewServer(t)
	cfg := s.ClientConfig("juliet", nil)
	var saved []sasl.ClientKeys
	cfg.SASL.Refuse = []string{sasl.Plain, sasl.DigestMD5}
	cfg.SASL.SaveKeys = func(k sasl.ClientKeys) {
		saved = append(saved, k) // put it where the system keeps secrets
	}
	logIn(t, cfg, nil)
	if len(saved) != 1 {
		t.Fatalf("%d keys were saved", len(saved))
	}
	cfg.Password, cfg.SASL.Keys = "", saved
	logIn(t, cfg, nil)
}

func TestAuthenticationRefused(t *testing.T) {
	s := xmpptest.NewServer(t)
	cfg := s.ClientConfig("juliet", nil)
	cfg.Password, cfg.SASL.Token = "", "t0k3n"
	bot, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	text, _ := capture(t, func() error {
		err := bot.Run(ctx)
		if choice, ok := errors.AsType[*sasl.ChoiceError](err); ok {
			for _, r := range choice.Refusals {
				fmt.Println(r.Mechanism, r.Err)
			}
		}
		return nil
	})
	want := `SCRAM-SHA-256 needs a user name and a password or saved keys
SCRAM-SHA-1 needs a user name and a password or saved keys
PLAIN needs a user name and a password
`
	if text != want {
		t.Errorf("got %q, want %q", text, want)
	}
}

// TestAuthenticationByToken: the first log-in is by the password, the second, in another
// process, by the token.
func TestAuthenticationByToken(t *testing.T) {
	config, trust := xmpptest.TLS(t)
	stores := memory.New()
	s := xmpptest.NewServer(t, func(cfg *server.Config) {
		cfg.TLS = config
		cfg.Stores.Tokens = stores.Tokens() // of storage/memory or storage/sql
	})
	cfg := s.ClientConfig("juliet", nil)
	cfg.Dial, cfg.TLS, cfg.Dialer = nil, trust, &stream.Dialer{Addr: listen(t, s.Serve)}
	dir := t.TempDir()
	kept := client.FileStore(filepath.Join(dir, "juliet"))
	cfg.Logins = kept      // the token, in juliet.login
	cfg.Resumptions = kept // the session, if it is to outlive the process
	cfg.UserAgent.Software = "Balcony"
	cfg.Bind2 = true
	cfg.Tag = "Balcony" // the resource begins with it, for all to see
	var resource string
	logIn(t, cfg, func(c *client.Client) { resource = c.LocalAddr().Resource() })
	if !strings.HasPrefix(resource, "Balcony/") {
		t.Errorf("the resource is %s", resource)
	}
	cfg.Password = ""
	logIn(t, cfg, func(c *client.Client) {
		if got := c.LocalAddr().Resource(); got != resource {
			t.Errorf("the resource was %s, and is %s", resource, got)
		}
	})

	if err := stores.Tokens().RemoveTokens(t.Context(), cfg.JID, ""); err != nil {
		t.Fatal(err)
	}
	app, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, ask := t.Context(), func(string) string { return xmpptest.Password }
	err = func() error {
		err := app.Run(ctx)
		if _, ok := errors.AsType[*sasl.ChoiceError](err); ok {
			cfg.Password = ask("Please log in again: ")
		}
		return err
	}()
	if cfg.Password == "" {
		t.Fatalf("nobody was asked: %v", err)
	}
	logIn(t, cfg, nil)
}

func TestAuthenticationUpgrade(t *testing.T) {
	config, trust := xmpptest.TLS(t)
	accounts := &memory.Accounts{Iterations: 4096, Hashes: []crypto.Hash{crypto.SHA1, crypto.SHA256}}
	s := xmpptest.NewServer(t, func(cfg *server.Config) { cfg.TLS, cfg.Accounts = config, accounts })
	s.Accounts = accounts
	cfg := s.ClientConfig("juliet", nil)
	cfg.Dial, cfg.TLS, cfg.Dialer = nil, trust, &stream.Dialer{Addr: listen(t, s.Serve)}
	accounts.Upgrades = []crypto.Hash{crypto.SHA512}
	logIn(t, cfg, nil)
	accounts.Hashes = []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA512}
	cfg.SASL.Refuse = []string{sasl.SCRAMSHA1, sasl.SCRAMSHA1Plus, sasl.SCRAMSHA256, sasl.SCRAMSHA256Plus, sasl.Plain}
	logIn(t, cfg, nil)
}

// TestDocumentedMechanisms compares the table with what the package knows, and
// with what a server offers that has everything.
func TestDocumentedMechanisms(t *testing.T) {
	rows := markdown.Tables(t, "docs/authentication.md", "mechanism", "the client uses it", "the server offers it")
	all := []string{sasl.External, sasl.SCRAMSHA512Plus, sasl.SCRAMSHA256Plus, sasl.SCRAMSHA1Plus, sasl.SCRAMSHA512,
		sasl.SCRAMSHA256, sasl.SCRAMSHA1, sasl.OAuthBearer, sasl.DigestMD5, sasl.Plain, sasl.Anonymous}
	if len(rows) != len(all) {
		t.Errorf("%d mechanisms in the table, want %d", len(rows), len(all))
	}
	// The order of the table is the order in which the client prefers them.
	own := jid.MustParse("juliet@example.org")
	cfg := sasl.ClientConfig{Username: own.Local(), Password: "x", Token: "x", External: true, Anonymous: true, AllowPlaintext: true}
	for i, row := range rows {
		if row[0] != all[i] {
			t.Errorf("row %d is %s, want %s", i, row[0], all[i])
		}
		var rest []string
		for _, r := range rows[i:] {
			if !strings.HasSuffix(r[0], "-PLUS") { // they need a channel
				rest = append(rest, r[0])
			}
		}
		if strings.HasSuffix(row[0], "-PLUS") {
			continue
		}
		if name, _, err := sasl.Choose(rest, cfg); name != row[0] || err != nil {
			t.Errorf("of %q the client takes %s, %v", rest, name, err)
		}
	}
}
