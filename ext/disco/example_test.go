package disco_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/jid"
)

// What belongs to a server, and which of it has chat rooms.
func ExampleGetItems() {
	findRooms := func(ctx context.Context, s xmpp.Sender) error {
		items, err := disco.GetItems(ctx, s, s.LocalAddr().DomainJID(), "")
		if err != nil {
			return err
		}
		for _, it := range items {
			if info, err := disco.GetInfo(ctx, s, it.JID, it.Node); err == nil && info.Is("conference", "text") {
				fmt.Println("rooms are at", it.JID)
			}
		}
		return nil
	}
	_ = findRooms
}

func ExampleSupports() {
	upload := func(ctx context.Context, s xmpp.Sender, service jid.JID) error {
		ok, err := disco.Supports(ctx, s, service, "urn:xmpp:http:upload:0")
		if err == nil && !ok {
			err = fmt.Errorf("%s takes no files", service)
		}
		return err
	}
	_ = upload
}

// An extension for client.Config.Extensions or server.Config.Extensions.
func ExampleExtension() {
	e := &disco.Extension{
		Identities: []disco.Identity{{Category: "client", Type: "bot", Name: "Weather"}},
		Forms: []form.Data{form.New(form.Result, "urn:xmpp:dataforms:softwareinfo",
			form.String("software", "Weather"), form.String("software_version", "1.0"))},
	}
	fmt.Println(e.Features(jid.JID{}))
	// Output: [http://jabber.org/protocol/disco#info http://jabber.org/protocol/disco#items]
}
