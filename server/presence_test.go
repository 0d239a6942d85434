package server_test

import (
	"context"
	"strings"
	"testing"
	"time"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
)

func TestBroadcast(t *testing.T) {
	s, juliet, romeo := pair(t, nil)
	befriend(romeo, "romeo", juliet, "juliet") // romeo sees juliet

	t.Run("IM-5.1-4 changes go to who has a subscription", func(t *testing.T) {
		juliet.send("<presence><show>away</show><status xml:lang='en'>x</status></presence>")
		juliet.drain()
		wantInOrder(t, romeo.drain(), "<presence to='romeo@localhost' from='juliet@localhost/balcony'", "<show>away</show>")
		romeo.send("<presence><show>dnd</show></presence>")
		romeo.drain()
		wantNone(t, juliet.drain(), "<show>dnd</show>")
	})
	t.Run("IM-5.1-1 IM-5.1-2 R3921-5.1.3-4 who comes sees who is there", func(t *testing.T) {
		garden := interested(t, s, "romeo", "jul13t", "garden")
		got := garden.drain()
		wantInOrder(t, got, "from='romeo@localhost/orchard'") // his other resource
		wantInOrder(t, got, "<presence to='romeo@localhost' from='juliet@localhost/balcony'", "<show>away</show>")
		garden.send("</stream:stream>")
		garden.expectEnd()
	})
	t.Run("R3921-5.1.1-2 R3921-5.1.1-3 initial presence goes to contacts and to the own resources", func(t *testing.T) {
		romeo.drain()
		second := interested(t, s, "juliet", "r0m30", "second")
		second.drain()
		wantInOrder(t, romeo.drain(), "<presence to='romeo@localhost' from='juliet@localhost/second'")
		wantInOrder(t, juliet.drain(), "<presence to='juliet@localhost/balcony' from='juliet@localhost/second'")
		second.nc.Close()
		romeo.expect("<presence type='unavailable' to='romeo@localhost' from='juliet@localhost/second'") // IM-5.1-5
	})
	t.Run("IM-5.1-5 IM-5.6-1 unavailable is told, with its reason", func(t *testing.T) {
		juliet.send("<presence type='unavailable'><status>supper</status></presence>")
		juliet.drain()
		wantInOrder(t, romeo.drain(), "<presence type='unavailable' to='romeo@localhost' from='juliet@localhost/balcony'", "<status>supper</status>")
		juliet.send("</stream:stream>")
		juliet.expectEnd()
		wantNone(t, romeo.drain(), "unavailable") // once
	})
	t.Run("IM-5.1-3 R3921-5.1.3-3 a probe finds the last presence", func(t *testing.T) {
		romeo.send("<presence type='unavailable'/>")
		romeo.drain()
		romeo.send("<presence/>")
		got := romeo.drain()
		wantInOrder(t, got, "<presence type='unavailable' ", "from='juliet@localhost'", "<status>supper</status>", "<delay xmlns='urn:xmpp:delay'", "stamp='")
	})
	t.Run("R3921-11.1-9 presence for who is away is ignored", func(t *testing.T) {
		romeo.send("<presence to='juliet@localhost'/>")
		wantNone(t, romeo.drain(), "error")
	})
}

