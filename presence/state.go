package presence

import (
	"github.com/etherx-go/xmpp/roster"
)

// State is the state of the subscriptions between a user and a contact, from the
// user's point of view, requests that wait for an answer included (RFC 6121,
// appendix A.1; RFC 3921, section 9.1).
type State uint8

// The nine states, in the order of the RFCs.
const (
	None             State  = iota // no subscription in either direction, or the contact is not known at all
	NonePendingOut                 // the user has asked the contact
	NonePendingIn                  // the contact has asked the user
	NonePendingOutIn               // each has asked the other
	To                             // the user has a subscription to the contact
	ToPendingIn                    // and the contact has asked for one
	From                           // the contact has a subscription to the user
	FromPendingOut                 // and the user has asked for one
	Both                           // each has a subscription to the other
	states           = iota        // how many there are
)

// stateInfo says what each state is made of.
var stateInfo = [states]struct {
	name         string
	subscription roster.Subscription
	out, in      bool // there is a request of the user, of the contact
}{
	None:             {"None", roster.None, false, false},
	NonePendingOut:   {"None + Pending Out", roster.None, true, false},
	NonePendingIn:    {"None + Pending In", roster.None, false, true},
	NonePendingOutIn: {"None + Pending Out+In", roster.None, true, true},
	To:               {"To", roster.To, false, false},
	ToPendingIn:      {"To + Pending In", roster.To, false, true},
	From:             {"From", roster.From, false, false},
	FromPendingOut:   {"From + Pending Out", roster.From, true, false},
	Both:             {"Both", roster.Both, false, false},
}

// String returns the name of the state in RFC 6121, "" if there is no such
// state.
func (s State) String() string {
	if s >= states {
		return ""
	}
	return stateInfo[s].name
}

// Subscription returns what the roster shows of the state beside ask.
func (s State) Subscription() roster.Subscription {
	if s >= states {
		return roster.None
	}
	return stateInfo[s].subscription
}

// PendingOut reports whether the user waits for an answer of the contact: in the
// roster that is ask='subscribe'.
func (s State) PendingOut() bool { return s < states && stateInfo[s].out }

// PendingIn reports whether the contact waits for an answer of the user. The
// roster does not show that.
func (s State) PendingIn() bool { return s < states && stateInfo[s].in }

// StateOf returns the state that an entry is in. It is one of the nine whatever
// is in the entry: a request for a subscription that there is already counts for
// nothing.
func StateOf(e roster.Entry) State {
	out := e.Ask && e.Subscription&roster.To == 0
	in := e.Request != "" && e.Subscription&roster.From == 0
	switch e.Subscription & roster.Both {
	case roster.Both:
		return Both
	case roster.To:
		return choose(in, To, ToPendingIn)
	case roster.From:
		return choose(out, From, FromPendingOut)
	}
	if out {
		return choose(in, NonePendingOut, NonePendingOutIn)
	}
	return choose(in, None, NonePendingIn)
}

func choose(pending bool, without, with State) State {
	if pending {
		return with
	}
	return without
}

// put makes the state of e be s. The request of a contact that begins to wait is
// not its business.
func (s State) put(e *roster.Entry) {
	e.Subscription, e.Ask = s.Subscription(), s.PendingOut()
	if !s.PendingIn() {
		e.Request = ""
	}
}
