package sql_test

import (
	"context"
	stdsql "database/sql"
	"encoding/xml"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
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
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/sql"
	"github.com/etherx-go/xmpp/storage/storetest"
	"github.com/etherx-go/xmpp/stream"
	"github.com/etherx-go/xmpp/vcard"
)

// TestKill: what was acknowledged is there after kill -9, whenever that comes.
func TestKill(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "etherx.db")
	// How many, by writer.
	messages, archived, rosters := make(map[string]int), make(map[string]int), make(map[string]int)
	for range 4 {
		cmd, out := process(t, "writer", path)
		for left := 1 + rnd.IntN(600); out.Scan(); left-- {
			if left == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			var kind, writer string
			var n int
			if _, err := fmt.Sscan(out.Text(), &kind, &writer, &n); err != nil {
				break // the line that it was killed in
			}
			map[string]map[string]int{"message": messages, "archived": archived, "roster": rosters}[kind][writer] = n + 1
		}
		if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("the process ended with %v", err)
		}
		db := mustOpen(t, sql.Config{Path: path})
		checkMessages(t, db, messages)
		checkArchive(t, db, archived)
		checkRosters(t, db, rosters)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		checkIntegrity(t, path)
	}
	t.Logf("%d writers of messages, %d of archives, %d of rosters had something acknowledged",
		len(messages), len(archived), len(rosters))
}

func checkMessages(t *testing.T, db *sql.DB, want map[string]int) {
	t.Helper()
	got := make(map[string]int)
	for m, err := range db.Offline().Messages(t.Context(), juliet) {
		if err != nil {
			t.Fatal(err)
		}
		var writer string
		var n int
		if _, err := fmt.Sscan(m.Stanza.Message().Body, &writer, &n); err != nil || n != got[writer] {
			t.Fatalf("%q after %d (%v)", m.Stanza.Message().Body, got[writer]-1, err)
		}
		got[writer]++
	}
	for writer, n := range want {
		if got[writer] < n {
			t.Errorf("writer %s: %d messages were acknowledged, %d are there", writer, n, got[writer])
		}
	}
}

// checkArchive: both archives have the same, in the order of the ids, and their
// counts are right.
func checkArchive(t *testing.T, db *sql.DB, want map[string]int) {
	t.Helper()
	all := archive.Paging{Max: 1 << 30, MaxBytes: -1}
	page, err := db.Archives().Query(t.Context(), juliet, archive.Filter{}, all)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int)
	for _, m := range page.Messages {
		var writer string
		var n int
		if _, err := fmt.Sscan(m.Stanza.Message().Body, &writer, &n); err != nil || n != got[writer] {
			t.Fatalf("%q is archived after %d (%v)", m.Stanza.Message().Body, got[writer]-1, err)
		}
		got[writer]++
	}
	for writer, n := range want {
		if got[writer] < n {
			t.Errorf("writer %s: %d messages were archived, %d are there", writer, n, got[writer])
		}
	}
	for _, j := range []jid.JID{juliet, romeo} {
		page2, err := db.Archives().Query(t.Context(), j, archive.Filter{}, all)
		n, err2 := db.Archives().Count(t.Context(), j, archive.Filter{})
		if len(page2.Messages) != len(page.Messages) || n != len(page.Messages) || err != nil || err2 != nil {
			t.Errorf("%v has %d messages, counted as %d, and juliet %d: %v, %v", j, len(page2.Messages), n, len(page.Messages), err, err2)
		}
	}
}

func checkRosters(t *testing.T, db *sql.DB, want map[string]int) {
	t.Helper()
	for writer, n := range want {
		e, _, err := db.Rosters().Entry(t.Context(), juliet, jid.MustParse(writer+"@montague.example"))
		if err != nil {
			t.Fatal(err)
		}
		var got int
		if _, err := fmt.Sscan(e.Name, &got); err != nil || got < n-1 {
			t.Errorf("writer %s: %d was acknowledged, %q is there", writer, n-1, e.Name)
		}
	}
}

func checkIntegrity(t *testing.T, path string) {
	t.Helper()
	db, err := stdsql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var result string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
		t.Errorf("integrity check: %s, %v", result, err)
	}
}

