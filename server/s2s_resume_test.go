package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

const (
	enableResume  = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
	enabledResume = "<enabled xmlns='urn:xmpp:sm:3' id='{id}' max='300' resume='true'/>"
)

func resume(id string, h int) string {
	return fmt.Sprintf("<resume xmlns='urn:xmpp:sm:3' h='%d' previd='%s'/>", h, id)
}

func resumed(id string, h int) string {
	return fmt.Sprintf("<resumed xmlns='urn:xmpp:sm:3' h='%d' previd='%s'/>", h, id)
}

// gone is the answer for a session that has ended.
func gone(h int) string {
	return fmt.Sprintf("<failed xmlns='urn:xmpp:sm:3' h='%d'><item-not-found "+
		"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>", h)
}

// resumable returns a stream that the server lets be resumed, and its id.
func (s *scene) resumable(from, to string) (f *far, id string) {
	s.t.Helper()
	f = s.certified(from, to)
	f.send(enableResume)
	return f, f.hearsOne(enabledResume)
}

// fromRomeo is a message of romeo's on its way.
func fromRomeo(id string) string { return relayed("romeo@"+here, "juliet@"+there, id) }

func fromJuliet(id string) string { return message("juliet@"+there, "romeo@"+here, id) }

// XEP-0198, section 5, on streams that another server has opened.
func TestResumeAccepted(t *testing.T) {
	play(t, "XEP-0198 both go on where they were", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, id := s.resumable(there, here)
		f.send(fromJuliet("j1") + fromJuliet("j2"))
		romeo.hears("j1", "j2")
		romeo.write("juliet@"+there, "m1")
		f.hears(fromRomeo("m1") + askAck)
		romeo.write("juliet@"+there, "m2")
		pass(time.Second)
		f.hears(fromRomeo("m2"))
		f.hangUp()
		romeo.write("juliet@"+there, "m3") // while there is no connection
		pass(time.Second)
		f = s.certified(there, here)
		f.send(resume(id, 1))
		f.hears(resumed(id, 2) + fromRomeo("m2") + fromRomeo("m3") + askAck)
		romeo.write("juliet@"+there, "m4")
		f.hears(fromRomeo("m4"))
		f.send(ack(4) + fromJuliet("j3") + askAck)
		romeo.hears("j3")
		f.hears("{any}" + ack(3))
		f.hangUp()
		pass(server.DefaultServerResumeTimeout + time.Minute)
		romeo.hearsNothing()
	})
	play(t, "XEP-0198 ours has not noticed that the connection is dead", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		old, id := s.resumable(there, here)
		old.send(fromJuliet("j1"))
		romeo.hears("j1")
		f := s.certified(there, here)
		f.send(resume(id, 0))
		old.hearsEnd(fails(stream.Conflict))
		f.hears(resumed(id, 1))
		romeo.write("juliet@"+there, "m1")
		f.hears(fromRomeo("m1") + askAck)
	})
	play(t, "XEP-0198 one that was resumed can be again", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, id := s.resumable(there, here)
		for i := range 5 {
			f.hangUp()
			f = s.certified(there, here)
			f.send(resume(id, i) + fromJuliet(fmt.Sprint("j", i)))
			f.hears(resumed(id, i))
			romeo.hears(fmt.Sprint("j", i))
			romeo.write("juliet@"+there, fmt.Sprint("m", i))
			f.hears(fromRomeo(fmt.Sprint("m", i)) + askAck)
		}
	})
	play(t, "XEP-0198 after dialback", func(t *testing.T, s *scene) {
		var a *far // that is asked whether keys are right
		open := func() *far {
			f := s.connect()
			id := f.open(there, here, bidi, byKey, limits)
			f.send("<bidi xmlns='urn:xmpp:bidi'/>" + result(there, here, "k3y"))
			if a == nil {
				a = s.isCalled(here, there)
				a.answer("x", byKey)
			}
			a.hears("{any}" + verify(here, id, there, "k3y"))
			a.send(verifyIs(there, id, here, "valid"))
			f.hears(resultIs(here, there, "valid"))
			return f
		}
		romeo, f := s.romeo(), open()
		f.send(enableResume)
		id := f.hearsOne(enabledResume)
		romeo.write("juliet@"+there, "m1")
		f.hears(fromRomeo("m1") + askAck)
		f.send(fromJuliet("j1"))
		romeo.hears("j1")
		f.hangUp()
		f = open()
		f.hears("") // before it has asked
		f.send(resume(id, 0))
		f.hears(resumed(id, 1) + fromRomeo("m1") + askAck)
	}, plaintext)
	play(t, "XEP-0198 more is acknowledged than was sent", func(t *testing.T, s *scene) {
		f, id := s.resumable(there, here)
		f.hangUp()
		f = s.certified(there, here)
		f.send(resume(id, 7))
		f.hearsEnd("<stream:error><undefined-condition {any}<handled-count-too-high {any}/></stream:error></stream:stream>")
	})
	play(t, "XEP-0198 a stream that was closed is not resumed, but it is known what was handled",
		func(t *testing.T, s *scene) {
			romeo := s.romeo()
			f, id := s.resumable(there, here)
			f.send(fromJuliet("j1") + "</stream:stream>")
			romeo.hears("j1")
			f.hearsEnd(ack(1) + "</stream:stream>")
			f = s.certified(there, here)
			f.send(resume(id, 0))
			f.hears(gone(1))
			f.send(enable) // "SHOULD allow the client to [go on]"
			f.hears(enabled)
		})
	play(t, "XEP-0198 nobody comes in time", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, id := s.resumable(there, here)
		f.send(fromJuliet("j1"))
		romeo.hears("j1")
		romeo.write("juliet@"+there, "m1")
		f.hears(fromRomeo("m1") + askAck)
		s.refuse(there)
		f.hangUp()
		romeo.write("juliet@"+there, "m2")
		pass(server.DefaultServerResumeTimeout - time.Second)
		romeo.hearsNothing()
		pass(2 * time.Second)
		romeo.isTold(stanza.RemoteServerTimeout, "m1", "m2")
		f = s.certified(there, here)
		f.send(resume(id, 0))
		f.hears(gone(1))
	})
	play(t, "XEP-0198 the time that the other server asks for", func(t *testing.T, s *scene) {
		romeo, f := s.romeo(), s.certified(there, here)
		f.send("<enable xmlns='urn:xmpp:sm:3' resume='1' max='20'/>")
		f.hears("<enabled xmlns='urn:xmpp:sm:3' id='{id}' max='20' resume='true'/>")
		romeo.write("juliet@"+there, "m1")
		f.hears(fromRomeo("m1") + askAck)
		s.refuse(there)
		f.hangUp()
		pass(21 * time.Second)
		romeo.isTold(stanza.RemoteServerTimeout, "m1")
	})
	play(t, "XEP-0198 the server can be reached, and does not come", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, _ := s.resumable(there, here)
		romeo.write("juliet@"+there, "m1")
		f.hears(fromRomeo("m1") + askAck)
		f.hangUp()
		romeo.write("juliet@"+there, "m2")
		f = s.isCalled(here, there) // it is looked whether it is there
		f.upgrade(s.ca.issue(t, there))
		f.answer("y", external)
		f.hears("<auth {any}</auth>")
		f.send(success)
		f.answer("z")
		f.hears("")
		pass(11 * time.Second)
		romeo.isTold(stanza.RemoteServerTimeout, "m1") // it may have come
		f.hears(fromRomeo("m2"))
	})
	play(t, "XEP-0198 the server has begun anew", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, _ := s.resumable(there, here)
		romeo.write("juliet@"+there, "m1")
		f.hears(fromRomeo("m1") + askAck)
		s.refuse(there)
		f.hangUp()
		romeo.write("juliet@"+there, "m2")
		f, _ = s.certified(there, here), ""
		f.send(enableResume)
		f.hears(enabledResume + fromRomeo("m2") + askAck)
		romeo.isTold(stanza.RemoteServerTimeout, "m1")
	})
	play(t, "XEP-0478 it takes no such large stanzas any more", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, id := s.resumable(there, here)
		f.send(fromJuliet("j1"))
		romeo.hears("j1")
		s.refuse(there)
		f.hangUp()
		romeo.write("juliet@"+there, strings.Repeat("x", 1000))
		romeo.write("juliet@"+there, "m2")
		f = s.connect()
		f.open(there, here, startTLS, limits)
		if _, err := f.startTLS(client(s.ca.issue(t, there))); err != nil {
			t.Fatal(err)
		}
		f.open(there, here, bidi, external, limits)
		f.send("<bidi xmlns='urn:xmpp:bidi'><limits xmlns='urn:xmpp:stream-limits:0'>" +
			"<max-bytes>1000</max-bytes></limits></bidi>" +
			"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
		f.hears(success)
		f.open(there, here, sm, limits)
		f.send(resume(id, 0))
		f.hears(gone(1))
		f.send(enable)
		f.hears(enabled)
	})
}

