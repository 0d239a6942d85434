// Package docs_test holds the code of the documents: what stands in README.md
// and docs/*.md between ```go and ``` is run here.
package docs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

// capture returns what fn prints on standard output, and what it returns.
func capture(t *testing.T, fn func() error) (string, error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	err = fn()
	os.Stdout = stdout
	w.Close()
	text, readErr := io.ReadAll(r)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return string(text), err
}

// captureLog lets the standard logger write to a buffer while the test runs.
func captureLog(t *testing.T) *syncBuffer {
	b := new(syncBuffer)
	log.SetOutput(b)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	return b
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// inbox is a handler that keeps the messages that come.
func inbox() (*xmpp.Mux, <-chan *stanza.Message) {
	mux, messages := new(xmpp.Mux), make(chan *stanza.Message, 100)
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) error {
		messages <- msg
		return nil
	})
	return mux, messages
}

func send(t *testing.T, s xmpp.Sender, to jid.JID, body string, payloads ...any) {
	t.Helper()
	if err := xmpp.Send(t.Context(), s, &stanza.Message{To: to, Type: stanza.TypeChat, Body: body, Payloads: payloads}); err != nil {
		t.Fatal(err)
	}
}

func TestBotConnects(t *testing.T) {
	captureLog(t)
	s := xmpptest.NewServer(t)
	mux := new(xmpp.Mux)
	cfg := client.Config{
		JID:      jid.MustParse("librarian@example.org"),
		Password: "secret",
		Handler:  mux, // what comes in goes here, see below
		Log:      slog.Default(),
	}
	connect := func(ctx context.Context, cfg client.Config) error {
		bot, err := client.New(cfg)
		if err != nil {
			return err // the Config is wrong
		}
		return bot.Run(ctx) // nil when ctx has ended and all is done; an error if there is no hope
	}
	if err := connect(t.Context(), client.Config{}); err == nil {
		t.Error("an empty Config is accepted")
	}
	cfg.Dial = s.ClientConfig("librarian", nil).Dial
	ctx, cancel := context.WithCancel(t.Context())
	cfg.OnUp = func(context.Context, xmpp.Sender) { cancel() }
	if err := connect(ctx, cfg); err != nil {
		t.Error(err)
	}
	cfg.Password = "wrong"
	if err := connect(t.Context(), cfg); !errors.Is(err, sasl.NotAuthorized) {
		t.Errorf("got %v", err)
	}
}

func TestBotTrusts(t *testing.T) {
	var cfg client.Config
	cfg.Dialer = &stream.Dialer{Addr: "127.0.0.1:5222"}

	t.Chdir(t.TempDir())
	crt, err := server.SelfSignedIn("etherx-data", "example.org")
	if err != nil {
		t.Fatal(err)
	}
	trust := func() error {
		pem, err := os.ReadFile("etherx-data/cert.pem")
		if err != nil {
			return err
		}
		cfg.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
		cfg.TLS.RootCAs.AppendCertsFromPEM(pem)
		return nil
	}
	if err := trust(); err != nil {
		t.Fatal(err)
	}
	s := xmpptest.NewServer(t, func(c *server.Config) { c.TLS = &tls.Config{Certificates: []tls.Certificate{crt}} })
	account := s.ClientConfig("librarian", nil)
	cfg.JID, cfg.Password = account.JID, account.Password
	cfg.Dialer.Addr = listen(t, s.Serve)
	s.Start(cfg)
}

