package dialback

import (
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/stream"
)

// Receiving is the receiving server's side of one stream that it accepted
// (XEP-0220, section 2.2.1): it authorizes pairs of domains, from which then
// stanzas may come. Set the fields before the first call. It is not safe for
// concurrent use.
type Receiving struct {
	// StreamID is the id that we gave the stream in our last header. It is
	// required, and must be random: keys are bound to it.
	StreamID string
	// Hosts reports whether a domain is served here. Without it none is.
	Hosts func(domain jid.JID) bool
	// Policy, if not nil, says whether dialback is allowed to a pair on this
	// stream. Its error goes to the peer as a dialback error by
	// [stanza.AsError]: policy-violation "mandating usage of TLS before
	// dialback", not-authorized for a missing certificate (XEP-0220, section
	// 2.5).
	Policy func(Pair) error
	// Errors says that the peer understands packets of [TypeError]; otherwise
	// it gets the stream errors of RFC 3920, or "invalid". A peer that opens a
	// stream has no features to tell it by. "The server that generates the error
	// SHOULD still attempt to send the dialback error" (XEP-0220, section 2.5):
	// set it unless the stream header has no version.
	Errors bool
	// MaxPending bounds the pairs that are being verified, MaxPairs all that
	// are not None; beyond them the peer gets resource-constraint. 0 is
	// [DefaultMaxPending] and [DefaultMaxPairs], a negative number is no limit.
	MaxPending, MaxPairs int

	pairs   pairs
	queries map[Pair]*Query // of those that are pending
	ended   bool
}

// Query is one key of one pair on one stream that is to be verified. It is
// immutable, and safe for concurrent use: it may be handed to the stream that
// the authoritative server is asked on. Only the Receiving that made it takes
// an [Answer] to it, once.
type Query struct {
	pair     Pair
	streamID string
	key      string
}

// Pair returns the domains. The authoritative server is that of Remote.
func (q *Query) Pair() Pair { return q.pair }

// StreamID returns the id of the stream that the key came on.
func (q *Query) StreamID() string { return q.streamID }

// Failed returns the answer of a query that could not be asked, or was not
// answered; see [Cause]. An empty condition is remote-server-timeout.
func (q *Query) Failed(c stanza.Condition) Answer {
	if c == "" {
		c = stanza.RemoteServerTimeout
	}
	return Answer{query: q, event: failed, cond: c}
}

// Proven returns the answer of a query that needs no asking, because the peer
// has proved otherwise that it speaks for the remote domain, as by its
// certificate: "dialback without dialing back" (XEP-0220, section 1.2).
func (q *Query) Proven() Answer { return Answer{query: q, event: foundValid} }

// Answer is the outcome of a [Query]. It is made by [Verifier.Answer],
// [Verifier.Close], [Query.Failed] and [Query.Proven] only.
type Answer struct {
	query *Query
	event event
	cond  stanza.Condition // with failed
}

// Query returns the query that is answered.
func (a Answer) Query() *Query { return a.query }

// IsValid reports whether the key was found valid.
func (a Answer) IsValid() bool { return a.query != nil && a.event == foundValid }

// Request takes a db:result of the peer that asks for authorization. There is
// either a query, whose answer [Receiving.Resolve] wants, or a reply to send,
// or neither: a second request for a pair that is pending is answered with the
// first. One for a pair that is authorized is told so, one for a pair that was
// refused is refused, and nobody is asked. The errors are [ErrRole],
// [ErrStreamID] and [ErrClosed].
func (r *Receiving) Request(p Packet) (*Query, Reply, error) {
	pair := p.Pair()
	switch {
	case r.ended:
		return nil, Reply{}, ErrClosed
	case p.Kind != Result || !p.IsRequest() || p.Key == "":
		return nil, Reply{}, ErrRole
	case r.StreamID == "":
		return nil, Reply{}, ErrStreamID
	case !pair.isDomains():
		return nil, r.end(Reply{Fatal: stream.ImproperAddressing}), nil
	}
	switch r.pairs.state[pair] {
	case Pending:
		return nil, Reply{}, nil
	case Valid:
		return nil, Reply{Packet: pair.packet(Result, TypeValid)}, nil
	case Refused:
		return nil, r.refuse(pair), nil
	}
	if err := r.admit(pair); err != nil {
		return nil, r.fail(pair, stanza.AsError(err)), nil
	}
	r.pairs.move(pair, requested)
	q := &Query{pair: pair, streamID: r.StreamID, key: p.Key}
	if r.queries == nil {
		r.queries = make(map[Pair]*Query)
	}
	r.queries[pair] = q
	return q, Reply{}, nil
}

