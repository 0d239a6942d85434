package roster

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/stanza"
)

// TestCheckSet has a row for each rule about roster sets.
func TestCheckSet(t *testing.T) {
	const open, end = "<query xmlns='jabber:iq:roster'>", "</query>"
	group := func(n int) string { return "<group>" + strings.Repeat("g", n) + "</group>" }
	var many, unlike strings.Builder
	for i := range DefaultGroups + 1 {
		many.WriteString("<group>" + strconv.Itoa(i) + "</group>")
		if i < DefaultGroups {
			unlike.WriteString("<group>" + strconv.Itoa(i) + "</group>")
		}
	}
	tests := []struct {
		name   string
		limits Limits
		in     string // the contents of the query
		want   Item
		err    stanza.Condition
	}{
		{"IM-8.2-1 an addition", Limits{}, "<item jid='nurse@example.com' name='Nurse'><group>Servants</group></item>",
			Item{JID: nurse, Name: "Nurse", Groups: []string{"Servants"}}, ""},
		{"IM-8.2-1 exactly one item", Limits{}, "<item jid='nurse@example.com'/><item jid='mother@example.com'/>", Item{}, stanza.BadRequest},
		{"R6121-2.1.5-1 no item", Limits{}, "", Item{}, stanza.BadRequest},
		{"an item of another namespace", Limits{}, "<item xmlns='urn:x' jid='nurse@example.com'/>", Item{}, stanza.BadRequest},
		{"what is unknown", Limits{}, "<x/><item jid='nurse@example.com'><x/><group xmlns='urn:x'/></item>", Item{JID: nurse}, ""},
		{"R6121-2.1.5-1 no address", Limits{}, "<item name='Nurse'/>", Item{}, stanza.BadRequest},
		{"R6121-2.1.5-1 a malformed address", Limits{}, "<item jid='nurse@@example.com'/>", Item{}, stanza.BadRequest},
		{"the address is made canonical", Limits{}, "<item jid='NURSE@Example.COM'/>", Item{JID: nurse}, ""},
		{"IM-8.3-1 a removal has nothing but the address", Limits{},
			"<item jid='nurse@example.com' name='x' subscription='remove' ask='subscribe'><group/><group/></item>",
			Item{JID: nurse, Subscription: Remove}, ""},
		{"IM-8.3-2 any other subscription is ignored", Limits{}, "<item jid='nurse@example.com' subscription='both'/>", Item{JID: nurse}, ""},
		{"IM-8.3-2 one that is not defined is, too", Limits{}, "<item jid='nurse@example.com' subscription='Remove'/>", Item{JID: nurse}, ""},
		{"GUIDE-9-roster-1 all but name and groups is the server's", Limits{},
			"<item jid='nurse@example.com' name='N' subscription='from' ask='subscribe' approved='true'/>", Item{JID: nurse, Name: "N"}, ""},
		{"R6121-2.1.5-1 duplicate groups", Limits{}, "<item jid='nurse@example.com'><group>A</group><group>B</group><group>A</group></item>",
			Item{}, stanza.BadRequest},
		{"groups are compared like resourceparts", Limits{}, "<item jid='nurse@example.com'><group>\u00e9</group><group>e\u0301</group></item>",
			Item{}, stanza.BadRequest},
		{"but with case", Limits{}, "<item jid='nurse@example.com'><group>A</group><group>a</group></item>",
			Item{JID: nurse, Groups: []string{"A", "a"}}, ""},
		{"groups that could not be resourceparts", Limits{}, "<item jid='nurse@example.com'><group>&#9;</group><group>&#9;</group></item>",
			Item{}, stanza.BadRequest},
		{"they are stored as they are", Limits{}, "<item jid='nurse@example.com'><group>e\u0301&#9;</group></item>",
			Item{JID: nurse, Groups: []string{"e\u0301\t"}}, ""},
		{"R6121-2.1.5-1 a long name", Limits{}, "<item jid='nurse@example.com' name='" + strings.Repeat("n", DefaultNameBytes+1) + "'/>",
			Item{}, stanza.NotAcceptable},
		{"the longest name", Limits{}, "<item jid='nurse@example.com' name='" + strings.Repeat("n", DefaultNameBytes) + "'/>",
			Item{JID: nurse, Name: strings.Repeat("n", DefaultNameBytes)}, ""},
		{"bytes, not characters", Limits{NameBytes: 3}, "<item jid='nurse@example.com' name='\u00e9\u00e9'/>", Item{}, stanza.NotAcceptable},
		{"any name", Limits{NameBytes: -1}, "<item jid='nurse@example.com' name='" + strings.Repeat("n", 5000) + "'/>",
			Item{JID: nurse, Name: strings.Repeat("n", 5000)}, ""},
		{"an empty name is none", Limits{}, "<item jid='nurse@example.com' name=''/>", Item{JID: nurse}, ""},
		{"R6121-2.1.5-1 an empty group", Limits{}, "<item jid='nurse@example.com'><group></group></item>", Item{}, stanza.NotAcceptable},
		{"GUIDE-11-group-2 an empty group is refused", Limits{}, "<item jid='nurse@example.com'><group/></item>", Item{}, stanza.NotAcceptable},
		{"GUIDE-11-group-2 an empty group is dropped", Limits{DropEmptyGroups: true},
			"<item jid='nurse@example.com'><group/><group>A</group><group/></item>", Item{JID: nurse, Groups: []string{"A"}}, ""},
		{"R6121-2.1.5-1 a long group", Limits{}, "<item jid='nurse@example.com'>" + group(DefaultGroupBytes+1) + "</item>", Item{}, stanza.NotAcceptable},
		{"the longest group", Limits{GroupBytes: 3}, "<item jid='nurse@example.com'>" + group(3) + "</item>",
			Item{JID: nurse, Groups: []string{"ggg"}}, ""},
		{"any group", Limits{GroupBytes: -1}, "<item jid='nurse@example.com'>" + group(5000) + "</item>",
			Item{JID: nurse, Groups: []string{strings.Repeat("g", 5000)}}, ""},
		{"too many groups", Limits{}, "<item jid='nurse@example.com'>" + many.String() + "</item>", Item{}, stanza.NotAcceptable},
		{"one group", Limits{Groups: 1}, "<item jid='nurse@example.com'><group>A</group><group>B</group></item>", Item{}, stanza.NotAcceptable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			it, err := tt.limits.CheckSet(parse(t, open+tt.in+end))
			if !reflect.DeepEqual(it, tt.want) {
				t.Errorf("got %+v, want %+v", it, tt.want)
			}
			if tt.err == "" && err != nil || tt.err != "" && !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if _, ok := errors.AsType[*stanza.Error](err); err != nil && !ok {
				t.Errorf("%T is not what can be answered with", err)
			}
		})
	}
	it, err := Limits{}.CheckSet(parse(t, open+"<item jid='nurse@example.com'>"+unlike.String()+"</item>"+end))
	if err != nil || len(it.Groups) != DefaultGroups {
		t.Errorf("%d groups, %v", len(it.Groups), err)
	}
}

