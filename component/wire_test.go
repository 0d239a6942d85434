package component_test

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/component"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// What the component says and hears, byte by byte.

const (
	acceptHeader = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' "
	serverHeader = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept' from='gw.example.org' id='3BF96D32'>"
	closing      = "</stream:stream>"
)

// sha1Of is what the handshake has.
func sha1Of(id, secret string) string {
	sum := sha1.Sum([]byte(id + secret))
	return hex.EncodeToString(sum[:])
}

// talk is the other side of a connection.
type talk struct {
	t    *testing.T
	conn net.Conn
	got  string
}

func (k *talk) send(s string) {
	k.t.Helper()
	if _, err := k.conn.Write([]byte(s)); err != nil {
		k.t.Fatalf("send %s: %v", s, err)
	}
}

// expect reads until want has come, and returns what came up to its end.
func (k *talk) expect(want string) string {
	k.t.Helper()
	k.conn.SetReadDeadline(time.Now().Add(5 * time.Minute))
	buf := make([]byte, 4096)
	for {
		if i := strings.Index(k.got, want); i >= 0 {
			seen := k.got[:i+len(want)]
			k.got = k.got[len(seen):]
			return seen
		}
		n, err := k.conn.Read(buf)
		if k.got += string(buf[:n]); err != nil && !strings.Contains(k.got, want) {
			k.t.Fatalf("want %s, got %s, %v", want, k.got, err)
		}
	}
}

// dialed runs a component that connects to the talk that is returned.
func dialed(t *testing.T, change ...func(*component.Config)) (*component.Component, *talk, <-chan error) {
	t.Helper()
	conns := make(chan net.Conn, 1)
	cfg := component.Config{Domain: gateway, Secret: "s3cret", KeepAlive: -1, Backoff: func(int) time.Duration { return time.Hour },
		Dial: func(context.Context) (stream.Transport, error) {
			a, b := net.Pipe()
			conns <- b
			return stream.NewTransport(a), nil
		}}
	for _, fn := range change {
		fn(&cfg)
	}
	c, err := component.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Run(t.Context()) }()
	return c, &talk{t: t, conn: <-conns}, done
}

// accepted is dialed up to the handshake.
func accepted(t *testing.T, change ...func(*component.Config)) (*component.Component, *talk, <-chan error) {
	t.Helper()
	c, k, done := dialed(t, change...)
	k.expect(">")
	k.expect(">")
	k.send(serverHeader)
	k.expect("</handshake>")
	k.send("<handshake/>")
	if err := c.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, k, done
}

// TestWire is XEP-0114, examples 1 to 4, from the component's side.
func TestWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k, done := dialed(t)
		k.expect("?>")
		if got := k.expect(">"); got != strings.TrimPrefix(acceptHeader, "<?xml version='1.0'?>")+"to='gw.example.org'>" {
			t.Errorf("XEP0114-1 the header is %s", got)
		}
		k.send(serverHeader)
		if got := k.expect("</handshake>"); got != "<handshake>"+sha1Of("3BF96D32", "s3cret")+"</handshake>" {
			t.Errorf("XEP0114-2 the handshake is %s", got)
		}
		k.send("<handshake/>")
		if err := c.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Close()
		k.expect(closing)
		k.send(closing)
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestWireRefused: what ends Run, and what is tried again.
func TestWireRefused(t *testing.T) {
	streamError := func(c string) string {
		return "<stream:error><" + c + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>" + closing
	}
	for _, tt := range []struct {
		name, header, answer string
		want                 error // nil: it is tried again
	}{
		{"XEP0114-2 a wrong handshake", serverHeader, streamError("not-authorized"), stream.NotAuthorized},
		{"XEP0114-3 an unknown name", serverHeader, streamError("host-unknown"), stream.HostUnknown},
		{"XEP0114-3 a wrong namespace", serverHeader, streamError("invalid-namespace"), stream.InvalidNamespace},
		{"XEP0114-3 a name in use", serverHeader, streamError("conflict"), nil},
		{"a server that shuts down", serverHeader, streamError("system-shutdown"), nil},
		{"something else", serverHeader, "<message/>", nil},
		{"the end", serverHeader, closing, nil},
		{"no id", strings.Replace(serverHeader, " id='3BF96D32'", "", 1), "", nil},
		{"of another component", strings.Replace(serverHeader, "gw.example.org", "x.example.org", 1), "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, k, done := dialed(t)
				k.expect("?>")
				k.expect(">")
				k.send(tt.header)
				if tt.answer != "" {
					k.expect("</handshake>")
					k.send(tt.answer)
				}
				go func() {
					for buf := make([]byte, 100); ; {
						if _, err := k.conn.Read(buf); err != nil {
							k.conn.Close()
							return
						}
					}
				}()
				if tt.want != nil {
					err := <-done
					if e, ok := errors.AsType[*component.ConnectError](err); !ok || !errors.Is(err, tt.want) || !strings.Contains(e.Error(), "gw.example.org cannot connect") {
						t.Errorf("Run: %v", err)
					}
					return
				}
				time.Sleep(time.Minute)
				if len(done) > 0 {
					t.Errorf("gave up: %v", <-done)
				}
				c.Close()
				<-done
			})
		})
	}
}