func TestDirectedPresence(t *testing.T) {
	_, juliet, romeo := pair(t, nil)
	befriend(romeo, "romeo", juliet, "juliet")
	t.Run("IM-5-1 R3921-5.1.4-2 to a stranger: no broadcasts, but the end", func(t *testing.T) {
		romeo.send("<presence to='juliet@localhost'><status>psst</status></presence>")
		romeo.drain()
		wantInOrder(t, juliet.drain(), "<presence to='juliet@localhost' from='romeo@localhost/orchard'", "<status>psst</status>")
		romeo.send("<presence><show>xa</show></presence>")
		romeo.drain()
		wantNone(t, juliet.drain(), "<show>xa</show>")
	})
	t.Run("R6121-4.6.6-1 who got it may probe that resource", func(t *testing.T) {
		juliet.send("<presence type='probe' to='romeo@localhost/orchard'/>")
		wantInOrder(t, juliet.drain(), "from='romeo@localhost/orchard'")
		juliet.send("<presence type='probe' to='romeo@localhost'/>")
		wantNone(t, juliet.drain(), "<presence to=")
	})
	t.Run("R3921-5.1.4-1 to a contact: as a broadcast", func(t *testing.T) {
		juliet.send("<presence to='romeo@localhost'><status>for you</status></presence>")
		juliet.drain()
		wantInOrder(t, romeo.drain(), "<status>for you</status>")
		juliet.send("</stream:stream>")
		juliet.expectEnd()
		if got := romeo.drain(); strings.Count(got, "type='unavailable'") != 1 {
			t.Errorf("not told once: %q", got)
		}
	})
	t.Run("R3921-5.1.4-2 the end is told", func(t *testing.T) {
		s, juliet, romeo := pair(t, nil)
		_ = s
		romeo.send("<presence to='juliet@localhost'/>")
		romeo.drain()
		romeo.send("</stream:stream>")
		romeo.expectEnd()
		wantInOrder(t, juliet.drain(), "<presence type='unavailable' to='juliet@localhost' from='romeo@localhost/orchard'")
	})
	t.Run("R3921-5.1.4-3 before the initial presence", func(t *testing.T) {
		s := newServer(t, nil)
		juliet := interested(t, s, "juliet", "r0m30", "balcony")
		romeo := newRaw(t, s.Pipe())
		romeo.login("romeo", "jul13t", "orchard")
		romeo.send("<presence to='juliet@localhost/balcony'/>")
		romeo.drain()
		wantInOrder(t, juliet.drain(), "<presence to='juliet@localhost/balcony' from='romeo@localhost/orchard'")
		romeo.nc.Close()
		juliet.expect("<presence type='unavailable' to='juliet@localhost/balcony' from='romeo@localhost/orchard'")
	})
	t.Run("taken back", func(t *testing.T) {
		_, juliet, romeo := pair(t, nil)
		romeo.send("<presence to='juliet@localhost'/><presence type='unavailable' to='juliet@localhost'/>")
		romeo.drain()
		wantInOrder(t, juliet.drain(), "<presence type='unavailable'")
		romeo.send("</stream:stream>")
		romeo.expectEnd()
		wantNone(t, juliet.drain(), "unavailable")
	})
	t.Run("to too many", func(t *testing.T) {
		_, juliet, _ := pair(t, func(c *server.Config) { c.MaxDirected = 1 })
		juliet.send("<presence to='romeo@localhost/a'/><presence to='romeo@localhost/a'/><presence to='romeo@localhost/b' id='b'/>")
		juliet.expect("<presence type='error' id='b'", "<resource-constraint")
	})
}

