package search

import (
	"context"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// DefaultMaxEntries is the default of [Index.MaxEntries].
const DefaultMaxEntries = 100_000

// Index is a [Registry] in memory. The zero Index is empty and ready to use; it
// is safe for concurrent use.
//
// A value matches if what is searched for is all of it or some whole words of it,
// with upper and lower case, compatibility forms of characters, commas and white
// space not regarded. With a * behind it the last word need only begin so.
//
// A search looks at every entry, which takes some milliseconds for 100,000. All of
// them are in memory, also with a Store; so one process keeps the directory, as what
// another one enters into the same Store is not seen before the next Load.
type Index struct {
	// Store keeps the entries; nil: nobody does. They are there after Load.
	Store Store
	// MaxEntries bounds how many there are; more are refused with
	// resource-constraint. Default 100000, -1 = no limit.
	MaxEntries int

	once  sync.Once
	seed  maphash.Seed
	users [64]sync.Mutex // changes of an entry, in the Store as well as here

	mu      sync.RWMutex
	entries []*entry // by address; an entry does not change
}

type entry struct {
	Item
	folded []string // the values of Fields, as they are compared
}

// Load reads what the Store has. What was entered meanwhile stays.
func (x *Index) Load(ctx context.Context) error {
	if x.Store == nil {
		return nil
	}
	var stored []*entry
	for it, err := range x.Store.Entries(ctx) {
		if err != nil {
			return err
		}
		stored = append(stored, newEntry(it))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	stored = slices.DeleteFunc(stored, func(e *entry) bool {
		_, found := x.find(e.JID)
		return found
	})
	x.entries = append(x.entries, stored...)
	slices.SortFunc(x.entries, func(a, b *entry) int { return a.JID.Compare(b.JID) })
	return nil
}

// Search returns those who match, by their addresses.
func (x *Index) Search(_ context.Context, _ jid.JID, fields []Field, limit int) ([]Item, error) {
	return x.search(jid.JID{}, fields, limit), nil
}

// Host returns the directory of the entries of one domain, so that the users of a
// virtual host are found in the directory of that host only.
func (x *Index) Host(domain jid.JID) Directory { return hostOf{x, domain.DomainJID()} }

// hostOf is the part of an Index that has one domain.
type hostOf struct {
	x      *Index
	domain jid.JID
}

// Search returns those who match, by their addresses.
func (h hostOf) Search(_ context.Context, _ jid.JID, fields []Field, limit int) ([]Item, error) {
	return h.x.search(h.domain, fields, limit), nil
}

// search looks at the entries of a domain, at all if it is zero.
func (x *Index) search(domain jid.JID, fields []Field, limit int) (found []Item) {
	terms := make([]Field, len(fields))
	for i, f := range fields {
		terms[i] = Field{f.Name, term(f.Value)}
		if strings.TrimSpace(terms[i].Value) == "" {
			return nil // of nothing but commas
		}
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	// Addresses are ordered by their domains first.
	first, _ := x.find(domain)
	for _, e := range x.entries[first:] {
		if len(found) >= limit || !domain.IsZero() && e.JID.Domain() != domain.Domain() {
			break
		}
		if e.matches(terms) {
			found = append(found, Item{e.JID, slices.Clone(e.Fields)})
		}
	}
	return found
}

// Entry returns the entry of a user.
func (x *Index) Entry(_ context.Context, user jid.JID) ([]Field, bool, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	i, found := x.find(user)
	if !found {
		return nil, false, nil
	}
	return slices.Clone(x.entries[i].Fields), true, nil
}

// SetEntry makes or replaces the entry of a user.
func (x *Index) SetEntry(ctx context.Context, user jid.JID, fields []Field) error {
	defer x.lock(user)()
	return x.set(ctx, user, fields)
}

// RemoveEntry removes the entry of a user.
func (x *Index) RemoveEntry(ctx context.Context, user jid.JID) error {
	defer x.lock(user)()
	return x.remove(ctx, user)
}

// lock keeps others from changing the entry of a user.
func (x *Index) lock(user jid.JID) (unlock func()) {
	x.once.Do(func() { x.seed = maphash.MakeSeed() })
	m := &x.users[maphash.String(x.seed, user.String())%uint64(len(x.users))]
	m.Lock()
	return m.Unlock
}

// set does what SetEntry does, under the lock of the user.
func (x *Index) set(ctx context.Context, user jid.JID, fields []Field) error {
	it := Item{user.Clone(), slices.Clone(fields)}
	x.mu.RLock()
	i, found := x.find(user)
	full := !found && x.isFull()
	same := found && slices.Equal(x.entries[i].Fields, fields) // as where only the photo of a card is new
	x.mu.RUnlock()
	switch {
	case full:
		return errFull
	case same:
		return nil
	}
	if x.Store != nil {
		if err := x.Store.SetEntry(ctx, it); err != nil {
			return err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	// Others may have come in since isFull; a few more than there should be do
	// less harm than one that the Store has and the Index has not.
	if i, found := x.find(user); found {
		x.entries[i] = newEntry(it)
	} else {
		x.entries = slices.Insert(x.entries, i, newEntry(it))
	}
	return nil
}

// remove does what RemoveEntry does, under the lock of the user.
func (x *Index) remove(ctx context.Context, user jid.JID) error {
	if x.Store != nil {
		if err := x.Store.RemoveEntry(ctx, user); err != nil {
			return err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if i, found := x.find(user); found {
		x.entries = slices.Delete(x.entries, i, i+1)
	}
	return nil
}

// find returns where the entry of a user is, or should be.
func (x *Index) find(user jid.JID) (i int, found bool) {
	return slices.BinarySearchFunc(x.entries, user, func(e *entry, j jid.JID) int { return e.JID.Compare(j) })
}

func (x *Index) isFull() bool {
	limit := orDefault(x.MaxEntries, DefaultMaxEntries)
	return limit >= 0 && len(x.entries) >= limit
}

// errFull refuses what is over MaxEntries.
var errFull error = &stanza.Error{
	Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "The directory is full.",
}

func newEntry(it Item) *entry {
	e := &entry{Item: it}
	for _, f := range it.Fields {
		e.folded = append(e.folded, fold(f.Value)+" ")
	}
	return e
}

// matches reports whether the entry matches all terms.
func (e *entry) matches(terms []Field) bool {
	for _, t := range terms {
		i := slices.IndexFunc(e.Fields, func(f Field) bool { return f.Name == t.Name })
		if i < 0 || !strings.Contains(e.folded[i], t.Value) {
			return false
		}
	}
	return true
}

// fold returns what is compared of a value: its words, each with a space before
// it.
func fold(s string) string {
	s = strings.ToLower(norm.NFKC.String(s))
	words := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	if len(words) == 0 {
		return ""
	}
	return " " + strings.Join(words, " ")
}

// term returns what a folded value has to contain.
func term(s string) string {
	s = strings.TrimSpace(s)
	if begin, ok := strings.CutSuffix(s, "*"); ok {
		return fold(begin)
	}
	return fold(s) + " "
}
