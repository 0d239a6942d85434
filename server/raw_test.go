package server_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/stream"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// newServer makes a server for localhost with the accounts juliet and romeo,
// their passwords r0m30 and jul13t.
func newServer(t testing.TB, change func(*server.Config)) *server.Server {
	t.Helper()
	accounts := &memory.Accounts{Iterations: 1}
	for name, password := range map[string]string{"juliet": "r0m30", "romeo": "jul13t"} {
		if err := accounts.SetPassword(context.Background(), jid.MustParse(name+"@localhost"), password); err != nil {
			t.Fatal(err)
		}
	}
	cfg := server.Config{Domains: []string{"localhost"}, Accounts: accounts}
	if change != nil {
		change(&cfg)
	}
	s, err := server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// raw is a client that says what it is told, and collects what it hears.
type raw struct {
	t      testing.TB
	nc     net.Conn
	domain string // whose server it talks with
	mu     sync.Mutex
	got    string // not yet expected
	err    error
	news   chan struct{}
}

func newRaw(t testing.TB, nc net.Conn) *raw {
	r := &raw{t: t, nc: nc, domain: "localhost", news: make(chan struct{}, 1)}
	t.Cleanup(func() { nc.Close() })
	go r.read()
	return r
}

func (r *raw) read() {
	buf := make([]byte, 4096)
	for {
		n, err := r.nc.Read(buf)
		r.mu.Lock()
		r.got += string(buf[:n])
		r.err = err
		r.mu.Unlock()
		select {
		case r.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (r *raw) send(format string, args ...any) {
	r.t.Helper()
	s := format
	if len(args) > 0 {
		s = fmt.Sprintf(format, args...)
	}
	r.nc.SetWriteDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(r.nc, s); err != nil {
		r.t.Logf("send: %v", err) // the server may have closed already; what is expected tells
	}
}

// expect waits until all of want has come, in this order, and returns what
// came up to its end.
func (r *raw) expect(want ...string) string {
	r.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		r.mu.Lock()
		seen, ok := cut(r.got, want)
		if ok {
			r.got = r.got[len(seen):]
			r.mu.Unlock()
			return seen
		}
		got, err := r.got, r.err
		r.mu.Unlock()
		if err != nil {
			r.t.Fatalf("want %q, the stream ended (%v) after %q", want, err, got)
		}
		select {
		case <-r.news:
		case <-timeout.C:
			r.t.Fatalf("want %q, got %q", want, got)
		}
	}
}

func cut(s string, want []string) (string, bool) {
	end := 0
	for _, w := range want {
		i := strings.Index(s[end:], w)
		if i < 0 {
			return "", false
		}
		end += i + len(w)
	}
	return s[:end], true
}

// expectEnd waits for the end of the connection and returns what came before.
func (r *raw) expectEnd() string {
	r.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		r.mu.Lock()
		got, err := r.got, r.err
		r.mu.Unlock()
		if err != nil {
			return got
		}
		select {
		case <-r.news:
		case <-timeout.C:
			r.t.Fatalf("the connection is still open after %q", got)
		}
	}
}

const header = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

func (r *raw) open() {
	r.t.Helper()
	r.send("%s", strings.Replace(header, "localhost", r.domain, 1))
	r.expect("<stream:stream ", "</stream:features>")
}

func plain(user, password string) string {
	return "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" +
		base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password)) + "</auth>"
}

// login logs in over an in-memory connection and becomes available.
func login(t testing.TB, s *server.Server, user, password, resource string) *raw {
	t.Helper()
	r := newRaw(t, s.Pipe())
	r.login(user, password, resource)
	r.send("<presence/>")
	r.expect("<presence ", "/>")
	return r
}

func (r *raw) login(user, password, resource string) {
	r.t.Helper()
	r.open()
	r.send("%s", plain(user, password))
	r.expect("<success")
	r.open()
	r.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>%s</resource></bind></iq>", resource)
	r.expect("<jid>"+user+"@"+r.domain+"/"+resource+"</jid>", "</iq>")
}

// stoppable is a transport that is not read any more once stop is closed.
type stoppable struct {
	stream.Transport
	stop chan struct{}
}

func (s *stoppable) Read(p []byte) (int, error) {
	select {
	case <-s.stop:
		return 0, io.ErrNoProgress
	default:
		return s.Transport.Read(p)
	}
}
