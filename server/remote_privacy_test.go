package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/presence"
)

// keeps makes a privacy list and uses it, as active or default, and forgets what
// that leads to.
func (w *world) keeps(r *raw, kind, items string) {
	w.t.Helper()
	r.send("<iq type='set' id='l'><query xmlns='jabber:iq:privacy'><list name='no'>%s</list></query></iq>", items)
	r.send("<iq type='set' id='u'><query xmlns='jabber:iq:privacy'><%s name='no'/></query></iq>", kind)
	got := strings.Join(r.heard(), "")
	for _, id := range []string{"l", "u"} {
		if !strings.Contains(got, "<iq type='result' id='"+id+"'") {
			w.t.Fatalf("the list: %s", got)
		}
	}
	w.forget()
}

// TestRemotePrivacyLists: who is at another server is dealt with as who is here.
func TestRemotePrivacyLists(t *testing.T) {
	// What romeo of a.example sends to juliet of b.example, and the other way.
	const everything = "<message from='%[1]s' to='%[2]s' id='m'><body>x</body></message>" +
		"|<presence from='%[1]s' to='%[2]s'/>|<iq type='get' id='q' from='%[1]s' to='%[2]s'><q xmlns='urn:q'/></iq>" +
		"|<iq type='result' id='r' from='%[1]s' to='%[2]s'/>"
	kinds := []string{"message", "presence", "iq", "iq"}
	sayAll := func(w *world, from, to string) {
		for _, st := range strings.Split(fmt.Sprintf(everything, from, to), "|") {
			w.route(st)
		}
	}
	noService := func(kind, id, from string) string {
		return fmt.Sprintf("<%s type='error' id='%s' to='romeo@a.example/orchard' from='%s'>…<service-unavailable …",
			kind, id, from)
	}

	for _, tt := range []struct {
		name, item string
		state      presence.State // juliet's, towards romeo
		blocked    [4]bool        // of the kinds
	}{
		{"R3921-10.9-1 R3921-10.14-1 messages", "type='jid' value='romeo@a.example' action='deny' order='1'><message/>",
			stBoth, [4]bool{true, false, false, false}},
		{"R3921-10.10-1 presence", "type='jid' value='romeo@a.example' action='deny' order='1'><presence-in/>", stBoth,
			[4]bool{false, true, false, false}},
		{"R3921-10.12-1 R3921-10.14-2 iq", "type='jid' value='romeo@a.example' action='deny' order='1'><iq/>", stBoth,
			[4]bool{false, false, true, true}},
		{"R3921-10.13-1 R3921-10.1-2 everything of an account",
			"type='jid' value='romeo@a.example' action='deny' order='1'>", stBoth, [4]bool{true, true, true, true}},
		{"R3921-10.1-2 of a resource", "type='jid' value='romeo@a.example/orchard' action='deny' order='1'>", stBoth,
			[4]bool{true, true, true, true}},
		{"R3921-10.1-2 of another resource", "type='jid' value='romeo@a.example/garden' action='deny' order='1'>", stBoth,
			[4]bool{}},
		{"R3921-10.1-2 of a domain", "type='jid' value='a.example' action='deny' order='1'>", stBoth, [4]bool{true, true,
			true, true}},
		{"R3921-10.1-2 of the domain above", "type='jid' value='example' action='deny' order='1'>", stBoth, [4]bool{true,
			true, true, true}},
		{"R3921-10.1-2 of another domain", "type='jid' value='sub.a.example' action='deny' order='1'>", stBoth, [4]bool{}},
		{"R3921-10.1-4 of who has no subscription", "type='subscription' value='none' action='deny' order='1'><message/>" +
			"<presence-in/>", stNone, [4]bool{true, true, true, false}}, // iq: a stranger's
		{"R3921-10.1-4 of who has one", "type='subscription' value='none' action='deny' order='1'>", stBoth, [4]bool{}},
		{"R3921-10.1-1 R3921-10.2-7 of everybody", "action='deny' order='1'>", stBoth, [4]bool{true, true, true, true}},
	} {
		inWorld(t, tt.name+", inbound", func(w *world) {
			w.setStates(julietB, romeoA, tt.state)
			juliet := w.login(julietB + "/balcony")
			w.keeps(juliet, "active", "<item "+tt.item+"</item>")
			var want []string
			for i, kind := range kinds {
				if !tt.blocked[i] {
					want = append(want, "<"+kind+" …to='juliet@b.example/balcony' from='romeo@a.example/orchard'…")
				}
			}
			sayAll(w, romeoA+"/orchard", julietB+"/balcony")
			wantStanzas(w.t, "juliet", juliet.heard(), want...)
			for _, st := range w.crossed("b.example", "a.example") {
				switch {
				case strings.HasPrefix(st, "<presence"), strings.Contains(st, "id='r'"):
					w.t.Errorf("b.example says %s", st)
				case strings.HasPrefix(st, "<iq") && !matchesPattern(st, noService("iq", "q", julietB+"/balcony")):
					w.t.Errorf("b.example says %s", st)
				}
			}
		})
	}

	inWorld(t, "R3921-10.14-2 R3921-10.14-1 what the other server is told", func(w *world) {
		_, juliet := w.couple(stBoth)
		w.keeps(juliet, "active", "<item type='jid' value='romeo@a.example' action='deny' order='1'><iq/><message/></item>")
		sayAll(w, romeoA+"/orchard", julietB+"/balcony")
		w.wantCrossed("b.example", "a.example", noService("iq", "q", julietB+"/balcony"))
	})
	inWorld(t, "R3921-10.11-1 R3921-5.1.3-2 presence does not go out, nor is a probe answered", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		w.keeps(juliet, "active", "<item type='jid' value='a.example' action='deny' order='1'><presence-out/></item>")
		romeo.hears()
		juliet.send("<presence><show>away</show></presence>")
		juliet.hears()
		w.route("<presence type='probe' from='romeo@a.example' to='juliet@b.example'/>")
		w.wantCrossed("b.example", "a.example")
	})
	inWorld(t, "R3921-10.11-1 R3921-10.2-2 nor while nobody is there", func(w *world) {
		_, juliet := w.couple(stBoth)
		w.keeps(juliet, "default", "<item type='jid' value='romeo@a.example' action='deny' order='1'><presence-out/></item>")
		juliet.logout()
		w.forget()
		w.route("<presence type='probe' from='romeo@a.example' to='juliet@b.example'/>")
		w.wantCrossed("b.example", "a.example")
	})
	inWorld(t, "R3921-10.10-1 nobody is probed, and nothing comes in", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		w.keeps(juliet, "default", "<item type='jid' value='romeo@a.example' action='deny' order='1'><presence-in/></item>")
		juliet.logout()
		w.settle(romeo)
		juliet = w.login(julietB + "/balcony")
		romeo.send("<presence><show>chat</show></presence>")
		w.wantCrossed("b.example", "a.example",
			"<presence to='romeo@a.example' from='juliet@b.example/balcony'/>") // and no probe
		juliet.hearsNothing()
	})
	inWorld(t, "R3921-10-2 subscriptions are not presence notifications", func(w *world) {
		romeo, juliet := w.couple(stNone)
		w.keeps(juliet, "active", "<item action='deny' order='1'><presence-in/><presence-out/></item>")
		romeo.send("<presence type='subscribe' to='juliet@b.example'/>")
		juliet.hears("<presence type='subscribe' …")
		juliet.send("<presence type='subscribed' to='romeo@a.example'/>")
		w.wantStates(romeoA, julietB, stTo, stFrom)
		romeo.hears(pushOf("jid='juliet@b.example' subscription='none' ask='subscribe'"), "<presence type='subscribed' …",
			pushOf("jid='juliet@b.example' subscription='to'"))
	})
	inWorld(t, "R3921-10.2-4 R3921-10.13-1 lists come before subscriptions", func(w *world) {
		romeo, juliet := w.couple(stNone)
		w.keeps(juliet, "default", "<item type='jid' value='a.example' action='deny' order='1'/>")
		ask := func() {
			romeo.send("<presence type='subscribe' to='juliet@b.example'/>")
			w.wantStates(romeoA, julietB, stNoneOut, stNone)
			w.wantCrossed("b.example", "a.example")
		}
		ask()
		juliet.hearsNothing()
		juliet.logout()
		ask()
	})
	inWorld(t, "R3921-10.2-2 R3921-10.9-1 messages for who is away are not kept", func(w *world) {
		romeo, juliet := w.couple(stNone)
		w.keeps(juliet, "default", "<item type='jid' value='romeo@a.example' action='deny' order='1'><message/></item>")
		juliet.logout()
		romeo.send("<message to='juliet@b.example' type='chat' id='m'><body>x</body></message>")
		romeo.hearsNothing()
		if n := w.kept(julietB); n != 0 {
			w.t.Errorf("%d messages are kept", n)
		}
	})
	inWorld(t, "R3921-10.2-1 an active list is for its session only", func(w *world) {
		romeo, juliet := w.couple(stNone)
		second := w.available(julietB+"/second", 5)
		w.keeps(second, "active", "<item type='jid' value='a.example' action='deny' order='1'/>")
		juliet.hears()
		romeo.send("<message to='juliet@b.example'><body>x</body></message>")
		juliet.hears("<message …<body>x</body></message>")
		second.hearsNothing()
	})
	inWorld(t, "R3921-10.13-1 nothing of the user gets out", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		w.keeps(juliet, "active", "<item type='jid' value='a.example' action='deny' order='1'/>")
		romeo.hears()
		juliet.send("<message to='romeo@a.example' id='m'><body>x</body></message><presence to='romeo@a.example'/>" +
			"<presence><show>away</show></presence>" +
			"<iq type='get' id='q' to='romeo@a.example/orchard'><q xmlns='urn:q'/></iq>")
		w.wantCrossed("b.example", "a.example")
		romeo.hearsNothing()
	})
	inWorld(t, "R3921-10.2-5 R3921-10.2-6 a friend of a domain that is denied", func(w *world) {
		romeo, juliet := w.couple(stNone)
		nurse := w.login(julietA + "/x")
		w.keeps(juliet, "active", "<item type='jid' value='a.example' action='deny' order='2'/>"+
			"<item type='jid' value='romeo@a.example' action='allow' order='1'/>")
		romeo.send("<message to='juliet@b.example'><body>1</body></message>")
		nurse.send("<message to='juliet@b.example' id='m'><body>2</body></message>")
		juliet.hears("<message …<body>1</body></message>")
	})
	inWorld(t, "R3921-10.2-9 R3921-10.1-3 groups count as they are now", func(w *world) {
		romeo, juliet := w.couple(stNone)
		juliet.send("<iq type='set' id='g'><query xmlns='jabber:iq:roster'><item jid='nurse@a.example'>" +
			"<group>Enemies</group></item></query></iq>")
		w.keeps(juliet, "active", "<item type='group' value='Enemies' action='deny' order='1'/>")
		romeo.send("<message to='juliet@b.example'><body>1</body></message>")
		juliet.hears("<message …<body>1</body></message>")
		juliet.send("<iq type='set' id='g'><query xmlns='jabber:iq:roster'><item jid='romeo@a.example'>" +
			"<group>Enemies</group></item></query></iq>")
		juliet.hears()
		romeo.send("<message to='juliet@b.example'><body>2</body></message>")
		juliet.hearsNothing()
	})
}

