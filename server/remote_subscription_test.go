package server_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/server"
)

// couple logs in romeo of a.example and juliet of b.example, in step with each
// other, and forgets what that leads to.
func (w *world) couple(romeos presence.State) (romeo, juliet *raw) {
	w.t.Helper()
	w.setStates(romeoA, julietB, romeos)
	romeo, juliet = w.login(romeoA+"/orchard"), w.login(julietB+"/balcony")
	w.settle(romeo, juliet)
	return romeo, juliet
}

// settle lets everything come to rest and forgets what has been said.
func (w *world) settle(clients ...*raw) {
	w.t.Helper()
	for _, c := range clients {
		c.hears()
	}
	w.forget()
}

const (
	romeoSees  = "<item jid='juliet@b.example' subscription='%s'/>"
	julietSees = "<item jid='romeo@a.example' subscription='%s'/>"
)

// TestRemoteSubscription is what two users see of a subscription between two
// servers, and what goes over the link.
func TestRemoteSubscription(t *testing.T) {
	inWorld(t, "R3921-8.2-1 R6121-3.1.2-1 R6121-3.1.5-1 R6121-3.1.6-1 a request that is approved", func(w *world) {
		romeo, juliet := w.couple(stNone)
		chamber := w.login(julietB + "/chamber")
		w.settle(romeo, juliet, chamber)

		romeo.send("<iq type='set' id='add'><query xmlns='jabber:iq:roster'><item jid='%s' name='Juliet'>"+
			"<group>Friends</group></item></query></iq>", julietB)
		const item = " name='Juliet' subscription='%s'%s><group>Friends</group></item></query></iq>"
		romeo.hears("<iq type='set' …<item jid='juliet@b.example'"+fmt.Sprintf(item, "none", ""),
			"<iq type='result' id='add'…")
		w.wantCrossed("a.example", "b.example")

		romeo.send("<presence type='subscribe' to='juliet@b.example/balcony' id='s1'><status>It is I</status></presence>")
		romeo.hears("<iq type='set' …" + fmt.Sprintf(item, "none", " ask='subscribe'"))
		const request = "<presence type='subscribe' id='s1' to='juliet@b.example' from='romeo@a.example'>" +
			"<status>It is I</status></presence>"
		w.wantCrossed("a.example", "b.example", request)
		w.wantCrossed("b.example", "a.example")
		juliet.hears(request)
		chamber.hears(request)
		w.wantStates(romeoA, julietB, stNoneOut, stNoneIn)
		if e := w.entry(julietB, romeoA); !e.Hidden {
			w.t.Errorf("R6121-3.1.3-2: the request is in the roster: %+v", e.Item)
		}

		juliet.send("<presence type='subscribed' to='romeo@a.example/orchard' id='s2'/>")
		const approval = "<presence type='subscribed' id='s2' to='romeo@a.example' from='juliet@b.example'/>"
		juliet.hears(pushOf("jid='romeo@a.example' subscription='from'"))
		chamber.hears(pushOf("jid='romeo@a.example' subscription='from'"))
		shown := []string{
			"<presence to='romeo@a.example' from='juliet@b.example/balcony'/>",
			"<presence to='romeo@a.example' from='juliet@b.example/chamber'/>",
		}
		got := w.crossed("b.example", "a.example")
		wantStanzas(w.t, "first b.example says", got[:1], approval)
		wantAll(w.t, "and then", got[1:], shown...)
		w.wantCrossed("a.example", "b.example")
		heard := romeo.heard()
		wantStanzas(w.t, "first romeo hears", heard[:2], approval, "<iq type='set' …"+fmt.Sprintf(item, "to", ""))
		wantAll(w.t, "and then", heard[2:], shown...)
		w.wantStates(romeoA, julietB, stTo, stFrom)
	})

	inWorld(t, "R3921-8.2.1-1 a request that is declined", func(w *world) {
		romeo, juliet := w.couple(stNone)
		romeo.send("<presence type='subscribe' to='juliet@b.example'/>")
		w.settle(romeo, juliet)
		juliet.send("<presence type='unsubscribed' to='romeo@a.example' id='no'/>")
		const refusal = "<presence type='unsubscribed' id='no' to='romeo@a.example' from='juliet@b.example'/>"
		w.wantCrossed("b.example", "a.example", refusal)
		w.wantCrossed("a.example", "b.example")
		romeo.hears(refusal, pushOf("jid='juliet@b.example' subscription='none'"))
		juliet.hearsNothing()
		w.wantStates(romeoA, julietB, stNone, stNone)
	})

	inWorld(t, "R3921-8.3-1 the second direction makes it mutual", func(w *world) {
		romeo, juliet := w.couple(stTo)
		juliet.send("<presence type='subscribe' to='romeo@a.example'/>")
		juliet.hears(pushOf("jid='romeo@a.example' subscription='from' ask='subscribe'"))
		romeo.hears("<presence type='subscribe' to='romeo@a.example' from='juliet@b.example'/>")
		w.wantStates(romeoA, julietB, stToIn, stFromOut)
		romeo.send("<presence type='subscribed' to='juliet@b.example'/>")
		romeo.hears(pushOf("jid='juliet@b.example' subscription='both'"))
		juliet.hears("<presence type='subscribed' to='juliet@b.example' from='romeo@a.example'/>",
			pushOf("jid='romeo@a.example' subscription='both'"),
			"<presence to='juliet@b.example' from='romeo@a.example/orchard'/>")
		w.wantStates(romeoA, julietB, stBoth, stBoth)
	})

	for _, tt := range []struct {
		name                            string
		before, romeoAfter, julietAfter presence.State
		romeo, juliet                   string // subscription in the pushes
	}{
		{"R3921-8.4.1-1 R6121-3.3.2-1 R6121-3.3.3-1 unsubscribing when not mutual", stTo, stNone, stNone, "none", "none"},
		{"R3921-8.4.2-1 unsubscribing when mutual", stBoth, stFrom, stTo, "from", "to"},
	} {
		inWorld(t, tt.name, func(w *world) {
			romeo, juliet := w.couple(tt.before)
			romeo.send("<presence type='unsubscribe' to='juliet@b.example/balcony' id='u'/>")
			const end = "<presence type='unsubscribe' id='u' to='juliet@b.example' from='romeo@a.example'/>"
			w.wantCrossed("a.example", "b.example", end)
			gone := "<presence type='unavailable' to='romeo@a.example' from='juliet@b.example/balcony'/>"
			w.wantCrossed("b.example", "a.example",
				"<presence type='unsubscribed' to='romeo@a.example' from='juliet@b.example'/>", gone)
			romeo.hears(pushOf(fmt.Sprintf("jid='juliet@b.example' subscription='%s'", tt.romeo)), gone)
			juliet.hears(end, pushOf(fmt.Sprintf("jid='romeo@a.example' subscription='%s'", tt.juliet)))
			w.wantStates(romeoA, julietB, tt.romeoAfter, tt.julietAfter)
			juliet.send("<presence><show>away</show></presence>")
			romeo.hearsNothing()
		})
	}

	for _, tt := range []struct {
		name                            string
		before, romeoAfter, julietAfter presence.State
		romeo, juliet                   string
	}{
		{"R3921-8.5.1-1 R6121-3.2.2-1 R6121-3.2.3-1 cancelling when not mutual", stTo, stNone, stNone, "none", "none"},
		{"R3921-8.5.2-1 cancelling when mutual", stBoth, stFrom, stTo, "from", "to"},
	} {
		inWorld(t, tt.name, func(w *world) {
			romeo, juliet := w.couple(tt.before)
			juliet.send("<presence type='unsubscribed' to='romeo@a.example' id='c'/>")
			gone := "<presence type='unavailable' to='romeo@a.example' from='juliet@b.example/balcony'/>"
			const end = "<presence type='unsubscribed' id='c' to='romeo@a.example' from='juliet@b.example'/>"
			w.wantCrossed("b.example", "a.example", gone, end)
			w.wantCrossed("a.example", "b.example")
			juliet.hears(pushOf(fmt.Sprintf("jid='romeo@a.example' subscription='%s'", tt.juliet)))
			romeo.hears(gone, end, pushOf(fmt.Sprintf("jid='juliet@b.example' subscription='%s'", tt.romeo)))
			w.wantStates(romeoA, julietB, tt.romeoAfter, tt.julietAfter)
		})
	}

	inWorld(t, "IM-6-1 it outlives both servers", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		romeo.logout()
		juliet.logout()
		for _, d := range []string{"a.example", "b.example"} {
			w.server(d).Close()
			w.add(d)
		}
		romeo, juliet = w.login(romeoA+"/orchard"), w.login(julietB+"/balcony")
		romeo.hears("<presence to='romeo@a.example' from='juliet@b.example/balcony'/>")
		romeo.send("<presence><show>dnd</show></presence>")
		juliet.hears("<presence to='juliet@b.example' from='romeo@a.example/orchard'><show>dnd</show></presence>")
	})
}

