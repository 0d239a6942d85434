package docs_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/examples/internal/markdown"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

func newServer(ctx context.Context, crt tls.Certificate) (*server.Server, error) {
	accounts := new(memory.Accounts)
	if err := accounts.SetPassword(ctx, jid.MustParse("juliet@example.org"), "r0m30"); err != nil {
		return nil, err
	}
	s, err := server.New(server.Config{
		Domains:    []string{"example.org"},
		Accounts:   accounts,
		TLS:        &tls.Config{Certificates: []tls.Certificate{crt}},
		Extensions: []xmpp.Extension{&ping.Extension{}},
		Log:        slog.Default(),
	})
	return s, err
}

// logIn logs in, runs fn, and logs out.
func logIn(t *testing.T, cfg client.Config, fn func(*client.Client)) {
	t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	if err := c.WaitReady(ctx); err != nil {
		t.Errorf("%s: %v", cfg.JID, err)
	} else if fn != nil {
		fn(c)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("%s: %v", cfg.JID, err)
	}
}

func TestServerStarts(t *testing.T) {
	captureLog(t)
	forServer, forClient := xmpptest.TLS(t)
	s, err := newServer(t.Context(), forServer.Certificates[0])
	if err != nil {
		t.Fatal(err)
	}
	var addrs []string
	var listeners []net.Listener
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners, addrs = append(listeners, l), append(addrs, l.Addr().String())
	}
	starttls, directTLS, ctx := listeners[0], listeners[1], t.Context()
	go s.Serve(ctx, starttls)     // usually on port 5222: STARTTLS
	go s.ServeTLS(ctx, directTLS) // usually on port 5223: TLS from the first byte

	cfg := client.Config{JID: jid.MustParse("juliet@example.org"), Password: "r0m30", TLS: forClient}
	pingServer := func(c *client.Client) {
		if err := ping.Ping(t.Context(), c, jid.JID{}); err != nil {
			t.Error(err)
		}
	}
	for i, mode := range []stream.DialMode{stream.DialSTARTTLS, stream.DialDirectTLS} {
		cfg.Dialer = &stream.Dialer{Addr: addrs[i], Mode: mode}
		logIn(t, cfg, pingServer)
	}
	cfg.Dial = func(context.Context) (stream.Transport, error) { return s.Pipe(), nil }
	logIn(t, cfg, pingServer)

	shutdown := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			log.Printf("not all clients have closed their streams: %v", err)
		}
	}
	shutdown()
	for _, addr := range addrs {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			t.Errorf("%s is still open", addr)
		}
	}
}

// TestShutdownReports: a client that does not close its stream is told of.
func TestShutdownReports(t *testing.T) {
	logged := captureLog(t)
	synctest.Test(t, func(t *testing.T) {
		s := xmpptest.NewServer(t)
		cfg := s.ClientConfig("juliet", nil)
		cfg.AllowPlaintext = true
		cfg.Dial = func(context.Context) (stream.Transport, error) {
			return stream.NewTransport(xmpptest.NewFaultConn(s.Pipe(), xmpptest.StallReadAfter(10_000))), nil
		}
		c, err := client.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- c.Run(t.Context()) }()
		if err := c.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The client does not read to the end what it gets, nor what follows.
		send(t, c, c.LocalAddr(), strings.Repeat("x", 10_000))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			log.Printf("not all clients have closed their streams: %v", err)
		}
		c.Close()
		<-done
	})
	if got := logged.String(); !strings.Contains(got, "not all clients have closed their streams: context deadline exceeded") {
		t.Errorf("logged %q", got)
	}
}

// users stands for your database.
type users map[jid.JID]map[crypto.Hash]sasl.SCRAMKeys

