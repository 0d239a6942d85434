// Package privacy implements privacy lists (XEP-0016, RFC 3921 section 10) and,
// on the same engine, blocking (XEP-0191), whose payloads and client are in the
// package ext/blocking.
//
// A [List] is a sequence of rules, by which [List.Allows] decides whether a
// stanza may pass between a user and somebody else. A user has any number of
// lists. One may be the default list; in each session another may be active
// instead of it. The blocked addresses of XEP-0191 are a view of the default
// list.
//
// A client calls [Names], [Get], [Set], [Activate] and the like, and learns by
// an [Extension] what other sessions change. For most users package
// ext/blocking is all they need; "it is NOT RECOMMENDED for a client to request
// both the block list and privacy lists in the same session" (XEP-0191, section
// 5).
//
// A server has an [Engine]. It asks [Engine.Allow] before anything else is done
// with a stanza: "Privacy lists MUST be the first delivery rule applied by a
// server" (RFC 3921, section 10.2). [Engine.ErrorFor] says what is answered
// where that said no.
//
// The form that privacy lists had in draft-ietf-xmpp-im-02 is understood in
// every session, and spoken in those that have used it; see [Query].
package privacy
