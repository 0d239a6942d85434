package stream

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
)

const (
	decl       = "<?xml version='1.0'?>"
	streamDecl = " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
	saslDecl   = " xmlns:sasl='http://www.iana.org/assignments/sasl-mechanisms'"
	// hello is a client's header, answer what the tests' server says to it.
	hello  = decl + "<stream:stream" + streamDecl + " to='capulet.com' version='1.0'>"
	answer = decl + "<stream:stream" + streamDecl + " from='capulet.com' id='ID' version='1.0' xml:lang='en'>"
	end    = "</stream:stream>"

	offerMechanisms = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms>"
	offerBind       = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
	featuresSASL    = "<stream:features>" + offerMechanisms + "</stream:features>"
	featuresBind    = "<stream:features>" + offerBind + "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session></stream:features>"

	authPlain = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvYgBzZWNyZXQ=</auth>" // rob, secret
	badPlain  = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvYgB3cm9uZw==</auth>"
	success   = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
	askBind   = "<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>balcony</resource></bind></iq>"
	bound     = "<iq type='result' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>rob@capulet.com/balcony</jid></bind></iq>"
	login     = hello + authPlain + hello + askBind
	loggedIn  = answer + featuresSASL + success + answer + featuresBind + bound
)

var capulet = jid.MustParse("capulet.com")

// saslFailure is a failure with a condition, streamError an error with one and
// the closing tag.
func saslFailure(condition string) string {
	return "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><" + condition + "/></failure>"
}

func streamError(condition, text string) string {
	if text != "" {
		text = "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>" + text + "</text>"
	}
	return "<stream:error><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" + text + "</stream:error></stream:stream>"
}

// peer is the other side of a connection, written by hand. What it reads is
// collected as it comes.
type peer struct {
	t    *testing.T
	nc   net.Conn
	mu   sync.Mutex
	got  []byte
	at   int // what is before is expected already
	err  error
	news chan struct{}
	done chan struct{}
}

func newPeer(t *testing.T, nc net.Conn) *peer {
	p := &peer{t: t, nc: nc, news: make(chan struct{}, 1), done: make(chan struct{})}
	go p.read()
	t.Cleanup(func() { nc.Close() })
	return p
}

