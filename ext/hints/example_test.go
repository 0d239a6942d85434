package hints_test

import (
	"fmt"

	"github.com/etherx-go/xmpp/ext/hints"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

func Example() {
	msg := &stanza.Message{
		To:       jid.MustParse("juliet@capulet.example"),
		Body:     "Burn this.",
		Payloads: []any{hints.NoPermanentStore},
	}
	h := hints.Of(msg)
	fmt.Println("offline:", h.Keep(true), "archive:", h.Archive(true))
	// Output: offline: true archive: false
}
