package server_test

import (
	"testing"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// The bytes of draft-miller-xmpp-core-02, section 5.2.1, with names of hosts put in.
const (
	seedHeader = "<stream:stream\n  xmlns:stream='http://etherx.jabber.org/streams'\n  xmlns='jabber:server'\n" +
		"  xmlns:db='jabber:server:dialback'>\n"
	seedAnswer = "<stream:stream\n  xmlns:stream='http://etherx.jabber.org/streams'\n  xmlns='jabber:server'\n" +
		"  xmlns:db='jabber:server:dialback'\n  id='%s'>\n"
	seedResult = "<db:result\n    to='montague.example'\n    from='capulet.example'>\n    " +
		"98AF014EDC0...\n</db:result>\n"
	seedVerify = "<db:verify\n    from='capulet.example'\n    to='montague.example'\n    id='%s'>\n    " +
		"%s\n</db:verify>\n"
	seedStep9  = "<db:result\n    from='capulet.example'\n    to='montague.example'\n    type='%s'\n    id='%s'/>\n"
	seedStep10 = "<db:result\n   from='capulet.example'\n   to='montague.example'\n   type='%s'/>\n"
)

// oldAnswer is the header that our server gives to one without to, from and version.
func (f *far) oldAnswer() string { return f.header(" from='" + here + "' id='{id}'") }

// The receiving server of the exchange is ours, the originating and the authoritative
// one are of the time before RFC 3920.
func TestSeedReceiving(t *testing.T) {
	receive := func(t *testing.T, name string, step9, typ string, test func(s *scene, f *far, romeo *account)) {
		play(t, name, func(t *testing.T, s *scene) {
			romeo, f := s.romeo(), s.connect() // step 1
			id := f.openOld()
			f.send(seedResult)
			f.hears("")
			a := s.isCalled(here, there)
			a.hears(a.greeting())
			a.sendf(seedAnswer, "1251A342B...")
			a.hears(verify(here, id, there, "98AF014EDC0..."))
			a.sendf(step9, typ, id)
			test(s, f, romeo)
		}, bare)
	}
	step9AsVerify := "<db:verify\n    from='capulet.example'\n    to='montague.example'\n    type='%s'\n    id='%s'/>\n"
	for name, step9 := range map[string]string{"": seedStep9, ", db:verify in step 9": step9AsVerify} {
		receive(t, "CORE-5.2-1 CORE-5.2.1-1 CORE-5.2.1-2 CORE-5.2.1-3 CORE-5.2.1-4 CORE-5.2.1-5 CORE-5.2.1-6 "+
			"CORE-5.2.1-7 "+
			"CORE-5.2.1-8 CORE-5.2.1-9 CORE-5.2.1-10 CORE-5.2.1-11 valid"+name, step9, "valid",
			func(s *scene, f *far, romeo *account) {
				f.hears(resultIs(here, there, "valid"))
				f.send(message("juliet@"+there, "romeo@"+here, "m1"))
				romeo.hears("m1")
				f.hears("")
			})
		receive(t, "CORE-5.2.1-9 CORE-5.2.1-10 invalid"+name, step9, "invalid",
			func(s *scene, f *far, romeo *account) {
				f.hearsEnd(resultIs(here, there, "invalid") + "</stream:stream>")
			})
	}
	early := func(t *testing.T, f *far, romeo *account) {
		f.send(message("juliet@"+there, "romeo@"+here, "too early"))
		romeo.hearsNothing()
		f.hearsEnd(fails(stream.NotAuthorized))
	}
	play(t, "CORE-5.2.1-11 a stanza before anything was asked", func(t *testing.T, s *scene) {
		romeo, f := s.romeo(), s.connect()
		f.openOld()
		f.send(message("juliet@"+there, "romeo@"+here, "too early"))
		romeo.hearsNothing()
		f.hears("<stream:error>{any}<not-authorized " +
			"xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
		s.isNotCalled()
	}, bare)
	play(t, "CORE-5.2.1-11 a stanza before the answer", func(t *testing.T, s *scene) {
		romeo, f := s.romeo(), s.connect()
		id := f.open(there, here, byKey, limits)
		f.send(seedResult)
		a := s.isCalled(here, there)
		a.answer("x", byKey)
		a.hears(verify(here, id, there, "98AF014EDC0..."))
		early(t, f, romeo)
		a.sendf(seedStep9, "valid", id) // too late
		f.hears("")
		romeo.hearsNothing()
	}, bare)
}

// The originating server is ours, of which the other one asks first whether the key is
// right: then ours is the authoritative one, on another stream.
func TestSeedOriginating(t *testing.T) {
	const id = "457F9224A0..."
	key := dialback.Key("d14lb4ck43v3r", there, here, id)
	for _, typ := range []string{"valid", "invalid"} {
		play(t, "CORE-5.2-3 CORE-5.2-4 CORE-5.2.1-1 CORE-5.2.1-2 CORE-5.2.1-3 CORE-5.2.1-4 CORE-5.2.1-8 "+
			"CORE-5.2.1-9 CORE-5.2.1-10 "+typ, func(t *testing.T, s *scene) {
			romeo := s.romeo()
			romeo.write("juliet@"+there, "m1")
			r := s.isCalled(here, there)
			r.hears(r.greeting())
			r.sendf(seedAnswer, id)
			r.hears(result(here, there, key))
			a := s.connect()
			a.send(seedHeader)
			a.hears(a.oldAnswer())
			a.sendf(seedVerify, id, key)
			a.hears(verifyIs(here, id, there, "valid"))
			r.sendf(seedStep10, typ)
			if typ == "valid" {
				r.hears(relayed("romeo@"+here, "juliet@"+there, "m1"))
				return
			}
			r.hearsEnd("</stream:stream>")
			romeo.isTold(stanza.InternalServerError, "m1")
		}, bare)
	}
	play(t, "CORE-5.2.1-11 nothing is sent before the answer, nor without", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		romeo.write("juliet@"+there, "m1")
		r := s.isCalled(here, there)
		r.hears(r.greeting())
		r.sendf(seedAnswer, id)
		r.hears(result(here, there, key))
		romeo.write("juliet@"+there, "m2")
		r.hears("")
		romeo.isTold(stanza.RemoteServerTimeout, "m1", "m2")
	}, bare)
}

// The authoritative server is ours: "Based on this information and shared secret
// information [...] the key is verified".
func TestSeedAuthoritative(t *testing.T) {
	const id = "457F9224A0..."
	key := dialback.Key("d14lb4ck43v3r", there, here, id)
	tests := []struct{ name, id, key, typ string }{
		{"CORE-5.2.1-8 CORE-5.2.1-9 right key", id, key, "valid"},
		{"CORE-5.2-3 key of another stream", "457F9224A1...", key, "invalid"},
		{"CORE-5.2-3 key for another host", id, dialback.Key("d14lb4ck43v3r", mallory, here, id), "invalid"},
		{"CORE-5.2-3 key of another host", id, dialback.Key("d14lb4ck43v3r", there, hereChat, id), "invalid"},
		{"CORE-5.2-3 key of another secret", id, dialback.Key("s3cr3tf0rd14lb4ck", there, here, id), "invalid"},
		{"CORE-5.2-3 no key of ours", id, "98AF014EDC0...", "invalid"},
	}
	for _, tt := range tests {
		play(t, tt.name, func(t *testing.T, s *scene) {
			f := s.connect()
			f.openOld()
			f.sendf(seedVerify, tt.id, tt.key)
			f.hears(verifyIs(here, tt.id, there, tt.typ))
			f.sendf(seedVerify, id, key)
			f.hears(verifyIs(here, id, there, "valid")) // one after the other
			s.isNotCalled()
		}, bare)
	}
}
