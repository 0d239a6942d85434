package server_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/dialback"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stream"
)

// XEP-0220, section 2.6: several pairs of domains on one stream.
func TestMultiplexing(t *testing.T) {
	const rooms = "conference.capulet.example"
	play(t, "R3920-8.3-3 CORE-6.2.2-5 a second domain of the sender", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, id := s.authorized()
		f.send(result(rooms, here, "r00m"))
		a := s.isCalled(here, rooms)
		f.send(message("juliet@"+there, "romeo@"+here, "m1")) // the first goes on
		romeo.hears("m1")
		a.answer("y", byKey)
		a.hears(verify(here, id, rooms, "r00m"))
		a.send(verifyIs(rooms, id, here, "valid"))
		f.hears(resultIs(here, rooms, "valid"))
		f.send(message("room@"+rooms, "romeo@"+here, "m2"))
		romeo.hears("m2")
		f.send(message("juliet@"+there, "romeo@"+here, "m3"))
		romeo.hears("m3")
	}, bare)
	play(t, "CORE-5.2.1-11 CORE-6.2.2-5 the second domain before it is authorized", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, _ := s.authorized()
		f.send(result(rooms, here, "r00m"))
		s.isCalled(here, rooms)
		f.send(message("room@"+rooms, "romeo@"+here, "early"))
		f.hearsEnd(fails(stream.InvalidFrom))
		romeo.hearsNothing()
	}, bare)
	play(t, "R3920-8.3-3 a second domain that is called, and not the two that were not", func(t *testing.T, s *scene) {
		romeo, room := s.romeo(), s.network.account(s.srv, "room@"+hereChat)
		f, id := s.authorized()
		a := s.letIn(f, id, there, hereChat)
		f.send(message("juliet@"+there, "room@"+hereChat, "m1") + message("juliet@"+there, "romeo@"+here, "m2"))
		room.hears("m1")
		romeo.hears("m2")
		a.hears("")
		s.letIn(f, id, rooms, here)
		f.send(message("x@"+rooms, "romeo@"+here, "m3"))
		romeo.hears("m3")
		f.send(message("x@"+rooms, "room@"+hereChat, "m4"))
		f.hearsEnd(fails(stream.InvalidFrom))
		room.hearsNothing()
	}, bare)
	play(t, "R3920-8.3-3 what is authorized already", func(t *testing.T, s *scene) {
		f, _ := s.authorized()
		f.send(result(there, here, "0ther"))
		f.hears(resultIs(here, there, "valid"))
		s.isNotCalled()
	}, bare)
	play(t, "R3920-8.3-3 what is being verified already", func(t *testing.T, s *scene) {
		f, id := s.open(byKey, limits)
		f.send(result(there, here, "k3y"))
		a := s.isCalled(here, there)
		f.send(result(there, here, "k3y") + result(there, here, "0ther"))
		a.answer("y", byKey)
		a.hears(verify(here, id, there, "k3y"))
		a.send(verifyIs(there, id, here, "valid"))
		f.hears(resultIs(here, there, "valid"))
		s.isNotCalled()
	}, bare)
	play(t, "R3920-8.3-3 CORE-5.2.1-10 one that is refused does not end the others", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, id := s.authorized()
		a := s.asked(f, id, mallory, here, "k")
		a.send(verifyIs(mallory, id, here, "invalid"))
		f.hears(resultError(here, mallory, "auth", "forbidden"))
		f.send(result(mallory, here, "an0ther"))
		f.hears(resultError(here, mallory, "auth", "forbidden"))
		f.send(message("juliet@"+there, "romeo@"+here, "m1"))
		romeo.hears("m1")
		f.send(message("eve@"+mallory, "romeo@"+here, "m2"))
		f.hearsEnd(fails(stream.InvalidFrom))
		romeo.hearsNothing()
	}, bare)
	play(t, "R3920-8.3-3 no more than 32 at a time", func(t *testing.T, s *scene) {
		f, id := s.open(byKey, limits)
		calls := make(map[string]*far)
		for i := range 32 {
			domain := fmt.Sprintf("d%d.capulet.example", i)
			f.send(result(domain, here, "k"))
			calls[domain] = s.isCalled(here, domain)
		}
		f.hears("")
		f.send(result("one.more.example", here, "k"))
		f.hears(resultError(here, "one.more.example", "wait", "resource-constraint"))
		s.isNotCalled()
		a := calls["d7.capulet.example"]
		a.answer("y", byKey)
		a.hears(verify(here, id, "d7.capulet.example", "k"))
		a.send(verifyIs("d7.capulet.example", id, here, "valid"))
		f.hears(resultIs(here, "d7.capulet.example", "valid"))
		f.send(result("one.more.example", here, "k")) // there is room again
		s.isCalled(here, "one.more.example")
		f.hangUp()
	}, bare)
	play(t, "R3920-8.3-3 no more than 1024 in all", func(t *testing.T, s *scene) {
		f, _ := s.secured(there, here, client(s.ca.issue(t, there, "*.capulet.example")), external, byKey, limits)
		for i := range 1024 {
			domain := fmt.Sprintf("d%d.capulet.example", i)
			f.send(result(domain, here, "k"))
			f.hears(resultIs(here, domain, "valid"))
		}
		f.send(result("one-more.capulet.example", here, "k"))
		f.hears(resultError(here, "one-more.capulet.example", "wait", "resource-constraint"))
		s.isNotCalled()
	}, withDialback, oneWay)
	play(t, "CORE-5-1 R3920-8.3-3 a certificate is enough: nobody is called", func(t *testing.T, s *scene) {
		romeo, room := s.romeo(), s.network.account(s.srv, "room@"+hereChat)
		f, _ := s.secured(there, here, client(s.ca.issue(t, there, rooms)), external, byKey, limits)
		f.send(result(there, here, "k"))
		f.hears(resultIs(here, there, "valid"))
		f.send(result(rooms, here, "k") + result(rooms, hereChat, "k"))
		f.hears(resultIs(here, rooms, "valid") + resultIs(hereChat, rooms, "valid"))
		f.send(message("juliet@"+there, "romeo@"+here, "m1"))
		romeo.hears("m1")
		f.send(message("x@"+rooms, "romeo@"+here, "m2") + message("x@"+rooms, "room@"+hereChat, "m3"))
		romeo.hears("m2")
		room.hears("m3")
		s.isNotCalled()
		f.send(result(mallory, here, "k")) // which is not in it
		s.isCalled(here, mallory)
	}, withDialback, oneWay)
	play(t, "CORE-5-1 R3920-8.3-3 a key after EXTERNAL", func(t *testing.T, s *scene) {
		romeo := s.romeo()
		f, _ := s.secured(there, here, client(s.ca.issue(t, there, rooms)), external, byKey, limits)
		f.sendf(authSelf, "=")
		f.hears(success)
		f.open(there, here, sm, limits)
		f.send(result(rooms, here, "k"))
		f.hears(resultIs(here, rooms, "valid"))
		f.send(message("x@"+rooms, "romeo@"+here, "m1"))
		romeo.hears("m1")
		s.isNotCalled()
	}, withDialback, oneWay)
	t.Run("R3920-8.1-1 R3920-8.3-3 the inverse of a second pair, both ways", func(t *testing.T) {
		onStage(t, func(t *testing.T, s *scene) {
			room, f := s.network.account(s.srv, "room@"+hereChat), s.connect()
			id := f.open(there, here, bidi, byKey, limits)
			f.send("<bidi xmlns='urn:xmpp:bidi'/>")
			s.letIn(f, id, there, here)
			room.write("juliet@"+there, "m1")
			s.isCalled(hereChat, there).name = "a stream of its own"
			f.hears("")
		}, plaintext)
		onStage(t, func(t *testing.T, s *scene) {
			room, f := s.network.account(s.srv, "room@"+hereChat), s.connect()
			id := f.open(there, here, bidi, byKey, limits)
			f.send("<bidi xmlns='urn:xmpp:bidi'/>")
			s.letIn(f, id, there, here)
			s.letIn(f, id, there, hereChat)
			f.send(enable)
			f.hears(enabled)
			room.write("juliet@"+there, "m1")
			f.hears(relayed("room@"+hereChat, "juliet@"+there, "m1") + askAck)
			s.isNotCalled()
		}, plaintext)
	})
	t.Run("CORE-5.2.1-9 whether keys of ours are right can be asked at any time", func(t *testing.T) {
		key := dialback.Key("d14lb4ck43v3r", there, here, "x")
		asks := func(f *far) {
			t.Helper()
			f.send(verify(there, "x", here, key) + verify(there, "y", here, key))
			f.hears(verifyIs(here, "x", there, "valid") + verifyIs(here, "y", there, "invalid"))
		}
		onStage(t, func(t *testing.T, s *scene) {
			f := s.connect() // before anything
			id := f.open(there, here, byKey, limits)
			asks(f)
			f.send(result(there, here, "k3y")) // while something is verified
			a := s.isCalled(here, there)
			asks(f)
			a.answer("z", byKey)
			a.hears(verify(here, id, there, "k3y"))
			a.send(verifyIs(there, id, here, "valid"))
			f.hears(resultIs(here, there, "valid"))
			asks(f) // and afterwards
			// Not where stanzas go the other way.
			a.send(verify(there, "x", here, key))
			a.hears("")
		}, bare)
		onStage(t, func(t *testing.T, s *scene) {
			romeo := s.romeo()
			asks(s.opened(romeo, bidi, byKey)) // also on one that ours has opened for both ways
		}, plaintext)
	})
}

