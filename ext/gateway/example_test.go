package gateway_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/gateway"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/presence"
)

// A bot adds somebody on another network, by the name that he has there.
func ExampleTranslate() {
	add := func(ctx context.Context, s xmpp.Sender) error {
		contact, err := gateway.Translate(ctx, s, jid.MustParse("town.example.org"), "juliet@verona")
		if err != nil {
			return err
		}
		return presence.Subscribe(ctx, s, contact, "It is I.")
	}
	_ = add
}

func ExampleAddresses() {
	a := gateway.Addresses{Domain: jid.MustParse("town.example.org"), HasHosts: true}
	j, err := a.JID("juliet@verona")
	fmt.Println(j, err)
	fmt.Println(a.Name(j), a.Name(jid.MustParse("juliet%verona@town.example.org")))
	// Output:
	// juliet\40verona@town.example.org <nil>
	// juliet@verona juliet@verona
}
