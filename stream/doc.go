// Package stream speaks XML streams (RFC 6120, sections 4 to 7): headers,
// features, STARTTLS, SASL, resource binding, stream errors, the closing
// handshake, and the reading and writing of stanzas between.
//
// A [Conn] is one stream in both directions over a [Transport]. [Initiate] and
// [Accept] negotiate it, as client or server, from the same descriptions of
// features: [StartTLS], [SASL], [Bind], [Session] and others' own.
//
// After that [Conn.Next] reads, from one goroutine, and [Conn.Send] writes,
// from any: stanzas go through a bounded [outbox] and are written in batches
// by a goroutine that exists only while there is something to write.
//
// A [Dialer] finds the server of a domain and connects to it.
package stream