// refuse has nobody answer at a domain.
func (s *scene) refuse(domain string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[domain] = context.DeadlineExceeded
}

// Nobody goes on with what is not theirs.
func TestResumeNotTheirs(t *testing.T) {
	for _, waits := range []bool{true, false} {
		begin := func(s *scene) (romeo *account, id string) {
			var f *far
			romeo = s.romeo()
			f, id = s.resumable(there, here)
			romeo.write("juliet@"+there, "m1")
			f.hears(fromRomeo("m1") + askAck)
			s.refuse(there)
			if waits {
				f.hangUp()
			}
			return romeo, id
		}
		// after checks that it can be resumed still by who may.
		after := func(s *scene, romeo *account, id string) {
			s.t.Helper()
			f := s.certified(there, here)
			f.send(resume(id, 0))
			f.hears(resumed(id, 0) + fromRomeo("m1") + askAck)
			romeo.hearsNothing()
		}
		for _, thief := range []struct{ from, to string }{
			{mallory, here}, {"conference." + there, here}, {there, hereChat},
		} {
			play(t, fmt.Sprintf("%s to %s, waits %v", thief.from, thief.to, waits), func(t *testing.T, s *scene) {
				romeo, id := begin(s)
				f := s.certified(thief.from, thief.to)
				f.send(resume(id, 0))
				f.hears(noSuch)
				after(s, romeo, id)
			})
		}
		play(t, fmt.Sprintf("another id, waits %v", waits), func(t *testing.T, s *scene) {
			romeo, id := begin(s)
			f := s.certified(there, here)
			f.send(resume(id[1:], 0) + resume("", 0))
			f.hears(noSuch + "<failed xmlns='urn:xmpp:sm:3'><bad-request " +
				"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
			after(s, romeo, id)
		})
		play(t, fmt.Sprintf("by dialback what was begun by certificate, waits %v", waits), func(t *testing.T, s *scene) {
			romeo, id := begin(s)
			s.mu.Lock()
			delete(s.refused, there)
			s.mu.Unlock()
			pass(time.Minute) // it has tried to find out whether the server is there
			f, sid := s.secured(there, here, client(), bidi, byKey, limits)
			f.send("<bidi xmlns='urn:xmpp:bidi'/>" + result(there, here, "k3y"))
			a := s.isCalled(here, there)
			a.upgrade(s.ca.issue(t, there), byKey)
			a.hears("{any}")
			a.send(welcome(there, here, "y") + offering(byKey))
			a.hears(verify(here, sid, there, "k3y") + "{any}")
			a.send(verifyIs(there, sid, here, "valid"))
			f.hears("{any}" + resultIs(here, there, "valid"))
			f.send(resume(id, 0))
			f.hears(noSuch)
			after(s, romeo, id)
		}, withDialback)
		play(t, fmt.Sprintf("before authentication, waits %v", waits), func(t *testing.T, s *scene) {
			romeo, id := begin(s)
			f, _ := s.secured(there, here, client(), bidi, limits)
			f.send(resume(id, 0))
			if got, _ := f.take(); strings.Contains(got, "<resumed") || strings.Contains(got, "m1") {
				t.Errorf("heard %q", got)
			}
			after(s, romeo, id)
		})
	}
}

// Bounds of what waits.
func TestResumeLimits(t *testing.T) {
	play(t, "streams", func(t *testing.T, s *scene) {
		a, idA := s.resumable(there, here)
		b, idB := s.resumable(mallory, here)
		a.hangUp()
		b.hangUp()
		b = s.certified(mallory, here)
		b.send(resume(idB, 0))
		b.hears(gone(0))
		a = s.certified(there, here)
		a.send(resume(idA, 0))
		a.hears(resumed(idA, 0))
	}, func(c *server.Config) { c.Federation.MaxResumable = 1 })
	play(t, "stanzas", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, id := s.resumable(there, here)
		s.refuse(there)
		f.hangUp()
		want := ""
		for i := range 20 {
			romeo.write("juliet@"+there, fmt.Sprint("m", i))
		}
		pass(time.Second)
		n := 20
		for len(romeo.in) > 0 {
			n--
			if e, ok := (<-romeo.in).Err().(*stanza.Error); !ok || e.Condition != stanza.ResourceConstraint {
				t.Fatalf("told %v", e)
			}
		}
		if n < 3 || n > 12 {
			t.Fatalf("%d wait", n)
		}
		for i := range n {
			want += fromRomeo(fmt.Sprint("m", i))
		}
		f = s.certified(there, here)
		f.send(resume(id, 0))
		f.hears(resumed(id, 0) + want + askAck)
		// There is room again.
		for i := range 20 {
			romeo.write("juliet@"+there, fmt.Sprint("n", i))
		}
		pass(time.Second)
		if len(romeo.in) > 0 {
			t.Errorf("%d errors", len(romeo.in))
		}
	}, func(c *server.Config) { c.Federation.MaxWaiting = 1000 })
	play(t, "of all links", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, _ := s.resumable(there, here)
		s.refuse(there)
		f.hangUp()
		for i := range 20 {
			romeo.write("juliet@"+there, fmt.Sprint("m", i))
		}
		pass(time.Second)
		if n := len(romeo.in); n < 5 || n > 17 {
			t.Errorf("%d errors", n)
		}
		for len(romeo.in) > 0 {
			<-romeo.in
		}
		pass(server.DefaultServerResumeTimeout) // when it is over there is room again
		for len(romeo.in) > 0 {
			<-romeo.in
		}
		romeo.write("eve@"+mallory, "m")
		s.isCalled(here, mallory)
	}, func(c *server.Config) { c.Federation.MaxAllWaiting = 1000 })
}

