package server_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"
)

// gate is a connection on which nothing is read while it is shut.
type gate struct {
	net.Conn
	mu   sync.Mutex
	open chan struct{} // closed while it is open
}

func newGate(c net.Conn) *gate {
	g := &gate{Conn: c, open: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

func (g *gate) reopen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
}

func (g *gate) Read(b []byte) (int, error) {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	<-open
	return g.Conn.Read(b)
}

// TestRemoteThree is a user who writes to two other servers at once.
func TestRemoteThree(t *testing.T) {
	const n = 50
	both := func(romeo *raw) {
		for i := range n {
			romeo.send("<message to='juliet@b.example/x' id='b%d'><body>x</body></message>"+
				"<message to='juliet@c.example/x' id='c%d'><body>x</body></message>", i, i)
		}
	}
	inOrder := func(w *world, c *raw, prefix string) {
		w.t.Helper()
		got := c.heard()
		if len(got) != n {
			w.t.Fatalf("%s: %d messages came", prefix, len(got))
		}
		for i, st := range got {
			if want := fmt.Sprintf("<message id='%s%d' ", prefix, i); !strings.HasPrefix(st, want) {
				w.t.Fatalf("message %d is %s", i, st)
			}
		}
	}
	for _, way := range ways {
		inEmptyWorld(t, "R3920-10-1 R3920-10.2-1 in order to each, "+way.name, func(w *world) {
			w.way = way.change
			for _, d := range []string{"a.example", "b.example", "c.example"} {
				w.add(d)
			}
			romeo, b, c := w.login(romeoA+"/orchard"), w.login("juliet@b.example/x"), w.login("juliet@c.example/x")
			both(romeo)
			inOrder(w, b, "b")
			inOrder(w, c, "c")
			romeo.hearsNothing()
		})
	}
	inEmptyWorld(t, "R3920-10-1 a connection that is slow to come up keeps nobody else waiting", func(w *world) {
		w.add("a.example")
		w.add("b.example")
		w.add("c.example")
		w.wire = func(pair dialback.Pair, caller, called net.Conn) (net.Conn, net.Conn) {
			if pair.Remote.Domain() == "c.example" {
				time.Sleep(10 * time.Second)
			}
			return w.tap(pair, caller, called)
		}
		romeo, b, c := w.login(romeoA+"/orchard"), w.login("juliet@b.example/x"), w.login("juliet@c.example/x")
		both(romeo)
		inOrder(w, b, "b")
		c.hearsNothing()
		time.Sleep(11 * time.Second)
		inOrder(w, c, "c")
		romeo.hearsNothing()
	})
	shutting := func(w *world, change func(*server.Config)) *gate {
		var g *gate
		w.wire = func(pair dialback.Pair, caller, called net.Conn) (net.Conn, net.Conn) {
			if pair.Remote.Domain() == "c.example" && g == nil {
				g = newGate(called)
				called = g
			}
			return w.tap(pair, caller, called)
		}
		w.add("a.example", change)
		w.add("b.example")
		w.add("c.example")
		w.route("<message from='romeo@a.example' to='c.example' type='headline'/>") // the link
		synctest.Wait()
		return g
	}
	inEmptyWorld(t, "R3920-10-1 nor does one that is stuck", func(w *world) {
		g := shutting(w, func(*server.Config) {})
		romeo, b, c := w.login(romeoA+"/orchard"), w.login("juliet@b.example/x"), w.login("juliet@c.example/x")
		g.shut()
		both(romeo)
		inOrder(w, b, "b") // no time has passed
		c.hearsNothing()
		g.reopen()
		inOrder(w, c, "c")
		romeo.hearsNothing()
	})
	inEmptyWorld(t, "R3920-10-1 IM-4.7-1 nor when more is sent than it takes; and nothing is lost", func(w *world) {
		const many, size = 400, 10_000
		g := shutting(w, func(c *server.Config) {
			c.Rate, c.Federation.Stream = -1, &stream.Config{MaxOutbox: 100_000}
		})
		romeo, nurse := w.login(romeoA+"/orchard"), w.login(julietA+"/x")
		b, c := w.login("juliet@b.example/x"), w.login("juliet@c.example/x")
		g.shut()
		begun := time.Now()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for i := range many {
				romeo.send("<message to='juliet@c.example/x' id='c%d'><body>%s</body></message>", i, strings.Repeat("x", size))
			}
			romeo.send("<message to='juliet@b.example/x' id='last'><body>x</body></message>")
		}()
		synctest.Wait()
		nurse.send("<message to='juliet@b.example/x' id='other'><body>x</body></message>")
		b.hears("<message id='other' …")
		if d := time.Since(begun); d != 0 {
			w.t.Errorf("somebody else has waited for %s", d)
		}
		b.expect("<message id='last' ")
		if d := time.Since(begun); d > 2*time.Second {
			w.t.Errorf("the sender has waited for %s", d)
		}
		<-sent
		g.reopen()
		got, told := c.heard(), romeo.heard()
		if len(got)+len(told) != many || len(told) == 0 {
			w.t.Errorf("%d came, %d were refused, of %d", len(got), len(told), many)
		}
		last := -1
		for _, st := range got {
			i := -1
			fmt.Sscanf(st, "<message id='c%d'", &i)
			if i <= last {
				w.t.Fatalf("message %d came after %d", i, last)
			}
			last = i
		}
		for _, st := range told {
			if !strings.Contains(st, "<resource-constraint ") {
				w.t.Fatalf("romeo is told %s", st)
			}
		}
	})
}

