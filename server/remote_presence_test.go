package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/roster"
)

// TestRemoteInitialPresence: what goes to a contact elsewhere when a user becomes
// available, in each state, and what comes back.
func TestRemoteInitialPresence(t *testing.T) {
	for s := range presence.State(stCount) {
		inWorld(t, "IM-5.1-1 IM-5.1-2 IM-5.1-3 R3921-5.1.1-2 R3921-5.1.3-4 in "+s.String(), func(w *world) {
			w.setStates(romeoA, julietB, s)
			juliet := w.login(julietB + "/balcony")
			juliet.send("<presence id='p1'><show>away</show><status>at her window</status><x xmlns='urn:x'/></presence>")
			chamber := w.available(julietB+"/chamber", -3)
			w.settle(juliet, chamber)

			romeo := w.connect(romeoA + "/orchard")
			romeo.send("<presence id='i'><priority>3</priority></presence>")
			var goes, answers []string
			if s.Subscription()&roster.From != 0 {
				goes = append(goes, "<presence id='i' to='juliet@b.example' from='romeo@a.example/orchard'>"+
					"<priority>3</priority></presence>")
			}
			if s.Subscription()&roster.To != 0 {
				goes = append(goes, "<presence type='probe' …to='juliet@b.example' from='romeo@a.example'/>")
				answers = append(answers,
					"<presence id='p1' to='romeo@a.example' from='juliet@b.example/balcony'><show>away</show>"+
						"<status>at her window</status><x xmlns='urn:x'/></presence>",
					"<presence to='romeo@a.example' from='juliet@b.example/chamber'><priority>-3</priority></presence>")
			}
			if s.PendingOut() {
				goes = append(goes, "<presence type='subscribe' …to='juliet@b.example' from='romeo@a.example'/>")
			}
			wantAll(w.t, "a.example says", w.crossed("a.example", "b.example"), goes...)
			wantAll(w.t, "b.example says", w.crossed("b.example", "a.example"), answers...)
			hears := append(answers, "<presence id='i' to='romeo@a.example/orchard' from='romeo@a.example/orchard'>…")
			if s.PendingIn() {
				hears = append(hears, "<presence type='subscribe' to='romeo@a.example' from='juliet@b.example'/>")
			}
			romeo.hearsAll(hears...)
			for _, c := range []*raw{juliet, chamber} { // "to all of the contact's available resources"
				if s.Subscription()&roster.From != 0 {
					c.hears("<presence id='i' to='juliet@b.example' from='romeo@a.example/orchard'><priority>3</priority></presence>")
				} else {
					c.hearsNothing()
				}
			}
		})
	}
	inWorld(t, "R3921-5.1.1-3 GUIDE-11-presence-7 who is only connected gets none", func(w *world) {
		w.setStates(romeoA, julietB, stBoth)
		juliet := w.connect(julietB + "/balcony")
		w.login(romeoA + "/orchard")
		juliet.hearsNothing()
	})
	inWorld(t, "R3921-11.1-9 IM-5.1-3 nobody there: it is ignored, the probe is not", func(w *world) {
		w.setStates(romeoA, julietB, stBoth)
		w.login(romeoA + "/orchard")
		w.wantCrossed("b.example", "a.example",
			"<presence type='unavailable' …to='romeo@a.example' from='juliet@b.example'/>")
	})
}

