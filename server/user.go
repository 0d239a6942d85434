package server

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
)

// user is an account while somebody works on it: while it has sessions, or its
// roster is being changed. So there is never more than one of an account, and
// the roster that it keeps is true.
type user struct {
	srv     *Server
	host    *host
	account jid.JID

	// Guarded by host.mu; the slice is replaced, never changed, so that a
	// route can use one without the lock.
	refs     int
	sessions []*session // in the order of their log-in

	// changes lets one change of the roster happen at a time, together with
	// its pushes, so that clients see changes in their order. Nothing is
	// routed while it is held: what comes back may need it.
	changes sync.Mutex
	// sends lets one change that contacts are told of happen at a time. It is
	// taken before changes, and held until the contact has been told.
	sends sync.Mutex

	// arrivals is held while a message is stored, and while stored messages
	// are handed out: what is stored is delivered before what comes later.
	arrivals sync.Mutex

	// shows is held while somebody is told what the presence of a session is,
	// or that there is none, and while that changes: so what is told last is
	// true.
	shows sync.Mutex

	// copied are messages that the account has sent, and that were copied.
	copied carbons.Ring

	mu       sync.RWMutex
	loaded   bool
	version  string
	contacts map[jid.JID]roster.Entry
	// silent are contacts that have answered presence with an error. They get
	// none until they send some (RFC 6121, section 4.4.2).
	silent map[jid.JID]struct{}
	// handed are the stored messages that a session is getting, and, as long as there
	// are readers of what is stored, those in gone, which one has got.
	handed  map[int64]struct{}
	gone    []int64
	readers int
}

// load reads the roster, once, from the store. The user must be kept by a
// session, or this is waste.
func (u *user) load(ctx context.Context) error {
	u.mu.RLock()
	loaded := u.loaded
	u.mu.RUnlock()
	if loaded {
		return nil
	}
	u.changes.Lock()
	defer u.changes.Unlock()
	return u.loadLocked(ctx)
}

// loadLocked is load for who holds u.changes.
func (u *user) loadLocked(ctx context.Context) error {
	if u.loaded {
		return nil
	}
	entries, version, err := u.srv.stores.Rosters.Entries(ctx, u.account)
	if err != nil {
		return err
	}
	contacts := make(map[jid.JID]roster.Entry, len(entries))
	for _, e := range entries {
		contacts[e.JID] = e
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.loaded, u.version, u.contacts = true, version, contacts
	return nil
}

// contact returns what is kept about a contact, which is a bare address.
func (u *user) contact(ctx context.Context, contact jid.JID) (roster.Entry, bool, error) {
	u.mu.RLock()
	loaded := u.loaded
	e, ok := u.contacts[contact]
	u.mu.RUnlock()
	if loaded {
		return e, ok, nil
	}
	return u.srv.stores.Rosters.Entry(ctx, u.account, contact)
}

// entries returns what is kept about all contacts, by address, and the version
// of the roster.
func (u *user) entries() ([]roster.Entry, string) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	all := make([]roster.Entry, 0, len(u.contacts))
	for _, e := range u.contacts {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b roster.Entry) int { return cmp.Compare(a.JID.String(), b.JID.String()) })
	return all, u.version
}

// with returns the contacts that have one of the subscription bits, in no order.
func (u *user) with(bits roster.Subscription) []jid.JID {
	u.mu.RLock()
	defer u.mu.RUnlock()
	var all []jid.JID
	for j, e := range u.contacts {
		if e.Subscription&bits != 0 {
			all = append(all, j)
		}
	}
	return all
}

// change changes what is kept about a contact by fn, which is called as
// [roster.Store] says, and returns what has come of it. Who calls it holds
// u.changes. If fn returns errUnchanged nothing is written, and there is no
// error.
func (u *user) change(ctx context.Context, contact jid.JID, fn func(e *roster.Entry, n int) error) (roster.Entry, error) {
	var after roster.Entry
	version, err := u.srv.stores.Rosters.Update(ctx, u.account, contact, func(e *roster.Entry, n int) error {
		err := fn(e, n)
		after = *e
		after.Groups = slices.Clone(e.Groups)
		return err
	})
	if err == errUnchanged {
		return after, nil
	}
	if err != nil {
		return after, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.loaded {
		u.version = version
		if after.IsEmpty() {
			delete(u.contacts, contact)
		} else {
			u.contacts[contact.Clone()] = after
		}
	}
	return after, nil
}

// setSilent notes that a contact does not want presence, or wants it again.
func (u *user) setSilent(contact jid.JID, silent bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !silent {
		delete(u.silent, contact)
		return
	}
	// Only contacts get broadcasts, so only these need be noted.
	if u.contacts[contact].Subscription&roster.From == 0 {
		return
	}
	if u.silent == nil {
		u.silent = make(map[jid.JID]struct{})
	}
	u.silent[contact.Clone()] = struct{}{}
}

func (u *user) isSilent(contact jid.JID) bool {
	u.mu.RLock()
	defer u.mu.RUnlock()
	_, ok := u.silent[contact]
	return ok
}

// claim notes that a session is getting a stored message, and reports whether
// none was.
func (u *user) claim(id int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, ok := u.handed[id]; ok {
		return false
	}
	if u.handed == nil {
		u.handed = make(map[int64]struct{})
	}
	u.handed[id] = struct{}{}
	return true
}

// unclaim notes that stored messages have not been got.
func (u *user) unclaim(ids ...int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, id := range ids {
		delete(u.handed, id)
	}
}

// got notes that stored messages have been got, and are deleted. Who has begun to read
// what is stored may still come to them.
func (u *user) got(ids []int64) {
	u.mu.Lock()
	u.gone = append(u.gone, ids...)
	u.mu.Unlock()
	u.reads(0)
}

// reads counts those who read what is stored.
func (u *user) reads(more int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.readers += more; u.readers > 0 {
		return
	}
	for _, id := range u.gone {
		delete(u.handed, id)
	}
	u.gone = nil
}