// TestRemoteSubscriptionWays runs a whole life of a subscription in every way in
// which two servers can come to trust each other.
func TestRemoteSubscriptionWays(t *testing.T) {
	for _, way := range ways {
		inEmptyWorld(t, way.name, func(w *world) {
			w.way = way.change
			w.add("a.example")
			w.add("b.example")
			romeo, juliet := w.couple(stNone)
			steps := []struct {
				by            *raw
				kind, to      string
				ofA, ofB      presence.State
				hears         *raw
				subscriptions string
			}{
				{romeo, "subscribe", julietB, stNoneOut, stNoneIn, juliet, "subscribe"},
				{juliet, "subscribed", romeoA, stTo, stFrom, romeo, "subscribed"},
				{juliet, "subscribe", romeoA, stToIn, stFromOut, romeo, "subscribe"},
				{romeo, "subscribed", julietB, stBoth, stBoth, juliet, "subscribed"},
				{romeo, "unsubscribe", julietB, stFrom, stTo, juliet, "unsubscribe"},
				{romeo, "unsubscribed", julietB, stNone, stNone, juliet, "unsubscribed"},
			}
			for _, s := range steps {
				s.by.send("<presence type='%s' to='%s'/>", s.kind, s.to)
				w.wantStates(romeoA, julietB, s.ofA, s.ofB)
				if got := strings.Join(s.hears.heard(), ""); !strings.Contains(got, "<presence type='"+s.subscriptions+"'") {
					w.t.Errorf("after %s: heard %s", s.kind, got)
				}
				w.settle(romeo, juliet)
			}
		})
	}
}

