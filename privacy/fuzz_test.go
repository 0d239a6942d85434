package privacy

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/etherx-go/xmpp/stanza"
)

var seeds = []string{
	listPublic, listPrivate, listSpecial, "<active name='a'/>", "<active/>", "<default/>", "<list/>", "",
	"<list name='l'><item jid='a@b/c' type='deny'><presence/></item><item subscription='both' type='allow'/></list>",
	"<list name='&lt;&#xD;'><item type='group' value=' &#xA;' action='deny' order=' 7 '><message/><iq/></item></list>",
	"<list name='a'><item action='deny' order='1'/></list><list name='b'/><default name='b'/>",
}

// FuzzQuery reads queries: what can be read can be written, and reads the same
// again.
func FuzzQuery(f *testing.F) {
	for _, s := range seeds {
		f.Add(query(s))
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := stanza.Raw(s).Element()
		if err != nil {
			return
		}
		var q Query
		if err := q.ParseXML(e); err != nil {
			if stanza.AsError(err).Condition == stanza.InternalServerError {
				t.Fatalf("%v is not for the sender", err)
			}
			return
		}
		for i := range q.Lists {
			if err := q.Lists[i].check(); err != nil {
				t.Fatal(err)
			}
			q.Lists[i].Allows(Message, Contact{JID: tybalt})
		}
		b, err := q.AppendXML(nil)
		if err != nil {
			if q.Old {
				return // none is not in the old form
			}
			t.Fatal(err)
		}
		again, err := stanza.Raw(b).Element()
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		var r Query
		if err := r.ParseXML(again); err != nil || !reflect.DeepEqual(q, r) {
			t.Fatalf("%s: %v\n%+v\n%+v", b, err, q, r)
		}
	})
}

// FuzzLists reads what a store keeps, and changes it as a user can: the result
// can be stored again.
func FuzzLists(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(query(s)), "a@b")
	}
	f.Fuzz(func(t *testing.T, text []byte, who string) {
		var l Lists
		if l.UnmarshalText(text) != nil {
			return
		}
		roundTrip(t, l)
		var item Item
		if item.byJID(who) != nil {
			return
		}
		before := l.Blocked()
		l.Block(item.JID)
		roundTrip(t, l)
		if l.byDefault().Allows(0, Contact{JID: item.JID}) {
			t.Fatalf("%s is not blocked", item.JID)
		}
		l.Unblock(item.JID)
		roundTrip(t, l)
		for _, j := range l.Blocked() {
			if j == item.JID {
				t.Fatalf("%s is blocked", j)
			}
		}
		if gone := without(before, l.Blocked()); len(gone) > 1 {
			t.Fatalf("unblocked: %s", gone)
		}
		if l.Unblock(); len(l.Blocked()) != 0 {
			t.Fatalf("blocked: %s", l.Blocked())
		}
		roundTrip(t, l)
	})
}

func roundTrip(t *testing.T, l Lists) {
	t.Helper()
	b, err := l.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var r Lists
	if err := r.UnmarshalText(b); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if c, err := r.MarshalText(); err != nil || !bytes.Equal(b, c) {
		t.Fatalf("%s\n%s\n%v", b, c, err)
	}
	if !reflect.DeepEqual(l.Clone(), r) && len(l.Lists) > 0 {
		t.Fatalf("%+v\n%+v", l, r)
	}
}
