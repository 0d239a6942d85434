package server_test

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"
)

// What a component says and hears, byte by byte.

const (
	componentHeader = "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='gw.localhost'>"
	closing         = "</stream:stream>"
)

// withComponents makes a server that knows gw.localhost and sms.localhost.
func withComponents(t testing.TB, change ...func(*server.Config)) *server.Server {
	t.Helper()
	return newServer(t, func(c *server.Config) {
		c.AnswerStrangers = true
		c.Stream.CloseTimeout = 50 * time.Millisecond // these components do not close their side
		c.Components = &server.Components{Known: map[string]server.Component{
			"gw.localhost":  {Secret: "s3cret", Name: "Gateway"},
			"sms.localhost": {Secret: "other"},
		}}
		for _, fn := range change {
			fn(c)
		}
	})
}

// dialComponent connects to the server as a component does.
func dialComponent(t testing.TB, s *server.Server) *raw {
	t.Helper()
	a, b := net.Pipe()
	go s.ServeComponentConn(context.Background(), b)
	r := newRaw(t, a)
	r.domain = "gw.localhost"
	return r
}

var streamID = regexp.MustCompile(` id='([^']*)'`)

// hash is what a component shows that it knows the secret by.
func hash(id, secret string) string {
	sum := sha1.Sum([]byte(id + secret))
	return hex.EncodeToString(sum[:])
}

// openComponent opens a stream and returns its id.
func (r *raw) openComponent() string {
	r.t.Helper()
	r.send("%s", strings.Replace(componentHeader, "gw.localhost", r.domain, 1))
	m := streamID.FindStringSubmatch(r.expect("<stream:stream ", ">"))
	if m == nil {
		r.t.Fatal("the header has no id")
	}
	return m[1]
}

// attachComponent connects the component of a domain.
func attachComponent(t testing.TB, s *server.Server, domain, secret string) *raw {
	t.Helper()
	r := dialComponent(t, s)
	r.domain = domain
	r.send("<handshake>%s</handshake>", hash(r.openComponent(), secret))
	r.expect("<handshake/>")
	return r
}

// ended is what comes on a stream up to its end, with the id of the stream and the
// texts of errors taken out.
func (r *raw) ended() string {
	r.t.Helper()
	got := streamID.ReplaceAllString(r.expectEnd(), " id=''")
	return regexp.MustCompile(`(<stream:error>)[^<]*`).ReplaceAllString(got, "$1")
}

// streamError is how a stream ends over an error.
func streamError(condition stream.Condition) string {
	return "<stream:error><" + string(condition) + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>" + closing
}

const componentAnswer = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'" +
	" from='gw.localhost' id='' xml:lang='en'>"