// Several machines of one domain.
func TestSharedSecret(t *testing.T) {
	play(t, "CORE-5.2-4 CORE-5.2-3 the authoritative server is another machine than the originating one",
		func(t *testing.T, s *scene) {
			machine := func(secret string) *far {
				srv := s.add(here, func(c *server.Config) {
					bare(c)
					c.Federation.Secret = dialback.SecretOf(secret)
				})
				near, nc := net.Pipe()
				go srv.ServeS2SConn(context.Background(), near)
				f := newFar(t, nc, "calling another machine")
				f.db = true
				f.open(there, here, byKey, limits)
				return f
			}
			romeo := s.romeo()
			f := s.called(romeo)
			f.answer("D60000229F", byKey)
			key := f.hearsOne(result(here, there, "{key}"))
			same, other := machine("d14lb4ck43v3r"), machine("s3cr3tf0rd14lb4ck")
			same.send(verify(there, "D60000229F", here, key))
			same.hears(verifyIs(here, "D60000229F", there, "valid"))
			other.send(verify(there, "D60000229F", here, key))
			other.hears(verifyIs(here, "D60000229F", there, "invalid"))
		}, bare)
}

// Two streams for one pair.
func TestSecondStream(t *testing.T) {
	play(t, "R3920-8.3-1 the old one stays until the new one is validated, and after it", func(t *testing.T, s *scene) {
		romeo, f := s.romeo(), s.connect()
		id := f.open(there, here, byKey, limits)
		a := s.letIn(f, id, there, here)
		g := s.connect()
		id2 := g.open(there, here, byKey, limits)
		if id == id2 {
			t.Fatal("the same id")
		}
		g.send(result(there, here, "0ther"))
		a.hears(verify(here, id2, there, "0ther"))
		f.send(message("juliet@"+there, "romeo@"+here, "m1"))
		romeo.hears("m1")
		a.send(verifyIs(there, id2, here, "valid"))
		g.hears(resultIs(here, there, "valid"))
		f.send(message("juliet@"+there, "romeo@"+here, "m2"))
		romeo.hears("m2")
		g.send(message("juliet@"+there, "romeo@"+here, "m3"))
		romeo.hears("m3")
		f.hears("")
	}, bare)
	play(t, "R3920-8.3-1 one that is refused does not harm the old one", func(t *testing.T, s *scene) {
		romeo, f := s.romeo(), s.connect()
		id := f.open(there, here, byKey, limits)
		a := s.letIn(f, id, there, here)
		g := s.connect()
		id2 := g.open(there, here, byKey, limits)
		g.send(result(there, here, "0ther"))
		a.hears(verify(here, id2, there, "0ther")) // the stream that is there is used again
		s.isNotCalled()
		a.send(verifyIs(there, id2, here, "invalid"))
		g.hearsEnd(resultIs(here, there, "invalid") + "</stream:stream>")
		f.send(message("juliet@"+there, "romeo@"+here, "m1"))
		romeo.hears("m1")
	}, bare)
}

