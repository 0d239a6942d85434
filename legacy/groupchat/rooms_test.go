package groupchat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// guest is a client in a test, to which a room talks that the test plays.
type guest struct {
	*Rooms
	*host
	t    *testing.T
	told []string
	last Event
}

func newGuest(t *testing.T, r *Rooms) *guest {
	g := &guest{r, &host{local: jid.MustParse(hamlet)}, t, nil, Event{}}
	r.OnEvent = func(_ context.Context, e Event) {
		g.last = e
		s := e.Kind.String() + " " + e.Room.Local()
		if e.OldNick != "" {
			s += " " + e.OldNick + "->"
		} else if e.Nick != "" {
			s += " "
		}
		s += e.Nick
		if e.Self {
			s += " self"
		}
		if e.Err != nil {
			s += " " + e.Err.Error()
		}
		g.told = append(g.told, s)
	}
	if err := r.Attach(g.host); err != nil {
		t.Fatal(err)
	}
	return g
}

// hear hands a stanza to the client, and compares the events.
func (g *guest) hear(src string, want ...string) {
	g.t.Helper()
	if err := g.mux.HandleXMPP(g.t.Context(), g.host, parse(g.t, full(src))); err != nil {
		g.t.Errorf("%s: %v", src, err)
	}
	g.events(src, want...)
}

func (g *guest) events(src string, want ...string) {
	g.t.Helper()
	if !slices.Equal(g.told, want) {
		g.t.Errorf("%s\ntold %q\nwant %q", src, g.told, want)
	}
	g.told = nil
}

// people compares who is known to be in the room, and by what nick oneself is.
func (g *guest) people(want string) {
	g.t.Helper()
	var nicks []string
	for _, p := range g.Participants(jid.MustParse(act3)) {
		nicks = append(nicks, p.Nick)
		if p.Presence.From.Resource() != p.Nick && !strings.Contains(want, "~") {
			g.t.Errorf("the presence of %s is that of %s", p.Nick, p.Presence.From)
		}
	}
	if got := fmt.Sprint(nicks, g.List()); got != strings.Trim(full(want), "~") {
		g.t.Errorf("known %s\nwant  %s", got, full(want))
	}
}

// join takes the client into the room, where Ophelia is.
func (g *guest) join() {
	g.t.Helper()
	if err := g.Enter(g.t.Context(), jid.MustParse(act3+"/Hamlet")); err != nil {
		g.t.Fatal(err)
	}
	g.hear("<presence from='ACT/Ophelia'/>")
	g.hear("<presence from='ACT/Hamlet'/>", "joined act3 Hamlet self")
	g.host.take()
}