// TestRemoteProbe: what probes of another server find.
func TestRemoteProbe(t *testing.T) {
	inWorld(t, "R3921-5.1.3-3 of who is away: the last presence, and when", func(w *world) {
		w.setStates(romeoA, julietB, stTo)
		juliet := w.login(julietB + "/balcony")
		juliet.send("<presence type='unavailable'><status>supper</status></presence>")
		at := time.Now()
		juliet.logout()
		time.Sleep(time.Hour)
		romeo := w.connect(romeoA + "/orchard")
		romeo.send("<presence/>")
		romeo.hears("<presence to='romeo@a.example/orchard' …",
			"<presence type='unavailable' …to='romeo@a.example' from='juliet@b.example'>"+
				"<status>supper</status>"+
				"<delay xmlns='urn:xmpp:delay' …stamp='"+at.UTC().Format("2006-01-02T15:04:05")+"…</presence>")
	})
	inWorld(t, "R3921-5.1.3-1 R6121-8.5.1-1 of strangers, and of who does not exist", func(w *world) {
		for _, s := range []presence.State{stNone, stNoneOut, stNoneIn, stNoneBoth, stTo, stToIn} {
			w.setState(julietB, romeoA, s)
			for _, there := range []bool{false, true} {
				var juliet *raw
				if there {
					juliet = w.login(julietB + "/balcony")
				}
				w.route("<presence type='probe' to='romeo@b.example' from='juliet@a.example'/>") // the link, and nothing else
				w.forget()
				for _, to := range []string{"juliet@b.example", "juliet@b.example/balcony"} {
					w.route("<presence type='probe' to='" + to + "' from='romeo@a.example/orchard'/>")
					w.wantCrossed("b.example", "a.example",
						"<presence type='unsubscribed' …to='romeo@a.example' from='juliet@b.example'/>")
				}
				if there {
					juliet.hears()
					juliet.logout()
					w.forget()
				}
			}
		}
		w.route("<presence type='probe' to='nobody@b.example' from='romeo@a.example'/>")
		w.wantCrossed("b.example", "a.example",
			"<presence type='unsubscribed' …to='romeo@a.example' from='nobody@b.example'/>")
	})
	inWorld(t, "R3921-5.1.3-1 IM-5.1-3 who believes to have a subscription is put right", func(w *world) {
		w.setState(romeoA, julietB, stTo)
		romeo := w.connect(romeoA + "/orchard")
		romeo.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq><presence/>")
		romeo.hears("<iq type='result' …subscription='to'…", "<presence to='romeo@a.example/orchard' …",
			"<presence type='unsubscribed' …to='romeo@a.example' from='juliet@b.example'/>",
			pushOf("jid='juliet@b.example' subscription='none'"))
		w.wantStates(romeoA, julietB, stNone, stNone)
	})
	inWorld(t, "R6121-4.3.2-3 of one resource: that it is there, and no more", func(w *world) {
		_, juliet := w.couple(stTo)
		juliet.send("<presence><show>dnd</show><status>no</status></presence>")
		w.settle(juliet)
		w.route("<presence type='probe' to='juliet@b.example/balcony' from='romeo@a.example'/>")
		w.wantCrossed("b.example", "a.example", "<presence to='romeo@a.example' from='juliet@b.example/balcony'/>")
		w.route("<presence type='probe' to='juliet@b.example/gone' from='romeo@a.example'/>")
		w.wantCrossed("b.example", "a.example") // "MUST NOT return presence information about any resource except" that
	})
	inWorld(t, "IM-5.1-2 of a full address, as RFC 3921 had it", func(w *world) {
		romeo, juliet := w.couple(stTo)
		juliet.hears()
		w.route("<presence type='probe' to='juliet@b.example' from='romeo@a.example/orchard'/>")
		w.wantCrossed("b.example", "a.example", "<presence to='romeo@a.example/orchard' from='juliet@b.example/balcony'/>")
		romeo.hears("<presence to='romeo@a.example/orchard' from='juliet@b.example/balcony'/>")
	})
	inWorld(t, "IM-5.5-1 by a client: it is routed, and no error comes of it", func(w *world) {
		romeo, _ := w.couple(stTo)
		romeo.send("<presence type='probe' to='juliet@b.example' id='p'/>")
		w.wantCrossed("a.example", "b.example",
			"<presence type='probe' id='p' to='juliet@b.example' from='romeo@a.example/orchard'/>")
		romeo.hears("<presence to='romeo@a.example/orchard' from='juliet@b.example/balcony'/>")
	})
	inWorld(t, "R6121-4.3.2-2 of who has moved", func(w *world) {
		w.server("b.example").Close()
		w.add("b.example", withMovers)
		w.route("<presence type='probe' to='mercutio@b.example' from='romeo@a.example' id='p'/>")
		w.wantCrossed("b.example", "a.example",
			"<presence type='error' id='p' to='romeo@a.example' from='mercutio@b.example'>…<gone …mercutio@example.org…</presence>")
	})
	// "the contact's server SHOULD mirror the 'id' of the user's presence probe"
	// (RFC 6121, section 4.3.2.1), where it does not answer with presences that a
	// client has sent.
	inWorld(t, "R3921-5.1.3-3 RFC 6121 4.3.2.1 the id of the probe comes back with unavailable", func(w *world) {
		w.setStates(romeoA, julietB, stTo)
		w.route("<presence type='probe' to='juliet@b.example' from='romeo@a.example' id='p1'/>")
		w.wantCrossed("b.example", "a.example",
			"<presence type='unavailable' id='p1' to='romeo@a.example' from='juliet@b.example'/>")
	})
	inWorld(t, "R3921-5.1.3-1 RFC 6121 4.3.2.1 the id of the probe comes back with unsubscribed", func(w *world) {
		w.route("<presence type='probe' to='juliet@b.example' from='romeo@a.example' id='p2'/>")
		w.wantCrossed("b.example", "a.example",
			"<presence type='unsubscribed' id='p2' to='romeo@a.example' from='juliet@b.example'/>")
	})
}

