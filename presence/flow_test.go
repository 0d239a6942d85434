package presence

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// world is two accounts on two servers, which know nothing of each other but
// what they send.
type world struct {
	t     *testing.T
	side  [2]roster.Entry // what Romeo's server keeps of Juliet, and Juliet's of Romeo
	queue []func()
	log   []string
}

var people = [2]struct {
	name string
	addr jid.JID
}{{"romeo", romeo}, {"juliet", juliet}}

func newWorld(t *testing.T) *world {
	w := &world{t: t}
	for i := range w.side {
		w.side[i] = roster.Entry{Item: roster.Item{JID: people[1-i].addr}, Hidden: true}
	}
	return w
}

func (w *world) note(who int, format string, args ...any) {
	w.log = append(w.log, people[who].name+": "+fmt.Sprintf(format, args...))
}

// send has one send a presence, as a client does.
func (w *world) send(who int, typ stanza.Type) {
	effect := Outbound(&w.side[who], typ)
	w.announce(who, effect, AnnounceUnavailable)
	if effect.Route {
		w.route(who, typ)
	}
	w.push(who, effect)
	w.announce(who, effect, AnnounceAvailable)
}

// remove has one remove the other from the roster.
func (w *world) remove(who int) {
	e := &w.side[who]
	if e.Hidden {
		return
	}
	types, from := roster.RemoveEffects(*e), e.Subscription&roster.From != 0
	e.Clear()
	w.note(who, "push remove")
	for _, typ := range types {
		if typ == stanza.TypeUnsubscribed && from {
			w.note(who, "unavailable")
		}
		w.route(who, typ)
	}
}

func (w *world) route(who int, typ stanza.Type) {
	w.note(who, "send %s", typ)
	w.queue = append(w.queue, func() { w.receive(1-who, typ) })
}

func (w *world) receive(who int, typ stanza.Type) {
	st, err := stanza.New(stanza.Header{Kind: stanza.KindPresence, Type: typ, From: people[1-who].addr, To: people[who].addr})
	if err != nil {
		w.t.Fatal(err)
	}
	effect := Inbound(&w.side[who], st)
	w.announce(who, effect, AnnounceUnavailable)
	if effect.Deliver {
		w.note(who, "get %s", typ)
	}
	if effect.Reply != "" {
		w.route(who, effect.Reply)
	}
	w.push(who, effect)
	w.announce(who, effect, AnnounceAvailable)
}

func (w *world) push(who int, effect Effect) {
	if !effect.Push {
		return
	}
	e, ask := w.side[who], ""
	if e.Ask {
		ask = " ask"
	}
	if e.Approved {
		ask += " approved"
	}
	w.note(who, "push %s%s", e.Subscription, ask)
}

func (w *world) announce(who int, effect Effect, a Announcement) {
	if effect.Announce != a {
		return
	}
	if a == AnnounceAvailable {
		w.note(who, "available")
	} else {
		w.note(who, "unavailable")
	}
}

// run lets everything arrive.
func (w *world) run() {
	for len(w.queue) > 0 {
		next := w.queue[0]
		w.queue = w.queue[1:]
		next()
	}
}

// become brings the two into a state by what clients send.
func (w *world) become(romeos State) {
	ask := func(who int) { w.send(who, stanza.TypeSubscribe); w.run() }
	grant := func(who int) { w.send(who, stanza.TypeSubscribed); w.run() }
	if romeos.Subscription()&roster.To != 0 {
		ask(0)
		grant(1)
	}
	if romeos.Subscription()&roster.From != 0 {
		ask(1)
		grant(0)
	}
	if got := StateOf(w.side[0]); got != romeos {
		w.t.Fatalf("%s, want %s", got, romeos)
	}
	w.log = nil
}

