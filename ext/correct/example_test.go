package correct_test

import (
	"fmt"

	"github.com/etherx-go/xmpp/ext/correct"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

func ExampleNew() {
	sent := &stanza.Message{To: jid.MustParse("juliet@capulet.example"), ID: "bad1", Body: "yonder airlock"}
	better, err := correct.New(sent, "yonder window")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(better.Body) // xmpp.Send(ctx, s, better)
	fmt.Println(correct.Of(better))
	// Output:
	// yonder window
	// {bad1} true
}
