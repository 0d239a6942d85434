package archive_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/rsm"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// golden is a row of a table of payloads: bytes, value, error.
type golden[T stanza.Payload] struct {
	name, in string
	want     T
	out      string // what want is written as; "" if it is as in
	err      error
}

func parse(t testing.TB, src string) *stanza.Stanza {
	t.Helper()
	st, err := stanza.Parse(src)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return st
}

func run[T stanza.Payload](t *testing.T, table []golden[T]) {
	t.Helper()
	for _, tt := range table {
		t.Run(tt.name, func(t *testing.T) {
			var got T
			e := parse(t, "<message>"+tt.in+"</message>").Payload()
			err := e.Decode(any(&got))
			if err != nil || tt.err != nil {
				if stanza.AsError(err).Unwrap() != tt.err {
					t.Errorf("%s: %+v, %v, want %v", tt.in, got, err, tt.err)
				}
				return
			}
			if !reflect.DeepEqual(plain(got), plain(tt.want)) {
				t.Errorf("%s\ngot  %+v\nwant %+v", tt.in, got, tt.want)
			}
			out := tt.out
			if out == "" {
				out = tt.in
			}
			if b, err := tt.want.AppendXML(nil); string(b) != out || err != nil {
				t.Errorf("written as %s, %v\nwant %s", b, err, out)
			}
			if e.Name() != got.XMLName() {
				t.Errorf("the name is %v, want %v", got.XMLName(), e.Name())
			}
		})
	}
}

// plain makes stanzas comparable.
func plain(v any) any {
	if r, ok := v.(archive.Result); ok {
		text := "none"
		if r.Message.Stanza != nil {
			text = r.Message.Stanza.String()
		}
		r.Message.Stanza = nil
		return []any{r, text}
	}
	return v
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return v.UTC()
}

// submit is a query with these fields.
func submit(fields string) string {
	return "<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>" +
		"<value>urn:xmpp:mam:2</value></field>" + fields + "</x></query>"
}

func value(name string, values ...string) string {
	return "<field var='" + name + "'><value>" + strings.Join(values, "</value><value>") + "</value></field>"
}

