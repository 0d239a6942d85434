package caps_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/caps"
	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/stanza"
)

// A bot tells what it can do: the extensions go to client.Config.Extensions,
// the payloads into its presence.
func ExampleExtension() {
	d := &disco.Extension{Identities: []disco.Identity{{Category: "client", Type: "bot", Name: "Weather"}}}
	c := &caps.Extension{Node: "https://weather.example/bot", Disco: d}
	extensions := []xmpp.Extension{d, c}

	online := func(ctx context.Context, s xmpp.Sender) error {
		return xmpp.Send(ctx, s, &stanza.Presence{Payloads: c.Payloads()})
	}
	_, _ = extensions, online
}

// A bot finds out what its contacts can do, without asking each of them.
func ExampleCache_Lookup() {
	var (
		mux   xmpp.Mux
		cache caps.Cache
	)
	mux.OnPresence(func(ctx context.Context, s xmpp.Sender, p *stanza.Presence) error {
		if p.Type != stanza.TypeAvailable {
			return nil
		}
		info, err := cache.Lookup(ctx, s, p)
		if err == nil && info.Has("urn:xmpp:jingle:apps:rtp:video") {
			fmt.Println(p.From, "can be called")
		}
		return err
	})
}

func ExampleVer() {
	ver, err := caps.Ver(disco.Info{
		Identities: []disco.Identity{{Category: "client", Type: "pc", Name: "Exodus 0.9.1"}},
		Features:   []string{caps.NS, disco.NSInfo, disco.NSItems, "http://jabber.org/protocol/muc"},
	}, caps.SHA1)
	fmt.Println(ver, err)
	// Output: QgayPKawpkPSDYmwT/WM94uAlu0= <nil>
}
