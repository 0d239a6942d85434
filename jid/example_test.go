package jid_test

import (
	"errors"
	"fmt"

	"github.com/etherx-go/xmpp/jid"
)

func ExampleParse() {
	j, err := jid.Parse("Juliet@Example.COM/Balcony")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(j)
	fmt.Println(j.Local(), j.Domain(), j.Resource())
	fmt.Println(j.Bare() == jid.MustParse("juliet@example.com"))

	_, err = jid.Parse("romeo and juliet@example.com")
	var e *jid.Error
	if errors.As(err, &e) {
		fmt.Println(e.Part, e.Reason)
	}
	// Output:
	// juliet@example.com/Balcony
	// juliet example.com Balcony
	// true
	// localpart has a character that is not allowed
}

func ExampleEscapeLocal() {
	j, err := jid.New(jid.EscapeLocal("d'artagnan@musketeers.lit"), "smtp.gascon.fr", "")
	fmt.Println(j, err)
	fmt.Println(jid.UnescapeLocal(j.Local()))
	// Output:
	// d\27artagnan\40musketeers.lit@smtp.gascon.fr <nil>
	// d'artagnan@musketeers.lit
}

func ExampleParseURI() {
	u, err := jid.ParseURI("xmpp:romeo@montague.net?message;body=Hello%20World")
	if err != nil {
		fmt.Println(err)
		return
	}
	body, _ := u.Get("body")
	fmt.Println(u.JID, u.Query, body)
	// Output: romeo@montague.net message Hello World
}
