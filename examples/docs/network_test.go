package docs_test

import (
	"context"
	"crypto/tls"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/archive"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
	"github.com/etherx-go/xmpp/stream"
)

func newPatientServer(
	accounts server.Accounts, tlsConfig *tls.Config, stores server.Stores, archives archive.Store, devices push.Store,
) (*server.Server, error) {
	s, err := server.New(server.Config{
		Domains:       []string{"example.org"},
		Accounts:      accounts,
		TLS:           tlsConfig,
		ResumeTimeout: 30 * time.Minute, // -1: sessions end with their connections
		MaxResumable:  50_000,
		Stores:        stores,
		Extensions: []xmpp.Extension{
			&archive.Server{Store: archives},
			&push.Server{Store: devices},
		},
	})
	return s, err
}

// TestServerWaits: what comes for a client that has been away for longer than most
// servers wait reaches it once, when it is back.
func TestServerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		juliet := jid.MustParse("juliet@example.org")
		if err := store.Accounts().SetPassword(t.Context(), juliet, "r0m30"); err != nil {
			t.Fatal(err)
		}
		stores := server.Stores{
			Rosters: store.Rosters(), Presences: store.Presences(), Privacy: store.Privacy(), Offline: store.Offline(),
		}
		s, err := newPatientServer(store.Accounts(), nil, stores, store.Archives(), store.Push())
		if err != nil {
			t.Fatal(err)
		}
		network := make(chan struct{}, 1) // is empty while juliet is out of reach
		network <- struct{}{}
		var connection stream.Transport
		var bodies []string
		mux := new(xmpp.Mux)
		mux.OnMessage(func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) error {
			bodies = append(bodies, msg.Body)
			return nil
		})
		up, resumed := make(chan struct{}), make(chan struct{})
		cfg := client.Config{
			JID: juliet, Password: "r0m30", Handler: mux, ResumeTimeout: time.Hour,
			OnUp:      func(context.Context, xmpp.Sender) { close(up) },
			OnResumed: func(context.Context, xmpp.Sender) { close(resumed) },
			Dial: func(context.Context) (stream.Transport, error) {
				<-network
				defer func() { network <- struct{}{} }()
				connection = s.Pipe()
				return connection, nil
			},
		}
		c, err := client.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		<-up
		romeo, err := s.Local(jid.MustParse("romeo.example"), nil)
		if err != nil {
			t.Fatal(err)
		}
		send(t, romeo, juliet, "one")
		synctest.Wait()
		<-network
		connection.Close()
		send(t, romeo, juliet, "two")
		time.Sleep(20 * time.Minute)
		send(t, romeo, juliet, "three")
		network <- struct{}{}
		<-resumed
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if want := []string{"one", "two", "three"}; !slices.Equal(bodies, want) {
			t.Errorf("got %q, want %q", bodies, want)
		}
		s.Close()
	})
}
