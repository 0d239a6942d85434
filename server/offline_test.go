package server_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/offline"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
)

// arrives logs in as romeo, becomes available, and returns what came with that.
func arrives(t *testing.T, s *server.Server, resource string) (*raw, string) {
	t.Helper()
	r := newRaw(t, s.Pipe())
	r.login("romeo", "jul13t", resource)
	r.send("<presence/>")
	return r, r.drain()
}

func TestOffline(t *testing.T) {
	store := memory.New().Offline()
	s := newServer(t, func(c *server.Config) { c.Stores.Offline = store })
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	juliet.send("<message to='romeo@localhost' type='chat'><body>one</body></message>")
	juliet.send("<message to='romeo@localhost'><body>two</body></message>")
	juliet.drain()

	t.Run("XEP0160-1 not to a session that is not available, or only negative", func(t *testing.T) {
		low := available(t, s, "romeo", "jul13t", "low", -5)
		wantNone(t, low.drain(), "<body>")
		low.send("</stream:stream>")
		low.expectEnd()
	})
	t.Run("XEP0160-1 GUIDE-3-arch-3 in their order, with their time, once", func(t *testing.T) {
		romeo, got := arrives(t, s, "orchard")
		for _, body := range []string{"one", "two"} {
			wantInOrder(t, got, "<body>"+body+"</body>", "<delay xmlns='urn:xmpp:delay'")
		}
		wantInOrder(t, got, "<body>one</body>", "<body>two</body>")
		wantInOrder(t, got, "from='localhost' stamp='", "Offline Storage</delay>")
		waitCount(t, store, 0)
		romeo.send("</stream:stream>")
		romeo.expectEnd()
		romeo, got = arrives(t, s, "orchard")
		wantNone(t, got, "<body>")
		romeo.send("</stream:stream>")
		romeo.expectEnd()
	})
	t.Run("from negative to not negative", func(t *testing.T) {
		romeo := available(t, s, "romeo", "jul13t", "orchard", -1)
		juliet.send("<message to='romeo@localhost'><body>three</body></message>")
		juliet.drain()
		wantNone(t, romeo.drain(), "<body>")
		romeo.send("<presence><priority>1</priority></presence>")
		wantInOrder(t, romeo.drain(), "<body>three</body>")
		romeo.send("</stream:stream>")
		romeo.expectEnd()
		waitCount(t, store, 0)
	})
	for _, tt := range []struct {
		name, stanza string
		want         int
	}{
		{"XEP0160-1 only a chat state", "<message to='romeo@localhost' type='chat' id='x'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>", 0},
		{"no-store", "<message to='romeo@localhost' type='chat' id='x'><body>x</body><no-store xmlns='urn:xmpp:hints'/></message>", 0},
		{"store", "<message to='romeo@localhost' type='chat' id='x'><active xmlns='http://jabber.org/protocol/chatstates'/><store xmlns='urn:xmpp:hints'/></message>", 1},
		{"a receipt", "<message to='romeo@localhost' id='x'><received xmlns='urn:xmpp:receipts' id='y'/></message>", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := count(t, store)
			juliet.send("%s", tt.stanza)
			got := juliet.drain()
			if n := count(t, store) - before; n != tt.want {
				t.Errorf("%d are stored", n)
			}
			if refused := strings.Contains(got, "<service-unavailable"); refused != (tt.want == 0) {
				t.Errorf("the sender got %q", got)
			}
		})
	}
}

// waitCount waits until the store has n messages for romeo: they are deleted
// when they have been written to the client.
func waitCount(t *testing.T, store offline.Store, n int) {
	t.Helper()
	for end := time.Now().Add(patience); count(t, store) != n; {
		if time.Now().After(end) {
			t.Fatalf("%d messages are stored, want %d", count(t, store), n)
		}
	}
}

func TestOfflineBounds(t *testing.T) {
	s := newServer(t, func(c *server.Config) { c.MaxOffline = 2 })
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	for i := range 3 {
		juliet.send("<message to='romeo@localhost' id='m%d'><body>x</body></message>", i)
	}
	juliet.expect("<message type='error' id='m2'", "<service-unavailable")
	if _, got := arrives(t, s, "orchard"); strings.Count(got, "<body>") != 2 {
		t.Errorf("got %q", got)
	}
}

// failing is a store that fails.
type failing struct{ offline.Store }

func (failing) Add(context.Context, jid.JID, *stanza.Stanza, time.Time, int) error {
	return errors.New("disk full")
}

