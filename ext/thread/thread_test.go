package thread

import (
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

func TestOf(t *testing.T) {
	tests := []struct {
		name, in string
		want     Thread
		ok       bool
	}{
		{"CORE-6.3.2-3 a thread, other attributes are ignored", "<message><thread kind='x'>e0ffe42b</thread></message>", Thread{ID: "e0ffe42b"}, true},
		{"CORE-6.3.2-3 with a parent", "<message><thread parent='7edac73a'>e0ffe42b</thread></message>", Thread{"e0ffe42b", "7edac73a"}, true},
		{"opaque, not trimmed", "<message><thread> e0 </thread></message>", Thread{ID: " e0 "}, true},
		{"its own parent", "<message><thread parent='a'>a</thread></message>", Thread{ID: "a"}, true},
		{"the first counts", "<message><thread>a</thread><thread>b</thread></message>", Thread{ID: "a"}, true},
		{"empty", "<message><thread parent='a'/></message>", Thread{}, false},
		{"none", "<message><body>x</body></message>", Thread{}, false},
		{"another namespace", "<message><thread xmlns='urn:x'>a</thread></message>", Thread{}, false},
		{"presence", "<presence><thread>a</thread></presence>", Thread{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := exttest.Parse(t, tt.in)
			if got, ok := Of(st); got != tt.want || ok != tt.ok {
				t.Errorf("%+v, %v", got, ok)
			}
			if st.Kind != stanza.KindMessage {
				return
			}
			if got, ok := Of(st.Message()); got != tt.want || ok != tt.ok {
				t.Errorf("of the message %+v, %v", got, ok)
			}
		})
	}
	var m stanza.Message
	Thread{"a", "b"}.Set(&m)
	if m.Thread != "a" || m.Parent != "b" {
		t.Errorf("%+v", m)
	}
	Thread{"a", "a"}.Set(&m)
	if m.Parent != "" {
		t.Errorf("%+v", m)
	}
}

func TestNew(t *testing.T) {
	a := New()
	b := a.Child()
	if len(a.ID) != 36 || a.Parent != "" || b.Parent != a.ID || b.ID == a.ID {
		t.Errorf("%+v, %+v", a, b)
	}
}

// "The recipient is required to always return the same identical contents when
// the message is directly replied to" (Jabber Programmers Guide, chapter 11).
func TestReq_GUIDE_11_thread_1(t *testing.T) {
	for _, id := range []string{"e0ffe42b28561960c6b12b944a092794b9683a38", " <Act IV>\n&amp; ", "ü"} {
		m := (&stanza.Message{Type: stanza.TypeChat, From: jid.MustParse("romeo@example.net/orchard"), Body: "?", Thread: id, Parent: "p"})
		st, err := m.Stanza()
		if err != nil {
			t.Fatal(err)
		}
		in := exttest.Parse(t, st.String()).Message()
		t.Run("GUIDE-11-thread-1 Reply", func(t *testing.T) {
			if got, ok := Of(in.Reply("!")); got != (Thread{id, "p"}) || !ok {
				t.Errorf("%+v, %v", got, ok)
			}
		})
		t.Run("GUIDE-11-thread-1 Keeper", func(t *testing.T) {
			var k Keeper
			k.Incoming(in)
			out := &stanza.Message{To: in.From, Type: stanza.TypeChat, Body: "!"}
			k.Outgoing(out)
			if got, ok := Of(out); got != (Thread{id, "p"}) || !ok {
				t.Errorf("%+v, %v", got, ok)
			}
		})
	}
}

func TestKeeper(t *testing.T) {
	var k Keeper
	romeo := jid.MustParse("romeo@example.net/orchard")
	out := func(typ stanza.Type) *stanza.Message {
		m := &stanza.Message{To: romeo, Type: typ, Body: "x"}
		k.Outgoing(m)
		return m
	}
	in := func(typ stanza.Type, id string) bool {
		return k.Incoming(&stanza.Message{From: romeo.Bare(), Type: typ, Body: "x", Thread: id})
	}
	if m := out(stanza.TypeNormal); m.Thread != "" {
		t.Errorf("a normal message begins thread %s", m.Thread)
	}
	first := out(stanza.TypeChat).Thread
	if first == "" || out(stanza.TypeChat).Thread != first || out(stanza.TypeNormal).Thread != first {
		t.Errorf("thread %q is not kept", first)
	}
	if in(stanza.TypeChat, first) || in(stanza.TypeChat, "") {
		t.Error("the answer begins a conversation")
	}
	if !in(stanza.TypeChat, "other") || out(stanza.TypeChat).Thread != "other" {
		t.Error("an unknown thread begins no conversation")
	}
	m := &stanza.Message{To: romeo, Type: stanza.TypeChat, Thread: "mine"}
	if k.Outgoing(m); m.Thread != "mine" || out(stanza.TypeChat).Thread != "mine" {
		t.Error("a thread that was chosen is not kept")
	}
	k.End(romeo)
	if id := out(stanza.TypeChat).Thread; id == "mine" || id == "" {
		t.Errorf("after the end thread %q", id)
	}
	k.End(romeo)
	if in(stanza.TypeError, "e") || out(stanza.TypeError).Thread != "" {
		t.Error("an error takes part in a conversation")
	}
	if !in(stanza.TypeChat, "") || in(stanza.TypeChat, "") || out(stanza.TypeChat).Thread == "" {
		t.Error("a chat without a thread does not get one")
	}
}

func TestKeeperBound(t *testing.T) {
	var long Keeper
	long.Incoming(&stanza.Message{From: jid.MustParse("a@x"), Thread: strings.Repeat("x", maxLen+1)})
	if long.threads.Len() != 0 {
		t.Error("a thread of any length is remembered")
	}
	k := Keeper{Max: 2}
	for _, name := range []string{"a", "b", "c"} {
		k.Incoming(&stanza.Message{From: jid.MustParse(name + "@x"), Type: stanza.TypeChat, Thread: strings.ToUpper(name)})
	}
	m := &stanza.Message{To: jid.MustParse("a@x")}
	if k.Outgoing(m); m.Thread != "" {
		t.Errorf("%d conversations", k.threads.Len())
	}
}
