package xmpptest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// DefaultTimeout is how long a [Peer] waits in one step, unless told otherwise.
const DefaultTimeout = 10 * time.Second

// Peer plays one side of an XML stream, that of a server or that of a client,
// from a script. Each method adds a step to the script and returns at once; the
// steps are played in order by a goroutine. So the test can write down what is
// to come and then call what it tests.
//
// A step that fails reports it with t.Errorf: the line of the test that asked
// for it, what was expected, and what came. The rest of the script is dropped
// and the connection is closed, so that nobody waits for it in vain. At the end
// of the test what is left of the script is played, and the connection closed.
//
// The methods are for the goroutine of the test; Wait and Var may be called
// from others too. Patterns and the text to send are checked when the method is
// called; one that is wrong fails the test there.
type Peer struct {
	t       testing.TB
	raw     net.Conn // as given: it can be closed without waiting for anybody
	conn    net.Conn // with TLS, after StartTLS; used in steps only
	in      *reader
	timeout time.Duration // read by add only

	mu      sync.Mutex
	steps   []step
	running bool
	idle    chan struct{} // closed when the goroutine has ended
	failed  bool
	vars    map[string]string
}

// step is one line of the script.
type step struct {
	line    string // of the test, "file.go:12"
	what    string // for messages
	timeout time.Duration
	do      func() error
}

// NewPeer returns a Peer at conn, which is closed at the end of the test.
func NewPeer(t testing.TB, conn net.Conn) *Peer {
	p := &Peer{t: t, raw: conn, conn: conn, in: newReader(conn), timeout: DefaultTimeout, vars: map[string]string{}}
	t.Cleanup(func() {
		p.Wait()
		p.raw.Close()
	})
	return p
}

// SetTimeout sets how long each of the steps that are added from now on may
// take. Within [testing/synctest] it is time in the bubble.
func (p *Peer) SetTimeout(d time.Duration) { p.timeout = d }

// Expect waits for the next piece of the stream, and compares it with pattern.
// A piece is a stream header, an element of the stream with all that is in it,
// or the end of the stream, of at most 1 MiB. White space between elements is
// passed over.
//
// The pattern is written like what is expected, as an empty element where the
// contents do not matter. What it does not mention may be there or not; what it
// has must be there:
//
//   - The name, and the namespace. The prefix stream is that of stream headers.
//     Without xmlns the namespace is the one that the peer's header declared for
//     stanzas, jabber:client if there was none.
//   - Its attributes. The value '*' stands for any value, '!' says that there is
//     no such attribute.
//   - Its child elements, in any order, each in the same manner.
//   - Its text, if it is more than white space; * is any text.
//
// A value or text of the form $name captures what is there, for [Peer.Send]. If
// the name was captured before, it must be the same again. $$ is a dollar sign.
//
// A pattern that begins with <stream:stream is a stream header: it is not
// closed, and begins a new XML document, as after STARTTLS and SASL.
func (p *Peer) Expect(pattern string) {
	p.t.Helper()
	want, err := parsePattern(pattern)
	if err != nil {
		p.t.Fatalf("xmpptest: pattern %s: %v", pattern, err)
		return
	}
	p.add("expect "+pattern, func() error {
		if want.isHeader() {
			p.in.restart()
		}
		got, err := p.in.next()
		if err != nil {
			return err
		}
		vars := p.copyVars()
		if err := match(want, got.element, matching{vars: vars, stanzaNS: p.in.stanzaNS}); err != nil {
			return fmt.Errorf("%w\n    got: %s", err, got.raw)
		}
		p.setVars(vars)
		return nil
	})
}

// ExpectFunc waits for the next piece of the stream and gives it to check, as
// the bytes that came: a stream header, an element or the end of the stream.
// what is for the message if check returns an error.
func (p *Peer) ExpectFunc(what string, check func(raw string) error) {
	p.add("expect "+what, func() error {
		got, err := p.in.next()
		if err != nil {
			return err
		}
		if err := check(got.raw); err != nil {
			return fmt.Errorf("%w\n    got: %s", err, got.raw)
		}
		return nil
	})
}