// TestRemoteBroadcast: changes, and the end, of a presence.
func TestRemoteBroadcast(t *testing.T) {
	for s := range presence.State(stCount) {
		inWorld(t, "IM-5.1-4 R3921-5.1.1-3 changes in "+s.String(), func(w *world) {
			romeo, juliet := w.couple(s)
			second := w.available(julietB+"/second", -1)
			w.settle(romeo, juliet, second)
			romeo.send("<presence id='u'><show>xa</show><status xml:lang='de'>weg</status><x xmlns='urn:x'/></presence>")
			var goes []string
			if s.Subscription()&roster.From != 0 {
				goes = append(goes, "<presence id='u' to='juliet@b.example' from='romeo@a.example/orchard'><show>xa</show>"+
					"<status xml:lang='de'>weg</status><x xmlns='urn:x'/></presence>")
			}
			w.wantCrossed("a.example", "b.example", goes...)
			wantStanzas(w.t, "juliet", juliet.heard(), goes...)
			wantStanzas(w.t, "her second resource", second.heard(), goes...)
		})
	}
	gone := "<presence type='unavailable' to='juliet@b.example' from='romeo@a.example/orchard'/>"
	for _, tt := range []struct {
		name string
		end  func(w *world, romeo *raw)
		want string
	}{
		{"IM-5.6-1 IM-5.1-5 with its reason", func(_ *world, r *raw) {
			r.send("<presence type='unavailable' id='bye'><status>to Mantua</status></presence>")
			r.hears()
			r.logout()
		}, "<presence type='unavailable' id='bye' to='juliet@b.example' from='romeo@a.example/orchard'>" +
			"<status>to Mantua</status></presence>"},
		{"IM-5.1-5 the stream ends", func(_ *world, r *raw) { r.logout() }, gone},
		{"IM-5.1-5 the connection is lost", func(_ *world, r *raw) { r.nc.Close() }, gone},
		{"IM-5.1-5 the client breaks the rules", func(_ *world, r *raw) { r.send("<a></b>") }, gone},
		{"IM-5.1-5 the resource is taken over", func(w *world, _ *raw) { w.connect(romeoA + "/orchard") }, gone},
	} {
		inWorld(t, tt.name, func(w *world) {
			romeo, juliet := w.couple(stBoth)
			tt.end(w, romeo)
			w.wantCrossed("a.example", "b.example", tt.want)
			juliet.hears(tt.want) // once
		})
	}
	inWorld(t, "IM-5.1-5 it comes back with initial presence", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		romeo.send("<presence type='unavailable'/><presence/>")
		w.wantCrossed("a.example", "b.example", gone, "<presence to='juliet@b.example' from='romeo@a.example/orchard'/>",
			"<presence type='probe' …to='juliet@b.example' from='romeo@a.example'/>")
		juliet.hears(gone, "<presence to='juliet@b.example' from='romeo@a.example/orchard'/>")
	})
	inWorld(t, "IM-5.1-5 one of two resources", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		second := w.login(romeoA + "/second")
		w.settle(romeo, juliet)
		second.nc.Close()
		juliet.hears("<presence type='unavailable' to='juliet@b.example' from='romeo@a.example/second'/>")
		w.route("<presence type='probe' to='romeo@a.example' from='juliet@b.example'/>")
		juliet.hears("<presence to='juliet@b.example' from='romeo@a.example/orchard'/>")
	})
	inWorld(t, "GUIDE-8-dtd-2 type available is none", func(w *world) {
		_, juliet := w.couple(stBoth)
		w.inject("a.example", "b.example", "<presence type='available' from='romeo@a.example/old' to='juliet@b.example'/>")
		juliet.hears("<presence to='juliet@b.example' from='romeo@a.example/old'/>")
	})
	inWorld(t, "R6121-4.7.1-1 a type that there is none of", func(w *world) {
		_, juliet := w.couple(stBoth)
		w.inject("a.example", "b.example",
			"<presence type='suscribe' id='x' from='romeo@a.example/orchard' to='juliet@b.example'/>")
		juliet.hearsNothing()
		w.wantCrossed("b.example", "a.example",
			"<presence type='error' id='x' to='romeo@a.example/orchard' from='juliet@b.example'>…<bad-request …</presence>")
	})
}