// withCertificate shows a certificate for other names than the domain's.
func (w *world) withCertificate(names ...string) func(*server.Config) {
	return func(c *server.Config) {
		if c.TLS != nil {
			c.TLS = &tls.Config{Certificates: []tls.Certificate{w.ca.issue(w.t, names...)}}
		}
	}
}

// at makes a domain be found at a server.
func (w *world) at(domain string, s *server.Server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.servers[domain] = s
}

// TestRemoteService is a service at a domain of its own in a server, and users of
// another.
func TestRemoteService(t *testing.T) {
	const rooms = "conference.a.example"
	for _, way := range ways {
		inEmptyWorld(t, "IM-4.1-1 R3920-8.3-3 CORE-6.2.2-5 "+way.name, func(w *world) {
			w.way = way.change
			a := w.add("a.example", func(c *server.Config) {
				if c.TLS != nil { // a certificate for each
					c.TLS = &tls.Config{Certificates: []tls.Certificate{w.ca.issue(w.t, "a.example"), w.ca.issue(w.t, rooms)}}
				}
			})
			b := w.add("b.example")
			w.at(rooms, a)
			room := newService(w.t, a, rooms)
			romeo, juliet := w.login(romeoB+"/orchard"), w.login(julietB+"/balcony")

			romeo.send("<presence to='hall@conference.a.example/romeo'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
			if got, want := room.said(w), "<presence to='hall@conference.a.example/romeo' from='romeo@b.example/orchard'>"+
				"<x xmlns='http://jabber.org/protocol/muc'/></presence>"; got != want {
				w.t.Errorf("the room got %s", got)
			}
			room.send(w.t, "<presence from='hall@conference.a.example/romeo' to='romeo@b.example/orchard'><status>in</status>"+
				"</presence>")
			room.send(w.t, "<message type='groupchat' from='hall@conference.a.example/nurse' to='romeo@b.example/orchard'>"+
				"<body>hi</body></message>")
			romeo.hears("<presence to='romeo@b.example/orchard' from='hall@conference.a.example/romeo'><status>in</status>"+
				"</presence>",
				"<message type='groupchat' to='romeo@b.example/orchard' from='hall@conference.a.example/nurse'><body>hi</body>"+
					"</message>")
			juliet.hearsNothing()

			juliet.send("<iq type='get' id='q' to='conference.a.example'>" +
				"<query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
			if got := room.said(w); !strings.HasPrefix(got,
				"<iq type='get' id='q' to='conference.a.example' from='juliet@b.example/balcony'>") {
				w.t.Errorf("the service got %s", got)
			}
			room.send(w.t, "<iq type='result' id='q' from='conference.a.example' to='juliet@b.example/balcony'>"+
				"<query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
			juliet.hears("<iq type='result' id='q' to='juliet@b.example/balcony' from='conference.a.example'>…")

			for _, s := range []struct {
				of            *server.Server
				local, remote string
			}{{a, rooms, "b.example"}, {b, "b.example", rooms}} {
				found := false
				for _, st := range s.of.ServerStreams() {
					if st.Authorized && st.Pair.Local.String() == s.local && st.Pair.Remote.String() == s.remote {
						found = true
						if external := strings.HasPrefix(way.name, "EXTERNAL"); st.External != external {
							w.t.Errorf("the stream %+v", st)
						}
					}
				}
				if !found {
					w.t.Errorf("there is no stream between %s and %s: %+v", s.local, s.remote, s.of.ServerStreams())
				}
			}

			romeo.nc.Close() // who is in a room leaves it
			if got := room.said(w); !strings.HasPrefix(got,
				"<presence type='unavailable' to='hall@conference.a.example/romeo' from='romeo@b.example/orchard'") {
				w.t.Errorf("the room got %s", got)
			}
			juliet.send("<message to='juliet@a.example' type='headline'><body>x</body>" +
				"</message>") // the host beside it is another domain
			juliet.hearsNothing()
		})
	}
	inEmptyWorld(t, "IM-4.1-1 a service at each side", func(w *world) {
		a, b := w.add("a.example"), w.add("b.example")
		w.at(rooms, a)
		w.at("gateway.b.example", b)
		room, gateway := newService(w.t, a, rooms), newService(w.t, b, "gateway.b.example")
		room.send(w.t, "<message from='x@conference.a.example' to='y@gateway.b.example'><body>1</body></message>")
		if got, want := gateway.said(w), "<message to='y@gateway.b.example' from='x@conference.a.example'><body>1</body>"+
			"</message>"; got != want {
			w.t.Errorf("the gateway got %s", got)
		}
		gateway.send(w.t, "<message from='y@gateway.b.example' to='x@conference.a.example'><body>2</body></message>")
		if got, want := room.said(w), "<message to='x@conference.a.example' from='y@gateway.b.example'><body>2</body>"+
			"</message>"; got != want {
			w.t.Errorf("the room got %s", got)
		}
	})
	inEmptyWorld(t, "CORE-6.2.2-5 the certificate of the host is none of the service", func(w *world) {
		w.way = nil
		a := w.add("a.example")
		w.add("b.example")
		w.at(rooms, a)
		newService(w.t, a, rooms)
		romeo := w.login(romeoB + "/orchard")
		romeo.send("<message to='x@conference.a.example' id='m'><body>x</body></message>")
		romeo.hears("<message type='error' id='m' to='romeo@b.example/orchard' from='x@conference.a.example'>…<remote-server-timeout …")
	})
	for _, way := range []int{0, 3} {
		inEmptyWorld(t, "R3920-10.2-1 IM-4.7-1 a service that is gone, "+ways[way].name, func(w *world) {
			w.way = ways[way].change
			a := w.add("a.example", w.withCertificate("a.example", rooms))
			w.add("b.example")
			w.at(rooms, a)
			room := newService(w.t, a, rooms)
			romeo := w.login(romeoB + "/orchard")
			romeo.send("<message to='x@conference.a.example' type='headline'><body>x</body></message>" +
				"<message to='juliet@a.example' type='headline'><body>x</body></message>")
			room.said(w)
			room.svc.Close()
			if way > 0 {
				// Without acknowledgements nobody knows what is on its way while a
				// stream is being closed.
				synctest.Wait()
			}
			romeo.send("<message to='x@conference.a.example' id='m'><body>x</body></message>")
			synctest.Wait()
			time.Sleep(time.Minute)
			if got := strings.Join(romeo.heard(), ""); strings.Count(got,
				"<message type='error' id='m'") != 1 || !strings.Contains(got, "<remote-server-") {
				w.t.Errorf("romeo heard %s", got)
			}
			romeo.send("<message to='juliet@a.example' id='n' type='chat'><body>x</body></message>") // the host lives
			romeo.hearsNothing()
			if n := w.kept(julietA); n != 1 {
				w.t.Errorf("%d messages are kept", n)
			}
		})
	}
}

// said returns what the service has got, without the language.
func (v *service) said(w *world) string {
	w.t.Helper()
	synctest.Wait()
	select {
	case st := <-v.in:
		return langAttr.ReplaceAllString(st.String(), "")
	default:
		w.t.Error("the service has got nothing")
		return ""
	}
}

// issueIP makes a certificate for an IP address.
func (a *authority) issueIP(t testing.TB, ip string) tls.Certificate {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: ip},
		IPAddresses: []net.IP{net.ParseIP(ip)},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw, a.cert.Raw}, PrivateKey: key, Leaf: leaf}
}

