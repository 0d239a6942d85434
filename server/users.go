package server

import (
	"context"
	"errors"
	"time"

	xmpp "github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/offline"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/privacy"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/stream"
)

// Stores are where a server keeps what outlives a connection. What is nil is
// kept in memory, and lost with the server.
type Stores struct {
	Rosters   roster.Store
	Presences presence.Store
	Privacy   privacy.Store
	Offline   offline.Store
	// Tokens are those by which clients log in again in one round trip (XEP-0484).
	// nil: they are not given any.
	Tokens stream.TokenStore
}

// withDefaults puts stores in memory where there are none.
func (st Stores) withDefaults() Stores {
	m := memory.New()
	if st.Rosters == nil {
		st.Rosters = m.Rosters()
	}
	if st.Presences == nil {
		st.Presences = m.Presences()
	}
	if st.Privacy == nil {
		st.Privacy = m.Privacy()
	}
	if st.Offline == nil {
		st.Offline = m.Offline()
	}
	return st
}

var _ xmpp.Users = (*Server)(nil)

// HasAccount reports whether there is such an account on one of the domains.
func (s *Server) HasAccount(ctx context.Context, account jid.JID) (bool, error) {
	if s.cfg.Accounts == nil || s.hosts[account.Domain()] == nil || account.Local() == "" {
		return false, nil
	}
	return s.cfg.Accounts.Exists(ctx, account.Bare())
}

// hasAccount is HasAccount for who can do nothing about an error. Who is logged
// in has one.
func (s *Server) hasAccount(ctx context.Context, account jid.JID) bool {
	if h := s.hosts[account.Domain()]; h != nil && len(h.sessionsOf(account.Local())) > 0 {
		return true
	}
	ok, err := s.HasAccount(ctx, account)
	if err != nil {
		s.log.Error("accounts", "account", account, "err", err)
	}
	return ok
}

// moved returns the error that says where the user of an account has gone.
func (s *Server) moved(ctx context.Context, account jid.JID) (*stanza.Error, bool) {
	m, ok := s.cfg.Accounts.(Mover)
	if !ok {
		return nil, false
	}
	moved, err := m.Moved(ctx, account)
	if err != nil {
		s.log.Error("accounts", "account", account, "err", err)
	}
	return moved, moved != nil
}

// MaySee reports whether contact may know the presence of account.
func (s *Server) MaySee(ctx context.Context, contact, account jid.JID) (may bool, err error) {
	s.withUser(account, func(u *user) { may, err = u.showsTo(ctx, contact) })
	return may, err
}

// Resources returns the full addresses of the account's available resources.
func (s *Server) Resources(account jid.JID) (all []jid.JID) {
	if h := s.hosts[account.Domain()]; h != nil {
		for _, sess := range h.sessionsOf(account.Local()) {
			if sess.isAvailable() {
				all = append(all, sess.jid)
			}
		}
	}
	return all
}

// LastPresence returns the presence of type unavailable that the last resource of
// the account left, and when it did; nil if there is none.
func (s *Server) LastPresence(ctx context.Context, account jid.JID) (*stanza.Stanza, time.Time, error) {
	return s.stores.Presences.LastPresence(ctx, account.Bare())
}

// RemoveAccount removes an account: its contacts are told, all that is stored for
// it is forgotten, by the server and by every extension that is an
// [xmpp.AccountRemover], and its sessions end with <not-authorized/>. Accounts
// must be an [AccountManager].
func (s *Server) RemoveAccount(ctx context.Context, account jid.JID) error {
	account = account.Bare()
	if err := s.removeAccount(ctx, account); err != nil {
		return err
	}
	s.endSessions(ctx, account)
	return nil
}

func (s *Server) removeAccount(ctx context.Context, account jid.JID) error {
	m, ok := s.cfg.Accounts.(AccountManager)
	if !ok {
		return stanza.NotAllowed
	}
	h := s.hosts[account.Domain()]
	if h == nil {
		return stanza.ItemNotFound
	}
	u := h.acquire(account)
	defer h.release(u)
	for _, sess := range u.list() {
		sess.goOffline(ctx, nil)
	}
	if err := u.leaveContacts(ctx); err != nil {
		return err
	}
	if err := s.forgetAccount(ctx, account); err != nil {
		return err
	}
	return m.Remove(ctx, account)
}

// endSessions ends the streams of an account that is no more.
func (s *Server) endSessions(ctx context.Context, account jid.JID) {
	for _, sess := range s.hosts[account.Domain()].sessionsOf(account.Local()) {
		go sess.kick(&stream.Error{Condition: stream.NotAuthorized, Text: "the account has been removed"})
	}
}

// leaveContacts ends the subscriptions of an account that is removed.
func (u *user) leaveContacts(ctx context.Context) error {
	u.sends.Lock()
	defer u.sends.Unlock()
	if err := u.load(ctx); err != nil {
		return err
	}
	entries, _ := u.entries()
	u.mu.Lock()
	u.contacts = make(map[jid.JID]roster.Entry)
	u.mu.Unlock()
	for _, e := range entries {
		u.endSubscriptions(ctx, e)
	}
	return nil
}

func (s *Server) forgetAccount(ctx context.Context, account jid.JID) error {
	removers := []xmpp.AccountRemover{s.stores.Rosters, s.stores.Presences, s.privacy, s.stores.Offline}
	for _, e := range s.cfg.Extensions {
		if r, ok := e.(xmpp.AccountRemover); ok {
			removers = append(removers, r)
		}
	}
	var errs []error
	for _, r := range removers {
		errs = append(errs, r.RemoveAccount(ctx, account))
	}
	return errors.Join(append(errs, s.forgetTokens(ctx, account))...)
}
