package chatstates

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

var juliet = jid.MustParse("juliet@capulet.com")

// side is one end of a chat with juliet, or with a room.
type side struct {
	*testing.T
	e    *Extension
	h    *exttest.Host
	room bool
	seen []string
}

func newSide(t *testing.T, e *Extension) *side {
	s := &side{T: t, e: e}
	e.OnState = func(_ context.Context, from jid.JID, st State) { s.seen = append(s.seen, fmt.Sprint(from, " ", st)) }
	s.h = exttest.Attach(t, e, "romeo@shakespeare.lit/orchard")
	return s
}

func (s *side) chat() *Chat {
	if s.room {
		return s.e.Room(juliet)
	}
	return s.e.Chat(juliet)
}

// says checks the state that a content message is sent with.
func (s *side) says(want State) *stanza.Message {
	s.Helper()
	m := &stanza.Message{To: juliet, Type: stanza.TypeChat, Body: "x"}
	if s.room {
		m.Type = stanza.TypeGroupChat
	}
	s.chat().Outgoing(m)
	if got, _ := Of(m); got != want || len(m.Payloads) > 1 {
		s.Errorf("sent with %q, want %q", m.Payloads, want)
	}
	return m
}

// notifies checks whether a state is sent.
func (s *side) notifies(state State, want bool) {
	s.Helper()
	m := s.chat().Notify(state)
	if m == nil {
		if want {
			s.Errorf("%s is not sent", state)
		}
		return
	}
	got, _ := Of(m)
	if !want || m.To != juliet || len(m.Payloads) != 1 || got != state || m.Body != "" {
		s.Errorf("%s is sent as %+v", state, m)
	}
}

// hears receives a message of the contact, and checks what state is reported.
func (s *side) hears(content string, want ...string) {
	s.Helper()
	s.seen = nil
	s.h.Receive(s.T, "<message type='chat' from='juliet@capulet.com/balcony'>"+content+"</message>")
	if !slices.Equal(s.seen, want) {
		s.Errorf("reported %q, want %q", s.seen, want)
	}
}

// The conversation of XEP-0085, section 7, from Romeo's side.
func TestConversation(t *testing.T) {
	s := newSide(t, new(Extension))
	const thread = "<thread>act2scene2chat1</thread>"
	first := &stanza.Message{To: juliet, Type: stanza.TypeChat, Body: "I take thee at thy word", Thread: "act2scene2chat1"}
	s.chat().Outgoing(first) // example 7
	st, err := first.Stanza()
	want := "<message type='chat' to='juliet@capulet.com'><body>I take thee at thy word</body>" + thread + "<active" + xmlns + "</message>"
	if err != nil || st.String() != want {
		t.Errorf("%s, %v\nwant %s", st, err, want)
	}
	s.hears(thread+"<body>What man art thou</body><active"+xmlns, "juliet@capulet.com/balcony active") // example 8
	s.hears(thread + "<body>Art thou not Romeo</body>")                                                // example 9
	composing := s.chat().Notify(Composing)                                                            // example 10
	st, err = composing.Stanza()
	want = "<message type='chat' to='juliet@capulet.com'>" + thread + "<composing" + xmlns + "</message>"
	if err != nil || st.String() != want {
		t.Errorf("%s, %v\nwant %s", st, err, want)
	}
	s.notifies(Composing, false)
	s.notifies(Paused, true)    // example 11
	s.notifies(Composing, true) // example 12
	if m := s.says(Active); m.Thread != "act2scene2chat1" {
		t.Errorf("example 13 in thread %q", m.Thread)
	}
	s.notifies(Active, false) // it was in the message
	s.hears(thread+"<inactive"+xmlns, "juliet@capulet.com/balcony inactive")
	s.hears(thread+"<active"+xmlns, "juliet@capulet.com/balcony active")
	s.hears(thread+"<gone"+xmlns, "juliet@capulet.com/balcony gone") // example 18
	m := s.says(Active)
	if m.Thread == "" || m.Thread == "act2scene2chat1" {
		t.Errorf("example 19 in thread %q", m.Thread)
	}
	if again := s.says(Active); again.Thread != m.Thread {
		t.Errorf("thread %q, then %q", m.Thread, again.Thread)
	}
	s.notifies(Gone, true)
	if m := s.says(Active); m.Thread != "" {
		t.Errorf("after the end in thread %q", m.Thread)
	}
}

func TestImplicitDiscovery(t *testing.T) {
	t.Run("no state in the reply", func(t *testing.T) {
		s := newSide(t, new(Extension))
		s.notifies(Composing, false)
		s.says(Active)
		s.says(Active) // still no reply
		s.notifies(Composing, false)
		s.hears("<received xmlns='urn:xmpp:receipts' id='1'/>") // not a reply
		s.says(Active)
		s.hears("<body>hi</body>")
		s.says("")
		s.notifies(Composing, false)
		s.hears("<composing"+xmlns, "juliet@capulet.com/balcony composing") // of another client
		s.says(Active)
		s.notifies(Composing, true)
	})
	t.Run("the contact begins", func(t *testing.T) {
		s := newSide(t, new(Extension))
		s.hears("<body>hi</body><active"+xmlns, "juliet@capulet.com/balcony active")
		s.notifies(Composing, true)
		s.says(Active)
	})
	t.Run("the contact begins without", func(t *testing.T) {
		s := newSide(t, new(Extension))
		s.hears("<body>hi</body>")
		s.notifies(Composing, false)
		s.says(Active)
	})
	t.Run("found out by discovery", func(t *testing.T) {
		s := newSide(t, new(Extension))
		s.chat().SetSupport(true)
		s.notifies(Composing, true)
		s.chat().SetSupport(false)
		s.notifies(Paused, false)
		s.says("")
	})
}

