package storetest_test

import (
	"context"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/storage/storetest"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/vcard"
)

// What passes as Accounts is what a server takes.
var (
	_ server.AccountManager  = storetest.Accounts(nil)
	_ server.SCRAMParameters = storetest.Accounts(nil)
	_ server.Upgrader        = storetest.Upgradable(nil)
)

// broken is an engine with one mistake.
type broken struct {
	*memory.Store
	rosters   func(roster.Store) roster.Store
	presences func(presence.Store) presence.Store
	privacy   func(privacy.Store) privacy.Store
	offline   func(offline.Store) offline.Store
	archives  func(archive.Store) archive.Store
	vcards    func(vcard.Store) vcard.Store
	private   func(private.Store) private.Store
	push      func(push.Store) push.Store
	tokens    func(stream.TokenStore) stream.TokenStore
	directory func(search.Store) search.Store
	gateway   func(gateway.Store) gateway.Store
	oneForAll bool // gateways
}

func wrap[T any](s T, fn func(T) T) T {
	if fn == nil {
		return s
	}
	return fn(s)
}

func (b broken) Rosters() roster.Store     { return wrap(b.Store.Rosters(), b.rosters) }
func (b broken) Presences() presence.Store { return wrap(b.Store.Presences(), b.presences) }
func (b broken) Privacy() privacy.Store    { return wrap(b.Store.Privacy(), b.privacy) }
func (b broken) Offline() offline.Store    { return wrap(b.Store.Offline(), b.offline) }
func (b broken) Archives() archive.Store   { return wrap(b.Store.Archives(), b.archives) }
func (b broken) VCards() vcard.Store       { return wrap(b.Store.VCards(), b.vcards) }
func (b broken) Private() private.Store    { return wrap(b.Store.Private(), b.private) }
func (b broken) Push() push.Store          { return wrap(b.Store.Push(), b.push) }
func (b broken) Tokens() stream.TokenStore { return wrap(b.Store.Tokens(), b.tokens) }
func (b broken) Directory() search.Store   { return wrap(b.Store.Directory(), b.directory) }

func (b broken) Gateway(at jid.JID) gateway.Store {
	if b.oneForAll {
		at = jid.JID{}
	}
	return wrap(b.Store.Gateway(at), b.gateway)
}