// listen serves on a port of the loopback address, and returns it.
func listen(t *testing.T, serve func(context.Context, net.Listener) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

func TestBotHandles(t *testing.T) {
	logged := captureLog(t)
	synctest.Test(t, func(t *testing.T) {
		mux := new(xmpp.Mux)
		mux.OnMessage(func(ctx context.Context, s xmpp.Sender, msg *stanza.Message) error {
			return xmpp.Send(ctx, s, msg.Reply("You said: "+msg.Body))
		})
		mux.OnError(func(ctx context.Context, s xmpp.Sender, st *stanza.Stanza, err *stanza.Error) error {
			log.Printf("%s did not get it: %v", st.From, err)
			return nil
		})
		s := xmpptest.NewServer(t)
		bot := s.Client("librarian", mux)
		inbox, messages := inbox()
		juliet := s.Client("juliet", inbox)
		send(t, juliet, bot.LocalAddr(), "hello")
		if msg := <-messages; msg.Body != "You said: hello" {
			t.Errorf("got %q", msg.Body)
		}
		send(t, bot, jid.MustParse("nobody@example.org"), "hello?")
		synctest.Wait()
	})
	if got := logged.String(); !strings.Contains(got, "nobody@example.org did not get it: ") {
		t.Errorf("logged %q", got)
	}
}

type Version struct {
	XMLName xml.Name `xml:"jabber:iq:version query"`
	Name    string   `xml:"name,omitempty"`
	Version string   `xml:"version,omitempty"`
}

func TestBotAsks(t *testing.T) {
	s := xmpptest.NewServer(t, func(c *server.Config) { c.Domains = append(c.Domains, "example.net") })
	mux := new(xmpp.Mux)
	xmpp.HandleIQ(mux, stanza.TypeGet, func(ctx context.Context, r xmpp.Request[Version]) (any, error) {
		if r.From.Domain() != "example.org" {
			return nil, stanza.NewError(stanza.Forbidden, "only for the house")
		}
		return Version{Name: "librarian", Version: "1"}, nil
	})
	ctx := t.Context()
	peer := s.Client("librarian", mux).LocalAddr()
	bot := s.Client("juliet", nil)
	byCall := func() error {
		v, err := xmpp.Call[Version](ctx, bot, stanza.TypeGet, peer, Version{})
		if err != nil {
			return err
		}
		fmt.Println(v.Name, v.Version)
		return nil
	}
	if text, err := capture(t, byCall); text != "librarian 1\n" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	byDo := func() error {
		question := stanza.Raw("<query xmlns='jabber:iq:version'/>")
		iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, To: peer}, question)
		if err != nil {
			return err
		}
		reply, err := bot.Do(ctx, iq)
		if err != nil {
			return err
		}
		fmt.Println(reply.Payload().ChildText("jabber:iq:version", "name"))
		return nil
	}
	if text, err := capture(t, byDo); text != "librarian\n" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}

	account := jid.MustParse("paris@example.net")
	if err := s.Accounts.SetPassword(ctx, account, xmpptest.Password); err != nil {
		t.Fatal(err)
	}
	cfg := s.ClientConfig("paris", nil)
	cfg.JID = account
	bot = s.Start(cfg)
	for _, ask := range []func() error{byCall, byDo} {
		if err := ask(); !errors.Is(err, stanza.Forbidden) {
			t.Errorf("a stranger gets %v", err)
		}
	}
}

// Mood is <mood xmlns='urn:example:mood'>merry</mood>.
type Mood struct{ Text string }

func (Mood) XMLName() xml.Name { return xml.Name{Space: "urn:example:mood", Local: "mood"} }

func (m Mood) AppendXML(dst []byte) ([]byte, error) {
	dst = append(dst, "<mood xmlns='urn:example:mood'>"...)
	dst = stanza.AppendText(dst, m.Text) // escapes
	return append(dst, "</mood>"...), nil
}

func (m *Mood) ParseXML(e stanza.Element) error {
	m.Text = e.Text()
	return nil
}

func TestBotPayloads(t *testing.T) {
	mux := new(xmpp.Mux)
	xmpp.HandleMessage(mux, func(ctx context.Context, s xmpp.Sender, msg *stanza.Message, mood Mood) error {
		reply := msg.Reply("so am I")
		reply.Payloads = []any{mood}
		return xmpp.Send(ctx, s, reply)
	})
	s := xmpptest.NewServer(t)
	bot := s.Client("librarian", mux)
	inbox, messages := inbox()
	juliet := s.Client("juliet", inbox)
	send(t, juliet, bot.LocalAddr(), "I am", Mood{"merry & <glad>"})
	msg := <-messages
	if msg.Body != "so am I" || len(msg.Payloads) != 1 {
		t.Fatalf("got %+v", msg)
	}
	st, err := msg.Stanza()
	if err != nil {
		t.Fatal(err)
	}
	if mood, ok, err := stanza.Decode[Mood](st); mood.Text != "merry & <glad>" || !ok || err != nil {
		t.Errorf("got %+v, %v, %v", mood, ok, err)
	}
}

func TestBotErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := xmpptest.NewServer(t)
		hour := make(chan struct{})
		defer close(hour)
		refuse, never := new(xmpp.Mux), new(xmpp.Mux)
		xmpp.HandleIQ(refuse, stanza.TypeGet, func(context.Context, xmpp.Request[Version]) (any, error) {
			return nil, stanza.NewError(stanza.NotAllowed, "secret")
		})
		xmpp.HandleIQ(never, stanza.TypeGet, func(ctx context.Context, _ xmpp.Request[Version]) (any, error) {
			select {
			case <-hour:
			case <-ctx.Done():
			}
			return nil, nil
		})
		s.Client("refuse/x", refuse)
		s.Client("never/x", never)
		bot := s.Client("juliet", nil)
		ask := func(bot xmpp.Sender, to string) string {
			text, _ := capture(t, func() error {
				ctx, peer := t.Context(), jid.MustParse(to)
				_, err := xmpp.Call[Version](ctx, bot, stanza.TypeGet, peer, Version{})
				reply, isReply := errors.AsType[*stanza.Error](err)
				switch {
				case errors.Is(err, stanza.ServiceUnavailable):
					fmt.Println("nobody is there, or nobody who knows the question")
				case isReply:
					fmt.Println("refused:", reply.Condition, reply.Text)
				case xmpp.SafeToRetry(err):
					fmt.Println("there is no session: nothing was sent")
				case errors.Is(err, xmpp.ErrSessionLost):
					fmt.Println("the question may have arrived, or not")
				case errors.Is(err, context.DeadlineExceeded):
					fmt.Println("no answer in time")
				}
				return nil
			})
			return text
		}
		idle, err := client.New(s.ClientConfig("idle", nil))
		if err != nil {
			t.Fatal(err)
		}
		lost := s.ClientConfig("lost", nil)
		lost.ResumeTimeout = -1 // the session ends with the connection
		lost.Dial = func(context.Context) (stream.Transport, error) {
			tr := s.Pipe()
			time.AfterFunc(time.Second, func() { tr.Close() })
			return tr, nil
		}
		for _, tt := range []struct {
			bot      xmpp.Sender
			to, want string
		}{
			{bot, "nobody@example.org/x", "nobody is there, or nobody who knows the question\n"},
			{bot, "refuse@example.org/x", "refused: not-allowed secret\n"},
			{idle, "refuse@example.org/x", "there is no session: nothing was sent\n"},
			{s.Start(lost), "never@example.org/x", "the question may have arrived, or not\n"},
			{bot, "never@example.org/x", "no answer in time\n"},
		} {
			if got := ask(tt.bot, tt.to); got != tt.want {
				t.Errorf("asking %s: got %q, want %q", tt.to, got, tt.want)
			}
		}
	})
}

func TestBotEnds(t *testing.T) {
	s := xmpptest.NewServer(t)
	run := func(cfg client.Config) string {
		bot, err := client.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		text, _ := capture(t, func() error {
			err := bot.Run(ctx)
			switch {
			case errors.Is(err, sasl.NotAuthorized):
				fmt.Println("wrong user name or password")
			case errors.Is(err, stream.Conflict):
				fmt.Println("somebody else logged in with the same resource")
			case err != nil:
				fmt.Println(err)
			}
			return nil
		})
		return text
	}
	cfg := s.ClientConfig("librarian/desk", nil)
	wrong := cfg
	wrong.Password = "wrong"
	if got := run(wrong); got != "wrong user name or password\n" {
		t.Errorf("got %q", got)
	}
	old := cfg
	second, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	old.OnUp = func(context.Context, xmpp.Sender) {
		go func() { done <- second.Run(t.Context()) }()
	}
	if got := run(old); got != "somebody else logged in with the same resource\n" {
		t.Errorf("got %q", got)
	}
	second.Close()
	if err := <-done; err != nil {
		t.Errorf("the second client: %v", err)
	}
	refuse := cfg
	refuse.SASL.Refuse = []string{sasl.SCRAMSHA256, sasl.SCRAMSHA1, sasl.Plain}
	if got := run(refuse); !strings.Contains(got, `"SCRAM-SHA-256" is refused by configuration`) {
		t.Errorf("got %q", got)
	}
}

