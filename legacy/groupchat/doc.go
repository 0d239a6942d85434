// Package groupchat implements group chat as it was before Multi-User Chat, the
// protocol "groupchat 1.0" (Jabber Programmers Guide, chapter 6; XEP-0045, section
// 7.2.18): rooms are joined by presence and left by it, who is in one is known by
// presence, and what the room itself has to say it says in messages.
//
// [Service] is a service of such rooms at a domain of its own. The rules are those
// of [Room], which is state without any input and output: it takes a stanza and
// returns what is to be sent. [Plain], [Told] and [Notice] say what a client of old
// is to see of a room that knows more, for services of Multi-User Chat; [ParseRequest]
// reads what such a client asks.
//
// [Join], [Say] and the other functions are for clients, in rooms of either kind.
// [Rooms] is the Extension that keeps the list of rooms and of who is in them.
//
// A client of old is never told a real address: participants are room@service/nick.
package groupchat