// TestRemoteDirectedPresence is presence for one entity at another server.
func TestRemoteDirectedPresence(t *testing.T) {
	for _, to := range []string{"juliet@b.example", "juliet@b.example/balcony"} {
		toBare := !strings.Contains(to, "/")
		inWorld(t, "IM-5-1 R3921-5.1.4-2 R3921-11.1-6 to a stranger at "+to, func(w *world) {
			romeo, juliet := w.couple(stNone)
			second := w.login(julietB + "/second")
			w.settle(romeo, juliet)
			romeo.send("<presence to='%s' id='d'><status>psst</status></presence>", to)
			said := "<presence id='d' to='" + to + "' from='romeo@a.example/orchard'><status>psst</status></presence>"
			w.wantCrossed("a.example", "b.example", said)
			juliet.hears(said)
			if toBare {
				second.hears(said)
			}
			second.hearsNothing()
			romeo.send("<presence><show>away</show></presence>")
			w.wantCrossed("a.example", "b.example") // "MUST NOT include the entity's JID in any subsequent broadcasts"
			romeo.nc.Close()
			end := "<presence type='unavailable' to='" + to + "' from='romeo@a.example/orchard'/>"
			w.wantCrossed("a.example", "b.example", end)
			juliet.hears(end)
		})
		inWorld(t, "R3921-5.1.4-3 before the initial presence to "+to, func(w *world) {
			juliet := w.login(julietB + "/balcony")
			romeo := w.connect(romeoA + "/orchard")
			romeo.send("<presence to='%s'/>", to)
			juliet.hears("<presence to='" + to + "' from='romeo@a.example/orchard'/>")
			romeo.logout()
			juliet.hears("<presence type='unavailable' to='" + to + "' from='romeo@a.example/orchard'/>")
		})
		inWorld(t, "R3921-5.1.4-2 taken back from "+to, func(w *world) {
			romeo, juliet := w.couple(stNone)
			romeo.send("<presence to='%s'/><presence to='%s' type='unavailable'/>", to, to)
			juliet.hears("<presence to='"+to+"' …", "<presence type='unavailable' to='"+to+"' …")
			romeo.nc.Close()
			juliet.hearsNothing()
		})
	}
	inWorld(t, "R3921-5.1.4-1 to a contact: broadcasts go on, and the end is told once", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		romeo.send("<presence to='juliet@b.example'><show>chat</show></presence><presence><show>dnd</show></presence>")
		juliet.hears("…<show>chat</show>…", "…<show>dnd</show>…")
		romeo.nc.Close()
		juliet.hears("<presence type='unavailable' to='juliet@b.example' from='romeo@a.example/orchard'/>")
	})
	inWorld(t, "R3921-5.1.4-1 unavailable to a contact is not the end of broadcasts", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		romeo.send("<presence to='juliet@b.example' type='unavailable'/><presence><show>dnd</show></presence>")
		juliet.hears("<presence type='unavailable' …", "…<show>dnd</show>…")
	})
	inWorld(t, "R6121-4.6.6-1 who got it may probe that resource, and no other", func(w *world) {
		romeo, juliet := w.couple(stNone)
		second := w.login(romeoA + "/second")
		romeo.send("<presence to='juliet@b.example'/>")
		w.settle(romeo, juliet, second)
		w.route("<presence type='probe' from='juliet@b.example/balcony' to='romeo@a.example/orchard'/>")
		w.wantCrossed("a.example", "b.example", "<presence to='juliet@b.example/balcony' from='romeo@a.example/orchard'/>")
		for _, to := range []string{"romeo@a.example", "romeo@a.example/second"} {
			w.route("<presence type='probe' from='juliet@b.example/balcony' to='" + to + "'/>")
			w.wantCrossed("a.example", "b.example",
				"<presence type='unsubscribed' …to='juliet@b.example' from='romeo@a.example'/>")
		}
	})
	// "SHOULD remove any entity that sends unavailable presence to the user" (RFC
	// 6121, section 4.6.1).
	inWorld(t, "R3921-5.1.4-2 RFC 6121 4.6.1 who has gone is told no more", func(w *world) {
		romeo, juliet := w.couple(stNone)
		romeo.send("<presence to='juliet@b.example/balcony'/>")
		w.settle(romeo, juliet)
		juliet.send("<presence to='romeo@a.example/orchard'/>")
		juliet.send("<presence to='romeo@a.example/orchard' type='unavailable'/>")
		w.settle(romeo, juliet)
		romeo.nc.Close()
		w.wantCrossed("a.example", "b.example")
	})
	inWorld(t, "R3921-5.1.4-2 to nobody: no answer tells whether there is such a user", func(w *world) {
		romeo, _ := w.couple(stNone)
		romeo.send("<presence to='nobody@b.example'/><presence to='romeo@b.example'/><presence to='juliet@b.example/gone'/>")
		w.wantCrossed("b.example", "a.example")
		romeo.hearsNothing()
	})
}