func TestQuery(t *testing.T) {
	begin := at(t, "2010-08-07T00:00:00Z")
	juliet := jid.MustParse("juliet@capulet.lit")
	const open = "<query xmlns='urn:xmpp:mam:2'>"
	form10 := submit(value("start", "2010-08-07T00:00:00Z"))
	with := func(set string) string {
		return strings.TrimSuffix(form10, "</query>") + set + "</query>"
	}
	const set = "<set xmlns='http://jabber.org/protocol/rsm'><max>10</max>"
	run(t, []golden[archive.Query]{
		{name: "XEP-0313 example 2", in: "<query xmlns='urn:xmpp:mam:2' queryid='f27'/>", want: archive.Query{ID: "f27"}},
		{name: "XEP-0313 example 6", in: submit(value("with", "juliet@capulet.lit")), want: archive.Query{Filter: archive.Filter{With: juliet}}},
		{name: "XEP-0313 example 7", in: submit(value("start", "2010-06-07T00:00:00Z") + value("end", "2010-07-07T13:23:54Z")),
			want: archive.Query{Filter: archive.Filter{Start: at(t, "2010-06-07T00:00:00Z"), End: at(t, "2010-07-07T13:23:54Z")}}},
		{name: "XEP-0313 example 8", in: form10, want: archive.Query{Filter: archive.Filter{Start: begin}}},
		{name: "XEP-0313 example 9", in: submit(value("after-id", "09af3-cc343-b409f")), want: archive.Query{Filter: archive.Filter{AfterID: "09af3-cc343-b409f"}}},
		{name: "XEP-0313 example 10", in: submit(value("after-id", "28482-98726-73623") + value("before-id", "09af3-cc343-b409f")),
			want: archive.Query{Filter: archive.Filter{AfterID: "28482-98726-73623", BeforeID: "09af3-cc343-b409f"}},
			out:  submit(value("before-id", "09af3-cc343-b409f") + value("after-id", "28482-98726-73623"))},
		{name: "XEP-0313 example 11", in: submit(value("ids", "28482-98726-73623")), want: archive.Query{Filter: archive.Filter{IDs: []string{"28482-98726-73623"}}}},
		{name: "XEP-0313 example 12", in: submit(value("include-groupchat", "true")), want: archive.Query{Filter: archive.Filter{GroupChat: archive.Include}}},
		{name: "XEP-0313 example 13", in: submit(value("include-groupchat", "false")), want: archive.Query{Filter: archive.Filter{GroupChat: archive.Exclude}}},
		{name: "XEP-0313 example 16", in: submit("<field var='{http://example.com/}free-text-search' type='text-single'><value>Where arth thou, my Juliet?</value></field>"),
			want: archive.Query{Fields: []form.Field{{Var: "{http://example.com/}free-text-search", Type: form.TextSingle, Values: []string{"Where arth thou, my Juliet?"}}}}},
		{name: "XEP-0313 example 18", in: with(set + "</set>"), want: archive.Query{Filter: archive.Filter{Start: begin}, Set: rsm.Request{Max: 10}}},
		{name: "XEP-0313 example 20", in: with(set + "<after>09af3-cc343-b409f</after></set>"),
			want: archive.Query{Filter: archive.Filter{Start: begin}, Set: rsm.Request{Max: 10, After: "09af3-cc343-b409f"}}},
		{name: "XEP-0313 example 23", in: with(set + "<before/></set>"), want: archive.Query{Filter: archive.Filter{Start: begin}, Set: rsm.Request{Max: 10, Last: true}}},
		{name: "XEP-0313 example 24", in: with(set + "<after>09af3-cc343-b409f</after></set><flip-page/>"),
			want: archive.Query{Filter: archive.Filter{Start: begin}, Set: rsm.Request{Max: 10, After: "09af3-cc343-b409f"}, Flip: true}},
		{name: "several ids", in: submit(value("ids", "1", "2")), want: archive.Query{Filter: archive.Filter{IDs: []string{"1", "2"}}}},
		{name: "node", in: "<query xmlns='urn:xmpp:mam:2' node='n'/>", want: archive.Query{Node: "n"}},
		{name: "version 1", in: "<query xmlns='urn:xmpp:mam:1' queryid='x'/>", want: archive.Query{Space: archive.NS1, ID: "x"}},
		{name: "version 0", in: strings.ReplaceAll(submit(value("with", "juliet@capulet.lit")), "mam:2", "mam:0"),
			want: archive.Query{Space: archive.NS0, Filter: archive.Filter{With: juliet}}},
		{name: "a form without type", in: open + "<x xmlns='jabber:x:data' type='submit'>" + value("with", " juliet@capulet.lit ") + "</x></query>",
			want: archive.Query{Filter: archive.Filter{With: juliet}}, out: submit(value("with", "juliet@capulet.lit"))},
		{name: "empty fields", in: submit("<field var='with'/><field var='start'/><field var='end'><value/></field><field var='ids'/><field var='include-groupchat'/>"),
			out: "<query xmlns='urn:xmpp:mam:2'/>"},
		{name: "a time elsewhere", in: submit(value("start", "2010-08-07T02:00:00.5+02:00")), want: archive.Query{Filter: archive.Filter{Start: begin.Add(time.Second / 2)}},
			out: submit(value("start", "2010-08-07T00:00:00.500Z"))},
		{name: "no address", in: submit(value("with", "@")), err: stanza.JIDMalformed},
		{name: "no time", in: submit(value("start", "now")), err: stanza.BadRequest},
		{name: "two times", in: submit(value("end", "2010-08-07T00:00:00Z", "2010-08-07T00:00:00Z")), err: stanza.BadRequest},
		{name: "two ids behind", in: submit(value("after-id", "1", "2")), err: stanza.BadRequest},
		{name: "neither true nor false", in: submit(value("include-groupchat", "perhaps")), err: stanza.BadRequest},
		{name: "another form", in: strings.Replace(submit(""), "<value>urn:xmpp:mam:2", "<value>urn:x", 1), err: stanza.BadRequest},
		{name: "no submission", in: strings.Replace(submit(""), "submit", "form", 1), err: stanza.BadRequest},
		{name: "no page", in: open + "<set xmlns='http://jabber.org/protocol/rsm'><max>x</max></set></query>", err: stanza.BadRequest},
	})
}

const forwarded = "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>" +
	"<message xmlns='jabber:client' type='chat' to='juliet@capulet.lit/balcony' from='romeo@montague.lit/orchard'>" +
	"<body>Call me but love</body></message></forwarded>"