// mistakes are engines that must not pass, and the test that has to say so.
var mistakes = map[string]struct {
	broken
	found string // by this test, among others
}{
	"domains mix": {
		broken{vcards: func(s vcard.Store) vcard.Store { return oneDomain{s} }},
		"VCards/field/accounts_do_not_mix",
	},
	"fn's error is ignored": {
		broken{rosters: func(s roster.Store) roster.Store { return ignoresErrors{s} }},
		"Rosters/errors_change_nothing",
	},
	"updates are lost": {
		broken{rosters: func(s roster.Store) roster.Store { return losesUpdates{s} }},
		"Rosters/updates_of_one_entry_at_once",
	},
	"versions come back": {
		broken{rosters: func(s roster.Store) roster.Store { return countsEntries{s} }},
		"Rosters/versions",
	},
	"entries by string": {
		broken{rosters: func(s roster.Store) roster.Store { return ordersStrings{s} }},
		"Rosters/entries_are_in_order",
	},
	"order is lost": {
		broken{offline: func(s offline.Store) offline.Store { return backwards{s} }},
		"Offline/in_the_order_of_storing",
	},
	"no bound": {
		broken{offline: func(s offline.Store) offline.Store { return boundless{s} }},
		"Offline/bounds",
	},
	"others' messages": {
		broken{offline: func(s offline.Store) offline.Store { return &reuses{Store: s} }},
		"Offline/ids",
	},
	"seconds": {
		broken{presences: func(s presence.Store) presence.Store { return seconds{s} }},
		"Presences/time",
	},
	"lists are not copied": {
		broken{privacy: func(s privacy.Store) privacy.Store { return &shares{Store: s} }},
		"Privacy/errors_change_nothing",
	},
	"pages are always complete": {
		broken{archives: func(s archive.Store) archive.Store { return complete{s} }},
		"Archives/pages,_against_what_is_all_there",
	},
	"what is not there is not missed": {
		broken{archives: func(s archive.Store) archive.Store { return forgiving{s} }},
		"Archives/ids_that_are_not_there",
	},
	"times go to seconds": {
		broken{archives: func(s archive.Store) archive.Store { return wholeSeconds{s} }},
		"Archives/the_stanza_comes_back_whole",
	},
	"purge leaves one": {
		broken{archives: func(s archive.Store) archive.Store { return hoards{s} }},
		"Archives/purge_by_number",
	},
	"names are cut": {
		broken{private: func(s private.Store) private.Store { return localNames{s} }},
		"Private/elements_do_not_mix",
	},
	"devices are not copied": {
		broken{push: func(s push.Store) push.Store { return &sharesDevices{Store: s} }},
		"Push/errors_change_nothing",
	},
	"tokens are used twice": {
		broken{tokens: func(s stream.TokenStore) stream.TokenStore { return usesTwice{s} }},
		"Tokens/of_logins_with_the_same_count_one_is_good",
	},
	"clients without end": {
		broken{tokens: func(s stream.TokenStore) stream.TokenStore { return anyClients{s} }},
		"Tokens/bound_of_clients",
	},
	"the newest client is forgotten": {
		broken{tokens: func(s stream.TokenStore) stream.TokenStore { return &full{TokenStore: s} }},
		"Tokens/the_last_that_came_stays",
	},
	"the first page": {
		broken{directory: func(s search.Store) search.Store { return firstPage{s} }},
		"Directory/all,_each_once",
	},
	"empty fields are lost": {
		broken{directory: func(s search.Store) search.Store { return forgets{s} }},
		"Directory/entries_come_back_whole",
	},
	"one for all gateways": {
		broken{oneForAll: true},
		"Gateway/gateways_do_not_mix",
	},
	"suggestions are lost": {
		broken{gateway: func(s gateway.Store) gateway.Store { return noSuggestions{s} }},
		"Gateway/registrations_come_back_whole",
	},
}

type firstPage struct{ search.Store }

func (s firstPage) Entries(ctx context.Context) iter.Seq2[search.Item, error] {
	return func(yield func(search.Item, error) bool) {
		n := 0
		for it, err := range s.Store.Entries(ctx) {
			if n++; n > 100 || !yield(it, err) {
				return
			}
		}
	}
}

// forgets keeps no field without a value.
type forgets struct{ search.Store }

func (s forgets) SetEntry(ctx context.Context, it search.Item) error {
	it.Fields = slices.DeleteFunc(slices.Clone(it.Fields), func(f search.Field) bool { return f.Value == "" })
	return s.Store.SetEntry(ctx, it)
}

type noSuggestions struct{ gateway.Store }

func (s noSuggestions) SetAccount(ctx context.Context, a gateway.Account) error {
	a.Suggested = nil
	return s.Store.SetAccount(ctx, a)
}

type oneDomain struct{ vcard.Store }

func (s oneDomain) VCard(ctx context.Context, account jid.JID) (stanza.Raw, error) {
	return s.Store.VCard(ctx, user(account))
}

func (s oneDomain) SetVCard(ctx context.Context, account jid.JID, card stanza.Raw) error {
	return s.Store.SetVCard(ctx, user(account), card)
}

func user(account jid.JID) jid.JID {
	if account.Local() == "" {
		return account
	}
	return jid.MustParse(account.Local() + "@example")
}

type ignoresErrors struct{ roster.Store }

func (s ignoresErrors) Update(
	ctx context.Context, account, contact jid.JID, fn func(*roster.Entry, int) error,
) (version string, err error) {
	version, _ = s.Store.Update(ctx, account, contact, func(e *roster.Entry, n int) error {
		err = fn(e, n)
		return nil
	})
	return version, err
}

// losesUpdates reads and writes in two steps.
type losesUpdates struct{ roster.Store }

