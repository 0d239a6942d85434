package memory

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/offline"
	"github.com/etherx-go/xmpp/stanza"
)

// messages implements offline.Store.
type messages struct {
	table[[]offline.Message] // by ascending id
	last                     int64
}

func (m *messages) Add(_ context.Context, account jid.JID, st *stanza.Stanza, at time.Time, max int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.m[account.Bare()]
	if max >= 0 && len(list) >= max {
		return offline.ErrFull
	}
	m.last++
	m.put(account, append(list, offline.Message{ID: m.last, At: at, Stanza: st.Clone()}))
	return nil
}

// Messages yields what is there when the sequence starts, but for what is
// deleted before its turn.
func (m *messages) Messages(ctx context.Context, account jid.JID) iter.Seq2[offline.Message, error] {
	return func(yield func(offline.Message, error) bool) {
		for _, msg := range slices.Clone(m.get(account)) {
			if err := ctx.Err(); err != nil {
				yield(offline.Message{}, err)
				return
			}
			if _, ok := find(m.get(account), msg.ID); ok && !yield(msg, nil) {
				return
			}
		}
	}
}

func find(list []offline.Message, id int64) (int, bool) {
	return slices.BinarySearchFunc(list, id, func(m offline.Message, id int64) int { return cmp.Compare(m.ID, id) })
}

func (m *messages) Delete(_ context.Context, account jid.JID, ids ...int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.m[account.Bare()]
	gone := make(map[int64]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	// A new slice: who iterates has the old one.
	var list []offline.Message
	for _, msg := range old {
		if !gone[msg.ID] {
			list = append(list, msg)
		}
	}
	if len(list) == 0 {
		delete(m.m, account.Bare())
		return nil
	}
	m.put(account, list)
	return nil
}

func (m *messages) Count(_ context.Context, account jid.JID) (int, error) {
	return len(m.get(account)), nil
}

func (m *messages) RemoveAccount(_ context.Context, account jid.JID) error {
	m.remove(account)
	return nil
}
