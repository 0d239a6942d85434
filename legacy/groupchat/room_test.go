package groupchat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	act3   = "act3@gc.denmark"
	hamlet = "hamlet@denmark/castle"
	ghost  = "ghost@denmark/platform"
)

func parse(t testing.TB, src string) *stanza.Stanza {
	t.Helper()
	st, err := stanza.Parse(src)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return st
}

// stage is a room in a test.
type stage struct {
	*Room
	t   *testing.T
	now time.Time
}

func newStage(t *testing.T, rules Rules) *stage {
	return &stage{NewRoom(jid.MustParse(act3), rules), t, time.Unix(1e9, 0)}
}

// full returns the source of a stanza with the addresses that it is short for.
var full = strings.NewReplacer("ACT", act3, "HAMLET", hamlet, "GHOST", ghost,
	"<STANZAS ", "<", "STANZAS", "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'").Replace

// do hands a stanza to the room and returns what is sent.
func (s *stage) do(src string) (out []string) {
	s.t.Helper()
	for _, st := range s.Handle(parse(s.t, full(src)), s.now) {
		out = append(out, st.String())
	}
	return out
}

// want hands a stanza to the room and compares what is sent, byte for byte.
func (s *stage) want(src string, want ...string) {
	s.t.Helper()
	for i := range want {
		want[i] = full(want[i])
	}
	if got := s.do(src); !slices.Equal(got, want) {
		s.t.Errorf("%s\ngot\n  %s\nwant\n  %s", src, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// wantError hands a stanza to the room and looks for one error, to its sender.
func (s *stage) wantError(src, code, cond string) {
	s.t.Helper()
	in := parse(s.t, full(src))
	got := s.do(src)
	if len(got) != 1 || !strings.Contains(got[0], "type='error'") || !strings.Contains(got[0], "<error code='"+code+"'") ||
		!strings.Contains(got[0], "<"+cond+" ") || parse(s.t, got[0]).To != in.From || parse(s.t, got[0]).From != in.To {
		s.t.Errorf("%s\ngot %q", src, got)
	}
}

// enter lets somebody in, whose real address is made of the nick.
func (s *stage) enter(nicks ...string) {
	s.t.Helper()
	for _, nick := range nicks {
		st := parse(s.t, fmt.Sprintf("<presence from='%s@denmark/x' to='%s/%s'/>", strings.ToLower(nick), act3, nick))
		if s.Handle(st, s.now); !s.Has(st.From) {
			s.t.Fatalf("%s is not let in", nick)
		}
	}
}

func quiet(Notice) string { return "" }

// TestGuide plays the session of the Jabber Programmers Guide, chapter 6, from Hamlet's
// side.
func TestGuide(t *testing.T) {
	s := newStage(t, Rules{})
	s.enter("Claudius", "Gertrude", "Polonius")
	s.Rules(quiet)
	t.Run("GUIDE-6-gc-5 GUIDE-6-gc-6 GUIDE-6-gc-19 GUIDE-6-gc-4 examples 6-1 to 6-3", func(t *testing.T) {
		s.Rules(nil)
		s.want("<presence from='HAMLET' to='ACT/Hamlet'/>",
			"<presence to='HAMLET' from='ACT/Claudius'/>",
			"<presence to='HAMLET' from='ACT/Gertrude'/>",
			"<presence to='HAMLET' from='ACT/Polonius'/>",
			"<presence to='claudius@denmark/x' from='ACT/Hamlet'/>",
			"<presence to='gertrude@denmark/x' from='ACT/Hamlet'/>",
			"<presence to='polonius@denmark/x' from='ACT/Hamlet'/>",
			"<presence to='HAMLET' from='ACT/Hamlet'/>",
			"<message type='groupchat' to='claudius@denmark/x' from='ACT'><body>Hamlet has arrived.</body></message>",
			"<message type='groupchat' to='gertrude@denmark/x' from='ACT'><body>Hamlet has arrived.</body></message>",
			"<message type='groupchat' to='polonius@denmark/x' from='ACT'><body>Hamlet has arrived.</body></message>",
			"<message type='groupchat' to='HAMLET' from='ACT'><body>Hamlet has arrived.</body></message>")
	})
	said := "<subject>Scene I</subject><body>I hear him coming: let&apos;s withdraw, my lord.</body>"
	t.Run("GUIDE-6-gc-11 GUIDE-6-gc-20 GUIDE-6-gc-24 example 6-4", func(t *testing.T) {
		var want []string
		for _, to := range []string{"claudius@denmark/x", "gertrude@denmark/x", "polonius@denmark/x", hamlet} {
			want = append(want, "<message type='groupchat' to='"+to+"' from='ACT/Polonius'>"+said+"</message>")
		}
		s.want("<message type='groupchat' from='polonius@denmark/x' to='ACT'>"+said+"</message>", want...)
	})
	t.Run("GUIDE-6-gc-7 example 6-5", func(t *testing.T) {
		body := "<show>na</show><status>Withdrawn</status>"
		s.want("<presence from='polonius@denmark/x' to='ACT/Polonius'>"+body+"</presence>",
			"<presence to='claudius@denmark/x' from='ACT/Polonius'>"+body+"</presence>",
			"<presence to='gertrude@denmark/x' from='ACT/Polonius'>"+body+"</presence>",
			"<presence to='HAMLET' from='ACT/Polonius'>"+body+"</presence>",
			"<presence to='polonius@denmark/x' from='ACT/Polonius'>"+body+"</presence>")
	})
	t.Run("GUIDE-6-gc-8 GUIDE-6-gc-12 GUIDE-6-gc-18 GUIDE-6-gc-25 examples 6-6 and 6-7", func(t *testing.T) {
		s.want("<presence type='unavailable' from='claudius@denmark/x' to='ACT/Claudius'/>",
			"<presence type='unavailable' to='claudius@denmark/x' from='ACT/Claudius'/>",
			"<presence type='unavailable' to='gertrude@denmark/x' from='ACT/Claudius'/>",
			"<presence type='unavailable' to='polonius@denmark/x' from='ACT/Claudius'/>",
			"<presence type='unavailable' to='HAMLET' from='ACT/Claudius'/>",
			"<message type='groupchat' to='gertrude@denmark/x' from='ACT'><body>Claudius has left.</body></message>",
			"<message type='groupchat' to='polonius@denmark/x' from='ACT'><body>Claudius has left.</body></message>",
			"<message type='groupchat' to='HAMLET' from='ACT'><body>Claudius has left.</body></message>")
	})
	s.Rules(quiet)
	s.do("<presence type='unavailable' from='gertrude@denmark/x' to='ACT/Gertrude'/>")
	s.do("<presence type='unavailable' from='polonius@denmark/x' to='ACT/Polonius'/>")
	s.enter("Ophelia")
	t.Run("GUIDE-6-gc-24 example 6-8", func(t *testing.T) {
		said := "<subject>Scene I</subject><body> To be, or not to be: that is the question</body></message>"
		s.want("<message type='groupchat' id='1' from='HAMLET' to='ACT'>"+said,
			"<message type='groupchat' id='1' to='HAMLET' from='ACT/Hamlet'>"+said,
			"<message type='groupchat' id='1' to='ophelia@denmark/x' from='ACT/Hamlet'>"+said)
	})
	t.Run("GUIDE-6-gc-13 GUIDE-6-gc-16 examples 6-9 and 6-10", func(t *testing.T) {
		s.want("<message type='chat' from='HAMLET' to='ACT/Ophelia'><body>Soft you now! The fair Ophelia!</body></message>",
			"<message type='chat' to='ophelia@denmark/x' from='ACT/Hamlet'>"+
				"<body>Soft you now! The fair Ophelia!</body></message>")
		s.want("<message type='chat' from='ophelia@denmark/x' to='ACT/Hamlet'><body>Good my lord</body></message>",
			"<message type='chat' to='HAMLET' from='ACT/Ophelia'><body>Good my lord</body></message>")
	})
	t.Run("GUIDE-6-gc-9 GUIDE-6-gc-18 another nick", func(t *testing.T) {
		s.Rules(nil)
		s.want("<presence id='n' from='HAMLET' to='ACT/Prince'><show>chat</show></presence>",
			"<presence type='unavailable' to='HAMLET' from='ACT/Hamlet'/>",
			"<presence type='unavailable' to='ophelia@denmark/x' from='ACT/Hamlet'/>",
			"<presence to='ophelia@denmark/x' from='ACT/Prince'><show>chat</show></presence>",
			"<presence id='n' to='HAMLET' from='ACT/Prince'><show>chat</show></presence>",
			"<message type='groupchat' to='HAMLET' from='ACT'><body>Hamlet is now known as Prince.</body></message>",
			"<message type='groupchat' to='ophelia@denmark/x' from='ACT'><body>Hamlet is now known as Prince.</body></message>")
	})
	t.Run("GUIDE-6-gc-25 examples 6-11 and 6-12", func(t *testing.T) {
		s.want("<presence from='HAMLET' to='ACT/Prince' type='unavailable'/>",
			"<presence type='unavailable' to='HAMLET' from='ACT/Prince'/>",
			"<presence type='unavailable' to='ophelia@denmark/x' from='ACT/Prince'/>",
			"<message type='groupchat' to='ophelia@denmark/x' from='ACT'><body>Prince has left.</body></message>")
		s.want("<presence from='HAMLET' to='ACT/Prince' type='unavailable'/>")
		s.want("<message type='groupchat' from='ophelia@denmark/x' to='ACT'><body>?</body></message>",
			"<message type='groupchat' to='ophelia@denmark/x' from='ACT/Ophelia'><body>?</body></message>")
	})
}

// Rules changes the words of the room.
func (s *stage) Rules(words func(Notice) string) {
	s.rules.Words = words
	if words == nil {
		s.rules.Words = Notice.String
	}
}

func TestEnter(t *testing.T) {
	s := newStage(t, Rules{MaxOccupants: 2, MaxNick: 7})
	s.enter("Hamlet")
	t.Run("GUIDE-6-gc-27 the nick is used", func(t *testing.T) {
		const src = "<presence id='1' from='GHOST' to='ACT/NICK'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
		s.want(strings.Replace(src, "NICK", "Hamlet", 1),
			"<presence type='error' id='1' to='GHOST' from='ACT/Hamlet'><error code='409' type='cancel'><conflict STANZAS/>"+
				"<text STANZAS>Somebody else is called by that nick.</text></error></presence>")
		s.wantError(strings.Replace(src, "NICK", "hAMLeT", 1), "409", "conflict") // looks the same
		s.enter("Ophelia")
		s.wantError("<presence from='ophelia@denmark/x' to='ACT/hamlet'/>", "409", "conflict")
		s.do("<presence type='unavailable' from='ophelia@denmark/x' to='ACT/Ophelia'/>")
	})
	s.wantError("<presence from='GHOST' to='ACT'/>", "400", "jid-malformed")
	s.wantError("<presence from='GHOST' to='ACT/Old Hamlet'/>", "406", "not-acceptable")
	s.enter("Ghost")
	s.wantError("<presence from='polonius@denmark/x' to='ACT/P'/>", "503", "service-unavailable")
	t.Run("what is said of nobody's business is ignored", func(t *testing.T) {
		for _, src := range []string{
			"<presence type='unavailable' from='polonius@denmark/x' to='ACT/P'/>",
			"<presence type='error' from='polonius@denmark/x' to='ACT/P'/>",
			"<presence type='probe' from='polonius@denmark/x' to='ACT/P'/>",
			"<presence type='subscribe' from='polonius@denmark' to='ACT'/>",
			"<message type='error' from='polonius@denmark/x' to='ACT/P'/>",
			"<iq type='result' id='1' from='polonius@denmark/x' to='ACT/Hamlet'/>",
			"<iq type='result' id='1' from='ghost@denmark/x' to='ACT/P'/>",
			"<iq type='result' id='1' from='ghost@denmark/x' to='ACT'/>",
		} {
			s.want(src)
		}
	})
	if got := s.Occupants(); len(got) != 2 || got[0] != (Occupant{"Hamlet", jid.MustParse("hamlet@denmark/x")}) ||
		got[1].Nick != "Ghost" || s.Len() != 2 || s.Addr() != jid.MustParse(act3) {
		t.Errorf("got %v", got)
	}
}

// TestModern: a client of Multi-User Chat is at home here, too.
func TestModern(t *testing.T) {
	s := newStage(t, Rules{Words: quiet})
	s.enter("Ophelia")
	const x = "<x xmlns='http://jabber.org/protocol/muc'><password>secret</password></x>"
	s.want("<presence from='HAMLET' to='ACT/Hamlet'>"+x+"<c xmlns='urn:c'/></presence>",
		"<presence to='HAMLET' from='ACT/Ophelia'/>",
		"<presence to='ophelia@denmark/x' from='ACT/Hamlet'><c xmlns='urn:c'/></presence>",
		"<presence to='HAMLET' from='ACT/Hamlet'><c xmlns='urn:c'/></presence>")
	s.want("<message type='groupchat' from='HAMLET' to='ACT'><subject>Words</subject></message>",
		"<message type='groupchat' to='ophelia@denmark/x' from='ACT/Hamlet'><subject>Words</subject></message>",
		"<message type='groupchat' to='HAMLET' from='ACT/Hamlet'><subject>Words</subject></message>")
	t.Run("one that has lost what it knew is shown it all", func(t *testing.T) {
		s.want("<presence from='HAMLET' to='ACT/Hamlet'>"+x+"</presence>",
			"<presence to='HAMLET' from='ACT/Ophelia'/>",
			"<presence to='ophelia@denmark/x' from='ACT/Hamlet'/>",
			"<presence to='HAMLET' from='ACT/Hamlet'/>",
			"<message type='groupchat' to='HAMLET' from='ACT'><subject>Words</subject></message>")
	})
	t.Run("what only a room may say is not passed on", func(t *testing.T) {
		const forged = "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='king@denmark'/></x>"
		s.want("<message type='chat' from='HAMLET' to='ACT/Ophelia'>"+forged+"<body>?</body></message>",
			"<message type='chat' to='ophelia@denmark/x' from='ACT/Hamlet'><body>?</body></message>")
		const private = "<x xmlns='http://jabber.org/protocol/muc#user'/>"
		s.want("<message type='chat' from='HAMLET' to='ACT/Ophelia'>"+private+"</message>",
			"<message type='chat' to='ophelia@denmark/x' from='ACT/Hamlet'>"+private+"</message>")
		s.want("<presence type='unavailable' from='HAMLET' to='ACT'><status>bye</status>"+forged+"</presence>",
			"<presence type='unavailable' to='ophelia@denmark/x' from='ACT/Hamlet'><status>bye</status></presence>",
			"<presence type='unavailable' to='HAMLET' from='ACT/Hamlet'><status>bye</status></presence>")
	})
}

func TestSubject(t *testing.T) {
	s := newStage(t, Rules{Words: quiet})
	s.enter("Hamlet")
	const enter = "<presence from='GHOST' to='ACT/Ghost'/>"
	const list = "<presence to='GHOST' from='ACT/Hamlet'/>"
	topic := func(body string, want ...string) {
		t.Helper()
		s.do("<message type='groupchat' from='hamlet@denmark/x' to='ACT'>" + body + "</message>")
		got := s.do(enter)
		if want = append([]string{full(list)}, want...); len(got) != len(want)+2 || got[0] != want[0] ||
			len(want) == 2 && got[3] != full(want[1]) {
			t.Errorf("GUIDE-6-gc-20 %s\ngot %q", body, got)
		}
		s.do("<presence type='unavailable' from='GHOST' to='ACT'/>")
	}
	const told = "<message type='groupchat' to='GHOST' from='ACT'><subject>Words</subject></message>"
	topic("<subject>Words</subject>", told)
	topic("<subject>Scene II</subject><body>Words, words, words.</body>", told) // with a body it is just a message
	topic("<subject/>")
	topic("<body>x</body>")
}

func TestMessageErrors(t *testing.T) {
	s := newStage(t, Rules{})
	s.enter("Hamlet")
	for _, tt := range []struct{ name, src, code, cond string }{
		{"said by who is not here", "<message type='groupchat' from='GHOST' to='ACT'><body>x</body></message>", "406",
			"not-acceptable"},
		{"GUIDE-6-gc-13 in private by who is not here", "<message from='GHOST' to='ACT/Hamlet'><body>x</body></message>",
			"406", "not-acceptable"},
		{"GUIDE-6-gc-13 in private to nobody", "<message from='hamlet@denmark/x' to='ACT/King'><body>x</body></message>",
			"404", "item-not-found"},
		{"GUIDE-6-gc-13 in private to all", "<message type='groupchat' from='hamlet@denmark/x' to='ACT/Hamlet'/>", "400",
			"bad-request"},
		{"to all in private", "<message type='chat' from='hamlet@denmark/x' to='ACT'><body>x</body></message>", "400",
			"bad-request"},
		{"a question of who is not here", "<iq type='get' id='1' from='GHOST' to='ACT/Hamlet'><q xmlns='urn:q'/></iq>",
			"406", "not-acceptable"},
		{"a question to nobody", "<iq type='get' id='1' from='hamlet@denmark/x' to='ACT/King'><q xmlns='urn:q'/></iq>",
			"404", "item-not-found"},
		{"a question to the room", "<iq type='get' id='1' from='hamlet@denmark/x' to='ACT'><q xmlns='urn:q'/></iq>",
			"503", "service-unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) { s.t = t; s.wantError(tt.src, tt.code, tt.cond) })
	}
}

func TestReq_GUIDE_6_gc_14(t *testing.T) {
	const text = "<body>Pity me not, but lend thy serious hearing To what I shall unfold.</body>"
	const reason = "Pity me not, but lend thy serious hearing To what I shall unfold."
	const ask = "<message id='1' to='ACT' from='ghost@denmark/x'><subject>invite:hamlet@denmark</subject>" + text +
		"</message>"
	s := newStage(t, Rules{Words: quiet})
	s.enter("Ghost")
	invitation := func(from, id string) string {
		return "<message" + id + " to='hamlet@denmark' from='ACT'>" + text +
			"<x xmlns='http://jabber.org/protocol/muc#user'><invite" + from + "><reason>" + reason + "</reason></invite></x>" +
			"<x xmlns='jabber:x:conference' jid='ACT' reason='" + reason + "'/></message>"
	}
	t.Run("GUIDE-6-gc-14 the room passes it on", func(t *testing.T) {
		s.want(ask, invitation(" from='ACT/Ghost'", " id='1'"))
	})
	t.Run("GUIDE-6-gc-14 who is invited cannot be reached", func(t *testing.T) {
		const bounce = "<message type='error' id='1' from='hamlet@denmark' to='ACT'><error type='cancel' by='denmark'>" +
			"<service-unavailable STANZAS/><text STANZAS>hamlet is not here</text></error></message>"
		s.want(bounce, "<message type='error' id='1' to='ghost@denmark/x' from='ACT'><error code='503' type='cancel'>"+
			"<service-unavailable STANZAS/></error></message>")
		s.want(bounce) // it is told once
	})
	t.Run("GUIDE-6-gc-14 who is invited declines", func(t *testing.T) {
		const decline = "<message id='2' from='HAMLET' to='ACT'><x xmlns='http://jabber.org/protocol/muc#user'>" +
			"<decline to='x@y'><reason>busy</reason></decline></x></message>"
		s.want(decline) // nobody has asked
		s.do(ask)
		s.Rules(nil)
		s.want(decline, "<message id='2' to='ghost@denmark/x' from='ACT'>"+
			"<body>hamlet@denmark declines the invitation: busy</body>"+
			"<x xmlns='http://jabber.org/protocol/muc#user'><decline from='hamlet@denmark'><reason>busy</reason></decline></x>"+
			"</message>")
		s.Rules(quiet)
	})
	t.Run("GUIDE-6-gc-14 as Multi-User Chat asks for it, without a text", func(t *testing.T) {
		s.Rules(nil)
		s.want("<message to='ACT' from='ghost@denmark/x'><x xmlns='http://jabber.org/protocol/muc#user'>"+
			"<invite to='hamlet@denmark'/></x></message>", "<message to='hamlet@denmark' from='ACT'>"+
			"<body>You are invited into the room by Ghost.</body>"+
			"<x xmlns='http://jabber.org/protocol/muc#user'><invite from='ACT/Ghost'/></x>"+
			"<x xmlns='jabber:x:conference' jid='ACT'/></message>")
		s.Rules(quiet)
	})
	t.Run("GUIDE-6-gc-14 errors", func(t *testing.T) {
		s.wantError(strings.Replace(ask, "ghost@denmark/x", ghost, 1), "406", "not-acceptable")
		s.wantError(strings.Replace(ask, "invite:hamlet@denmark", "invite:", 1), "400", "jid-malformed")
		s.wantError(strings.Replace(ask, "invite:hamlet@denmark", "invite:denmark", 1), "400", "jid-malformed")
		s.wantError(strings.Replace(ask, "invite:hamlet@denmark", "Murder", 1), "400", "bad-request")
	})
	t.Run("GUIDE-6-gc-14 of type groupchat", func(t *testing.T) {
		old := strings.Replace(ask, "<message ", "<message type='groupchat' ", 1)
		s.want(old, invitation(" from='ACT/Ghost'", " id='1'"))
		if got := s.do(strings.Replace(old, "invite:hamlet@denmark", "invite: to the play", 1)); len(got) != 1 ||
			!strings.Contains(got[0], "<subject>invite: to the play") {
			t.Errorf("a topic: %q", got)
		}
	})
	t.Run("GUIDE-6-gc-14 anyone can ask, if that is allowed", func(t *testing.T) {
		s := newStage(t, Rules{AnyoneInvites: true})
		s.enter("Polonius")
		s.want(strings.Replace(ask, "ghost@denmark/x", ghost, 1), invitation("", " id='1'"))
		s.want("<message type='error' id='1' from='hamlet@denmark' to='ACT'/>") // who asked is not here
	})
	t.Run("only the last invitations are remembered", func(t *testing.T) {
		s := newStage(t, Rules{Rate: -1})
		s.enter("Ghost")
		for range maxInvited + 10 {
			s.do(ask)
		}
		if len(s.invited) != maxInvited {
			t.Errorf("%d are", len(s.invited))
		}
	})
}

func TestIQ(t *testing.T) {
	s := newStage(t, Rules{})
	s.enter("Hamlet", "Ophelia")
	s.want("<iq type='get' id='1' from='hamlet@denmark/x' to='ACT/Ophelia'><query xmlns='jabber:iq:version'/></iq>",
		"<iq type='get' id='1' to='ophelia@denmark/x' from='ACT/Hamlet'><query xmlns='jabber:iq:version'/></iq>")
	s.want("<iq type='result' id='1' from='ophelia@denmark/x' to='ACT/Hamlet'><query xmlns='jabber:iq:version'/></iq>",
		"<iq type='result' id='1' to='hamlet@denmark/x' from='ACT/Ophelia'><query xmlns='jabber:iq:version'/></iq>")
	s.want("<iq type='error' id='1' from='ophelia@denmark/x' to='ACT/Hamlet'><query xmlns='jabber:iq:version'/>"+
		"<error type='cancel' by='ophelia@denmark'><gone STANZAS>xmpp:ophelia@heaven</gone>"+
		"<text STANZAS>ophelia@denmark</text></error></iq>",
		"<iq type='error' id='1' to='hamlet@denmark/x' from='ACT/Ophelia'><error code='302' type='cancel'><gone STANZAS/>"+
			"</error></iq>")
}

func TestProbe(t *testing.T) {
	s := newStage(t, Rules{})
	s.enter("Hamlet")
	s.do("<presence from='GHOST' to='ACT/Ghost'><show>dnd</show></presence>")
	for probe, want := range map[string]string{
		"ACT/Ghost": "<presence to='hamlet@denmark/x' from='ACT/Ghost'><show>dnd</show></presence>",
		"ACT/King":  "<presence type='unavailable' id='1' to='hamlet@denmark/x' from='ACT/King'/>",
		"ACT":       "<presence id='1' to='hamlet@denmark/x' from='ACT'/>",
	} {
		s.want("<presence type='probe' id='1' from='hamlet@denmark/x' to='"+probe+"'/>", want)
	}
}

// TestVanish: who cannot be reached leaves the room.
func TestVanish(t *testing.T) {
	gone := []string{
		"<presence type='unavailable' to='hamlet@denmark/x' from='ACT/Ghost'/>",
		"<presence type='unavailable' to='ghost@denmark/x' from='ACT/Ghost'/>",
		"<message type='groupchat' to='hamlet@denmark/x' from='ACT'><body>Ghost has left.</body></message>",
	}
	const failed = "<message type='error' id='1' from='ghost@denmark/x' to='ACT/Hamlet'>" +
		"<error type='cancel'><COND STANZAS/></error></message>"
	bounce := func(cond string) string { return strings.Replace(failed, "COND", cond, 1) }
	const told = "<message type='error' id='1' to='hamlet@denmark/x' from='ACT/Ghost'><error code='503' type='cancel'>" +
		"<service-unavailable STANZAS/></error></message>"
	const private = "<message id='1' from='hamlet@denmark/x' to='ACT/Ghost'><body>x</body></message>"
	for _, tt := range []struct {
		name   string
		before string
		src    string
		want   []string
	}{
		{"GUIDE-6-gc-8 a presence came back", "", "<presence type='error' from='ghost@denmark/x' to='ACT/Hamlet'/>", gone},
		{"GUIDE-6-gc-8 a message came back", "", bounce("service-unavailable"), gone},
		{"GUIDE-6-gc-8 a server is not found", "", bounce("remote-server-not-found"), gone},
		{"a private message came back", private, bounce("service-unavailable"), append([]string{told}, gone...)},
		{"a message is not liked", "", bounce("not-acceptable"), nil},
		{"a private message is not liked", private, bounce("not-acceptable"), []string{
			"<message type='error' id='1' to='hamlet@denmark/x' from='ACT/Ghost'><error code='406' type='cancel'>" +
				"<not-acceptable STANZAS/></error></message>"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t, Rules{})
			s.enter("Hamlet", "Ghost")
			if tt.before != "" {
				s.do(tt.before)
			}
			s.want(tt.src, slices.Clone(tt.want)...)
		})
	}
	s := newStage(t, Rules{Rate: -1})
	s.enter("Hamlet", "Ghost")
	for range 3 * maxPrivate {
		s.do(private)
	}
	if n := len(s.find("Ghost").private); n != maxPrivate {
		t.Errorf("%d private messages are remembered", n)
	}
}

func TestRate(t *testing.T) {
	s := newStage(t, Rules{Rate: 1, Burst: 3, Words: quiet})
	s.enter("Hamlet", "Ghost")
	say := func(src string, within bool) {
		t.Helper()
		src = strings.Replace(src, "FROM", "from='hamlet@denmark/x' to='"+act3, 1)
		if within {
			if got := s.do(src); len(got) == 0 || strings.Contains(got[0], "<resource-constraint") {
				t.Errorf("%s\n%q", src, got)
			}
			return
		}
		s.wantError(src, "500", "resource-constraint")
	}
	const hello = "<message type='groupchat' FROM'><body>x</body></message>"
	say(hello, true) // to join was the first of three
	say(hello, true)
	for _, src := range []string{hello, "<message FROM/Ghost'><body>x</body></message>",
		"<message FROM'><subject>invite:a@b</subject></message>", "<presence FROM/Hamlet'/>", "<presence FROM/Prince'/>",
		"<iq type='get' id='1' FROM/Ghost'><q xmlns='urn:q'/></iq>"} {
		say(src, false)
	}
	s.now = s.now.Add(time.Second)
	say(hello, true)
	say(hello, false)
	s.now = s.now.Add(time.Hour)
	for range 3 {
		say(hello, true)
	}
	t.Run("to leave and come back is no way around", func(t *testing.T) {
		s.do("<presence type='unavailable' from='hamlet@denmark/x' to='ACT/Hamlet'/>")
		s.wantError("<presence from='hamlet@denmark/y' to='ACT/Hamlet'/>", "500", "resource-constraint")
	})
	t.Run("those who may send all again are forgotten", func(t *testing.T) {
		th := newThrottle(1, 3)
		for i := range 1000 {
			if !th.spend(jid.MustParse(fmt.Sprintf("u%d@denmark", i)), s.now) {
				t.Fatal("refused")
			}
			s.now = s.now.Add(time.Second)
		}
		if len(th.spent) > 200 {
			t.Errorf("%d are remembered", len(th.spent))
		}
	})
}

func TestRemoveAndClose(t *testing.T) {
	s := newStage(t, Rules{})
	s.enter("Hamlet", "Ghost", "Ophelia")
	strs := func(out []*stanza.Stanza) (all []string) {
		for _, st := range out {
			all = append(all, st.String())
		}
		return all
	}
	got := strs(s.Room.Remove(jid.MustParse("ghost@denmark/x"), "the cock crows"))
	if len(got) != 5 || got[1] != full("<presence type='unavailable' to='ghost@denmark/x' from='ACT/Ghost'>"+
		"<status>the cock crows</status></presence>") || !strings.Contains(got[3], "Ghost has been kicked: the cock crows<") {
		t.Errorf("got %q", got)
	}
	if got := s.Room.Remove(jid.MustParse("ghost@denmark/x"), ""); got != nil {
		t.Errorf("twice: %q", strs(got))
	}
	const status = "<status>The rest is silence.</status></presence>"
	want := []string{
		full("<presence type='unavailable' to='hamlet@denmark/x' from='ACT/Hamlet'>" + status),
		full("<presence type='unavailable' to='ophelia@denmark/x' from='ACT/Ophelia'>" + status),
	}
	if got := strs(s.Room.Close("The rest is silence.")); !slices.Equal(got, want) || s.Len() != 0 {
		t.Errorf("got %q", got)
	}
}

// TestReq_GUIDE_6_gc_16: whatever is sent into a room, nobody there gets a real address
// of another.
func TestReq_GUIDE_6_gc_16(t *testing.T) {
	s := newStage(t, Rules{})
	s.enter("Hamlet", "Ghost")
	for _, src := range []string{
		"<presence from='polonius@secret/x' to='ACT/P'/>",
		"<message type='groupchat' from='polonius@secret/x' to='ACT'><body>x</body></message>",
		"<message from='polonius@secret/x' to='ACT/Hamlet'><body>x</body></message>",
		"<message from='polonius@secret/x' to='ACT'><subject>invite:king@denmark</subject></message>",
		"<message id='1' from='hamlet@denmark/x' to='ACT/P'><body>x</body></message>",
		"<message type='error' id='1' from='polonius@secret/x' to='ACT/Hamlet'><error by='polonius@secret' type='cancel'>" +
			"<not-allowed STANZAS/><text STANZAS>polonius@secret</text></error></message>",
		"<iq type='get' id='1' from='polonius@secret/x' to='ACT/Hamlet'><q xmlns='urn:q'/></iq>",
		"<iq type='error' id='1' from='polonius@secret/x' to='ACT/Hamlet'><error by='polonius@secret'/></iq>",
		"<presence from='polonius@secret/x' to='ACT/Q'/>",
		"<presence type='probe' from='hamlet@denmark/x' to='ACT/Q'/>",
		"<presence type='unavailable' from='polonius@secret/x' to='ACT/Q'/>",
	} {
		for _, out := range s.do(src) {
			st := parse(t, out)
			if h := st.Header; strings.Contains(h.From.String(), "secret") {
				t.Errorf("GUIDE-6-gc-16 %s\n%s", src, out)
			}
			if st.To.Domain() != "secret" && strings.Contains(out, "secret") {
				t.Errorf("GUIDE-6-gc-16 %s\n%s", src, out)
			}
		}
	}
}

func TestNotice(t *testing.T) {
	for want, n := range map[string]Notice{
		"":                                      {},
		"Hamlet has arrived.":                   {Kind: Arrived, Nick: "Hamlet"},
		"Hamlet has been banned: mad":           {Kind: Banned, Nick: "Hamlet", Reason: "mad"},
		"Hamlet has been removed.":              {Kind: Removed, Nick: "Hamlet"},
		"You are invited into the room.":        {Kind: Invited},
		"a@b declines the invitation.":          {Kind: Declined, Nick: "a@b"},
		"Hamlet is now known as Prince.":        {Kind: Renamed, Nick: "Hamlet", NewNick: "Prince"},
		"You are invited into the room by X: y": {Kind: Invited, Nick: "X", Reason: "y"},
	} {
		if got := n.String(); got != want {
			t.Errorf("%+v: %q", n, got)
		}
	}
}

// TestOldView is what a service of Multi-User Chat shows and tells a client of old.
func TestOldView(t *testing.T) {
	const x = "<x xmlns='http://jabber.org/protocol/muc#user'>"
	for _, tt := range []struct {
		name, src, plain string
		told             Notice
	}{
		{"an arrival", "<presence from='ACT/Hamlet'><show>away</show>" + x + "<item role='participant'/></x></presence>",
			"<presence from='ACT/Hamlet'><show>away</show></presence>", Notice{}},
		{"GUIDE-6-gc-8 gone", "<presence type='unavailable' from='ACT/Hamlet'>" + x + "<item role='none'/></x></presence>",
			"<presence type='unavailable' from='ACT/Hamlet'/>", Notice{Kind: Left, Nick: "Hamlet"}},
		{"GUIDE-6-gc-9 another nick", "<presence type='unavailable' from='ACT/Hamlet'>" + x + "<item nick='Prince'/>" +
			"<status code='303'/></x></presence>", "<presence type='unavailable' from='ACT/Hamlet'/>",
			Notice{Kind: Renamed, Nick: "Hamlet", NewNick: "Prince"}},
		{"kicked", "<presence type='unavailable' from='ACT/Hamlet'>" + x + "<item><reason>Avaunt!</reason></item>" +
			"<status code='307'/></x></presence>", "<presence type='unavailable' from='ACT/Hamlet'/>",
			Notice{Kind: Kicked, Nick: "Hamlet", Reason: "Avaunt!"}},
		{"banned", "<presence type='unavailable' from='ACT/Hamlet'>" + x + "<status code='301'/></x></presence>",
			"<presence type='unavailable' from='ACT/Hamlet'/>", Notice{Kind: Banned, Nick: "Hamlet"}},
		{"removed", "<presence type='unavailable' from='ACT/Hamlet'>" + x + "<status code='322'/></x></presence>",
			"<presence type='unavailable' from='ACT/Hamlet'/>", Notice{Kind: Removed, Nick: "Hamlet"}},
		{"another nick that is not said", "<presence type='unavailable' from='ACT/Hamlet'>" + x +
			"<status code='303'/></x></presence>", "<presence type='unavailable' from='ACT/Hamlet'/>", Notice{}},
		{"a message", "<message from='ACT/Hamlet'><body>x</body>" + x + "</x></message>",
			"<message from='ACT/Hamlet'><body>x</body></message>", Notice{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := parse(t, full(tt.src))
			if got := Plain(st).String(); got != full(tt.plain) {
				t.Errorf("plain %s", got)
			}
			n, ok := Told(st)
			if ok != (tt.told != Notice{}) || ok && n != tt.told {
				t.Errorf("told %+v, %v", n, ok)
			}
		})
	}
	m, err := ServiceMessage(jid.MustParse(act3+"/x"), jid.MustParse(hamlet), "Hamlet has arrived.").Stanza()
	const told = "<message type='groupchat' to='HAMLET' from='ACT'><body>Hamlet has arrived.</body></message>"
	if err != nil || m.String() != full(told) {
		t.Errorf("GUIDE-6-gc-12: %v, %v", m, err)
	}
	const joins = "<presence><x xmlns='http://jabber.org/protocol/muc'/></presence>"
	if IsMUC(parse(t, "<presence/>")) || !IsMUC(parse(t, joins)) {
		t.Error("GUIDE-6-gc-5: IsMUC")
	}
}

func TestParseInvitation(t *testing.T) {
	const x = "<x xmlns='http://jabber.org/protocol/muc#user'>"
	room := jid.MustParse(act3)
	for _, tt := range []struct {
		name, src string
		want      *Invitation
	}{
		{"passed on by a room", "<message from='ACT'>" + x + "<invite from='GHOST'><reason> come </reason></invite>" +
			"<password>p</password></x></message>",
			&Invitation{Room: room, By: jid.MustParse(ghost), Reason: "come", Password: "p"}},
		{"passed on, with the text in the body", "<message from='ACT'><body>come</body>" + x + "<invite/></x></message>",
			&Invitation{Room: room, Reason: "come"}},
		{"direct", "<message from='GHOST'><x xmlns='jabber:x:conference' jid='ACT' reason='come' password='p'/></message>",
			&Invitation{Room: room, By: jid.MustParse(ghost), Reason: "come", Password: "p"}},
		{"of old", "<message from='ACT'><body>b</body><x xmlns='jabber:x:conference' jid='ACT/x'>come</x></message>",
			&Invitation{Room: room, Reason: "come"}},
		{"of old, without a reason", "<message from='ACT'><body>b</body><x xmlns='jabber:x:conference' jid='ACT'/></message>",
			&Invitation{Room: room, Reason: "b"}},
		{"somebody who is no room", "<message from='GHOST'>" + x + "<invite/></x></message>", nil},
		{"into nothing", "<message from='GHOST'><x xmlns='jabber:x:conference' jid='gc.denmark'/></message>", nil},
		{"an error", "<message type='error' from='ACT'>" + x + "<invite/></x></message>", nil},
		{"a presence", "<presence from='ACT'>" + x + "<invite/></x></presence>", nil},
	} {
		t.Run("GUIDE-6-gc-3 "+tt.name, func(t *testing.T) {
			got, ok := ParseInvitation(parse(t, full(tt.src)))
			if ok != (tt.want != nil) || ok && got != *tt.want {
				t.Errorf("got %+v, %v", got, ok)
			}
		})
	}
	for _, src := range []string{"<presence to='ACT'/>",
		"<message to='ACT/Hamlet'><subject>invite:a@b</subject></message>",
		"<message to='gc.denmark'><subject>invite:a@b</subject></message>"} {
		if inv, ok, err := ParseRequest(parse(t, full(src))); ok || err != nil {
			t.Errorf("%s: %+v, %v", src, inv, err)
		}
	}
	inv, ok, err := ParseRequest(parse(t, full("<message to='ACT' from='GHOST'>"+x+"<invite/></x></message>")))
	if !ok || !errors.Is(err, stanza.JIDMalformed) {
		t.Errorf("GUIDE-6-gc-14: %+v, %v, %v", inv, ok, err)
	}
}
