// Package stanza holds the three kinds of XMPP stanza: message, presence and
// iq (RFC 6120, section 8), and the errors they carry.
//
// A [Stanza] is a parsed [Header] and a body that stays as the bytes that
// arrived: routing changes the header and copies the body, and what nobody
// asks for is never decoded. The faces [Message], [Presence] and [IQ] are the
// same stanza for people: plain structs with the fields of RFC 6121.
//
// Payloads are the child elements. They are read through [Element], a view
// that decodes names, attributes and text where one looks, or through
// [Decode], which fills a struct: by its own ParseXML method where it has one,
// by encoding/xml otherwise. They are written by a [Payload]'s AppendXML, as
// [Raw] XML, or from any struct that encoding/xml can marshal.
//
// Everything in a Stanza that came from the network has passed the scanner:
// it is well-formed, its namespaces are bound, and it stands on its own, so
// that it can be sent on to any other stream as it is.
package stanza
