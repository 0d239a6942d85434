package agents

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// lister is a server that knows its services.
type lister struct {
	*sender
	mu    sync.Mutex
	items []disco.Item
	hang  string // the address of one that does not answer
	asked map[string]int
}

func (l *lister) Services() []disco.Item { return slices.Clone(l.items) }

func (l *lister) Do(ctx context.Context, iq *stanza.Stanza) (*stanza.Stanza, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked[iq.To.String()]++
	if iq.To.String() == l.hang {
		l.mu.Unlock()
		<-ctx.Done()
		l.mu.Lock()
	}
	return l.sender.Do(ctx, iq)
}

func newLister(t *testing.T, e *Extension, hosts ...string) *lister {
	t.Helper()
	l := &lister{sender: &sender{t: t, server: true, answers: make(map[string]string)}, asked: make(map[string]int)}
	for _, h := range hosts {
		l.items = append(l.items, disco.Item{JID: jid.MustParse(h), Name: "named " + h})
	}
	if err := e.Attach(l); err != nil {
		t.Fatal(err)
	}
	return l
}

// list asks the server for its services.
func (l *lister) list(t *testing.T, ctx context.Context) (all []Agent) {
	t.Helper()
	st, err := stanza.Parse("<iq type='get' id='1' from='hamlet@denmark/x'><query xmlns='" + NS + "'/></iq>")
	if err == nil {
		err = l.mux.HandleXMPP(ctx, l, st)
	}
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := stanza.Decode[List](l.sent)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

var _ xmpp.Host = (*lister)(nil)

// TestAttached: the services of a server are asked what they are.
func TestAttached(t *testing.T) {
	const info = "<query xmlns='" + disco.NSInfo + "'><identity category='gateway' type='icq' name='ICQ'/>" +
		"<feature var='jabber:iq:register'/></query>"
	answer := func(l *lister) {
		l.answers["jabber:iq:agent users.denmark"] = "<query xmlns='jabber:iq:agent'><name>Users</name>" +
			"<description>People.</description><service>jud</service><search/></query>"
		l.answers["jabber:iq:agent icq.denmark"] = "<query xmlns='jabber:iq:agent'/>" // says nothing
		l.answers["disco#info icq.denmark"] = info
		l.answers["disco#info aim.denmark"] = info
	}
	icq := func(at string) Agent {
		return Agent{JID: jid.MustParse(at), Name: "ICQ", Service: "icq", Gateway: true, Register: true}
	}
	users := Agent{JID: users.JID, Name: "Users", Description: "People.", Service: "jud", Search: true}
	x := Agent{JID: jid.MustParse("x.denmark"), Name: "named x.denmark"}

	t.Run("GUIDE-9-agent-5 the old form first, then service discovery, or the name", func(t *testing.T) {
		l := newLister(t, new(Extension), "users.denmark", "icq.denmark", "aim.denmark", "x.denmark")
		answer(l)
		l.items = append(l.items, disco.Item{Name: "nowhere"})
		want := []Agent{users, icq("icq.denmark"), icq("aim.denmark"), x}
		if got := l.list(t, t.Context()); !slices.Equal(got, want) {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("what is known is not asked again, for a minute", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLister(t, new(Extension), "users.denmark", "x.denmark")
			answer(l)
			for _, tt := range []struct {
				wait        time.Duration
				users, xAsk int
			}{{0, 1, 2}, {59 * time.Second, 1, 2}, {time.Second, 2, 4}} {
				time.Sleep(tt.wait)
				if got := l.list(t, t.Context()); !slices.Equal(got, []Agent{users, x}) {
					t.Errorf("got %+v", got)
				}
				if l.asked["users.denmark"] != tt.users || l.asked["x.denmark"] != tt.xAsk {
					t.Errorf("after %v: asked %v", tt.wait, l.asked)
				}
			}
			// One that has gone is forgotten.
			all := l.items
			l.items = all[:1]
			l.list(t, t.Context())
			l.items = all
			if l.list(t, t.Context()); l.asked["x.denmark"] != 6 || l.asked["users.denmark"] != 2 {
				t.Errorf("asked %v", l.asked)
			}
		})
	})
	t.Run("MaxAge -1", func(t *testing.T) {
		l := newLister(t, &Extension{MaxAge: -1}, "users.denmark")
		answer(l)
		l.list(t, t.Context())
		if l.list(t, t.Context()); l.asked["users.denmark"] != 2 {
			t.Errorf("asked %v", l.asked)
		}
	})
	t.Run("one that does not answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLister(t, new(Extension), "x.denmark", "users.denmark")
			answer(l)
			l.hang = "x.denmark"
			for _, want := range []time.Duration{DefaultTimeout, 0} {
				begin := time.Now()
				if got := l.list(t, t.Context()); !slices.Equal(got, []Agent{x, users}) {
					t.Errorf("got %+v", got)
				}
				if took := time.Since(begin); took != want {
					t.Errorf("it took %v, want %v", took, want)
				}
			}
		})
	})
	t.Run("who asked has gone", func(t *testing.T) {
		l := newLister(t, new(Extension), "users.denmark")
		answer(l)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		l.list(t, ctx)
		if got := l.list(t, t.Context()); !slices.Equal(got, []Agent{users}) {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		l := newLister(t, new(Extension), "users.denmark", "icq.denmark")
		answer(l)
		e := &Extension{host: l}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if got := e.list(t.Context(), l); len(got) != 2 {
					t.Errorf("got %+v", got)
				}
			})
		}
		wg.Wait()
	})
	t.Run("not too many", func(t *testing.T) {
		for limit, want := range map[int]int{0: DefaultMaxAgents, 3: 3, -1: 150} {
			var hosts []string
			for i := range 150 {
				hosts = append(hosts, fmt.Sprintf("s%d.denmark", i))
			}
			l := newLister(t, &Extension{MaxAgents: limit}, hosts...)
			if got := l.list(t, t.Context()); len(got) != want || len(l.asked) != want {
				t.Errorf("MaxAgents %d: %d are listed, %d asked", limit, len(got), len(l.asked))
			}
		}
	})
}
