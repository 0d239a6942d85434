package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/ext/delegation"
	"github.com/etherx-go/xmpp/ext/ping"
	"github.com/etherx-go/xmpp/ext/privilege"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"

	xmpp "github.com/etherx-go/xmpp"
)

// What a privileged component says and hears, byte by byte; that what is granted works
// is shown in package component.

const (
	privileged = "<privilege xmlns='urn:xmpp:privilege:2'><forwarded xmlns='urn:xmpp:forward:0'>"
	delegated  = "<delegation xmlns='urn:xmpp:delegation:2'><forwarded xmlns='urn:xmpp:forward:0'>"
)

// withGrants attaches a component that is granted g, and to which urn:d is delegated.
func withGrants(t *testing.T, g privilege.Grant) (s *server.Server, gw *raw) {
	t.Helper()
	s = withComponents(t, func(c *server.Config) {
		c.Extensions = []xmpp.Extension{new(ping.Extension)}
		c.Components.Known["gw.localhost"] = server.Component{Secret: "s3cret", Privileges: g,
			Delegated: []delegation.Namespace{{Name: "urn:d"}}}
	})
	gw = attachComponent(t, s, "gw.localhost", "s3cret")
	gw.expect("<delegation ", "</message>")
	for _, sep := range []string{"::", ":bare:"} { // what there is to tell about it
		got := gw.expect("<iq type='get'", "node='urn:xmpp:delegation:2"+sep+"urn:d'", "</iq>")
		gw.send("<iq type='error' from='gw.localhost' to='localhost'%s><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
			streamID.FindString(got))
	}
	return s, gw
}

// allGrants is everything that can be granted.
var allGrants = privilege.Grant{Roster: privilege.Both, Message: true, IQ: map[string]privilege.Access{
	"urn:d": privilege.Both, "urn:q": privilege.Get, "jabber:iq:roster": privilege.Get}}

// TestPrivilegedForms: what has not the form that it must have is not done.
func TestPrivilegedForms(t *testing.T) {
	s, gw := withGrants(t, allGrants)
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	gw.isUp()
	message := func(inner string) string {
		return "<message from='gw.localhost' to='localhost' id='1'>" + privileged + inner + "</forwarded></privilege></message>"
	}
	iq := func(to, inner string) string {
		return "<iq type='get' from='gw.localhost' to='" + to + "' id='1'><privileged_iq xmlns='urn:xmpp:privilege:2'>" + inner + "</privileged_iq></iq>"
	}
	const as = "xmlns='jabber:client' from='romeo@localhost' to='juliet@localhost/balcony'"
	for _, tt := range []struct{ name, in, want string }{
		{"a presence in place of a message", message("<presence " + as + "/>"), "<forbidden "},
		{"an iq in place of a message", message("<iq " + as + " type='get' id='2'><x xmlns='urn:q'/></iq>"), "<forbidden "},
		{"a message for nobody", message("<message xmlns='jabber:client' from='romeo@localhost'/>"), "<forbidden "},
		{"a message from nobody", message("<message xmlns='jabber:client' to='juliet@localhost/balcony'/>"), "<forbidden "},
		{"a message that cannot be routed", message("<message " + as + " id='" + strings.Repeat("i", 9000) + "'/>"), "<policy-violation "},
		{"two messages", message("<message " + as + "/><message " + as + "/>"), "<bad-request "},
		{"nothing is forwarded", "<message from='gw.localhost' to='localhost' id='1'><privilege xmlns='urn:xmpp:privilege:2'/></message>", "<bad-request "},
		{"to an account", strings.Replace(message("<message "+as+"/>"), "to='localhost'", "to='juliet@localhost'", 1), "<privilege "},
		{"a roster request without id", "<iq type='get' from='gw.localhost' to='juliet@localhost'><query xmlns='jabber:iq:roster'/></iq>", "<bad-request "},
		{"an iq without id", iq("juliet@localhost", "<iq xmlns='jabber:client' type='get'><x xmlns='urn:q'/></iq>"), "<bad-request "},
		{"an iq with two payloads", iq("juliet@localhost", "<iq xmlns='jabber:client' type='get' id='2'><x xmlns='urn:q'/><y xmlns='urn:y'/></iq>"), "<bad-request "},
		{"a set where get is granted", strings.ReplaceAll(iq("juliet@localhost", "<iq xmlns='jabber:client' type='get' id='2'><x xmlns='urn:q'/></iq>"), "'get'", "'set'"), "<forbidden "},
		{"an iq from a resource", iq("juliet@localhost", "<iq xmlns='jabber:client' from='juliet@localhost/balcony' type='get' id='2'><x xmlns='urn:q'/></iq>"), "<forbidden "},
		{"an iq of another namespace", iq("juliet@localhost", "<iq xmlns='jabber:server' type='get' id='2'><x xmlns='urn:q'/></iq>"), "<forbidden "},
		{"an iq for who is not here", iq("juliet@b.example", "<iq xmlns='jabber:client' type='get' id='2'><x xmlns='urn:q'/></iq>"), "<remote-server-not-found "},
		{"a result", "<iq type='result' from='gw.localhost' to='juliet@localhost' id='1'><privileged_iq xmlns='urn:xmpp:privilege:2'>" +
			"<iq xmlns='jabber:client' type='result' id='2'/></privileged_iq></iq>" + message(""), "<bad-request "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gw.t, juliet.t = t, t
			gw.send("%s", tt.in)
			if tt.want == "<privilege " { // an ordinary message to a user, from the component
				juliet.expect("from='gw.localhost'", tt.want, "</message>")
				return
			}
			gw.expect(" type='error'", tt.want)
			wantNone(t, juliet.drain(), "romeo@localhost", "urn:q")
		})
	}
}

