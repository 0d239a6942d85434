package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

// ready is the ready server, as a process of its own.
type ready struct {
	clients, components string // where it listens
	trust               *tls.Config
}

var listening = regexp.MustCompile(`msg=listening for=(STARTTLS|components) addr=(\S+)`)

// startReady builds examples/server and runs it until the test ends.
func startReady(t *testing.T, flags ...string) (r ready) {
	t.Helper()
	dir := t.TempDir()
	path, data := filepath.Join(dir, "server"), filepath.Join(dir, "data")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../server").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(path, append([]string{"-data", data, "-listen", "127.0.0.1:0", "-listen-component", "127.0.0.1:0",
		"-listen-tls", "", "-listen-s2s", ""}, flags...)...)
	stdout, err1 := cmd.StdoutPipe()
	stderr, err2 := cmd.StderrPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewScanner(stderr)
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		for log.Scan() {
			t.Log(log.Text())
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	for (r.clients == "" || r.components == "") && log.Scan() {
		switch m := listening.FindStringSubmatch(log.Text()); {
		case m == nil:
			t.Log(log.Text())
		case m[1] == "components":
			r.components = m[2]
		default:
			r.clients = m[2]
		}
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("got %q, %v, want ready", line, err)
	}
	pem, err := os.ReadFile(filepath.Join(data, "cert.pem"))
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate: %v", err)
	}
	r.trust = &tls.Config{RootCAs: roots}
	return r
}

// client returns a client of the server that is logged in.
func (r ready) client(t *testing.T, account, password string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{
		JID: jid.MustParse(account), Password: password, TLS: r.trust, Dialer: &stream.Dialer{Addr: r.clients},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", account, err)
		}
	})
	if err := c.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// start runs the program until the test ends. Lines are what it prints.
func start(t *testing.T, addr string, service jid.JID) (lines *bufio.Scanner) {
	t.Helper()
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-addr", addr, service.String(), "s3cret"}, w) }()
	t.Cleanup(func() {
		r.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return bufio.NewScanner(r)
}

// enable waits until the service is there, looks what it says it is, and has a phone say
// by which node it is to be woken.
func enable(t *testing.T, phone *client.Client, service jid.JID, node string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		info, err := disco.GetInfo(t.Context(), phone, service, "")
		if err == nil {
			if !info.Is("pubsub", "push") || !info.Has(push.NS) {
				t.Errorf("the service is %+v", info)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if ok, err := disco.Supports(t.Context(), phone, phone.LocalAddr().Bare(), push.NS); !ok || err != nil {
		t.Errorf("the account has notifications: %v, %v", ok, err)
	}
	if err := push.Enable(t.Context(), phone, push.Registration{Service: service, Node: node}); err != nil {
		t.Fatal(err)
	}
}

// TestPush: a phone has said where it is to be woken, and has gone; a message comes. All
// of it is through the ready server.
func TestPush(t *testing.T) {
	service := jid.MustParse("push.localhost")
	r := startReady(t, "-user", "juliet:r0m30", "-user", "romeo:jul13t", "-component", service.String()+"=s3cret")
	lines := start(t, r.components, service)
	phone := r.client(t, "juliet@localhost/phone", "r0m30")
	enable(t, phone, service, "juliets-phone")
	phone.Close()
	romeo := r.client(t, "romeo@localhost/orchard", "jul13t")
	err := xmpp.Send(t.Context(), romeo, &stanza.Message{
		To: jid.MustParse("juliet@localhost"), Type: stanza.TypeChat, Body: "Lady, by yonder blessed moon I swear",
	})
	if err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() {
		t.Fatal(lines.Err())
	}
	if want := "wake juliets-phone: 1 new messages, says localhost"; lines.Text() != want {
		t.Errorf("got %q, want %q", lines.Text(), want)
	}
}

// watched is a store that says when it has changed.
type watched struct {
	push.Store
	changed chan struct{}
}

func (w watched) UpdateDevices(ctx context.Context, account jid.JID, fn func(*push.Devices) error) error {
	defer func() { w.changed <- struct{}{} }()
	return w.Store.UpdateDevices(ctx, account, fn)
}

// TestUnknown: a device that the service does not know is forgotten.
func TestUnknown(t *testing.T) {
	service := jid.MustParse("push.example.org")
	store := watched{memory.New().Push(), make(chan struct{}, 1)}
	s := xmpptest.NewServer(t, func(c *server.Config) {
		c.Components = &server.Components{Known: map[string]server.Component{service.String(): {Secret: "s3cret"}}}
		c.Extensions = []xmpp.Extension{&push.Server{Store: store}, new(disco.Extension)}
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
	start(t, l.Addr().String(), service)
	phone := s.Client("juliet/phone", nil)
	enable(t, phone, service, "")
	<-store.changed
	phone.Close()
	juliet := phone.LocalAddr().Bare()
	if err := xmpp.Send(t.Context(), s.Client("romeo/orchard", nil), &stanza.Message{To: juliet, Body: "x"}); err != nil {
		t.Fatal(err)
	}
	<-store.changed
	if all, err := store.Devices(t.Context(), juliet); len(all) != 0 || err != nil {
		t.Fatalf("%+v, %v", all, err)
	}
}

func TestRunFails(t *testing.T) {
	for _, args := range [][]string{{}, {"a"}, {"a", "b", "c"}, {"@", "b"}, {"-x"}, {"a.example/b", "c"}} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if err := run(ctx, args, io.Discard); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", strings.Join(args, " "), err)
		}
		cancel()
	}
}
