package stanzaid

import (
	"regexp"
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var room = jid.MustParse("room@muc.example.com")

func TestPayloads(t *testing.T) {
	exttest.Run(t, []exttest.Golden[StanzaID]{
		{
			Name: "XEP-0359 example 1",
			In:   "<stanza-id xmlns='urn:xmpp:sid:0' id='de305d54-75b4-431b-adb2-eb6b9e546013' by='room@muc.example.com'/>",
			Want: StanzaID{"de305d54-75b4-431b-adb2-eb6b9e546013", room},
		},
		{
			Name: "addresses are normalized (section 3, rule 7)",
			In:   "<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='ROOM@muc.example.com'/>",
			Want: StanzaID{"1", room},
			Out:  "<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='room@muc.example.com'/>",
		},
		{Name: "no id", In: "<stanza-id xmlns='urn:xmpp:sid:0' by='room@muc.example.com'/>", Err: true},
		{Name: "no by", In: "<stanza-id xmlns='urn:xmpp:sid:0' id='1'/>", Err: true},
		{Name: "by is no address", In: "<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='@'/>", Err: true},
	})
	exttest.Run(t, []exttest.Golden[OriginID]{
		{
			Name: "XEP-0359 example 2",
			In:   "<origin-id xmlns='urn:xmpp:sid:0' id='de305d54-75b4-431b-adb2-eb6b9e546013'/>",
			Want: OriginID{"de305d54-75b4-431b-adb2-eb6b9e546013"},
		},
		{Name: "no id", In: "<origin-id xmlns='urn:xmpp:sid:0'/>", Err: true},
	})
	exttest.Run(t, []exttest.Golden[Reference]{
		{
			Name: "XEP-0359 example 4",
			In:   "<referenced-stanza xmlns='urn:xmpp:sid:0' id='xep359-stanza-id' by='muc.example.org'/>",
			Want: Reference{"xep359-stanza-id", jid.MustParse("muc.example.org")},
		},
		{Name: "no by", In: "<referenced-stanza xmlns='urn:xmpp:sid:0' id='&lt;1&gt;'/>", Want: Reference{ID: "<1>"}},
		{Name: "no id", In: "<referenced-stanza xmlns='urn:xmpp:sid:0'/>", Err: true},
	})
	for _, p := range []stanza.Payload{StanzaID{ID: "1"}, StanzaID{By: room}, OriginID{}, Reference{By: room}} {
		if b, err := p.AppendXML(nil); err == nil {
			t.Errorf("%+v was written as %s", p, b)
		}
	}
}

func TestNew(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	a, b := New(), New()
	if a == b || !form.MatchString(a) || !form.MatchString(b) {
		t.Errorf("%s, %s", a, b)
	}
}

func TestBy(t *testing.T) {
	const (
		mine   = "<stanza-id xmlns='urn:xmpp:sid:0' id='5f3d' by='room@muc.example.com'/>"
		his    = "<stanza-id xmlns='urn:xmpp:sid:0' id='spoof' by='other@muc.example.com'/>"
		empty  = "<stanza-id xmlns='urn:xmpp:sid:0' by='room@muc.example.com'/>"
		origin = "<origin-id xmlns='urn:xmpp:sid:0' id='de30'/>"
	)
	tests := []struct{ name, in, want, origin string }{
		{"XEP-0359 example 3", "<message type='groupchat'><body>x</body>" + mine + origin + "</message>", "5f3d", "de30"},
		{"of somebody else", "<message>" + his + "</message>", "", ""},
		{"of both", "<message>" + his + mine + "</message>", "5f3d", ""},
		{"two in one name", "<message>" + mine + mine + "</message>", "", ""},
		{"an empty one", "<message>" + empty + "</message>", "", ""},
		{"in an error", "<message type='error'>" + mine + origin + "</message>", "", ""},
		{"none", "<message><body>x</body></message>", "", ""},
		{"deeper", "<message><x xmlns='urn:x'>" + mine + "</x></message>", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := exttest.Parse(t, tt.in)
			if id, ok := By(st, room); id != tt.want || ok != (tt.want != "") {
				t.Errorf("By: %q, %v", id, ok)
			}
			if id, ok := By(st.Message(), room); id != tt.want || ok != (tt.want != "") {
				t.Errorf("By of the message: %q, %v", id, ok)
			}
			if id, ok := Origin(st); id != tt.origin || ok != (tt.origin != "") {
				t.Errorf("Origin: %q, %v", id, ok)
			}
		})
	}
	if id, ok := By(exttest.Parse(t, "<message>"+mine+"</message>"), jid.JID{}); ok {
		t.Errorf("of nobody: %q", id)
	}
}

func TestStamp(t *testing.T) {
	st := exttest.Parse(t, "<message><body>x</body><stanza-id xmlns='urn:xmpp:sid:0' id='spoof' by='Room@muc.example.com'/>"+
		"<stanza-id xmlns='urn:xmpp:sid:0' id='spoof' by='@'/><origin-id xmlns='urn:xmpp:sid:0' id='o'/></message>")
	const rest = "<message><body>x</body><stanza-id xmlns='urn:xmpp:sid:0' id='spoof' by='@'/><origin-id xmlns='urn:xmpp:sid:0' id='o'/>"
	got, err := Strip(st, room)
	if want := rest + "</message>"; err != nil || got.String() != want {
		t.Errorf("Strip: %s, %v\nwant %s", got, err, want)
	}
	if again, err := Strip(got, room); again != got || err != nil {
		t.Errorf("Strip again: %v, %v", again, err)
	}
	got, err = Stamp(st, StanzaID{"5f3d", room})
	if want := rest + "<stanza-id xmlns='urn:xmpp:sid:0' id='5f3d' by='room@muc.example.com'/></message>"; err != nil || got.String() != want {
		t.Errorf("Stamp: %s, %v\nwant %s", got, err, want)
	}
	if _, err := Stamp(st, StanzaID{ID: "1"}); err == nil {
		t.Error("stamped in nobody's name")
	}
}

func FuzzStanzaID(f *testing.F) {
	f.Add("<stanza-id xmlns='urn:xmpp:sid:0' id='de30' by='room@muc.example.com'/>")
	f.Add("<referenced-stanza xmlns='urn:xmpp:sid:0' id='de30' by='@'/>")
	f.Fuzz(func(t *testing.T, src string) {
		exttest.RoundTrip[StanzaID](t, src)
		exttest.RoundTrip[Reference](t, src)
	})
}