func (s losesUpdates) Update(
	ctx context.Context, account, contact jid.JID, fn func(*roster.Entry, int) error,
) (string, error) {
	var e roster.Entry
	var n int
	s.Store.Update(ctx, account, contact, func(old *roster.Entry, count int) error {
		e, n = *old, count
		e.Groups = slices.Clone(e.Groups)
		return context.Canceled
	})
	for range 100 { // so that another one comes between
		runtime.Gosched()
	}
	if err := fn(&e, n); err != nil {
		return "", err
	}
	return s.Store.Update(ctx, account, contact, func(old *roster.Entry, _ int) error {
		*old = e
		return nil
	})
}

type countsEntries struct{ roster.Store }

func (s countsEntries) Entries(ctx context.Context, account jid.JID) ([]roster.Entry, string, error) {
	entries, version, err := s.Store.Entries(ctx, account)
	return entries, version[strings.LastIndexByte(version, '-')+1:], err
}

func (s countsEntries) Update(
	ctx context.Context, account, contact jid.JID, fn func(*roster.Entry, int) error,
) (string, error) {
	version, err := s.Store.Update(ctx, account, contact, fn)
	return version[strings.LastIndexByte(version, '-')+1:], err
}

type ordersStrings struct{ roster.Store }

func (s ordersStrings) Entries(ctx context.Context, account jid.JID) ([]roster.Entry, string, error) {
	entries, version, err := s.Store.Entries(ctx, account)
	slices.SortFunc(entries, func(a, b roster.Entry) int { return strings.Compare(a.JID.String(), b.JID.String()) })
	return entries, version, err
}

type backwards struct{ offline.Store }

func (s backwards) Messages(ctx context.Context, account jid.JID) iter.Seq2[offline.Message, error] {
	return func(yield func(offline.Message, error) bool) {
		var all []offline.Message
		for m := range s.Store.Messages(ctx, account) {
			all = append(all, m)
		}
		for _, m := range slices.Backward(all) {
			if !yield(m, nil) {
				return
			}
		}
	}
}

type boundless struct{ offline.Store }

func (s boundless) Add(ctx context.Context, account jid.JID, st *stanza.Stanza, at time.Time, _ int) error {
	return s.Store.Add(ctx, account, st, at, -1)
}

// reuses numbers the messages of each account from 0.
type reuses struct{ offline.Store }

func (s *reuses) Messages(ctx context.Context, account jid.JID) iter.Seq2[offline.Message, error] {
	return func(yield func(offline.Message, error) bool) {
		n := int64(0)
		for m, err := range s.Store.Messages(ctx, account) {
			m.ID = n
			if n++; !yield(m, err) {
				return
			}
		}
	}
}

func (s *reuses) Delete(ctx context.Context, account jid.JID, ids ...int64) error {
	var real []int64
	n := int64(0)
	for m := range s.Store.Messages(ctx, account) {
		if slices.Contains(ids, n) {
			real = append(real, m.ID)
		}
		n++
	}
	return s.Store.Delete(ctx, account, real...)
}

type seconds struct{ presence.Store }

func (s seconds) SetLastPresence(ctx context.Context, account jid.JID, st *stanza.Stanza, at time.Time) error {
	return s.Store.SetLastPresence(ctx, account, st, at.Truncate(time.Second))
}

// shares gives fn what is kept, not a copy.
type shares struct {
	privacy.Store
	lists privacy.Lists
}

func (s *shares) PrivacyLists(context.Context, jid.JID) (privacy.Lists, error) { return s.lists, nil }

func (s *shares) UpdatePrivacyLists(_ context.Context, _ jid.JID, fn func(*privacy.Lists) error) error {
	return fn(&s.lists)
}

type complete struct{ archive.Store }

func (s complete) Query(ctx context.Context, j jid.JID, f archive.Filter, p archive.Paging) (archive.Page, error) {
	page, err := s.Store.Query(ctx, j, f, p)
	page.Complete = true
	return page, err
}

type forgiving struct{ archive.Store }

func (s forgiving) Query(ctx context.Context, j jid.JID, f archive.Filter, p archive.Paging) (archive.Page, error) {
	page, err := s.Store.Query(ctx, j, f, p)
	if err == archive.ErrNotFound {
		err = nil
	}
	return page, err
}

