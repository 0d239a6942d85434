package server_test

import (
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/server"
)

// pair are juliet and romeo, available and interested.
func pair(t *testing.T, change func(*server.Config)) (s *server.Server, juliet, romeo *raw) {
	t.Helper()
	s = newServer(t, change)
	return s, interested(t, s, "juliet", "r0m30", "balcony"), interested(t, s, "romeo", "jul13t", "orchard")
}

// befriend makes a subscribed to b, of whom b approves.
func befriend(a *raw, aName string, b *raw, bName string) {
	a.t.Helper()
	a.send("<presence type='subscribe' to='%s@localhost'/>", bName)
	b.expect("<presence type='subscribe' ", "from='"+aName+"@localhost'")
	b.send("<presence type='subscribed' to='%s@localhost'/>", aName)
	a.expect("<presence type='subscribed' ", "from='"+bName+"@localhost'")
	b.drain()
	a.drain()
}

// wantInOrder checks that all of want comes, in this order.
func wantInOrder(t *testing.T, got string, want ...string) {
	t.Helper()
	if _, ok := cut(got, want); !ok {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func wantNone(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(got, p) {
			t.Errorf("got %q, which has %q", got, p)
		}
	}
}

// TestSubscriptionFlow shows RFC 3921, section 8.2 and 8.3: a subscription in one
// direction, and in the other.
func TestSubscriptionFlow(t *testing.T) {
	_, juliet, romeo := pair(t, nil)
	t.Run("R3921-8.2-1 R6121-3.1.2-1 a request", func(t *testing.T) {
		romeo.send("<presence type='subscribe' to='juliet@localhost/balcony' id='s1'><status>It is I</status></presence>")
		wantInOrder(t, romeo.drain(), "<item jid='juliet@localhost' subscription='none' ask='subscribe'/>")
		got := juliet.drain()
		wantInOrder(t, got, "<presence type='subscribe' id='s1' to='juliet@localhost' from='romeo@localhost'", "<status>It is I</status>")
		wantNone(t, got, "roster") // R6121-3.1.3-2
		if got := juliet.roster(); got != "" {
			t.Errorf("R6121-3.1.3-2: the roster has %q", got)
		}
	})
	t.Run("R6121-3.1.5-1 R6121-3.1.6-1 SUB-ACK-1 GUIDE-3-pres-2 the approval", func(t *testing.T) {
		juliet.send("<presence type='subscribed' to='romeo@localhost'/>")
		wantInOrder(t, juliet.drain(), "<item jid='romeo@localhost' subscription='from'/>")
		got := romeo.drain()
		wantInOrder(t, got, "<presence type='subscribed' to='romeo@localhost' from='juliet@localhost'",
			"<item jid='juliet@localhost' subscription='to'/>")
		wantInOrder(t, got, "<presence type='subscribed'", "<presence to='romeo@localhost' from='juliet@localhost/balcony'")
	})
	t.Run("R3921-5.1.6-2 a second request is answered by the server", func(t *testing.T) {
		romeo.send("<presence type='subscribe' to='juliet@localhost'/>")
		romeo.drain()
		wantNone(t, juliet.drain(), "subscribe")
	})
	t.Run("R3921-8.3-1 the other direction", func(t *testing.T) {
		befriend(juliet, "juliet", romeo, "romeo")
		if got, want := juliet.roster(), "<item jid='romeo@localhost' subscription='both'/>"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got, want := romeo.roster(), "<item jid='juliet@localhost' subscription='both'/>"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("R3921-8.4.2-1 R6121-3.3.2-1 R6121-3.3.3-1 unsubscribing when mutual", func(t *testing.T) {
		romeo.send("<presence type='unsubscribe' to='juliet@localhost'/>")
		wantInOrder(t, romeo.drain(), "<item jid='juliet@localhost' subscription='from'/>")
		wantInOrder(t, juliet.drain(), "<presence type='unsubscribe' to='juliet@localhost' from='romeo@localhost'",
			"<item jid='romeo@localhost' subscription='to'/>")
		wantInOrder(t, romeo.drain(), "")
	})
	t.Run("R3921-8.5.1-1 R6121-3.2.2-1 R6121-3.2.3-1 cancelling when not mutual", func(t *testing.T) {
		romeo.send("<presence type='unsubscribed' to='juliet@localhost'/>")
		wantInOrder(t, romeo.drain(), "<item jid='juliet@localhost' subscription='none'/>")
		wantInOrder(t, juliet.drain(), "<presence type='unavailable' to='juliet@localhost' from='romeo@localhost/orchard'",
			"<presence type='unsubscribed' to='juliet@localhost' from='romeo@localhost'",
			"<item jid='romeo@localhost' subscription='none'/>")
	})
}

func TestSubscriptionEnds(t *testing.T) {
	t.Run("R3921-8.2.1-1 a request is declined", func(t *testing.T) {
		_, juliet, romeo := pair(t, nil)
		romeo.send("<presence type='subscribe' to='juliet@localhost'/>")
		romeo.drain()
		juliet.expect("<presence type='subscribe'")
		juliet.send("<presence type='unsubscribed' to='romeo@localhost'/>")
		juliet.drain()
		got := romeo.drain()
		wantInOrder(t, got, "<presence type='unsubscribed' to='romeo@localhost' from='juliet@localhost'",
			"<item jid='juliet@localhost' subscription='none'/>")
		wantNone(t, got, "ask=")
	})
	t.Run("R3921-8.4.1-1 unsubscribing when not mutual", func(t *testing.T) {
		_, juliet, romeo := pair(t, nil)
		befriend(romeo, "romeo", juliet, "juliet")
		romeo.send("<presence type='unsubscribe' to='juliet@localhost'/>")
		romeo.drain()
		juliet.drain()
		if a, b := romeo.roster(), juliet.roster(); !strings.Contains(a, "subscription='none'") || !strings.Contains(b, "subscription='none'") {
			t.Errorf("rosters %q, %q", a, b)
		}
	})
	t.Run("R3921-8.5.2-1 cancelling when mutual", func(t *testing.T) {
		_, juliet, romeo := pair(t, nil)
		befriend(romeo, "romeo", juliet, "juliet")
		befriend(juliet, "juliet", romeo, "romeo")
		romeo.send("<presence type='unsubscribed' to='juliet@localhost'/>")
		wantInOrder(t, romeo.drain(), "subscription='to'")
		wantInOrder(t, juliet.drain(), "<presence type='unavailable'", "<presence type='unsubscribed'", "subscription='from'")
	})
	t.Run("R3921-8.6-1 IM-8.3-4 SUB-ACK-5 removing a contact", func(t *testing.T) {
		_, juliet, romeo := pair(t, nil)
		befriend(romeo, "romeo", juliet, "juliet")
		befriend(juliet, "juliet", romeo, "romeo")
		romeo.send("<iq type='set' id='rm'><query xmlns='jabber:iq:roster'><item jid='juliet@localhost' subscription='remove'/></query></iq>")
		romeo.expect("<item jid='juliet@localhost' subscription='remove'/>", "<iq type='result' id='rm'")
		got := juliet.drain()
		wantInOrder(t, got, "<presence type='unsubscribe' to='juliet@localhost' from='romeo@localhost'")
		wantInOrder(t, got, "<presence type='unavailable' to='juliet@localhost' from='romeo@localhost/orchard'",
			"<presence type='unsubscribed' to='juliet@localhost' from='romeo@localhost'")
		if got, want := juliet.roster(), "<item jid='romeo@localhost' subscription='none'/>"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestPendingRequests(t *testing.T) {
	s, juliet, romeo := pair(t, nil)
	juliet.send("</stream:stream>")
	juliet.expectEnd()
	t.Run("R6121-3.1.3-1 R3921-11.1-8 a request waits, one of each requester", func(t *testing.T) {
		romeo.send("<presence type='subscribe' to='juliet@localhost' id='first'><x xmlns='urn:x'>kept</x></presence>")
		romeo.send("<presence type='subscribe' to='juliet@localhost' id='second'/>")
		romeo.drain()
		for range 2 { // "until the contact either approves or denies the request"
			juliet = interested(t, s, "juliet", "r0m30", "balcony")
			got := juliet.drain()
			if n := strings.Count(got, "type='subscribe'"); n != 1 {
				t.Errorf("%d requests: %q", n, got)
			}
			wantInOrder(t, got, "<presence type='subscribe' ", "to='juliet@localhost' from='romeo@localhost'")
			juliet.send("</stream:stream>")
			juliet.expectEnd()
		}
	})
	t.Run("R3921-5.1.6-1 the server does not approve by itself; the user does", func(t *testing.T) {
		wantNone(t, romeo.drain(), "type='subscribed'")
		juliet = interested(t, s, "juliet", "r0m30", "balcony")
		juliet.send("<presence type='subscribed' to='romeo@localhost'/>")
		juliet.drain()
		wantInOrder(t, romeo.drain(), "type='subscribed'")
		again := interested(t, s, "juliet", "r0m30", "again")
		wantNone(t, again.drain(), "type='subscribe'")
	})
}

func TestPreApproval(t *testing.T) {
	_, juliet, romeo := pair(t, nil)
	juliet.send("<presence type='subscribed' to='romeo@localhost'/>")
	t.Run("R6121-3.4-1 it is in the roster, and nowhere else", func(t *testing.T) {
		wantInOrder(t, juliet.drain(), "<item jid='romeo@localhost'", "approved='true'", "/>")
		wantNone(t, romeo.drain(), "subscribed")
	})
	t.Run("R6121-3.4-1 a request is approved at once", func(t *testing.T) {
		romeo.send("<presence type='subscribe' to='juliet@localhost'/>")
		wantInOrder(t, romeo.drain(), "ask='subscribe'", "<presence type='subscribed' to='romeo@localhost' from='juliet@localhost'",
			"subscription='to'")
		got := juliet.drain()
		wantInOrder(t, got, "subscription='from'")
		wantNone(t, got, "<presence type='subscribe'")
	})
}

func TestBadSubscriptions(t *testing.T) {
	_, juliet, romeo := pair(t, nil)
	t.Run("to oneself", func(t *testing.T) {
		juliet.send("<presence type='subscribe' to='juliet@localhost' id='me'/>")
		juliet.expect("<presence type='error' id='me'", "<not-allowed")
	})
	t.Run("to nobody in particular", func(t *testing.T) {
		juliet.send("<presence type='subscribe' id='none'/>")
		juliet.expect("<presence type='error' id='none'", "<not-allowed")
	})
	t.Run("to a malformed address", func(t *testing.T) {
		juliet.send("<presence type='subscribe' to='@localhost' id='bad'/>")
		juliet.expect("<presence type='error' id='bad'", "<jid-malformed")
	})
	t.Run("R6121-3.1.2-2 to a server that is not there", func(t *testing.T) {
		juliet.send("<presence type='subscribe' to='x@nowhere.example' id='far'/>")
		juliet.expect("<presence type='error' id='far' to='juliet@localhost'", "<remote-server-not-found")
	})
	t.Run("R6121-3.1.2-2 to a user who has no room", func(t *testing.T) {
		_, juliet, romeo := pair(t, func(c *server.Config) { c.RosterLimits.Items = 1 })
		romeo.send("<iq type='set' id='f'><query xmlns='jabber:iq:roster'><item jid='a@b'/></query></iq>")
		romeo.drain()
		juliet.send("<presence type='subscribe' to='romeo@localhost' id='full'/>")
		wantInOrder(t, juliet.drain(), "<presence type='error' id='full' to='juliet@localhost' from='romeo@localhost'", "<resource-constraint")
		wantNone(t, romeo.drain(), "subscribe")
	})
	t.Run("to a user who does not exist", func(t *testing.T) {
		juliet.send("<presence type='subscribe' to='nobody@localhost'/>")
		wantNone(t, juliet.drain(), "type='error'", "type='unsubscribed'", "type='subscribed'")
	})
	t.Run("R6121-3.2.3-1 SUB-IN-subscribed-1 what was not asked for is ignored", func(t *testing.T) {
		romeo.drain()
		juliet.send("<presence type='unsubscribed' to='romeo@localhost'/><presence type='unsubscribe' to='romeo@localhost'/>")
		juliet.drain()
		wantNone(t, romeo.drain(), "type='subscribed'", "type='unsubscribed'")
	})
}
