package dialback

import (
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Originating is the originating server's side of one stream that it opened
// (XEP-0220, section 2.1.1, where it is called the initiating server): it asks
// to be authorized to send stanzas for pairs of domains. Set the fields before
// the first call. It is not safe for concurrent use.
type Originating struct {
	// Secret makes the keys. It is required.
	Secret *Secret
	// StreamID is the id in the receiving server's stream header. It is
	// required; after a restart of the stream it is the one of the new header.
	StreamID string
	// Errors says that the peer has [Feature].Errors among its features.
	// Without it no second target domain is asked for: a server "SHOULD NOT use
	// target multiplexing unless the Receiving Server has signalled support for
	// dialback error handling" (XEP-0220, section 2.6.2).
	Errors bool
	// MaxPending bounds the pairs that wait for a result, MaxPairs all that are
	// not None. 0 is [DefaultMaxPending] and [DefaultMaxPairs], a negative
	// number is no limit.
	MaxPending, MaxPairs int

	pairs  pairs
	target jid.JID // of the first request
	closed bool
}

// Outcome is what the receiving server's result means.
type Outcome struct {
	Pair  Pair
	State State // Valid, Refused, or None if there was an error
	// Bounce is the stanza error for what waits to be sent for the pair, "" if
	// it may be sent now: internal-server-error after "invalid",
	// remote-server-timeout after an error (XEP-0220, section 2.1.1).
	Bounce stanza.Condition
	// Err is what the receiving server reported by [TypeError].
	Err *stanza.Error
	// Abandon says that nothing more should be sent on the stream, for other
	// pairs neither: the receiving server is about to close it.
	Abandon bool
	// Elsewhere says that the pair may be tried once on a new connection, before
	// anything is bounced: this one has no room for it (resource-constraint).
	Elsewhere bool
}

// Request returns what to send to be authorized for the pair. Until the result
// has come no stanza of the pair may be sent. The errors are [ErrPair],
// [ErrSecret], [ErrStreamID], [ErrAsked], [ErrRefused], [ErrMultiplex], [ErrLimit] and
// [ErrClosed].
func (o *Originating) Request(pair Pair) (Packet, error) {
	if err := o.mayRequest(pair); err != nil {
		return Packet{}, err
	}
	pair = Pair{pair.Local.Clone(), pair.Remote.Clone()}
	if o.target.IsZero() {
		o.target = pair.Remote
	}
	o.pairs.move(pair, requested)
	p := pair.packet(Result, TypeRequest)
	p.Key = o.Secret.Key(pair.Remote, pair.Local, o.StreamID)
	return p, nil
}

func (o *Originating) mayRequest(pair Pair) error {
	state := o.pairs.state[pair]
	switch {
	case o.closed:
		return ErrClosed
	case !pair.isDomains():
		return ErrPair
	case o.Secret == nil:
		return ErrSecret
	case o.StreamID == "":
		return ErrStreamID
	case state == Refused:
		return ErrRefused
	case state != None:
		return ErrAsked
	case !o.Errors && !o.target.IsZero() && o.target != pair.Remote:
		return ErrMultiplex
	case o.pairs.full(o.MaxPending, o.MaxPairs):
		return ErrLimit
	}
	return nil
}

// Result takes the receiving server's answer. The errors are [ErrRole];
// [ErrUnsolicited] if its pair is not waiting for one, or it names another
// stream's id; [ErrClosed].
func (o *Originating) Result(p Packet) (Outcome, error) {
	pair := p.Pair()
	switch {
	case o.closed:
		return Outcome{}, ErrClosed
	case p.Kind != Result || p.IsRequest():
		return Outcome{}, ErrRole
	case p.ID != "" && p.ID != o.StreamID, o.pairs.state[pair] != Pending:
		return Outcome{}, ErrUnsolicited
	}
	switch p.Type {
	case TypeValid:
		o.pairs.move(pair, foundValid)
		return Outcome{Pair: pair, State: Valid}, nil
	case TypeInvalid:
		o.pairs.move(pair, foundInvalid)
		return Outcome{Pair: pair, State: Refused, Bounce: stanza.InternalServerError, Abandon: true}, nil
	case TypeError:
		out := o.fail(pair)
		out.Err = p.Error
		out.Elsewhere = p.Error != nil && p.Error.Condition == stanza.ResourceConstraint
		return out, nil
	}
	return Outcome{}, ErrRole
}

// Authorize makes a pair [Valid] that the peer has authorized otherwise: by SASL
// EXTERNAL, or because it asked itself for the inverse on a bidirectional stream
// (XEP-0288, section 2.2). The errors are [ErrPair], [ErrRefused], [ErrLimit] and
// [ErrClosed].
func (o *Originating) Authorize(pair Pair) error {
	if o.closed {
		return ErrClosed
	}
	return o.pairs.authorize(pair, o.MaxPairs)
}

func (o *Originating) fail(pair Pair) Outcome {
	o.pairs.move(pair, failed)
	return Outcome{Pair: pair, State: None, Bounce: stanza.RemoteServerTimeout}
}

// Expire gives up waiting for the result of a pair: "it ought to consider
// dialback operations as having failed when there is no response after a
// certain amount of time" (XEP-0220, section 2.1.1). The error is
// [ErrUnsolicited] if the pair is not waiting. As a late result could be taken
// for that of a further request, the stream should be closed soon.
func (o *Originating) Expire(pair Pair) (Outcome, error) {
	if o.pairs.state[pair] != Pending {
		return Outcome{}, ErrUnsolicited
	}
	return o.fail(pair), nil
}

// Close ends the role because the stream has ended, and returns what that means
// for the pairs that wait for a result: the same as an error. No pair is
// authorized any more.
func (o *Originating) Close() []Outcome {
	var out []Outcome
	for pair, state := range o.pairs.state {
		if state == Pending {
			out = append(out, o.fail(pair))
		}
	}
	o.closed, o.pairs = true, pairs{}
	return out
}

// State returns how far the pair is. Stanzas may be sent if it is [Valid].
func (o *Originating) State(pair Pair) State { return o.pairs.state[pair] }
