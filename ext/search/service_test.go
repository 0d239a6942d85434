package search

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/ext/internal/hosttest"
	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// newIndex returns an index with some of the people of Denmark.
func newIndex(t *testing.T) *Index {
	x := new(Index)
	for _, it := range []Item{
		{jid.MustParse("king@denmark"), []Field{{First, "Hamlet"}, {Nick, "King"}, {Email, "king@denmark"}}},
		{jid.MustParse("hamlet@denmark"), []Field{{First, "Hamlet"}, {Nick, "Ham, Prince"}, {"x-sword", "rapier"}}},
		{jid.MustParse("ophelia@denmark"), []Field{{First, "Ophelia Anna"}}},
	} {
		if err := x.SetEntry(t.Context(), it.JID, it.Fields); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

// ask sends a query and returns the answer, what is in the query element of a
// result, or the name of the condition.
func ask(t *testing.T, h *exttest.Host, typ, ns, body string) string {
	t.Helper()
	sent := h.Receive(t, "<iq type='"+typ+"' id='1' from='horatio@denmark/x' to='users.denmark'><query xmlns='"+ns+"'>"+
		body+"</query></iq>")
	if len(sent) != 1 {
		t.Fatalf("sent %q", sent)
	}
	st := exttest.Parse(t, sent[0])
	if err := st.Err(); err != nil {
		return string(stanza.AsError(err).Condition)
	}
	_, s, _ := strings.Cut(sent[0], ns+"'")
	s, _, _ = strings.Cut(s, "</query>")
	return strings.TrimPrefix(strings.TrimPrefix(s, ">"), "/></iq>")
}

func TestService(t *testing.T) {
	const submit = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>jabber:iq:search</value></field>"
	king := "<item jid='king@denmark'><first>Hamlet</first><last/><nick>King</nick><email>king@denmark</email></item>"
	prince := "<item jid='hamlet@denmark'><first>Hamlet</first><last/><nick>Ham, Prince</nick><email/></item>"
	for _, tt := range []struct {
		name, body, want string
	}{
		{"GUIDE-9-search-2 GUIDE-9-search-3 any of the fields", "<first>Hamlet</first>", prince + king},
		{"GUIDE-9-search-2 with a key, which is not needed", "<first>Hamlet</first><key>whatever</key>", prince + king},
		{"all fields count", "<first>hamlet</first><nick>KING</nick>", king},
		{"empty fields do not count", "<first> </first><nick>king</nick><last>*</last>", king},
		{"a word", "<nick>prince</nick>", prince},
		{"the beginning", "<first>Ham*</first><nick>p*</nick>", prince},
		{"not without a star", "<first>Ham</first>", ""},
		{"compatibility forms", "<first>ＨＡＭＬＥＴ</first><email> king@DENMARK </email>", king},
		{"GUIDE-9-search-4 nobody", "<first>Yorick</first>", ""},
		{"GUIDE-9-search-4 commas", "<first>,</first>", ""},
		{"nothing is asked", "<first/>", "not-acceptable"},
		{"an unknown field", "<first>Hamlet</first><x-sword>rapier</x-sword>", "not-acceptable"},
		{"too long", "<first>" + strings.Repeat("x", 257) + "</first>", "not-acceptable"},
		{"a form is answered by a form", submit + "<field var='x-sword'><value>rapier</value></field></x>",
			"<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>jabber:iq:search</value>" +
				"</field><reported><field var='jid' type='jid-single' label='Jabber ID'/>" +
				"<field var='first' type='text-single' label='Given Name'/>" +
				"<field var='last' type='text-single' label='Family Name'/>" +
				"<field var='nick' type='text-single' label='Nickname'/>" +
				"<field var='email' type='text-single' label='Email Address'/>" +
				"<field var='x-sword' type='text-single' label='Sword'/></reported>" +
				"<item><field var='jid'><value>hamlet@denmark</value></field><field var='first'><value>Hamlet</value></field>" +
				"<field var='last'><value></value></field><field var='nick'><value>Ham, Prince</value></field>" +
				"<field var='email'><value></value></field><field var='x-sword'><value>rapier</value></field></item></x>"},
		{"a form that is wrong", "<x xmlns='jabber:x:data' type='form'/>", "not-acceptable"},
		{"an empty form", submit + "</x>", "not-acceptable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &Service{Directory: newIndex(t), Extra: []form.Field{{Var: "x-sword", Type: form.TextSingle, Label: "Sword"}}}
			if got := ask(t, exttest.Attach(t, s, "users.denmark"), "set", NS, tt.body); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	t.Run("GUIDE-9-search-1 the fields, a form beside them, and a key by option", func(t *testing.T) {
		s := &Service{Directory: newIndex(t), Instructions: "Fill in."}
		h := exttest.Attach(t, s, "users.denmark")
		want := "<instructions>Fill in.</instructions><first/><last/><nick/><email/>" +
			"<x xmlns='jabber:x:data' type='form'>"
		if got := ask(t, h, "get", NS, ""); !strings.HasPrefix(got, want) {
			t.Errorf("got %s", got)
		}
		s.Keys, s.Instructions = true, ""
		got := ask(t, h, "get", NS, "")
		_, key, _ := strings.Cut(got, "<email/><key>")
		if key, _, _ = strings.Cut(key, "</key>"); len(key) != 40 || !strings.HasPrefix(got, "<instructions>Fill in one") {
			t.Errorf("got %s", got)
		}
		if again := ask(t, h, "get", NS, ""); again != got {
			t.Error("the key does not stay the same")
		}
	})
	t.Run("GUIDE-9-search-5 truncated", func(t *testing.T) {
		for _, tt := range []struct {
			max  int
			want bool
		}{{1, true}, {2, false}, {-1, false}, {0, false}} {
			h := exttest.Attach(t, &Service{Directory: newIndex(t), MaxResults: tt.max}, "users.denmark")
			got := ask(t, h, "set", NS, "<first>hamlet</first>")
			if strings.HasSuffix(got, "</item><truncated/>") != tt.want {
				t.Errorf("at most %d: %s", tt.max, got)
			}
			got = ask(t, h, "set", NS, submit+"<field var='first'><value>hamlet</value></field></x>")
			if strings.HasSuffix(got, "</x><truncated/>") != tt.want {
				t.Errorf("at most %d: %s", tt.max, got)
			}
		}
	})
	t.Run("who may", func(t *testing.T) {
		s := &Service{Directory: newIndex(t), Allow: func(from jid.JID) bool { return from.Local() != "horatio" }}
		h := exttest.Attach(t, s, "users.denmark")
		if a, b := ask(t, h, "set", NS, "<first>x</first>"), ask(t, h, "get", NS, ""); a != "forbidden" || b != "forbidden" {
			t.Error(a, b)
		}
		sent := h.Receive(t, "<iq type='get' id='1' from='a@b' to='x@users.denmark'><query xmlns='jabber:iq:search'/></iq>")
		if len(sent) != 1 || !strings.Contains(sent[0], "service-unavailable") {
			t.Errorf("another address: %q", sent)
		}
	})
	t.Run("a server", func(t *testing.T) {
		x := newIndex(t)
		h := hosttest.NewServer(t, "denmark", &Service{Directory: x})
		get := "<iq type='get' id='1' from='a@denmark/x'%s><query xmlns='jabber:iq:search'/></iq>"
		if got := h.Ask(fmt.Sprintf(get, " to='denmark'")); !strings.Contains(got, "type='result'") {
			t.Error(got)
		}
		if got := h.Ask(fmt.Sprintf(get, "")); !strings.Contains(got, "service-unavailable") {
			t.Error(got)
		}
		if err := (&Service{Directory: x, Registry: x}).Attach(h); err == nil {
			t.Error("a server has a Registry")
		}
		if err := (&Service{}).Attach(h); err == nil {
			t.Error("nothing is searched")
		}
	})
}

func TestFeatures(t *testing.T) {
	x := new(Index)
	s := &Service{Directory: x}
	exttest.Attach(t, s, "users.denmark")
	both := &Service{Directory: x, Registry: x}
	exttest.Attach(t, both, "users.denmark")
	at := jid.MustParse("users.denmark")
	if f := s.Features(at); !slices.Equal(f, []string{NS}) {
		t.Error(f)
	}
	if f := both.Features(at); !slices.Equal(f, []string{register.NS, NS}) {
		t.Error(f)
	}
	if f := both.Features(jid.MustParse("a@users.denmark")); f != nil {
		t.Error(f)
	}
}

// broken is a Registry that cannot be read.
type broken struct{ Registry }

func (broken) Search(context.Context, jid.JID, []Field, int) ([]Item, error) {
	return nil, stanza.ResourceConstraint
}

func (broken) Entry(context.Context, jid.JID) ([]Field, bool, error) {
	return nil, false, stanza.ResourceConstraint
}

func TestReq_GUIDE_9_search_8(t *testing.T) {
	x := newIndex(t)
	s := &Service{Directory: x, Registry: x}
	h := exttest.Attach(t, s, "users.denmark")
	set := func(body string) string { return ask(t, h, "set", register.NS, body) }
	get := func() string { return ask(t, h, "get", register.NS, "") }
	has := func(want ...Field) {
		t.Helper()
		got, ok, err := x.Entry(t.Context(), jid.MustParse("horatio@denmark"))
		if err != nil || ok != (want != nil) || !slices.Equal(got, want) {
			t.Errorf("the entry is %v, want %v", got, want)
		}
	}
	if got := get(); !strings.HasPrefix(got, "<instructions>") || !strings.Contains(got, "<first></first><last></last>") {
		t.Errorf("asked: %s", got)
	}
	if got := set("<remove/>"); got != "registration-required" {
		t.Errorf("leaves where he is not: %s", got)
	}
	set("<first> Horatio </first><last/><password>p</password>")
	has(Field{First, "Horatio"})
	if got := get(); !strings.HasPrefix(got, "<registered/>") || !strings.Contains(got, "<first>Horatio</first>") {
		t.Errorf("asked: %s", got)
	}
	set("<first>ignored</first><x xmlns='jabber:x:data' type='submit'><field var='nick'><value>Ho</value></field></x>")
	has(Field{Nick, "Ho"})
	for body, want := range map[string]string{
		"<first/>": "not-acceptable",
		"<first>" + strings.Repeat("x", 257) + "</first>": "not-acceptable",
		"<x xmlns='jabber:x:data' type='form'/>":          "bad-request",
	} {
		if got := set(body); got != want {
			t.Errorf("%.40s: %s", body, got)
		}
	}
	has(Field{Nick, "Ho"})
	set("<remove/>")
	has()

	s.Keys = true
	if got := set("<first>H</first>"); got != "not-acceptable" {
		t.Errorf("without a key: %s", got)
	}
	_, key, _ := strings.Cut(get(), "<key>")
	set("<first>H</first><key> " + key[:40] + " </key>")
	has(Field{First, "H"})
	s.Keys = false

	s.Registry, s.Directory = broken{}, broken{}
	for _, got := range []string{get(), set("<remove/>"), ask(t, h, "set", NS, "<first>x</first>")} {
		if got != "resource-constraint" {
			t.Errorf("a directory that fails: %s", got)
		}
	}
	s.Allow = func(jid.JID) bool { return false }
	if a, b := set("<remove/>"), get(); a != "forbidden" || b != "forbidden" {
		t.Error(a, b)
	}
}

// TestThrottle: how much one user may ask in a minute.
func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newIndex(t)
		h := exttest.Attach(t, &Service{Directory: x, Registry: x, MaxPerMinute: 2}, "users.denmark")
		for i, want := range []string{"", "", "resource-constraint"} {
			if got := ask(t, h, "set", NS, "<first>x</first>"); got != want {
				t.Errorf("%d: %s", i, got)
			}
		}
		if got := ask(t, h, "set", register.NS, "<first>x</first>"); got != "resource-constraint" {
			t.Errorf("to enter: %s", got)
		}
		other := "<iq type='set' id='1' from='hamlet@denmark/x' to='users.denmark'>" + open + "<first>x</first></query></iq>"
		if sent := h.Receive(t, other); len(sent) != 1 || strings.Contains(sent[0], "error") {
			t.Errorf("another user: %q", sent)
		}
		time.Sleep(time.Minute)
		if got := ask(t, h, "set", NS, "<first>x</first>"); got != "" {
			t.Errorf("a minute later: %s", got)
		}
		h = exttest.Attach(t, &Service{Directory: x, MaxPerMinute: -1, MaxField: -1}, "users.denmark")
		for range 100 {
			if got := ask(t, h, "set", NS, "<first>"+strings.Repeat("x", 300)+"</first>"); got != "" {
				t.Fatalf("no limit: %s", got)
			}
		}
	})
}

func TestIndexBounds(t *testing.T) {
	x := &Index{MaxEntries: 2}
	for i, want := range []error{nil, nil, stanza.ResourceConstraint} {
		j := jid.MustParse(fmt.Sprintf("u%d@denmark", i))
		if err := x.SetEntry(t.Context(), j, []Field{{First, "U"}}); !errors.Is(err, want) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if err := x.SetEntry(t.Context(), jid.MustParse("u1@denmark"), []Field{{First, "V"}}); err != nil {
		t.Errorf("a change: %v", err)
	}
	found, err := x.Search(t.Context(), users, []Field{{First, "*v"}, {First, "v"}}, 9)
	if err != nil || len(found) != 0 {
		t.Errorf("found %v, %v", found, err)
	}
	found, _ = x.Search(t.Context(), users, []Field{{First, "v"}}, 9)
	if len(found) != 1 || found[0].Get(First) != "V" {
		t.Errorf("found %v", found)
	}
	if err := x.RemoveEntry(t.Context(), jid.MustParse("nobody@denmark")); err != nil {
		t.Errorf("nobody: %v", err)
	}
	if err := x.Load(t.Context()); err != nil {
		t.Errorf("nothing to load: %v", err)
	}
}
