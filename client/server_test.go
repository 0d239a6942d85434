package client

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// testServer is the server of a test: it negotiates streams over pipes, and
// leaves what comes then to the test. The fields are set before the first dial.
type testServer struct {
	t     testing.TB
	creds sasl.Credentials
	tls   *tls.Config // offered if not nil
	// open, dialErr and bind may refuse; n counts the dials from 1.
	dialErr func(n int) error
	open    func(n int) error
	bind    func(n int, resource string) (jid.JID, error)
	// auto is asked first for each stanza; true means that it has been dealt
	// with.
	auto func(p *peer, st *stanza.Stanza) bool

	dials atomic.Int32
	peers chan *peer // the streams that are ready
	group sync.WaitGroup
}

// peer is the server's end of one stream.
type peer struct {
	*testServer
	n    int // of the dial
	tr   stream.Transport
	conn *stream.Conn
	got  chan *stanza.Stanza // what came; closed at the end
	err  error               // why it ended; after got is closed
}

const testPassword = "r0m30myr0m30"

func newTestServer(t testing.TB) *testServer {
	ts := &testServer{t: t, peers: make(chan *peer, 100)}
	ts.creds.Verify = func(_ context.Context, user, password string) error {
		if user != "juliet" || password != testPassword {
			return sasl.NotAuthorized
		}
		return nil
	}
	ts.bind = func(_ int, resource string) (jid.JID, error) {
		if resource == "" {
			resource = "chosen"
		}
		return jid.MustParse("juliet@capulet.lit").WithResource(resource)
	}
	ts.auto = answerPings
	return ts
}

// answerPings is what most tests want of their server.
func answerPings(p *peer, st *stanza.Stanza) bool {
	if st.Type != stanza.TypeGet || !st.Payload().Is("urn:xmpp:ping", "ping") {
		return false
	}
	p.send(fmt.Sprintf("<iq type='result' id='%s'/>", st.ID))
	return true
}

// config returns what a client of the server needs.
func (ts *testServer) config() Config {
	return Config{JID: jid.MustParse("juliet@capulet.lit/balcony"), Password: testPassword, Dial: ts.dial, AllowPlaintext: true}
}

func (ts *testServer) dial(context.Context) (stream.Transport, error) {
	n := int(ts.dials.Add(1))
	if ts.dialErr != nil {
		if err := ts.dialErr(n); err != nil {
			return nil, err
		}
	}
	near, far := net.Pipe() // stream.Pipe would count as secure
	ts.group.Go(func() { ts.serve(n, stream.NewTransport(far)) })
	return stream.NewTransport(near), nil
}

func (ts *testServer) serve(n int, tr stream.Transport) {
	p := &peer{testServer: ts, n: n, tr: tr, got: make(chan *stanza.Stanza, 10000)}
	auth := stream.SASLServer{
		Config: sasl.ServerConfig{Credentials: ts.creds, Host: "capulet.lit", AllowPlaintext: true, Hashes: []crypto.Hash{crypto.SHA256}},
		Done:   func(*stream.Conn, string, string, string) error { return nil },
	}
	features := append(auth.Features(), stream.ServeBind(func(_ context.Context, resource string) (jid.JID, error) {
		return ts.bind(n, resource)
	}, nil))
	if ts.tls != nil {
		features = append([]stream.Feature{stream.ServeTLS(ts.tls, true)}, features...)
	}
	conn, err := stream.Accept(context.Background(), tr, stream.Config{}, func(_ *stream.Conn, h stream.Header) (stream.Header, []stream.Feature, error) {
		if ts.open != nil {
			if err := ts.open(n); err != nil {
				return stream.Header{}, nil, err
			}
		}
		return stream.Header{From: h.To, Content: stanza.NSClient, Version: stream.V1}, features, nil
	})
	if err != nil {
		return
	}
	p.conn = conn
	ts.peers <- p
	p.read()
}

func (p *peer) read() {
	defer close(p.got)
	for {
		st, _, err := p.conn.Next()
		if err != nil && st == nil {
			p.err = err
			p.conn.Fail(err)
			return
		}
		if st != nil && (p.auto == nil || !p.auto(p, st)) {
			p.got <- st
		}
	}
}

// send sends XML to the client.
func (p *peer) send(xml string) {
	if err := p.conn.SendRaw(context.Background(), xml); err != nil && !errors.Is(err, stream.ErrClosed) {
		p.t.Logf("server: %v", err)
	}
}

// cut breaks the connection.
func (p *peer) cut() { p.conn.Close() }

// fail ends the stream with an error.
func (p *peer) fail(c stream.Condition) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	p.conn.Shutdown(ctx, &stream.Error{Condition: c})
}

// next returns the next stanza that is not a presence.
func (p *peer) next() *stanza.Stanza {
	p.t.Helper()
	for {
		st := p.nextAny()
		if st.Kind != stanza.KindPresence {
			return st
		}
	}
}

func (p *peer) nextAny() *stanza.Stanza {
	p.t.Helper()
	select {
	case st, ok := <-p.got:
		if !ok {
			p.t.Fatalf("the stream has ended: %v", p.err)
		}
		return st
	case <-time.After(10 * time.Minute):
		p.t.Fatal("nothing comes")
	}
	return nil
}

// peer returns the next stream that is ready.
func (ts *testServer) peer() *peer {
	ts.t.Helper()
	select {
	case p := <-ts.peers:
		return p
	case <-time.After(time.Hour):
		ts.t.Fatal("no stream")
	}
	return nil
}

// runner is a client that runs.
type runner struct {
	*Client
	t      testing.TB
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run; after done
}

// start makes a client and runs it until the end of the test.
func start(t testing.TB, cfg Config) *runner {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &runner{Client: c, t: t, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = c.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

// stop ends the client in order.
func (r *runner) stop() {
	r.t.Helper()
	r.cancel()
	<-r.done
	if r.err != nil {
		r.t.Errorf("Run: %v", r.err)
	}
}

// wait waits for Run to return by itself, and returns its error.
func (r *runner) wait() error {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(time.Hour):
		r.t.Fatal("Run does not return")
	}
	return r.err
}

// ready waits for the session.
func (r *runner) ready() {
	r.t.Helper()
	if err := r.WaitReady(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

func must(st *stanza.Stanza, err error) *stanza.Stanza {
	if err != nil {
		panic(err)
	}
	return st
}

// get returns a request.
func get(to, id string) *stanza.Stanza {
	h := stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, ID: id}
	if to != "" {
		h.To = jid.MustParse(to)
	}
	return must(stanza.New(h, stanza.Raw("<query xmlns='urn:example'/>")))
}

func message(to, id string) *stanza.Stanza {
	return must(stanza.New(stanza.Header{Kind: stanza.KindMessage, To: jid.MustParse(to), ID: id}, stanza.Raw("<x xmlns='urn:example'/>")))
}
