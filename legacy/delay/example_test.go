package delay_test

import (
	"fmt"
	"time"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/legacy/delay"
	"github.com/etherx-go/xmpp/stanza"
)

// A server stamps what it has stored for a peer of old.
func Example() {
	msg := stanza.Message{To: jid.MustParse("horatio@denmark.example"), Body: "Angels and ministers of grace!", Payloads: []any{
		delay.Delay{From: jid.MustParse("denmark.example"), Stamp: time.Date(2000, 1, 6, 6, 35, 29, 0, time.UTC)},
	}}
	st, err := msg.Stanza()
	if err != nil {
		fmt.Println(err)
		return
	}
	d, _, _ := stanza.Decode[delay.Delay](st)
	fmt.Println("sent", d.Stamp.Format(time.DateTime), "stored by", d.From)
	// Output: sent 2000-01-06 06:35:29 stored by denmark.example
}
