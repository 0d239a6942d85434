// Package presence implements subscriptions to presence and the rules of its exchange (RFC 6121, sections 3 and 4).
//
// A client sends its presence by [Available], [Unavailable] and [Directed], and manages subscriptions by [Subscribe],
// [Unsubscribe], [Approve], [Deny], [Cancel] and [PreApprove]. [Requests] is an extension that answers the requests of
// others, [Tracker] one that remembers who is there.
//
// For servers there is the state machine of subscriptions: a [State], of which there are nine, and the tables of RFC
// 6121, appendix A, as data ([OutboundRule], [InboundRule]). [Outbound] and [Inbound] apply them to what a roster has
// about a contact, and say in an [Effect] what the server is to do. They do nothing by themselves.
package presence