func TestProbes(t *testing.T) {
	s, juliet, romeo := pair(t, func(c *server.Config) { c.ProbeDomains = []string{"rooms.example"} })
	befriend(romeo, "romeo", juliet, "juliet")
	for _, tt := range []struct{ name, from, to, want string }{
		{"IM-5.1-3 IM-5.5-1 of a subscriber", "romeo@localhost/orchard", "juliet@localhost", "<presence to='romeo@localhost/orchard' from='juliet@localhost/balcony'"},
		{"R6121-4.3.2-3 of one resource", "romeo@localhost/orchard", "juliet@localhost/balcony", "<presence to='romeo@localhost/orchard' from='juliet@localhost/balcony'/>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			juliet.send("<presence><show>chat</show></presence>")
			juliet.drain()
			romeo.drain()
			romeo.send("<presence type='probe' to='%s'/>", tt.to)
			wantInOrder(t, romeo.drain(), tt.want)
		})
	}
	t.Run("R3921-5.1.3-1 of a stranger", func(t *testing.T) {
		svc := newService(t, s, "other.example")
		svc.send(t, "<presence type='probe' from='paris@other.example' to='romeo@localhost'/>")
		if got, want := svc.next(t), "<presence type='unsubscribed' to='paris@other.example' from='romeo@localhost'/>"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("R6121-8.5.1-1 of who does not exist", func(t *testing.T) {
		svc := newService(t, s, "third.example")
		svc.send(t, "<presence type='probe' from='paris@third.example' to='nobody@localhost'/>")
		if got, want := svc.next(t), "<presence type='unsubscribed' to='paris@third.example' from='nobody@localhost'/>"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("a resource that is not there", func(t *testing.T) {
		romeo.send("<presence type='probe' to='juliet@localhost/gone'/>")
		wantNone(t, romeo.drain(), "<presence")
	})
	t.Run("R6121-4.3.2-1 of a trusted service", func(t *testing.T) {
		svc := newService(t, s, "rooms.example")
		svc.send(t, "<presence type='probe' from='rooms.example' to='juliet@localhost'/>")
		if got := svc.next(t); !strings.Contains(got, "from='juliet@localhost/balcony'") {
			t.Errorf("got %q", got)
		}
	})
}

// TestSilentContact shows R3921-5.1.1-4: who answers presence with an error gets
// none until it sends some.
func TestSilentContact(t *testing.T) {
	_, juliet, romeo := pair(t, nil)
	befriend(romeo, "romeo", juliet, "juliet")
	romeo.send("<presence type='error' to='juliet@localhost/balcony'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>")
	romeo.drain()
	juliet.send("<presence><status>1</status></presence>")
	juliet.drain()
	wantNone(t, romeo.drain(), "<status>1</status>")
	romeo.send("<presence to='juliet@localhost'/>")
	romeo.drain()
	juliet.send("<presence><status>2</status></presence>")
	juliet.drain()
	wantInOrder(t, romeo.drain(), "<status>2</status>")
}

// TestStrangersAsk shows R6121-8.5.3.1-1.
func TestStrangersAsk(t *testing.T) {
	const ask = "<iq type='get' id='%s' to='romeo@localhost/orchard'><q xmlns='urn:q'/></iq>"
	_, juliet, romeo := pair(t, nil)
	juliet.send(ask, "1")
	juliet.expect("<iq type='error' id='1' to='juliet@localhost/balcony' from='romeo@localhost/orchard'", "<service-unavailable")
	wantNone(t, romeo.drain(), "urn:q")
	romeo.send("<presence to='juliet@localhost/balcony'/>")
	romeo.drain()
	juliet.send(ask, "2")
	juliet.drain()
	wantInOrder(t, romeo.drain(), "id='2'", "urn:q")

	_, juliet, romeo = pair(t, nil)
	befriend(juliet, "juliet", romeo, "romeo")
	juliet.send(ask, "3")
	juliet.drain()
	wantInOrder(t, romeo.drain(), "id='3'", "urn:q")

	_, juliet, romeo = pair(t, func(c *server.Config) { c.AnswerStrangers = true })
	juliet.send(ask, "4")
	juliet.drain()
	wantInOrder(t, romeo.drain(), "id='4'", "urn:q")
}

// service is a service that says what it is told, and keeps what it hears.
type service struct {
	svc *server.Service
	in  chan *stanza.Stanza
}

func newService(t *testing.T, s *server.Server, domain string) *service {
	t.Helper()
	v := &service{in: make(chan *stanza.Stanza, 100)}
	svc, err := s.Local(jid.MustParse(domain), xmpp.HandlerFunc(func(_ context.Context, _ xmpp.Sender, st *stanza.Stanza) error {
		v.in <- st
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	v.svc = svc
	t.Cleanup(func() { svc.Close() })
	return v
}

func (v *service) send(t *testing.T, xml string) {
	t.Helper()
	st, err := stanza.Parse(xml)
	if err == nil {
		err = v.svc.Send(t.Context(), st)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (v *service) next(t *testing.T) string {
	t.Helper()
	select {
	case st := <-v.in:
		return st.String()
	case <-time.After(patience):
		t.Fatal("nothing has come")
		return ""
	}
}