// TestWireStanzas: what is wrong with a stanza is answered, or it is passed over.
func TestWireStanzas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k, done := accepted(t)
		for _, tt := range []struct{ name, say, want string }{
			{"a ping", "<iq type='get' id='1' from='a@b' to='x@gw.example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
				"<iq type='result' id='1' to='a@b' from='x@gw.example.org'/>"},
			{"without to", "<iq type='get' id='1' from='a@b'><ping xmlns='urn:xmpp:ping'/></iq>", "<iq type='result' id='1' to='a@b' from='gw.example.org'/>"},
			{"what nobody handles", "<iq type='get' id='1' from='a@b' to='gw.example.org'><x xmlns='urn:x'/></iq>", "<service-unavailable "},
			{"no id", "<iq type='get' from='a@b' to='gw.example.org'><x xmlns='urn:x'/></iq>", "<bad-request "},
			{"no payload", "<iq type='get' id='1' from='a@b' to='gw.example.org'/>", "<bad-request "},
			{"no type", "<iq type='x' id='1' from='a@b' to='gw.example.org'/>", "<bad-request "},
			{"no address", "<message from='a@b' to='@' id='1'><body>x</body></message>", "<jid-malformed "},
			{"to another domain", "<message from='a@b' to='gw.example.com' id='1'><body>x</body></message>", ""},
			{"without from", "<iq type='get' id='1' to='gw.example.org'><x xmlns='urn:x'/></iq>", ""},
			{"from no address", "<message from='@' to='gw.example.org' id='1'><body>x</body></message>", ""},
			{"a reply to nothing", "<iq type='result' id='7' from='a@b' to='gw.example.org'/>", ""},
			{"what is no stanza", "<route xmlns='urn:x'/>", ""},
		} {
			k.send(tt.say)
			want := tt.want
			if want == "" { // nothing comes before the answer to a ping
				k.send("<iq type='get' id='next' from='a@b' to='gw.example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
				if got := k.expect("/>"); got != "<iq type='result' id='next' to='a@b' from='gw.example.org'/>" {
					t.Errorf("%s: got %s", tt.name, got)
				}
				continue
			}
			got := k.expect(want)
			if strings.HasPrefix(want, "<iq") && got != want {
				t.Errorf("%s: got %s", tt.name, got)
			}
			if !strings.HasPrefix(want, "<iq") {
				k.expect("</error></")
				k.expect(">")
			}
		}
		for name, tt := range map[string]struct {
			st   stanza.Header
			want error
		}{
			"XEP0114-4 no to":          {stanza.Header{Kind: stanza.KindMessage}, component.ErrNoRecipient},
			"XEP0114-4 another domain": {stanza.Header{Kind: stanza.KindMessage, To: domain, From: juliet}, component.ErrForeign},
		} {
			st, err := stanza.New(tt.st)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Send(t.Context(), st); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		go xmpp.Send(t.Context(), c, &stanza.Message{To: juliet, From: sms, Body: "hi"})
		got := k.expect("</message>")
		if !strings.Contains(got, " from='1234567@gw.example.org'") || !strings.Contains(got, " to='juliet@example.org'") {
			t.Errorf("XEP0114-4 from any address: got %s", got)
		}
		if _, err := c.Do(t.Context(), &stanza.Stanza{Header: stanza.Header{Kind: stanza.KindMessage}}); !errors.Is(err, xmpp.ErrNotRequest) {
			t.Errorf("Do: %v", err)
		}
		asked := make(chan error, 1)
		go func() { asked <- ping.Ping(t.Context(), c, juliet) }()
		k.expect("</iq>")
		if err := <-asked; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Do without an answer: %v", err)
		}
		k.send(closing)
		k.expect(closing)
		synctest.Wait()
		if err := ping.Ping(t.Context(), c, juliet); !errors.Is(err, xmpp.ErrNotConnected) {
			t.Errorf("without a session: %v", err)
		}
		c.Close()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestWireOverload: what is too much is refused.
func TestWireOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		c, k, done := accepted(t, func(cfg *component.Config) {
			cfg.MaxConcurrent, cfg.MaxQueued = 1, 1
			cfg.Handler = xmpp.HandlerFunc(func(context.Context, xmpp.Sender, *stanza.Stanza) error {
				<-block
				return nil
			})
		})
		for i := range 3 {
			k.send(fmt.Sprintf("<message from='a@b' to='gw.example.org' id='m%d'><body>x</body></message>", i))
			synctest.Wait()
		}
		if got := k.expect("<resource-constraint "); !strings.Contains(got, "id='m2'") {
			t.Errorf("got %s", got)
		}
		k.expect("</message>")
		c.Close()
		synctest.Wait()
		k.send("<message from='a@b' to='gw.example.org' id='late'><body>x</body></message>")
		if got := k.expect("<recipient-unavailable "); !strings.Contains(got, "id='late'") {
			t.Errorf("got %s", got)
		}
		k.expect("</message>")
		close(block)
		k.expect(closing)
		k.send(closing)
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

var idOf = regexp.MustCompile(` id='([^']+)'`)

// TestWireConnect is the direction in which the server connects.
func TestWireConnect(t *testing.T) {
	const header = "<stream:stream xmlns='jabber:component:connect' xmlns:stream='http://etherx.jabber.org/streams' "
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		c, err := component.New(component.Config{Domain: gateway, Secret: "s3cret", KeepAlive: -1,
			Stream: stream.Config{CloseTimeout: time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- c.Serve(t.Context(), l) }()
		connect := func() *talk {
			a, b := net.Pipe()
			l.conns <- a
			return &talk{t: t, conn: b}
		}
		for _, tt := range []struct{ name, header, handshake, want string }{
			{"XEP0114-5 another name", header + "from='x.example.org'>", "", "<host-unknown "},
			{"XEP0114-5 no name", header + ">", "", "<host-unknown "},
			{"XEP0114-5 the other namespace", strings.Replace(header, "connect", "accept", 1) + "from='gw.example.org'>", "", "<invalid-namespace "},
			{"XEP0114-5 a wrong handshake", header + "from='gw.example.org'>", "guess", "<not-authorized "},
		} {
			k := connect()
			k.send(tt.header)
			if tt.handshake != "" {
				k.expect(" id='")
				k.expect(">")
				k.send("<handshake>" + tt.handshake + "</handshake>")
			}
			k.expect(tt.want)
			k.expect(closing)
			k.conn.Close()
		}
		for _, attr := range []string{"from='gw.example.org'", "to='gw.example.org'"} {
			k := connect()
			k.send(header + attr + ">")
			k.expect("?>")
			got := k.expect(">")
			m := idOf.FindStringSubmatch(got)
			if m == nil || !strings.Contains(got, "xmlns='jabber:component:connect'") {
				t.Fatalf("got %s", got)
			}
			k.send("<handshake>" + sha1Of(m[1], "s3cret") + "</handshake>")
			if got := k.expect("/>"); got != "<handshake/>" {
				t.Errorf("got %s", got)
			}
			k.send("<iq type='get' id='1' from='a@b' to='gw.example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
			k.expect("<iq type='result' id='1' to='a@b' from='gw.example.org'/>")
			k.send(closing)
			k.expect(closing)
		}
		c.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// far is a connection from another machine.
type far struct{ net.Conn }

func (far) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4711} }

// TestServePlaintext: a server on another machine that has no TLS is not let in.
func TestServePlaintext(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := newPipes()
			c, err := component.New(component.Config{Domain: gateway, Secret: "s3cret", AllowPlaintext: allowed})
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- c.Serve(t.Context(), l) }()
			a, b := net.Pipe()
			l.conns <- far{a}
			k := &talk{t: t, conn: b}
			if allowed {
				k.send("<stream:stream xmlns='jabber:component:connect' xmlns:stream='http://etherx.jabber.org/streams' from='gw.example.org'>")
				k.expect(" id='")
			} else if _, err := b.Read(make([]byte, 1)); err == nil {
				t.Error("it was let in")
			}
			c.Close()
			b.Close()
			<-done
		})
	}
}

