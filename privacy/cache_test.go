package privacy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// TestStoreIsAskedOnce shows that stanzas do not cost reads.
func TestStoreIsAskedOnce(t *testing.T) {
	w := newWorld(t)
	for range 10 {
		w.allow(orchard, tybalt, Message)
		w.allow(jid.JID{}, tybalt, Message)
	}
	if w.store.reads != 1 || w.lookups != 0 {
		t.Errorf("%d reads, %d look-ups", w.store.reads, w.lookups)
	}
	w.must(orchard, "<list name='l'><item type='jid' value='juliet@example.com' action='deny' order='1'/>"+
		"<item type='group' value='Enemies' action='deny' order='2'><message/></item></list>")
	w.must(orchard, "<default name='l'/>")
	for range 10 {
		w.allow(orchard, juliet, Message)
		w.allow(orchard, tybalt, IQ)
	}
	if w.store.reads != 1 || w.lookups != 0 {
		t.Errorf("%d reads, %d look-ups", w.store.reads, w.lookups)
	}
	if w.allow(orchard, tybalt, Message) || w.lookups != 1 {
		t.Errorf("%d look-ups", w.lookups)
	}
}

func TestAllowDoesNotAllocate(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	check := func(what string, other jid.JID, want bool) {
		n := testing.AllocsPerRun(100, func() {
			if ok, err := w.eng.Allow(ctx, romeo, orchard, other, Message); ok != want || err != nil {
				t.Fatal(ok, err)
			}
		})
		if n > 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
	check("no lists", tybalt, true)
	w.must(orchard, "<list name='l'><item type='jid' value='tybalt@example.com' action='deny' order='1'/></list>")
	w.must(orchard, "<active name='l'/>")
	check("an active list", tybalt, false)
	check("an active list, no match", juliet, true)
}

// TestCacheIsBounded asks for many accounts.
func TestCacheIsBounded(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Cache = 10 })
	w.must(orchard, "<list name='l'><item action='deny' order='1'/></list>")
	w.must(orchard, "<active name='l'/>")
	// An account that is connected, and has done nothing.
	idle := jid.MustParse("idle@example.net")
	w.sessions[idle] = jids("idle@example.net/x")
	ask := func(account jid.JID) {
		if ok, err := w.eng.Allow(t.Context(), account, jid.JID{}, tybalt, Message); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	ask(idle)
	for i := range 1000 {
		account, err := jid.New(fmt.Sprint("user", i), "example.net", "")
		if err != nil {
			t.Fatal(err)
		}
		ask(account)
		if n := len(w.eng.cache.entries); n > 10+3 || n != len(w.eng.cache.ring) {
			t.Fatalf("%d accounts are kept, %d in the ring", n, len(w.eng.cache.ring))
		}
	}
	reads := w.store.reads
	if ask(idle); w.store.reads != reads {
		t.Error("a connected account has been forgotten")
	}
	if w.allow(orchard, tybalt, Message) {
		t.Error("an active list has been forgotten")
	}
	// Many are connected, and are not any more.
	for i := range 100 {
		account, err := jid.New(fmt.Sprint("live", i), "example.net", "")
		if err != nil {
			t.Fatal(err)
		}
		w.sessions[account] = []jid.JID{account}
		ask(account)
	}
	if n := len(w.eng.cache.entries); n < 100 {
		t.Errorf("%d accounts are kept, of 100 that are connected", n)
	}
	clear(w.sessions)
	w.eng.SessionDown(orchard)
	for range 300 {
		ask(idle)
		w.eng.cache.release(w.eng.cache.acquire(idle))
	}
	if n := len(w.eng.cache.entries); n > 10 {
		t.Errorf("%d accounts are kept when nobody is connected", n)
	}
}

// TestSessionEndsMeanwhile ends a session while its request is handled.
func TestSessionEndsMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.must(orchard, "<list name='l'><item action='deny' order='1'/></list>")
	calls := 0
	sessions := w.eng.cfg.Sessions
	w.eng.cfg.Sessions = func(account jid.JID) []jid.JID {
		if calls++; calls > 1 { // the request has been let in
			w.eng.SessionDown(orchard)
			return []jid.JID{home}
		}
		return sessions(account)
	}
	w.must(orchard, "<active name='l'/>")
	w.eng.cfg.Sessions = sessions
	if !w.allow(orchard, tybalt, Message) {
		t.Error("the list is active in the next session of that name")
	}
	if w.eng.cache.entries[romeo].states.Load() != nil {
		t.Error("something is kept of a session that has ended")
	}
}

// slowStore lets reads and updates wait.
type slowStore struct {
	memStore
	wait chan struct{}
}

func (s *slowStore) PrivacyLists(ctx context.Context, account jid.JID) (Lists, error) {
	<-s.wait
	return s.memStore.PrivacyLists(ctx, account)
}