// And on streams that ours opens.
func TestResumeOpened(t *testing.T) {
	// connect lets ours in on the connection that it makes next.
	connect := func(s *scene) *far {
		f := s.isCalled(here, there)
		f.upgrade(s.ca.issue(s.t, there), bidi)
		f.answer("y", external, bidi)
		f.hears(askBidi + "<auth {any}</auth>")
		f.send(success)
		f.answer("z", sm)
		return f
	}
	// begin has romeo write m1 and m2, of which the first is acknowledged, and m3 when the
	// connection is lost.
	begin := func(s *scene, granted string) (romeo *account) {
		romeo = s.romeo()
		romeo.write("juliet@"+there, "m1")
		f := connect(s)
		f.hears(enableHere)
		f.send(granted)
		f.hears(fromRomeo("m1"))
		romeo.write("juliet@"+there, "m2")
		pass(time.Second)
		f.hears(fromRomeo("m2") + askAck)
		f.send(ack(1) + fromJuliet("j1"))
		romeo.hears("j1")
		f.hangUp()
		pass(time.Second)
		romeo.write("juliet@"+there, "m3")
		return romeo
	}
	const granted = "<enabled xmlns='urn:xmpp:sm:3' id='x' resume='true'/>"
	play(t, "XEP-0198 both go on where they were", func(t *testing.T, s *scene) {
		romeo := begin(s, granted)
		f := connect(s)
		f.hears(resume("x", 1))
		romeo.write("juliet@"+there, "m4")
		f.send(resumed("x", 1) + fromJuliet("j2"))
		f.hears(fromRomeo("m2") + fromRomeo("m3") + fromRomeo("m4") + askAck)
		romeo.hears("j2")
		f.send(ack(4) + askAck)
		f.hears(ack(2))
		f.hangUp() // and once more
		f = connect(s)
		f.hears(resume("x", 2))
		f.send(resumed("x", 4))
		romeo.write("juliet@"+there, "m5")
		f.hears(fromRomeo("m5") + askAck)
		romeo.hearsNothing()
	})
	play(t, "XEP-0198 all has come", func(t *testing.T, s *scene) {
		romeo := begin(s, granted)
		f := connect(s)
		f.hears(resume("x", 1))
		f.send(resumed("x", 2))
		f.hears(fromRomeo("m3") + askAck)
		romeo.hearsNothing()
	})
	play(t, "XEP-0198 there is no such session, and it is not known what has come", func(t *testing.T, s *scene) {
		romeo := begin(s, granted)
		f := connect(s)
		f.hears(resume("x", 1))
		f.send(noSuch)
		f.hears(enableHere)
		romeo.write("juliet@"+there, "m4")
		f.send(enabled)
		f.hears(fromRomeo("m3") + fromRomeo("m4"))
		romeo.isTold(stanza.RemoteServerTimeout, "m2")
		romeo.hearsNothing()
	})
	play(t, "XEP-0198 the session is over, and m2 has not come", func(t *testing.T, s *scene) {
		romeo := begin(s, granted)
		f := connect(s)
		f.hears(resume("x", 1))
		f.send(gone(1))
		f.hears(enableHere)
		f.send(enabled)
		f.hears(fromRomeo("m2") + fromRomeo("m3"))
		romeo.hearsNothing()
	})
	play(t, "XEP-0198 the session is over, and m2 has come", func(t *testing.T, s *scene) {
		romeo := begin(s, granted)
		f := connect(s)
		f.hears(resume("x", 1))
		f.send(gone(2))
		f.hears(enableHere)
		f.send(enabled)
		f.hears(fromRomeo("m3"))
		romeo.hearsNothing()
	})
	for name, h := range map[string]int{"more than was sent": 9, "less than was acknowledged": 0} {
		play(t, "XEP-0198 the session is over, and the number cannot be: "+name, func(t *testing.T, s *scene) {
			romeo := begin(s, granted)
			f := connect(s)
			f.hears(resume("x", 1))
			f.send(gone(h))
			f.hears(enableHere)
			f.send(enabled)
			f.hears(fromRomeo("m3"))
			romeo.isTold(stanza.RemoteServerTimeout, "m2")
			romeo.hearsNothing()
		})
	}
	play(t, "XEP-0198 another session is resumed than was asked for", func(t *testing.T, s *scene) {
		begin(s, granted)
		f := connect(s)
		f.hears(resume("x", 1))
		f.send(resumed("y", 1))
		if got, err := f.take(); err == nil || strings.Contains(got, "<message") {
			t.Errorf("heard %q", got)
		}
	})
	play(t, "XEP-0198 the server lets nothing be resumed", func(t *testing.T, s *scene) {
		romeo := begin(s, enabled)
		f := connect(s)
		romeo.isTold(stanza.RemoteServerTimeout, "m2")
		f.hears(enableHere)
		f.send(enabled)
		f.hears(fromRomeo("m3"))
	})
	play(t, "XEP-0198 the server is away for a while", func(t *testing.T, s *scene) {
		romeo := begin(s, granted)
		f := s.isCalled(here, there)
		s.refuse(there)
		f.hangUp()
		for range 6 {
			pass(30 * time.Second)
			romeo.hearsNothing()
		}
		s.isNotCalled()
		s.mu.Lock()
		delete(s.refused, there)
		s.mu.Unlock()
		for start := time.Now(); len(s.calls) == 0 && time.Since(start) < 2*time.Minute; {
			pass(time.Second)
		}
		f = connect(s)
		f.hears(resume("x", 1))
		f.send(resumed("x", 1))
		f.hears(fromRomeo("m2") + fromRomeo("m3") + askAck)
		romeo.hearsNothing()
	})
	play(t, "XEP-0198 the server is away for too long", func(t *testing.T, s *scene) {
		romeo := begin(s, granted)
		f := s.isCalled(here, there)
		s.refuse(there)
		f.hangUp()
		pass(server.DefaultServerResumeTimeout - 5*time.Second)
		romeo.hearsNothing()
		pass(10 * time.Second)
		romeo.isTold(stanza.RemoteServerTimeout, "m2", "m3")
		romeo.hearsNothing()
	})
	play(t, "XEP-0198 the server keeps the session for less long", func(t *testing.T, s *scene) {
		romeo := begin(s, "<enabled xmlns='urn:xmpp:sm:3' id='x' max='20' resume='true'/>")
		f := s.isCalled(here, there)
		s.refuse(there)
		f.hangUp()
		pass(25 * time.Second)
		romeo.isTold(stanza.RemoteServerTimeout, "m2", "m3")
	})
	play(t, "XEP-0198 each time it comes to what was not acknowledged the server breaks", func(t *testing.T, s *scene) {
		romeo := begin(s, granted)
		tries := 0
		start := time.Now()
		for ; time.Since(start) < 2*server.DefaultServerResumeTimeout && len(romeo.in) == 0; pass(time.Second) {
			select {
			case f := <-s.calls:
				s.calls <- f
				f = connect(s)
				f.hears("<resume {any}/>")
				f.send(resumed("x", 1))
				f.hears(fromRomeo("m2") + "{any}")
				f.hangUp()
				tries++
			default:
			}
		}
		if tries < 5 || tries > 500 {
			t.Errorf("%d tries", tries)
		}
		romeo.isTold(stanza.RemoteServerTimeout, "m2", "m3")
	})
	play(t, "XEP-0478 the server takes no such large stanzas any more", func(t *testing.T, s *scene) {
		romeo := begin(s, granted)
		f := s.isCalled(here, there)
		f.upgrade(s.ca.issue(s.t, there), bidi)
		f.answer("y", external, bidi)
		f.hears(askBidi + "<auth {any}</auth>")
		f.send(success)
		f.answer("z", "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>50</max-bytes></limits>", sm)
		f.hears(enableHere) // the old stanzas would break the stream
		f.send(enabled)
		told := map[stanza.Condition]int{}
		for range 2 {
			e, _ := romeo.next().Err().(*stanza.Error)
			told[e.Condition]++
		}
		if told[stanza.RemoteServerTimeout] != 1 || told[stanza.PolicyViolation] != 1 {
			t.Errorf("told %v", told)
		}
		f.hears("")
	})
	play(t, "XEP-0198 the server is shut down meanwhile", func(t *testing.T, s *scene) {
		romeo := begin(s, granted)
		s.isCalled(here, there) // where nobody answers
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		s.srv.Shutdown(ctx)
		romeo.isTold(stanza.RemoteServerTimeout, "m2", "m3")
	})
	play(t, "XEP-0198 after dialback", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := s.asking(romeo, byKey, sm)
		f.send(resultIs(there, here, "valid"))
		f.hears(enableHere) // nothing is sent before it is known by what it is resumed
		f.send(granted)
		f.hears(fromRomeo("m1"))
		f.hangUp()
		f = s.isCalled(here, there)
		f.answer("z", byKey, sm)
		f.hears(result(here, there, "{key}"))
		f.send(resultIs(there, here, "valid"))
		f.hears(resume("x", 0))
		romeo.write("juliet@"+there, "m2")
		f.send(resumed("x", 0))
		f.hears(fromRomeo("m1") + fromRomeo("m2") + askAck)
		f.hangUp()
		pass(3 * time.Second) // it has lost two in succession
		f = s.isCalled(here, there)
		f.answer("z", byKey, sm)
		f.hears(result(here, there, "{key}"))
		f.send(resultIs(there, here, "valid"))
		f.hears(resume("x", 0))
		f.send(gone(1))
		f.hears(enableHere)
		f.send(enabled)
		f.hears(fromRomeo("m2"))
	}, plaintext, oneWay)
	// lost has the first message written, and then its connection lost.
	lost := func(s *scene) (romeo *account) {
		romeo = s.romeo()
		f := s.asking(romeo, byKey, sm)
		f.send(resultIs(there, here, "valid"))
		f.hears(enableHere)
		f.send(granted)
		f.hears(fromRomeo("m1"))
		f.hangUp()
		return romeo
	}
	play(t, "XEP-0198 after dialback that is refused once ours tries anew", func(t *testing.T, s *scene) {
		romeo := lost(s)
		again := func() *far {
			f := s.isCalled(here, there)
			f.answer("z", byKey, sm)
			f.hears(result(here, there, "{key}"))
			return f
		}
		f := again()
		f.send(strings.Replace(resultError(there, here, "wait", "remote-server-timeout"), "{text}", "", 1))
		f.hearsEnd("</stream:stream>")
		pass(3 * time.Second)
		f = again()
		f.send(resultIs(there, here, "valid"))
		f.hears(resume("x", 0))
		f.send(resumed("x", 0))
		f.hears(fromRomeo("m1") + askAck)
		romeo.hearsNothing()
	}, plaintext, oneWay)
	play(t, "XEP-0198 while ours waits to try anew it answers whose key is right", func(t *testing.T, s *scene) {
		lost(s)
		s.isCalled(here, there).hangUp() // once more: now it waits
		pass(time.Second)
		f := s.connect()
		id := f.open(there, here, byKey, limits)
		f.send(result(there, here, "k3y"))
		pass(3 * time.Second)
		a := s.isCalled(here, there)
		a.answer("z", byKey, sm)
		a.hears(verify(here, id, there, "k3y") + result(here, there, "{key}"))
		a.send(verifyIs(there, id, here, "valid"))
		f.hears(resultIs(here, there, "valid"))
	}, plaintext, oneWay)
	play(t, "XEP-0198 after dialback nobody answers", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := s.asking(romeo, byKey, sm)
		f.send(resultIs(there, here, "valid"))
		f.hears(enableHere)
		pass(server.DefaultDialbackTimeout + time.Second)
		if _, err := f.take(); err == nil {
			t.Error("the connection is still there")
		}
		s.refuse(there)
		s.isCalled(here, there).hangUp() // once more
		pass(time.Second)
		romeo.isTold(stanza.RemoteServerTimeout, "m1")
	}, plaintext, oneWay)
}
