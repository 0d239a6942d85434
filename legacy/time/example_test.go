package iqtime_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/jid"
	iqtime "github.com/etherx-go/xmpp/legacy/time"
)

// What a clock of 1999 shows.
func ExampleGet() {
	show := func(ctx context.Context, s xmpp.Sender, to jid.JID) error {
		q, err := iqtime.Get(ctx, s, to)
		if err == nil {
			fmt.Println(q.UTC, q.Display)
		}
		return err
	}
	_ = show
}
