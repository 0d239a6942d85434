package memory

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
)

// rosters implements roster.Store.
type rosters struct{ table[*contacts] }

// contacts is the roster of one account.
type contacts struct {
	entries map[jid.JID]roster.Entry
	// epoch is drawn anew for each roster, so that the versions of an account
	// that was removed and made again do not come back; updates counts in it.
	epoch   string
	updates uint64
}

func (c *contacts) version() string {
	if c == nil || c.updates == 0 {
		return ""
	}
	return c.epoch + "-" + strconv.FormatUint(c.updates, 10)
}

func (r *rosters) Entries(_ context.Context, account jid.JID) ([]roster.Entry, string, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	c := r.m[account.Bare()]
	if c == nil {
		return nil, "", nil
	}
	entries := slices.SortedFunc(maps.Values(c.entries), func(a, b roster.Entry) int { return a.JID.Compare(b.JID) })
	for i := range entries {
		entries[i].Groups = slices.Clone(entries[i].Groups)
	}
	return entries, c.version(), nil
}

func (r *rosters) Entry(_ context.Context, account, contact jid.JID) (roster.Entry, bool, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	c := r.m[account.Bare()]
	if c == nil {
		return roster.Entry{}, false, nil
	}
	e, ok := c.entries[contact]
	e.Groups = slices.Clone(e.Groups)
	return e, ok, nil
}

// Update calls fn while the store is locked. The version stays as it is if fn
// changes nothing.
func (r *rosters) Update(
	_ context.Context, account, contact jid.JID, fn func(e *roster.Entry, n int) error,
) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.m[account.Bare()]
	if c == nil {
		c = new(contacts)
	}
	old, had := c.entries[contact]
	if !had {
		old = roster.Entry{Item: roster.Item{JID: contact}, Hidden: true}
	}
	e := old
	e.Groups = slices.Clone(old.Groups)
	if err := fn(&e, len(c.entries)); err != nil {
		return "", err
	}
	e.JID = contact
	if empty := e.IsEmpty(); empty && !had || !empty && had && equal(&e, &old) {
		return c.version(), nil
	}
	if c.entries == nil {
		c.entries, c.epoch = make(map[jid.JID]roster.Entry), rand.Text()[:13]
		r.put(account, c)
	}
	c.updates++
	if e.IsEmpty() {
		delete(c.entries, contact)
	} else {
		c.entries[contact.Clone()] = cloneEntry(e)
	}
	return c.version(), nil
}

func (r *rosters) RemoveAccount(_ context.Context, account jid.JID) error {
	r.remove(account)
	return nil
}

func equal(a, b *roster.Entry) bool {
	return a.Name == b.Name && slices.Equal(a.Groups, b.Groups) && a.Subscription == b.Subscription &&
		a.Ask == b.Ask && a.Approved == b.Approved && a.Hidden == b.Hidden && a.Request == b.Request
}

func cloneEntry(e roster.Entry) roster.Entry {
	e.JID, e.Name, e.Request = e.JID.Clone(), strings.Clone(e.Name), strings.Clone(e.Request)
	e.Groups = slices.Clone(e.Groups)
	for i, group := range e.Groups {
		e.Groups[i] = strings.Clone(group)
	}
	return e
}
