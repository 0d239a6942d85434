package presence

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

func track(t *testing.T, tr *Tracker) *session {
	t.Helper()
	s := &session{mux: new(xmpp.Mux)}
	if err := tr.Attach(s); err != nil {
		t.Fatal(err)
	}
	tr.SessionUp(t.Context(), s)
	return s
}

// in has the tracker see a presence from romeo@example.net and this resource.
func (s *session) in(t *testing.T, resource, attrs, body string) {
	t.Helper()
	from := "romeo@example.net"
	if resource != "" {
		from += "/" + resource
	}
	if err := s.receive(t, "<presence from='"+from+"' "+attrs+">"+body+"</presence>"); err != nil {
		t.Fatal(err)
	}
}

// of returns the resources of a contact that are there.
func (t *Tracker) of(contact jid.JID) string {
	var list []string
	for _, p := range t.Of(contact) {
		list = append(list, p.From.Resource())
	}
	return strings.Join(list, " ")
}

func (t *Tracker) wantEmpty(test *testing.T) {
	test.Helper()
	if t.count != 0 || t.bytes != 0 || len(t.contacts) != 0 {
		test.Errorf("%d presences, %d bytes, %d contacts are left", t.count, t.bytes, len(t.contacts))
	}
}

func TestTracker(t *testing.T) {
	var changes []string
	tr := &Tracker{OnChange: func(_ context.Context, _ xmpp.Sender, p *stanza.Presence) {
		changes = append(changes, p.From.Resource()+":"+string(p.Type))
	}}
	s := track(t, tr)
	if tr.Best(romeo) != nil || tr.Presence(romeo) != nil || tr.of(romeo) != "" {
		t.Error("somebody is there")
	}
	s.in(t, "orchard", "", "<show>away</show><priority>1</priority>")
	s.in(t, "home", "", "<priority>2</priority>")
	s.in(t, "street", "", "<priority>1</priority>")
	s.in(t, "never", "", "<show>chat</show><priority>-1</priority>")
	s.in(t, "tomb", "", "<show>dnd</show><priority>1</priority>")
	s.in(t, "mantua", "", "<show>xa</show><priority>1</priority>")
	s.in(t, "dance", "", "<show>chat</show><priority>1</priority>")
	s.in(t, "square", "", "<priority>1</priority>")
	if got := tr.of(romeo); got != "home dance square street orchard mantua tomb never" {
		t.Errorf("order %s", got)
	}
	home := jid.MustParse("romeo@example.net/home")
	if p := tr.Best(home); p == nil || p.From != home || p != tr.Presence(home) {
		t.Errorf("best %+v", p)
	}

	s.in(t, "street", "", "<priority>1</priority><status>Back</status>") // later than square now
	if got := tr.of(romeo); got != "home dance street square orchard mantua tomb never" {
		t.Errorf("order %s", got)
	}
	t.Run("CORE-6.4.1-2 unavailable", func(t *testing.T) {
		s.in(t, "home", "type='unavailable'", "")
		s.in(t, "home", "type='unavailable'", "")
		if tr.Presence(home) != nil || strings.Contains(tr.of(romeo), "home") {
			t.Errorf("still there: %s", tr.of(romeo))
		}
	})
	t.Run("CORE-6.4.1-8 error", func(t *testing.T) {
		s.in(t, "dance", "type='error'", "<error type='cancel'/>")
		if strings.Contains(tr.of(romeo), "dance") {
			t.Errorf("still there: %s", tr.of(romeo))
		}
	})
	s.in(t, "", "type='unavailable'", "")
	if got := tr.of(romeo); got != "" {
		t.Errorf("nobody is there, but %s", got)
	}
	s.in(t, "", "type='unavailable'", "")
	s.in(t, "", "", "") // a service, which has no resources
	if p := tr.Best(romeo); p == nil || p.From != romeo {
		t.Errorf("best %+v", p)
	}
	s.in(t, "", "type='unsubscribed'", "")
	want := "orchard: home: street: never: tomb: mantua: dance: square: street: home:unavailable dance:error :unavailable : :unsubscribed"
	if got := strings.Join(changes, " "); got != want {
		t.Errorf("changes %s, want %s", got, want)
	}
	if err := s.receive(t, "<presence/>"); err != nil {
		t.Error(err)
	}
	tr.wantEmpty(t)
	s.in(t, "home", "", "")
	tr.Forget(home)
	tr.Forget(home)
	tr.wantEmpty(t)
	if err := new(Tracker).Attach(&session{mux: new(xmpp.Mux), server: true}); err == nil {
		t.Error("attached to a server")
	}
}

