package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// ready is a server that runs.
type ready struct {
	t              *testing.T
	starttls, tls  string // addresses, "" if there is none
	s2s            string
	stop           context.CancelFunc
	stdout, stderr *buffer
	done           chan error
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var listening = regexp.MustCompile(`msg=listening for="?(STARTTLS|direct TLS|servers)"? addr=(\S+)`)

// start runs the server with these flags, on ports that are free unless the
// flags name some, without federation unless they ask for it, and waits for its
// line.
func start(t *testing.T, flags ...string) *ready {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	pr, pw := io.Pipe()
	r := &ready{t: t, stop: cancel, stdout: new(buffer), stderr: new(buffer), done: make(chan error, 1)}
	args := append([]string{"-listen", "127.0.0.1:0", "-listen-tls", "127.0.0.1:0", "-listen-s2s", ""}, flags...)
	go func() {
		r.done <- run(ctx, args, io.MultiWriter(r.stdout, pw), r.stderr)
		pw.Close()
	}()
	lines := bufio.NewReader(pr)
	if line, err := lines.ReadString('\n'); line != "ready\n" || err != nil {
		t.Fatalf("got %q, %v, want ready; %v", line, err, <-r.done)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		io.Copy(io.Discard, lines)
	}()
	t.Cleanup(func() {
		r.end()
		<-drained
	})
	for _, m := range listening.FindAllStringSubmatch(r.stderr.String(), -1) {
		switch m[1] {
		case "STARTTLS":
			r.starttls = m[2]
		case "servers":
			r.s2s = m[2]
		default:
			r.tls = m[2]
		}
	}
	return r
}

// end stops the server and checks that it has gone well. It may be called
// again.
func (r *ready) end() {
	r.t.Helper()
	r.stop()
	err, first := <-r.done
	if !first {
		return
	}
	close(r.done)
	if err != nil {
		r.t.Errorf("run: %v", err)
	}
	if got := r.stdout.String(); got != "ready\n" {
		r.t.Errorf("on standard output: %q, want exactly one line", got)
	}
}

// trust returns settings that trust the certificate in a data folder.
func trust(t *testing.T, data string) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(data, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in cert.pem")
	}
	return &tls.Config{RootCAs: roots}
}

// config returns the settings of a client for the server.
func (r *ready) config(account, password string, direct bool, trust *tls.Config) client.Config {
	d := &stream.Dialer{Addr: r.starttls}
	if direct {
		d = &stream.Dialer{Addr: r.tls, Mode: stream.DialDirectTLS}
	}
	return client.Config{JID: jid.MustParse(account), Password: password, Dialer: d, TLS: trust}
}

// login logs in and stays until the test ends, or the server stops.
func login(t *testing.T, cfg client.Config) *client.Client {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cfg.Backoff = func(int) time.Duration { cancel(); return 0 } // once is enough
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("client %s: %v", cfg.JID, err)
		}
	})
	if err := c.WaitReady(ctx); err != nil {
		t.Fatalf("%s cannot log in: %v", cfg.JID, err)
	}
	return c
}

// refused tries to log in and returns why that is not possible.
func refused(t *testing.T, cfg client.Config) error {
	t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err = c.Run(t.Context()); err == nil {
		t.Fatalf("%s could log in", cfg.JID)
	}
	return err
}

