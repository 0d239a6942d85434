package archive

import (
	"cmp"
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// getPreferences answers what an account prefers.
func (s *Server) getPreferences(ctx context.Context, _ xmpp.Sender, st *stanza.Stanza) (any, error) {
	archive, err := s.open(ctx, st)
	if err != nil {
		return nil, err
	}
	p, err := s.preferences(ctx, archive)
	if err != nil {
		return nil, wrap(err)
	}
	p.Space = st.Payload().Name().Space
	return p, nil
}

// setPreferences changes what an account prefers, and answers with what counts
// from now on. One that says no policy leaves it as it is.
func (s *Server) setPreferences(ctx context.Context, _ xmpp.Sender, st *stanza.Stanza) (any, error) {
	archive, err := s.open(ctx, st)
	if err != nil {
		return nil, err
	}
	var p Preferences
	if err := st.Payload().Decode(&p); err != nil {
		return nil, err
	}
	if limit := cmp.Or(s.MaxPreferences, DefaultMaxPreferences); limit >= 0 && len(p.Always)+len(p.Never) > limit {
		return nil, stanza.NewError(stanza.NotAcceptable, fmt.Sprintf("the lists may have %d addresses", limit))
	}
	// A session may be there a moment longer than its account.
	if ok, err := s.users.HasAccount(ctx, archive); err != nil {
		return nil, wrap(err)
	} else if !ok {
		return nil, stanza.Forbidden
	}
	if p.Default == "" {
		old, err := s.preferences(ctx, archive)
		if err != nil {
			return nil, wrap(err)
		}
		p.Default = old.Default
	}
	if p.Default == Roster && s.InRoster == nil {
		p.Default = Always
	}
	space := p.Space
	p.Space = ""
	if err := s.Store.SetPreferences(ctx, archive, p); err != nil {
		return nil, wrap(err)
	}
	s.forget(archive)
	p.Space = space
	return p, nil
}

// preferences returns those of an account, or the default ones.
func (s *Server) preferences(ctx context.Context, j jid.JID) (Preferences, error) {
	p, err := s.Store.Preferences(ctx, j)
	if err != nil {
		return p, err
	}
	if p.Default == "" {
		p.Default = s.Default
	}
	if p.Default == "" || p.Default == Roster && s.InRoster == nil {
		p.Default = Always
	}
	return p, nil
}

// account returns what is known of an account, from the cache if it is there.
func (s *Server) account(ctx context.Context, j jid.JID) (*account, error) {
	s.mu.Lock()
	a, ok := s.accounts.Get(j)
	generation := s.changes
	s.mu.Unlock()
	if ok {
		return a, nil
	}
	p, err := s.preferences(ctx, j)
	if err != nil {
		return nil, err
	}
	a = &account{prefs: p, appended: purgeEvery} // it is not known how many there are
	s.mu.Lock()
	defer s.mu.Unlock()
	if generation != s.changes {
		return a, nil // what was read may be what was before
	}
	if now, ok := s.accounts.Get(j); ok {
		return now, nil
	}
	s.accounts.Put(j.Clone(), a, cmp.Or(s.MaxAccounts, DefaultMaxAccounts))
	return a, nil
}
