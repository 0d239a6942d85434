package server_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/agents"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
)

// watching is an extension that wants to know when it can send.
type watching struct {
	up   chan xmpp.Sender
	down chan error
}

func (w *watching) Attach(xmpp.Host) error                     { return nil }
func (w *watching) Features(at jid.JID) []string               { return []string{"urn:watching:" + at.String()} }
func (w *watching) SessionUp(_ context.Context, s xmpp.Sender) { w.up <- s }
func (w *watching) SessionDown(_ xmpp.Sender, reason error)    { w.down <- reason }
func newWatching() *watching                                   { return &watching{make(chan xmpp.Sender, 1), make(chan error, 1)} }

func handlerOf(fn func(*stanza.Stanza)) xmpp.Handler {
	return xmpp.HandlerFunc(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
		fn(st)
		return nil
	})
}

type unattachable struct{}

func (unattachable) Attach(xmpp.Host) error { return errors.New("no") }

// TestLocalHost: a service is a host for extensions.
func TestLocalHost(t *testing.T) {
	s := withComponents(t, func(c *server.Config) { c.Extensions = []xmpp.Extension{new(disco.Extension)} })
	addr := jid.MustParse("rooms.localhost")
	w := newWatching()
	seen := make(chan *stanza.Stanza, 10)
	d := &disco.Extension{Identities: []disco.Identity{{Category: "conference", Type: "text"}}}
	v, err := s.LocalHost(addr, handlerOf(func(st *stanza.Stanza) { seen <- st }), new(ping.Extension), d, w)
	if err != nil {
		t.Fatal(err)
	}
	if up := <-w.up; up.LocalAddr() != addr || v.IsServer() || v.Mux() == nil {
		t.Errorf("up at %s", up.LocalAddr())
	}
	if got, want := v.Features(addr), "urn:watching:rooms.localhost"; !slices.Contains(got, want) || !slices.Contains(got, ping.NS) {
		t.Errorf("features %q", got)
	}
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	juliet.send("<iq type='get' id='1' to='a@rooms.localhost/x'><ping xmlns='urn:xmpp:ping'/></iq>")
	juliet.expect("<iq ", "from='a@rooms.localhost/x'", "/>") // from where it was asked
	juliet.send("<iq type='get' id='2' to='rooms.localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
	juliet.expect("category='conference'", "</iq>")
	juliet.send("<iq type='get' id='3' to='localhost'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>")
	juliet.expect("<item jid='rooms.localhost'/>", "</iq>")
	juliet.send("<message to='a@rooms.localhost' id='4'><body>hello</body></message>")
	if st := <-seen; st.ID != "4" {
		t.Errorf("the handler got %s", st)
	}
	// It may ask from any address of its domain, and no other.
	ask := func(from string) error {
		iq, err := stanza.New(stanza.Header{Kind: stanza.KindIQ, Type: stanza.TypeGet, From: jid.MustParse(from), To: jid.MustParse("localhost")},
			disco.Info{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Do(t.Context(), iq)
		return err
	}
	if err := ask("a@rooms.localhost"); err != nil {
		t.Error(err)
	}
	if err := ask("juliet@localhost"); err == nil {
		t.Error("it speaks for somebody else")
	}
	// The names that are taken.
	for _, name := range []string{"rooms.localhost", "localhost", "gw.localhost"} {
		if _, err := s.LocalHost(jid.MustParse(name), nil); err == nil {
			t.Errorf("%s is free", name)
		}
	}
	if _, err := s.LocalHost(jid.MustParse("x.localhost"), nil, unattachable{}); err == nil || !strings.Contains(err.Error(), "unattachable") {
		t.Errorf("an extension that fails: %v", err)
	}
	v.Close()
	if err := <-w.down; !errors.Is(err, xmpp.ErrClosed) {
		t.Errorf("down: %v", err)
	}
}

// TestAttachedServices: what is attached is listed, while it is.
func TestAttachedServices(t *testing.T) {
	s := withComponents(t, func(c *server.Config) {
		c.Extensions = []xmpp.Extension{new(disco.Extension), new(agents.Extension)}
	})
	if _, err := s.Local(jid.MustParse("a.localhost"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Local(jid.MustParse("bot@localhost"), nil); err != nil {
		t.Fatal(err)
	}
	t.Run("CORE-2.4-1 several services at a time", func(t *testing.T) {
		gw := attachComponent(t, s, "gw.localhost", "s3cret")
		attachComponent(t, s, "sms.localhost", "other")
		want := []disco.Item{{JID: jid.MustParse("a.localhost")}, {JID: jid.MustParse("gw.localhost"), Name: "Gateway"}, {JID: jid.MustParse("sms.localhost")}}
		if got := s.Services(); !slices.Equal(got, want) {
			t.Errorf("got %+v", got)
		}
		juliet := login(t, s, "juliet", "r0m30", "balcony")
		juliet.send("<iq type='get' id='1' to='localhost'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>")
		juliet.expect("<item jid='a.localhost'/><item jid='gw.localhost' name='Gateway'/><item jid='sms.localhost'/></query>")
		juliet.send("<iq type='get' id='2' to='localhost'><query xmlns='jabber:iq:agents'/></iq>")
		juliet.expect("<agent jid='a.localhost'", "<agent jid='gw.localhost'", "<name>Gateway</name>", "<agent jid='sms.localhost'", "</query>")
		gw.send(closing)
		gw.expectEnd()
		if got := s.Services(); len(got) != 2 {
			t.Errorf("got %+v", got)
		}
	})
}

// TestComponentFederates: users of other servers reach the component, and it them.
func TestComponentFederates(t *testing.T) {
	inEmptyWorld(t, "CORE-2.4.1-1 a gateway that is remote to the sender", func(w *world) {
		a := w.add("a.example", func(c *server.Config) {
			c.Components = &server.Components{Known: map[string]server.Component{"gw.a.example": {Secret: "s3cret"}}}
		})
		w.add("b.example")
		w.mu.Lock()
		w.servers["gw.a.example"] = a
		w.mu.Unlock()
		j := w.login(julietB + "/x")
		nc, other := net.Pipe()
		go a.ServeComponentConn(context.Background(), other)
		gw := newRaw(w.t, nc)
		gw.domain = "gw.a.example"
		gw.send("<handshake>%s</handshake>", hash(gw.openComponent(), "s3cret"))
		gw.expect("<handshake/>")
		gw.send("<message from='1@gw.a.example' to='%s' id='1' type='chat'><body>from abroad</body></message>", julietB+"/x")
		j.expect("from='1@gw.a.example'", "<body>from abroad</body>")
		j.send("<message to='1@gw.a.example' id='2' type='chat'><body>to abroad</body></message>")
		gw.expect("from='"+julietB+"/x'", "<body>to abroad</body>")
		gw.send(closing)
		gw.expect(closing)
		nc.Close()
		j.send("<message to='1@gw.a.example' id='3' type='chat'><body>too late</body></message>")
		j.expect("id='3'", "<remote-server-timeout ")
	})
}
