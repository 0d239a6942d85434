package version_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/version"
	"github.com/etherx-go/xmpp/jid"
)

// Which server the account is on.
func ExampleGet() {
	server := func(ctx context.Context, s xmpp.Sender) error {
		v, err := version.Get(ctx, s, s.LocalAddr().DomainJID())
		if err == nil {
			fmt.Println(v.Name, v.Version)
		}
		return err
	}
	_ = server
}

func ExampleExtension() {
	e := &version.Extension{Name: "Weather", Version: "1.0"}
	fmt.Println(e.Features(jid.JID{}))
	// Output: [jabber:iq:version]
}
