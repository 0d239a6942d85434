package form

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

func parse(t testing.TB, src string) Data {
	t.Helper()
	el, err := stanza.Raw(src).Element()
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	var d Data
	if err := el.Decode(&d); err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return d
}

func write(t testing.TB, d Data) string {
	t.Helper()
	b, err := d.AppendXML(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// botForm is the form of XEP-0004, example 2.
const botForm = `<x xmlns='jabber:x:data' type='form'>
  <title>Bot Configuration</title>
  <instructions>Fill out this form to configure your new bot!</instructions>
  <field type='hidden' var='FORM_TYPE'><value>jabber:bot</value></field>
  <field type='fixed'><value>Section 1: Bot Info</value></field>
  <field type='text-single' label='The name of your bot' var='botname'/>
  <field type='text-multi' label='Helpful description of your bot' var='description'/>
  <field type='boolean' label='Public bot?' var='public'><required/></field>
  <field type='text-private' label='Password for special access' var='password'/>
  <field type='list-multi' label='What features will the bot support?' var='features'>
    <option label='Contests'><value>contests</value></option>
    <option label='News'><value>news</value></option>
    <option label='Polls'><value>polls</value></option>
    <option label='Search'><value>search</value></option>
    <value>news</value>
    <value>search</value>
  </field>
  <field type='list-single' label='Maximum number of subscribers' var='maxsubs'>
    <value>20</value>
    <option label='10'><value>10</value></option>
    <option label='20'><value>20</value></option>
    <option label='None'><value>none</value></option>
  </field>
  <field type='jid-multi' label='People to invite' var='invitelist'>
    <desc>Tell all your friends about your new bot!</desc>
  </field>
  <field type='jid-single' var='owner'/>
  <field var='mood' type='urn:example:unknown'/>
</x>`

// TestXML reads and writes forms.
func TestXML(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     Data
		out      string // "" if it is as in
	}{
		{name: "empty", in: "<x xmlns='jabber:x:data'></x>", want: Data{}},
		{name: "cancel", in: "<x xmlns='jabber:x:data' type='cancel'></x>", want: Data{Type: Cancel}},
		{
			name: "everything of a field",
			in: "<x xmlns='jabber:x:data' type='form'><title>&lt;T></title><instructions>1</instructions><instructions>2</instructions>" +
				"<field var='a' type='list-single' label='A&apos;s'><desc>d</desc><required/><value>x</value>" +
				"<option label='X'><value>x</value></option><option><value>y</value></option></field></x>",
			want: Data{Type: Form, Title: "<T>", Instructions: []string{"1", "2"}, Fields: []Field{{
				Var: "a", Type: ListSingle, Label: "A's", Desc: "d", Required: true, Values: []string{"x"},
				Options: []Option{{"X", "x"}, {"", "y"}},
			}}},
			out: "<x xmlns='jabber:x:data' type='form'><title>&lt;T&gt;</title><instructions>1</instructions><instructions>2</instructions>" +
				"<field var='a' type='list-single' label='A&apos;s'><desc>d</desc><required/><value>x</value>" +
				"<option label='X'><value>x</value></option><option><value>y</value></option></field></x>",
		},
		{
			name: "XEP-0004 3.4 a table",
			in: "<x xmlns='jabber:x:data' type='result'><reported><field var='name' type='text-single' label='Name'/><field var='url'/></reported>" +
				"<item><field var='name'><value>Verona</value></field><field var='url'><value></value></field></item><item></item></x>",
			want: Data{
				Type:     Result,
				Reported: []Field{{Var: "name", Type: TextSingle, Label: "Name"}, {Var: "url"}},
				Items:    [][]Field{{{Var: "name", Values: []string{"Verona"}}, {Var: "url", Values: []string{""}}}, {}},
			},
		},
		{
			name: "a table without rows",
			in:   "<x xmlns='jabber:x:data' type='result'><reported></reported></x>",
			want: Data{Type: Result, Reported: []Field{}},
		},
		{
			name: "XEP-0068 example 3: options without a value, and what is not defined",
			in: "<x xmlns='jabber:x:data' type='form' a='b'><item xmlns='urn:x'/><evil/><field var='light' type='list-multi' c='d'>" +
				"<option label='Juliet'>Sun</option><evil/><value xmlns='urn:x'>v</value></field></x>",
			want: Data{Type: Form, Fields: []Field{{Var: "light", Type: ListMulti}}},
			out:  "<x xmlns='jabber:x:data' type='form'><field var='light' type='list-multi'/></x>",
		},
		{
			name: "another order",
			in: "<x xmlns='jabber:x:data' type='result'><item><field var='a'><value>1</value></field></item>" +
				"<reported><field var='a'/></reported><title>T</title></x>",
			want: Data{Type: Result, Title: "T", Reported: []Field{{Var: "a"}}, Items: [][]Field{{{Var: "a", Values: []string{"1"}}}}},
			out: "<x xmlns='jabber:x:data' type='result'><title>T</title><reported><field var='a'/></reported>" +
				"<item><field var='a'><value>1</value></field></item></x>",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := parse(t, tt.in)
			if !reflect.DeepEqual(d, tt.want) {
				t.Errorf("got %+v, want %+v", d, tt.want)
			}
			want := tt.out
			if want == "" {
				want = tt.in
			}
			if got := write(t, d); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestBotForm reads the form of XEP-0004, example 2, fills it in as in example
// 3, and checks that.
func TestBotForm(t *testing.T) {
	d := parse(t, botForm)
	if d.FormType() != "jabber:bot" || d.Title != "Bot Configuration" || len(d.Fields) != 11 || !d.Field("public").Required {
		t.Fatalf("got %+v", d)
	}
	a := d.Answer()
	if got := write(t, a); got != "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>jabber:bot</value></field>"+
		"<field var='features'><value>news</value><value>search</value></field><field var='maxsubs'><value>20</value></field></x>" {
		t.Errorf("the form as it is: %s", got)
	}
	a.Set("botname", "The Jabber Google Bot")
	a.SetText("description", "This bot enables you\r\nto send requests")
	a.SetBool("public", false)
	a.Set("maxsubs", "none")
	a.SetJIDs("invitelist", jid.MustParse("juliet@capulet.com"), jid.MustParse("benvolio@montague.net"))
	a.Set("unknown", "x")
	got, err := d.Check(&a)
	if err != nil {
		t.Fatal(err)
	}
	if want := "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>jabber:bot</value></field>" +
		"<field var='botname' type='text-single'><value>The Jabber Google Bot</value></field>" +
		"<field var='description' type='text-multi'><value>This bot enables you</value><value>to send requests</value></field>" +
		"<field var='public' type='boolean'><value>0</value></field>" +
		"<field var='features' type='list-multi'><value>news</value><value>search</value></field>" +
		"<field var='maxsubs' type='list-single'><value>none</value></field>" +
		"<field var='invitelist' type='jid-multi'><value>juliet@capulet.com</value><value>benvolio@montague.net</value></field></x>"; write(t, got) != want {
		t.Errorf("got %s, want %s", write(t, got), want)
	}
	if d.Text("maxsubs") != "20" || got.Text("description") != "This bot enables you\nto send requests" || got.Text("nothing") != "" {
		t.Error("Text, or Answer has changed the form")
	}
}

// TestCheck submits one field after the other to the form of XEP-0004, example
// 2.
func TestCheck(t *testing.T) {
	d := parse(t, botForm)
	for _, tt := range []struct {
		name   string
		fields []Field
		want   []string // of the first field
		wrong  string   // the field that is wrong, "-" for the form itself
		reason string
	}{
		{"one line", []Field{{Var: "botname", Values: []string{"b"}}}, []string{"b"}, "", ""},
		{"two values of one", []Field{{Var: "botname", Values: []string{"a", "b"}}}, nil, "botname", "more than one value"},
		{"two lines of one", []Field{{Var: "botname", Values: []string{"a\nb"}}}, nil, "botname", "more than one line"},
		{"two lines of a password", []Field{{Var: "password", Values: []string{"a\rb"}}}, nil, "password", "more than one line"},
		{"emptied", []Field{{Var: "botname"}}, nil, "", ""},
		{"emptied with a value", []Field{{Var: "maxsubs", Values: []string{""}}}, nil, "", ""},
		{"a type that is not known is text-single", []Field{{Var: "mood", Values: []string{"a", "b"}}}, nil, "mood", "more than one value"},
		{"lines", []Field{{Var: "description", Values: []string{"a\r\nb", "c\rd"}}}, []string{"a", "b", "c", "d"}, "", ""},
		{"a boolean in words", []Field{{Var: "public", Values: []string{" true "}}}, []string{"1"}, "", ""},
		{"a boolean that is false", []Field{{Var: "public", Values: []string{"false"}}}, []string{"0"}, "", ""},
		{"no boolean", []Field{{Var: "public", Values: []string{"yes"}}}, nil, "public", "not true or false"},
		{"two booleans", []Field{{Var: "public", Values: []string{"1", "0"}}}, nil, "public", "more than one value"},
		{"a required field that is empty", []Field{{Var: "public", Values: []string{""}}}, nil, "public", "required"},
		{"a required field that is not there", []Field{{Var: "botname"}, {Var: "-public"}}, nil, "public", "required"},
		{"options in another order, one twice", []Field{{Var: "features", Values: []string{"search", "news", "search", ""}}}, []string{"news", "search"}, "", ""},
		{"an option that does not exist", []Field{{Var: "features", Values: []string{"news", "evil"}}}, nil, "features", "not among its options"},
		{"two of a single list", []Field{{Var: "maxsubs", Values: []string{"10", "20"}}}, nil, "maxsubs", "more than one value"},
		{"an option by its label", []Field{{Var: "maxsubs", Values: []string{"None"}}}, nil, "maxsubs", "not among its options"},
		{"addresses, one twice", []Field{{Var: "invitelist", Values: []string{"juliet@capulet.com", "Juliet@CAPULET.com", "", "a@b"}}},
			[]string{"juliet@capulet.com", "a@b"}, "", ""},
		{"no address", []Field{{Var: "invitelist", Values: []string{"juliet@capulet.com", "@"}}}, nil, "invitelist", "not an address"},
		{"one address", []Field{{Var: "owner", Values: []string{"A@B"}}}, []string{"a@b"}, "", ""},
		{"two addresses of one", []Field{{Var: "owner", Values: []string{"a@b", "c@d"}}}, nil, "owner", "more than one value"},
		{"hidden may be changed", []Field{{Var: "hidden", Values: []string{"a", "b"}}}, []string{"a", "b"}, "", ""},
		{"a field twice", []Field{{Var: "botname"}, {Var: "botname"}}, nil, "botname", "more than once"},
		{"an unknown field twice", []Field{{Var: "botname", Values: []string{"x"}}, {Var: "evil"}, {Var: "evil"}}, []string{"x"}, "", ""},
		{"another form", []Field{{Var: FormType, Values: []string{"jabber:not"}}}, nil, FormType, "another form"},
		{"the type in the submission says nothing", []Field{{Var: "public", Type: TextMulti, Values: []string{"1"}}}, []string{"1"}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := d
			d.Fields = append(slices.Clone(d.Fields), Field{Var: "hidden", Type: Hidden, Required: true})
			s := Data{Type: Submit, Fields: tt.fields}
			if s.Field("public") == nil && s.Field("-public") == nil {
				s.SetBool("public", true)
			}
			got, err := d.Check(&s)
			if tt.wrong != "" {
				e, ok := errors.AsType[*FieldError](err)
				if !ok || e.Var != tt.wrong || !strings.Contains(e.Reason, tt.reason) {
					t.Fatalf("got %v, want one of the field %q", err, tt.wrong)
				}
				if se := stanza.AsError(err); se.Condition != stanza.NotAcceptable || !strings.Contains(se.Text, tt.reason) {
					t.Errorf("the stanza error is %v", se)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			f := got.Field(tt.fields[0].Var)
			if f == nil || !slices.Equal(f.Values, tt.want) {
				t.Errorf("got %+v, want %q", f, tt.want)
			}
			if got.Field("evil") != nil || got.Field("description") != nil && tt.fields[0].Var != "description" {
				t.Errorf("fields that were not asked for, or not submitted: %+v", got)
			}
		})
	}
	_, err := d.Check(&Data{Type: Cancel})
	if e, ok := errors.AsType[*FieldError](err); !ok || e.Var != "" || err.Error() != "form: the form is not a submission" {
		t.Errorf("a form that is canceled: %v", err)
	}
	// A form without FORM_TYPE takes any, and the other way round.
	plain := Data{Type: Form, Fields: []Field{{Var: "a"}}}
	for _, ft := range []string{"", "urn:x"} {
		s := New(Submit, ft, Field{Var: "a", Values: []string{"1"}})
		if got, err := plain.Check(&s); err != nil || got.Text("a") != "1" || len(got.Fields) != 1 {
			t.Errorf("FORM_TYPE %q: %+v, %v", ft, got, err)
		}
	}
}

// TestFormType shows which FORM_TYPE counts (XEP-0068, sections 4.3 and 5).
func TestFormType(t *testing.T) {
	for _, tt := range []struct {
		form  Type
		field Field
		want  string
	}{
		{Form, Field{Var: FormType, Type: Hidden, Values: []string{"urn:a"}}, "urn:a"},
		{Result, Field{Var: FormType, Type: Hidden, Values: []string{"urn:a", "urn:b"}}, "urn:a"},
		{Submit, Field{Var: FormType, Type: Hidden, Values: []string{"urn:a"}}, "urn:a"},
		{Submit, Field{Var: FormType, Values: []string{"urn:a"}}, "urn:a"},
		{Form, Field{Var: FormType, Values: []string{"urn:a"}}, ""},
		{Result, Field{Var: FormType, Values: []string{"urn:a"}}, ""},
		{Form, Field{Var: FormType, Type: TextSingle, Values: []string{"urn:a"}}, ""},
		{Submit, Field{Var: FormType, Type: TextSingle, Values: []string{"urn:a"}}, ""},
		{Form, Field{Var: FormType, Type: Hidden}, ""},
		{Form, Field{Var: "form_type", Type: Hidden, Values: []string{"urn:a"}}, ""},
	} {
		d := Data{Type: tt.form, Fields: []Field{{Var: "x"}, tt.field}}
		if got := d.FormType(); got != tt.want {
			t.Errorf("%s %+v: got %q", tt.form, tt.field, got)
		}
	}
	for _, typ := range []Type{Form, Submit, Result} {
		if d := New(typ, "urn:a"); d.FormType() != "urn:a" {
			t.Errorf("New(%s): %+v", typ, d)
		}
	}
	if d := New(Result, "", String("a", "b")); len(d.Fields) != 1 || d.FormType() != "" {
		t.Errorf("got %+v", d)
	}
}

// TestFields makes fields of each kind and reads them.
func TestFields(t *testing.T) {
	a, b := jid.MustParse("a@example.org"), jid.MustParse("b@example.org/r")
	d := New(Result, "", String("s", "x"), Text("t", "1\n2"), Bool("yes", true), Bool("no", false), JID("j", a), JID("none", jid.JID{}), JIDs("js", a, b, a))
	want := "<x xmlns='jabber:x:data' type='result'><field var='s' type='text-single'><value>x</value></field>" +
		"<field var='t' type='text-multi'><value>1</value><value>2</value></field>" +
		"<field var='yes' type='boolean'><value>1</value></field><field var='no' type='boolean'><value>0</value></field>" +
		"<field var='j' type='jid-single'><value>a@example.org</value></field><field var='none' type='jid-single'/>" +
		"<field var='js' type='jid-multi'><value>a@example.org</value><value>b@example.org/r</value><value>a@example.org</value></field></x>"
	if got := write(t, d); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	d = parse(t, want)
	if v, err := d.Field("yes").Bool(); !v || err != nil {
		t.Error(v, err)
	}
	if v, err := d.Field("no").Bool(); v || err != nil {
		t.Error(v, err)
	}
	if v, err := d.Field("none").Bool(); v || err != nil {
		t.Error("the default of a boolean", v, err)
	}
	if v, err := d.Field("j").JID(); v != a || err != nil {
		t.Error(v, err)
	}
	if v, err := d.Field("none").JID(); !v.IsZero() || err != nil {
		t.Error(v, err)
	}
	if v, err := d.Field("js").JIDs(); !slices.Equal(v, []jid.JID{a, b}) || err != nil {
		t.Error(v, err)
	}
	if _, err := d.Field("js").JID(); !errors.Is(err, stanza.NotAcceptable) {
		t.Error(err)
	}
	if d.Field("nothing") != nil || d.Field("t").Text() != "1\n2" {
		t.Error("Field or Text")
	}
	copied := d
	d.Set("s", "y")
	d.Set("new", "1", "2")
	if d.Text("s") != "y" || d.Text("new") != "1\n2" || copied.Text("s") != "x" || copied.Field("new") != nil {
		t.Errorf("Set: %+v, copy %+v", d, copied)
	}
	for _, typ := range []FieldType{Boolean, Fixed, Hidden, JIDMulti, JIDSingle, ListMulti, ListSingle, TextMulti, TextPrivate, TextSingle} {
		if typ.Effective() != typ {
			t.Errorf("%s counts as %s", typ, typ.Effective())
		}
	}
	if FieldType("").Effective() != TextSingle || FieldType("x").Effective() != TextSingle {
		t.Error("what is not known is not text-single")
	}
	long := &FieldError{Var: strings.Repeat("é", 100), Reason: "is long"}
	if s := long.Error(); len(s) > 120 || !strings.HasSuffix(s, "... is long") && !strings.HasSuffix(s, `..." is long`) {
		t.Error(s)
	}
}

// TestStanza carries a form in a message, with other prefixes.
func TestStanza(t *testing.T) {
	st, err := stanza.Parse("<message><q:x xmlns:q='jabber:x:data' type='submit'><q:field var='a'><q:value>1</q:value></q:field></q:x></message>")
	if err != nil {
		t.Fatal(err)
	}
	d, ok, err := stanza.Decode[Data](st)
	if !ok || err != nil || d.Text("a") != "1" {
		t.Errorf("got %+v, %v, %v", d, ok, err)
	}
	msg := &stanza.Message{Payloads: []any{d}}
	if st, err = msg.Stanza(); err != nil || st.String() != "<message><x xmlns='jabber:x:data' type='submit'><field var='a'><value>1</value></field></x></message>" {
		t.Errorf("got %v, %v", st, err)
	}
}

// FuzzData: every element can be read; what was read can be written and read
// again as the same; and whatever is submitted to it, Check gives what Check
// accepts again.
func FuzzData(f *testing.F) {
	f.Add(botForm, "<x xmlns='jabber:x:data' type='submit'><field var='features'><value>news</value></field><field var='public'><value>1</value></field></x>")
	f.Add("<x xmlns='jabber:x:data' type='result'><reported/><item><field/></item></x>", "<x xmlns='jabber:x:data' type='submit'/>")
	f.Add("<x xmlns='jabber:x:data'><field var='a' type='jid-multi'/></x>", "<x xmlns='jabber:x:data' type='submit'><field var='a'><value>a@b</value></field></x>")
	f.Fuzz(func(t *testing.T, src, submitted string) {
		el, err := stanza.Raw(src).Element()
		if err != nil {
			return
		}
		var d Data
		if err := d.ParseXML(el); err != nil {
			t.Fatal(err)
		}
		if back := parse(t, write(t, d)); !reflect.DeepEqual(d, back) {
			t.Errorf("got %+v, again %+v", d, back)
		}
		if el, err = stanza.Raw(submitted).Element(); err != nil {
			return
		}
		var s Data
		if err := s.ParseXML(el); err != nil {
			t.Fatal(err)
		}
		once, err := d.Check(&s)
		if err != nil {
			return
		}
		twice, err := d.Check(&once)
		if hasTwice(d) {
			return
		}
		if err != nil || !reflect.DeepEqual(once, twice) {
			t.Errorf("got %+v, again %+v, %v", once, twice, err)
		}
	})
}

// hasTwice reports whether a form has a field twice, which makes no sense.
func hasTwice(d Data) bool {
	seen := make(map[string]bool)
	for _, f := range d.Fields {
		if seen[f.Var] {
			return true
		}
		seen[f.Var] = true
	}
	return false
}
