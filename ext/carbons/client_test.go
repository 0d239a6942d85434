package carbons

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

func TestEnable(t *testing.T) {
	h := &exttest.Host{Local: garden}
	for want, turn := range map[string]func(context.Context, xmpp.Sender) error{
		"<iq type='set'><enable xmlns='urn:xmpp:carbons:2'/></iq>":  Enable,
		"<iq type='set'><disable xmlns='urn:xmpp:carbons:2'/></iq>": Disable,
	} {
		if err := turn(t.Context(), h); err != nil {
			t.Error(err)
		}
		if got := h.Sent(); !slices.Equal(got, []string{want}) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	h.Answer = func(*stanza.Stanza) (*stanza.Stanza, error) { return nil, stanza.NewError(stanza.Forbidden, "") }
	if err := Enable(t.Context(), h); !errors.Is(err, stanza.Forbidden) { // XEP-0280 example 5
		t.Errorf("got %v", err)
	}
}

func TestExtension(t *testing.T) {
	var got []Copy
	var failed error
	x := &Extension{
		Handle: func(_ context.Context, s xmpp.Sender, c Copy) error {
			if s.LocalAddr() != garden {
				t.Errorf("the Sender is %s", s.LocalAddr())
			}
			got = append(got, c)
			return nil
		},
		Failed: func(err error) { failed = err },
	}
	h := exttest.Attach(t, x, garden.String())
	for _, src := range []string{
		example10, example11, example13, example9,
		wrapped(romeo.String(), "error", "sent", "<message xmlns='jabber:client' type='error' from='romeo@montague.example/home'/>"),
		wrapped(romeo.String(), "error", "sent", example12),
	} {
		h.Receive(t, src)
	}
	if len(got) != 3 || got[0].Direction != Received || got[1].Direction != Sent || got[2].Stanza.Type != stanza.TypeError {
		t.Errorf("got %+v", got)
	}
	if f := x.Features(jid.JID{}); !slices.Equal(f, []string{NS}) {
		t.Errorf("features %q", f)
	}

	x.SessionUp(t.Context(), h)
	if sent := h.Sent(); len(sent) != 1 || failed != nil {
		t.Errorf("sent %q, failed %v", sent, failed)
	}
	x.SessionDown(h, nil)
	h.Fail = stanza.ServiceUnavailable
	x.SessionUp(t.Context(), h)
	if !errors.Is(failed, stanza.ServiceUnavailable) {
		t.Errorf("failed %v", failed)
	}
	new(Extension).SessionUp(t.Context(), h) // with nobody to tell
}

func TestAttach(t *testing.T) {
	h := exttest.Attach(t, new(Extension), garden.String())
	if sent := h.Receive(t, example10); len(sent) != 0 {
		t.Errorf("sent %q", sent)
	}
	if err := new(Extension).Attach(&hosttest.Server{}); err == nil {
		t.Error("it is for servers")
	}
}

// FuzzOf: whatever comes, only what is of the account is taken for a copy, and what
// is taken is a message of the account.
func FuzzOf(f *testing.F) {
	for _, src := range []string{example9, example10, example11, example13,
		wrapped(romeo.String(), "error", "sent", "<message xmlns='jabber:client' type='error' from='romeo@montague.example/home'/>")} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		st, err := stanza.Parse(src)
		if err != nil {
			return
		}
		Copied(Received, st)
		Copied(Sent, st)
		c, ok, forged := Of(garden, st)
		if ok && forged || !ok && c.Stanza != nil {
			t.Fatalf("%s: %v, %v, %v", src, c.Stanza, ok, forged)
		}
		if !ok {
			return
		}
		if !st.From.IsZero() && st.From != romeo {
			t.Fatalf("%s: of %s", src, st.From)
		}
		mine := c.Stanza.To
		if c.Direction == Sent {
			mine = c.Stanza.From
		}
		if c.Stanza.Kind != stanza.KindMessage || mine.Bare() != romeo && (c.Direction == Sent || !mine.IsZero()) {
			t.Fatalf("%s: %s", src, c.Stanza)
		}
		w, err := Wrap(c.Direction, romeo, c.Stanza)
		if err != nil {
			t.Fatal(err)
		}
		if again, ok, _ := Of(garden, w); !ok && w.Type != stanza.TypeError || ok && again.Stanza.String() != c.Stanza.String() {
			t.Fatalf("%s: again %v, %v", src, again, ok)
		}
	})
}

// FuzzSwitch: what is accepted is written as it was read.
func FuzzSwitch(f *testing.F) {
	f.Add("<enable xmlns='urn:xmpp:carbons:2'/>")
	f.Add("<disable xmlns='urn:xmpp:carbons:2'>x</disable>")
	f.Fuzz(func(t *testing.T, src string) {
		e, err := stanza.Raw(src).Element()
		if err != nil {
			return
		}
		var s, again Switch
		if e.Decode(&s) != nil {
			return
		}
		b, _ := s.AppendXML(nil)
		e, err = stanza.Raw(b).Element()
		if err != nil || e.Decode(&again) != nil || again != s {
			t.Fatalf("%s: written as %s, read as %+v (%v)", src, b, again, err)
		}
	})
}
