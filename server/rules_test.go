package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"

	xmpp "github.com/etherx-go/xmpp"
)

// TestDelivery are rules of routing that have no table of their own.
func TestDelivery(t *testing.T) {
	s, juliet, romeo := pair(t, func(c *server.Config) { c.AnswerStrangers = true })
	second := available(t, s, "juliet", "r0m30", "second", 0)
	drain := func() {
		juliet.drain()
		second.drain()
		romeo.drain()
	}
	t.Run("IM-4.1-4 to one's own other resource", func(t *testing.T) {
		juliet.send("<message to='juliet@localhost/second'><body>1</body></message>")
		juliet.drain()
		wantInOrder(t, second.drain(), "<message to='juliet@localhost/second' from='juliet@localhost/balcony'><body>1</body>")
	})
	t.Run("IM-4.1-1 CORE-6.2.1-1 to a user, a server, a service, near and far", func(t *testing.T) {
		svc := newService(t, s, "service.example")
		juliet.send("<message to='romeo@localhost'><body>2</body></message><message to='service.example'><body>3</body></message>" +
			"<message to='localhost' id='srv'><body>4</body></message><message to='x@far.example' id='far'><body>5</body></message>")
		got := juliet.drain()
		wantInOrder(t, romeo.drain(), "<body>2</body>")
		wantInOrder(t, svc.next(t), "<body>3</body>")
		wantInOrder(t, got, "<message type='error' id='srv'")
		wantInOrder(t, got, "<message type='error' id='far'", "<remote-server-not-found") // R3920-10.2-1
	})
	t.Run("IM-4.7-1 IM21-2.1.1-7 CORE-6.2.3-3 what cannot be delivered comes back as an error", func(t *testing.T) {
		juliet.send("<message to='nobody@localhost' id='m1'><body>6</body></message>")
		wantInOrder(t, juliet.drain(), "<message type='error' id='m1' to='juliet@localhost/balcony' from='nobody@localhost'>", "<error ", "<service-unavailable", "</error></message>")
		juliet.send("<message to='romeo@localhost' id='m2'><body>7</body></message>")
		wantNone(t, juliet.drain(), "m2")
	})
	t.Run("R6121-8.5-err an error that finds nobody is dropped", func(t *testing.T) {
		const e = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
		drain()
		for _, to := range []string{"romeo@localhost", "romeo@localhost/gone", "nobody@localhost/x"} {
			juliet.send("<message type='error' to='%s'>%s</message>", to, e)
		}
		wantNone(t, juliet.drain(), "<message")
		wantNone(t, romeo.drain(), "<message")
	})
	t.Run("R3921-11.1-2 R3921-11.1-11 no such account", func(t *testing.T) {
		juliet.send("<presence to='nobody@localhost'/><iq type='get' id='q1' to='nobody@localhost'><query xmlns='jabber:iq:version'/></iq><message to='nobody@localhost' id='m3'><body>8</body></message>")
		got := juliet.drain()
		wantNone(t, got, "<presence")
		wantInOrder(t, got, "<iq type='error' id='q1'", "<service-unavailable")
		wantInOrder(t, got, "<message type='error' id='m3'", "<service-unavailable")
	})
	t.Run("R3921-11.1-6 presence to the account goes to all available resources", func(t *testing.T) {
		drain()
		romeo.send("<presence to='juliet@localhost'><status>9</status></presence>")
		romeo.drain()
		for _, r := range []*raw{juliet, second} {
			wantInOrder(t, r.drain(), "<presence to='juliet@localhost' from='romeo@localhost/orchard'", "<status>9</status>")
		}
	})
	t.Run("IM-9-3 GUIDE-11-presence-7 who is only connected gets nothing for the account", func(t *testing.T) {
		third := newRaw(t, s.Pipe())
		third.login("juliet", "r0m30", "third")
		romeo.send("<message to='juliet@localhost' type='headline'><body>10</body></message><message to='juliet@localhost/third'><body>11</body></message>")
		romeo.drain()
		got := third.drain()
		wantNone(t, got, "<body>10</body>")
		wantInOrder(t, got, "<body>11</body>")
		wantInOrder(t, second.drain(), "<body>10</body>")
	})
	t.Run("R3921-11.2-1 R3920-10-1 in order between two", func(t *testing.T) {
		drain()
		for i := range 200 {
			juliet.send("<message to='romeo@localhost/orchard'><body>#%d#</body></message>", i)
		}
		juliet.drain()
		got := romeo.drain()
		for i := range 200 {
			_, rest, ok := strings.Cut(got, fmt.Sprintf("<body>#%d#</body>", i))
			if !ok {
				t.Fatalf("message %d is not there, or not in its place", i)
			}
			got = rest
		}
	})
	t.Run("R3921-2.4-1 CORE-6.6-1 CORE-6.6-2 what is not known passes untouched", func(t *testing.T) {
		const x = "<body>12</body><x xmlns='urn:unknown' a='&amp;1'><y>z</y></x><other xmlns='urn:other'/>"
		juliet.send("<message to='romeo@localhost/orchard'>" + x + "</message>")
		juliet.drain()
		wantInOrder(t, romeo.drain(), x+"</message>")
	})
	t.Run("CORE-6.2.1-2 R3920-10.1-1 without to the server is meant", func(t *testing.T) {
		juliet.send("<iq type='get' id='q2'><query xmlns='urn:unknown'/></iq>")
		wantInOrder(t, juliet.drain(), "<iq type='error' id='q2' to='juliet@localhost/balcony' from='juliet@localhost'", "<service-unavailable")
	})
	t.Run("R3920-10.4-1 CORE-6.6-3 to a mere domain, or a resource of it", func(t *testing.T) {
		for _, to := range []string{"localhost", "localhost/x"} {
			juliet.send("<iq type='get' id='q3' to='%s'><query xmlns='urn:unknown'/></iq>", to)
			wantInOrder(t, juliet.drain(), "<iq type='error' id='q3'", "from='"+to+"'", "<service-unavailable")
		}
	})
	t.Run("CORE-6.2.3-1 CORE-6.2.3-2 CORE-6.2.4-1 GUIDE-11-iq-2 GUIDE-11-iq-3 an answer has the id of its question", func(t *testing.T) {
		drain()
		juliet.send("<message to='romeo@localhost/orchard'><body>no id</body></message><iq type='get' id='a b' to='romeo@localhost/orchard'><q xmlns='urn:q'/></iq>")
		juliet.drain()
		wantInOrder(t, romeo.drain(), "<message to=", "<iq type='get' id='a b'")
		romeo.send("<iq type='result' id='a b' to='juliet@localhost/balcony'/>")
		romeo.drain()
		wantInOrder(t, juliet.drain(), "<iq type='result' id='a b' to='juliet@localhost/balcony' from='romeo@localhost/orchard'/>")
	})
}

