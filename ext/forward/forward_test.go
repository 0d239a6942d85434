package forward

import (
	"errors"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/stanza"
)

const message = "<message xmlns='jabber:client' type='chat' id='0202197' to='mercutio@verona.lit' from='romeo@montague.lit/orchard'>" +
	"<body>Yet I should kill thee with much cherishing.</body></message>"

func TestXML(t *testing.T) {
	for _, tt := range []struct{ name, in, out string }{
		{"XEP-0297 example 3", "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>" + message + "</forwarded>", ""},
		{"without delay", "<forwarded xmlns='urn:xmpp:forward:0'>" + message + "</forwarded>", ""},
		{"with what is not known", "<forwarded xmlns='urn:xmpp:forward:0'>x<a xmlns='urn:a'/><delay xmlns='urn:xmpp:delay'/>" + message + "</forwarded>",
			"<forwarded xmlns='urn:xmpp:forward:0'>" + message + "</forwarded>"},
	} {
		f, err := exttest.Decode[Forwarded](t, tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if tt.out == "" {
			tt.out = tt.in
		}
		b, err := f.AppendXML(nil)
		got, err2 := exttest.Decode[Forwarded](t, string(b))
		if err != nil || err2 != nil || got.Stanza.String() != f.Stanza.String() || (got.Delay == nil) != (f.Delay == nil) {
			t.Errorf("%s: got %s, %v, %v", tt.name, b, err, err2)
		}
		if f.Stanza.ID != "0202197" || f.Stanza.Message().Body == "" {
			t.Errorf("%s: %s", tt.name, f.Stanza)
		}
		if f.Delay != nil && !f.Delay.Stamp.Equal(time.Date(2010, 7, 10, 23, 8, 25, 0, time.UTC)) {
			t.Errorf("%s: %v", tt.name, f.Delay)
		}
	}
	for _, in := range []string{"<forwarded xmlns='urn:xmpp:forward:0'/>", "<forwarded xmlns='urn:xmpp:forward:0'>" + message + message + "</forwarded>",
		"<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='urn:x'/></forwarded>",
		"<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' to='@'/></forwarded>"} {
		if _, err := exttest.Decode[Forwarded](t, in); !errors.Is(err, stanza.BadRequest) {
			t.Errorf("%s: %v", in, err)
		}
	}
	if _, err := (Forwarded{}).AppendXML(nil); err == nil {
		t.Error("nothing was forwarded")
	}
}

func TestIn(t *testing.T) {
	st := exttest.Parse(t, "<message><a xmlns='urn:a'><b/><forwarded xmlns='urn:xmpp:forward:0'>"+message+"</forwarded></a><c xmlns='urn:a'/></message>")
	if f, err := In(st.Child("urn:a", "a")); err != nil || f.Stanza.ID != "0202197" {
		t.Errorf("got %+v, %v", f, err)
	}
	if _, err := In(st.Child("urn:a", "c")); !errors.Is(err, stanza.BadRequest) {
		t.Errorf("nothing is there: %v", err)
	}
}

func FuzzXML(f *testing.F) {
	f.Add("<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>" + message + "</forwarded>")
	f.Fuzz(func(t *testing.T, src string) {
		el, err := stanza.Raw(src).Element()
		if err != nil {
			return
		}
		var v, w Forwarded
		if el.Decode(&v) != nil {
			return
		}
		b, err := v.AppendXML(nil)
		if err != nil {
			t.Fatal(err)
		}
		back, err := stanza.Raw(b).Element()
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if err := back.Decode(&w); err != nil || w.Stanza.String() != v.Stanza.String() {
			t.Fatalf("got %s, again %+v, %v", b, w.Stanza, err)
		}
	})
}