// TestRemoteDomains: domains that are not plain ASCII names.
func TestRemoteDomains(t *testing.T) {
	for _, d := range []struct {
		domain string // as it is in an address
		ascii  string
		others []string // forms that mean the same
		ip     string
	}{
		{"bücher.example", "xn--bcher-kva.example", []string{"BÜCHER.example", "xn--bcher-kva.example",
			"XN--BCHER-KVA.Example", "bücher.example.", "bu\u0308cher.example"}, ""},
		{"例え.example", "xn--r8jz45g.example", []string{"xn--r8jz45g.EXAMPLE", "例え\u3002example"}, ""},
		{"[::1]", "[::1]", []string{"[0:0:0:0:0:0:0:1]", "[::0001]"}, "::1"},
		{"[2001:db8::a]", "[2001:db8::a]", []string{"[2001:DB8:0::A]"}, "2001:db8::a"},
		{"127.0.0.1", "127.0.0.1", nil, "127.0.0.1"},
		{"c.example", "c.example", []string{"C.EXAMPLE", "c.Example."}, ""},
	} {
		for i, way := range ways {
			if i%3 != 0 {
				continue // by certificate, and by dialback with TLS and without
			}
			inEmptyWorld(t, "CORE-6.2.1-1 IM-4.1-1 "+d.domain+" "+way.name, func(w *world) {
				w.way = way.change
				w.add("a.example")
				w.stores[d.domain] = w.store(d.ascii)
				far := w.add(d.ascii, func(c *server.Config) {
					if c.TLS != nil && d.ip != "" {
						c.TLS = &tls.Config{Certificates: []tls.Certificate{w.ca.issueIP(w.t, d.ip)}}
					}
				})
				w.at(d.domain, far)
				account := "juliet@" + d.domain
				romeo, juliet := w.login(romeoA+"/orchard"), w.login(account+"/balcony")

				romeo.send("<presence type='subscribe' to='%s'/>", account)
				juliet.hears("<presence type='subscribe' to='" + account + "' from='romeo@a.example'/>")
				juliet.send("<presence type='subscribed' to='romeo@a.example'/>")
				romeo.hears(pushOf("jid='"+account+"' subscription='none' ask='subscribe'"),
					"<presence type='subscribed' to='romeo@a.example' from='"+account+"'/>",
					pushOf("jid='"+account+"' subscription='to'"), "<presence to='romeo@a.example' from='"+account+"/balcony'/>")
				w.wantStates(romeoA, account, stTo, stFrom)
				juliet.hears(pushOf("jid='romeo@a.example' subscription='from'"))

				for i, form := range append(d.others, d.domain) {
					romeo.send("<message to='Juliet@%s/balcony' id='m%d'><body>x</body></message>", form, i)
					juliet.hears(fmt.Sprintf("<message id='m%d' to='%s/balcony' from='romeo@a.example/orchard'><body>x</body>"+
						"</message>", i, account))
				}
				juliet.send("<message to='ROMEO@A.Example/orchard' type='chat' id='back'><body>x</body></message>")
				romeo.hears("<message type='chat' id='back' to='romeo@a.example/orchard' from='" + account +
					"/balcony'><body>x</body></message>")
				for _, st := range w.server("a.example").ServerStreams() {
					if st.Pair.Remote.Domain() != d.domain || st.External != strings.HasPrefix(way.name, "EXTERNAL") {
						w.t.Errorf("the stream %+v", st)
					}
				}
			})
		}
	}
	inWorld(t, "CORE-6.2.1-1 CORE-6.2.2-4 another server may write domains as it likes", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		w.inject("a.example", "b.example", "<message to='JULIET@B.Example./balcony' from='Romeo@A.EXAMPLE/orchard' id='m'>"+
			"<body>x</body></message>")
		juliet.hears("<message id='m' to='juliet@b.example/balcony' from='romeo@a.example/orchard'><body>x</body></message>")
		w.inject("a.example", "b.example", "<presence type='unsubscribe' to='JULIET@B.Example' from='Romeo@A.EXAMPLE'/>")
		juliet.hears("<presence type='unsubscribe' to='juliet@b.example' from='romeo@a.example'/>",
			pushOf("jid='romeo@a.example' subscription='to'"))
		romeo.hears()
	})
	inWorld(t, "CORE-6.2.1-1 an address that is none", func(w *world) {
		_, juliet := w.couple(stBoth)
		w.inject("a.example", "b.example", "<message to='@b.example' from='romeo@a.example/orchard' id='m'><body>x</body>"+
			"</message>")
		w.wantCrossed("b.example", "a.example",
			"<message type='error' id='m' to='romeo@a.example/orchard' from='b.example'>…<jid-malformed …")
		w.inject("a.example", "b.example", "<message to='juliet@b.example' from='romeo@a.example/orchard'><body>y</body>"+
			"</message>")
		juliet.hears("<message …<body>y</body></message>")
	})
}

