package attention_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/attention"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Who may ring the bell, and what rings. It goes among the extensions of a
// client.
func ExampleExtension() {
	herbie := jid.MustParse("herbie@usrobots.example")
	bell := &attention.Extension{
		Allow: func(from jid.JID) bool { return from.Bare() == herbie },
		OnAttention: func(_ context.Context, _ xmpp.Sender, msg *stanza.Message) {
			fmt.Println("DING!", msg.From, msg.Body)
		},
	}
	fmt.Println(bell.Features(herbie))
	// Output: [urn:xmpp:attention:0]
}

func ExampleNew() {
	st, err := attention.New(jid.MustParse("herbie@usrobots.example/home"), "").Stanza()
	fmt.Println(st, err)
	// Output: <message type='headline' to='herbie@usrobots.example/home'><attention xmlns='urn:xmpp:attention:0'/></message> <nil>
}