func (p *peer) read() {
	defer close(p.done)
	buf := make([]byte, 4096)
	for {
		n, err := p.nc.Read(buf)
		p.mu.Lock()
		p.got = append(p.got, buf[:n]...)
		p.err = err
		p.mu.Unlock()
		select {
		case p.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// send writes text. That the other side has closed is no error: what it said
// shows it.
func (p *peer) send(text string) { io.WriteString(p.nc, text) }

var streamID = regexp.MustCompile(` id='[A-Z2-7]{26}'`)

// text returns what has come since the last expect, with stream ids replaced.
func (p *peer) text() (string, error) {
	text, _, err := p.sized()
	return text, err
}

// sized returns the text, and how much has come at all.
func (p *peer) sized() (text string, size int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return streamID.ReplaceAllString(string(p.got[p.at:]), " id='ID'"), len(p.got), p.err
}

// expect waits for exactly the text.
func (p *peer) expect(want string) {
	p.t.Helper()
	for {
		got, size, err := p.sized()
		if rest, ok := strings.CutPrefix(got, want); ok {
			p.mu.Lock()
			p.at = size - len(rest)
			p.mu.Unlock()
			return
		}
		if !strings.HasPrefix(want, got) || err != nil {
			p.t.Fatalf("got  %s (%v)\nwant %s", got, err, want)
		}
		<-p.news
	}
}

// wait waits for a text that contains want, and returns it.
func (p *peer) wait(want string) string {
	p.t.Helper()
	for {
		got, size, err := p.sized()
		if i := strings.Index(got, want); i >= 0 {
			p.mu.Lock()
			p.at = size - len(got) + i + len(want)
			p.mu.Unlock()
			return got[:i+len(want)]
		}
		if err != nil {
			p.t.Fatalf("got %s (%v), want %s", got, err, want)
		}
		<-p.news
	}
}

// rest returns everything until the other side closes the connection.
func (p *peer) rest() string {
	<-p.done
	got, _ := p.text()
	return got
}

func (p *peer) close() {
	p.nc.Close()
	<-p.done
}

// negotiated is the outcome of a negotiation that runs in the background.
type negotiated struct {
	conn *Conn
	err  error
	done chan struct{}
}

func background(fn func() (*Conn, error)) *negotiated {
	n := &negotiated{done: make(chan struct{})}
	go func() {
		defer close(n.done)
		n.conn, n.err = fn()
	}()
	return n
}

func (n *negotiated) wait() (*Conn, error) {
	<-n.done
	return n.conn, n.err
}

// must waits for a stream.
func (n *negotiated) must(t *testing.T) *Conn {
	t.Helper()
	c, err := n.wait()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// rob is the account that the tests' servers know. Its keys are quick to check.
func rob(t testing.TB) sasl.ServerConfig { return robWith(t, 1) }

func robWith(t testing.TB, iterations int) sasl.ServerConfig {
	keys, err := sasl.NewSCRAMKeys(crypto.SHA1, "secret", iterations)
	if err != nil {
		t.Fatal(err)
	}
	cfg := sasl.ServerConfig{Host: "capulet.com", Hashes: []crypto.Hash{crypto.SHA1}, Iterations: iterations}
	cfg.Credentials.SCRAM = func(_ context.Context, user string, _ crypto.Hash) (sasl.SCRAMKeys, error) {
		if user != "rob" {
			return keys, sasl.ErrUnknownUser
		}
		return keys, nil
	}
	return cfg
}

// bindRob binds rob to the resource that is asked for.
func bindRob() Feature {
	return ServeBind(func(_ context.Context, resource string) (jid.JID, error) {
		switch resource {
		case "":
			resource = "generated"
		case "taken":
			return jid.JID{}, stanza.Conflict
		}
		return jid.New("rob", "capulet.com", resource)
	}, nil)
}

// serverFeatures are those of a server that has rob as its only user.
func serverFeatures(t testing.TB, needs State) []Feature {
	return append(SASLServer{Config: rob(t), Needs: needs}.Features(), bindRob(), OfferSession())
}

// openTo answers headers for capulet.com.
func openTo(features []Feature) func(*Conn, Header) (Header, []Feature, error) {
	return func(_ *Conn, in Header) (Header, []Feature, error) {
		h := Header{Content: stanza.NSClient, From: capulet, To: in.From, Version: V1, Lang: "en"}
		switch {
		case in.Content != stanza.NSClient:
			return h, nil, InvalidNamespace
		case in.To != capulet:
			return h, nil, HostUnknown
		}
		return h, features, nil
	}
}

// accept runs a server with these features; the connection counts as secure.
func accept(t *testing.T, cfg Config, features []Feature) (*peer, *negotiated) {
	a, b := Pipe()
	return newPeer(t, a), background(func() (*Conn, error) {
		return Accept(t.Context(), b, cfg, openTo(features))
	})
}

// acceptRob is accept for a client that has logged in.
func acceptRob(t *testing.T, cfg Config) (*peer, *Conn) {
	t.Helper()
	p, n := accept(t, cfg, serverFeatures(t, Secure))
	p.send(login)
	p.expect(loggedIn)
	return p, n.must(t)
}

// initiate runs a client.
func initiate(t *testing.T, cfg Config, h Header, features []Feature) (*peer, *negotiated) {
	a, b := Pipe()
	if h.To.IsZero() {
		h.To = capulet
	}
	return newPeer(t, a), background(func() (*Conn, error) {
		return Initiate(t.Context(), b, cfg, h, features)
	})
}

// clientFeatures are those of a client that is rob.
func clientFeatures(password string, got *jid.JID) []Feature {
	fs := SASL(func() sasl.ClientConfig { return sasl.ClientConfig{Username: "rob", Password: password} }, Secure)
	return append(fs, Bind("balcony", func(j jid.JID) {
		if got != nil {
			*got = j
		}
	}), Session())
}

// finish reads until the stream ends, and ends it.
func finish(c *Conn) { c.Fail(drain(c)) }

// drain reads until the stream ends, and reports why.
func drain(c *Conn) error {
	for {
		if st, _, err := c.Next(); err != nil && st == nil {
			return err
		}
	}
}

// checkGoroutines fails the test if goroutines are left when it has ended.
func checkGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for start := time.Now(); time.Since(start) < 5*time.Second; runtime.Gosched() {
			if runtime.NumGoroutine() <= before {
				return
			}
		}
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines before, %d after\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
	})
}

// tcpPair returns the two ends of a TCP connection.
func tcpPair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// message returns a message whose id is n.
func message(n int) *stanza.Stanza {
	st, err := stanza.New(stanza.Header{Kind: stanza.KindMessage, ID: fmt.Sprint("m", n), To: capulet}, stanza.Raw("<body>x</body>"))
	if err != nil {
		panic(err)
	}
	return st
}

func isCondition(err error, want Condition) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Condition == want && !e.Remote
}
