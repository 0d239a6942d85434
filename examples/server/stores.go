package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/ext/private"
	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/ext/search"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/storage/sql"
	"github.com/etherx-go/xmpp/vcard"
)

// stores are where everything is kept.
type stores struct {
	server.Stores
	accounts server.AccountManager
	vcards   vcard.Store
	index    *search.Index // of the vCards, for the user directories
	private  private.Store
	archives archive.Store
	push     push.Store
	close    func() error
}

// openStores opens the database in the data folder, or keeps all in memory.
func (o *options) openStores(ctx context.Context) (*stores, error) {
	st, err := o.openEngine(ctx)
	if err != nil {
		return nil, err
	}
	st.vcards = &search.VCards{Store: st.vcards, Index: st.index}
	if err := st.index.Load(ctx); err != nil {
		return nil, errors.Join(err, st.close())
	}
	return st, nil
}

func (o *options) openEngine(ctx context.Context) (*stores, error) {
	if o.data == "memory" {
		m := memory.New()
		m.Accounts().Legacy, m.Accounts().Passwords = o.legacy, o.legacy
		return &stores{
			Stores:   server.Stores{Rosters: m.Rosters(), Presences: m.Presences(), Privacy: m.Privacy(), Offline: m.Offline(), Tokens: m.Tokens()},
			accounts: m.Accounts(), vcards: m.VCards(), private: m.Private(), archives: m.Archives(), push: m.Push(),
			close: func() error { return nil },
			index: new(search.Index),
		}, nil
	}
	db, err := sql.Open(ctx, sql.Config{Path: filepath.Join(o.data, "etherx.db"), Legacy: o.legacy, Passwords: o.legacy})
	if err != nil {
		return nil, err
	}
	return &stores{
		Stores:   server.Stores{Rosters: db.Rosters(), Presences: db.Presences(), Privacy: db.Privacy(), Offline: db.Offline(), Tokens: db.Tokens()},
		accounts: db.Accounts(), vcards: db.VCards(), private: db.Private(), archives: db.Archives(), push: db.Push(), close: db.Close,
		index: &search.Index{Store: db.Directory()},
	}, nil
}

// addUsers makes the accounts of -user that do not exist yet.
func (o *options) addUsers(ctx context.Context, accounts server.AccountManager) error {
	for _, u := range o.users {
		account, err := jid.New(u.name, o.domains[0], "")
		if err == nil {
			err = accounts.Register(ctx, account, u.password)
		}
		if err != nil && !errors.Is(err, stanza.Conflict) {
			return fmt.Errorf("-user %s: %w", u.name, err)
		}
	}
	return nil
}
