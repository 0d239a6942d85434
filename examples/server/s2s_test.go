package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
)

// pair is two servers, montague.example and capulet.example, that know where the
// other one is, and a user of each.
type pair struct {
	romeo, juliet *person
	servers       [2]*ready
}

// person is a user, and what comes for it.
type person struct {
	*client.Client
	t        *testing.T
	messages chan *stanza.Message
	errors   chan *stanza.Stanza
}

// startPair starts two servers with these flags; flags may tell them apart.
func startPair(t *testing.T, flags func(domain, data string) []string) *pair {
	t.Helper()
	var p pair
	domains := [2]string{"montague.example", "capulet.example"}
	places := [2]string{freePort(t), freePort(t)}
	folder := t.TempDir()
	for i, domain := range domains {
		if _, err := server.SelfSignedIn(filepath.Join(folder, domain), domain); err != nil {
			t.Fatal(err)
		}
		places[i] = domain + "=" + places[i]
	}
	for i, domain := range domains {
		_, own, _ := strings.Cut(places[i], "=")
		data := filepath.Join(folder, domain)
		p.servers[i] = start(t, append([]string{"-domain", domain, "-data", data, "-listen-s2s", own,
			"-s2s-map", places[0], "-s2s-map", places[1], "-user", "romeo:jul13t", "-user", "juliet:r0m30"},
			flags(domain, folder)...)...)
	}
	p.romeo = p.login(t, 0, "romeo@montague.example/orchard", "jul13t", filepath.Join(folder, domains[0]))
	p.juliet = p.login(t, 1, "juliet@capulet.example/balcony", "r0m30", filepath.Join(folder, domains[1]))
	return &p
}

// freePort returns an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func (p *pair) login(t *testing.T, i int, account, password, data string) *person {
	t.Helper()
	who := &person{t: t, messages: make(chan *stanza.Message, 10), errors: make(chan *stanza.Stanza, 10)}
	mux := new(xmpp.Mux)
	mux.OnError(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza, _ *stanza.Error) error {
		who.errors <- st
		return nil
	})
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) error {
		who.messages <- msg
		return nil
	})
	cfg := p.servers[i].config(account, password, false, trust(t, data))
	cfg.Handler = mux
	who.Client = login(t, cfg)
	return who
}

func (who *person) says(to *person, body string) {
	who.t.Helper()
	msg := &stanza.Message{To: to.LocalAddr(), Type: stanza.TypeChat, Body: body}
	if err := xmpp.Send(who.t.Context(), who, msg); err != nil {
		who.t.Fatal(err)
	}
}

// next returns what comes next of one kind.
func next[T any](who *person, in chan T) (v T) {
	who.t.Helper()
	select {
	case v = <-in:
	case <-time.After(time.Minute):
		who.t.Fatalf("nothing has come for %s", who.LocalAddr())
	}
	return v
}

// talk has the two say something to each other.
func (p *pair) talk(t *testing.T) {
	t.Helper()
	for _, way := range [][2]*person{{p.romeo, p.juliet}, {p.juliet, p.romeo}} {
		way[0].says(way[1], "it is the east")
		if msg := next(way[1], way[1].messages); msg.From != way[0].LocalAddr() || msg.Body != "it is the east" {
			t.Errorf("%s got %+v", way[1].LocalAddr(), msg)
		}
	}
}

// logged counts the lines about streams, in both logs, that contain text.
func (p *pair) logged(text string) int {
	n := 0
	for _, r := range p.servers {
		for line := range strings.Lines(r.stderr.String()) {
			if strings.Contains(line, "server stream up") && strings.Contains(line, text) {
				n++
			}
		}
	}
	return n
}

// TestFederation: two servers talk, in every way in which the flags let them trust
// each other, and do not where they do not.
func TestFederation(t *testing.T) {
	t.Run("dialback over TLS", func(t *testing.T) {
		p := startPair(t, func(string, string) []string { return nil })
		p.talk(t)
		if p.logged("TLS") == 0 || p.logged("EXTERNAL") > 0 {
			t.Errorf("not by dialback over TLS: %s", p.servers[1].stderr)
		}
	})
	t.Run("-s2s-ca, -dialback=false", func(t *testing.T) {
		p := startPair(t, func(_, folder string) []string {
			return []string{"-dialback=false", "-s2s-ca", authorities(t, folder, "montague.example", "capulet.example")}
		})
		p.talk(t)
		if p.logged("EXTERNAL") == 0 || p.logged("EXTERNAL") != p.logged("") {
			t.Errorf("not by certificate: %s", p.servers[1].stderr)
		}
	})
	for _, tt := range []struct {
		name     string
		believes map[string]string // whose certificate a server believes
	}{
		{"neither believes the other", map[string]string{
			"montague.example": "montague.example", "capulet.example": "capulet.example"}},
		{"one does not believe the other", map[string]string{
			"montague.example": "capulet.example", "capulet.example": "capulet.example"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := startPair(t, func(domain, folder string) []string {
				return []string{"-dialback=false", "-s2s-ca", authorities(t, folder, tt.believes[domain])}
			})
			for _, way := range [][2]*person{{p.romeo, p.juliet}, {p.juliet, p.romeo}} {
				way[0].says(way[1], "anybody there?")
				st := next(way[0], way[0].errors)
				if st.From != way[1].LocalAddr() || !errors.Is(st.Err(), stanza.RemoteServerTimeout) {
					t.Errorf("%s got %s", way[0].LocalAddr(), st)
				}
			}
		})
	}
}

