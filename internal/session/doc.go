// Package session keeps a program connected: it has what is the same for
// everybody who sends and receives stanzas on a stream of its own, whoever has
// opened that and whatever was negotiated. A [Runner] is there for the whole life
// of the program, a [Session] for that of a stream.
package session
