package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/server"
)

// interested logs in, asks for the roster and becomes available.
func interested(t *testing.T, s *server.Server, user, password, resource string) *raw {
	t.Helper()
	r := newRaw(t, s.Pipe())
	r.login(user, password, resource)
	r.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
	r.expect("<iq type='result' id='roster'", "jabber:iq:roster", ">")
	r.send("<presence/>")
	r.expect("<presence ", "/>")
	return r
}

// roster returns the items of the roster, as they stand in the answer.
func (r *raw) roster() string {
	r.t.Helper()
	r.drain()
	r.send("<iq type='get' id='get-roster'><query xmlns='jabber:iq:roster'/></iq>")
	got := r.drain()
	got = got[strings.Index(got, "<query"):]
	got = got[strings.Index(got, ">")+1:]
	got, _, _ = strings.Cut(got, "</query>")
	if strings.HasPrefix(got, "</iq>") {
		return ""
	}
	return got
}

func TestRoster(t *testing.T) {
	s := newServer(t, nil)
	home := interested(t, s, "juliet", "r0m30", "home")
	work := interested(t, s, "juliet", "r0m30", "work")
	home.drain()
	other := newRaw(t, s.Pipe())
	other.login("juliet", "r0m30", "other") // has not asked for the roster

	t.Run("R6121-2.1.4-1 an empty roster", func(t *testing.T) {
		home.send("<iq type='get' id='r1'><query xmlns='jabber:iq:roster'/></iq>")
		home.expect("<iq type='result' id='r1' to='juliet@localhost/home'", "<query xmlns='jabber:iq:roster'/>", "</iq>")
	})
	t.Run("IM-8.2-1 IM-8.2-2 GUIDE-9-roster-1 R3921-7.3-1 an item is stored, pushed to interested resources, and answered", func(t *testing.T) {
		home.send("<iq type='set' id='r2'><query xmlns='jabber:iq:roster'><item jid='Nurse@Localhost' name='Nurse' subscription='both' ask='subscribe'><group>Servants</group></item></query></iq>")
		const item = "<item jid='nurse@localhost' name='Nurse' subscription='none'><group>Servants</group></item>"
		got := home.drain()
		if !strings.Contains(got, item) || !strings.Contains(got, "<iq type='result' id='r2'") {
			t.Errorf("got %q", got)
		}
		push := work.expect("<iq type='set' id='", "to='juliet@localhost/work' from='juliet@localhost'", item, "</iq>")
		if strings.Count(push, "<item") != 1 {
			t.Errorf("push %q", push)
		}
		other.nothing()
	})
	t.Run("IM-8-1 IM-8.1-3 it is there for every resource", func(t *testing.T) {
		if got, want := work.roster(), "<item jid='nurse@localhost' name='Nurse' subscription='none'><group>Servants</group></item>"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("IM-8.2-4 IM-8.3-2 an update replaces name and groups", func(t *testing.T) {
		work.send("<iq type='set' id='r3' to='juliet@localhost'><query xmlns='jabber:iq:roster'><item jid='nurse@localhost' subscription='to'/></query></iq>")
		const item = "<item jid='nurse@localhost' subscription='none'/>"
		work.expect(item)
		home.expect("<iq type='set'", item)
	})
	t.Run("R6121-2.6-1 who has this version gets nothing", func(t *testing.T) {
		home.drain()
		home.send("<iq type='get' id='v1'><query xmlns='jabber:iq:roster' ver=''/></iq>")
		got := home.expect("<iq type='result' id='v1'", "ver='", "</iq>")
		_, ver, _ := strings.Cut(got, "ver='")
		ver, _, _ = strings.Cut(ver, "'")
		if ver == "" || !strings.Contains(got, "<item ") {
			t.Fatalf("got %q", got)
		}
		home.send("<iq type='get' id='v2'><query xmlns='jabber:iq:roster' ver='%s'/></iq>", ver)
		if got := home.expect("<iq type='result' id='v2'", "/>"); strings.Contains(got, "query") {
			t.Errorf("got %q", got)
		}
		home.send("<iq type='set' id='v3'><query xmlns='jabber:iq:roster'><item jid='nurse@localhost' name='N'/></query></iq>")
		push := home.expect("<iq type='set'", "</iq>")
		if !strings.Contains(push, " ver='") || strings.Contains(push, " ver='"+ver+"'") {
			t.Errorf("push %q", push)
		}
		home.expect("<iq type='result' id='v3'")
		home.send("<iq type='get' id='v4'><query xmlns='jabber:iq:roster' ver='%s'/></iq>", ver)
		home.expect("<iq type='result' id='v4'", "<item ", "</iq>")
	})
	t.Run("IM-8.3-1 GUIDE-9-roster-5 an item is removed", func(t *testing.T) {
		home.send("<iq type='set' id='d1'><query xmlns='jabber:iq:roster'><item jid='nurse@localhost' subscription='remove'/></query></iq>")
		home.expect("<item jid='nurse@localhost' subscription='remove'/>", "<iq type='result' id='d1'")
		if got := home.roster(); got != "" {
			t.Errorf("the roster has %q", got)
		}
	})
	t.Run("the features are announced", func(t *testing.T) {
		r := newRaw(t, s.Pipe())
		r.open()
		r.send("%s", plain("juliet", "r0m30"))
		r.expect("<success")
		r.send(header)
		r.expect("<ver xmlns='urn:xmpp:features:rosterver'/>", "<sub xmlns='urn:xmpp:features:pre-approval'/>")
	})
}

// TestRosterErrors shows R6121-2.1.5-1: what a roster set is refused for, and
// that nothing is stored then.
func TestRosterErrors(t *testing.T) {
	s := newServer(t, func(c *server.Config) { c.RosterLimits.Items = 2 })
	juliet := interested(t, s, "juliet", "r0m30", "balcony")
	groups := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "<group>%d</group>", i)
		}
		return b.String()
	}
	for _, tt := range []struct{ name, to, query, want string }{
		{"R3921-7.2-1 somebody else's roster", "romeo@localhost", "<item jid='a@b'/>", "forbidden"},
		{"two items", "", "<item jid='a@b'/><item jid='c@d'/>", "bad-request"},
		{"no item", "", "", "bad-request"},
		{"no jid", "", "<item name='x'/>", "bad-request"},
		{"a malformed jid", "", "<item jid='@b'/>", "bad-request"},
		{"duplicate groups", "", "<item jid='a@b'><group>x</group><group>x</group></item>", "bad-request"},
		{"an empty group", "", "<item jid='a@b'><group/></item>", "not-acceptable"},
		{"a long group", "", "<item jid='a@b'><group>" + strings.Repeat("x", 1024) + "</group></item>", "not-acceptable"},
		{"a long name", "", "<item jid='a@b' name='" + strings.Repeat("x", 1024) + "'/>", "not-acceptable"},
		{"ten thousand groups", "", "<item jid='a@b'>" + groups(10000) + "</item>", "not-acceptable"},
		{"remove what is not there", "", "<item jid='a@b' subscription='remove'/>", "item-not-found"},
	} {
		t.Run("R6121-2.1.5-1 "+tt.name, func(t *testing.T) {
			juliet.t = t
			to := ""
			if tt.to != "" {
				to = " to='" + tt.to + "'"
			}
			juliet.send("<iq type='set' id='x'%s><query xmlns='jabber:iq:roster'>%s</query></iq>", to, tt.query)
			juliet.expect("<iq type='error' id='x'", "<"+tt.want, "</iq>")
		})
	}
	juliet.t = t
	if got := juliet.roster(); got != "" {
		t.Errorf("the roster has %q", got)
	}
	t.Run("a full roster", func(t *testing.T) {
		for i := range 2 {
			juliet.send("<iq type='set' id='f%d'><query xmlns='jabber:iq:roster'><item jid='c%d@x'/></query></iq>", i, i)
			juliet.expect(fmt.Sprintf("<iq type='result' id='f%d'", i))
		}
		juliet.send("<iq type='set' id='f3'><query xmlns='jabber:iq:roster'><item jid='c3@x'/></query></iq>")
		juliet.expect("<iq type='error' id='f3'", "<resource-constraint")
		juliet.send("<presence type='subscribe' to='romeo@localhost' id='f4'/>")
		juliet.expect("<presence type='error' id='f4'", "<resource-constraint")
	})
	t.Run("who is nobody's session", func(t *testing.T) {
		juliet.send("<iq type='get' id='g' to='romeo@localhost'><query xmlns='jabber:iq:roster'/></iq>")
		juliet.expect("<iq type='error' id='g'", "<forbidden")
	})
}
