package xhtml_test

import (
	"fmt"

	"github.com/etherx-go/xmpp/ext/xhtml"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

func ExampleAdd() {
	msg := &stanza.Message{To: jid.MustParse("romeo@montague.example")}
	if err := xhtml.Add(msg, "<p>My <strong>bounty</strong> is as boundless as the sea</p>"); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(msg.Body) // xmpp.Send(ctx, s, msg)
	// Output: My bounty is as boundless as the sea
}

// Hostile markup, as a web page can show it.
func ExampleOf() {
	st, err := stanza.Parse(`<message><body>Click me</body>
		<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>
			<p onclick='steal()' style='position: fixed; color: red'>Click <a href='javascript:steal()'>me</a><script>steal()</script></p>
		</body></html></message>`)
	if err != nil {
		fmt.Println(err)
		return
	}
	if h, ok := xhtml.Of(st); ok {
		body := h.Body("en")
		fmt.Println(body.Text())
		fmt.Println(xhtml.Body{Content: body.Content[1:2]}.HTML())
	}
	// Output:
	// Click me
	// <div><p style="color: red">Click me</p></div>
}
