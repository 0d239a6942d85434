package privacy

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/etherx-go/xmpp/jid"
)

// entry is what is in memory about an account. An account has at most one.
type entry struct {
	account jid.JID
	turn    chan struct{}                       // held by who reads or changes the stored lists, or what sessions do
	lists   atomic.Pointer[Lists]               // nil: to be read; never changed
	states  atomic.Pointer[map[jid.JID]session] // nil: none; never changed, replaced under cache.mu
	used    atomic.Bool                         // since the hand of the cache came by

	refs int // users that rely on there being no other entry; guarded by cache.mu
}

// session is what a session has done. The zero session has done nothing, and is
// not kept.
type session struct {
	active string // name of the active list, "" if there is none
	asked  bool   // has asked for the list of blocked addresses
	old    bool   // speaks the form of draft-ietf-xmpp-im-02
}

func (n *entry) session(full jid.JID) session {
	if m := n.states.Load(); m != nil {
		return (*m)[full]
	}
	return session{}
}

// lock takes the entry's turn.
func (n *entry) lock(ctx context.Context) error {
	select {
	case n.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (n *entry) unlock() { <-n.turn }

// cache holds the entries. Those of accounts without sessions have to go when
// there are more than max, by the clock rule: a hand goes round, and who has not
// been used since it came by last is removed.
type cache struct {
	max   int
	inUse func(account jid.JID) bool // has a connected resource; called without locks

	mu      sync.RWMutex
	entries map[jid.JID]*entry
	ring    []*entry
	hand    int
}

// find returns the account's entry, nil if there is none.
func (c *cache) find(account jid.JID) *entry {
	c.mu.RLock()
	n := c.entries[account]
	c.mu.RUnlock()
	if n != nil && !n.used.Load() {
		n.used.Store(true)
	}
	return n
}

// acquire returns the account's entry, which stays until it is released.
func (c *cache) acquire(account jid.JID) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.entries[account]
	if n == nil {
		account = account.Clone()
		n = &entry{account: account, turn: make(chan struct{}, 1)}
		if c.entries == nil {
			c.entries = make(map[jid.JID]*entry)
		}
		c.entries[account] = n
		c.ring = append(c.ring, n)
	}
	n.used.Store(true)
	n.refs++
	return n
}

// steps is how far the hand goes for one entry that is released. It is more than
// one, so that the cache shrinks again.
const steps = 8

func (c *cache) release(n *entry) {
	c.mu.Lock()
	n.refs--
	c.mu.Unlock()
	for range steps {
		old, full := c.advance()
		if !full {
			return
		}
		if old != nil && !c.inUse(old.account) {
			c.remove(old)
		}
	}
}

// advance moves the hand, and returns the entry that it has left if that can go.
// full is false if none has to.
func (c *cache) advance() (old *entry, full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ring) <= c.max {
		return nil, false
	}
	c.hand = (c.hand + 1) % len(c.ring)
	n := c.ring[c.hand]
	if n.used.Swap(false) || !n.idle() {
		return nil, true
	}
	return n, true
}

// idle reports whether nothing is lost with the entry.
func (n *entry) idle() bool { return n.refs == 0 && n.states.Load() == nil }

func (c *cache) remove(n *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !n.idle() || c.hand >= len(c.ring) || c.ring[c.hand] != n {
		return // it came back to life, or another has moved the hand
	}
	delete(c.entries, n.account)
	last := len(c.ring) - 1
	c.ring[c.hand], c.ring[last] = c.ring[last], nil
	c.ring = c.ring[:last]
}

// update changes what is known of a session of the entry n, which has been
// acquired.
func (c *cache) update(n *entry, full jid.JID, fn func(*session)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := n.session(full)
	fn(&s)
	n.set(full, s)
}

// forget forgets a session.
func (c *cache) forget(full jid.JID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.entries[full.Bare()]; n != nil {
		n.set(full, session{})
	}
}

// deactivate ends the use of a list that is no more.
func (c *cache) deactivate(n *entry, list string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.states.Load() == nil {
		return
	}
	for full, s := range *n.states.Load() {
		if s.active == list {
			s.active = ""
			n.set(full, s)
		}
	}
}

// set replaces what is known of a session.
func (n *entry) set(full jid.JID, s session) {
	var m map[jid.JID]session
	if old := n.states.Load(); old != nil {
		m = maps.Clone(*old)
	}
	if s == (session{}) {
		delete(m, full)
	} else {
		if m == nil {
			m = make(map[jid.JID]session, 1)
		}
		m[full.Clone()] = s
	}
	if len(m) == 0 {
		n.states.Store(nil)
		return
	}
	n.states.Store(&m)
}