// TestRemoteLanguage: the language of a stream is that of its stanzas (RFC 6120,
// sections 4.7.4 and 8.1.5).
func TestRemoteLanguage(t *testing.T) {
	speaks := func(w *world, full, lang string) *raw {
		r := newRaw(w.t, w.server("a.example").Pipe())
		r.domain = "a.example"
		header := strings.Replace(strings.Replace(header, "localhost", r.domain, 1), " xmlns=",
			" xml:lang='"+lang+"' xmlns=", 1)
		open := func() {
			r.send("%s", header)
			r.expect("<stream:stream ", "</stream:features>")
		}
		open()
		r.send("%s", plain("romeo", "jul13t"))
		r.expect("<success")
		open()
		r.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>orchard</resource></bind>" +
			"</iq>")
		r.expect("</iq>")
		r.hears()
		return r
	}
	inWorld(t, "that of a client's stream", func(w *world) {
		w.setStates(romeoA, julietB, stBoth)
		juliet := w.login(julietB + "/balcony")
		w.forget()
		romeo := speaks(w, romeoA+"/orchard", "de")
		romeo.send("<presence/><message to='juliet@b.example/balcony'><body>Guten Tag</body></message>" +
			"<message to='juliet@b.example/balcony' xml:lang='it'><body>Buon giorno</body></message>" +
			"<presence type='subscribe' to='juliet@b.example'/>")
		got := w.crossed("a.example", "b.example")
		wantAll(w.t, "a.example says", got, "<presence to='juliet@b.example' from='romeo@a.example/orchard' xml:lang='de'/>",
			"<presence type='probe' …",
			"<presence type='subscribe' to='juliet@b.example' from='romeo@a.example' xml:lang='de'/>",
			"<message to='juliet@b.example/balcony' from='romeo@a.example/orchard' xml:lang='de'><body>Guten Tag</body>"+
				"</message>",
			"<message to='juliet@b.example/balcony' from='romeo@a.example/orchard' xml:lang='it'><body>Buon giorno</body>"+
				"</message>")
		juliet.hears("<presence …xml:lang='de'/>", "<message …xml:lang='de'><body>Guten Tag</body></message>",
			"<message …xml:lang='it'><body>Buon giorno</body></message>")
	})
	for _, way := range ways {
		inEmptyWorld(t, "that of another server's stream, "+way.name, func(w *world) {
			w.way = way.change
			w.add("a.example", func(c *server.Config) { c.Lang = "fr" })
			w.add("b.example", func(c *server.Config) { c.Lang = "sv" })
			romeo, juliet := w.login(romeoA+"/orchard"), w.login(julietB+"/balcony")
			for range 2 {
				w.route("<message from='romeo@a.example/orchard' to='juliet@b.example/balcony'><body>1</body></message>")
				w.route("<message from='romeo@a.example/orchard' to='juliet@b.example/balcony' xml:lang='it'><body>2</body>" +
					"</message>")
				juliet.hears("<message to='juliet@b.example/balcony' from='romeo@a.example/orchard' xml:lang='fr'><body>1</body>"+
					"</message>",
					"<message to='juliet@b.example/balcony' from='romeo@a.example/orchard' xml:lang='it'><body>2</body></message>")
				w.route("<message to='romeo@a.example/orchard' from='juliet@b.example/balcony'><body>1</body></message>")
				romeo.hears("<message to='romeo@a.example/orchard' from='juliet@b.example/balcony' xml:lang='sv'><body>1</body>" +
					"</message>")
			}
		})
	}
}
