package groupchat

import (
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// EventKind says what an [Event] is about.
type EventKind uint8

// The kinds of events. Who is there is known from presence only; what a room says of
// it in words is an EventNotice, and nothing but words.
const (
	// EventJoined: one is in the room now, and has seen who else is.
	EventJoined EventKind = iota + 1
	// EventLeft: one is not in the room any more, or was not let in. Err says why,
	// if it is known: the answer of the room, or that the session has ended.
	EventLeft
	// EventArrived, EventDeparted: Nick has come, or gone.
	EventArrived
	EventDeparted
	// EventChanged: the presence of Nick is another now.
	EventChanged
	// EventRenamed: OldNick is called Nick now. In rooms of old that is known only
	// of oneself: of others they say that one has gone and one has come.
	EventRenamed
	// EventMessage: Nick has said something to all.
	EventMessage
	// EventSubject: Nick, or nobody if it is "", has changed what is talked about.
	EventSubject
	// EventNotice: the room itself says something, in words.
	EventNotice
	// EventPrivate: Nick has said something to oneself alone.
	EventPrivate
	// EventInvited: somebody invites into a room. Nothing joins it.
	EventInvited
	// EventRefused: the room, or Nick, has refused something that was sent, such as
	// a nick. Err says why.
	EventRefused
)

var eventNames = [...]string{"none", "joined", "left", "arrived", "departed", "changed", "renamed", "message",
	"subject", "notice", "private", "invited", "refused"}

// String returns the name of the kind.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return "unknown"
}

// Event is something that has happened in a room.
type Event struct {
	Kind EventKind
	Room jid.JID // the bare address
	// Nick is who it is about, "" for nobody. Self: it is oneself.
	Nick    string
	OldNick string
	Self    bool
	// Presence, Message and Invitation are what has come, nil where it is another.
	Presence   *stanza.Presence
	Message    *stanza.Message
	Invitation *Invitation
	Err        error
}

// Participant is somebody in a room that one is in.
type Participant struct {
	Nick string
	// Presence is the last that has come. It must not be changed.
	Presence *stanza.Presence
}