// TestRemoteRosterRemoval shows R3921-8.6-1, IM-8.3-4 and SUB-ACK-5 from both sides,
// in every state.
func TestRemoteRosterRemoval(t *testing.T) {
	for s := range presence.State(stCount) {
		if s.Subscription() == roster.None && !s.PendingOut() {
			continue // there is nothing to remove
		}
		inWorld(t, "R3921-8.6-1 IM-8.3-4 SUB-ACK-5 IM-8.3-1 in "+s.String(), func(w *world) {
			romeo, juliet := w.couple(s)
			romeo.send("<iq type='set' id='rm'><query xmlns='jabber:iq:roster'>" +
				"<item jid='juliet@b.example' subscription='remove'/></query></iq>")
			var said []string
			if s.Subscription()&roster.From != 0 {
				said = append(said, "<presence type='unavailable' to='juliet@b.example' from='romeo@a.example/orchard'/>")
			}
			if s.Subscription()&roster.To != 0 || s.PendingOut() {
				said = append(said, "<presence type='unsubscribe' to='juliet@b.example' from='romeo@a.example'/>")
			}
			if s.Subscription()&roster.From != 0 || s.PendingIn() {
				said = append(said, "<presence type='unsubscribed' to='juliet@b.example' from='romeo@a.example'/>")
			}
			wantAll(w.t, "a.example says", w.crossed("a.example", "b.example"), said...)
			w.wantStates(romeoA, julietB, stNone, stNone)
			if e := w.entry(romeoA, julietB); !e.Hidden {
				w.t.Errorf("romeo still has %+v", e)
			}
			hears := []string{pushOf("jid='juliet@b.example' subscription='remove'"), "<iq type='result' id='rm'…"}
			if s.Subscription()&roster.To != 0 { // he sees her go if he saw her
				hears = append(hears, "<presence type='unavailable' to='romeo@a.example' from='juliet@b.example/balcony'/>")
			}
			romeo.hearsAll(hears...)
			// Juliet keeps him in her roster if he was there, without a subscription.
			m := mirrored(s)
			if e := w.entry(julietB, romeoA); e.Hidden == (m.Subscription() != roster.None || m.PendingOut()) {
				w.t.Errorf("juliet has %+v", e)
			}
			juliet.hears()
			juliet.send("<presence><show>away</show></presence>")
			juliet.hears()
			romeo.hearsNothing()
		})
	}
}

