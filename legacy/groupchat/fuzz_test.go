package groupchat

import (
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// FuzzRoom: whatever is sent to a room, it knows who is in it, and what it sends is
// from its own addresses, to somebody, and can be read.
func FuzzRoom(f *testing.F) {
	for _, src := range []string{
		"<presence from='HAMLET' to='ACT/Hamlet'/>",
		"<presence from='ghost@denmark/x' to='ACT/Prince'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
		"<presence type='unavailable' from='ghost@denmark/x' to='ACT'/>",
		"<presence type='error' from='ghost@denmark/x' to='ACT/x'/>",
		"<presence type='probe' from='ghost@denmark/x' to='ACT/Hamlet'/>",
		"<message from='ghost@denmark/x' to='ACT'><subject>invite:a@b</subject><body>x</body></message>",
		"<message type='groupchat' from='ghost@denmark/x' to='ACT'><subject>s</subject></message>",
		"<message type='error' id='1' from='ghost@denmark/x' to='ACT/Ophelia'><error code='404'/></message>",
		"<message id='1' from='ghost@denmark/x' to='ACT/Ghost'/>",
		"<iq type='get' id='1' from='ghost@denmark/x' to='ACT/Ophelia'><q xmlns='urn:q'/></iq>",
	} {
		f.Add(full(src))
	}
	f.Fuzz(func(t *testing.T, src string) {
		st, err := stanza.Parse(src)
		if err != nil || st.From.IsZero() || st.To.Bare() != jid.MustParse(act3) || st.From.Bare() == st.To.Bare() {
			return
		}
		s := newStage(t, Rules{AnyoneInvites: true})
		s.enter("Ghost", "Ophelia")
		for range 2 {
			for _, out := range s.Handle(st, time.Unix(1e9, 0)) {
				if out.From.Bare() != s.Addr() || out.To.IsZero() || out.To.Bare() == s.Addr() {
					t.Fatalf("%s\nsent %s", src, out)
				}
				if again := parse(t, out.String()); again.From != out.From {
					t.Fatalf("%s\nread again %s", out, again)
				}
			}
			if len(s.seats) != len(s.order) || len(s.nicks) != len(s.order) {
				t.Fatalf("%d addresses, %d nicks, %d occupants", len(s.seats), len(s.nicks), len(s.order))
			}
			for _, o := range s.order {
				if s.seats[o.user] != o || s.find(o.addr.Resource()) != o || o.presence.From != o.addr {
					t.Fatalf("%s is lost", o.addr)
				}
			}
		}
	})
}

// FuzzInvitation: what is asked for is passed on as it was, and understood.
func FuzzInvitation(f *testing.F) {
	for _, src := range []string{
		"<message from='a@b/c' to='ACT'><subject>invite:hamlet@denmark</subject><body> x </body></message>",
		"<message from='a@b/c' to='ACT'><x xmlns='http://jabber.org/protocol/muc#user'><invite to='a@b'>" +
			"<reason>&lt;</reason></invite></x></message>",
		"<message from='ACT'><x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x></message>",
		"<message from='a@b/c'><x xmlns='jabber:x:conference' jid='ACT'>x</x></message>",
	} {
		f.Add(full(src))
	}
	f.Fuzz(func(t *testing.T, src string) {
		st, err := stanza.Parse(src)
		if err != nil {
			return
		}
		if inv, ok := ParseInvitation(st); ok && (inv.Room.Local() == "" || inv.Room.IsFull()) {
			t.Fatalf("%s: into %q", src, inv.Room)
		}
		inv, ok, err := ParseRequest(st)
		if !ok || err != nil {
			return
		}
		m, err := inv.message(inv.Reason).Stanza()
		if err != nil {
			t.Fatalf("%+v: %v", inv, err)
		}
		got, ok := ParseInvitation(parse(t, m.String()))
		inv.To = jid.JID{}
		if !ok || got != inv {
			t.Fatalf("%s\nasked  %+v\npassed %+v", src, inv, got)
		}
	})
}