// TestPrivilegedWithheld: "the server MUST NOT allow the privileged entity to do anything
// that the managed entity could not do" (XEP-0356, section 9): whom the user has
// blocked hears nothing in the user's name.
func TestPrivilegedWithheld(t *testing.T) {
	s, gw := withGrants(t, allGrants)
	romeo, juliet := login(t, s, "romeo", "jul13t", "orchard"), login(t, s, "juliet", "r0m30", "balcony")
	romeo.send("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='juliet@localhost'/></block></iq>")
	romeo.expect("<iq type='result' id='b'")
	gw.isUp()
	gw.send("<message from='gw.localhost' to='localhost' id='1'>" + privileged +
		"<message xmlns='jabber:client' from='romeo@localhost' to='juliet@localhost/balcony'><body>hi</body></message></forwarded></privilege></message>")
	gw.expect("<message type='error' id='1'", "<not-acceptable ")
	gw.send("<iq type='get' from='gw.localhost' to='romeo@localhost' id='2'><privileged_iq xmlns='urn:xmpp:privilege:2'>" +
		"<iq xmlns='jabber:client' type='get' id='3' to='juliet@localhost/balcony'><x xmlns='urn:q'/></iq></privileged_iq></iq>")
	gw.expect("<iq type='error' id='2'", "<not-acceptable ")
	wantNone(t, juliet.drain(), "<body>", "urn:q")
}

// TestDelegatedToItself: "If a stanza is sent by the managing entity on a managed
// namespace, the server MUST NOT forward it. This way, the managing entity can use
// privileged entity to do specific treatments" (XEP-0355, section 4.3.1): also what it
// sends in the name of a user, who cannot.
func TestDelegatedToItself(t *testing.T) {
	s, gw := withGrants(t, allGrants)
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	gw.isUp()
	for i, to := range []string{"", " to='romeo@localhost'", " to='localhost'"} {
		gw.send("<iq type='set' from='gw.localhost' to='juliet@localhost' id='p%d'><privileged_iq xmlns='urn:xmpp:privilege:2'>"+
			"<iq xmlns='jabber:client' type='set' id='inner'%s><x xmlns='urn:d'/></iq></privileged_iq></iq>", i, to)
		got := gw.expect(fmt.Sprintf("<iq type='result' id='p%d'", i), "</iq>") // of the server, which does not know it
		wantNone(t, got, "<delegation ")
		wantInOrder(t, got, privileged, "type='error'", "id='inner'", "<service-unavailable ")
	}
	for i, to := range []string{"juliet@localhost", "localhost"} {
		gw.send("<iq type='set' from='1@gw.localhost' to='%s' id='o%d'><x xmlns='urn:d'/></iq>", to, i)
		got := gw.expect(fmt.Sprintf("<iq type='error' id='o%d'", i), "<service-unavailable ")
		wantNone(t, got, "<delegation ")
	}
	juliet.send("<iq type='set' id='own'><x xmlns='urn:d'/></iq>")
	got := gw.expect(delegated, "</iq></forwarded></delegation></iq>")
	gw.send("<iq type='result' from='gw.localhost' to='localhost'%s>%s<iq xmlns='jabber:client' type='result' id='own' to='juliet@localhost/balcony'>"+
		"<done xmlns='urn:d'/></iq></forwarded></delegation></iq>", streamID.FindString(got), delegated)
	juliet.expect("<iq type='result' id='own' to='juliet@localhost/balcony' from='juliet@localhost'><done xmlns='urn:d'/></iq>")
}

