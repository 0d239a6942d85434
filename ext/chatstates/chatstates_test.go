package chatstates

import (
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/stanza"
)

const xmlns = " xmlns='http://jabber.org/protocol/chatstates'/>"

func TestState(t *testing.T) {
	exttest.Run(t, []exttest.Golden[State]{
		{Name: "XEP-0085 example 3", In: "<active" + xmlns, Want: Active},
		{Name: "XEP-0085 example 5", In: "<composing" + xmlns, Want: Composing},
		{Name: "XEP-0085 example 11", In: "<c:paused xmlns:c='http://jabber.org/protocol/chatstates'/>", Want: Paused, Out: "<paused" + xmlns},
		{Name: "XEP-0085 example 15", In: "<inactive" + xmlns, Want: Inactive},
		{Name: "XEP-0085 example 18", In: "<gone" + xmlns, Want: Gone},
		{Name: "unknown", In: "<asleep" + xmlns, Err: true},
	})
	for _, s := range []State{"", "a><b"} {
		if b, err := s.AppendXML(nil); err == nil {
			t.Errorf("%q was written as %s", s, b)
		}
	}
}

func TestOf(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     State
	}{
		{"standalone", "<message type='chat'><composing" + xmlns + "</message>", Composing},
		{"with content", "<message type='chat'><body>x</body><active" + xmlns + "</message>", Active},
		{"several, the first counts", "<message type='chat'><paused" + xmlns + "<gone" + xmlns + "</message>", Paused},
		{"no type", "<message><composing" + xmlns + "</message>", Composing},
		{"groupchat", "<message type='groupchat'><composing" + xmlns + "</message>", Composing},
		{"gone in a groupchat", "<message type='groupchat'><gone" + xmlns + "</message>", ""},
		{"headline", "<message type='headline'><active" + xmlns + "</message>", ""},
		{"error", "<message type='error'><active" + xmlns + "</message>", ""},
		{"presence", "<presence><active" + xmlns + "</presence>", ""},
		{"unknown", "<message><asleep" + xmlns + "</message>", ""},
		{"none", "<message><body>x</body></message>", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := exttest.Parse(t, tt.in)
			if got, ok := Of(st); got != tt.want || ok != (tt.want != "") {
				t.Errorf("got %q, %v", got, ok)
			}
			if st.Kind == stanza.KindMessage {
				if got, _ := Of(st.Message()); got != tt.want {
					t.Errorf("of the message %q", got)
				}
			}
		})
	}
}