// admit says why a pair is not verified at all.
func (r *Receiving) admit(pair Pair) error {
	switch {
	case r.Hosts == nil || !r.Hosts(pair.Local):
		return stanza.ItemNotFound
	case r.Hosts(pair.Remote): // nobody else speaks for our own domains
		return stanza.NotAcceptable
	}
	if r.Policy != nil {
		if err := r.Policy(pair); err != nil {
			return err
		}
	}
	if r.pairs.full(r.MaxPending, r.MaxPairs) {
		return stanza.ResourceConstraint
	}
	return nil
}

// Resolve takes the answer to a query and returns what to tell the originating
// server. If the key was valid the pair is [Valid] now. The errors are
// [ErrUnsolicited] for an answer to a query that is not pending here, and
// [ErrClosed]; then "the verification result SHOULD be dropped silently"
// (XEP-0220, section 2.1.2).
func (r *Receiving) Resolve(a Answer) (Reply, error) {
	switch {
	case r.ended:
		return Reply{}, ErrClosed
	case a.query == nil || r.queries[a.query.pair] != a.query:
		return Reply{}, ErrUnsolicited
	}
	pair := a.query.pair
	delete(r.queries, pair)
	r.pairs.move(pair, a.event)
	switch a.event {
	case foundValid:
		return Reply{Packet: pair.packet(Result, TypeValid)}, nil
	case foundInvalid:
		return r.refuse(pair), nil
	}
	return r.fail(pair, &stanza.Error{Condition: a.cond}), nil
}

// Authorize makes a pair [Valid] because the peer has proved otherwise, as by
// SASL EXTERNAL, that it speaks for the remote domain. A query that is pending
// needs no answer any more. The errors are [ErrPair], [ErrRefused], [ErrLimit]
// and [ErrClosed].
func (r *Receiving) Authorize(pair Pair) error {
	if r.ended {
		return ErrClosed
	}
	delete(r.queries, pair)
	return r.pairs.authorize(pair, r.MaxPairs)
}

// refuse tells that a key was invalid. "If no other valid domain pairs exist for
// this connection [...], the Receiving Server SHOULD send a result with type
// "invalid" and MUST close the XML stream"; otherwise it "MAY (instead of
// closing the connection) return an error condition of <forbidden/>"
// (XEP-0220, section 2.2.1).
func (r *Receiving) refuse(pair Pair) Reply {
	if r.pairs.valid > 0 && r.Errors {
		return r.fail(pair, &stanza.Error{Condition: stanza.Forbidden})
	}
	return r.end(Reply{Packet: pair.packet(Result, TypeInvalid), Close: true})
}

func (r *Receiving) fail(pair Pair, e *stanza.Error) Reply {
	return r.end(errorReply(Result, pair, "", e, r.Errors))
}

// end makes sure that nothing is authorized after a reply that ends the stream.
func (r *Receiving) end(reply Reply) Reply {
	r.ended = r.ended || reply.Ends()
	return reply
}

// Close ends the role because the stream has ended, and returns the queries
// that nobody needs an answer to any more; see [Verifier.Cancel].
func (r *Receiving) Close() []*Query {
	var out []*Query
	for _, q := range r.queries {
		out = append(out, q)
	}
	r.ended, r.queries, r.pairs = true, nil, pairs{}
	return out
}

// State returns how far the pair is; [None] if the stream ends.
func (r *Receiving) State(pair Pair) State {
	if r.ended {
		return None
	}
	return r.pairs.state[pair]
}

// Check reports whether a stanza with these addresses may come on the stream:
// nil, or the stream error ([stream.Condition]) for it. improper-addressing: an
// address is missing (RFC 6120, section 8.1). not-authorized: no pair is
// authorized yet; such stanzas may as well be dropped (RFC 3920, section 8.3,
// step 10). host-unknown: to is not a domain of ours. invalid-from: from is not
// of a domain that is authorized for that of to. A subdomain of an authorized
// domain is another domain.
func (r *Receiving) Check(from, to jid.JID) error {
	switch {
	case from.IsZero() || to.IsZero():
		return stream.ImproperAddressing
	case r.ended || r.pairs.valid == 0:
		return stream.NotAuthorized
	case r.State(Pair{to.DomainJID(), from.DomainJID()}) == Valid:
		return nil
	case r.Hosts == nil || !r.Hosts(to.DomainJID()):
		return stream.HostUnknown
	}
	return stream.InvalidFrom
}
