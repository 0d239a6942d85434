// Package chat is a small foreign network, made to have something to bridge to: a
// chat of numbers, in lines of text over TCP.
//
// A client sends commands, each in a line. Each is answered with OK, or with ERR
// and an [Error]:
//
//	LOGIN 1234567 secret       begins a session; one that there was ends
//	CHECK 1234567 secret       says whether that is the password
//	STATUS away Out to lunch.  shows a status: online, away, busy
//	ADD 7654321 It is I.       puts somebody on the contact list, and asks him
//	REMOVE 7654321             takes him off; neither sees the other any more
//	ALLOW 7654321              lets somebody who asks see the status
//	DENY 7654321               does not, or not any more
//	SEND 7654321 Hello!        sends a message to somebody who is there
//	LIST                       is answered with the contact list: OK 7654321 5550100
//	QUIT                       ends the session
//
// Before and between the answers stand [Event]s, in lines that begin with a star:
//
//   - ASK 7654321 It is I.
//   - ALLOWED 7654321
//   - DENIED 7654321
//   - REMOVED 7654321
//   - STATUS 7654321 away Out to lunch.
//   - MESSAGE 7654321 Hello!
//   - BYE You have logged in elsewhere.
//
// Who comes gets the status of those whom he may see, and what happened while he was
// away; but for messages, which nobody keeps. In a text \n is the end of a line, and
// \\ a backslash.
package chat

import (
	"fmt"
	"strings"
)

// MaxLine is how long a command may be, in bytes.
const MaxLine = 4096

// Error says why a command was refused.
type Error string

// The errors.
const (
	ErrPassword Error = "password" // there is no such number with that password
	ErrLogin    Error = "login"    // log in first
	ErrUnknown  Error = "unknown"  // there is no such number
	ErrOffline  Error = "offline"  // he is not there
	ErrLong     Error = "long"     // the line would be longer than MaxLine; nothing was sent
	ErrFull     Error = "full"     // there are too many on the contact list
	ErrCommand  Error = "command"  // there is no such command, or it is incomplete
)

// Error returns the word behind ERR.
func (e Error) Error() string { return "chat: " + string(e) }

// Status is how somebody is there.
type Status string

// The statuses.
const (
	Offline Status = "offline"
	Online  Status = "online"
	Away    Status = "away"
	Busy    Status = "busy"
)

// Kind is what an [Event] is about.
type Kind string

// The kinds of events.
const (
	Asked         Kind = "ASK"     // From asks to see the status; Text is what he says
	Allowed       Kind = "ALLOWED" // From shows his status from now on
	Denied        Kind = "DENIED"  // From does not, or not any more
	Removed       Kind = "REMOVED" // From has ended it both ways
	StatusChanged Kind = "STATUS"
	Message       Kind = "MESSAGE"
	Bye           Kind = "BYE" // the session has ended; Text says why
)

// Event is something that a server tells.
type Event struct {
	Kind   Kind
	From   string // a number
	Status Status // of StatusChanged
	Text   string
}

// String returns the line.
func (e Event) String() string {
	words := []string{"*", string(e.Kind)}
	for _, w := range []string{e.From, string(e.Status), escape.Replace(e.Text)} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// parseEvent reads a line without its star.
func parseEvent(line string) (Event, error) {
	kind, rest, _ := strings.Cut(line, " ")
	e := Event{Kind: Kind(kind)}
	if e.Kind != Bye {
		e.From, rest, _ = strings.Cut(rest, " ")
	}
	switch e.Kind {
	case StatusChanged:
		var status string
		status, rest, _ = strings.Cut(rest, " ")
		e.Status = Status(status)
	case Asked, Allowed, Denied, Removed, Message, Bye:
	default:
		return e, fmt.Errorf("chat: an unknown event %q", line)
	}
	e.Text = unescape.Replace(rest)
	return e, nil
}

var (
	escape   = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", "")
	unescape = strings.NewReplacer(`\\`, `\`, `\n`, "\n")
)
