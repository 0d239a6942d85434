// Package dialback implements Server Dialback (XEP-0220, RFC 3920 section 8,
// draft-miller-xmpp-core-02 section 5.2), by which a server finds out that
// another one speaks for the domain that it claims: it asks, over a connection
// of its own, the server that the DNS has for that domain.
//
// The package is state and bytes only. It opens nothing, waits for nothing and
// knows no clock: a server hands it what arrived, and sends what it says.
//
//	what                        who                one for each
//	ask to be let in            [Originating]      stream that we opened
//	let in                      [Receiving]        stream that we accepted
//	ask whether a key is right  [Verifier]         stream that we opened
//	say whether a key is right  [Authoritative]    stream that we accepted
//
// What is authorized is a [Pair] of domains on one stream, in one direction;
// there may be many on a stream (XEP-0220, section 2.6). In every role a pair
// goes the same way:
//
//	state     request    valid    invalid    failed
//	None      Pending    -        -          -
//	Pending   -          Valid    Refused    None
//	Valid     -          -        -          -
//	Refused   -          -        -          -
//
// A dash is an event that changes nothing: an answer that nobody waits for
// never counts (XEP-0220, section 3.1). A pair that was found invalid stays
// refused for as long as the stream lasts; after a failure that says nothing
// about the key it may be asked for again.
//
// # Which role gets a packet
//
// [Parse] reads the element, and [Packet.IsRequest] says which way it goes. Of
// the requests db:result is for [Receiving] and db:verify for [Authoritative];
// of the answers db:verify is for [Verifier] and db:result for [Originating],
// but a db:result with an id, by which old servers answer a db:verify, is
// offered to the Verifier first. Answers arrive only on streams that we opened,
// or that are bidirectional (XEP-0288); a stream that has no such role drops
// them.
package dialback
