package memory

import (
	"sync"

	"github.com/etherx-go/xmpp/ext/gateway"
	"github.com/etherx-go/xmpp/ext/private"
	"github.com/etherx-go/xmpp/ext/search"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/offline"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/privacy"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/vcard"
)

// Store keeps everything that a server stores for its accounts. What it keeps
// is its own copy, and is gone with the process. The zero value is empty and
// ready to use, and safe for concurrent use; it must not be copied. Contexts
// are not looked at, as nothing here waits.
type Store struct {
	accounts  Accounts
	rosters   rosters
	presences presences
	privacy   privacyLists
	offline   messages
	vcards    vcards
	private   privateXML
	archives  archives
	push      pushDevices
	tokens    tokens
	directory directory
	gateways  gateways
}

// New returns an empty Store.
func New() *Store { return new(Store) }

// Accounts returns the accounts. Their fields may be set before they are used.
func (s *Store) Accounts() *Accounts { return &s.accounts }

// Rosters returns the store of the package roster.
func (s *Store) Rosters() roster.Store { return &s.rosters }

// Presences returns the store of the package presence.
func (s *Store) Presences() presence.Store { return &s.presences }

// Privacy returns the store of the package privacy.
func (s *Store) Privacy() privacy.Store { return &s.privacy }

// Offline returns the store of the package offline.
func (s *Store) Offline() offline.Store { return &s.offline }

// VCards returns the store of the package vcard.
func (s *Store) VCards() vcard.Store { return &s.vcards }

// Private returns the store of the package private.
func (s *Store) Private() private.Store { return &s.private }

// Directory returns the store of the package search, for one directory of users.
func (s *Store) Directory() search.Store { return &s.directory }

// Gateway returns the store of the package gateway, for the gateway at that address.
func (s *Store) Gateway(at jid.JID) gateway.Store { return s.gateways.of(at) }

// table holds one value for each account. The zero table is empty.
type table[T any] struct {
	mu sync.RWMutex
	m  map[jid.JID]T
}

func (t *table[T]) get(account jid.JID) T {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.m[account.Bare()]
}

func (t *table[T]) set(account jid.JID, v T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(account, v)
}

// put is set for who holds the lock.
func (t *table[T]) put(account jid.JID, v T) {
	if t.m == nil {
		t.m = make(map[jid.JID]T)
	}
	t.m[account.Bare().Clone()] = v
}

func (t *table[T]) remove(account jid.JID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.m, account.Bare())
}
