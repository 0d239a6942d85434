package correct

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const replaceBad1 = "<replace xmlns='urn:xmpp:message-correct:0' id='bad1'/>"

func TestCorrection(t *testing.T) {
	exttest.Run(t, []exttest.Golden[Correction]{
		{Name: "XEP-0308 example 4", In: "<replace id='bad1' xmlns='urn:xmpp:message-correct:0'/>", Want: Correction{"bad1"}, Out: replaceBad1},
		{Name: "no id", In: "<replace xmlns='urn:xmpp:message-correct:0'/>", Err: true},
	})
	if b, err := (Correction{}).AppendXML(nil); err == nil {
		t.Errorf("written without an id: %s", b)
	}
}

func TestOf(t *testing.T) {
	for in, want := range map[string]bool{
		"<message id='good1'><body>x</body>" + replaceBad1 + "</message>": true,
		"<message><body>x</body>" + replaceBad1 + "</message>":            true,
		"<message id='bad1'><body>x</body>" + replaceBad1 + "</message>":  false, // corrects itself
		"<message type='error'>" + replaceBad1 + "</message>":             false,
		"<presence>" + replaceBad1 + "</presence>":                        false,
		"<message><body>x</body></message>":                               false,
	} {
		if c, ok := Of(exttest.Parse(t, in)); ok != want || ok && c.ID != "bad1" {
			t.Errorf("%s: %+v, %v", in, c, ok)
		}
	}
}

