package rosterx

import (
	"reflect"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

func decode(t *testing.T, src string) (Items, error) {
	t.Helper()
	el, err := stanza.Raw(src).Element()
	if err != nil {
		t.Fatal(err)
	}
	var x Items
	err = el.Decode(&x)
	return x, err
}

func TestItems(t *testing.T) {
	item := func(j, name string, groups ...string) Item { return Item{jid.MustParse(j), name, groups} }
	tests := []struct {
		name, in string
		want     Items
		out      string // "" if it is as in
	}{
		{
			name: "GUIDE-10-roster-1 the example of the guide",
			in: "<x xmlns='jabber:x:roster'><item jid='claudius@denmark' name='King'><group>Royalty</group></item>" +
				"<item jid='horatio@denmark' name='Horatio'><group>Friends</group></item><item jid='fortinbras@norway' name='Prince Fortinbras'/></x>",
			want: Items{item("claudius@denmark", "King", "Royalty"), item("horatio@denmark", "Horatio", "Friends"), item("fortinbras@norway", "Prince Fortinbras")},
		},
		{
			name: "XEP-0093 example 1",
			in: "<x xmlns='jabber:x:roster'><item jid='rosencrantz@denmark' name='Rosencrantz'><group>Visitors</group></item>" +
				"<item jid='guildenstern@denmark' name='Guildenstern'><group>Visitors</group></item></x>",
			want: Items{item("rosencrantz@denmark", "Rosencrantz", "Visitors"), item("guildenstern@denmark", "Guildenstern", "Visitors")},
		},
		{
			name: "GUIDE-10-roster-2 subscription and ask are ignored, and never sent",
			in:   "<x xmlns='jabber:x:roster'><item jid='horatio@denmark' subscription='remove' ask='subscribe'/></x>",
			want: Items{item("horatio@denmark", "")},
			out:  "<x xmlns='jabber:x:roster'><item jid='horatio@denmark'/></x>",
		},
		{
			name: "what is not an item, or comes twice",
			in: "<x xmlns='jabber:x:roster'><item jid='@'/><item/><other jid='a@b'/><item jid='a@b' name='&lt;A&gt;'><group/><group>g</group><group>g</group><o/></item>" +
				"<item jid='A@b' name='B'/></x>",
			want: Items{item("a@b", "<A>", "g")},
			out:  "<x xmlns='jabber:x:roster'><item jid='a@b' name='&lt;A&gt;'><group>g</group></item></x>",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decode(t, tt.in)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v", got, err)
			}
			want := tt.out
			if want == "" {
				want = tt.in
			}
			if b, err := got.AppendXML(nil); err != nil || string(b) != want {
				t.Errorf("got %s, %v\nwant %s", b, err, want)
			}
		})
	}
	for _, src := range []string{"<x xmlns='jabber:x:roster'/>", "<x xmlns='jabber:x:roster'><item jid=''/></x>"} {
		if x, err := decode(t, src); err == nil {
			t.Errorf("%s was taken as %+v", src, x)
		}
	}
	for _, x := range []Items{nil, {{Name: "x"}}} {
		if b, err := x.AppendXML(nil); err == nil {
			t.Errorf("%+v was written as %s", x, b)
		}
	}
	if n := (Items{}).XMLName(); n.Space != NS || n.Local != "x" {
		t.Errorf("named %v", n)
	}
}

func FuzzItems(f *testing.F) {
	f.Add("<x xmlns='jabber:x:roster'><item jid='claudius@denmark' name='King'><group>Royalty</group></item></x>")
	f.Add("<x xmlns='jabber:x:roster'><item jid='A@b'/><item jid='a@B'/></x>")
	f.Fuzz(func(t *testing.T, src string) {
		el, err := stanza.Raw(src).Element()
		if err != nil {
			return
		}
		var x, again Items
		if !el.Is(NS, "x") || el.Decode(&x) != nil {
			return
		}
		b, err := x.AppendXML(nil)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", x, err)
		}
		el, err = stanza.Raw(b).Element()
		if err != nil || el.Decode(&again) != nil || !reflect.DeepEqual(x, again) {
			t.Fatalf("%+v was written as %s and read as %+v (%v)", x, b, again, err)
		}
	})
}