func TestRooms(t *testing.T) {
	ctx := t.Context()
	room := jid.MustParse(act3)
	t.Run("GUIDE-6-gc-5 GUIDE-6-gc-6 GUIDE-6-gc-19 joining", func(t *testing.T) {
		g := newGuest(t, new(Rooms))
		if err := g.Enter(ctx, jid.MustParse(act3+"/Hamlet")); err != nil {
			t.Fatal(err)
		}
		if got := g.host.take(); len(got) != 1 ||
			got[0] != "<presence to='act3@gc.denmark/Hamlet'><x xmlns='http://jabber.org/protocol/muc'/></presence>" {
			t.Errorf("sent %q", got)
		}
		g.hear("<presence from='ACT/Ophelia'><show>away</show></presence>")
		g.people("[] []") // not yet
		g.hear("<presence from='ACT/Hamlet'/>", "joined act3 Hamlet self")
		g.people("[Hamlet Ophelia] [ACT/Hamlet]")
		if p := g.Participants(room)[1].Presence; p.Show != stanza.ShowAway {
			t.Errorf("GUIDE-6-gc-7: %+v", p)
		}
	})
	t.Run("GUIDE-6-gc-18 the list is made of presence, not of messages", func(t *testing.T) {
		g := newGuest(t, new(Rooms))
		g.join()
		g.hear("<message type='groupchat' from='ACT'><body>Polonius has arrived.</body></message>", "notice act3")
		g.people("[Hamlet Ophelia] [ACT/Hamlet]")
		g.hear("<presence from='ACT/Polonius'/>", "arrived act3 Polonius")
		g.hear("<message type='groupchat' from='ACT'><body>Ophelia has left.</body></message>", "notice act3")
		g.hear("<message type='groupchat' from='ACT/Ophelia'><body>Ophelia has left.</body></message>",
			"message act3 Ophelia")
		g.people("[Hamlet Ophelia Polonius] [ACT/Hamlet]")
		g.hear("<presence from='ACT/Polonius'><show>na</show><status>Withdrawn</status></presence>", "changed act3 Polonius")
		if p := g.last.Presence; p.Show != stanza.ShowExtendedAway || p.Status != "Withdrawn" {
			t.Errorf("GUIDE-6-gc-7: %+v", p)
		}
		g.hear("<presence type='unavailable' from='ACT/Polonius'/>", "departed act3 Polonius")
		g.hear("<presence type='unavailable' from='ACT/Polonius'/>")
		g.people("[Hamlet Ophelia] [ACT/Hamlet]")
	})
	t.Run("GUIDE-6-gc-12 GUIDE-6-gc-11 GUIDE-6-gc-13 GUIDE-6-gc-20 what is said", func(t *testing.T) {
		g := newGuest(t, new(Rooms))
		g.join()
		g.hear("<message type='groupchat' from='ACT'><body>x</body></message>", "notice act3")
		g.hear("<message type='groupchat' from='ACT/Ophelia'><subject>s</subject><body>x</body></message>",
			"message act3 Ophelia")
		if g.last.Message.Body != "x" || g.last.Message.Subject != "s" {
			t.Errorf("%+v", g.last.Message)
		}
		g.hear("<message type='groupchat' from='ACT/Hamlet'><body>x</body></message>", "message act3 Hamlet self")
		g.hear("<message type='groupchat' from='ACT/Ophelia'><subject>s</subject></message>", "subject act3 Ophelia")
		g.hear("<message type='groupchat' from='ACT'><subject>s</subject></message>", "subject act3")
		g.hear("<message type='chat' from='ACT/Ophelia'><body>x</body></message>", "private act3 Ophelia")
		g.hear("<message from='ACT/Ophelia'><body>x</body></message>", "private act3 Ophelia")
		g.hear("<message type='error' from='ACT/Ophelia'><error code='404'/></message>",
			"refused act3 Ophelia "+stanza.AsError(parse(t, "<message type='error' from='act3@gc.denmark/Ophelia'>"+
				"<error code='404'/></message>").Err()).Error())
	})
	t.Run("GUIDE-6-gc-2 several rooms", func(t *testing.T) {
		g := newGuest(t, &Rooms{MaxRooms: 2})
		g.join()
		if err := g.Enter(ctx, jid.MustParse("act1@gc.denmark/Prince")); err != nil {
			t.Fatal(err)
		}
		g.hear("<presence from='act1@gc.denmark/Prince'/>", "joined act1 Prince self")
		g.people("[Hamlet Ophelia] [act1@gc.denmark/Prince ACT/Hamlet]")
		if err := g.Enter(ctx, jid.MustParse("act2@gc.denmark/Prince")); !errors.Is(err, stanza.ResourceConstraint) {
			t.Error(err)
		}
	})
	t.Run("GUIDE-6-gc-3 a message from a room that one is not in", func(t *testing.T) {
		g := newGuest(t, new(Rooms))
		g.hear("<message type='groupchat' from='ACT'><body>Pity me not</body></message>", "invited act3")
		if inv := g.last.Invitation; *inv != (Invitation{Room: room, Reason: "Pity me not", Hint: true}) {
			t.Errorf("%+v", inv)
		}
		g.hear("<message type='groupchat' from='ACT/Ghost'><body>x</body></message>", "invited act3")
		if g.last.Invitation.By != jid.MustParse(act3+"/Ghost") {
			t.Errorf("%+v", g.last.Invitation)
		}
		for _, src := range []string{"<message type='groupchat' from='ACT'><subject>s</subject></message>",
			"<message type='groupchat' from='gc.denmark'><body>s</body></message>",
			"<message type='error' from='ACT'><body>s</body></message>", "<message from='ACT'><body>s</body></message>",
			"<presence from='ACT/Ghost'/>", "<presence from='gc.denmark'/>"} {
			g.hear(src)
		}
		g.hear("<message from='king@denmark/x'><x xmlns='jabber:x:conference' jid='ACT' reason='r'/></message>",
			"invited act3")
		if g.last.Invitation.By.Local() != "king" || g.last.Invitation.Hint {
			t.Errorf("%+v", g.last.Invitation)
		}
		if sent := g.host.take(); sent != nil || g.List() != nil {
			t.Errorf("joined by itself: %q", sent)
		}
	})
	t.Run("GUIDE-6-gc-9 another nick, of old", func(t *testing.T) {
		g := newGuest(t, new(Rooms))
		g.join()
		if err := g.ChangeNick(ctx, room, "Prince"); err != nil {
			t.Fatal(err)
		}
		if got := g.host.take(); len(got) != 1 || got[0] != "<presence to='act3@gc.denmark/Prince'/>" {
			t.Errorf("sent %q", got)
		}
		g.hear("<presence type='unavailable' from='ACT/Hamlet'/>")
		g.people("[Ophelia] [ACT/Hamlet]")
		g.hear("<presence from='ACT/Prince'/>", "renamed act3 Hamlet->Prince self")
		g.hear("<presence type='unavailable' from='ACT/Ophelia'/>", "departed act3 Ophelia")
		g.hear("<presence from='ACT/Nymph'/>", "arrived act3 Nymph")
		g.people("[Nymph Prince] [ACT/Prince]")
	})
	t.Run("GUIDE-6-gc-9 another nick, of Multi-User Chat", func(t *testing.T) {
		g := newGuest(t, new(Rooms))
		g.join()
		const x = "<x xmlns='http://jabber.org/protocol/muc#user'><item nick='NICK'/><status code='303'/>SELF</x></presence>"
		if err := g.ChangeNick(ctx, room, "Prince"); err != nil {
			t.Fatal(err)
		}
		g.hear("<presence type='unavailable' from='ACT/Hamlet'>"+strings.NewReplacer("NICK", "Prince", "SELF",
			"<status code='110'/>").Replace(x), "renamed act3 Hamlet->Prince self")
		g.people("~[Ophelia Prince] [ACT/Prince]")
		g.hear("<presence from='ACT/Prince'/>", "changed act3 Prince self")
		g.hear("<presence type='unavailable' from='ACT/Ophelia'>"+strings.NewReplacer("NICK", "Nymph", "SELF", "").Replace(x),
			"renamed act3 Ophelia->Nymph")
		g.people("~[Nymph Prince] [ACT/Prince]")
	})
	t.Run("GUIDE-6-gc-27 another nick, which is used", func(t *testing.T) {
		g := newGuest(t, new(Rooms))
		g.join()
		if err := g.ChangeNick(ctx, room, "Ophelia"); err != nil {
			t.Fatal(err)
		}
		g.hear("<presence type='error' from='ACT/Ophelia'><error code='409'/></presence>",
			"refused act3 Ophelia "+stanza.AsError(parse(t, "<presence type='error' from='act3@gc.denmark/Ophelia'>"+
				"<error code='409'/></presence>").Err()).Error())
		if !errors.Is(g.last.Err, stanza.Conflict) {
			t.Error(g.last.Err)
		}
		g.hear("<presence type='unavailable' from='ACT/Hamlet'/>", "left act3 Hamlet self") // not a change any more
	})
	t.Run("GUIDE-6-gc-8 GUIDE-6-gc-25 leaving", func(t *testing.T) {
		g := newGuest(t, new(Rooms))
		g.join()
		if err := g.Leave(ctx, room, "exit"); err != nil {
			t.Fatal(err)
		}
		if got := g.host.take(); len(got) != 1 ||
			got[0] != "<presence type='unavailable' to='act3@gc.denmark/Hamlet'><status>exit</status></presence>" {
			t.Errorf("sent %q", got)
		}
		g.hear("<presence type='unavailable' from='ACT/Hamlet'/>", "left act3 Hamlet self")
		g.people("[] []")
		for _, err := range []error{g.Leave(ctx, room, ""), g.ChangeNick(ctx, room, "x"), g.Show(ctx, room, "", "")} {
			if !errors.Is(err, ErrNotIn) {
				t.Error(err)
			}
		}
	})
	t.Run("leaving, and coming back at once", func(t *testing.T) {
		g := newGuest(t, new(Rooms))
		g.join()
		if err := errors.Join(g.Leave(ctx, room, ""), g.Enter(ctx, jid.MustParse(act3+"/Hamlet"))); err != nil {
			t.Fatal(err)
		}
		g.hear("<presence type='unavailable' from='ACT/Hamlet'/>")
		g.hear("<presence from='ACT/Hamlet'/>", "joined act3 Hamlet self")
		g.hear("<presence type='unavailable' from='ACT/Hamlet'/>", "left act3 Hamlet self")
	})
	t.Run("thrown out", func(t *testing.T) {
		for code, want := range map[string]string{"307": "kicked: r", "301": "banned: r", "321": "removed: r"} {
			g := newGuest(t, new(Rooms))
			g.join()
			g.hear("<presence type='unavailable' from='ACT/Hamlet'><x xmlns='http://jabber.org/protocol/muc#user'>"+
				"<item><reason>r</reason></item><status code='"+code+"'/></x></presence>", "left act3 Hamlet self groupchat: "+want)
		}
	})
	t.Run("how one is there", func(t *testing.T) {
		g := newGuest(t, new(Rooms))
		g.join()
		if err := g.Show(ctx, room, stanza.ShowAway, "asleep"); err != nil {
			t.Fatal(err)
		}
		if got := g.host.take(); len(got) != 1 ||
			got[0] != "<presence to='act3@gc.denmark/Hamlet'><show>away</show><status>asleep</status></presence>" {
			t.Errorf("GUIDE-6-gc-7: sent %q", got)
		}
		g.hear("<presence from='ACT'/>") // the room is there: nobody's presence
	})
	t.Run("only so many participants are known", func(t *testing.T) {
		g := newGuest(t, &Rooms{MaxParticipants: 2})
		g.join()
		g.hear("<presence from='ACT/King'/>", "arrived act3 King")
		g.hear("<presence from='ACT/Ophelia'/>", "changed act3 Ophelia")
		g.people("[Hamlet Ophelia] [ACT/Hamlet]")
	})
	if f := new(Rooms).Features(jid.JID{}); !slices.Equal(f, []string{"jabber:x:conference"}) {
		t.Error(f)
	}
	if EventKind(99).String() != "unknown" || EventRefused.String() != "refused" {
		t.Error("names of events")
	}
}

