package me_test

import (
	"fmt"

	"github.com/etherx-go/xmpp/ext/me"
)

func Example() {
	body := me.Body("shrugs in disgust")
	fmt.Println(body)
	fmt.Println(me.Format("Atlas", body))
	fmt.Println(me.Format("Atlas", "I shrug."))
	// Output:
	// /me shrugs in disgust
	// * Atlas shrugs in disgust
	// I shrug.
}