func TestResult(t *testing.T) {
	love := parse(t, "<message type='chat' to='juliet@capulet.lit/balcony' from='romeo@montague.lit/orchard'><body>Call me but love</body></message>")
	when := at(t, "2010-07-10T23:08:25Z")
	const open = "<result xmlns='urn:xmpp:mam:2' queryid='f27' id='28482-98726-73623'>"
	run(t, []golden[archive.Result]{
		{name: "XEP-0313 example 17", in: open + forwarded + "</result>",
			want: archive.Result{QueryID: "f27", Message: archive.Message{ID: "28482-98726-73623", At: when, Stanza: love}}},
		{name: "version 0", in: "<result xmlns='urn:xmpp:mam:0' id='1'>" + forwarded + "</result>",
			want: archive.Result{Space: archive.NS0, Message: archive.Message{ID: "1", At: when, Stanza: love}}},
		{name: "without time", in: open + strings.Replace(forwarded, "<delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>", "", 1) + "</result>",
			want: archive.Result{QueryID: "f27", Message: archive.Message{ID: "28482-98726-73623", Stanza: love}}},
		{name: "XEP-0313 3.2 what was removed", in: open + "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/></forwarded></result>",
			want: archive.Result{QueryID: "f27", Message: archive.Message{ID: "28482-98726-73623", At: when}}},
		{name: "what was removed, without time", in: open + "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='?'/></forwarded></result>",
			want: archive.Result{QueryID: "f27", Message: archive.Message{ID: "28482-98726-73623"}}, out: open + "<forwarded xmlns='urn:xmpp:forward:0'></forwarded></result>"},
		{name: "without id", in: "<result xmlns='urn:xmpp:mam:2'>" + forwarded + "</result>", err: stanza.BadRequest},
		{name: "nothing forwarded", in: open + "</result>", err: stanza.BadRequest},
		{name: "no message", in: open + "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' to='@'/></forwarded></result>", err: stanza.BadRequest},
	})
	if b, err := (archive.Result{}).AppendXML(nil); err == nil {
		t.Errorf("written as %s", b)
	}
}

func TestFin(t *testing.T) {
	const set = "<set xmlns='http://jabber.org/protocol/rsm'><first index='0'>28482-98726-73623</first><last>09af3-cc343-b409f</last>"
	page := rsm.Result{First: "28482-98726-73623", Last: "09af3-cc343-b409f", HasIndex: true}
	counted := page
	counted.Count, counted.HasCount = 20, true
	run(t, []golden[archive.Fin]{
		{name: "XEP-0313 example 4", in: "<fin xmlns='urn:xmpp:mam:2'>" + set + "</set></fin>", want: archive.Fin{Set: page}},
		{name: "XEP-0313 example 19", in: "<fin xmlns='urn:xmpp:mam:2'>" + set + "<count>20</count></set></fin>", want: archive.Fin{Set: counted}},
		{name: "XEP-0313 example 22", in: "<fin xmlns='urn:xmpp:mam:2' complete='true'>" + set + "<count>20</count></set></fin>", want: archive.Fin{Complete: true, Set: counted}},
		{name: "unstable", in: "<fin xmlns='urn:xmpp:mam:2' complete='1' stable='0'/>", want: archive.Fin{Complete: true, Unstable: true},
			out: "<fin xmlns='urn:xmpp:mam:2' complete='true' stable='false'><set xmlns='http://jabber.org/protocol/rsm'/></fin>"},
		{name: "said to be stable", in: "<fin xmlns='urn:xmpp:mam:2' complete='false' stable='true'/>",
			out: "<fin xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'/></fin>"},
		{name: "version 0", in: "<fin xmlns='urn:xmpp:mam:0' queryid='f27'>" + set + "</set></fin>", want: archive.Fin{Space: archive.NS0, QueryID: "f27", Set: page}},
	})
}

func TestMetadata(t *testing.T) {
	run(t, []golden[archive.Metadata]{
		{name: "XEP-0313 example 25", in: "<metadata xmlns='urn:xmpp:mam:2'/>"},
		{name: "XEP-0313 example 26", in: "<metadata xmlns='urn:xmpp:mam:2'><start id='YWxwaGEg' timestamp='2008-08-22T21:09:04Z'/><end id='b21lZ2Eg' timestamp='2020-04-20T14:34:21Z'/></metadata>",
			want: archive.Metadata{Start: archive.Edge{"YWxwaGEg", at(t, "2008-08-22T21:09:04Z")}, End: archive.Edge{"b21lZ2Eg", at(t, "2020-04-20T14:34:21Z")}}},
		{name: "one end", in: "<metadata xmlns='urn:xmpp:mam:2'><start id='YWxwaGEg' timestamp='2008-08-22T21:09:04Z'/></metadata>", err: stanza.BadRequest},
		{name: "no time", in: "<metadata xmlns='urn:xmpp:mam:2'><start id='a'/><end id='b'/></metadata>", err: stanza.BadRequest},
	})
}

