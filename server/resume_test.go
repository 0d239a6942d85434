package server_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/storage/memory"
)

// resumable is a client that has bound a resource and may come back.
type resumable struct {
	*raw
	s              *server.Server
	user, password string
	id             string
}

var smID = regexp.MustCompile(`<enabled xmlns='urn:xmpp:sm:3' id='([^']+)'`)

func enableResumption(t testing.TB, s *server.Server, user, password, resource, attrs string) *resumable {
	t.Helper()
	r := &resumable{raw: login(t, s, user, password, resource), s: s, user: user, password: password}
	r.send("<enable xmlns='urn:xmpp:sm:3'%s/>", attrs)
	m := smID.FindStringSubmatch(r.expect("<enabled", "/>"))
	if m == nil {
		t.Fatal("no id")
	}
	r.id = m[1]
	return r
}

// authenticate opens another connection, up to where the session can be resumed.
func (r *resumable) authenticate() *resumable {
	r.t.Helper()
	n := *r
	n.raw = newRaw(r.t, r.s.Pipe())
	n.open()
	n.send("%s", plain(r.user, r.password))
	n.expect("<success")
	n.open()
	return &n
}

// resume goes on with the session; h is what the client has handled.
func (r *resumable) resume(h int) *resumable {
	r.t.Helper()
	n := r.authenticate()
	n.send("<resume xmlns='urn:xmpp:sm:3' h='%d' previd='%s'/>", h, r.id)
	return n
}

// lose breaks the connection, and waits until the server has seen it.
func (r *resumable) lose() {
	r.nc.Close()
	synctest.Wait()
}

func (r *resumable) account() jid.JID { return jid.MustParse(r.user + "@localhost") }

// bound is a session of juliet that is not available yet.
func bound(t testing.TB, s *server.Server, resource string) *raw {
	t.Helper()
	r := newRaw(t, s.Pipe())
	r.login("juliet", "r0m30", resource)
	return r
}

func memoryStores() server.Stores {
	m := memory.New()
	return server.Stores{Rosters: m.Rosters(), Presences: m.Presences(), Privacy: m.Privacy(), Offline: m.Offline()}
}

func say(r *raw, to, body string) {
	r.send("<message to='%s' type='chat'><body>%s</body></message>", to, body)
}

func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		romeo := login(t, s, "romeo", "jul13t", "orchard")
		juliet := enableResumption(t, s, "juliet", "r0m30", "balcony", " resume='true'")
		juliet.send("<presence/>")
		juliet.expect("<presence")
		say(romeo, "juliet@localhost", "one")
		juliet.expect("one")
		juliet.lose()
		say(romeo, "juliet@localhost/balcony", "two")
		say(romeo, "juliet@localhost", "three")
		synctest.Wait()
		juliet = juliet.resume(1) // the presence; the message may be lost
		got := juliet.expect("<resumed", "h='1'", "one", "two", "three")
		if strings.Count(got, "<body>") != 3 || strings.Count(got, "<presence") != 0 {
			t.Errorf("got %s", got)
		}
		if !strings.Contains(got, "previd='"+juliet.id+"'") {
			t.Errorf("got %s", got)
		}
		say(juliet.raw, "romeo@localhost/orchard", "four")
		romeo.expect("four")
		say(romeo, "juliet@localhost", "five")
		if got := juliet.expect("five"); strings.Contains(got, "three") {
			t.Errorf("got %s", got)
		}
		// And once more, with everything acknowledged.
		juliet.lose()
		juliet = juliet.resume(5)
		juliet.expect("<resumed", "h='2'")
		juliet.send("<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>")
		if got := juliet.expect("p1"); strings.Contains(got, "<body>") {
			t.Errorf("got %s", got)
		}
	})
}

