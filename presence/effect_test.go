package presence

import (
	"reflect"
	"testing"

	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// unknown is what a store has of somebody that it knows nothing of.
func unknown() roster.Entry { return roster.Entry{Item: roster.Item{JID: romeo}, Hidden: true} }

// TestHidden: who is not in the roster, and when that changes.
func TestHidden(t *testing.T) {
	t.Run("R6121-3.1.2-1 subscribe makes an item", func(t *testing.T) {
		e := unknown()
		effect := Outbound(&e, stanza.TypeSubscribe)
		if effect != (Effect{Route: true, Push: true}) || e.Hidden || !e.Ask || e.Subscription != roster.None {
			t.Errorf("%+v, %+v", effect, e)
		}
	})
	t.Run("R6121-3.1.3-2 a request makes none", func(t *testing.T) {
		e := unknown()
		effect := Inbound(&e, inbound(t, stanza.TypeSubscribe))
		if effect != (Effect{Deliver: true}) || !e.Hidden || e.IsEmpty() || e.Request != request {
			t.Errorf("%+v, %+v", effect, e)
		}
	})
	t.Run("R6121-3.1.5-1 its approval does", func(t *testing.T) {
		e := unknown()
		Inbound(&e, inbound(t, stanza.TypeSubscribe))
		effect := Outbound(&e, stanza.TypeSubscribed)
		want := roster.Entry{Item: roster.Item{JID: romeo, Subscription: roster.From}}
		if effect != (Effect{Route: true, Push: true, Announce: AnnounceAvailable}) || !reflect.DeepEqual(e, want) {
			t.Errorf("%+v, %+v", effect, e)
		}
	})
	t.Run("R3921-8.2.1-1 a refusal leaves nothing", func(t *testing.T) {
		e := unknown()
		Inbound(&e, inbound(t, stanza.TypeSubscribe))
		// Who never had a subscription does not get to know of resources.
		if effect := Outbound(&e, stanza.TypeUnsubscribed); effect != (Effect{Route: true}) || !e.IsEmpty() {
			t.Errorf("%+v, %+v", effect, e)
		}
	})
	t.Run("R6121-3.3.3-1 nor does a request that is taken back", func(t *testing.T) {
		e := unknown()
		Inbound(&e, inbound(t, stanza.TypeSubscribe))
		effect := Inbound(&e, inbound(t, stanza.TypeUnsubscribe))
		if effect != (Effect{Deliver: true, Reply: stanza.TypeUnsubscribed}) || !e.IsEmpty() {
			t.Errorf("%+v, %+v", effect, e)
		}
	})
	t.Run("R6121-3.1.6-1 what nobody has asked for is ignored", func(t *testing.T) {
		for _, typ := range []stanza.Type{stanza.TypeSubscribed, stanza.TypeUnsubscribed, stanza.TypeUnsubscribe} {
			e := unknown()
			if effect := Inbound(&e, inbound(t, typ)); effect != (Effect{}) || !e.IsEmpty() {
				t.Errorf("%s: %+v, %+v", typ, effect, e)
			}
		}
	})
	t.Run("R6121-3.3.2-1 unsubscribe is always routed", func(t *testing.T) {
		e := unknown()
		if effect := Outbound(&e, stanza.TypeUnsubscribe); effect != (Effect{Route: true}) || !e.IsEmpty() {
			t.Errorf("%+v, %+v", effect, e)
		}
	})
	t.Run("R6121-3.2.2-1 unsubscribed is not", func(t *testing.T) {
		e := unknown()
		if effect := Outbound(&e, stanza.TypeUnsubscribed); effect != (Effect{}) || !e.IsEmpty() {
			t.Errorf("%+v, %+v", effect, e)
		}
	})
}

// TestHiddenByMistake: an entry that should not have been hidden, as a store may
// have it that somebody else has filled, comes to light.
func TestHiddenByMistake(t *testing.T) {
	e := entryIn(To)
	e.Hidden = true
	if effect := Outbound(&e, stanza.TypeSubscribe); effect != (Effect{Route: true, Push: true}) || e.Hidden {
		t.Errorf("%+v, %+v", effect, e)
	}
}

// TestPreApproval is RFC 6121, section 3.4.
func TestPreApproval(t *testing.T) {
	t.Run("R6121-3.4-1 makes an item", func(t *testing.T) {
		e := unknown()
		effect := Outbound(&e, stanza.TypeSubscribed)
		want := roster.Entry{Item: roster.Item{JID: romeo, Approved: true}}
		if effect != (Effect{Push: true}) || !reflect.DeepEqual(e, want) {
			t.Errorf("%+v, %+v", effect, e)
		}
		if effect := Outbound(&e, stanza.TypeSubscribed); effect != (Effect{}) {
			t.Errorf("again: %+v", effect)
		}
	})
	for _, s := range []State{None, NonePendingOut, To} {
		t.Run("R6121-3.4-1 in "+s.String(), func(t *testing.T) {
			e := entryIn(s)
			if effect := Outbound(&e, stanza.TypeSubscribed); effect != (Effect{Push: true}) || !e.Approved || StateOf(e) != s {
				t.Errorf("%+v, %+v", effect, e)
			}
			cancelled := e
			effect := Outbound(&cancelled, stanza.TypeUnsubscribed)
			if effect != (Effect{Push: true}) || cancelled.Approved || StateOf(cancelled) != s {
				t.Errorf("cancelled: %+v, %+v", effect, cancelled)
			}
			// The request is answered at once, and the approval made use of.
			effect = Inbound(&e, inbound(t, stanza.TypeSubscribe))
			after := entryIn(s)
			after.Subscription |= roster.From
			if effect != (Effect{Push: true, Reply: stanza.TypeSubscribed, Announce: AnnounceAvailable}) || !reflect.DeepEqual(e, after) {
				t.Errorf("used: %+v, %+v, want %+v", effect, e, after)
			}
		})
	}
	for _, s := range []State{From, FromPendingOut, Both} {
		t.Run("R6121-3.4-1 nothing in "+s.String(), func(t *testing.T) {
			e := entryIn(s)
			if effect := Outbound(&e, stanza.TypeSubscribed); effect != (Effect{}) || e.Approved {
				t.Errorf("%+v, %+v", effect, e)
			}
		})
	}
	t.Run("R6121-3.4-1 what the contact does is no cancellation", func(t *testing.T) {
		e := entryIn(To)
		e.Approved = true
		Inbound(&e, inbound(t, stanza.TypeUnsubscribed))
		Inbound(&e, inbound(t, stanza.TypeUnsubscribe))
		if Outbound(&e, stanza.TypeUnsubscribe); !e.Approved || e.Hidden {
			t.Errorf("%+v", e)
		}
	})
}

// TestRequest: a request waits as it is.
func TestRequest(t *testing.T) {
	t.Run("R6121-3.1.3-1 with extensions, and only one", func(t *testing.T) {
		st, err := stanza.Parse("<presence type='subscribe' id='xk3h1v69' from='romeo@example.net' to='juliet@example.com' xml:lang='en'>" +
			"<status>It is me.</status><nick xmlns='http://jabber.org/protocol/nick'>Romeo</nick></presence>")
		if err != nil {
			t.Fatal(err)
		}
		e := unknown()
		Inbound(&e, st)
		if effect := Inbound(&e, inbound(t, stanza.TypeSubscribe)); effect != (Effect{}) {
			t.Errorf("the second one: %+v", effect)
		}
		kept, err := stanza.Parse(e.Request)
		if err != nil {
			t.Fatalf("%s: %v", e.Request, err)
		}
		if kept.String() != st.String() || kept.Presence().Status != "It is me." {
			t.Errorf("kept %s, want %s", kept, st)
		}
	})
	t.Run("R3921-5.1.6-1 nothing is approved by itself", func(t *testing.T) {
		for s := State(0); s < states; s++ {
			e := entryIn(s)
			if Inbound(&e, inbound(t, stanza.TypeSubscribe)); e.Subscription != s.Subscription() {
				t.Errorf("%s becomes %s", s, StateOf(e))
			}
		}
	})
	t.Run("R3921-5.1.6-2 who is subscribed is told so", func(t *testing.T) {
		e := entryIn(Both)
		effect := Inbound(&e, inbound(t, stanza.TypeSubscribe))
		if effect != (Effect{Reply: stanza.TypeSubscribed, Announce: AnnounceAvailable}) {
			t.Errorf("%+v", effect)
		}
	})
}

// entries are all that can be kept of a contact.
func entries() (list []roster.Entry) {
	for s := State(0); s < states; s++ {
		for _, approved := range []bool{false, true} {
			e := entryIn(s)
			e.Approved = approved
			list = append(list, e)
		}
		if s == None || s == NonePendingIn {
			e := entryIn(s)
			e.Name, e.Groups, e.Hidden = "", nil, true
			list = append(list, e)
		}
	}
	return list
}

// TestInvariants goes through all entries and all stanzas.
func TestInvariants(t *testing.T) {
	types := []stanza.Type{stanza.TypeSubscribe, stanza.TypeSubscribed, stanza.TypeUnsubscribe, stanza.TypeUnsubscribed}
	for _, before := range entries() {
		for _, typ := range types {
			for _, outbound := range []bool{true, false} {
				e := before
				_, effect := apply(t, &e, outbound, typ)
				what := func(problem string) {
					t.Errorf("%s (approved %v, hidden %v), outbound %v %s: %s: %+v, %+v",
						StateOf(before), before.Approved, before.Hidden, outbound, typ, problem, e, effect)
				}
				checkEntry(before, e, effect, what)
				checkHandshake(before, e, outbound, typ, what)
				again := e
				if _, effect := apply(t, &again, outbound, typ); !reflect.DeepEqual(again, e) || effect.Push ||
					effect.Announce == AnnounceUnavailable {
					what("a second time is not the same")
				}
			}
		}
	}
}

// checkEntry checks what is true of an entry at any time.
func checkEntry(before, e roster.Entry, effect Effect, what func(string)) {
	s := StateOf(e)
	if e.Subscription != s.Subscription() || e.Ask != s.PendingOut() || (e.Request != "") != s.PendingIn() {
		what("it is in none of the nine states")
	}
	if e.Hidden && (e.Subscription != roster.None || e.Ask || e.Approved) {
		what("it is hidden")
	}
	if e.Name != before.Name || !reflect.DeepEqual(e.Groups, before.Groups) || e.JID != before.JID {
		what("the user's own data")
	}
	if e.Hidden && !before.Hidden {
		what("it has left the roster")
	}
	if effect.Push != (!e.Hidden && !reflect.DeepEqual(shown(before), shown(e))) {
		what("the push")
	}
}

// shown is what the roster shows of an entry.
func shown(e roster.Entry) any {
	if e.Hidden {
		return nil
	}
	return e.Item
}

// checkHandshake checks that nobody gets a subscription that was not asked for
// by one and granted by the other.
func checkHandshake(before, e roster.Entry, outbound bool, typ stanza.Type, what func(string)) {
	gained := e.Subscription &^ before.Subscription
	if gained&roster.To != 0 && !(!outbound && typ == stanza.TypeSubscribed && before.Ask) {
		what("the user has a subscription that was not granted")
	}
	granted := outbound && typ == stanza.TypeSubscribed && before.Request != "" ||
		!outbound && typ == stanza.TypeSubscribe && before.Approved
	if gained&roster.From != 0 && !granted {
		what("the contact has a subscription that was not granted")
	}
	lost := before.Subscription &^ e.Subscription
	if lost&roster.From != 0 && (outbound && typ != stanza.TypeUnsubscribed || !outbound && typ != stanza.TypeUnsubscribe) ||
		lost&roster.To != 0 && (outbound && typ != stanza.TypeUnsubscribe || !outbound && typ != stanza.TypeUnsubscribed) {
		what("a subscription is lost")
	}
}