// ExpectEnd waits for the end of the stream, </stream:stream>.
func (p *Peer) ExpectEnd() {
	p.add("expect </stream:stream>", func() error {
		got, err := p.in.next()
		if err != nil {
			return err
		}
		if got.element != nil {
			return fmt.Errorf("it goes on\n    got: %s", got.raw)
		}
		return nil
	})
}

// ExpectEOF waits until the other side has closed the connection. White space
// may come before.
func (p *Peer) ExpectEOF() {
	p.add("expect the connection to be closed", func() error {
		got, err := p.in.next()
		switch {
		case err == nil:
			return fmt.Errorf("it goes on\n    got: %s", got.raw)
		case isEOF(err):
			return nil
		}
		return err
	})
}

// Send sends text as it is, except that $name is replaced with what [Peer.Expect]
// captured, escaped for XML, and $$ with a dollar sign.
func (p *Peer) Send(text string) {
	p.add("send "+text, func() error {
		out, err := expand(text, p.copyVars(), escape)
		if err != nil {
			return err
		}
		_, err = io.WriteString(p.conn, out)
		return err
	})
}

// StartTLS makes the TLS handshake, as the server. It is added after the
// <proceed/> was sent, or first of all for direct TLS. It is a failure if the
// client has sent anything before the handshake which was not expected.
func (p *Peer) StartTLS(config *tls.Config) {
	p.add("TLS handshake", func() error { return p.handshake(tls.Server(p.conn, config)) })
}

// StartTLSClient makes the TLS handshake, as the client.
func (p *Peer) StartTLSClient(config *tls.Config) {
	p.add("TLS handshake", func() error { return p.handshake(tls.Client(p.conn, config)) })
}

func (p *Peer) handshake(conn *tls.Conn) error {
	if rest := p.in.buffered(); rest != "" {
		return fmt.Errorf("sent before the handshake: %q", rest)
	}
	if err := conn.Handshake(); err != nil {
		return err
	}
	p.conn = conn
	p.in = newReader(conn)
	return nil
}

// Do calls f, in its place among the steps. The timeout does not hold for f.
func (p *Peer) Do(what string, f func() error) { p.add(what, f) }

// Close closes the connection.
func (p *Peer) Close() {
	p.add("close", func() error { return p.conn.Close() })
}

// Wait waits until the script was played as far as it is written, and reports
// whether all went well so far.
func (p *Peer) Wait() bool {
	p.mu.Lock()
	idle := p.idle
	p.mu.Unlock()
	if idle != nil {
		<-idle
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.failed
}

// Var returns what was captured under a name, "" if nothing was. It does not
// wait: call [Peer.Wait] before.
func (p *Peer) Var(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.vars[name]
}

func (p *Peer) copyVars() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.vars)
}

func (p *Peer) setVars(vars map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vars = vars
}

// add adds a step, and starts the goroutine if none is running.
func (p *Peer) add(what string, do func() error) {
	s := step{line: "?", what: what, timeout: p.timeout, do: do}
	if _, file, line, ok := runtime.Caller(2); ok {
		s.line = fmt.Sprintf("%s:%d", filepath.Base(file), line)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed {
		return
	}
	p.steps = append(p.steps, s)
	if !p.running {
		p.running, p.idle = true, make(chan struct{})
		go p.play(p.idle)
	}
}

// play plays the steps until there are none left.
func (p *Peer) play(idle chan struct{}) {
	defer close(idle)
	for n := 1; ; n++ {
		p.mu.Lock()
		if p.failed || len(p.steps) == 0 {
			p.running = false
			p.mu.Unlock()
			return
		}
		s := p.steps[0]
		p.steps = p.steps[1:]
		p.mu.Unlock()

		p.raw.SetDeadline(time.Now().Add(s.timeout))
		if err := s.do(); err != nil {
			p.fail(s, err)
		}
	}
}

func (p *Peer) fail(s step, err error) {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("nothing within %v%s", s.timeout, p.in.unfinished())
	case isEOF(err):
		err = fmt.Errorf("the connection was closed%s", p.in.unfinished())
	}
	p.t.Errorf("%s: peer: %s\n    %v", s.line, s.what, err)
	p.mu.Lock()
	p.failed, p.steps = true, nil
	p.mu.Unlock()
	p.raw.Close()
}

func isEOF(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, ErrCut)
}