func TestOfflineFails(t *testing.T) {
	s := newServer(t, func(c *server.Config) { c.Stores.Offline = failing{memory.New().Offline()} })
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	juliet.send("<message to='romeo@localhost' id='m'><body>x</body></message>")
	juliet.expect("<message type='error' id='m'", "<service-unavailable")
}

// TestOfflineLostLink: what a client is not handed before its link breaks comes
// later, once. What was written to it already is gone, without stream management.
func TestOfflineLostLink(t *testing.T) {
	const n = 300
	store := memory.New().Offline()
	s := newServer(t, func(c *server.Config) { c.Stores.Offline = store })
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	for i := range n {
		juliet.send("<message to='romeo@localhost'><body>#%d#%s</body></message>", i, strings.Repeat("x", 2000))
	}
	juliet.drain()
	stop := make(chan struct{})
	slow := newRaw(t, &stoppable{Transport: s.Pipe(), stop: stop})
	slow.login("romeo", "jul13t", "slow")
	close(stop)
	slow.send("<presence/>")
	slow.nc.Close()

	romeo, seen := arrives(t, s, "orchard")
	if last := fmt.Sprintf("<body>#%d#", n-1); !strings.Contains(seen, last) {
		seen += romeo.expect(last)
	}
	// They are deleted when they have been written, or have found another way.
	for end := time.Now().Add(patience); count(t, store) != 0 && time.Now().Before(end); {
		seen += romeo.drain()
	}
	if n := count(t, store); n != 0 {
		t.Fatalf("%d messages are stored, want 0", n)
	}
	seen += romeo.drain()
	first := -1
	for i := range n {
		switch c := strings.Count(seen, fmt.Sprintf("<body>#%d#", i)); {
		case c > 1:
			t.Fatalf("message %d came %d times", i, c)
		case c == 1 && first < 0:
			first = i
		case c == 0 && first >= 0:
			t.Fatalf("message %d did not come, but %d did", i, first)
		}
	}
	t.Logf("the first that came is %d", first)
}

// TestOfflineTwoResources: two resources that come at the same time do not both
// get a message.
func TestOfflineTwoResources(t *testing.T) {
	s := newServer(t, nil)
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	const n = 50
	for i := range n {
		juliet.send("<message to='romeo@localhost'><body>#%d#</body></message>", i)
	}
	juliet.drain()
	a, b := newRaw(t, s.Pipe()), newRaw(t, s.Pipe())
	a.login("romeo", "jul13t", "a")
	b.login("romeo", "jul13t", "b")
	a.send("<presence/>")
	b.send("<presence/>")
	seen := a.drain() + b.drain()
	for i := range n {
		if c := strings.Count(seen, fmt.Sprintf("<body>#%d#", i)); c != 1 {
			t.Errorf("message %d came %d times", i, c)
		}
	}
}

// held is a store that keeps what it has read, if it has a gate, until that is closed.
type held struct {
	offline.Store
	gate chan struct{}
}

func (h *held) Messages(ctx context.Context, account jid.JID) iter.Seq2[offline.Message, error] {
	var all []offline.Message
	for m, err := range h.Store.Messages(ctx, account) {
		if err != nil {
			panic(err)
		}
		all = append(all, m)
	}
	return func(yield func(offline.Message, error) bool) {
		if h.gate != nil {
			<-h.gate
		}
		for _, m := range all {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// TestOfflineReadBefore: who has read what is stored before another one has got it does
// not get it as well.
func TestOfflineReadBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &held{Store: memory.New().Offline()}
		s := newServer(t, func(c *server.Config) { c.Stores.Offline = store })
		juliet := login(t, s, "juliet", "r0m30", "balcony")
		say(juliet, "romeo@localhost", "m")
		juliet.drain()
		first := newRaw(t, s.Pipe())
		first.login("romeo", "jul13t", "first")
		first.send("<enable xmlns='urn:xmpp:sm:3'/>")
		first.expect("<enabled")
		first.send("<presence/>")
		first.expect("m</body>")
		synctest.Wait()
		store.gate = make(chan struct{})
		second := newRaw(t, s.Pipe())
		second.login("romeo", "jul13t", "second")
		second.send("<presence/>")
		synctest.Wait()
		first.send("<a xmlns='urn:xmpp:sm:3' h='2'/>")
		synctest.Wait()
		if n := count(t, store.Store); n != 0 {
			t.Errorf("%d messages are stored", n)
		}
		close(store.gate)
		wantNone(t, second.drain(), "<body>")
	})
}
