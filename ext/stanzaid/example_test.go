package stanzaid_test

import (
	"fmt"

	"github.com/etherx-go/xmpp/ext/stanzaid"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// A room gives ids to what it sends, and takes away what was written in its
// name. Its members then find the id.
func Example() {
	room := jid.MustParse("coven@chat.example")
	st, err := stanza.Parse(`<message type='groupchat' from='coven@chat.example/witch'><body>Thrice</body><stanza-id
		xmlns='urn:xmpp:sid:0' id='forged' by='coven@chat.example'/></message>`)
	if err == nil {
		st, err = stanzaid.Stamp(st, stanzaid.StanzaID{ID: "39K7ZYIp", By: room})
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(stanzaid.By(st, room))
	// Output: 39K7ZYIp true
}
