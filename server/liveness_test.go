package server_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/server"
)

// pinged expects a ping of the server, and returns its id.
func (r *raw) pinged() string {
	r.t.Helper()
	got := r.expect("<iq type='get' id='", "<ping xmlns='urn:xmpp:ping'/></iq>")
	_, id, _ := strings.Cut(got[strings.LastIndex(got, "<iq "):], "id='")
	id, _, _ = strings.Cut(id, "'")
	return id
}

// TestLivenessAcks: who owes an acknowledgement and sends nothing is gone, and what it
// has not got waits for it, or finds another way.
func TestLivenessAcks(t *testing.T) {
	for _, resumes := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, func(c *server.Config) { c.AckTimeout = time.Minute })
			romeo := login(t, s, "romeo", "jul13t", "orchard")
			var session *resumable
			var juliet *raw
			if resumes {
				session = enableResumption(t, s, "juliet", "r0m30", "balcony", " resume='true'")
				juliet = session.raw
			} else {
				juliet = login(t, s, "juliet", "r0m30", "balcony")
				juliet.send("<enable xmlns='urn:xmpp:sm:3'/>")
				juliet.expect("<enabled")
			}
			juliet.send("<presence/>")
			juliet.expect("<presence", "<r xmlns='urn:xmpp:sm:3'/>")
			juliet.send("<a xmlns='urn:xmpp:sm:3' h='1'/>")
			time.Sleep(9 * time.Minute) // nothing is owed
			say(romeo, "juliet@localhost", "m1")
			juliet.expect("m1</body>", "<r ")
			time.Sleep(50 * time.Second)
			juliet.send(" ") // it is there
			time.Sleep(50 * time.Second)
			say(romeo, "juliet@localhost", "m2")
			juliet.expect("m2</body>")
			time.Sleep(2 * time.Minute)
			juliet.expectEnd()
			if resumes {
				session.resume(1).expect("<resumed", "m1</body>", "m2</body>")
				return
			}
			again := bound(t, s, "balcony")
			again.send("<presence/>")
			again.expect("m1</body>", "m2</body>")
		})
	}
}

// TestLivenessPing: who is silent is asked, and gone if it does not answer as it did
// before. There are such as never answer.
func TestLivenessPing(t *testing.T) {
	keepAlive := func(c *server.Config) { c.KeepAlive, c.PingTimeout = 10*time.Minute, time.Minute }
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, keepAlive)
		juliet := login(t, s, "juliet", "r0m30", "balcony")
		other := login(t, s, "juliet", "r0m30", "chamber")
		for range 3 {
			time.Sleep(10*time.Minute + 45*time.Second)
			for _, r := range []*raw{juliet, other} {
				r.send("<iq type='result' id='%s' to='localhost'/>", r.pinged())
			}
		}
		time.Sleep(10*time.Minute + 45*time.Second)
		other.send("<iq type='error' id='%s' to='localhost'><error type='cancel'><service-unavailable "+
			"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>", other.pinged())
		time.Sleep(2 * time.Minute)
		juliet.expectEnd()
		other.expect("<presence type='unavailable'", "from='juliet@localhost/balcony'")
		other.send("<iq type='get' id='mark' to='localhost'><mark xmlns='urn:mark'/></iq>")
		other.expect("id='mark'")
	})
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, keepAlive)
		mute := login(t, s, "juliet", "r0m30", "balcony")
		for range 3 {
			time.Sleep(12 * time.Minute)
			mute.pinged()
		}
		mute.send("<iq type='get' id='mark' to='localhost'><mark xmlns='urn:mark'/></iq>")
		mute.expect("id='mark'")
	})
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, func(c *server.Config) { c.KeepAlive, c.AckTimeout = -1, -1 })
		juliet := enableResumption(t, s, "juliet", "r0m30", "balcony", " resume='true'")
		juliet.send("<presence/>")
		juliet.expect("<presence", "<r ")
		time.Sleep(24 * time.Hour)
		juliet.send("<iq type='get' id='mark' to='localhost'><mark xmlns='urn:mark'/></iq>")
		if got := juliet.expect("id='mark'"); strings.Contains(got, "ping") {
			t.Errorf("it was asked: %q", got)
		}
	})
}
