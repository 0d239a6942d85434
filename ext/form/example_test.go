package form_test

import (
	"fmt"

	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// A service asks, a bot answers, the service checks the answer.
func Example() {
	asked := form.New(form.Form, "urn:example:invite",
		form.Field{Var: "room", Type: form.TextSingle, Label: "Name of the room", Required: true},
		form.Field{Var: "public", Type: form.Boolean},
		form.Field{Var: "guests", Type: form.JIDMulti},
	)

	answer := asked.Answer()
	answer.Set("room", "Balcony")
	answer.SetJIDs("guests", jid.MustParse("romeo@montague.example"))

	checked, err := asked.Check(&answer)
	if err != nil {
		fmt.Println(err)
		return
	}
	guests, _ := checked.Field("guests").JIDs()
	fmt.Println(checked.Text("room"), guests)

	answer.Set("room")
	_, err = asked.Check(&answer)
	fmt.Println(err)
	fmt.Println(stanza.AsError(err).Condition)
	// Output:
	// Balcony [romeo@montague.example]
	// form: the field "room" is required
	// not-acceptable
}
