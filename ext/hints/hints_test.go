package hints

import (
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/stanza"
)

func TestHint(t *testing.T) {
	exttest.Run(t, []exttest.Golden[Hint]{
		{Name: "XEP-0334 4.1", In: "<no-permanent-store xmlns='urn:xmpp:hints'/>", Want: NoPermanentStore},
		{Name: "XEP-0334 4.2", In: "<no-store xmlns='urn:xmpp:hints'/>", Want: NoStore},
		{Name: "XEP-0334 4.3", In: "<no-copy xmlns='urn:xmpp:hints'/>", Want: NoCopy},
		{Name: "XEP-0334 4.4", In: "<h:store xmlns:h='urn:xmpp:hints'/>", Want: Store, Out: "<store xmlns='urn:xmpp:hints'/>"},
		{Name: "unknown", In: "<burn xmlns='urn:xmpp:hints'/>", Err: true},
	})
	for _, h := range []Hint{"", "a><b"} {
		if b, err := h.AppendXML(nil); err == nil {
			t.Errorf("%q was written as %s", h, b)
		}
	}
}

func TestOf(t *testing.T) {
	const hint = " xmlns='urn:xmpp:hints'/>"
	tests := []struct {
		name string
		in   string
		want Hints
	}{
		{"XEP-0334 example 1", "<message to='juliet@capulet.lit/laptop'><body>x</body><no-copy" + hint + "<no-store" + hint + "</message>", Hints{NoCopy: true, NoStore: true}},
		{"no-copy to a bare address", "<message to='juliet@capulet.lit'><no-copy" + hint + "</message>", Hints{}},
		{"store", "<message><store" + hint + "<no-permanent-store" + hint + "<burn" + hint + "</message>", Hints{Store: true, NoPermanentStore: true}},
		{"error", "<message type='error' to='a@b/c'><store" + hint + "<no-copy" + hint + "</message>", Hints{}},
		{"presence", "<presence><no-store" + hint + "</presence>", Hints{}},
		{"another namespace", "<message><store xmlns='urn:x'/></message>", Hints{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := exttest.Parse(t, tt.in)
			if got := Of(st); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if st.Kind != stanza.KindMessage {
				return
			}
			if got := Of(st.Message()); got != tt.want {
				t.Errorf("of the message %+v, want %+v", got, tt.want)
			}
		})
	}
	if got := Of(&stanza.Message{Payloads: []any{stanza.Raw("<")}}); got != (Hints{}) {
		t.Errorf("of what is no stanza: %+v", got)
	}
}

func TestDecisions(t *testing.T) {
	for _, tt := range []struct {
		h                    Hints
		usual, keep, archive bool
	}{
		{Hints{}, true, true, true},
		{Hints{}, false, false, false},
		{Hints{Store: true}, false, true, true},
		{Hints{NoStore: true}, true, false, false},
		{Hints{NoPermanentStore: true}, true, true, false},
		{Hints{NoStore: true, Store: true}, false, false, false},
		{Hints{NoPermanentStore: true, Store: true}, false, true, false},
	} {
		if tt.h.Keep(tt.usual) != tt.keep || tt.h.Archive(tt.usual) != tt.archive {
			t.Errorf("%+v usually %v: keep %v, archive %v", tt.h, tt.usual, tt.h.Keep(tt.usual), tt.h.Archive(tt.usual))
		}
	}
}
