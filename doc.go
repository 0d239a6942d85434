// Package xmpp is the waist of Etherx, an XMPP SDK: the few contracts that
// everything else is written against.
//
// A [Sender] sends stanzas and asks questions; a client, a component and a
// server all are one. A [Handler] handles what comes in; [Mux] is the one that
// most programs use, with typed functions: [HandleIQ], [HandleMessage],
// [HandlePresence]. An [Extension] is a protocol that can be plugged into a
// client, a component or a server, whichever [Host] it is attached to.
//
// The house around it, from the bottom up:
//
//	jid, stanza, internal/xmltok    data: addresses, stanzas, the XML codec
//	stream, sasl                    streams: negotiation, authentication, transports
//	xmpp                            this package
//	ext/..., legacy/...             protocols, each with its payloads, client side and server side
//	client, server                  assemblies: what connects, what listens
//	xmpptest, examples/...          faces: tests of your own, programs to start from
//
// Imports go down only. A bot needs the package client, an embedded server the
// package server; both have examples in the folder examples.
package xmpp
