package markers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	markable  = "<markable xmlns='urn:xmpp:chat-markers:0'/>"
	displayed = "<displayed xmlns='urn:xmpp:chat-markers:0' id='the-msg-1'/>"
)

var juliet = jid.MustParse("juliet@capulet.lit/balcony")

func TestPayloads(t *testing.T) {
	exttest.Run(t, []exttest.Golden[Markable]{
		{Name: "XEP-0333 example 3", In: markable},
		{Name: "with something in it", In: "<markable xmlns='urn:xmpp:chat-markers:0'>x</markable>", Out: markable},
	})
	exttest.Run(t, []exttest.Golden[Displayed]{
		{Name: "XEP-0333 example 4", In: displayed, Want: Displayed{"the-msg-1"}},
		{Name: "no id", In: "<displayed xmlns='urn:xmpp:chat-markers:0'/>", Err: true},
	})
	if b, err := (Displayed{}).AppendXML(nil); err == nil {
		t.Errorf("written without an id: %s", b)
	}
}

func TestReply(t *testing.T) {
	tests := []struct {
		name string
		in   []string
		want string
	}{
		{
			"XEP-0333 examples 3 and 4",
			[]string{"<message from='romeo@montegue.lit/orchard' id='the-msg-1'><body>Hi.</body>" + markable + "<request xmlns='urn:xmpp:receipts'/></message>"},
			"<message to='romeo@montegue.lit'>" + displayed + "</message>",
		},
		{
			"the most recent that asks",
			[]string{
				"<message type='chat' from='romeo@montegue.lit/orchard' id='the-msg-0'>" + markable + "</message>",
				"<message type='chat' from='romeo@montegue.lit/orchard' id='the-msg-1'><thread>t</thread>" + markable + "</message>",
				"<message type='chat' from='romeo@montegue.lit/orchard' id='the-msg-2'><body>x</body></message>",
			},
			"<message type='chat' to='romeo@montegue.lit'><thread>t</thread>" + displayed + "</message>",
		},
		{"not asked", []string{"<message from='romeo@montegue.lit/orchard' id='1'><body>x</body></message>"}, ""},
		{"no id", []string{"<message from='romeo@montegue.lit/orchard'>" + markable + "</message>"}, ""},
		{"one's own", []string{"<message from='juliet@capulet.lit/phone' id='1'>" + markable + "</message>"}, ""},
		{"a marker", []string{"<message from='romeo@montegue.lit/orchard' id='1'>" + markable + displayed + "</message>"}, ""},
		{"an error", []string{"<message type='error' from='romeo@montegue.lit/orchard' id='1'>" + markable + "</message>"}, ""},
		{"of a room", []string{"<message type='groupchat' from='coven@chat.lit/witch' id='1'>" + markable + "</message>"}, ""},
		{"nothing", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var msgs []*stanza.Message
			for _, in := range tt.in {
				msgs = append(msgs, exttest.Parse(t, in).Message())
			}
			check(t, Reply(juliet, msgs...), tt.want)
		})
	}
}

func check(t *testing.T, m *stanza.Message, want string) {
	t.Helper()
	if m == nil {
		if want != "" {
			t.Errorf("no marker, want %s", want)
		}
		return
	}
	if st, err := m.Stanza(); err != nil || st.String() != want {
		t.Errorf("%s, %v\nwant %s", st, err, want)
	}
}

func TestReplyRoom(t *testing.T) {
	const (
		sid     = "<stanza-id xmlns='urn:xmpp:sid:0' by='coven@chat.shakespeare.lit' id='39K7ZYIp'/>"
		message = "<message from='coven@chat.shakespeare.lit/firstwitch' id='message-1' type='groupchat'><thread>Act IV, Scene I</thread>"
		reply   = "<message type='groupchat' to='coven@chat.shakespeare.lit'><thread>Act IV, Scene I</thread><displayed xmlns='urn:xmpp:chat-markers:0' id='"
	)
	for _, tt := range []struct {
		name, in  string
		stableIDs bool
		want      string
	}{
		{"XEP-0333 examples 5 and 6", message + markable + sid + "</message>", true, reply + "39K7ZYIp'/></message>"},
		{"nobody has asked", message + sid + "</message>", true, reply + "39K7ZYIp'/></message>"},
		{"the room gives no ids", message + sid + "</message>", false, reply + "message-1'/></message>"},
		{"an id is missing", message + "</message>", true, ""},
		{"any id is missing", "<message from='coven@chat.shakespeare.lit/firstwitch' type='groupchat'/>", false, ""},
		{"a marker", message + displayed + "</message>", false, ""},
		{"of no room", "<message from='a@b/c' type='chat' id='1'>" + markable + "</message>", false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			check(t, ReplyRoom(exttest.Parse(t, tt.in).Message(), tt.stableIDs), tt.want)
		})
	}
	if m := ReplyRoom(&stanza.Message{Type: stanza.TypeGroupChat, ID: "1", Payloads: []any{stanza.Raw("<")}}, false); m != nil {
		t.Errorf("a reply to what is no stanza: %v", m)
	}
}

