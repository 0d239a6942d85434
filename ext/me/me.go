// Package me implements the /me command (XEP-0245): a body that begins with
// "/me " says what its sender does. It goes over the wire as it was typed; who
// shows it puts the sender's name in its place.
package me

import "strings"

// Command is what a body begins with: exactly these four characters.
const Command = "/me "

// Action returns what the sender of a message with this body does, and whether
// the body is such a command: "the receiving client performs string-matching on
// the first four characters" (XEP-0245, section 2). White space before it,
// capitals or quotation marks make it an ordinary text.
func Action(body string) (action string, ok bool) { return strings.CutPrefix(body, Command) }

// Body returns the body that says that its sender does action.
func Body(action string) string { return Command + action }

// Format returns the body for people: "* Atlas shrugs in disgust" for the body
// "/me shrugs in disgust" of somebody with the name nick. Any other body is
// returned as it is. nick is the name that the reader knows the sender by.
//
// What is shown in this way must look different from what the room says, such
// as "*** Atlas has left the room", for anybody can write "/me has left the
// room" (section 5).
func Format(nick, body string) string {
	if action, ok := Action(body); ok {
		return "* " + nick + " " + action
	}
	return body
}
