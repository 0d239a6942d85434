package dialback

import (
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// Pair is what dialback authorizes on a stream: two domains, as seen from
// here. It is comparable.
type Pair struct {
	Local  jid.JID // a domain of this server
	Remote jid.JID // a domain of the peer
}

// String returns the pair for logs.
func (p Pair) String() string { return p.Local.String() + "/" + p.Remote.String() }

func (p Pair) isDomains() bool { return p.Local.IsDomain() && p.Remote.IsDomain() }

// packet returns a packet to the peer about the pair.
func (p Pair) packet(k Kind, t Type) Packet {
	return Packet{Kind: k, Type: t, From: p.Local, To: p.Remote}
}

// State is how far a pair is on a stream.
type State uint8

// The states of a pair.
const (
	None    State = iota // not asked for, or it failed and may be asked for again
	Pending              // asked for
	Valid                // authorized
	Refused              // invalid, for as long as the stream lasts
)

// String returns the name of the state in lower case.
func (s State) String() string {
	switch s {
	case Pending:
		return "pending"
	case Valid:
		return "valid"
	case Refused:
		return "refused"
	}
	return "none"
}

// event is what happens to a pair.
type event uint8

const (
	requested event = iota
	foundValid
	foundInvalid
	failed
)

// next is the table of transitions, see the package's documentation. ok is
// false for an event that must not happen, which changes nothing.
func next(s State, e event) (to State, ok bool) {
	switch {
	case s == None && e == requested:
		return Pending, true
	case s == Pending && e == foundValid:
		return Valid, true
	case s == Pending && e == foundInvalid:
		return Refused, true
	case s == Pending && e == failed:
		return None, true
	}
	return s, false
}

// pairs has the pairs of one stream that are not None.
type pairs struct {
	state          map[Pair]State
	pending, valid int
}

// move makes a transition, if there is one.
func (t *pairs) move(p Pair, e event) {
	from := t.state[p]
	to, ok := next(from, e)
	if !ok {
		return
	}
	if t.state == nil {
		t.state = make(map[Pair]State)
	}
	switch t.state[p] = to; to {
	case None:
		delete(t.state, p)
	case Pending:
		t.pending++
	case Valid:
		t.valid++
	}
	if from == Pending {
		t.pending--
	}
}

// authorize makes a pair Valid without a request of its own.
func (t *pairs) authorize(p Pair, maxPairs int) error {
	switch state := t.state[p]; {
	case !p.isDomains():
		return ErrPair
	case state == Refused:
		return ErrRefused
	case state == None && over(len(t.state), maxPairs, DefaultMaxPairs):
		return ErrLimit
	case state == None:
		p = Pair{p.Local.Clone(), p.Remote.Clone()}
		t.move(p, requested)
	}
	t.move(p, foundValid)
	return nil
}

// full reports whether no further pair may be asked for.
func (t *pairs) full(maxPending, maxPairs int) bool {
	return over(t.pending, maxPending, DefaultMaxPending) || over(len(t.state), maxPairs, DefaultMaxPairs)
}

// The default bounds for one stream.
const (
	DefaultMaxPending = 32   // pairs that are being verified
	DefaultMaxPairs   = 1024 // pairs that are pending, authorized or refused
)

// over reports whether n has reached the limit: 0 is the default, a negative
// one is none.
func over(n, limit, def int) bool {
	if limit == 0 {
		limit = def
	}
	return limit > 0 && n >= limit
}

// Reply is what a role tells the peer. The zero Reply is nothing.
type Reply struct {
	// Packet is to be sent if its Kind is not zero.
	Packet Packet
	// Fatal is the stream error to end the stream with, "" if there is none.
	Fatal stream.Condition
	// Close says that the stream must be closed after Packet is sent.
	Close bool
}

// IsZero reports whether there is nothing to tell.
func (r Reply) IsZero() bool { return r.Packet.Kind == 0 && !r.Ends() }

// Ends reports whether the stream ends by this reply.
func (r Reply) Ends() bool { return r.Fatal != "" || r.Close }

// errorReply reports an error for a pair. To a peer that does not understand
// dialback errors that is a stream error, or "invalid" where RFC 3920 has none.
func errorReply(k Kind, pair Pair, id string, e *stanza.Error, understood bool) Reply {
	if understood {
		p := pair.packet(k, TypeError)
		p.ID, p.Error = id, e
		return Reply{Packet: p}
	}
	if c := StreamCondition(e.Condition); c != "" {
		return Reply{Fatal: c}
	}
	p := pair.packet(k, TypeInvalid)
	p.ID = id
	return Reply{Packet: p, Close: true}
}
