package server_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/server"
)

// copying is a client that has asked for copies.
func copying(t testing.TB, s *server.Server, user, password, resource string) *raw {
	t.Helper()
	r := login(t, s, user, password, resource)
	r.send("<iq type='set' id='carbons'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
	r.expect("id='carbons'", "/>")
	return r
}

// hears says whether a client has got something, and nothing else that matters.
func hears(t testing.TB, r *raw, parts ...string) {
	t.Helper()
	synctest.Wait()
	r.send("<iq type='get' id='fence'><ping xmlns='urn:xmpp:ping'/></iq>")
	got := r.expect("id='fence'")
	if _, ok := cut(got, parts); !ok || strings.Count(got, "<body>") != min(len(parts), 1) {
		t.Errorf("want %q, got %s", parts, got)
	}
}

// TestCarbons shows which of an account's clients get a copy of what (XEP-0280).
func TestCarbons(t *testing.T) {
	received := []string{"<message", "from='juliet@localhost'", "<received xmlns='urn:xmpp:carbons:2'><forwarded", "from='romeo@localhost/orchard'", "m</body>"}
	sent := []string{"<message", "from='juliet@localhost'", "<sent xmlns='urn:xmpp:carbons:2'><forwarded", "to='romeo@localhost", "m</body>"}
	direct := []string{"<message", "from='romeo@localhost/orchard'", "m</body>"}
	for _, tt := range []struct {
		name, from, attrs, payload string
		balcony, chamber, silent   []string
	}{
		{"received at a full address", "romeo", "to='juliet@localhost/balcony' type='chat'", "<body>m</body>", direct, received, nil},
		{"received at a resource without copies", "romeo", "to='juliet@localhost/silent' type='chat'", "<body>m</body>", received, received, direct},
		{"sent", "balcony", "to='romeo@localhost/orchard' type='chat'", "<body>m</body>", nil, sent, nil},
		{"sent by one without copies", "silent", "to='romeo@localhost' type='chat'", "<body>m</body>", sent, sent, nil},
		{"normal with a body", "balcony", "to='romeo@localhost'", "<body>m</body>", nil, sent, nil},
		{"private", "balcony", "to='romeo@localhost' type='chat'", "<body>m</body><private xmlns='urn:xmpp:carbons:2'/>", nil, nil, nil},
		{"no-copy", "romeo", "to='juliet@localhost/balcony' type='chat'", "<body>m</body><no-copy xmlns='urn:xmpp:hints'/>", direct, nil, nil},
		{"headline", "romeo", "to='juliet@localhost/balcony' type='headline'", "<body>m</body>", direct, nil, nil},
		{"groupchat", "romeo", "to='juliet@localhost/balcony' type='groupchat'", "<body>m</body>", direct, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, nil)
				clients := map[string]*raw{
					"romeo":   login(t, s, "romeo", "jul13t", "orchard"),
					"silent":  login(t, s, "juliet", "r0m30", "silent"),
					"chamber": copying(t, s, "juliet", "r0m30", "chamber"),
					"balcony": copying(t, s, "juliet", "r0m30", "balcony"),
				}
				clients[tt.from].send("<message %s>%s</message>", tt.attrs, tt.payload)
				hears(t, clients["balcony"], tt.balcony...)
				hears(t, clients["chamber"], tt.chamber...)
				hears(t, clients["silent"], tt.silent...)
			})
		})
	}
}

// An error is copied if it answers what was copied.
func TestCarbonsOfErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		chamber := copying(t, s, "juliet", "r0m30", "chamber")
		balcony := login(t, s, "juliet", "r0m30", "balcony")
		balcony.send("<message id='e1' to='nobody@localhost' type='chat'><body>m</body></message>")
		balcony.expect("type='error'", "e1")
		chamber.expect("<sent", "<body>m</body>", "<received", "type='error'", "service-unavailable")

		romeo := login(t, s, "romeo", "jul13t", "orchard")
		romeo.send("<message id='e2' to='juliet@localhost/balcony' type='error'><body>m</body></message>")
		hears(t, chamber)
	})
}

// Copies can be switched off, by the account's own clients only, and are not made
// where a client has switched nothing on.
func TestCarbonsSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		romeo := login(t, s, "romeo", "jul13t", "orchard")
		chamber := copying(t, s, "juliet", "r0m30", "chamber")
		login(t, s, "juliet", "r0m30", "balcony")
		romeo.send("<iq type='set' id='x' to='juliet@localhost'><disable xmlns='urn:xmpp:carbons:2'/></iq>")
		romeo.expect("id='x'", "not-allowed")
		say(romeo, "juliet@localhost/balcony", "m")
		hears(t, chamber, "<received", "m</body>")
		chamber.send("<iq type='set' id='y'><disable xmlns='urn:xmpp:carbons:2'/></iq>")
		chamber.expect("id='y'", "/>")
		say(romeo, "juliet@localhost/balcony", "m")
		hears(t, chamber)
	})
}

