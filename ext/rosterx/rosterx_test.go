package rosterx

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

func item(j, name string, groups ...string) Item { return Item{jid.MustParse(j), name, groups} }

func element(action string) string {
	return "<x xmlns='http://jabber.org/protocol/rosterx'>" +
		"<item action='" + action + "' jid='rosencrantz@denmark.lit' name='Rosencrantz'><group>Visitors</group></item>" +
		"<item action='" + action + "' jid='guildenstern@denmark.lit'/></x>"
}

func suggestion(a Action) Suggestion {
	return Suggestion{a, []Item{item("rosencrantz@denmark.lit", "Rosencrantz", "Visitors"), item("guildenstern@denmark.lit", "")}}
}

func TestSuggestion(t *testing.T) {
	const x = "<x xmlns='http://jabber.org/protocol/rosterx'>"
	exttest.Run(t, []exttest.Golden[Suggestion]{
		{Name: "XEP-0144 example 1", In: element("add"), Want: suggestion(Add)},
		{Name: "XEP-0144 example 2", In: element("delete"), Want: suggestion(Delete)},
		{Name: "XEP-0144 example 3", In: element("modify"), Want: suggestion(Modify)},
		{
			Name: "no action, and one that is not known",
			In:   x + "<item jid='a@b'/><item jid='c@d' action='subscribe'/></x>",
			Want: Suggestion{Add, []Item{item("a@b", ""), item("c@d", "")}},
			Out:  x + "<item action='add' jid='a@b'/><item action='add' jid='c@d'/></x>",
		},
		{
			Name: "GUIDE-10-roster-2 subscription and ask are ignored, and never sent",
			In:   x + "<item jid='a@b' subscription='both' ask='subscribe'><group>g</group><group>g</group><group/></item></x>",
			Want: Suggestion{Add, []Item{item("a@b", "", "g")}},
			Out:  x + "<item action='add' jid='a@b'><group>g</group></item></x>",
		},
		{
			Name: "what is not an item, or comes twice",
			In:   x + "<item jid='@'/><other jid='a@b'/><item/><item jid='a@b'/><item jid='A@b' name='x'/></x>",
			Want: Suggestion{Add, []Item{item("a@b", "")}},
			Out:  x + "<item action='add' jid='a@b'/></x>",
		},
		{Name: "no item", In: x + "</x>", Err: true},
		{Name: "no address", In: x + "<item action='add'/></x>", Err: true},
		{Name: "different actions", In: x + "<item jid='a@b'/><item action='delete' jid='c@d'/></x>", Err: true},
	})
	for _, s := range []Suggestion{{}, {Add, []Item{{Name: "x"}}}, {"subscribe", []Item{item("a@b", "")}}} {
		if b, err := s.AppendXML(nil); err == nil {
			t.Errorf("%+v was written as %s", s, b)
		}
	}
}

func TestChanges(t *testing.T) {
	const j = "rosencrantz@denmark.lit"
	in := func(name string, groups ...string) *roster.Item {
		return &roster.Item{JID: jid.MustParse(j), Name: name, Groups: groups, Subscription: roster.Both}
	}
	plain := func(name string, groups ...string) *roster.Item {
		i := in(name, groups...)
		i.Subscription = roster.None
		return i
	}
	gone := &roster.Item{JID: jid.MustParse(j), Subscription: roster.Remove}
	tests := []struct {
		name   string
		action Action
		item   Item
		now    *roster.Item // nil: not in the roster
		want   *roster.Item // nil: no change
	}{
		{"XEP-0144 3.1 rule 1, in the group", Add, item(j, "R", "Visitors"), in("Rosey", "Visitors", "Work"), nil},
		{"XEP-0144 3.1 rule 1, no group", Add, item(j, "R"), in("Rosey"), nil},
		{"XEP-0144 3.1 rule 2", Add, item(j, "R", "Visitors"), nil, plain("R", "Visitors")},
		{"XEP-0144 3.1 rule 3", "", item(j, "R", "Visitors"), in("Rosey", "Work"), in("Rosey", "Work", "Visitors")},
		{"XEP-0144 3.2 rule 1", Delete, item(j, "", "Visitors"), nil, nil},
		{"XEP-0144 3.2 rule 2", Delete, item(j, "", "Visitors"), in("Rosey", "Work"), nil},
		{"XEP-0144 3.2 rule 3", Delete, item(j, "", "Visitors"), in("Rosey", "Work", "Visitors"), in("Rosey", "Work")},
		{"XEP-0144 3.2, in no other group", Delete, item(j, "", "Visitors"), in("Rosey", "Visitors"), gone},
		{"XEP-0144 3.2, no group is named", Delete, item(j, ""), in("Rosey", "Work"), gone},
		{"XEP-0144 3.3 rule 1", Modify, item(j, "R", "Retinue"), nil, nil},
		{"XEP-0144 3.3 rule 2", Modify, item(j, "", "Retinue"), in("Rosey", "Visitors"), in("Rosey", "Retinue")},
		{"XEP-0144 3.3 rule 3", Modify, item(j, "", "Visitors", "Retinue"), in("Rosey", "Visitors"), in("Rosey", "Visitors", "Retinue")},
		{"XEP-0144 3.3 rule 4", Modify, item(j, "R"), in("Rosey", "Visitors"), in("R", "Visitors")},
		{"nothing to modify", Modify, item(j, "Rosey", "B", "A"), in("Rosey", "A", "B"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := Suggestion{tt.action, []Item{tt.item}}
			got := s.Changes(func(of jid.JID) (roster.Item, bool) {
				if tt.now == nil || of.String() != j {
					return roster.Item{}, false
				}
				return *tt.now, true
			})
			switch {
			case tt.want == nil:
				if got != nil {
					t.Errorf("changes %+v", got)
				}
			case len(got) != 1 || !reflect.DeepEqual(got[0], Change{*tt.want, tt.now == nil}):
				t.Errorf("changes %+v, want %+v", got, *tt.want)
			}
		})
	}
}