// TestRun is the promise of the README: one command, and two people talk.
func TestRun(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	r := start(t, "-data", data, "-user", "juliet:r0m30", "-user", "romeo:jul13t")
	trust := trust(t, data)
	messages := make(chan *stanza.Message, 1)
	mux := new(xmpp.Mux)
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) error {
		messages <- msg
		return nil
	})
	down := make(chan error, 1)
	cfg := r.config("romeo@localhost/orchard", "jul13t", true, trust)
	cfg.Handler = mux
	cfg.OnDown = func(_ xmpp.Sender, reason error) { down <- reason }
	login(t, cfg)
	juliet := login(t, r.config("juliet@localhost/balcony", "r0m30", false, trust))

	if err := xmpp.Send(t.Context(), juliet, &stanza.Message{To: cfg.JID, Body: "wherefore art thou"}); err != nil {
		t.Fatal(err)
	}
	if msg := <-messages; msg.From != juliet.LocalAddr() || msg.Body != "wherefore art thou" {
		t.Errorf("got %+v", msg)
	}
	if err := ping.Ping(t.Context(), juliet, jid.JID{}); err != nil {
		t.Errorf("ping of the server: %v", err)
	}
	if err := refused(t, r.config("juliet@localhost", "wrong", false, trust)); !errors.Is(err, sasl.NotAuthorized) {
		t.Errorf("a wrong password: %v", err)
	}

	r.end() // in order: the clients are told why
	if err := <-down; !errors.Is(err, stream.SystemShutdown) {
		t.Errorf("romeo's session ended with %v", err)
	}
	if strings.Contains(r.stderr.String(), "r0m30") {
		t.Error("a password is in the log")
	}
	if c, err := net.Dial("tcp", r.starttls); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

// TestRunTwice: the certificate is made once, and a client that trusts it trusts
// the next start too.
func TestRunTwice(t *testing.T) {
	data := t.TempDir()
	start(t, "-data", data).end()
	first, err := os.ReadFile(filepath.Join(data, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.Stat(filepath.Join(data, "key.pem"))
	if err != nil || key.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", key.Mode(), err)
	}
	r := start(t, "-data", data, "-user", "juliet:r0m30")
	second, err := os.ReadFile(filepath.Join(data, "cert.pem"))
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("the certificate has changed (%v)", err)
	}
	login(t, r.config("juliet@localhost", "r0m30", false, trust(t, data)))
	r.end()
	want := "the certificate in the data folder is not for example.org: "
	if err := fails(t, "-data", data, "-domain", "example.org"); !strings.HasPrefix(err.Error(), want) {
		t.Errorf("another domain: %v", err)
	}
}

