package register_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/stanza"
)

// TestQuery reads and writes the payloads of XEP-0077 and of the old drafts.
func TestQuery(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want register.Query
		out  string // "" if it is as in
	}{
		{name: "IM-A.1-2 a form", in: "<query xmlns='jabber:iq:register'><instructions>Choose.</instructions>" +
			"<username></username><password></password></query>",
			want: register.Query{Instructions: "Choose.", Fields: []register.Field{{Name: "username"}, {Name: "password"}}}},
		{name: "GUIDE-9-register-4 registered already",
			in:   "<query xmlns='jabber:iq:register'><registered/><username>juliet</username></query>",
			want: register.Query{Registered: true, Fields: []register.Field{{Name: "username", Value: "juliet"}}}},
		{name: "IM-A.2-1 removal", in: "<query xmlns='jabber:iq:register'><remove/></query>",
			want: register.Query{Remove: true}},
		{name: "IM-D.4-1 the fields of the drafts and the guide",
			in: "<query xmlns='jabber:iq:register'><nick>j</nick><first>J</first><key>k</key><misc>&lt;</misc></query>",
			want: register.Query{Fields: []register.Field{{Name: "nick", Value: "j"}, {Name: "first", Value: "J"},
				{Name: "key", Value: "k"}, {Name: "misc", Value: "<"}}}},
		{name: "IM-A.1-2 a data form and an address elsewhere",
			in: "<query xmlns='jabber:iq:register'><username></username><x xmlns='jabber:x:data' type='form'><title>" +
				"t</title></x>" +
				"<x xmlns='jabber:x:oob'><url>http://s.lit/?a&amp;b</url></x></query>",
			want: register.Query{Fields: []register.Field{{Name: "username"}}, URL: "http://s.lit/?a&b",
				Form: "<x xmlns='jabber:x:data' type='form'><title>t</title></x>"}},
		{name: "what is not defined, and what comes twice, is left out",
			in: "<query xmlns='jabber:iq:register'><username>a</username><username>b</username><evil/>" +
				"<x xmlns='jabber:x:other'/></query>",
			want: register.Query{Fields: []register.Field{{Name: "username", Value: "a"}}},
			out:  "<query xmlns='jabber:iq:register'><username>a</username></query>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			el, err := stanza.Raw(tt.in).Element()
			if err != nil {
				t.Fatal(err)
			}
			var q register.Query
			if err := el.Decode(&q); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(q, tt.want) {
				t.Errorf("got %+v, want %+v", q, tt.want)
			}
			want := tt.out
			if want == "" {
				want = tt.in
			}
			if b, err := q.AppendXML(nil); err != nil || string(b) != want {
				t.Errorf("got %s, want %s (%v)", b, want, err)
			}
		})
	}
	b, err := (&register.Query{Fields: []register.Field{{Name: "a><b"}}}).AppendXML(nil)
	if err != nil || string(b) != "<query xmlns='jabber:iq:register'></query>" {
		t.Errorf("a field that is not defined is written: %s", b)
	}
}

// FuzzQuery: what is read can be written, and is read the same again.
func FuzzQuery(f *testing.F) {
	f.Add("<query xmlns='jabber:iq:register'><registered/><instructions>x</instructions><username>juliet</username>" +
		"</query>")
	f.Add("<query xmlns='jabber:iq:register'><remove/><x xmlns='jabber:x:data' type='submit'><field var='a'><value>" +
		"b</value></field></x></query>")
	f.Add("<r:query xmlns:r='jabber:iq:register'><r:username>a</r:username><x xmlns='jabber:x:oob'><url>u</url></x>" +
		"</r:query>")
	f.Add("<r:query xmlns:r='jabber:iq:register'><d:x xmlns:d='jabber:x:data'/></r:query>")
	f.Add("<query xmlns='jabber:iq:register'><d:x xmlns:d='jabber:x:data'><d:a/></d:x></query>")
	strip := func(r stanza.Raw) string { return strings.ReplaceAll(string(r), " xmlns='jabber:iq:register'", "") }
	f.Fuzz(func(t *testing.T, in string) {
		e, err := stanza.Raw(in).Element()
		if err != nil || !e.Is(register.NS, "query") {
			t.Skip()
		}
		var q register.Query
		if err := q.ParseXML(e); err != nil {
			t.Fatal(err)
		}
		b, err := q.AppendXML(nil)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		e, err = stanza.Raw(b).Element()
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		var again register.Query
		if err := again.ParseXML(e); err != nil {
			t.Fatal(err)
		}
		// A form declares the namespace that is around it, if there is one.
		q.Form, again.Form = stanza.Raw(strip(q.Form)), stanza.Raw(strip(again.Form))
		if !reflect.DeepEqual(q, again) {
			t.Errorf("%s becomes %+v, then %+v", in, q, again)
		}
		s := &register.Server{Accounts: newAccounts(), Open: true, MaxPerHour: -1}
		if _, err := s.Handle(t.Context(), nobody, stanza.TypeSet, &q); err != nil &&
			stanza.AsError(err).Condition == stanza.InternalServerError {
			t.Errorf("%s: %v", in, err)
		}
	})
}
