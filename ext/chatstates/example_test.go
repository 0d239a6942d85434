package chatstates_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp/ext/chatstates"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// The extension, which goes among those of a client, knows what may be sent.
func ExampleExtension() {
	states := &chatstates.Extension{
		OnState: func(_ context.Context, from jid.JID, s chatstates.State) { fmt.Println(from, "is", s) },
	}
	juliet := jid.MustParse("juliet@capulet.example")

	msg := &stanza.Message{To: juliet, Type: stanza.TypeChat, Body: "Who's there?"}
	states.Chat(juliet).Outgoing(msg) // then xmpp.Send(ctx, s, msg)
	fmt.Println(msg.Payloads...)

	if typing := states.Chat(juliet).Notify(chatstates.Composing); typing == nil {
		fmt.Println("she has not answered: nothing to send")
	}
	states.Chat(juliet).SetSupport(true)
	fmt.Println(states.Chat(juliet).Notify(chatstates.Composing).Payloads...)
	// Output:
	// active
	// she has not answered: nothing to send
	// composing
}
