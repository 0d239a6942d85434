package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"
)

// The domains of these tests: the server under test has the first two, the others
// are played by hand.
const (
	here     = "montague.example"
	hereChat = "chat.montague.example"
	there    = "capulet.example"
	mallory  = "mallory.example"
)

// scene is one server, and what it says to others. It is for use under synctest.
type scene struct {
	*network
	srv   *server.Server
	calls chan *far
	db    bool // dialback is on
	acks  bool

	mu      sync.Mutex
	refused map[string]error // by domain: why there is no connection
}

// onStage runs a test with a server for the domains here and hereChat, the changes
// to whose configuration are made in their order.
func onStage(t *testing.T, test func(t *testing.T, s *scene), change ...func(*server.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{network: newNetwork(t), calls: make(chan *far, 1000), refused: make(map[string]error)}
		s.quick = true // nobody logs in
		s.srv = s.add(here, func(c *server.Config) {
			c.Domains = []string{here, hereChat}
			c.TLS.Certificates = []tls.Certificate{s.ca.issue(t, here), s.ca.issue(t, hereChat)}
			c.Federation.Dial = s.dial
			c.Federation.Secret = dialback.SecretOf("d14lb4ck43v3r")
			for _, f := range change {
				f(c)
			}
			s.db = c.Federation != nil && c.Federation.Dialback
			s.acks = c.Federation != nil && !c.Federation.NoAcks
		})
		test(t, s)
	})
}

// play is onStage as a subtest.
func play(t *testing.T, name string, test func(t *testing.T, s *scene), change ...func(*server.Config)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { onStage(t, test, change...) })
}

// Ways to be trusted, for onStage and play.
func plaintext(c *server.Config) {
	c.TLS, c.Federation.Dialback, c.Federation.Plaintext = nil, true, true
}
func overTLS(c *server.Config) { // dialback, nobody's certificate is believed
	c.Federation.Dialback, c.Federation.Roots = true, x509.NewCertPool()
}
func withDialback(c *server.Config) { c.Federation.Dialback = true }
func oneWay(c *server.Config)       { c.Federation.NoBidi = true }
func withoutAcks(c *server.Config)  { c.Federation.NoAcks = true }

// bare is for streams with nothing on them but dialback.
func bare(c *server.Config) {
	plaintext(c)
	oneWay(c)
	withoutAcks(c)
}

func (s *scene) dial(_ context.Context, pair dialback.Pair) (stream.Transport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refused[pair.Remote.Domain()]; err != nil {
		return nil, err
	}
	caller, called := net.Pipe()
	f := newFar(s.t, called, "called "+pair.Remote.String())
	f.pair, f.db = pair, s.db
	s.calls <- f
	return stream.NewTransport(caller), nil
}

// connect makes a connection to the server.
func (s *scene) connect() *far {
	caller, called := net.Pipe()
	go s.srv.ServeS2SConn(context.Background(), called)
	f := newFar(s.t, caller, "calling")
	f.db, f.acks = s.db, s.acks
	return f
}

// isCalled returns the connection that the server has made.
func (s *scene) isCalled(local, remote string) *far {
	s.t.Helper()
	synctest.Wait()
	select {
	case f := <-s.calls:
		if got := f.pair.String(); got != local+"/"+remote {
			s.t.Fatalf("called for %s, want %s/%s", got, local, remote)
		}
		return f
	default:
		s.t.Fatalf("nobody calls %s for %s", remote, local)
		return nil
	}
}

// isNotCalled expects that the server calls nobody.
func (s *scene) isNotCalled() {
	s.t.Helper()
	synctest.Wait()
	select {
	case f := <-s.calls:
		s.t.Fatalf("called for %s", f.pair)
	default:
	}
}

// romeo listens at an address of the server.
func (s *scene) romeo() *account { return s.network.account(s.srv, "romeo@"+here) }

// hearsNothing expects that nothing has come.
func (a *account) hearsNothing() {
	a.t.Helper()
	synctest.Wait()
	select {
	case st := <-a.in:
		a.t.Fatalf("%s got %s", a.addr, st.AppendXML(nil, ""))
	default:
	}
}

// write sends a message to an address elsewhere.
func (a *account) write(to, id string) { a.say(&account{addr: jid.MustParse(to)}, id) }

// far is another server, or somebody who says to be one, who speaks bytes.
type far struct {
	t    testing.TB
	name string
	pair dialback.Pair // that the server has called for
	db   bool          // the server has dialback
	acks bool          // and stream management
	nc   net.Conn

	mu      sync.Mutex
	got     string // not yet expected
	err     error  // why nothing more comes
	stopped chan struct{}
}