// A client may come back before the server has noticed that it was gone.
func TestResumeBeforeTheServerNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		juliet := enableResumption(t, s, "juliet", "r0m30", "balcony", " resume='true'")
		old := juliet
		say(juliet.raw, "juliet@localhost/balcony", "to myself")
		synctest.Wait()
		juliet = juliet.resume(0)
		juliet.expect("<resumed", "h='1'", "to myself")
		old.expect("to myself", "<stream:error>", "conflict", "</stream:stream>")
		old.expectEnd()
	})
}

// What a client has not got when the time is over finds another way, with its
// time.
func TestNotResumed(t *testing.T) {
	for _, tt := range []struct{ name, what, presence, want string }{
		{"offline", "<message type='chat' to='juliet@localhost/balcony'><body>m</body></message>", "<presence/>", "delay"},
		{"normal is answered", "<message id='m1' to='juliet@localhost/balcony'><body>m</body></message>", "<presence/>", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, nil)
				romeo := login(t, s, "romeo", "jul13t", "orchard")
				juliet := enableResumption(t, s, "juliet", "r0m30", "balcony", " resume='true' max='60'")
				juliet.send("%s", tt.presence)
				juliet.expect("<presence")
				juliet.lose()
				lost := time.Now().UTC()
				romeo.send("%s", tt.what)
				time.Sleep(59 * time.Second)
				if got := len(s.Resources(juliet.account())); got != 1 {
					t.Fatalf("after 59 s there are %d resources", got)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if got := len(s.Resources(juliet.account())); got != 0 {
					t.Fatalf("after 61 s there are %d resources", got)
				}
				if tt.want == "" {
					romeo.expect("m1", "error", "service-unavailable")
					return
				}
				late := juliet.resume(1)
				late.expect("<failed", "h='1'", "item-not-found")
				late.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
				late.expect("</jid>")
				late.send("<presence/>")
				late.expect("<body>m</body>", "<delay", fmt.Sprintf("stamp='%s", lost.Format("2006-01-02T15:04:05")))
			})
		})
	}
}

func TestResumeRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		juliet := enableResumption(t, s, "juliet", "r0m30", "balcony", " resume='true'")
		juliet.lose()

		thief := &resumable{s: s, user: "romeo", password: "jul13t", id: juliet.id, raw: &raw{t: t}}
		thief = thief.resume(0)
		if got := thief.expect("<failed", "</failed>"); !strings.Contains(got, "item-not-found") || strings.Contains(got, "h=") {
			t.Errorf("another account: %s", got)
		}
		// The stream is good for a session of its own.
		thief.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
		thief.expect("romeo@localhost/")

		liar := juliet.resume(7)
		liar.expect("<stream:error>", "handled-count-too-high")
		liar.expectEnd()

		juliet.resume(0).expect("<resumed")
	})
}

// A stream that was ended in order cannot be resumed.
func TestClosedIsNotResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		romeo := login(t, s, "romeo", "jul13t", "orchard")
		juliet := enableResumption(t, s, "juliet", "r0m30", "balcony", " resume='true'")
		juliet.send("<presence/></stream:stream>")
		juliet.expect("</stream:stream>")
		synctest.Wait()
		if got := s.Resources(juliet.account()); len(got) != 0 {
			t.Errorf("got %v", got)
		}
		juliet.resume(0).expect("<failed", "h='1'", "item-not-found")
		say(romeo, "romeo@localhost/orchard", "still here")
		romeo.expect("still here")
	})
}

// A session that waits and gets more than it may keep ends, and loses nothing.
func TestTooMuchForOneThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, func(c *server.Config) { c.Stream.MaxDetached = 8 << 10 })
		romeo := login(t, s, "romeo", "jul13t", "orchard")
		juliet := enableResumption(t, s, "juliet", "r0m30", "balcony", " resume='true'")
		juliet.send("<presence/>")
		juliet.expect("<presence")
		juliet.lose()
		const n = 20
		for i := range n {
			say(romeo, "juliet@localhost", fmt.Sprintf("m%02d %s", i, strings.Repeat("x", 1000)))
		}
		synctest.Wait()
		if got := s.Resources(juliet.account()); len(got) != 0 {
			t.Errorf("it waits still: %v", got)
		}
		again := bound(t, s, "chamber")
		again.send("<presence/>")
		for i := range n {
			again.expect(fmt.Sprintf("m%02d ", i))
		}
	})
}

