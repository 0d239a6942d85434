package rosterx_test

import (
	"fmt"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/rosterx"
	"github.com/etherx-go/xmpp/stanza"
)

func Example() {
	msg := &stanza.Message{
		To:       jid.MustParse("hamlet@denmark.example"),
		Body:     "Here is a new contact.",
		Payloads: []any{rosterx.Items{{JID: jid.MustParse("claudius@denmark.example"), Name: "King"}}},
	}
	st, err := msg.Stanza()
	fmt.Println(st, err)
	// Output: <message to='hamlet@denmark.example'><body>Here is a new contact.</body><x xmlns='jabber:x:roster'><item jid='claudius@denmark.example' name='King'/></x></message> <nil>
}
