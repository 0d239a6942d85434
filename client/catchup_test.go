package client_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/ext/csi"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
)

// reader is a program that handles each message once, whether it comes in a session or
// has to be fetched from the archive.
type reader struct {
	catchUp archive.CatchUp
	client  archive.Client
	handle  func(*stanza.Message)
}

// onMessage is the handler.
func (r *reader) onMessage(_ context.Context, s xmpp.Sender, msg *stanza.Message) error {
	st, err := msg.Stanza()
	if err != nil {
		return err
	}
	if m, ok := r.catchUp.Live(s, st); ok {
		r.handle(m.Stanza.Message())
		r.catchUp.Done(m)
	}
	return nil
}

// onUp is for the client's OnUp.
func (r *reader) onUp(ctx context.Context, s xmpp.Sender) {
	for m, err := range r.catchUp.Run(ctx, &r.client, s) {
		if err == nil {
			r.handle(m.Stanza.Message())
		} else if !errors.Is(err, xmpp.ErrSessionLost) {
			panic(err) // otherwise the next session goes on
		}
	}
}

// TestCatchUp: a client whose connections break, and whose sessions are not always
// resumed, because it is away for too long or the server was replaced, handles each
// message once and in order.
func TestCatchUp(t *testing.T) {
	first, runs := fromEnv(t, "ETHERX_SEED", rand.Uint64()), fromEnv(t, "ETHERX_RUNS", 30)
	for seed := first; seed-first < runs && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			stores := memory.New()
			change := func(c *server.Config) {
				c.Stores = server.Stores{Offline: stores.Offline()}
				c.Extensions = []xmpp.Extension{&archive.Server{Store: stores.Archives()}}
				c.ResumeTimeout = time.Minute
			}
			w := newWorld(t, seed, change)
			romeo := w.near("romeo/orchard")
			cfg, events := w.config("juliet/balcony")
			r := &reader{handle: func(m *stanza.Message) { events.add("message %s", m.Body) }}
			r.catchUp.Account = jid.MustParse("juliet@example.org")
			r.catchUp.First = -1
			mux := new(xmpp.Mux)
			mux.OnMessage(r.onMessage)
			cfg.Handler, cfg.OnUp = mux, r.onUp
			cfg.Extensions = []xmpp.Extension{&r.client}
			juliet := w.run(cfg, events)
			juliet.ready()
			synctest.Wait()
			sent := 0
			var want []string
			say := func(n int) {
				for range n {
					sent++
					want = append(want, fmt.Sprint(sent))
					romeo.say(r.catchUp.Account, fmt.Sprint(sent))
					time.Sleep(time.Duration(rng.IntN(2000)) * time.Microsecond)
				}
			}
			for range 8 {
				say(rng.IntN(5))
				switch rng.IntN(5) {
				case 0:
					w.net.CutAll()
				case 1: // resumed
					w.fall()
					say(rng.IntN(5))
					w.rise()
				case 2: // not resumed
					w.fall()
					say(rng.IntN(5))
					time.Sleep(2 * time.Minute)
					say(rng.IntN(5))
					w.rise()
				case 3: // another server on the same stores
					romeo.leave()
					w.restart(change)
					romeo = w.near("romeo/orchard")
				default:
					time.Sleep(time.Duration(rng.IntN(100)) * time.Second)
				}
			}
			say(3)
			juliet.expect(want...)
			if t.Failed() {
				t.Logf("ETHERX_SEED=%d", seed)
			}
		})
	}
}

// TestClientState: what belongs to a connection is said again on the next one.
func TestClientState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		cfg, events := w.config("juliet/balcony")
		state := new(csi.Extension)
		cfg.Extensions = []xmpp.Extension{state}
		told := 0
		cfg.Stream.Trace = func(sent bool, xml []byte) {
			if sent {
				told += strings.Count(string(xml), "<inactive")
			}
		}
		juliet := w.run(cfg, events)
		juliet.ready()
		if err := state.Set(t.Context(), false); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		for i := range 3 {
			synctest.Wait()
			if told != i+1 {
				t.Errorf("told %d times on %d connections", told, i+1)
			}
			w.net.CutAll()
			time.Sleep(time.Minute)
		}
	})
}
