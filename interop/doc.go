// Package interop is the suite that runs Etherx against software that others
// wrote: its client against Prosody and ejabberd; slixmpp, profanity and
// go-sendxmpp, and the older Net::XMPP and libphp-jabber, against its server; and its
// server and theirs against each other.
// It has tests only.
//
// The tests need Debian's packages of those programs, which install.sh beside
// this file installs, and so they are behind a build tag:
//
//	./install.sh
//	go test -tags interop ./...
//
// Without the tag nothing here needs more than Go. Everything listens on
// loopback, on ports that are free, finds other servers by a name server in the
// test, keeps its data in the test's temporary directory, and ends with the test,
// also when the test process is killed.
package interop
