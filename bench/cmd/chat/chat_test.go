package main

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/storage/memory"
)

// world is a server in this process, and how to reach it.
func world(t *testing.T, extensions ...xmpp.Extension) func(context.Context) (net.Conn, error) {
	t.Helper()
	m := memory.New()
	m.Accounts().Iterations = sasl.DefaultMinIterations
	s, err := server.New(server.Config{
		Domains: []string{"localhost"}, Accounts: m.Accounts(), AllowPlaintext: true, Rate: -1,
		Registration: &register.Server{Open: true, MaxPerHour: -1, AllowPlaintext: true},
		Extensions:   extensions,
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(t.Context(), ln) }()
	t.Cleanup(func() {
		s.Close()
		<-served
	})
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", ln.Addr().String())
	}
}

func small(dial func(context.Context) (net.Conn, error)) options {
	return options{
		domain: "localhost", prefix: "user", password: "secret", register: true, dial: dial,
		pairs: 2, window: 4, body: 100, d: 50 * time.Millisecond, patience: 10 * time.Second, ask: 5,
	}
}

func TestChat(t *testing.T) {
	o := small(world(t, &archive.Server{Store: memory.New().Archives()}))
	for _, o.sm = range []bool{false, true} {
		for _, o.archive = range []string{"", "on", "off"} {
			f, err := o.run(t.Context())
			if err != nil {
				t.Fatalf("sm %v, archive %q: %v", o.sm, o.archive, err)
			}
			if f.deliveries == 0 || f.total < f.deliveries || f.p50 <= 0 || f.p99 < f.p50 || f.wall < o.d ||
				(f.asked > 0) != o.sm {
				t.Errorf("sm %v, archive %q: %+v", o.sm, o.archive, f)
			}
			if !strings.HasPrefix(f.String(), "cpu_us=- per_s=") {
				t.Errorf("%s", f)
			}
		}
	}
}

func TestChatWithoutArchive(t *testing.T) {
	o := small(world(t))
	o.archive = "on"
	if f, err := o.run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "log-in: ") {
		t.Errorf("%v, %v", f, err)
	}
}

// What is in the archive, and what is not, is looked for.
func TestChatLooksIntoTheArchive(t *testing.T) {
	o := small(world(t, &archive.Server{Store: memory.New().Archives()}))
	o.archive = "on"
	if _, err := o.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	u, err := o.login(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer u.close()
	last, err := u.lastArchived(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(last, " ")
	for _, tt := range []struct {
		name, archive string
		good          bool
	}{{name, "on", true}, {name, "off", false}, {"other", "on", false}, {"other", "off", true}} {
		o.archive = tt.archive
		if err := o.checkArchive(t.Context(), tt.name); (err == nil) != tt.good {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// What happens to a message on its way is found out.
func TestChatIsVerified(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(message, next []byte) []byte
		want   string
	}{
		{"nothing", func(m, next []byte) []byte { return append(m, next...) }, ""},
		{"lost", func(_, next []byte) []byte { return next }, "in place of"},
		{"twice", func(m, next []byte) []byte { return append(append(bytes.Clone(m), m...), next...) }, "in place of"},
		{"later", func(m, next []byte) []byte { return append(next, m...) }, "in place of"},
		{"changed", func(m, next []byte) []byte {
			return append(bytes.Replace(m, []byte(" 2 "), []byte(" x "), 1), next...)
		}, "was changed"},
		{"from somebody else", func(m, next []byte) []byte {
			return append(bytes.Replace(m, []byte("user"), []byte("loser"), -1), next...)
		}, "a message came from"},
		{"an error", func(m, next []byte) []byte {
			return append(bytes.Replace(m, []byte("type='chat'"), []byte("type='error'"), 1), next...)
		}, "an error came"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dial := world(t) // in which nothing waits for anybody since another test
			var changed atomic.Bool
			o := small(func(ctx context.Context) (net.Conn, error) {
				nc, err := dial(ctx)
				return &changing{Conn: nc, change: tt.change, changed: &changed}, err
			})
			o.pairs, o.patience = 1, 5*time.Second
			_, err := o.run(t.Context())
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if !changed.Load() {
				t.Error("nothing was changed")
			}
		})
	}
}

// A message is missed also if nothing comes behind it.
func TestChatMissesTheLast(t *testing.T) {
	dial := world(t)
	var changed atomic.Bool
	o := small(func(ctx context.Context) (net.Conn, error) {
		nc, err := dial(ctx)
		return &changing{Conn: nc, alone: true, change: func(_, _ []byte) []byte { return nil }, changed: &changed}, err
	})
	o.window, o.d, o.patience = 1, 500*time.Millisecond, time.Second
	if f, err := o.run(t.Context()); err == nil || !strings.Contains(err.Error(), "messages have come, ") {
		t.Errorf("%v, %v", f, err)
	}
}

func TestCheck(t *testing.T) {
	good := options{addr: "127.0.0.1:5222", pairs: 1, window: 1, d: time.Second}
	if err := good.check(); err != nil || good.dial == nil {
		t.Errorf("%v", err)
	}
	for name, change := range map[string]func(*options){
		"elsewhere":  func(o *options) { o.addr = "192.0.2.1:5222" },
		"name":       func(o *options) { o.addr = "localhost:5222" },
		"port":       func(o *options) { o.addr = "127.0.0.1" },
		"pairs":      func(o *options) { o.pairs = 0 },
		"window":     func(o *options) { o.window = 0 },
		"time":       func(o *options) { o.d = 0 },
		"ask":        func(o *options) { o.ask = -1 },
		"too much":   func(o *options) { o.window, o.body = 1025, 1024 },
		"preference": func(o *options) { o.archive = "roster" },
	} {
		o := good
		if change(&o); o.check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// changing is a connection on which something happens to the third message that is
// read, together with the one behind it, if it is the first connection of all that has
// so many.
type changing struct {
	net.Conn
	change  func(message, next []byte) []byte
	alone   bool // nothing comes behind it
	changed *atomic.Bool

	in, out []byte
	seen    int // messages that were handed out
}

func (c *changing) Read(b []byte) (int, error) {
	for len(c.out) == 0 {
		buf := make([]byte, 4096)
		n, err := c.Conn.Read(buf)
		if err != nil {
			return 0, err
		}
		c.in = append(c.in, buf[:n]...)
		c.sort()
	}
	n := copy(b, c.out)
	c.out = c.out[n:]
	return n, nil
}

// sort moves what can be handed out.
func (c *changing) sort() {
	for {
		at := bytes.Index(c.in, []byte("<message"))
		if at < 0 || c.changed.Load() {
			c.out, c.in = append(c.out, c.in...), nil
			return
		}
		c.out, c.in = append(c.out, c.in[:at]...), c.in[at:]
		first := end(c.in, 0)
		last := first
		if c.seen == 2 && !c.alone {
			last = end(c.in, first)
		}
		if first < 0 || last < 0 {
			return
		}
		message, next := bytes.Clone(c.in[:first]), bytes.Clone(c.in[first:last])
		if c.seen++; c.seen == 3 && c.changed.CompareAndSwap(false, true) {
			message, next = c.change(message, next), nil
		}
		c.out, c.in = append(append(c.out, message...), next...), c.in[last:]
	}
}

// end returns where the message ends that begins at or behind from, -1 if it is not
// there yet.
func end(b []byte, from int) int {
	const tag = "</message>"
	if at := bytes.Index(b[max(from, 0):], []byte(tag)); from >= 0 && at >= 0 {
		return from + at + len(tag)
	}
	return -1
}