// TestFlows has the flows of RFC 3921, section 8, and RFC 6121, section 3.
func TestFlows(t *testing.T) {
	const r, j = 0, 1
	say := func(who int, types ...stanza.Type) func(*world) {
		return func(w *world) {
			for _, typ := range types {
				w.send(who, typ)
				w.run()
			}
		}
	}
	for _, tt := range []struct {
		name   string
		before State // of Romeo
		do     []func(*world)
		log    []string
		after  [2]State
	}{
		{"R3921-8.2-1 the user subscribes to the contact", None,
			[]func(*world){say(r, stanza.TypeSubscribe), say(j, stanza.TypeSubscribed)},
			[]string{"romeo: send subscribe", "romeo: push none ask", "juliet: get subscribe",
				"juliet: send subscribed", "juliet: push from", "juliet: available", "romeo: get subscribed", "romeo: push to"},
			[2]State{To, From}},
		{"R3921-8.2.1-1 the contact declines", None,
			[]func(*world){say(r, stanza.TypeSubscribe), say(j, stanza.TypeUnsubscribed)},
			[]string{"romeo: send subscribe", "romeo: push none ask", "juliet: get subscribe",
				"juliet: send unsubscribed", "romeo: get unsubscribed", "romeo: push none"},
			[2]State{None, None}},
		{"R3921-8.3-1 a mutual subscription", To,
			[]func(*world){say(j, stanza.TypeSubscribe), say(r, stanza.TypeSubscribed)},
			[]string{"juliet: send subscribe", "juliet: push from ask", "romeo: get subscribe",
				"romeo: send subscribed", "romeo: push both", "romeo: available", "juliet: get subscribed", "juliet: push both"},
			[2]State{Both, Both}},
		{"GUIDE-3-pres-2 each direction is asked for separately", To, []func(*world){say(j, stanza.TypeSubscribed)},
			nil, [2]State{To, From}},
		{"R3921-8.4.1-1 unsubscribing, not mutual", To, []func(*world){say(r, stanza.TypeUnsubscribe)},
			[]string{"romeo: send unsubscribe", "romeo: push none", "juliet: unavailable", "juliet: get unsubscribe",
				"juliet: send unsubscribed", "juliet: push none"},
			[2]State{None, None}},
		{"R3921-8.4.2-1 unsubscribing, mutual", Both, []func(*world){say(r, stanza.TypeUnsubscribe)},
			[]string{"romeo: send unsubscribe", "romeo: push from", "juliet: unavailable", "juliet: get unsubscribe",
				"juliet: send unsubscribed", "juliet: push to"},
			[2]State{From, To}},
		{"R3921-8.5.1-1 cancelling, not mutual", To, []func(*world){say(j, stanza.TypeUnsubscribed)},
			[]string{"juliet: unavailable", "juliet: send unsubscribed", "juliet: push none", "romeo: get unsubscribed", "romeo: push none"},
			[2]State{None, None}},
		{"R3921-8.5.2-1 cancelling, mutual", Both, []func(*world){say(j, stanza.TypeUnsubscribed)},
			[]string{"juliet: unavailable", "juliet: send unsubscribed", "juliet: push to", "romeo: get unsubscribed", "romeo: push from"},
			[2]State{From, To}},
		{"R3921-8.6-1 removal, mutual", Both, []func(*world){func(w *world) { w.remove(r); w.run() }},
			[]string{"romeo: push remove", "romeo: send unsubscribe", "romeo: unavailable", "romeo: send unsubscribed",
				"juliet: unavailable", "juliet: get unsubscribe", "juliet: send unsubscribed", "juliet: push to",
				"juliet: get unsubscribed", "juliet: push none"},
			[2]State{None, None}},
		{"R6121-3.2.3-1 an unsubscribed out of nothing is ignored", From, []func(*world){say(j, stanza.TypeUnsubscribed)},
			nil, [2]State{From, To}},
		{"R6121-3.4-1 approved in advance", None,
			[]func(*world){say(j, stanza.TypeSubscribed), say(r, stanza.TypeSubscribe)},
			[]string{"juliet: push none approved", "romeo: send subscribe", "romeo: push none ask",
				"juliet: send subscribed", "juliet: push from", "juliet: available", "romeo: get subscribed", "romeo: push to"},
			[2]State{To, From}},
		{"R3921-5.1.6-2 out of step, and back", To,
			[]func(*world){func(w *world) { w.side[0].Clear() }, say(r, stanza.TypeSubscribe)},
			[]string{"romeo: send subscribe", "romeo: push none ask", "juliet: send subscribed", "juliet: available",
				"romeo: get subscribed", "romeo: push to"},
			[2]State{To, From}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.become(tt.before)
			for _, do := range tt.do {
				do(w)
			}
			if !slices.Equal(w.log, tt.log) {
				t.Errorf("log\n%q, want\n%q", w.log, tt.log)
			}
			for i, e := range w.side {
				if StateOf(e) != tt.after[i] {
					t.Errorf("%s: %s, want %s", people[i].name, StateOf(e), tt.after[i])
				}
			}
		})
	}
}

// TestTwoServersAgree: whatever the two do, as long as nothing is lost on the
// way the servers agree in the end about who has a subscription, and who waits
// for one.
func TestTwoServersAgree(t *testing.T) {
	types := []stanza.Type{stanza.TypeSubscribe, stanza.TypeSubscribed, stanza.TypeUnsubscribe, stanza.TypeUnsubscribed}
	seen := map[State]bool{}
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		w := newWorld(t)
		var done []string
		for range 100 {
			who, what := rng.IntN(2), rng.IntN(len(types)+1)
			if what == len(types) {
				done = append(done, people[who].name+" removes")
				w.remove(who)
			} else {
				done = append(done, people[who].name+" "+string(types[what]))
				w.send(who, types[what])
			}
			w.run()
			for i := range w.side {
				a, b := StateOf(w.side[i]), StateOf(w.side[1-i])
				seen[a] = true
				if a.Subscription()&roster.To != 0 != (b.Subscription()&roster.From != 0) || a.PendingOut() != b.PendingIn() {
					t.Fatalf("seed %d: %s has %s, the other %s, after %q", seed, people[i].name, a, b, done)
				}
			}
		}
	}
	if len(seen) != int(states) {
		t.Errorf("only %d states were seen", len(seen))
	}
}
