package carbons_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/carbons"
	"github.com/etherx-go/xmpp/ext/hints"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// A client that shows the whole conversation: also what the account's other clients
// say and hear.
func Example() {
	mux := new(xmpp.Mux)
	mux.OnMessage(func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) error {
		fmt.Println("<", msg.From, msg.Body)
		return nil
	})
	copies := &carbons.Extension{
		Handle: func(_ context.Context, _ xmpp.Sender, c carbons.Copy) error {
			msg := c.Stanza.Message()
			if c.Direction == carbons.Sent {
				fmt.Println(">", msg.To, msg.Body)
			} else {
				fmt.Println("<", msg.From, msg.Body)
			}
			return nil
		},
		Failed: func(err error) { fmt.Println("only this client's part will be shown:", err) },
	}
	c, err := client.New(client.Config{
		JID: jid.MustParse("romeo@montague.example"), Password: "secret",
		Handler: mux, Extensions: []xmpp.Extension{copies},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	// c.Run(ctx)
}

// A message that the other clients of both are not to have.
func ExamplePrivate() {
	msg := &stanza.Message{
		To: jid.MustParse("juliet@capulet.example/balcony"), Type: stanza.TypeChat, Body: "Neither, fair saint.",
		Payloads: []any{carbons.Private{}, hints.NoCopy},
	}
	st, err := msg.Stanza()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(carbons.Copied(carbons.Sent, st))
	// Output: false
}