// TestRunOptions: what the other flags do.
func TestRunOptions(t *testing.T) {
	t.Run("-register", func(t *testing.T) {
		r := start(t, "-data", "memory", "-register", "-allow-plaintext")
		makeAccount(t, r.starttls, "romeo", "jul13t")
		cfg := r.config("romeo@localhost", "jul13t", false, nil)
		cfg.TLS = &tls.Config{InsecureSkipVerify: true}
		login(t, cfg)
	})
	t.Run("no -register", func(t *testing.T) {
		r := start(t, "-data", "memory", "-allow-plaintext")
		if text := features(t, r.starttls); strings.Contains(text, register.NSFeature) {
			t.Errorf("registration is offered: %s", text)
		}
	})
	t.Run("-allow-plaintext", func(t *testing.T) {
		r := start(t, "-data", "memory", "-allow-plaintext")
		if text := features(t, r.starttls); !strings.Contains(text, "<mechanism>PLAIN</mechanism>") {
			t.Errorf("nothing is offered without TLS: %s", text)
		}
	})
	t.Run("no -allow-plaintext", func(t *testing.T) {
		r := start(t, "-data", "memory")
		text := features(t, r.starttls)
		if strings.Contains(text, "mechanism") || !strings.Contains(text, "<required/>") {
			t.Errorf("offered without TLS: %s", text)
		}
	})
	t.Run("-legacy", func(t *testing.T) {
		for _, tt := range []struct {
			flags []string
			want  bool
		}{{nil, false}, {[]string{"-legacy"}, true}} {
			r := start(t, append(tt.flags, "-data", t.TempDir(), "-allow-plaintext", "-user", "juliet:r0m30")...)
			if text := features(t, r.starttls); strings.Contains(text, "DIGEST-MD5") != tt.want {
				t.Errorf("with %q: %s", tt.flags, text)
			}
			// XEP-0078: by digest, on a stream without version.
			cfg := r.config("juliet@localhost", "r0m30", false, nil)
			cfg.OldAuth, cfg.OldStream, cfg.AllowPlaintext, cfg.SASL.Refuse = true, true, true, []string{sasl.Plain}
			if !tt.want {
				if err := refused(t, cfg); !errors.Is(err, stream.UnsupportedVersion) {
					t.Errorf("a stream without version: %v", err)
				}
			} else {
				login(t, cfg)
			}
			r.end()
		}
	})
	t.Run("-cert and -key, -domain", func(t *testing.T) {
		dir := t.TempDir()
		if _, err := server.SelfSignedIn(dir, "capulet.example", "montague.example"); err != nil {
			t.Fatal(err)
		}
		r := start(t, "-domain", "capulet.example", "-domain", "montague.example", "-user", "juliet:r0m30",
			"-cert", filepath.Join(dir, "cert.pem"), "-key", filepath.Join(dir, "key.pem"), "-data", "memory")
		login(t, r.config("juliet@capulet.example", "r0m30", true, trust(t, dir)))
		// Another host, where there is no such account.
		err := refused(t, r.config("juliet@montague.example", "r0m30", true, trust(t, dir)))
		if !errors.Is(err, sasl.NotAuthorized) {
			t.Errorf("on the second domain: %v", err)
		}
	})
	t.Run("-listen ''", func(t *testing.T) {
		if r := start(t, "-listen", "", "-data", "memory"); r.starttls != "" || r.tls == "" || r.s2s != "" {
			t.Errorf("listens on %q, %q and %q", r.starttls, r.tls, r.s2s)
		}
	})
	t.Run("-max-stanza", func(t *testing.T) {
		r := start(t, "-data", "memory", "-max-stanza", "10000", "-user", "juliet:r0m30")
		up, down := make(chan xmpp.Sender, 1), make(chan error, 1)
		cfg := r.config("juliet@localhost", "r0m30", false, &tls.Config{InsecureSkipVerify: true})
		cfg.OnUp = func(_ context.Context, s xmpp.Sender) { up <- s }
		cfg.OnDown = func(_ xmpp.Sender, reason error) { down <- reason }
		juliet := login(t, cfg)
		large := &stanza.Message{To: juliet.LocalAddr(), Body: strings.Repeat("x", 10000)}
		if err := xmpp.Send(t.Context(), juliet, large); !errors.Is(err, stanza.PolicyViolation) {
			t.Errorf("the client knows of no limit: %v", err)
		}
		// What is no stanza the client does not look at.
		raw := (<-up).(interface {
			SendElement(context.Context, stanza.Raw) error
		})
		if err := raw.SendElement(t.Context(), stanza.Raw("<x xmlns='urn:example'>"+large.Body+"</x>")); err != nil {
			t.Error(err)
		}
		if err := <-down; !errors.Is(err, stream.PolicyViolation) {
			t.Errorf("the session ended with %v", err)
		}
	})
	t.Run("-rate", func(t *testing.T) {
		for _, tt := range []struct {
			rate            string
			client, servers int
		}{{"1000", 1000, 0}, {"0", 0, 0}, {"-1", -1, -1}} {
			var o options
			if err := o.flagSet().Parse([]string{"-rate", tt.rate}); err != nil {
				t.Fatal(err)
			}
			o.domains, o.data = []string{"localhost"}, "memory"
			cfg, err := o.config(new(stores))
			if err != nil || cfg.Rate != tt.client || cfg.Federation.Rate != tt.servers {
				t.Errorf("-rate %s: %d, for servers %d, %v", tt.rate, cfg.Rate, cfg.Federation.Rate, err)
			}
		}
	})
}

const header = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

// converse opens a stream without TLS, and returns what comes up to the end of
// the features.
func converse(t *testing.T, addr string) (c net.Conn, until func(end string) string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(c)
	return c, func(end string) string {
		t.Helper()
		var text strings.Builder
		for !strings.HasSuffix(text.String(), end) {
			b, err := in.ReadByte()
			if err != nil {
				t.Fatalf("got %q, then %v, want %s", &text, err, end)
			}
			text.WriteByte(b)
		}
		return text.String()
	}
}

// features returns what is offered without TLS.
func features(t *testing.T, addr string) string {
	t.Helper()
	c, until := converse(t, addr)
	defer c.Close()
	fmt.Fprint(c, header)
	return until("</stream:features>")
}