// TestLongAttributes: what would grow beyond a recipient's limits when it is
// written anew does not reach anybody.
func TestLongAttributes(t *testing.T) {
	_, juliet, romeo := pair(t, nil)
	for _, attr := range []string{"id", "xml:lang", "type"} {
		juliet.send("<message to='romeo@localhost/orchard' %s=\"%s\"><body>x</body></message>", attr, strings.Repeat("'", 20_000))
		wantInOrder(t, juliet.drain(), "<message type='error'", "<policy-violation")
	}
	wantNone(t, romeo.drain(), "<body>")
	juliet.send("<message to='romeo@localhost/orchard' id='%s'><body>y</body></message>", strings.Repeat("i", 8000))
	juliet.drain()
	wantInOrder(t, romeo.drain(), "<body>y</body>")
}

// TestLasting: a subscription outlives the sessions, the server too if its store
// does, and each change of it is pushed.
func TestLasting(t *testing.T) {
	m := memory.New()
	keep := func(c *server.Config) { c.Stores.Rosters = m.Rosters() }
	s, juliet, romeo := pair(t, keep)
	t.Run("GUIDE-11-presence-8 IM-D.5-2 each change is pushed; from is of who shows himself", func(t *testing.T) {
		romeo.send("<presence type='subscribe' to='juliet@localhost'/>")
		wantInOrder(t, romeo.drain(), "<iq type='set'", "ask='subscribe'")
		juliet.drain()
		juliet.send("<presence type='subscribed' to='romeo@localhost'/>")
		wantInOrder(t, juliet.drain(), "<iq type='set'", "subscription='from'")
		wantInOrder(t, romeo.drain(), "<iq type='set'", "subscription='to'")
	})
	s.Close()
	t.Run("IM-6-1 it is there in another session", func(t *testing.T) {
		_, juliet, romeo := pair(t, keep)
		romeo.drain()
		juliet.send("<presence><status>back</status></presence>")
		juliet.drain()
		wantInOrder(t, romeo.drain(), "from='juliet@localhost/balcony'", "<status>back</status>")
	})
}

