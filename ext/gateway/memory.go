package gateway

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/etherx-go/xmpp/ext/register"
	"github.com/etherx-go/xmpp/jid"
)

// Memory is a [Store] in memory, for tests and for users who register again. Keys are
// the bare addresses. The zero Memory is ready to use, and safe for concurrent use.
type Memory struct {
	mu       sync.Mutex
	accounts map[jid.JID]Account
}

// Account returns a registration.
func (m *Memory) Account(_ context.Context, user jid.JID) (Account, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.accounts[user.Bare()]
	return a.clone(), ok, nil
}

// SetAccount keeps a registration.
func (m *Memory) SetAccount(_ context.Context, a Account) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.accounts == nil {
		m.accounts = make(map[jid.JID]Account)
	}
	a = a.clone()
	m.accounts[a.User] = a
	return nil
}

// RemoveAccount forgets a registration.
func (m *Memory) RemoveAccount(_ context.Context, user jid.JID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.accounts, user.Bare())
	return nil
}

// Accounts yields those that are there when the sequence starts.
func (m *Memory) Accounts(ctx context.Context) iter.Seq2[Account, error] {
	return func(yield func(Account, error) bool) {
		m.mu.Lock()
		all := slices.Collect(maps.Values(m.accounts))
		m.mu.Unlock()
		for _, a := range all {
			if err := ctx.Err(); err != nil {
				yield(Account{}, err)
				return
			}
			if !yield(a.clone(), nil) {
				return
			}
		}
	}
}

// clone returns a copy that shares nothing, not even with the stanza that the texts
// came in.
func (a Account) clone() Account {
	a.User = a.User.Bare().Clone()
	a.Fields, a.Suggested = slices.Clone(a.Fields), slices.Clone(a.Suggested)
	for i, f := range a.Fields {
		a.Fields[i] = register.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)}
	}
	for i, name := range a.Suggested {
		a.Suggested[i] = strings.Clone(name)
	}
	return a
}