// TestCheckSetTenThousandGroups: a set may have more groups than anybody would
// want to look at.
func TestCheckSetTenThousandGroups(t *testing.T) {
	b := []byte("<query xmlns='jabber:iq:roster'><item jid='nurse@example.com'>")
	for i := range 10000 {
		b = stanza.AppendTextElement(b, "group", strconv.Itoa(i))
	}
	el := parse(t, string(b)+"</item></query>")
	if _, err := (Limits{}).CheckSet(el); !errors.Is(err, stanza.NotAcceptable) {
		t.Errorf("error %v", err)
	}
	if n := testing.AllocsPerRun(10, func() { Limits{}.CheckSet(el) }); n > 5*DefaultGroups {
		t.Errorf("%v allocations to refuse it", n)
	}
	it, err := Limits{Groups: -1}.CheckSet(el)
	if err != nil || len(it.Groups) != 10000 {
		t.Errorf("%d groups, %v", len(it.Groups), err)
	}
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		"<query xmlns='jabber:iq:roster' ver='1'><item jid='a@b' name='n' subscription='both' ask='subscribe' approved='1'><group>g</group></item></query>",
		"<query xmlns='jabber:iq:roster'><item jid='a@b'/><item jid='c@d' subscription='remove'/></query>",
		"<query xmlns='jabber:iq:roster'><item jid='a@b'><group/><group>&amp;</group><group>&amp;</group></item></query>",
		"<r:query xmlns:r='jabber:iq:roster'><r:item jid='a@b/c'><r:group><![CDATA[x]]></r:group></r:item></r:query>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		el, err := stanza.Raw(s).Element()
		if err != nil {
			return
		}
		var q, again Query
		if err := q.ParseXML(el); err != nil {
			t.Fatalf("ParseXML: %v", err)
		}
		b, err := q.AppendXML(nil)
		if err != nil {
			t.Fatalf("AppendXML: %v", err)
		}
		out, err := stanza.Raw(b).Element()
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if again.ParseXML(out); !reflect.DeepEqual(q, again) {
			t.Fatalf("read %+v, then %+v from %s", q, again, b)
		}
		checkFuzzedSet(t, el)
	})
}

// checkFuzzedSet checks what is promised of every item that is accepted.
func checkFuzzedSet(t *testing.T, el stanza.Element) {
	it, err := Limits{}.CheckSet(el)
	if err != nil {
		if _, ok := errors.AsType[*stanza.Error](err); !ok || !reflect.DeepEqual(it, Item{}) {
			t.Fatalf("%+v, %v", it, err)
		}
		return
	}
	switch {
	case it.JID.IsZero(), it.Ask, it.Approved, it.Subscription != None && it.Subscription != Remove,
		len(it.Name) > DefaultNameBytes, len(it.Groups) > DefaultGroups:
		t.Fatalf("accepted %+v", it)
	}
	b, err := request{it}.AppendXML(nil)
	if err != nil {
		t.Fatal(err)
	}
	el, err = stanza.Raw(b).Element()
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if again, err := (Limits{}).CheckSet(el); err != nil || !again.equal(it) {
		t.Fatalf("sent %s, which is %+v, %v", b, again, err)
	}
}
