package thread_test

import (
	"fmt"

	"github.com/etherx-go/xmpp/ext/thread"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// A client keeps the thread of each conversation.
func ExampleKeeper() {
	var threads thread.Keeper
	juliet := jid.MustParse("juliet@capulet.example")
	threads.Incoming(&stanza.Message{From: juliet, Type: stanza.TypeChat, Body: "Hist!", Thread: "act2"})

	msg := &stanza.Message{To: juliet, Type: stanza.TypeChat, Body: "My niesse?"}
	threads.Outgoing(msg)
	fmt.Println(msg.Thread)
	// Output: act2
}