// TestRemotePreApproval shows R6121-3.4-1 between two servers.
func TestRemotePreApproval(t *testing.T) {
	inWorld(t, "R6121-3.4-1 it stays at home, and answers the request", func(w *world) {
		romeo, juliet := w.couple(stNone)
		juliet.send("<presence type='subscribed' to='romeo@a.example'/>")
		juliet.hears(pushOf("jid='romeo@a.example' subscription='none' approved='true'"))
		w.wantCrossed("b.example", "a.example")
		romeo.send("<presence type='subscribe' to='juliet@b.example' id='s'/>")
		w.wantCrossed("b.example", "a.example", "<presence type='subscribed' …to='romeo@a.example' from='juliet@b.example'/>",
			"<presence to='romeo@a.example' from='juliet@b.example/balcony'/>")
		juliet.hears(pushOf("jid='romeo@a.example' subscription='from'"))
		romeo.hears(pushOf("jid='juliet@b.example' subscription='none' ask='subscribe'"),
			"<presence type='subscribed' …to='romeo@a.example' from='juliet@b.example'/>",
			pushOf("jid='juliet@b.example' subscription='to'"),
			"<presence to='romeo@a.example' from='juliet@b.example/balcony'/>")
		w.wantStates(romeoA, julietB, stTo, stFrom)
		if w.entry(julietB, romeoA).Approved {
			w.t.Error("the approval is not used up")
		}
	})
	inWorld(t, "R6121-3.4-1 it is taken back", func(w *world) {
		romeo, juliet := w.couple(stNone)
		juliet.send("<presence type='subscribed' to='romeo@a.example'/><presence type='unsubscribed' to='romeo@a.example'/>")
		w.wantCrossed("b.example", "a.example")
		juliet.hears()
		romeo.send("<presence type='subscribe' to='juliet@b.example'/>")
		juliet.hears("<presence type='subscribe' to='juliet@b.example' from='romeo@a.example'/>")
		w.wantStates(romeoA, julietB, stNoneOut, stNoneIn)
	})
	inWorld(t, "R6121-3.4-1 a probe does not end it", func(w *world) {
		_, juliet := w.couple(stNone)
		juliet.send("<presence type='subscribed' to='romeo@a.example'/>")
		w.route("<presence type='probe' to='juliet@b.example' from='romeo@a.example'/>")
		w.wantCrossed("b.example", "a.example",
			"<presence type='unsubscribed' …to='romeo@a.example' from='juliet@b.example'/>")
		if !w.entry(julietB, romeoA).Approved {
			w.t.Error("the approval is gone")
		}
	})
	inWorld(t, "R6121-3.4-1 both have approved", func(w *world) {
		romeo, juliet := w.couple(stNone)
		romeo.send("<presence type='subscribed' to='juliet@b.example'/>")
		juliet.send("<presence type='subscribed' to='romeo@a.example'/>")
		w.settle(romeo, juliet)
		romeo.send("<presence type='subscribe' to='juliet@b.example'/>")
		juliet.send("<presence type='subscribe' to='romeo@a.example'/>")
		w.wantStates(romeoA, julietB, stBoth, stBoth)
		for _, c := range []*raw{romeo, juliet} {
			if got := strings.Join(c.heard(), ""); strings.Contains(got, "type='subscribe'") {
				w.t.Errorf("a client was asked: %s", got)
			}
		}
	})
}

