package privacy

import (
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// parseList reads a list without its start tag.
func parseList(t testing.TB, items string) *List {
	t.Helper()
	e, err := stanza.Raw(query("<list name='l'>" + items + "</list>")).Element()
	if err != nil {
		t.Fatal(err)
	}
	var q Query
	if err := e.Decode(&q); err != nil {
		t.Fatal(err)
	}
	return &q.Lists[0]
}

var kindsByName = map[string]Kinds{"message": Message, "iq": IQ, "in": PresenceIn, "out": PresenceOut, "other": 0}

// TestAllows evaluates lists. deny says which kinds of stanzas are denied.
func TestAllows(t *testing.T) {
	friend := Contact{jid.MustParse("juliet@example.com/chamber"), roster.Both, []string{"Friends", "All"}}
	enemy := Contact{jid.MustParse("tybalt@example.com/pda"), roster.To, []string{"Enemies"}}
	fan := Contact{jid.MustParse("paris@example.org"), roster.From, nil}
	stranger := Contact{JID: jid.MustParse("mercutio@example.org/x")}
	all := "message iq in out other"
	tests := []struct {
		name  string
		items string
		who   Contact
		deny  string
	}{
		{"R3921-10-2 presence-in is not about subscriptions",
			"<item action='deny' order='1'><presence-in/></item>", enemy, "in"},
		{"R3921-10-2 presence-out is not about subscriptions",
			"<item action='deny' order='1'><presence-out/></item>", enemy, "out"},
		{"R3921-10.1-1 fall-through", "<item action='deny' order='1'/>", stranger, all},
		{"R3921-10.1-4 none is who is not in the roster",
			"<item type='subscription' value='none' action='deny' order='1'/>", stranger, all},
		{"R3921-10.1-4 none is nobody else",
			"<item type='subscription' value='none' action='deny' order='1'/>", fan, ""},
		{"R3921-10.1-4 both is not from",
			"<item type='subscription' value='both' action='deny' order='1'/>", fan, ""},
		{"R3921-10.1-4 both", "<item type='subscription' value='both' action='deny' order='1'/>", friend, all},
		{"R3921-10.1-4 from is not both",
			"<item type='subscription' value='from' action='deny' order='1'/>", friend, ""},
		{"R3921-10.1-4 to", "<item type='subscription' value='to' action='deny' order='1'/>", enemy, all},
		{"R3921-10.1-3 a group", "<item type='group' value='All' action='deny' order='1'/>", friend, all},
		{"R3921-10.1-3 another group", "<item type='group' value='all' action='deny' order='1'/>", friend, ""},
		{"R3921-10.1-7 no child is all stanzas",
			"<item type='jid' value='example.com' action='deny' order='1'/>", enemy, all},
		{"R3921-10.1-7 message", "<item action='deny' order='1'><message/></item>", enemy, "message"},
		{"R3921-10.1-7 iq and presence-in",
			"<item action='deny' order='1'><iq/><presence-in/></item>", enemy, "iq in"},
		{"R3921-10.1-7 all four are not all stanzas",
			"<item action='deny' order='1'><message/><iq/><presence-in/><presence-out/></item>", enemy, "message iq in out"},
		{"R3921-10.2-5 ascending order",
			"<item action='deny' order='9'/><item type='jid' value='example.com' action='allow' order='2'/>", enemy, ""},
		{"R3921-10.2-5 ascending order, not as numbers are written",
			"<item action='deny' order='10'/><item action='allow' order='9'/>", enemy, ""},
		{"R3921-10.2-6 the first match decides",
			"<item type='jid' value='tybalt@example.com' action='deny' order='1'/><item action='allow' order='2'/>", enemy, all},
		{"R3921-10.2-6 for its kinds only",
			"<item action='allow' order='1'><message/></item><item action='deny' order='2'/>", enemy, "iq in out other"},
		{"R3921-10.2-7 no match",
			"<item type='jid' value='tybalt@example.com' action='deny' order='1'/>", friend, ""},

		{"R3921-10.9-1 messages by jid",
			"<item type='jid' value='tybalt@example.com' action='deny' order='3'><message/></item>", enemy, "message"},
		{"R3921-10.9-1 messages by group",
			"<item type='group' value='Enemies' action='deny' order='4'><message/></item>", enemy, "message"},
		{"R3921-10.9-1 messages by subscription",
			"<item type='subscription' value='none' action='deny' order='5'><message/></item>", stranger, "message"},
		{"R3921-10.9-1 messages globally", "<item action='deny' order='6'><message/></item>", friend, "message"},
		{"R3921-10.10-1 presence in by jid",
			"<item type='jid' value='tybalt@example.com' action='deny' order='7'><presence-in/></item>", enemy, "in"},
		{"R3921-10.10-1 presence in by group",
			"<item type='group' value='Enemies' action='deny' order='8'><presence-in/></item>", enemy, "in"},
		{"R3921-10.10-1 presence in by subscription",
			"<item type='subscription' value='to' action='deny' order='9'><presence-in/></item>", enemy, "in"},
		{"R3921-10.10-1 presence in globally", "<item action='deny' order='11'><presence-in/></item>", friend, "in"},
		{"R3921-10.11-1 presence out by jid",
			"<item type='jid' value='tybalt@example.com' action='deny' order='13'><presence-out/></item>", enemy, "out"},
		{"R3921-10.11-1 presence out by group",
			"<item type='group' value='Enemies' action='deny' order='15'><presence-out/></item>", enemy, "out"},
		{"R3921-10.11-1 presence out by subscription",
			"<item type='subscription' value='from' action='deny' order='17'><presence-out/></item>", fan, "out"},
		{"R3921-10.11-1 presence out globally",
			"<item action='deny' order='23'><presence-out/></item>", friend, "out"},
		{"R3921-10.12-1 iq by jid",
			"<item type='jid' value='tybalt@example.com' action='deny' order='29'><iq/></item>", enemy, "iq"},
		{"R3921-10.12-1 iq by group",
			"<item type='group' value='Enemies' action='deny' order='31'><iq/></item>", enemy, "iq"},
		{"R3921-10.12-1 iq by subscription",
			"<item type='subscription' value='none' action='deny' order='17'><iq/></item>", stranger, "iq"},
		{"R3921-10.12-1 iq globally", "<item action='deny' order='1'><iq/></item>", friend, "iq"},
		{"R3921-10.13-1 all by jid",
			"<item type='jid' value='tybalt@example.com' action='deny' order='23'/>", enemy, all},
		{"R3921-10.13-1 all by group", "<item type='group' value='Enemies' action='deny' order='13'/>", enemy, all},
		{"R3921-10.13-1 all by subscription",
			"<item type='subscription' value='none' action='deny' order='11'/>", stranger, all},
		{"R3921-10.13-1 all globally", "<item action='deny' order='7'/>", friend, all},
		{"R3921-10.15-1 the simplest list: strangers",
			"<item type='subscription' value='none' action='deny' order='437'/>", stranger, all},
		{"R3921-10.15-1 the simplest list: contacts",
			"<item type='subscription' value='none' action='deny' order='437'/>", enemy, ""},

		{"IM-7.1-3 document order", "<item jid='tybalt@example.com' type='allow'/><item type='deny'/>", enemy, ""},
		{"IM-7.1-4 fall-through", "<item jid='tybalt@example.com' type='allow'/><item type='deny'/>", friend, all},
		{"IM-7.1-5 by subscription: both", "<item subscription='both' type='allow'/><item type='deny'/>", friend, ""},
		{"IM-7.1-5 by subscription: from", "<item subscription='both' type='allow'/><item type='deny'/>", fan, all},
		{"IM-D.3-1 presence is presence in and out", "<item type='deny'><presence/></item>", enemy, "in out"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkDenied(t, parseList(t, tt.items), tt.who, tt.deny)
		})
	}
	var none *List
	checkDenied(t, none, enemy, "")
}