func (u users) Credentials(domain string) sasl.Credentials {
	return sasl.Credentials{SCRAM: func(ctx context.Context, user string, h crypto.Hash) (sasl.SCRAMKeys, error) {
		account, err := jid.New(user, domain, "")
		keys, ok := u[account][h]
		if err != nil || !ok {
			return sasl.SCRAMKeys{}, sasl.ErrUnknownUser
		}
		return keys, nil
	}}
}

func (u users) Exists(ctx context.Context, account jid.JID) (bool, error) {
	_, ok := u[account]
	return ok, nil
}

func TestServerUsers(t *testing.T) {
	juliet := jid.MustParse("juliet@example.org")
	u := users{juliet: {}}
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA1} {
		keys, err := sasl.NewSCRAMKeys(h, "r0m30", 4096)
		if err != nil {
			t.Fatal(err)
		}
		u[juliet][h] = keys
	}
	s := xmpptest.NewServer(t, func(c *server.Config) { c.Accounts = u })
	cfg := client.Config{JID: juliet, Password: "r0m30"}
	cfg.Dial = func(context.Context) (stream.Transport, error) { return s.Pipe(), nil }
	for _, refuse := range [][]string{{sasl.SCRAMSHA1, sasl.Plain}, {sasl.SCRAMSHA256, sasl.Plain}, {sasl.SCRAMSHA256, sasl.SCRAMSHA1}} {
		cfg.SASL.Refuse = refuse
		logIn(t, cfg, nil)
	}
	cfg.JID = jid.MustParse("romeo@example.org")
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); !errors.Is(err, sasl.NotAuthorized) {
		t.Errorf("an unknown user: %v", err)
	}
	if ok, err := u.Exists(t.Context(), juliet); !ok || err != nil {
		t.Errorf("Exists: %v, %v", ok, err)
	}
}

// TestServerUsersByPassword: with VerifyFunc, PLAIN is all there is.
func TestServerUsersByPassword(t *testing.T) {
	s := xmpptest.NewServer(t, func(c *server.Config) {
		c.Accounts = server.VerifyFunc(func(_ context.Context, account jid.JID, password string) error {
			if account.String() != "juliet@example.org" || password != "r0m30" {
				return sasl.NotAuthorized
			}
			return nil
		})
	})
	cfg := client.Config{JID: jid.MustParse("juliet@example.org"), Password: "r0m30"}
	cfg.Dial = func(context.Context) (stream.Transport, error) { return s.Pipe(), nil }
	logIn(t, cfg, nil)
	cfg.SASL.Refuse = []string{sasl.Plain}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	choice, ok := errors.AsType[*sasl.ChoiceError](c.Run(t.Context()))
	if !ok || len(choice.Refusals) != 1 || choice.Refusals[0].Mechanism != sasl.Plain {
		t.Errorf("got %v, want PLAIN alone", choice)
	}
}

func TestServerCertificates(t *testing.T) {
	t.Chdir(t.TempDir())
	crt, err := server.SelfSignedIn("etherx-data", "example.org")
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join("etherx-data", "cert.pem"), filepath.Join("etherx-data", "key.pem")
	config := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		crt, err := tls.LoadX509KeyPair(certFile, keyFile)
		return &crt, err
	}}
	s := xmpptest.NewServer(t, func(c *server.Config) { c.TLS = config })
	addr := listen(t, s.ServeTLS)
	serial := func() string {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"xmpp-client"}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	if got := serial(); got != crt.Leaf.SerialNumber.String() {
		t.Errorf("certificate %s, want %s", got, crt.Leaf.SerialNumber)
	}
	if err := os.RemoveAll("etherx-data"); err != nil {
		t.Fatal(err)
	}
	if crt, err = server.SelfSignedIn("etherx-data", "example.org"); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != crt.Leaf.SerialNumber.String() {
		t.Errorf("certificate %s after it was renewed, want %s", got, crt.Leaf.SerialNumber)
	}
}

// Uptime answers how long the host has been running (XEP-0012).
type Uptime struct{ Started time.Time }