// TestRemoteRequestWaits is a request whose contact is not there.
func TestRemoteRequestWaits(t *testing.T) {
	inWorld(t, "R6121-3.1.3-1 R3921-11.1-8 IM-9-4 it is kept whole, and told until it is answered", func(w *world) {
		romeo := w.login(romeoA + "/orchard")
		romeo.send("<presence type='subscribe' to='juliet@b.example' id='first'><status>pray</status><x xmlns='urn:x'><y/>" +
			"</x></presence>" +
			"<presence type='subscribe' to='juliet@b.example' id='second'/>")
		w.settle(romeo)
		w.wantStates(romeoA, julietB, stNoneOut, stNoneIn)
		const request = "<presence type='subscribe' id='first' to='juliet@b.example' from='romeo@a.example'>" +
			"<status>pray</status><x xmlns='urn:x'><y/></x></presence>"
		for range 2 {
			juliet := w.connect(julietB + "/balcony")
			juliet.hearsNothing() // it is not available yet
			juliet.send("<presence/>")
			juliet.hearsAll(request, "<presence to='juliet@b.example/balcony' from='juliet@b.example/balcony'/>")
			juliet.logout()
		}
		balcony := w.login(julietB + "/balcony")
		chamber := w.connect(julietB + "/chamber")
		chamber.send("<presence/>")
		if got := strings.Count(strings.Join(chamber.heard(), ""), "type='subscribe'"); got != 1 {
			w.t.Errorf("the second resource got %d requests", got)
		}
		w.settle(balcony)
		chamber.send("<presence type='subscribed' to='romeo@a.example'/>") // SUB-ACK-1
		w.wantStates(romeoA, julietB, stTo, stFrom)
		garden := w.login(julietB + "/garden")
		if got := strings.Join(garden.heard(), ""); strings.Contains(got, "type='subscribe'") {
			w.t.Errorf("it is told after the answer: %s", got)
		}
	})
	inWorld(t, "R3921-5.1.6-3 it is repeated when the requester comes again, and told once", func(w *world) {
		romeo := w.login(romeoA + "/orchard")
		romeo.send("<presence type='subscribe' to='juliet@b.example'/>")
		juliet := w.login(julietB + "/balcony")
		romeo.logout()
		w.settle(juliet)
		w.login(romeoA + "/orchard")
		w.wantCrossed("a.example", "b.example", "<presence type='subscribe' …to='juliet@b.example' from='romeo@a.example'/>")
		juliet.hearsNothing() // inbound, None + Pending In: it waits already
		w.wantStates(romeoA, julietB, stNoneOut, stNoneIn)
	})
	inWorld(t, "R3921-5.1.6-3 what was lost is found when it is repeated", func(w *world) {
		w.setState(romeoA, julietB, stNoneOut) // and nobody at b.example knows
		juliet := w.login(julietB + "/balcony")
		juliet.hearsNothing()
		romeo := w.login(romeoA + "/orchard")
		juliet.hears("<presence type='subscribe' …to='juliet@b.example' from='romeo@a.example'/>")
		juliet.send("<presence type='subscribed' to='romeo@a.example'/>")
		romeo.hears()
		w.wantStates(romeoA, julietB, stTo, stFrom)
	})
	inWorld(t, "R3921-5.1.6-2 what was granted and lost is granted again", func(w *world) {
		w.setState(romeoA, julietB, stNoneOut)
		w.setState(julietB, romeoA, stFrom)
		juliet := w.login(julietB + "/balcony")
		w.settle(juliet)
		romeo := w.connect(romeoA + "/orchard")
		romeo.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq><presence/>")
		w.wantCrossed("b.example", "a.example", "<presence type='subscribed' …to='romeo@a.example' from='juliet@b.example'/>",
			"<presence to='romeo@a.example' from='juliet@b.example/balcony'/>")
		if got := strings.Join(romeo.heard(), ""); !strings.Contains(got,
			"<item jid='juliet@b.example' subscription='to'/>") {
			w.t.Errorf("romeo heard %s", got)
		}
		juliet.hearsNothing()
		w.wantStates(romeoA, julietB, stTo, stFrom)
	})
	inWorld(t, "SUB-ACK-1 a denial ends it too", func(w *world) {
		romeo := w.login(romeoA + "/orchard")
		romeo.send("<presence type='subscribe' to='juliet@b.example'/>")
		juliet := w.login(julietB + "/balcony")
		w.settle(romeo, juliet)
		juliet.send("<presence type='unsubscribed' to='romeo@a.example'/>")
		romeo.hears("<presence type='unsubscribed' to='romeo@a.example' from='juliet@b.example'/>",
			pushOf("jid='juliet@b.example' subscription='none'"))
		again := w.connect(julietB + "/again")
		again.send("<presence/>")
		if got := strings.Join(again.heard(), ""); strings.Contains(got, "type='subscribe'") {
			w.t.Errorf("it is told after the denial: %s", got)
		}
	})
	inWorld(t, "R6121-3.1.3-1 it is taken back before anybody has seen it", func(w *world) {
		romeo := w.login(romeoA + "/orchard")
		romeo.send("<presence type='subscribe' to='juliet@b.example'/><presence type='unsubscribe' to='juliet@b.example'/>")
		w.wantStates(romeoA, julietB, stNone, stNone)
		juliet := w.connect(julietB + "/balcony")
		juliet.send("<presence/>")
		juliet.hears("<presence to='juliet@b.example/balcony' from='juliet@b.example/balcony'/>")
	})
	inWorld(t, "R6121-3.1.6-1 R6121-3.2.3-1 answers that find nobody there change the roster", func(w *world) {
		w.setStates(romeoA, julietB, stNoneOut)
		juliet := w.login(julietB + "/balcony")
		juliet.send("<presence type='subscribed' to='romeo@a.example'/>")
		w.wantStates(romeoA, julietB, stTo, stFrom)
		juliet.send("<presence type='unsubscribed' to='romeo@a.example'/>")
		w.wantStates(romeoA, julietB, stNone, stNone)
	})
}

