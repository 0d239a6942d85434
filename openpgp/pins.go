package openpgp

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
)

// Defaults of [Pins].
const (
	DefaultMaxContacts = 10000
	DefaultMaxKeyAge   = time.Hour
)

// Pins remembers which keys a contact had at the first contact, and believes
// those alone from then on, unless it is told otherwise: "Trust upon first
// contact" (XEP-0373, section 7.1). Its method Keys is a [KeyFunc]. It is safe for
// concurrent use.
type Pins struct {
	// Fetch finds the keys that a contact has published; usually it is
	// ox.FetchKeys. It must be set.
	Fetch KeyFunc
	// Accept is asked about each key of a contact that is not pinned, first says
	// that none is. nil accepts those of the first contact. It must be quick.
	Accept func(contact jid.JID, key *Key, first bool) bool
	// MaxAge is how long fetched keys are used before they are fetched again.
	// Default 1 hour, negative: they are always fetched. See Refresh.
	MaxAge time.Duration
	// MaxContacts bounds for how many contacts there are pins and keys, default
	// 10000, negative: no bound. Of more than that the one who was not heard of
	// for longest is forgotten, and is a new contact the next time.
	MaxContacts int
	// Now is the clock, nil for [time.Now].
	Now func() time.Time

	mu       sync.Mutex
	contacts map[jid.JID]*contact
	tick     uint64
}

// contact is what is known of one.
type contact struct {
	pins    map[string]bool // fingerprints; false: distrusted
	keys    []*Key
	fetched time.Time
	used    uint64 // tick of the last use
}

// UntrustedError says that a contact has keys, and none of them is trusted.
type UntrustedError struct {
	Contact jid.JID
	Keys    []*Key
}

// Error gives the contact and the fingerprints.
func (e *UntrustedError) Error() string {
	return fmt.Sprintf("openpgp: no trusted key of %s among %v", e.Contact, e.Keys)
}

// Keys returns the keys of a contact that are trusted, fetching them if need be.
// The error is an [*UntrustedError] if there are others only, an ErrNoKey if there
// are none, or that of Fetch.
func (p *Pins) Keys(ctx context.Context, s xmpp.Sender, addr jid.JID) ([]*Key, error) {
	addr = addr.Bare()
	if keys, ok := p.fresh(addr); ok {
		return keys, nil
	}
	keys, err := p.Fetch(ctx, s, addr)
	switch {
	case err != nil:
		return nil, err
	case len(keys) == 0:
		return nil, fmt.Errorf("%w: %s has no keys", ErrNoKey, addr)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.contact(addr.Clone())
	first := len(c.pins) == 0
	c.keys, c.fetched = nil, p.now()
	for _, k := range keys {
		trusted, known := c.pins[k.Fingerprint()]
		if !known && p.accepts(addr, k, first) {
			trusted = true
			c.pins[k.Fingerprint()] = true
		}
		if trusted {
			c.keys = append(c.keys, k)
		}
	}
	if len(c.keys) == 0 {
		return nil, &UntrustedError{addr, keys}
	}
	return slices.Clone(c.keys), nil
}

// fresh returns the keys that were fetched not long ago.
func (p *Pins) fresh(addr jid.JID) ([]*Key, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.contacts[addr]
	if !ok || len(c.keys) == 0 {
		return nil, false
	}
	age := p.MaxAge
	if age == 0 {
		age = DefaultMaxKeyAge
	}
	if p.now().Sub(c.fetched) > age {
		return nil, false
	}
	p.touch(c)
	return slices.Clone(c.keys), true
}

func (p *Pins) accepts(addr jid.JID, k *Key, first bool) bool {
	if p.Accept == nil {
		return first
	}
	return p.Accept(addr, k, first)
}

// contact returns the entry of a contact, making one if there is none.
func (p *Pins) contact(addr jid.JID) *contact {
	if c, ok := p.contacts[addr]; ok {
		p.touch(c)
		return c
	}
	limit := p.MaxContacts
	if limit == 0 {
		limit = DefaultMaxContacts
	}
	if limit > 0 && len(p.contacts) >= limit {
		p.forgetOldest()
	}
	if p.contacts == nil {
		p.contacts = map[jid.JID]*contact{}
	}
	c := &contact{pins: map[string]bool{}}
	p.contacts[addr] = c
	p.touch(c)
	return c
}

func (p *Pins) touch(c *contact) {
	p.tick++
	c.used = p.tick
}

func (p *Pins) forgetOldest() {
	var oldest jid.JID
	least := p.tick + 1
	for addr, c := range p.contacts {
		if c.used < least {
			oldest, least = addr, c.used
		}
	}
	delete(p.contacts, oldest)
}

// Trust pins further keys of a contact, by fingerprint: those that the user has
// compared, or those that were pinned when the program ran last.
func (p *Pins) Trust(addr jid.JID, fingerprints ...string) {
	p.set(addr, fingerprints, true)
}

func (p *Pins) set(addr jid.JID, fingerprints []string, trusted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.contact(addr.Bare().Clone())
	for _, f := range fingerprints {
		c.pins[f] = trusted
	}
	c.keys = nil // chosen anew the next time
}

// Distrust makes keys of a contact, by fingerprint, not be believed any more, nor
// accepted again.
func (p *Pins) Distrust(addr jid.JID, fingerprints ...string) {
	p.set(addr, fingerprints, false)
}

// Refresh makes the keys of a contact be fetched again when they are needed next,
// because they have changed.
func (p *Pins) Refresh(addr jid.JID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.contacts[addr.Bare()]; ok {
		c.keys = nil
	}
}

// All yields the contacts and the fingerprints of their pinned keys, sorted, as
// they are now: for saving them.
func (p *Pins) All() iter.Seq2[jid.JID, []string] {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[jid.JID][]string, len(p.contacts))
	for addr, c := range p.contacts {
		var pins []string
		for f, trusted := range c.pins {
			if trusted {
				pins = append(pins, f)
			}
		}
		if slices.Sort(pins); len(pins) > 0 {
			all[addr] = pins
		}
	}
	return maps.All(all)
}

func (p *Pins) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}
