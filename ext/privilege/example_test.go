package privilege_test

import (
	"context"
	"fmt"

	"github.com/etherx-go/xmpp"
	"github.com/etherx-go/xmpp/ext/privilege"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/roster"
	"github.com/etherx-go/xmpp/stanza"
)

// A gateway puts a contact into the roster of somebody who has registered with it.
func ExampleSetRosterItem() {
	welcome := func(ctx context.Context, s xmpp.Sender, user jid.JID) error {
		return privilege.SetRosterItem(ctx, s, user, roster.Item{JID: jid.MustParse("1234567@sms.example.org"), Name: "Mum"})
	}
	_ = welcome
}

// A component writes in the name of a user.
func ExampleSend() {
	notify := func(ctx context.Context, s xmpp.Sender, user, to jid.JID) error {
		return privilege.Send(ctx, s, &stanza.Message{From: user.Bare(), To: to, Type: stanza.TypeHeadline, Body: "I am on holiday."})
	}
	_ = notify
}

func ExampleGrant() {
	g := privilege.Grant{Roster: privilege.Get, Message: true}
	b, err := g.AppendXML(nil)
	fmt.Println(string(b), err)
	// Output: <privilege xmlns='urn:xmpp:privilege:2'><perm access='roster' type='get'/><perm access='message' type='outgoing'/></privilege> <nil>
}
