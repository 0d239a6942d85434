package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/xmpptest"
)

// secureWorld is a world whose clients talk TLS from the first byte.
type secureWorld struct {
	*world
	stores *memory.Store
	trust  *tls.Config
	dir    string

	mu    sync.Mutex
	wires []*wire // the connections of clients, in order
	// forge, if not nil, changes what clients read, as who has the server's key can.
	forge func(string) string
}

func newSecureWorld(t testing.TB, change ...func(*server.Config)) *secureWorld {
	t.Helper()
	own, trust := xmpptest.TLS(t)
	trust = trust.Clone()
	trust.ServerName = xmpptest.Domain
	w := &secureWorld{stores: memory.New(), trust: trust, dir: t.TempDir()}
	w.world = newWorld(t, 1, append([]func(*server.Config){func(c *server.Config) {
		c.TLS = own
		c.Stores = server.Stores{Offline: w.stores.Offline(), Tokens: w.stores.Tokens()}
	}}, change...)...)
	return w
}

// store is where a client keeps what the next process needs.
func (w *secureWorld) store(name string) client.FileStore {
	return client.FileStore(filepath.Join(w.dir, name))
}

// secure returns the settings of a client over TLS that keeps its logins.
func (w *secureWorld) secure(name string) (client.Config, *journal) {
	user, _, _ := strings.Cut(name, "/")
	cfg, l := w.config(name)
	go w.ServeTLS(context.Background(), w.net.Listen(user))
	cfg.AllowPlaintext = false
	cfg.Logins = w.store(user)
	cfg.Dial = func(ctx context.Context) (stream.Transport, error) {
		nc, err := w.dial(ctx, user)
		if err != nil {
			return nil, err
		}
		tc := tls.Client(nc, w.trust)
		if err := tc.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		wi := &wire{Transport: stream.NewTransport(tc), forge: w.forge}
		w.wires = append(w.wires, wi)
		return wi, nil
	}
	return cfg, l
}

// last returns the last connection of a client.
func (w *secureWorld) last() *wire {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wires[len(w.wires)-1]
}

// session runs a client until it is connected, and for a while, and then ends it.
func (w *secureWorld) session(cfg client.Config, l *journal) *wire {
	w.t.Helper()
	p := w.run(cfg, l)
	p.ready()
	time.Sleep(time.Second)
	if err := p.leave(); err != nil {
		w.t.Error(err)
	}
	return w.last()
}

// ended waits until a client gives up, and returns why.
func (p *person) ended() error {
	p.t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(time.Hour):
		p.t.Error("it does not give up")
		return nil
	}
}

// token returns the token that a client has stored, nil if it has none.
func (w *secureWorld) token(name string) *stream.Token {
	w.t.Helper()
	s, err := w.store(name).LoadLogin(context.Background())
	if err != nil || s == nil {
		w.t.Fatalf("%v, %v", s, err)
	}
	if s.JID != jid.MustParse(name+"@"+xmpptest.Domain) || !stream.IsUserAgentID(s.ID) {
		w.t.Errorf("%s, %s", s.JID, s.ID)
	}
	return s.Token
}

// wire is a connection of a client that is listened to.
type wire struct {
	stream.Transport
	forge func(string) string

	mu      sync.Mutex
	said    strings.Builder // by the client
	heard   strings.Builder // as the client hears it
	waiting bytes.Buffer
	talking bool
	trips   int // flights of the client, before its first presence
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	ready := strings.Contains(w.heard.String(), "<resumed ") || strings.Contains(w.said.String()+string(b), "<presence")
	if !w.talking && !ready {
		w.trips++
	}
	w.talking = true
	w.said.Write(b)
	w.mu.Unlock()
	return w.Transport.Write(b)
}

func (w *wire) Read(b []byte) (int, error) {
	if w.waiting.Len() == 0 {
		big := make([]byte, 1<<16)
		n, err := w.Transport.Read(big)
		if err != nil {
			return 0, err
		}
		text := string(big[:n])
		if w.forge != nil {
			text = w.forge(text)
		}
		w.waiting.WriteString(text)
		w.mu.Lock()
		w.talking = false
		w.heard.WriteString(text)
		w.mu.Unlock()
	}
	return w.waiting.Read(b)
}

// texts returns what was said and heard, and how many flights of the client it took until
// there was a session.
func (w *wire) texts() (said, heard string, trips int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said.String(), w.heard.String(), w.trips
}

// expect says which of the texts the client has not said, and which it has that begin
// with "!".
func (w *wire) expect(t testing.TB, texts ...string) {
	t.Helper()
	said, _, _ := w.texts()
	for _, text := range texts {
		text, not := strings.CutPrefix(text, "!")
		if strings.Contains(said, text) == not {
			t.Errorf("%q: said %v: %s", text, !not == false, said)
		}
	}
}

func (w *wire) expectTrips(t testing.TB, n int) {
	t.Helper()
	if said, _, trips := w.texts(); trips != n {
		t.Errorf("%d round trips, want %d: %s", trips, n, said)
	}
}
