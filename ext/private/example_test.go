package private_test

import (
	"context"
	"encoding/xml"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/private"
)

// Settings are what a program wants to find again wherever it runs.
type Settings struct {
	XMLName xml.Name `xml:"urn:example:settings settings"`
	Sound   bool     `xml:"sound"`
}

// A program keeps its settings on the server.
func Example() {
	toggleSound := func(ctx context.Context, s xmpp.Sender) error {
		settings, _, err := private.Get[Settings](ctx, s)
		if err != nil {
			return err
		}
		settings.Sound = !settings.Sound
		return private.Set(ctx, s, settings)
	}
	_ = toggleSound
}
