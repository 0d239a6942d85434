package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/sql"
	"github.com/etherx-go/xmpp/stream"
)

// TestStorm lets 200 users with 50 contacts each log in at once, on the embedded
// database: everybody gets the roster and sees everybody, and the messages that
// waited are all there.
func TestStorm(t *testing.T) {
	const users, contacts = 200, 50
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	db, err := sql.Open(ctx, sql.Config{Path: filepath.Join(t.TempDir(), "etherx.db"), Iterations: 4096})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, err := server.New(server.Config{
		Domains: []string{"localhost"}, Accounts: db.Accounts(), MaxTries: -1,
		Stores: server.Stores{Rosters: db.Rosters(), Presences: db.Presences(), Privacy: db.Privacy(), Offline: db.Offline()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	account := func(i int) jid.JID { return jid.MustParse(fmt.Sprintf("user%d@localhost", (i+users)%users)) }

	each(t, users, func(i int) error {
		if err := db.Accounts().Register(ctx, account(i), "secret"); err != nil {
			return err
		}
		for d := 1; d <= contacts/2; d++ {
			for _, friend := range []jid.JID{account(i + d), account(i - d)} {
				_, err := db.Rosters().Update(ctx, account(i), friend, func(e *roster.Entry, _ int) error {
					e.Hidden, e.Subscription = false, roster.Both
					return nil
				})
				if err != nil {
					return err
				}
			}
		}
		// A message of each neighbour waits.
		m := &stanza.Message{To: account(i), From: account(i + 1), Type: stanza.TypeChat, Body: "good morning"}
		st, err := m.Stanza()
		if err != nil {
			return err
		}
		return s.Route(ctx, st)
	})

	clients := make([]*client.Client, users)
	each(t, users, func(i int) (err error) {
		clients[i], err = stormClient(ctx, s, account(i), contacts)
		return err
	})
	for _, c := range clients {
		c.Close()
	}
	for i := range users {
		for end := time.Now().Add(time.Minute); ; {
			n, err := db.Offline().Count(ctx, account(i))
			if err != nil || time.Now().After(end) {
				t.Fatalf("%d messages of %v are still stored, %v", n, account(i), err)
			}
			if n == 0 {
				break
			}
		}
	}
}

// stormClient logs in and waits until it has its message and all its contacts.
func stormClient(ctx context.Context, s *server.Server, account jid.JID, contacts int) (*client.Client, error) {
	news := make(chan struct{}, 1)
	wake := func() {
		select {
		case news <- struct{}{}:
		default:
		}
	}
	var mu sync.Mutex
	bodies := 0
	mux := new(xmpp.Mux)
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, m *stanza.Message) error {
		mu.Lock()
		defer mu.Unlock()
		if m.Body == "good morning" {
			bodies++
		}
		wake()
		return nil
	})
	items := &roster.Extension{OnChange: func(roster.Item) { wake() }}
	there := &presence.Tracker{OnChange: func(context.Context, xmpp.Sender, *stanza.Presence) { wake() }}
	c, err := client.New(client.Config{
		JID: account, Password: "secret", Handler: mux, Extensions: []xmpp.Extension{items, there},
		Dial: func(context.Context) (stream.Transport, error) { return s.Pipe(), nil },
	})
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	for {
		seen := 0
		for _, it := range items.Items() {
			if len(there.Of(it.JID)) > 0 {
				seen++
			}
		}
		mu.Lock()
		n := bodies
		mu.Unlock()
		switch {
		case n > 1:
			return nil, fmt.Errorf("%v: the message came %d times", account, n)
		case seen == contacts && n == 1:
			return c, nil
		}
		select {
		case <-news:
		case err := <-ended:
			return nil, fmt.Errorf("%v: %w", account, err)
		case <-ctx.Done():
			return nil, fmt.Errorf("%v: sees %d of %d contacts, has %d messages: %w", account, seen, len(items.Items()), n, ctx.Err())
		}
	}
}

// each calls fn for each i below n, all at once.
func each(t *testing.T, n int, fn func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = fn(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}
