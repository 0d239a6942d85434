package attention

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const element = "<attention xmlns='urn:xmpp:attention:0'/>"

func TestAttention(t *testing.T) {
	exttest.Run(t, []exttest.Golden[Attention]{
		{Name: "XEP-0224 example 2", In: element},
		{Name: "with something in it", In: "<attention xmlns='urn:xmpp:attention:0'><x xmlns='urn:x'/></attention>", Out: element},
	})
	st, err := New(jid.MustParse("herbie@usrobots.lit/home"), "Why don't you answer, Herbie?").Stanza()
	want := "<message type='headline' to='herbie@usrobots.lit/home'><body>Why don't you answer, Herbie?</body>" + element + "</message>"
	if err != nil || st.String() != want {
		t.Errorf("%s, %v", st, err)
	}
}

func TestOf(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     bool
	}{
		{"XEP-0224 example 2", "<message type='headline'>" + element + "<body>Why don't you answer, Herbie?</body></message>", true},
		{"XEP-0224 example 1", "<message type='chat'><body>All right</body></message>", false},
		{"delayed", "<message>" + element + "<delay xmlns='urn:xmpp:delay' stamp='2008-11-13T00:00:00Z'/></message>", false},
		{"delayed in the old form", "<message>" + element + "<x xmlns='jabber:x:delay' stamp='20081113T00:00:00'/></message>", false},
		{"iq", "<iq type='set'>" + element + "</iq>", false},
		{"presence", "<presence>" + element + "</presence>", false},
		{"error", "<message type='error'>" + element + "</message>", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Of(exttest.Parse(t, tt.in)); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestExtension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls int
		e := &Extension{OnAttention: func(_ context.Context, _ xmpp.Sender, m *stanza.Message) {
			if calls++; m.From.Bare().String() != "herbie@usrobots.lit" {
				t.Errorf("from %s", m.From)
			}
		}}
		h := exttest.Attach(t, e, "herbie@usrobots.lit/home")
		nudge := func(from string) (n int) {
			before := calls
			h.Receive(t, "<message type='headline' from='"+from+"'>"+element+"</message>")
			return calls - before
		}
		if n := nudge("stranger@usrobots.lit/x"); n != 0 {
			t.Error("a stranger is let through")
		}
		if nudge("herbie@usrobots.lit/a") != 1 || nudge("herbie@usrobots.lit/b") != 0 {
			t.Error("not once")
		}
		time.Sleep(DefaultInterval)
		if nudge("herbie@usrobots.lit/a") != 1 {
			t.Error("not later")
		}
		e.Interval = -1
		if nudge("herbie@usrobots.lit/a") != 1 {
			t.Error("limited without a limit")
		}
		e.Allow = func(from jid.JID) bool { return from.Resource() == "b" }
		if nudge("herbie@usrobots.lit/a") != 0 || nudge("herbie@usrobots.lit/b") != 1 {
			t.Error("Allow is not asked")
		}
		if f := e.Features(h.Local); len(f) != 1 || f[0] != NS {
			t.Errorf("features %q", f)
		}
	})
}

func TestDisabled(t *testing.T) {
	var e Extension
	h := exttest.Attach(t, &e, "herbie@usrobots.lit/home")
	if got := h.Receive(t, "<message from='herbie@usrobots.lit/a'>"+element+"</message>"); got != nil {
		t.Errorf("sent %q", got)
	}
	if f := e.Features(h.Local); f != nil {
		t.Errorf("features %q", f)
	}
}
