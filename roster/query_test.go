package roster

import (
	"reflect"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var (
	nurse = jid.MustParse("nurse@example.com")
	romeo = jid.MustParse("romeo@example.net")
)

func parse(t *testing.T, xml string) stanza.Element {
	t.Helper()
	el, err := stanza.Raw(xml).Element()
	if err != nil {
		t.Fatalf("%s: %v", xml, err)
	}
	return el
}

// TestQuery reads payloads, and writes them again.
func TestQuery(t *testing.T) {
	const open, end = "<query xmlns='jabber:iq:roster'>", "</query>"
	item := func(it Item) Query { return Query{Items: []Item{it}} }
	tests := []struct {
		name string
		in   string
		want Query
		out  string // "" if it is as in
	}{
		{"IM-8.1-1 request", "<query xmlns='jabber:iq:roster'/>", Query{}, ""},
		{"R6121-2.6-1 request without a version yet", "<query xmlns='jabber:iq:roster' ver=''/>", Query{HasVer: true}, ""},
		{"R6121-2.6-1 request with a version", "<query xmlns='jabber:iq:roster' ver='ver14'/>",
			Query{Ver: "ver14", HasVer: true}, ""},
		{"R6121-2.1.4-1 empty roster", "<query xmlns='jabber:iq:roster' ver='ver9'/>", Query{Ver: "ver9", HasVer: true}, ""},
		{"IM-8.1-3 result", "<query xmlns='jabber:iq:roster' ver='ver11'>" +
			"<item jid='romeo@example.net' name='Romeo' subscription='both'><group>Friends</group></item>" +
			"<item jid='mercutio@example.com' name='Mercutio' subscription='from'/></query>",
			Query{Ver: "ver11", HasVer: true, Items: []Item{
				{JID: romeo, Name: "Romeo", Subscription: Both, Groups: []string{"Friends"}},
				{JID: jid.MustParse("mercutio@example.com"), Name: "Mercutio", Subscription: From},
			}}, ""},
		{"subscription missing", open + "<item jid='nurse@example.com'/>" + end, item(Item{JID: nurse}),
			open + "<item jid='nurse@example.com' subscription='none'/>" + end},
		{"IM-8.3-1 removal", open + "<item jid='nurse@example.com' subscription='remove'/>" + end,
			item(Item{JID: nurse, Subscription: Remove}), ""},
		{"IM-D.5-1 a value that is not defined is ignored", open + "<item jid='nurse@example.com' subscription='BOTH' ask='x'/>" + end,
			item(Item{JID: nurse}), open + "<item jid='nurse@example.com' subscription='none'/>" + end},
		{"IM-D.5-4 ask subscribe", open + "<item jid='nurse@example.com' subscription='none' ask='subscribe'/>" + end,
			item(Item{JID: nurse, Ask: true}), ""},
		{"IM-D.5-4 ask unsubscribe has no effect", open + "<item jid='nurse@example.com' subscription='to' ask='unsubscribe'/>" + end,
			item(Item{JID: nurse, Subscription: To}), open + "<item jid='nurse@example.com' subscription='to'/>" + end},
		{"IM-D.5-5 groups", open + "<item jid='nurse@example.com' subscription='to'><group>A &amp; B</group><group>C</group></item>" + end,
			item(Item{JID: nurse, Subscription: To, Groups: []string{"A & B", "C"}}), ""},
		{"GUIDE-11-group-2 an empty group is none", open + "<item jid='nurse@example.com' subscription='to'><group/></item>" + end,
			item(Item{JID: nurse, Subscription: To}), open + "<item jid='nurse@example.com' subscription='to'/>" + end},
		{"an empty group beside another", open + "<item jid='nurse@example.com'><group></group><group>A</group></item>" + end,
			item(Item{JID: nurse, Groups: []string{"A"}}),
			open + "<item jid='nurse@example.com' subscription='none'><group>A</group></item>" + end},
		{"R6121-3.4-1 approved", open + "<item jid='nurse@example.com' subscription='none' approved='true'/>" + end,
			item(Item{JID: nurse, Approved: true}), ""},
		{"approved as 1", open + "<item approved='1' jid='nurse@example.com'/>" + end, item(Item{JID: nurse, Approved: true}),
			open + "<item jid='nurse@example.com' subscription='none' approved='true'/>" + end},
		{"not approved", open + "<item approved='yes' jid='nurse@example.com'/>" + end, item(Item{JID: nurse}),
			open + "<item jid='nurse@example.com' subscription='none'/>" + end},
		{"a malformed address costs its item only", open + "<item jid='@'/><item/><item jid='Nurse@EXAMPLE.com'/>" + end,
			item(Item{JID: nurse}), open + "<item jid='nurse@example.com' subscription='none'/>" + end},
		{"what is unknown", "<query xmlns='jabber:iq:roster' x='1'>text<item xmlns='urn:x' jid='a@b'/>" +
			"<item jid='nurse@example.com' xmlns:y='urn:y' y:name='n'><group xmlns='urn:x'>g</group><x/></item></query>",
			item(Item{JID: nurse}), open + "<item jid='nurse@example.com' subscription='none'/>" + end},
		{"escapes", open + "<item jid='o&apos;hara@example.com' name='&lt;&quot;&apos;&amp;' subscription='none'/>" + end,
			Query{}, "<query xmlns='jabber:iq:roster'/>"},
		{"escaped name", open + "<item jid='nurse@example.com' name='&lt;&quot;&apos;&amp;'/>" + end,
			item(Item{JID: nurse, Name: `<"'&`}),
			open + "<item jid='nurse@example.com' name='&lt;&quot;&apos;&amp;' subscription='none'/>" + end},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var q Query
			if err := parse(t, tt.in).Decode(&q); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(q, tt.want) {
				t.Errorf("read %+v, want %+v", q, tt.want)
			}
			want := tt.out
			if want == "" {
				want = tt.in
			}
			b, err := q.AppendXML([]byte("!"))
			if err != nil || string(b) != "!"+want {
				t.Errorf("wrote %s, want %s (%v)", b, want, err)
			}
			parse(t, string(b[1:]))
		})
	}
}

