// Package peer runs real XMPP software as child processes of a test: the
// servers Prosody, ejabberd and Etherx's own ready server, and the clients
// slixmpp, profanity and go-sendxmpp. It uses nothing of Etherx, so that an
// error there cannot hide itself.
//
// Helpers take a [testing.TB] and end the test with the peer's log when
// something does not work within its time; what they start ends with the test.
// They are for one goroutine, the test's own. Linux only.
package peer