// TestOffered: what the flags let other servers do.
func TestOffered(t *testing.T) {
	const required, dialback = "<required/>", "urn:xmpp:features:dialback"
	for _, tt := range []struct {
		flags   []string
		has     []string
		without []string
	}{
		{nil, []string{required}, nil},
		{[]string{"-s2s-plaintext"}, []string{"starttls", dialback}, []string{required}},
		{[]string{"-dialback=false"}, []string{required}, []string{dialback}},
	} {
		r := start(t, append([]string{"-data", "memory", "-listen-s2s", "127.0.0.1:0"}, tt.flags...)...)
		c, until := converse(t, r.s2s)
		fmt.Fprint(c, strings.Replace(header, "'jabber:client'", "'jabber:server' from='montague.example'", 1))
		got := until("</stream:features>")
		for _, s := range tt.has {
			if !strings.Contains(got, s) {
				t.Errorf("%q: no %s: %s", tt.flags, s, got)
			}
		}
		for _, s := range tt.without {
			if strings.Contains(got, s) {
				t.Errorf("%q: %s: %s", tt.flags, s, got)
			}
		}
		c.Close()
		r.end()
	}
}

// TestNoFederation: without a port for servers there are no other servers.
func TestNoFederation(t *testing.T) {
	var p pair
	data := t.TempDir()
	p.servers[0] = start(t, "-domain", "montague.example", "-data", data, "-user", "romeo:jul13t", "-listen-s2s", "",
		"-s2s-map", "capulet.example="+freePort(t))
	romeo := p.login(t, 0, "romeo@montague.example", "jul13t", data)
	if err := ping.Ping(t.Context(), romeo, jid.MustParse("capulet.example")); !errors.Is(err, stanza.RemoteServerNotFound) {
		t.Errorf("got %v", err)
	}
}

// authorities writes the certificates of domains into one file. Each has signed
// itself, and so is its own authority.
func authorities(t *testing.T, folder string, domains ...string) string {
	t.Helper()
	var all []byte
	for _, d := range domains {
		pem, err := os.ReadFile(filepath.Join(folder, d, "cert.pem"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pem...)
	}
	file, err := os.CreateTemp(t.TempDir(), "ca")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(all); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}

// TestDNS: the DNS server of -dns is asked where a domain is, and believed that
// there is none, but not about a domain of -s2s-map.
func TestDNS(t *testing.T) {
	dns, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			n, from, err := dns.ReadFrom(b)
			if err != nil {
				return
			}
			name, end := question(b[:n])
			asked <- name
			b[2], b[3] = b[2]|0x80, 3      // an answer: there is no such name
			copy(b[6:12], make([]byte, 6)) // with nothing but the question in it
			dns.WriteTo(b[:end], from)
		}
	}()
	defer func() { dns.Close(); <-done }()
	data := t.TempDir()
	p := pair{servers: [2]*ready{start(t, "-domain", "montague.example", "-data", data, "-user", "romeo:jul13t",
		"-listen-s2s", "127.0.0.1:0", "-dns", dns.LocalAddr().String(), "-s2s-map", "verona.example="+freePort(t))}}
	romeo := p.login(t, 0, "romeo@montague.example", "jul13t", data)
	if err := ping.Ping(t.Context(), romeo, jid.MustParse("capulet.example")); !errors.Is(err, stanza.RemoteServerNotFound) {
		t.Errorf("got %v", err)
	}
	if err := ping.Ping(t.Context(), romeo, jid.MustParse("verona.example")); !errors.Is(err, stanza.RemoteServerTimeout) {
		t.Errorf("verona.example: %v", err) // nobody is there
	}
	var names []string
	for len(asked) > 0 {
		names = append(names, <-asked)
	}
	for _, name := range []string{"_xmpps-server._tcp.capulet.example", "_xmpp-server._tcp.capulet.example", "capulet.example"} {
		if !slices.Contains(names, name) {
			t.Errorf("asked for %q, not for %s", names, name)
		}
	}
	if strings.Contains(strings.Join(names, " "), "verona") {
		t.Errorf("asked for %q", names)
	}
}

// question returns the name that a DNS message asks for, and where the question
// ends.
func question(b []byte) (name string, end int) {
	i := 12
	for b[i] != 0 {
		next := i + 1 + int(b[i])
		name += "." + string(b[i+1:next])
		i = next
	}
	return name[1:], i + 5
}