// TestComponentHandshake is how a component gets in, and how it does not.
func TestComponentHandshake(t *testing.T) {
	s := withComponents(t)
	t.Run("XEP0114-1 the header is answered with from and id", func(t *testing.T) {
		r := dialComponent(t, s)
		r.send(componentHeader)
		got := r.expect("<?xml version='1.0'?><stream:stream ", ">")
		if m := streamID.FindStringSubmatch(got); m == nil || len(m[1]) < 20 {
			t.Errorf("no id that cannot be guessed: %s", got)
		}
		if got = streamID.ReplaceAllString(got, " id=''"); got != componentAnswer {
			t.Errorf("got  %s\nwant %s", got, componentAnswer)
		}
	})
	t.Run("XEP0114-1 a header as components with versions send it", func(t *testing.T) {
		r := dialComponent(t, s)
		r.send("<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' " +
			"to='GW.localhost' from='gw.localhost' version='1.0' xml:lang='de'>")
		if got := streamID.ReplaceAllString(r.expect("<stream:stream ", ">"), " id=''"); got != componentAnswer {
			t.Errorf("got %s", got)
		}
	})
	t.Run("XEP0114-2 the right handshake is answered with an empty one", func(t *testing.T) {
		r := dialComponent(t, s)
		r.send("<handshake>%s</handshake>", hash(r.openComponent(), "s3cret"))
		if got := r.expect("/>"); got != "<handshake/>" {
			t.Errorf("got %s", got)
		}
		if got := s.Components(); !slices.Equal(got, []jid.JID{jid.MustParse("gw.localhost")}) {
			t.Errorf("connected: %v", got)
		}
		r.send(closing)
		if got := r.expectEnd(); got != closing {
			t.Errorf("the end: %s", got)
		}
	})
	for _, tt := range []struct {
		name, say string // ID stands for the id of the stream
		want      stream.Condition
	}{
		{"XEP0114-2 a wrong secret", "<handshake>" + hash("ID", "wrong") + "</handshake>", stream.NotAuthorized},
		{"XEP0114-2 no hash", "<handshake/>", stream.NotAuthorized},
		{"XEP0114-2 the secret itself", "<handshake>s3cret</handshake>", stream.NotAuthorized},
		{"XEP0114-2 the hash of another stream", "<handshake>" + hash("0", "s3cret") + "</handshake>", stream.NotAuthorized},
		{"a stanza before the handshake", "<message from='gw.localhost' to='juliet@localhost'><body>hi</body></message>", stream.NotAuthorized},
		{"something else", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>", stream.UnsupportedStanzaType},
		{"no XML", "<handshake></x>", stream.NotWellFormed},
		{"more than a stranger may say", "<handshake>" + strings.Repeat("x", 20000), stream.PolicyViolation},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := dialComponent(t, s)
			r.openComponent()
			r.send("%s", tt.say)
			if got, want := r.ended(), streamError(tt.want); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	t.Run("XEP0114-2 what is in upper case", func(t *testing.T) {
		r := dialComponent(t, s)
		r.send("<handshake> %s\n</handshake>", strings.ToUpper(hash(r.openComponent(), "s3cret")))
		r.expect("<handshake/>")
		r.send(closing)
		r.expectEnd()
	})
	if got := s.Components(); len(got) > 0 {
		t.Errorf("still connected: %v", got)
	}
}

// TestComponentHeader: "For all errors related to the stream header, the server MUST
// follow the rules in Section 4.7.1 of XMPP Core by returning an opening stream tag,
// stream error element, and closing stream tag".
func TestComponentHeader(t *testing.T) {
	s := withComponents(t)
	attachComponent(t, s, "sms.localhost", "other")
	for _, tt := range []struct {
		name, header string
		want         stream.Condition
		from         string
	}{
		{"XEP0114-3 an unknown name", strings.Replace(componentHeader, "gw.localhost", "no.localhost", 1), stream.HostUnknown, "no.localhost"},
		{"XEP0114-3 the server's own name", strings.Replace(componentHeader, "gw.localhost", "localhost", 1), stream.HostUnknown, "localhost"},
		{"XEP0114-3 no name", strings.Replace(componentHeader, " to='gw.localhost'", "", 1), stream.HostUnknown, ""},
		{"XEP0114-3 no domain", strings.Replace(componentHeader, "gw.localhost", "me@gw.localhost", 1), stream.HostUnknown, "me@gw.localhost"},
		{"XEP0114-3 a name in use", strings.Replace(componentHeader, "gw.localhost", "sms.localhost", 1), stream.Conflict, "sms.localhost"},
		{"XEP0114-3 the namespace of clients", strings.Replace(componentHeader, "jabber:component:accept", "jabber:client", 1),
			stream.InvalidNamespace, "gw.localhost"},
		{"XEP0114-3 the other namespace of components", strings.Replace(componentHeader, "jabber:component:accept", "jabber:component:connect", 1),
			stream.InvalidNamespace, "gw.localhost"},
		{"XEP0114-3 a namespace that nobody knows", strings.Replace(componentHeader, "jabber:component:accept", "urn:example", 1),
			stream.InvalidNamespace, "gw.localhost"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := dialComponent(t, s)
			r.send("%s", tt.header)
			want := strings.Replace(componentAnswer, "from='gw.localhost'", "from='"+tt.from+"'", 1)
			want = strings.Replace(want, " from=''", "", 1) + streamError(tt.want)
			if got := r.ended(); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	// Who is connected has not noticed.
	if got := s.Components(); !slices.Equal(got, []jid.JID{jid.MustParse("sms.localhost")}) {
		t.Errorf("connected: %v", got)
	}
}

// TestComponentConflict: of two that have begun at the same time, the second one that
// shows that it knows the secret is refused, or takes the place.
func TestComponentConflict(t *testing.T) {
	for _, replace := range []bool{false, true} {
		s := withComponents(t, func(c *server.Config) { c.Components.ReplaceOld = replace })
		first, second := dialComponent(t, s), dialComponent(t, s)
		id1, id2 := first.openComponent(), second.openComponent()
		first.send("<handshake>%s</handshake>", hash(id1, "s3cret"))
		first.expect("<handshake/>")
		second.send("<handshake>%s</handshake>", hash(id2, "s3cret"))
		stays, goes := first, second
		if replace {
			second.expect("<handshake/>")
			stays, goes = second, first
		}
		if !replace {
			if got, want := goes.ended(), streamError(stream.Conflict); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		} else {
			goes.expect("<conflict ", closing)
			goes.send(closing)
			goes.expectEnd()
		}
		juliet := login(t, s, "juliet", "r0m30", "balcony")
		juliet.send("<message to='gw.localhost' id='1'><body>hello</body></message>")
		stays.expect("<message ", "<body>hello</body></message>")
	}
}

// TestComponentStanzas: "All stanzas sent to the server MUST possess a 'from'
// attribute and a 'to' attribute [...]. The domain identifier portion of the JID
// contained in the 'from' attribute MUST match the hostname of the component.
// However, this is the only restriction on 'from' addresses" (XEP-0114, section 3).
func TestComponentStanzas(t *testing.T) {
	s := withComponents(t)
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	gw := attachComponent(t, s, "gw.localhost", "s3cret")
	for _, from := range []string{"gw.localhost", "1234567@gw.localhost", "1234567@gw.localhost/phone", "gw.localhost/x"} {
		t.Run("XEP0114-4 from "+from, func(t *testing.T) {
			gw.send("<message from='%s' to='juliet@localhost/balcony' id='1' type='chat'><body>hi</body></message>", from)
			if got := juliet.expect("<message ", "</message>"); !strings.Contains(got, " from='"+from+"'") {
				t.Errorf("got %s", got)
			}
			juliet.send("<iq type='get' id='2' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>", from)
			gw.expect("from='juliet@localhost/balcony'", "<ping xmlns='urn:xmpp:ping'/></iq>")
			gw.send("<iq type='result' id='2' from='%s' to='juliet@localhost/balcony'/>", from)
			juliet.expect("<iq ", "from='"+from+"'", "/>")
		})
	}
	for _, tt := range []struct{ name, say, want string }{
		{"to the server", "<iq type='get' id='3' from='a@gw.localhost' to='localhost'><query xmlns='urn:example'/></iq>", "<service-unavailable "},
		{"to an account", "<iq type='get' id='3' from='a@gw.localhost' to='nobody@localhost'><query xmlns='urn:example'/></iq>", "<service-unavailable "},
		{"a request without id", "<iq type='get' from='a@gw.localhost' to='localhost'><query xmlns='urn:example'/></iq>", "<bad-request "},
		{"a request without payload", "<iq type='get' id='3' from='a@gw.localhost' to='juliet@localhost'/>", "<bad-request "},
		{"a presence that does not exist", "<presence type='gone' from='a@gw.localhost' to='juliet@localhost'/>", "<bad-request "},
		{"to no address", "<message from='a@gw.localhost' to='@' id='3'/>", "<jid-malformed "},
		{"to another domain", "<message from='a@gw.localhost' to='romeo@b.example' id='3'/>", "<remote-server-not-found "},
		{"to another component that is away", "<message from='a@gw.localhost' to='sms.localhost' id='3'/>", "<remote-server-timeout "},
		{"to itself", "<message from='a@gw.localhost' to='b@gw.localhost' id='3'/>", "<message "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gw.send("%s", tt.say)
			got := gw.expect(tt.want)
			if strings.HasPrefix(tt.say, "<message") && !strings.Contains(got, "id='3'") && tt.name != "to itself" {
				t.Errorf("got %s", got)
			}
		})
	}
}

// TestComponentBadStanzas are what end the stream.
func TestComponentBadStanzas(t *testing.T) {
	s := withComponents(t)
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	for _, tt := range []struct {
		name, say string
		want      stream.Condition
	}{
		{"XEP0114-4 no from", "<message to='juliet@localhost'><body>spoofed</body></message>", stream.ImproperAddressing},
		{"XEP0114-4 no to", "<message from='gw.localhost'><body>spoofed</body></message>", stream.ImproperAddressing},
		{"XEP0114-4 neither", "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", stream.ImproperAddressing},
		{"XEP0114-4 from a user", "<message from='romeo@localhost' to='juliet@localhost'><body>spoofed</body></message>", stream.InvalidFrom},
		{"XEP0114-4 from the server", "<message from='localhost' to='juliet@localhost'><body>spoofed</body></message>", stream.InvalidFrom},
		{"XEP0114-4 from another component", "<message from='sms.localhost' to='juliet@localhost'><body>spoofed</body></message>", stream.InvalidFrom},
		{"XEP0114-4 from a domain below", "<message from='x.gw.localhost' to='juliet@localhost'><body>spoofed</body></message>", stream.InvalidFrom},
		{"XEP0114-4 from elsewhere", "<presence from='romeo@b.example' to='juliet@localhost'/>", stream.InvalidFrom},
		{"XEP0114-4 from no address", "<message from='@' to='juliet@localhost'><body>spoofed</body></message>", stream.InvalidFrom},
		{"no stanza", "<log type='notice' from='gw.localhost'>hello</log>", stream.UnsupportedStanzaType},
		{"a stanza of another namespace", "<message xmlns='jabber:client' from='gw.localhost' to='juliet@localhost'/>", stream.InvalidNamespace},
		{"too large", "<message from='gw.localhost' to='juliet@localhost'><body>" + strings.Repeat("spoofed", 50000) + "</body></message>", stream.PolicyViolation},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gw := attachComponent(t, s, "gw.localhost", "s3cret")
			gw.send("%s", tt.say)
			if got, want := gw.ended(), streamError(tt.want); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if got := s.Components(); len(got) > 0 {
				t.Errorf("still connected: %v", got)
			}
		})
	}
	juliet.send("<iq type='get' id='last'><query xmlns='urn:example'/></iq>")
	if got := juliet.expect("id='last'"); strings.Contains(got, "spoofed") {
		t.Errorf("delivered: %s", got)
	}
}

// remote is a connection from another machine.
type remote struct{ net.Conn }

func (remote) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4711} }

