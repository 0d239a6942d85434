package groupchat_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/groupchat"
	"github.com/etherx-go/xmpp/stanza"
)

// A bot is in a room and answers who greets it. Give the Rooms to
// client.Config.Extensions.
func ExampleRooms() {
	room := jid.MustParse("act3@gc.example.org")
	bot := func(ctx context.Context, s xmpp.Sender, rooms *groupchat.Rooms) error {
		rooms.OnEvent = func(ctx context.Context, e groupchat.Event) {
			if e.Kind == groupchat.EventMessage && !e.Self && e.Message.Body == "hello" {
				groupchat.Say(ctx, s, e.Room, "Hello, "+e.Nick+"!")
			}
		}
		at, err := room.WithResource("Yorick")
		if err != nil {
			return err
		}
		return rooms.Join(ctx, at)
	}
	_ = bot
}

// A service of rooms, at a domain of its own: attach it to a component, or to a
// service in a server's process.
func ExampleService() {
	_ = &groupchat.Service{
		Name:  "The Globe",
		Rules: groupchat.Rules{MaxOccupants: 50},
		Admit: func(_ context.Context, user, _ jid.JID) error {
			if user.Domain() != "example.org" {
				return stanza.RegistrationRequired
			}
			return nil
		},
	}
}

// What a room of Multi-User Chat sends, as a client of old gets it.
func ExampleTold() {
	st, err := stanza.Parse("<presence type='unavailable' from='act3@muc.example.org/Polonius'>" +
		"<x xmlns='http://jabber.org/protocol/muc#user'><item><reason>a rat!</reason></item>" +
		"<status code='307'/></x></presence>")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(groupchat.Plain(st))
	fmt.Println(groupchat.Told(st))
	// Output:
	// <presence type='unavailable' from='act3@muc.example.org/Polonius'/>
	// Polonius has been kicked: a rat! true
}