func TestLongThread(t *testing.T) {
	s := newSide(t, new(Extension))
	s.hears("<active"+xmlns+"<thread>"+strings.Repeat("x", maxThread+1)+"</thread>", "juliet@capulet.com/balcony active")
	if m := s.says(Active); m.Thread != "" {
		t.Errorf("a thread of %d bytes is remembered", len(m.Thread))
	}
}

func TestDelayed(t *testing.T) {
	s := newSide(t, new(Extension))
	s.hears("<body>hi</body><composing" + xmlns + "<delay xmlns='urn:xmpp:delay' stamp='2009-09-23T00:00:00Z'/>")
	if st, since := s.chat().State(); st != "" || !since.IsZero() {
		t.Errorf("state %q", st)
	}
	s.notifies(Composing, true) // but the contact knows states
	s.hears("<composing"+xmlns, "juliet@capulet.com/balcony composing")
	s.hears("<composing" + xmlns)
	if st, since := s.chat().State(); st != Composing || since.IsZero() || time.Since(since) < 0 {
		t.Errorf("state %q since %v", st, since)
	}
	if !isDelayed(&stanza.Message{Payloads: []any{stanza.Raw("<")}}) {
		t.Error("what is no stanza says something about now")
	}
}

func TestAllow(t *testing.T) {
	allowed := false
	s := newSide(t, &Extension{Allow: func(peer jid.JID) bool { return allowed && peer == juliet }})
	s.hears("<body>hi</body><active"+xmlns, "juliet@capulet.com/balcony active")
	s.says("")
	s.notifies(Composing, false)
	allowed = true
	s.says(Active)
	s.notifies(Composing, true)
}

func TestOutgoing(t *testing.T) {
	s := newSide(t, new(Extension))
	for _, typ := range []stanza.Type{stanza.TypeNormal, "", stanza.TypeHeadline, stanza.TypeError, stanza.TypeGroupChat} {
		m := &stanza.Message{To: juliet, Type: typ, Body: "x"}
		if s.chat().Outgoing(m); len(m.Payloads) != 0 {
			t.Errorf("type %q: %v", typ, m.Payloads)
		}
	}
	m := &stanza.Message{To: juliet, Type: stanza.TypeChat, Body: "bye", Payloads: []any{Gone}}
	if s.chat().Outgoing(m); len(m.Payloads) != 1 {
		t.Errorf("a second state: %v", m.Payloads)
	}
	s.chat().SetSupport(true)
	s.notifies(Gone, false) // it was in the message
	s.notifies("asleep", false)
}

func TestRoom(t *testing.T) {
	s := newSide(t, new(Extension))
	s.room = true
	s.notifies(Composing, true)
	s.notifies(Composing, false)
	s.notifies(Gone, false)
	s.says(Active)
	group := func(content string, want ...string) {
		t.Helper()
		s.seen = nil
		s.h.Receive(t, "<message type='groupchat' from='juliet@capulet.com/nurse'>"+content+"</message>")
		if !slices.Equal(s.seen, want) {
			t.Errorf("reported %q, want %q", s.seen, want)
		}
	}
	group("<body>x</body>") // is no answer
	s.says(Active)
	group("<composing"+xmlns, "juliet@capulet.com/nurse composing")
	group("<gone" + xmlns)
	s.hears("<composing" + xmlns) // a private message is another chat
	if p := s.e.Room(jid.MustParse("juliet@capulet.com/me")).Peer(); p != juliet {
		t.Errorf("the room is %s", p)
	}
	s.e.Chat(jid.MustParse("juliet@capulet.com/balcony"))
	s.hears("<composing"+xmlns, "juliet@capulet.com/balcony composing")
}

func TestExtension(t *testing.T) {
	e := &Extension{MaxChats: 2}
	s := newSide(t, e)
	for _, name := range strings.Split("abcd", "") {
		s.h.Receive(t, "<message from='"+name+"@x'><body>x</body><active"+xmlns+"</message>")
	}
	if e.chats.Len() != 2 {
		t.Errorf("%d chats", e.chats.Len())
	}
	for _, in := range []string{
		"<message from='e@x'><body>x</body></message>",
		"<message from='e@x' type='error'><active" + xmlns + "</message>",
		"<message from='e@x' type='groupchat'><active" + xmlns + "</message>",
		"<message><active" + xmlns + "</message>",
	} {
		s.h.Receive(t, in)
		if _, ok := e.chats.Get(jid.MustParse("e@x")); ok {
			t.Errorf("%s begins a chat", in)
		}
	}
	if c := e.Chat(juliet); c != e.Chat(juliet) {
		t.Error("a chat is not kept")
	}
	if f := e.Features(juliet); !slices.Equal(f, []string{NS}) {
		t.Errorf("features %q", f)
	}
	e.OnState = nil
	s.h.Receive(t, "<message from='d@x'><body>x</body><gone"+xmlns+"</message>")
}
