package groupchat_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/internal/describe"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/agents"
	"github.com/etherx-go/xmpp/legacy/groupchat"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/xmpptest"
)

// service is a host in the server's process.
type service struct {
	xmpp.Sender
	mux        *xmpp.Mux
	extensions []xmpp.Extension
}

func (s *service) Mux() *xmpp.Mux               { return s.mux }
func (s *service) IsServer() bool               { return false }
func (s *service) Features(at jid.JID) []string { return describe.Features(nil, s.extensions, at) }

// start attaches the service to a server, at gc.example.org.
func start(t *testing.T, s *xmpptest.Server, g *groupchat.Service) {
	t.Helper()
	v := &service{mux: new(xmpp.Mux), extensions: []xmpp.Extension{g}}
	local, err := s.Local(jid.MustParse("gc.example.org"), v.mux)
	if err != nil {
		t.Fatal(err)
	}
	v.Sender = local
	if err := g.Attach(v); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := g.Close(ctx, ""); err != nil {
			t.Errorf("the service did not end: %v", err)
		}
		local.Close()
	})
}

// person is somebody with a client.
type person struct {
	*client.Client
	rooms *groupchat.Rooms
	t     *testing.T
	seen  chan string
}

func come(t *testing.T, s *xmpptest.Server, name string) *person {
	t.Helper()
	p := &person{rooms: new(groupchat.Rooms), t: t, seen: make(chan string, 100)}
	p.rooms.OnEvent = func(_ context.Context, e groupchat.Event) {
		text := e.Kind.String() + " " + e.Nick
		switch {
		case e.Invitation != nil:
			text += fmt.Sprint(e.Invitation.Room, " ", e.Invitation.By, " ", e.Invitation.Reason)
		case e.Kind == groupchat.EventSubject:
			text += ": " + e.Message.Subject
		case e.Message != nil:
			text += ": " + e.Message.Body
		}
		p.seen <- text
	}
	cfg := s.ClientConfig(name, nil)
	cfg.Extensions = append(cfg.Extensions, p.rooms)
	p.Client = s.Start(cfg)
	return p
}