func checkDenied(t *testing.T, l *List, who Contact, deny string) {
	t.Helper()
	for name, k := range kindsByName {
		denied := false
		for _, d := range strings.Fields(deny) {
			denied = denied || d == name
		}
		if l.Allows(k, who) == denied {
			t.Errorf("%s of or for %s: allowed %v", name, who.JID, denied)
		}
	}
}

func TestReq_R3921_10_1_2(t *testing.T) {
	tests := []struct {
		name, item, j string
		want          bool
	}{
		{"R3921-10.1-2 full address", "a@b.example/r", "a@b.example/r", true},
		{"R3921-10.1-2 full address, another resource", "a@b.example/r", "a@b.example/q", false},
		{"R3921-10.1-2 full address, bare", "a@b.example/r", "a@b.example", false},
		{"R3921-10.1-2 bare address", "a@b.example", "a@b.example", true},
		{"R3921-10.1-2 bare address, any resource", "a@b.example", "a@b.example/q", true},
		{"R3921-10.1-2 bare address, another user", "a@b.example", "aa@b.example", false},
		{"R3921-10.1-2 bare address, subdomain", "a@b.example", "a@c.b.example", false},
		{"R3921-10.1-2 domain and resource", "b.example/r", "b.example/r", true},
		{"R3921-10.1-2 domain and resource, another resource", "b.example/r", "b.example/q", false},
		{"R3921-10.1-2 domain and resource, a user", "b.example/r", "a@b.example/r", false},
		{"R3921-10.1-2 domain", "b.example", "b.example", true},
		{"R3921-10.1-2 domain matches users", "b.example", "a@b.example", true},
		{"R3921-10.1-2 domain matches full addresses", "b.example", "a@b.example/r", true},
		{"R3921-10.1-2 domain matches resources", "b.example", "b.example/r", true},
		{"R3921-10.1-2 domain matches subdomains", "b.example", "a@d.c.b.example/r", true},
		{"R3921-10.1-2 domain, another one with the same end", "b.example", "a@ab.example", false},
		{"R3921-10.1-2 domain, a parent", "b.example", "example", false},
		{"R3921-10.1-2 in canonical form", "B.Example", "a@b.EXAMPLE", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			item, j := jid.MustParse(tt.item), jid.MustParse(tt.j)
			if got := Covers(item, j); got != tt.want {
				t.Errorf("Covers: %v", got)
			}
			l := &List{Items: []Item{{Type: ByJID, JID: item, Deny: true}}}
			if got := l.Allows(Message, Contact{JID: j}); got == tt.want {
				t.Errorf("Allows: %v", got)
			}
		})
	}
	if Covers(jid.JID{}, tybalt) || Covers(tybalt, jid.JID{}) {
		t.Error("the zero address is covered, or covers")
	}
}

