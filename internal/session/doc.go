// Package session keeps a program connected: it has what is the same for
// everybody who sends and receives stanzas on a stream of its own, whoever has
// opened that and whatever was negotiated.
//
// There are three lives in it. A [Runner] is there for that of the program: it has
// the handlers and their lanes. A [Session] is what the peer knows the program by
// for a time: it has the address, the requests that wait for a reply, and the
// contexts. A connection is what the session is on, one negotiated stream: it has
// the goroutines that read and watch over that.
package session
