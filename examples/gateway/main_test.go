package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/examples/internal/markdown"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

// listen starts a server that takes the gateway on a port.
func listen(t *testing.T) (s *xmpptest.Server, addr string) {
	t.Helper()
	s = xmpptest.NewServer(t, func(c *server.Config) {
		c.Components = &server.Components{Known: map[string]server.Component{gw.String(): {Secret: "s3cret"}}}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.ServeComponents(context.Background(), l) }()
	t.Cleanup(func() {
		l.Close()
		<-served
	})
	return s, l.Addr().String()
}

// begin runs the command until stop is called, and returns where its chat is.
func begin(t *testing.T, args ...string) (chatAddr string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, args, pw)
		pw.Close()
	}()
	lines := bufio.NewScanner(pr)
	if lines.Scan() {
		if m := regexp.MustCompile(`the chat is here.* addr=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			chatAddr = m[1]
		}
	}
	go io.Copy(io.Discard, pr)
	return chatAddr, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

// waitFor waits until somebody sees something, and passes over the rest.
func (s seen) waitFor(want string) {
	s.t.Helper()
	for {
		select {
		case got := <-s.what:
			if got == want {
				return
			}
		case <-s.t.Context().Done():
			s.t.Fatalf("did not see %q", want)
		}
	}
}

// TestRun: the command with the chat in it, and what it remembers when it is run
// again; somebody talks to the chat by hand.
func TestRun(t *testing.T) {
	s, addr := listen(t)
	juliet := (&world{t: t, server: s}).login("juliet")
	args := []string{"-domain", gw.String(), "-server", addr, "-secret", "s3cret", "-chat", "127.0.0.1:0",
		"-number", "1234567:juliet's", "-number", "765-4321:romeo's", "-data", t.TempDir()}
	for round := range 2 {
		chatAddr, stop := begin(t, args...)
		romeo, err := net.Dial("tcp", chatAddr)
		juliet.must(err)
		hears := bufio.NewReader(romeo)
		say := func(line, answer string) {
			t.Helper()
			fmt.Fprintln(romeo, line)
			if got, err := hears.ReadString('\n'); got != answer+"\n" || err != nil {
				t.Errorf("%s: %q, %v, want %q", line, got, err, answer)
			}
		}
		say("LOGIN 7654321 romeo's", "OK")
		if round == 0 {
			for registered := false; !registered; { // the gateway may not be there yet
				err := register.Register(t.Context(), juliet, gw, account...)
				if registered = err == nil; !registered && t.Context().Err() != nil {
					t.Fatal(err)
				}
			}
			juliet.waitFor("gw.example.org subscribe")
			juliet.must(presence.Approve(t.Context(), juliet, gw))
		}
		juliet.waitFor("gw.example.org available")
		say("SEND 1234567 What light?", "OK")
		juliet.waitFor("7654321@gw.example.org says What light?")
		stop()
		juliet.waitFor("gw.example.org unavailable")
		if rest, err := io.ReadAll(hears); len(rest) != 0 || err != nil {
			t.Errorf("round %d: %q, %v", round, rest, err)
		}
		romeo.Close()
	}
}

func TestRunErrors(t *testing.T) {
	_, addr := listen(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range []struct {
		name string
		args string
		want string
	}{
		{"no secret", "", "usage: "},
		{"something more", "-secret x y", "usage: "},
		{"bad flag", "-host x", "flag provided but not defined: -host"},
		{"bad domain", "-secret x -domain @", "jid: "},
		{"no domain", "-secret x -domain a@b", "component: "},
		{"bad number", "-secret x -number romeo:x", "want number:password"},
		{"no password", "-secret x -number 1234567", "want number:password"},
		{"the port is taken", "-secret x -number 1:x -chat " + taken.Addr().String(), "address already in use"},
		{"no folder", "-secret x -data /dev/null/x", "/dev/null"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := run(t.Context(), strings.Fields(tt.args), io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
	t.Run("wrong secret", func(t *testing.T) {
		err := run(t.Context(), []string{"-secret", "x", "-server", addr, "-domain", gw.String()}, io.Discard)
		if !errors.Is(err, stream.NotAuthorized) {
			t.Errorf("got %v, want not-authorized", err)
		}
	})
	t.Run("without a server", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := run(ctx, []string{"-secret", "x", "-server", l.Addr().String()}, io.Discard); err != nil {
			t.Errorf("got %v", err)
		}
	})
}

// TestDocumentedCommands: the commands in the documents have flags that exist.
func TestDocumentedCommands(t *testing.T) {
	n := 0
	for _, c := range markdown.Commands(t) {
		if len(c.Args) < 3 || strings.Join(c.Args[:3], " ") != "go run ./examples/gateway" {
			continue
		}
		n++
		if _, err := parse(c.Args[3:], io.Discard); err != nil {
			t.Errorf("%s: %q: %v", c.File, c.Args, err)
		}
	}
	if n == 0 {
		t.Error("no document says how to start the gateway")
	}
}
