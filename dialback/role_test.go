package dialback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

const (
	streamID = "D60000229F"
	goodKey  = "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3"
)

// toMontague is the pair of the examples, as capulet.example sees it;
// fromCapulet is the same pair at montague.example.
var (
	toMontague  = Pair{Local: capulet, Remote: montague}
	fromCapulet = Pair{Local: montague, Remote: capulet}
)

func hosts(domains ...jid.JID) func(jid.JID) bool {
	return func(d jid.JID) bool {
		for _, h := range domains {
			if h == d {
				return true
			}
		}
		return false
	}
}

func newOriginating() *Originating {
	return &Originating{Secret: SecretOf("s3cr3tf0rd14lb4ck"), StreamID: streamID}
}

func newReceiving() *Receiving {
	return &Receiving{StreamID: streamID, Hosts: hosts(montague, chat), Errors: true}
}

// ask gives r a request, and v the query that r makes of it.
func ask(t *testing.T, r *Receiving, v *Verifier, from, to jid.JID, key string) (*Query, Packet) {
	t.Helper()
	q, reply, err := r.Request(Packet{Kind: Result, From: from, To: to, Key: key})
	if err != nil || q == nil || !reply.IsZero() {
		t.Fatalf("Request: %v, %+v, %v", q, reply, err)
	}
	p, err := v.Ask(q)
	if err != nil {
		t.Fatalf("Ask: %v", err)
	}
	return q, p
}

// answerTo returns the authoritative server's answer to a db:verify.
func answerTo(verify Packet, typ Type) Packet {
	p := Packet{Kind: Verify, Type: typ, From: verify.To, To: verify.From, ID: verify.ID}
	if typ == TypeError {
		p.Error = stanza.NewError(stanza.ItemNotFound, "")
	}
	return p
}

// The table of the package's documentation.
func TestTransitions(t *testing.T) {
	want := map[State][4]State{ // requested, foundValid, foundInvalid, failed
		None:    {Pending, None, None, None},
		Pending: {Pending, Valid, Refused, None},
		Valid:   {Valid, Valid, Valid, Valid},
		Refused: {Refused, Refused, Refused, Refused},
	}
	moves := map[[2]int]bool{{int(None), int(requested)}: true, {int(Pending), int(foundValid)}: true,
		{int(Pending), int(foundInvalid)}: true, {int(Pending), int(failed)}: true}
	for from, row := range want {
		for e, to := range row {
			got, ok := next(from, event(e))
			if got != to || ok != moves[[2]int{int(from), e}] {
				t.Errorf("%v, event %d: %v, %t; want %v", from, e, got, ok, to)
			}
		}
	}
}

// The counts are those of the states, also after events that must not happen.
func TestPairCounts(t *testing.T) {
	var p pairs
	for i, step := range []struct {
		e                     event
		pending, valid, pairs int
	}{
		{foundValid, 0, 0, 0}, {requested, 1, 0, 1}, {requested, 1, 0, 1}, {failed, 0, 0, 0}, {failed, 0, 0, 0},
		{requested, 1, 0, 1}, {foundValid, 0, 1, 1}, {foundValid, 0, 1, 1}, {foundInvalid, 0, 1, 1}, {requested, 0, 1, 1},
	} {
		p.move(toMontague, step.e)
		if p.pending != step.pending || p.valid != step.valid || len(p.state) != step.pairs {
			t.Errorf("step %d: %+v", i, p)
		}
	}
}