// TestInvisible has the lists of XEP-0126, by their examples.
func TestInvisible(t *testing.T) {
	contact := func(j string, s roster.Subscription, groups ...string) Contact {
		return Contact{jid.MustParse(j), s, groups}
	}
	frodo := contact("frodo@tolkien.lit", roster.Both, "Bagginses")
	gandalf := contact("gandalf@tolkien.lit/staff", roster.From, "Wizards")
	tests := []struct {
		name  string
		items string
		to    Contact
		see   bool // available presence reaches the contact
	}{
		{"example 1: globally invisible", "<item action='deny' order='1'><presence-out/></item>", frodo, false},
		{"example 3: visible by address",
			"<item type='jid' value='frodo@tolkien.lit' action='allow' order='1'><presence-out/></item>" +
				"<item action='deny' order='2'><presence-out/></item>", frodo, true},
		{"example 3: nobody else",
			"<item type='jid' value='frodo@tolkien.lit' action='allow' order='1'><presence-out/></item>" +
				"<item action='deny' order='2'><presence-out/></item>", gandalf, false},
		{"example 5: visible by group",
			"<item type='group' value='Bagginses' action='allow' order='1'><presence-out/></item>" +
				"<item action='deny' order='2'><presence-out/></item>", frodo, true},
		{"example 5: no other group",
			"<item type='group' value='Bagginses' action='allow' order='1'><presence-out/></item>" +
				"<item action='deny' order='2'><presence-out/></item>", gandalf, false},
		{"example 7: visible by subscription",
			"<item type='subscription' value='both' action='allow' order='1'><presence-out/></item>" +
				"<item action='deny' order='2'><presence-out/></item>", frodo, true},
		{"example 7: no other subscription",
			"<item type='subscription' value='both' action='allow' order='1'><presence-out/></item>" +
				"<item action='deny' order='2'><presence-out/></item>", gandalf, false},
		{"example 9: globally visible", "<item action='allow' order='1'><presence-out/></item>", gandalf, true},
		{"example 13: invisible by address",
			"<item type='jid' value='gandalf@tolkien.lit' action='deny' order='1'><presence-out/></item>" +
				"<item action='allow' order='2'><presence-out/></item>", gandalf, false},
		{"example 13: not to others",
			"<item type='jid' value='gandalf@tolkien.lit' action='deny' order='1'><presence-out/></item>" +
				"<item action='allow' order='2'><presence-out/></item>", frodo, true},
		{"example 16: invisible by group",
			"<item type='group' value='Wizards' action='deny' order='1'><presence-out/></item>" +
				"<item action='allow' order='2'><presence-out/></item>", gandalf, false},
		{"example 16: not to other groups",
			"<item type='group' value='Wizards' action='deny' order='1'><presence-out/></item>" +
				"<item action='allow' order='2'><presence-out/></item>", frodo, true},
		{"example 19: invisible by subscription",
			"<item type='subscription' value='from' action='deny' order='1'><presence-out/></item>" +
				"<item action='allow' order='2'><presence-out/></item>", gandalf, false},
		{"example 19: not to other subscriptions",
			"<item type='subscription' value='from' action='deny' order='1'><presence-out/></item>" +
				"<item action='allow' order='2'><presence-out/></item>", frodo, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := parseList(t, tt.items)
			if got := l.Allows(PresenceOut, tt.to); got != tt.see {
				t.Errorf("presence to %s: %v", tt.to.JID, got)
			}
			for _, k := range []Kinds{Message, IQ, PresenceIn, 0} {
				if !l.Allows(k, tt.to) {
					t.Errorf("kind %d of %s is denied", k, tt.to.JID)
				}
			}
		})
	}
	l := List{Items: []Item{Invisible()}}
	if l.Allows(PresenceOut, frodo) || !l.Allows(Message, frodo) {
		t.Error("Invisible is not example 1")
	}
}

