package groupchat

import (
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NoticeKind says what a [Notice] is about.
type NoticeKind uint8

// The kinds of notices.
const (
	Arrived  NoticeKind = iota + 1 // Nick has come into the room
	Left                           // Nick has left it
	Renamed                        // Nick is called NewNick from now on
	Kicked                         // Nick was thrown out
	Banned                         // Nick was thrown out, and may not come back
	Removed                        // Nick may not be in the room any more
	Invited                        // Nick invites somebody into the room
	Declined                       // Nick, the address of who was invited, does not come
)

// Notice is something that a room tells its participants of in words: "This is
// simply for the benefit of the participants and should not dictate the behaviour of
// the group chat roster" (Jabber Programmers Guide, chapter 6).
type Notice struct {
	Kind          NoticeKind
	Nick, NewNick string
	Reason        string // what whoever did it says, "" for nothing
}

// String returns the notice in English, as the Guide has it.
func (n Notice) String() string {
	var text string
	switch n.Kind {
	case Arrived:
		text = n.Nick + " has arrived"
	case Left:
		text = n.Nick + " has left"
	case Renamed:
		text = n.Nick + " is now known as " + n.NewNick
	case Kicked:
		text = n.Nick + " has been kicked"
	case Banned:
		text = n.Nick + " has been banned"
	case Removed:
		text = n.Nick + " has been removed"
	case Invited:
		text = "You are invited into the room"
		if n.Nick != "" {
			text += " by " + n.Nick
		}
	case Declined:
		text = n.Nick + " declines the invitation"
	default:
		return ""
	}
	if n.Reason != "" {
		return text + ": " + n.Reason
	}
	return text + "."
}

// ServiceMessage returns a message of the room itself to one participant: it is from
// the bare address of the room. (Example 6-7 of the Guide has one from a
// participant, against the Guide's own words.)
func ServiceMessage(room, to jid.JID, body string) *stanza.Message {
	return &stanza.Message{Type: stanza.TypeGroupChat, From: room.Bare(), To: to, Body: body}
}

// Told returns what a client of old is to be told in words of a presence that a
// room of Multi-User Chat sends about somebody, because [Plain] does not say it any
// more; ok is false if there is nothing to be told. That somebody has arrived cannot
// be seen from a presence: only the room knows who was there before.
func Told(st *stanza.Stanza) (n Notice, ok bool) {
	if st.Kind != stanza.KindPresence || st.Type != stanza.TypeUnavailable {
		return Notice{}, false
	}
	m := readMarks(st)
	n = Notice{Kind: Left, Nick: st.From.Resource(), Reason: m.reason}
	switch {
	case m.codes[statusRenamed]:
		n.Kind, n.NewNick = Renamed, m.nick
	case m.codes[statusBanned]:
		n.Kind = Banned
	case m.codes[statusKicked]:
		n.Kind = Kicked
	case m.codes[statusDemoted], m.codes[statusMembers], m.codes[statusShutdown]:
		n.Kind = Removed
	}
	return n, n.Nick != "" && (n.Kind != Renamed || n.NewNick != "")
}
