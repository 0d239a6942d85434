package delay_test

import (
	"fmt"
	"time"

	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/stanza"
)

func ExampleOf() {
	st, err := stanza.Parse(`<message from='romeo@montague.example/orchard' to='juliet@capulet.example'>
		<body>O blessed, blessed night!</body>
		<delay xmlns='urn:xmpp:delay' from='capulet.example' stamp='2002-09-10T23:08:25Z'/>
	</message>`)
	if err != nil {
		fmt.Println(err)
		return
	}
	if d, ok := delay.Of(st); ok {
		fmt.Println("sent", d.Stamp.Format(time.DateTime))
	}
	// Output: sent 2002-09-10 23:08:25
}

func ExampleStamp() {
	st, err := stanza.Parse("<message to='juliet@capulet.example'><body>Hi</body></message>")
	if err != nil {
		fmt.Println(err)
		return
	}
	sent := time.Date(2002, 9, 10, 23, 8, 25, 0, time.UTC)
	st, err = delay.Stamp(st, delay.Delay{From: st.To.DomainJID(), Stamp: sent}, false)
	fmt.Println(st, err)
	// Output: <message to='juliet@capulet.example'><body>Hi</body><delay xmlns='urn:xmpp:delay' from='capulet.example' stamp='2002-09-10T23:08:25Z'/></message> <nil>
}
