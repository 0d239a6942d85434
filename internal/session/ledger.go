package session

import "sync"

// heldStanzas and heldBytes bound what was received and is not acknowledged because
// its handler has not returned. The peer keeps all of it, and peers give sessions up
// that leave too much to keep: of a handler that takes its time no more is held.
const (
	heldStanzas = 256
	heldBytes   = 256 << 10
)

// ledger counts the peer's stanzas (XEP-0198): which were received, and which were
// handled, for handlers of different senders run at the same time. The peer is told
// how many were handled without a gap, so that it keeps the others, and has them sent
// again, should this process come to a sudden end. It belongs to a session, whatever
// connections that has, and goes on to the next process. The zero ledger counts
// nothing; it is safe for concurrent use.
type ledger struct {
	mu       sync.Mutex
	counts   bool
	received uint64
	done     uint64   // handled, without a gap
	open     []inHand // done+1 to received
	bytes    int      // of those in open that are not handled
	told     uint64   // the most that the peer was told
	owed     uint64   // the peer is told when so many are handled; 0: it is not
	// before are those beyond done that another process has handled, and which the
	// peer sends again.
	before  map[uint64]struct{}
	leaving bool // what is not handled now is left to another process
}

// inHand is a stanza that was received.
type inHand struct {
	size    int
	handled bool
}

// start begins to count.
func (l *ledger) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts = true
}

// restore sets the ledger to what another process has left.
func (l *ledger) restore(handled uint64, beyond []uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts, l.received, l.done, l.told = true, handled, handled, handled
	l.before = make(map[uint64]struct{}, len(beyond))
	for _, n := range beyond {
		l.before[n] = struct{}{}
	}
}

// receive takes note of a stanza, and returns its number; 0 if it does not count.
// again says that it was handled before, by another process.
func (l *ledger) receive(size int) (n uint64, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.counts {
		return 0, false
	}
	l.received++
	if _, again = l.before[l.received]; again {
		delete(l.before, l.received)
	}
	if cap(l.open) == 0 {
		l.open = make([]inHand, 0, 16) // it moves on in there
	}
	l.open = append(l.open, inHand{size, again})
	if !again {
		l.bytes += size
	}
	l.advance()
	l.bound()
	return l.received, again
}

// finish takes note that a stanza was handled. If the peer waits to be told, tell is
// true.
func (l *ledger) finish(n uint64) (handled uint64, tell bool) {
	if n == 0 {
		return 0, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n <= l.done {
		return 0, false // it was counted as handled before it was
	}
	h := &l.open[n-l.done-1]
	if !h.handled {
		h.handled = true
		l.bytes -= h.size
	}
	l.advance()
	if l.owed == 0 || l.done < l.owed {
		return 0, false
	}
	return l.tell(), true
}

// advance moves done on over what is handled.
func (l *ledger) advance() {
	n := 0
	for n < len(l.open) && l.open[n].handled {
		n++
	}
	l.drop(n)
}

func (l *ledger) drop(n int) {
	for _, h := range l.open[:n] {
		if !h.handled {
			l.bytes -= h.size
		}
	}
	l.done += uint64(n)
	l.open = l.open[n:]
}

// bound counts the oldest as handled while there is too much.
func (l *ledger) bound() {
	for !l.leaving && (len(l.open) > heldStanzas || l.bytes > heldBytes && len(l.open) > 1) {
		l.drop(1)
		l.advance()
	}
}

// tell returns what the peer is told now.
func (l *ledger) tell() uint64 {
	l.told = max(l.told, l.done)
	if l.told >= l.owed {
		l.owed = 0
	}
	return l.told
}

// answer returns what the peer is told that asks. If that is not all, it will be told
// more by itself.
func (l *ledger) answer() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owed = l.received
	return l.tell()
}

// resume returns what the peer is told that is asked to go on with the session. What
// was received is in good hands, and need not come again.
func (l *ledger) resume() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told, l.owed = l.received, 0
	return l.told
}

// leave has what is not handled now left to another process.
func (l *ledger) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaving = true
}

// left returns what another process needs to know.
func (l *ledger) left() (handled uint64, beyond []uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	handled = max(l.done, l.told)
	for i, h := range l.open {
		if n := l.done + uint64(i) + 1; h.handled && n > handled {
			beyond = append(beyond, n)
		}
	}
	for n := range l.before {
		beyond = append(beyond, n)
	}
	return handled, beyond
}

// settle counts all that was received as handled.
func (l *ledger) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(len(l.open))
}
