package autoupdate_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/autoupdate"
)

// A program whose user wants to know tells which version it is, and shows what
// the service says.
func ExampleAnnounce() {
	program := jid.MustParse("mybot@update.example.org")
	_ = &autoupdate.Extension{ // one of client.Config.Extensions
		Services: []jid.JID{program},
		OnNotice: func(_ context.Context, r autoupdate.Received) error { fmt.Println(r.Subject); return nil },
	}
	announce := func(ctx context.Context, s xmpp.Sender) error { return autoupdate.Announce(ctx, s, program, "1.0") }
	_ = announce
}

func ExampleVersions_Newer() {
	v := autoupdate.Versions{Release: &autoupdate.Version{Number: "0.9.10", URL: "https://example.org/"}}
	if n := v.Newer("0.9.2"); n != nil {
		fmt.Println(n.Number, n.URL)
	}
	// Output: 0.9.10 https://example.org/
}