func TestProgress(t *testing.T) {
	p := Progress{MaxMessages: 4, MaxReaders: 2}
	for _, id := range []string{"a", "b", "b", "", strings.Repeat("x", maxID+1), "c"} {
		p.Add(id)
	}
	mark := func(reader, id string, want ...string) {
		t.Helper()
		ids, ok := p.Mark(reader, id)
		if !slices.Equal(ids, want) || ok != (want != nil) {
			t.Errorf("%s marks %s: %q, %v; want %q", reader, id, ids, ok, want)
		}
	}
	if id, ok := p.Position("romeo"); ok {
		t.Errorf("romeo is at %q", id)
	}
	mark("romeo", "b", "a", "b")
	mark("romeo", "b") // again
	mark("romeo", "a") // back
	mark("romeo", "x") // unknown
	mark("juliet", "a", "a")
	mark("romeo", "c", "c")
	if id, ok := p.Position("romeo"); !ok || id != "c" {
		t.Errorf("romeo is at %q, %v", id, ok)
	}
	for _, id := range []string{"d", "e", "f"} { // a and b go
		p.Add(id)
	}
	mark("juliet", "b")
	mark("juliet", "d", "c", "d")
	mark("romeo", "f", "d", "e", "f")
	mark("nurse", "c", "c")
	if _, ok := p.Position("juliet"); ok {
		t.Error("there is no bound for readers")
	}
	var q Progress
	for i := range DefaultMaxMessages + 1 {
		q.Add(fmt.Sprint(i))
	}
	if _, ok := q.Mark("romeo", "0"); ok || len(q.ids) != DefaultMaxMessages {
		t.Errorf("%d messages", len(q.ids))
	}
}

func TestExtension(t *testing.T) {
	var got []string
	e := &Extension{MaxChats: 1, OnDisplayed: func(_ context.Context, from jid.JID, ids []string) {
		got = append(got, fmt.Sprint(from, ids))
	}}
	h := exttest.Attach(t, e, "romeo@montegue.lit/orchard")
	for _, id := range []string{"the-msg-0", "the-msg-1", "the-msg-2"} {
		m := &stanza.Message{To: juliet.Bare(), ID: id, Body: "x"}
		if err := e.Request(m); err != nil || len(m.Payloads) != 1 {
			t.Fatalf("%+v, %v", m, err)
		}
		if err := e.Request(m); err != nil || len(m.Payloads) != 1 {
			t.Fatalf("again: %+v, %v", m, err)
		}
	}
	for _, in := range []string{
		"<message from='mallory@capulet.lit/x'>" + displayed + "</message>",
		"<message type='groupchat' from='juliet@capulet.lit/balcony'>" + displayed + "</message>",
		"<message type='error' from='juliet@capulet.lit/balcony'>" + displayed + "</message>",
		"<message from='juliet@capulet.lit/balcony'>" + displayed + "</message>",
		"<message from='juliet@capulet.lit/phone'>" + displayed + "</message>",
		"<message from='juliet@capulet.lit/phone'><displayed xmlns='urn:xmpp:chat-markers:0' id='the-msg-0'/></message>",
	} {
		if sent := h.Receive(t, in); sent != nil {
			t.Errorf("%s was answered by %q", in, sent)
		}
	}
	if want := []string{"juliet@capulet.lit/balcony [the-msg-0 the-msg-1]"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	other := &stanza.Message{To: jid.MustParse("nurse@capulet.lit")}
	if err := e.Request(other); err != nil || len(other.ID) != 26 || e.chats.Len() != 1 {
		t.Errorf("%+v, %v, %d chats", other, err, e.chats.Len())
	}
	if f := e.Features(juliet); !slices.Equal(f, []string{NS}) {
		t.Errorf("features %q", f)
	}
}

func TestRequest(t *testing.T) {
	for name, m := range map[string]*stanza.Message{
		"error":     {To: juliet, Type: stanza.TypeError},
		"groupchat": {To: juliet, Type: stanza.TypeGroupChat},
		"nobody":    {Body: "x"},
		"marker":    {To: juliet, Payloads: []any{Displayed{"1"}}},
	} {
		if err := new(Extension).Request(m); !errors.Is(err, stanza.NotAllowed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := new(Extension).Request(&stanza.Message{To: juliet, Payloads: []any{stanza.Raw("<")}}); err == nil {
		t.Error("no stanza, no error")
	}
}
