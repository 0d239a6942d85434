package last_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/last"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// When a contact was there.
func ExampleGet() {
	lastSeen := func(ctx context.Context, s xmpp.Sender, contact jid.JID) (string, error) {
		a, err := last.Get(ctx, s, contact.Bare())
		switch {
		case errors.Is(err, stanza.Forbidden):
			return "may not be seen", nil
		case err != nil:
			return "", err
		case a.Ago == 0:
			return "is online", nil
		}
		return fmt.Sprintf("left %v ago: %s", a.Ago, a.Status), nil
	}
	_ = lastSeen
}

// A client with a user tells how long that one has been idle.
func ExampleExtension() {
	lastInput := time.Now()
	e := &last.Extension{Idle: func() time.Duration { return time.Since(lastInput) }}
	fmt.Println(e.Features(jid.JID{}))
	// Output: [jabber:iq:last]
}
