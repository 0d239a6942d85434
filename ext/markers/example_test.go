package markers_test

import (
	"fmt"

	"github.com/etherx-go/xmpp/ext/markers"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// When messages are displayed, the last that asks for it gets a marker.
func ExampleReply() {
	own := jid.MustParse("juliet@capulet.example/balcony")
	msg := &stanza.Message{
		From: jid.MustParse("romeo@montague.example/orchard"), ID: "m1",
		Body: "Hi. How are you?", Payloads: []any{markers.Markable{}},
	}
	if marker := markers.Reply(own, msg); marker != nil {
		st, err := marker.Stanza() // or xmpp.Send(ctx, s, marker)
		fmt.Println(st, err)
	}
	// Output: <message to='romeo@montague.example'><displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/></message> <nil>
}

func ExampleProgress() {
	var p markers.Progress
	p.Add("m1")
	p.Add("m2")
	p.Add("m3")
	fmt.Println(p.Mark("romeo@montague.example", "m2"))
	fmt.Println(p.Mark("romeo@montague.example", "m1"))
	// Output:
	// [m1 m2] true
	// [] false
}
