package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stream"
)

// Tokens returns the store of the tokens with which clients log in again (XEP-0484).
func (s *Store) Tokens() stream.TokenStore { return &s.tokens }

// tokens implements stream.TokenStore: those of an account by the ids of its clients.
type tokens struct {
	table[map[string]sasl.HashedTokens]
}

// UpdateTokens calls fn while the store is locked.
func (s *tokens) UpdateTokens(
	_ context.Context, account jid.JID, client string, fn func(*sasl.HashedTokens) error,
) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clients := s.m[account.Bare()]
	t := clients[client]
	if err := fn(&t); err != nil {
		return err
	}
	if t.IsZero() {
		s.removeClient(account, client)
		return nil
	}
	if clients == nil {
		clients = make(map[string]sasl.HashedTokens)
		s.put(account, clients)
	}
	if _, ok := clients[client]; !ok {
		client = strings.Clone(client)
		if len(clients) == stream.MaxTokenClients {
			delete(clients, firstToExpire(clients))
		}
	}
	clients[client] = t
	return nil
}

func (s *tokens) RemoveTokens(_ context.Context, account jid.JID, client string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if client == "" {
		delete(s.m, account.Bare())
	} else {
		s.removeClient(account, client)
	}
	return nil
}

// removeClient is for who holds the lock.
func (s *tokens) removeClient(account jid.JID, client string) {
	clients := s.m[account.Bare()]
	if delete(clients, client); len(clients) == 0 {
		delete(s.m, account.Bare())
	}
}

// firstToExpire returns the client whose tokens are gone before those of the others.
func firstToExpire(clients map[string]sasl.HashedTokens) string {
	return slices.MinFunc(slices.Collect(maps.Keys(clients)), func(a, b string) int {
		x, y := clients[a], clients[b]
		return cmp.Or(x.Expires().Compare(y.Expires()), strings.Compare(a, b))
	})
}
