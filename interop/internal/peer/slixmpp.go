//go:build linux

package peer

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// slixmppScript is the client that [Slixmpp] drives.
//
//go:embed slixmpp_client.py
var slixmppScript string

// Slixmpp says how a slixmpp client logs in.
type Slixmpp struct {
	Account
	// Direct uses direct TLS instead of STARTTLS.
	Direct bool
	// Mechanism is the only SASL mechanism to use; empty leaves the choice to slixmpp.
	Mechanism string
	// TLS12 keeps it to TLS 1.2. Version 1.8.3 binds with tls-unique also to TLS
	// 1.3, which does not define it.
	TLS12 bool
	// NoBinding has it say that it cannot bind to the channel. Otherwise
	// version 1.8.3 claims in mechanisms without binding that the server offers
	// none with it, also where it does; that is the sign of an attack
	// (RFC 5802 section 6), which not every server minds.
	NoBinding bool
	// Register makes the account in-band before the login.
	Register bool
	// CA is trusted instead of the server's own.
	CA *CA
	// Certificate is shown to a server that asks for one.
	Certificate *Certificate
}

// Event is something that a slixmpp client saw. Which fields are set depends on
// Event:
//
//	connected, tls (Version, Text: the cipher), invalid_certificate (Text),
//	registered, register_failed (Condition, Text), auth (Mechanism),
//	failed_auth (Mechanism, Condition, Text), failed_all_auth,
//	session (JID; the presence is known to the server),
//	message (From, To, Type, Body, ID), message_error (From, Type, Condition, Text, ID),
//	stream_error (Condition, Text), connection_failed (Text), disconnected (Text),
//	done (ID; Condition and Text of an error, or Type, From and Payloads of a result)
type Event struct {
	Event     string
	JID       string
	Version   string
	Mechanism string
	From, To  string
	ID        string
	Type      string
	Body      string
	Condition string
	Text      string
	Payloads  []string // of an IQ result, in Clark notation
}

// SlixmppClient is a running slixmpp client.
type SlixmppClient struct {
	jid     string
	process *process
	stdin   *os.File
	events  chan Event
	past    []Event // seen while looking for others
	lastID  int
}

// Start starts slixmpp against s. It does not wait for anything; see
// [SlixmppClient.Session].
func (c Slixmpp) Start(t testing.TB, s *Server) *SlixmppClient {
	t.Helper()
	s.Watch(t)
	dir := tempDir(t)
	script := filepath.Join(dir, "client.py")
	writeFile(t, script, slixmppScript)
	addr, jid, ca := s.Addr, c.JID(), s.CA
	if c.Direct {
		addr = s.TLSAddr
	}
	if c.User == "" {
		jid = c.Domain
	}
	if c.CA != nil {
		ca = c.CA
	}
	args := []string{script, "--jid", jid, "--password", c.Password, "--port", portOf(addr), "--ca", ca.File}
	if c.Direct {
		args = append(args, "--direct")
	}
	if c.TLS12 {
		args = append(args, "--tls12")
	}
	if c.NoBinding {
		args = append(args, "--nobinding")
	}
	if c.Register {
		args = append(args, "--register")
	}
	if c.Certificate != nil {
		args = append(args, "--certfile", c.Certificate.Cert, "--keyfile", c.Certificate.Key)
	}
	if c.Mechanism != "" {
		args = append(args, "--mechanism", c.Mechanism)
	}
	in, inW, outR, out := pipes(t)
	client := &SlixmppClient{jid: jid, stdin: inW, events: make(chan Event)}
	name := "slixmpp " + jid
	client.process = start(t, command{
		// Debian's own, which has Debian's packages, whatever PATH says.
		name: name, path: "/usr/bin/python3", args: args, dir: dir, stdin: in, stdout: out,
		env: []string{"PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"},
	}, newLog(t, name, filepath.Join(dir, "out")))
	in.Close()
	out.Close()
	t.Cleanup(func() { inW.Close() })
	go client.read(t, outR)
	return client
}

// pipes returns two pipes, for a child's standard input and output.
func pipes(t testing.TB) (in, inW, outR, out *os.File) {
	t.Helper()
	in, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, out, err = os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return in, inW, outR, out
}