func newFar(t testing.TB, nc net.Conn, name string) *far {
	f := &far{t: t, name: name, nc: nc}
	t.Cleanup(func() { f.nc.Close() })
	f.listen()
	return f
}

func (f *far) listen() {
	f.stopped = make(chan struct{})
	go func(nc net.Conn, stopped chan struct{}) {
		defer close(stopped)
		buf := make([]byte, 16<<10)
		for {
			n, err := nc.Read(buf)
			f.mu.Lock()
			f.got += string(buf[:n])
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				f.err = err
			}
			f.mu.Unlock()
			if err != nil {
				return
			}
		}
	}(f.nc, f.stopped)
}

// send sends bytes. If the server does not take them what is expected next tells.
func (f *far) send(s string) {
	f.t.Helper()
	f.nc.SetWriteDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(f.nc, s); err != nil {
		f.t.Logf("%s: send: %v", f.name, err)
	}
}

// sendf formats and sends.
func (f *far) sendf(format string, args ...any) {
	f.t.Helper()
	f.send(fmt.Sprintf(format, args...))
}

// take returns what has come when nothing moves any more.
func (f *far) take() (string, error) {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	got := f.got
	f.got = ""
	return got, f.err
}

// holes are what a pattern may have in the place of bytes that nobody can foretell.
var holes = strings.NewReplacer(
	`\{id\}`, `([A-Z2-7]{26})`,
	`\{key\}`, `([0-9a-f]{64})`,
	`\{word\}`, `([^<>'"]*)`,
	`\{text\}`, `(?:<text [^>]*>[^<]*</text>)?`,
	`\{any\}`, `(?s:.*)`,
	// XEP-0440; there is no use for it beside EXTERNAL.
	`\{cb\}`, `(?:<sasl-channel-binding .*</sasl-channel-binding>)?`,
)

// match returns what fills the holes of a pattern that all of s matches.
func match(pattern, s string) ([]string, bool) {
	m := regexp.MustCompile("^" + holes.Replace(regexp.QuoteMeta(pattern)) + "$").FindStringSubmatch(s)
	if m == nil {
		return nil, false
	}
	return m[1:], true
}

// hears expects exactly this, byte for byte, and nothing behind it. It returns what
// was in the holes.
func (f *far) hears(want string) []string {
	f.t.Helper()
	got, err := f.take()
	m, ok := match(want, got)
	if !ok {
		f.t.Fatalf("%s heard\n got %q (%v)\nwant %q", f.name, got, err, want)
	}
	return m
}

// hearsOne is hears, and returns what was in the one hole.
func (f *far) hearsOne(want string) string {
	f.t.Helper()
	return f.hears(want)[0]
}

// hearsEnd expects exactly this and then, some seconds later perhaps, the end of the
// connection.
func (f *far) hearsEnd(want string) {
	f.t.Helper()
	f.hears(want)
	pass(10 * time.Second) // the server lets who is told of an error read it
	if got, err := f.take(); err == nil || got != "" {
		f.t.Fatalf("%s: the connection is still there, and says %q", f.name, got)
	}
}

// hangUp ends the connection.
func (f *far) hangUp() {
	f.nc.Close()
	<-f.stopped
	synctest.Wait()
}

// pass lets time pass.
func pass(d time.Duration) { <-time.After(d) }

// halt stops listening, so that another layer can.
func (f *far) halt() {
	f.t.Helper()
	if got, err := f.take(); got != "" || err != nil {
		f.t.Fatalf("%s heard %q (%v)", f.name, got, err)
	}
	f.nc.SetReadDeadline(time.Unix(1, 0))
	<-f.stopped
	f.nc.SetDeadline(time.Time{})
}

// begin makes the TLS handshake as a client, on a connection that is silent.
func (f *far) begin(config *tls.Config) (*tls.ConnectionState, error) {
	f.t.Helper()
	f.halt()
	return f.shake(tls.Client(f.nc, config))
}

func (f *far) shake(tc *tls.Conn) (*tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := tc.HandshakeContext(ctx)
	f.nc = tc
	f.listen()
	state := tc.ConnectionState()
	return &state, err
}

