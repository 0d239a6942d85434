package server_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

const (
	enable  = "<enable xmlns='urn:xmpp:sm:3'/>"
	enabled = "<enabled xmlns='urn:xmpp:sm:3'/>"
	askAck  = "<r xmlns='urn:xmpp:sm:3'/>"
	noSuch  = "<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"

	// As our server asks for it.
	enableHere = "<enable xmlns='urn:xmpp:sm:3' max='300' resume='true'/>"
)

func ack(h int) string { return fmt.Sprintf("<a xmlns='urn:xmpp:sm:3' h='%d'/>", h) }

// XEP-0198 on streams that another server has opened.
func TestAcksAccepted(t *testing.T) {
	play(t, "XEP-0198 all at once after EXTERNAL, without waiting for anything", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, _ := s.secured(there, here, client(s.ca.issue(t, there)), bidi, external, limits)
		f.sendf(authSelf, "=")
		f.hears(success)
		f.send(hello(there, here) + enable + message("juliet@"+there, "romeo@"+here, "m1") + askAck)
		f.hears(f.answered(here, there) + offering(sm, limits) + enabled + ack(1))
		romeo.hears("m1")
	})
	play(t, "XEP-0198 what is counted", func(t *testing.T, s *scene) {
		romeo, f := s.romeo(), s.certified(there, here)
		f.send(message("juliet@"+there, "romeo@"+here, "m1")) // before: does not count
		romeo.hears("m1")
		f.send(enable)
		f.hears(enabled)
		f.send(askAck)
		f.hears(ack(0))
		f.send(message("juliet@"+there, "romeo@"+here, "m2") + askAck)
		f.hears(ack(1))
		romeo.hears("m2")
		f.send("<presence from='juliet@capulet.example' to='romeo@montague.example'/>" +
			"<iq type='result' id='1' from='juliet@capulet.example' to='montague.example'/>" +
			"<message from='juliet@capulet.example' to='@' type='error'/>" + // handled by throwing it away
			" " + askAck)
		f.hears(ack(4))
	})
	play(t, "XEP-0198 enabled twice", func(t *testing.T, s *scene) {
		f := s.certified(there, here)
		f.send(enable)
		f.hears(enabled)
		f.send(enable)
		f.hearsEnd("<failed xmlns='urn:xmpp:sm:3'><unexpected-request " +
			"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>" +
			fails(stream.PolicyViolation))
	})
	play(t, "XEP-0198 no resumption", func(t *testing.T, s *scene) {
		f := s.certified(there, here)
		f.send("<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>")
		f.hears("<failed xmlns='urn:xmpp:sm:3'><feature-not-implemented " +
			"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
		f.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
		f.hears(enabled)
	}, func(c *server.Config) { c.Federation.ResumeTimeout = -1 })
	play(t, "XEP-0198 nothing to resume", func(t *testing.T, s *scene) {
		f := s.certified(there, here)
		f.send("<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>")
		f.hears(noSuch)
		f.send(enable)
		f.hears(enabled)
	})
	// "<sm/> ... only after authentication": nothing is managed for somebody unknown.
	refused := func(t *testing.T, f *far) {
		t.Helper()
		f.send(enable + askAck)
		got, _ := f.take()
		if _, ok := match("{any}"+enabled+"{any}", got); ok || got == "" {
			t.Errorf("heard %q", got)
		}
	}
	play(t, "XEP-0198 before authentication", func(t *testing.T, s *scene) {
		f, _ := s.secured(there, here, client(s.ca.issue(t, there)), bidi, external, limits)
		refused(t, f)
	})
	play(t, "XEP-0198 before TLS", func(t *testing.T, s *scene) {
		f, _ := s.open(startTLS, limits)
		refused(t, f)
	})
	play(t, "XEP-0198 before dialback", func(t *testing.T, s *scene) {
		f, _ := s.open(bidi, byKey, limits)
		refused(t, f)
	}, plaintext)
	play(t, "XEP-0198 while a key is being verified", func(t *testing.T, s *scene) {
		f, _ := s.open(bidi, byKey, limits)
		f.send(result(there, here, "k"))
		s.isCalled(here, there)
		refused(t, f)
	}, plaintext)
	play(t, "XEP-0198 by who asks only whether keys are right", func(t *testing.T, s *scene) {
		f, _ := s.open(bidi, byKey, limits)
		f.send(verify(there, "x", here, "k"))
		f.hears(verifyIs(here, "x", there, "invalid"))
		refused(t, f)
	}, plaintext)
	play(t, "XEP-0198 after dialback", func(t *testing.T, s *scene) {
		romeo, f := s.romeo(), s.connect()
		id := f.open(there, here, bidi, byKey, limits)
		s.letIn(f, id, there, here)
		f.send(enable + message("juliet@"+there, "romeo@"+here, "m1") + askAck)
		f.hears(enabled + ack(1))
		romeo.hears("m1")
	}, plaintext)
	play(t, "XEP-0198 turned off", func(t *testing.T, s *scene) {
		f, _ := s.secured(there, here, client(s.ca.issue(t, there)), bidi, external, limits)
		f.sendf(authSelf, "=")
		f.hears(success)
		f.open(there, here, limits)
		f.send(enable)
		f.hearsEnd(fails(stream.UnsupportedStanzaType))
	}, withoutAcks)
	play(t, "XEP-0198 acknowledged is more than was sent", func(t *testing.T, s *scene) {
		f := s.certified(there, here)
		f.send(enable)
		f.hears(enabled)
		f.send(ack(7))
		f.hearsEnd("<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>{any}" +
			"<handled-count-too-high {any}/></stream:error></stream:stream>")
	})
	play(t, "XEP-0198 both ways: what was not acknowledged is answered with an error", func(t *testing.T, s *scene) {
		romeo, f := s.romeo(), s.certified(there, here)
		f.send(enable)
		f.hears(enabled)
		for _, id := range []string{"m1", "m2", "m3"} {
			romeo.write("juliet@"+there, id)
		}
		pass(time.Second)
		f.hears(relayed("romeo@"+here, "juliet@"+there, "m1") + "{any}")
		f.send(ack(1))
		f.take()
		f.hangUp()
		romeo.isTold(stanza.RemoteServerTimeout, "m2", "m3")
		romeo.hearsNothing()
		s.isNotCalled()
	})
}