// TestDelegatedAnswers: what is no answer to the request does not reach who has made
// it; nobody but the component can give one.
func TestDelegatedAnswers(t *testing.T) {
	s, gw := withGrants(t, privilege.Grant{})
	juliet, romeo := login(t, s, "juliet", "r0m30", "balcony"), login(t, s, "romeo", "jul13t", "orchard")
	const right = "<iq xmlns='jabber:client' type='result' id='own' to='juliet@localhost/balcony' from='juliet@localhost'><forged xmlns='urn:d'/></iq>"
	for _, tt := range []struct{ name, inner string }{
		{"another id", strings.Replace(right, "'own'", "'other'", 1)},
		{"no id", strings.Replace(right, " id='own'", "", 1)},
		{"for somebody else", strings.Replace(right, "juliet@localhost/balcony", "romeo@localhost/orchard", 1)},
		{"for another resource", strings.Replace(right, "/balcony", "/garden", 1)},
		{"for nobody", strings.Replace(right, " to='juliet@localhost/balcony'", "", 1)},
		{"from somebody else", strings.Replace(right, "from='juliet@localhost'", "from='romeo@localhost'", 1)},
		{"from the component", strings.Replace(right, "from='juliet@localhost'", "from='gw.localhost'", 1)},
		{"from the server", strings.Replace(right, "from='juliet@localhost'", "from='localhost'", 1)},
		{"a request", strings.Replace(right, "'result'", "'set'", 1)},
		{"an error", strings.Replace(right, "'result'", "'error'", 1)},
		{"two payloads", strings.Replace(right, "</iq>", "<a xmlns='urn:a'/></iq>", 1)},
		{"a message", "<message xmlns='jabber:client' to='juliet@localhost/balcony'><body>forged</body></message>"},
		{"two answers", right + right},
		{"none", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			juliet.t, romeo.t, gw.t = t, t, t
			juliet.send("<iq type='get' id='own'><x xmlns='urn:d'/></iq>")
			id := streamID.FindString(gw.expect(delegated, "</iq></forwarded></delegation></iq>"))
			// Whoever guesses the id cannot answer.
			romeo.send("<iq type='result' to='localhost'%s>%s%s</forwarded></delegation></iq>", id, delegated, right)
			romeo.drain()
			wantNone(t, juliet.drain(), "forged", "'own'")
			gw.send("<iq type='result' from='gw.localhost' to='localhost'%s>%s%s</forwarded></delegation></iq>", id, delegated, tt.inner)
			got := juliet.expect("<iq type='error' id='own' to='juliet@localhost/balcony' from='juliet@localhost'", "<service-unavailable ", "</iq>")
			wantNone(t, got+romeo.drain(), "forged")
		})
	}
	// "any bare jid (and only bare jid)": requests to a resource are the client's own, and
	// the server has none.
	romeo.send("<iq type='get' id='direct' to='juliet@localhost/balcony'><x xmlns='urn:d'/></iq>")
	juliet.expect("<iq type='get' id='direct'", "<x xmlns='urn:d'/></iq>")
	romeo.send("<iq type='get' id='direct' to='localhost/x'><x xmlns='urn:d'/></iq>")
	romeo.expect("<iq type='error' id='direct'", "<service-unavailable ")
	romeo.send("<iq type='result' id='direct' to='localhost'><x xmlns='urn:d'/></iq>")
	romeo.drain()
	wantNone(t, gw.isUp(), "direct")
}