func TestRoomsJoin(t *testing.T) {
	at := jid.MustParse(act3 + "/Hamlet")
	join := func(name string, fn func(t *testing.T, g *guest, result chan error)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuest(t, new(Rooms))
				result := make(chan error, 1)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				go func() { result <- g.Join(ctx, at) }()
				synctest.Wait()
				fn(t, g, result)
			})
		})
	}
	join("is let in, under another nick", func(t *testing.T, g *guest, result chan error) {
		g.hear("<presence from='ACT/Prince'><x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/>"+
			"<status code='210'/></x></presence>", "joined act3 Prince self")
		if err := <-result; err != nil {
			t.Error(err)
		}
		g.people("[Prince] [ACT/Prince]")
		if err := g.Join(t.Context(), jid.MustParse(act3+"/Hamlet")); err != nil { // in already
			t.Error(err)
		}
	})
	for code, cond := range map[string]stanza.Condition{"409": stanza.Conflict, "407": stanza.RegistrationRequired} {
		id := map[string]string{"409": "GUIDE-6-gc-27", "407": "GUIDE-6-gc-26"}[code]
		join(id+" is refused with "+code, func(t *testing.T, g *guest, result chan error) {
			if err := g.mux.HandleXMPP(t.Context(), g.host, parse(t, full("<presence type='error' from='ACT/Hamlet'>"+
				"<error code='"+code+"'/></presence>"))); err != nil {
				t.Error(err)
			}
			if err := <-result; !errors.Is(err, cond) || g.last.Kind != EventLeft || !errors.Is(g.last.Err, cond) {
				t.Errorf("%v, %+v", err, g.last)
			}
			if len(g.rooms) != 0 {
				t.Error("is remembered")
			}
		})
	}
	join("is thrown out before", func(t *testing.T, g *guest, result chan error) {
		g.hear("<presence type='unavailable' from='ACT/Ophelia'/>")
		g.hear("<presence type='unavailable' from='ACT/Hamlet'><x xmlns='http://jabber.org/protocol/muc#user'>"+
			"<status code='110'/><status code='307'/><status code='333'/></x></presence>",
			"left act3 Hamlet self groupchat: kicked")
		if err := <-result; err == nil {
			t.Error("no error")
		}
	})
	join("nobody answers", func(t *testing.T, g *guest, result chan error) {
		g.host.take()
		if err := <-result; !errors.Is(err, context.DeadlineExceeded) || len(g.rooms) != 0 {
			t.Error(err)
		}
		if got := g.host.take(); len(got) != 1 || got[0] != "<presence type='unavailable' to='act3@gc.denmark/Hamlet'/>" {
			t.Errorf("sent %q", got)
		}
	})
	join("the session ends", func(t *testing.T, g *guest, result chan error) {
		g.SessionDown(g.host, nil)
		if err := <-result; !errors.Is(err, xmpp.ErrSessionLost) {
			t.Error(err)
		}
		g.events("SessionDown")
	})
	g := newGuest(t, new(Rooms))
	g.fail = xmpp.ErrNotConnected
	if err := g.Join(t.Context(), at); !errors.Is(err, xmpp.ErrNotConnected) || len(g.rooms) != 0 {
		t.Error(err)
	}
	if err := g.Join(t.Context(), at.Bare()); !errors.Is(err, ErrNoNick) {
		t.Error(err)
	}
}