// TestRemoteBlocking is XEP-0191 against accounts and domains elsewhere.
func TestRemoteBlocking(t *testing.T) {
	for _, item := range []string{"romeo@a.example", "a.example"} {
		inWorld(t, "XEP-0191 "+item, func(w *world) {
			romeo, juliet := w.couple(stBoth)
			juliet.send("<iq type='get' id='g'><blocklist xmlns='urn:xmpp:blocking'/></iq>")
			juliet.hears("<iq type='result' id='g'…")
			juliet.send("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='%s'/></block></iq>", item)
			gone := "<presence type='unavailable' to='romeo@a.example' from='juliet@b.example/balcony'/>"
			w.wantCrossed("b.example", "a.example", gone)
			romeo.hears(gone)
			juliet.hearsAll("<iq type='result' id='b'…", "<iq type='set' …<block xmlns='urn:xmpp:blocking'>"+
				"<item jid='"+item+"'/></block></iq>",
				"<iq type='set' …<list name='blocklist'/>…") // the same by XEP-0016

			romeo.send("<message to='juliet@b.example/balcony' id='m1'><body>x</body></message>" +
				"<message to='juliet@b.example' type='chat' id='m2'><body>x</body></message>" +
				"<message to='juliet@b.example/gone' type='chat' id='m3'><body>x</body></message>" +
				"<presence to='juliet@b.example'><show>chat</show></presence><presence><show>away</show></presence>" +
				"<iq type='get' id='q1' to='juliet@b.example/balcony'><q xmlns='urn:q'/></iq>" +
				"<iq type='get' id='q2' to='juliet@b.example'><vCard xmlns='vcard-temp'/></iq>" +
				"<presence type='probe' to='juliet@b.example'/><presence type='subscribe' to='juliet@b.example'/>")
			var told []string
			for _, id := range []string{"m1", "m2", "m3"} {
				told = append(told, "<message type='error' id='"+id+"' …<service-unavailable …")
			}
			for _, id := range []string{"q1", "q2"} {
				told = append(told, "<iq type='error' id='"+id+"' …<service-unavailable …")
			}
			wantAll(w.t, "b.example says", w.crossed("b.example", "a.example"), told...)
			juliet.hearsNothing()
			romeo.hears()

			juliet.send("<message to='romeo@a.example' id='o'><body>x</body></message>" +
				"<iq type='get' id='oq' to='romeo@a.example/orchard'><q xmlns='urn:q'/></iq>" +
				"<presence to='romeo@a.example'/><presence><show>dnd</show></presence>")
			w.wantCrossed("b.example", "a.example")
			got := strings.Join(juliet.heard(), "")
			for _, id := range []string{"<message type='error' id='o'", "<iq type='error' id='oq'"} {
				_, rest, ok := strings.Cut(got, id)
				if !ok || !strings.Contains(rest, "<not-acceptable") || !strings.Contains(rest,
					"<blocked xmlns='urn:xmpp:blocking:errors'/>") {
					w.t.Errorf("juliet hears %s", got)
				}
			}

			second := w.login(julietB + "/second") // blocking is for the account
			w.wantCrossed("b.example", "a.example")
			second.hearsNothing()
			w.forget()
			second.logout()
			w.wantCrossed("b.example", "a.example")
			juliet.hears()

			juliet.send("<iq type='set' id='u'><unblock xmlns='urn:xmpp:blocking'><item jid='%s'/></unblock></iq>", item)
			back := "<presence to='romeo@a.example' from='juliet@b.example/balcony'><show>dnd</show></presence>"
			w.wantCrossed("b.example", "a.example", back)
			romeo.hears(back)
			romeo.send("<message to='juliet@b.example/balcony'><body>y</body></message>")
			juliet.hearsAll("<iq type='result' id='u'…", "<iq type='set' …<unblock …",
				"<iq type='set' …<list name='blocklist'/>…", "<message …<body>y</body></message>")
			w.wantStates(romeoA, julietB, stBoth, stBoth)
		})
	}
	inWorld(t, "XEP-0191 who is blocked may still be unsubscribed", func(w *world) {
		_, juliet := w.couple(stBoth)
		juliet.send("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='romeo@a.example'/></block></iq>")
		w.settle(juliet)
		juliet.send("<iq type='set' id='rm'><query xmlns='jabber:iq:roster'>" +
			"<item jid='romeo@a.example' subscription='remove'/></query></iq>")
		w.wantStates(romeoA, julietB, stNone, stNone)
	})
	inWorld(t, "XEP-0191 R3921-5.1.4-2 who has got directed presence is told too", func(w *world) {
		romeo, juliet := w.couple(stNone)
		juliet.send("<presence to='romeo@a.example/orchard'/>")
		w.settle(romeo, juliet)
		juliet.send("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='a.example'/></block></iq>")
		romeo.hears("<presence type='unavailable' to='romeo@a.example/orchard' from='juliet@b.example/balcony'/>")
		juliet.nc.Close()
		romeo.hearsNothing()
	})
	inWorld(t, "XEP-0191 a stranger who is blocked is told nothing", func(w *world) {
		romeo, juliet := w.couple(stNone)
		juliet.send("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='romeo@a.example'/></block></iq>")
		w.wantCrossed("b.example", "a.example")
		juliet.hears()
		juliet.send("<iq type='set' id='u'><unblock xmlns='urn:xmpp:blocking'/></iq>")
		w.wantCrossed("b.example", "a.example")
		romeo.hearsNothing()
	})
	inWorld(t, "XEP-0191 R3921-10.2-2 who is away has blocked too", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		juliet.send("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='a.example'/></block></iq>")
		juliet.hears()
		juliet.logout()
		w.settle(romeo)
		romeo.send("<message to='juliet@b.example' id='m'><body>x</body></message>")
		romeo.hears("<message type='error' id='m' …<service-unavailable …")
		romeo.logout()
		w.forget()
		romeo = w.login(romeoA + "/orchard") // probes
		w.wantCrossed("b.example", "a.example")
		romeo.hearsNothing()
		if n := w.kept(julietB); n != 0 {
			w.t.Errorf("%d messages are kept", n)
		}
	})
	inEmptyWorld(t, "XEP-0191 R3921-10.1-2 a domain covers those below it", func(w *world) {
		w.add("sub.a.example")
		w.add("b.example")
		juliet, romeo := w.login(julietB+"/balcony"), w.login("romeo@sub.a.example/orchard")
		juliet.send("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='a.example'/></block></iq>")
		juliet.hears()
		romeo.send("<message to='juliet@b.example' id='m'><body>x</body></message>")
		romeo.hears("<message type='error' id='m' …<service-unavailable …")
		juliet.hearsNothing()
	})
}