// TestComponentTooMuch: what waits for a component that does not answer is bounded.
func TestComponentTooMuch(t *testing.T) {
	s, gw := withGrants(t, allGrants)
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	const most = 1024
	ask := func(id string) {
		gw.send("<iq type='get' from='gw.localhost' to='juliet@localhost' id='%s'><privileged_iq xmlns='urn:xmpp:privilege:2'>"+
			"<iq xmlns='jabber:client' type='get' id='x' to='juliet@localhost/balcony'><x xmlns='urn:q'/></iq></privileged_iq></iq>", id)
	}
	var question string
	for i := range most {
		ask(fmt.Sprint(i))
		question = streamID.FindString(juliet.expect("<iq ", "<x xmlns='urn:q'/></iq>")) // and does not answer
	}
	ask("more")
	gw.expect("<iq type='error' id='more'", "<resource-constraint ")
	juliet.send("<iq type='get' id='delegated'><x xmlns='urn:d'/></iq>")
	juliet.expect("<iq type='error' id='delegated'", "<resource-constraint ")
	// One that ends makes room for one, again and again.
	for i := range 3 {
		juliet.send("<iq type='result' to='juliet@localhost'%s/>", question)
		gw.expect("<iq type='result' ", "</privilege></iq>")
		ask("again")
		question = streamID.FindString(juliet.expect("<iq ", "<x xmlns='urn:q'/></iq>"))
		ask("more")
		gw.expect("<iq type='error' id='more'", "<resource-constraint ")
		juliet.send("<iq type='result' to='juliet@localhost'%s/>", question)
		gw.expect("<iq type='result' id='again'", "</privilege></iq>")
		juliet.send("<iq type='get' id='d%d'><x xmlns='urn:d'/></iq>", i)
		got := gw.expect(delegated, "</delegation></iq>")
		ask("more")
		gw.expect("<iq type='error' id='more'", "<resource-constraint ")
		gw.send("<iq type='error' from='gw.localhost' to='localhost'%s/>", streamID.FindString(got))
		juliet.expect(fmt.Sprintf("<iq type='error' id='d%d'", i), "<service-unavailable ")
		ask("again")
		question = streamID.FindString(juliet.expect("<iq ", "<x xmlns='urn:q'/></iq>"))
	}
}

// TestFoundGrants: what a component that is looked up is granted is no more than one
// that is known could be; nothing is delegated to it.
func TestFoundGrants(t *testing.T) {
	s := withComponents(t, func(c *server.Config) {
		c.Components.Known = nil
		c.Components.Find = func(_ context.Context, domain jid.JID) (server.Component, bool, error) {
			if domain.Domain() == "none.localhost" {
				return server.Component{}, true, nil
			}
			return server.Component{Secret: "s3cret", Privileges: privilege.Grant{Message: true, Presence: privilege.Contacts},
				Delegated: []delegation.Namespace{{Name: "urn:d"}}}, true, nil
		}
	})
	gw := attachComponent(t, s, "gw.localhost", "s3cret")
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	got := gw.expect("<privilege xmlns='urn:xmpp:privilege:2'>", "</privilege></message>", "<presence ", "from='juliet@localhost/balcony'")
	wantInOrder(t, got, "<perm access='message' type='outgoing'/><perm access='presence' type='managed_entity'/></privilege>")
	juliet.send("<iq type='get' id='1'><x xmlns='urn:d'/></iq>")
	juliet.expect("<iq type='error' id='1'", "<service-unavailable ")
	wantNone(t, got+gw.isUp(), "<delegation ", "urn:d")

	r := dialComponent(t, s)
	r.send("%s", strings.Replace(componentHeader, "gw.localhost", "none.localhost", 1))
	if got := r.ended(); !strings.HasSuffix(got, streamError(stream.HostUnknown)) {
		t.Errorf("without a secret: %s", got)
	}
	// A service that has taken the name meanwhile keeps it.
	r = dialComponent(t, s)
	r.domain = "sms.localhost"
	id := r.openComponent()
	if _, err := s.Local(jid.MustParse(r.domain), nil); err != nil {
		t.Fatal(err)
	}
	r.send("<handshake>%s</handshake>", hash(id, "s3cret"))
	if got := r.ended(); got != streamError(stream.Conflict) {
		t.Errorf("the name of a service: %s", got)
	}
}

// TestComponentSilentStranger: who connects and does not show the secret is not waited for.
func TestComponentSilentStranger(t *testing.T) {
	for _, said := range []string{"", "<stream:stream xmlns='jabber:component:accept'", componentHeader, componentHeader + "<handshake>"} {
		synctest.Test(t, func(t *testing.T) {
			s := withComponents(t)
			r := dialComponent(t, s)
			if said != "" {
				r.send("%s", said)
			}
			time.Sleep(stream.DefaultNegotiationTimeout + time.Second)
			synctest.Wait()
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.err == nil {
				t.Errorf("after %q the connection is open", said)
			}
			if strings.Contains(said, ">") && !strings.Contains(r.got, "<connection-timeout ") {
				t.Errorf("after %q: %q", said, r.got)
			}
			s.Close()
		})
	}
}
