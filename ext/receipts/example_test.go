package receipts_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/receipts"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// A client that gives receipts to everybody, and asks for one.
func Example() {
	rec := &receipts.Extension{
		Allow:     receipts.Anyone,
		OnReceipt: func(_ context.Context, r receipts.Receipt) { fmt.Println(r.From, "has", r.ID) },
	}
	c, err := client.New(client.Config{
		JID: jid.MustParse("bot@example.org"), Password: "secret",
		Extensions: []xmpp.Extension{rec},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	msg := &stanza.Message{To: jid.MustParse("juliet@example.org"), ID: "m1", Body: "Hi"}
	err = rec.Request(msg) // then xmpp.Send(ctx, c, msg)
	fmt.Println(msg.Payloads[0], err)
	// Output: {} <nil>
}