// TestRemoteSilentContact shows R3921-5.1.1-4 between two servers.
func TestRemoteSilentContact(t *testing.T) {
	inWorld(t, "R3921-5.1.1-4 CORE-6.4.1-8 an error, and it is quiet until presence comes", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		w.route("<presence type='error' from='juliet@b.example' to='romeo@a.example/orchard'><error type='cancel'>" +
			"<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>")
		romeo.hears("<presence type='error' to='romeo@a.example/orchard' from='juliet@b.example'>…")
		w.wantCrossed("a.example", "b.example") // an error is not answered
		romeo.send("<presence><status>1</status></presence>")
		w.wantCrossed("a.example", "b.example")
		juliet.send("<presence><show>chat</show></presence>")
		w.settle(romeo, juliet)
		romeo.send("<presence><status>2</status></presence>")
		juliet.hears("<presence to='juliet@b.example' from='romeo@a.example/orchard'><status>2</status></presence>")
	})
	inWorld(t, "R3921-5.1.1-4 the end is told nevertheless", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		w.route("<presence type='error' from='juliet@b.example' to='romeo@a.example/orchard'><error type='cancel'>" +
			"<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>")
		romeo.nc.Close()
		juliet.hears("<presence type='unavailable' to='juliet@b.example' from='romeo@a.example/orchard'/>")
	})
	inWorld(t, "R3921-5.1.1-4 the error of a stranger silences nobody", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		w.route("<presence type='error' from='romeo@b.example' to='romeo@a.example/orchard'><error type='cancel'>" +
			"<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>")
		romeo.send("<presence><status>1</status></presence>")
		juliet.hears("<presence to='juliet@b.example' from='romeo@a.example/orchard'><status>1</status></presence>")
	})
}

