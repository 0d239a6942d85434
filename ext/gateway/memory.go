package gateway

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/etherx-go/xmpp/jid"
)

// Memory is a [Store] in memory, for tests and for users who register again. The
// zero Memory is ready to use, and safe for concurrent use.
type Memory struct {
	mu       sync.Mutex
	accounts map[jid.JID]Account
}

// Account returns a registration.
func (m *Memory) Account(_ context.Context, user jid.JID) (Account, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.accounts[user]
	return a.clone(), ok, nil
}

// SetAccount keeps a registration.
func (m *Memory) SetAccount(_ context.Context, a Account) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.accounts == nil {
		m.accounts = make(map[jid.JID]Account)
	}
	a.User = a.User.Clone()
	m.accounts[a.User] = a.clone()
	return nil
}

// RemoveAccount forgets a registration.
func (m *Memory) RemoveAccount(_ context.Context, user jid.JID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.accounts, user)
	return nil
}

// Accounts returns those that are there when it begins.
func (m *Memory) Accounts(context.Context) iter.Seq2[Account, error] {
	return func(yield func(Account, error) bool) {
		m.mu.Lock()
		all := slices.Collect(maps.Values(m.accounts))
		m.mu.Unlock()
		for _, a := range all {
			if !yield(a.clone(), nil) {
				return
			}
		}
	}
}

func (a Account) clone() Account {
	a.Fields, a.Suggested = slices.Clone(a.Fields), slices.Clone(a.Suggested)
	return a
}
