// Package storetest has the tests that every storage engine must pass. They show
// what the documentation of the stores says: [roster.Store], [presence.Store],
// [privacy.Store], [offline.Store], [archive.Store], [vcard.Store], [private.Store],
// [push.Store], [stream.TokenStore], [search.Store], [gateway.Store], and of the
// accounts of a server.
//
//	func TestEngine(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Engine { return memory.New() })
//	}
//
// Who implements only some of the stores runs only their tests. Run them with
// the race detector, too.
package storetest

import (
	"context"
	"crypto"
	"testing"

	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/ext/gateway"
	"github.com/etherx-go/xmpp/ext/private"
	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/ext/search"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/offline"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/privacy"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/sasl"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/vcard"
)

// Engine is a storage engine for all that a server, and services of it, keep of their
// users.
type Engine interface {
	Rosters() roster.Store
	Presences() presence.Store
	Privacy() privacy.Store
	Offline() offline.Store
	Archives() archive.Store
	VCards() vcard.Store
	Private() private.Store
	Push() push.Store
	Tokens() stream.TokenStore
	Directory() search.Store
	Gateway(at jid.JID) gateway.Store
}

// Accounts are the accounts of a server that can be made, changed and removed.
// The methods are those of server.AccountManager and server.SCRAMParameters.
type Accounts interface {
	Credentials(domain string) sasl.Credentials
	Exists(ctx context.Context, account jid.JID) (bool, error)
	Register(ctx context.Context, account jid.JID, password string) error
	SetPassword(ctx context.Context, account jid.JID, password string) error
	Remove(ctx context.Context, account jid.JID) error
	SCRAMParameters() (hashes []crypto.Hash, iterations int)
}

// Run tests all stores of an engine. open opens a new and empty one, which is
// closed, if it needs that, by a Cleanup of the test that it gets.
func Run(t *testing.T, open func(t *testing.T) Engine) {
	t.Run("Rosters", func(t *testing.T) {
		RunRosters(t, func(t *testing.T) roster.Store { return open(t).Rosters() })
	})
	t.Run("Presences", func(t *testing.T) {
		RunPresences(t, func(t *testing.T) presence.Store { return open(t).Presences() })
	})
	t.Run("Privacy", func(t *testing.T) {
		RunPrivacy(t, func(t *testing.T) privacy.Store { return open(t).Privacy() })
	})
	t.Run("Offline", func(t *testing.T) {
		RunOffline(t, func(t *testing.T) offline.Store { return open(t).Offline() })
	})
	t.Run("Archives", func(t *testing.T) {
		RunArchives(t, func(t *testing.T) archive.Store { return open(t).Archives() })
	})
	t.Run("VCards", func(t *testing.T) {
		RunVCards(t, func(t *testing.T) vcard.Store { return open(t).VCards() })
	})
	t.Run("Private", func(t *testing.T) {
		RunPrivate(t, func(t *testing.T) private.Store { return open(t).Private() })
	})
	t.Run("Push", func(t *testing.T) {
		RunPush(t, func(t *testing.T) push.Store { return open(t).Push() })
	})
	t.Run("Tokens", func(t *testing.T) {
		RunTokens(t, func(t *testing.T) stream.TokenStore { return open(t).Tokens() })
	})
	t.Run("Directory", func(t *testing.T) {
		RunDirectory(t, func(t *testing.T) search.Store { return open(t).Directory() })
	})
	t.Run("Gateway", func(t *testing.T) {
		RunGateway(t, func(t *testing.T) func(jid.JID) gateway.Store { return open(t).Gateway })
	})
	t.Run("side by side", func(t *testing.T) { sideBySide(t, open(t)) })
}

// sideBySide: the stores of an engine do not get in each other's way.
func sideBySide(t *testing.T, e Engine) {
	fields := map[string]field{
		"roster":   rosterField(e.Rosters()),
		"presence": presenceField(e.Presences()),
		"privacy":  privacyField(e.Privacy()),
		"offline":  offlineField(e.Offline()),
		"archive":  archiveField(e.Archives()),
		"vcard":    vcardField(e.VCards()),
		"private":  privateField(e.Private()),
		"push":     pushField(e.Push()),
		"tokens":   tokensField(e.Tokens()),
		"search":   directoryField(e.Directory()),
		"icq":      gatewayField(e.Gateway(icq)),
		"aim":      gatewayField(e.Gateway(aim)),
	}
	for name, f := range fields {
		f.mustPut(t, juliet, name)
	}
	for name, f := range fields {
		f.wants(t, juliet, name)
	}
	for name, f := range fields {
		if err := f.remove(t.Context(), juliet); err != nil {
			t.Fatal(err)
		}
		f.wants(t, juliet, "")
		delete(fields, name)
		for other, f := range fields {
			f.wants(t, juliet, other)
		}
	}
}
