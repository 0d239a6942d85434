package presence

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Defaults of [Tracker].
const (
	DefaultMaxPresences  = 10000
	DefaultMaxPerContact = 500
	DefaultMaxBytes      = 16 << 20
)

// Tracker is an extension for clients that remembers who is there: the last
// available presence of each full address, the account's own included, as long
// as the session lasts. The zero Tracker is ready to be attached. All methods
// are safe for concurrent use. The fields are not to be changed once it is
// attached.
//
// Anybody can send presence to a client, subscription or not. So there are
// bounds: when one is reached, no further addresses are remembered; those that
// are keep their place. A bound is 0 for its default, and negative for none.
type Tracker struct {
	// OnChange, if not nil, is called with each presence that changes what is
	// remembered: available, unavailable, of type error (the address cannot be
	// reached any more), or unsubscribed. One that is not available and comes
	// from a bare address stands for all addresses of the contact. What one
	// address sends is in order. It is not called for what is forgotten at the
	// end of a session.
	OnChange func(ctx context.Context, s xmpp.Sender, p *stanza.Presence)
	// Accept, if not nil, says whose presence is remembered; contacts of the
	// roster only, for instance.
	Accept func(from jid.JID) bool
	// MaxPresences is how many addresses are remembered, MaxPerContact how many
	// of one bare address; occupants of a room have one bare address. Defaults
	// 10000 and 500.
	MaxPresences, MaxPerContact int
	// MaxBytes bounds the size of what is remembered. Default 16 MiB.
	MaxBytes int

	mu       sync.Mutex
	contacts map[jid.JID]map[jid.JID]seen // by bare address, then by the address
	count    int
	bytes    int
	clock    uint64
	ended    xmpp.Sender // the session that has ended last
}

// seen is a presence that is remembered.
type seen struct {
	p    *stanza.Presence
	s    xmpp.Sender // the session that it came in
	size int
	at   uint64 // when, on the tracker's clock
}

var _ xmpp.Watcher = (*Tracker)(nil)

// Attach adds the handler. The error says that h is a server.
func (t *Tracker) Attach(h xmpp.Host) error {
	if h.IsServer() {
		return errServer
	}
	h.Mux().Handle(xmpp.Pattern{Kind: stanza.KindPresence, Types: []stanza.Type{
		stanza.TypeAvailable, stanza.TypeUnavailable, stanza.TypeError, stanza.TypeUnsubscribed,
	}}, xmpp.HandlerFunc(t.handle))
	return nil
}

// SessionUp does nothing: presence comes by itself.
func (t *Tracker) SessionUp(context.Context, xmpp.Sender) {}

// SessionDown forgets what was seen in the session.
func (t *Tracker) SessionDown(s xmpp.Sender, _ error) {
	s = unwrap(s)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = s
	for bare, all := range t.contacts {
		for j, x := range all {
			if x.s == s {
				t.drop(bare, j)
			}
		}
	}
}

// Of returns the available presences of a contact, the best first: by the
// highest priority, then by how available show says that it is (chat, none,
// away, xa, dnd), then by the last that has come. They are not to be changed.
func (t *Tracker) Of(contact jid.JID) []*stanza.Presence {
	t.mu.Lock()
	all := make([]seen, 0, len(t.contacts[contact.Bare()]))
	for _, x := range t.contacts[contact.Bare()] {
		all = append(all, x)
	}
	t.mu.Unlock()
	slices.SortFunc(all, func(a, b seen) int {
		return cmp.Or(
			cmp.Compare(b.p.Priority, a.p.Priority),
			cmp.Compare(availability(a.p.Show), availability(b.p.Show)),
			cmp.Compare(b.at, a.at),
		)
	})
	list := make([]*stanza.Presence, len(all))
	for i, x := range all {
		list[i] = x.p
	}
	return list
}

// Best returns the first of [Tracker.Of], nil if the contact is not there.
func (t *Tracker) Best(contact jid.JID) *stanza.Presence {
	if list := t.Of(contact); len(list) > 0 {
		return list[0]
	}
	return nil
}

// Presence returns the available presence of exactly this address, nil if there
// is none. It is not to be changed.
func (t *Tracker) Presence(address jid.JID) *stanza.Presence {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.contacts[address.Bare()][address].p
}

// Forget forgets the presence of a contact, for whom the own subscription has
// ended: the client "MUST consider its presence subscription to the contact, and
// its presence information about the contact, to be null and void" (RFC 6121,
// section 3.3.3).
func (t *Tracker) Forget(contact jid.JID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(contact.Bare())
}

// forget reports whether there was something. Under the lock, as what follows.
func (t *Tracker) forget(bare jid.JID) bool {
	there := false
	for j := range t.contacts[bare] {
		there = t.drop(bare, j)
	}
	return there
}

// drop reports whether there was something.
func (t *Tracker) drop(bare, address jid.JID) bool {
	all := t.contacts[bare]
	x, ok := all[address]
	if !ok {
		return false
	}
	t.count--
	t.bytes -= x.size
	delete(all, address)
	if len(all) == 0 {
		delete(t.contacts, bare)
	}
	return true
}

func (t *Tracker) handle(ctx context.Context, s xmpp.Sender, st *stanza.Stanza) error {
	if st.From.IsZero() || t.Accept != nil && !t.Accept(st.From) {
		return nil
	}
	p := st.Presence()
	if t.change(unwrap(s), st, p) && t.OnChange != nil {
		t.OnChange(ctx, s, p)
	}
	return nil
}

// change takes a presence, and reports whether it has made a difference.
func (t *Tracker) change(s xmpp.Sender, st *stanza.Stanza, p *stanza.Presence) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.ended == s:
		return false // it comes too late
	case p.Type == stanza.TypeAvailable:
		return t.keep(s, st, p)
	case p.From.IsBare() || p.Type == stanza.TypeUnsubscribed:
		// The contact's server says that there is nobody (RFC 6121, section
		// 4.3.2), or that the subscription has ended.
		return t.forget(p.From.Bare())
	}
	return t.drop(p.From.Bare(), p.From)
}

// keep remembers an available presence if there is room.
func (t *Tracker) keep(s xmpp.Sender, st *stanza.Stanza, p *stanza.Presence) bool {
	bare, size := p.From.Bare(), st.Size()
	all := t.contacts[bare]
	was, again := all[p.From]
	switch {
	case t.bytes-was.size+size > bound(t.MaxBytes, DefaultMaxBytes):
		// What was said before does not hold any more either.
		return t.drop(bare, p.From)
	case !again && (t.count >= bound(t.MaxPresences, DefaultMaxPresences) ||
		len(all) >= bound(t.MaxPerContact, DefaultMaxPerContact)):
		return false
	}
	switch {
	case t.contacts == nil:
		t.contacts = make(map[jid.JID]map[jid.JID]seen)
		fallthrough
	case all == nil:
		all = make(map[jid.JID]seen)
		t.contacts[bare.Clone()] = all
	}
	if !again {
		t.count++
	}
	t.bytes += size - was.size
	t.clock++
	// The old key would keep the old stanza in memory.
	delete(all, p.From)
	all[p.From] = seen{p, s, size, t.clock}
	return true
}

// availability orders the values of show, the most available first.
func availability(show stanza.Show) int {
	return slices.Index([]stanza.Show{stanza.ShowChat, "", stanza.ShowAway, stanza.ShowExtendedAway,
		stanza.ShowDoNotDisturb}, show)
}

func bound(v, byDefault int) int {
	switch {
	case v == 0:
		return byDefault
	case v < 0:
		return math.MaxInt
	}
	return v
}
