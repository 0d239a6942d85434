package oob_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp/ext/oob"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// An attached URL.
func Example() {
	msg := &stanza.Message{
		To:       jid.MustParse("horatio@denmark.example"),
		Body:     "URL attached.",
		Payloads: []any{oob.Data{URL: "http://denmark.example/act4/letter-1.html", Desc: "There's a letter for you, sir"}},
	}
	for _, d := range oob.All(msg) {
		fmt.Println(d.URL, "-", d.Desc)
	}
	// Output: http://denmark.example/act4/letter-1.html - There's a letter for you, sir
}

// A bot that fetches what one sender offers. The extension goes among those of
// a client.
func ExampleExtension() {
	sailor := jid.MustParse("sailor@denmark.example")
	ext := &oob.Extension{Fetch: func(ctx context.Context, from jid.JID, url, desc string) error {
		if from.Bare() != sailor {
			return oob.ErrRefused
		}
		fmt.Println("fetching", url)
		return nil
	}}
	fmt.Println(ext.Features(sailor))
	fmt.Println(ext.Fetch(context.Background(), sailor, "http://denmark.example/letter", ""))
	// Output:
	// [jabber:iq:oob]
	// fetching http://denmark.example/letter
	// <nil>
}
