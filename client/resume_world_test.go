package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/internal/simnet"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

// world is a server and its clients on a network that breaks.
type world struct {
	*xmpptest.Server
	t     testing.TB
	net   *simnet.Network
	mu    sync.Mutex
	plans map[string][]simnet.Plan // by address, for connections to come
	down  bool
}

// fall breaks all connections, and lets nobody connect until rise.
func (w *world) fall() {
	w.mu.Lock()
	w.down = true
	w.mu.Unlock()
	w.net.CutAll()
	synctest.Wait()
}

func (w *world) rise() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}

// dial connects to an address of the network.
func (w *world) dial(ctx context.Context, addr string) (net.Conn, error) {
	w.mu.Lock()
	down := w.down
	w.mu.Unlock()
	if down {
		return nil, errors.New("network is unreachable")
	}
	return w.net.Dial(ctx, addr)
}

func newWorld(t testing.TB, seed uint64, change ...func(*server.Config)) *world {
	w := &world{t: t, net: simnet.New(seed), plans: make(map[string][]simnet.Plan)}
	w.net.Plan = func(_ *rand.Rand, addr string) simnet.Plan {
		w.mu.Lock()
		defer w.mu.Unlock()
		p := simnet.Plan{Delay: time.Millisecond}
		if ps := w.plans[addr]; len(ps) > 0 {
			p, w.plans[addr] = ps[0], ps[1:]
		}
		return p
	}
	w.Server = xmpptest.NewServer(t, append(change, func(c *server.Config) { c.AllowPlaintext = true })...)
	return w
}

// plan says what goes wrong with the next connections of a client.
func (w *world) plan(name string, ps ...simnet.Plan) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plans[name] = ps
}

// listen has the server serve an address of the network.
func (w *world) listen(addr string) {
	l := w.net.Listen(addr)
	go w.Serve(context.Background(), l)
}

// person is a client that keeps what it gets.
type person struct {
	*client.Client
	t      testing.TB
	cancel context.CancelFunc
	done   chan error
	events *journal
}

// journal is what has happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (l *journal) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *journal) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = nil
}

// with returns those with a prefix, without it.
func (l *journal) with(prefix string) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			lines = append(lines, rest)
		}
	}
	return lines
}

// config returns the settings of a client of the network. What happens to it goes to
// the log: "message ...", "up", "suspended", "resumed", "down".
func (w *world) config(name string) (client.Config, *journal) {
	user, _, _ := strings.Cut(name, "/")
	l := new(journal)
	mux := new(xmpp.Mux)
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, m *stanza.Message) error {
		l.add("message %s", m.Body)
		return nil
	})
	mux.OnError(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza, err *stanza.Error) error {
		l.add("error %s %v", st.ID, err)
		return nil
	})
	cfg := w.ClientConfig(name, mux)
	cfg.AllowPlaintext = true
	w.listen(user)
	cfg.Dial = func(ctx context.Context) (stream.Transport, error) {
		nc, err := w.dial(ctx, user)
		if err != nil {
			return nil, err
		}
		return stream.NewTransport(nc), nil
	}
	if os.Getenv("ETHERX_LOG") != "" {
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("who", name)
	}
	cfg.OnUp = func(_ context.Context, s xmpp.Sender) {
		if s.(interface{ Resumed() bool }).Resumed() {
			l.add("another's")
		}
		l.add("up")
	}
	cfg.OnSuspended = func(xmpp.Sender, error) { l.add("suspended") }
	cfg.OnResumed = func(context.Context, xmpp.Sender) { l.add("resumed") }
	cfg.OnDown = func(_ xmpp.Sender, reason error) { l.add("down %v", reason) }
	return cfg, l
}

// run runs a client until the end of the test.
func (w *world) run(cfg client.Config, l *journal) *person {
	w.t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &person{c, w.t, cancel, make(chan error, 1), l}
	go func() { p.done <- c.Run(ctx) }()
	w.t.Cleanup(func() { p.leave() })
	return p
}

// client runs a client with the usual settings, and waits until it is connected.
func (w *world) client(name string) *person {
	w.t.Helper()
	p := w.run(w.config(name))
	p.ready()
	return p
}

// near runs a client on a connection that lasts.
func (w *world) near(name string) *person {
	w.t.Helper()
	cfg, l := w.config(name)
	cfg.Dial = func(context.Context) (stream.Transport, error) { return w.Pipe(), nil }
	p := w.run(cfg, l)
	p.ready()
	return p
}

func (p *person) ready() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		p.t.Fatal(err)
	}
}

// leave ends the client, and returns the error of Run.
func (p *person) leave() error {
	p.cancel()
	err := <-p.done
	p.done <- err
	return err
}

func (p *person) say(to jid.JID, body string) {
	p.t.Helper()
	if err := xmpp.Send(p.t.Context(), p, chat(to, body)); err != nil {
		p.t.Errorf("%s: %v", body, err)
	}
}

func chat(to jid.JID, body string) *stanza.Message {
	return &stanza.Message{To: to, Type: stanza.TypeChat, Body: body}
}

// expect waits until a client has got all that was sent, and a while longer, and says
// if something is missing, double, or in another order.
func (p *person) expect(want ...string) {
	p.t.Helper()
	for range 7200 {
		synctest.Wait()
		if len(p.events.with("message ")) >= len(want) {
			break
		}
		time.Sleep(time.Second)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	if got := p.events.with("message "); !slices.Equal(got, want) {
		p.t.Errorf("%s got %q, want %q", p.LocalAddr(), got, want)
	}
}

func numbered(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint(prefix, i+1))
	}
	return list
}
