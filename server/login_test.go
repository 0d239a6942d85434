package server_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
)

const clientID = "d4565fa7-4d72-4749-b3d3-740edbf87770"

// authenticate2 sends an <authenticate/> (XEP-0388) by PLAIN, with what else is asked
// for.
func authenticate2(t testing.TB, s *server.Server, user, password, inline string) *raw {
	t.Helper()
	r := newRaw(t, s.Pipe())
	r.send("%s", header)
	r.expect("<authentication xmlns='urn:xmpp:sasl:2'>", "</stream:features>")
	secret := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	r.send("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>%s</initial-response>"+
		"<user-agent id='%s'><software>test</software></user-agent>%s</authenticate>", secret, clientID, inline)
	return r
}

// bound2 returns the address and the id for resumption that a success has.
func bound2(t testing.TB, got string) (address, id string) {
	t.Helper()
	_, address, _ = strings.Cut(got, "<authorization-identifier>")
	address, _, _ = strings.Cut(address, "<")
	if m := smID.FindStringSubmatch(got); m != nil {
		id = m[1]
	}
	return address, id
}

const bind2XML = "<bind xmlns='urn:xmpp:bind:0'><tag>test</tag><enable xmlns='urn:xmpp:carbons:2'/>" +
	"<enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"

// TestLoginInOneRoundTrip shows log-in, binding, copies and stream management in one
// request and one answer.
func TestLoginInOneRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		r := authenticate2(t, s, "juliet", "r0m30", bind2XML)
		got := r.expect("<success xmlns='urn:xmpp:sasl:2'>", "<bound xmlns='urn:xmpp:bind:0'>", "<enabled xmlns='urn:xmpp:sm:3'", "</success>", "<stream:features>",
			"urn:xmpp:features:rosterver", "</stream:features>")
		address, id := bound2(t, got)
		if !strings.HasPrefix(address, "juliet@localhost/test/") || id == "" || strings.Contains(got, clientID) {
			t.Errorf("address %s, id %s: %s", address, id, got)
		}
		romeo := login(t, s, "romeo", "jul13t", "orchard")
		other := login(t, s, "juliet", "r0m30", "balcony")
		say(romeo, "juliet@localhost/balcony", "one")
		other.expect("one")
		r.expect("<received xmlns='urn:xmpp:carbons:2'>", "one")

		// It goes on in one round trip too.
		r.nc.Close()
		synctest.Wait()
		say(romeo, "juliet@localhost/balcony", "two")
		synctest.Wait()
		r = authenticate2(t, s, "juliet", "r0m30", "<resume xmlns='urn:xmpp:sm:3' h='1' previd='"+id+"'/>")
		r.expect("<success", "<authorization-identifier>juliet@localhost", "<resumed xmlns='urn:xmpp:sm:3'", "</success>", "two")

		// Without resuming, the same client takes the place of its old session.
		r = authenticate2(t, s, "juliet", "r0m30", bind2XML)
		again, _ := bound2(t, r.expect("<success", "</success>"))
		if again != address {
			t.Errorf("the resource was %s, and is %s", address, again)
		}
		r.send("<presence/>")
		r.expect("<presence")
		synctest.Wait()
		if got := s.Resources(jid.MustParse("juliet@localhost")); len(got) != 2 {
			t.Errorf("there are %v", got)
		}
	})
}

// The resource stays what it was when the server starts again with the same secret.
func TestResourceSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		resource := func(secret string) string {
			s := newServer(t, func(c *server.Config) { c.ResourceSecret = secret })
			address, _ := bound2(t, authenticate2(t, s, "juliet", "r0m30", bind2XML).expect("<success", "</success>"))
			return address
		}
		if a, b := resource("s"), resource("s"); a != b {
			t.Errorf("%s, %s", a, b)
		}
		if a, b := resource(""), resource(""); a == b {
			t.Errorf("%s twice", a)
		}
	})
}

// A wrong password counts like one by the older SASL.
func TestLogin2Fails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, func(c *server.Config) { c.MaxTries = 2 })
		r := authenticate2(t, s, "juliet", "wrong", bind2XML)
		r.expect("<failure xmlns='urn:xmpp:sasl:2'>", "not-authorized", "</failure>")
		r.send("%s", plain("juliet", "wrong"))
		r.expect("<failure", "not-authorized")
		r.expectEnd()
	})
}

// What is inactive from the beginning gets nothing that can wait.
func TestBindInactive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		r := authenticate2(t, s, "juliet", "r0m30", "<bind xmlns='urn:xmpp:bind:0'><inactive xmlns='urn:xmpp:csi:0'/></bind>")
		address, _ := bound2(t, r.expect("<success", "</success>", "</stream:features>"))
		r.send("<presence/>")
		login(t, s, "juliet", "r0m30", "balcony")
		r.send("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
		if got := r.expect("id='p'"); strings.Contains(got, "balcony") {
			t.Errorf("%s got %s", address, got)
		}
		r.send("<active xmlns='urn:xmpp:csi:0'/>")
		r.expect("juliet@localhost/balcony")
	})
}

// from of another domain than to is refused (XEP-0388, section 2.1).
func TestForeignFromInHeader(t *testing.T) {
	s := newServer(t, nil)
	r := newRaw(t, s.Pipe())
	r.send("%s", strings.Replace(header, "to='localhost'", "to='localhost' from='juliet@elsewhere'", 1))
	r.expect("<stream:error>", "invalid-from")
}