// And on streams that ours opens.
func TestAcksOpened(t *testing.T) {
	begin := func(s *scene, romeo *account, answer string) *far {
		f := s.called(romeo)
		f.upgrade(s.ca.issue(s.t, there))
		f.answer("y", external)
		f.hears("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>{any}</auth>")
		f.send(success)
		f.answer("z", "<sm xmlns='urn:xmpp:sm:3'><optional/></sm>")
		f.hears(enableHere)
		f.send(answer)
		return f
	}
	m := func(id string) string { return relayed("romeo@"+here, "juliet@"+there, id) }
	play(t, "XEP-0198 all is acknowledged", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := begin(s, romeo, enabled)
		f.hears(m("m1"))
		pass(time.Second)
		f.hears(askAck)
		f.send(ack(1))
		f.hangUp()
		romeo.hearsNothing()
	})
	play(t, "XEP-0198 what was not acknowledged when the connection is lost is answered with an error",
		func(t *testing.T, s *scene) {
			romeo := s.romeo()
			f := begin(s, romeo, enabled)
			f.hears(m("m1"))
			romeo.write("juliet@"+there, "m2")
			romeo.write("juliet@"+there, "m3")
			pass(time.Second)
			f.hears(m("m2") + m("m3") + askAck)
			f.send(ack(2))
			pass(time.Second)
			f.hears(askAck)
			f.hangUp()
			romeo.isTold(stanza.RemoteServerTimeout, "m3")
			romeo.hearsNothing()
			s.isNotCalled()
			// What comes later takes another stream.
			romeo.write("juliet@"+there, "m4")
			s.isCalled(here, there)
		})
	play(t, "XEP-0198 nobody answers the request", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := begin(s, romeo, enabled)
		pass(time.Second)
		f.hears(m("m1") + askAck)
		pass(3 * server.DefaultCheckInterval)
		if _, err := f.take(); err == nil {
			t.Error("the connection is still there")
		}
		romeo.isTold(stanza.RemoteServerTimeout, "m1")
	})
	play(t, "XEP-0198 the other server does not want to", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := begin(s, romeo, "<failed xmlns='urn:xmpp:sm:3'><internal-server-error "+
			"xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
		f.hears(m("m1"))
		romeo.write("juliet@"+there, "m2")
		pass(time.Second)
		f.hears(m("m2"))
		f.hangUp()
		romeo.hearsNothing()
	})
	play(t, "XEP-0198 it asks, and counts from zero", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f := begin(s, romeo, enabled+askAck)
		f.hears(m("m1") + ack(0))
		f.send(askAck)
		f.hears(ack(0))
	})
}
