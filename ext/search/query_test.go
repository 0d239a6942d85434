package search

import (
	"errors"
	"reflect"
	"testing"

	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const open = "<query xmlns='jabber:iq:search'>"

var four = []Field{{First, ""}, {Last, ""}, {Nick, ""}, {Email, ""}}

func TestQuery(t *testing.T) {
	key := "106c0a7b5510f192a408a1d054150ed1065e255a"
	exttest.Run(t, []exttest.Golden[Query]{
		{Name: "GUIDE-9-search-1 a request", In: "<query xmlns='jabber:iq:search'/>"},
		{Name: "GUIDE-9-search-1 the fields", In: open + " <first/> <last/> <nick/> <email/> <key>" + key + "</key> " +
			"<instructions>Fill in a field.</instructions> </query>",
			Want: Query{Instructions: "Fill in a field.", Fields: four, Key: key},
			Out: open + "<instructions>Fill in a field.</instructions><first/><last/><nick/><email/><key>" + key +
				"</key></query>"},
		{Name: "GUIDE-9-search-2 a search, with the key", In: open + "<first>Hamlet</first><key>" + key + "</key></query>",
			Want: Query{Fields: []Field{{First, "Hamlet"}}, Key: key}},
		{Name: "GUIDE-9-search-3 what was found", In: open + "<item jid='king@denmark'><first>Hamlet</first><last/>" +
			"<nick>King</nick><email>king@denmark</email></item><item jid='hamlet@denmark'></item></query>",
			Want: Query{Items: []Item{{jid.MustParse("king@denmark"), []Field{{First, "Hamlet"}, {Last, ""}, {Nick, "King"},
				{Email, "king@denmark"}}}, {JID: jid.MustParse("hamlet@denmark")}}}},
		{Name: "GUIDE-9-search-4 nobody", In: open + "</query>", Out: "<query xmlns='jabber:iq:search'/>"},
		{Name: "GUIDE-9-search-5 truncated", In: open + "<item jid='a@b'></item><truncated/></query>",
			Want: Query{Items: []Item{{JID: jid.MustParse("a@b")}}, Truncated: true}},
		{Name: "fields that only old services have", In: open + "<name>X</name><x-2.y>Z</x-2.y></query>",
			Want: Query{Fields: []Field{{"name", "X"}, {"x-2.y", "Z"}}}},
		{Name: "what is not defined", In: open + "<item/><item jid='@'/><first>1</first><first>2</first><ß/>" +
			"<y xmlns='urn:y'/><item jid='a@b'><y xmlns='urn:y'/><item/></item></query>",
			Want: Query{Fields: []Field{{First, "1"}}, Items: []Item{{JID: jid.MustParse("a@b")}}},
			Out:  open + "<first>1</first><item jid='a@b'></item></query>"},
		{Name: "a form", In: open + "<x xmlns='jabber:x:data' type='submit'><field var='first'><value>&lt;</value>" +
			"</field></x></query>",
			Want: Query{Form: &form.Data{Type: form.Submit, Fields: []form.Field{{Var: "first", Values: []string{"<"}}}}}},
	})
	for _, q := range []Query{
		{Fields: []Field{{"a b", ""}}}, {Fields: []Field{{"", ""}}}, {Fields: []Field{{"item", ""}}},
		{Fields: []Field{{"1", ""}}}, {Items: []Item{{}}},
		{Items: []Item{{JID: jid.MustParse("a@b"), Fields: []Field{{"<", ""}}}}},
	} {
		if b, err := q.AppendXML(nil); !errors.Is(err, stanza.BadRequest) {
			t.Errorf("%+v is written as %s, %v", q, b, err)
		}
	}
	if got, _ := (Query{}).AppendXML([]byte("before")); string(got) != "before<query xmlns='jabber:iq:search'/>" {
		t.Errorf("appended: %s", got)
	}
}

// TestAnswer answers what a service asks, in its form.
func TestAnswer(t *testing.T) {
	d := form.New(form.Form, NS, form.Field{Var: "first", Type: form.TextSingle},
		form.Field{Var: "x-gender", Type: form.ListSingle})
	both := Query{Fields: four, Form: &d, Key: "k"}
	hamlet := Field{First, "Hamlet"}
	male := Field{"x-gender", "male"}
	for _, tt := range []struct {
		name    string
		asked   Query
		fields  []Field
		want    string
		missing []string
	}{
		{"GUIDE-9-search-1 the key is copied back", both, []Field{hamlet}, "<first>Hamlet</first><key>k</key>", nil},
		{"nothing was asked", Query{}, []Field{hamlet, male}, "<first>Hamlet</first><x-gender>male</x-gender>", nil},
		{"only the form has it", both, []Field{hamlet, male}, "<key>k</key><x xmlns='jabber:x:data' type='submit'>" +
			"<field var='FORM_TYPE'><value>jabber:iq:search</value></field><field var='first'><value>Hamlet</value>" +
			"</field><field var='x-gender'><value>male</value></field></x>", nil},
		{"unknown", Query{Fields: four}, []Field{hamlet, male}, "", []string{"x-gender"}},
		{"unknown to the form", both, []Field{hamlet, male, {"x", ""}}, "", []string{"x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, err := tt.asked.Answer(tt.fields...)
			if tt.missing != nil {
				e, ok := errors.AsType[*UnknownFieldError](err)
				if !ok || !reflect.DeepEqual(e.Fields, tt.missing) || e.Error() == "" {
					t.Errorf("%+v, %v", q, err)
				}
				return
			}
			b, _ := q.AppendXML(nil)
			if err != nil || string(b) != open+tt.want+"</query>" {
				t.Errorf("got %s, %v", b, err)
			}
		})
	}
}

// TestResults reads the table of XEP-0055, example 9.
func TestResults(t *testing.T) {
	q, err := exttest.Decode[Query](t, open+`<x xmlns='jabber:x:data' type='result'>
	<field type='hidden' var='FORM_TYPE'><value>jabber:iq:search</value></field>
	<reported><field var='first' label='Given Name' type='text-single'/>
	<field var='jid' label='Jabber ID' type='jid-single'/></reported>
	<item><field var='first'><value>Benvolio</value></field><field var='jid'><value>benvolio@montague.net</value></field>
	<field var='x-gender'><value>male</value></field></item>
	<item><field var='first'><value>Nobody</value></field></item>
	<item><field var='jid'><value>@</value></field></item></x></query>`)
	want := Results{Items: []Item{{jid.MustParse("benvolio@montague.net"), []Field{{First, "Benvolio"},
		{"x-gender", "male"}}}}}
	if got := q.Results(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if q.Get("first") != "" || want.Items[0].Get("first") != "Benvolio" {
		t.Error("Get")
	}
	q.Form.Type = form.Form
	if got := q.Results(); got.Items != nil {
		t.Errorf("a form to fill in has results: %+v", got)
	}
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{open + "<first/><key>k</key><instructions>i</instructions><truncated/></query>",
		open + "<item jid='a@b'><first>x</first></item><x xmlns='jabber:x:data' type='result'><reported/><item/></x></query>",
		open + "<item jid='a@b'/><x/><a:b xmlns:a='jabber:iq:search'>&#x9;</a:b></query>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) { exttest.RoundTrip[Query](t, src) })
}