// Every state of a pair at the originating server, and everything that can happen in it.
func TestOriginatingTransitions(t *testing.T) {
	result := func(typ Type) func(*Originating) error {
		return func(o *Originating) error {
			_, err := o.Result(Packet{Kind: Result, Type: typ, From: montague, To: capulet})
			return err
		}
	}
	request := func(o *Originating) error { _, err := o.Request(toMontague); return err }
	events := []struct {
		name string
		do   func(*Originating) error
	}{
		{"request", request}, {"valid", result(TypeValid)}, {"invalid", result(TypeInvalid)},
		{"error", result(TypeError)}, {"expire", func(o *Originating) error { _, err := o.Expire(toMontague); return err }},
	}
	type out struct {
		to  State
		err error
	}
	un := ErrUnsolicited
	table := []struct {
		state State
		path  []int // how it is reached
		outs  [5]out
	}{
		{None, nil, [5]out{{Pending, nil}, {None, un}, {None, un}, {None, un}, {None, un}}},
		{Pending, []int{0}, [5]out{{Pending, ErrAsked}, {Valid, nil}, {Refused, nil}, {None, nil}, {None, nil}}},
		{Valid, []int{0, 1}, [5]out{{Valid, ErrAsked}, {Valid, un}, {Valid, un}, {Valid, un}, {Valid, un}}},
		{Refused, []int{0, 2}, [5]out{{Refused, ErrRefused}, {Refused, un}, {Refused, un}, {Refused, un}, {Refused, un}}},
		{None, []int{0, 3}, [5]out{{Pending, nil}, {None, un}, {None, un}, {None, un}, {None, un}}},
		{None, []int{0, 4}, [5]out{{Pending, nil}, {None, un}, {None, un}, {None, un}, {None, un}}},
	}
	for _, tt := range table {
		for i, want := range tt.outs {
			t.Run(fmt.Sprint(tt.state, tt.path, events[i].name), func(t *testing.T) {
				o := newOriginating()
				for _, e := range tt.path {
					if err := events[e].do(o); err != nil {
						t.Fatal(err)
					}
				}
				if s := o.State(toMontague); s != tt.state {
					t.Fatalf("began in %v", s)
				}
				if err := events[i].do(o); !errors.Is(err, want.err) {
					t.Errorf("error %v, want %v", err, want.err)
				}
				if s := o.State(toMontague); s != want.to {
					t.Errorf("ended in %v, want %v", s, want.to)
				}
			})
		}
	}
}

