package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/presence"
)

// The states, for tables.
const (
	stNone     = presence.None
	stNoneOut  = presence.NonePendingOut
	stNoneIn   = presence.NonePendingIn
	stNoneBoth = presence.NonePendingOutIn
	stTo       = presence.To
	stToIn     = presence.ToPendingIn
	stFrom     = presence.From
	stFromOut  = presence.FromPendingOut
	stBoth     = presence.Both
	stCount    = 9
)

// subscriptionRow is a row of the tables of RFC 3921, section 9, and of RFC 6121,
// appendix A: whether a stanza passes, to the other server or to the user, and the
// state afterwards.
type subscriptionRow struct {
	pass  bool
	after presence.State
	reply bool // the server answers: subscribe with subscribed, unsubscribe with unsubscribed
}

func passed(s presence.State) subscriptionRow    { return subscriptionRow{pass: true, after: s} }
func stopped(s presence.State) subscriptionRow   { return subscriptionRow{after: s} }
func answered(r subscriptionRow) subscriptionRow { r.reply = true; return r }
func (r subscriptionRow) answers(k string) string {
	switch {
	case !r.reply:
		return ""
	case k == "subscribe":
		return "subscribed"
	}
	return "unsubscribed"
}

var subscriptionKinds = []string{"subscribe", "unsubscribe", "subscribed", "unsubscribed"}

// outbound is what becomes of what the user sends, in each state.
var outbound = map[string][stCount]subscriptionRow{
	"subscribe": {passed(stNoneOut), passed(stNoneOut), passed(stNoneBoth), passed(stNoneBoth), passed(stTo),
		passed(stToIn), passed(stFromOut), passed(stFromOut), passed(stBoth)},
	"unsubscribe": {passed(stNone), passed(stNone), passed(stNoneIn), passed(stNoneIn), passed(stNone),
		passed(stNoneIn), passed(stFrom), passed(stFrom), passed(stFrom)},
	"subscribed": {stopped(stNone), stopped(stNoneOut), passed(stFrom), passed(stFromOut), stopped(stTo),
		passed(stBoth), stopped(stFrom), stopped(stFromOut), stopped(stBoth)},
	"unsubscribed": {stopped(stNone), stopped(stNoneOut), passed(stNone), passed(stNoneOut), stopped(stTo),
		passed(stTo), passed(stNone), passed(stNoneOut), passed(stTo)},
}

// inbound is what becomes of what the contact sends, in each state of the user.
var inbound = map[string][stCount]subscriptionRow{
	"subscribe": {passed(stNoneIn), passed(stNoneBoth), stopped(stNoneIn), stopped(stNoneBoth), passed(stToIn),
		stopped(stToIn),
		answered(stopped(stFrom)), answered(stopped(stFromOut)), answered(stopped(stBoth))},
	"unsubscribe": {stopped(stNone), stopped(stNoneOut), answered(passed(stNone)), answered(passed(stNoneOut)),
		stopped(stTo), answered(passed(stTo)),
		answered(passed(stNone)), answered(passed(stNoneOut)), answered(passed(stTo))},
	"subscribed": {stopped(stNone), passed(stTo), stopped(stNoneIn), passed(stToIn), stopped(stTo), stopped(stToIn),
		stopped(stFrom), passed(stBoth), stopped(stBoth)},
	"unsubscribed": {stopped(stNone), passed(stNone), stopped(stNoneIn), passed(stNoneIn), passed(stNone),
		passed(stNoneIn), stopped(stFrom), passed(stFrom), passed(stFrom)},
}

// remoteSide is one of the two, and what is to become of it.
type remoteSide struct {
	who      string
	began    presence.State
	state    presence.State
	approved bool // in advance
	client   *raw
	hears    []string // the types of what its client is to hear about subscriptions
	pushes   bool     // the client is to get a push
	says     []string // what its server is to say to the other
}

// take has a side take a stanza of the other.
func (s *remoteSide) take(kind string, other *remoteSide) {
	row := inbound[kind][s.state]
	s.note(row.after)
	if row.pass {
		s.hears = append(s.hears, kind)
	}
	if reply := row.answers(kind); reply != "" {
		s.says = append(s.says, reply)
		other.take(reply, s)
	}
}

// note notes the state that a side is in now. What of it is in the roster is
// pushed.
func (s *remoteSide) note(after presence.State) {
	if s.state.Subscription() != after.Subscription() || s.state.PendingOut() != after.PendingOut() {
		s.pushes = true
	}
	s.state = after
}

