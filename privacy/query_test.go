package privacy

import (
	"errors"
	"reflect"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

func parseQuery(t *testing.T, s string) (q Query, err error) {
	t.Helper()
	e, err := stanza.Raw(s).Element()
	if err != nil {
		t.Fatal(err)
	}
	return q, e.Decode(&q)
}

var tybaltBare = jid.MustParse("tybalt@example.com")

// TestQuery reads and writes queries in both forms.
func TestQuery(t *testing.T) {
	one := func(items ...Item) Query { return Query{Lists: []List{{Name: "l", Items: items}}} }
	old := func(items ...Item) Query {
		q := one(items...)
		q.Old = true
		return q
	}
	list := func(items string) string { return "<list name='l'>" + items + "</list>" }
	tests := []struct {
		name string
		in   string // inside of the query
		want Query
		out  string // "" if it is as in
		err  error
	}{
		{name: "R3921-10.3-1 nothing", in: "", want: Query{}},
		{name: "R3921-10.3-1 the names",
			in:   "<active name='private'/><default name='public'/><list name='public'/><list name='private'/>",
			want: Query{Active: new("private"), Default: new("public"), Lists: []List{{Name: "public"}, {Name: "private"}}}},
		{name: "R3921-10.4-3 decline", in: "<active/>", want: Query{Active: new("")}},
		{name: "R3921-10.5-3 decline", in: "<default/>", want: Query{Default: new("")}},
		{name: "an empty name", in: "<active name=''/>", err: stanza.BadRequest},
		{name: "two active", in: "<active name='a'/><active/>", err: stanza.BadRequest},
		{name: "two defaults", in: "<default/><default name='a'/>", err: stanza.BadRequest},
		{name: "unknown elements",
			in:   "<x/><x xmlns='urn:x'/><default xmlns='urn:x'/><list name='l'><x/><item xmlns='urn:x'/></list>",
			want: Query{Lists: []List{{Name: "l"}}}, out: "<list name='l'/>"},
		{name: "a list without name", in: "<list/>", err: stanza.BadRequest},
		{name: "a list that comes twice", in: "<list name='a'/><list name='a'/>", err: stanza.BadRequest},
		{name: "names are escaped",
			in: "<list name='&lt;&apos;&#xA;&amp;'/>", want: Query{Lists: []List{{Name: "<'\n&"}}}},

		{name: "R3921-10.1-1 jid", in: list("<item type='jid' value='tybalt@example.com' action='deny' order='3'/>"),
			want: one(Item{Type: ByJID, JID: tybaltBare, Deny: true, Order: 3})},
		{name: "R3921-10.1-1 group", in: list("<item type='group' value='Enemies' action='deny' order='4'/>"),
			want: one(Item{Type: ByGroup, Group: "Enemies", Deny: true, Order: 4})},
		{name: "R3921-10.1-1 fall-through",
			in: list("<item action='allow' order='68'/>"), want: one(Item{Order: 68})},
		{name: "R3921-10.1-1 a value without type says nothing",
			in:   list("<item value='x' action='allow' order='68'/>"),
			want: one(Item{Order: 68}), out: list("<item action='allow' order='68'/>")},
		{name: "R3921-10.1-1 another type",
			in: list("<item type='moon' value='x' action='allow' order='1'/>"), err: stanza.BadRequest},
		{name: "R3921-10.1-2 the value is an address",
			in: list("<item type='jid' value='@' action='deny' order='3'/>"), err: stanza.JIDMalformed},
		{name: "R3921-10.1-2 there is a value",
			in: list("<item type='jid' action='deny' order='3'/>"), err: stanza.JIDMalformed},
		{name: "R3921-10.1-3 there is a group",
			in: list("<item type='group' action='deny' order='3'/>"), err: stanza.BadRequest},
		{name: "R3921-10.1-4 subscription",
			in: list("<item type='subscription' value='both' action='allow' order='1'/><item type='subscription' value='to' action='allow' order='2'/>" +
				"<item type='subscription' value='from' action='allow' order='3'/><item type='subscription' value='none' action='deny' order='4'/>"),
			want: one(Item{Type: BySubscription, Subscription: roster.Both, Order: 1}, Item{Type: BySubscription, Subscription: roster.To, Order: 2},
				Item{Type: BySubscription, Subscription: roster.From, Order: 3}, Item{Type: BySubscription, Deny: true, Order: 4})},
		{name: "R3921-10.1-4 another subscription",
			in: list("<item type='subscription' value='remove' action='deny' order='3'/>"), err: stanza.BadRequest},
		{name: "R3921-10.1-5 no action", in: list("<item order='3'/>"), err: stanza.BadRequest},
		{name: "R3921-10.1-5 another action", in: list("<item action='block' order='3'/>"),
			err: stanza.BadRequest},
		{name: "R3921-10.1-6 no order", in: list("<item action='deny'/>"), err: stanza.BadRequest},
		{name: "R3921-10.1-6 a negative order", in: list("<item action='deny' order='-1'/>"),
			err: stanza.BadRequest},
		{name: "R3921-10.1-6 not a number", in: list("<item action='deny' order='one'/>"),
			err: stanza.BadRequest},
		{name: "R3921-10.1-6 a large order",
			in: list("<item action='deny' order='4294967296'/>"), err: stanza.BadRequest},
		{name: "R3921-10.1-6 the largest and the smallest order, in the other order",
			in:   list("<item action='deny' order='4294967295'/><item action='allow' order='0'/>"),
			want: one(Item{Order: 0}, Item{Order: 1<<32 - 1, Deny: true}),
			out:  list("<item action='allow' order='0'/><item action='deny' order='4294967295'/>")},
		{name: "R3921-10.1-6 an order that comes twice",
			in: list("<item action='deny' order='1'/><item action='allow' order='01'/>"), err: stanza.BadRequest},
		{name: "R3921-10.1-7 kinds", in: list("<item action='deny' order='1'><presence-out/><iq/></item>" +
			"<item action='deny' order='2'><message/><iq/><presence-in/><presence-out/></item><item action='deny' order='3'><x/><message xmlns='urn:x'/></item>"),
			want: one(Item{Deny: true, Order: 1, Kinds: IQ | PresenceOut}, Item{Deny: true, Order: 2, Kinds: allKinds}, Item{Deny: true, Order: 3}),
			out: list("<item action='deny' order='1'><iq/><presence-out/></item>" +
				"<item action='deny' order='2'><message/><iq/><presence-in/><presence-out/></item><item action='deny' order='3'/>")},

		{name: "IM-7.1-2 the list in force, and all with their items",
			in: "<active name='private'/><list name='public'><item jid='tybalt@example.com' type='deny'/><item type='allow'/></list>" +
				"<list name='private'><item subscription='both' type='allow'/><item type='deny'/></list>",
			want: Query{Old: true, Active: new("private"), Lists: []List{
				{Name: "public", Items: []Item{{Type: ByJID, JID: tybaltBare, Deny: true, Order: 1}, {Order: 2}}},
				{Name: "private", Items: []Item{{Type: BySubscription, Subscription: roster.Both, Order: 1}, {Deny: true, Order: 2}}}}}},
		{name: "IM-7.1-3 document order",
			in:   list("<item type='deny' jid='tybalt@example.com'/><item type='allow' jid='example.com'/>"),
			want: old(Item{Type: ByJID, JID: tybaltBare, Deny: true, Order: 1}, Item{Type: ByJID, JID: tybaltBare.DomainJID(), Order: 2}),
			out:  list("<item jid='tybalt@example.com' type='deny'/><item jid='example.com' type='allow'/>")},
		{name: "IM-7.1-3 not with an order",
			in: list("<item type='deny' jid='tybalt@example.com' order='1'/>"), err: stanza.BadRequest},
		{name: "IM-7.1-3 not in both forms",
			in: list("<item type='deny'/><item action='allow' order='9'/>"), err: stanza.BadRequest},
		{name: "IM-7.1-4 fall-through", in: list("<item type='allow'/>"), want: old(Item{Order: 1})},
		{name: "IM-7.1-5 by subscription",
			in:   list("<item subscription='to' type='allow'/><item subscription='from' type='deny'/>"),
			want: old(Item{Type: BySubscription, Subscription: roster.To, Order: 1}, Item{Type: BySubscription, Subscription: roster.From, Deny: true, Order: 2})},
		{name: "IM-7.1-5 none is younger",
			in:   list("<item subscription='none' type='deny'/>"),
			want: old(Item{Type: BySubscription, Deny: true, Order: 1}), out: "error"},
		{name: "IM-D.3-1 kinds",
			in:   list("<item type='deny'><presence/><iq/></item><item type='deny'><message/><x/><iq xmlns='urn:x'/></item>"),
			want: old(Item{Deny: true, Order: 1, Kinds: IQ | PresenceIn | PresenceOut}, Item{Deny: true, Order: 2, Kinds: Message}),
			out:  list("<item type='deny'><iq/><presence/></item><item type='deny'><message/></item>")},
		{name: "IM-D.3-2 jid is optional, both is a subscription",
			in:   list("<item subscription='both' type='allow'/><item jid='example.com' type='deny'/>"),
			want: old(Item{Type: BySubscription, Subscription: roster.Both, Order: 1}, Item{Type: ByJID, JID: tybaltBare.DomainJID(), Deny: true, Order: 2})},
		{name: "IM-D.3-2 a jid that is none", in: list("<item jid='@' type='deny'/>"),
			err: stanza.JIDMalformed},
		{name: "IM-D.3-2 another subscription",
			in: list("<item subscription='remove' type='deny'/>"), err: stanza.BadRequest},
		{name: "jid and subscription",
			in: list("<item jid='example.com' subscription='to' type='deny'/>"), err: stanza.BadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q, err := parseQuery(t, query(tt.in))
			if !errors.Is(err, tt.err) || tt.err == nil && err != nil {
				t.Fatalf("got %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			if !reflect.DeepEqual(q, tt.want) {
				t.Errorf("got %+v, want %+v", q, tt.want)
			}
			want := tt.out
			if want == "" {
				want = tt.in
			}
			b, err := q.AppendXML(nil)
			if want == "error" {
				if !errors.Is(err, stanza.BadRequest) {
					t.Errorf("got %s, %v", b, err)
				}
			} else if string(b) != query(want) || err != nil {
				t.Errorf("got %s, %v, want %s", b, err, query(want))
			}
		})
	}
}

// TestQueryInvalid writes what must not be written.
func TestQueryInvalid(t *testing.T) {
	tests := map[string]struct {
		list List
		old  bool
	}{
		"no name":             {List{}, false},
		"a name with NUL":     {List{Name: "a\x00"}, false},
		"a name not in UTF-8": {List{Name: "\xff"}, false},
		"a noncharacter":      {List{Name: "\uFFFE"}, false},
		"the same order":      {List{"l", []Item{{Order: 1}, {Order: 1}}}, false},
		"descending":          {List{"l", []Item{{Order: 2}, {Order: 1}}}, false},
		"no address":          {List{"l", []Item{{Type: ByJID}}}, false},
		"no group":            {List{"l", []Item{{Type: ByGroup}}}, false},
		"a group with NUL":    {List{"l", []Item{{Type: ByGroup, Group: "\x00"}}}, false},
		"remove":              {List{"l", []Item{{Type: BySubscription, Subscription: roster.Remove}}}, false},
		"another type":        {List{"l", []Item{{Type: 4}}}, false},
		"another kind":        {List{"l", []Item{{Kinds: 16}}}, false},
		"old: group":          {List{"l", []Item{{Type: ByGroup, Group: "g"}}}, true},
		"old: none":           {List{"l", []Item{{Type: BySubscription}}}, true},
		"old: presence in":    {List{"l", []Item{{Kinds: PresenceIn}}}, true},
		"old: presence out":   {List{"l", []Item{{Kinds: PresenceOut | IQ}}}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if b, err := (Query{Lists: []List{tt.list}, Old: tt.old}).AppendXML(nil); !errors.Is(err, stanza.BadRequest) {
				t.Errorf("got %s, %v", b, err)
			}
		})
	}
	// U+FFFD is a character like any other.
	if _, err := (Query{Lists: []List{{Name: "a\t\uFFFD"}}}).AppendXML(nil); err != nil {
		t.Error(err)
	}
}