// TestTwoProcesses: two processes may open, and make, the same file at the same
// time; no update is lost.
func TestTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etherx.db")
	cmd, out := process(t, "counter", path)
	db := mustOpen(t, sql.Config{Path: path})
	if err := count(db); err != nil { // closes db
		t.Error(err)
	}
	for out.Scan() {
		t.Error(out.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	db = mustOpen(t, sql.Config{Path: path})
	e, _, err := db.Rosters().Entry(t.Context(), juliet, romeo)
	if err != nil || e.Name != strings.Repeat("x", 2*counts) {
		t.Errorf("%d updates are there, want %d, %v", len(e.Name), 2*counts, err)
	}
	if n, err := db.Offline().Count(t.Context(), juliet); n != 2*counts || err != nil {
		t.Errorf("%d messages, %v", n, err)
	}
}

// TestReopened is the suite again, with an engine that is closed and opened
// between any two calls of which the one has ended when the other begins.
func TestReopened(t *testing.T) {
	open := func(t *testing.T) *reopened {
		r := &reopened{t: t, cfg: sql.Config{
			Path: filepath.Join(t.TempDir(), "etherx.db"), Sync: sql.SyncNormal, Iterations: 4096,
		}}
		r.open()
		t.Cleanup(func() { r.close() })
		return r
	}
	storetest.Run(t, func(t *testing.T) storetest.Engine { return open(t) })
	t.Run("Accounts", func(t *testing.T) {
		storetest.RunAccounts(t, func(t *testing.T) storetest.Accounts {
			r := open(t)
			return reAccounts{r.Accounts(), r}
		})
	})
}

type reopened struct {
	t   *testing.T
	cfg sql.Config
	mu  sync.RWMutex // held for reading while db is in use
	*sql.DB
}

func (r *reopened) open() {
	db, err := sql.Open(context.Background(), r.cfg)
	if err != nil {
		panic(err) // so that no caller goes on, in whatever goroutine it is
	}
	r.DB = db
}

func (r *reopened) close() {
	if err := r.DB.Close(); err != nil {
		r.t.Error(err)
	}
}

// use reopens the database if nobody else is using it, and returns what is to be
// called afterwards.
func (r *reopened) use() (done func()) {
	if r.mu.TryLock() {
		r.close()
		r.open()
		r.mu.Unlock()
	}
	r.mu.RLock()
	return r.mu.RUnlock
}

func (r *reopened) Rosters() roster.Store     { return reRosters{r} }
func (r *reopened) Presences() presence.Store { return rePresences{r} }
func (r *reopened) Privacy() privacy.Store    { return rePrivacy{r} }
func (r *reopened) Offline() offline.Store    { return reOffline{r} }
func (r *reopened) Archives() archive.Store   { return reArchives{r} }
func (r *reopened) VCards() vcard.Store       { return reVCards{r} }
func (r *reopened) Private() private.Store    { return rePrivate{r} }
func (r *reopened) Push() push.Store          { return rePush{r} }
func (r *reopened) Tokens() stream.TokenStore { return reTokens{r} }
func (r *reopened) Directory() search.Store   { return reDirectory{r} }

func (r *reopened) Gateway(at jid.JID) gateway.Store { return reGateway{r, at} }

type reRosters struct{ r *reopened }

func (s reRosters) Entries(ctx context.Context, account jid.JID) ([]roster.Entry, string, error) {
	defer s.r.use()()
	return s.r.DB.Rosters().Entries(ctx, account)
}

func (s reRosters) Entry(ctx context.Context, account, contact jid.JID) (roster.Entry, bool, error) {
	defer s.r.use()()
	return s.r.DB.Rosters().Entry(ctx, account, contact)
}

func (s reRosters) Update(
	ctx context.Context, account, contact jid.JID, fn func(*roster.Entry, int) error,
) (string, error) {
	defer s.r.use()()
	return s.r.DB.Rosters().Update(ctx, account, contact, fn)
}

func (s reRosters) RemoveAccount(ctx context.Context, account jid.JID) error {
	defer s.r.use()()
	return s.r.DB.Rosters().RemoveAccount(ctx, account)
}

type rePresences struct{ r *reopened }

func (s rePresences) LastPresence(ctx context.Context, account jid.JID) (*stanza.Stanza, time.Time, error) {
	defer s.r.use()()
	return s.r.DB.Presences().LastPresence(ctx, account)
}

func (s rePresences) SetLastPresence(ctx context.Context, account jid.JID, st *stanza.Stanza, at time.Time) error {
	defer s.r.use()()
	return s.r.DB.Presences().SetLastPresence(ctx, account, st, at)
}

func (s rePresences) RemoveAccount(ctx context.Context, account jid.JID) error {
	defer s.r.use()()
	return s.r.DB.Presences().RemoveAccount(ctx, account)
}

type rePrivacy struct{ r *reopened }

func (s rePrivacy) PrivacyLists(ctx context.Context, account jid.JID) (privacy.Lists, error) {
	defer s.r.use()()
	return s.r.DB.Privacy().PrivacyLists(ctx, account)
}

func (s rePrivacy) UpdatePrivacyLists(ctx context.Context, account jid.JID, fn func(*privacy.Lists) error) error {
	defer s.r.use()()
	return s.r.DB.Privacy().UpdatePrivacyLists(ctx, account, fn)
}

func (s rePrivacy) RemoveAccount(ctx context.Context, account jid.JID) error {
	defer s.r.use()()
	return s.r.DB.Privacy().RemoveAccount(ctx, account)
}

type reOffline struct{ r *reopened }

func (s reOffline) Add(ctx context.Context, account jid.JID, st *stanza.Stanza, at time.Time, max int) error {
	defer s.r.use()()
	return s.r.DB.Offline().Add(ctx, account, st, at, max)
}

func (s reOffline) Messages(ctx context.Context, account jid.JID) iter.Seq2[offline.Message, error] {
	return func(yield func(offline.Message, error) bool) {
		defer s.r.use()()
		s.r.DB.Offline().Messages(ctx, account)(yield)
	}
}

func (s reOffline) Delete(ctx context.Context, account jid.JID, ids ...int64) error {
	defer s.r.use()()
	return s.r.DB.Offline().Delete(ctx, account, ids...)
}

func (s reOffline) Count(ctx context.Context, account jid.JID) (int, error) {
	defer s.r.use()()
	return s.r.DB.Offline().Count(ctx, account)
}

func (s reOffline) RemoveAccount(ctx context.Context, account jid.JID) error {
	defer s.r.use()()
	return s.r.DB.Offline().RemoveAccount(ctx, account)
}

type reArchives struct{ r *reopened }

func (s reArchives) Append(ctx context.Context, entries ...archive.Entry) ([]string, error) {
	defer s.r.use()()
	return s.r.DB.Archives().Append(ctx, entries...)
}

func (s reArchives) Query(ctx context.Context, j jid.JID, f archive.Filter, p archive.Paging) (archive.Page, error) {
	defer s.r.use()()
	return s.r.DB.Archives().Query(ctx, j, f, p)
}

func (s reArchives) Count(ctx context.Context, j jid.JID, f archive.Filter) (int, error) {
	defer s.r.use()()
	return s.r.DB.Archives().Count(ctx, j, f)
}

func (s reArchives) Metadata(ctx context.Context, j jid.JID) (archive.Metadata, error) {
	defer s.r.use()()
	return s.r.DB.Archives().Metadata(ctx, j)
}

func (s reArchives) Purge(ctx context.Context, j jid.JID, before time.Time, keep int) (int, error) {
	defer s.r.use()()
	return s.r.DB.Archives().Purge(ctx, j, before, keep)
}

func (s reArchives) Preferences(ctx context.Context, account jid.JID) (archive.Preferences, error) {
	defer s.r.use()()
	return s.r.DB.Archives().Preferences(ctx, account)
}

func (s reArchives) SetPreferences(ctx context.Context, account jid.JID, p archive.Preferences) error {
	defer s.r.use()()
	return s.r.DB.Archives().SetPreferences(ctx, account, p)
}

func (s reArchives) RemoveAccount(ctx context.Context, account jid.JID) error {
	defer s.r.use()()
	return s.r.DB.Archives().RemoveAccount(ctx, account)
}

type reVCards struct{ r *reopened }

func (s reVCards) VCard(ctx context.Context, account jid.JID) (stanza.Raw, error) {
	defer s.r.use()()
	return s.r.DB.VCards().VCard(ctx, account)
}

func (s reVCards) SetVCard(ctx context.Context, account jid.JID, card stanza.Raw) error {
	defer s.r.use()()
	return s.r.DB.VCards().SetVCard(ctx, account, card)
}

func (s reVCards) RemoveAccount(ctx context.Context, account jid.JID) error {
	defer s.r.use()()
	return s.r.DB.VCards().RemoveAccount(ctx, account)
}

type rePrivate struct{ r *reopened }

func (s rePrivate) Private(ctx context.Context, account jid.JID, name xml.Name) (stanza.Raw, error) {
	defer s.r.use()()
	return s.r.DB.Private().Private(ctx, account, name)
}

func (s rePrivate) SetPrivate(ctx context.Context, account jid.JID, name xml.Name, el stanza.Raw, max int) error {
	defer s.r.use()()
	return s.r.DB.Private().SetPrivate(ctx, account, name, el, max)
}

func (s rePrivate) RemoveAccount(ctx context.Context, account jid.JID) error {
	defer s.r.use()()
	return s.r.DB.Private().RemoveAccount(ctx, account)
}

type rePush struct{ r *reopened }

func (s rePush) Devices(ctx context.Context, account jid.JID) (push.Devices, error) {
	defer s.r.use()()
	return s.r.DB.Push().Devices(ctx, account)
}

func (s rePush) UpdateDevices(ctx context.Context, account jid.JID, fn func(*push.Devices) error) error {
	defer s.r.use()()
	return s.r.DB.Push().UpdateDevices(ctx, account, fn)
}

func (s rePush) RemoveAccount(ctx context.Context, account jid.JID) error {
	defer s.r.use()()
	return s.r.DB.Push().RemoveAccount(ctx, account)
}

type reTokens struct{ r *reopened }

func (s reTokens) UpdateTokens(
	ctx context.Context, account jid.JID, client string, fn func(*sasl.HashedTokens) error,
) error {
	defer s.r.use()()
	return s.r.DB.Tokens().UpdateTokens(ctx, account, client, fn)
}

func (s reTokens) RemoveTokens(ctx context.Context, account jid.JID, client string) error {
	defer s.r.use()()
	return s.r.DB.Tokens().RemoveTokens(ctx, account, client)
}

type reDirectory struct{ r *reopened }

func (s reDirectory) Entries(ctx context.Context) iter.Seq2[search.Item, error] {
	return func(yield func(search.Item, error) bool) {
		defer s.r.use()()
		s.r.DB.Directory().Entries(ctx)(yield)
	}
}

func (s reDirectory) SetEntry(ctx context.Context, it search.Item) error {
	defer s.r.use()()
	return s.r.DB.Directory().SetEntry(ctx, it)
}

func (s reDirectory) RemoveEntry(ctx context.Context, user jid.JID) error {
	defer s.r.use()()
	return s.r.DB.Directory().RemoveEntry(ctx, user)
}

type reGateway struct {
	r  *reopened
	at jid.JID
}

func (s reGateway) Account(ctx context.Context, user jid.JID) (gateway.Account, bool, error) {
	defer s.r.use()()
	return s.r.DB.Gateway(s.at).Account(ctx, user)
}

func (s reGateway) SetAccount(ctx context.Context, a gateway.Account) error {
	defer s.r.use()()
	return s.r.DB.Gateway(s.at).SetAccount(ctx, a)
}

func (s reGateway) RemoveAccount(ctx context.Context, user jid.JID) error {
	defer s.r.use()()
	return s.r.DB.Gateway(s.at).RemoveAccount(ctx, user)
}

func (s reGateway) Accounts(ctx context.Context) iter.Seq2[gateway.Account, error] {
	return func(yield func(gateway.Account, error) bool) {
		defer s.r.use()()
		s.r.DB.Gateway(s.at).Accounts(ctx)(yield)
	}
}

// reAccounts asks for the accounts anew for each call.
type reAccounts struct {
	storetest.Accounts // the parameters, which are not stored
	r                  *reopened
}

func (s reAccounts) Credentials(domain string) sasl.Credentials {
	defer s.r.use()()
	return s.r.DB.Accounts().Credentials(domain)
}

func (s reAccounts) Exists(ctx context.Context, account jid.JID) (bool, error) {
	defer s.r.use()()
	return s.r.DB.Accounts().Exists(ctx, account)
}

func (s reAccounts) Register(ctx context.Context, account jid.JID, password string) error {
	defer s.r.use()()
	return s.r.DB.Accounts().Register(ctx, account, password)
}

func (s reAccounts) SetPassword(ctx context.Context, account jid.JID, password string) error {
	defer s.r.use()()
	return s.r.DB.Accounts().SetPassword(ctx, account, password)
}

func (s reAccounts) Remove(ctx context.Context, account jid.JID) error {
	defer s.r.use()()
	return s.r.DB.Accounts().Remove(ctx, account)
}
