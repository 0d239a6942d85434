package memory

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Archives returns the store of the package archive.
func (s *Store) Archives() archive.Store { return &s.archives }

// archives implements archive.Store.
type archives struct {
	mu    sync.RWMutex
	m     map[jid.JID]*messageArchive
	prefs table[archive.Preferences]
}

// messageArchive is an archive, by ascending ids.
type messageArchive struct {
	last    string // the last id that was given
	entries []archived
}

type archived struct {
	archive.Entry
	id string
}

func (a *archives) Append(_ context.Context, entries ...archive.Entry) ([]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.m == nil {
		a.m = make(map[jid.JID]*messageArchive)
	}
	ids := make([]string, len(entries))
	var original, clone *stanza.Stanza // the same stanza is often in two archives
	for i, e := range entries {
		if e.Stanza != original {
			original, clone = e.Stanza, e.Stanza.Clone()
		}
		e.Archive = e.Archive.Bare()
		in := a.m[e.Archive]
		if in == nil {
			in = new(messageArchive)
			a.m[e.Archive.Clone()] = in
		}
		in.last = archive.NextID(in.last, e.At)
		e.Archive, e.With, e.Stanza = jid.JID{}, e.With.Clone(), clone
		e.At = e.At.UTC().Truncate(time.Millisecond)
		in.entries = append(in.entries, archived{e, in.last})
		ids[i] = in.last
	}
	return ids, nil
}

// entriesOf returns those of an archive. They do not change.
func (a *archives) entriesOf(j jid.JID) []archived {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if in := a.m[j.Bare()]; in != nil {
		return in.entries
	}
	return nil
}

func place(all []archived, id string) (int, bool) {
	return slices.BinarySearchFunc(all, id, func(e archived, id string) int { return strings.Compare(e.id, id) })
}

// within returns the entries between ids, and with the ids of the filter if it has some.
// All ids have to be there.
func within(all []archived, f *archive.Filter, p *archive.Paging) ([]archived, error) {
	for _, id := range []string{f.AfterID, f.BeforeID, p.After, p.Before} {
		if _, ok := place(all, id); !ok && id != "" {
			return nil, archive.ErrNotFound
		}
	}
	if f.IDs != nil {
		some := make([]archived, 0, len(f.IDs))
		for _, id := range slices.Compact(slices.Sorted(slices.Values(f.IDs))) {
			i, ok := place(all, id)
			if !ok {
				return nil, archive.ErrNotFound
			}
			some = append(some, all[i])
		}
		all = some
	}
	from, to := 0, len(all)
	if after := max(f.AfterID, p.After); after != "" {
		i, ok := place(all, after)
		if from = i; ok {
			from++
		}
	}
	for _, before := range []string{f.BeforeID, p.Before} {
		if i, _ := place(all, before); before != "" {
			to = min(to, i)
		}
	}
	return all[from:max(from, to)], nil
}

func (a *archives) Query(_ context.Context, j jid.JID, f archive.Filter, p archive.Paging) (archive.Page, error) {
	all, err := within(a.entriesOf(j), &f, &p)
	if err != nil {
		return archive.Page{}, err
	}
	page := archive.Page{Complete: true}
	size := 0
	for i := range all {
		e := &all[i]
		if p.Backward {
			e = &all[len(all)-1-i]
		}
		if !f.Matches(e.id, &e.Entry) {
			continue
		}
		if len(page.Messages) == max(p.Max, 1) || len(page.Messages) > 0 && p.MaxBytes >= 0 && size >= p.MaxBytes {
			page.Complete = false
			break
		}
		page.Messages = append(page.Messages, archive.Message{ID: e.id, At: e.At, Stanza: e.Stanza})
		size += e.Stanza.Size()
	}
	if p.Backward {
		slices.Reverse(page.Messages)
	}
	return page, nil
}

func (a *archives) Count(_ context.Context, j jid.JID, f archive.Filter) (n int, err error) {
	all, err := within(a.entriesOf(j), &f, new(archive.Paging))
	for i := range all {
		if f.Matches(all[i].id, &all[i].Entry) {
			n++
		}
	}
	return n, err
}

func (a *archives) Metadata(_ context.Context, j jid.JID) (m archive.Metadata, err error) {
	if all := a.entriesOf(j); len(all) > 0 {
		first, last := &all[0], &all[len(all)-1]
		m.Start, m.End = archive.Edge{ID: first.id, At: first.At}, archive.Edge{ID: last.id, At: last.At}
	}
	return m, nil
}

func (a *archives) Purge(_ context.Context, j jid.JID, before time.Time, keep int) (removed int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !j.IsZero() {
		return a.m[j.Bare()].purge(before, keep), nil
	}
	for _, in := range a.m {
		removed += in.purge(before, keep)
	}
	return removed, nil
}

func (in *messageArchive) purge(before time.Time, keep int) (n int) {
	if in == nil {
		return 0
	}
	if keep >= 0 {
		n = max(0, len(in.entries)-keep)
	}
	for n < len(in.entries) && in.entries[n].At.Before(before) {
		n++
	}
	// Somebody may read the old ones. They are let go at the next growth, or at once if
	// that is most of them: to copy all for each few that go would be dear.
	in.entries = in.entries[n:]
	if n > len(in.entries) {
		in.entries = slices.Clone(in.entries)
	}
	return n
}

func (a *archives) Preferences(_ context.Context, account jid.JID) (archive.Preferences, error) {
	p := a.prefs.get(account)
	p.Always, p.Never = slices.Clone(p.Always), slices.Clone(p.Never)
	return p, nil
}

func (a *archives) SetPreferences(_ context.Context, account jid.JID, p archive.Preferences) error {
	clone := func(list []jid.JID) (c []jid.JID) {
		for _, j := range list {
			c = append(c, j.Clone())
		}
		return c
	}
	a.prefs.set(account, archive.Preferences{
		Default: archive.Policy(strings.Clone(string(p.Default))), Always: clone(p.Always), Never: clone(p.Never),
	})
	return nil
}

func (a *archives) RemoveAccount(_ context.Context, account jid.JID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.m, account.Bare())
	a.prefs.remove(account)
	return nil
}