func TestQueryErrors(t *testing.T) {
	if b, err := (Query{Items: []Item{{Name: "x"}}}).AppendXML(nil); err == nil {
		t.Errorf("an item without address was written: %s", b)
	}
	if b, err := (request{Item{Name: "x"}}).AppendXML(nil); err == nil {
		t.Errorf("an item without address was written: %s", b)
	}
	b, err := Query{Items: []Item{{JID: nurse, Subscription: 9}}}.AppendXML(nil)
	if err != nil || string(b) != "<query xmlns='jabber:iq:roster'><item jid='nurse@example.com'/></query>" {
		t.Errorf("a subscription that is none: %s, %v", b, err)
	}
	if n := stanza.PayloadName[Query](); n != (request{}).XMLName() || n.Space != NS || n.Local != "query" {
		t.Errorf("name %v", n)
	}
}

func TestSubscription(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Subscription
		ok   bool
	}{
		{"none", None, true}, {"to", To, true}, {"from", From, true}, {"both", Both, true}, {"remove", Remove, true},
		{"", None, true}, {"None", None, false}, {" to", None, false}, {"subscribe", None, false},
	} {
		s, ok := ParseSubscription(tt.text)
		if s != tt.want || ok != tt.ok {
			t.Errorf("%q: %v, %v", tt.text, s, ok)
		}
		if tt.ok && tt.text != "" && s.String() != tt.text {
			t.Errorf("%q is written %q", tt.text, s)
		}
	}
	for s := Subscription(0); s < 16; s++ {
		back, ok := ParseSubscription(s.String())
		if defined := s <= Both || s == Remove; defined != (s.String() != "") || defined && (back != s || !ok) {
			t.Errorf("%d: %q", s, s)
		}
	}
	if From&Both == 0 || To&From != 0 || To|From != Both {
		t.Error("To and From are not the bits of Both")
	}
}

func TestItemClone(t *testing.T) {
	it := Item{JID: nurse, Name: "Nurse", Groups: []string{"A", "B"}, Subscription: To, Ask: true, Approved: true}
	c := it.Clone()
	if !reflect.DeepEqual(it, c) || !it.equal(c) {
		t.Errorf("%+v, want %+v", c, it)
	}
	c.Groups[0] = "C"
	if it.Groups[0] != "A" || it.equal(c) {
		t.Error("the groups are shared")
	}
	if (Item{JID: nurse, Groups: []string{}}).Clone().Groups != nil {
		t.Error("no groups are not nil")
	}
}