// startTLS asks for TLS and begins it.
func (f *far) startTLS(config *tls.Config) (*tls.ConnectionState, error) {
	f.t.Helper()
	f.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	f.hears("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	return f.begin(config)
}

// upgrade answers the header of the server that calls with STARTTLS, and what else is
// offered then, and makes the handshake with a certificate.
func (f *far) upgrade(cert tls.Certificate, offered ...string) *tls.ConnectionState {
	f.t.Helper()
	f.answer("before-tls", append([]string{startTLS}, offered...)...)
	state, err := f.answerTLS(host(cert))
	if err != nil {
		f.t.Fatal(err)
	}
	return state
}

// answerTLS lets the server begin TLS, which has asked for it.
func (f *far) answerTLS(config *tls.Config) (*tls.ConnectionState, error) {
	f.t.Helper()
	f.hears("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	f.halt()
	io.WriteString(f.nc, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	return f.shake(tls.Server(f.nc, config))
}

// client is the TLS of somebody who calls and shows these certificates.
func client(certs ...tls.Certificate) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, Certificates: certs}
}

// host is the TLS of somebody who is called and shows this certificate.
func host(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert}
}

const (
	streamDecl = "xmlns:stream='http://etherx.jabber.org/streams'"
	dbDecl     = "xmlns:db='jabber:server:dialback'"
)

// hello is the header of a server that calls.
func hello(from, to string) string {
	return fmt.Sprintf("<?xml version='1.0'?><stream:stream xmlns='jabber:server' %s %s from='%s' to='%s' "+
		"version='1.0'>",
		streamDecl, dbDecl, from, to)
}

// welcome is the header of a server that is called.
func welcome(from, to, id string) string {
	return fmt.Sprintf("<?xml version='1.0'?><stream:stream xmlns='jabber:server' %s %s from='%s' to='%s' id='%s' "+
		"version='1.0'>",
		streamDecl, dbDecl, from, to, id)
}

// header returns the header that the server writes.
func (f *far) header(attributes string) string {
	db := ""
	if f.db {
		db = " " + dbDecl
	}
	return "<?xml version='1.0'?><stream:stream xmlns='jabber:server' " + streamDecl + db + attributes +
		" xml:lang='en'>"
}

// answered is the header that the server answers with.
func (f *far) answered(from, to string) string {
	return f.header(" from='" + from + "' to='" + to + "' id='{id}' version='1.0'")
}

// greeting is the header that the server calls with.
func (f *far) greeting() string {
	return f.header(fmt.Sprintf(" from='%s' to='%s' version='1.0'", f.pair.Local, f.pair.Remote))
}

// Features, as our server writes them.
const (
	startTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
	bidi     = "<bidi xmlns='urn:xmpp:features:bidi'/>"
	external = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>{cb}"
	byKey    = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
	sm       = "<sm xmlns='urn:xmpp:sm:3'/>"
	limits   = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>262144</max-bytes>" +
		"<idle-seconds>900</idle-seconds></limits>"
	askBidi = "<bidi xmlns='urn:xmpp:bidi'>" + limits + "</bidi>"
)

func offering(fs ...string) string {
	return "<stream:features>" + strings.Join(fs, "") + "</stream:features>"
}

// offeredHere is offering by our server: with dialback, after which there are no
// features, goes stream management.
func (f *far) offeredHere(fs ...string) string {
	if i := slices.Index(fs, byKey); i >= 0 && f.acks {
		fs = slices.Insert(slices.Clone(fs), i+1, sm)
	}
	return offering(fs...)
}

// fails is a stream error and the end of the stream.
func fails(c stream.Condition) string {
	return "<stream:error><" + string(c) + " " +
		"xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>{text}</stream:error></stream:stream>"
}

// Packets of dialback, as our server writes them.
func result(from, to, key string) string {
	return fmt.Sprintf("<db:result from='%s' to='%s'>%s</db:result>", from, to, key)
}

func resultIs(from, to, typ string) string {
	return fmt.Sprintf("<db:result from='%s' to='%s' type='%s'/>", from, to, typ)
}

func resultError(from, to, typ, condition string) string {
	return fmt.Sprintf("<db:result from='%s' to='%s' type='error'><error type='%s'><%s "+
		"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{text}</error></db:result>",
		from, to, typ, condition)
}

func verify(from, id, to, key string) string {
	return fmt.Sprintf("<db:verify from='%s' id='%s' to='%s'>%s</db:verify>", from, id, to, key)
}

func verifyIs(from, id, to, typ string) string {
	return fmt.Sprintf("<db:verify from='%s' id='%s' to='%s' type='%s'/>", from, id, to, typ)
}