// TestRemoteRequestFails is a request that cannot be delivered.
func TestRemoteRequestFails(t *testing.T) {
	inWorld(t, "R6121-8.5.1-1 to a user who does not exist", func(w *world) {
		romeo := w.login(romeoA + "/orchard")
		for _, kind := range subscriptionKinds {
			romeo.send("<presence type='%s' to='nobody@b.example'/>", kind)
		}
		w.wantCrossed("b.example", "a.example") // "silently ignore"
		for _, st := range romeo.heard() {
			if strings.HasPrefix(st, "<presence") {
				w.t.Errorf("romeo heard %s", st)
			}
		}
	})
	inWorld(t, "R6121-3.1.2-2 R3920-10.2-1 to a domain that there is none of", func(w *world) {
		romeo := w.login(romeoA + "/orchard")
		romeo.send("<presence type='subscribe' to='x@nowhere.example' id='s'/>")
		romeo.hearsAll("<presence type='error' id='s' to='romeo@a.example' from='x@nowhere.example'>…<remote-server-not-found …</presence>",
			pushOf("jid='x@nowhere.example' subscription='none' ask='subscribe'"))
		if s := presence.StateOf(w.entry(romeoA, "x@nowhere.example")); s != stNoneOut {
			w.t.Errorf("the state is %s", s)
		}
	})
	inEmptyWorld(t, "R6121-3.1.2-2 R3921-5.1.6-3 to a server that is down, and up again", func(w *world) {
		w.add("a.example")
		w.add("c.example")
		romeo, other := w.login(romeoA+"/orchard"), w.login(julietA+"/balcony")
		for _, c := range []*raw{romeo, other} {
			c.send("<presence type='subscribe' to='juliet@b.example' id='s'/>")
		}
		for who, c := range map[string]*raw{romeoA: romeo, julietA: other} {
			c.hearsAll("<presence type='error' id='s' to='"+who+"' from='juliet@b.example'>…<remote-server-not-found …</presence>",
				pushOf("jid='juliet@b.example' subscription='none' ask='subscribe'"))
			if s := presence.StateOf(w.entry(who, julietB)); s != stNoneOut {
				w.t.Errorf("the state of %s is %s", who, s)
			}
		}
		w.add("b.example")
		juliet := w.login(julietB + "/balcony")
		synctest.Wait()
		time.Sleep(server.DefaultMaxRetryDelay)
		juliet.hearsNothing()
		romeo.logout()
		romeo = w.login(romeoA + "/orchard")
		juliet.hears("<presence type='subscribe' …to='juliet@b.example' from='romeo@a.example'/>")
		juliet.send("<presence type='subscribed' to='romeo@a.example'/>")
		romeo.hears("<presence type='subscribed' to='romeo@a.example' from='juliet@b.example'/>",
			pushOf("jid='juliet@b.example' subscription='to'"),
			"<presence to='romeo@a.example' from='juliet@b.example/balcony'/>")
	})
	inWorld(t, "R6121-3.1.2-2 to a user who has no room", func(w *world) {
		w.server("b.example").Close()
		w.add("b.example", func(c *server.Config) { c.RosterLimits.Items = 1 })
		w.setState(julietB, "a@elsewhere.example", stFrom)
		romeo, juliet := w.login(romeoA+"/orchard"), w.login(julietB+"/balcony")
		romeo.send("<presence type='subscribe' to='juliet@b.example' id='s'/>")
		romeo.hearsAll(pushOf("jid='juliet@b.example' subscription='none' ask='subscribe'"),
			"<presence type='error' id='s' to='romeo@a.example' from='juliet@b.example'>…<resource-constraint …</presence>")
		juliet.hearsNothing()
	})
}

