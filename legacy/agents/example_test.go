package agents_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/agents"
)

// Which services has my server?
func ExampleServices() {
	show := func(ctx context.Context, s xmpp.Sender) error {
		services, err := agents.Services(ctx, s, jid.JID{})
		for _, a := range services {
			fmt.Println(a.JID, a.Name, a.Service)
		}
		return err
	}
	_ = show
}