// TestComponentPlaintext: from another machine a component comes with TLS, or not at
// all.
func TestComponentPlaintext(t *testing.T) {
	crt, err := server.SelfSigned("gw.localhost")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name          string
		plaintext     bool // allowed
		tls, isRemote bool
		refused       bool
	}{
		{name: "from this machine"},
		{name: "from another machine", isRemote: true, refused: true},
		{name: "from another machine, which is allowed", isRemote: true, plaintext: true},
		{name: "with TLS from another machine", isRemote: true, tls: true},
		{name: "with TLS from this machine", tls: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := withComponents(t, func(c *server.Config) {
				c.Components.Plaintext = tt.plaintext
				c.TLS = &tls.Config{Certificates: []tls.Certificate{crt}}
			})
			a, b := net.Pipe()
			if tt.isRemote {
				b = remote{b}
			}
			go s.ServeComponentConn(t.Context(), b)
			if tt.tls {
				a = tls.Client(a, &tls.Config{InsecureSkipVerify: true})
			}
			r := newRaw(t, a)
			r.domain = "gw.localhost"
			if tt.refused {
				go r.send(componentHeader) // it is not read to its end
				if got := r.ended(); !strings.HasSuffix(got, streamErrorIn(got, stream.PolicyViolation)) {
					t.Errorf("got %s", got)
				}
				return
			}
			r.send("<handshake>%s</handshake>", hash(r.openComponent(), "s3cret"))
			r.expect("<handshake/>")
			r.send(closing)
			r.expect(closing)
		})
	}
}

