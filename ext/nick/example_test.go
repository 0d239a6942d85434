package nick_test

import (
	"fmt"

	"github.com/etherx-go/xmpp/ext/nick"
	"github.com/etherx-go/xmpp/jid"
)

func Example() {
	request := nick.Subscribe(jid.MustParse("starbuck@moby-dick.example"), "Ishmael")
	st, err := request.Stanza()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(st)
	fmt.Println(nick.Of(st))
	// Output:
	// <presence type='subscribe' to='starbuck@moby-dick.example'><nick xmlns='http://jabber.org/protocol/nick'>Ishmael</nick></presence>
	// Ishmael true
}