// A message to the own account is seen once by each client.
func TestCarbonsOfNotesToSelf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		chamber := copying(t, s, "juliet", "r0m30", "chamber")
		balcony := copying(t, s, "juliet", "r0m30", "balcony")
		say(chamber, "juliet@localhost/balcony", "m")
		hears(t, balcony, "from='juliet@localhost/chamber'", "m</body>")
		hears(t, chamber)
	})
}

// TestClientState shows what is kept back for a client that nobody looks at
// (XEP-0352), and that nothing is lost by it.
func TestClientState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		juliet := login(t, s, "juliet", "r0m30", "balcony")
		other := login(t, s, "juliet", "r0m30", "chamber")
		juliet.expect("juliet@localhost/chamber")
		romeo := login(t, s, "romeo", "jul13t", "orchard")
		juliet.send("<inactive xmlns='urn:xmpp:csi:0'/>")
		synctest.Wait()
		for _, show := range []string{"away", "xa", "dnd"} {
			other.send("<presence><show>%s</show></presence>", show)
		}
		romeo.send("<message type='chat' to='juliet@localhost/balcony'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>")
		synctest.Wait()
		juliet.send("<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>")
		if got := juliet.expect("p1"); strings.Contains(got, "<show>") || strings.Contains(got, "composing") {
			t.Errorf("nothing was kept back: %s", got)
		}
		say(romeo, "juliet@localhost/balcony", "wake up")
		if got := juliet.expect("wake up"); strings.Count(got, "<show>") != 1 || !strings.Contains(got, "dnd") || strings.Contains(got, "composing") {
			t.Errorf("got %s", got)
		}
		other.send("<presence><show>chat</show></presence>")
		synctest.Wait()
		// "The server first changes the CSI state to active and flushes", and then
		// answers (section 5.1).
		juliet.send("<active xmlns='urn:xmpp:csi:0'/><iq type='get' id='p2'><ping xmlns='urn:xmpp:ping'/></iq>")
		juliet.expect("<show>chat</show>", "p2")
		other.send("<presence><show>away</show></presence>")
		juliet.expect("<show>away</show>")
	})
}

// What is kept back when a session ends finds another way, where it should.
func TestClientStateAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		romeo := login(t, s, "romeo", "jul13t", "orchard")
		juliet := login(t, s, "juliet", "r0m30", "balcony")
		juliet.send("<inactive xmlns='urn:xmpp:csi:0'/>")
		synctest.Wait()
		romeo.send("<message type='chat' to='juliet@localhost/balcony'><received xmlns='urn:xmpp:receipts' id='r1'/></message>")
		synctest.Wait()
		other := login(t, s, "juliet", "r0m30", "chamber")
		juliet.nc.Close()
		other.expect("<received xmlns='urn:xmpp:receipts' id='r1'/>")
	})
}

// A copy that a client has not got goes nowhere else: who the message was for has it.
func TestCarbonsOfOneThatDoesNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		romeo := login(t, s, "romeo", "jul13t", "orchard")
		chamber := login(t, s, "juliet", "r0m30", "chamber")
		balcony := enableResumption(t, s, "juliet", "r0m30", "balcony", " resume='true' max='60'")
		balcony.send("<iq type='set' id='carbons'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
		balcony.expect("id='carbons'", "/>")
		balcony.lose()
		say(romeo, "juliet@localhost/chamber", "m")
		chamber.expect("<body>m</body>")
		time.Sleep(time.Minute + time.Second)
		hears(t, chamber)
	})
}

