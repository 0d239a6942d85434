package rosterx_test

import (
	"fmt"

	"github.com/etherx-go/xmpp/ext/rosterx"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
)

// What a suggestion would change, for the user to agree to. It comes by way of
// Extension.OnSuggestion.
func ExampleSuggestion_Changes() {
	s := rosterx.Suggestion{Action: rosterx.Add, Items: []rosterx.Item{
		{JID: jid.MustParse("rosencrantz@denmark.example"), Name: "Rosencrantz", Groups: []string{"Visitors"}},
		{JID: jid.MustParse("horatio@denmark.example")},
	}}
	inRoster := func(j jid.JID) (roster.Item, bool) { return roster.Item{JID: j}, j.Local() == "horatio" }
	for _, c := range s.Changes(inRoster) {
		fmt.Println(c.Item.JID, c.Item.Groups, c.New)
	}
	// Output: rosencrantz@denmark.example [Visitors] true
}