func TestBotStays(t *testing.T) {
	logged := captureLog(t)
	synctest.Test(t, func(t *testing.T) {
		s := xmpptest.NewServer(t)
		cfg := s.ClientConfig("librarian/desk", nil)
		cfg.OnUp = func(ctx context.Context, s xmpp.Sender) {
			log.Printf("connected as %s", s.LocalAddr())
		}
		cfg.OnDown = func(s xmpp.Sender, reason error) {
			log.Printf("disconnected: %v", reason)
		}
		cfg.Backoff = client.ExponentialBackoff(2*time.Second, 10*time.Minute)
		cfg.KeepAlive = 30 * time.Second // after so much silence the server is pinged
		cfg.ResumeTimeout = -1           // sessions end with their connections
		// The first connection dies after a minute.
		dials := 0
		cfg.Dial = func(context.Context) (stream.Transport, error) {
			tr := s.Pipe()
			if dials++; dials == 1 {
				time.AfterFunc(time.Minute, func() { tr.Close() })
			}
			return tr, nil
		}
		bot := s.Start(cfg)
		time.Sleep(time.Minute + time.Millisecond)
		synctest.Wait()
		if bot.LocalAddr() != (jid.JID{}) {
			t.Error("the session lives on")
		}
		time.Sleep(2 * time.Second)
		if err := bot.WaitReady(t.Context()); err != nil || dials != 2 {
			t.Errorf("%v after %d connections", err, dials)
		}
		synctest.Wait()
	})
	got := logged.String()
	if strings.Count(got, "connected as librarian@example.org/desk") != 2 || strings.Count(got, "disconnected: ") != 2 {
		t.Errorf("logged %q", got)
	}
}

func TestBotProxy(t *testing.T) {
	forServer, forClient := xmpptest.TLS(t)
	s := xmpptest.NewServer(t, func(c *server.Config) { c.TLS = forServer })
	addr := listen(t, s.Serve)
	asked := make(chan string, 10)
	var handlers sync.WaitGroup
	proxy := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		asked <- r.Method + " " + r.Host
		forward(t, w, addr)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go proxy.Serve(l)
	t.Cleanup(func() {
		proxy.Close()
		handlers.Wait()
	})

	for _, name := range []string{"all_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"} {
		t.Setenv(name, "")
	}
	t.Setenv("ALL_PROXY", "http://"+l.Addr().String())
	cfg := s.ClientConfig("librarian", nil)
	cfg.Dial, cfg.TLS = nil, forClient
	throughProxy := func() error {
		dial, err := stream.ProxyFromEnvironment()
		if err != nil {
			return err
		}
		cfg.Dialer = &stream.Dialer{
			DialContext: dial,
			NoSRV:       true, // all names are left to the proxy, as Tor wants it
		}
		return nil
	}
	if err := throughProxy(); err != nil {
		t.Fatal(err)
	}
	s.Start(cfg)
	if got := <-asked; got != "CONNECT example.org:5222" || len(asked) > 0 {
		t.Errorf("the proxy was asked for %q, and %d times more", got, len(asked))
	}
}

// forward connects a CONNECT request with addr.
func forward(t *testing.T, w http.ResponseWriter, addr string) {
	far, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	near, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
	var wg sync.WaitGroup
	pipe := func(dst, src net.Conn) {
		io.Copy(dst, src)
		dst.Close()
	}
	wg.Go(func() { pipe(far, near) })
	wg.Go(func() { pipe(near, far) })
	wg.Wait()
}