// check compares what has become of a side with what it was to be.
func (s *remoteSide) check(w *world, other *remoteSide) {
	w.t.Helper()
	var hears []string
	pushes := 0
	for _, st := range s.client.heard() {
		switch k := subscriptionType(st); {
		case k != "":
			hears = append(hears, k)
			if !strings.Contains(st, " to='"+s.who+"' from='"+other.who+"'") {
				w.t.Errorf("%s heard %s", s.who, st)
			}
		case strings.Contains(st, "jabber:iq:roster"):
			pushes++
		}
	}
	if !slices.Equal(hears, s.hears) {
		w.t.Errorf("the client of %s heard %q, want %q", s.who, hears, s.hears)
	}
	if want := map[bool]int{true: 1}[s.pushes]; pushes != want {
		w.t.Errorf("the client of %s got %d roster pushes, want %d", s.who, pushes, want)
	}
	e := w.entry(s.who, other.who)
	if got := presence.StateOf(e); got != s.state {
		w.t.Errorf("the roster of %s has %s in the state %q, want %q", s.who, other.who, got, s.state)
	}
	if e.Approved != s.approved {
		w.t.Errorf("%s has approved %s in advance: %v, want %v", s.who, other.who, e.Approved, s.approved)
	}
	// "A contact's server MUST NOT create a roster item for the user" (RFC 6121,
	// section 3.1.3): only what is pushed gets in.
	if visible := s.began.Subscription() != 0 || s.began.PendingOut() || s.pushes; e.Hidden == visible {
		w.t.Errorf("%s is in the roster of %s: %v", other.who, s.who, !e.Hidden)
	}
	var crossed []string
	for _, st := range w.crossed(domainOf(s.who), domainOf(other.who)) {
		if k := subscriptionType(st); k != "" {
			crossed = append(crossed, k)
			if want := fmt.Sprintf(" to='%s' from='%s'", other.who, s.who); !strings.Contains(st, want) {
				w.t.Errorf("the link has carried %s, without %s", st, want)
			}
		}
	}
	if !slices.Equal(crossed, s.says) {
		w.t.Errorf("from %s the link has carried %q, want %q", s.who, crossed, s.says)
	}
}

// subscriptionType returns the type of a presence that is about a subscription.
func subscriptionType(st string) string {
	for _, k := range subscriptionKinds {
		if strings.HasPrefix(st, "<presence type='"+k+"'") {
			return k
		}
	}
	return ""
}

func domainOf(account string) string { return account[strings.Index(account, "@")+1:] }

// TestRemoteStates drives each row of the nine states' tables over a link between
// two servers, and looks at both rosters. Outbound, the user sends; inbound, the
// contact does. Where the contact's own server would not let its stanza out, it is
// one that is out of step.
func TestRemoteStates(t *testing.T) {
	for _, kind := range subscriptionKinds {
		for s := range presence.State(stCount) {
			inWorld(t, fmt.Sprintf("SUB-OUT-%s-%d in %s", kind, s+1, s), func(w *world) {
				user, contact := w.sides(s)
				row := outbound[kind][s]
				user.note(row.after)
				if row.pass {
					user.says = append(user.says, kind)
					contact.take(kind, user)
				}
				if kind == "subscribed" && (s == stNone || s == stNoneOut || s == stTo) {
					user.approved, user.pushes = true, true // RFC 6121, section 3.4
				}
				user.client.send("<presence type='%s' to='%s'/>", kind, contact.who)
				user.check(w, contact)
				contact.check(w, user)
			})
			inWorld(t, fmt.Sprintf("SUB-IN-%s-%d in %s", kind, s+1, s), func(w *world) {
				user, contact := w.sides(s)
				contact.says = append(contact.says, kind)
				if row := outbound[kind][contact.state]; row.pass {
					contact.note(row.after)
					contact.client.send("<presence type='%s' to='%s'/>", kind, user.who)
				} else {
					w.route(fmt.Sprintf("<presence type='%s' to='%s' from='%s'/>", kind, user.who, contact.who))
				}
				user.take(kind, contact)
				user.check(w, contact)
				contact.check(w, user)
			})
		}
	}
}

// sides are romeo of a.example, the user, in a state towards juliet of b.example,
// the contact; both are there.
func (w *world) sides(s presence.State) (user, contact *remoteSide) {
	w.setStates(romeoA, julietB, s)
	user = &remoteSide{who: romeoA, began: s, state: s, client: w.login(romeoA + "/orchard")}
	contact = &remoteSide{who: julietB, began: mirrored(s), state: mirrored(s), client: w.login(julietB + "/balcony")}
	user.client.hears()
	contact.client.hears()
	w.forget()
	w.wantStates(romeoA, julietB, s, mirrored(s)) // nothing of that has changed it
	return user, contact
}