// message is one as another server writes it.
func message(from, to, id string) string {
	return fmt.Sprintf("<message from='%s' to='%s' id='%s' type='chat'><body>%s</body></message>", from, to, id, id)
}

// relayed is a message of an account as our server writes it.
func relayed(from, to, id string) string {
	return fmt.Sprintf("<message type='chat' id='%s' to='%s' from='%s'><body>%s</body></message>", id, to, from, id)
}

// open opens a stream, or opens it anew, and returns its id.
func (f *far) open(from, to string, offered ...string) (id string) {
	f.t.Helper()
	f.send(hello(from, to))
	return f.hearsOne(f.answered(to, from) + f.offeredHere(offered...))
}

// answer answers the header of the server that calls.
func (f *far) answer(id string, offered ...string) {
	f.t.Helper()
	f.hears(f.greeting())
	f.send(welcome(f.pair.Remote.String(), f.pair.Local.String(), id) + offering(offered...))
}

// openOld opens a stream as servers did before RFC 3920, and returns its id.
func (f *far) openOld() (id string) {
	f.t.Helper()
	f.send(seedHeader)
	return f.hearsOne(f.oldAnswer())
}

// asked asks on f to be let in from a domain to another, and returns the connection on
// which the server has asked whether the key is right. Nothing is said that is not of
// dialback.
func (s *scene) asked(f *far, id, from, to, key string) (authoritative *far) {
	s.t.Helper()
	f.send(result(from, to, key))
	authoritative = s.isCalled(to, from)
	authoritative.answer("1251A342B", byKey)
	authoritative.hears(verify(to, id, from, key))
	return authoritative
}

// letIn is asked, with an answer that is yes.
func (s *scene) letIn(f *far, id, from, to string) (authoritative *far) {
	s.t.Helper()
	authoritative = s.asked(f, id, from, to, "k3y")
	authoritative.send(verifyIs(from, id, to, "valid"))
	f.hears(resultIs(to, from, "valid"))
	return authoritative
}

// called has romeo write m1 to there, and returns the connection that the server makes
// for it.
func (s *scene) called(romeo *account) *far {
	s.t.Helper()
	romeo.write("juliet@"+there, "m1")
	return s.isCalled(here, there)
}

// asking is called, up to the key by which the server asks to be let in. Where it is
// offered it asks for a stream that goes both ways.
func (s *scene) asking(romeo *account, offered ...string) *far {
	s.t.Helper()
	f := s.called(romeo)
	f.answer("y", offered...)
	key := result(here, there, "{key}")
	if slices.Contains(offered, bidi) {
		key = askBidi + key
	}
	f.hears(key)
	return f
}

// opened is asking, with an answer that is yes, up to m1.
func (s *scene) opened(romeo *account, offered ...string) *far {
	s.t.Helper()
	f := s.asking(romeo, offered...)
	f.send(resultIs(there, here, "valid"))
	f.hears(relayed("romeo@"+here, "juliet@"+there, "m1"))
	return f
}

// open returns a stream from there to here, on which these features are offered, and its
// id.
func (s *scene) open(offered ...string) (f *far, id string) {
	s.t.Helper()
	f = s.connect()
	return f, f.open(there, here, offered...)
}

// authorized returns a stream from there to here on which stanzas may come, of a
// scene that is bare.
func (s *scene) authorized() (f *far, id string) {
	s.t.Helper()
	f, id = s.open(byKey, limits)
	s.letIn(f, id, there, here)
	return f, id
}

// secured returns a stream with TLS, on which these features are offered then.
func (s *scene) secured(from, to string, config *tls.Config, offered ...string) (f *far, id string) {
	s.t.Helper()
	f = s.connect()
	f.open(from, to, startTLS, limits)
	if _, err := f.startTLS(config); err != nil {
		s.t.Fatal(err)
	}
	return f, f.open(from, to, offered...)
}

// certified returns a stream that is authenticated by EXTERNAL and bidirectional if the
// server has it so, of a scene with the certificates as they are by default.
func (s *scene) certified(from, to string) *far {
	s.t.Helper()
	before, after := []string{bidi, external}, []string{sm, limits}
	if s.db {
		before = append(before, byKey)
	}
	f, _ := s.secured(from, to, client(s.ca.issue(s.t, from)), append(before, limits)...)
	f.send("<bidi xmlns='urn:xmpp:bidi'/><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
	f.hears("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
	f.open(from, to, after...)
	return f
}
