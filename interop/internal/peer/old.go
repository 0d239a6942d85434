//go:build linux

package peer

import (
	_ "embed"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The scripts of [OldClient].
var (
	//go:embed old_client.php
	oldPHP string
	//go:embed old_client.pl
	oldPerl string
)

// OldClient says how a client of before SASL logs in, by jabber:iq:auth: by digest
// where it is taken.
type OldClient struct {
	Account
	Resource string
	// Perl is Net::XMPP, with STARTTLS on a stream of version 1.0. Otherwise it is
	// libphp-jabber, with direct TLS on a stream without version.
	Perl bool
	// Plaintext does without TLS.
	Plaintext bool
	// To and Body are of the message that it sends first.
	To, Body string
}

// OldSession is a running [OldClient].
type OldSession struct {
	process *process
	out     string
}

// Start starts the client. It does not wait for anything.
func (c OldClient) Start(t testing.TB, s *Server) *OldSession {
	t.Helper()
	s.Watch(t)
	dir := tempDir(t)
	name, path, script, text := "libphp-jabber "+c.JID(), "php", filepath.Join(dir, "client.php"), oldPHP
	addr, ca := s.TLSAddr, s.CA.File
	if c.Perl {
		// Debian's own, which has Debian's packages, whatever PATH says.
		name, path, script, text = "Net::XMPP "+c.JID(), "/usr/bin/perl", filepath.Join(dir, "client.pl"), oldPerl
		addr = s.Addr
	}
	if c.Plaintext {
		addr, ca = s.Addr, "-"
	}
	writeFile(t, script, text)
	out := filepath.Join(dir, "out")
	return &OldSession{start(t, command{
		name: name, path: path, dir: dir,
		args: []string{script, "127.0.0.1", portOf(addr), ca, c.Domain, c.User, c.Password, c.Resource, c.To, c.Body},
	}, newLog(t, name, out)), out}
}

// Expect waits until the client has printed a line: "session JID", "refused" and
// what it heard of it, "message FROM: BODY".
func (o *OldSession) Expect(t testing.TB, line string) {
	t.Helper()
	o.process.await(t, "line "+line, waitLimit, func() error {
		if text := read(o.out); !strings.Contains("\n"+text, "\n"+line+"\n") {
			return fmt.Errorf("printed %q", text)
		}
		return nil
	})
}

// ExpectRefusal waits until the client has ended and printed what begins with want.
func (o *OldSession) ExpectRefusal(t testing.TB, want string) {
	t.Helper()
	timer := time.NewTimer(waitLimit)
	defer timer.Stop()
	select {
	case <-o.process.done:
	case <-timer.C:
		t.Fatalf("%s has not ended within %v", o.process.name, waitLimit)
	}
	if text := read(o.out); o.process.err == nil || !strings.Contains("\n"+text, "\n"+want) {
		t.Errorf("ended with %v, printed %q", o.process.err, text)
	}
}