// The authoritative server cannot be reached.
func TestNoAuthoritative(t *testing.T) {
	refusedErr := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	tests := []struct {
		name        string
		err         error
		typ, cond   string
		versionless string
	}{
		{"no such domain", &net.DNSError{Err: "no such host", Name: there, IsNotFound: true}, "cancel",
			"remote-server-not-found",
			oldFails("remote-connection-failed", stream.RemoteConnectionFailed)},
		{"nobody there", refusedErr, "wait", "remote-connection-failed", oldFails("remote-connection-failed",
			stream.RemoteConnectionFailed)},
		{"it takes too long", context.DeadlineExceeded, "wait", "remote-server-timeout",
			oldFails("remote-connection-failed", stream.RemoteConnectionFailed)},
	}
	for _, tt := range tests {
		t.Run("R3920-8.3-2 CORE-5.2.1-5 CORE-5.2.1-10 "+tt.name, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *scene) {
				s.refused[there] = tt.err
				f, _ := s.open(byKey, limits)
				f.send(result(there, here, "k"))
				f.hears(resultError(here, there, tt.typ, tt.cond))
				f.send(result(there, here, "k")) // it may ask again
				f.hears(resultError(here, there, tt.typ, tt.cond))
				f.send(message("juliet@"+there, "romeo@"+here, "m"))
				f.hearsEnd(fails(stream.NotAuthorized))
			}, bare)
			onStage(t, func(t *testing.T, s *scene) {
				s.refused[there] = tt.err
				f := s.connect()
				f.openOld()
				f.send(result(there, here, "k"))
				f.hearsEnd(tt.versionless)
			}, bare)
		})
	}
	play(t, "R3920-8.3-2 it does not know the domain", func(t *testing.T, s *scene) {
		f, _ := s.open(byKey, limits)
		f.send(result(there, here, "k"))
		a := s.isCalled(here, there)
		a.hears(a.greeting())
		a.send(welcome(there, here, "x") + strings.Replace(fails(stream.HostUnknown), "{text}", "", 1))
		f.hears(resultError(here, there, "cancel", "remote-server-not-found"))
	}, bare)
	play(t, "R3920-8.3-2 it speaks no dialback", func(t *testing.T, s *scene) {
		f, _ := s.open(byKey, limits)
		f.send(result(there, here, "k"))
		a := s.isCalled(here, there)
		a.hears(a.greeting())
		a.send(strings.Replace(welcome(there, here, "x"), " "+dbDecl, "", 1) + "<stream:features/>")
		f.hears("<db:result {any} type='error'>{any}</db:result>")
	}, bare)
}
