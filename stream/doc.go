// Package stream speaks XML streams (RFC 6120, sections 4 to 7): headers,
// features, STARTTLS, SASL, resource binding, stream errors, the closing
// handshake, and the reading and writing of stanzas between.
//
// A [Conn] is one stream in both directions over a [Transport]. [Initiate] and
// [Accept] negotiate it, as client or server, from the same descriptions of
// features: [StartTLS], [SASL], [Bind], [Session] and others' own. [SASL2] and
// [SASL2Server] negotiate all of that in one step where both sides know it
// (XEP-0388), with a token in a single round trip.
//
// After that [Conn.Next] reads, from one goroutine, and [Conn.Send] writes,
// from any: stanzas go through a bounded [outbox] and are written in batches
// by a goroutine that exists only while there is something to write.
//
// With stream management (XEP-0198), which a [ManagementClient] and a
// [ManagementServer] negotiate, a stanza is kept until the peer has acknowledged it,
// and [Conn.Confirm] waits for that. A session that may be resumed outlives its
// connection: it is [Conn.Detached] until another Conn goes on with it, and who sends
// need not know.
//
// A [Dialer] finds the server of a domain and connects to it.
package stream

// Where to look:
//
//	connect     dial, dialerror, race, srv, proxy; transport, starttls, lazy_unix
//	negotiate   negotiate; auth (RFC 6120), sasl2* (XEP-0388, fast and sasl2_upgrade
//	            with it), bind, bind2, admit, limits
//	read        conn, header, error, redact
//	write       send ─► outbox ─► writer
//	manage      ack (what is counted) and confirm (who waits for it), guarded by the
//	            outbox's lock; manage* (the elements of XEP-0198, in either role)
//	resume      detach (what the outbox does) and resume (what the Conn does)
//	end         close
