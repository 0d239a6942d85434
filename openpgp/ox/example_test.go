package ox_test

import (
	"context"
	"fmt"
	"os"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/ox"
	"github.com/etherx-go/xmpp/stanza"
)

// A bot that talks encrypted with whoever does, and trusts the keys of the first
// contact.
func Example() {
	addr := jid.MustParse("bot@example.org")
	key, err := openpgp.Generate(addr, 0) // once; then openpgp.ReadKeys of a file
	if err != nil {
		fmt.Println(err)
		return
	}
	pins := &openpgp.Pins{Fetch: ox.FetchKeys}
	pgp := &ox.Extension{
		Engine: &openpgp.Keyring{Own: []*openpgp.Key{key}},
		Keys:   pins.Keys, Changed: pins.Refresh, Announce: true,
	}
	mux := new(xmpp.Mux)
	mux.OnMessage(func(ctx context.Context, s xmpp.Sender, m *stanza.Message) error {
		sec := openpgp.SecurityOf(ctx)
		if !sec.Encrypted {
			return xmpp.Send(ctx, s, m.Reply("Please encrypt."))
		}
		return pgp.Send(ctx, s, m.Reply("Signed by "+sec.Author.String()+": "+m.Body))
	})
	c, err := client.New(client.Config{
		JID: addr, Password: "secret", Handler: pgp.Handler(mux), Extensions: []xmpp.Extension{pgp},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close() // c.Run(ctx) serves
	fmt.Println(key.UserIDs())
	// Output: [xmpp:bot@example.org]
}

// Seal and Open without a client.
func ExampleSeal() {
	ctx := context.Background()
	juliet, romeo := jid.MustParse("juliet@example.org"), jid.MustParse("romeo@example.org")
	hers, _ := openpgp.Generate(juliet, 0)
	his, _ := openpgp.Generate(romeo, 0)

	sender := &openpgp.Keyring{Own: []*openpgp.Key{hers}}
	msg := &stanza.Message{From: juliet, To: romeo, Body: "O Romeo"}
	sealed, err := ox.Seal(ctx, sender, msg, []*openpgp.Key{his.Public()}, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sealed.Body)

	st, _ := sealed.Stanza()
	opened, err := ox.Open(ctx, &openpgp.Keyring{Own: []*openpgp.Key{his}}, st,
		ox.Checks{Keys: []*openpgp.Key{hers.Public()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(opened.Stanza.Message().Body, opened.Signature.Key.Fingerprint() == hers.Fingerprint())
	// Output:
	// This message is encrypted using OpenPGP.
	// O Romeo true
}

// The own keys, published and backed up.
func ExamplePublish() {
	setUp := func(ctx context.Context, s xmpp.Sender, key *openpgp.Key) error {
		if err := ox.Publish(ctx, s, key); err != nil {
			return err
		}
		code := openpgp.NewBackupCode()
		backup, err := openpgp.Backup(code, key)
		if err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, "Write this down:", code)
		return ox.StoreSecret(ctx, s, backup)
	}
	_ = setUp
}

// The own keys on another device.
func ExampleFetchSecret() {
	restore := func(ctx context.Context, s xmpp.Sender, typed string) ([]*openpgp.Key, error) {
		code, err := openpgp.ParseBackupCode(typed)
		if err != nil {
			return nil, err
		}
		backup, err := ox.FetchSecret(ctx, s)
		if err != nil {
			return nil, err
		}
		return openpgp.Restore(backup, code, openpgp.Limits{})
	}
	_ = restore
}
