package legacy_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/openpgp"
	"github.com/etherx-go/xmpp/openpgp/legacy"
	"github.com/etherx-go/xmpp/stanza"
)

// A bot that answers encrypted messages of old clients encrypted.
func ExampleExtension() {
	romeo := jid.MustParse("romeo@example.org")
	own, _ := openpgp.Generate(jid.MustParse("bot@example.org"), 0) // or openpgp.ReadKeys
	his, _ := openpgp.Generate(romeo, 0)
	pgp := &legacy.Extension{
		Engine: &openpgp.Keyring{Own: []*openpgp.Key{own}},
		Keys:   openpgp.Known(map[jid.JID][]*openpgp.Key{romeo: {his}}),
	}
	mux := new(xmpp.Mux)
	mux.OnMessage(func(ctx context.Context, s xmpp.Sender, m *stanza.Message) error {
		if !openpgp.SecurityOf(ctx).Encrypted {
			return xmpp.Send(ctx, s, m.Reply("Encrypt, please."))
		}
		return pgp.Send(ctx, s, m.Reply("You said: "+m.Body))
	})
	c, err := client.New(client.Config{
		JID: jid.MustParse("bot@example.org"), Password: "secret",
		Handler: pgp.Handler(mux), Extensions: []xmpp.Extension{pgp},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close() // c.Run(ctx) serves
	presence := &stanza.Presence{Status: "At your service"}
	err = legacy.Sign(context.Background(), pgp.Engine, presence)
	fmt.Printf("%T %v\n", presence.Payloads[0], err)
	// Output: legacy.Signed <nil>
}

func ExampleEncrypt() {
	ctx := context.Background()
	juliet, _ := openpgp.Generate(jid.MustParse("juliet@example.org"), 0)
	romeo := new(openpgp.Keyring)
	msg := &stanza.Message{To: jid.MustParse("juliet@example.org"), Body: "Good night"}

	sealed, err := legacy.Encrypt(ctx, romeo, msg, []*openpgp.Key{juliet}, "")
	fmt.Println(sealed.Body, err)
	// Output: This message is encrypted. <nil>
}