func TestApplies(t *testing.T) {
	m := func(from, to, id string, typ stanza.Type) *stanza.Message {
		m := &stanza.Message{From: jid.MustParse(from), ID: id, Type: typ}
		if to != "" {
			m.To = jid.MustParse(to)
		}
		return m
	}
	c := Correction{"bad1"}
	tests := []struct {
		name         string
		original, by *stanza.Message
		inRoom, want bool
	}{
		{"the same bare address", m("romeo@m.net/a", "juliet@c.net", "bad1", "chat"), m("romeo@m.net/b", "juliet@c.net/x", "good1", "chat"), false, true},
		{"the type may be left out", m("romeo@m.net/a", "", "bad1", "chat"), m("romeo@m.net/b", "", "good1", ""), false, true},
		{"somebody else", m("romeo@m.net/a", "", "bad1", ""), m("tybalt@m.net/a", "", "good1", ""), false, false},
		{"another id", m("romeo@m.net/a", "", "bad2", ""), m("romeo@m.net/a", "", "good1", ""), false, false},
		{"itself", m("romeo@m.net/a", "", "bad1", ""), m("romeo@m.net/a", "", "bad1", ""), false, false},
		{"in another conversation", m("romeo@m.net/a", "juliet@c.net", "bad1", ""), m("romeo@m.net/a", "nurse@c.net", "good1", ""), false, false},
		{"the same occupant", m("coven@chat/a", "", "bad1", "groupchat"), m("coven@chat/a", "", "good1", "groupchat"), false, true},
		{"another occupant", m("coven@chat/a", "", "bad1", "groupchat"), m("coven@chat/b", "", "good1", "groupchat"), false, false},
		{"another occupant in private", m("coven@chat/a", "", "bad1", "chat"), m("coven@chat/b", "", "good1", "chat"), true, false},
		{"the same occupant in private", m("coven@chat/a", "", "bad1", "chat"), m("coven@chat/a", "", "good1", "chat"), true, true},
		{"in private of what was public", m("coven@chat/a", "", "bad1", "groupchat"), m("coven@chat/a", "", "good1", "chat"), true, false},
		{"an error", m("romeo@m.net/a", "", "bad1", "error"), m("romeo@m.net/a", "", "good1", ""), false, false},
		{"by an error", m("romeo@m.net/a", "", "bad1", ""), m("romeo@m.net/a", "", "good1", "error"), false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.Applies(tt.original, tt.by, tt.inRoom); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
	if (Correction{}).Applies(m("a@b", "", "", ""), m("a@b", "", "1", ""), false) {
		t.Error("no id corrects no id")
	}
}

func TestNew(t *testing.T) {
	const (
		to   = " to='juliet@capulet.net/balcony'"
		body = "<body>But soft, what light through yonder window breaks?</body>"
	)
	newID := regexp.MustCompile(`id='[A-Z2-7]{26}'`)
	tests := []struct{ name, in, want string }{
		{
			"XEP-0308 examples 3 and 4",
			"<message" + to + " id='bad1'><body>But soft, what light through yonder airlock breaks?</body></message>",
			"<message id=''" + to + ">" + body + replaceBad1 + "</message>",
		},
		{
			"corrected again",
			"<message" + to + " id='good1'><body>x</body>" + replaceBad1 + "</message>",
			"<message id=''" + to + ">" + body + replaceBad1 + "</message>",
		},
		{
			"all but what belongs to the original alone",
			"<message type='chat'" + to + " id='bad1'><subject>s</subject><body>x</body><body xml:lang='cs'>y</body><thread>t</thread>" +
				"<request xmlns='urn:xmpp:receipts'/><origin-id xmlns='urn:xmpp:sid:0' id='bad1'/><delay xmlns='urn:xmpp:delay' stamp='x'/>" +
				"<html xmlns='http://jabber.org/protocol/xhtml-im'/></message>",
			"<message type='chat' id=''" + to + "><subject>s</subject>" + body + "<thread>t</thread><request xmlns='urn:xmpp:receipts'/>" + replaceBad1 + "</message>",
		},
		{"no id", "<message" + to + "><body>x</body></message>", ""},
		{"an error", "<message type='error'" + to + " id='bad1'><body>x</body></message>", ""},
		{"roster items", "<message" + to + " id='bad1'><body>x</body><x xmlns='http://jabber.org/protocol/rosterx'/></message>", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := New(exttest.Parse(t, tt.in).Message(), "But soft, what light through yonder window breaks?")
			if tt.want == "" {
				if !errors.Is(err, stanza.NotAllowed) {
					t.Errorf("%+v, %v", m, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			st, err := m.Stanza()
			if err != nil || newID.ReplaceAllString(st.String(), "id=''") != tt.want || !newID.MatchString(st.String()) {
				t.Errorf("got  %s, %v\nwant %s", st, err, tt.want)
			}
		})
	}
	if m, err := New(&stanza.Message{ID: "1", Payloads: []any{stanza.Raw("<")}}, "x"); err == nil {
		t.Errorf("no stanza was corrected: %+v", m)
	}
}

func TestExtension(t *testing.T) {
	var got []string
	e := &Extension{
		Max:    3,
		IsRoom: func(room jid.JID) bool { return room.Domain() == "chat" },
		OnCorrection: func(_ context.Context, _ xmpp.Sender, m *stanza.Message, original string) {
			got = append(got, original+">"+m.ID)
		},
	}
	h := exttest.Attach(t, e, "juliet@capulet.net/balcony")
	msg := func(from, typ, id, of string) {
		t.Helper()
		replace := ""
		if of != "" {
			replace = "<replace xmlns='urn:xmpp:message-correct:0' id='" + of + "'/>"
		}
		got = nil
		h.Receive(t, "<message type='"+typ+"' from='"+from+"' id='"+id+"' to='juliet@capulet.net/balcony'><body>x</body>"+replace+"</message>")
	}
	want := func(want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	msg("romeo@m.net/a", "chat", "1", "")
	want()
	msg("romeo@m.net/b", "chat", "2", "1")
	want("1>2")
	msg("romeo@m.net/b", "chat", "3", "1") // once more
	want("1>3")
	msg("tybalt@m.net/b", "chat", "4", "1") // not his
	want()
	h.Receive(t, "<message from='romeo@m.net/a' id='n'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>") // not a message in that sense
	h.Receive(t, "<message type='error' from='romeo@m.net/a' id='n'><body>x</body></message>")
	msg("romeo@m.net/b", "chat", "5", "1")
	want("1>5")
	msg("romeo@m.net/b", "chat", "6", "")
	msg("romeo@m.net/b", "chat", "7", "1") // not the last any more
	want()
	msg("romeo@m.net/b", "chat", "8", "7") // 7 counts as a message of its own
	want("7>8")

	msg("coven@chat/a", "groupchat", "1", "")
	msg("coven@chat/b", "groupchat", "2", "1") // another occupant
	want()
	msg("coven@chat/a", "groupchat", "3", "1")
	want("1>3")
	h.Receive(t, "<presence type='unavailable' from='coven@chat/a' to='juliet@capulet.net/balcony'/>")
	msg("coven@chat/a", "groupchat", "4", "1") // somebody else, perhaps
	want()
	msg("coven@chat/a", "chat", "1", "")
	msg("coven@chat/b", "chat", "2", "1")
	want()
	h.Receive(t, "<presence type='unavailable' from='coven@chat' to='juliet@capulet.net/balcony'/>")
	msg("coven@chat/a", "chat", "3", "1")
	want("1>3")

	if e.last.Len() != 3 {
		t.Errorf("%d senders", e.last.Len())
	}
	if id, ok := e.Incoming(&stanza.Message{Type: stanza.TypeError}); ok {
		t.Errorf("an error corrects %q", id)
	}
	if f := e.Features(jid.JID{}); !slices.Equal(f, []string{NS}) {
		t.Errorf("features %q", f)
	}
	long := strings.Repeat("x", maxID+1)
	msg("long@m.net/a", "chat", long, "")
	msg("long@m.net/a", "chat", "9", long)
	want()
	var zero Extension
	if _, ok := zero.Incoming(&stanza.Message{From: jid.MustParse("a@b"), ID: "1", Body: "x"}); ok || zero.last.Len() != 1 {
		t.Error("the zero Extension does not remember")
	}
}