func TestPreferences(t *testing.T) {
	romeo, montague := jid.MustParse("romeo@montague.lit"), jid.MustParse("montague@montague.lit")
	run(t, []golden[archive.Preferences]{
		{name: "XEP-0441 example 1", in: "<prefs xmlns='urn:xmpp:mam:2'/>"},
		{name: "XEP-0441 example 2", in: "<prefs xmlns='urn:xmpp:mam:2' default='roster'><always/><never/></prefs>", want: archive.Preferences{Default: archive.Roster}},
		{name: "XEP-0441 example 4", in: "<prefs xmlns='urn:xmpp:mam:2' default='roster'><always><jid>romeo@montague.lit</jid></always><never><jid>montague@montague.lit</jid></never></prefs>",
			want: archive.Preferences{Default: archive.Roster, Always: []jid.JID{romeo}, Never: []jid.JID{montague}}},
		{name: "version 0", in: "<prefs xmlns='urn:xmpp:mam:0' default='always'><always/><never><jid>romeo@montague.lit</jid></never></prefs>",
			want: archive.Preferences{Space: archive.NS0, Default: archive.Always, Never: []jid.JID{romeo}}},
		{name: "lists only, one address twice", in: "<prefs xmlns='urn:xmpp:mam:2'><never><jid> romeo@montague.lit\n</jid><x/><jid>romeo@montague.lit</jid></never></prefs>",
			want: archive.Preferences{Never: []jid.JID{romeo}}, out: "<prefs xmlns='urn:xmpp:mam:2'><always/><never><jid>romeo@montague.lit</jid></never></prefs>"},
		{name: "no such policy", in: "<prefs xmlns='urn:xmpp:mam:2' default='sometimes'/>", err: stanza.BadRequest},
		{name: "no address always", in: "<prefs xmlns='urn:xmpp:mam:2'><always><jid>@</jid></always></prefs>", err: stanza.JIDMalformed},
		{name: "no address never", in: "<prefs xmlns='urn:xmpp:mam:2'><never><jid/></never></prefs>", err: stanza.JIDMalformed},
	})
}

func fuzz[T stanza.Payload](t *testing.T, src string) {
	e, err := stanza.Raw(src).Element()
	if err != nil {
		return
	}
	var v, w T
	if e.Decode(any(&v)) != nil {
		return
	}
	b, err := v.AppendXML(nil)
	if err != nil {
		t.Fatalf("%+v: %v", v, err)
	}
	again, err := stanza.Raw(b).Element()
	if err == nil {
		err = again.Decode(any(&w))
	}
	if err != nil || !reflect.DeepEqual(plain(v), plain(w)) {
		t.Fatalf("%s\nread  %+v\nagain %+v\nfrom  %s (%v)", src, v, w, b, err)
	}
}

func FuzzQuery(f *testing.F) {
	f.Add(submit(value("with", "juliet@capulet.lit") + value("start", "2010-08-07T00:00:00Z") + value("ids", "1", "2") + value("include-groupchat", "1")))
	f.Add("<query xmlns='urn:xmpp:mam:0' queryid='f27' node='n'><set xmlns='http://jabber.org/protocol/rsm'><before/></set><flip-page/></query>")
	f.Fuzz(func(t *testing.T, src string) {
		e, err := stanza.Raw(src).Element()
		if err != nil || e.Name().Space == "" {
			return // nobody asks for such a Query
		}
		fuzz[archive.Query](t, src)
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add("<result xmlns='urn:xmpp:mam:2' queryid='f27' id='1'>" + forwarded + "</result>")
	f.Add("<fin xmlns='urn:xmpp:mam:2' complete='true' stable='false'><set xmlns='http://jabber.org/protocol/rsm'><count>1</count></set></fin>")
	f.Add("<metadata xmlns='urn:xmpp:mam:2'><start id='a' timestamp='2008-08-22T21:09:04Z'/><end id='b' timestamp='2008-08-22T21:09:04Z'/></metadata>")
	f.Add("<prefs xmlns='urn:xmpp:mam:2' default='roster'><always><jid>a@b</jid></always><never><jid>c</jid></never></prefs>")
	f.Fuzz(func(t *testing.T, src string) {
		e, err := stanza.Raw(src).Element()
		if err != nil || e.Name().Space != archive.NS {
			return
		}
		switch e.Name().Local {
		case "result":
			fuzz[archive.Result](t, src)
		case "fin":
			fuzz[archive.Fin](t, src)
		case "metadata":
			fuzz[archive.Metadata](t, src)
		case "prefs":
			fuzz[archive.Preferences](t, src)
		}
	})
}