type wholeSeconds struct{ archive.Store }

func (s wholeSeconds) Append(ctx context.Context, entries ...archive.Entry) ([]string, error) {
	entries = slices.Clone(entries)
	for i := range entries {
		entries[i].At = entries[i].At.Truncate(time.Second)
	}
	return s.Store.Append(ctx, entries...)
}

type hoards struct{ archive.Store }

func (s hoards) Purge(ctx context.Context, j jid.JID, before time.Time, keep int) (int, error) {
	return s.Store.Purge(ctx, j, before, keep+1)
}

type localNames struct{ private.Store }

func (s localNames) Private(ctx context.Context, account jid.JID, name xml.Name) (stanza.Raw, error) {
	return s.Store.Private(ctx, account, xml.Name{Local: name.Local})
}

func (s localNames) SetPrivate(
	ctx context.Context, account jid.JID, name xml.Name, el stanza.Raw, max int,
) error {
	return s.Store.SetPrivate(ctx, account, xml.Name{Local: name.Local}, el, max)
}

// sharesDevices gives fn what is kept, not a copy.
type sharesDevices struct {
	push.Store
	all push.Devices
}

func (s *sharesDevices) Devices(context.Context, jid.JID) (push.Devices, error) { return s.all, nil }

func (s *sharesDevices) UpdateDevices(_ context.Context, _ jid.JID, fn func(*push.Devices) error) error {
	return fn(&s.all)
}

// usesTwice reads and writes in two steps.
type usesTwice struct{ stream.TokenStore }

func (s usesTwice) UpdateTokens(
	ctx context.Context, account jid.JID, client string, fn func(*sasl.HashedTokens) error,
) error {
	var t sasl.HashedTokens
	s.TokenStore.UpdateTokens(ctx, account, client, func(old *sasl.HashedTokens) error {
		t = *old
		return context.Canceled
	})
	for range 100 { // so that another one comes between
		runtime.Gosched()
	}
	if err := fn(&t); err != nil {
		return err
	}
	return s.TokenStore.UpdateTokens(ctx, account, client, func(old *sasl.HashedTokens) error {
		*old = t
		return nil
	})
}

// anyClients has an account for each client, so that they are never too many.
type anyClients struct{ stream.TokenStore }

func (s anyClients) UpdateTokens(
	ctx context.Context, account jid.JID, client string, fn func(*sasl.HashedTokens) error,
) error {
	own := jid.MustParse(fmt.Sprintf("%x@example", sha256.Sum256([]byte(account.Bare().String()+" "+client))))
	return s.TokenStore.UpdateTokens(ctx, own, client, fn)
}

// full takes no more clients when there are as many as may be.
type full struct {
	stream.TokenStore
	mu      sync.Mutex
	clients map[string]bool
}

func (s *full) UpdateTokens(
	ctx context.Context, account jid.JID, client string, fn func(*sasl.HashedTokens) error,
) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients == nil {
		s.clients = make(map[string]bool)
	}
	if !s.clients[client] && len(s.clients) == stream.MaxTokenClients {
		return fn(new(sasl.HashedTokens))
	}
	s.clients[client] = true
	return s.TokenStore.UpdateTokens(ctx, account, client, fn)
}

const mistakeVar = "ETHERX_STORETEST_MISTAKE"

// TestMistake is run by TestMistakes as a process of its own; on its own it runs
// an engine without mistakes.
func TestMistake(t *testing.T) {
	m := mistakes[os.Getenv(mistakeVar)]
	storetest.Run(t, func(t *testing.T) storetest.Engine {
		b := m.broken
		b.Store = memory.New()
		return b
	})
}

// TestMistakes: the suite finds what is wrong.
func TestMistakes(t *testing.T) {
	for name, m := range mistakes {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMistake$")
			cmd.Env = append(os.Environ(), mistakeVar+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatal("the suite passes")
			}
			if !strings.Contains(string(out), "--- FAIL: TestMistake/"+m.found) {
				t.Errorf("not found by %s:\n%.2000s", m.found, out)
			}
		})
	}
}
