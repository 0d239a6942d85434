package push_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/client"
	"github.com/etherx-go/xmpp/component"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/ext/push"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
	"github.com/etherx-go/xmpp/stanza"
	"github.com/etherx-go/xmpp/storage/memory"
)

// An app that has itself woken by its service: in each session it says where.
func Example() {
	wake := &push.Extension{
		Registration: push.Registration{
			Service: jid.MustParse("push-5.client.example"), Node: "yxs32uqsflafdk3iuqo", // from the app's server
			Options: []form.Field{push.Secret("eruio234vzxc2kla-91")},
		},
		Failed: func(err error) { fmt.Println("no notifications:", err) },
	}
	c, err := client.New(client.Config{
		JID: jid.MustParse("user@example.com"), Password: "secret", Extensions: []xmpp.Extension{wake},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	// c.Run(ctx)

	// When the user wants no more notifications:
	stop := func(ctx context.Context) error {
		return push.Disable(ctx, c, wake.Registration.Service, wake.Registration.Node)
	}
	_ = stop
}

// A server with notifications. What they say is up to it: here who has written, and not
// what.
func ExampleServer() {
	notifications := &push.Server{Store: memory.New().Push(), Disclose: push.Senders}
	defer notifications.Close()
	s, err := server.New(server.Config{
		Domains:    []string{"example.com"},
		Extensions: []xmpp.Extension{notifications, new(disco.Extension)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	fmt.Println(s.Features(jid.MustParse("user@example.com"))[0])
}

// The app's server, a component: it wakes the device that it knows by the node.
func ExampleService() {
	tokens := map[string]string{"yxs32uqsflafdk3iuqo": "of the platform"}
	service := &push.Service{
		Deliver: func(_ context.Context, d push.Delivery) error {
			token, ok := tokens[d.Node]
			if !ok {
				return stanza.ItemNotFound // the user's server forgets the device
			}
			fmt.Println("wake", token, d.Notification.Messages)
			return nil
		},
		Secret: func(context.Context, string) (string, error) { return "eruio234vzxc2kla-91", nil },
	}
	c, err := component.New(component.Config{
		Domain: jid.MustParse("push-5.client.example"), Secret: "s3cret",
		Extensions: []xmpp.Extension{service, &disco.Extension{Identities: []disco.Identity{push.Identity()}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	// c.Run(ctx)
}
