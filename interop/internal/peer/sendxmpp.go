//go:build linux

package peer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// SendXMPP says how go-sendxmpp logs in.
type SendXMPP struct {
	Account
	// Direct uses direct TLS instead of STARTTLS.
	Direct bool
	// CA is trusted instead of the server's own.
	CA *CA
}

// Send sends a message with go-sendxmpp and returns what it printed, with its
// debug output, which has the stream. The error is that of the program.
func (c SendXMPP) Send(t testing.TB, s *Server, to, body string) (output string, err error) {
	t.Helper()
	p, out := c.start(t, s, body, "--debug", to)
	timer := time.NewTimer(waitLimit)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		t.Fatalf("%s has not ended within %v", p.name, waitLimit)
	}
	return read(out), p.err
}

// SendXMPPListener is a go-sendxmpp that prints what it receives. An IQ makes
// Debian's version 0.5.6 crash.
type SendXMPPListener struct {
	process *process
	out     string
	jid     string
}

// boundJID finds the result of resource binding in the debug output.
var boundJID = regexp.MustCompile(`<bind [^>]*><jid>([^<]+)</jid></bind>`)

// Listen starts go-sendxmpp as a receiver of messages and waits until it has
// bound a resource, whose full JID it returns. It is not available yet.
func (c SendXMPP) Listen(t testing.TB, s *Server) (listener *SendXMPPListener, jid string) {
	t.Helper()
	p, out := c.start(t, s, "", "--debug", "--listen")
	p.await(t, "bound resource", waitLimit, func() error {
		match := boundJID.FindStringSubmatch(read(out))
		if match == nil {
			return errors.New("the stream has no result of bind")
		}
		jid = match[1]
		return nil
	})
	return &SendXMPPListener{p, out, jid}, jid
}

// Available waits until the server has sent the listener its own presence back
// (RFC 6121 section 4.2.2).
func (l *SendXMPPListener) Available(t testing.TB) {
	t.Helper()
	own := regexp.MustCompile(`<presence [^>]*from=['"]` + regexp.QuoteMeta(l.jid) + `['"]`)
	l.process.await(t, "own presence", waitLimit, func() error {
		if output := read(l.out); !own.MatchString(output) {
			return fmt.Errorf("printed %q", output)
		}
		return nil
	})
}

// Expect waits until the message has been received and printed.
func (l *SendXMPPListener) Expect(t testing.TB, from, body string) {
	t.Helper()
	text := from + ": " + body + "\n"
	l.process.await(t, fmt.Sprintf("line with %q", text), waitLimit, func() error {
		if output := read(l.out); !strings.Contains(output, text) {
			return fmt.Errorf("printed %q", output)
		}
		return nil
	})
}

func (c SendXMPP) start(t testing.TB, s *Server, input string, args ...string) (*process, string) {
	t.Helper()
	s.Watch(t)
	dir := tempDir(t)
	addr, ca := s.Addr, s.CA
	if c.Direct {
		addr = s.TLSAddr
	}
	if c.CA != nil {
		ca = c.CA
	}
	// It checks the certificate against the host that it connects to.
	options := []string{"-u", c.JID(), "-p", c.Password, "-j", "localhost:" + portOf(addr)}
	if c.Direct {
		options = append(options, "--tls")
	}
	inputFile := filepath.Join(dir, "in")
	writeFile(t, inputFile, input)
	in, err := os.Open(inputFile)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out := filepath.Join(dir, "out")
	name := "go-sendxmpp " + c.JID()
	return start(t, command{
		name: name, path: "go-sendxmpp", args: append(options, args...), dir: dir, stdin: in,
		env: []string{"SSL_CERT_FILE=" + ca.File},
	}, newLog(t, name, out)), out
}