// TestRemotePresenceLeaks: a stranger at another server cannot find out whether
// somebody is there.
func TestRemotePresenceLeaks(t *testing.T) {
	ask := func(w *world) (answers string) {
		for _, st := range []string{
			"<presence type='probe' from='romeo@a.example/x' to='juliet@b.example' id='1'/>",
			"<presence type='probe' from='romeo@a.example/x' to='juliet@b.example/balcony' id='2'/>",
			"<presence from='romeo@a.example/x' to='juliet@b.example' id='3'/>",
			"<presence from='romeo@a.example/x' to='juliet@b.example/balcony' id='4'/>",
			"<presence type='unavailable' from='romeo@a.example/x' to='juliet@b.example' id='4b'/>",
			"<iq type='get' from='romeo@a.example/x' to='juliet@b.example/balcony' id='5'><ping xmlns='urn:xmpp:ping'/></iq>",
			"<iq type='set' from='romeo@a.example/x' to='juliet@b.example/balcony' id='6'><q xmlns='urn:q'/></iq>",
			"<iq type='get' from='romeo@a.example/x' to='juliet@b.example' id='7'><query xmlns='jabber:iq:last'/></iq>",
			"<iq type='get' from='romeo@a.example/x' to='juliet@b.example' id='8'>" +
				"<query xmlns='http://jabber.org/protocol/disco#items'/></iq>",
			"<iq type='get' from='a.example' to='juliet@b.example/balcony' id='9'><q xmlns='urn:q'/></iq>",
			"<message type='chat' from='romeo@a.example/x' to='juliet@b.example' id='10'><body>x</body></message>",
			"<message type='chat' from='romeo@a.example/x' to='juliet@b.example/balcony' id='11'><body>x</body></message>",
			"<message type='headline' from='romeo@a.example/x' to='juliet@b.example' id='12'><body>x</body></message>",
			"<message type='groupchat' from='romeo@a.example/x' to='juliet@b.example' id='13'><body>x</body></message>",
			"<presence type='subscribe' from='romeo@a.example/x' to='juliet@b.example' id='14'/>",
			"<presence type='unsubscribe' from='romeo@a.example/x' to='juliet@b.example' id='15'/>",
			"<presence type='subscribed' from='romeo@a.example/x' to='juliet@b.example' id='16'/>",
			"<presence type='unsubscribed' from='romeo@a.example/x' to='juliet@b.example' id='17'/>",
		} {
			w.route(st)
			answers += strings.Join(w.crossed("b.example", "a.example"), "\n") + "\n"
		}
		return answers
	}
	var away, there string
	inWorld(t, "R6121-8.5.3.1-1 R3921-5.1.3-1 of who is away", func(w *world) { away = ask(w) })
	inWorld(t, "R6121-8.5.3.1-1 R3921-5.1.3-1 of who is there", func(w *world) {
		w.login(julietB + "/balcony")
		there = ask(w)
	})
	if away != there || !strings.Contains(there, "type='error' id='5'") {
		t.Errorf("who is away:\n%s\nwho is there:\n%s", away, there)
	}
}

// TestRemoteShutdown: contacts elsewhere are told before the links are closed.
func TestRemoteShutdown(t *testing.T) {
	gone := "<presence type='unavailable' to='juliet@b.example' from='romeo@a.example/orchard'/>"
	inWorld(t, "IM-5.1-5 the server stops in order", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		done := make(chan error, 1)
		go func() { done <- w.server("a.example").Shutdown(w.t.Context()) }()
		romeo.expect("<stream:error><system-shutdown")
		romeo.send("</stream:stream>")
		romeo.expectEnd()
		juliet.hears(gone)
		w.wantCrossed("a.example", "b.example", gone)
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	inWorld(t, "IM-5.1-5 a client that does not answer does not keep it from that", func(w *world) {
		_, juliet := w.couple(stBoth)
		ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
		defer cancel()
		if err := w.server("a.example").Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			w.t.Error(err)
		}
		juliet.hears(gone)
	})
	for _, way := range ways {
		inEmptyWorld(t, "IM-5.1-5 although the link must be made first, "+way.name, func(w *world) {
			w.way = way.change
			w.add("a.example")
			w.add("b.example")
			juliet := w.login(julietB + "/balcony")
			romeo := w.connect(romeoA + "/orchard")
			romeo.send("<presence to='juliet@b.example'/>")
			juliet.hears("<presence to='juliet@b.example' from='romeo@a.example/orchard'/>")
			time.Sleep(time.Hour) // the link has been closed: nobody has used it
			done := make(chan error, 1)
			go func() { done <- w.server("a.example").Shutdown(w.t.Context()) }()
			romeo.expect("<stream:error><system-shutdown")
			romeo.send("</stream:stream>")
			if err := <-done; err != nil {
				w.t.Error(err)
			}
			juliet.hears(gone)
		})
	}
}
