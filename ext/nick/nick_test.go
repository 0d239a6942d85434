package nick

import (
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
)

func TestNick(t *testing.T) {
	long := strings.Repeat("ü", MaxLen)
	exttest.Run(t, []exttest.Golden[Nick]{
		{Name: "XEP-0172 example 1", In: "<nick xmlns='http://jabber.org/protocol/nick'>Ishmael</nick>", Want: "Ishmael"},
		{
			Name: "white space and line breaks",
			In:   "<nick xmlns='http://jabber.org/protocol/nick'>\n Ishmael\nAhab </nick>",
			Want: "Ishmael Ahab",
			Out:  "<nick xmlns='http://jabber.org/protocol/nick'>Ishmael Ahab</nick>",
		},
		{
			Name: "a right-to-left override",
			In:   "<nick xmlns='http://jabber.org/protocol/nick'>a\u202eb</nick>",
			Want: "a b",
			Out:  "<nick xmlns='http://jabber.org/protocol/nick'>a b</nick>",
		},
		{
			Name: "an emoji of several",
			In:   "<nick xmlns='http://jabber.org/protocol/nick'>👩\u200d🚀</nick>",
			Want: "👩\u200d🚀",
		},
		{
			Name: "too long",
			In:   "<nick xmlns='http://jabber.org/protocol/nick'>" + long + "</nick>",
			Want: Nick(long[:MaxLen-1]),
			Out:  "<nick xmlns='http://jabber.org/protocol/nick'>" + long[:MaxLen-1] + "</nick>",
		},
		{
			Name: "taken back",
			In:   "<nick xmlns='http://jabber.org/protocol/nick'/>",
			Out:  "<nick xmlns='http://jabber.org/protocol/nick'></nick>",
		},
	})
}

func TestOf(t *testing.T) {
	const n = "<nick xmlns='http://jabber.org/protocol/nick'>Ishmael</nick>"
	for _, tt := range []struct {
		name, in, want string
	}{
		{"XEP-0172 example 3", "<presence from='narrator@moby-dick.lit' to='starbuck@moby-dick.lit' type='subscribe'>" + n + "</presence>", "Ishmael"},
		{"XEP-0172 example 4", "<message type='chat'><body>Call me Ishmael</body>" + n + "</message>", "Ishmael"},
		{"XEP-0172 example 9", "<message>" + n + "</message>", "Ishmael"},
		{"available", "<presence>" + n + "</presence>", ""},
		{"unavailable", "<presence type='unavailable'>" + n + "</presence>", ""},
		{"groupchat", "<message type='groupchat'>" + n + "</message>", ""},
		{"error", "<message type='error'>" + n + "</message>", ""},
		{"iq", "<iq type='set'>" + n + "</iq>", ""},
		{"empty", "<message><nick xmlns='http://jabber.org/protocol/nick'> </nick></message>", ""},
		{"none", "<message/>", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := Of(exttest.Parse(t, tt.in)); got != tt.want || ok != (tt.want != "") {
				t.Errorf("%q, %v", got, ok)
			}
		})
	}
	st, err := Subscribe(jid.MustParse("starbuck@moby-dick.lit/ship"), "Ishmael").Stanza()
	if want := "<presence type='subscribe' to='starbuck@moby-dick.lit'>" + n + "</presence>"; err != nil || st.String() != want {
		t.Errorf("%s, %v", st, err)
	}
}

func FuzzNick(f *testing.F) {
	f.Add("<nick xmlns='http://jabber.org/protocol/nick'>Ishmael</nick>")
	f.Add("<nick xmlns='http://jabber.org/protocol/nick'> a\u2028b\u202e </nick>")
	f.Add("<nick xmlns='http://jabber.org/protocol/nick'>" + strings.Repeat("\U0001F600", 300) + "</nick>")
	f.Fuzz(exttest.RoundTrip[Nick])
}