// received attaches an extension to a host, and returns what comes through.
func received(t *testing.T, e *Extension) (*exttest.Host, func() []Received) {
	t.Helper()
	var got []Received
	e.OnSuggestion = func(_ context.Context, r Received) error {
		got = append(got, r)
		return nil
	}
	return exttest.Attach(t, e, "hamlet@denmark.lit/throne"), func() []Received {
		r := got
		got = nil
		return r
	}
}

func TestExtension(t *testing.T) {
	const (
		horatio = "horatio@denmark.lit/castle"
		old     = "<x xmlns='jabber:x:roster'><item jid='rosencrantz@denmark.lit' name='Rosencrantz' subscription='both'><group>Visitors</group></item>" +
			"<item jid='guildenstern@denmark.lit'/></x>"
	)
	msg := func(typ, payload string) string {
		return "<message type='" + typ + "' from='" + horatio + "'><body>Some visitors, m'lord!</body>" + payload + "</message>"
	}
	iq := func(payload string) string {
		return "<iq type='set' id='1' from='" + horatio + "'>" + payload + "</iq>"
	}
	trust := func(from jid.JID) bool { return from.String() == horatio }
	tests := []struct {
		name   string
		e      *Extension
		in     string
		want   Action // of what comes through, "" if nothing does
		answer string
	}{
		{"XEP-0144 example 1", &Extension{}, msg("normal", element("add")), Add, ""},
		{"an iq", &Extension{}, iq(element("add")), Add, "type='result'"},
		{"GUIDE-10-roster-1 the old form is accepted", &Extension{}, msg("chat", old), Add, ""},
		{"GUIDE-10-roster-1 both forms are one suggestion", &Extension{}, msg("chat", old+element("add")), Add, ""},
		{"only trusted ones delete", &Extension{}, msg("normal", element("delete")), "", ""},
		{"only trusted ones delete, in an iq", &Extension{}, iq(element("delete")), "", "<forbidden "},
		{"trusted ones delete", &Extension{Trusted: trust}, iq(element("delete")), Delete, "type='result'"},
		{"too many items", &Extension{MaxItems: 1}, msg("normal", element("add")), "", ""},
		{"too many items in an iq", &Extension{MaxItems: 1}, iq(element("add")), "", "<policy-violation "},
		{"any number of items", &Extension{MaxItems: -1}, iq(element("add")), Add, "type='result'"},
		{"different actions", &Extension{}, iq(strings.Replace(element("add"), "action='add'", "action='delete'", 1)), "", "<bad-request "},
		{"GUIDE-10-roster-3 not in a groupchat", &Extension{}, msg("groupchat", element("add")), "", ""},
		{"GUIDE-10-roster-3 not in a presence", &Extension{}, "<presence from='" + horatio + "'>" + old + "</presence>", "", ""},
		{"an error", &Extension{}, msg("error", element("add")), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, got := received(t, tt.e)
			sent := h.Receive(t, tt.in)
			if tt.answer == "" && len(sent) != 0 || tt.answer != "" && (len(sent) != 1 || !strings.Contains(sent[0], tt.answer)) {
				t.Errorf("sent %q, want %s", sent, tt.answer)
			}
			rs := got()
			if tt.want == "" {
				if rs != nil {
					t.Errorf("got %+v", rs)
				}
				return
			}
			body := ""
			if strings.HasPrefix(tt.in, "<m") {
				body = "Some visitors, m'lord!"
			}
			want := Received{suggestion(tt.want), jid.MustParse(horatio), body, tt.e.Trusted != nil}
			if len(rs) != 1 || !reflect.DeepEqual(rs[0], want) {
				t.Errorf("got %+v, want %+v", rs, want)
			}
		})
	}
}