// TestConfig: what is wrong is said by New.
func TestConfig(t *testing.T) {
	failing := extension{errors.New("no")}
	for want, cfg := range map[string]component.Config{
		"Domain is not set":       {Secret: "x"},
		"not a mere domain":       {Domain: juliet, Secret: "x"},
		"there is no secret":      {Domain: gateway},
		"the server juliet":       {Domain: gateway, Secret: "x", Server: juliet},
		"Extensions[0] is nil":    {Domain: gateway, Secret: "x", Extensions: []xmpp.Extension{nil}},
		"component_test.extensio": {Domain: gateway, Secret: "x", Extensions: []xmpp.Extension{failing}},
	} {
		if _, err := component.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	c, err := component.New(component.Config{Domain: gateway, FindSecret: func(context.Context) (string, error) { return "", errors.New("the vault is shut") },
		Dial: func(context.Context) (stream.Transport, error) {
			a, _ := stream.Pipe()
			return a, nil
		}, Backoff: func(int) time.Duration { return time.Hour }, Extensions: []xmpp.Extension{new(ping.Extension)}})
	if err != nil {
		t.Fatal(err)
	}
	if c.IsServer() || c.LocalAddr() != gateway || len(c.Features(gateway)) != 1 || c.Mux() == nil {
		t.Error("as a host")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := c.Run(t.Context()); !errors.Is(err, xmpp.ErrClosed) {
		t.Errorf("Run again: %v", err)
	}
	if err := c.WaitReady(t.Context()); !errors.Is(err, xmpp.ErrClosed) {
		t.Errorf("WaitReady: %v", err)
	}
	c, err = component.New(component.Config{Domain: gateway, Secret: "x"})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := c.Run(t.Context()); !errors.Is(err, xmpp.ErrClosed) {
		t.Errorf("Run of one that was closed: %v", err)
	}
}

type extension struct{ err error }

func (e extension) Attach(xmpp.Host) error { return e.err }

// TestWatcherPanics costs nothing but the call.
func TestWatcherPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(newServer(t), nil)
		cfg.OnUp = func(context.Context, xmpp.Sender) { panic("ouch") }
		c := run(t, cfg)
		if err := ping.Ping(t.Context(), c, jid.JID{}); err != nil {
			t.Error(err)
		}
	})
}
