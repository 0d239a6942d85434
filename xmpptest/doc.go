// Package xmpptest helps to test code that speaks XMPP.
//
// A [Peer] plays the other side of a stream from a script: what it expects to
// be sent, and what it answers. It needs neither a server nor a network:
//
//	func TestPing(t *testing.T) {
//		conn, other := net.Pipe()
//		peer := xmpptest.NewPeer(t, other)
//		peer.Expect(`<stream:stream to='example.com' version='1.0'>`)
//		peer.Send(`<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='example.com' id='1' version='1.0'>`)
//		peer.Send(`<stream:features/>`)
//		peer.Expect(`<iq type='get' id='$id'><ping xmlns='urn:xmpp:ping'/></iq>`)
//		peer.Send(`<iq type='result' id='$id'/>`)
//		peer.ExpectEnd()
//		peer.Send(`</stream:stream>`)
//
//		// ... use conn; the test fails if the script was not played to its end.
//	}
//
// A [FaultConn] is a connection with faults: it breaks at a chosen byte, delays,
// stalls, or hands the bytes over in small pieces.
//
// Both work with any [net.Conn], and with [testing/synctest].
//
// A [Server] is a whole server in the test's process, with clients that log in
// to it over in-memory connections: [NewServer], [Server.Client]. [TLS] makes
// the certificates for tests that want TLS all the same.
package xmpptest