func TestOriginatingOutcomes(t *testing.T) {
	full := stanza.NewError(stanza.ResourceConstraint, "")
	gone := stanza.NewError(stanza.ItemNotFound, "")
	tests := []struct {
		name string
		p    Packet
		want Outcome
	}{
		{"valid", Packet{Type: TypeValid}, Outcome{State: Valid}},
		{"valid with our id", Packet{Type: TypeValid, ID: streamID}, Outcome{State: Valid}},
		{"invalid", Packet{Type: TypeInvalid},
			Outcome{State: Refused, Bounce: stanza.InternalServerError, Abandon: true}},
		{"error", Packet{Type: TypeError, Error: gone}, Outcome{Bounce: stanza.RemoteServerTimeout, Err: gone}},
		{"no room", Packet{Type: TypeError, Error: full},
			Outcome{Bounce: stanza.RemoteServerTimeout, Err: full, Elsewhere: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOriginating()
			if _, err := o.Request(toMontague); err != nil {
				t.Fatal(err)
			}
			tt.p.Kind, tt.p.From, tt.p.To = Result, montague, capulet
			tt.want.Pair = toMontague
			if got, err := o.Result(tt.p); err != nil || got != tt.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestOriginatingRefusesRequest(t *testing.T) {
	second := Pair{Local: capulet, Remote: chat}
	tests := []struct {
		name string
		set  func(*Originating)
		pair Pair
		want error
	}{
		{"no secret", func(o *Originating) { o.Secret = nil }, second, ErrSecret},
		{"no stream id", func(o *Originating) { o.StreamID = "" }, second, ErrStreamID},
		{"no pair", func(*Originating) {}, Pair{}, ErrPair},
		{"user", func(*Originating) {}, Pair{capulet, jid.MustParse("u@montague.example")}, ErrPair},
		{"second target without errors", func(*Originating) {}, second, ErrMultiplex},
		{"second target", func(o *Originating) { o.Errors = true }, second, nil},
		{"second sender", func(*Originating) {}, Pair{rooms, montague}, nil},
		{"too many pending", func(o *Originating) { o.MaxPending = 1 }, Pair{rooms, montague}, ErrLimit},
		{"too many", func(o *Originating) { o.MaxPairs = 1 }, Pair{rooms, montague}, ErrLimit},
		{"no limits", func(o *Originating) { o.MaxPending, o.MaxPairs = -1, -1 }, Pair{rooms, montague}, nil},
		{"closed", func(o *Originating) { o.Close() }, second, ErrClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOriginating()
			if _, err := o.Request(toMontague); err != nil {
				t.Fatal(err)
			}
			tt.set(o)
			if _, err := o.Request(tt.pair); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestOriginatingClose(t *testing.T) {
	o := newOriginating()
	for _, p := range []Pair{toMontague, {rooms, montague}} {
		if _, err := o.Request(p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.Result(Packet{Kind: Result, Type: TypeValid, From: montague, To: capulet}); err != nil {
		t.Fatal(err)
	}
	out := o.Close()
	if len(out) != 1 || out[0] != (Outcome{Pair: Pair{rooms, montague}, Bounce: stanza.RemoteServerTimeout}) {
		t.Errorf("got %+v", out)
	}
	if s := o.State(toMontague); s != None {
		t.Errorf("still %v", s)
	}
	if _, err := o.Result(Packet{Kind: Result, Type: TypeValid, From: montague, To: rooms}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// Every state of a pair at the receiving server, and everything that can happen in it.
func TestReceivingTransitions(t *testing.T) {
	type run struct {
		r     *Receiving
		q     *Query // the last one
		reply Reply
	}
	request := func(x *run) error {
		q, reply, err := x.r.Request(Packet{Kind: Result, From: capulet, To: montague, Key: "k"})
		if x.reply = reply; q != nil {
			x.q = q
		}
		return err
	}
	resolve := func(e event, c stanza.Condition) func(*run) error {
		return func(x *run) (err error) {
			if x.q == nil {
				x.q = &Query{pair: fromCapulet, streamID: streamID} // of another Receiving
			}
			x.reply, err = x.r.Resolve(Answer{x.q, e, c})
			return err
		}
	}
	events := []struct {
		name string
		do   func(*run) error
	}{
		{"request", request}, {"valid", resolve(foundValid, "")}, {"invalid", resolve(foundInvalid, "")},
		{"failed", resolve(failed, stanza.RemoteServerTimeout)},
	}
	type out struct {
		to   State
		sent string // type of the reply
		err  error
	}
	un := ErrUnsolicited
	table := []struct {
		state State
		path  []int
		outs  [4]out
	}{
		{None, nil, [4]out{{Pending, "", nil}, {None, "", un}, {None, "", un}, {None, "", un}}},
		{Pending, []int{0}, [4]out{{Pending, "", nil}, {Valid, "valid", nil}, {Refused, "error", nil}, {None, "error", nil}}},
		{Valid, []int{0, 1}, [4]out{{Valid, "valid", nil}, {Valid, "", un}, {Valid, "", un}, {Valid, "", un}}},
		{Refused, []int{0, 2}, [4]out{{Refused, "error", nil}, {Refused, "", un}, {Refused, "", un}, {Refused, "", un}}},
		{None, []int{0, 3}, [4]out{{Pending, "", nil}, {None, "", un}, {None, "", un}, {None, "", un}}},
	}
	for _, tt := range table {
		for i, want := range tt.outs {
			t.Run(fmt.Sprint(tt.state, tt.path, events[i].name), func(t *testing.T) {
				x := &run{r: newReceiving()}
				x.r.pairs.move(Pair{montague, rooms}, requested) // another pair keeps the stream open
				x.r.pairs.move(Pair{montague, rooms}, foundValid)
				for _, e := range tt.path {
					if err := events[e].do(x); err != nil {
						t.Fatal(err)
					}
				}
				if s := x.r.State(fromCapulet); s != tt.state {
					t.Fatalf("began in %v", s)
				}
				x.reply = Reply{}
				if err := events[i].do(x); !errors.Is(err, want.err) {
					t.Errorf("error %v, want %v", err, want.err)
				}
				if s := x.r.State(fromCapulet); s != want.to {
					t.Errorf("ended in %v, want %v", s, want.to)
				}
				if string(x.reply.Packet.Type) != want.sent || x.reply.Ends() {
					t.Errorf("reply %+v, want %q", x.reply, want.sent)
				}
			})
		}
	}
}

// What the receiving server tells about each outcome, to new and old peers.
func TestReceivingReplies(t *testing.T) {
	const pre, post = "<db:result from='montague.example' to='capulet.example' type='", "</error></db:result>"
	cond := func(typ string, c stanza.Condition) string {
		return pre + "error'><error type='" + typ + "'><" + string(c) + " xmlns='" + stanza.NSStanzas + "'/>" + post
	}
	const invalid = pre + "invalid'/>"
	tests := []struct {
		name, from, to string
		answer         func(*Query) Answer
		policy         error
		maxPending     int
		modern         string
		fatal          stream.Condition // to old peers; "" is invalid
	}{
		{"CORE-5.2.1-4 unknown to", "capulet.example", "mantua.example", nil, nil, 0,
			"<db:result from='mantua.example' to='capulet.example' type='error'><error type='cancel'>" +
				"<item-not-found xmlns='" + stanza.NSStanzas + "'/>" + post, stream.HostUnknown},
		{"CORE-5.2.1-10 authoritative server has an error", "", "",
			func(q *Query) Answer { return q.Failed(stanza.RemoteServerNotFound) }, nil, 0,
			cond("cancel", stanza.RemoteServerNotFound), stream.RemoteConnectionFailed},
		{"R3920-8.3-2 no connection to the authoritative server", "", "",
			func(q *Query) Answer { return q.Failed(RemoteConnectionFailed) }, nil, 0,
			cond("wait", RemoteConnectionFailed), stream.RemoteConnectionFailed},
		{"R3920-8.3-2 no answer", "", "", func(q *Query) Answer { return q.Failed("") }, nil, 0,
			cond("wait", stanza.RemoteServerTimeout), stream.RemoteConnectionFailed},
		{"TLS required", "", "", nil, stanza.PolicyViolation, 0, cond("modify", stanza.PolicyViolation), ""},
		{"certificate required", "", "", nil, stanza.NotAuthorized, 0, cond("auth", stanza.NotAuthorized), ""},
		{"policy without a condition", "", "", nil, io.EOF, 0, cond("wait", stanza.InternalServerError), ""},
		{"our own domain", "montague.example", "montague.example", nil, nil, 0,
			"<db:result from='montague.example' to='montague.example' type='error'><error type='modify'>" +
				"<not-acceptable xmlns='" + stanza.NSStanzas + "'/>" + post, ""},
		{"too many", "", "", nil, nil, 1, cond("wait", stanza.ResourceConstraint), ""},
	}
	for _, tt := range tests {
		for _, modern := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, errors %t", tt.name, modern), func(t *testing.T) {
				from, to := capulet, montague
				if tt.from != "" {
					from, to = jid.MustParse(tt.from), jid.MustParse(tt.to)
				}
				r := newReceiving()
				r.Errors, r.MaxPending = modern, tt.maxPending
				if tt.maxPending > 0 {
					ask(t, r, new(Verifier), rooms, montague, "k")
				}
				r.Policy = func(Pair) error { return tt.policy }
				q, reply, err := r.Request(Packet{Kind: Result, From: from, To: to, Key: "k"})
				if err == nil && q != nil {
					reply, err = r.Resolve(tt.answer(q))
				}
				if err != nil {
					t.Fatal(err)
				}
				switch {
				case modern && (wire(t, reply.Packet) != tt.modern || reply.Ends()):
					t.Errorf("got %+v", reply)
				case !modern && tt.fatal != "" && reply != (Reply{Fatal: tt.fatal}):
					t.Errorf("got %+v", reply)
				case !modern && tt.fatal == "" && (reply.Packet.Type != TypeInvalid || !reply.Close):
					t.Errorf("got %+v", reply)
				}
				if r.State(Pair{to, from}) != None {
					t.Error("there is a state")
				}
				_, _, err = r.Request(Packet{Kind: Result, From: from, To: to, Key: "k"})
				if errors.Is(err, ErrClosed) == modern {
					t.Errorf("after it: %v", err)
				}
			})
		}
	}
	t.Run("CORE-5.2.1-10 invalid closes the stream", func(t *testing.T) {
		r, v := newReceiving(), new(Verifier)
		_, p := ask(t, r, v, capulet, montague, "k")
		a, err := v.Answer(answerTo(p, TypeInvalid))
		if err != nil {
			t.Fatal(err)
		}
		reply, err := r.Resolve(a)
		if err != nil || wire(t, reply.Packet) != invalid || !reply.Close {
			t.Errorf("got %+v, %v", reply, err)
		}
	})
	t.Run("no addresses", func(t *testing.T) {
		r := newReceiving()
		_, reply, err := r.Request(Packet{Kind: Result, Key: "k"})
		if err != nil || reply != (Reply{Fatal: stream.ImproperAddressing}) {
			t.Errorf("got %+v, %v", reply, err)
		}
	})
	t.Run("no stream id", func(t *testing.T) {
		r := &Receiving{Hosts: hosts(montague)}
		if _, _, err := r.Request(Packet{Kind: Result, From: capulet, To: montague, Key: "k"}); !errors.Is(err, ErrStreamID) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("zero value hosts nothing", func(t *testing.T) {
		r := &Receiving{StreamID: "1"}
		_, reply, err := r.Request(Packet{Kind: Result, From: capulet, To: montague, Key: "k"})
		if err != nil || reply.Fatal != stream.HostUnknown {
			t.Errorf("got %+v, %v", reply, err)
		}
	})
}

func TestReq_R3920_8_3_3(t *testing.T) { // R3920-8.3-3: several pairs on one stream
	r, v := newReceiving(), new(Verifier)
	_, p := ask(t, r, v, capulet, montague, "k")
	ask(t, r, v, rooms, montague, "k") // stays pending
	a, err := v.Answer(answerTo(p, TypeValid))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(a); err != nil {
		t.Fatal(err)
	}
	_, p = ask(t, r, v, capulet, chat, "k")
	if a, err = v.Answer(answerTo(p, TypeInvalid)); err != nil {
		t.Fatal(err)
	}
	reply, err := r.Resolve(a)
	want := "<db:result from='chat.montague.example' to='capulet.example' type='error'><error type='auth'>" +
		"<forbidden xmlns='" + stanza.NSStanzas + "'/></error></db:result>"
	if err != nil || reply.Ends() || wire(t, reply.Packet) != want {
		t.Errorf("got %+v, %v", reply, err)
	}
	for pair, want := range map[Pair]State{fromCapulet: Valid, {montague, rooms}: Pending, {chat, capulet}: Refused,
		{chat, rooms}: None} {
		if s := r.State(pair); s != want {
			t.Errorf("%v is %v, want %v", pair, s, want)
		}
	}
}

func TestReq_R3920_8_3_1(t *testing.T) { // R3920-8.3-1: an old connection stays until the new one is validated
	old, v := newReceiving(), new(Verifier)
	q, _ := ask(t, old, v, capulet, montague, "k")
	if _, err := old.Resolve(q.Proven()); err != nil {
		t.Fatal(err)
	}
	renewed := newReceiving()
	renewed.StreamID = "other"
	q, _ = ask(t, renewed, v, capulet, montague, "k")
	if old.State(fromCapulet) != Valid || renewed.State(fromCapulet) != Pending {
		t.Error("a request on a new stream has changed the old one")
	}
	if _, err := renewed.Resolve(Answer{q, foundInvalid, ""}); err != nil {
		t.Fatal(err)
	}
	if old.State(fromCapulet) != Valid || renewed.State(fromCapulet) != None {
		t.Error("a spoofed stream has changed the old one")
	}
}

func TestReq_R3920_8_1_1(t *testing.T) { // R3920-8.1-1: one direction only
	r := newReceiving()
	q, _ := ask(t, r, new(Verifier), capulet, montague, "k")
	if _, err := r.Resolve(q.Proven()); err != nil {
		t.Fatal(err)
	}
	if r.State(fromCapulet) != Valid || r.State(toMontague) != None {
		t.Error("the pair is not authorized in exactly one direction")
	}
	if err := r.Check(montague, capulet); err == nil {
		t.Error("a stanza in the other direction was let through")
	}
}

func TestCheck(t *testing.T) {
	romeo, juliet := jid.MustParse("romeo@montague.example/x"), jid.MustParse("juliet@capulet.example/y")
	state := map[string]func(*Receiving){
		"pending": func(*Receiving) {},
		"valid":   func(r *Receiving) { r.pairs.move(fromCapulet, foundValid) },
		"refused": func(r *Receiving) { r.pairs.move(fromCapulet, foundInvalid) },
		"closed":  func(r *Receiving) { r.pairs.move(fromCapulet, foundValid); r.Close() },
	}
	tests := []struct {
		name, state string
		from, to    jid.JID
		want        error
	}{
		{"CORE-5.2.1-11 before the result", "pending", juliet, romeo, stream.NotAuthorized},
		{"CORE-5.2.1-11 after it was valid", "valid", juliet, romeo, nil},
		{"CORE-5.2.1-11 after it was invalid", "refused", juliet, romeo, stream.NotAuthorized},
		{"CORE-5.2.1-11 after the end", "closed", juliet, romeo, stream.NotAuthorized},
		{"CORE-5.2.1-12 no from", "valid", jid.JID{}, romeo, stream.ImproperAddressing},
		{"CORE-5.2.1-12 from another domain", "valid", jid.MustParse("u@mallory.example"), romeo, stream.InvalidFrom},
		{"CORE-5.2.1-12 from a subdomain", "valid", jid.MustParse("room@rooms.capulet.example"), romeo, stream.InvalidFrom},
		{"CORE-5.2.1-12 from ourselves", "valid", romeo, romeo, stream.InvalidFrom},
		{"CORE-5.2.1-12 from a name that only ends so", "valid", jid.MustParse("u@xcapulet.example"), romeo,
			stream.InvalidFrom},
		{"CORE-5.2.1-13 no to", "valid", juliet, jid.JID{}, stream.ImproperAddressing},
		{"CORE-5.2.1-13 to a foreign domain", "valid", juliet, jid.MustParse("u@mallory.example"), stream.HostUnknown},
		{"CORE-5.2.1-13 to another domain of ours", "valid", juliet, chat, stream.InvalidFrom},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReceiving()
			ask(t, r, new(Verifier), capulet, montague, "k")
			state[tt.state](r)
			if err := r.Check(tt.from, tt.to); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestVerifier(t *testing.T) {
	r, v := newReceiving(), &Verifier{MaxPending: 2}
	first, p := ask(t, r, v, capulet, montague, "k")
	if _, err := v.Ask(first); !errors.Is(err, ErrAsked) {
		t.Errorf("again: %v", err)
	}
	v.Cancel(first)
	if _, err := v.Ask(first); !errors.Is(err, ErrAsked) {
		t.Errorf("after Cancel: %v", err)
	}
	second, _ := ask(t, r, v, rooms, montague, "k")
	third, _, _ := r.Request(Packet{Kind: Result, From: capulet, To: chat, Key: "k"})
	if _, err := v.Ask(third); !errors.Is(err, ErrLimit) {
		t.Errorf("third: %v", err)
	}
	if _, err := v.Answer(answerTo(p, TypeValid)); !errors.Is(err, ErrUnsolicited) {
		t.Errorf("answer to what was cancelled: %v", err)
	}
	if _, err := v.Ask(third); err != nil {
		t.Errorf("after the late answer: %v", err)
	}
	v.Cancel(first) // is not there any more: nothing happens
	got := map[*Query]bool{}
	for _, a := range v.Close(RemoteConnectionFailed) {
		if a.IsValid() {
			t.Error("a valid answer from a stream that ended")
		}
		got[a.Query()] = true
		reply, err := r.Resolve(a)
		if err != nil || reply.Packet.Error.Condition != RemoteConnectionFailed {
			t.Errorf("got %+v, %v", reply, err)
		}
	}
	if len(got) != 2 || !got[second] || !got[third] {
		t.Errorf("Close: %v", got)
	}
	if _, err := v.Ask(first); !errors.Is(err, ErrClosed) {
		t.Errorf("Ask: %v", err)
	}
	if _, err := v.Answer(answerTo(p, TypeValid)); !errors.Is(err, ErrClosed) {
		t.Errorf("Answer: %v", err)
	}
}

func TestReceivingClose(t *testing.T) {
	r := newReceiving()
	q, _ := ask(t, r, new(Verifier), capulet, montague, "k")
	if out := r.Close(); len(out) != 1 || out[0] != q {
		t.Errorf("got %v", out)
	}
	if q.Pair() != fromCapulet || q.StreamID() != streamID {
		t.Errorf("got %v, %s", q.Pair(), q.StreamID())
	}
	if _, err := r.Resolve(q.Proven()); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestAuthoritative(t *testing.T) {
	tests := []struct {
		name string
		p    Packet
		old  bool
		typ  Type
		want stream.Condition
		err  error
	}{
		{"CORE-5.2.1-8 valid", Packet{Kind: Verify, From: montague, To: capulet, ID: streamID, Key: goodKey}, false,
			TypeValid, "", nil},
		{"CORE-5.2-4 any machine with the secret", Packet{Kind: Verify, From: montague, To: capulet, ID: streamID,
			Key: Key("s3cr3tf0rd14lb4ck", "montague.example", "capulet.example", streamID)}, true, TypeValid, "", nil},
		{"wrong key", Packet{Kind: Verify, From: montague, To: capulet, ID: streamID, Key: "x"}, false, TypeInvalid, "", nil},
		{"key of another stream", Packet{Kind: Verify, From: montague, To: capulet, ID: "1", Key: goodKey}, false,
			TypeInvalid, "", nil},
		{"key for another receiver", Packet{Kind: Verify, From: mallory, To: capulet, ID: streamID, Key: goodKey}, false,
			TypeInvalid, "", nil},
		{"key of another domain of ours", Packet{Kind: Verify, From: montague, To: rooms, ID: streamID, Key: goodKey}, false,
			TypeInvalid, "", nil},
		{"CORE-5.2.1-8 unknown to", Packet{Kind: Verify, From: montague, To: mallory, ID: streamID, Key: goodKey}, false,
			TypeError, "", nil},
		{"CORE-5.2.1-8 unknown to, old peer", Packet{Kind: Verify, From: montague, To: mallory, ID: streamID, Key: goodKey},
			true, "", stream.HostUnknown, nil},
		{"no from", Packet{Kind: Verify, To: capulet, ID: streamID, Key: goodKey}, false, "", stream.ImproperAddressing, nil},
		{"db:result", Packet{Kind: Result, From: montague, To: capulet, ID: streamID, Key: goodKey}, false, "", "", ErrRole},
		{"answer", Packet{Kind: Verify, Type: TypeValid, From: montague, To: capulet, ID: "1"}, false, "", "", ErrRole},
		{"no id", Packet{Kind: Verify, From: montague, To: capulet, Key: goodKey}, false, "", "", ErrRole},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := Authoritative{Secret: SecretOf("s3cr3tf0rd14lb4ck"), Hosts: hosts(capulet, rooms), Errors: !tt.old}
			reply, err := a.Answer(tt.p)
			if !errors.Is(err, tt.err) || reply.Packet.Type != tt.typ || reply.Fatal != tt.want {
				t.Fatalf("got %+v, %v", reply, err)
			}
			if tt.typ != "" && (reply.Packet.Kind != Verify || reply.Packet.ID != tt.p.ID ||
				reply.Packet.From != tt.p.To || reply.Packet.To != tt.p.From || reply.Ends()) {
				t.Errorf("got %+v", reply)
			}
		})
	}
	var zero Authoritative
	if r, err := zero.Answer(tests[0].p); err != nil || r.Fatal != stream.HostUnknown {
		t.Errorf("zero value: %+v, %v", r, err)
	}
	zero.Hosts = hosts(capulet)
	if r, err := zero.Answer(tests[0].p); err != nil || r.Packet.Type != TypeInvalid {
		t.Errorf("no secret: %+v, %v", r, err)
	}
}

func TestCause(t *testing.T) {
	tests := []struct {
		err  error
		want stanza.Condition
	}{
		{nil, stanza.RemoteServerTimeout},
		{context.DeadlineExceeded, stanza.RemoteServerTimeout},
		{stanza.RemoteServerTimeout, stanza.RemoteServerTimeout},
		{stream.PolicyViolation, stanza.RemoteServerTimeout},
		{fmt.Errorf("x: %w", &stream.Error{Condition: stream.Reset}), stanza.RemoteServerTimeout},
		{&stream.Error{Condition: stream.HostUnknown}, stanza.RemoteServerNotFound},
		{stanza.NewError(stanza.ItemNotFound, ""), stanza.RemoteServerNotFound},
		{&net.DNSError{IsNotFound: true}, stanza.RemoteServerNotFound},
		{&net.DNSError{IsTimeout: true}, RemoteConnectionFailed},
		{&net.OpError{Op: "dial", Err: context.DeadlineExceeded}, RemoteConnectionFailed},
		{&net.OpError{Op: "read", Err: net.ErrClosed}, stanza.RemoteServerTimeout},
		{io.EOF, stanza.RemoteServerTimeout},
		{errors.New("no usable address"), RemoteConnectionFailed},
	}
	for _, tt := range tests {
		if got := Cause(tt.err); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.err, got, tt.want)
		}
	}
}

func TestNames(t *testing.T) {
	for s, want := range map[State]string{None: "none", Pending: "pending", Valid: "valid", Refused: "refused"} {
		if s.String() != want {
			t.Errorf("%d: %s", s, s)
		}
	}
	if s := toMontague.String(); s != "capulet.example/montague.example" {
		t.Errorf("got %s", s)
	}
	if s := Kind(0).String(); s != "" {
		t.Errorf("got %s", s)
	}
}