type lastQuery struct {
	XMLName xml.Name `xml:"jabber:iq:last query"`
	Seconds int      `xml:"seconds,attr"`
}

func (u *Uptime) Attach(h xmpp.Host) error {
	xmpp.HandleIQ(h.Mux(), stanza.TypeGet, func(ctx context.Context, r xmpp.Request[lastQuery]) (any, error) {
		return lastQuery{Seconds: int(time.Since(u.Started).Seconds())}, nil
	})
	return nil
}

func TestServerServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := xmpptest.NewServer(t, func(c *server.Config) { c.Extensions = []xmpp.Extension{&Uptime{time.Now()}} })
		mux := new(xmpp.Mux)
		mux.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
			reply := msg.Reply("There is no subscriber " + msg.To.Local() + ".")
			reply.From = msg.To
			return xmpp.Send(ctx, s, reply)
		})
		gateway, err := s.Local(jid.MustParse("sms.example.org"), mux)
		if err != nil {
			t.Fatal(err)
		}
		defer gateway.Close()

		inbox, messages := inbox()
		cfg := s.ClientConfig("juliet", inbox)
		cfg.Extensions = []xmpp.Extension{&Uptime{time.Now().Add(-time.Hour)}}
		juliet := s.Start(cfg)
		to := jid.MustParse("5551212@sms.example.org")
		send(t, juliet, to, "hello")
		if msg := <-messages; msg.From != to || msg.Body != "There is no subscriber 5551212." {
			t.Errorf("got %+v", msg)
		}
		time.Sleep(90 * time.Second)
		for who, want := range map[jid.JID]int{{}: 90, s.LocalAddr(): 90, juliet.LocalAddr(): 3690} {
			got, err := xmpp.Call[lastQuery](t.Context(), juliet, stanza.TypeGet, who, lastQuery{})
			if got.Seconds != want || err != nil {
				t.Errorf("%q: %+v, %v, want %d", who, got, err, want)
			}
		}
	})
}

// size writes a number as the documents do.
func size(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprint(n)
}

// checkLimits compares the table of limits in a document with what it is to be.
func checkLimits(t *testing.T, file string, want map[string]string) {
	t.Helper()
	for _, row := range markdown.Tables(t, file, "setting", "default", "what it bounds") {
		name := strings.Trim(row[0], "`")
		if def, ok := want[name]; !ok || row[1] != def {
			t.Errorf("%s: %q, want %q", name, row[1], def)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s is missing in the table", name)
	}
}

// TestDocumentedLimits compares the table with the constants.
func TestDocumentedLimits(t *testing.T) {
	checkLimits(t, "docs/server.md", map[string]string{
		"MaxConns": size(server.DefaultMaxConns), "MaxResources": size(server.DefaultMaxResources),
		"MaxTries": size(stream.DefaultMaxTries), "Rate": size(server.DefaultRate), "Burst": size(server.DefaultBurst),
		"RequestTimeout":            server.DefaultRequestTimeout.String(),
		"Stream.NegotiationTimeout": stream.DefaultNegotiationTimeout.String(),
		"Stream.StanzaTimeout":      stream.DefaultStanzaTimeout.String(),
		"Stream.WriteTimeout":       stream.DefaultWriteTimeout.String(),
		"Stream.MaxStanza":          size(stream.DefaultMaxStanza),
		"Stream.MaxDetached":        size(stream.DefaultMaxDetached),
		"KeepAlive":                 server.DefaultKeepAlive.String(),
		"PingTimeout":               server.DefaultPingTimeout.String(),
		"AckTimeout":                server.DefaultAckTimeout.String(),
		"ResumeTimeout":             server.DefaultResumeTimeout.String(),
		"MaxResumable":              size(server.DefaultMaxResumable),
		"Stream.MaxUnauthenticated": size(stream.DefaultMaxUnauthenticated),
		"Stream.MaxOutbox":          size(stream.DefaultMaxOutbox),
	})
}