// TestRemoteSimultaneous is both asking at the same time.
func TestRemoteSimultaneous(t *testing.T) {
	inWorld(t, "R3921-8.3-1 SUB-OUT-subscribe-3 SUB-IN-subscribe-2 both ask, and both approve", func(w *world) {
		romeo, juliet := w.login(romeoA+"/orchard"), w.login(julietB+"/balcony")
		romeo.send("<presence type='subscribe' to='juliet@b.example'/>")
		juliet.send("<presence type='subscribe' to='romeo@a.example'/>")
		w.wantStates(romeoA, julietB, stNoneBoth, stNoneBoth)
		romeo.hearsAll(pushOf("jid='juliet@b.example' subscription='none' ask='subscribe'"),
			"<presence type='subscribe' …from='juliet@b.example'/>")
		juliet.hearsAll(pushOf("jid='romeo@a.example' subscription='none' ask='subscribe'"),
			"<presence type='subscribe' …from='romeo@a.example'/>")
		romeo.send("<presence type='subscribed' to='juliet@b.example'/>")
		juliet.send("<presence type='subscribed' to='romeo@a.example'/>")
		w.wantStates(romeoA, julietB, stBoth, stBoth)
		for item, c := range map[string]*raw{romeoSees: romeo, julietSees: juliet} {
			got := strings.Join(c.heard(), "")
			for _, want := range []string{"<presence type='subscribed' ", fmt.Sprintf(item, "both")} {
				if !strings.Contains(got, want) {
					w.t.Errorf("got %s, without %s", got, want)
				}
			}
		}
	})
	inWorld(t, "R3921-8.5.2-1 both cancel and unsubscribe at once", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		romeo.send("<presence type='unsubscribe' to='juliet@b.example'/>" +
			"<presence type='unsubscribed' to='juliet@b.example'/>")
		juliet.send("<presence type='unsubscribe' to='romeo@a.example'/><presence type='unsubscribed' to='romeo@a.example'/>")
		w.wantStates(romeoA, julietB, stNone, stNone)
	})
	inWorld(t, "R3921-8.6-1 both remove the other at once", func(w *world) {
		romeo, juliet := w.couple(stBoth)
		const rm = "<iq type='set' id='rm'><query xmlns='jabber:iq:roster'><item jid='%s' subscription='remove'/></query>" +
			"</iq>"
		romeo.send(rm, julietB)
		juliet.send(rm, romeoA)
		w.wantStates(romeoA, julietB, stNone, stNone)
		if a, b := w.entry(romeoA, julietB), w.entry(julietB, romeoA); !a.Hidden || !b.Hidden {
			w.t.Errorf("left are %+v, %+v", a, b)
		}
	})
}