// resumableCopying is a client that has asked for copies and can come back, which is
// available.
func resumableCopying(t testing.TB, s *server.Server, resource string) *resumable {
	t.Helper()
	r := enableResumption(t, s, "juliet", "r0m30", resource, " resume='true' max='60'")
	r.send("<iq type='set' id='carbons'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
	r.expect("id='carbons'", "/>")
	r.send("<presence/>")
	r.expect("<presence")
	return r
}

// TestCopyInPlaceOfMessage: a message whose recipient does not come back is not sent to
// who has its copy; the copy stands for it, and where there is none it goes on.
func TestCopyInPlaceOfMessage(t *testing.T) {
	const minute = time.Minute + time.Second
	run := func(name string, f func(t *testing.T, s *server.Server, romeo *raw, balcony *resumable)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, nil)
				romeo := login(t, s, "romeo", "jul13t", "orchard")
				f(t, s, romeo, resumableCopying(t, s, "balcony"))
			})
		})
	}
	for _, typ := range []string{"chat", "normal"} {
		run("two have a copy of "+typ, func(t *testing.T, s *server.Server, romeo *raw, balcony *resumable) {
			chamber, loft := copying(t, s, "juliet", "r0m30", "chamber"), copying(t, s, "juliet", "r0m30", "loft")
			balcony.lose()
			romeo.send("<message type='%s' id='m1' to='juliet@localhost/balcony'><body>m</body></message>", typ)
			chamber.expect("<received", "<body>m</body>")
			loft.expect("<received", "<body>m</body>")
			time.Sleep(minute)
			hears(t, chamber)
			hears(t, loft)
			hears(t, romeo)
		})
	}
	run("one has come later", func(t *testing.T, s *server.Server, romeo *raw, balcony *resumable) {
		chamber := copying(t, s, "juliet", "r0m30", "chamber")
		balcony.lose()
		say(romeo, "juliet@localhost/balcony", "m")
		chamber.expect("<received", "<body>m</body>")
		loft := copying(t, s, "juliet", "r0m30", "loft") // the last is the most available
		time.Sleep(minute)
		hears(t, loft, "<message", "from='romeo@localhost/orchard'", "<body>m</body>", "<delay")
		hears(t, chamber)
	})
	run("the copy is left, too", func(t *testing.T, s *server.Server, romeo *raw, balcony *resumable) {
		balcony.lose()
		time.Sleep(30 * time.Second)
		chamber := resumableCopying(t, s, "chamber")
		chamber.lose()
		lost := time.Now().UTC()
		say(romeo, "juliet@localhost/balcony", "m")
		time.Sleep(40 * time.Second) // the first is over, the second is not
		synctest.Wait()
		time.Sleep(minute)
		loft := bound(t, s, "loft")
		loft.send("<presence/>")
		hears(t, loft, "<message", "to='juliet@localhost/balcony'", "<body>m</body>", "<delay", "stamp='"+lost.Format("2006-01-02T15:04:05"))
	})
	run("the copy was acknowledged", func(t *testing.T, s *server.Server, romeo *raw, balcony *resumable) {
		balcony.lose()
		chamber := resumableCopying(t, s, "chamber")
		say(romeo, "juliet@localhost/balcony", "m")
		chamber.expect("<received", "<body>m</body>")
		time.Sleep(minute)
		chamber.send("<a xmlns='urn:xmpp:sm:3' h='4'/>")
		hears(t, chamber.raw)
		chamber.send("<a xmlns='urn:xmpp:sm:3' h='5'/>")
		chamber.lose()
		time.Sleep(minute)
		loft := bound(t, s, "loft")
		loft.send("<presence/>")
		hears(t, loft)
	})
	run("both end at once", func(t *testing.T, s *server.Server, romeo *raw, balcony *resumable) {
		chamber := resumableCopying(t, s, "chamber")
		balcony.lose()
		chamber.lose()
		say(romeo, "juliet@localhost/balcony", "m")
		time.Sleep(minute)
		loft := bound(t, s, "loft")
		loft.send("<presence/>")
		hears(t, loft, "<body>m</body>")
	})
	run("the same words again, not copied", func(t *testing.T, s *server.Server, romeo *raw, balcony *resumable) {
		chamber := copying(t, s, "juliet", "r0m30", "chamber")
		say(romeo, "juliet@localhost/balcony", "m")
		chamber.expect("<received", "<body>m</body>")
		balcony.expect("<body>m</body>")
		balcony.send("<a xmlns='urn:xmpp:sm:3' h='4'/>") // with two presences
		hears(t, balcony.raw)
		balcony.lose()
		chamber.send("<iq type='set' id='y'><disable xmlns='urn:xmpp:carbons:2'/></iq>")
		chamber.expect("id='y'")
		say(romeo, "juliet@localhost/balcony", "m")
		time.Sleep(minute)
		hears(t, chamber, "<message", "from='romeo@localhost/orchard'", "<body>m</body>", "<delay")
	})
}

// What was kept back comes before what comes while it is sent, however slowly the client
// reads.
func TestActiveInOrder(t *testing.T) {
	s := newServer(t, func(c *server.Config) { c.Stream.MaxOutbox, c.MaxResources = 4<<10, -1 })
	juliet := login(t, s, "juliet", "r0m30", "balcony")
	juliet.send("<inactive xmlns='urn:xmpp:csi:0'/>")
	juliet.drain()
	const n = 40
	var romeo *raw
	for i := range n {
		romeo = login(t, s, "romeo", "jul13t", fmt.Sprint("r", i))
		romeo.send("<presence to='juliet@localhost/balcony'><status>p%d %s</status></presence>", i, strings.Repeat("x", 2000))
		romeo.drain()
	}
	juliet.send("<active xmlns='urn:xmpp:csi:0'/>")
	juliet.expect("<status>p0 ")
	say(romeo, "juliet@localhost/balcony", "m")
	for range 10_000 { // the message meets what is being sent
		runtime.Gosched()
	}
	for i := 1; i < n; i++ {
		juliet.expect(fmt.Sprintf("<status>p%d ", i))
	}
	juliet.expect("<body>m</body>")
}
