package pending

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

// j parses an address; "" is the zero JID.
func j(s string) jid.JID {
	if s == "" {
		return jid.JID{}
	}
	return jid.MustParse(s)
}

func reply(id, from string) *stanza.Stanza {
	st, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeResult, ID: id, From: j(from)})
	if err != nil {
		panic(err)
	}
	return st
}

func TestAccepts(t *testing.T) {
	const (
		full   = "juliet@capulet.lit/balcony"
		bare   = "juliet@capulet.lit"
		domain = "capulet.lit"
		other  = "romeo@montague.lit/orchard"
	)
	froms := []string{"", full, bare, domain, "juliet@capulet.lit/chamber", "nurse@capulet.lit", "evil.capulet.lit",
		other, "romeo@montague.lit", "montague.lit"}
	tests := []struct {
		self, to string
		accepted []string
	}{
		{full, "", []string{"", full, bare, domain}},
		{full, bare, []string{"", bare}},
		{full, domain, []string{"", domain}},
		{full, full, []string{full}},
		{full, other, []string{other}},
		{full, "romeo@montague.lit", []string{"romeo@montague.lit"}},
		{full, "montague.lit", []string{"montague.lit"}},
		{full, "nurse@capulet.lit", []string{"nurse@capulet.lit"}},
		// A component is its domain.
		{domain, "", []string{"", domain}},
		{domain, domain, []string{"", domain}},
		{domain, bare, []string{bare}},
		// Without an address of its own.
		{"", "", []string{""}},
		{"", bare, []string{bare}},
	}
	for _, tt := range tests {
		want := make(map[string]bool)
		for _, f := range tt.accepted {
			want[f] = true
		}
		for _, from := range froms {
			t.Run(fmt.Sprintf("self=%s to=%s from=%s", tt.self, tt.to, from), func(t *testing.T) {
				if got := Accepts(j(tt.self), j(tt.to), j(from)); got != want[from] {
					t.Errorf("got %v", got)
				}
			})
		}
	}
}

func TestResolve(t *testing.T) {
	tab := New(j("juliet@capulet.lit/balcony"))
	r, err := tab.Add("x", j("romeo@montague.lit/orchard"))
	if err != nil {
		t.Fatal(err)
	}
	if tab.Resolve(reply("x", "")) || tab.Resolve(reply("x", "romeo@montague.lit")) || tab.Resolve(reply("y", "romeo@montague.lit/orchard")) {
		t.Fatal("a reply from somebody else, or with another id, was taken")
	}
	want := reply("x", "romeo@montague.lit/orchard")
	if !tab.Resolve(want) {
		t.Fatal("the reply was not taken")
	}
	if tab.Resolve(want) {
		t.Error("the same reply was taken twice")
	}
	if got, err := r.Wait(t.Context()); got != want || err != nil {
		t.Errorf("Wait: %v, %v", got, err)
	}
	if tab.Len() != 0 {
		t.Errorf("%d requests are left", tab.Len())
	}
}

func TestIDs(t *testing.T) {
	tab := New(j("juliet@capulet.lit/balcony"))
	add := func(id, to string) error {
		_, err := tab.Add(id, j(to))
		return err
	}
	a, _ := tab.Add("", jid.JID{})
	b, _ := tab.Add("", jid.JID{})
	if a.ID() == b.ID() || len(a.ID()) < 16 {
		t.Errorf("ids %q and %q", a.ID(), b.ID())
	}
	for _, tt := range []struct {
		to   string
		want error
	}{
		{"romeo@montague.lit", nil},
		{"romeo@montague.lit", ErrDuplicate},
		{"romeo@montague.lit/orchard", nil},
		{"", nil},
		{"", ErrDuplicate},
		// These would share the reply without a from.
		{"juliet@capulet.lit", ErrDuplicate},
		{"capulet.lit", ErrDuplicate},
		{"nurse@capulet.lit", nil},
	} {
		if err := add("id", tt.to); err != tt.want {
			t.Errorf("to %q: %v, want %v", tt.to, err, tt.want)
		}
	}
	// Of several with one id each gets its own.
	if !tab.Resolve(reply("id", "romeo@montague.lit/orchard")) || tab.Resolve(reply("id", "romeo@montague.lit/orchard")) {
		t.Error("the request to the full JID was not resolved once")
	}
	if tab.Len() != 5 {
		t.Errorf("%d requests wait, want 5", tab.Len())
	}
}

func TestFailAll(t *testing.T) {
	tab := New(jid.JID{})
	var rs []*Request
	for range 3 {
		r, err := tab.Add("", j("a.example"))
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	lost := errors.New("lost")
	tab.FailAll(lost)
	tab.FailAll(errors.New("a later one"))
	for _, r := range rs {
		if st, err := r.Wait(t.Context()); st != nil || err != lost {
			t.Errorf("Wait: %v, %v", st, err)
		}
		r.Cancel() // of no effect
	}
	if _, err := tab.Add("", jid.JID{}); err != lost {
		t.Errorf("Add: %v", err)
	}
	if tab.Resolve(reply(rs[0].ID(), "a.example")) {
		t.Error("resolved after the end")
	}
}

func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(jid.JID{})
		r, _ := tab.Add("1", j("a.example"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := r.Wait(ctx)
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Wait: %v", err)
		}
		if tab.Resolve(reply("1", "a.example")) || tab.Len() != 0 {
			t.Error("the request is still there")
		}
		// A reply that has come is not lost to a context that has ended.
		r, _ = tab.Add("2", j("a.example"))
		tab.Resolve(reply("2", "a.example"))
		if st, err := r.Wait(ctx); st == nil || err != nil {
			t.Errorf("Wait after the reply: %v, %v", st, err)
		}
	})
}

// TestNobodyWaits: the reader is not blocked by what nobody asks for.
func TestNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(jid.JID{})
		for i := range 100 {
			tab.Add(fmt.Sprint(i), j("a.example"))
		}
		for i := range 50 {
			if !tab.Resolve(reply(fmt.Sprint(i), "a.example")) {
				t.Fatal("not resolved")
			}
		}
		tab.FailAll(errors.New("end"))
		if tab.Len() != 0 {
			t.Errorf("%d left", tab.Len())
		}
	})
}

func TestConcurrent(t *testing.T) {
	tab := New(jid.JID{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				r, err := tab.Add("", j("a.example"))
				if err != nil {
					t.Error(err)
					return
				}
				wg.Go(func() { tab.Resolve(reply(r.ID(), "a.example")) })
				if st, err := r.Wait(t.Context()); err != nil || st.ID != r.ID() {
					t.Errorf("%v, %v", st, err)
				}
			}
		})
	}
	wg.Wait()
	if tab.Len() != 0 {
		t.Errorf("%d left", tab.Len())
	}
}
