package stream

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// managed2 is a world whose server resumes sessions.
type managed2 struct {
	*world2
	mu       sync.Mutex
	sessions map[string]*Conn
	handled  map[string]uint64
	granted  int
}

func newManaged2(t *testing.T) *managed2 {
	m := &managed2{world2: newWorld2(t), sessions: map[string]*Conn{}, handled: map[string]uint64{}}
	m.server.SASL2.Management = &ManagementServer{
		Grant: func(_ context.Context, c *Conn, max time.Duration) (Grant, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.granted++
			g := Grant{ID: "session" + strings.Repeat("x", m.granted), Max: max}
			m.sessions[g.ID] = c
			return g, nil
		},
		Resume: func(_ context.Context, c *Conn, id string) (*Conn, uint64, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			old, ok := m.sessions[id]
			if !ok {
				return nil, 0, stanza.ItemNotFound
			}
			m.sessions[id] = c
			return old, m.handled[id], nil
		},
	}
	m.client.Management = &ManagementClient{Resumable: true, Max: time.Minute}
	return m
}

// next returns the id of the next message.
func nextID(t *testing.T, c *Conn) string {
	t.Helper()
	for {
		st, _, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		if st != nil {
			return st.ID
		}
	}
}

// TestResumeInline: a session is begun with the login, and goes on with another, in
// one round trip; nothing is lost in between, nothing comes twice.
func TestResumeInline(t *testing.T) {
	m := newManaged2(t)
	var bound []jid.JID
	m.client.Bind.Bound = func(j jid.JID, _ stanza.Element) { bound = append(bound, j) }
	c, s, err := m.connect()
	if err != nil || m.err != nil {
		t.Fatal(err, m.err)
	}
	if m.trips != 3 || !c.Managed() || !s.Managed() || len(bound) != 1 {
		t.Fatalf("%d round trips, managed %v %v, bound %v", m.trips, c.Managed(), s.Managed(), bound)
	}
	// One message is received and handled by the client, one by the server; each
	// side has another that is lost, and then the connection is.
	for _, end := range []*Conn{c, s} {
		if err := end.Send(t.Context(), message(1)); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := nextID(t, c), nextID(t, s); a != "m1" || b != "m1" {
		t.Fatal(a, b)
	}
	m.handled["sessionx"] = 1
	c.Detach(nil)
	s.Detach(nil)
	for _, end := range []*Conn{c, s} {
		if err := end.Send(t.Context(), message(2)); err != nil {
			t.Fatal(err)
		}
	}
	m.client.Management.Old, m.client.Management.Handled = c, func() uint64 { return 1 }
	c2, s2, err := m.connect()
	if err != nil || m.err != nil {
		t.Fatal(err, m.err)
	}
	if m.trips != 1 || !c2.Resumed() || !s2.Resumed() || len(bound) != 1 || m.granted != 1 {
		t.Errorf("%d round trips, resumed %v %v, bound %v, granted %d", m.trips, c2.Resumed(), s2.Resumed(), bound, m.granted)
	}
	if a, b := nextID(t, c2), nextID(t, s2); a != "m2" || b != "m2" {
		t.Error(a, b)
	}
	// What is sent on either connection goes on in order.
	if err := s.Send(t.Context(), message(3)); err != nil {
		t.Fatal(err)
	}
	if err := s2.Send(t.Context(), message(4)); err != nil {
		t.Fatal(err)
	}
	if a, b := nextID(t, c2), nextID(t, c2); a != "m3" || b != "m4" {
		t.Error(a, b)
	}
	c2.Close()
	s2.Close()

	t.Log("the session is gone: a new one is bound in the same step")
	m.sessions = map[string]*Conn{}
	old := c2
	if old.Detached() {
		t.Fatal("closed, and detached")
	}
	third := NewDetached(Config{}, Resumption{Grant: Grant{ID: "other"}, Unacked: []*stanza.Stanza{message(9)}})
	m.client.Management.Old = third
	c3, s3, err := m.connect()
	if err != nil || m.err != nil {
		t.Fatal(err, m.err)
	}
	if m.trips != 1 || c3.Resumed() || s3.Resumed() || len(bound) != 2 || bound[0] != bound[1] || !c3.Managed() || !s3.Managed() || !third.Detached() {
		t.Errorf("%d round trips, resumed %v %v, bound %v, managed %v %v", m.trips, c3.Resumed(), s3.Resumed(), bound, c3.Managed(), s3.Managed())
	}
	third.Close()
	c3.Close()
	s3.Close()
}

// TestManagementInlineAccept is stream management within a login, with a client by
// hand.
func TestManagementInlineAccept(t *testing.T) {
	offered := func(sm string) string {
		return both("<authentication xmlns='urn:xmpp:sasl:2'>" + mechanisms2 + "<inline>" + sm +
			"<bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/></inline></bind></inline></authentication>")
	}
	const sm = "<sm xmlns='urn:xmpp:sm:3'/>"
	ask := func(content string) string { return hello + authenticate("PLAIN", robPlain+content) }
	bind := "<bind xmlns='urn:xmpp:bind:0'><tag>AwesomeXMPP</tag><enable xmlns='urn:xmpp:sm:3'/></bind>"
	resumable := strings.Replace(bind, "sm:3'", "sm:3' resume='true'", 1)
	resume := "<resume xmlns='urn:xmpp:sm:3' h='0' previd='some-long-sm-id'/>"
	failed := func(condition string) string {
		return "<failed xmlns='urn:xmpp:sm:3'><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
	}
	address := "<authorization-identifier>rob@capulet.com/r</authorization-identifier>"
	bound2 := func(in string) string { return "<bound xmlns='urn:xmpp:bind:0'>" + in + "</bound>" }
	enabled := "<enabled xmlns='urn:xmpp:sm:3'/>"
	features := "<stream:features></stream:features>"
	internal := func(context.Context, *Conn, time.Duration) (Grant, error) { return Grant{}, stanza.InternalServerError }
	unknown := func(context.Context, *Conn, string) (*Conn, uint64, error) { return nil, 0, &GoneError{Handled: 7} }
	for _, tt := range []struct {
		name    string
		server  ManagementServer
		in      string
		want    string
		managed bool
	}{
		{"XEP-0198 section 9.1", ManagementServer{}, ask(bind), offered("") + success2(address+bound2(enabled)) + features, true},
		{"asked twice", ManagementServer{}, ask(strings.Replace(bind, "</bind>", "<enable xmlns='urn:xmpp:sm:3'/></bind>", 1)), offered("") + success2(address+bound2(enabled)) + features, true},
		{"XEP-0198 example 29", ManagementServer{Grant: internal}, ask(resumable), offered("") + success2(address+bound2(failed("internal-server-error"))) + features, false},
		{"XEP-0198 example 30", ManagementServer{Resume: unknown}, ask(resume + bind),
			offered(sm) + success2(address+strings.Replace(failed("item-not-found"), "sm:3'", "sm:3' h='7'", 1)+bound2(enabled)) + features, true},
		{"XEP-0198 example 31", ManagementServer{Resume: unknown, Grant: internal}, ask(resume + resumable),
			offered(sm) + success2(address+strings.Replace(failed("item-not-found"), "sm:3'", "sm:3' h='7'", 1)+bound2(failed("internal-server-error"))) + features, false},
		{"resumption is not offered", ManagementServer{}, ask(resume + bind), offered("") + success2(address+failed("feature-not-implemented")+bound2(enabled)) + features, true},
		{"resume without h", ManagementServer{Resume: unknown}, ask(strings.Replace(resume, " h='0'", "", 1) + bind),
			offered(sm) + success2(address+failed("bad-request")+bound2(enabled)) + features, true},
	} {
		run(t, tt.name, func(t *testing.T) {
			b := bindTo2("r")
			b.Bound = func(l *Login) {
				if err := l.Conn.TrySend(message(1)); err != nil {
					t.Error(err)
				}
			}
			p, n := accept(t, Config{}, features2(t, SASLServer{SASL2: &SASL2Server{Bind: b, Management: &tt.server}}))
			p.send(tt.in)
			p.expect(tt.want + message(1).String())
			c := n.must(t)
			if c.Managed() != tt.managed {
				t.Errorf("managed %v", c.Managed())
			}
			c.Close()
		})
	}
	t.Run("not with a failed login", func(t *testing.T) {
		s := ManagementServer{Resume: func(context.Context, *Conn, string) (*Conn, uint64, error) {
			t.Error("resumed")
			return nil, 0, stanza.ItemNotFound
		}}
		p, n := accept(t, Config{}, features2(t, SASLServer{SASL2: &SASL2Server{Bind: bindTo2("r"), Management: &s}}))
		p.send(hello + authenticate("PLAIN", wrongPlain+resume+bind))
		p.expect(offered(sm) + failed2("not-authorized"))
		p.close()
		n.wait()
	})
}

// TestResumeLost: a session that ends while it is resumed is one that is not there,
// and a count that is too high ends the stream.
func TestResumeLost(t *testing.T) {
	for _, tt := range []struct{ name, h, want string }{
		{"XEP-0198 example 28: resumed", "0", success2(robAddress + "<resumed xmlns='urn:xmpp:sm:3' h='3' previd='id'/>")},
		{"it ends meanwhile", "0", success2("<authorization-identifier>rob@capulet.com/r</authorization-identifier>"+
			"<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed><bound xmlns='urn:xmpp:bind:0'/>") + "<stream:features></stream:features>"},
		{"a stream that has a session", "0", message(1).String() + success2("<authorization-identifier>rob@capulet.com/r</authorization-identifier>"+
			"<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed><bound xmlns='urn:xmpp:bind:0'/>") + "<stream:features></stream:features>"},
		{"XEP-0198 example 17: too high", "10", "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"},
	} {
		run(t, tt.name, func(t *testing.T) {
			old := NewDetached(Config{}, Resumption{Grant: Grant{ID: "id"}})
			ends := strings.Contains(tt.name, "meanwhile")
			m := &ManagementServer{Resume: func(context.Context, *Conn, string) (*Conn, uint64, error) {
				if ends {
					old.Close()
				}
				return old, 3, nil
			}}
			used := strings.Contains(tt.name, "has a session")
			done := func(c *Conn, _, _, _ string) error {
				if used { // something is sent too early
					return c.TrySend(message(1))
				}
				return nil
			}
			p, n := accept(t, Config{}, features2(t, SASLServer{Done: done, SASL2: &SASL2Server{Bind: bindTo2("r"), Management: m}}))
			p.send(hello + authenticate("PLAIN", robPlain+"<resume xmlns='urn:xmpp:sm:3' h='"+tt.h+"' previd='id'/><bind xmlns='urn:xmpp:bind:0'/>"))
			p.wait("</stream:features>")
			p.expect(tt.want)
			if tt.h == "0" {
				c := n.must(t)
				if c.Resumed() == (ends || used) {
					t.Errorf("resumed %v", c.Resumed())
				}
				c.Close()
			}
			p.close()
			n.wait()
			old.Close()
		})
	}
}

// TestManagementInlineInitiate is a client with a server by hand.
func TestManagementInlineInitiate(t *testing.T) {
	inline := "<inline><sm xmlns='urn:xmpp:sm:3'/><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/></inline></bind></inline>"
	bind := "<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"
	resume := "<resume xmlns='urn:xmpp:sm:3' h='5' previd='id'/>"
	address := "<authorization-identifier>rob@capulet.com/r</authorization-identifier>"
	features := "<stream:features><sm xmlns='urn:xmpp:sm:3'/></stream:features>"
	notFound := "<failed xmlns='urn:xmpp:sm:3' h='1'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
	const legacy = "<stream:features>" + offerBind + "<sm xmlns='urn:xmpp:sm:3'/></stream:features>"
	const askLegacy = "<iq type='set' id='bind'><bind xmlns='" + NSBind + "'/></iq>"
	const legacyBound = "<iq type='result' id='bind'><bind xmlns='" + NSBind + "'><jid>rob@capulet.com/x</jid></bind></iq>"
	for _, tt := range []struct {
		name, reply, legacy string
		old                 bool
		resumed, managed    bool
		left                int // stanzas in the old session
	}{
		{"enabled", success2(address+"<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='n' resume='true'/></bound>") + features, "", false, false, true, 0},
		{"not enabled", success2(address+"<bound xmlns='urn:xmpp:bind:0'><failed xmlns='urn:xmpp:sm:3'><internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed></bound>") + features, "", false, false, false, 0},
		{"resumed", success2(robAddress + "<resumed xmlns='urn:xmpp:sm:3' h='1' previd='id'/>"), "", true, true, true, 1},
		{"not resumed, but bound", success2(address+notFound+"<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3'/></bound>") + features, "", true, false, true, 1},
		{"passed over", success2(robAddress) + legacy, legacyBound, true, false, true, 2},
	} {
		run(t, tt.name, func(t *testing.T) {
			old := NewDetached(Config{}, Resumption{Grant: Grant{ID: "id"}, Unacked: []*stanza.Stanza{message(1), message(2)}})
			defer old.Close()
			s := SASL2{Config: client2Config("secret"), Bind: &Bind2{}, Management: &ManagementClient{Resumable: true, Handled: func() uint64 { return 5 }}}
			want := authenticate("PLAIN", robPlain+bind)
			if tt.old {
				s.Management.Old = old
				want = authenticate("PLAIN", robPlain+resume+bind)
			}
			p, n := initiate(t, Config{}, clientHeader, []Feature{s.Feature(), Bind("", nil), s.Management.Enable()})
			p.expect(hello)
			p.send(offer(plain2(inline)))
			p.expect(want)
			p.send(tt.reply)
			if tt.legacy != "" {
				p.expect(askLegacy)
				p.send(tt.legacy)
				p.expect("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
				p.send("<enabled xmlns='urn:xmpp:sm:3'/>")
			} else if !tt.managed {
				// It asks again, in the way of before: the server still offers it.
				p.expect("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
				p.send(strings.ReplaceAll(notFound, " h='1'", ""))
			}
			c := n.must(t)
			if c.Resumed() != tt.resumed || c.Managed() != tt.managed {
				t.Errorf("resumed %v, managed %v", c.Resumed(), c.Managed())
			}
			if r, ok := old.Resumption(0); tt.old && (!ok || len(r.Unacked) != tt.left) {
				t.Errorf("%d stanzas are left", len(r.Unacked))
			}
			if tt.resumed {
				p.expect(message(2).String())
			}
			c.Close()
			p.close()
		})
	}
	// When it is clear that the session is not the one of before, the stream can be ended
	// in order.
	for _, tt := range []struct{ name, reply, legacy string }{
		{"login refused", failed2("not-authorized"), ""},
		{"passed over, then not bound", success2(robAddress) + legacy,
			"<iq type='error' id='bind'><error type='cancel'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"},
	} {
		run(t, tt.name, func(t *testing.T) {
			old := NewDetached(Config{}, Resumption{Grant: Grant{ID: "id"}})
			defer old.Close()
			s := SASL2{Config: client2Config("secret"), Management: &ManagementClient{Old: old}}
			p, n := initiate(t, Config{}, clientHeader, []Feature{s.Feature(), Bind("", nil)})
			p.expect(hello)
			p.send(offer(plain2(inline)))
			p.expect(authenticate("PLAIN", robPlain+strings.Replace(resume, "'5'", "'0'", 1)))
			p.send(tt.reply)
			if tt.legacy != "" {
				p.expect(askLegacy)
				p.send(tt.legacy)
			}
			p.expect(end)
			p.close()
			if _, err := n.wait(); err == nil {
				t.Error("no error")
			}
			if !old.Detached() {
				t.Error("the session has ended")
			}
		})
	}
	run(t, "enabled, and nobody has asked", func(t *testing.T) {
		s := SASL2{Config: client2Config("secret"), Bind: &Bind2{}, Management: &ManagementClient{}}
		p, n := initiate(t, Config{}, clientHeader, []Feature{s.Feature()})
		p.expect(hello)
		p.send(offer(plain2("<inline><bind xmlns='urn:xmpp:bind:0'/></inline>")))
		p.expect(authenticate("PLAIN", robPlain+"<bind xmlns='urn:xmpp:bind:0'></bind>"))
		p.send(success2(address+"<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3'/></bound>") + features)
		c := n.must(t)
		if c.Managed() {
			t.Error("managed")
		}
		c.Close()
		p.close()
	})
}