// TestRemoteAddresses: subscriptions are between bare addresses, whatever another
// server writes.
func TestRemoteAddresses(t *testing.T) {
	inWorld(t, "R6121-3.1.2-1 R6121-3.1.3-1 a request of a full address to a full address", func(w *world) {
		_, juliet := w.couple(stNone)
		w.route("<presence type='subscribe' to='juliet@b.example/balcony' from='romeo@a.example/orchard' id='s'/>")
		w.wantCrossed("a.example", "b.example",
			"<presence type='subscribe' id='s' to='juliet@b.example/balcony' from='romeo@a.example/orchard'/>")
		juliet.hears("<presence type='subscribe' id='s' to='juliet@b.example' from='romeo@a.example'/>")
		if s := presence.StateOf(w.entry(julietB, romeoA)); s != stNoneIn {
			w.t.Errorf("the state is %s", s)
		}
	})
	inWorld(t, "R6121-3.1.6-1 an approval of a full address", func(w *world) {
		romeo, _ := w.couple(stNoneOut)
		w.route("<presence type='subscribed' to='romeo@a.example' from='juliet@b.example/balcony'/>")
		romeo.hears("<presence type='subscribed' to='romeo@a.example' from='juliet@b.example'/>",
			pushOf("jid='juliet@b.example' subscription='to'"))
	})
	inWorld(t, "R6121-3.1.6-1 an approval that nobody has asked for", func(w *world) {
		romeo, _ := w.couple(stNone)
		w.route("<presence type='subscribed' to='romeo@a.example' from='juliet@b.example'/>")
		romeo.hearsNothing()
		w.wantStates(romeoA, julietB, stNone, stNone)
	})
	inWorld(t, "R6121-3.1.6-1 an approval in the name of somebody else", func(w *world) {
		romeo, juliet := w.couple(stNone)
		romeo.send("<presence type='subscribe' to='juliet@b.example'/>")
		w.settle(romeo, juliet)
		w.route("<presence type='subscribed' to='romeo@a.example' from='romeo@b.example'/>")
		romeo.hearsNothing()
		w.wantStates(romeoA, julietB, stNoneOut, stNoneIn)
	})
}