// streamErrorIn is the end that got must have: errors of streams with a version have
// no text before the condition.
func streamErrorIn(got string, c stream.Condition) string {
	i := strings.Index(got, "<stream:error>")
	if i < 0 || !strings.Contains(got[i:], "<"+string(c)+" ") {
		return string(c)
	}
	return got[i:]
}

// TestComponentsNotConfigured: a server without components has no port for them.
func TestComponentsNotConfigured(t *testing.T) {
	s := newServer(t, nil)
	a, b := net.Pipe()
	if err := s.ServeComponentConn(t.Context(), b); err == nil {
		t.Error("served")
	}
	if _, err := a.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ServeComponents(t.Context(), l); err == nil {
		t.Error("served")
	}
	if err := s.ConnectComponents(t.Context()); err == nil {
		t.Error("connects")
	}
	if got := s.Components(); got != nil {
		t.Errorf("connected: %v", got)
	}
}

func TestComponentsConfig(t *testing.T) {
	for _, tt := range []struct {
		name  string
		known map[string]server.Component
		want  string
	}{
		{"no domain", map[string]server.Component{"a@gw.localhost": {Secret: "x"}}, `"a@gw.localhost" is not a domain`},
		{"a host", map[string]server.Component{"LOCALHOST": {Secret: "x"}}, "localhost is a domain of the server itself"},
		{"no secret", map[string]server.Component{"gw.localhost": {}}, "gw.localhost has no secret"},
		{"twice", map[string]server.Component{"gw.localhost": {Secret: "x"}, "GW.localhost": {Secret: "x"}}, "two names are the same domain"},
	} {
		_, err := server.New(server.Config{Domains: []string{"localhost"}, Components: &server.Components{Known: tt.known}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// TestComponentFind: components that are looked up.
func TestComponentFind(t *testing.T) {
	failing := errors.New("the database is away")
	s := withComponents(t, func(c *server.Config) {
		c.Components.Known = nil
		c.Components.Find = func(_ context.Context, domain jid.JID) (server.Component, bool, error) {
			if domain.Domain() == "broken.localhost" {
				return server.Component{}, false, failing
			}
			return server.Component{Secret: "s3cret"}, strings.HasPrefix(domain.Domain(), "gw"), nil
		}
	})
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	for range 2 {
		juliet.send("<message to='gw7.localhost' id='1'><body>hello</body></message>")
		juliet.expect("<remote-server-not-found ")
		gw := attachComponent(t, s, "gw7.localhost", "s3cret")
		juliet.send("<message to='gw7.localhost' id='1'><body>hello</body></message>")
		gw.expect("<body>hello</body></message>")
		if _, err := s.Local(jid.MustParse("gw7.localhost"), nil); err == nil {
			t.Error("a service has taken the component's place")
		}
		gw.send(closing)
		gw.expectEnd()
	}
	for domain, want := range map[string]stream.Condition{"broken.localhost": stream.InternalServerError, "sms.localhost": stream.HostUnknown} {
		r := dialComponent(t, s)
		r.send("%s", strings.Replace(componentHeader, "gw.localhost", domain, 1))
		if got := r.ended(); !strings.HasSuffix(got, streamError(want)) {
			t.Errorf("%s: %s", domain, got)
		}
	}
	if _, err := s.Local(jid.MustParse("gw8.localhost"), nil); err != nil {
		t.Fatal(err)
	}
	r := dialComponent(t, s)
	r.send("%s", strings.Replace(componentHeader, "gw.localhost", "gw8.localhost", 1))
	if got := r.ended(); !strings.HasSuffix(got, streamError(stream.HostUnknown)) {
		t.Errorf("the domain of a service: %s", got)
	}
}
