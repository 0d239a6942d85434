// Package server is an XMPP server to embed, in the manner of net/http: a
// struct of settings whose zero values are safe, Serve for a listener, and
// Shutdown. Nothing is global; several servers live in one process.
//
// It has virtual hosts, whose accounts come from the program ([Accounts]);
// sessions, and routes between them (RFC 6120, section 10, RFC 6121, section
// 8); services in the same process ([Server.Local]), which are written like
// bots; and, if there is a [Federation], streams with other servers. What it does for
// an iq that is addressed to the server or to an account is up to the handlers of
// [Server.Mux], most of which extensions add.
package server