// Nothing is added to a roster without consent: what a stranger suggests is only
// reported, and marked as to be asked about.
func TestReq_GUIDE_10_roster_3(t *testing.T) {
	h, got := received(t, &Extension{})
	sent := h.Receive(t, "<message from='stranger@denmark.lit'><x xmlns='jabber:x:roster'><item jid='yorick@denmark.lit'/></x></message>")
	r := got()
	if len(sent) != 0 || len(r) != 1 || r[0].Trusted {
		t.Errorf("sent %q, got %+v", sent, r)
	}
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(Extension)
		h, got := received(t, e)
		send := func(n int, from string) int {
			for range n {
				h.Receive(t, "<message from='"+from+"'>"+element("add")+"</message>")
			}
			return len(got())
		}
		if n := send(15, "a@x/1"); n != DefaultMaxPerMinute {
			t.Errorf("%d of 15 come through", n)
		}
		if send(1, "a@x/2") != 0 || send(1, "b@x") != 1 {
			t.Error("not counted by sender")
		}
		sent := h.Receive(t, "<iq type='set' id='1' from='a@x/1'>"+element("add")+"</iq>")
		if len(sent) != 1 || !strings.Contains(sent[0], "<resource-constraint ") {
			t.Errorf("sent %q", sent)
		}
		time.Sleep(time.Minute)
		if send(1, "a@x/1") != 1 {
			t.Error("not after a minute")
		}
		e.MaxPerMinute = -1
		if n := send(50, "a@x/1"); n != 50 {
			t.Errorf("%d of 50 come through without a bound", n)
		}
	})
}

func TestOnSuggestionError(t *testing.T) {
	e := &Extension{OnSuggestion: func(context.Context, Received) error { return stanza.NotAcceptable }}
	h := exttest.Attach(t, e, "hamlet@denmark.lit/throne")
	sent := h.Receive(t, "<iq type='set' id='1' from='a@x/1'>"+element("add")+"</iq>")
	if len(sent) != 1 || !strings.Contains(sent[0], "<not-acceptable ") {
		t.Errorf("sent %q", sent)
	}
	if f := e.Features(h.Local); !slices.Equal(f, []string{NS}) {
		t.Errorf("features %q", f)
	}
	if e.Hidden = true; e.Features(h.Local) != nil {
		t.Error("not hidden")
	}
	off := new(Extension)
	h = exttest.Attach(t, off, "hamlet@denmark.lit/throne")
	sent = h.Receive(t, "<iq type='set' id='1' from='a@x/1'>"+element("add")+"</iq>")
	if len(sent) != 1 || !strings.Contains(sent[0], "<service-unavailable ") || off.Features(h.Local) != nil {
		t.Errorf("disabled: sent %q, features %q", sent, off.Features(h.Local))
	}
}

func TestSend(t *testing.T) {
	s := Suggestion{Items: []Item{item("a@b", "A", "g")}}
	const x = "<x xmlns='http://jabber.org/protocol/rosterx'><item action='add' jid='a@b' name='A'><group>g</group></item></x>"
	for _, tt := range []struct{ to, want string }{
		{"hamlet@denmark.lit", "<message to='hamlet@denmark.lit'>" + x + "</message>"},
		{"hamlet@denmark.lit/throne", "<iq type='set' to='hamlet@denmark.lit/throne'>" + x + "</iq>"},
	} {
		h := new(exttest.Host)
		if err := Send(t.Context(), h, jid.MustParse(tt.to), s); err != nil {
			t.Error(err)
		}
		if got := h.Sent(); len(got) != 1 || got[0] != tt.want {
			t.Errorf("sent %q, want %s", got, tt.want)
		}
		if err := Send(t.Context(), h, jid.MustParse(tt.to), Suggestion{}); !errors.Is(err, stanza.BadRequest) {
			t.Errorf("nothing was sent to %s: %v", tt.to, err)
		}
	}
	h := &exttest.Host{Answer: func(*stanza.Stanza) (*stanza.Stanza, error) { return nil, stanza.NewError(stanza.Forbidden, "") }}
	if err := Send(t.Context(), h, jid.MustParse("a@b/c"), s); !errors.Is(err, stanza.Forbidden) {
		t.Errorf("refused: %v", err)
	}
}

func TestMessage(t *testing.T) {
	to := jid.MustParse("hamlet@denmark.lit")
	for _, tt := range []struct {
		action Action
		legacy bool
		want   int
	}{{Add, false, 1}, {Add, true, 2}, {"", true, 2}, {Delete, true, 1}} {
		t.Run(fmt.Sprintf("GUIDE-10-roster-1 %s, the old form by option: %v", tt.action, tt.legacy), func(t *testing.T) {
			st, err := Message(to, "x", Suggestion{tt.action, []Item{item("a@b", "A", "g")}}, tt.legacy).Stanza()
			if err != nil {
				t.Fatal(err)
			}
			old := st.Child("jabber:x:roster", "x")
			if st.ElementCount() != 1+tt.want || old.IsZero() == (tt.want == 2) {
				t.Errorf("got %s", st)
			}
			if !old.IsZero() && old.Raw() != "<x xmlns='jabber:x:roster'><item jid='a@b' name='A'><group>g</group></item></x>" {
				t.Errorf("got %s", old.Raw())
			}
		})
	}
}

func FuzzSuggestion(f *testing.F) {
	f.Add(element("add"))
	f.Add(element("delete"))
	f.Add("<x xmlns='http://jabber.org/protocol/rosterx'><item jid='A@b' action='x'/><item jid='a@B'/></x>")
	f.Fuzz(exttest.RoundTrip[Suggestion])
}