// makeAccount makes an account in-band.
func makeAccount(t *testing.T, addr, user, password string) {
	t.Helper()
	c, until := converse(t, addr)
	defer c.Close()
	fmt.Fprint(c, header)
	until("</stream:features>")
	fmt.Fprintf(c, "<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>%s</username><password>%s</password></query></iq>", user, password)
	if got := until(">"); !strings.HasPrefix(got, "<iq type='result' id='r'") {
		t.Errorf("registration: %s", got)
	}
}

// fails runs a server that cannot start, and returns why.
func fails(t *testing.T, flags ...string) error {
	t.Helper()
	stdout := new(buffer)
	args := append([]string{"-listen", "127.0.0.1:0", "-listen-tls", "127.0.0.1:0", "-listen-s2s", ""}, flags...)
	err := run(t.Context(), args, stdout, t.Output())
	if err == nil {
		t.Fatal("it runs")
	}
	if got := stdout.String(); got != "" {
		t.Errorf("on standard output: %q", got)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one sentence: %v", err)
	}
	return err
}

func TestRunFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		flags []string
		want  string // a part of the error
	}{
		{"taken port", []string{"-data", "memory", "-listen", taken.Addr().String()}, "listen tcp " + taken.Addr().String() + ": "},
		{"taken port for TLS", []string{"-data", "memory", "-listen-tls", taken.Addr().String()}, "listen tcp " + taken.Addr().String() + ": "},
		{"taken port for servers", []string{"-data", "memory", "-listen-s2s", taken.Addr().String()}, "listen tcp " + taken.Addr().String() + ": "},
		{"no authorities", []string{"-data", "memory", "-listen-s2s", "127.0.0.1:0", "-s2s-ca", file + "2"}, "-s2s-ca: open " + file + "2: no such file"},
		{"bad authorities", []string{"-data", "memory", "-listen-s2s", "127.0.0.1:0", "-s2s-ca", file}, "-s2s-ca: there is no certificate in " + file},
		{"bad address", []string{"-data", "memory", "-listen", "nowhere"}, "listen tcp: address nowhere: missing port"},
		{"data is a file", []string{"-data", file}, file},
		{"no certificate", []string{"-cert", file + "2", "-key", file}, "no such file"},
		{"bad certificate", []string{"-cert", file, "-key", file}, "failed to find any PEM data"},
		{"bad user", []string{"-data", "memory", "-user", "a b:secret"}, "-user a b: "},
		{"bad password", []string{"-data", "memory", "-user", "juliet:\x01"}, "-user juliet: sasl: unusable user name or password"},
		{"later flag", []string{"-data", "memory", "-admin", "juliet@localhost"}, "-admin: administration is not in this version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := fails(t, tt.flags...); !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
		})
	}
}

// TestMain lets the test binary be the command, so that a test can start it as
// a process.
func TestMain(m *testing.M) {
	if os.Getenv("ETHERX_EXAMPLE_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command is the server as a process of its own.
func command(t *testing.T, flags ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"-listen", "127.0.0.1:0", "-listen-tls", "", "-listen-s2s", ""}, flags...)...)
	cmd.Env = append(os.Environ(), "ETHERX_EXAMPLE_MAIN=1")
	return cmd
}

func TestProcess(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := command(t, "-data", "memory")
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(stdout)
			line, err := in.ReadString('\n')
			if line != "ready\n" {
				t.Errorf("first line %q, %v", line, err)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
				t.Errorf("after the first line: %q, %v", rest, err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("after the signal: %v", err)
			}
		})
	}
	t.Run("cannot start", func(t *testing.T) {
		cmd := command(t, "-admin", "juliet@localhost")
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(stderr)
		if want := "server: -admin: administration is not in this version\n"; string(text) != want || err != nil {
			t.Errorf("got %q, %v, want %q", text, err, want)
		}
		if e, ok := errors.AsType[*exec.ExitError](cmd.Wait()); !ok || e.ExitCode() != 1 {
			t.Errorf("ended with %v", e)
		}
	})
	t.Run("help", func(t *testing.T) {
		if out, err := command(t, "-h").CombinedOutput(); err != nil || !bytes.HasPrefix(out, []byte("Usage: server")) {
			t.Errorf("got %q, %v", out, err)
		}
	})
}
