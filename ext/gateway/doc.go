// Package gateway has what XEP-0100 asks of a gateway, a service through which
// users reach people on a foreign network as contacts at its own domain.
//
// A [Gateway] is an Extension for a component, or for a service in a server's
// process. It knows the rules: who registers gives an account on the network; with
// the first available presence the user is logged in there, with the last
// unavailable one out; subscriptions, presence and messages go both ways. What is
// different for each network is behind [Network] and [Session], which say nothing
// of XMPP; what comes from the network is told to an [Inbound].
//
// [Addresses] are the names of the network as addresses and back. [Prompt] and
// [Translate] are for clients: the protocol jabber:iq:gateway (XEP-0100, section
// 6.3), by which a user enters a name as the network writes it.
package gateway