// TestWaitEnds shows that waiting for another's read ends with the context.
func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{wait: make(chan struct{})}
		w := newWorld(t, func(c *Config) { c.Store = s })
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			if ok, err := w.eng.Allow(t.Context(), romeo, orchard, tybalt, Message); !ok || err != nil {
				t.Error(ok, err)
			}
		})
		synctest.Wait()
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		if ok, err := w.eng.Allow(ctx, romeo, orchard, tybalt, Message); ok || !errors.Is(err, why) {
			t.Error(ok, err)
		}
		if err := w.eng.RemoveAccount(ctx, romeo); !errors.Is(err, why) {
			t.Error(err)
		}
		st, err := stanza.Parse("<iq type='get' id='1' from='romeo@example.net/orchard'>" + query("") + "</iq>")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.mux.HandleXMPP(ctx, w, st); !errors.Is(err, why) {
			t.Error(err)
		}
		close(s.wait)
	})
}

// TestConcurrent changes lists, asks and ends sessions, all at once, in a cache
// that is too small. At the end memory and store agree.
func TestConcurrent(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Cache = 1 })
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 50 {
				account, err := jid.New(fmt.Sprint("user", (i+n)%5), "example.net", "")
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := w.eng.Allow(t.Context(), account, orchard, tybalt, Message); err != nil {
					t.Error(err)
				}
				if _, err := w.eng.Allow(t.Context(), romeo, home, tybalt, Message); err != nil {
					t.Error(err)
				}
				w.eng.SessionDown(orchard)
			}
		})
	}
	requests := []string{
		query(listPublic), query("<active name='public'/>"), query("<default name='public'/>"), query("<list name='public'/>"), query("<default/>"),
		command("block", items("a@b")), command("unblock", ""),
	}
	for i, from := range []jid.JID{orchard, home} {
		wg.Go(func() {
			for n := range 70 {
				st, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet, ID: "1", From: from, To: romeo},
					stanza.Raw(requests[(3*i+n)%len(requests)]))
				if err == nil {
					err = w.mux.HandleXMPP(t.Context(), w, st)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var want Lists
	if err := want.UnmarshalText([]byte(w.stored())); err != nil {
		t.Fatal(err)
	}
	_, got, err := w.eng.load(t.Context(), romeo)
	if err != nil {
		t.Fatal(err)
	}
	a, err1 := got.MarshalText()
	b, err2 := want.MarshalText()
	if string(a) != string(b) || err1 != nil || err2 != nil {
		t.Errorf("in memory %s, stored %s", a, b)
	}
	for _, n := range w.eng.cache.ring {
		if n.refs != 0 || len(n.turn) != 0 {
			t.Errorf("%s is in use", n.account)
		}
	}
}

func BenchmarkAllowNoLists(b *testing.B) {
	w := newWorld(b)
	b.ReportAllocs()
	ctx := b.Context()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if ok, err := w.eng.Allow(ctx, romeo, orchard, tybalt, Message); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
}

// TestRemoveLater lets an entry come back to life between the decision to remove
// it and the removal.
func TestRemoveLater(t *testing.T) {
	c := cache{inUse: func(jid.JID) bool { return false }}
	n := c.acquire(romeo)
	here := func(why string, want bool) {
		t.Helper()
		if c.remove(n); (c.find(romeo) == n) != want || len(c.ring) != len(c.entries) {
			t.Errorf("%s: kept %v", why, !want)
		}
	}
	here("in use", true)
	c.max = 1
	c.release(n)
	c.update(n, orchard, func(s *session) { s.active = "l" })
	here("a session has an active list", true)
	c.forget(orchard)
	other := c.acquire(juliet)
	c.hand = 1
	here("the hand is elsewhere", true)
	c.hand = 0
	here("idle", false)
	if c.find(juliet) != other {
		t.Error("another has been removed")
	}
}

// TestAsksAndGoes ends the context of a request when it is answered: what
// follows from it happens all the same.
func TestAsksAndGoes(t *testing.T) {
	var dead []error
	w := newWorld(t, func(c *Config) {
		c.Push = func(ctx context.Context, _ jid.JID, _ stanza.Payload) { dead = append(dead, ctx.Err()) }
		c.Announce = func(ctx context.Context, _, _ jid.JID, _ bool) { dead = append(dead, ctx.Err()) }
	})
	ctx, cancel := context.WithCancel(t.Context())
	st, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeSet, ID: "1", From: orchard, To: romeo},
		stanza.Raw(command("block", items("a@b"))))
	if err != nil {
		t.Fatal(err)
	}
	gone := errors.New("gone")
	err = w.mux.HandleXMPP(ctx, goneSender{sendFunc(func(*stanza.Stanza) { cancel() }), gone}, st)
	if !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	if len(dead) != 4 || errors.Join(dead...) != nil {
		t.Errorf("two pushes, two announcements: %v", dead)
	}
}

// goneSender sends to somebody who is gone.
type goneSender struct {
	sendFunc
	err error
}

func (g goneSender) Send(ctx context.Context, st *stanza.Stanza) error {
	g.sendFunc(st)
	return g.err
}
