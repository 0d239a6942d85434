package csi_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/ext/csi"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// An app that tells the server when it goes to the background, and when it is back.
func Example() {
	state := new(csi.Extension)
	c, err := client.New(client.Config{
		JID: jid.MustParse("juliet@capulet.example"), Password: "secret",
		Extensions: []xmpp.Extension{state},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	onBackground := func(ctx context.Context) error { return state.Set(ctx, false) }
	onForeground := func(ctx context.Context) error { return state.Set(ctx, true) }
	_, _ = onBackground, onForeground
}

// A server keeps back what can wait, and sends it before what cannot.
func ExampleQueue() {
	var q csi.Queue
	for _, src := range []string{
		"<presence from='romeo@montague.example/orchard'><show>away</show></presence>",
		"<presence from='romeo@montague.example/orchard'><show>xa</show></presence>",
		"<message from='nurse@capulet.example'><body>Madam!</body></message>",
	} {
		st, err := stanza.Parse(src)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(q.Push(st))
	}
	// Output:
	// []
	// []
	// [<presence from='romeo@montague.example/orchard'><show>xa</show></presence> <message from='nurse@capulet.example'><body>Madam!</body></message>]
}
