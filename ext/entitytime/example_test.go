package entitytime_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/entitytime"
	"github.com/etherx-go/xmpp/jid"
)

// What time it is for a contact.
func ExampleGet() {
	isNight := func(ctx context.Context, s xmpp.Sender, contact jid.JID) (bool, error) {
		t, err := entitytime.Get(ctx, s, contact)
		return err == nil && (t.Hour() < 7 || t.Hour() >= 22), err
	}
	_ = isNight
}

// Whether the own clock agrees with that of the server.
func ExampleGetSkew() {
	check := func(ctx context.Context, s xmpp.Sender) error {
		skew, err := entitytime.GetSkew(ctx, s, s.LocalAddr().DomainJID())
		if err == nil && skew.Offset.Abs() > skew.Error {
			fmt.Println("the clock is off by", skew.Offset)
		}
		return err
	}
	_ = check
}
