package privacy

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

func jids(texts ...string) (all []jid.JID) {
	for _, s := range texts {
		all = append(all, jid.MustParse(s))
	}
	return all
}

func block(s string, order uint32) Item {
	return Item{Type: ByJID, JID: jid.MustParse(s), Deny: true, Order: order}
}

func TestLists(t *testing.T) {
	var l Lists
	for _, name := range []string{"b", "c", "a", "b"} {
		before := l
		l.Put(List{Name: name, Items: []Item{{Order: uint32(len(before.Lists))}}})
		if before.Find(name) != nil && before.Find(name).Items[0].Order == l.Find(name).Items[0].Order {
			t.Error("a copy has been changed")
		}
	}
	want := Lists{Lists: []List{{"a", []Item{{Order: 2}}}, {"b", []Item{{Order: 3}}}, {"c", []Item{{Order: 1}}}}}
	if !reflect.DeepEqual(l, want) {
		t.Errorf("Put: %+v", l)
	}
	if l.Find("d") != nil || l.Delete("d") {
		t.Error("there is a list d")
	}
	l.Default = "b"
	if copied := l; !l.Delete("a") || l.Default != "b" || copied.Lists[0].Name != "a" {
		t.Errorf("Delete: %+v, copy %+v", l, copied)
	}
	if !l.Delete("b") || l.Default != "" || len(l.Lists) != 1 {
		t.Errorf("Delete of the default list: %+v", l)
	}
	unsorted := Lists{Lists: []List{{Name: "b"}, {Name: "a"}}}
	if unsorted.Put(List{Name: "a", Items: []Item{{}}}); len(unsorted.Lists) != 2 || unsorted.Find("a").Items == nil {
		t.Errorf("Put: %+v", unsorted)
	}
}

func TestClone(t *testing.T) {
	l := Lists{Default: "a", Lists: []List{{"a", []Item{block("a@b/c", 1), {Type: ByGroup, Group: "g"}}}, {Name: "b"}}}
	c := l.Clone()
	if !reflect.DeepEqual(l, c) {
		t.Errorf("got %+v", c)
	}
	c.Lists[0].Items[0].Order = 7
	if c.Lists[1].Name = "x"; l.Lists[0].Items[0].Order != 1 || l.Lists[1].Name != "b" {
		t.Error("the copy shares memory")
	}
}

func TestMarshal(t *testing.T) {
	tests := []struct {
		lists Lists
		text  string
	}{
		{Lists{}, ""},
		{Lists{Lists: []List{{Name: "empty"}}}, query("<list name='empty'/>")},
		{Lists{Default: "b", Lists: []List{{"a", []Item{{Order: 0}, {Type: ByGroup, Group: "<&'\">\t\n", Order: 5, Kinds: allKinds}}},
			{"b",
				[]Item{block("b.example/<r>", 1), {Type: BySubscription, Subscription: roster.From, Order: math.MaxUint32}}}}},
			query("<default name='b'/><list name='a'><item action='allow' order='0'/>" +
				"<item type='group' value='&lt;&amp;&apos;&quot;&gt;&#x9;&#xA;' action='allow' order='5'><message/><iq/><presence-in/><presence-out/></item></list>" +
				"<list name='b'><item type='jid' value='b.example/&lt;r&gt;' action='deny' order='1'/>" +
				"<item type='subscription' value='from' action='allow' order='4294967295'/></list>")},
	}
	for _, tt := range tests {
		b, err := tt.lists.MarshalText()
		if err != nil || string(b) != tt.text {
			t.Errorf("got %s, %v\nwant %s", b, err, tt.text)
		}
		l := Lists{Default: "x"}
		if err := l.UnmarshalText(b); err != nil || !reflect.DeepEqual(l, tt.lists) {
			t.Errorf("got %+v, %v\nwant %+v", l, err, tt.lists)
		}
	}
}

func TestMarshalInvalid(t *testing.T) {
	for _, l := range []Lists{
		{Default: "a"},
		{Lists: []List{{Name: "a"}, {Name: "a"}}},
		{Lists: []List{{}}},
	} {
		if b, err := l.MarshalText(); !errors.Is(err, stanza.BadRequest) {
			t.Errorf("%+v: %s, %v", l, b, err)
		}
	}
	for _, s := range []string{"x", "<query/>", query("<default name='a'/>"), query("<list/>")} {
		l := Lists{Default: "x"}
		if err := l.UnmarshalText([]byte(s)); err == nil || l.Default != "x" {
			t.Errorf("%s: %+v, %v", s, l, err)
		}
	}
}

