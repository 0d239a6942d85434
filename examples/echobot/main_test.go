package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/examples/internal/markdown"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/xmpptest"
)

// listen starts a server on a port, and returns it with the address and the
// file with its certificate.
func listen(t *testing.T) (s *xmpptest.Server, addr, ca string) {
	t.Helper()
	dir := t.TempDir()
	crt, err := server.SelfSignedIn(dir, "localhost")
	if err != nil {
		t.Fatal(err)
	}
	s = xmpptest.NewServer(t, func(c *server.Config) {
		c.Domains = []string{"localhost"}
		c.TLS = &tls.Config{Certificates: []tls.Certificate{crt}}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		l.Close()
		<-served
	})
	return s, l.Addr().String(), filepath.Join(dir, "cert.pem")
}

func TestEcho(t *testing.T) {
	s, addr, ca := listen(t)
	// Another resource of the bot's account learns of the bot, and asks it.
	came, answers := make(chan jid.JID, 10), make(chan *stanza.Message, 10)
	mux := new(xmpp.Mux)
	mux.OnPresence(func(_ context.Context, _ xmpp.Sender, p *stanza.Presence) error {
		if p.Type == stanza.TypeAvailable {
			came <- p.From
		}
		return nil
	})
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) error {
		answers <- msg
		return nil
	})
	watcher := s.Client("romeo/watcher", mux)
	if own := <-came; own != watcher.LocalAddr() {
		t.Fatalf("presence of %s", own)
	}

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-addr", addr, "-ca", ca, "romeo@localhost", xmpptest.Password}) }()
	bot := <-came
	for _, body := range []string{"hello", "<&> ☎"} {
		err := xmpp.Send(t.Context(), watcher, &stanza.Message{To: bot, Type: stanza.TypeChat, Thread: "t1", Body: body})
		if err != nil {
			t.Fatal(err)
		}
		got := <-answers
		if got.Body != body || got.From != bot || got.Thread != "t1" || got.Type != stanza.TypeChat {
			t.Errorf("%q is answered with %+v", body, got)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestRunErrors(t *testing.T) {
	_, addr, ca := listen(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no arguments", nil, "usage: "},
		{"no password", []string{"romeo@localhost"}, "usage: "},
		{"bad flag", []string{"-server", addr}, "flag provided but not defined: -server"},
		{"bad address", []string{"@localhost", "x"}, "jid: "},
		{"no file", []string{"-ca", empty + "2", "romeo@localhost", "x"}, "no such file"},
		{"no certificate in it", []string{"-ca", empty, "romeo@localhost", "x"}, "empty.pem: no certificate"},
		{"not trusted", []string{"-addr", addr, "romeo@localhost", "x"}, "certificate"},
		{"empty password", []string{"-addr", addr, "romeo@localhost", ""}, "nothing to authenticate with"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := run(t.Context(), tt.args); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
	t.Run("wrong password", func(t *testing.T) {
		err := run(t.Context(), []string{"-addr", addr, "-ca", ca, "romeo@localhost", "x"})
		if !errors.Is(err, sasl.NotAuthorized) {
			t.Errorf("got %v, want not-authorized", err)
		}
	})
}

// TestDocumentedCommands: the commands in the documents have flags that exist.
func TestDocumentedCommands(t *testing.T) {
	n := 0
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range markdown.Commands(t) {
		if len(c.Args) < 3 || strings.Join(c.Args[:3], " ") != "go run ./examples/echobot" {
			continue
		}
		n++
		// The file is not there, which is found out after the flags.
		if err := run(ctx, c.Args[3:]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %q: %v", c.File, c.Args, err)
		}
	}
	if n == 0 {
		t.Error("no document says how to start the bot")
	}
}
