package csi

import (
	"context"
	"encoding/xml"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/stanza"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, in   string
		active, ok bool
	}{
		{"XEP-0352 example 2", "<inactive xmlns='urn:xmpp:csi:0'/>", false, true},
		{"XEP-0352 example 3", "<active xmlns='urn:xmpp:csi:0'/>", true, true},
		{"as it is sent", ActiveXML, true, true},
		{"as it is sent", InactiveXML, false, true},
		{"the feature", FeatureXML, false, false},
		{"another namespace", "<active xmlns='urn:xmpp:csi:1'/>", false, false},
		{"not known", "<idle xmlns='urn:xmpp:csi:0'/>", false, false},
		{"with what is not known", "<active xmlns='urn:xmpp:csi:0' since='x'>y</active>", true, true},
	} {
		e, err := stanza.Raw(tt.in).Element()
		if err != nil {
			t.Fatal(err)
		}
		if active, ok := Parse(e); active != tt.active || ok != tt.ok {
			t.Errorf("%s: got %v, %v", tt.name, active, ok)
		}
	}
	if e, err := stanza.Raw(FeatureXML).Element(); err != nil || e.Name() != FeatureName {
		t.Errorf("the feature is %v, %v", e.Name(), err)
	}
}

// fake is a session.
type fake struct {
	xmpp.Sender
	lacks bool // the feature
	fail  error

	mu  sync.Mutex
	got []stanza.Raw
}

func (f *fake) HasStreamFeature(n xml.Name) bool { return !f.lacks && n == FeatureName }

func (f *fake) SendElement(_ context.Context, el stanza.Raw) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == nil {
		f.got = append(f.got, el)
	}
	return f.fail
}

func (f *fake) sent(t *testing.T, want ...stanza.Raw) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(f.got, want) {
		t.Errorf("sent %q, want %q", f.got, want)
	}
	f.got = nil
}

// around is a Sender around another one.
type around struct{ xmpp.Sender }

func (a around) Unwrap() xmpp.Sender { return a.Sender }

func TestSet(t *testing.T) {
	f := new(fake)
	for _, s := range []xmpp.Sender{f, around{f}, around{around{f}}} {
		if err := errors.Join(Set(t.Context(), s, false), Set(t.Context(), s, true)); err != nil {
			t.Error(err)
		}
		f.sent(t, InactiveXML, ActiveXML)
	}
	for _, s := range []xmpp.Sender{new(exttest.Host), around{new(exttest.Host)}, &fake{lacks: true}, nil} {
		if err := Set(t.Context(), s, false); err != ErrUnsupported {
			t.Errorf("%T: %v", s, err)
		}
	}
	if err := Set(t.Context(), &fake{fail: xmpp.ErrNotConnected}, true); err != xmpp.ErrNotConnected {
		t.Error(err)
	}
}

// TestExtension: each session is told, but for what it begins with.
func TestExtension(t *testing.T) {
	var x Extension
	set := func(active bool) {
		t.Helper()
		if err := x.Set(t.Context(), active); err != nil {
			t.Error(err)
		}
	}
	if err := x.Attach(new(exttest.Host)); err != nil {
		t.Error(err)
	}
	if err := x.Attach(new(hosttest.Server)); err == nil {
		t.Error("it is for servers")
	}
	a, b, c := new(fake), new(fake), new(fake)
	x.SessionUp(t.Context(), a)
	a.sent(t)
	set(true)
	a.sent(t)
	set(false)
	set(false)
	a.sent(t, InactiveXML)
	x.SessionDown(a, nil)
	x.SessionUp(t.Context(), b)
	b.sent(t, InactiveXML)
	x.SessionDown(a, nil) // not the one that there is
	set(true)
	b.sent(t, ActiveXML)
	x.SessionDown(b, nil)
	set(false) // nobody is there to tell
	set(true)
	set(false)
	a.sent(t)
	b.sent(t)
	x.SessionUp(t.Context(), c)
	c.sent(t, InactiveXML)

	// On a new connection of the same session it is said again.
	x.SessionSuspended(c, nil)
	set(true)
	set(false)
	c.sent(t)
	x.SessionResumed(t.Context(), c)
	c.sent(t, InactiveXML)

	c.fail = xmpp.ErrNotConnected
	if err := x.Set(t.Context(), true); err != xmpp.ErrNotConnected {
		t.Error(err)
	}
	x.SessionDown(c, nil)
	x.SessionUp(t.Context(), a) // it is active, and so is the session
	a.sent(t)
}

// TestExtensionAtOnce: what was said last is what the server knows last.
func TestExtensionAtOnce(t *testing.T) {
	var x Extension
	f := new(fake)
	x.SessionUp(t.Context(), f)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				x.Set(t.Context(), i%2 == 0)
			}
		})
	}
	wg.Wait()
	want := stanza.Raw(InactiveXML) // then they alternate
	for i, el := range f.got {
		if el != want {
			t.Fatalf("indication %d is %s again", i, el)
		}
		if want = InactiveXML; el == InactiveXML {
			want = ActiveXML
		}
	}
	if len(f.got)%2 == 1 != x.inactive {
		t.Errorf("%d indications, inactive is %v", len(f.got), x.inactive)
	}
}

// FuzzPush: whatever comes, it comes out again, and once.
func FuzzPush(f *testing.F) {
	for _, k := range kinds {
		f.Add(k.xml)
	}
	f.Add("<message><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'>" +
		"<active xmlns='http://jabber.org/protocol/chatstates'/></message></forwarded></received></message>")
	f.Fuzz(func(t *testing.T, src string) {
		st, err := stanza.Parse(src)
		if err != nil {
			return
		}
		Parse(st.Payload())
		var q Queue
		u := UrgencyOf(st)
		now := append(q.Push(st), q.Push(st)...)
		if (u == Urgent) != (len(now) == 2) {
			t.Fatalf("%s: urgency %d, but %d are sent", src, u, len(now))
		}
		want := 2
		if u == Latest {
			want = 1
		}
		if all := append(now, q.Take()...); len(all) != want || q.Len() != 0 {
			t.Fatalf("%s: %d come out, want %d", src, len(all), want)
		}
	})
}