// TestAskAgain shows R3921-5.1.6-3: a request whose answer was lost is repeated.
func TestAskAgain(t *testing.T) {
	m := memory.New()
	s, juliet, romeo := pair(t, func(c *server.Config) { c.Stores.Rosters = m.Rosters() })
	romeo.send("<presence type='subscribe' to='juliet@localhost'/>")
	romeo.drain()
	juliet.drain()
	if err := m.Rosters().RemoveAccount(t.Context(), jid.MustParse("juliet@localhost")); err != nil {
		t.Fatal(err) // as if it had never arrived
	}
	juliet.send("</stream:stream>")
	juliet.expectEnd()
	romeo.send("</stream:stream>")
	romeo.expectEnd()
	interested(t, s, "romeo", "jul13t", "orchard").drain()
	juliet = interested(t, s, "juliet", "r0m30", "balcony")
	wantInOrder(t, juliet.drain(), "<presence type='subscribe' to='juliet@localhost' from='romeo@localhost'")
}

// moved are accounts whose users may have gone elsewhere.
type moved struct{ server.Accounts }

func (moved) Moved(_ context.Context, account jid.JID) (*stanza.Error, error) {
	if account.Local() != "mercutio" {
		return nil, nil
	}
	return &stanza.Error{Condition: stanza.Gone, Text: "xmpp:mercutio@example.org"}, nil
}

// TestMoved shows R6121-4.3.2-2: who asks for somebody that has moved is told.
func TestMoved(t *testing.T) {
	s := newServer(t, func(c *server.Config) { c.Accounts = moved{c.Accounts} })
	juliet := interested(t, s, "juliet", "r0m30", "balcony")
	juliet.send("<presence type='probe' to='mercutio@localhost' id='p'/>")
	wantInOrder(t, juliet.drain(), "<presence type='error' id='p'", "<gone", "mercutio@example.org")
	juliet.send("<message to='mercutio@localhost' id='m'><body>x</body></message>")
	wantInOrder(t, juliet.drain(), "<message type='error' id='m'", "<gone")
	juliet.send("<message to='nobody@localhost' id='n'><body>x</body></message>")
	wantInOrder(t, juliet.drain(), "<message type='error' id='n'", "<service-unavailable")
}

// TestUsers is what extensions are told of accounts.
func TestUsers(t *testing.T) {
	var users xmpp.Users
	s, juliet, romeo := pair(t, func(c *server.Config) {
		c.Extensions = append(c.Extensions, attached(func(h xmpp.Host) { users = h.(xmpp.Users) }), &disco.Extension{})
	})
	befriend(romeo, "romeo", juliet, "juliet")
	ctx, j, r := t.Context(), jid.MustParse("juliet@localhost"), jid.MustParse("romeo@localhost")
	if ok, err := users.HasAccount(ctx, j); !ok || err != nil {
		t.Errorf("HasAccount: %v, %v", ok, err)
	}
	for _, who := range []string{"nobody@localhost", "juliet@elsewhere.example", "localhost"} {
		if ok, err := users.HasAccount(ctx, jid.MustParse(who)); ok || err != nil {
			t.Errorf("HasAccount(%s): %v, %v", who, ok, err)
		}
	}
	for _, tt := range []struct {
		contact, account jid.JID
		want             bool
	}{{r, j, true}, {j, r, false}, {j, j, true}, {jid.MustParse("romeo@localhost/x"), j, true}} {
		if ok, err := users.MaySee(ctx, tt.contact, tt.account); ok != tt.want || err != nil {
			t.Errorf("MaySee(%v, %v): %v, %v", tt.contact, tt.account, ok, err)
		}
	}
	if got := fmt.Sprint(users.Resources(j)); got != "[juliet@localhost/balcony]" {
		t.Errorf("Resources: %s", got)
	}
	juliet.send("<presence type='unavailable'><status>off</status></presence>")
	juliet.drain()
	st, at, err := users.LastPresence(ctx, j)
	if err != nil || at.IsZero() || !strings.Contains(st.String(), "<status>off</status>") {
		t.Errorf("LastPresence: %v, %v, %v", st, at, err)
	}
	if f := strings.Join(s.Features(jid.MustParse("localhost")), " "); !strings.Contains(f, "urn:xmpp:blocking") || !strings.Contains(f, "jabber:iq:register") {
		t.Errorf("Features: %s", f)
	}
	if err := s.RemoveAccount(ctx, r); err != nil {
		t.Fatal(err)
	}
	wantInOrder(t, romeo.expectEnd(), "<stream:error><not-authorized")
	if ok, _ := users.HasAccount(ctx, r); ok {
		t.Error("romeo is still there")
	}
	if got := juliet.roster(); !strings.Contains(got, "subscription='none'") {
		t.Errorf("juliet's roster: %s", got)
	}
}

// attached is an extension that only looks at its host.
type attached func(xmpp.Host)

func (f attached) Attach(h xmpp.Host) error {
	f(h)
	return nil
}
