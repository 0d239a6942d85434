package carbons

import (
	"fmt"
	"sync"
	"testing"

	"github.com/etherx-go/xmpp/ext/internal/exttest"
)

// TestCopied is section 6.1 of XEP-0280 as a table.
func TestCopied(t *testing.T) {
	const (
		body     = "<body>x</body>"
		private  = "<private xmlns='urn:xmpp:carbons:2'/>"
		noCopy   = "<no-copy xmlns='urn:xmpp:hints'/>"
		inRoom   = "<x xmlns='http://jabber.org/protocol/muc#user'/>"
		mediated = "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x>"
		declined = "<x xmlns='http://jabber.org/protocol/muc#user'><decline from='a@b'/></x>"
		direct   = "<x xmlns='jabber:x:conference' jid='room@muc.example'/>"
	)
	const both, no = true, false
	for _, tt := range []struct {
		name, attrs, payloads string
		received, sent        bool
	}{
		{"chat with body", "type='chat'", body, both, both},
		{"chat without anything", "type='chat'", "", both, both},
		{"chat that is private", "type='chat' to='a@b/c'", body + private + noCopy, no, no},
		{"chat that is private, without hint", "type='chat'", private + body, no, no},
		{"chat with only the hint", "type='chat' to='a@b/c'", body + noCopy, no, no},
		{"chat with only the hint, to a bare address", "type='chat' to='a@b'", body + noCopy, both, both},
		{"chat with another hint", "type='chat' to='a@b/c'", body + "<no-store xmlns='urn:xmpp:hints'/>", both, both},
		{"a copy", "type='chat'", "<received xmlns='urn:xmpp:carbons:2'/>", no, no},
		{"a copy", "type='chat'", "<sent xmlns='urn:xmpp:carbons:2'/>", no, no},
		{"of another namespace", "type='chat'", "<private xmlns='urn:x'/><sent xmlns='urn:x'/>", both, both},
		{"normal with body", "", body, both, both},
		{"normal by name", "type='normal'", body, both, both},
		{"normal by being unknown", "type='x'", body, both, both},
		{"normal without body", "", "<subject>x</subject>", no, no},
		{"normal with something else", "", "<query xmlns='urn:x'/>", no, no},
		{"normal with a body of another namespace", "", "<body xmlns='urn:x'/>", no, no},
		{"normal with a receipt", "", "<received xmlns='urn:xmpp:receipts' id='1'/>", both, both},
		{"normal with a chat state", "", "<composing xmlns='http://jabber.org/protocol/chatstates'/>", both, both},
		{"normal with a marker", "", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", both, both},
		{"headline", "type='headline'", body, no, no},
		{"headline with a receipt", "type='headline'", "<received xmlns='urn:xmpp:receipts' id='1'/>", both, both},
		{"error", "type='error'", body, no, no},
		{"groupchat", "type='groupchat'", body, no, no},
		{"groupchat with an invitation", "type='groupchat'", direct, no, no},
		{"direct invitation", "", direct, both, both},
		{"nothing of the namespace of invitations", "", "<y xmlns='jabber:x:conference'/>", no, no},
		{"mediated invitation", "from='room@muc.example'", mediated, both, both},
		{"mediated invitation, declined", "from='room@muc.example'", declined, both, both},
		{"mediated invitation, of a participant", "from='room@muc.example/nick'", mediated, no, both},
		{"status of a room", "from='room@muc.example'", inRoom, no, no},
		{"private in a room", "type='chat' from='room@muc.example/nick' to='a@b/c'", body + inRoom, no, both},
		{"private in a room, of the room", "type='chat' from='room@muc.example'", body + inRoom, both, both},
		{"private in a room, of before it was marked", "type='chat' from='room@muc.example/nick'", body, both, both},
		{"another thing of rooms", "type='chat' from='room@muc.example/nick'", "<y xmlns='http://jabber.org/protocol/muc#user'/>", both, both},
	} {
		st := exttest.Parse(t, "<message "+tt.attrs+">"+tt.payloads+"</message>")
		if got := Copied(Received, st); got != tt.received {
			t.Errorf("%s: received: %v", tt.name, got)
		}
		if got := Copied(Sent, st); got != tt.sent {
			t.Errorf("%s: sent: %v", tt.name, got)
		}
	}
	for _, in := range []string{"<presence><body>x</body></presence>", "<iq type='set' id='1'><x xmlns='jabber:x:conference'/></iq>"} {
		if Copied(Received, exttest.Parse(t, in)) {
			t.Errorf("%s is copied", in)
		}
	}
}

func BenchmarkCopied(b *testing.B) {
	st := exttest.Parse(b, example9)
	b.ReportAllocs()
	for b.Loop() {
		if !Copied(Received, st) {
			b.Fatal("it is not copied")
		}
	}
}

func TestRing(t *testing.T) {
	var r Ring
	message := func(from, to, id string) string {
		return fmt.Sprintf("<message type='chat' from='%s' to='%s' id='%s'><body>x</body></message>", from, to, id)
	}
	failure := func(from, to, id string) string {
		return fmt.Sprintf("<message type='error' from='%s' to='%s' id='%s'/>", from, to, id)
	}
	for _, src := range []string{
		message("a@x/1", "b@y", "1"), message("c@z/2", "a@x/1", "2"), "<message type='chat' from='a@x/1' to='b@y'/>",
	} {
		r.Note(exttest.Parse(t, src))
	}
	for _, tt := range []struct {
		name, in string
		want     bool
	}{
		{"of the recipient", failure("b@y", "a@x/1", "1"), true},
		{"of a resource, to the account", failure("b@y/z", "a@x", "1"), true},
		{"that the account sends", failure("a@x/1", "c@z/2", "2"), true},
		{"another id", failure("b@y", "a@x/1", "2"), false},
		{"no id", "<message type='error' from='b@y' to='a@x/1'/>", false},
		{"of somebody else", failure("d@y", "a@x/1", "1"), false},
		{"to somebody else", failure("b@y", "d@x/1", "1"), false},
		{"the same way", failure("a@x/1", "b@y", "1"), false},
		{"no error", message("b@y", "a@x/1", "1"), false},
		{"a presence", "<presence type='error' from='b@y' to='a@x/1' id='1'/>", false},
	} {
		if got := r.Answered(exttest.Parse(t, tt.in)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	// The last 64 are remembered, and no more.
	const n = 3 * ringSize
	for i := range n {
		r.Note(exttest.Parse(t, message("a@x/1", "b@y", fmt.Sprint("m", i))))
	}
	for i := range n {
		if got, want := r.Answered(exttest.Parse(t, failure("b@y", "a@x", fmt.Sprint("m", i)))), i >= n-ringSize; got != want {
			t.Errorf("message %d of %d: %v", i, n, got)
		}
	}
}

func TestRingConcurrently(t *testing.T) {
	var r Ring
	var wg sync.WaitGroup
	for i := range 4 {
		st := exttest.Parse(t, fmt.Sprintf("<message from='a@x/1' to='b@y' id='%d'/>", i))
		answer := exttest.Parse(t, fmt.Sprintf("<message type='error' from='b@y' to='a@x/1' id='%d'/>", i))
		wg.Go(func() {
			for range 16 {
				r.Note(st)
				if !r.Answered(answer) {
					t.Errorf("%d is not known", i)
				}
			}
		})
	}
	wg.Wait()
}
