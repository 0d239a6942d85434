package idle_test

import (
	"fmt"
	"time"

	"github.com/etherx-go/xmpp/ext/idle"
	"github.com/etherx-go/xmpp/stanza"
)

func Example() {
	now := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	away := &stanza.Presence{
		Show:     stanza.ShowAway,
		Payloads: []any{idle.Idle{Since: now.Add(-10 * time.Minute)}},
	}
	fmt.Println(idle.For(away, now))
	// Output: 10m0s
}