// read passes on what the client prints until it ends.
func (c *SlixmppClient) read(t testing.TB, r io.ReadCloser) {
	defer r.Close()
	defer close(c.events)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e = Event{Event: "unreadable", Text: lines.Text()}
		}
		select {
		case c.events <- e:
		case <-t.Context().Done():
			return
		}
	}
}

// Wait returns the first event, past or coming, for which match holds, and
// forgets it.
func (c *SlixmppClient) Wait(t testing.TB, what string, match func(Event) bool) Event {
	t.Helper()
	for i, e := range c.past {
		if match(e) {
			c.past = append(c.past[:i:i], c.past[i+1:]...)
			return e
		}
	}
	timer := time.NewTimer(waitLimit)
	defer timer.Stop()
	for {
		select {
		case e, ok := <-c.events:
			if !ok {
				t.Fatalf("slixmpp %s ended while waiting for %s; seen: %+v", c.jid, what, c.past)
			}
			if match(e) {
				return e
			}
			c.past = append(c.past, e)
		case <-timer.C:
			t.Fatalf("slixmpp %s saw no %s within %v; seen: %+v", c.jid, what, waitLimit, c.past)
		}
	}
}

// Expect returns the first event of that name.
func (c *SlixmppClient) Expect(t testing.TB, event string) Event {
	t.Helper()
	return c.Wait(t, event, func(e Event) bool { return e.Event == event })
}

// Session waits until the client is logged in and available, and returns its
// full JID.
func (c *SlixmppClient) Session(t testing.TB) string {
	t.Helper()
	e := c.Wait(t, "session", func(e Event) bool { return e.Event == "session" || e.Event == "disconnected" })
	if e.Event != "session" {
		t.Fatalf("slixmpp %s has no session but is disconnected: %s; seen: %+v", c.jid, e.Text, c.past)
	}
	return e.JID
}

// Seen reports whether an event of that name has been seen and not been asked
// for.
func (c *SlixmppClient) Seen(event string) bool {
	for _, e := range c.past {
		if e.Event == event {
			return true
		}
	}
	return false
}

// Send sends a chat message.
func (c *SlixmppClient) Send(t testing.TB, to, body string) {
	t.Helper()
	c.do(t, map[string]string{"op": "send", "to": to, "body": body})
}

// ExpectMessage waits for a message with that body.
func (c *SlixmppClient) ExpectMessage(t testing.TB, body string) Event {
	t.Helper()
	return c.Wait(t, fmt.Sprintf("message %q", body), func(e Event) bool { return e.Event == "message" && e.Body == body })
}

// IQ sends an IQ of the given type with one empty payload and returns the
// answer: Condition is empty for a result. An empty to addresses the own
// account.
func (c *SlixmppClient) IQ(t testing.TB, to, iqType, namespace, name string) Event {
	t.Helper()
	return c.do(t, map[string]string{"op": "iq", "to": to, "type": iqType, "ns": namespace, "name": name})
}

// Ping sends an XMPP ping (XEP-0199) and returns the answer.
func (c *SlixmppClient) Ping(t testing.TB, to string) Event {
	t.Helper()
	return c.IQ(t, to, "get", "urn:xmpp:ping", "ping")
}

// Greet shows somebody the client's presence (RFC 6121 section 4.6), without
// which a server need not let that one's requests through (section 8.5.3.1). It
// returns when the server knows of it.
func (c *SlixmppClient) Greet(t testing.TB, to string) {
	t.Helper()
	if answer := c.do(t, map[string]string{"op": "greet", "to": to}); answer.Condition != "" {
		t.Fatalf("slixmpp %s: %s", c.jid, answer.Condition)
	}
}

// Disconnect closes the stream.
func (c *SlixmppClient) Disconnect(t testing.TB) {
	t.Helper()
	c.do(t, map[string]string{"op": "disconnect"})
}

// do gives a command and waits for the answer.
func (c *SlixmppClient) do(t testing.TB, cmd map[string]string) Event {
	t.Helper()
	c.lastID++
	id := strconv.Itoa(c.lastID)
	cmd["id"] = id
	line, err := json.Marshal(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.stdin.Write(append(line, '\n')); err != nil {
		t.Fatalf("slixmpp %s takes no commands: %v", c.jid, err)
	}
	return c.Wait(t, "answer to "+cmd["op"], func(e Event) bool { return e.Event == "done" && e.ID == id })
}