// sees waits for events, in their order.
func (p *person) sees(want ...string) {
	p.t.Helper()
	for _, w := range want {
		select {
		case got := <-p.seen:
			if got != w {
				p.t.Errorf("%s sees %q, want %q", p.LocalAddr().Local(), got, w)
			}
		case <-time.After(10 * time.Second):
			p.t.Fatalf("%s does not see %q", p.LocalAddr().Local(), w)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestServer is a conversation on a real server.
func TestServer(t *testing.T) {
	s := xmpptest.NewServer(t)
	start(t, s, &groupchat.Service{Admit: func(_ context.Context, user, at jid.JID) error {
		if user.Local() == "polonius" {
			return stanza.RegistrationRequired
		}
		return nil
	}})
	hamlet, ophelia := come(t, s, "hamlet/castle"), come(t, s, "ophelia/tower")
	ctx, room := t.Context(), jid.MustParse("act3@gc.example.org")
	at := func(nick string) jid.JID { return jid.MustParse(room.String() + "/" + nick) }

	must(t, hamlet.rooms.Join(ctx, at("Hamlet")))
	hamlet.sees("joined Hamlet", "notice : Hamlet has arrived.")
	must(t, ophelia.rooms.Join(ctx, at("Ophelia")))
	ophelia.sees("joined Ophelia", "notice : Ophelia has arrived.")
	hamlet.sees("arrived Ophelia", "notice : Ophelia has arrived.")
	t.Run("GUIDE-6-gc-4 GUIDE-6-gc-6 GUIDE-6-gc-19 the list of participants", func(t *testing.T) {
		if got := ophelia.rooms.Participants(room); len(got) != 2 || got[0].Nick != "Hamlet" || got[1].Nick != "Ophelia" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("GUIDE-6-gc-26 GUIDE-6-gc-27 errors on joining", func(t *testing.T) {
		polonius := come(t, s, "polonius/arras")
		if err := polonius.rooms.Join(ctx, at("Polonius")); !errors.Is(err, stanza.RegistrationRequired) {
			t.Error(err)
		}
		king := come(t, s, "king/throne")
		if err := king.rooms.Join(ctx, at("Hamlet")); !errors.Is(err, stanza.Conflict) {
			t.Error(err)
		}
	})
	t.Run("GUIDE-6-gc-24 GUIDE-6-gc-20 GUIDE-6-gc-13 what is said", func(t *testing.T) {
		must(t, groupchat.Say(ctx, hamlet, room, "To be, or not to be"))
		hamlet.sees("message Hamlet: To be, or not to be")
		ophelia.sees("message Hamlet: To be, or not to be")
		must(t, groupchat.SetSubject(ctx, hamlet, room, "Scene I"))
		hamlet.sees("subject Hamlet: Scene I")
		ophelia.sees("subject Hamlet: Scene I")
		must(t, groupchat.Private(ctx, hamlet, at("Ophelia"), "Soft you now!"))
		ophelia.sees("private Hamlet: Soft you now!")
	})
	t.Run("GUIDE-6-gc-14 GUIDE-6-gc-3 an invitation", func(t *testing.T) {
		ghost := come(t, s, "ghost/platform")
		must(t, presence.Available(ctx, ghost, "", "", 0))
		disco.GetInfo(ctx, ghost, jid.MustParse("example.org"), "") // whatever the answer is, the presence is there then
		must(t, groupchat.Invite(ctx, hamlet, room, ghost.LocalAddr().Bare(), "Pity me not"))
		ghost.sees("invited act3@gc.example.org act3@gc.example.org/Hamlet Pity me not")
	})
	t.Run("GUIDE-6-gc-9 another nick", func(t *testing.T) {
		must(t, hamlet.rooms.ChangeNick(ctx, room, "Prince"))
		hamlet.sees("renamed Prince", "notice : Hamlet is now known as Prince.")
		ophelia.sees("departed Hamlet", "arrived Prince", "notice : Hamlet is now known as Prince.")
	})
	t.Run("GUIDE-6-gc-25 leaving", func(t *testing.T) {
		must(t, ophelia.rooms.Leave(ctx, room, ""))
		ophelia.sees("left Ophelia")
		hamlet.sees("departed Ophelia", "notice : Ophelia has left.")
	})
	t.Run("GUIDE-6-gc-8 whose session ends has left", func(t *testing.T) {
		must(t, ophelia.rooms.Join(ctx, at("Ophelia")))
		ophelia.sees("joined Ophelia", "notice : Ophelia has arrived.", "subject : Scene I")
		hamlet.sees("arrived Ophelia", "notice : Ophelia has arrived.")
		must(t, ophelia.Close())
		hamlet.sees("departed Ophelia", "notice : Ophelia has left.")
	})
	t.Run("what the service is", func(t *testing.T) {
		a, err := agents.Get(ctx, hamlet, room.DomainJID())
		if err != nil || !a.GroupChat || a.Service != agents.ServiceConference {
			t.Errorf("%+v, %v", a, err)
		}
		if ok, err := disco.Supports(ctx, hamlet, room.DomainJID(), groupchat.Feature); !ok || err != nil {
			t.Errorf("%v, %v", ok, err)
		}
	})
}

// TestServerSubscription: a room in the roster of a real account.
func TestServerSubscription(t *testing.T) {
	s := xmpptest.NewServer(t)
	start(t, s, new(groupchat.Service))
	seen := make(chan string, 100)
	mux := new(xmpp.Mux)
	room := jid.MustParse("act3@gc.example.org")
	mux.OnPresence(func(_ context.Context, _ xmpp.Sender, p *stanza.Presence) error {
		if p.From.Bare() == room {
			seen <- string(p.Type)
		}
		return nil
	})
	ctx := t.Context()
	watcher := s.Client("polonius", mux)
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-seen:
			if got != want {
				t.Errorf("GUIDE-6-gc-15: got %q, want %q", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("GUIDE-6-gc-15: no presence of type %q", want)
		}
	}
	must(t, presence.Available(ctx, watcher, "", "", 0))
	must(t, presence.Subscribe(ctx, watcher, jid.MustParse("act3@gc.example.org/Polonius"), ""))
	expect("subscribed")
	expect("unavailable")
	hamlet := come(t, s, "hamlet")
	must(t, hamlet.rooms.Join(ctx, jid.MustParse("act3@gc.example.org/Hamlet")))
	expect("")
	must(t, hamlet.rooms.Leave(ctx, room, ""))
	expect("unavailable")
}