func TestRejoin(t *testing.T) {
	g := newGuest(t, &Rooms{Rejoin: true})
	g.join()
	g.SessionDown(g.host, xmpp.ErrClosed)
	g.events("SessionDown", "left act3 Hamlet self "+xmpp.ErrClosed.Error())
	g.SessionUp(t.Context(), g.host)
	if got := g.host.take(); len(got) != 1 || !strings.Contains(got[0], "to='act3@gc.denmark/Hamlet'") {
		t.Errorf("sent %q", got)
	}
	g.hear("<presence from='ACT/Hamlet'/>", "joined act3 Hamlet self")
	g.SessionDown(g.host, xmpp.ErrClosed)
	g.told, g.fail = nil, xmpp.ErrNotConnected
	g.SessionUp(t.Context(), g.host)
	g.events("SessionUp", "left act3 Hamlet self "+xmpp.ErrNotConnected.Error())
	g.SessionUp(t.Context(), g.host)
	g.events("SessionUp, once more")
}

func TestFunctions(t *testing.T) {
	ctx := t.Context()
	h := &host{local: jid.MustParse(hamlet)}
	room, at, user := jid.MustParse(act3), jid.MustParse(act3+"/Ophelia"), jid.MustParse("hamlet@denmark")
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"GUIDE-6-gc-5 Join", Join(ctx, h, at),
			"<presence to='ACT/Ophelia'><x xmlns='http://jabber.org/protocol/muc'/></presence>"},
		{"GUIDE-6-gc-8 Leave", Leave(ctx, h, at, "x"),
			"<presence type='unavailable' to='ACT/Ophelia'><status>x</status></presence>"},
		{"GUIDE-6-gc-9 ChangeNick", ChangeNick(ctx, h, room, "Nymph"), "<presence to='ACT/Nymph'/>"},
		{"GUIDE-6-gc-7 Show", Show(ctx, h, at, stanza.ShowChat, ""),
			"<presence to='ACT/Ophelia'><show>chat</show></presence>"},
		{"GUIDE-6-gc-11 Say", Say(ctx, h, at, "x"), "<message type='groupchat' to='ACT'><body>x</body></message>"},
		{"GUIDE-6-gc-20 SetSubject", SetSubject(ctx, h, room, "x"),
			"<message type='groupchat' to='ACT'><subject>x</subject></message>"},
		{"GUIDE-6-gc-20 SetSubject to nothing", SetSubject(ctx, h, room, ""),
			"<message type='groupchat' to='ACT'><subject/></message>"},
		{"GUIDE-6-gc-13 Private", Private(ctx, h, at, "x"), "<message type='chat' to='ACT/Ophelia'><body>x</body></message>"},
		{"GUIDE-6-gc-14 Invite", Invite(ctx, h, room, user, "x"),
			"<message to='ACT'><subject>invite:hamlet@denmark</subject><body>x</body></message>"},
	} {
		if tt.err != nil {
			t.Errorf("%s: %v", tt.name, tt.err)
		}
		if len(h.sent) == 0 || h.sent[0] != full(tt.want) {
			t.Fatalf("%s: sent %q", tt.name, h.sent)
		}
		h.sent = h.sent[1:]
	}
	service := jid.MustParse("gc.denmark")
	for _, tt := range []struct{ err, want error }{
		{Join(ctx, h, room), ErrNoNick}, {Leave(ctx, h, room, ""), ErrNoNick}, {Private(ctx, h, room, "x"), ErrNoNick},
		{Show(ctx, h, room, "", ""), ErrNoNick}, {ChangeNick(ctx, h, service, "x"), ErrNoNick},
		{Say(ctx, h, service, "x"), ErrNoRoom}, {Invite(ctx, h, room, service, "x"), stanza.JIDMalformed},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%v, want %v", tt.err, tt.want)
		}
	}
	if ChangeNick(ctx, h, room, "\x00") == nil || len(h.sent) != 0 {
		t.Errorf("sent %q", h.sent)
	}
}
