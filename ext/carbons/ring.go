package carbons

import (
	"hash/maphash"
	"slices"
	"sync"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// ringSize is how many messages a [Ring] remembers.
const ringSize = 64

// ringSeed makes what a Ring remembers of an id unknown to who chooses ids.
var ringSeed = maphash.MakeSeed()

// Ring remembers the last 64 messages of an account that were eligible for copies,
// so that an error which answers one is copied too (section 6.1). The zero Ring is
// empty and small. It is safe for concurrent use.
type Ring struct {
	mu   sync.Mutex
	sums []uint64
	next int
}

// Note remembers a message that the account has sent or got. One without an id
// cannot be answered.
func (r *Ring) Note(st *stanza.Stanza) {
	if st.ID == "" {
		return
	}
	sum := sumOf(st.ID, st.From, st.To)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sums) < ringSize {
		r.sums = append(r.sums, sum)
		return
	}
	r.sums[r.next] = sum
	r.next = (r.next + 1) % ringSize
}

// Answered reports whether an error that the account sends or gets answers one of
// the messages: it has its id, and goes the other way.
func (r *Ring) Answered(st *stanza.Stanza) bool {
	if st.Kind != stanza.KindMessage || st.Type != stanza.TypeError || st.ID == "" {
		return false
	}
	sum := sumOf(st.ID, st.To, st.From)
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.sums, sum)
}

// sumOf is a hash of an id and of the accounts that a message goes from and to: an
// error may come from another resource, or for all of them from its server.
func sumOf(id string, from, to jid.JID) uint64 {
	var h maphash.Hash
	h.SetSeed(ringSeed)
	for _, s := range [...]string{id, from.Bare().String(), to.Bare().String()} {
		h.WriteString(s)
		h.WriteByte(0)
	}
	return h.Sum64()
}