// TestBlocked changes the default list by blocking (XEP-0191, section 5).
func TestBlocked(t *testing.T) {
	mixed := Lists{Default: "mine", Lists: []List{{Name: "blocklist", Items: []Item{block("x@b", 1)}}, {Name: "mine", Items: []Item{
		block("a@b", 5), {Type: ByGroup, Group: "g", Order: 6}, block("c@d", 7), {Type: ByJID, JID: jid.MustParse("e@f"), Deny: true, Kinds: Message, Order: 9}}}}}
	tests := []struct {
		name    string
		lists   Lists
		do      func(*Lists)
		want    []Item
		deflt   string
		blocked []jid.JID
	}{
		{"nothing", Lists{}, func(*Lists) {}, nil, "", nil},
		{"no default list", Lists{Lists: mixed.Lists}, func(*Lists) {}, nil, "", nil},
		{"the first one makes the default list", Lists{}, func(l *Lists) { l.Block(jids("a@b", "a@b", "c.d/e")...) },
			[]Item{block("a@b", 1), block("c.d/e", 2)}, "blocklist", jids("a@b", "c.d/e")},
		{"but not of a list that is there", Lists{Lists: mixed.Lists}, func(l *Lists) { l.Block(jids("a@b")...) },
			[]Item{block("a@b", 1)}, "blocklist-2", jids("a@b")},
		{"none", Lists{}, func(l *Lists) { l.Block(); l.Block(jid.JID{}) }, nil, "", nil},
		{"again",
			mixed, func(l *Lists) { l.Block(jids("a@b")...) }, mixed.Lists[1].Items, "mine", jids("a@b", "c@d")},
		{"blocks come first", mixed, func(l *Lists) { l.Block(jids("x@y", "c@d")...) },
			[]Item{block("a@b", 5), block("x@y", 6), block("c@d", 7), {Type: ByGroup, Group: "g", Order: 8},
				{Type: ByJID, JID: jid.MustParse("e@f"), Deny: true, Kinds: Message, Order: 9}}, "mine", jids("a@b", "x@y", "c@d")},
		{"in front of what begins with 0",
			Lists{Default: "l", Lists: []List{{"l", []Item{{Order: 0}}}}}, func(l *Lists) { l.Block(jids("a@b")...) },
			[]Item{block("a@b", 1), {Order: 2}}, "l", jids("a@b")},
		{"behind the largest order",
			Lists{Default: "l", Lists: []List{{"l", []Item{block("a@b", math.MaxUint32)}}}}, func(l *Lists) { l.Block(jids("c@d")...) },
			[]Item{block("a@b", 1), block("c@d", 2)}, "l", jids("a@b", "c@d")},
		{"only what is blocked by its address counts", mixed, func(l *Lists) { l.Unblock(jids("e@f")...) },
			mixed.Lists[1].Items, "mine", jids("a@b", "c@d")},
		{"unblock", mixed, func(l *Lists) { l.Unblock(jids("c@d")...) },
			[]Item{mixed.Lists[1].Items[0], mixed.Lists[1].Items[1], mixed.Lists[1].Items[3]}, "mine", jids("a@b")},
		{"unblock all",
			mixed, func(l *Lists) { l.Unblock() }, []Item{mixed.Lists[1].Items[1], mixed.Lists[1].Items[3]}, "mine", nil},
		{"unblock the last one",
			Lists{}, func(l *Lists) { l.Block(jids("a@b")...); l.Unblock(jids("a@b")...) }, nil, "", nil},
		{"unblock nothing", Lists{}, func(l *Lists) { l.Unblock() }, nil, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.lists.Clone()
			l := tt.lists
			tt.do(&l)
			if !reflect.DeepEqual(tt.lists, before) {
				t.Errorf("memory of a copy has been changed: %+v", tt.lists)
			}
			if l.Default != tt.deflt || !reflect.DeepEqual(l.Blocked(), tt.blocked) {
				t.Errorf("default %q, blocked %v", l.Default, l.Blocked())
			}
			var items []Item
			if d := l.byDefault(); d != nil {
				items = d.Items
			}
			if !reflect.DeepEqual(items, tt.want) {
				t.Errorf("got %+v\nwant %+v", items, tt.want)
			}
			if _, err := l.MarshalText(); err != nil {
				t.Error(err)
			}
		})
	}
}
