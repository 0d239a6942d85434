package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/internal/simnet"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/offline"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
)

const (
	domain   = "sim.example"
	password = "secret"
)

// world is a server with what it keeps, a network, and the devices of some accounts.
type world struct {
	t    *testing.T
	rng  *rand.Rand // only for the goroutine of the run
	net  *simnet.Network
	calm atomic.Bool // nothing goes wrong with new connections
	// gentle: the server is never killed. What waits in it for a device that does not
	// read the archive is stored when it stops in order.
	gentle bool
	store  *memory.Store

	server  *process
	devices []*device

	mu   sync.Mutex
	sent []*sending
}

// sending is a message that a device has sent, and what became of it.
type sending struct {
	from  *device
	to    jid.JID
	n     int  // of from to to
	taken bool // Send has said that it will arrive
	error bool // it was answered with an error
}

func (s *sending) body() string { return fmt.Sprintf("%s>%s:%d", s.from.name, s.to.Local(), s.n) }

// process is a run of the server. What it wants to store when it is dead is not
// stored.
type process struct {
	*server.Server
	dead atomic.Bool
	done chan struct{}
}

var errDead = errors.New("the process was killed")

// Stores that a process writes to only while it lives.
type (
	mortalOffline struct {
		offline.Store
		p *process
	}
	mortalArchive struct {
		archive.Store
		p *process
	}
	mortalRosters struct {
		roster.Store
		p *process
	}
)

func (m mortalOffline) Add(ctx context.Context, a jid.JID, st *stanza.Stanza, at time.Time, max int) error {
	if m.p.dead.Load() {
		return errDead
	}
	return m.Store.Add(ctx, a, st, at, max)
}

func (m mortalOffline) Delete(ctx context.Context, a jid.JID, ids ...int64) error {
	if m.p.dead.Load() {
		return errDead
	}
	return m.Store.Delete(ctx, a, ids...)
}

func (m mortalArchive) Append(ctx context.Context, entries ...archive.Entry) ([]string, error) {
	if m.p.dead.Load() {
		return nil, errDead
	}
	return m.Store.Append(ctx, entries...)
}

func (m mortalRosters) Update(ctx context.Context, a, contact jid.JID, fn func(e *roster.Entry, n int) error) (string, error) {
	if m.p.dead.Load() {
		return "", errDead
	}
	return m.Store.Update(ctx, a, contact, fn)
}

// of returns the devices of an account.
func (w *world) of(account jid.JID) (all []*device) {
	for _, d := range w.devices {
		if d.account == account {
			all = append(all, d)
		}
	}
	return all
}

// start starts the server.
func (w *world) start() {
	p := &process{done: make(chan struct{})}
	s, err := server.New(server.Config{
		Domains: []string{domain}, Accounts: w.store.Accounts(), AllowPlaintext: true,
		ResourceSecret: "so that resources stay",
		Stores: server.Stores{
			Rosters: mortalRosters{w.store.Rosters(), p}, Presences: w.store.Presences(), Privacy: w.store.Privacy(),
			Offline: mortalOffline{w.store.Offline(), p},
		},
		Extensions: []xmpp.Extension{&archive.Server{Store: mortalArchive{w.store.Archives(), p}}},
		Log:        logger("server"),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	p.Server = s
	l := w.net.Listen(domain)
	go func() {
		defer close(p.done)
		s.Serve(context.Background(), l)
	}()
	w.server = p
}

// stop stops the server in order, as far as connections let it.
func (w *world) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := w.server.Shutdown(ctx)
	<-w.server.done
	return err
}

// kill ends the server as kill -9 does.
func (w *world) kill() {
	w.server.dead.Store(true)
	w.net.CutAll()
	w.server.Close()
	<-w.server.done
}

// plan says what goes wrong with a connection.
func (w *world) plan(rng *rand.Rand, _ string) (p simnet.Plan) {
	p.Delay = time.Duration(rng.Int64N(int64(50 * time.Millisecond)))
	p.Jitter = time.Duration(1 + rng.Int64N(int64(20*time.Millisecond)))
	if w.calm.Load() {
		return p
	}
	// Most of what is interesting happens in the first thousands of bytes: the log-in, and
	// then what was stored.
	after := func() int64 { return 1 + rng.Int64N(int64([]int{300, 3000, 8000, 30000}[rng.IntN(4)])) }
	switch rng.IntN(10) {
	case 0, 1, 2, 3:
		p.CutAfter = after()
	case 4:
		p.DeadAfter = after()
	}
	if rng.IntN(5) == 0 {
		p.Rate = 500 + rng.IntN(5000)
	}
	return p
}

// note takes down what is sent.
func (w *world) note(s *sending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, s)
}

// refused takes note that a message was answered with an error.
func (w *world) refused(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		if s.body() == id {
			s.error = true
		}
	}
}

// forgive takes back that messages were taken which a device has not brought to the
// server before it was switched off, as it has said.
func (w *world) forgive(d *device) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		if s.from == d && s.taken && !w.isArchived(s) {
			s.taken = false
		}
	}
}

// isArchived reports whether the server has got a message.
func (w *world) isArchived(s *sending) bool {
	return slices.ContainsFunc(w.archive(s.from.account), func(m archive.Message) bool { return m.Stanza.ID == s.body() })
}

func (w *world) archive(account jid.JID) []archive.Message {
	page, err := w.store.Archives().Query(context.Background(), account, archive.Filter{}, archive.Paging{Max: 10_000, MaxBytes: -1})
	if err != nil {
		w.t.Error(err)
	}
	return page.Messages
}

// archived tells what is in the archive of an account.
func (w *world) archived(account jid.JID) (all []string) {
	for _, m := range w.archive(account) {
		all = append(all, fmt.Sprintf("%s %s %s", m.At.Format("04:05.000"), m.ID, m.Stanza.ID))
	}
	return all
}

var verbose = slog.LevelError

func logger(name string) *slog.Logger {
	return slog.New(slog.NewTextHandler(logOutput{}, &slog.HandlerOptions{Level: verbose})).With("who", name)
}

// logOutput is where all write to who log.
type logOutput struct{}

func (logOutput) Write(p []byte) (int, error) { return print(p) }

var print = func(p []byte) (int, error) { return len(p), nil }
