package csi

import (
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Defaults of [Queue].
const (
	DefaultMaxStanzas = 500
	DefaultMaxBytes   = 256 << 10
)

// Queue is what a server keeps back for one client that is inactive. It has no
// locks: whoever uses it sees to it that the stanzas that it returns are queued for
// the client before it is asked again, so that order is kept.
type Queue struct {
	// MaxStanzas and MaxBytes bound what is kept back; when there is more all of
	// it is sent. Defaults 500 and 256 KiB, -1: no limit.
	MaxStanzas, MaxBytes int

	held  []*stanza.Stanza     // nil where one was replaced
	last  map[key]int          // where in held the Latest are
	from  map[jid.JID]struct{} // the senders of what is in held
	count int                  // of what is in held
	bytes int                  // and its size
}

// Push takes a stanza for the client, and returns what is to be sent now, in this
// order; nothing if it can wait. A request or reply is sent at once too, but what
// others have sent is kept back all the same.
func (q *Queue) Push(st *stanza.Stanza) (now []*stanza.Stanza) {
	u, k := classify(st)
	switch {
	case u == Urgent && st.Kind == stanza.KindIQ && !q.has(st.From):
		return []*stanza.Stanza{st}
	case u == Urgent:
		if st.Kind == stanza.KindMessage {
			q.drop(k) // a chat state of its sender: the message says what it would
		}
		return append(q.Take(), st)
	}
	q.hold(st, u == Latest, k)
	if over(q.count, q.MaxStanzas, DefaultMaxStanzas) || over(q.bytes, q.MaxBytes, DefaultMaxBytes) {
		return q.Take()
	}
	return nil
}

func over(n, limit, def int) bool {
	if limit == 0 {
		limit = def
	}
	return limit > 0 && n > limit
}

// has reports whether something of a sender is kept back.
func (q *Queue) has(from jid.JID) bool {
	_, ok := q.from[from]
	return ok
}

// hold keeps a stanza back; in the place of the last of its kind, if that is so. It
// goes behind what has come since, for that may be of the same sender.
func (q *Queue) hold(st *stanza.Stanza, latest bool, k key) {
	if q.from == nil {
		q.from, q.last = make(map[jid.JID]struct{}), make(map[key]int)
	}
	if latest {
		q.drop(k)
		q.last[k] = len(q.held)
	}
	q.from[st.From] = struct{}{}
	q.held = append(q.held, st)
	q.count++
	q.bytes += st.Size()
	if len(q.held) > 2*q.count+16 {
		q.compact()
	}
}

// drop forgets the last of a kind.
func (q *Queue) drop(k key) {
	i, ok := q.last[k]
	if !ok {
		return
	}
	q.bytes -= q.held[i].Size()
	q.count--
	q.held[i] = nil
	delete(q.last, k)
}

// compact closes the gaps.
func (q *Queue) compact() {
	at := make(map[int]int, q.count)
	n := 0
	for i, st := range q.held {
		if st != nil {
			q.held[n], at[i] = st, n
			n++
		}
	}
	clear(q.held[n:])
	q.held = q.held[:n]
	for k, i := range q.last {
		q.last[k] = at[i]
	}
}

// Take returns all that is kept back, in order. The Queue is empty then.
func (q *Queue) Take() (all []*stanza.Stanza) {
	if q.count > 0 {
		q.compact()
		all = q.held
	}
	*q = Queue{MaxStanzas: q.MaxStanzas, MaxBytes: q.MaxBytes}
	return all
}

// Len returns how many stanzas are kept back.
func (q *Queue) Len() int { return q.count }