func TestKinds(t *testing.T) {
	tests := []struct {
		stanza  string
		in, out Kinds
	}{
		{"<message/>", Message, 0},
		{"<message type='error'/>", Message, 0},
		{"<iq type='get'/>", IQ, 0},
		{"<iq type='result'/>", IQ, 0},
		{"<presence/>", PresenceIn, PresenceOut},
		{"<presence type='unavailable'/>", PresenceIn, PresenceOut},
		{"<presence type='subscribe'/>", 0, 0},
		{"<presence type='subscribed'/>", 0, 0},
		{"<presence type='unsubscribe'/>", 0, 0},
		{"<presence type='unsubscribed'/>", 0, 0},
		{"<presence type='probe'/>", 0, 0},
		{"<presence type='error'/>", 0, 0},
	}
	for _, tt := range tests {
		t.Run("R3921-10-2 "+tt.stanza, func(t *testing.T) {
			st, err := stanza.Parse(tt.stanza)
			if err != nil {
				t.Fatal(err)
			}
			if in, out := KindIn(st), KindOut(st); in != tt.in || out != tt.out {
				t.Errorf("in %d, out %d", in, out)
			}
		})
	}
	if k := KindIn(new(stanza.Stanza)); k != 0 {
		t.Errorf("no kind: %d", k)
	}
}

func BenchmarkAllows(b *testing.B) {
	l := &List{}
	for i := range 50 {
		j, err := jid.New("user", "host"+string(rune('a'+i%26))+".example", "")
		if err != nil {
			b.Fatal(err)
		}
		l.Items = append(l.Items, Item{Type: ByJID, JID: j, Deny: true, Order: uint32(i)})
	}
	c := Contact{JID: juliet}
	b.ReportAllocs()
	for b.Loop() {
		if !l.Allows(Message, c) {
			b.Fatal("denied")
		}
	}
}
