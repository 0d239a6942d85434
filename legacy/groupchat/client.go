package groupchat

import (
	"context"
	"errors"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Errors of the functions of clients. Nothing was sent.
var (
	// ErrNoNick: the address is not one of the form room@service/nick.
	ErrNoNick = errors.New("groupchat: not the address of a participant, room@service/nick")
	// ErrNoRoom: the address is not one of the form room@service.
	ErrNoRoom = errors.New("groupchat: not the address of a room, room@service")
	// ErrNotIn: one is not in the room.
	ErrNotIn = errors.New("groupchat: not in the room")
)

// isNick returns an error unless the address is one of a participant.
func isNick(at jid.JID) error {
	if at.Local() == "" || !at.IsFull() {
		return ErrNoNick
	}
	return nil
}

// roomOf returns the address of a room; at may be that of somebody in it.
func roomOf(at jid.JID) (jid.JID, error) {
	if at.Local() == "" {
		return jid.JID{}, ErrNoRoom
	}
	return at.Bare(), nil
}

// Join asks to be let into a room, at the address room@service/nick. It sends what
// Multi-User Chat has added, which services of old ignore (XEP-0045, section 7.2.1).
// The answer are the presences of those in the room, the last of them one's own, from
// that address; or a presence of type error from there: [Rooms.Join] waits for it.
func Join(ctx context.Context, s xmpp.Sender, at jid.JID) error {
	if err := isNick(at); err != nil {
		return err
	}
	return xmpp.Send(ctx, s, &stanza.Presence{To: at, Payloads: []any{joins{}}})
}

// Leave leaves a room that one is in as room@service/nick. status says why, if it is
// not empty.
func Leave(ctx context.Context, s xmpp.Sender, at jid.JID, status string) error {
	if err := isNick(at); err != nil {
		return err
	}
	return xmpp.Send(ctx, s, &stanza.Presence{To: at, Type: stanza.TypeUnavailable, Status: status})
}

// ChangeNick asks for another nick in a room that one is in. The answer is presence
// from both nicks, or one of type error.
func ChangeNick(ctx context.Context, s xmpp.Sender, room jid.JID, nick string) error {
	at, err := room.Bare().WithResource(nick)
	if err != nil {
		return err
	}
	if err := isNick(at); err != nil {
		return err
	}
	return xmpp.Send(ctx, s, &stanza.Presence{To: at})
}

// Show tells a room that one is in, as room@service/nick, how one is there.
func Show(ctx context.Context, s xmpp.Sender, at jid.JID, show stanza.Show, status string) error {
	if err := isNick(at); err != nil {
		return err
	}
	return xmpp.Send(ctx, s, &stanza.Presence{To: at, Show: show, Status: status})
}

// Say says something to all in a room. It comes back to who has said it, too.
func Say(ctx context.Context, s xmpp.Sender, room jid.JID, body string) error {
	return toRoom(ctx, s, room, stanza.Message{Type: stanza.TypeGroupChat, Body: body})
}

// SetSubject changes what is talked about in a room, by a message with nothing but a
// subject (XEP-0045, section 8.1).
func SetSubject(ctx context.Context, s xmpp.Sender, room jid.JID, subject string) error {
	m := stanza.Message{Type: stanza.TypeGroupChat, Subject: subject}
	if subject == "" {
		m.Payloads = []any{stanza.Raw("<subject/>")}
	}
	return toRoom(ctx, s, room, m)
}

// Private says something to one participant, at room@service/nick.
func Private(ctx context.Context, s xmpp.Sender, at jid.JID, body string) error {
	if err := isNick(at); err != nil {
		return err
	}
	return xmpp.Send(ctx, s, &stanza.Message{Type: stanza.TypeChat, To: at, Body: body})
}

// Invite asks a room of a service of old to invite somebody, with a text. A service of
// Multi-User Chat may know this form no more, and does know a better one (XEP-0045,
// section 7.8).
func Invite(ctx context.Context, s xmpp.Sender, room, who jid.JID, text string) error {
	if who.Local() == "" {
		return stanza.NewError(stanza.JIDMalformed, "It is not said whom to invite.")
	}
	return toRoom(ctx, s, room, stanza.Message{Subject: inviteSubject + who.String(), Body: text})
}

func toRoom(ctx context.Context, s xmpp.Sender, room jid.JID, m stanza.Message) (err error) {
	if m.To, err = roomOf(room); err != nil {
		return err
	}
	return xmpp.Send(ctx, s, &m)
}
