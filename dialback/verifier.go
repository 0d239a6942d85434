package dialback

import "github.com/etherx-go/xmpp/stanza"

// Verifier is the receiving server's side of one stream that it opened to an
// authoritative server (XEP-0220, section 2.1.2): it asks whether keys are
// right that came on other streams. It makes sure that an answer counts only on
// the stream on which it was asked for. The zero Verifier is ready for use. It
// is not safe for concurrent use.
type Verifier struct {
	// MaxPending bounds the queries that wait for an answer, those included
	// that were cancelled. 0 is [DefaultMaxPending], a negative number is no
	// limit.
	MaxPending int

	waiting map[question]*Query // nil values for those that were cancelled
	closed  bool
}

// question is what identifies an answer: "the combination of 'from', 'to', and
// 'id' attributes" (XEP-0220, section 2.1.2).
type question struct {
	pair Pair
	id   string
}

func (q *Query) question() question { return question{q.pair, q.streamID} }

// Ask returns the db:verify to send on this stream. The errors are [ErrAsked]
// if the answer to a query for the same pair and stream is still due here, even
// if that was cancelled (ask on another stream then), [ErrLimit] and
// [ErrClosed].
func (v *Verifier) Ask(q *Query) (Packet, error) {
	_, asked := v.waiting[q.question()]
	switch {
	case v.closed:
		return Packet{}, ErrClosed
	case asked:
		return Packet{}, ErrAsked
	case over(len(v.waiting), v.MaxPending, DefaultMaxPending):
		return Packet{}, ErrLimit
	}
	if v.waiting == nil {
		v.waiting = make(map[question]*Query)
	}
	v.waiting[q.question()] = q
	p := q.pair.packet(Verify, TypeRequest)
	p.ID, p.Key = q.streamID, q.key
	return p, nil
}

// Answer takes the authoritative server's answer: a db:verify, or a db:result
// with an id as draft-miller-xmpp-core-02, section 5.2.1, step 9, has it. What
// it returns is for [Receiving.Resolve] on the stream that the key came on. The
// errors are [ErrRole]; [ErrUnsolicited] if nothing was asked on this stream
// with the same domains and id, or it was answered or cancelled; [ErrClosed].
// RFC 3920 closes the stream then (invalid-id); it is enough to drop the packet.
func (v *Verifier) Answer(p Packet) (Answer, error) {
	switch {
	case v.closed:
		return Answer{}, ErrClosed
	case p.IsRequest() || p.check() != nil || p.ID == "":
		return Answer{}, ErrRole
	}
	at := question{p.Pair(), p.ID}
	q := v.waiting[at]
	delete(v.waiting, at)
	if q == nil {
		return Answer{}, ErrUnsolicited
	}
	switch p.Type {
	case TypeValid:
		return Answer{query: q, event: foundValid}, nil
	case TypeInvalid:
		return Answer{query: q, event: foundInvalid}, nil
	}
	// "If an error is encountered in Step 3 of the dialback negotiation, the
	// Receiving Server MUST send a <remote-server-not-found/> dialback error"
	// (XEP-0220, section 2.5).
	return q.Failed(stanza.RemoteServerNotFound), nil
}

// Cancel forgets a query because nobody waits for its answer any more: it took
// too long, or the stream that it came on is gone. An answer that comes
// nevertheless is unsolicited.
func (v *Verifier) Cancel(q *Query) {
	if v.waiting[q.question()] == q {
		v.waiting[q.question()] = nil
	}
}

// Close ends the role because the stream has ended, and returns a failure, of
// the condition c, for each query that waits: "If the underlying TCP connection
// is closed by the remote side while there are pending verification requests,
// those requests SHOULD be considered failed" (XEP-0220, section 2.1.2). See
// [Cause] for c; if empty it is remote-server-timeout.
func (v *Verifier) Close(c stanza.Condition) []Answer {
	var out []Answer
	for _, q := range v.waiting {
		if q != nil {
			out = append(out, q.Failed(c))
		}
	}
	v.closed, v.waiting = true, nil
	return out
}