// A new session under the same resource takes the place of one that waits, and gets
// what it has not got.
func TestBoundAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		romeo := login(t, s, "romeo", "jul13t", "orchard")
		juliet := enableResumption(t, s, "juliet", "r0m30", "balcony", " resume='true'")
		juliet.send("<presence/>")
		juliet.expect("<presence")
		juliet.lose()
		say(romeo, "juliet@localhost", "meanwhile")
		synctest.Wait()
		again := bound(t, s, "balcony")
		again.send("<presence/>")
		again.expect("meanwhile", "<delay")
		juliet.resume(0).expect("<failed", "item-not-found")
	})
}

// So it does with one whose connection is dead, which the server does not know yet: it
// gets first what went there.
func TestBoundAnewBeforeTheServerNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, nil)
		romeo := login(t, s, "romeo", "jul13t", "orchard")
		juliet := enableResumption(t, s, "juliet", "r0m30", "balcony", " resume='true'")
		juliet.send("<presence/>")
		juliet.expect("<presence")
		say(romeo, "juliet@localhost", "one") // into the void: nobody acknowledges it
		say(romeo, "juliet@localhost", "two")
		juliet.expect("two")
		again := bound(t, s, "balcony")
		say(romeo, "juliet@localhost", "three")
		again.send("<presence/>")
		again.expect("one</body>", "two</body>", "three</body>")
		juliet.expect("<stream:error>", "conflict", "</stream:stream>")
		juliet.expectEnd()
	})
}

// Who cannot resume must not be kept out by what he has left.
func TestSessionsThatWaitMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, func(c *server.Config) { c.MaxResources = 2 })
		first := enableResumption(t, s, "juliet", "r0m30", "one", " resume='true'")
		first.lose()
		second := enableResumption(t, s, "juliet", "r0m30", "two", " resume='true'")
		login(t, s, "juliet", "r0m30", "three")
		first.resume(0).expect("<failed")
		second.lose()
		second.resume(0).expect("<resumed")
	})
}

// When the server stops, what waits is stored.
func TestShutdownWithSessionsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stores server.Stores
		s := newServer(t, func(c *server.Config) { stores = memoryStores(); c.Stores = stores })
		romeo := login(t, s, "romeo", "jul13t", "orchard")
		juliet := enableResumption(t, s, "juliet", "r0m30", "balcony", " resume='true'")
		juliet.send("<presence/>")
		juliet.expect("<presence")
		juliet.lose()
		say(romeo, "juliet@localhost", "before the end")
		synctest.Wait()
		romeo.nc.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		s = newServer(t, func(c *server.Config) { c.Stores = stores })
		again := bound(t, s, "balcony")
		again.send("<presence/>")
		again.expect("before the end")
	})
}

func TestMaxResumable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, func(c *server.Config) { c.MaxResumable = 1 })
		a := enableResumption(t, s, "juliet", "r0m30", "a", " resume='true'")
		b := enableResumption(t, s, "juliet", "r0m30", "b", " resume='true'")
		a.lose()
		b.lose()
		b.resume(0).expect("<failed")
		a.resume(0).expect("<resumed")
	})
}

func TestNoResumption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, func(c *server.Config) { c.ResumeTimeout = -1 })
		r := login(t, s, "juliet", "r0m30", "balcony")
		r.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
		if got := r.expect("<enabled", "/>"); strings.Contains(got, "resume") || strings.Contains(got, "id=") {
			t.Errorf("got %s", got)
		}
		r.send("<presence/><r xmlns='urn:xmpp:sm:3'/>")
		r.expect("<presence", "<a xmlns='urn:xmpp:sm:3' h='1'/>")
	})
}
