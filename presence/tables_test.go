package presence

import (
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

var (
	romeo  = jid.MustParse("romeo@example.net")
	juliet = jid.MustParse("juliet@example.com")
)

// request is a request as it is kept.
const request = "<presence xmlns='jabber:client' type='subscribe' to='juliet@example.com' from='romeo@example.net'/>"

// stateNamed is the state with that name in RFC 6121.
func stateNamed(t *testing.T, name string) State {
	t.Helper()
	for s := State(0); s < states; s++ {
		if s.String() == name {
			return s
		}
	}
	t.Fatalf("no state %q", name)
	return 0
}

// entryIn is what Juliet's server keeps of Romeo, who is in her roster.
func entryIn(s State) roster.Entry {
	e := roster.Entry{Item: roster.Item{JID: romeo, Name: "Romeo", Groups: []string{"Friends"}}}
	if s.PendingIn() {
		e.Request = request
	}
	s.put(&e)
	return e
}

// inbound is a presence of that type from Romeo.
func inbound(t *testing.T, typ stanza.Type) *stanza.Stanza {
	t.Helper()
	st, err := stanza.New(stanza.Header{Kind: stanza.KindPresence, Type: typ, From: romeo, To: juliet})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// apply applies a stanza in that direction, and returns whether it is passed on.
func apply(t *testing.T, e *roster.Entry, outbound bool, typ stanza.Type) (pass bool, effect Effect) {
	t.Helper()
	if outbound {
		effect = Outbound(e, typ)
		if effect.Deliver || effect.Reply != "" {
			t.Errorf("outbound %s: %+v", typ, effect)
		}
		return effect.Route, effect
	}
	effect = Inbound(e, inbound(t, typ))
	if effect.Route {
		t.Errorf("inbound %s: %+v", typ, effect)
	}
	return effect.Deliver, effect
}

// TestSubscriptionStates has the rows of RFC 3921, section 9, tables 1 to 6, and
// of its section 9.2 for what has no table. "From the user's (not contact's)
// perspective".
func TestSubscriptionStates(t *testing.T) {
	for _, tt := range []struct {
		id       string
		outbound bool
		typ      stanza.Type
		state    string
		pass     bool
		new      string
		reply    stanza.Type
	}{
		{"SUB-OUT-subscribe-1", true, "subscribe", "None", true, "None + Pending Out", ""},
		{"SUB-OUT-subscribe-2", true, "subscribe", "None + Pending Out", true, "None + Pending Out", ""},
		{"SUB-OUT-subscribe-3", true, "subscribe", "None + Pending In", true, "None + Pending Out+In", ""},
		{"SUB-OUT-subscribe-4", true, "subscribe", "None + Pending Out+In", true, "None + Pending Out+In", ""},
		{"SUB-OUT-subscribe-5", true, "subscribe", "To", true, "To", ""},
		{"SUB-OUT-subscribe-6", true, "subscribe", "To + Pending In", true, "To + Pending In", ""},
		{"SUB-OUT-subscribe-7", true, "subscribe", "From", true, "From + Pending Out", ""},
		{"SUB-OUT-subscribe-8", true, "subscribe", "From + Pending Out", true, "From + Pending Out", ""},
		{"SUB-OUT-subscribe-9", true, "subscribe", "Both", true, "Both", ""},
		{"SUB-OUT-unsubscribe-1", true, "unsubscribe", "None", true, "None", ""},
		{"SUB-OUT-unsubscribe-2", true, "unsubscribe", "None + Pending Out", true, "None", ""},
		{"SUB-OUT-unsubscribe-3", true, "unsubscribe", "None + Pending In", true, "None + Pending In", ""},
		{"SUB-OUT-unsubscribe-4", true, "unsubscribe", "None + Pending Out+In", true, "None + Pending In", ""},
		{"SUB-OUT-unsubscribe-5", true, "unsubscribe", "To", true, "None", ""},
		{"SUB-OUT-unsubscribe-6", true, "unsubscribe", "To + Pending In", true, "None + Pending In", ""},
		{"SUB-OUT-unsubscribe-7", true, "unsubscribe", "From", true, "From", ""},
		{"SUB-OUT-unsubscribe-8", true, "unsubscribe", "From + Pending Out", true, "From", ""},
		{"SUB-OUT-unsubscribe-9", true, "unsubscribe", "Both", true, "From", ""},
		{"SUB-OUT-subscribed-1", true, "subscribed", "None", false, "None", ""},
		{"SUB-OUT-subscribed-2", true, "subscribed", "None + Pending Out", false, "None + Pending Out", ""},
		{"SUB-OUT-subscribed-3", true, "subscribed", "None + Pending In", true, "From", ""},
		{"SUB-OUT-subscribed-4", true, "subscribed", "None + Pending Out+In", true, "From + Pending Out", ""},
		{"SUB-OUT-subscribed-5", true, "subscribed", "To", false, "To", ""},
		{"SUB-OUT-subscribed-6", true, "subscribed", "To + Pending In", true, "Both", ""},
		{"SUB-OUT-subscribed-7", true, "subscribed", "From", false, "From", ""},
		{"SUB-OUT-subscribed-8", true, "subscribed", "From + Pending Out", false, "From + Pending Out", ""},
		{"SUB-OUT-subscribed-9", true, "subscribed", "Both", false, "Both", ""},
		{"SUB-OUT-unsubscribed-1", true, "unsubscribed", "None", false, "None", ""},
		{"SUB-OUT-unsubscribed-2", true, "unsubscribed", "None + Pending Out", false, "None + Pending Out", ""},
		{"SUB-OUT-unsubscribed-3", true, "unsubscribed", "None + Pending In", true, "None", ""},
		{"SUB-OUT-unsubscribed-4", true, "unsubscribed", "None + Pending Out+In", true, "None + Pending Out", ""},
		{"SUB-OUT-unsubscribed-5", true, "unsubscribed", "To", false, "To", ""},
		{"SUB-OUT-unsubscribed-6", true, "unsubscribed", "To + Pending In", true, "To", ""},
		{"SUB-OUT-unsubscribed-7", true, "unsubscribed", "From", true, "None", ""},
		{"SUB-OUT-unsubscribed-8", true, "unsubscribed", "From + Pending Out", true, "None + Pending Out", ""},
		{"SUB-OUT-unsubscribed-9", true, "unsubscribed", "Both", true, "To", ""},
		{"SUB-IN-subscribe-1", false, "subscribe", "None", true, "None + Pending In", ""},
		{"SUB-IN-subscribe-2", false, "subscribe", "None + Pending Out", true, "None + Pending Out+In", ""},
		{"SUB-IN-subscribe-3", false, "subscribe", "None + Pending In", false, "None + Pending In", ""},
		{"SUB-IN-subscribe-4", false, "subscribe", "None + Pending Out+In", false, "None + Pending Out+In", ""},
		{"SUB-IN-subscribe-5", false, "subscribe", "To", true, "To + Pending In", ""},
		{"SUB-IN-subscribe-6", false, "subscribe", "To + Pending In", false, "To + Pending In", ""},
		{"SUB-IN-subscribe-7", false, "subscribe", "From", false, "From", "subscribed"},
		{"SUB-IN-subscribe-8", false, "subscribe", "From + Pending Out", false, "From + Pending Out", "subscribed"},
		{"SUB-IN-subscribe-9", false, "subscribe", "Both", false, "Both", "subscribed"},
		{"SUB-IN-unsubscribe-1", false, "unsubscribe", "None", false, "None", ""},
		{"SUB-IN-unsubscribe-2", false, "unsubscribe", "None + Pending Out", false, "None + Pending Out", ""},
		{"SUB-IN-unsubscribe-3", false, "unsubscribe", "None + Pending In", true, "None", "unsubscribed"},
		{"SUB-IN-unsubscribe-4", false, "unsubscribe", "None + Pending Out+In", true, "None + Pending Out", "unsubscribed"},
		{"SUB-IN-unsubscribe-5", false, "unsubscribe", "To", false, "To", ""},
		{"SUB-IN-unsubscribe-6", false, "unsubscribe", "To + Pending In", true, "To", "unsubscribed"},
		{"SUB-IN-unsubscribe-7", false, "unsubscribe", "From", true, "None", "unsubscribed"},
		{"SUB-IN-unsubscribe-8", false, "unsubscribe", "From + Pending Out", true, "None + Pending Out", "unsubscribed"},
		{"SUB-IN-unsubscribe-9", false, "unsubscribe", "Both", true, "To", "unsubscribed"},
		{"SUB-IN-subscribed-1", false, "subscribed", "None", false, "None", ""},
		{"SUB-IN-subscribed-2", false, "subscribed", "None + Pending Out", true, "To", ""},
		{"SUB-IN-subscribed-3", false, "subscribed", "None + Pending In", false, "None + Pending In", ""},
		{"SUB-IN-subscribed-4", false, "subscribed", "None + Pending Out+In", true, "To + Pending In", ""},
		{"SUB-IN-subscribed-5", false, "subscribed", "To", false, "To", ""},
		{"SUB-IN-subscribed-6", false, "subscribed", "To + Pending In", false, "To + Pending In", ""},
		{"SUB-IN-subscribed-7", false, "subscribed", "From", false, "From", ""},
		{"SUB-IN-subscribed-8", false, "subscribed", "From + Pending Out", true, "Both", ""},
		{"SUB-IN-subscribed-9", false, "subscribed", "Both", false, "Both", ""},
		{"SUB-IN-unsubscribed-1", false, "unsubscribed", "None", false, "None", ""},
		{"SUB-IN-unsubscribed-2", false, "unsubscribed", "None + Pending Out", true, "None", ""},
		{"SUB-IN-unsubscribed-3", false, "unsubscribed", "None + Pending In", false, "None + Pending In", ""},
		{"SUB-IN-unsubscribed-4", false, "unsubscribed", "None + Pending Out+In", true, "None + Pending In", ""},
		{"SUB-IN-unsubscribed-5", false, "unsubscribed", "To", true, "None", ""},
		{"SUB-IN-unsubscribed-6", false, "unsubscribed", "To + Pending In", true, "None + Pending In", ""},
		{"SUB-IN-unsubscribed-7", false, "unsubscribed", "From", false, "From", ""},
		{"SUB-IN-unsubscribed-8", false, "unsubscribed", "From + Pending Out", true, "From", ""},
		{"SUB-IN-unsubscribed-9", false, "unsubscribed", "Both", true, "From", ""},
	} {
		t.Run(tt.id, func(t *testing.T) {
			before, after := stateNamed(t, tt.state), stateNamed(t, tt.new)
			e := entryIn(before)
			was := e
			pass, effect := apply(t, &e, tt.outbound, tt.typ)
			if pass != tt.pass || effect.Reply != tt.reply {
				t.Errorf("passed %v, reply %q, want %v, %q", pass, effect.Reply, tt.pass, tt.reply)
			}
			if s := StateOf(e); s != after {
				t.Errorf("state %s, want %s", s, after)
			}
			// The roster is pushed when what it shows is different, and only then.
			shown := e.Subscription != was.Subscription || e.Ask != was.Ask || e.Approved
			if effect.Push != shown || e.Ask != after.PendingOut() || e.Subscription != after.Subscription() {
				t.Errorf("push %v of %+v", effect.Push, e.Item)
			}
			if (e.Request != "") != after.PendingIn() || before.PendingIn() && after.PendingIn() && e.Request != request {
				t.Errorf("request %q", e.Request)
			}
			had, has := before.Subscription()&roster.From != 0, after.Subscription()&roster.From != 0
			if (effect.Announce == AnnounceUnavailable) != (had && !has) ||
				(effect.Announce == AnnounceAvailable) != (has && (!had || tt.reply == stanza.TypeSubscribed)) {
				t.Errorf("announce %d", effect.Announce)
			}
		})
	}
}

// TestAppendixA compares with the tables of RFC 6121, appendix A.2 and A.3.
func TestAppendixA(t *testing.T) {
	n := map[int]int{}
	for _, tt := range []struct {
		table    int
		outbound bool
		typ      stanza.Type
		state    string
		pass     string // the word of the RFC
		note     string // the mark beside it
		new      string
	}{
		{2, true, "subscribe", "None", "MUST", "[1]", "None + Pending Out"},
		{2, true, "subscribe", "None + Pending Out", "MUST", "", "no state change"},
		{2, true, "subscribe", "None + Pending In", "MUST", "[1]", "None + Pending Out+In"},
		{2, true, "subscribe", "None + Pending Out+In", "MUST", "", "no state change"},
		{2, true, "subscribe", "To", "MUST", "", "no state change"},
		{2, true, "subscribe", "To + Pending In", "MUST", "", "no state change"},
		{2, true, "subscribe", "From", "MUST", "[1]", "From + Pending Out"},
		{2, true, "subscribe", "From + Pending Out", "MUST", "", "no state change"},
		{2, true, "subscribe", "Both", "MUST", "", "no state change"},
		{3, true, "unsubscribe", "None", "MUST", "", "no state change"},
		{3, true, "unsubscribe", "None + Pending Out", "MUST", "", "None"},
		{3, true, "unsubscribe", "None + Pending In", "MUST", "", "no state change"},
		{3, true, "unsubscribe", "None + Pending Out+In", "MUST", "", "None + Pending In"},
		{3, true, "unsubscribe", "To", "MUST", "", "None"},
		{3, true, "unsubscribe", "To + Pending In", "MUST", "", "None + Pending In"},
		{3, true, "unsubscribe", "From", "MUST", "", "no state change"},
		{3, true, "unsubscribe", "From + Pending Out", "MUST", "", "From"},
		{3, true, "unsubscribe", "Both", "MUST", "", "From"},
		{4, true, "subscribed", "None", "M.N.", "", "pre-approval [1]"},
		{4, true, "subscribed", "None + Pending Out", "M.N.", "", "pre-approval [1]"},
		{4, true, "subscribed", "None + Pending In", "MUST", "", "From"},
		{4, true, "subscribed", "None + Pending Out+In", "MUST", "", "From + Pending Out"},
		{4, true, "subscribed", "To", "M.N.", "", "pre-approval [1]"},
		{4, true, "subscribed", "To + Pending In", "MUST", "", "Both"},
		{4, true, "subscribed", "From", "M.N.", "", "no state change"},
		{4, true, "subscribed", "From + Pending Out", "M.N.", "", "no state change"},
		{4, true, "subscribed", "Both", "M.N.", "", "no state change"},
		{5, true, "unsubscribed", "None", "S.N.", "", "no state change [1]"},
		{5, true, "unsubscribed", "None + Pending Out", "S.N.", "", "no state change [1]"},
		{5, true, "unsubscribed", "None + Pending In", "MUST", "", "None"},
		{5, true, "unsubscribed", "None + Pending Out+In", "MUST", "", "None + Pending Out"},
		{5, true, "unsubscribed", "To", "S.N.", "", "no state change [1]"},
		{5, true, "unsubscribed", "To + Pending In", "MUST", "", "To"},
		{5, true, "unsubscribed", "From", "MUST", "", "None"},
		{5, true, "unsubscribed", "From + Pending Out", "MUST", "", "None + Pending Out"},
		{5, true, "unsubscribed", "Both", "MUST", "", "To"},
		{6, false, "subscribe", "None", "MUST", "[1]", "None + Pending In"},
		{6, false, "subscribe", "None + Pending Out", "MUST", "", "None + Pending Out+In"},
		{6, false, "subscribe", "None + Pending In", "S.N.", "", "no state change"},
		{6, false, "subscribe", "None + Pending Out+In", "S.N.", "", "no state change"},
		{6, false, "subscribe", "To", "MUST", "", "To + Pending In"},
		{6, false, "subscribe", "To + Pending In", "S.N.", "", "no state change"},
		{6, false, "subscribe", "From", "S.N.", "[2]", "no state change"},
		{6, false, "subscribe", "From + Pending Out", "S.N.", "[2]", "no state change"},
		{6, false, "subscribe", "Both", "S.N.", "[2]", "no state change"},
		{7, false, "unsubscribe", "None", "S.N.", "", "no state change"},
		{7, false, "unsubscribe", "None + Pending Out", "S.N.", "", "no state change"},
		{7, false, "unsubscribe", "None + Pending In", "MUST", "[1]", "None"},
		{7, false, "unsubscribe", "None + Pending Out+In", "MUST", "[1]", "None + Pending Out"},
		{7, false, "unsubscribe", "To", "S.N.", "", "no state change"},
		{7, false, "unsubscribe", "To + Pending In", "MUST", "[1]", "To"},
		{7, false, "unsubscribe", "From", "MUST", "[1]", "None"},
		{7, false, "unsubscribe", "From + Pending Out", "MUST", "[1]", "None + Pending Out"},
		{7, false, "unsubscribe", "Both", "MUST", "[1]", "To"},
		{8, false, "subscribed", "None", "S.N.", "", "no state change"},
		{8, false, "subscribed", "None + Pending Out", "MUST", "", "To"},
		{8, false, "subscribed", "None + Pending In", "S.N.", "", "no state change"},
		{8, false, "subscribed", "None + Pending Out+In", "MUST", "", "To + Pending In"},
		{8, false, "subscribed", "To", "S.N.", "", "no state change"},
		{8, false, "subscribed", "To + Pending In", "S.N.", "", "no state change"},
		{8, false, "subscribed", "From", "S.N.", "", "no state change"},
		{8, false, "subscribed", "From + Pending Out", "MUST", "", "Both"},
		{8, false, "subscribed", "Both", "S.N.", "", "no state change"},
		{9, false, "unsubscribed", "None", "S.N.", "", "no state change"},
		{9, false, "unsubscribed", "None + Pending Out", "MUST", "", "None"},
		{9, false, "unsubscribed", "None + Pending In", "S.N.", "", "no state change"},
		{9, false, "unsubscribed", "None + Pending Out+In", "MUST", "", "None + Pending In"},
		{9, false, "unsubscribed", "To", "MUST", "", "None"},
		{9, false, "unsubscribed", "To + Pending In", "MUST", "", "None + Pending In"},
		{9, false, "unsubscribed", "From", "S.N.", "", "no state change"},
		{9, false, "unsubscribed", "From + Pending Out", "MUST", "", "From"},
		{9, false, "unsubscribed", "Both", "MUST", "", "From"},
	} {
		n[tt.table]++
		before := stateNamed(t, tt.state)
		rule, ok := InboundRule(tt.typ, before)
		if tt.outbound {
			rule, ok = OutboundRule(tt.typ, before)
		}
		approval := strings.HasPrefix(tt.new, "pre-approval")
		after := before
		if !approval && !strings.HasPrefix(tt.new, "no state change") {
			after = stateNamed(t, tt.new)
		}
		want := Rule{Pass: tt.pass == "MUST", New: after, PreApproval: approval}
		switch {
		case tt.table == 6 && tt.note == "[2]":
			want.Reply = stanza.TypeSubscribed
		case tt.table == 7 && tt.note == "[1]":
			want.Reply = stanza.TypeUnsubscribed
		}
		if !ok || rule != want {
			t.Errorf("table %d, %q: %+v, want %+v", tt.table, tt.state, rule, want)
		}
	}
	for table := 2; table <= 9; table++ {
		if n[table] != int(states) {
			t.Errorf("table %d has %d rows", table, n[table])
		}
	}
}

// TestAcknowledgements is RFC 3921, section 9.4, table 7. Only requests are
// delivered again until they are answered; the other three notifications are
// delivered once, and what a client of that time sends to acknowledge one is an
// ordinary stanza, which the tables take.
func TestAcknowledgements(t *testing.T) {
	for _, tt := range []struct {
		id         string
		state      State // before the notification
		notified   stanza.Type
		ack        stanza.Type
		route      bool
		after      State
		afterwards string // a request that waits
	}{
		{"SUB-ACK-1 affirmed", None, stanza.TypeSubscribe, stanza.TypeSubscribed, true, From, ""},
		{"SUB-ACK-1 denied", None, stanza.TypeSubscribe, stanza.TypeUnsubscribed, true, None, ""},
		{"SUB-ACK-2 affirmed", NonePendingOut, stanza.TypeSubscribed, stanza.TypeSubscribe, true, To, ""},
		{"SUB-ACK-2 denied", NonePendingOut, stanza.TypeSubscribed, stanza.TypeUnsubscribe, true, None, ""},
		{"SUB-ACK-3 affirmed", From, stanza.TypeUnsubscribe, stanza.TypeUnsubscribed, false, None, ""},
		{"SUB-ACK-3 denied", Both, stanza.TypeUnsubscribe, stanza.TypeSubscribed, false, To, ""},
		{"SUB-ACK-4 affirmed", To, stanza.TypeUnsubscribed, stanza.TypeUnsubscribe, true, None, ""},
		{"SUB-ACK-4 denied", To, stanza.TypeUnsubscribed, stanza.TypeSubscribe, true, NonePendingOut, ""},
	} {
		t.Run(tt.id, func(t *testing.T) {
			e := entryIn(tt.state)
			if effect := Inbound(&e, inbound(t, tt.notified)); !effect.Deliver {
				t.Fatalf("not delivered: %+v", effect)
			}
			if waits := e.Request != ""; waits != (tt.notified == stanza.TypeSubscribe) {
				t.Errorf("delivered again: %v", waits)
			}
			effect := Outbound(&e, tt.ack)
			if effect.Route != tt.route || StateOf(e) != tt.after || e.Request != tt.afterwards {
				t.Errorf("%+v, state %s, request %q", effect, StateOf(e), e.Request)
			}
		})
	}
	t.Run("SUB-ACK-5 a removal counts as both", func(t *testing.T) {
		for s := State(0); s < states; s++ {
			e := entryIn(s)
			for _, typ := range roster.RemoveEffects(e) {
				if effect := Outbound(&e, typ); !effect.Route {
					t.Errorf("%s: %s is not routed", s, typ)
				}
			}
			if StateOf(e) != None || e.Request != "" {
				t.Errorf("%s becomes %s", s, StateOf(e))
			}
		}
	})
}

func TestNoRule(t *testing.T) {
	for _, typ := range []stanza.Type{stanza.TypeAvailable, stanza.TypeUnavailable, stanza.TypeProbe, stanza.TypeError, "x"} {
		e := entryIn(NonePendingOutIn)
		if effect := Outbound(&e, typ); effect != (Effect{}) {
			t.Errorf("outbound %q: %+v", typ, effect)
		}
		if effect := Inbound(&e, inbound(t, typ)); effect != (Effect{}) || StateOf(e) != NonePendingOutIn {
			t.Errorf("inbound %q: %+v", typ, effect)
		}
	}
	if _, ok := OutboundRule(stanza.TypeSubscribe, states); ok {
		t.Error("a rule for no state")
	}
	st := inbound(t, stanza.TypeSubscribe)
	st.Kind = stanza.KindMessage
	e := entryIn(None)
	if effect := Inbound(&e, st); effect != (Effect{}) || StateOf(e) != None {
		t.Errorf("a message of type subscribe: %+v", effect)
	}
	if s := State(states); s.String() != "" || s.PendingIn() || s.PendingOut() || s.Subscription() != roster.None {
		t.Error("there is a tenth state")
	}
}

// TestStateOf: whatever is in an entry, it is in one of the nine states.
func TestStateOf(t *testing.T) {
	for sub := roster.Subscription(0); sub < 8; sub++ {
		for _, ask := range []bool{false, true} {
			for _, req := range []string{"", request} {
				e := roster.Entry{Item: roster.Item{Subscription: sub, Ask: ask}, Request: req}
				s := StateOf(e)
				if s >= states || s.Subscription() != sub&roster.Both || s.PendingOut() && !ask || s.PendingIn() && req == "" {
					t.Errorf("%v, %v, %q: %s", sub, ask, req, s)
				}
			}
		}
	}
	for s := State(0); s < states; s++ {
		if got := StateOf(entryIn(s)); got != s {
			t.Errorf("%s is taken for %s", s, got)
		}
	}
}