// TestTrackerBounds: strangers cannot make it grow, nor drive anybody out.
func TestTrackerBounds(t *testing.T) {
	t.Run("presences", func(t *testing.T) {
		tr := &Tracker{MaxPresences: 3}
		s := track(t, tr)
		for i := range 5 {
			s.in(t, fmt.Sprint("r", i), "", "")
		}
		s.in(t, "r1", "", "<show>away</show>")
		if got := tr.of(romeo); got != "r2 r0 r1" {
			t.Errorf("%s", got)
		}
		s.in(t, "r0", "type='unavailable'", "")
		s.in(t, "r4", "", "")
		if got := tr.of(romeo); got != "r4 r2 r1" {
			t.Errorf("%s", got)
		}
	})
	t.Run("of one contact", func(t *testing.T) {
		tr := &Tracker{MaxPerContact: 1}
		s := track(t, tr)
		s.in(t, "a", "", "")
		s.in(t, "b", "", "")
		if err := s.receive(t, "<presence from='juliet@example.com/x'/>"); err != nil {
			t.Fatal(err)
		}
		if tr.of(romeo) != "a" || tr.of(juliet) != "x" {
			t.Errorf("%s, %s", tr.of(romeo), tr.of(juliet))
		}
	})
	t.Run("bytes", func(t *testing.T) {
		tr := &Tracker{MaxBytes: 300}
		s := track(t, tr)
		s.in(t, "a", "", "")
		s.in(t, "b", "", "<status>"+strings.Repeat("x", 300)+"</status>")
		if got := tr.of(romeo); got != "a" {
			t.Errorf("%s", got)
		}
		// What is out of date is not told any more.
		s.in(t, "a", "", "<status>"+strings.Repeat("x", 300)+"</status>")
		tr.wantEmpty(t)
	})
	t.Run("none", func(t *testing.T) {
		tr := &Tracker{MaxPresences: -1, MaxPerContact: -1, MaxBytes: -1}
		s := track(t, tr)
		for i := range DefaultMaxPerContact + 1 {
			s.in(t, fmt.Sprint("r", i), "", "")
		}
		if n := len(tr.Of(romeo)); n != DefaultMaxPerContact+1 {
			t.Errorf("%d", n)
		}
	})
	t.Run("accepted", func(t *testing.T) {
		tr := &Tracker{Accept: func(from jid.JID) bool { return from.Resource() != "spam" }}
		s := track(t, tr)
		s.in(t, "spam", "", "")
		s.in(t, "home", "", "")
		if got := tr.of(romeo); got != "home" {
			t.Errorf("%s", got)
		}
	})
}

// TestTrackerSessions: at the end of a session what was seen in it is forgotten,
// even if the next session has begun by then.
func TestTrackerSessions(t *testing.T) {
	tr := new(Tracker)
	s1 := track(t, tr)
	s1.in(t, "old", "", "")
	s1.in(t, "both", "", "")
	s2 := &session{mux: s1.mux}
	s2.in(t, "both", "", "")
	s2.in(t, "new", "", "")
	tr.SessionDown(wrapper{wrapper{s1}}, xmpp.ErrSessionLost)
	if got := tr.of(romeo); got != "new both" {
		t.Errorf("%s", got)
	}
	s1.in(t, "late", "", "")
	s1.in(t, "new", "type='unavailable'", "")
	if got := tr.of(romeo); got != "new both" {
		t.Errorf("late: %s", got)
	}
	tr.SessionDown(s2, nil)
	tr.wantEmpty(t)
}

// wrapper is a Sender as handlers may get it.
type wrapper struct{ xmpp.Sender }

func (w wrapper) Unwrap() xmpp.Sender { return w.Sender }

// TestTrackerConcurrent is for the race detector.
func TestTrackerConcurrent(t *testing.T) {
	tr := &Tracker{MaxPresences: 8}
	s := track(t, tr)
	var wg sync.WaitGroup
	for i := range 4 {
		from, err := romeo.WithResource(fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for n := range 100 {
				typ := stanza.TypeAvailable
				if n%3 == 2 {
					typ = stanza.TypeUnavailable
				}
				st, err := (&stanza.Presence{From: from, Type: typ}).Stanza()
				if err == nil {
					err = s.mux.HandleXMPP(t.Context(), s, st)
				}
				if err != nil {
					t.Error(err)
				}
				tr.Best(romeo)
			}
		})
	}
	wg.Wait()
	if n := len(tr.Of(romeo)); n != 4 {
		t.Errorf("%d are there", n)
	}
	tr.SessionDown(s, nil)
	tr.wantEmpty(t)
}
